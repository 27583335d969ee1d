package control

import (
	"cmp"
	"fmt"
	"net/netip"
)

// VPNConnection is a Site-to-Site VPN connection: two tunnels from a customer
// gateway to a virtual private gateway or a transit gateway. Where AWS has IPsec
// the lab has WireGuard; see TunnelKeys.
type VPNConnection struct {
	// Customer gateway at the site's end.
	CustomerGateway string `json:"customerGateway"`
	// Virtual private gateway at AWS's end.
	VPNGateway string `json:"vpnGateway,omitempty"`
	// Transit gateway at AWS's end, instead; the connection then has a transit
	// gateway attachment of its own name.
	TransitGateway string `json:"transitGateway,omitempty"`
	// Static routing: the IPv4 blocks at the site. Without the key the routes are
	// learned by BGP. At a transit gateway the list is empty, and the routes stand
	// in its route tables.
	StaticRoutes []netip.Prefix `json:"staticRoutes,omitzero"`
	// Family that the tunnels carry: ipv4 or ipv6, the latter to a transit gateway
	// only; ipv4 unless written.
	TunnelInsideIPVersion Family `json:"tunnelInsideIpVersion,omitempty"`
	// Addresses of the tunnels' ends on the Internet: publicIpv4 or ipv6, the latter
	// for a customer gateway with an IPv6 address and to a transit gateway only;
	// publicIpv4 unless written. What the tunnels carry does not depend on it.
	OutsideIPAddressType OutsideAddressType `json:"outsideIpAddressType,omitempty"`
	// Whether the tunnels end at AWS's edge locations near the customer (AWS Global
	// Accelerator): to a transit gateway only, and the customer's router has to bring
	// the tunnels up.
	EnableAcceleration bool `json:"enableAcceleration,omitempty"`
	// Options of the two tunnels.
	Tunnels []TunnelOptions `json:"tunnels,omitempty"`

	Status VPNConnectionStatus `json:"status" yaml:"-"`
}

// VPNConnectionStatus is what AWS makes of a VPN connection.
type VPNConnectionStatus struct {
	Identity
	State   string `json:"state"`   // "available"
	Type    string `json:"type"`    // "ipsec.1"
	Routing string `json:"routing"` // RouteStatic or RouteBGP
	// Site is where the connection ends, and CustomerASN what AWS expects there;
	// AmazonASN is AWS's side.
	Site        string `json:"site,omitempty"`
	CustomerASN ASN    `json:"customerAsn"`
	AmazonASN   ASN    `json:"amazonAsn"`
	// TunnelInsideIPVersion is the family in force.
	TunnelInsideIPVersion Family `json:"tunnelInsideIpVersion"`
	// OutsideIPAddressType is the one in force.
	OutsideIPAddressType OutsideAddressType `json:"outsideIpAddressType"`
	// Tunnels are always two.
	Tunnels []VPNTunnel `json:"tunnels"`
	// Fault is what has the connection down, or "".
	Fault string `json:"fault,omitempty"`
}

// RouteBGP is a route that was learned by BGP, beside RouteStatic.
const RouteBGP = "bgp"

func (c *VPNConnection) identity() *Identity { return &c.Status.Identity }

// static reports whether the routes are written down, rather than learned (V4).
func (c *VPNConnection) static() bool { return c.StaticRoutes != nil }

func (c *VPNConnection) references(_ *World, name string) []reference {
	path := field("vpnConnections", name)
	return []reference{{
		path: field(path, "customerGateway"), value: c.CustomerGateway, set: func(s string) { c.CustomerGateway = s },
		kinds: []string{"customerGateways"}, required: "write the customer gateway at the site's end",
	}, {
		path: field(path, "vpnGateway"), value: c.VPNGateway, set: func(s string) { c.VPNGateway = s }, kinds: []string{"vpnGateways"},
	}, {
		path: field(path, "transitGateway"), value: c.TransitGateway, set: func(s string) { c.TransitGateway = s }, kinds: []string{"transitGateways"},
	}}
}

// attaches reports whether the connection has a transit gateway attachment.
func (c *VPNConnection) attaches(w *World) bool {
	return c != nil && c.VPNGateway == "" && w.TransitGateways[c.TransitGateway] != nil
}

// completeVPNAttachments makes the transit gateway attachments of VPN connections,
// and removes those that have lost theirs. One that a file writes under the same
// name is left alone, for Validate to report.
func (w *World) completeVPNAttachments() {
	for name, a := range w.TransitGatewayAttachments {
		if a.isVPN() && !w.VPNConnections[name].attaches(w) {
			delete(w.TransitGatewayAttachments, name)
		}
	}
	for name, c := range w.VPNConnections {
		if !c.attaches(w) {
			continue
		}
		a := w.TransitGatewayAttachments[name]
		if a == nil {
			a = &TransitGatewayAttachment{Status: TransitGatewayAttachmentStatus{VPNConnection: name}}
			w.TransitGatewayAttachments[name] = a
		}
		if a.isVPN() {
			a.TransitGateway = c.TransitGateway
		}
	}
}

// gateway is AWS's end: the kind and the name, "" if there is none.
func (c *VPNConnection) gateway() (kind, name string) {
	if c.VPNGateway != "" {
		return TargetVPNGateway, c.VPNGateway
	}
	return TargetTransitGateway, c.TransitGateway
}

// place is where AWS's end is.
func (c *VPNConnection) place(w *World) place {
	if g := w.VPNGateways[c.VPNGateway]; g != nil {
		return w.placeOf(g.VPC)
	}
	if g := w.TransitGateways[c.TransitGateway]; g != nil {
		return g.place(w)
	}
	return w.home()
}

// carries reports whether a block is of the family inside the tunnels.
func (c *VPNConnection) carries(p netip.Prefix) bool {
	return p.IsValid() && p.Addr().Is6() == (c.Status.TunnelInsideIPVersion == IPv6)
}

// Limits of the prefixes that cross a session: from the customer, above which the
// session goes down, and to it, above which AWS announces no more (V12).
const (
	mostFromCustomerVPN, mostFromCustomerTransit = 100, 1000
	mostToCustomerVPN, mostToCustomerTransit     = 1000, 5000
)

// MaxPrefixes is how many prefixes AWS takes from the customer on each session; one
// more and the session goes down (V12).
func (c *VPNConnection) MaxPrefixes() int {
	if c.VPNGateway != "" {
		return mostFromCustomerVPN
	}
	return mostFromCustomerTransit
}

func (c *VPNConnection) computeStatus(w *World, name string) {
	s := &c.Status
	s.State, s.Type, s.Routing = "available", vpnType, RouteBGP
	if c.static() {
		s.Routing = RouteStatic
	}
	s.Site, s.CustomerASN, s.AmazonASN = "", 0, 0
	if g := w.CustomerGateways[c.CustomerGateway]; g != nil {
		s.Site, s.CustomerASN = g.Site, g.Status.ASN
	}
	if g := w.VPNGateways[c.VPNGateway]; g != nil {
		s.AmazonASN = g.Status.ASN
	} else if g := w.TransitGateways[c.TransitGateway]; g != nil {
		s.AmazonASN = cmp.Or(g.ASN, DefaultASN)
	}
	s.TunnelInsideIPVersion = cmp.Or(c.TunnelInsideIPVersion, IPv4)
	s.OutsideIPAddressType = cmp.Or(c.OutsideIPAddressType, OutsidePublicIPv4)
	had := s.Tunnels
	s.Tunnels = make([]VPNTunnel, tunnelsPerConnection)
	for i := range s.Tunnels {
		if i < len(had) {
			s.Tunnels[i] = had[i]
		}
		s.Tunnels[i].computeOptions(w, c, name, i)
	}
}

// tunnelsPerConnection is what every connection has (V3).
const tunnelsPerConnection = 2

// VPNTunnelName is the name of a connection's tunnel, counted from 1: "office/1".
func VPNTunnelName(connection string, number int) string {
	return fmt.Sprintf("%s/%d", connection, number)
}

// VPNTunnel finds a tunnel by its name, and the connection that it belongs to; nil
// if there is none. The pointers are into w.
func (w *World) VPNTunnel(name string) (*VPNTunnel, *VPNConnection) {
	if len(name) < 3 {
		return nil, nil
	}
	if c := w.VPNConnections[name[:len(name)-2]]; c != nil {
		for i := range c.Status.Tunnels {
			if c.Status.Tunnels[i].Name == name {
				return &c.Status.Tunnels[i], c
			}
		}
	}
	return nil, nil
}

// vpnTunnelNames are the names of all tunnels, sorted.
func (w *World) vpnTunnelNames() (names []string) {
	for _, connection := range sorted(w.VPNConnections) {
		for i := range tunnelsPerConnection {
			names = append(names, VPNTunnelName(connection, i+1))
		}
	}
	return names
}
