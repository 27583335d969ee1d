package dataplane

// transitPass is a packet's way through one transit gateway, for the gateway's
// flow log.
type transitPass struct {
	in, out int32 // attachments, by index; out is -1 as long as it is in there
	// from and to are the gateway's interfaces on both sides, -1 for attachments
	// that have none.
	from, to int32
	tuple    uint8 // the packet's addresses there, among the walk's
	// arrived and left are how many links the packet had crossed by then.
	arrived, left uint8
	// step and stepOut are how many steps it had taken when it came and left.
	step, stepOut uint8
}

// maxTransits is how many gateways of a way are logged.
const maxTransits = 4

// entersTransit notes that the packet is at a gateway.
func (w *Walk) entersTransit(attachment uint32) {
	w.through(w.snap.attachments[attachment].handle, ingress)
	if w.nTransits == maxTransits {
		w.nTransits--
	}
	p := &w.transits[w.nTransits]
	p.in, p.out, p.from, p.to, p.tuple, p.arrived = int32(attachment), -1, -1, -1, uint8(w.nTuples-1), w.nPassages
	p.step = uint8(w.nSteps)
	if w.nSights > 0 && w.snap.interfaces[w.sights[w.nSights-1].ni].gateway == w.snap.attachments[attachment].handle {
		p.from = int32(w.sights[w.nSights-1].ni)
	}
	w.nTransits++
}

// leavesTransit notes by which attachment, and which interface of it, the packet
// leaves the gateway that it is at.
func (w *Walk) leavesTransit(attachment uint32, by int32) {
	w.through(w.snap.attachments[attachment].handle, egress)
	if w.nTransits > 0 {
		p := &w.transits[w.nTransits-1]
		p.out, p.to, p.left, p.stepOut = int32(attachment), by, w.nPassages, uint8(w.nSteps)
	}
}

// observeTransits writes down what the gateways' flow logs see: the packet comes
// in by one attachment and goes out by the other, or is lost in between.
func (w *Walk) observeTransits(t *flowRecordTable, observed *seen) {
	seen := *observed
	seen.flags = transitTCPFlags(w.pkt.TCPFlags)
	for i := range w.transits[:w.nTransits] {
		p := &w.transits[i]
		in := &w.snap.attachments[p.in]
		pair, lost := Handle(0), seen
		if p.out >= 0 {
			pair = w.snap.attachments[p.out].handle
		} else {
			lost.loss = transitLoss(w.reason)
		}
		if in.logged {
			w.observeTransit(t, p, placeOf(in.handle, pair, 0, ingress, 0), p.arrived, &lost)
		}
		if p.out >= 0 && w.snap.attachments[p.out].logged {
			w.observeTransit(t, p, placeOf(pair, in.handle, 0, egress, 0), p.left, &seen)
		}
	}
}

func (w *Walk) observeTransit(t *flowRecordTable, p *transitPass, place flowPlace, behind uint8, seen *seen) {
	tuple := &w.tuples[p.tuple]
	place |= placeOf(0, 0, tuple.Proto, 0, 0)
	ref, isNew := t.find(tuple, flowPorts(tuple), place)
	if ref == 0 {
		t.skip(place.interfaceHandle())
		return
	}
	if isNew {
		r := t.rest(ref)
		r.gateway = w.snap.transitGateways[w.snap.attachments[p.in].gateway].handle
		r.source, r.destination = w.interfaceHandle(p.from), w.interfaceHandle(p.to)
	}
	w.note(t, ref, behind, seen)
}

func (w *Walk) interfaceHandle(index int32) Handle {
	if index < 0 {
		return 0
	}
	return w.snap.interfaces[index].handle
}

// transitLoss is how a gateway's log counts what it dropped. An attachment
// without a route table has no route for anything.
func transitLoss(r Reason) FlowLoss {
	switch r {
	case ReasonNoRoute, ReasonNotAssociated, ReasonNoZone:
		return FlowLostNoRoute
	case ReasonBlackhole:
		return FlowLostBlackhole
	case ReasonTooBig:
		return FlowLostMTU
	case ReasonTTLExpired:
		return FlowLostTTL
	}
	return flowNotLost
}

// transitTCPFlags: all flags, but none for a packet that only acknowledges.
func transitTCPFlags(flags uint8) uint8 {
	const all, onlyACK = 0x3f, 0x10
	if flags &= all; flags == onlyACK {
		return 0
	}
	return flags
}
