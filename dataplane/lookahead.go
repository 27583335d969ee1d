package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

const (
	// lookaheadFlows is how many flows fit in the processor's cache, more or
	// less; below, waiting for them costs nothing.
	lookaheadFlows = 1 << 13
	lookaheadBatch = 64
)

// lookahead reads the flows that the packets of a batch will most likely need,
// all at once: with a large table each of them is a wait for memory, and one
// after the other the waits are most of what a packet costs. It is a guess that
// changes nothing but the time.
func (e *Engine) lookahead(in []packet.Frame) {
	t := &e.state.flows
	if t.count < lookaheadFlows || len(in) < 2 {
		return
	}
	var hashes [lookaheadBatch]uint64
	n := 0
	for i := range in[:min(len(in), lookaheadBatch)] {
		var key flowKey
		var tuple packet.Tuple
		if packet.Peek(in[i].Data, &tuple) {
			key.set(0, &tuple, 0, egress)
			hashes[n] = key.hash(t.seed, t.together)
			n++
		}
	}
	// Nothing here waits for what was read before, so the processor reads
	// ahead. Both interfaces' flows lie in one place or two (see hash).
	touched := uint32(0)
	for _, h := range hashes[:n] {
		s := t.segment(h)
		mask := uint64(len(s.slots) - 1)
		touched += s.slots[h&mask].key.scope + s.slots[(h+1)&mask].key.scope
	}
	e.touched += touched // else the compiler would leave the reading out
}
