package port

import "math/bits"

// numberTable maps 32-bit numbers to 32-bit numbers: interface indexes to links
// and back. It never changes once built, so the receive loop reads it without a
// lock: with and without return changed copies, which the port publishes.
//
// It is an open table rather than a slice because neither number is dense:
// interface indexes only ever grow while instances come and go, and links are
// handles of a space shared with all resources. Against a Go map it saves the
// hash function and the indirection, per frame: 2 ns instead of 6 in
// BenchmarkNumberTable.
//
// The zero numberTable is empty.
type numberTable struct {
	slots []numberSlot // a power of two, at most half full
	count int
	shift uint // of the multiplied key
}

type numberSlot struct {
	key, value uint32
	used       bool
}

func (t *numberTable) get(key uint32) (value uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	for i := t.home(key); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		if !s.used || s.key == key {
			return s.value, s.used
		}
	}
}

// home spreads consecutive keys (Fibonacci hashing): indexes of veths that were
// made in one go are consecutive, or every other number.
func (t *numberTable) home(key uint32) int {
	return int(key * 0x9e3779b9 >> t.shift)
}

// with returns a copy in which key maps to value. At 1,000 entries it costs
// about 4 µs, and without 6 µs.
func (t *numberTable) with(key, value uint32) *numberTable {
	if (t.count+1)*2 > len(t.slots) {
		return t.rebuild(max(16, len(t.slots)*2), func(uint32) bool { return true }).with(key, value)
	}
	c := &numberTable{slots: append([]numberSlot(nil), t.slots...), count: t.count, shift: t.shift}
	c.set(key, value)
	return c
}

// without returns a copy that lacks key. It rebuilds rather than leave
// tombstones: detaching is rare, looking up is per frame.
func (t *numberTable) without(key uint32) *numberTable {
	return t.rebuild(len(t.slots), func(k uint32) bool { return k != key })
}

// numberTableFor is an empty table with room for count numbers, for set.
func numberTableFor(count int) *numberTable {
	if count == 0 {
		return &numberTable{}
	}
	return (&numberTable{}).rebuild(max(16, 1<<bits.Len(uint(2*count-1))), nil)
}

func (t *numberTable) rebuild(size int, keep func(key uint32) bool) *numberTable {
	if size == 0 {
		return &numberTable{}
	}
	c := &numberTable{slots: make([]numberSlot, size), shift: uint(32 - bits.Len(uint(size-1)))}
	for _, s := range t.slots {
		if s.used && keep(s.key) {
			c.set(s.key, s.value)
		}
	}
	return c
}

// set is for a table that nobody else sees yet.
func (t *numberTable) set(key, value uint32) {
	for i := t.home(key); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		if s.used && s.key != key {
			continue
		}
		if !s.used {
			t.count++
		}
		*s = numberSlot{key, value, true}
		return
	}
}
