package dataplane

import (
	"net/netip"

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
	// undivided are local routes that no other route lies within: what one of them
	// contains needs no search for a longer prefix. Most packets stay in their VPC.
	undivided []undividedRoute
	texts     []string
	// unavailable says why, of the routes that are blackholes.
	unavailable map[uint32]string
}

type routeEntry struct {
	hop   Hop
	index uint32 // in texts
}

// undividedRoute is a local route with nothing more specific in its table.
type undividedRoute struct {
	prefix packet.Prefix
	entry  routeEntry
}

// maxUndivided bounds what is compared before the table is asked; a VPC of one IPv4
// and one IPv6 block has two.
const maxUndivided = 4

// lookup returns the route with the longest prefix that contains a.
func (t *routeTable) lookup(a packet.Addr) (entry routeEntry, ok bool) {
	for i := range t.undivided {
		if r := &t.undivided[i]; r.prefix.Contains(a) {
			return r.entry, true
		}
	}
	return t.table.Lookup(a.Netip())
}

// findUndivided fills in what lookup compares, once all routes are in.
func (t *routeTable) findUndivided() {
	for destination, entry := range t.table.All() {
		prefix := packet.PrefixFrom(destination)
		switch {
		case entry.hop.Kind != hopVPC || len(t.undivided) == maxUndivided:
			continue
		case !destination.Addr().Is4() && (prefix.Contains(unspecified4) || prefix.Contains(packet.Addr{})):
			continue // ::/0 and the like, which here would be for IPv4, too
		}
		within := 0
		for range t.table.Subnets(destination) {
			within++
		}
		if within == 1 { // itself
			t.undivided = append(t.undivided, undividedRoute{prefix, entry})
		}
	}
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
