package port

import (
	"sync"
	"sync/atomic"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// ring hands frames with their bytes from any number of goroutines to one. Bytes
// are copied in and lent out; nothing is allocated once it is in use.
//
// It bounds bytes, not frames, since a superframe is a thousand times a keepalive.
// What finds no room is dropped and counted, as a network card does. The consumer
// takes no lock, so that a producer which copies 64 KiB does not hold up the
// engine.
//
// Positions only ever count up; a place in memory is a position modulo the size.
type ring struct {
	size int         // bytes
	wake func(n int) // told of n new frames, by the producer

	producing sync.Mutex // guards what producers share, up to tail
	buffer    []byte     // made for the first frame: most tunnels of a big lab are idle
	slots     []ringSlot
	reserved  uint64 // where the reserved room starts
	used      uint64 // up to where bytes are in use
	floor     uint64 // from where on they are, as far as the producer knows
	closed    bool
	tail      atomic.Uint64

	head, freed atomic.Uint64 // of the consumer: frames and bytes given back
	taken       uint64        // frames taken so far

	dropped atomic.Uint64
}

type ringSlot struct {
	frame packet.Frame
	end   uint64 // position behind its bytes
}

// ringSlots is how many frames a ring holds at most.
const ringSlots = 1024

// ringAlign starts each frame at a cache line.
const ringAlign = 64

// put copies f in and reports whether there was room. It does not wake the
// consumer: see announce.
func (r *ring) put(f *packet.Frame) bool {
	r.producing.Lock()
	defer r.producing.Unlock()
	room := r.reserve(len(f.Data))
	if room == nil {
		r.dropped.Add(1)
		return false
	}
	copied := *f
	copied.Data = room[:copy(room[:len(f.Data)], f.Data)]
	r.publish(copied)
	return true
}

// reserve returns n bytes of capacity for the next frame, or nil. The caller
// holds producing until it has published the frame, or has decided not to.
func (r *ring) reserve(n int) []byte {
	if r.closed {
		return nil
	}
	if r.buffer == nil {
		r.buffer, r.slots = make([]byte, r.size), make([]ringSlot, ringSlots)
	}
	size, head, tail := uint64(r.size), r.head.Load(), r.tail.Load()
	if tail-head == ringSlots {
		return nil
	}
	if head == tail {
		// From the start again: a ring that is mostly empty then lives in
		// the processor's cache, and touches few pages.
		r.used = roundUp(r.used, size)
		r.floor = r.used
	} else {
		r.floor = max(r.floor, r.freed.Load())
	}
	at := roundUp(r.used, ringAlign)
	if at%size+uint64(n) > size { // not across the end
		at = roundUp(at, size)
	}
	if at+uint64(n)-r.floor > size {
		return nil
	}
	r.reserved = at
	return r.buffer[at%size:][:0:n]
}

// publish adds the frame whose bytes are in the room that was reserved.
func (r *ring) publish(f packet.Frame) {
	r.used = r.reserved + uint64(len(f.Data))
	tail := r.tail.Load()
	r.slots[tail%ringSlots] = ringSlot{f, r.used}
	r.tail.Store(tail + 1)
}

// announce wakes the consumer for n frames that were put.
func (r *ring) announce(n int) {
	if n > 0 {
		r.wake(n)
	}
}

// take fills frames with the oldest ones. Their bytes are the ring's, and valid
// until release.
func (r *ring) take(frames []packet.Frame) int {
	n := int(min(uint64(len(frames)), r.tail.Load()-r.taken))
	for i := range n {
		frames[i] = r.slots[(r.taken+uint64(i))%ringSlots].frame
	}
	r.taken += uint64(n)
	return n
}

// release gives back what was taken.
func (r *ring) release() {
	if r.taken == r.head.Load() {
		return
	}
	r.freed.Store(r.slots[(r.taken-1)%ringSlots].end)
	r.head.Store(r.taken)
}

// close makes every later put fail. What is in the ring can still be taken.
func (r *ring) close() {
	r.producing.Lock()
	r.closed = true
	r.producing.Unlock()
}

// empty reports whether there is nothing to take.
func (r *ring) empty() bool { return r.tail.Load() == r.taken }

func roundUp(x, to uint64) uint64 { return (x + to - 1) / to * to }

// sleeper is the consumer of a ring that is a goroutine of its own.
type sleeper struct {
	waits atomic.Bool
	token chan struct{} // of length 1
}

func newSleeper() *sleeper { return &sleeper{token: make(chan struct{}, 1)} }

// wake is for ring.wake: it does nothing unless the consumer sleeps, which is
// what most frames find.
func (s *sleeper) wake(int) {
	if s.waits.Load() && s.waits.CompareAndSwap(true, false) {
		signal(s.token)
	}
}

// wait returns true when r has something to take, and false when done is closed.
func (s *sleeper) wait(r *ring, done <-chan struct{}) bool {
	for r.empty() {
		s.waits.Store(true)
		if !r.empty() { // put before it could see that we wait
			s.waits.Store(false)
			break
		}
		select {
		case <-s.token:
		case <-done:
			s.waits.Store(false)
			return false
		}
	}
	return true
}
