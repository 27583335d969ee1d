package dataplane

// EgressOnlyInternetGateway is an attached egress-only gateway as control hands
// it over.
type EgressOnlyInternetGateway struct {
	Object
	VPC Handle
}

// egressOnlyTimeouts: AWS does not publish them (R34).
var egressOnlyTimeouts = Timeouts{
	TCPEstablished: 350e9, TCPHalfOpen: 60e9, TCPClosed: 10e9, UDP: 60e9, UDPStream: 60e9, ICMP: 60e9, Other: 60e9,
}

type egressOnlyGateway struct {
	handle Handle
	vpc    uint32
}

// egressOnlyGateway lets IPv6 out and remembers it; nothing is translated
// (R33).
func (w *Walk) egressOnlyGateway(index uint32) Hop {
	gateway := &w.snap.egressOnlyGateways[index]
	if !w.fits(internetMTU, StageEgressOnlyGateway, gateway.handle) {
		return Hop{}
	}
	if w.tuple.Src.Is4() || !containsAny(w.snap.vpcs[gateway.vpc].prefixes6, w.tuple.Src) || isPrivate(w.tuple.Src) {
		return w.drop(StageEgressOnlyGateway, ReasonNoPublicAddress, gateway.handle, 0)
	}
	if !w.trackSender() { // R35
		return Hop{}
	}
	// An error is about a connection that is there or is not; it makes none (R34).
	if !w.pkt.ICMPError {
		key := tupleFlowKey(gateway.handle, &w.tuple, w.icmpType, egress)
		if slot, found := w.findFlow(&key); found {
			w.touch(&egressOnlyTimeouts, slot, egress)
		} else if !w.track(&egressOnlyTimeouts, 0, &key, egress) {
			return w.drop(StageEgressOnlyGateway, ReasonTableFull, gateway.handle, 0)
		}
	}
	w.pass(StageEgressOnlyGateway, ReasonNotTranslated, gateway.handle, 0)
	w.through(gateway.handle, egress)
	return Hop{Kind: hopInternet}
}

// fromInternet6 takes an IPv6 packet from the Internet into a VPC. When the
// destination's subnet would answer through the egress-only gateway, that
// gateway stands in the way of what it did not let out; otherwise the Internet
// gateway delivers (R37).
func (w *Walk) fromInternet6(vpcIndex uint32) Hop {
	v := &w.snap.vpcs[vpcIndex]
	w.routed = true
	if v.egressOnly >= 0 && (v.internetGateway < 0 || w.answersByEgressOnly(v)) {
		return w.egressOnlyGatewayIn(v)
	}
	return w.internetGatewayIn(uint32(v.internetGateway))
}

// answersByEgressOnly asks the route table of the destination's subnet for the way back
// to the source: a VPC may have both gateways, and a subnet uses one of them (R37).
func (w *Walk) answersByEgressOnly(v *vpc) bool {
	owner, ok := v.owners.get(w.tuple.Dst)
	if !ok {
		return false
	}
	sub := &w.snap.subnets[w.snap.interfaces[owner].subnet]
	entry, ok := w.snap.routeTables[sub.routeTable].lookup(w.tuple.Src)
	return ok && entry.hop.Kind == hopEgressOnlyGateway
}

// egressOnlyGatewayIn lets in what answers something that went out here (R33).
func (w *Walk) egressOnlyGatewayIn(v *vpc) Hop {
	gateway := &w.snap.egressOnlyGateways[v.egressOnly]
	var key flowKey
	if w.pkt.ICMPError {
		key = quotedFlowKey(gateway.handle, &w.quoted, w.pkt.QuotedICMPType, ingress) // R34
	} else {
		key = tupleFlowKey(gateway.handle, &w.tuple, w.icmpType, ingress)
	}
	slot, found := w.findFlow(&key)
	// A connection that ended is no permission to start another from outside.
	if !found || w.reopens(slot) || w.pkt.ICMPError && !w.quotesReceiver() {
		return w.drop(StageEgressOnlyGateway, ReasonEgressOnly, gateway.handle, 0)
	}
	if !w.pkt.ICMPError {
		w.touch(&egressOnlyTimeouts, slot, ingress)
	}
	w.pass(StageEgressOnlyGateway, ReasonTracked, gateway.handle, 0)
	w.through(gateway.handle, ingress)
	return Hop{hopVPC, gateway.vpc}
}

// trackSender makes the sender's interface track a flow that its rules alone
// would not have needed tracking for: flows through NAT and egress-only
// gateways always are (S25, R35, R48).
func (w *Walk) trackSender() bool {
	if w.untracked == nil {
		return true
	}
	ni := w.untracked
	w.untracked = nil
	t := w.tuples[0]
	key := tupleFlowKey(ni.handle, &t, w.pkt.ICMPType, egress)
	if _, found := w.findFlow(&key); !found && !w.track(&ni.timeouts, ni.allowance, &key, egress) {
		w.drop(StageSecurityGroupOut, ReasonTableFull, ni.handle, w.state.tracked.exhausted(ni))
		return false
	}
	return true
}
