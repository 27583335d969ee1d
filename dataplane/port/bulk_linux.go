package port

// traffic is what kind of traffic there is, so that a receiver can be good at
// each: single small packets want to be woken for at once, bulk wants not to be
// disturbed.
type traffic struct {
	flows bool // the last wait was not in vain
	bulk  bool // a good part of the frames are superframes

	batches, frames, superframes int // since the last decision
}

const (
	// decideEvery is how many batches a decision is made from: some
	// milliseconds of bulk.
	decideEvery = 64
	// bulkPart: bulk is when one frame in four is a superframe. A stream is
	// about every second, the others being its acknowledgements.
	bulkPart = 4
	// bulkBatch is the most superframes taken at once. Eight are 512 KiB, which
	// a CPU's own cache still holds when they are sent; with 64 the copies come
	// from memory that others share, and were a tenth slower.
	bulkBatch = 8
)

// observe counts a batch. It reports whether that led to a decision.
func (t *traffic) observe(frames, superframes int) (decided bool) {
	t.flows = true
	t.batches++
	t.frames += frames
	t.superframes += superframes
	if t.batches < decideEvery {
		return false
	}
	*t = traffic{flows: true, bulk: t.superframes > 0 && t.superframes*bulkPart >= t.frames}
	return true
}

// most is how many frames the next batch may have.
func (r *receiver) most() int {
	if r.traffic.bulk {
		return min(bulkBatch, len(r.messages))
	}
	return len(r.messages)
}

// observe learns from a batch what comes next.
func (r *receiver) observe(frames, superframes int) {
	if r.traffic.observe(frames, superframes) {
		r.thread.hurry(r.traffic.bulk)
	}
}

// rest is for when nothing came for a while.
func (r *receiver) rest() {
	r.thread.hurry(false)
	r.traffic = traffic{}
}
