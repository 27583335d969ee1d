package control

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// VPNGateway is a virtual private gateway: AWS's end of Site-to-Site VPN
// connections, on the edge of a VPC, and the hub of a CloudHub between them. It
// carries IPv4 only (V1).
type VPNGateway struct {
	// VPC that it is attached to; one without is detached: routes to it are
	// blackholes, and only sites reach each other by it.
	VPC string `json:"vpc,omitempty"`
	// Autonomous system number of Amazon's side, fixed at creation: 64512 to
	// 65534 or 4200000000 to 4294967294; 64512 unless written.
	ASN ASN `json:"asn,omitempty"`

	Status VPNGatewayStatus `json:"status" yaml:"-"`
}

// VPNGatewayStatus is what AWS makes of a virtual private gateway.
type VPNGatewayStatus struct {
	Identity
	State string `json:"state"` // "attached" or "detached"
	ASN   ASN    `json:"asn"`
	// EdgeRouteTable is the name of the route table that what comes in from the
	// tunnels is routed by; "": straight to the VPC's interfaces.
	EdgeRouteTable string `json:"edgeRouteTable,omitempty"`
	// VPNConnections are the gateway's, sorted.
	VPNConnections []string `json:"vpnConnections"`
	// Routes are those in force, one per destination (V6), by destination.
	Routes []VPNGatewayRoute `json:"routes"`
	// SpeakerHandle is that of the interface of the gateway's BGP speaker. Store
	// assigns it.
	SpeakerHandle uint32 `json:"-"`
}

func (g *VPNGateway) identity() *Identity { return &g.Status.Identity }

func (g *VPNGateway) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("vpnGateways", name), "vpc"),
		value: g.VPC, set: func(s string) { g.VPC = s }, kinds: []string{"vpcs"},
	}}
}

// computeStatus finds the gateway's connections and its edge route table; of
// several tables the first by name is associated, and the others are a problem.
func (g *VPNGateway) computeStatus(w *World, name string) {
	s := &g.Status
	s.State = "attached"
	if g.VPC == "" {
		s.State = "detached"
	}
	s.ASN = cmp.Or(g.ASN, DefaultASN)
	s.EdgeRouteTable = ""
	for table, t := range w.RouteTables {
		if t.VPNGateway == name && t.VPC == g.VPC && (s.EdgeRouteTable == "" || table < s.EdgeRouteTable) {
			s.EdgeRouteTable = table
		}
	}
	s.VPNConnections, s.Routes = []string{}, []VPNGatewayRoute{}
	for _, connection := range sorted(w.VPNConnections) {
		if w.VPNConnections[connection].VPNGateway == name {
			s.VPNConnections = append(s.VPNConnections, connection)
		}
	}
}

// attached reports whether the gateway is its VPC's: of several that claim one, the
// first by name is.
func (g *VPNGateway) attached(w *World, name string) bool {
	vpc := w.VPCs[g.VPC]
	return vpc != nil && vpc.Status.VPNGateway == name
}

func (g *VPNGateway) validate(v *validation, name string) {
	path := field("vpnGateways", name)
	if g.ASN != 0 && !g.ASN.private() { // V1
		v.reportf(field(path, "asn"), "InvalidParameterValue", "use 64512 to 65534, or 4200000000 to 4294967294",
			"Value (%s) for parameter amazonSideAsn is invalid.", g.ASN)
	}
	if v.w.VPCs[g.VPC] != nil && !g.attached(v.w, name) { // QG7
		v.reportf(field(path, "vpc"), "InvalidVpcState", fmt.Sprintf("a VPC has one virtual private gateway; %s is attached", v.w.VPCs[g.VPC].Status.VPNGateway),
			"VPC %s is currently attached to the Virtual Private Gateway.", g.VPC)
	}
	if n := len(g.Status.VPNConnections); n > v.quotas.VPNConnectionsPerVPNGateway {
		v.reportKey(path, "VpnConnectionLimitExceeded", "The maximum number of VPN connections has been reached.",
			fmt.Sprintf("the gateway has %d, the quota is %d; raise vpnConnectionsPerVpnGateway under quotas, as AWS does on request", n, v.quotas.VPNConnectionsPerVPNGateway))
	}
	static := 0
	for _, connection := range g.Status.VPNConnections {
		static += len(v.w.VPNConnections[connection].StaticRoutes)
	}
	if static > mostVPNStaticRoutes {
		v.reportKey(path, "", fmt.Sprintf("the virtual private gateway has %d static routes", static), fmt.Sprintf("at most %d, which AWS does not raise", mostVPNStaticRoutes))
	}
}

// mostVPNStaticRoutes is how many static routes all connections of a gateway can
// have together.
const mostVPNStaticRoutes = 100

// vpnQuotas counts what is limited per Region, for each account apart. A customer
// gateway, and a gateway that is attached to nothing, are at home.
func (w *World) vpnQuotas(v *validation) {
	const hint = "there are %d in %s, the quota is %d; raise %s under quotas, as AWS does on request"
	count := func(path, code, noun, quota string, most int, places []place) {
		counts := map[place]int{}
		for _, at := range places {
			if counts[at]++; counts[at] == most+1 {
				n := 0
				for _, other := range places {
					if other == at {
						n++
					}
				}
				v.reportf(path, code, fmt.Sprintf(hint, n, at.region, most, quota), "The maximum number of %s has been reached.", noun)
			}
		}
	}
	count("customerGateways", "CustomerGatewayLimitExceeded", "customer gateways", "customerGatewaysPerRegion",
		v.quotas.CustomerGatewaysPerRegion, slices.Repeat([]place{w.home()}, len(w.CustomerGateways)))
	var gateways, connections []place
	for _, name := range sorted(w.VPNGateways) {
		gateways = append(gateways, w.placeOf(w.VPNGateways[name].VPC))
	}
	for _, name := range sorted(w.VPNConnections) {
		connections = append(connections, w.VPNConnections[name].place(w))
	}
	count("vpnGateways", "VpnGatewayLimitExceeded", "virtual private gateways", "vpnGatewaysPerRegion", v.quotas.VPNGatewaysPerRegion, gateways)
	count("vpnConnections", "VpnConnectionLimitExceeded", "VPN connections", "vpnConnectionsPerRegion", v.quotas.VPNConnectionsPerRegion, connections)
}

// compile hands the gateway over with the tunnel that was chosen for each
// destination.
func (g *VPNGateway) compile(c *compilation, name string) {
	out := dataplane.VPNGateway{
		Object: object(dataplane.KindVPNGateway, name, g.Status.Identity),
		Routes: make([]dataplane.VPNRoute, 0, len(g.Status.Routes)),
	}
	if g.attached(c.w, name) {
		out.VPC = dataplane.Handle(c.w.VPCs[g.VPC].Status.Handle)
		if t := c.w.RouteTables[g.Status.EdgeRouteTable]; t != nil {
			out.EdgeRouteTable = dataplane.Handle(t.Status.Handle)
		}
	}
	for i := range g.Status.Routes {
		r := &g.Status.Routes[i]
		tunnel, _ := c.w.VPNTunnel(r.Tunnel)
		out.Routes = append(out.Routes, dataplane.VPNRoute{
			Destination: r.Destination, Tunnel: dataplane.Handle(tunnel.Handle),
			Learned: r.Type == RouteBGP, Text: r.String(), // H4
		})
	}
	c.b.VPNGateways = append(c.b.VPNGateways, out)
	c.speaker(name, g.Status.SpeakerHandle, len(g.Status.VPNConnections) > 0)
}

// speaker hands over the BGP speaker of a gateway that has tunnels.
func (c *compilation) speaker(gateway string, handle uint32, hasTunnels bool) {
	if hasTunnels {
		c.b.BGPSpeakers = append(c.b.BGPSpeakers, dataplane.BGPSpeaker{
			Object: object(dataplane.KindBGPSpeaker, gateway, Identity{Handle: handle}),
			MAC:    dataplane.InterfaceMAC(dataplane.Handle(handle)),
		})
	}
}
