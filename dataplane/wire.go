package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Wire is a cable of a customer's own network as control hands it over: what
// goes in at one end comes out at the other, frame by frame, and nothing of
// AWS's sees it. Both ends are links of nodes.
type Wire struct {
	Object
	// Other is the handle of the second end; the Object's is the first.
	Other Handle
}

// overWire takes a frame from one end of a wire to the other as it is.
func (e *Engine) overWire(w *Walk, f *packet.Frame, out []packet.Frame) ([]packet.Frame, bool) {
	other, ok := w.snap.wires[f.Link]
	if !ok {
		return out, false
	}
	out = append(out, *f)
	out[len(out)-1].Link = other
	e.state.counters.Forwarded++
	return out, true
}

func (c *compiler) wires() {
	for _, x := range c.b.Wires {
		if c.s.wires == nil {
			c.s.wires = map[uint32]uint32{}
		}
		a, b := uint32(x.Handle), uint32(x.Other)
		c.s.wires[a], c.s.wires[b] = b, a
	}
}
