package dataplane

import (
	"net/netip"

	"github.com/gaissmai/bart"
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
	texts  []string
	// unavailable says why, of the routes that are blackholes.
	unavailable map[uint32]string
}

type routeEntry struct {
	hop   Hop
	index uint32 // in texts
}

// route looks the destination up in the table of the subnet whose interface is
// sending now (R9).
func (w *Walk) route(subnetIndex uint32) Hop {
	sub := &w.snap.subnets[subnetIndex]
	rt := &w.snap.routeTables[sub.routeTable]
	entry, ok := rt.table.Lookup(w.tuple.Dst.Netip())
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
