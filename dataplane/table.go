package dataplane

// keyTable is an open-addressing hash table from flow keys to values, cut into
// segments by the keys' first bits. A segment that is full is split in two, so
// growing costs one insert a few microseconds and never stops the packets, how
// many flows there may be. It is not safe for concurrent use: the engine's
// lock, taken once per batch, guards it. Slots should hold no pointers, so that
// the garbage collector never looks inside.
type keyTable[V any] struct {
	// directory finds the segment by the first depth bits of a hash. One that
	// shares fewer bits stands in it several times, side by side.
	directory []*tableSegment[V]
	depth     uint
	seed      uint64
	// together are the bits of a key's scope that do not move its place: keys
	// that differ in nothing else lie side by side.
	together uint32
	count    int
	limit    int
	sweeping int // where in the directory the sweeper is
	effort   sweepEffort
	// spare are the slots, all empty, that the next segment to be split gets
	// for its own: growing leaves nothing to the garbage collector.
	spare []slot[V]
}

const (
	tableSegmentMin = 16  // slots of the first segment, which grows by doubling
	tableSegmentMax = 256 // slots of a segment that is split instead
	sweepSlots      = 16  // slots looked at per batch
)

// sweepEffort decides how many slots the next sweep looks at.
type sweepEffort struct {
	slots int // the last time, in a table that was nearly full
	freed int // what that removed
}

// next is many in a table that is nearly full, as long as there is room to be found,
// and half of it each time that there is none: one stretch without a dead entry says
// little of the next, but who looks at live entries only must not pay for it for
// ever.
func (e *sweepEffort) next(count, limit int) int {
	const hard = 64 * sweepSlots
	switch {
	case count <= limit/4*3:
		e.slots = hard
		return sweepSlots
	case e.freed > 0:
		e.slots = hard
	default:
		e.slots = max(e.slots/2, sweepSlots)
	}
	return e.slots
}

// slot is one entry; a slot whose key has no scope is empty.
type slot[V any] struct {
	key   flowKey
	value V
}

// tableSegment always has an empty slot, at which every search ends.
type tableSegment[V any] struct {
	slots []slot[V]
	depth uint // how many first bits of the hash all its keys share
	count int
	room  int // how many entries it takes before it grows
	hand  int // where the sweeper stopped
}

func (t *keyTable[V]) full() bool { return t.count >= t.limit }

// segment returns where keys with hash h belong, nil in a table that never had
// one.
func (t *keyTable[V]) segment(h uint64) *tableSegment[V] {
	// Without the mask, the compiler would see to shifts by more than there are bits.
	if i := h >> ((64 - t.depth) & 63); i < uint64(len(t.directory)) {
		return t.directory[i]
	}
	return nil
}

// find returns the slot of key, or nil. The pointer is valid until the next
// insert, remove or sweep.
func (t *keyTable[V]) find(key *flowKey) *slot[V] {
	return t.findHashed(key, key.hash(t.seed, t.together))
}

// findHashed is find for who knows the key's hash.
func (t *keyTable[V]) findHashed(key *flowKey, h uint64) *slot[V] {
	s := t.segment(h)
	if s == nil {
		return nil
	}
	if e := s.search(key, h); e.key.scope != 0 {
		return e
	}
	return nil
}

// search returns the slot of key, or the empty one where it would be.
func (s *tableSegment[V]) search(key *flowKey, h uint64) *slot[V] {
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i++ {
		e := &s.slots[i&mask]
		if e.key.scope == 0 || e.key.equals(key) {
			return e
		}
	}
}

// insert returns the slot for key with the zero value: what was there under
// the same key is forgotten.
func (t *keyTable[V]) insert(key *flowKey) *slot[V] {
	h := key.hash(t.seed, t.together)
	s := t.segment(h)
	if s == nil {
		s = &tableSegment[V]{slots: make([]slot[V], tableSegmentMin), room: tableSegmentMin / 4 * 3}
		t.directory, t.depth = []*tableSegment[V]{s, s}, 1
	}
	e := s.search(key, h)
	for e.key.scope == 0 && s.count >= s.room {
		t.grow(s, h)
		s = t.segment(h)
		e = s.search(key, h)
	}
	if e.key.scope == 0 {
		s.count++
		t.count++
	}
	*e = slot[V]{key: *key}
	return e
}

// grow makes room in s, to which keys with hash h belong.
func (t *keyTable[V]) grow(s *tableSegment[V], h uint64) {
	// Splitting does not part keys with the same hash, and hashes that share
	// more bits than a table this large needs are no accident: let that
	// segment alone pay for them.
	if len(s.slots) < tableSegmentMax || s.depth >= 3 && 1<<(s.depth-3) > t.count/tableSegmentMax {
		old := s.slots
		s.slots, s.room, s.hand = make([]slot[V], 2*len(old)), len(old)/2*3, 0
		t.move(old, func(uint64) *tableSegment[V] { return s })
		return
	}
	t.split(s, h)
}

// split gives the half of s's keys whose next bit is set to a new segment.
func (t *keyTable[V]) split(s *tableSegment[V], h uint64) {
	if s.depth == t.depth {
		double := make([]*tableSegment[V], 2*len(t.directory))
		for i := range double {
			double[i] = t.directory[i/2]
		}
		t.directory, t.sweeping = double, 2*t.sweeping
		t.depth++
	}
	old := s.slots
	if len(t.spare) != len(old) {
		t.spare = make([]slot[V], len(old))
	}
	s.slots, s.count, s.hand = t.spare, 0, 0
	s.depth++
	upper := &tableSegment[V]{slots: make([]slot[V], len(old)), depth: s.depth}
	// Between a half and three quarters full, by chance: segments that fill
	// evenly would all be split at the same time.
	s.room = len(old)/2 + int(h&0xff)*len(old)/1024
	upper.room = len(old)/2 + int(h>>8&0xff)*len(old)/1024
	places := 1 << (t.depth - s.depth) // in the directory, of each
	first := int(h>>(64-t.depth)) &^ (2*places - 1)
	for i := range places {
		t.directory[first+places+i] = upper
	}
	t.move(old, func(h uint64) *tableSegment[V] {
		to := t.segment(h)
		to.count++
		return to
	})
	clear(old)
	t.spare = old
}

// move copies the entries of old to the segments that their hashes belong to.
func (t *keyTable[V]) move(old []slot[V], to func(h uint64) *tableSegment[V]) {
	for i := range old {
		if key := &old[i].key; key.scope != 0 {
			h := key.hash(t.seed, t.together)
			*to(h).search(key, h) = old[i]
		}
	}
}

// sweep looks at up to budget slots and removes those that are dead; called
// once per batch, it visits the whole table over time without ever taking long.
func (t *keyTable[V]) sweep(budget int, dead func(*slot[V]) bool) {
	t.effort.freed = 0
	if t.count == 0 {
		return
	}
	for budget > 0 {
		s := t.directory[t.sweeping]
		for ; s.hand < len(s.slots) && budget > 0; budget-- {
			if e := &s.slots[s.hand]; e.key.scope != 0 && dead(e) {
				t.vacate(s, s.hand) // another entry may move in: look again
				t.effort.freed++
				continue
			}
			s.hand++
		}
		if s.hand >= len(s.slots) {
			s.hand = 0
			// Behind the last place of s in the directory.
			if t.sweeping |= 1<<(t.depth-s.depth) - 1; t.sweeping == len(t.directory)-1 {
				t.sweeping = -1
			}
			t.sweeping++
			budget--
		}
	}
}

// remove forgets key, if it is there.
func (t *keyTable[V]) remove(key *flowKey) {
	h := key.hash(t.seed, t.together)
	s := t.segment(h)
	if s == nil {
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
		home := int(s.slots[j].key.hash(t.seed, t.together)) & mask
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
