package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// taps are the captures of an engine, and the scratch of their writers.
type taps struct {
	captures []*Capture
	views    [maxViews]view
	nViews   uint8
	pkt      packet.Packet
	original []byte // of the frame that is being rewritten
}

// view is a packet at a place.
type view struct {
	place     CapturePlace
	direction CaptureDirection
	// step is how many steps the packet had taken by then: the last of them says
	// what its addresses were.
	step uint8
}

// maxViews is more than the places of the longest legal way.
const maxViews = 32

// rewriteTapped rewrites w's frame, and shows the captures what w decided with the
// bytes that it came with. What is delivered they see in tapOut.
func (e *Engine) rewriteTapped(w *Walk) {
	t := e.taps
	t.original = append(t.original[:0], w.pkt.Frame.Data...)
	original := packet.Frame{Data: t.original, Link: w.pkt.Frame.Link, Offload: w.pkt.Frame.Offload}
	w.rewrite(e) // which may drop it yet
	e.tapWalk(w, &original)
}

// tapWalk shows the captures the frame f and what w decided about it.
func (e *Engine) tapWalk(w *Walk, f *packet.Frame) {
	t := e.taps
	t.look(w, w.copied || w.pkt.Frame == &e.answerFrame)
	for _, c := range t.captures {
		if c.ways != nil {
			c.takeWay(w, f.Link)
			continue
		}
		c.takeWalk(t, w, f)
	}
}

// look collects the places that the packet was at. Originated: by the platform
// itself, so that no interface sent it.
func (t *taps) look(w *Walk, originated bool) {
	// Steps and sights are what the walk notes for everybody; nothing is noted for
	// captures alone, so that they cost nothing when there are none.
	t.nViews = 0
	if !originated && w.pkt.Frame != nil {
		t.add(CapturePlace{Object: Handle(w.pkt.Frame.Link)}, DirectionOut, 0)
	}
	for i := range w.sights[:w.nSights] {
		t.addSight(w, &w.sights[i], i == w.nSights-1)
	}
	for i := range w.transits[:w.nTransits] {
		p := &w.transits[i]
		t.add(CapturePlace{Object: w.snap.attachments[p.in].handle}, DirectionIn, p.step)
		if p.out >= 0 {
			t.add(CapturePlace{Object: w.snap.attachments[p.out].handle}, DirectionOut, p.stepOut)
		}
	}
	for i := range w.steps[:w.nSteps] {
		t.addStep(&w.steps[i], uint8(i))
	}
	// In the order of the way; most are.
	for i := uint8(1); i < t.nViews; i++ {
		for j := i; j > 0 && t.views[j].step < t.views[j-1].step; j-- {
			t.views[j], t.views[j-1] = t.views[j-1], t.views[j]
		}
	}
}

func (t *taps) add(place CapturePlace, direction CaptureDirection, step uint8) {
	if t.nViews < maxViews {
		t.views[t.nViews] = view{place, direction, step}
		t.nViews++
	}
}

// addSight is the packet at an interface that it passes or ends at. Its sender has
// it already, and who got it sees it as it goes out.
func (t *taps) addSight(w *Walk, s *sight, last bool) {
	ni := &w.snap.interfaces[s.ni]
	direction := DirectionIn
	if s.dir == egress {
		direction = DirectionOut
	}
	switch ni.kind {
	case KindNATGateway:
		t.add(CapturePlace{ni.gateway, w.natSide(ni, s)}, direction, s.step)
	case KindNetworkInterface:
		// Where the packet got through, tapOut shows the very bytes.
		if last && s.dir == ingress && w.verdict == VerdictDrop {
			t.add(CapturePlace{Object: ni.handle}, DirectionIn, s.step)
		}
	default:
		t.add(CapturePlace{Object: ni.handle}, direction, s.step)
	}
}

// natSide is the side of a NAT gateway that a packet is on: what is for an address
// of the gateway's own, or from one, is outside.
func (w *Walk) natSide(ni *networkInterface, s *sight) CaptureSide {
	tuple := &w.tuples[s.tuple]
	if s.dir == ingress && ni.owns(tuple.Dst) || s.dir == egress && ni.owns(tuple.Src) {
		return SideOutside
	}
	return SideInside
}

// addStep is the packet at what is no interface.
func (t *taps) addStep(s *Step, i uint8) {
	switch s.Stage {
	case StageInternetGatewayOut:
		t.add(CapturePlace{s.Object, SideInside}, DirectionIn, i)
		if s.Verdict == VerdictPass {
			t.add(CapturePlace{s.Object, SideOutside}, DirectionOut, i+1)
		}
	case StageInternetGatewayIn:
		t.add(CapturePlace{s.Object, SideOutside}, DirectionIn, i)
		if s.Verdict == VerdictPass {
			t.add(CapturePlace{s.Object, SideInside}, DirectionOut, i+1)
		}
	case StageTrafficMirror:
		t.add(CapturePlace{Object: s.Object}, DirectionOut, i)
	case StageInternet, StagePeering, StageVPNGateway, StageEgressOnlyGateway:
		t.add(CapturePlace{Object: s.Object}, DirectionUnknown, i)
	}
}

// takeWalk keeps the frame if the capture looks at a place that it was at.
func (c *Capture) takeWalk(t *taps, w *Walk, f *packet.Frame) {
	var rec *captureRecord
	full := false
	subject := filterSubject{length: len(f.Data), verdict: w.verdict, reason: w.reason, arp: w.pkt.EtherType == packet.EtherTypeARP}
	for _, v := range t.views[:t.nViews] {
		if !c.wants(v.place) {
			continue
		}
		tuple := &w.tuples[0]
		if v.step > 0 {
			tuple = &w.tuples[w.steps[v.step-1].Tuple]
		}
		// By the addresses themselves: behind NAT64 the packet is of the other
		// family, which its bytes are not yet.
		subject.tuple, subject.family = tuple, 0
		if w.pkt.Family != 0 {
			subject.family = 6
			if tuple.Src.Is4() {
				subject.family = 4
			}
		}
		if !c.filter.keeps(&subject) {
			continue
		}
		// One copy of the bytes serves all places: the reader makes of it what the
		// packet was at each.
		if rec == nil && !full {
			rec = c.ring.put(f)
			full = rec == nil
			if rec != nil {
				rec.describe(w)
			}
		}
		if full {
			c.lost[v.place]++
			continue
		}
		rec.views[rec.nViews] = v
		rec.nViews++
	}
	if rec != nil {
		c.ring.publish()
	}
}

// describe notes everything that w decided.
func (rec *captureRecord) describe(w *Walk) {
	rec.time, rec.snap, rec.asIs, rec.nViews = w.now+w.lag, w.snap, false, 0
	rec.verdict, rec.reason, rec.icmpType, rec.icmpCode, rec.clampMSS = w.verdict, w.reason, w.icmpType, w.icmpCode, w.clampMSS
	rec.nSteps = uint8(w.nSteps)
	copy(rec.steps[:], w.steps[:w.nSteps])
	copy(rec.tuples[:], w.tuples[:w.nTuples])
	if w.pkt.ICMPError {
		copy(rec.quoted[:], w.quotes[:w.nTuples])
	}
}

// tapOut shows the captures the frames that go out now, as the port gets them.
func (e *Engine) tapOut(snap *Snapshot, now int64, out []packet.Frame) {
	t := e.taps
	for i := range out {
		f := &out[i]
		place := CapturePlace{Object: Handle(f.Link)}
		parsed := false
		for _, c := range t.captures {
			if !c.wants(place) {
				continue
			}
			if !parsed {
				packet.Parse(&t.pkt, f)
				parsed = true
			}
			c.takeFrame(snap, now, f, nil, view{place, DirectionIn, 0}, &t.pkt)
		}
	}
}

// takeFrame keeps a frame as it is, with the step that ended its way if one did.
func (c *Capture) takeFrame(snap *Snapshot, now int64, f *packet.Frame, end *Step, v view, p *packet.Packet) {
	subject := filterSubject{
		tuple: &p.Tuple, family: p.Family, arp: p.EtherType == packet.EtherTypeARP, length: len(f.Data),
		verdict: VerdictPass, reason: ReasonDelivered,
	}
	if end != nil {
		subject.verdict, subject.reason = end.Verdict, end.Reason
	}
	if !c.filter.keeps(&subject) {
		return
	}
	rec := c.ring.put(f)
	if rec == nil {
		c.lost[v.place]++
		return
	}
	rec.time, rec.snap, rec.asIs = now, snap, true
	rec.verdict, rec.reason, rec.nSteps = subject.verdict, subject.reason, 0
	if end != nil {
		rec.steps[0], rec.nSteps = *end, 1
		rec.steps[0].Tuple = 0
	}
	rec.tuples[0] = p.Tuple
	rec.icmpType, rec.icmpCode = p.ICMPType, p.ICMPCode
	rec.views[0], rec.nViews = v, 1
	c.ring.publish()
}

// tapLate shows the captures a frame that a link lost after its walk, where it was
// on its way to.
func (e *Engine) tapLate(f *flight) {
	place := CapturePlace{Object: f.record.At}
	if f.ghost || len(f.frame.Data) == 0 {
		return
	}
	t, parsed := e.taps, false
	for _, c := range t.captures {
		if c.ways != nil {
			c.takeLateWay(e.state.flights.snap, f)
			continue
		}
		if !c.wants(place) {
			continue
		}
		if !parsed {
			packet.Parse(&t.pkt, &f.frame)
			parsed = true
		}
		c.takeFrame(e.state.flights.snap, f.at, &f.frame, &f.record.Step, view{place, DirectionIn, 0}, &t.pkt)
	}
}
