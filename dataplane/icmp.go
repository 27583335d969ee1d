package dataplane

import (
	"encoding/binary"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// AWS drops in silence: no unreachable from router, group, ACL or blackhole
// (A33). What it originates is the path-MTU answer of the points with a smaller
// MTU (addressing.md section 10), and what a NAT gateway says: resets (R43) and
// time exceeded (A32).

const (
	icmpUnreachable         = 3
	icmpFragmentationNeeded = 4
	icmpTimeExceeded        = 11
	icmp6PacketTooBig       = 2
	icmp6TimeExceeded       = 3
)

// answerDrop tells the sender of a dropped packet what AWS would tell it. The
// answer walks like any packet: network ACLs and security groups judge it
// (A56).
func (e *Engine) answerDrop(w *Walk, out []packet.Frame) []packet.Frame {
	if w.copied {
		return out // nobody sent it who could be told
	}
	var frame []byte
	var from Hop
	switch w.reason {
	case ReasonTooBig:
		if stage := w.steps[w.nSteps-1].Stage; stage == StageVPNTunnel || stage == StageVPCEndpoint {
			return out // AWS discovers no path MTU on its tunnels (V11) and endpoints (E24)
		}
		if !w.pkt.DontFragment {
			return out // dropped where nothing is cut, and nobody told (T20)
		}
		sender := w.snap.interfaceOf(w.pkt.Frame.Link)
		frame = w.tooBig(e, &w.snap.interfaces[sender], w.steps[w.nSteps-1].Detail)
		from = w.backTo(uint32(sender))
	case ReasonHopLimit:
		gateway := w.snap.interfaceOf(uint32(w.steps[w.nSteps-1].Object))
		frame = w.timeExceeded(e, &w.snap.interfaces[gateway])
		from = Hop{hopSendOn, uint32(gateway)}
	case ReasonNATExpired:
		gateway := w.snap.interfaceOf(uint32(w.steps[w.nSteps-1].Object))
		frame = w.reset(e)
		from = Hop{hopSendOn, uint32(gateway)}
		if w.snap.interfaces[gateway].kind == KindInternetHost {
			// The NAT device is in front of its host, and in nobody's VPC.
			from.Kind = hopEnterInterface
		}
	}
	if len(frame) == 0 {
		return out
	}
	e.answerFrame = packet.Frame{Data: frame, Link: w.pkt.Frame.Link}
	if packet.Parse(&w.pkt, &e.answerFrame) != packet.ProblemNone {
		return out
	}
	lag := w.lagBehind()
	w.begin()
	w.routed, w.lag, w.underWay = true, lag, lag > 0
	w.run(from)
	return w.commit(e, out)
}

// backTo is the way of an answer to an interface that sent.
func (w *Walk) backTo(sender uint32) Hop {
	if ni := &w.snap.interfaces[sender]; ni.kind == KindTransitGatewayConnectPeer {
		return Hop{hopVPNTunnels, w.snap.connectPeers[ni.place].set}
	}
	return Hop{hopEnterInterface, sender}
}

// reset builds the TCP reset that a NAT gateway sends for a packet inside a
// connection it does not know. Only resets are not answered with resets.
func (w *Walk) reset(e *Engine) []byte {
	p := &w.pkt
	if p.TCPFlags&packet.TCPFlagRST != 0 {
		return nil
	}
	tcp := p.Frame.Data[p.L4:]
	sequence, acknowledgment := binary.BigEndian.Uint32(tcp[4:]), binary.BigEndian.Uint32(tcp[8:])
	spec := packet.Spec{
		SrcMAC: p.DstMAC, DstMAC: p.SrcMAC, TTL: 64,
		Tuple: packet.Tuple{
			Src: p.Dst, Dst: p.Src, SrcPort: p.DstPort, DstPort: p.SrcPort, Proto: packet.ProtoTCP,
		},
		// RFC 9293 section 3.10.7.1, as for a closed port.
		Sequence: acknowledgment, TCPFlags: packet.TCPFlagRST,
	}
	if p.TCPFlags&packet.TCPFlagACK == 0 {
		spec.Sequence, spec.Acknowledgment = 0, sequence+uint32(p.End-p.Payload)
		spec.TCPFlags |= packet.TCPFlagACK
	}
	return packet.Append(e.scratch(), spec)
}

// tooBig builds the answer as the sender must get it, quoting its own packet.
func (w *Walk) tooBig(e *Engine, sender *networkInterface, mtu uint32) []byte {
	var from packet.Addr
	switch sender.kind {
	case KindNetworkInterface:
		from = w.snap.subnets[sender.subnet].router(w.pkt.Family)
	case KindTransitGatewayConnectPeer: // T20
		if from = sender.addressFor(w.pkt.Src); from.IsZero() {
			return nil // an IPv6 packet, and AWS's end has no IPv6 address
		}
	default:
		return nil // a host of the Internet has the Internet's MTU
	}
	if w.pkt.Family == 6 && w.tuple.Src.Is4() {
		mtu += familyDifference // NAT64: the sender's packets are longer
	}
	if w.pkt.Family == 4 {
		return packet.AppendICMPError(e.scratch(), &w.pkt, sender.mac, sender.routerMAC, from, icmpUnreachable, icmpFragmentationNeeded, mtu)
	}
	return packet.AppendICMPError(e.scratch(), &w.pkt, sender.mac, sender.routerMAC, from, icmp6PacketTooBig, 0, mtu)
}

// timeExceeded is what a NAT gateway says to the sender of a packet whose hop
// limit ends there, from its own private address; to an IPv6 sender from the
// address that stands for it (A32).
func (w *Walk) timeExceeded(e *Engine, gateway *networkInterface) []byte {
	from := gateway.addresses[0]
	if w.pkt.Family == 4 {
		return packet.AppendICMPError(e.scratch(), &w.pkt, w.pkt.SrcMAC, gateway.mac, from, icmpTimeExceeded, 0, 0)
	}
	return packet.AppendICMPError(e.scratch(), &w.pkt, w.pkt.SrcMAC, gateway.mac, nat64Of(from), icmp6TimeExceeded, 0, 0)
}

// router is the address the router signs its errors with.
func (s *subnet) router(family uint8) packet.Addr {
	for _, a := range s.routerAddresses {
		if a.Is4() == (family == 4) {
			return a
		}
	}
	return packet.Addr{}
}
