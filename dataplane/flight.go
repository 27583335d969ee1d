package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// flight is a frame on its way over links.
type flight struct {
	at    int64 // when it is at the next link, or at its receiver
	frame packet.Frame
	// held: the flight is the queue's own, and so are the frame's bytes.
	// Others are the port's, or the segmenter's if passing.
	held, passing bool
	// ghost is a packet that was dropped behind its last link: it has no
	// bytes any more, but took its time on the links.
	ghost          bool
	described      bool  // record says which packet it is
	next, n        uint8 // in passages
	packets, bytes uint32
	segment        uint32 // its place in the superframe it was cut from
	passages       [maxCrossings]linkPassage
	// pending are the flow log records that count it behind its links, of which
	// counted already have.
	pending           [maxPending]pendingRecord
	nPending, counted uint8
	record            Drop // for the journal, should it come to that
}

// linkPassage is a passage with the link's state in place of its number.
type linkPassage struct {
	link      *linkState
	firstLost uint32
}

// board makes f, which is nobody's, the flight of a frame that w sends. It writes
// no more of f than it must: most flights end at once.
func (f *flight) board(w *Walk, frame packet.Frame) {
	f.at, f.frame, f.next, f.n, f.segment = w.now+w.lag, frame, 0, w.nPassages, 0
	f.held, f.passing, f.ghost, f.described = false, false, false, false
	f.nPending, f.counted = w.nPending, 0
	copy(f.pending[:], w.pending[:w.nPending])
	for i, p := range w.passages[:w.nPassages] {
		f.passages[i] = linkPassage{w.state.links[p.direction-1], p.firstLost}
	}
}

// measure sets what the frame is on the wire.
func (f *flight) measure(packets, bytes int) { f.packets, f.bytes = uint32(packets), uint32(bytes) }

// describe fills the record while the flight's walk is still there.
func (f *flight) describe(w *Walk) {
	if !f.described {
		f.described = true
		f.record.describe(w)
	}
}

// lagBehind is how much later than its cause an answer to the walk's packet
// starts: the answer's own way begins where the packet was dropped.
func (w *Walk) lagBehind() int64 {
	lag := w.lag
	for _, p := range w.passages[:w.nPassages] {
		lag += int64(w.snap.directions[p.direction-1].Delay)
	}
	return lag
}
