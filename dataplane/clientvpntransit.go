package dataplane

// This file carries what clients of an endpoint at a transit gateway send and get. The
// endpoint has no network interface in any VPC: nobody translates, and no security group
// or connection table is on the way (C11).

// TransitGatewayClientVPNAttachment joins a Client VPN endpoint to a transit gateway.
type TransitGatewayClientVPNAttachment struct {
	Object
	TransitGateway Handle
	RouteTable     Handle // its association; 0 is none
	Endpoint       Handle
}

// clientIntoTransit takes what a client sent into the transit gateway, with the client's
// own address, where the table that the attachment is associated with routes it.
func (w *Walk) clientIntoTransit(e *clientVPNEndpoint, index uint32) Hop {
	client := &w.snap.vpnClients[w.snap.interfaces[index].place]
	if _, there := e.clients.get(w.tuple.Dst); there && !w.tuple.Dst.Is4() { // C9
		return w.drop(StageClientVPN, ReasonClientToClientIPv6, e.handle, 0)
	}
	if isLinkLocalService(w.tuple.Dst) {
		return w.drop(StageLinkLocal, ReasonLinkLocal, w.snap.interfaces[index].handle, 0) // no VPC whose resolver it could ask
	}
	if e.attachment < 0 {
		return w.drop(StageClientVPN, ReasonNotAssociated, e.handle, uint32(w.snap.interfaces[index].handle))
	}
	// What a client sends keeps to the zone that it landed in, where the destination's
	// attachment has it (T12).
	if !w.moveTo(client.zone) {
		return Hop{}
	}
	return w.transit(uint32(e.attachment), index)
}

// transitToClient takes a packet from the gateway to the client that has its
// destination. Whoever has a route there may open connections to clients: there is
// nothing on the way that would remember who began.
func (w *Walk) transitToClient(index uint32) Hop {
	e := &w.snap.clientVPNEndpoints[w.snap.attachments[index].clients]
	w.leavesTransit(index, -1)
	if !w.hop() {
		return w.drop(StageClientVPN, ReasonTTLExpired, e.handle, 0)
	}
	w.clamp(ClientVPNMTU)
	if to, ok := e.clients.get(w.tuple.Dst); ok {
		zone := w.snap.vpnClients[w.snap.interfaces[to].place].zone
		if zone != 0 && w.zone != 0 && !w.moveTo(zone) { // from elsewhere than a zone there is no link
			return Hop{}
		}
	}
	return w.toClient(e, -1)
}
