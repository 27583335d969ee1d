package control

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// VPC is an isolated network with one to five IPv4 blocks and an IPv6 block.
type VPC struct {
	// Primary IPv4 block, /16 to /28; VPC+2 in it is the DNS resolver.
	CIDR netip.Prefix `json:"cidr,omitzero"`
	// Further IPv4 blocks, in the order in which they are associated.
	SecondaryCIDRs []netip.Prefix `json:"secondaryCidrs,omitempty"`
	// true: AWS assigns a /56; or the block itself, /44 to /60.
	IPv6 PrefixChoice `json:"ipv6,omitzero"`
	// Whether the DNS resolver answers; true unless written.
	EnableDNSSupport *bool `json:"enableDnsSupport,omitempty"`
	// Whether instances with a public address get a public DNS name.
	EnableDNSHostnames bool `json:"enableDnsHostnames,omitempty"`
	// DHCP option set: a name, default (AWS's own), or none; default unless
	// written.
	DHCPOptions string `json:"dhcpOptions,omitempty"`
	// AWS Region of the VPC and all that is in it; the lab's unless written.
	Region string `json:"region,omitempty"`
	// AWS account of the VPC and all that is in it; the lab's unless written.
	Account AccountID `json:"account,omitempty"`

	Status VPCStatus `json:"status" yaml:"-"`
}

// VPCStatus is what AWS makes of a VPC.
type VPCStatus struct {
	Identity
	State string `json:"state"` // "available"
	// Region and Account are those in force.
	Region  string    `json:"region"`
	Account AccountID `json:"account"`
	// CIDRs are all IPv4 blocks, the primary first.
	CIDRs []netip.Prefix `json:"cidrs"`
	// IPv6CIDR is invalid if the VPC has no IPv6.
	IPv6CIDR             netip.Prefix `json:"ipv6Cidr,omitzero"`
	EnableDNSSupport     bool         `json:"enableDnsSupport"`
	MainRouteTable       string       `json:"mainRouteTable"`
	DefaultSecurityGroup string       `json:"defaultSecurityGroup"`
	DefaultNetworkACL    string       `json:"defaultNetworkAcl"`
	// InternetGateway is the name of the attached one, or "".
	InternetGateway string `json:"internetGateway,omitempty"`
	// EgressOnlyInternetGateway is the name of the VPC's, or "".
	EgressOnlyInternetGateway string `json:"egressOnlyInternetGateway,omitempty"`
	// VPNGateway is the name of the attached virtual private gateway, or "".
	VPNGateway string `json:"vpnGateway,omitempty"`
	// TransitGatewayAttachments are the VPC's, in any state, sorted.
	TransitGatewayAttachments []string `json:"transitGatewayAttachments,omitempty"`
	// DHCPOptions are what the VPC's instances get by DHCP.
	DHCPOptions DHCPOptionsInForce `json:"dhcpOptions"`
}

func (vpc *VPC) identity() *Identity { return &vpc.Status.Identity }

// usesDefaultDHCPOptions reports whether the VPC has AWS's own option set.
func (vpc *VPC) usesDefaultDHCPOptions() bool {
	return vpc.DHCPOptions == "" || vpc.DHCPOptions == dhcpOptionsDefault
}

func (vpc *VPC) references(_ *World, name string) []reference {
	if vpc.usesDefaultDHCPOptions() || vpc.DHCPOptions == dhcpOptionsNone {
		return nil
	}
	return []reference{{
		path:  field(field("vpcs", name), "dhcpOptions"),
		value: vpc.DHCPOptions, set: func(s string) { vpc.DHCPOptions = s }, kinds: []string{"dhcpOptions"},
	}}
}

// computeStatus names what AWS makes for the VPC. Of several gateways that claim it
// the first by name is attached, and the others are a problem (QG1).
func (vpc *VPC) computeStatus(w *World, name string) {
	s := &vpc.Status
	s.State = "available"
	at := w.placeOf(name)
	s.Region, s.Account = at.region, at.account
	s.CIDRs = nil
	if vpc.CIDR.IsValid() {
		s.CIDRs = append([]netip.Prefix{vpc.CIDR}, vpc.SecondaryCIDRs...)
	}
	s.EnableDNSSupport = vpc.EnableDNSSupport == nil || *vpc.EnableDNSSupport // A49
	s.MainRouteTable = w.mainRouteTable(name)
	s.DefaultSecurityGroup = name + "/default"
	s.DefaultNetworkACL = name + "/default"
	s.InternetGateway, s.EgressOnlyInternetGateway, s.VPNGateway = "", "", ""
	for gateway, g := range w.InternetGateways {
		if g.VPC == name && (s.InternetGateway == "" || gateway < s.InternetGateway) {
			s.InternetGateway = gateway
		}
	}
	for gateway, g := range w.EgressOnlyInternetGateways {
		if g.VPC == name && (s.EgressOnlyInternetGateway == "" || gateway < s.EgressOnlyInternetGateway) {
			s.EgressOnlyInternetGateway = gateway
		}
	}
	for gateway, g := range w.VPNGateways {
		if g.VPC == name && (s.VPNGateway == "" || gateway < s.VPNGateway) {
			s.VPNGateway = gateway
		}
	}
	s.DHCPOptions = w.dhcpOptionsOf(vpc)
}

// blocks are all blocks of the VPC, of both families, as far as they are known.
func (vpc *VPC) blocks() []netip.Prefix {
	blocks := slices.Clone(vpc.Status.CIDRs)
	if vpc.Status.IPv6CIDR.IsValid() {
		blocks = append(blocks, vpc.Status.IPv6CIDR)
	}
	return blocks
}

// blockAround is the VPC's block that contains all of p.
func (vpc *VPC) blockAround(p netip.Prefix) (netip.Prefix, bool) {
	for _, block := range vpc.blocks() {
		if contains(block, p) {
			return block, true
		}
	}
	return netip.Prefix{}, false
}

func (vpc *VPC) validate(v *validation, name string) {
	path := field("vpcs", name)
	validateRegion(v, field(path, "region"), vpc.Region)
	if !vpc.CIDR.IsValid() {
		v.missing(field(path, "cidr"), "write the VPC's IPv4 block, such as 10.0.0.0/16")
	} else {
		vpc.validateBlock(v, field(path, "cidr"), vpc.CIDR)
	}
	if n := 1 + len(vpc.SecondaryCIDRs); n > v.quotas.CIDRsPerVPC { // QV6
		v.reportf(index(field(path, "secondaryCidrs"), v.quotas.CIDRsPerVPC-1), "CidrLimitExceeded", "",
			"This network '%s' has met its maximum number of allowed CIDRs: %d", name, v.quotas.CIDRsPerVPC)
	}
	for i, block := range vpc.SecondaryCIDRs {
		at := index(field(path, "secondaryCidrs"), i)
		if !block.IsValid() || !vpc.CIDR.IsValid() || !vpc.validateBlock(v, at, block) {
			continue
		}
		vpc.validateSecondary(v, at, block, append([]netip.Prefix{vpc.CIDR}, vpc.SecondaryCIDRs[:i]...))
	}
	vpc.validateIPv6(v, name, field(path, "ipv6"))
	v.vpcQuotas(path, name)
}

func (vpc *VPC) compile(c *compilation, name string) {
	c.b.VPCs = append(c.b.VPCs, dataplane.VPC{
		Object: object(dataplane.KindVPC, name, vpc.Status.Identity),
		Region: vpc.Status.Region,
		CIDRs:  withIPv6(vpc.Status.CIDRs, vpc.Status.IPv6CIDR),

		DNSDisabled: !vpc.Status.EnableDNSSupport, // A44
	})
}

// vpcQuotas counts what is limited per VPC.
func (v *validation) vpcQuotas(path, name string) {
	subnets, tables, acls := 0, 0, 0
	for _, s := range v.w.Subnets {
		if s.VPC == name {
			subnets++
		}
	}
	for _, t := range v.w.RouteTables {
		if t.VPC == name {
			tables++
		}
	}
	for _, a := range v.w.NetworkACLs {
		if a.VPC == name {
			acls++
		}
	}
	for _, limit := range []struct {
		count, most int
		code, noun  string
	}{
		{subnets, v.quotas.SubnetsPerVPC, "SubnetLimitExceeded", "subnets"},
		{tables, v.quotas.RouteTablesPerVPC, "RouteTableLimitExceeded", "route tables"},
		{acls, v.quotas.NetworkACLsPerVPC, "NetworkAclLimitExceeded", "network ACLs"},
	} {
		if limit.count > limit.most {
			v.reportf(path, limit.code, fmt.Sprintf("the VPC has %d, the quota is %d; raise it under quotas, as AWS does on request", limit.count, limit.most),
				"The maximum number of %s has been reached.", limit.noun)
		}
	}
}
