package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// What the platform answers itself never enters the VPC: address resolution
// for everybody (A29, A30, A35) and the ping of a subnet's router (A-C10). No
// group, ACL or flow log sees it (S17, S40).

const (
	arpRequest = 1
	arpReply   = 2

	icmpEchoRequest       = 8
	icmp6EchoRequest      = 128
	icmp6RouterSolicit    = 133
	icmp6NeighborSolicit  = 135
	icmp6RouterAdvert     = 134
	icmp6NeighborAdvert   = 136
	icmp6Redirect         = 137
	icmp6ListenerReport   = 131
	icmp6ListenerDone     = 132
	icmp6ListenerReportV2 = 143

	protoIGMP = 2
)

// mayBeLocal reports whether the frame may be the platform's own business: neither
// TCP nor UDP ever is.
func (w *Walk) mayBeLocal() bool {
	return w.pkt.Proto != packet.ProtoTCP && w.pkt.Proto != packet.ProtoUDP
}

// local answers a frame that is the platform's own business. It reports false
// when the frame is a packet to be walked. The answer, if any, is in frame.
func (w *Walk) local(ni *networkInterface, e *Engine) (frame []byte, handled bool) {
	p := &w.pkt
	if pointToPoint.has(ni.kind) {
		// Nobody there asks the platform for neighbours, and frames have no MAC
		// addresses of their own to check. But kernels report groups into tunnels, too.
		if w.reportsGroups() {
			w.answer(StageLinkLayer, ReasonMembership, ni.handle)
			return nil, true
		}
		return nil, false
	}
	switch {
	case p.EtherType == packet.EtherTypeARP:
		return w.answerARP(ni, e), true
	case w.reportsGroups():
		w.takeMembership(ni)
		return nil, true
	case p.Family == 6 && p.Proto == packet.ProtoICMPv6:
		switch p.ICMPType {
		case icmp6RouterSolicit:
			return w.answerRouterSolicitation(ni, e), true
		case icmp6NeighborSolicit:
			return w.answerNeighborSolicitation(ni, e), true
		case icmp6EchoRequest:
			return w.answerRouterPing(ni, e)
		}
	case p.Family == 4 && p.Proto == packet.ProtoICMP && p.ICMPType == icmpEchoRequest:
		return w.answerRouterPing(ni, e)
	}
	return nil, false
}

// reportsGroups reports whether the packet says which groups its sender listens to.
func (w *Walk) reportsGroups() bool {
	p := &w.pkt
	switch {
	case !isGroup(p.Dst):
		return false
	case p.Family == 4:
		return p.Proto == protoIGMP
	case p.Family == 6 && p.Proto == packet.ProtoICMPv6:
		return p.ICMPType == icmp6ListenerReport || p.ICMPType == icmp6ListenerDone || p.ICMPType == icmp6ListenerReportV2
	}
	return false
}

// takeMembership takes what a guest's kernel says of the groups that it listens to,
// as every kernel does of itself. It is for a router, and the VPC's carries no groups
// (A34): nothing comes of it, and nothing is wrong.
func (w *Walk) takeMembership(ni *networkInterface) {
	if w.pkt.SrcMAC != ni.mac {
		w.drop(StageLinkLayer, ReasonSourceMAC, ni.handle, 0)
		return
	}
	w.answer(StageLinkLayer, ReasonMembership, w.segment(ni))
}

// answerARP answers for the router and for every address of the subnet that an
// interface has; other guests never see the question, and a gratuitous ARP
// changes nothing (A29, A30).
func (w *Walk) answerARP(ni *networkInterface, e *Engine) []byte {
	p := &w.pkt
	switch {
	case p.SrcMAC != ni.mac || p.ARPSenderMAC != ni.mac:
		w.drop(StageLinkLayer, ReasonSourceMAC, ni.handle, 0)
		return nil
	case p.ARPOperation != arpRequest || p.Src == p.Dst:
		w.drop(StageLinkLayer, ReasonAnnouncement, ni.handle, 0)
		return nil
	}
	mac, ok := w.snap.neighbor(ni, p.Dst)
	if !ok || ni.owns(p.Dst) {
		w.drop(StageLinkLayer, ReasonNoNeighbor, w.segment(ni), 0)
		return nil
	}
	w.answer(StageLinkLayer, ReasonARP, w.segment(ni))
	return packet.AppendARP(e.scratch(), arpReply, ni.mac, mac, mac, p.Dst, ni.mac, p.Src)
}

// answerNeighborSolicitation is the same for IPv6. A duplicate address
// detection (source ::) is answered only when somebody else has the address.
func (w *Walk) answerNeighborSolicitation(ni *networkInterface, e *Engine) []byte {
	p := &w.pkt
	target, ok := p.NeighborTarget()
	if !ok {
		w.drop(StageParse, ReasonMalformed, ni.handle, uint32(packet.ProblemTruncated))
		return nil
	}
	if p.SrcMAC != ni.mac {
		w.drop(StageLinkLayer, ReasonSourceMAC, ni.handle, 0)
		return nil
	}
	mac, ok := w.snap.neighbor(ni, target)
	if !ok || ni.owns(target) {
		w.drop(StageLinkLayer, ReasonNoNeighbor, w.segment(ni), 0)
		return nil
	}
	to, solicited := p.Src, true
	if to.IsZero() {
		to, solicited = allNodes, false
	}
	isRouter := mac == ni.routerMAC
	w.answer(StageLinkLayer, ReasonNeighbor, w.segment(ni))
	return packet.AppendNeighborAdvertisement(e.scratch(), ni.mac, mac, target, to, target, mac, isRouter, solicited, true)
}

// announces reports a message that tells its receiver who has which address, or
// which way to send. The platform's own word is the only one (A30, A35), so it
// enters no walk, whatever the rules say: with its hop limit untouched, even one
// from the Internet would be believed.
func (w *Walk) announces() bool {
	if w.tuple.Proto != packet.ProtoICMPv6 {
		return false
	}
	switch w.icmpType {
	case icmp6RouterSolicit, icmp6RouterAdvert, icmp6NeighborSolicit, icmp6NeighborAdvert, icmp6Redirect:
		return true
	}
	return false
}

// answerRouterSolicitation names the subnet's router as default gateway.
// Addresses come by DHCPv6, not by SLAAC; the subnet's block is on the link
// (A35). The core sends no advertisement that nobody asked for, so the lifetime
// is the longest there is.
func (w *Walk) answerRouterSolicitation(ni *networkInterface, e *Engine) []byte {
	p := &w.pkt
	if p.SrcMAC != ni.mac {
		w.drop(StageLinkLayer, ReasonSourceMAC, ni.handle, 0)
		return nil
	}
	if ni.kind != KindNetworkInterface || len(w.snap.subnets[ni.subnet].prefixes6) == 0 {
		w.drop(StageLinkLayer, ReasonGroupAddress, ni.handle, 0)
		return nil
	}
	sub := &w.snap.subnets[ni.subnet]
	dst := p.Src
	if dst.IsZero() {
		dst = allNodes
	}
	w.answer(StageLinkLayer, ReasonNeighbor, sub.handle)
	return packet.AppendRouterAdvertisement(e.scratch(), packet.RouterAdvertisement{
		DstMAC: ni.mac, SrcMAC: ni.routerMAC, Src: sub.router(6), Dst: dst,
		HopLimit: 255, Managed: true, Other: true, Lifetime: 65535, MTU: vpcMTU, Prefixes: sub.prefixes6,
	})
}

// vpcMTU is the largest IP packet inside a VPC (addressing.md section 10).
const vpcMTU = 9001

var allNodes = packet.Addr{Hi: 0xff02 << 48, Lo: 1}

// answerRouterPing replies for the router's addresses of the sender's own
// subnet; those of other subnets stay silent, by falling through to the walk
// (A-C10).
func (w *Walk) answerRouterPing(ni *networkInterface, e *Engine) ([]byte, bool) {
	p := &w.pkt
	if p.DstMAC != ni.routerMAC || p.SrcMAC != ni.mac || p.Fragment || !w.snap.isRouterAddress(ni, p.Dst) {
		return nil, false
	}
	reply := packet.AppendEchoReply(e.arena.take(len(p.Frame.Data)+familyDifference), p, ni.mac, ni.routerMAC)
	if len(reply) == 0 {
		return nil, false // a code or a source that nobody answers
	}
	w.answer(StageAnswer, ReasonRouterPing, w.segment(ni))
	return reply, true
}

// neighbor resolves an address on ni's link, as ARP and neighbour discovery
// answer it: the router's own addresses, and for an ENI the interfaces of its
// subnet. Hosts of the Internet have their router only.
func (s *Snapshot) neighbor(ni *networkInterface, a packet.Addr) (packet.MAC, bool) {
	if ni.kind != KindNetworkInterface {
		if a == packet.AddrFrom(InternetRouter4) || a == packet.AddrFrom(InternetRouter6) {
			return ni.routerMAC, true
		}
		return packet.MAC{}, false
	}
	if s.isRouterAddress(ni, a) || s.services >= 0 && a == s.vpcs[ni.vpc].resolver {
		return ni.routerMAC, true
	}
	peer, ok := s.subnets[ni.subnet].byAddress.get(a)
	if !ok {
		return packet.MAC{}, false
	}
	return s.interfaces[peer].mac, true
}

func (s *Snapshot) isRouterAddress(ni *networkInterface, a packet.Addr) bool {
	if ni.kind != KindNetworkInterface {
		return false
	}
	for _, own := range s.subnets[ni.subnet].routerAddresses {
		if own == a {
			return true
		}
	}
	return false
}

// segment is the object that speaks for ni's link: its subnet, or the host's
// own interface.
func (w *Walk) segment(ni *networkInterface) Handle {
	if ni.kind == KindNetworkInterface {
		return w.snap.subnets[ni.subnet].handle
	}
	return ni.handle
}
