package dataplane

// flowTable is an open-addressing hash table of flows, cut into segments so
// that growing never stalls the packets for longer than one small segment
// takes to copy. It is not safe for concurrent use: the engine's lock, taken
// once per batch, guards it. Slots hold no pointers, so the garbage collector
// never looks inside.
type flowTable struct {
	segments [flowSegments]flowSegment
	seed     uint64
	count    int
	limit    int
	sweeping int // segment the sweeper looks at next
}

const (
	flowSegments     = 256
	flowSegmentBits  = 8
	flowSegmentSlots = 16 // initial slots of a segment
	sweepSlots       = 64 // slots looked at per batch
)

type flowSegment struct {
	slots []flow
	count int
	hand  int // where the sweeper stopped
}

func (t *flowTable) full() bool { return t.count >= t.limit }

// find returns the slot of key, expired or not, or nil. The pointer is valid
// until the next insert or sweep.
func (t *flowTable) find(key *flowKey) *flow {
	h := key.hash(t.seed)
	s := &t.segments[h>>(64-flowSegmentBits)]
	if s.count == 0 {
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		f := &s.slots[i]
		if f.state == flowEmpty {
			return nil
		}
		if f.key == *key {
			return f
		}
	}
}

// insert returns the slot for key, emptied: an expired or closed flow of the
// same key is forgotten.
func (t *flowTable) insert(key *flowKey) *flow {
	if f := t.find(key); f != nil {
		*f = flow{key: *key}
		return f
	}
	h := key.hash(t.seed)
	s := &t.segments[h>>(64-flowSegmentBits)]
	if s.count >= len(s.slots)*3/4 {
		t.grow(s)
	}
	f := s.vacant(h)
	*f = flow{key: *key}
	s.count++
	t.count++
	return f
}

func (s *flowSegment) vacant(h uint64) *flow {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for s.slots[i].state != flowEmpty {
		i = (i + 1) & mask
	}
	return &s.slots[i]
}

func (t *flowTable) grow(s *flowSegment) {
	old := s.slots
	s.slots = make([]flow, max(flowSegmentSlots, 2*len(old)))
	for i := range old {
		if old[i].state != flowEmpty {
			*s.vacant(old[i].key.hash(t.seed)) = old[i]
		}
	}
	s.hand = 0
}

// sweep looks at a few slots and removes the flows that expired or whose
// interface is gone; called once per batch, it visits the whole table over
// time without ever taking long.
func (t *flowTable) sweep(now int64, budget int, snap *Snapshot) {
	for budget > 0 {
		s := &t.segments[t.sweeping]
		for ; s.hand < len(s.slots) && budget > 0; budget-- {
			f := &s.slots[s.hand]
			if f.state != flowEmpty && (f.expires <= now || snap.interfaceOf(f.key.scope>>8) < 0) {
				t.remove(s, s.hand) // another flow may move in: look again
				continue
			}
			s.hand++
		}
		if s.hand >= len(s.slots) {
			s.hand = 0
			t.sweeping = (t.sweeping + 1) % flowSegments
			budget--
		}
	}
}

// remove empties slot i and moves up what had been pushed behind it, so that
// no tombstones are needed.
func (t *flowTable) remove(s *flowSegment, i int) {
	mask := len(s.slots) - 1
	for j := (i + 1) & mask; s.slots[j].state != flowEmpty; j = (j + 1) & mask {
		home := int(s.slots[j].key.hash(t.seed)) & mask
		// The flow in j may move to i unless its home lies between them.
		if (j-home)&mask >= (j-i)&mask {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = flow{}
	s.count--
	t.count--
}
