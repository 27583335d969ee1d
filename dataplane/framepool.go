package dataplane

import "math/bits"

// framePool is bounded memory for frames that are under way. Buffers come in
// classes of size; what was given back is used again, so that a steady stream
// allocates nothing.
type framePool struct {
	limit int // bytes
	held  int // bytes of all buffers and flights, in use or free
	free  [poolClasses][][]byte
	// flights that are free
	flights []*flight
}

const (
	// flightSize is what a flight costs, with its place in the queue.
	flightSize     = 512
	smallestBuffer = 256
	// The last class is for the largest superframe: half of the next power of
	// two would stay empty.
	poolClasses   = 9
	largestBuffer = 66 << 10
)

// classOf is the class for n bytes and its size; poolClasses for more than any
// frame has.
func classOf(n int) (class, size int) {
	switch {
	case n <= smallestBuffer:
		return 0, smallestBuffer
	case n > largestBuffer:
		return poolClasses, 0
	}
	class = bits.Len(uint(n-1)) - bits.Len(smallestBuffer-1)
	if class >= poolClasses-1 {
		return poolClasses - 1, largestBuffer
	}
	return class, smallestBuffer << class
}

// fits reports that a frame of n bytes finds room. It may be in buffers of other
// classes that lie idle.
func (p *framePool) fits(n int) bool {
	class, size := classOf(n)
	if class == poolClasses {
		return false
	}
	return len(p.free[class]) > 0 || p.held+size <= p.limit || p.held+size-p.idle() <= p.limit
}

// take returns n bytes, nil if there is no room.
func (p *framePool) take(n int) []byte {
	class, size := classOf(n)
	if class == poolClasses {
		return nil
	}
	if free := p.free[class]; len(free) > 0 {
		b := free[len(free)-1]
		p.free[class] = free[:len(free)-1]
		return b[:n]
	}
	if !p.grow(size) {
		return nil
	}
	return make([]byte, n, size)
}

// grow makes room for n bytes more.
func (p *framePool) grow(n int) bool {
	if p.held+n > p.limit {
		p.trim()
	}
	if p.held+n > p.limit {
		return false
	}
	p.held += n
	return true
}

// takeFlight returns a flight, nil if there is no room.
func (p *framePool) takeFlight() *flight {
	if n := len(p.flights); n > 0 {
		f := p.flights[n-1]
		p.flights = p.flights[:n-1]
		return f
	}
	if !p.grow(flightSize) {
		return nil
	}
	return new(flight)
}

// giveFlight takes back what takeFlight returned.
func (p *framePool) giveFlight(f *flight) {
	*f = flight{}
	p.flights = append(p.flights, f)
}

// give takes back what take returned.
func (p *framePool) give(b []byte) {
	class, _ := classOf(cap(b))
	p.free[class] = append(p.free[class], b)
}

// idle is how many bytes nobody uses.
func (p *framePool) idle() (n int) {
	for class := range p.free {
		_, size := classOf(smallestBuffer << class)
		n += len(p.free[class]) * size
	}
	return n + len(p.flights)*flightSize
}

// trim leaves the idle buffers to the garbage collector.
func (p *framePool) trim() {
	p.held -= p.idle()
	for class := range p.free {
		p.free[class] = nil
	}
	p.flights = nil
}
