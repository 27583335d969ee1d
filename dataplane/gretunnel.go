package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// connectTunnels is memory of the GRE tunnels' ends. They are neither ports nor
// part of a walk: a packet that is sent into a tunnel has ended one walk, and what
// comes out at once is another packet, which begins the next.
type connectTunnels struct {
	frames  []packet.Frame // that are in tunnels
	passing packet.Frame   // the one that comes out
	cutter  packet.Cutter
}

// maxTunnels is how many tunnels a packet may be in, one in another.
const maxTunnels = 4

// throughTunnels takes the frames of out[first:] that w has sent into GRE tunnels to
// the other side and lets it walk them on. What comes out takes their places.
func (e *Engine) throughTunnels(w *Walk, out []packet.Frame, first int) []packet.Frame {
	if len(w.snap.connectPeers) == 0 { // a function of its own, so that this one costs no call
		return out
	}
	return e.walkOn(w, out, first)
}

func (e *Engine) walkOn(w *Walk, out []packet.Frame, first int) []packet.Frame {
	snap := w.snap
	// A tunnel may lead into another (a Connect attachment over a VPC that another one
	// reaches): each round takes all frames one tunnel further.
	for depth := 0; ; depth++ {
		t := &e.tunnels
		t.frames = t.frames[:0]
		kept := first
		for i := first; i < len(out); i++ {
			if snap.isTunnel(out[i].Link) {
				t.frames = append(t.frames, out[i])
				continue
			}
			out[kept] = out[i]
			kept++
		}
		out, first = out[:kept], kept
		if len(t.frames) == 0 {
			return out
		}
		for i := range t.frames {
			out = e.throughTunnel(w, &t.frames[i], depth, out)
		}
	}
}

// isTunnel reports whether a link is an end of a GRE tunnel.
func (s *Snapshot) isTunnel(link uint32) bool {
	i := s.interfaceOf(link)
	return i >= 0 && s.interfaces[i].kind == KindTransitGatewayConnectPeer
}

// throughTunnel walks what comes out at the other side of a tunnel.
func (e *Engine) throughTunnel(w *Walk, f *packet.Frame, depth int, out []packet.Frame) []packet.Frame {
	index := uint32(w.snap.interfaceOf(f.Link))
	p := &w.snap.connectPeers[w.snap.interfaces[index].place]
	if depth == maxTunnels {
		return e.lostInTunnel(w, f, p, out)
	}
	if index == p.outside {
		inner, ok := w.unwrap(f, p)
		// Not a local variable: the walk keeps a pointer to its frame, which would
		// move it to the heap.
		if e.tunnels.passing = inner; ok {
			out = e.forward(w, &e.tunnels.passing, out)
		}
		return out
	}
	// The outer packet has no offloads: nobody behind cuts what is in a tunnel.
	for left := e.tunnels.cutter.Start(f); left > 0; left-- {
		e.tunnels.passing = w.wrap(e, p)
		out = e.forward(w, &e.tunnels.passing, out)
	}
	return out
}

// unwrap takes what is in a GRE packet out of it. The walk that led here has read
// the header already.
func (w *Walk) unwrap(f *packet.Frame, p *connectPeer) (inner packet.Frame, ok bool) {
	if packet.Parse(&w.pkt, f) != packet.ProblemNone {
		return inner, false
	}
	length, problem := packet.ReadGRE(&w.pkt)
	if problem != packet.GREProblemNone {
		return inner, false
	}
	inner = packet.Unwrap(&w.pkt, length)
	from := &w.snap.interfaces[p.inside]
	inner.Link = uint32(from.handle)
	packet.SetEthernet(inner.Data, from.routerMAC, from.mac)
	return inner, true
}

// wrap makes a GRE packet of the next segment of the frame that the cutter has begun
// with: all of it, if it is an ordinary one.
func (w *Walk) wrap(e *Engine, p *connectPeer) packet.Frame {
	cut := &e.tunnels.cutter
	overhead := packet.GREOverhead(p.local)
	data := e.arena.take(overhead + cut.Length())
	data = data[:cap(data)]
	// The segment's own Ethernet header is written over by the outer headers.
	cut.Next(data[overhead:])
	packet.Wrap(data, p.local, p.remote)
	from := &w.snap.interfaces[p.outside]
	packet.SetEthernet(data, from.routerMAC, from.mac)
	return packet.Frame{Data: data, Link: uint32(from.handle)}
}

// lostInTunnel drops a packet that goes round in tunnels.
func (e *Engine) lostInTunnel(w *Walk, f *packet.Frame, p *connectPeer, out []packet.Frame) []packet.Frame {
	if packet.Parse(&w.pkt, f) != packet.ProblemNone {
		return out
	}
	w.begin()
	w.drop(StageConnectPeer, ReasonLoop, p.handle, 0)
	return w.commit(e, out)
}
