package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"
)

const (
	// widestClientCIDR and narrowestClientCIDR are prefix lengths (C1).
	widestClientCIDR, narrowestClientCIDR = 12, 22
	// smallestTarget is the prefix length of the smallest subnet, and
	// freeInTarget how many addresses it needs free at all times (C2).
	smallestTarget, freeInTarget = 27, 20
	mostClientDNSServers         = 2
	longestBanner                = 1400 // bytes
	longestSession               = 24   // hours
)

var sessionTimeouts = []int{8, 10, 12, longestSession}

func (e *ClientVPNEndpoint) validate(v *validation, name string) {
	path := field("clientVpnEndpoints", name)
	e.validateClientCIDR(v, path)
	e.validateListen(v, path, name)
	e.validateTransit(v, path, name)
	e.validateAssociations(v, path)
	e.validateRoutes(v, path, name)
	e.validateRules(v, path)
	if most := v.quotas.SecurityGroupsPerInterface; len(e.SecurityGroups) > most {
		v.reportf(field(path, "securityGroups"), "SecurityGroupsPerInterfaceLimitExceeded", "remove some",
			"You have exceeded the maximum number of security groups allowed per network interface: %d.", most)
	}
	for i, server := range e.DNSServers {
		switch at := index(field(path, "dnsServers"), i); {
		case i == mostClientDNSServers:
			v.reportf(at, "InvalidParameterValue", "remove it", "a Client VPN endpoint has at most %d DNS servers", mostClientDNSServers)
		case server.IsValid() && !e.TrafficIPAddressType.carries(server):
			v.reportf(at, "InvalidParameterValue", e.otherFamily("address"), "Value (%s) for parameter dnsServers is invalid.", server)
		}
	}
	if len(e.Banner) > longestBanner || !utf8.ValidString(e.Banner) {
		v.reportf(field(path, "banner"), "InvalidParameterValue", "shorten it", "the banner has %d bytes, and may have %d, of UTF-8", len(e.Banner), longestBanner)
	}
	if e.SessionTimeoutHours != 0 && !slices.Contains(sessionTimeouts, e.SessionTimeoutHours) {
		v.reportf(field(path, "sessionTimeoutHours"), "InvalidParameterValue", "write 8, 10, 12 or 24", "Value (%d) for parameter sessionTimeoutHours is invalid.", e.SessionTimeoutHours)
	}
}

// validateListen keeps endpoints from each other's ports.
func (e *ClientVPNEndpoint) validateListen(v *validation, path, name string) {
	if e.Listen.IsZero() {
		return
	}
	for _, other := range sorted(v.w.ClientVPNEndpoints) {
		o := v.w.ClientVPNEndpoints[other].Listen
		if other >= name || o.IsZero() || o.at.Port() != e.Listen.at.Port() {
			continue
		}
		if a, b := o.at.Addr(), e.Listen.at.Addr(); a == b || a.IsUnspecified() || b.IsUnspecified() {
			v.reportf(field(path, "listen"), "", "write another port", "Client VPN endpoint %s listens at %s", other, o)
			return
		}
	}
}

// validateClientCIDR holds C1 (K-C21): the size, and the blocks that clients must not
// share. AWS's words for the size are not known.
func (e *ClientVPNEndpoint) validateClientCIDR(v *validation, path string) {
	at, block := field(path, "clientCidr"), e.ClientCIDR
	switch {
	case !e.TrafficIPAddressType.ipv4():
		if block.IsValid() {
			v.report(at, "InvalidParameterCombination", "clients of an endpoint that carries IPv6 alone have no IPv4 addresses", "remove it, or write trafficIpAddressType: dual-stack")
		}
		return
	case !block.IsValid():
		if !v.w.Source.unreadable(at) {
			v.missing(at, "write a block for the clients, such as 172.20.0.0/22")
		}
		return
	case !block.Addr().Is4():
		v.reportf(at, "InvalidParameterValue", "write an IPv4 block: AWS picks the IPv6 addresses of clients itself", "Value (%s) for parameter clientCidrBlock is invalid.", block)
		return
	case block.Bits() > narrowestClientCIDR:
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("write a /%d or a larger block", narrowestClientCIDR), "The client CIDR block %s is smaller than /%d.", block, narrowestClientCIDR)
	case block.Bits() < widestClientCIDR:
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("write a /%d or a smaller block", widestClientCIDR), "The client CIDR block %s is larger than /%d.", block, widestClientCIDR)
	}
	if vpc := v.w.VPCs[e.Status.VPC]; vpc != nil {
		for _, own := range vpc.Status.CIDRs {
			if own.Overlaps(block) {
				v.reportf(at, "InvalidClientVpnSubnetId.OverlappingCidr", "clients need a block of their own",
					"The client CIDR block %s overlaps %s of VPC %s.", block, own, e.Status.VPC)
				break
			}
		}
	}
}

// validateAssociations holds C2: one subnet per zone, large enough. That all are of
// one VPC, references says.
func (e *ClientVPNEndpoint) validateAssociations(v *validation, path string) {
	zones := map[string]string{}
	for i, name := range e.Associations {
		at, s := index(field(path, "associations"), i), v.w.Subnets[name]
		if s == nil || s.VPC != e.Status.VPC {
			continue // a bad reference, which is reported as such
		}
		zone := s.Status.AvailabilityZone
		if other, taken := zones[zone]; taken { // QC7
			v.reportf(at, "InvalidClientVpnSubnetId.DuplicateAz", fmt.Sprintf("%s is in %s, too: associate one subnet per zone", other, zone),
				"The Client VPN endpoint already has a subnet association in the Availability Zone of subnet %s.", name)
			continue
		}
		zones[zone] = name
		switch carries := e.TrafficIPAddressType; {
		case carries.ipv6() && !s.Status.IPv6CIDR.IsValid():
			v.reportf(at, "InvalidParameterValue", "use a subnet with an IPv6 block: clients get addresses of it", "The subnet '%s' has no IPv6 CIDR block", name)
		case !carries.ipv4():
			// What C2 says of addresses is about IPv4 ones.
		case !s.CIDR.IsValid():
			v.reportf(at, "InvalidParameterValue", "use a subnet with an IPv4 block", "The subnet '%s' has no IPv4 CIDR block", name)
		case s.CIDR.Bits() > smallestTarget:
			v.reportf(at, "InvalidParameterValue", fmt.Sprintf("use a subnet of /%d or larger", smallestTarget),
				"The subnet %s has %s, which is smaller than /%d.", name, s.CIDR, smallestTarget)
		case s.Status.AvailableIPAddressCount+e.ownAddresses(name) < freeInTarget:
			v.reportf(at, "InsufficientFreeAddressesInSubnet", fmt.Sprintf("it has %d; use a larger or another subnet", s.Status.AvailableIPAddressCount+e.ownAddresses(name)),
				"The subnet %s does not have the %d free addresses that an association needs at all times.", name, freeInTarget)
		}
	}
}

// ownAddresses is how many addresses of the subnet the association itself has.
func (e *ClientVPNEndpoint) ownAddresses(subnet string) int {
	if a := e.Status.association(subnet); a != nil && a.PrivateIP.IsValid() {
		return 1
	}
	return 0
}

// validateRoutes holds C1, C3 and C9.
func (e *ClientVPNEndpoint) validateRoutes(v *validation, path, name string) {
	for _, d := range e.destinations() {
		at := field(field(path, "routes"), d.String())
		if !e.TrafficIPAddressType.carries(d.Addr()) {
			v.reportf(at, "InvalidParameterValue", e.otherFamily("block"), "Value (%s) for parameter destinationCidrBlock is invalid. %s", d, e.notCarried())
			continue
		}
		targets := e.Routes[d]
		if len(targets) == 0 && !v.w.Source.unreadable(at) {
			_, required := e.routeTarget(name)
			v.missing(at, required)
		}
		local := slices.Contains(targets, TargetLocal)
		switch {
		case local && len(targets) > 1:
			v.report(at, "InvalidParameterCombination", "a route leads to local, or to subnets", "write one of the two")
		case local && d.Addr().Is6(): // C9
			v.reportf(at, "InvalidParameterValue", "remove it: AWS connects clients to each other over IPv4 only", "Value (%s) for parameter destinationCidrBlock is invalid.", d)
		case local && e.ClientCIDR.IsValid() && !contains(e.ClientCIDR, d.Prefix):
			v.reportf(at, "InvalidParameterValue", fmt.Sprintf("local leads to other clients: write %s: local", e.ClientCIDR), "%s is not in the client CIDR block %s", d, e.ClientCIDR)
		case !local && d.Bits() > 0 && e.ClientCIDR.IsValid() && d.Overlaps(e.ClientCIDR):
			v.reportf(at, "InvalidClientVpnSubnetId.OverlappingCidr", "only local leads to clients", "%s overlaps the client CIDR block %s", d, e.ClientCIDR)
		}
		for i, target := range targets {
			where := at
			if len(targets) > 1 {
				where = index(at, i)
			}
			if e.TransitGateway != "" {
				if target != TargetLocal {
					e.validateTransitTarget(v, where, name, target, targets[:i])
				}
				continue
			}
			e.validateTarget(v, where, d.Prefix, target, targets[:i])
		}
	}
	e.validateRouteQuota(v, path)
}

func (e *ClientVPNEndpoint) validateTarget(v *validation, at string, d netip.Prefix, target string, before []string) {
	if target == TargetLocal || v.w.Subnets[target] == nil {
		return
	}
	// By what the file says, not by what came of it: beside a bad association there are
	// good ones, and only the bad one is to be reported.
	if !slices.Contains(e.Associations, target) {
		v.reportf(at, "InvalidClientVpnSubnetId.NotFound", fmt.Sprintf("add %s under associations", target),
			"The subnet %s is not associated with the Client VPN endpoint.", target)
		return
	}
	vpc := v.w.VPCs[e.Status.VPC]
	if slices.Contains(before, target) || vpc != nil && slices.Contains(withIPv6(vpc.Status.CIDRs, vpc.Status.IPv6CIDR), d) { // QC7
		hint := "remove one"
		if !slices.Contains(before, target) {
			hint = "remove it: the association brings the routes to its VPC"
		}
		v.reportf(at, "InvalidClientVpnDuplicateRoute", hint, "The route for %s by subnet %s already exists.", d, target)
	}
}

// otherFamily says what to do about something of the family that the endpoint does not
// carry.
func (e *ClientVPNEndpoint) otherFamily(what string) string {
	if e.TrafficIPAddressType.ipv4() {
		return "write an IPv4 " + what + ", or trafficIpAddressType: dual-stack"
	}
	return "write an IPv6 " + what + ", or trafficIpAddressType: dual-stack"
}

// notCarried is what AWS says of a block of that family.
func (e *ClientVPNEndpoint) notCarried() string {
	if e.TrafficIPAddressType.ipv4() {
		return "This is not a valid IPv4 CIDR block."
	}
	return "This is not a valid IPv6 CIDR block."
}

// validateRouteQuota counts what the clients of each association have (C10).
func (e *ClientVPNEndpoint) validateRouteQuota(v *validation, path string) {
	most := v.quotas.RoutesPerClientVPNAssociation
	for _, a := range e.Status.Associations {
		n := 0
		for _, r := range e.Status.Routes {
			if r.Subnet == a.Subnet || r.Subnet == TargetLocal { // at a transit gateway both are ""

				n++
			}
		}
		if n > most {
			v.reportf(field(path, "routes"), "ClientVpnRouteLimitExceeded",
				fmt.Sprintf("there are %d by %s, the quota is %d; raise routesPerClientVpnAssociation under quotas, as AWS does on request", n, cmp.Or(a.Subnet, e.Status.TransitGatewayAttachment), most),
				"The maximum number of routes has been reached.")
			return
		}
	}
}

// validateRules holds C4. AWS has one rule per group, so that is what the quota
// counts.
func (e *ClientVPNEndpoint) validateRules(v *validation, path string) {
	type rule struct {
		cidr  netip.Prefix
		group string
	}
	seen, count := map[rule]bool{}, 0
	for i, r := range e.AuthorizationRules {
		at := index(field(path, "authorizationRules"), i)
		switch cidr := field(at, "cidr"); {
		case !r.CIDR.IsValid() && !v.w.Source.unreadable(cidr):
			v.missing(cidr, "write the block that the rule lets clients reach")
		case r.CIDR.IsValid() && !e.TrafficIPAddressType.carries(r.CIDR.Addr()):
			v.reportf(cidr, "InvalidParameterValue", e.otherFamily("block"), "Value (%s) for parameter targetNetworkCidr is invalid. %s", r.CIDR, e.notCarried())
		}
		groups := field(at, "groups")
		if len(r.Groups) == 0 && !v.w.Source.unreadable(groups) {
			v.missing(groups, "write a list of groups, or all")
		}
		if slices.Contains(r.Groups, everybody) && !r.Groups.all() {
			v.report(groups, "InvalidParameterCombination", "a rule is for all, or for groups", "write one of the two")
		}
		validateGroupNames(v, groups, r.Groups)
		for _, group := range slices.Compact(slices.Sorted(slices.Values(r.Groups))) {
			count++
			if seen[rule{r.CIDR, group}] { // QC7
				v.reportf(at, "InvalidClientVpnDuplicateAuthorizationRule", "remove one", "There is an authorization rule for %s and %s already.", r.CIDR, group)
			}
			seen[rule{r.CIDR, group}] = true
		}
	}
	if most := v.quotas.AuthorizationRulesPerClientVPNEndpoint; count > most {
		v.reportf(field(path, "authorizationRules"), "ClientVpnAuthorizationRuleLimitExceeded",
			fmt.Sprintf("there are %d, a group of a rule each, the quota is %d; raise authorizationRulesPerClientVpnEndpoint under quotas, as AWS does on request", count, most),
			"The maximum number of authorization rules has been reached.")
	}
}

// clientVPNQuotas counts endpoints per Region and account (C10).
func (w *World) clientVPNQuotas(v *validation) {
	counts := map[place]int{}
	for _, name := range sorted(w.ClientVPNEndpoints) {
		at := w.ClientVPNEndpoints[name].place(w)
		if counts[at]++; counts[at] == v.quotas.ClientVPNEndpointsPerRegion+1 {
			v.reportf(field("clientVpnEndpoints", name), "ClientVpnEndpointLimitExceeded",
				fmt.Sprintf("the quota is %d in %s; raise clientVpnEndpointsPerRegion under quotas, as AWS does on request", v.quotas.ClientVPNEndpointsPerRegion, at.region),
				"The maximum number of Client VPN endpoints has been reached.")
		}
	}
}
