package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// RouteTable decides where packets go that leave a subnet.
type RouteTable struct {
	// VPC that the table belongs to.
	VPC string `json:"vpc"`
	// Whether this table serves the subnets that name no table; each VPC has
	// one such table, named "VPC/main" if none is marked.
	Main bool `json:"main,omitempty"`
	// Internet gateway whose incoming packets the table routes, which makes it
	// an edge route table (AWS: gateway route table).
	InternetGateway string `json:"internetGateway,omitempty"`
	// Virtual private gateway whose incoming packets the table routes, likewise.
	VPNGateway string `json:"vpnGateway,omitempty"`
	// Virtual private gateways that bring the routes of their VPN connections to
	// the table.
	Propagate []string `json:"propagate,omitempty"`
	// Destination (a CIDR block or a prefix list) to target: an internet
	// gateway, a NAT gateway, an egress-only internet gateway, a VPC peering
	// connection, a transit gateway, a virtual private gateway, an instance, or
	// one of its interfaces such as fw/eth1.
	Routes map[Destination]Target `json:"routes,omitempty"`

	Status RouteTableStatus `json:"status" yaml:"-"`
}

// RouteTableStatus is what AWS makes of a route table.
type RouteTableStatus struct {
	Identity
	Main bool `json:"main"`
	// Subnets that use the table, explicitly or because it is the main one;
	// sorted.
	Subnets []string `json:"subnets"`
	// Routes that the table holds, local ones included, in a stable order:
	// IPv4, IPv6, prefix lists, each by destination.
	Routes []Route `json:"routes"`
}

func (t *RouteTable) identity() *Identity { return &t.Status.Identity }

// implicit reports whether the table is one that exists by itself and says
// nothing of its own.
func (t *RouteTable) implicit(name string) bool {
	return strings.HasSuffix(name, "/main") && len(t.Routes) == 0 && len(t.Propagate) == 0 && !t.isEdge()
}

// references takes the kind of a route's target from the world, since the file
// gives a bare name: names that routes use are unique across kinds.
func (t *RouteTable) references(w *World, name string) []reference {
	path := field("routeTables", name)
	refs := []reference{{
		path: field(path, "vpc"), value: t.VPC, set: func(s string) { t.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that the route table belongs to",
	}, {
		path: field(path, "internetGateway"), value: t.InternetGateway, set: func(s string) { t.InternetGateway = s },
		kinds: []string{"internetGateways"}, vpc: t.VPC, foreign: differentGateway(name, t.InternetGateway),
	}, {
		path: field(path, "vpnGateway"), value: t.VPNGateway, set: func(s string) { t.VPNGateway = s },
		kinds: []string{"vpnGateways"}, vpc: t.VPC, foreign: differentGateway(name, t.VPNGateway),
	}}
	for i, gateway := range t.Propagate {
		refs = append(refs, reference{
			path: index(field(path, "propagate"), i), value: gateway, set: func(s string) { t.Propagate[i] = s },
			kinds: []string{"vpnGateways"}, vpc: t.VPC, required: "write a virtual private gateway",
			foreign: badValue{code: "Gateway.NotAttached", message: fmt.Sprintf("resource %s is not attached to network %s", gateway, t.VPC)},
		})
	}
	for _, d := range t.destinations() {
		at := field(field(path, "routes"), d.String()) // set below changes d, in place
		if d.PrefixList != "" {
			refs = append(refs, prefixListReference(at, t.Routes, &d))
		}
		target := t.Routes[d]
		if target == TargetLocal || w.VPCEndpoints[string(target)] != nil { // the latter Validate refuses
			continue
		}
		ref := reference{
			path: at, value: string(target), set: func(s string) { t.Routes[d] = Target(s) },
			kinds:    routeTargets,
			vpc:      t.VPC,
			required: "write the target: a gateway, an instance, or an interface such as fw/eth1",
			foreign:  differentGateway(name, string(target)),
		}
		if w.isInterfaceTarget(string(target)) {
			ref.foreign.message = fmt.Sprintf("route table %s and interface %s belong to different networks", name, target)
		}
		// An instance with one interface is named by it; one with several has to
		// be named by interface, which Validate says.
		if i := w.Instances[string(target)]; i != nil && len(i.Interfaces) == 0 {
			ref.value = NetworkInterfaceName(string(target), 0)
		}
		refs = append(refs, ref)
	}
	return refs
}

// differentGateway is AWS's word for a gateway of another VPC (QG11).
func differentGateway(table, gateway string) badValue {
	return badValue{
		code:    "InvalidParameterValue",
		message: fmt.Sprintf("route table %s and network gateway %s belong to different networks", table, gateway),
	}
}

// computeStatus lists the routes: one local route per block of the VPC (R3),
// unless the file replaces its target, and those that the file writes.
func (t *RouteTable) computeStatus(w *World, name string) {
	s := &t.Status
	s.Main, s.Subnets, s.Routes = false, []string{}, []Route{}
	if vpc := w.VPCs[t.VPC]; vpc != nil {
		s.Main = vpc.Status.MainRouteTable == name
		for _, block := range vpc.blocks() {
			if target, written := t.Routes[Destination{Prefix: block}]; !written || target == TargetLocal {
				s.Routes = append(s.Routes, Route{
					Destination: Destination{Prefix: block}, TargetKind: TargetLocal,
					Origin: OriginCreateRouteTable, State: RouteActive,
				})
			}
		}
	}
	for d, target := range t.Routes {
		if target == TargetLocal {
			continue
		}
		route := Route{Destination: d, Target: string(target), Origin: OriginCreateRoute}
		route.TargetKind, route.State = w.routeTarget(t.VPC, string(target))
		if route.State == RouteBlackhole {
			route.StateReason = w.blackholeReason(t.VPC, route.TargetKind, string(target))
		}
		s.Routes = append(s.Routes, route)
	}
	s.Routes = append(s.Routes, w.endpointRoutes(name)...)
	s.Routes = append(s.Routes, t.propagatedRoutes(w)...)
	// Of two with one destination the static one comes first, as it does in force.
	slices.SortStableFunc(s.Routes, func(a, b Route) int { return compareDestinations(a.Destination, b.Destination) })
}

// compile hands over one route per destination. Among routes of the same prefix
// the static one goes before a prefix list's, and that before a propagated one
// (R15), which is the order in which they are added here.
func (t *RouteTable) compile(c *compilation, name string) {
	out := dataplane.RouteTable{
		Object: object(dataplane.KindRouteTable, name, t.Status.Identity),
		VPC:    dataplane.Handle(c.w.VPCs[t.VPC].Status.Handle),
		Routes: make([]dataplane.Route, 0, len(t.Status.Routes)),
	}
	var lists, propagated []*Route
	for i := range t.Status.Routes { // static routes have a prefix each
		r := &t.Status.Routes[i]
		if r.Destination.PrefixList != "" {
			lists = append(lists, r)
			continue
		}
		if r.Origin == OriginEnableVGWRoutePropagation {
			propagated = append(propagated, r)
			continue
		}
		p := r.Destination.Prefix
		out.Routes = append(out.Routes, dataplane.Route{Destination: p, Target: c.target(t, r), Text: r.text(p, ""), Unavailable: r.StateReason})
	}
	if len(lists)+len(propagated) > 0 {
		out.Routes = c.expandRoutes(t, out.Routes, lists, propagated)
	}
	c.b.RouteTables = append(c.b.RouteTables, out)
}

// expandRoutes adds to the static routes those to prefix lists, each entry a route of
// its own length (R22), and then those that are propagated. Of equal prefixes in two lists AWS picks one arbitrarily and keeps
// it; here it is the lowest list ID's.
func (c *compilation) expandRoutes(t *RouteTable, routes []dataplane.Route, lists, propagated []*Route) []dataplane.Route {
	taken := make(map[netip.Prefix]bool, len(routes))
	for i := range routes {
		taken[routes[i].Destination] = true
	}
	list := func(r *Route) *PrefixList { return c.w.PrefixLists[r.Destination.PrefixList] }
	slices.SortStableFunc(lists, func(a, b *Route) int { return cmp.Compare(list(a).Status.ID, list(b).Status.ID) })
	for _, r := range lists {
		target := c.target(t, r)
		for _, p := range list(r).Entries {
			if !taken[p] {
				taken[p] = true
				routes = append(routes, dataplane.Route{Destination: p, Target: target, Text: r.text(p, r.Destination.PrefixList), Unavailable: r.StateReason})
			}
		}
	}
	for _, r := range propagated {
		if p := r.Destination.Prefix; !taken[p] {
			taken[p] = true
			routes = append(routes, dataplane.Route{Destination: p, Target: c.target(t, r), Text: r.text(p, ""), Unavailable: r.StateReason})
		}
	}
	return routes
}

// target is where a route leads in the snapshot; a blackhole's target is none.
func (c *compilation) target(t *RouteTable, r *Route) dataplane.Target {
	if r.State == RouteBlackhole {
		return dataplane.Target{}
	}
	to := func(kind dataplane.TargetKind, id Identity) dataplane.Target {
		return dataplane.Target{Kind: kind, Handle: dataplane.Handle(id.Handle)}
	}
	switch r.TargetKind {
	case TargetLocal:
		return to(dataplane.TargetLocal, c.w.VPCs[t.VPC].Status.Identity)
	case TargetInternetGateway:
		return to(dataplane.TargetInternetGateway, c.w.InternetGateways[r.Target].Status.Identity)
	case TargetNATGateway:
		return to(dataplane.TargetNATGateway, c.w.NATGateways[r.Target].Status.Identity)
	case TargetEgressOnlyInternetGateway:
		return to(dataplane.TargetEgressOnlyInternetGateway, c.w.EgressOnlyInternetGateways[r.Target].Status.Identity)
	case TargetVPCPeering:
		return to(dataplane.TargetVPCPeering, c.w.VPCPeerings[r.Target].Status.Identity)
	case TargetTransitGateway: // the VPC's way to it
		return to(dataplane.TargetTransitGateway, c.w.attachmentTo(t.VPC, r.Target).Status.Identity)
	case TargetVPCEndpoint:
		return to(dataplane.TargetGatewayEndpoint, c.w.VPCEndpoints[r.Target].Status.Identity)
	case TargetVPNGateway:
		return to(dataplane.TargetVPNGateway, c.w.VPNGateways[r.Target].Status.Identity)
	case TargetNetworkInterface:
		return to(dataplane.TargetNetworkInterface, c.w.NetworkInterfaces[r.Target].Status.Identity)
	}
	return dataplane.Target{}
}
