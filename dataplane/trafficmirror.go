package dataplane

import (
	"encoding/binary"
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TrafficMirrorSession is a session of traffic mirroring as control hands it over:
// what Filter accepts of Source's packets is copied to Target.
type TrafficMirrorSession struct {
	Object
	Source, Target Handle // network interfaces
	Number         int    // the lowest whose filter accepts takes the packet (M6)
	// PacketLength is how many bytes of a packet are copied, Ethernet header
	// included; 0 is all of them.
	PacketLength     int
	VirtualNetworkID uint32
	Ingress, Egress  []TrafficMirrorRule
	AmazonDNS        bool // mirror what the VPC's resolver is asked and answers
}

// TrafficMirrorRule is a rule of a filter; the lowest number that matches decides.
type TrafficMirrorRule struct {
	Number              int
	Accept              bool
	Protocol            int // an IANA number, or AnyProtocol
	Source, Destination netip.Prefix
	FirstSource         uint16 // ports, for TCP and UDP
	LastSource          uint16
	FirstPort           uint16 // of the destination
	LastPort            uint16
}

// TrafficMirrorStatistics is what a session has done.
type TrafficMirrorStatistics struct {
	Session Handle
	// Copies that were made, and those that reached the target; what is under way
	// on a link counts as delivered.
	Copies, Delivered uint64
	// Lost are copies that there was no memory for.
	Lost uint64
}

// mirrorSession is a session compiled, at its source.
type mirrorSession struct {
	handle  Handle
	target  packet.Addr
	source  packet.Addr
	length  int
	network uint32
	rules   [2][]mirrorRule // by direction
	dns     bool
}

type mirrorRule struct {
	accept                                       bool
	any                                          bool
	protocol                                     uint8
	source, destination                          packet.Prefix
	firstSource, lastSource, firstPort, lastPort uint16
}

// mirrorCopy is an encapsulated packet on the way to its session's target.
type mirrorCopy struct {
	frame   packet.Frame
	session *mirrorSession
	source  uint32 // index of the interface
	lag     int64
}

const (
	portVXLAN   = 4789
	vxlanHeader = 8
	// mirrorOverhead is what stands before a copy, in an IP packet.
	mirrorOverhead = 20 + 8 + vxlanHeader
	// maxMirrorCopies bounds the copies of one batch: 64 superframes of the usual
	// segments.
	maxMirrorCopies = 4096
)

// mirrors is the engine's part of traffic mirroring.
type mirrors struct {
	walk Walk
	// copies wait for the end of the batch: to walk one in the middle of another's
	// commit would need a second set of everything that a commit uses.
	copies    []mirrorCopy
	segments  []packet.Frame
	segmenter packet.Segmenter
	payload   []byte
	ofBatch   int
	sessions  map[Handle]*TrafficMirrorStatistics
}

// mirrorSent copies what an interface of the VPC's sends, as it sent it. Packets
// that its own groups or its subnet's network ACL drop are not copied (M9).
func (e *Engine) mirrorSent(w *Walk) {
	if w.copied || w.sender < 0 || w.pkt.Frame == &e.answerFrame {
		return
	}
	at := w.snap.interfaceOf(w.pkt.Frame.Link)
	if at < 0 || len(w.snap.interfaces[at].mirrors) == 0 || w.snap.isMirrorCopy(&w.tuples[0]) {
		return
	}
	ni := &w.snap.interfaces[at]
	switch {
	// A packet that the source check refused was never sent, and has no sight.
	case w.nSights > 0 && w.sights[0].ni == uint32(at) && w.sights[0].dir == egress:
		if w.nSights == 1 && w.verdict == VerdictDrop && flowRejects[w.steps[w.nSteps-1].Stage] {
			return
		}
		if s := ni.mirrorFor(&w.tuples[0], egress, false); s != nil {
			e.mirror(w, s, uint32(at), w.pkt.Frame, 0)
		}
	// What goes to a service passes no interface; only the resolver's is a network
	// service that a filter can name (M11).
	case w.verdict == VerdictPass && w.serviceEffect.used && w.tuples[0].DstPort == portDNS:
		if s := ni.mirrorFor(&w.tuples[0], egress, true); s != nil {
			e.mirror(w, s, uint32(at), w.pkt.Frame, 0)
		}
	}
}

// mirrorReceived copies what an interface of the VPC's gets, in frames that are on
// their way to it.
func (e *Engine) mirrorReceived(w *Walk, frames []packet.Frame) {
	ni := &w.snap.interfaces[w.out]
	if w.copied || len(ni.mirrors) == 0 || w.snap.isMirrorCopy(&w.tuple) {
		return
	}
	fromService := w.sender >= 0 && w.snap.interfaces[w.sender].kind == KindServices
	if fromService && w.tuple.SrcPort != portDNS {
		return
	}
	if s := ni.mirrorFor(&w.tuple, ingress, fromService); s != nil {
		for i := range frames {
			e.mirror(w, s, w.out, &frames[i], w.lagBehind())
		}
	}
}

// isMirrorCopy reports whether a packet is a copy that an instance on the way to its
// target passes on. To mirror that again would make more of each copy with every hop of a
// loop, until its TTL ends. The core cannot follow packets through an instance's kernel,
// but a copy's ends are a session's, and its port is VXLAN's.
func (s *Snapshot) isMirrorCopy(t *packet.Tuple) bool {
	if t.DstPort != portVXLAN || t.Proto != packet.ProtoUDP {
		return false
	}
	_, is := s.mirrorEnds[[2]packet.Addr{t.Src, t.Dst}]
	return is
}

// mirrorFor is the session that copies a packet: of those whose filter accepts it
// the one with the lowest number (M6). DNS of the platform's own is a network
// service, whatever the rules say.
func (ni *networkInterface) mirrorFor(t *packet.Tuple, dir direction, service bool) *mirrorSession {
	for i := range ni.mirrors {
		s := &ni.mirrors[i]
		if service {
			if s.dns {
				return s
			}
			continue
		}
		for j := range s.rules[dir] {
			if r := &s.rules[dir][j]; r.matches(t) {
				if r.accept {
					return s
				}
				break // the next session may still want it
			}
		}
	}
	return nil
}

func (r *mirrorRule) matches(t *packet.Tuple) bool {
	if !r.any && r.protocol != t.Proto || !r.source.Contains(t.Src) || !r.destination.Contains(t.Dst) {
		return false
	}
	if t.Proto != packet.ProtoTCP && t.Proto != packet.ProtoUDP || r.any {
		return true
	}
	return t.SrcPort-r.firstSource <= r.lastSource-r.firstSource && t.DstPort-r.firstPort <= r.lastPort-r.firstPort
}

// mirror encapsulates the packets that f stands for. They are sent after the batch.
func (e *Engine) mirror(w *Walk, s *mirrorSession, source uint32, f *packet.Frame, lag int64) {
	m := &e.mirrors
	stats, ni := m.of(s.handle), &w.snap.interfaces[source]
	// VXLAN has no superframes: receivers would see one packet that no wire carries.
	m.segments = m.segmenter.Segment(m.segments[:0], f)
	for i := range m.segments {
		if m.ofBatch == maxMirrorCopies {
			stats.Lost += uint64(len(m.segments) - i)
			return
		}
		m.ofBatch++
		stats.Copies++
		m.copies = append(m.copies, mirrorCopy{
			frame:   packet.Frame{Data: e.encapsulate(w, s, ni, m.segments[i].Data), Link: uint32(ni.handle)},
			session: s, source: source, lag: lag,
		})
	}
}

// encapsulate puts a VXLAN header around a packet, and IPv4 from the source's
// primary address to the target's (M4). What would be larger than the target's MTU
// is cut (M8).
func (e *Engine) encapsulate(w *Walk, s *mirrorSession, ni *networkInterface, inner []byte) []byte {
	m := &e.mirrors
	most := vpcMTU - mirrorOverhead
	if s.length > 0 {
		most = min(most, s.length)
	}
	inner = inner[:min(len(inner), most)]
	// The payload is scratch of this session's packet: Append copies it into the arena,
	// where it lives until the next batch.
	m.payload = append(m.payload[:0], 8, 0, 0, 0) // the flag of a valid network ID
	m.payload = binary.BigEndian.AppendUint32(m.payload, s.network<<8)
	m.payload = append(m.payload, inner...)
	return packet.Append(e.arena.take(len(m.payload)+64), packet.Spec{
		Tuple: packet.Tuple{
			Src: s.source, Dst: s.target, Proto: packet.ProtoUDP,
			// The flow in the packet decides the port, so that receivers can share out
			// the work (RFC 7348).
			SrcPort: 0xc000 | uint16(w.flowHash()), DstPort: portVXLAN,
		},
		SrcMAC: ni.mac, DstMAC: ni.routerMAC, DontFragment: true, Payload: m.payload,
	})
}

// sendMirrors lets the copies of a batch walk, each from its source.
func (e *Engine) sendMirrors(snap *Snapshot, now int64, out []packet.Frame) []packet.Frame {
	m := &e.mirrors
	v := &m.walk
	e.begin(v, snap, now)
	v.copied = true
	for i := range m.copies {
		c := &m.copies[i]
		// The core built it: there is nothing that could be wrong with it.
		packet.Parse(&v.pkt, &c.frame)
		v.begin()
		v.lag, v.underWay = c.lag, c.lag > 0
		v.sender, v.origin, v.entry = int(c.source), int(c.source), v.snap.interfaces[c.source].handle
		// Links may lose copies, as they may lose anything.
		if len(v.snap.directions) > 0 {
			v.draws, v.random = true, e.state.flights.random.Uint64()
		}
		v.pass(StageTrafficMirror, ReasonMirrored, c.session.handle, 0)
		v.run(Hop{hopMirrored, c.source})
		first := len(out)
		out = e.throughTunnels(v, v.commit(e, out), first)
		if v.verdict == VerdictPass {
			m.of(c.session.handle).Delivered++
		}
		// Frames are the arena's, and must not be kept past the batch.
		*c = mirrorCopy{}
	}
	m.copies = m.copies[:0]
	return out
}

// leaveMirrored starts the way of a copy: by the route table of the source's subnet,
// past the source's own security groups (M5) and its flow log.
func (w *Walk) leaveMirrored(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.zone = w.snap.subnets[ni.subnet].zone
	if !w.cross(ni.sends) { // the instance's bandwidth is the copies', too (M10)
		return Hop{}
	}
	return w.outOf(ni.subnet)
}

func (m *mirrors) of(session Handle) *TrafficMirrorStatistics {
	s := m.sessions[session]
	if s == nil {
		if m.sessions == nil {
			m.sessions = map[Handle]*TrafficMirrorStatistics{}
		}
		s = &TrafficMirrorStatistics{Session: session}
		m.sessions[session] = s
	}
	return s
}

// TrafficMirrors returns what the sessions of the snapshot in force have done, in no
// order; those that have done nothing are left out.
func (e *Engine) TrafficMirrors() []TrafficMirrorStatistics {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []TrafficMirrorStatistics
	for h, s := range e.mirrors.sessions {
		if e.snapshot.Load().objects[h].Kind != KindTrafficMirrorSession {
			delete(e.mirrors.sessions, h) // handles are never used again
			continue
		}
		list = append(list, *s)
	}
	return list
}
