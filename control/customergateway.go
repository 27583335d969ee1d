package control

import (
	"cmp"
	"fmt"
	"net/netip"
)

// CustomerGateway is what AWS knows of a site's router: its public address and its
// autonomous system (V2).
type CustomerGateway struct {
	// Site whose router it is.
	Site string `json:"site"`
	// Autonomous system number that AWS expects of the router, 1 to 4294967295;
	// the site's own unless written.
	ASN ASN `json:"asn,omitempty"`
	// Which of the router's addresses AWS knows it by: ipv4 or ipv6, the latter for
	// connections to a transit gateway only; ipv4 unless written.
	IPAddressType Family `json:"ipAddressType,omitempty"`

	Status CustomerGatewayStatus `json:"status" yaml:"-"`
}

// CustomerGatewayStatus is what AWS makes of a customer gateway.
type CustomerGatewayStatus struct {
	Identity
	State string `json:"state"` // "available"
	Type  string `json:"type"`  // "ipsec.1"
	ASN   ASN    `json:"asn"`
	// IPAddress is the router's, of the family that is written.
	IPAddress netip.Addr `json:"ipAddress,omitzero"`
	// VPNConnections are those that end at it, sorted.
	VPNConnections []string `json:"vpnConnections"`
}

// vpnType is the only one that AWS has.
const vpnType = "ipsec.1"

func (g *CustomerGateway) identity() *Identity { return &g.Status.Identity }

func (g *CustomerGateway) references(_ *World, name string) []reference {
	return []reference{{
		path: field(field("customerGateways", name), "site"), value: g.Site, set: func(s string) { g.Site = s },
		kinds: []string{"sites"}, required: "write the site whose router it is",
	}}
}

// ipv6 reports whether AWS knows the router by its IPv6 address.
func (g *CustomerGateway) ipv6() bool { return g != nil && g.IPAddressType == IPv6 }

// address is the router's that AWS knows; invalid if it has none.
func (g *CustomerGateway) address(site *Site) netip.Addr {
	if g.ipv6() {
		return site.Status.IPv6
	}
	return site.Status.PublicIP
}

func (g *CustomerGateway) computeStatus(w *World, name string) {
	s := &g.Status
	s.State, s.Type = "available", vpnType
	s.ASN, s.IPAddress = cmp.Or(g.ASN, defaultCustomerASN), netip.Addr{}
	if site := w.Sites[g.Site]; site != nil {
		s.ASN, s.IPAddress = cmp.Or(g.ASN, site.Status.ASN), g.address(site)
	}
	s.VPNConnections = []string{}
	for _, connection := range sorted(w.VPNConnections) {
		if w.VPNConnections[connection].CustomerGateway == name {
			s.VPNConnections = append(s.VPNConnections, connection)
		}
	}
}

// reservedASNs are AWS's own, which no customer can have; "" is every Region (V2).
var reservedASNs = map[ASN]string{7224: "", 9059: "eu-west-1", 10124: "ap-northeast-1", 17943: "ap-southeast-1"}

func (g *CustomerGateway) validate(v *validation, name string) {
	if site := v.w.Sites[g.Site]; g.ipv6() && site != nil && site.IPv6.Choice == None {
		v.report(field(field("customerGateways", name), "ipAddressType"), "", fmt.Sprintf("the router of site %s has no IPv6 address", g.Site),
			fmt.Sprintf("remove ipv6: false under sites.%s", g.Site))
	}
	region, reserved := reservedASNs[g.Status.ASN]
	if !reserved || region != "" && region != v.w.home().region || v.w.Sites[g.Site] == nil {
		return
	}
	path := field(field("customerGateways", name), "asn")
	if g.ASN == 0 {
		path = field(field("sites", g.Site), "asn")
	}
	v.reportf(path, "InvalidParameterValue", fmt.Sprintf("AWS keeps %s; use 64512 to 65534, or one of your own", g.Status.ASN),
		"Value (%s) for parameter bgpAsn is invalid.", g.Status.ASN)
}
