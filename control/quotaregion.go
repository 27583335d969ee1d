package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// regional counts what one account has in one Region.
type regional struct {
	vpcs, internetGateways, egressOnlyInternetGateways int
	securityGroups, prefixLists, networkInterfaces     int
	elasticIPs, natElasticIPs                          int // those of NAT gateways count in both
}

// validateQuotas counts what is limited per Region, for each account apart. What
// is limited per VPC or per resource is counted by the noun concerned.
func (w *World) validateQuotas(v *validation) {
	w.natGatewayQuotas(v)
	w.peeringQuotas(v)
	w.transitGatewayQuotas(v)
	w.vpnQuotas(v)
	w.clientVPNQuotas(v)
	w.endpointQuotas(v)
	counts := w.regional()
	for _, at := range slices.SortedFunc(maps.Keys(counts), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.account, b.account))
	}) {
		counts[at].validate(v, at)
	}
}

func (n *regional) validate(v *validation, at place) {
	elasticPath := "instances"
	if n.natElasticIPs > 0 && n.elasticIPs-n.natElasticIPs <= v.quotas.ElasticIPsPerRegion {
		elasticPath = "natGateways"
	}
	for _, limit := range []struct {
		path        string
		count, most int
		code, noun  string
	}{
		{"vpcs", n.vpcs, v.quotas.VPCsPerRegion, "VpcLimitExceeded", "VPCs"},
		{"internetGateways", n.internetGateways, v.quotas.InternetGatewaysPerRegion, "InternetGatewayLimitExceeded", "internet gateways"},
		{"egressOnlyInternetGateways", n.egressOnlyInternetGateways, v.quotas.EgressOnlyInternetGatewaysPerRegion, "EgressOnlyInternetGatewayLimitExceeded", "egress-only internet gateways"},
		{"securityGroups", n.securityGroups, v.quotas.SecurityGroupsPerRegion, "SecurityGroupLimitExceeded", "security groups"},
		{"prefixLists", n.prefixLists, v.quotas.PrefixListsPerRegion, "PrefixListLimitExceeded", "prefix lists"},
		{"instances", n.networkInterfaces, v.quotas.NetworkInterfacesPerRegion, "NetworkInterfaceLimitExceeded", "network interfaces"},
		{elasticPath, n.elasticIPs, v.quotas.ElasticIPsPerRegion, "AddressLimitExceeded", "addresses"},
	} {
		if limit.count > limit.most {
			v.reportf(limit.path, limit.code,
				fmt.Sprintf("there are %d in %s, the quota is %d; raise it under quotas, as AWS does on request", limit.count, at.region, limit.most),
				"The maximum number of %s has been reached.", limit.noun)
		}
	}
}

// regional counts by place. Prefix lists, and gateways that are attached to
// nothing, are at home.
func (w *World) regional() map[place]*regional {
	counts := map[place]*regional{}
	in := func(vpc string) *regional {
		at := w.placeOf(vpc)
		if counts[at] == nil {
			counts[at] = &regional{}
		}
		return counts[at]
	}
	for _, l := range w.PrefixLists {
		if !l.managed() {
			in("").prefixLists++
		}
	}
	for name := range w.VPCs {
		in(name).vpcs++
	}
	for _, g := range w.InternetGateways {
		in(g.VPC).internetGateways++
	}
	for _, g := range w.EgressOnlyInternetGateways {
		in(g.VPC).egressOnlyInternetGateways++
	}
	for name, g := range w.SecurityGroups {
		if !g.implicit(name) {
			in(g.VPC).securityGroups++
		}
	}
	for _, g := range w.NATGateways {
		n := in(g.Status.VPC)
		n.networkInterfaces++
		if g.public() {
			n.elasticIPs += len(g.privateIPs())
			n.natElasticIPs += len(g.privateIPs())
		}
	}
	for _, a := range w.TransitGatewayAttachments {
		in(a.VPC).networkInterfaces += len(a.Status.Interfaces)
	}
	for _, e := range w.VPCEndpoints {
		in(e.VPC).networkInterfaces += len(e.Status.Interfaces)
	}
	for _, b := range w.LoadBalancers {
		in(b.Status.VPC).networkInterfaces += len(b.Status.Nodes)
	}
	for _, e := range w.ClientVPNEndpoints {
		if e.TransitGateway == "" { // at a gateway it has none (C11)
			in(e.Status.VPC).networkInterfaces += len(e.Status.Associations)
		}
	}
	for _, eni := range w.NetworkInterfaces {
		n := in(eni.VPC)
		n.networkInterfaces++
		if spec := w.interfaceSpec(eni); spec != nil {
			n.elasticIPs += spec.elasticIPs()
		}
	}
	return counts
}

// elasticIPs counts those that the interface names.
func (s *NetworkInterfaceSpec) elasticIPs() (n int) {
	if s.PublicIP.Choice == Explicit {
		n++
	}
	for _, secondary := range s.SecondaryIPs {
		if secondary.PublicIP.Choice == Explicit {
			n++
		}
	}
	return n
}
