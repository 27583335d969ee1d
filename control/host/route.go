package host

import (
	"cmp"
	"net/netip"
	"slices"
)

// route is one route of a node, comparable, so that sets of them can be
// subtracted. The zero via is "on-link".
type route struct {
	dst    netip.Prefix
	via    netip.Addr
	src    netip.Addr
	metric int
	onLink bool // via is outside the interface's prefixes: do not look it up
}

// routeKey is what the kernel takes to be the same route of one interface: a
// second one replaces the first.
type routeKey struct {
	dst    netip.Prefix
	metric int
}

func (r route) key() routeKey { return routeKey{r.dst, r.metric} }

// Metrics. Distinct for each interface of a node, because Linux takes two IPv4
// routes of equal prefix and metric for one, even on two interfaces; a default
// route yields to any more specific choice that a program of the node makes.
const (
	connectedMetric = 256
	defaultMetric   = 512
	metricStep      = 10
)

// routes lists what interface number index (from 0) of a node needs, on-link
// prefixes before gateways, since the kernel checks that a gateway is
// reachable. The connected routes are in it, too: left to the kernel, they take
// their source from whatever address came first in time, and vanish with it.
func (i *Interface) routes(index int) []route {
	var out []route
	add := func(r route) {
		if !slices.ContainsFunc(out, func(o route) bool { return o.key() == r.key() }) {
			out = append(out, r)
		}
	}
	connected := connectedMetric + metricStep*index
	for _, p := range i.Addresses {
		if !p.IsSingleIP() {
			add(route{dst: p.Masked(), src: i.source(p), metric: connected})
		}
	}
	for _, p := range i.OnLink {
		add(route{dst: p.Masked(), src: i.source(p), metric: connected})
	}
	for _, g := range i.Gateways {
		everything := netip.PrefixFrom(unspecified(g), 0)
		add(route{
			dst: everything, via: g, src: i.source(everything),
			metric: defaultMetric + metricStep*index,
			onLink: !i.reaches(g),
		})
	}
	return out
}

// source is the address that i's packets to dst carry: the first in dst, else
// the first of dst's family that is more than link-local, else none, which
// leaves the choice to the kernel.
func (i *Interface) source(dst netip.Prefix) netip.Addr {
	best := netip.Addr{}
	for _, p := range i.Addresses {
		a := p.Addr()
		switch {
		case a.Is6() != dst.Addr().Is6():
		case dst.Bits() > 0 && dst.Contains(a):
			return a
		case !best.IsValid() && !(a.Is6() && a.IsLinkLocalUnicast()):
			best = a
		}
	}
	return best
}

// reaches reports whether i's own prefixes contain gateway g.
func (i *Interface) reaches(g netip.Addr) bool {
	contains := func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Masked().Contains(g) }
	return g.Is6() && g.IsLinkLocalUnicast() || // fe80::/64 is on every IPv6 link
		slices.ContainsFunc(i.Addresses, contains) || slices.ContainsFunc(i.OnLink, contains)
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// subtract returns what is in a and not in b, in a's order.
func subtract[T comparable](a, b []T) []T {
	var out []T
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// sortedNames returns m's keys in order: what is done to many nodes is done in
// the same order every time.
func sortedNames[K cmp.Ordered, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
