package dataplane

// This file carries IPv6 of Client VPN clients. AWS translates none of it (C6): a
// client's address is one of the subnet that its association is in, and the VPC
// delivers what is for it to the association's network interface.

// intoVPC6 lets the network interface of an association send what a client sent, with
// the client's own address. The endpoint remembers the connection, so that what answers
// it, and nothing else, gets back to the client (C9).
func (w *Walk) intoVPC6(e *clientVPNEndpoint, client, association uint32) Hop {
	from, ni := &w.snap.interfaces[client], &w.snap.interfaces[association]
	if _, there := e.clients.get(w.tuple.Dst); there {
		return w.drop(StageClientVPN, ReasonClientToClientIPv6, e.handle, 0)
	}
	// Services tell who asks by interface and port: two clients with one port must not
	// be taken for each other, as they would be behind the association's.
	if service, ok := w.serviceFor(ni); ok {
		return w.toService(from, service)
	}
	if isLinkLocalService(w.tuple.Dst) {
		return w.drop(StageLinkLocal, ReasonLinkLocal, from.handle, 0)
	}
	if !w.clientOut6(ni) {
		return Hop{}
	}
	// The client's link owns the address that the packet bears: rules that name the
	// association's groups match it (C7).
	w.sender, w.origin = int(association), int(client)
	return w.sendOn(association)
}

// clientOut6 remembers a connection for as long as that of an IPv4 client: by a
// mapping that changes nothing.
func (w *Walk) clientOut6(ni *networkInterface) bool {
	if w.pkt.ICMPError {
		key := quotedFlowKey(ni.handle, &w.quoted, w.pkt.QuotedICMPType, egress)
		_, _, found := w.findMapping(&key)
		return w.errorOfClient(ni, found)
	}
	key := tupleFlowKey(ni.handle, &w.tuple, w.icmpType, egress)
	mapping, index, found := w.findMapping(&key)
	if !found {
		if w.state.nat.full() {
			w.drop(StageClientVPN, ReasonTableFull, ni.gateway, 0)
			return false
		}
		if mapping = w.newMapping(ni); mapping == nil {
			return false
		}
		*mapping = natMapping{key: key, address: key.local, port: key.localPort}
	}
	w.noteMapping(mapping, index, found, egress)
	w.pass(StageClientVPN, ReasonUntranslated, ni.gateway, 0)
	return true
}

// clientIn6 lets through what belongs to a connection of a client's.
func (w *Walk) clientIn6(ni *networkInterface) bool {
	if w.pkt.ICMPError {
		key := quotedFlowKey(ni.handle, &w.quoted, w.pkt.QuotedICMPType, ingress)
		_, _, found := w.findMappingIn(&key)
		return w.errorOfClient(ni, found)
	}
	key := tupleFlowKey(ni.handle, &w.tuple, w.icmpType, ingress)
	mapping, index, found := w.findMappingIn(&key)
	if !found {
		w.drop(StageClientVPN, ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	w.noteMapping(mapping, index, found, ingress)
	w.pass(StageClientVPN, ReasonUntranslated, ni.gateway, 0)
	return true
}

// errorOfClient judges an ICMP error: it has to be about a packet of a connection that
// is known, which its receiver sent.
func (w *Walk) errorOfClient(ni *networkInterface, known bool) bool {
	if known && w.quotesReceiver() {
		w.pass(StageClientVPN, ReasonUntranslated, ni.gateway, 0)
		return true
	}
	w.drop(StageClientVPN, ReasonNATNoMapping, ni.gateway, 0)
	return false
}

// serviceToClient ends the way of a service's answer at the client that asked.
func (w *Walk) serviceToClient(index uint32) Hop {
	client := &w.snap.vpnClients[w.snap.interfaces[index].place]
	w.clamp(ClientVPNMTU)
	return w.toClient(&w.snap.clientVPNEndpoints[client.endpoint], client.association)
}
