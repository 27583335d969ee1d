package control

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Route is one route as AWS lists it.
type Route struct {
	Destination Destination `json:"destination"`
	// TargetKind is TargetLocal, or the singular of the target's kind, such as
	// TargetNATGateway.
	TargetKind string `json:"targetKind"`
	// Target is the name of the target; "" for local.
	Target string `json:"target,omitempty"`
	Origin string `json:"origin"` // OriginCreateRouteTable, OriginCreateRoute or OriginEnableVGWRoutePropagation
	State  string `json:"state"`  // RouteActive or RouteBlackhole
	// StateReason says why the route is a blackhole.
	StateReason string `json:"stateReason,omitempty"`
}

// Values of a Route's fields, spelled as AWS spells them.
const (
	TargetLocal                     = "local"
	TargetInternetGateway           = "internetGateway"
	TargetNATGateway                = "natGateway"
	TargetEgressOnlyInternetGateway = "egressOnlyInternetGateway"
	TargetNetworkInterface          = "networkInterface"
	TargetVPCPeering                = "vpcPeering"
	TargetTransitGateway            = "transitGateway"
	TargetVPNGateway                = "vpnGateway"
	TargetVPCEndpoint               = "vpcEndpoint"

	OriginCreateRouteTable = "CreateRouteTable"
	OriginCreateRoute      = "CreateRoute"
	// OriginEnableVGWRoutePropagation is a route that a virtual private gateway
	// brought (R23).
	OriginEnableVGWRoutePropagation = "EnableVgwRoutePropagation"

	RouteActive    = "active"
	RouteBlackhole = "blackhole"
)

// Destination is the key of a route: a CIDR block without host bits, or the
// name of a prefix list.
type Destination struct {
	Prefix     netip.Prefix // invalid if PrefixList is set
	PrefixList string
}

// Target is the target of a route as written: a name, an ID or "local".
// Complete spells it as a name: "igw", "fw/eth0".
type Target string

// routeTargets are the kinds that a route can lead to, beside local.
var routeTargets = []string{"internetGateways", "natGateways", "egressOnlyInternetGateways", "vpcPeerings", "transitGateways", "vpnGateways", "instances", "networkInterfaces"}

// isInterfaceTarget reports whether a route's target as written is an instance or
// an interface rather than a gateway.
func (w *World) isInterfaceTarget(target string) bool {
	return w.Instances[target] != nil || w.NetworkInterfaces[target] != nil
}

// routeTarget is the kind and the state of a route's target. What is there but
// cannot take packets makes the route a blackhole (R19, R20).
func (w *World) routeTarget(vpc, target string) (kind, state string) {
	active := false
	own := w.VPCs[vpc]
	switch {
	case w.InternetGateways[target] != nil:
		kind = TargetInternetGateway
		active = own != nil && own.Status.InternetGateway == target
	case w.NATGateways[target] != nil:
		kind = TargetNATGateway
		active = own != nil && w.NATGateways[target].Status.VPC == vpc
	case w.EgressOnlyInternetGateways[target] != nil:
		kind = TargetEgressOnlyInternetGateway
		active = own != nil && own.Status.EgressOnlyInternetGateway == target
	case w.VPCPeerings[target] != nil: // P7
		kind = TargetVPCPeering
		active = w.VPCPeerings[target].up() && w.VPCPeerings[target].has(vpc)
	case w.TransitGateways[target] != nil: // R20
		kind = TargetTransitGateway
		a := w.attachmentTo(vpc, target)
		active = a != nil && a.available()
	case w.VPNGateways[target] != nil: // R20
		kind = TargetVPNGateway
		active = own != nil && own.Status.VPNGateway == target
	case w.VPCEndpoints[target] != nil: // which Validate refuses
		kind = TargetVPCEndpoint
	default:
		kind = TargetNetworkInterface
		eni := w.NetworkInterfaces[target]
		active = eni != nil && w.Instances[eni.Instance] != nil && !w.Instances[eni.Instance].Down()
	}
	if active {
		return kind, RouteActive
	}
	return kind, RouteBlackhole
}

// text is the route of prefix p as traces show it; list is the prefix list that p
// comes from, if any.
func (r *Route) text(p netip.Prefix, list string) string {
	destination := p.String()
	if list != "" {
		destination += " (prefix list " + list + ")"
	}
	if r.TargetKind == TargetLocal {
		return destination + " → " + TargetLocal
	}
	text := destination + " → " + r.TargetKind + " " + r.Target
	if r.Origin == OriginEnableVGWRoutePropagation {
		text += " (propagated)"
	}
	return text
}

// destinations are the keys of Routes in a stable order: IPv4, IPv6, prefix
// lists.
func (t *RouteTable) destinations() []Destination { return destinationsOf(t.Routes) }

func destinationsOf(routes map[Destination]Target) []Destination {
	return slices.SortedFunc(maps.Keys(routes), compareDestinations)
}

// prefixListReference is the reference of a route's key to a prefix list. Spelling
// it anew changes the key, and d with it.
func prefixListReference(path string, routes map[Destination]Target, d *Destination) reference {
	return reference{
		path: path, value: d.PrefixList, kinds: []string{"prefixLists"},
		set: func(s string) {
			if renamed := (Destination{PrefixList: s}); renamed != *d {
				routes[renamed] = routes[*d]
				delete(routes, *d)
				*d = renamed
			}
		},
	}
}

// compareDestinations orders IPv4 before IPv6 before prefix lists.
func compareDestinations(a, b Destination) int {
	return cmp.Or(strings.Compare(a.PrefixList, b.PrefixList),
		cmp.Compare(a.Prefix.Addr().BitLen(), b.Prefix.Addr().BitLen()),
		a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}

// duplicate words the error for two keys of a map that mean the same (QG10).
func (d Destination) duplicate() badValue {
	return badValue{
		code:    "RouteAlreadyExists",
		message: fmt.Sprintf("The route identified by %s already exists.", d),
		hint:    "a route table holds one route per destination; remove one",
	}
}
