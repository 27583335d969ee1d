package dataplane

// keyTable is an open-addressing hash table from flow keys to values, cut into
// segments so that growing never stalls the packets for longer than one small
// segment takes to copy. It is not safe for concurrent use: the engine's lock,
// taken once per batch, guards it. Slots should hold no pointers, so that the
// garbage collector never looks inside.
type keyTable[V any] struct {
	segments [tableSegments]tableSegment[V]
	seed     uint64
	count    int
	limit    int
	sweeping int // segment the sweeper looks at next
}

const (
	tableSegments     = 256
	tableSegmentBits  = 8
	tableSegmentSlots = 16 // initial slots of a segment
	sweepSlots        = 64 // slots looked at per batch
)

// slot is one entry; a slot whose key has no scope is empty.
type slot[V any] struct {
	key   flowKey
	value V
}

type tableSegment[V any] struct {
	slots []slot[V]
	count int
	hand  int // where the sweeper stopped
}

func (t *keyTable[V]) full() bool { return t.count >= t.limit }

// find returns the slot of key, or nil. The pointer is valid until the next
// insert, remove or sweep.
func (t *keyTable[V]) find(key *flowKey) *slot[V] {
	h := key.hash(t.seed)
	s := &t.segments[h>>(64-tableSegmentBits)]
	if s.count == 0 {
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := &s.slots[i]
		if e.key.scope == 0 {
			return nil
		}
		if e.key.equals(key) {
			return e
		}
	}
}

// insert returns the slot for key with the zero value: what was there under
// the same key is forgotten.
func (t *keyTable[V]) insert(key *flowKey) *slot[V] {
	if e := t.find(key); e != nil {
		*e = slot[V]{key: *key}
		return e
	}
	h := key.hash(t.seed)
	s := &t.segments[h>>(64-tableSegmentBits)]
	if s.count >= len(s.slots)*3/4 {
		t.grow(s)
	}
	e := s.vacant(h)
	*e = slot[V]{key: *key}
	s.count++
	t.count++
	return e
}

func (s *tableSegment[V]) vacant(h uint64) *slot[V] {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for s.slots[i].key.scope != 0 {
		i = (i + 1) & mask
	}
	return &s.slots[i]
}

func (t *keyTable[V]) grow(s *tableSegment[V]) {
	old := s.slots
	s.slots = make([]slot[V], max(tableSegmentSlots, 2*len(old)))
	for i := range old {
		if old[i].key.scope != 0 {
			*s.vacant(old[i].key.hash(t.seed)) = old[i]
		}
	}
	s.hand = 0
}

// sweep looks at up to budget slots and removes those that are dead; called
// once per batch, it visits the whole table over time without ever taking long.
func (t *keyTable[V]) sweep(budget int, dead func(*slot[V]) bool) {
	if t.count == 0 {
		return
	}
	for budget > 0 {
		s := &t.segments[t.sweeping]
		for ; s.hand < len(s.slots) && budget > 0; budget-- {
			if e := &s.slots[s.hand]; e.key.scope != 0 && dead(e) {
				t.vacate(s, s.hand) // another entry may move in: look again
				continue
			}
			s.hand++
		}
		if s.hand >= len(s.slots) {
			s.hand = 0
			t.sweeping = (t.sweeping + 1) % tableSegments
			budget--
		}
	}
}

// remove forgets key, if it is there.
func (t *keyTable[V]) remove(key *flowKey) {
	h := key.hash(t.seed)
	s := &t.segments[h>>(64-tableSegmentBits)]
	if s.count == 0 {
		return
	}
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; s.slots[i].key.scope != 0; i = (i + 1) & mask {
		if s.slots[i].key == *key {
			t.vacate(s, int(i))
			return
		}
	}
}

// vacate empties slot i and moves up what had been pushed behind it, so that
// no tombstones are needed.
func (t *keyTable[V]) vacate(s *tableSegment[V], i int) {
	mask := len(s.slots) - 1
	for j := (i + 1) & mask; s.slots[j].key.scope != 0; j = (j + 1) & mask {
		home := int(s.slots[j].key.hash(t.seed)) & mask
		// The entry in j may move to i unless its home lies between them.
		if (j-home)&mask >= (j-i)&mask {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = slot[V]{}
	s.count--
	t.count--
}
