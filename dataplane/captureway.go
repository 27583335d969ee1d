package dataplane

import (
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Ways makes a capture take the whole ways of packets, with every step, in place of
// the packets at some places. Both ends must match.
type Ways struct {
	From, To WayEnd
}

// WayEnd is who a packet has to be from, or for: one of these interfaces, or an
// address of theirs wherever on its way the packet has it. The zero WayEnd is
// anybody.
type WayEnd struct {
	Interfaces []Handle
	Addresses  []packet.Prefix
}

// Way is what became of one packet that came to the core. From is the zero Object
// if the platform itself sent it.
type Way struct {
	Time int64 // nanoseconds on the engine's clock
	Leg
}

// NextWay passes the oldest way that was not read yet to visit, in the words of a
// trace, and reports whether there was one. It does not wait. A nil visit costs
// no words.
func (c *Capture) NextWay(visit func(*Way)) bool {
	rec := c.ring.next()
	if rec == nil {
		return false
	}
	defer c.ring.release(rec)
	if visit == nil {
		return true
	}
	way := Way{Time: rec.time, Leg: Leg{
		Verdict: rec.verdict, Reason: rec.reason,
		Sent: addressesOf(rec.tuples[0]), Steps: make([]TraceStep, rec.nSteps),
	}}
	if rec.frame.Link != 0 {
		way.From = rec.snap.objectOf(Handle(rec.frame.Link))
	}
	for i := range way.Steps {
		way.Steps[i] = rec.explain(uint8(i))
	}
	if rec.verdict == VerdictPass && rec.nSteps > 0 {
		way.To = rec.snap.objectOf(rec.steps[rec.nSteps-1].Object)
	}
	visit(&way)
	return true
}

// takeWay keeps what w decided, if the capture wants it.
func (c *Capture) takeWay(w *Walk, link uint32) {
	// The platform's own answer has the link of whom it answers.
	if w.pkt.Frame == &c.engine.answerFrame {
		link = 0
	}
	if !c.wantsWay(w, Handle(link)) {
		return
	}
	rec := c.ring.put(&packet.Frame{Link: link})
	if rec == nil {
		c.lost[CapturePlace{}]++
		return
	}
	rec.describe(w)
	c.ring.publish()
}

// wantsWay asks the filter at the beginning and wherever the packet has new
// addresses. What kernels say of themselves, looking for neighbours and listening to
// groups, is too much to be of interest.
func (c *Capture) wantsWay(w *Walk, from Handle) bool {
	if w.pkt.Family == 0 || w.reason == ReasonNeighbor || w.reason == ReasonMembership || w.nSteps == 0 {
		return false
	}
	// A filter for an address has to match a NAT gateway's inside as well as its
	// outside: whoever wrote it knows only one of them.
	subject := filterSubject{length: len(w.pkt.Frame.Data), verdict: w.verdict, reason: w.reason}
	for i := range w.tuples[:w.nTuples] {
		subject.tuple, subject.family = &w.tuples[i], 6
		if w.tuples[i].Src.Is4() {
			subject.family = 4
		}
		if c.filter.keeps(&subject) {
			return c.ways.From.sent(w, from) && c.ways.To.gets(w)
		}
	}
	return false
}

// sent reports whether the packet is from the end. Another's own address may be
// the same, in another VPC.
func (end *WayEnd) sent(w *Walk, from Handle) bool {
	if end.any() || slices.Contains(end.Interfaces, from) {
		return true
	}
	if i := w.snap.interfaceOf(uint32(from)); i >= 0 && len(end.Interfaces) > 0 && w.snap.interfaces[i].owns(w.tuples[0].Src) {
		return false
	}
	for i := range w.tuples[:w.nTuples] {
		if containsAny(end.Addresses, w.tuples[i].Src) {
			return true
		}
	}
	return false
}

// gets reports whether the packet is for the end, or came to it.
func (end *WayEnd) gets(w *Walk) bool {
	if end.any() {
		return true
	}
	if w.verdict == VerdictPass {
		to := &w.snap.interfaces[w.out]
		if slices.Contains(end.Interfaces, to.handle) {
			return true
		}
		if len(end.Interfaces) > 0 && to.owns(w.tuple.Dst) {
			return false
		}
	}
	for i := range w.tuples[:w.nTuples] {
		if containsAny(end.Addresses, w.tuples[i].Dst) {
			return true
		}
	}
	return false
}

func (end *WayEnd) any() bool { return len(end.Interfaces) == 0 && len(end.Addresses) == 0 }

// takeLateWay keeps what a link has lost after its walk, with the one step that did
// it: the walk, which was delivered by then, has been taken already.
func (c *Capture) takeLateWay(snap *Snapshot, f *flight) {
	tuple := &f.record.Tuple
	subject := filterSubject{tuple: tuple, family: 6, length: len(f.frame.Data), verdict: VerdictDrop, reason: f.record.Step.Reason}
	if tuple.Src.Is4() {
		subject.family = 4
	}
	ends := (c.ways.From.any() || slices.Contains(c.ways.From.Interfaces, f.record.From) || containsAny(c.ways.From.Addresses, tuple.Src)) &&
		(c.ways.To.any() || containsAny(c.ways.To.Addresses, tuple.Dst))
	if !ends || !c.filter.keeps(&subject) {
		return
	}
	rec := c.ring.put(&packet.Frame{Link: uint32(f.record.From)})
	if rec == nil {
		c.lost[CapturePlace{}]++
		return
	}
	rec.time, rec.snap, rec.verdict, rec.reason = f.at, snap, VerdictDrop, f.record.Step.Reason
	rec.icmpType, rec.icmpCode, rec.nViews = f.record.ICMPType, 0, 0
	rec.tuples[0], rec.steps[0], rec.nSteps = *tuple, f.record.Step, 1
	rec.steps[0].Tuple = 0
	c.ring.publish()
}
