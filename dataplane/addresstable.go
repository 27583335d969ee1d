package dataplane

import (
	"math/bits"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// addressTable maps addresses of the network to what has them. It is built once
// and then only read, for which Go's map takes three times as long.
type addressTable[V any] struct {
	slots []addressSlot[V] // a power of two, at most half of them used
	count int
	shift uint // makes places of hashes
}

type addressSlot[V any] struct {
	address packet.Addr
	used    bool
	value   V
}

// home is where the search for a starts. Addresses are the lab's own choice, so
// they need spreading (they are mostly consecutive) but no secret.
func (t *addressTable[V]) home(a packet.Addr) uint64 {
	return (a.Lo ^ bits.RotateLeft64(a.Hi, 32)) * 0x9e3779b97f4a7c15 >> (t.shift & 63)
}

// get returns what has a.
func (t *addressTable[V]) get(a packet.Addr) (value V, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i := t.home(a); len(t.slots) > 0; i++ {
		if s := &t.slots[i&mask]; !s.used || s.address == a {
			return s.value, s.used
		}
	}
	return value, false
}

// set makes v what has a.
func (t *addressTable[V]) set(a packet.Addr, v V) {
	if 2*t.count >= len(t.slots) {
		old := t.slots
		*t = addressTable[V]{slots: make([]addressSlot[V], max(4, 2*len(old)))}
		t.shift = uint(64 - bits.Len(uint(len(t.slots)-1)))
		for i := range old {
			if old[i].used {
				t.set(old[i].address, old[i].value)
			}
		}
	}
	mask := uint64(len(t.slots) - 1)
	i := t.home(a) & mask
	for t.slots[i].used && t.slots[i].address != a {
		i = (i + 1) & mask
	}
	if !t.slots[i].used {
		t.count++
	}
	t.slots[i] = addressSlot[V]{address: a, used: true, value: v}
}

// all is an iterator over the table, in no order.
func (t *addressTable[V]) all(yield func(packet.Addr, V) bool) {
	for i := range t.slots {
		if s := &t.slots[i]; s.used && !yield(s.address, s.value) {
			return
		}
	}
}
