//go:build linux

package host

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file words rtnetlink messages; batch.go sends them.

// newVeth makes the pair of i: the core's end, up, in the namespace of the socket
// it is sent on, the node's end in the namespace nodeNS (a descriptor of the
// sender). Making it here and moving it there would wait for an RCU grace
// period, milliseconds for each.
func newVeth(i *Interface, nodeNS int) request {
	msg := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	// No ARP: the core's stack shall not answer for, nor ask about, anybody.
	msg.AddData(linkHeader(0, unix.IFF_UP|unix.IFF_NOARP))
	msg.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(coreName(i.Link))))
	msg.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, CoreMAC[:]))
	msg.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(coreMTU)))
	// One queue: by default veth has one for each CPU of the machine, and
	// nothing here would use them.
	msg.AddData(nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1)))
	msg.AddData(nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1)))

	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	peer.AddChild(linkHeader(0, 0)) // up is refused here: the pair is not joined yet
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(i.Name))
	peer.AddRtAttr(unix.IFLA_ADDRESS, i.MAC[:])
	peer.AddRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(i.mtu())))
	peer.AddRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1))
	peer.AddRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1))
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(nodeNS)))
	msg.AddData(info)
	return request{what: fmt.Sprintf("veth pair %s", coreName(i.Link)), msg: msg}
}

// deleteLink removes an interface, and with it its peer; one that is gone
// already is fine.
func deleteLink(name string) request {
	msg := nl.NewNetlinkRequest(unix.RTM_DELLINK, 0)
	msg.AddData(linkHeader(0, 0))
	msg.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	return request{what: "remove " + name, msg: msg, ignore: []syscall.Errno{unix.ENODEV}}
}

func linkUp(index int) request {
	msg := nl.NewNetlinkRequest(unix.RTM_NEWLINK, 0)
	msg.AddData(linkHeader(index, unix.IFF_UP))
	return request{what: "up", msg: msg}
}

func setMTU(index, mtu int) request {
	msg := nl.NewNetlinkRequest(unix.RTM_NEWLINK, 0)
	msg.AddData(linkHeader(index, 0))
	msg.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu))))
	return request{what: fmt.Sprintf("MTU %d", mtu), msg: msg}
}

func setMAC(index int, mac packet.MAC) request {
	msg := nl.NewNetlinkRequest(unix.RTM_NEWLINK, 0)
	msg.AddData(linkHeader(index, 0))
	msg.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac[:]))
	return request{what: fmt.Sprintf("MAC %s", mac), msg: msg}
}

// linkHeader addresses the interface of that number, or by a name attribute if 0,
// and switches flags on.
func linkHeader(index int, flags uint32) *nl.IfInfomsg {
	h := nl.NewIfInfomsg(unix.AF_UNSPEC)
	h.Index = int32(index)
	h.Flags, h.Change = flags, flags
	return h
}

// addAddress is content when a program of the node was first.
func addAddress(index int, p netip.Prefix) request {
	r := address(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, p)
	r.ignore = []syscall.Errno{unix.EEXIST}
	return r
}

func deleteAddress(index int, p netip.Prefix) request {
	r := address(unix.RTM_DELADDR, 0, index, p)
	r.what = "remove " + r.what
	r.ignore = []syscall.Errno{unix.EADDRNOTAVAIL}
	return r
}

func address(kind, flags, index int, p netip.Prefix) request {
	msg := nl.NewNetlinkRequest(kind, flags)
	h := nl.NewIfAddrmsg(family(p.Addr()))
	h.Prefixlen = uint8(p.Bits())
	h.Index = uint32(index)
	msg.AddData(h)
	ip := p.Addr().AsSlice()
	msg.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip))
	msg.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip))
	var flagBits uint32 = unix.IFA_F_NOPREFIXROUTE // its routes: see Interface.routes
	if p.Addr().Is6() {
		// The address is the lab's word, not a guess: no duplicate
		// detection, which would leave it unusable for a second.
		flagBits |= unix.IFA_F_NODAD
	}
	msg.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(flagBits)))
	return request{what: fmt.Sprintf("address %s", p), msg: msg}
}

// addRoute sets r, or changes the route of the same prefix and metric.
func addRoute(index int, r route) request {
	return routeRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, r)
}

func deleteRoute(index int, r route) request {
	q := routeRequest(unix.RTM_DELROUTE, 0, index, r)
	q.what = "remove " + q.what
	q.ignore = []syscall.Errno{unix.ESRCH}
	return q
}

func routeRequest(kind, flags, index int, r route) request {
	msg := nl.NewNetlinkRequest(kind, flags)
	h := nl.NewRtMsg()
	h.Family = uint8(family(r.dst.Addr()))
	h.Dst_len = uint8(r.dst.Bits())
	h.Protocol = unix.RTPROT_STATIC
	if !r.via.IsValid() { // IPv4 distinguishes neighbours from the world
		h.Scope = unix.RT_SCOPE_LINK
	}
	if r.onLink {
		h.Flags = unix.RTNH_F_ONLINK
	}
	msg.AddData(h)
	if r.dst.Bits() > 0 {
		msg.AddData(nl.NewRtAttr(unix.RTA_DST, r.dst.Addr().AsSlice()))
	}
	if r.via.IsValid() {
		msg.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, r.via.AsSlice()))
	}
	if r.src.IsValid() {
		msg.AddData(nl.NewRtAttr(unix.RTA_PREFSRC, r.src.AsSlice()))
	}
	msg.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.metric))))
	msg.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	what := fmt.Sprintf("route %s", r.dst)
	if r.via.IsValid() {
		what = fmt.Sprintf("%s via %s", what, r.via)
	}
	return request{what: what, msg: msg}
}

func family(a netip.Addr) int {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}
