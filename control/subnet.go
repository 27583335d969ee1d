package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Subnet is a slice of a VPC's address block in one Availability Zone.
type Subnet struct {
	// VPC that the subnet belongs to.
	VPC string `json:"vpc"`
	// IPv4 block, /16 to /28, inside a block of the VPC; not for ipv6Native.
	CIDR netip.Prefix `json:"cidr,omitzero"`
	// Availability Zone, such as us-east-1a; the Region's first unless written.
	AZ string `json:"az,omitempty"`
	// Route table; the VPC's main one unless written.
	RouteTable string `json:"routeTable,omitempty"`
	// Network ACL; the VPC's default one unless written.
	NetworkACL string `json:"networkAcl,omitempty"`
	// Whether instances get a public IPv4 address unless they say otherwise.
	MapPublicIP bool `json:"mapPublicIp,omitempty"`
	// true: the next free /64 of the VPC's block; or the block itself.
	IPv6 PrefixChoice `json:"ipv6,omitzero"`
	// Whether instances get an IPv6 address unless they say otherwise; true
	// where the subnet has IPv6 (AWS: false), so that ipv6: true is enough.
	AssignIPv6 *bool `json:"assignIpv6,omitempty"`
	// Whether the subnet is IPv6-only: no IPv4 block, and an IPv6 block and
	// addresses without further words.
	IPv6Native bool `json:"ipv6Native,omitempty"`
	// Whether the DNS resolver answers for names without an IPv6 address with
	// one in 64:ff9b::/96, which a NAT gateway translates.
	EnableDNS64 bool `json:"enableDns64,omitempty"`
	// What private DNS names are made of: ip-name or resource-name; ip-name
	// unless written or IPv6-only.
	PrivateDNSHostnameType HostnameType `json:"privateDnsHostnameType,omitempty"`
	// Whether the resource name of an instance resolves to its IPv4 address.
	EnableResourceNameDNSARecord bool `json:"enableResourceNameDnsARecord,omitempty"`
	// Whether the resource name of an instance resolves to its IPv6 address.
	EnableResourceNameDNSAAAARecord bool `json:"enableResourceNameDnsAAAARecord,omitempty"`

	Status SubnetStatus `json:"status" yaml:"-"`
}

// SubnetStatus is what AWS makes of a subnet.
type SubnetStatus struct {
	Identity
	State            string       `json:"state"` // "available"
	AvailabilityZone string       `json:"availabilityZone"`
	IPv6CIDR         netip.Prefix `json:"ipv6Cidr,omitzero"`
	// AvailableIPAddressCount is how many IPv4 addresses are free, the five
	// reserved ones not counted.
	AvailableIPAddressCount int  `json:"availableIpAddressCount"`
	AssignIPv6              bool `json:"assignIpv6"`
	// PrivateDNSHostnameType is the one in force.
	PrivateDNSHostnameType HostnameType `json:"privateDnsHostnameType"`
	// RouteTable and NetworkACL are the ones in force.
	RouteTable string `json:"routeTable"`
	NetworkACL string `json:"networkAcl"`
	// Fault is what has its Availability Zone down, or "".
	Fault string `json:"fault,omitempty"`
}

func (s *Subnet) identity() *Identity { return &s.Status.Identity }

// references are the VPC, and a table and an ACL that must be of the same VPC.
func (s *Subnet) references(_ *World, name string) []reference {
	path := field("subnets", name)
	different := func(kind, ref string) badValue {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%s %s and subnet %s belong to different networks", kind, ref, name),
		}
	}
	return []reference{{
		path: field(path, "vpc"), value: s.VPC, set: func(r string) { s.VPC = r },
		kinds: []string{"vpcs"}, required: "write the VPC that the subnet belongs to",
	}, {
		path: field(path, "routeTable"), value: s.RouteTable, set: func(r string) { s.RouteTable = r },
		kinds: []string{"routeTables"}, vpc: s.VPC, foreign: different("route table", s.RouteTable),
	}, {
		path: field(path, "networkAcl"), value: s.NetworkACL, set: func(r string) { s.NetworkACL = r },
		kinds: []string{"networkAcls"}, vpc: s.VPC, foreign: different("network acl", s.NetworkACL),
	}}
}

// ipv6 is the subnet's wish for an IPv6 block: an IPv6-only one has it without
// saying so.
func (s *Subnet) ipv6() PrefixChoice {
	if s.IPv6Native && s.IPv6.Choice == Unset {
		return PrefixChoice{Choice: Auto}
	}
	return s.IPv6
}

// computeStatus settles what the subnet leaves to its VPC or Region. Its blocks and
// free addresses are Allocate's.
func (s *Subnet) computeStatus(w *World) {
	s.Status.State = "available"
	s.Status.AvailabilityZone = s.zone(w)
	s.Status.AssignIPv6 = s.ipv6().Wanted() && (s.AssignIPv6 == nil || *s.AssignIPv6)
	s.Status.PrivateDNSHostnameType = cmp.Or(s.PrivateDNSHostnameType, HostnameIP)
	if s.IPv6Native {
		s.Status.PrivateDNSHostnameType = HostnameResource // A46
	}
	s.Status.RouteTable, s.Status.NetworkACL = s.RouteTable, s.NetworkACL
	if vpc := w.VPCs[s.VPC]; vpc != nil {
		s.Status.RouteTable = cmp.Or(s.RouteTable, vpc.Status.MainRouteTable)    // R1
		s.Status.NetworkACL = cmp.Or(s.NetworkACL, vpc.Status.DefaultNetworkACL) // S34
	}
}

func (s *Subnet) validate(v *validation, name string) {
	path := field("subnets", name)
	s.validateZone(v, field(path, "az"))
	switch {
	case s.IPv6Native:
		s.validateIPv6Native(v, path)
	case !s.CIDR.IsValid():
		v.missing(field(path, "cidr"), "write the subnet's IPv4 block, such as 10.0.1.0/24; for an IPv6-only subnet ipv6Native: true")
	default:
		s.validateBlock(v, name, field(path, "cidr"))
	}
	s.validateIPv6(v, name, path)
}

// validateIPv6Native refuses what an IPv6-only subnet cannot have (A13).
func (s *Subnet) validateIPv6Native(v *validation, path string) {
	for _, wrong := range []struct {
		key, message string
		written      bool
	}{
		{"cidr", "An IPv6-only subnet has no IPv4 CIDR block", s.CIDR.IsValid()},
		{"ipv6", "An IPv6-only subnet needs an IPv6 CIDR block", s.IPv6.Choice == None},
		{"assignIpv6", "Instances of an IPv6-only subnet always get an IPv6 address", s.AssignIPv6 != nil && !*s.AssignIPv6},
		{"mapPublicIp", "Instances of an IPv6-only subnet cannot have a public IPv4 address", s.MapPublicIP},
		{"privateDnsHostnameType", "Instances of an IPv6-only subnet have resource names", s.PrivateDNSHostnameType == HostnameIP},
		{"enableResourceNameDnsARecord", "Instances of an IPv6-only subnet have no A record", s.EnableResourceNameDNSARecord},
	} {
		if wrong.written {
			v.report(field(path, wrong.key), "InvalidParameterCombination", wrong.message, "remove it, or ipv6Native")
		}
	}
}

// validateZone checks the Availability Zone: the Region and a letter.
func (s *Subnet) validateZone(v *validation, path string) {
	if s.AZ == "" {
		return
	}
	region := v.w.placeOf(s.VPC).region
	letter, ok := strings.CutPrefix(s.AZ, region)
	if ok && len(letter) == 1 && letter >= "a" && letter <= "z" {
		return
	}
	zones := make([]string, 0, 3)
	for _, l := range "abc" {
		zones = append(zones, region+string(l))
	}
	v.reportf(path, "InvalidParameterValue", "", // QV5
		"Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		s.AZ, strings.Join(zones, ", "))
}

// validateBlock reports a bad size and a place outside the VPC alike, before any
// overlap, as AWS does (Q-C2).
func (s *Subnet) validateBlock(v *validation, name, path string) {
	vpc := v.w.VPCs[s.VPC]
	hint := ""
	switch {
	case !s.CIDR.Addr().Is4():
		hint = "write an IPv4 block here; for IPv6 use ipv6"
	case s.CIDR.Bits() < 16 || s.CIDR.Bits() > 28: // A14
		hint = "a subnet's block is /16 to /28"
	case vpc != nil && len(vpc.Status.CIDRs) > 0 && !slices.ContainsFunc(vpc.Status.CIDRs, func(b netip.Prefix) bool { return contains(b, s.CIDR) }):
		hint = fmt.Sprintf("it must lie inside VPC %s: %s", s.VPC, joinPrefixes(vpc.Status.CIDRs))
	}
	if hint != "" { // QV3
		v.reportf(path, "InvalidSubnet.Range", hint, "The CIDR '%s' is invalid.", s.CIDR)
		return
	}
	v.siblingConflict(path, name, s, func(o *Subnet) netip.Prefix { return o.CIDR })
}

// siblingConflict reports a block that overlaps that of another subnet of the
// VPC (QV4), once per pair: at the one whose name comes later.
func (v *validation) siblingConflict(path, name string, s *Subnet, block func(*Subnet) netip.Prefix) {
	for _, other := range v.subnets {
		if other >= name {
			return
		}
		o := v.w.Subnets[other]
		if o.VPC == s.VPC && block(o).IsValid() && block(o).Overlaps(block(s)) {
			v.reportf(path, "InvalidSubnet.Conflict", fmt.Sprintf("subnet %s has %s", other, block(o)),
				"The CIDR '%s' conflicts with another subnet", block(s))
			return
		}
	}
}

// validateIPv6 needs the VPC's block, which Allocate may have assigned; before
// that only the form of the block is checked.
func (s *Subnet) validateIPv6(v *validation, name, path string) {
	vpc := v.w.VPCs[s.VPC]
	for key, wanted := range map[string]bool{"assignIpv6": s.AssignIPv6 != nil && *s.AssignIPv6, "enableDns64": s.EnableDNS64} {
		if wanted && !s.ipv6().Wanted() {
			v.report(field(path, key), "InvalidParameterValue",
				fmt.Sprintf("The subnet '%s' has no IPv6 CIDR block", name), "add ipv6: true to the subnet")
		}
	}
	if !s.ipv6().Wanted() || vpc == nil {
		return
	}
	at := field(path, "ipv6")
	if !vpc.IPv6.Wanted() {
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("add ipv6: true to VPC %s", s.VPC),
			"The VPC '%s' has no IPv6 CIDR block", s.VPC)
		return
	}
	if s.IPv6.Choice != Explicit {
		return
	}
	block, hint := s.IPv6.Prefix, ""
	switch {
	case !block.Addr().Is6():
		hint = "write true, or an IPv6 block"
	case block.Bits() < 44 || block.Bits() > 64 || block.Bits()%4 != 0: // A11
		hint = "a subnet's IPv6 block is /44 to /64 in steps of 4"
	case vpc.Status.IPv6CIDR.IsValid() && !contains(vpc.Status.IPv6CIDR, block):
		hint = fmt.Sprintf("it must lie inside %s of VPC %s", vpc.Status.IPv6CIDR, s.VPC)
	}
	if hint != "" {
		v.reportf(at, "InvalidSubnet.Range", hint, "The IPv6 CIDR '%s' is invalid.", block)
		return
	}
	v.siblingConflict(at, name, s, func(o *Subnet) netip.Prefix {
		if o.IPv6.Choice == Explicit {
			return o.IPv6.Prefix
		}
		return netip.Prefix{}
	})
}

func (s *Subnet) compile(c *compilation, name string) {
	c.b.Subnets = append(c.b.Subnets, dataplane.Subnet{
		Object:     object(dataplane.KindSubnet, name, s.Status.Identity),
		VPC:        dataplane.Handle(c.w.VPCs[s.VPC].Status.Handle),
		RouteTable: dataplane.Handle(c.w.RouteTables[s.Status.RouteTable].Status.Handle),
		NetworkACL: dataplane.Handle(c.w.NetworkACLs[s.Status.NetworkACL].Status.Handle),
		Zone:       s.Status.AvailabilityZone,
		CIDRs:      withIPv6([]netip.Prefix{s.CIDR}, s.Status.IPv6CIDR),
	})
}
