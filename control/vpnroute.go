package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// VPNGatewayRoute is a route of a virtual private gateway: the tunnel that it sends
// a destination to.
type VPNGatewayRoute struct {
	Destination   netip.Prefix `json:"destination"`
	VPNConnection string       `json:"vpnConnection"`
	Tunnel        string       `json:"tunnel"`
	Type          string       `json:"type"` // RouteStatic or RouteBGP
	// ASPath and MED are as learned.
	ASPath []ASN  `json:"asPath,omitempty"`
	MED    uint32 `json:"med,omitempty"`
}

// String is the route as traces show it, such as "10.50.0.0/16 → vpnTunnel office/1
// (BGP)".
func (r *VPNGatewayRoute) String() string {
	how := "static"
	if r.Type == RouteBGP {
		how = "BGP"
	}
	return fmt.Sprintf("%s → vpnTunnel %s (%s)", r.Destination, r.Tunnel, how)
}

// chooseRoutes takes, of all that is known about a destination, one tunnel over all
// connections of the gateway (V6). Health comes first: what is known by a tunnel
// that is down is not a candidate. Which destination a packet takes, the longest
// prefix says, later.
func (g *VPNGateway) chooseRoutes(w *World) {
	best := map[netip.Prefix]VPNGatewayRoute{}
	for _, name := range g.Status.VPNConnections { // by name, which is the last word (AWS does not say)
		c := w.VPNConnections[name]
		c.eachRoute(name, func(r VPNGatewayRoute) {
			if old, known := best[r.Destination]; !known || r.preferred(&old) {
				best[r.Destination] = r
			}
		})
	}
	g.Status.Routes = make([]VPNGatewayRoute, 0, len(best))
	for _, r := range best {
		g.Status.Routes = append(g.Status.Routes, r)
	}
	slices.SortFunc(g.Status.Routes, func(a, b VPNGatewayRoute) int { return comparePrefixes(a.Destination, b.Destination) })
}

// eachRoute visits what is known by the tunnels of a connection that are up, the
// first tunnel's first.
func (c *VPNConnection) eachRoute(name string, visit func(VPNGatewayRoute)) {
	for i := range c.Status.Tunnels {
		t := &c.Status.Tunnels[i]
		if t.State != TunnelUp {
			continue
		}
		for _, p := range c.StaticRoutes {
			if c.carries(p) {
				visit(VPNGatewayRoute{Destination: p, VPNConnection: name, Tunnel: t.Name, Type: RouteStatic})
			}
		}
		for j := range t.Learned {
			if r := &t.Learned[j]; c.usable(r) {
				visit(VPNGatewayRoute{Destination: r.Prefix.Masked(), VPNConnection: name, Tunnel: t.Name, Type: RouteBGP, ASPath: r.ASPath, MED: r.MED})
			}
		}
	}
}

// preferred reports whether a virtual private gateway takes r rather than other for
// the same destination (V6): static before BGP, the shorter AS_PATH, the lower MED
// of two that the same neighbour gave.
func (r *VPNGatewayRoute) preferred(other *VPNGatewayRoute) bool {
	if r.Type != other.Type {
		return r.Type == RouteStatic
	}
	if a, b := len(r.ASPath), len(other.ASPath); a != b {
		return a < b
	}
	sameNeighbour := len(r.ASPath) > 0 && r.ASPath[0] == other.ASPath[0]
	return sameNeighbour && medOrDefault(r.MED) < medOrDefault(other.MED)
}

// medOrDefault is a MED to compare: a missing one counts as 100 on a VPN (T6).
func medOrDefault(med uint32) uint32 { return cmp.Or(med, 100) }

// mostPropagatedRoutes is how many a route table takes (R23).
const mostPropagatedRoutes = 100

// propagatedRoutes are those that virtual private gateways bring to the table (R23):
// of the gateway that is attached, and none within a block of the VPC, where local
// wins even against a longer prefix (R16). A wider one is a route like any other.
// Above the limit AWS takes no more; here those of the highest destinations are
// left out.
func (t *RouteTable) propagatedRoutes(w *World) (routes []Route) {
	vpc := w.VPCs[t.VPC]
	for _, name := range t.Propagate {
		if vpc == nil || w.VPNGateways[name] == nil || vpc.Status.VPNGateway != name {
			continue
		}
		for _, r := range w.VPNGateways[name].Status.Routes {
			if _, inside := vpc.blockAround(r.Destination); inside || len(routes) == mostPropagatedRoutes {
				continue
			}
			routes = append(routes, Route{
				Destination: Destination{Prefix: r.Destination}, TargetKind: TargetVPNGateway, Target: name,
				Origin: OriginEnableVGWRoutePropagation, State: RouteActive,
			})
		}
	}
	return routes
}

// vpnRoutes are what VPN connections with BGP bring to a transit gateway's table
// (T5). Of equal destinations the shorter AS_PATH and the lower MED win (T6); with
// the gateway's option on, all tunnels with the same AS_PATH share the traffic, of
// one connection and of several (T15).
func (t *TransitGatewayRouteTable) vpnRoutes(w *World, add func(TransitGatewayRoute)) {
	g := w.TransitGateways[t.TransitGateway]
	known := map[netip.Prefix][]VPNGatewayRoute{}
	for _, name := range slices.Sorted(slices.Values(t.Status.Propagations)) {
		c := w.VPNConnections[name]
		if a := w.TransitGatewayAttachments[name]; c == nil || !a.isVPN() || c.static() {
			continue
		}
		c.eachRoute(name, func(r VPNGatewayRoute) { known[r.Destination] = append(known[r.Destination], r) })
	}
	for p, routes := range known {
		best := routes[0]
		for _, r := range routes[1:] {
			if cmp.Or(cmp.Compare(len(r.ASPath), len(best.ASPath)), cmp.Compare(medOrDefault(r.MED), medOrDefault(best.MED))) < 0 {
				best = r
			}
		}
		out := TransitGatewayRoute{
			Destination: p, Attachment: best.VPNConnection, Type: RoutePropagated, State: RouteActive,
			Tunnels: []string{best.Tunnel}, ASPath: best.ASPath,
		}
		if g != nil && g.Status.VPNECMP {
			out.Tunnels, out.Attachments = sharing(routes, &best)
		}
		add(out)
	}
}

// sharing are the tunnels of the routes that are as good as the best one, and their
// connections if there are several.
func sharing(routes []VPNGatewayRoute, best *VPNGatewayRoute) (tunnels, attachments []string) {
	for i := range routes {
		if r := &routes[i]; slices.Equal(r.ASPath, best.ASPath) && medOrDefault(r.MED) == medOrDefault(best.MED) {
			if !slices.Contains(tunnels, r.Tunnel) {
				tunnels = append(tunnels, r.Tunnel)
			}
			if !slices.Contains(attachments, r.VPNConnection) {
				attachments = append(attachments, r.VPNConnection)
			}
		}
	}
	if len(attachments) == 1 {
		attachments = nil
	}
	return tunnels, attachments
}

// staticTunnel is the tunnel that a static route to a VPN attachment takes: the
// first whose ends have agreed on keys, without ECMP (T15); "" if none has.
func (c *VPNConnection) staticTunnel() string {
	for i := range c.Status.Tunnels {
		if c.Status.Tunnels[i].IPsecUp {
			return c.Status.Tunnels[i].Name
		}
	}
	return ""
}

// validatePropagation checks the gateways that the table takes routes of. One of
// another VPC is a bad reference, which is reported as such.
func (t *RouteTable) validatePropagation(v *validation, path string) {
	for i, name := range t.Propagate {
		at := index(field(path, "propagate"), i)
		switch g := v.w.VPNGateways[name]; {
		case g == nil:
		case slices.Contains(t.Propagate[:i], name):
			v.reportf(at, "", "remove one", "virtual private gateway %s is in the list twice", name)
		case g.VPC == "" && t.VPC != "":
			v.reportf(at, "Gateway.NotAttached", fmt.Sprintf("write vpc: %s under vpnGateways.%s", t.VPC, name),
				"resource %s is not attached to network %s", name, t.VPC)
		}
	}
}
