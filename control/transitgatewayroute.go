package control

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// TransitGatewayRoute is one route of a transit gateway as AWS lists it.
type TransitGatewayRoute struct {
	Destination netip.Prefix `json:"destination"`
	// PrefixList is the list that a static route comes from, or "".
	PrefixList string `json:"prefixList,omitempty"`
	// Attachment that the route leads to; "" is the blackhole that the file
	// writes.
	Attachment string `json:"attachment,omitempty"`
	// Attachments are all, if several VPN connections or Connect attachments share
	// the destination, and
	// Tunnels those that it takes (T15); none if Attachment is no VPN connection.
	Attachments []string `json:"attachments,omitempty"`
	Tunnels     []string `json:"tunnels,omitempty"`
	// ConnectPeers are the GRE tunnels that a route to Connect attachments takes
	// (T15).
	ConnectPeers []string `json:"connectPeers,omitempty"`
	// ASPath is that of a route learned by BGP.
	ASPath []ASN  `json:"asPath,omitempty"`
	Type   string `json:"type"`  // RouteStatic or RoutePropagated
	State  string `json:"state"` // RouteActive or RouteBlackhole
}

// Values of TransitGatewayRoute.Type, spelled as AWS spells them.
const (
	RouteStatic     = "static"
	RoutePropagated = "propagated"
)

// transitRouteSources bring the routes of a table in AWS's order of preference: of
// equal destinations the first that is brought is in force, and the only one that
// the table lists; the next takes its place when it goes (T6, T7). A source puts
// its own routes in order, by AS_PATH and MED where they have such.
//
// Before and after Connect come, in AWS's order and as soon as they are emulated:
// Direct Connect gateways and private-IP VPN; and between VPN and Client VPN its
// concentrators. Peering attachments come last and bring nothing: theirs are static routes.
var transitRouteSources = []func(t *TransitGatewayRouteTable, w *World, add func(TransitGatewayRoute)){
	(*TransitGatewayRouteTable).staticRoutes,
	(*TransitGatewayRouteTable).prefixListRoutes,
	(*TransitGatewayRouteTable).vpcRoutes,
	(*TransitGatewayRouteTable).connectRoutes,
	(*TransitGatewayRouteTable).vpnRoutes,
	(*TransitGatewayRouteTable).clientVPNRoutes,
}

// computeRoutes chooses one route per destination among all sources.
func (t *TransitGatewayRouteTable) computeRoutes(w *World) {
	s := &t.Status
	s.Routes, s.Overlapping = []TransitGatewayRoute{}, nil
	taken := map[netip.Prefix]bool{}
	for _, source := range transitRouteSources {
		source(t, w, func(r TransitGatewayRoute) {
			if !taken[r.Destination] {
				taken[r.Destination] = true
				s.Routes = append(s.Routes, r)
			}
		})
	}
	slices.SortFunc(s.Routes, func(a, b TransitGatewayRoute) int { return comparePrefixes(a.Destination, b.Destination) })
	slices.Sort(s.Propagations)
}

// comparePrefixes orders IPv4 before IPv6, each by address and then by length.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()), a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// staticRoutes are those that the file writes for a CIDR block.
func (t *TransitGatewayRouteTable) staticRoutes(w *World, add func(TransitGatewayRoute)) {
	for d, target := range t.Routes {
		if d.PrefixList == "" && d.Prefix.IsValid() {
			add(w.transitStaticRoute(d.Prefix, "", target))
		}
	}
}

// prefixListRoutes are those that the file writes for a prefix list, entry by entry.
// Of equal prefixes in two lists the one of the lowest list ID counts, as in a VPC's
// route table: AWS does not say which.
func (t *TransitGatewayRouteTable) prefixListRoutes(w *World, add func(TransitGatewayRoute)) {
	var lists []string
	for d := range t.Routes {
		if w.PrefixLists[d.PrefixList] != nil {
			lists = append(lists, d.PrefixList)
		}
	}
	slices.SortFunc(lists, func(a, b string) int {
		return strings.Compare(w.PrefixLists[a].Status.ID, w.PrefixLists[b].Status.ID)
	})
	for _, name := range lists {
		for _, entry := range w.PrefixLists[name].Entries {
			add(w.transitStaticRoute(entry, name, t.Routes[Destination{PrefixList: name}]))
		}
	}
}

// transitStaticRoute is a route that somebody wrote. One to an attachment that is
// not available is a blackhole: it still wins its prefix, and drops.
func (w *World) transitStaticRoute(p netip.Prefix, list string, target Target) TransitGatewayRoute {
	r := TransitGatewayRoute{Destination: p, PrefixList: list, Type: RouteStatic, State: RouteBlackhole}
	if target != TargetBlackhole {
		r.Attachment = string(target)
		if a := w.TransitGatewayAttachments[r.Attachment]; a != nil && a.available() {
			r.State = RouteActive
			if a.isVPN() { // without a tunnel there is no way
				if r.State = RouteBlackhole; w.VPNConnections[r.Attachment].staticTunnel() != "" {
					r.State, r.Tunnels = RouteActive, []string{w.VPNConnections[r.Attachment].staticTunnel()}
				}
			}
		}
	}
	return r
}

// vpcRoutes are all blocks of the VPCs that propagate to the table, both families
// (T5). A VPC that overlaps one attached before it brings none at all (T14). AWS
// says so about the gateway; here it is about one table, since two tables never
// meet in one look-up.
func (t *TransitGatewayRouteTable) vpcRoutes(w *World, add func(TransitGatewayRoute)) {
	var older bart.Lite
	for _, name := range t.Status.Propagations { // the oldest first
		vpc := w.VPCs[w.TransitGatewayAttachments[name].VPC]
		if vpc == nil {
			continue
		}
		blocks := vpc.blocks()
		if slices.ContainsFunc(blocks, older.OverlapsPrefix) {
			t.Status.Overlapping = append(t.Status.Overlapping, name)
			continue
		}
		for _, block := range blocks {
			older.Insert(block)
			add(TransitGatewayRoute{Destination: block, Attachment: name, Type: RoutePropagated, State: RouteActive})
		}
	}
	slices.Sort(t.Status.Overlapping)
}
