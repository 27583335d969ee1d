package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// devicePatience is how long a program may take to make its device.
const devicePatience = 5 * time.Second

// Device sets up a network device that a program in the node has made, such as
// a tunnel: addresses, in place of those it had, MTU, and up. It waits a few
// seconds for the device to appear.
func (h *Host) Device(node, name string, addresses []netip.Prefix, mtu int) error {
	return h.In(node, func() error {
		link, err := awaitLink(name)
		if err != nil {
			return fmt.Errorf("node %s: device %s: %w", node, name, err)
		}
		var errs []error
		if mtu != 0 && link.Attrs().MTU != mtu {
			errs = append(errs, netlink.LinkSetMTU(link, mtu))
		}
		have, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		errs = append(errs, err)
		for _, a := range have {
			if p, ok := prefixOf(a.IPNet); ok && !(p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()) && !slices.Contains(addresses, p) {
				errs = append(errs, netlink.AddrDel(link, &a))
			}
		}
		for _, p := range addresses {
			a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}
			if p.Addr().IsLinkLocalUnicast() && !p.Addr().Is6() && slices.ContainsFunc(addresses, isGlobal4) {
				// Beside another it is for its link only: what a route leads farther
				// must not come from it, though the gateway is in its block.
				a.Scope = unix.RT_SCOPE_LINK
			}
			err := netlink.AddrReplace(link, a)
			if err != nil {
				errs = append(errs, fmt.Errorf("address %s: %w", p, err))
			}
		}
		errs = append(errs, netlink.LinkSetUp(link))
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("node %s: device %s: %w", node, name, err)
		}
		return nil
	})
}

func isGlobal4(p netip.Prefix) bool { return p.Addr().Is4() && !p.Addr().IsLinkLocalUnicast() }

// Pair makes a veth pair of which both ends are in the node, unless it is there:
// what stands in for a TUN device where the machine allows none (see
// [TUNAllowed]). Name is the end for programs, which asks nobody for neighbours.
func (h *Host) Pair(node, name, other string, mtu int) error {
	return h.In(node, func() error {
		if _, err := netlink.LinkByName(name); err == nil {
			return nil
		}
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu}, PeerName: other, PeerMTU: uint32(mtu)}
		err := netlink.LinkAdd(pair)
		for _, end := range []string{name, other} {
			var link netlink.Link
			if err == nil {
				link, err = netlink.LinkByName(end)
			}
			if err == nil {
				err = netlink.LinkSetARPOff(link)
			}
			if err == nil && end == other {
				err = netlink.LinkSetUp(link)
			}
		}
		if err != nil {
			return fmt.Errorf("node %s: pair %s: %w", node, name, err)
		}
		return nil
	})
}

// RemovePair removes such a pair, with the addresses and routes at its ends. That
// there is none is no error, nor that the node is gone.
func (h *Host) RemovePair(node, name string) error {
	if _, there := h.Node(node); !there {
		return nil
	}
	return h.In(node, func() error {
		link, err := netlink.LinkByName(name)
		var notFound netlink.LinkNotFoundError
		if errors.As(err, &notFound) {
			return nil
		}
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if err != nil {
			return fmt.Errorf("node %s: pair %s: %w", node, name, err)
		}
		return nil
	})
}

// TUNAllowed reports whether this process, and those that it starts, can make TUN
// devices in namespaces of their own.
func TUNAllowed() bool {
	file, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = file.Close()
	return true
}

func awaitLink(name string) (netlink.Link, error) {
	for giveUp := time.Now().Add(devicePatience); ; {
		link, err := netlink.LinkByName(name)
		if err == nil || time.Now().After(giveUp) {
			return link, err
		}
		time.Sleep(5 * time.Millisecond) // nobody tells
	}
}

// LearnedRoute is a route that a routing protocol, an administrator, or a VPN's server
// gives a node in addition to those of its interfaces.
type LearnedRoute struct {
	Destination netip.Prefix
	// Hops are the equal next hops. None makes the destination unreachable,
	// which the router says to who asks.
	Hops []NextHop
}

// NextHop is a device, and a gateway behind it where the device has several
// neighbours.
type NextHop struct {
	Device string
	Via    netip.Addr
}

// learnedProtocol marks the routes that [Host.LearnedRoutes] keeps, in "ip route"
// as "proto bgp" (RTPROT_BGP).
const learnedProtocol = 186

// LearnedRoutes makes routes the node's learned routes, in place of those it had:
// what stays is not touched.
func (h *Host) LearnedRoutes(node string, routes []LearnedRoute) error {
	return h.replaceRoutes(node, routes, learnedProtocol)
}

// PushedRoutes does the same for routes that no protocol brought: those that a VPN's
// server has its client set. They are static, as those of interfaces are, and known
// by their metric.
func (h *Host) PushedRoutes(node string, routes []LearnedRoute) error {
	return h.replaceRoutes(node, routes, unix.RTPROT_STATIC)
}

func (h *Host) replaceRoutes(node string, routes []LearnedRoute, protocol netlink.RouteProtocol) error {
	return h.In(node, func() error {
		if err := replaceLearnedRoutes(routes, protocol); err != nil {
			return fmt.Errorf("node %s: routes: %w", node, err)
		}
		return nil
	})
}

func replaceLearnedRoutes(routes []LearnedRoute, protocol netlink.RouteProtocol) error {
	have := map[string]netlink.Route{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteListFiltered(family, &netlink.Route{Protocol: protocol, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.Priority == learnedMetric {
				have[routeIdentity(&r)] = r
			}
		}
	}
	var errs []error
	keep := map[string]bool{}
	destinations := map[string]bool{}
	for _, want := range routes {
		r, err := kernelRoute(want, protocol)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", want.Destination, err))
			continue
		}
		id := routeIdentity(r)
		keep[id], destinations[want.Destination.String()] = true, true
		if _, there := have[id]; there {
			continue
		}
		if err := netlink.RouteReplace(r); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", want.Destination, err))
		}
	}
	for id, r := range have {
		p, ok := prefixOf(r.Dst)
		if keep[id] || ok && p.Addr().Is4() && destinations[p.String()] { // replaced: IPv4 has one route of a metric
			continue
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove %s: %w", r.Dst, err))
		}
	}
	return errors.Join(errs...)
}

// learnedMetric yields to the node's own networks.
const learnedMetric = 1024

func kernelRoute(want LearnedRoute, protocol netlink.RouteProtocol) (*netlink.Route, error) {
	r := &netlink.Route{Dst: ipNet(want.Destination), Protocol: protocol, Table: unix.RT_TABLE_MAIN, Priority: learnedMetric}
	if len(want.Hops) == 0 {
		r.Type = unix.RTN_UNREACHABLE
		return r, nil
	}
	for _, hop := range want.Hops {
		link, err := netlink.LinkByName(hop.Device)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", hop.Device, err)
		}
		next := &netlink.NexthopInfo{LinkIndex: link.Attrs().Index}
		if hop.Via.IsValid() {
			next.Gw, next.Flags = hop.Via.AsSlice(), int(netlink.FLAG_ONLINK)
		}
		if len(want.Hops) == 1 {
			r.LinkIndex, r.Gw, r.Flags = next.LinkIndex, next.Gw, next.Flags
			return r, nil
		}
		r.MultiPath = append(r.MultiPath, next)
	}
	return r, nil
}

// routeIdentity is equal for routes that do the same, however the kernel lists
// them.
func routeIdentity(r *netlink.Route) string {
	hops := []string{}
	hop := func(link int, gw net.IP) {
		text := ""
		if len(gw) > 0 && !gw.IsUnspecified() {
			text = gw.String()
		}
		hops = append(hops, fmt.Sprintf("%d@%s", link, text))
	}
	switch {
	case r.Type == unix.RTN_UNREACHABLE: // the kernel lists IPv6's on lo
	case len(r.MultiPath) > 0:
		for _, n := range r.MultiPath {
			hop(n.LinkIndex, n.Gw)
		}
	default:
		hop(r.LinkIndex, r.Gw)
	}
	slices.Sort(hops)
	destination, _ := prefixOf(r.Dst)
	return destination.String() + " " + strings.Join(hops, ",")
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}
