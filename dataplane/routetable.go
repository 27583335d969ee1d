package dataplane

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// RouteTable is a route table as control hands it over: at most one route per
// destination, control having chosen among static and propagated ones (R15).
type RouteTable struct {
	Object
	// VPC that the table belongs to: of a peering it says which side sends. It
	// may be 0 in a table without such routes.
	VPC    Handle
	Routes []Route
}

// Route sends what matches Destination to Target.
type Route struct {
	Destination netip.Prefix
	Target      Target
	Text        string // "0.0.0.0/0 → internetGateway igw", for explanations
	Unavailable string // why a blackhole's target takes no packets, for explanations
}

// Target says what a route points to. The zero Target is a blackhole: a route
// whose target is gone still wins its prefix, and drops (R19).
type Target struct {
	Kind   TargetKind
	Handle Handle
}

// TargetKind is the kind of thing a route can point to.
type TargetKind uint8

const (
	TargetBlackhole TargetKind = iota
	TargetLocal                // Handle is the VPC
	TargetNetworkInterface
	TargetInternetGateway
	TargetNATGateway
	TargetEgressOnlyInternetGateway
	TargetVPCPeering
	// TargetTransitGateway: Handle is the VPC's attachment to the gateway.
	TargetTransitGateway
	TargetVPNGateway
	TargetGatewayEndpoint
)

// routeTable resolves a destination to a hop by the longest prefix.
type routeTable struct {
	handle Handle
	table  *bart.Table[routeEntry]
	first  [2]firstRoutes // by family
	texts  []string
	// unavailable says why, of the routes that are blackholes.
	unavailable map[uint32]string
}

type routeEntry struct {
	hop   Hop
	index uint32 // in texts
}

// firstRoutes are routes of one address family that are compared one by one before
// the table is asked, the longest prefixes first: all of them if they are few, as in
// most tables, else local routes that no other route lies within.
type firstRoutes struct {
	routes []firstRoute
	all    bool
}

type firstRoute struct {
	prefix packet.Prefix
	entry  routeEntry
}

// maxFirstRoutes is how many comparisons take as long as asking the table.
const maxFirstRoutes = 8

// lookup returns the route with the longest prefix that contains a.
func (t *routeTable) lookup(a packet.Addr) (entry routeEntry, ok bool) {
	first := &t.first[familyOf(a)]
	for i := range first.routes {
		if r := &first.routes[i]; r.prefix.Contains(a) && !a.IsZero() {
			return r.entry, true
		}
	}
	if first.all {
		return entry, false
	}
	return t.table.Lookup(a.Netip())
}

// chooseFirst fills in what lookup compares, once all routes are in.
func (t *routeTable) chooseFirst() {
	t.first[family4].choose(t.table, t.table.Size4(), t.table.All4())
	t.first[family6].choose(t.table, t.table.Size6(), t.table.All6())
}

func (f *firstRoutes) choose(table *bart.Table[routeEntry], size int, family iter.Seq2[netip.Prefix, routeEntry]) {
	f.all = size <= maxFirstRoutes
	var chosen []netip.Prefix
	for destination, entry := range family {
		if f.all || entry.hop.Kind == hopVPC && undivided(table, destination) && len(chosen) < maxFirstRoutes {
			chosen = append(chosen, destination)
		}
	}
	slices.SortFunc(chosen, func(a, b netip.Prefix) int { return cmp.Compare(b.Bits(), a.Bits()) })
	for _, destination := range chosen {
		entry, _ := table.Get(destination)
		f.routes = append(f.routes, firstRoute{packet.PrefixFrom(destination), entry})
	}
}

// undivided reports that no other route of the table lies within destination.
func undivided(table *bart.Table[routeEntry], destination netip.Prefix) bool {
	for within := range table.Subnets(destination) {
		if within != destination {
			return false
		}
	}
	return true
}

// route looks the destination up in the table of the subnet whose interface is
// sending now (R9).
func (w *Walk) route(subnetIndex uint32) Hop {
	sub := &w.snap.subnets[subnetIndex]
	rt := &w.snap.routeTables[sub.routeTable]
	entry, ok := rt.lookup(w.tuple.Dst)
	if !ok {
		if hop, ok := w.returnToNATGateway(sub.vpc); ok {
			return hop
		}
	}
	return w.take(rt, entry, ok)
}

// take follows the route that was found in rt.
func (w *Walk) take(rt *routeTable, entry routeEntry, found bool) Hop {
	if !found {
		return w.drop(StageRoute, ReasonNoRoute, rt.handle, 0)
	}
	if entry.hop.Kind == hopBlackhole {
		return w.drop(StageRoute, ReasonBlackhole, rt.handle, entry.index)
	}
	w.pass(StageRoute, ReasonRouted, rt.handle, entry.index)
	return entry.hop
}
