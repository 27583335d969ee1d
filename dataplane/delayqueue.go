package dataplane

import (
	"math"
	"math/rand/v2"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// delayQueue carries frames over the links on their way. The walk has decided
// that they arrive; here they wait. Every link is reached in the order of time,
// whoever sent, so that a packet from afar takes nobody's place in a queue
// before it is there.
type delayQueue struct {
	pool      framePool
	random    rand.PCG
	segmenter packet.Segmenter

	heap     []waiting
	sequence uint64
	lent     [][]byte // buffers of the frames that went out last
	// now and snap are those of the batch; see release.
	now  int64
	snap *Snapshot

	scratch  flight // the frame that just walked
	segment  flight // a segment of the frame that is being cut
	frames   []packet.Frame
	segments []packet.Frame
	packet   packet.Packet
}

// waiting is a place in the heap: flights in the order of time, and of coming.
type waiting struct {
	at       int64
	sequence uint64
	flight   *flight
}

func (a *waiting) before(b *waiting) bool {
	return a.at < b.at || a.at == b.at && a.sequence < b.sequence
}

// never is the time of nothing.
const never = math.MaxInt64

// due is when the next flight is somewhere.
func (q *delayQueue) due() int64 {
	if len(q.heap) == 0 {
		return never
	}
	return q.heap[0].at
}

// fits reports that a frame of n bytes finds room to wait.
func (q *delayQueue) fits(n int) bool { return q.pool.fits(n + flightSize) }

// ship sends the frames that a walk put out, out[first:], over the walk's links.
// What has not to wait goes out at once.
func (e *Engine) ship(w *Walk, out []packet.Frame, first int) []packet.Frame {
	q := &e.state.flights
	q.frames = append(q.frames[:0], out[first:]...)
	out = out[:first]
	for i := range q.frames {
		f := &q.scratch
		f.board(w, q.frames[i])
		if len(q.frames) > 1 || w.pkt.Family == 4 != w.tuple.Src.Is4() {
			// A fragment, or of the other family than what was parsed.
			packet.Parse(&q.packet, &q.frames[i])
			f.measure(packet.TotalBytes(&q.packet))
		} else {
			f.measure(packet.TotalBytes(&w.pkt))
		}
		out = e.carry(f, out)
	}
	return out
}

// sendGhost lets a packet that was dropped take its time on the links that it had
// crossed by then.
func (e *Engine) sendGhost(w *Walk) {
	f := &e.state.flights.scratch
	f.board(w, packet.Frame{})
	f.ghost = true
	packets, bytes := w.size()
	f.measure(packets, bytes)
	if w.reason == ReasonLinkLoss || w.reason == ReasonLinkQueue {
		f.n--
		link := f.passages[f.n].link
		if w.reason == ReasonLinkLoss {
			link.Lost += uint64(packets)
		} else {
			link.QueueDrops += uint64(packets)
		}
	}
	e.carry(f, nil)
}

// release lets everything move on that is due, and appends what arrived to out.
func (e *Engine) release(snap *Snapshot, now int64, out []packet.Frame) []packet.Frame {
	q := &e.state.flights
	q.now, q.snap = now, snap
	for i, b := range q.lent {
		q.pool.give(b)
		q.lent[i] = nil
	}
	q.lent = q.lent[:0]
	for len(q.heap) > 0 && q.heap[0].at <= now {
		f := q.pop()
		if f.next > 0 {
			f.passages[f.next-1].link.Queued -= uint64(f.packets)
		}
		out = e.carry(f, out)
	}
	return out
}

// carry takes a flight over links until it has to wait, arrives or is dropped.
func (e *Engine) carry(f *flight, out []packet.Frame) []packet.Frame {
	q := &e.state.flights
	for f.next < f.n && f.at <= q.now {
		e.count(f)
		p := &f.passages[f.next]
		if p.link.direction == nil { // the link was removed meanwhile
			f.next++
			continue
		}
		if p.link.cuts(f, p) {
			return e.carryInPieces(f, out)
		}
		f.next++
		reason, double := p.link.carryOver(f, p, &q.random)
		if reason != ReasonLink {
			e.dropLate(f, StageLink, reason, p.link.direction.handle, p.link.direction.detail())
			return out
		}
		if double && !e.hold(f, true) {
			p.link.Duplicated -= uint64(f.packets)
		}
	}
	switch {
	case f.at > q.now:
		if !e.hold(f, false) {
			p := f.passages[max(f.next, 1)-1]
			handle, detail := Handle(0), uint32(linkMemory)
			if p.link != nil {
				p.link.QueueDrops += uint64(f.packets)
				if d := p.link.direction; d != nil {
					handle, detail = d.handle, detail|d.detail()
				}
			}
			e.dropLate(f, StageLink, ReasonLinkQueue, handle, detail)
		}
		return out
	case f.ghost:
		e.count(f)
		q.end(f)
		return out
	}
	e.count(f)
	return e.arrive(f, out)
}

// count notes the flight in the flow log records of the interfaces that it has
// reached.
func (e *Engine) count(f *flight) {
	for ; f.counted < f.nPending && f.pending[f.counted].behind <= f.next; f.counted++ {
		if p := &f.pending[f.counted]; p.ref != 0 {
			e.state.records.note(p.ref, &seen{packets: uint64(f.packets), bytes: uint64(f.bytes), at: f.at, flags: p.flags, loss: p.loss})
		}
	}
}

// turn makes the records that flights still have to be counted in those of the
// next window.
func (q *delayQueue) turn(from, to *flowRecordTable) {
	for i := range q.heap {
		f := q.heap[i].flight
		for j := f.counted; j < f.nPending; j++ {
			p := &f.pending[j]
			if p.ref == 0 {
				continue
			}
			old := p.ref
			if p.ref = to.again(from, old); p.ref == 0 {
				to.skip(from.at(old).place.interfaceHandle())
			}
		}
	}
}

// carryInPieces cuts a superframe and sends its segments on one by one.
func (e *Engine) carryInPieces(f *flight, out []packet.Frame) []packet.Frame {
	q := &e.state.flights
	f.describe(&e.walk)
	q.segments = q.segmenter.Segment(q.segments[:0], &f.frame)
	header := int(f.bytes) // of all segments together, to be shared out
	for i := range q.segments {
		header -= len(q.segments[i].Data)
	}
	header /= max(len(q.segments), 1) // minus the Ethernet header's length
	for i := range q.segments {
		s := &q.segment
		*s = *f
		s.held, s.passing = false, true
		s.frame, s.segment, s.packets = q.segments[i], uint32(i), 1
		s.bytes = uint32(len(s.frame.Data) + header)
		out = e.carry(s, out)
	}
	if len(q.segments) == 0 { // its offload facts are lies
		e.dropLate(f, StageParse, ReasonMalformed, f.record.From, 0)
		return out
	}
	q.end(f)
	return out
}

// arrive hands the frame to its receiver, if that still exists: handles are
// never used again, so nobody else can have its number.
func (e *Engine) arrive(f *flight, out []packet.Frame) []packet.Frame {
	q := &e.state.flights
	if !f.held {
		e.state.traffic.at(Handle(f.frame.Link)).receive(int(f.packets), int(f.bytes))
		if f.passing {
			f.frame.Data = append(e.arena.take(len(f.frame.Data)), f.frame.Data...)
		}
		return append(out, f.frame)
	}
	to := q.snap.interfaceOf(f.frame.Link)
	if to < 0 || q.snap.interfaces[to].stopped {
		e.dropLate(f, StageDeliver, ReasonInterfaceDown, Handle(f.frame.Link), 0)
		return out
	}
	e.state.traffic.at(Handle(f.frame.Link)).receive(int(f.packets), int(f.bytes))
	out = append(out, f.frame)
	q.lent = append(q.lent, f.frame.Data)
	f.frame.Data = nil
	q.end(f)
	return out
}

// dropLate ends a flight that did not arrive. Its walk was counted as delivered;
// this is counted besides.
func (e *Engine) dropLate(f *flight, stage Stage, reason Reason, object Handle, detail uint32) {
	if !f.ghost { // whose drop was counted
		e.state.counters.Reasons[reason]++
		f.describe(&e.walk)
		f.record.Time = f.at
		f.record.Step = Step{Stage: stage, Verdict: VerdictDrop, Reason: reason, Object: object, Detail: detail}
		e.state.journal.keep(&f.record)
		e.state.drops.keep(&f.record)
		if e.taps != nil {
			e.tapLate(f)
		}
	}
	e.state.flights.end(f)
}

// hold lets f wait until f.at, or a copy of it, in memory of the queue's own. It
// reports false if there is none left.
func (e *Engine) hold(f *flight, double bool) bool {
	q := &e.state.flights
	if !f.held || double {
		f.describe(&e.walk)
		own := q.own(f)
		if own == nil {
			return false
		}
		f = own
	}
	if f.next > 0 {
		f.passages[f.next-1].link.Queued += uint64(f.packets)
	}
	q.push(f)
	return true
}

// own copies a flight and its bytes.
func (q *delayQueue) own(f *flight) *flight {
	var data []byte
	if !f.ghost {
		if data = q.pool.take(len(f.frame.Data)); data == nil {
			return nil
		}
		copy(data, f.frame.Data)
	}
	own := q.pool.takeFlight()
	if own == nil {
		if data != nil {
			q.pool.give(data)
		}
		return nil
	}
	*own = *f
	own.held, own.passing, own.frame.Data = true, false, data
	return own
}

// end gives back what a flight holds.
func (q *delayQueue) end(f *flight) {
	if !f.held {
		return
	}
	if f.frame.Data != nil {
		q.pool.give(f.frame.Data)
	}
	q.pool.giveFlight(f)
}

// rest gives memory back that an idle queue does not need.
func (q *delayQueue) rest() {
	if len(q.heap) > 0 || len(q.lent) > 0 {
		return
	}
	q.pool = framePool{limit: q.pool.limit}
	q.heap = nil
}
