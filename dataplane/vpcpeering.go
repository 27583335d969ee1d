package dataplane

// VPCPeering is an active VPC peering connection as control hands it over. One
// in any other state is no part of a snapshot: routes to it are blackholes (P7).
type VPCPeering struct {
	Object
	// Requester and Accepter are the two VPCs. Their Regions say whether the
	// connection crosses from one Region to another.
	Requester, Accepter Handle
}

// peeringMTU is the largest packet of a connection between two Regions; within
// one it carries what a VPC does (P13).
const peeringMTU = 8500

type peering struct {
	handle      Handle
	vpcs        [2]uint32 // requester, accepter
	interRegion bool
}

// peering takes a packet from one VPC to the interface in the other that owns
// its destination: no route table of the other's says anything. It carries what
// is from the one VPC to the other, and nothing through either of them (P8, P9).
func (w *Walk) peering(side uint32) Hop {
	p := &w.snap.peerings[side/2]
	from, to := p.vpcs[side%2], p.vpcs[1-side%2]
	if sender := &w.snap.vpcs[from]; !containsAny(sender.prefixes, w.tuple.Src) {
		return w.drop(StagePeering, ReasonNotTransitive, p.handle, uint32(sender.handle))
	}
	if receiver := &w.snap.vpcs[to]; !containsAny(receiver.prefixes, w.tuple.Dst) {
		return w.drop(StagePeering, ReasonEdgeToEdge, p.handle, uint32(receiver.handle))
	}
	if p.interRegion && !w.fits(peeringMTU, StagePeering, p.handle) {
		return Hop{}
	}
	w.crossed = CrossesPeering
	w.pass(StagePeering, ReasonOK, p.handle, side%2)
	w.through(p.handle, egress-direction(side%2))
	return Hop{hopVPC, to}
}

// returnToNATGateway finds the way back for an answer to a NAT gateway of a peer
// VPC: it returns over the peering even if the VPC has no route there (R46).
func (w *Walk) returnToNATGateway(vpcIndex uint32) (Hop, bool) {
	for _, hop := range w.snap.vpcs[vpcIndex].peerings {
		p := &w.snap.peerings[hop.To/2]
		owner, ok := w.snap.vpcs[p.vpcs[1-hop.To%2]].owners.get(w.tuple.Dst)
		if !ok || w.snap.interfaces[owner].kind != KindNATGateway {
			continue
		}
		gateway := w.snap.interfaces[owner].gateway
		key := tupleFlowKey(gateway, &w.tuple, w.icmpType, ingress)
		if w.pkt.ICMPError {
			key = quotedFlowKey(gateway, &w.quoted, w.pkt.QuotedICMPType, ingress)
		}
		if _, _, found := w.findMappingIn(&key); found {
			w.pass(StageRoute, ReasonReturnsToNATGateway, gateway, 0)
			return hop, true
		}
	}
	return Hop{}, false
}
