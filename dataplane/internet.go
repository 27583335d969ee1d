package dataplane

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// InternetHost is a host of the emulated Internet as control hands it over.
type InternetHost struct {
	Object
	MAC       packet.MAC
	Addresses []netip.Addr
	// Behind is the host's own IPv4 address where a NAT device of its owner's
	// has the Addresses: only answers come in. Invalid without.
	Behind netip.Addr
}

// The gateway addresses that hosts of the emulated Internet are configured
// with. Any address would do: the core answers for all of them.
var (
	InternetRouter4 = netip.MustParseAddr("169.254.0.1")
	InternetRouter6 = netip.MustParseAddr("fe80::1")
)

// RouterMAC is the address of the router that subnet or Internet host h sends its
// frames to, and gets them from.
func RouterMAC(h Handle) packet.MAC { return routerMAC(h) }

// internet knows who has which public address: hosts of its own, and the
// gateways of the VPCs. It carries nothing for private addresses, as the real
// one does.
type internet struct {
	handle Handle
	// hosts are single addresses, of which nothing is more specific, and blocks
	// those of the VPCs.
	hosts  addressTable[Hop]
	blocks *bart.Table[Hop]
}

// find says where a public address is.
func (n *internet) find(a packet.Addr) (Hop, bool) {
	if hop, ok := n.hosts.get(a); ok {
		return hop, true
	}
	return n.blocks.Lookup(a.Netip())
}

// leaveHost starts the way of a packet that an Internet host sends. Its
// provider lets only its own addresses out: what a site's router sends here for want
// of a tunnel gets no further.
func (w *Walk) leaveHost(index uint32) Hop {
	host := &w.snap.interfaces[index]
	switch {
	case !w.toItsRouter(host):
		return Hop{}
	case !host.has(w.tuple.Src) && isPrivate(w.tuple.Dst):
		return w.drop(StageInternet, ReasonNotOnInternet, w.snap.internet.handle, 0)
	case !host.has(w.tuple.Src):
		return w.drop(StageInternet, ReasonSourceAddress, w.snap.internet.handle, 0)
	}
	w.pass(StageSourceCheck, ReasonOK, host.handle, 0)
	if !w.cross(host.sends) {
		return Hop{}
	}
	if w.tuple.Src == host.behind && !w.throughNAT(host, egress) {
		return Hop{}
	}
	return Hop{Kind: hopInternet}
}

// toItsRouter holds what is asked of everybody who is alone with a router on a link, as
// hosts of the Internet, services and BGP speakers are: its own MAC address (A26), to
// the router's and no group (A34), and no word on who has which address (A30). Whose
// addresses it may bear is the caller's to say.
func (w *Walk) toItsRouter(ni *networkInterface) bool {
	switch {
	case w.pkt.SrcMAC != ni.mac:
		w.drop(StageSourceCheck, ReasonSourceMAC, ni.handle, 0)
	case w.pkt.DstMAC.IsGroup() || isGroup(w.tuple.Dst):
		w.drop(StageSourceCheck, ReasonGroupAddress, ni.handle, 0)
	case w.pkt.DstMAC != ni.routerMAC:
		w.drop(StageLinkLayer, ReasonNoNeighbor, ni.handle, 0)
	case w.announces():
		w.drop(StageLinkLayer, ReasonAnnouncement, ni.handle, 0)
	default:
		return true
	}
	return false
}

// acrossInternet carries a packet to whoever has the public address.
func (w *Walk) acrossInternet() Hop {
	net := &w.snap.internet
	if isPrivate(w.tuple.Dst) {
		return w.drop(StageInternet, ReasonNotOnInternet, net.handle, 0)
	}
	hop, ok := net.find(w.tuple.Dst)
	if !ok {
		return w.drop(StageInternet, ReasonNoHost, net.handle, 0)
	}
	w.pass(StageInternet, ReasonInternetAddress, net.handle, 0)
	return hop
}

// enterHost ends the way of a packet at an Internet host: through the NAT device in
// front of it, unless it is the device's own answer, which bears the host's address.
func (w *Walk) enterHost(index uint32) Hop {
	host := &w.snap.interfaces[index]
	if !w.cross(host.receives) {
		return Hop{}
	}
	if w.tuple.Dst.Is4() && !host.behind.IsZero() && w.tuple.Dst != host.behind && !w.throughNAT(host, ingress) {
		return Hop{}
	}
	return w.deliver(index)
}

// has reports that the host may send from the address: one of its own, which a
// NAT device in front of it keeps for itself.
func (ni *networkInterface) has(a packet.Addr) bool {
	if a.Is4() && !ni.behind.IsZero() {
		return a == ni.behind
	}
	return ni.owns(a)
}

// throughNAT takes a packet through the NAT device in front of a host, which works
// as a NAT gateway does.
func (w *Walk) throughNAT(host *networkInterface, dir direction) bool {
	switch {
	case dir == egress && w.pkt.ICMPError:
		return w.natErrorOut(host)
	case dir == egress:
		return w.natOut(host)
	case w.pkt.ICMPError:
		return w.natErrorIn(host)
	}
	return w.natIn(host)
}

// Address classes. They are no rules of any object, and arithmetic for speed:
// packets are asked about them all the time.

// isPrivate: no router of the Internet carries it. Of IPv4 that is this network,
// loopback, link-local, what RFC 1918 and RFC 6598 set aside, and everything
// from 240.0.0.0 on.
func isPrivate(a packet.Addr) bool {
	if !a.Is4() { // ::/127, fc00::/7, fe80::/10
		return a.Hi == 0 && a.Lo < 2 || a.Hi>>57 == 0xfc>>1 || isLinkLocal(a)
	}
	switch v := uint32(a.Lo); v >> 24 {
	case 0, 10, 127:
		return true
	case 100: // 100.64.0.0/10
		return v>>22 == 100<<2|1
	case 169:
		return isLinkLocal(a)
	case 172: // 172.16.0.0/12
		return v>>20 == 0xac1
	case 192: // 192.168.0.0/16
		return v>>16 == 0xc0a8
	default:
		return v>>28 == 0xf
	}
}

// isGroup: broadcast or multicast, which a VPC drops (A34).
func isGroup(a packet.Addr) bool {
	if a.Is4() { // 224.0.0.0/4, 255.255.255.255
		return uint32(a.Lo)>>28 == 0xe || uint32(a.Lo) == 0xffffffff
	}
	return a.Hi>>56 == 0xff // ff00::/8
}

func isLinkLocal(a packet.Addr) bool {
	if a.Is4() { // 169.254.0.0/16
		return uint32(a.Lo)>>16 == 0xa9fe
	}
	return a.Hi>>54 == 0xfe80>>6 // fe80::/10
}

// isLinkLocalService: no route ever captures fd00:ec2::/32 (A42). IPv4's
// 169.254.168.0/22 is link-local as it is.
func isLinkLocalService(a packet.Addr) bool { return a.Hi>>32 == 0xfd00_0ec2 }
