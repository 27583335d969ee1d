package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// DHCPOptions is a DHCP option set: what the instances of a VPC learn beside
// their addresses. A set cannot be changed, only replaced (A38).
type DHCPOptions struct {
	// Domain name that programs complete short host names with, or several with
	// spaces between; none unless written.
	DomainName string `json:"domainName,omitempty"`
	// DNS servers: AmazonProvidedDNS and addresses, at most four of each
	// family; 169.254.169.253 unless written.
	DomainNameServers []DomainNameServer `json:"domainNameServers,omitempty"`
	// Time servers, at most four of each family.
	NTPServers []netip.Addr `json:"ntpServers,omitempty"`
	// NetBIOS name servers, at most four, IPv4 only.
	NetBIOSNameServers []netip.Addr `json:"netbiosNameServers,omitempty"`
	// NetBIOS node type: 1, 2, 4 or 8.
	NetBIOSNodeType int `json:"netbiosNodeType,omitempty"`
	// How long an IPv6 address is preferred, 140 to 4294967295 seconds; 140
	// unless written.
	IPv6PreferredLease Seconds `json:"ipv6PreferredLease,omitempty"`

	Status DHCPOptionsStatus `json:"status" yaml:"-"`
}

// DHCPOptionsStatus is what AWS makes of a DHCP option set.
type DHCPOptionsStatus struct {
	Identity
	// VPCs that use the set; sorted.
	VPCs []string `json:"vpcs"`
}

// DomainNameServer is a DNS server of a DHCP option set: an address, or
// AmazonProvidedDNS, the VPC's own resolver.
type DomainNameServer struct {
	Addr netip.Addr // invalid: AmazonProvidedDNS
}

// amazonProvidedDNS is how AWS spells the VPC's own resolver.
const amazonProvidedDNS = "AmazonProvidedDNS"

// AmazonProvided reports whether s is the VPC's own resolver, at VPC+2.
func (s DomainNameServer) AmazonProvided() bool { return !s.Addr.IsValid() }

func (s DomainNameServer) String() string {
	if s.AmazonProvided() {
		return amazonProvidedDNS
	}
	return s.Addr.String()
}

func (s *DomainNameServer) parse(text string) (err error) {
	if text == amazonProvidedDNS {
		*s = DomainNameServer{}
		return nil
	}
	s.Addr, err = parseAddr(text)
	if err != nil {
		err = badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%q is neither an address nor %s", text, amazonProvidedDNS),
		}
	}
	return err
}

// What a VPC's dhcpOptions may say beside the name of a set.
const (
	dhcpOptionsDefault = "default"
	dhcpOptionsNone    = "none"
)

// DHCPOptionsInForce are the DHCP options of one VPC as its instances get them.
type DHCPOptionsInForce struct {
	// Set is the name of the option set; "default" for AWS's own, "" for none.
	Set        string `json:"set,omitempty"`
	DomainName string `json:"domainName,omitempty"`
	// DomainNameServers in the order of the set; never empty. A server that is
	// AmazonProvided is VPC+2; without a set it is the link-local 169.254.169.253,
	// which stands here as an address (A39).
	DomainNameServers  []DomainNameServer `json:"domainNameServers"`
	NTPServers         []netip.Addr       `json:"ntpServers,omitempty"`
	NetBIOSNameServers []netip.Addr       `json:"netbiosNameServers,omitempty"`
	NetBIOSNodeType    int                `json:"netbiosNodeType,omitempty"`
	IPv6PreferredLease Seconds            `json:"ipv6PreferredLease"`
}

// defaultIPv6PreferredLease is AWS's (A40).
const defaultIPv6PreferredLease Seconds = 140

// linkLocalDNS is the resolver's address where no DHCP option names one (A39).
var linkLocalDNS = DomainNameServer{netip.MustParseAddr("169.254.169.253")}

// dhcpOptionsOf works out what a VPC's dhcpOptions come to (A38, A39).
func (w *World) dhcpOptionsOf(vpc *VPC) DHCPOptionsInForce {
	out := DHCPOptionsInForce{DomainNameServers: []DomainNameServer{linkLocalDNS}, IPv6PreferredLease: defaultIPv6PreferredLease}
	if vpc.usesDefaultDHCPOptions() {
		out.Set, out.DomainName = dhcpOptionsDefault, regionalDomain(vpc.Status.Region)
		out.DomainNameServers = []DomainNameServer{{}}
		return out
	}
	set := w.DHCPOptions[vpc.DHCPOptions]
	if set == nil {
		return out // none, or a name that leads nowhere
	}
	out.Set, out.DomainName = vpc.DHCPOptions, set.DomainName
	if len(set.DomainNameServers) > 0 {
		out.DomainNameServers = slices.Clone(set.DomainNameServers)
	}
	out.NTPServers, out.NetBIOSNameServers = slices.Clone(set.NTPServers), slices.Clone(set.NetBIOSNameServers)
	out.NetBIOSNodeType = set.NetBIOSNodeType
	if set.IPv6PreferredLease != 0 {
		out.IPv6PreferredLease = set.IPv6PreferredLease
	}
	return out
}

// regionalDomain is the domain of private names in a Region (A38, A46).
func regionalDomain(region string) string {
	if region == DefaultRegion {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

func (o *DHCPOptions) identity() *Identity { return &o.Status.Identity }

func (o *DHCPOptions) references(*World, string) []reference { return nil }

// mostServers is how many servers of one sort and family a set can hold.
const mostServers = 4

func (o *DHCPOptions) validate(v *validation, name string) {
	path := field("dhcpOptions", name)
	if name == dhcpOptionsDefault || name == dhcpOptionsNone {
		v.reportKey(path, "", fmt.Sprintf("%q is not a name for a DHCP option set", name),
			"in a VPC's dhcpOptions it means AWS's own set, or no set at all")
	}
	if slices.ContainsFunc(strings.Fields(o.DomainName), func(s string) bool { return !domainName.MatchString(s) }) {
		v.reportf(field(path, "domainName"), "InvalidParameterValue", "write a domain such as example.com",
			"Value (%s) for parameter domain-name is invalid.", o.DomainName)
	}
	servers := make([]netip.Addr, len(o.DomainNameServers))
	for i, s := range o.DomainNameServers {
		servers[i] = s.Addr // AmazonProvidedDNS counts as an IPv4 server
		if s.AmazonProvided() {
			servers[i] = linkLocalDNS.Addr
		}
	}
	validateServers(v, field(path, "domainNameServers"), servers, mostServers)
	validateServers(v, field(path, "ntpServers"), o.NTPServers, mostServers)
	validateServers(v, field(path, "netbiosNameServers"), o.NetBIOSNameServers, 0)
	if !slices.Contains([]int{0, 1, 2, 4, 8}, o.NetBIOSNodeType) {
		v.reportf(field(path, "netbiosNodeType"), "InvalidParameterValue", "write 1, 2, 4 or 8; AWS recommends 2",
			"Value (%d) for parameter netbios-node-type is invalid.", o.NetBIOSNodeType)
	}
	span{140, 4294967295}.validate(v, field(path, "ipv6PreferredLease"), o.IPv6PreferredLease) // A40
}

// validateServers bounds one list: so many of IPv4, and of IPv6 as many as mostIPv6.
func validateServers(v *validation, path string, servers []netip.Addr, mostIPv6 int) {
	most := [2]int{mostServers, mostIPv6}
	noun := [2]string{"IPv4", "IPv6"}
	var count [2]int
	for i, a := range servers {
		family := 0
		if a.Is6() {
			family = 1
		}
		if count[family]++; count[family] == most[family]+1 {
			v.reportf(index(path, i), "InvalidParameterValue", fmt.Sprintf("at most %d", most[family]),
				"too many %s addresses for %s", noun[family], lastKey(path))
		}
	}
}
