package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// AWS drops in silence: no unreachable from router, group, ACL or blackhole
// (A33). The one error it originates is the path-MTU answer of the points with
// a smaller MTU (addressing.md section 10).

const (
	icmpUnreachable         = 3
	icmpFragmentationNeeded = 4
	icmp6PacketTooBig       = 2
)

// answerDrop tells the sender of a packet that was too big which size would
// do. The answer walks like any packet from the router: network ACLs and
// security groups judge it (A56).
func (e *Engine) answerDrop(w *Walk, out []packet.Frame) []packet.Frame {
	if w.reason != ReasonTooBig {
		return out
	}
	sender := w.snap.interfaceOf(w.pkt.Frame.Link)
	mtu := w.steps[w.nSteps-1].Detail
	frame := w.tooBig(e, &w.snap.interfaces[sender], mtu)
	if frame == nil {
		return out
	}
	e.answerFrame = packet.Frame{Data: frame, Link: w.pkt.Frame.Link}
	if packet.Parse(&w.pkt, &e.answerFrame) != packet.ProblemNone {
		return out
	}
	w.reset()
	w.routed = true
	w.run(Hop{hopEnterInterface, uint32(sender)})
	return w.commit(e, out)
}

// tooBig builds the answer as the sender must get it, quoting its own packet.
func (w *Walk) tooBig(e *Engine, sender *networkInterface, mtu uint32) []byte {
	if sender.kind != KindNetworkInterface {
		return nil // a host of the Internet has the Internet's MTU
	}
	from := w.snap.subnets[sender.subnet].router(w.pkt.Family)
	if w.pkt.Family == 4 {
		return packet.AppendICMPError(e.scratch(), &w.pkt, sender.mac, sender.routerMAC, from, icmpUnreachable, icmpFragmentationNeeded, mtu)
	}
	return packet.AppendICMPError(e.scratch(), &w.pkt, sender.mac, sender.routerMAC, from, icmp6PacketTooBig, 0, mtu)
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
