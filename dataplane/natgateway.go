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
// subnet's network ACL stands before and behind it (R49).
func (w *Walk) enterNATGateway(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	if !w.enterSubnet(ni) {
		return Hop{}
	}
	if w.exceeds(natMTU) {
		return w.drop(StageNATGateway, ReasonTooBig, ni.gateway, natMTU)
	}
	translated := false
	if ni.owns(w.tuple.Dst) {
		translated = w.natIn(ni)
	} else {
		translated = w.natOut(ni)
	}
	if !translated {
		return Hop{}
	}
	return w.sendOn(index)
}

// sendOn continues behind a gateway's interface, which is the sender now: to a
// neighbour of its own subnet directly, else through the router and the route
// table of the gateway's subnet (R9).
func (w *Walk) sendOn(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.sender = int(index)
	sub := &w.snap.subnets[ni.subnet]
	if sub.contains(w.tuple.Dst) {
		peer, ok := sub.byAddress[w.tuple.Dst]
		if !ok {
			return w.drop(StageLinkLayer, ReasonNoNeighbor, sub.handle, 0)
		}
		w.routed = false
		w.pass(StageLinkLayer, ReasonSameSubnet, sub.handle, 0)
		return Hop{hopEnterInterface, peer}
	}
	return w.leaveSubnet(ni.subnet)
}

// natOut translates a packet from inside: its connection's mapping, or a new
// one (R41, R42, R47).
func (w *Walk) natOut(ni *networkInterface) bool {
	w.trackSender()
	if w.pkt.ICMPError {
		return w.natErrorOut(ni)
	}
	switch {
	case !natCarries(&w.pkt):
		w.drop(StageNATGateway, ReasonNATProtocol, ni.gateway, uint32(w.tuple.Proto))
		return false
	case w.pkt.Fragment && w.tuple.Proto != packet.ProtoUDP:
		w.drop(StageNATGateway, ReasonNATFragment, ni.gateway, 0)
		return false
	}
	key := tupleFlowKey(ni.gateway, &w.tuple, w.pkt.ICMPType, egress)
	mapping, index, found := w.findMapping(&key)
	if !found {
		if w.tuple.Proto == packet.ProtoTCP && w.pkt.TCPFlags&packet.TCPFlagSYN == 0 {
			// Idle for too long, or never known: the gateway resets the
			// connection towards the inside (R43).
			w.drop(StageNATGateway, ReasonNATExpired, ni.gateway, 0)
			return false
		}
		var ok bool
		if mapping, ok = w.proposeMapping(ni, &key); !ok {
			w.drop(StageNATGateway, ReasonNATPortAllocation, ni.gateway, 0)
			return false
		}
	}
	w.noteMapping(mapping, index, found, egress)
	w.tuple.Src, w.tuple.SrcPort = mapping.address, mapping.port
	if w.tuple.Proto == packet.ProtoICMP {
		w.tuple.DstPort = mapping.port // the identifier
	}
	w.translated(StageNATGateway, ReasonNATOut, ni.gateway)
	return true
}

// natIn undoes the translation of an answer. What belongs to no connection is
// dropped: the gateway is no listener and answers no ping (R45).
func (w *Walk) natIn(ni *networkInterface) bool {
	if w.pkt.ICMPError {
		return w.natErrorIn(ni)
	}
	key := tupleFlowKey(ni.gateway, &w.tuple, w.pkt.ICMPType, ingress)
	mapping, index, found := w.findMappingIn(&key)
	if !found {
		w.drop(StageNATGateway, ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	w.noteMapping(mapping, index, found, ingress)
	w.tuple.Dst, w.tuple.DstPort = mapping.key.local, mapping.insidePort()
	if w.tuple.Proto == packet.ProtoICMP {
		w.tuple.SrcPort = w.tuple.DstPort
	}
	w.translated(StageNATGateway, ReasonNATIn, ni.gateway)
	return true
}

// natErrorOut translates an ICMP error that an inside host sends about a
// packet the gateway had brought it.
func (w *Walk) natErrorOut(ni *networkInterface) bool {
	key := quotedFlowKey(ni.gateway, &w.quoted, w.pkt.QuotedICMPType, egress)
	mapping, _, found := w.findMapping(&key)
	if !w.pkt.QuotedOK || !found {
		w.drop(StageNATGateway, ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	w.tuple.Src = mapping.address
	w.quoted.Dst, w.quoted.DstPort = mapping.address, mapping.port
	if w.quoted.Proto == packet.ProtoICMP {
		w.quoted.SrcPort = mapping.port
	}
	w.translated(StageNATGateway, ReasonNATOut, ni.gateway)
	return true
}

// natErrorIn brings an ICMP error about a translated packet to the host that
// had sent it.
func (w *Walk) natErrorIn(ni *networkInterface) bool {
	key := quotedFlowKey(ni.gateway, &w.quoted, w.pkt.QuotedICMPType, ingress)
	mapping, _, found := w.findMappingIn(&key)
	if !w.pkt.QuotedOK || !found {
		w.drop(StageNATGateway, ReasonNATNoMapping, ni.gateway, 0)
		return false
	}
	w.tuple.Dst = mapping.key.local
	w.quoted.Src, w.quoted.SrcPort = mapping.key.local, mapping.insidePort()
	if w.quoted.Proto == packet.ProtoICMP {
		w.quoted.DstPort = w.quoted.SrcPort
	}
	w.translated(StageNATGateway, ReasonNATIn, ni.gateway)
	return true
}

// natCarries: TCP, UDP, and ICMP messages with an identifier; nothing else
// (R40).
func natCarries(p *packet.Packet) bool {
	switch p.Proto {
	case packet.ProtoTCP, packet.ProtoUDP:
		return true
	case packet.ProtoICMP:
		request, _ := icmpRequest(p.Proto, p.ICMPType)
		return request == icmpEchoRequest || request == 13
	}
	return false
}
