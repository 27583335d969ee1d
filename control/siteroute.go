package control

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// This file is the site's side of tunnels, as a router there would know it: for
// drivers without one, and for people.

// SiteRoute is a route of a site's router into a tunnel.
type SiteRoute struct {
	Destination netip.Prefix
	Tunnel      string
	Type        string // RouteStatic or RouteBGP
	ASPath      []ASN  // Amazon's number first
	MED         uint32
}

// SiteRoutes are the routes that a site's router chooses, one per destination, by
// destination: static ones, then the shorter AS_PATH, then the lower MED, which AWS
// sets so that the first tunnel of a connection is taken, or the other during
// maintenance (V7). Tunnels that are down
// bring none, and routes with the site's own number in their AS_PATH are refused
// (H4). The site's own networks are not among them; a router looks at those first.
func (w *World) SiteRoutes(site string) []SiteRoute {
	s := w.Sites[site]
	if s == nil {
		return nil
	}
	best := bestSiteRoutes{}
	for _, name := range sorted(w.VPNConnections) {
		c := w.VPNConnections[name]
		if c.Status.Site != site {
			continue
		}
		announced := w.announcedTo(name, c)
		for i := range c.Status.Tunnels {
			t := &c.Status.Tunnels[i]
			if t.State != TunnelUp {
				continue
			}
			for _, r := range announced {
				route := SiteRoute{
					Destination: r.Prefix, Tunnel: t.Name, Type: c.Status.Routing,
					ASPath: append([]ASN{c.Status.AmazonASN}, r.ASPath...), MED: w.announcedMED(name, i),
				}
				if c.static() && len(r.ASPath) > 0 || slices.Contains(route.ASPath, s.Status.ASN) {
					continue
				}
				best.offer(route)
			}
		}
	}
	return best.routes()
}

// bestSiteRoutes are the routes that a router has chosen so far, by destination.
type bestSiteRoutes map[netip.Prefix]SiteRoute

func (best bestSiteRoutes) offer(r SiteRoute) {
	if old, known := best[r.Destination]; !known || r.compare(&old) < 0 {
		best[r.Destination] = r
	}
}

func (best bestSiteRoutes) routes() []SiteRoute {
	return slices.SortedFunc(maps.Values(best), func(a, b SiteRoute) int { return comparePrefixes(a.Destination, b.Destination) })
}

// compare is negative if a router takes r rather than other.
func (r *SiteRoute) compare(other *SiteRoute) int {
	static := func(x *SiteRoute) int {
		if x.Type == RouteStatic {
			return 0
		}
		return 1
	}
	return cmp.Or(static(r)-static(other), cmp.Compare(len(r.ASPath), len(other.ASPath)), cmp.Compare(r.MED, other.MED))
}

// SiteTunnel is the tunnel that what a site's host sends to an address enters AWS
// by, of routes that SiteRoutes gave; "" if there is none.
func SiteTunnel(routes []SiteRoute, to netip.Addr) string {
	tunnel, longest := "", -1
	for i := range routes {
		if p := routes[i].Destination; p.Contains(to) && p.Bits() > longest {
			tunnel, longest = routes[i].Tunnel, p.Bits()
		}
	}
	return tunnel
}

// SiteHostAt is the host that a packet out of a tunnel to an address reaches; "" if
// no host of that site has the address, or the site is down.
func (w *World) SiteHostAt(tunnel string, to netip.Addr) string {
	_, c := w.VPNTunnel(tunnel)
	if c == nil {
		return ""
	}
	return w.siteHostWith(c.Status.Site, to)
}

// siteHostWith is the host of a site that has an address.
func (w *World) siteHostWith(site string, a netip.Addr) string {
	s := w.Sites[site]
	if s == nil || s.Status.Fault != "" {
		return ""
	}
	for _, name := range s.Status.Hosts {
		if h := w.SiteHosts[name]; h.Status.IP == a || h.Status.IPv6 == a {
			return name
		}
	}
	return ""
}

// VPNTunnelWithHandle is the tunnel whose inside has a handle: what frames of the
// data plane name as their link. Nil if there is none.
func (w *World) VPNTunnelWithHandle(handle uint32) *VPNTunnel {
	for _, c := range w.VPNConnections {
		for i := range c.Status.Tunnels {
			if t := &c.Status.Tunnels[i]; t.Handle == handle {
				return t
			}
		}
	}
	return nil
}
