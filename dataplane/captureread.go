package dataplane

import (
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// CapturedPacket is a packet at a place of a capture.
type CapturedPacket struct {
	Time      int64 // nanoseconds on the engine's clock
	Place     CapturePlace
	Direction CaptureDirection
	// Data is the Ethernet frame as it was there: a packet of its own even if it
	// passed as part of a superframe, with complete checksums. Borrowed for the call.
	// Ethernet addresses between two interfaces are still the sender's.
	Data      []byte
	Addresses Addresses
	// Verdict and Reason are those of the packet's whole way, wherever it ended.
	Verdict Verdict
	Reason  Reason
	// Drop is the step that dropped it, or nil.
	Drop *TraceStep
	// Translation is the step that gave it the addresses that it has here, on the
	// far side of a gateway that translates; nil elsewhere.
	Translation *TraceStep
}

// captureReader is the scratch of a capture's reader.
type captureReader struct {
	buffer    []byte
	frame     packet.Frame
	segmenter packet.Segmenter
	segments  []packet.Frame
	pkt       packet.Packet
}

// Next passes the packets of the oldest frame that was not read yet to visit, and
// reports whether there was one. It does not wait.
func (c *Capture) Next(visit func(*CapturedPacket)) bool {
	rec := c.ring.next()
	if rec == nil {
		return false
	}
	defer c.ring.release(rec)
	for i := range rec.views[:rec.nViews] {
		v := &rec.views[i]
		p := CapturedPacket{
			Time: rec.time + rec.delayBefore(v.step), Place: v.place, Direction: v.direction,
			Addresses: addressesOf(*rec.tupleAt(v.step)), Verdict: rec.verdict, Reason: rec.reason,
		}
		if rec.verdict == VerdictDrop && rec.nSteps > 0 {
			drop := rec.explain(rec.nSteps - 1)
			p.Drop = &drop
		}
		if v.step > 0 && v.direction == DirectionOut && rec.translates(v.step-1) {
			translation := rec.explain(v.step - 1)
			p.Translation = &translation
		}
		c.reader.rebuild(rec, v)
		c.reader.cut()
		for j := range c.reader.segments {
			p.Data = c.reader.segments[j].Data
			visit(&p)
		}
	}
	return true
}

// cut makes packets of the frame. One that cannot be cut, because its sender lied
// about it, is shown as it came.
func (r *captureReader) cut() {
	r.segments = r.segmenter.Segment(r.segments[:0], &r.frame)
	if len(r.segments) == 0 {
		r.segments = append(r.segments, r.frame)
	}
}

// rebuild writes the frame as it was at a view: with the addresses, hop limit and
// segment size that it had by then.
func (r *captureReader) rebuild(rec *captureRecord, v *view) {
	r.buffer = append(r.buffer[:0], rec.data...)
	r.frame = rec.frame
	r.frame.Data = r.buffer
	if rec.asIs || v.step == 0 || packet.Parse(&r.pkt, &r.frame) != packet.ProblemNone {
		return
	}
	p := &r.pkt
	if hops := rec.hopsBefore(v.step); hops > 0 {
		packet.SetTTL(p, p.TTL-min(hops, p.TTL))
		if rec.clampMSS != 0 {
			packet.ClampMSS(p, rec.clampMSS)
		}
	}
	to, index := rec.tupleAt(v.step), rec.steps[v.step-1].Tuple
	quoted := &rec.quoted[index]
	switch {
	case index == 0: // nothing has been translated
	case to.Src.Is4() != (p.Family == 4):
		r.translateFamily(p, to, quoted)
	default:
		if p.QuotedOK && *quoted != p.Quoted {
			packet.RewriteQuoted(p, *quoted)
		}
		if *to != p.Tuple {
			packet.Rewrite(p, *to)
		}
	}
}

// translateFamily does what commit did. A packet without a counterpart in the other
// family never was one of it.
func (r *captureReader) translateFamily(p *packet.Packet, to, quoted *packet.Tuple) {
	buffer := make([]byte, 0, len(r.frame.Data)+translationRoom)
	var f packet.Frame
	var ok bool
	if p.ICMPError {
		f, ok = packet.TranslateError(p, *to, *quoted, buffer)
	} else {
		f, ok = packet.Translate(p, *to, buffer)
	}
	if ok {
		r.frame = f
	}
}

// tupleAt is the packet's addresses after so many steps.
func (rec *captureRecord) tupleAt(step uint8) *packet.Tuple {
	if step == 0 || step > rec.nSteps {
		return &rec.tuples[0]
	}
	return &rec.tuples[rec.steps[step-1].Tuple]
}

// explain is a step in the words of a trace.
func (rec *captureRecord) explain(step uint8) TraceStep {
	after := *rec.tupleAt(step + 1)
	port := after.DstPort
	if isICMP(after.Proto) {
		port = uint16(rec.icmpType)<<8 | uint16(rec.icmpCode)
	}
	return rec.snap.explain(rec.steps[step], *rec.tupleAt(step), after, port)
}

func (rec *captureRecord) translates(step uint8) bool {
	switch rec.steps[step].Reason {
	case ReasonTranslated, ReasonNATOut, ReasonNATIn:
		return true
	}
	return false
}

// hopsBefore is how many gateways have taken one off the hop limit.
func (rec *captureRecord) hopsBefore(step uint8) (hops uint8) {
	for _, s := range rec.steps[:min(step, rec.nSteps)] {
		if isHop(rec.snap, s) {
			hops++
		}
	}
	return hops
}

// isHop reports that the step belongs to a gateway that counts as a hop; see the
// callers of Walk.hop.
func isHop(snap *Snapshot, s Step) bool {
	switch s.Stage {
	case StageNATGateway:
		return (s.Reason == ReasonNATOut || s.Reason == ReasonNATIn) && snap.objects[s.Object].Kind == KindNATGateway
	case StageTransitGateway:
		return s.Reason == ReasonAttached
	case StageClientVPN:
		return s.Reason == ReasonDecrypted || s.Reason == ReasonNATIn
	}
	return false
}

// delayBefore is how long the links before a step take, without their queues: what
// a packet meets there is known only when it arrives.
func (rec *captureRecord) delayBefore(step uint8) (delay int64) {
	for _, s := range rec.steps[:min(step, rec.nSteps)] {
		if s.Stage != StageLink || s.Reason != ReasonLink {
			continue
		}
		for i := range rec.snap.directions {
			if d := &rec.snap.directions[i]; d.handle == s.Object && d.detail() == s.Detail {
				delay += int64(d.Delay)
			}
		}
	}
	return delay
}
