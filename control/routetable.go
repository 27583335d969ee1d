package control

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// RouteTable decides where packets go that leave a subnet.
type RouteTable struct {
	// VPC that the table belongs to.
	VPC string `json:"vpc"`
	// Whether this table serves the subnets that name no table; each VPC has
	// one such table, named "VPC/main" if none is marked.
	Main bool `json:"main,omitempty"`
	// Destination (a CIDR block or a prefix list) to target: an internet
	// gateway, an instance, or one of its interfaces such as fw/eth1.
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

// Route is one route as AWS lists it.
type Route struct {
	Destination Destination `json:"destination"`
	// TargetKind is TargetLocal, or the singular of the target's kind:
	// "internetGateway", "networkInterface".
	TargetKind string `json:"targetKind"`
	// Target is the name of the target; "" for local.
	Target string `json:"target,omitempty"`
	Origin string `json:"origin"` // OriginCreateRouteTable or OriginCreateRoute
	State  string `json:"state"`  // RouteActive or RouteBlackhole
}

// Values of a Route's fields, spelled as AWS spells them.
const (
	TargetLocal            = "local"
	OriginCreateRouteTable = "CreateRouteTable"
	OriginCreateRoute      = "CreateRoute"
	RouteActive            = "active"
	RouteBlackhole         = "blackhole"
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

func (t *RouteTable) identity() *Identity { return &t.Status.Identity }

// implicit reports whether the table is one that exists by itself and says
// nothing of its own.
func (t *RouteTable) implicit(name string) bool {
	return strings.HasSuffix(name, "/main") && len(t.Routes) == 0
}

// references takes the kind of a route's target from the world, since the file
// gives a bare name: names that routes use are unique across kinds.
func (t *RouteTable) references(w *World, name string) []reference {
	path := field("routeTables", name)
	refs := []reference{{
		path: field(path, "vpc"), value: t.VPC, set: func(s string) { t.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that the route table belongs to",
	}}
	for _, d := range t.destinations() {
		at := field(field(path, "routes"), d.String()) // set below changes d, in place
		if d.PrefixList != "" {
			refs = append(refs, reference{
				path: at, value: d.PrefixList, kinds: []string{"prefixLists"},
				set: func(s string) {
					if renamed := (Destination{PrefixList: s}); renamed != d {
						t.Routes[renamed] = t.Routes[d]
						delete(t.Routes, d)
						d = renamed
					}
				},
			})
		}
		target := t.Routes[d]
		if target == TargetLocal {
			continue
		}
		ref := reference{
			path: at, value: string(target), set: func(s string) { t.Routes[d] = Target(s) },
			kinds:    []string{"internetGateways", "instances", "networkInterfaces"},
			vpc:      t.VPC,
			required: "write the target: an internet gateway, an instance, or an interface such as fw/eth1",
			foreign: badValue{
				code:    "InvalidParameterValue",
				message: fmt.Sprintf("route table %s and interface %s belong to different networks", name, target),
			},
		}
		if w.InternetGateways[string(target)] != nil { // QG11
			ref.foreign.message = fmt.Sprintf("route table %s and network gateway %s belong to different networks", name, target)
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

// destinations are the keys of Routes in a stable order: IPv4, IPv6, prefix
// lists.
func (t *RouteTable) destinations() []Destination {
	return slices.SortedFunc(maps.Keys(t.Routes), compareDestinations)
}

// compareDestinations orders IPv4 before IPv6 before prefix lists.
func compareDestinations(a, b Destination) int {
	return cmp.Or(strings.Compare(a.PrefixList, b.PrefixList),
		cmp.Compare(a.Prefix.Addr().BitLen(), b.Prefix.Addr().BitLen()),
		a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
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
		s.Routes = append(s.Routes, route)
	}
	slices.SortFunc(s.Routes, func(a, b Route) int { return compareDestinations(a.Destination, b.Destination) })
}

// routeTarget is the kind and the state of a route's target. What is there but
// cannot take packets makes the route a blackhole (R19, R20).
func (w *World) routeTarget(vpc, target string) (kind, state string) {
	if gateway := w.InternetGateways[target]; gateway != nil {
		if gateway.VPC != vpc || w.VPCs[vpc] == nil || w.VPCs[vpc].Status.InternetGateway != target {
			return "internetGateway", RouteBlackhole
		}
		return "internetGateway", RouteActive
	}
	eni := w.NetworkInterfaces[target]
	if eni == nil || w.Instances[eni.Instance] == nil || w.Instances[eni.Instance].Stopped {
		return "networkInterface", RouteBlackhole
	}
	return "networkInterface", RouteActive
}

func (t *RouteTable) validate(v *validation, name string) {
	path := field("routeTables", name)
	v.ownVPC(path, name, t.VPC)
	if main := v.w.mainRouteTable(t.VPC); t.Main && v.w.VPCs[t.VPC] != nil && main != name {
		v.reportf(field(path, "main"), "", fmt.Sprintf("%s is marked as main; a VPC has one main route table", main),
			"route table %s cannot be the main route table of VPC %s as well", name, t.VPC)
	}
	var count [2]int // by family (R24)
	for _, d := range t.destinations() {
		at := field(field(path, "routes"), d.String())
		t.validateRoute(v, name, at, d)
		weights := v.w.ruleWeight(SecurityGroupPermission{CIDR: d.Prefix, PrefixList: d.PrefixList})
		count[0] += weights[0]
		count[1] += weights[1]
	}
	if most := v.quotas.RoutesPerRouteTable; max(count[0], count[1]) > most { // QG22
		v.reportf(field(path, "routes"), "RouteLimitExceeded",
			fmt.Sprintf("the quota is %d per family, and a prefix list counts its maxEntries", most),
			"The maximum number of routes has been reached.")
	}
}

// validateRoute checks one route; a prefix list's is checked entry by entry, as if
// each were a route of its own (R22).
func (t *RouteTable) validateRoute(v *validation, name, path string, d Destination) {
	target := string(t.Routes[d])
	if i := v.w.Instances[target]; i != nil && len(i.Interfaces) > 0 {
		v.reportf(path, "InvalidInstanceID",
			fmt.Sprintf("write %s or another of its interfaces", NetworkInterfaceName(target, 0)),
			"There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", target)
		return
	}
	if target == TargetLocal {
		t.validateLocal(v, name, path, d)
		return
	}
	prefixes := []netip.Prefix{d.Prefix}
	if d.PrefixList != "" {
		list := v.w.PrefixLists[d.PrefixList]
		if list == nil {
			return
		}
		prefixes = list.Entries
	}
	for _, p := range prefixes {
		if p.IsValid() && !t.validateDestination(v, path, p, target, d.PrefixList != "") {
			return
		}
	}
}

// linkLocalIPv4 and linkLocalIPv6 hold the services that every host answers for
// AWS: no route can name them (R7, A42).
var linkLocalIPv4 = netip.MustParsePrefix("169.254.168.0/22")

// validateDestination checks one block that a route leads away.
func (t *RouteTable) validateDestination(v *validation, path string, p netip.Prefix, target string, fromList bool) bool {
	for _, reserved := range []netip.Prefix{linkLocalIPv4, linkLocalIPv6} {
		if contains(reserved, p) {
			v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("The destination CIDR block %s is equal to or more specific than %s, which AWS keeps for link-local services.", p, reserved),
				"a wider route is accepted, and does not carry these addresses")
			return false
		}
	}
	vpc := v.w.VPCs[t.VPC]
	if vpc == nil {
		return true
	}
	block, inside := vpc.blockAround(p)
	if !inside {
		return true
	}
	kind, _ := v.w.routeTarget(t.VPC, target)
	switch {
	case kind != "networkInterface": // QG13
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("%s is inside %s of VPC %s, where only an instance or interface can be the target", p, block, t.VPC),
			"Route target is not supported. This route only supports interface and instance targets.")
		return false
	case p != block && (fromList || !v.w.isSubnetBlock(t.VPC, p)): // R6
		v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("The destination CIDR block %s is more specific than the local route %s and does not match a subnet CIDR block.", p, block),
			fmt.Sprintf("use the whole block of a subnet of VPC %s%s", t.VPC, v.w.subnetsAround(t.VPC, p)))
		return false
	}
	return true
}

// validateLocal accepts the word local where a local route stands anyhow.
func (t *RouteTable) validateLocal(v *validation, name, path string, d Destination) {
	vpc := v.w.VPCs[t.VPC]
	if vpc == nil || d.PrefixList == "" && slices.Contains(vpc.blocks(), d.Prefix) {
		return
	}
	v.reportf(path, "InvalidParameterValue", fmt.Sprintf("the local routes of route table %s are %s", name, joinPrefixes(vpc.blocks())),
		"The target local is for the blocks of the VPC only.")
}

// isSubnetBlock reports whether p is the whole block of a subnet of vpc.
func (w *World) isSubnetBlock(vpc string, p netip.Prefix) bool {
	for _, s := range w.Subnets {
		if s.VPC == vpc && (s.CIDR == p || s.Status.IPv6CIDR == p) {
			return true
		}
	}
	return false
}

// subnetsAround names the blocks of subnets that p touches, for a hint.
func (w *World) subnetsAround(vpc string, p netip.Prefix) string {
	var near []string
	for _, name := range slices.Sorted(maps.Keys(w.Subnets)) {
		s := w.Subnets[name]
		for _, block := range []netip.Prefix{s.CIDR, s.Status.IPv6CIDR} {
			if s.VPC == vpc && block.IsValid() && block.Overlaps(p) {
				near = append(near, fmt.Sprintf("%s (%s)", block, name))
			}
		}
	}
	if near == nil {
		return ""
	}
	return ", such as " + someOf(near)
}

// duplicate words the error for two keys of a map that mean the same (QG10).
func (d Destination) duplicate() badValue {
	return badValue{
		code:    "RouteAlreadyExists",
		message: fmt.Sprintf("The route identified by %s already exists.", d),
		hint:    "a route table holds one route per destination; remove one",
	}
}
