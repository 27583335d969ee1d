package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

func (t *RouteTable) validate(v *validation, name string) {
	path := field("routeTables", name)
	v.ownVPC(path, name, t.VPC)
	if main := v.w.mainRouteTable(t.VPC); t.Main && v.w.VPCs[t.VPC] != nil && main != name {
		v.reportf(field(path, "main"), "", fmt.Sprintf("%s is marked as main; a VPC has one main route table", main),
			"route table %s cannot be the main route table of VPC %s as well", name, t.VPC)
	}
	t.validateEdge(v, name, path)
	t.validatePropagation(v, path)
	var count [2]int // by family (R24)
	for _, d := range t.destinations() {
		at := field(field(path, "routes"), d.String())
		if t.validateEdgeRoute(v, name, at, d) {
			t.validateRoute(v, name, at, d)
		}
		weights := v.w.ruleWeight(SecurityGroupPermission{CIDR: d.Prefix, PrefixList: d.PrefixList})
		count[0] += weights[0]
		count[1] += weights[1]
	}
	for _, r := range v.w.endpointRoutes(name) {
		weights := v.w.ruleWeight(SecurityGroupPermission{PrefixList: r.Destination.PrefixList})
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
	if !t.validateEndpoint(v, path, target) || !t.validatePeering(v, name, path, target) || !t.validateTransitGateway(v, name, path, d) {
		return
	}
	prefixes := []netip.Prefix{d.Prefix}
	if d.PrefixList != "" {
		list := v.w.PrefixLists[d.PrefixList]
		if list == nil {
			return
		}
		v.listInRegion(path, t.VPC, d.PrefixList)
		prefixes = list.Entries
	}
	for _, p := range prefixes {
		if p.IsValid() && !(t.validateDestination(v, path, p, target, d.PrefixList != "") && t.validateFamily(v, path, p, target)) {
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
	case kind != TargetNetworkInterface && kind != TargetNATGateway: // QG13
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("%s is inside %s of VPC %s, where only an instance, an interface or a NAT gateway can be the target", p, block, t.VPC),
			"Route target is not supported. This route only supports interface and instance targets.")
		return false
	case p != block && (fromList || !v.w.isSubnetBlock(t.VPC, p)): // R6
		v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("The destination CIDR block %s is more specific than the local route %s and does not match a subnet CIDR block.", p, block),
			fmt.Sprintf("use the whole block of a subnet of VPC %s%s", t.VPC, v.w.subnetsAround(t.VPC, p)))
		return false
	}
	return true
}

// nat64 is the block that stands for IPv4 in IPv6 (R54).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// validateFamily checks that the target carries the destination's family (R33,
// R55). AWS's words are not known.
func (t *RouteTable) validateFamily(v *validation, path string, p netip.Prefix, target string) bool {
	switch kind, _ := v.w.routeTarget(t.VPC, target); {
	case kind == TargetEgressOnlyInternetGateway && p.Addr().Is4():
		v.reportf(path, "InvalidParameterValue", "lead IPv4 to an internet gateway or a NAT gateway",
			"The destination CIDR block %s is not supported by egress-only internet gateway %s, which carries IPv6 only.", p, target)
		return false
	case kind == TargetNATGateway && p.Addr().Is6() && !contains(nat64, p):
		v.reportf(path, "InvalidParameterValue", "lead IPv6 to an egress-only internet gateway",
			"The destination CIDR block %s is not supported by NAT gateway %s, which carries IPv6 to %s only.", p, target, nat64)
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
