package control

import (
	"net/netip"
	"slices"
)

// Announcements are what AWS announces to each customer's router, by tunnel, sorted
// by prefix: the reverse of what a RIB has learned. A tunnel with static routing is
// not among them; one that is down is, since its session may come up.
//
// An AS_PATH is that which the route was learned with, without Amazon's own number,
// which the session puts before it. The one who gets a route that has its own number
// in it refuses it: two spokes with one ASN do not see each other (H4).
func (w *World) Announcements() map[string][]BGPRoute {
	all := map[string][]BGPRoute{}
	for name, c := range w.VPNConnections {
		if c.static() {
			continue
		}
		routes := w.announcedTo(name, c)
		for i := range c.Status.Tunnels {
			all[c.Status.Tunnels[i].Name] = withMED(routes, w.announcedMED(name, i))
		}
	}
	return all
}

// TunnelMaintenance is the kind of fault that precedes work on a tunnel, and
// FaultTunnel the one that follows.
const (
	TunnelMaintenance = "tunnelMaintenance"
	FaultTunnel       = "tunnel"
)

// maintenanceMED is lower than any that AWS announces otherwise. AWS says that it
// lowers it, and not to what.
const maintenanceMED = 50

// announcedMED is what AWS announces on the tunnel of a connection at place i: it
// prefers the first tunnel, 100 before 200 [mem], but one that it is about to work on
// gives way to the other, whose MED is lowered (V7). Who goes by it has left the
// tunnel before it goes down.
func (w *World) announcedMED(connection string, i int) uint32 {
	bgp := !w.VPNConnections[connection].static()
	if bgp && w.maintained(connection, tunnelsPerConnection-1-i) && !w.maintained(connection, i) {
		return maintenanceMED
	}
	return uint32(100 * (i + 1))
}

// maintained reports whether the tunnel at place i is about to be worked on.
func (w *World) maintained(connection string, i int) bool {
	return w.faultOf(TunnelMaintenance, VPNTunnelName(connection, i+1)) != ""
}

func withMED(routes []BGPRoute, med uint32) []BGPRoute {
	out := slices.Clone(routes)
	for i := range out {
		out[i].MED = med
	}
	return out
}

// announcedTo is what the customer of a connection is told on both tunnels, by
// destination. Routes that came from there are not: its router would refuse them.
func (w *World) announcedTo(name string, c *VPNConnection) []BGPRoute {
	var routes []BGPRoute
	limit := mostToCustomerTransit
	add := func(p netip.Prefix, path []ASN) {
		if c.carries(p) {
			routes = append(routes, BGPRoute{Prefix: p, ASPath: path})
		}
	}
	if g := w.VPNGateways[c.VPNGateway]; g != nil {
		limit = mostToCustomerVPN
		var own []netip.Prefix
		if g.attached(w, c.VPNGateway) {
			own = w.VPCs[g.VPC].blocks() // V5
		}
		for _, block := range own {
			add(block, nil)
		}
		for _, r := range g.Status.Routes { // CloudHub: every other spoke's (H2), static ones excepted (H4)
			if r.Type == RouteBGP && r.VPNConnection != name && !slices.Contains(own, r.Destination) {
				add(r.Destination, r.ASPath)
			}
		}
		slices.SortFunc(routes, func(a, b BGPRoute) int { return comparePrefixes(a.Prefix, b.Prefix) })
	} else if a := w.TransitGatewayAttachments[name]; a.isVPN() && a.available() {
		if t := w.TransitGatewayRouteTables[a.Status.Association]; t != nil {
			for i := range t.Status.Routes { // they are sorted
				// Blackholes are not announced (V14).
				if r := &t.Status.Routes[i]; r.State == RouteActive && !r.leadsTo(name) {
					add(r.Destination, r.ASPath)
				}
			}
		}
	}
	return routes[:min(len(routes), limit)] // V12; which ones AWS leaves out is not known
}

// leadsTo reports whether the attachment is one of the route's.
func (r *TransitGatewayRoute) leadsTo(attachment string) bool {
	return r.Attachment == attachment || slices.Contains(r.Attachments, attachment)
}

// countAnnouncements completes the telemetry, once all routes are chosen.
func (w *World) countAnnouncements() {
	for name, routes := range w.ConnectAnnouncements() {
		sessions := w.TransitGatewayConnectPeers[name].Status.Sessions
		for i := range sessions {
			if s := &sessions[i]; s.State == TunnelUp {
				s.AnnouncedRouteCount = len(routes)
			} else {
				s.AnnouncedRouteCount = 0
			}
		}
	}
	for name, c := range w.VPNConnections {
		if c.static() {
			continue
		}
		n := len(w.announcedTo(name, c))
		for i := range c.Status.Tunnels {
			if t := &c.Status.Tunnels[i]; t.State == TunnelUp {
				t.AnnouncedRouteCount, t.AnnouncedMED = n, w.announcedMED(name, i)
			}
		}
	}
}
