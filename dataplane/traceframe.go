package dataplane

import (
	"bytes"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TraceFrame says what Forward would do with the frame now, and does not do it:
// neither state nor bytes change. It is for those who hold the very frame (a
// capture, a test); who only knows addresses asks [Engine.Trace].
func (e *Engine) TraceFrame(f packet.Frame) Leg {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.arena.restore(e.arena.mark())
	t := tracer{e: e}
	w := &t.walk
	e.begin(w, e.snapshot.Load(), e.config.Clock())
	f.Data = bytes.Clone(f.Data)
	hop, _ := w.start(&f, e)
	w.run(hop)
	w.rewrite(e)
	return w.leg(Handle(f.Link))
}
