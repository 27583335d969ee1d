package dataplane

import (
	"sync/atomic"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// captureRing hands frames from the engine to a capture's reader. One side writes,
// under the engine's lock, and one reads; neither waits for the other.
type captureRing struct {
	records []captureRecord
	bytes   []byte
	// Positions only grow. The writer owns written, the reader read; data is where
	// in bytes the next frame goes, freed what the reader has done with.
	written, read, freed atomic.Uint64
	data                 uint64
}

// captureRecord is one frame with what became of it: enough to tell later, by
// nobody's second judgement, how it looked at every place.
type captureRecord struct {
	time int64
	snap *Snapshot
	data []byte // in the ring's bytes
	end  uint64 // the ring's data behind it
	// link it came from, or, for a frame as it goes out, goes to.
	frame    packet.Frame
	asIs     bool
	verdict  Verdict
	reason   Reason
	icmpType uint8 // at the end of the way
	icmpCode uint8
	clampMSS uint16

	nSteps, nViews uint8
	steps          [maxSteps]Step
	tuples         [maxTuples]packet.Tuple
	quoted         [maxTuples]packet.Tuple // of ICMP errors
	views          [maxViews]view
}

// put returns a record to fill with a copy of the frame in it, nil if there is no
// room. It is the reader's once publish is called.
func (r *captureRing) put(f *packet.Frame) *captureRecord {
	at, size := r.written.Load(), uint64(len(f.Data))
	if at-r.read.Load() == uint64(len(r.records)) {
		return nil
	}
	start := r.data
	if offset := start % uint64(len(r.bytes)); offset+size > uint64(len(r.bytes)) {
		start += uint64(len(r.bytes)) - offset // a frame is in one piece
	}
	if start+size-r.freed.Load() > uint64(len(r.bytes)) {
		return nil
	}
	rec := &r.records[at%uint64(len(r.records))]
	offset := start % uint64(len(r.bytes))
	rec.data = r.bytes[offset : offset+size]
	copy(rec.data, f.Data)
	rec.end = start + size
	r.data = rec.end
	rec.frame = packet.Frame{Link: f.Link, Offload: f.Offload}
	return rec
}

func (r *captureRing) publish() { r.written.Add(1) }

// next is the oldest record, nil if there is none. It stays the reader's until
// release.
func (r *captureRing) next() *captureRecord {
	at := r.read.Load()
	if at == r.written.Load() {
		return nil
	}
	return &r.records[at%uint64(len(r.records))]
}

func (r *captureRing) release(rec *captureRecord) {
	rec.snap = nil
	r.freed.Store(rec.end)
	r.read.Add(1)
}
