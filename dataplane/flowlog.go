package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// FlowLog asks for records of a resource as control hands it over: of a network
// interface, a NAT gateway or a transit gateway's interface; of a transit gateway,
// for all that is attached to it, or one attachment. Control resolves VPCs and
// subnets to the interfaces in them (F1), and several logs of one resource each
// stand for themselves.
type FlowLog struct {
	Resource Handle
	// Accept and Reject are what an interface's log wants (F3). A transit
	// gateway's has everything.
	Accept, Reject bool
}

// FlowAction is what groups and network ACLs did to a packet at an interface.
type FlowAction uint8

// The actions, as the bits of what a log wants.
const (
	FlowAccept FlowAction = 1 << iota
	FlowReject
)

func (a FlowAction) String() string {
	switch a {
	case FlowAccept:
		return "ACCEPT"
	case FlowReject:
		return "REJECT"
	}
	return "-"
}

// FlowRecord is what passed one interface, or one attachment of a transit
// gateway, in one direction: packets of one flow with one action (F2). Several
// records of the same flow may follow each other, one per window.
type FlowRecord struct {
	// Tuple is the packets' as the interface saw it: after the translation of
	// whoever stood before it. Protocols without ports have 0, ICMP too.
	Tuple packet.Tuple
	// Interface that logged it, or attachment.
	Interface Handle
	Egress    bool // it sent the packets
	Action    FlowAction
	// TCPFlags are 1 for FIN, 2 for SYN, 4 for RST and 18 for SYN and ACK, of all
	// packets; a transit gateway's also PSH 8, ACK 16 and URG 32, but 0 for a
	// packet that only acknowledges.
	TCPFlags uint8
	// TrafficPath by which packets left, in AWS's numbers; 0 is none of them.
	// It and NextHop are those of the first packet.
	TrafficPath uint8
	// Packets on the wire, not superframes, and bytes of IP.
	Packets, Bytes uint64
	// First and Last packet, on the engine's clock.
	First, Last int64
	// NextHop is the interface in the same VPC that got what Interface sent, 0
	// if none did.
	NextHop Handle

	// Of a transit gateway's records: the gateway, the other attachment of the
	// flow (0 if there was none), its interfaces on both sides, and what of the
	// packets it lost.
	TransitGateway, PairAttachment, Source, Destination Handle
	Lost                                                [numFlowLosses]uint64
}

// FlowLoss is why a transit gateway lost packets.
type FlowLoss uint8

// The losses that its records count.
const (
	FlowLostNoRoute FlowLoss = iota
	FlowLostBlackhole
	FlowLostMTU
	FlowLostTTL
	numFlowLosses
	flowNotLost = numFlowLosses
)

// FlowRecords appends what the flow logs have seen since the last call to out,
// in no order, and says of which interfaces something is missing because there
// were more flows than are kept ([MaxFlowRecords]). What is under way on a link
// is seen where it arrives.
func (e *Engine) FlowRecords(out []FlowRecord) (records []FlowRecord, skipped []Handle) {
	e.collecting.Lock()
	defer e.collecting.Unlock()
	full := e.turnFlowRecords()
	if full == nil {
		return out, nil
	}
	for ref := uint32(1); ref <= full.count; ref++ {
		if full.at(ref).packets > 0 {
			out = append(out, full.export(ref))
		}
	}
	for h := range full.skipped {
		skipped = append(skipped, h)
	}
	full.reset()
	return out, skipped
}

// turnFlowRecords lets the packets write to the other table and returns the one
// that they wrote to, nil if they did not.
func (e *Engine) turnFlowRecords() *flowRecordTable {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collectOffload()
	s := &e.state
	full := s.records
	switch {
	case full == nil:
		return nil
	case full.count == 0 && len(full.skipped) == 0:
		full.start = e.config.Clock() // an idle window is as good as none
		return nil
	}
	if e.spare == nil {
		e.spare = newFlowRecordTable(full.seed)
	}
	s.records, e.spare = e.spare, full
	s.records.window, s.records.start = full.window+1, e.config.Clock()
	s.flights.turn(full, s.records)
	return full
}

// observe writes down what the packet's way means to the flow logs: at every
// interface that it passed or was stopped at, by the steps that decided.
func (w *Walk) observe(s *state) {
	t := s.records
	if t == nil {
		t = newFlowRecordTable(s.flows.seed)
		t.start = w.now
		s.records = t
	}
	packets, bytes := w.total()
	var seen seen // field by field; see Walk.step
	seen.packets, seen.bytes, seen.at = uint64(packets), uint64(bytes), w.now
	seen.flags, seen.loss = flowTCPFlags[w.pkt.TCPFlags&0x3f], flowNotLost
	last := w.nSights - 1
	// What a connection's packets have in common is looked up once per window. Not
	// where NAT64 changes their size, and a new flow may have moved the others.
	known := w.nNew == 0 && w.tuple.Src.Is4() == (w.pkt.Family == 4)
	for i := range w.sights[:w.nSights] {
		at := &w.sights[i]
		ni := &w.snap.interfaces[at.ni]
		if ni.logs == 0 {
			continue
		}
		action := FlowAccept
		if i == last && w.verdict != VerdictPass {
			if action = FlowReject; !flowRejects[w.steps[w.nSteps-1].Stage] {
				action = w.actionAt(at, ni)
			}
		}
		if ni.logs&action == 0 {
			continue
		}
		if !known || action == FlowReject {
			at.flow = nil
		}
		ref := uint32(0)
		if at.flow != nil {
			if at.flow.window == t.window {
				ref = at.flow.record[at.dir]
			}
		} else if known {
			tuple := &w.tuples[at.tuple]
			ref = t.last(tuple, flowPorts(tuple), placeOf(ni.handle, 0, tuple.Proto, at.dir, action))
		}
		if ref == 0 || at.behind != 0 {
			w.observeAt(t, i, ref, ni.handle, action, &seen)
			continue
		}
		// What flowRecordTable.note does, here: it is the way of most packets,
		// and the fewer instructions all of it has, the more of the walk stays in
		// the processor's cache.
		r := t.at(ref)
		r.packets += seen.packets
		r.bytesAndFlags = r.bytesAndFlags + seen.bytes<<8 | uint64(seen.flags)
		r.last = uint32(uint64(seen.at-t.start) >> flowTimeShift)
	}
	if w.nTransits > 0 {
		w.observeTransits(t, &seen)
	}
}

// observeAt counts the packet at its i-th interface, where that is not as simple:
// to the record with a reference, or one that has to be found. That is done once per
// connection and window, if the interface tracks it.
func (w *Walk) observeAt(t *flowRecordTable, i int, ref uint32, ni Handle, action FlowAction, seen *seen) {
	at := &w.sights[i]
	if ref != 0 {
		w.note(t, ref, at.behind, seen)
		return
	}
	tuple := &w.tuples[at.tuple]
	place := placeOf(ni, 0, tuple.Proto, at.dir, action)
	ref, isNew := t.find(tuple, flowPorts(tuple), place)
	if ref == 0 {
		t.skip(place.interfaceHandle())
		return
	}
	if isNew {
		r := t.rest(ref)
		r.first = seen.at
		if at.dir == egress {
			r.path, r.nextHop = w.pathFrom(i)
		}
	}
	if at.flow != nil {
		if at.flow.window != t.window {
			at.flow.window, at.flow.record = t.window, [2]uint32{}
		}
		at.flow.record[at.dir] = ref
	}
	if is4 := tuple.Src.Is4(); is4 != (w.pkt.Family == 4) {
		translated := *seen // by NAT64: the headers are shorter or longer
		if is4 {
			translated.bytes -= seen.packets * familyDifference
		} else {
			translated.bytes += seen.packets * familyDifference
		}
		seen = &translated
	}
	w.note(t, ref, at.behind, seen)
}

// note counts the packet to a record: now, or when it has crossed the links
// before the interface.
func (w *Walk) note(t *flowRecordTable, ref uint32, behind uint8, seen *seen) {
	if behind > 0 && w.nPending < maxPending {
		p := &w.pending[w.nPending]
		p.ref, p.behind, p.flags, p.loss = ref, behind, seen.flags, seen.loss
		w.nPending++
		return
	}
	t.note(ref, seen)
}

// flowRejects are the stages whose drop is a REJECT at the interface where it
// happened: a group's or a network ACL's (section 4 of AWS's flow logs).
var flowRejects = [numStages]bool{StageSecurityGroupOut: true, StageNetworkACLOut: true, StageNetworkACLIn: true, StageSecurityGroupIn: true}

// actionAt is what became of the packet at the interface where its way ended, if no
// group and no network ACL ended it: nothing by the destination check or a link
// before the interface, ACCEPT by what comes after it.
func (w *Walk) actionAt(at *sight, ni *networkInterface) FlowAction {
	switch stage := w.steps[w.nSteps-1].Stage; {
	case at.behind == notArrived, stage == StageDestinationCheck:
		return 0
	case stage == StageLink && at.dir == ingress && ni.kind == KindNetworkInterface:
		return 0 // its own link is behind its subnet's network ACL, and before its groups
	}
	return FlowAccept
}

// flowTCPFlags are the flags that a record shows of a packet's: SYN, FIN and RST,
// and ACK only with SYN.
var flowTCPFlags = func() (shown [64]uint8) {
	for flags := range shown {
		f := uint8(flags)
		shown[f] = f & (packet.TCPFlagFIN | packet.TCPFlagSYN | packet.TCPFlagRST)
		if f&packet.TCPFlagSYN != 0 {
			shown[f] |= f & packet.TCPFlagACK
		}
	}
	return shown
}()
