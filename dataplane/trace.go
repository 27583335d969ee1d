package dataplane

import (
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TraceRequest asks what would become of a packet if interface From sent it
// now, on the live snapshot and with the live tracking state.
type TraceRequest struct {
	From Handle
	// Tuple is the packet; a zero Src means From's own address of Dst's
	// family.
	packet.Tuple
	TCPFlags           uint8 // zero means SYN
	ICMPType, ICMPCode uint8 // of ICMP and ICMPv6
	// Payload is the number of bytes behind the transport header.
	Payload      int
	DontFragment bool
	// Reply: follow the answer too, as if the request had been sent.
	Reply bool
}

// Trace is what the forwarding code decided about a packet and its answer. It
// was made by the very functions that forward, without writing anything.
type Trace struct {
	Request []Leg `json:"request"`
	// Reply is empty when there was nothing to answer.
	Reply []Leg `json:"reply,omitempty"`
}

// Leg is one walk: from an interface that sends to where the packet ends. A
// path through an instance that forwards has one leg per sender.
type Leg struct {
	From    Object      `json:"from"`
	To      Object      `json:"to,omitzero"` // where it was delivered
	Verdict Verdict     `json:"verdict"`
	Reason  Reason      `json:"reason"`
	Sent    Addresses   `json:"sent"`
	Steps   []TraceStep `json:"steps"`
}

// Decisive is the step that ended the leg.
func (l *Leg) Decisive() *TraceStep { return &l.Steps[len(l.Steps)-1] }

// Last is the leg that ended the request, or the reply if there is one.
func (t *Trace) Last() *Leg {
	if len(t.Reply) > 0 {
		return &t.Reply[len(t.Reply)-1]
	}
	return &t.Request[len(t.Request)-1]
}

// Passed reports that the request was delivered and, if it was asked for, the
// answer too.
func (t *Trace) Passed() bool { return t.Last().Verdict != VerdictDrop }

// maxLegs bounds a trace through instances that forward to each other.
const maxLegs = 8

// Trace walks the packet without committing anything. It takes the engine's
// lock for as long as a handful of packets would.
func (e *Engine) Trace(req TraceRequest) Trace {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.arena.restore(e.arena.mark()) // answers that nobody sends
	t := tracer{e: e}
	e.begin(&t.walk, e.snapshot.Load(), e.config.Clock())
	var trace Trace
	trace.Request = t.follow(req)
	if last := &trace.Request[len(trace.Request)-1]; req.Reply && last.Verdict == VerdictPass {
		if back, ok := t.reply(req); ok {
			trace.Reply = t.follow(back)
		}
	}
	return trace
}

// tracer is the state of one Trace.
type tracer struct {
	e    *Engine
	walk Walk
	// receiver got the last packet, as received, that was in no tunnel or left by
	// one: whoever answers.
	receiver Handle
	received packet.Tuple
}

// follow walks req, and goes on behind every instance that forwards, and through
// GRE tunnels.
func (t *tracer) follow(req TraceRequest) []Leg {
	w := &t.walk
	var legs []Leg
	for leg, inTunnel := t.leg(req), false; ; {
		legs = append(legs, leg)
		if leg.Verdict != VerdictPass || len(legs) == maxLegs {
			return legs
		}
		to := &w.snap.interfaces[w.out]
		if !inTunnel {
			t.receiver, t.received = to.handle, w.tuple
		}
		switch {
		case to.kind == KindTransitGatewayConnectPeer:
			leg, inTunnel = t.throughTunnel(w.out)
		case to.owns(w.tuple.Dst) || to.kind == KindVPNTunnel || to.kind == KindBGPSpeaker:
			return legs // behind a tunnel is the customer's own network
		case !to.forwards:
			last := &legs[len(legs)-1]
			w.drop(StageDeliver, ReasonNotForwarded, to.handle, 0)
			last.Verdict, last.Reason = w.verdict, w.reason
			last.Steps = w.render()
			return legs
		default:
			req.From, req.Tuple = to.handle, w.tuple
			leg, inTunnel = t.leg(req), false
		}
	}
}

// throughTunnel walks what comes out of a GRE tunnel that a packet was sent into,
// and reports whether that is a packet in the tunnel.
func (t *tracer) throughTunnel(index uint32) (leg Leg, inTunnel bool) {
	w := &t.walk
	p := &w.snap.connectPeers[w.snap.interfaces[index].place]
	sent := *w.pkt.Frame
	if index == p.outside {
		if inner, ok := w.unwrap(&sent, p); ok {
			return t.walkFrame(&inner), false
		}
	} else if t.e.tunnels.cutter.Start(&sent) > 0 {
		outer := w.wrap(t.e, p)
		return t.walkFrame(&outer), true
	}
	w.begin()
	w.drop(StageConnectPeer, ReasonGRE, p.handle, uint32(packet.GREProblemTruncated))
	return w.leg(p.handle), false
}

// leg builds the packet and walks it.
func (t *tracer) leg(req TraceRequest) Leg {
	w := &t.walk
	index := w.snap.interfaceOf(uint32(req.From))
	if index < 0 {
		w.begin()
		w.drop(StageParse, ReasonUnknownLink, req.From, 0)
		return w.leg(req.From)
	}
	ni := &w.snap.interfaces[index]
	if req.Src.IsZero() {
		req.Src = ni.addressFor(req.Dst)
	}
	mac, ok := w.gatewayFor(ni, req.Dst)
	frame := packet.Frame{Link: uint32(req.From), Data: packet.Append(nil, packet.Spec{
		SrcMAC: ni.mac, DstMAC: mac, Tuple: req.Tuple,
		TCPFlags: req.flags(), ICMPType: req.ICMPType, ICMPCode: req.ICMPCode,
		TTL: 64, DontFragment: req.DontFragment, Payload: make([]byte, req.Payload),
	})}
	hop, _ := w.start(&frame, t.e)
	if !ok && hop.Kind != hopDrop {
		// The sender's own question for the neighbour got no answer, so no
		// packet ever leaves it.
		w.drop(StageLinkLayer, ReasonNoNeighbor, w.segment(ni), 0)
		hop = Hop{}
	}
	return t.run(req.From, hop)
}

// walkFrame walks a packet that is there already.
func (t *tracer) walkFrame(f *packet.Frame) Leg {
	hop, _ := t.walk.start(f, t.e)
	return t.run(Handle(f.Link), hop)
}

// run ends a leg, and keeps its effects as assumed for the walks that follow.
func (t *tracer) run(from Handle, hop Hop) Leg {
	w := &t.walk
	w.run(hop)
	w.rewrite(t.e)
	leg := w.leg(from)
	w.assumed = append(w.assumed, w.effects[:w.nEffects]...)
	if w.serviceEffect.used {
		w.assumedServices = append(w.assumedServices, w.serviceEffect)
	}
	for i := range w.natEffects[:w.nNATEffects] {
		if e := &w.natEffects[i]; !e.found {
			w.assumedMappings = append(w.assumedMappings, e.proposed)
		}
	}
	return leg
}

func (r *TraceRequest) flags() uint8 {
	if r.TCPFlags == 0 {
		return packet.TCPFlagSYN
	}
	return r.TCPFlags
}

// addressFor is the address the instance's kernel would send from.
func (ni *networkInterface) addressFor(dst packet.Addr) packet.Addr {
	for _, a := range ni.addresses {
		if a.Is4() == dst.Is4() {
			return a
		}
	}
	return packet.Addr{}
}

// gatewayFor is the MAC the instance's kernel would send to: a neighbour's in
// its own subnet, else the router's.
func (w *Walk) gatewayFor(ni *networkInterface, dst packet.Addr) (packet.MAC, bool) {
	onLink := ni.kind == KindNetworkInterface && w.snap.subnets[ni.subnet].contains(dst)
	if !onLink {
		return ni.routerMAC, true
	}
	return w.snap.neighbor(ni, dst)
}

// reply is the answer that the receiver of what was followed last would send.
func (t *tracer) reply(req TraceRequest) (TraceRequest, bool) {
	sent := &t.received
	back := TraceRequest{From: t.receiver, Tuple: packet.Tuple{
		Src: sent.Dst, Dst: sent.Src, SrcPort: sent.DstPort, DstPort: sent.SrcPort, Proto: sent.Proto,
	}, Payload: req.Payload, DontFragment: req.DontFragment}
	switch back.Proto {
	case packet.ProtoTCP:
		back.TCPFlags = packet.TCPFlagSYN | packet.TCPFlagACK
	case packet.ProtoICMP:
		back.ICMPType = 0
		return back, req.ICMPType == icmpEchoRequest
	case packet.ProtoICMPv6:
		back.ICMPType = 129
		return back, req.ICMPType == icmp6EchoRequest
	}
	return back, true
}

// leg renders the walk that just ended.
func (w *Walk) leg(from Handle) Leg {
	l := Leg{
		From: w.snap.Object(from), Verdict: w.verdict, Reason: w.reason,
		Sent: addressesOf(w.tuples[0]), Steps: w.render(),
	}
	if w.verdict == VerdictPass {
		l.To = w.snap.Object(w.snap.interfaces[w.out].handle)
	}
	return l
}

func (w *Walk) render() []TraceStep {
	steps := make([]TraceStep, w.nSteps)
	for i, s := range w.steps[:w.nSteps] {
		before := w.tuples[0]
		if i > 0 {
			before = w.tuples[w.steps[i-1].Tuple]
		}
		steps[i] = w.snap.explain(s, before, w.tuples[s.Tuple], w.port())
	}
	return slices.Clip(steps)
}
