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
	for i := range full.count {
		if r := full.at(uint32(i + 1)); r.packets > 0 {
			out = append(out, r.export())
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
	s := &e.state
	full := s.records
	if full == nil || full.count == 0 && len(full.skipped) == 0 {
		return nil
	}
	if e.spare == nil {
		e.spare = newFlowRecordTable(full.seed)
	}
	s.records, e.spare = e.spare, full
	s.records.window = full.window + 1
	s.flights.turn(full, s.records)
	return full
}

// observe writes down what the packet's way means to the flow logs: at every
// interface that it passed or was stopped at, by the steps that decided.
func (w *Walk) observe(s *state) {
	t := s.records
	if t == nil {
		t = newFlowRecordTable(s.flows.seed)
		s.records = t
	}
	packets, bytes := packet.TotalBytes(&w.pkt)
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
			action = w.actionAt(at, ni)
		}
		if ni.logs&action == 0 {
			continue
		}
		if !known || action == FlowReject {
			at.flow = nil
		} else if at.flow != nil && at.flow.window == t.window && at.flow.record[at.dir] != 0 {
			w.note(t, at.flow.record[at.dir], at.behind, &seen)
			continue
		}
		w.observeAt(t, i, ni, action, &seen)
	}
	if w.nTransits > 0 {
		w.observeTransits(t, &seen)
	}
}

// observeAt counts the packet at its i-th interface. The record is found once per
// connection and window, if the interface tracks it.
func (w *Walk) observeAt(t *flowRecordTable, i int, ni *networkInterface, action FlowAction, seen *seen) {
	at := &w.sights[i]
	tuple := &w.tuples[at.tuple]
	ref, isNew := t.find(tuple.Src, tuple.Dst, flowPorts(tuple), placeOf(ni.handle, 0, at.dir, action))
	if ref == 0 {
		t.skip(ni.handle)
		return
	}
	if isNew && at.dir == egress {
		r := t.at(ref)
		r.path, r.nextHop = w.pathFrom(i)
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
	t.at(ref).add(seen)
}

// actionAt is what became of the packet at the interface where its way ended,
// from the step that ended it: REJECT by a group or a network ACL, nothing by the
// destination check or a link before it (section 4 of AWS's flow logs), ACCEPT by
// what comes after the interface.
func (w *Walk) actionAt(at *sight, ni *networkInterface) FlowAction {
	switch w.steps[w.nSteps-1].Stage {
	case StageSecurityGroupOut, StageNetworkACLOut, StageNetworkACLIn, StageSecurityGroupIn:
		return FlowReject
	case StageDestinationCheck:
		return 0
	case StageLink:
		// Its own link is behind its subnet's network ACL, and before its groups.
		if at.dir == ingress && (at.behind == notArrived || ni.kind == KindNetworkInterface) {
			return 0
		}
	}
	if at.behind == notArrived {
		return 0
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
