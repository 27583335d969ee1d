package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Counters count packets since the engine started. A superframe counts once.
type Counters struct {
	Received  uint64
	Forwarded uint64
	Answered  uint64
	// Reasons are by what ended the walk. What links drop behind it, because their
	// turn came later, or of a superframe only a part, counts besides.
	Reasons [numReasons]uint64
}

// Drop is a journal entry: one dropped packet and the step that decided.
type Drop struct {
	Sequence uint64 // 1 for the engine's first drop
	Time     int64  // nanoseconds on the engine's clock
	From     Handle // the interface it came from
	At       Handle // the interface that it was at, or on its way to, if any
	Original packet.Tuple
	Tuple    packet.Tuple // addresses where it was dropped
	TCPFlags uint8
	ICMPType uint8
	Step     Step
}

// journal is a ring of the last drops. Writing one costs a copy; nobody pays
// for it when nothing is dropped.
type journal struct {
	ring []Drop
	next uint64 // sequence of the next entry, from 1
}

func (j *journal) add(w *Walk) {
	if len(j.ring) == 0 {
		return
	}
	j.next++
	d := &j.ring[j.next%uint64(len(j.ring))]
	d.Sequence, d.Time = j.next, w.now
	d.describe(w)
	d.Step = Step{}
	if w.nSteps > 0 {
		d.Step = w.steps[w.nSteps-1]
	}
}

// keep adds what was dropped after its walk; all but the sequence is in it.
func (j *journal) keep(late *Drop) {
	if len(j.ring) == 0 {
		return
	}
	j.next++
	d := &j.ring[j.next%uint64(len(j.ring))]
	*d = *late
	d.Sequence = j.next
}

// describe notes which packet w walks with.
func (d *Drop) describe(w *Walk) {
	d.From = 0
	if w.pkt.Frame != nil {
		d.From = Handle(w.pkt.Frame.Link)
	}
	d.At, d.Original, d.Tuple = w.at(), w.tuples[0], w.tuple
	d.TCPFlags, d.ICMPType = w.pkt.TCPFlags, w.pkt.ICMPType
}

// since returns the kept entries with a sequence above after, oldest first.
func (j *journal) since(after uint64) []Drop {
	n := uint64(len(j.ring))
	if n == 0 || j.next <= after {
		return nil
	}
	first := after + 1
	if j.next >= n && first < j.next-n+1 {
		first = j.next - n + 1
	}
	drops := make([]Drop, 0, j.next-first+1)
	for seq := first; seq <= j.next; seq++ {
		drops = append(drops, j.ring[seq%n])
	}
	return drops
}
