package dataplane

// arena is memory for the frames of one batch that are not in a port's
// buffers. It grows to the largest batch seen and stays there.
type arena struct {
	chunks [][]byte
	chunk  int
	used   int
}

const arenaChunk = 256 << 10

func (a *arena) reset() { a.chunk, a.used = 0, 0 }

// mark and restore give back what was taken in between.
func (a *arena) mark() (chunk, used int) { return a.chunk, a.used }
func (a *arena) restore(chunk, used int) { a.chunk, a.used = chunk, used }

// take returns an empty slice with room for n bytes.
func (a *arena) take(n int) []byte {
	if n > arenaChunk { // no port has such frames
		return make([]byte, 0, n)
	}
	if a.chunk < len(a.chunks) && a.used+n > arenaChunk {
		a.chunk, a.used = a.chunk+1, 0
	}
	if a.chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, arenaChunk))
	}
	b := a.chunks[a.chunk][a.used : a.used : a.used+n]
	a.used += n
	return b
}
