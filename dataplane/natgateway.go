package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NATGateway is a zonal NAT gateway as control hands it over: public and
// private ones differ only in whether an Internet gateway maps its addresses.
type NATGateway struct {
	Object
	Subnet Handle
	MAC    packet.MAC
	// Addresses are its private IPv4 addresses, the primary first (R38).
	Addresses []netip.Addr
	// Stopped: it is broken, and drops what comes to it.
	Stopped bool
}

// natMTU is the largest IP packet a NAT gateway takes (R50).
const natMTU = 8500

// natTimeouts: 350 s idle whatever the protocol (R43). AWS does not say how
// soon it forgets a connection that was closed.
var natTimeouts = Timeouts{
	TCPEstablished: 350e9, TCPHalfOpen: 350e9, TCPClosed: 10e9, UDP: 350e9, UDPStream: 350e9, ICMP: 350e9, Other: 350e9,
}

// enterNATGateway takes a packet that reached the gateway's interface: an
// answer to one of its own addresses goes back inside, anything else is
// translated on its way out. The gateway has no security group, but its
// subnet's network ACL stands before and behind it (R49). It is a hop, unlike the
// VPC's router: traceroute shows it (A32).
func (w *Walk) enterNATGateway(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.reaches(index)
	if !w.enterSubnet(ni) {
		return Hop{}
	}
	if ni.stopped {
		return w.drop(StageNATGateway, ReasonInterfaceDown, ni.gateway, 0)
	}
	if !w.fits(natMTU, StageNATGateway, ni.gateway) {
		return Hop{}
	}
	if !w.hop() {
		w.trackSender() // so that its group lets the answer in
		return w.drop(StageNATGateway, ReasonHopLimit, ni.gateway, 0)
	}
	w.clamp(natMTU)
	back := ni.owns(w.tuple.Dst)
	w.throughNATGateway(ni.handle, ingress, back)
	translate := w.natOut
	switch {
	case back && w.pkt.ICMPError:
		translate = w.natErrorIn
	case back:
		translate = w.natIn
	case w.pkt.ICMPError:
		translate = w.natErrorOut
	}
	if !translate(ni) {
		return Hop{}
	}
	w.throughNATGateway(ni.handle, egress, !back)
	w.origin = int(index)
	return w.sendOn(index)
}

// sendOn continues behind a gateway's interface, which is the sender now: to a
// neighbour of its own subnet directly, else through the router and the route
// table of the gateway's subnet (R9). Its security groups judge first, if it has
// any.
func (w *Walk) sendOn(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.sender = int(index)
	w.leaves(index)
	w.zone = w.snap.subnets[ni.subnet].zone
	if ni.groups != nil && !w.securityGroups(ni, egress) {
		return Hop{}
	}
	return w.outOf(ni.subnet)
}

// outOf finds the way of what an interface of the platform's own sends: to a neighbour
// directly, else through the router.
func (w *Walk) outOf(subnet uint32) Hop {
	sub := &w.snap.subnets[subnet]
	if !sub.contains(w.tuple.Dst) {
		return w.leaveSubnet(subnet)
	}
	peer, ok := sub.byAddress.get(w.tuple.Dst)
	if !ok {
		return w.drop(StageLinkLayer, ReasonNoNeighbor, sub.handle, 0)
	}
	w.routed = false
	w.pass(StageLinkLayer, ReasonSameSubnet, sub.handle, 0)
	return Hop{hopEnterInterface, peer}
}

// natOut translates a packet from inside: by its connection's mapping, or a new
// one (R41, R42, R47). An IPv6 packet becomes IPv4 on the way (R54).
func (w *Walk) natOut(ni *networkInterface) bool {
	if !w.trackSender() {
		return false
	}
	switch {
	case !w.tuple.Dst.Is4() && !nat64Prefix.Contains(w.tuple.Dst):
		w.drop(StageNATGateway, ReasonNATFamily, ni.gateway, 0)
		return false
	case !natCarries(w.tuple.Proto, w.icmpType):
		w.drop(StageNATGateway, ReasonNATProtocol, ni.gateway, uint32(w.tuple.Proto))
		return false
	case w.pkt.Fragment && w.tuple.Proto != packet.ProtoUDP:
		w.drop(StageNATGateway, ReasonNATFragment, ni.gateway, 0)
		return false
	}
	var key flowKey
	key.set(ni.handle, &w.tuple, w.icmpType, egress)
	mapping, index, found := w.findMapping(&key)
	if !found {
		if w.tuple.Proto == packet.ProtoTCP && w.pkt.TCPFlags&packet.TCPFlagSYN == 0 {
			// Idle for too long, or never known: the gateway resets the
			// connection towards the inside (R43).
			w.drop(StageNATGateway, ReasonNATExpired, ni.gateway, 0)
			return false
		}
		if mapping = w.proposeMapping(ni, natMapping{key: key}); mapping == nil {
			return false
		}
	}
	w.noteMapping(mapping, index, found, egress)
	out := mapping.outside()
	w.tuple.Src, w.tuple.Dst = out.local, out.remote
	w.setPorts(out.localPort, w.tuple.DstPort, out.localPort)
	return w.natTranslated(ni, out.remote, ReasonNATOut)
}

// natIn undoes the translation of an answer. What belongs to no connection is
// dropped: the gateway is no listener and answers no ping (R45).
func (w *Walk) natIn(ni *networkInterface) bool {
	var key flowKey
	key.set(ni.handle, &w.tuple, w.icmpType, ingress)
	mapping, index, found := w.findMappingIn(&key)
	if !found {
		w.drop(ni.natStage(), ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	w.noteMapping(mapping, index, found, ingress)
	w.tuple.Src, w.tuple.Dst = mapping.key.remote, mapping.key.local
	w.setPorts(w.tuple.SrcPort, mapping.key.localPort, mapping.key.localPort)
	return w.natTranslated(ni, mapping.key.remote, ReasonNATIn)
}

// natErrorOut translates an ICMP error that an inside host sends about a
// packet the gateway had brought it.
func (w *Walk) natErrorOut(ni *networkInterface) bool {
	key := quotedFlowKey(ni.handle, &w.quoted, w.pkt.QuotedICMPType, egress)
	mapping, _, found := w.findMapping(&key)
	if !w.quotesReceiver() || !found {
		w.drop(ni.natStage(), ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	out := mapping.outside()
	w.tuple.Src, w.tuple.Dst = out.local, out.remote
	w.quoted.Src, w.quoted.Dst = out.remote, out.local
	w.setQuotedPort(&w.quoted.DstPort, out.localPort)
	return w.natTranslated(ni, out.remote, ReasonNATOut)
}

// natErrorIn brings an ICMP error about a translated packet to the host that
// had sent it. The error may come from any router on the way, so its own source
// stays, in the family of the host.
func (w *Walk) natErrorIn(ni *networkInterface) bool {
	key := quotedFlowKey(ni.handle, &w.quoted, w.pkt.QuotedICMPType, ingress)
	mapping, _, found := w.findMappingIn(&key)
	if !w.quotesReceiver() || !found {
		w.drop(ni.natStage(), ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	if !mapping.key.local.Is4() {
		w.tuple.Src = nat64Of(w.tuple.Src)
	}
	w.tuple.Dst = mapping.key.local
	w.quoted.Src, w.quoted.Dst = mapping.key.local, mapping.key.remote
	w.setQuotedPort(&w.quoted.SrcPort, mapping.key.localPort)
	return w.natTranslated(ni, mapping.key.remote, ReasonNATIn)
}

// natStage is where an interface that translates belongs.
func (ni *networkInterface) natStage() Stage {
	switch ni.kind {
	case KindClientVPNInterface:
		return StageClientVPN
	case KindLoadBalancerNode:
		return StageLoadBalancer
	}
	return StageNATGateway
}

// natTranslated notes that the packet has its new addresses, of remote's family.
func (w *Walk) natTranslated(ni *networkInterface, remote packet.Addr, reason Reason) bool {
	if !w.becomeFamily(remote) {
		w.drop(ni.natStage(), ReasonNATProtocol, ni.gateway, uint32(w.tuple.Proto))
		return false
	}
	w.translated(ni.natStage(), reason, ni.gateway)
	return true
}

// setPorts writes the ports after a translation, or the translated identifier: that
// of ICMP stands in both.
func (w *Walk) setPorts(src, dst, identifier uint16) {
	if isICMP(w.tuple.Proto) {
		src, dst = identifier, identifier
	}
	w.tuple.SetPorts(src, dst)
}

func (w *Walk) setQuotedPort(side *uint16, port uint16) {
	*side = port
	if isICMP(w.quoted.Proto) {
		w.quoted.SrcPort, w.quoted.DstPort = port, port
	}
}

func isICMP(protocol uint8) bool {
	return protocol == packet.ProtoICMP || protocol == packet.ProtoICMPv6
}

// natCarries: TCP, UDP, and ICMP messages with an identifier; nothing else
// (R40).
func natCarries(protocol, icmpType uint8) bool {
	switch protocol {
	case packet.ProtoTCP, packet.ProtoUDP:
		return true
	case packet.ProtoICMP:
		request, _ := icmpRequest(protocol, icmpType)
		return request == icmpEchoRequest || request == 13
	case packet.ProtoICMPv6:
		request, _ := icmpRequest(protocol, icmpType)
		return request == icmp6EchoRequest
	}
	return false
}
