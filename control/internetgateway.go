package control

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane"
)

// InternetGateway joins a VPC to the Internet: 1:1 translation for IPv4, plain
// forwarding for IPv6.
type InternetGateway struct {
	// VPC that it is attached to; a gateway without one is detached, and routes
	// to it are blackholes.
	VPC string `json:"vpc,omitempty"`

	Status InternetGatewayStatus `json:"status" yaml:"-"`
}

// InternetGatewayStatus is what AWS makes of an internet gateway.
type InternetGatewayStatus struct {
	Identity
	State string `json:"state"` // "attached" or "detached"
	// EdgeRouteTable is the name of the route table that what comes in from the
	// Internet is routed by; "": straight to the VPC's interfaces.
	EdgeRouteTable string `json:"edgeRouteTable,omitempty"`
}

func (g *InternetGateway) identity() *Identity { return &g.Status.Identity }

func (g *InternetGateway) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("internetGateways", name), "vpc"),
		value: g.VPC, set: func(s string) { g.VPC = s }, kinds: []string{"vpcs"},
	}}
}

// computeStatus finds the gateway's edge route table; of several the first by name
// is associated, and the others are a problem.
func (g *InternetGateway) computeStatus(w *World, name string) {
	g.Status.State = "attached"
	if g.VPC == "" {
		g.Status.State = "detached"
	}
	g.Status.EdgeRouteTable = ""
	for table, t := range w.RouteTables {
		if t.InternetGateway == name && t.VPC == g.VPC && (g.Status.EdgeRouteTable == "" || table < g.Status.EdgeRouteTable) {
			g.Status.EdgeRouteTable = table
		}
	}
}

// validate checks that the gateway has its VPC to itself: of several, the first by
// name is attached. A detached gateway is no mistake.
func (g *InternetGateway) validate(v *validation, name string) {
	vpc := v.w.VPCs[g.VPC]
	if vpc == nil || vpc.Status.InternetGateway == name {
		return
	}
	// QG1
	v.reportf(field(field("internetGateways", name), "vpc"), "InvalidParameterValue",
		fmt.Sprintf("a VPC has one internet gateway; %s is attached", vpc.Status.InternetGateway),
		"Network %s already has an internet gateway attached", g.VPC)
}

// compile maps public addresses to private ones. A detached gateway is no part of
// a snapshot: routes to it are blackholes, and nothing comes in.
func (g *InternetGateway) compile(c *compilation, name string) {
	if g.VPC == "" {
		return
	}
	out := dataplane.InternetGateway{
		Object: object(dataplane.KindInternetGateway, name, g.Status.Identity),
		VPC:    dataplane.Handle(c.w.VPCs[g.VPC].Status.Handle),
	}
	if t := c.w.RouteTables[g.Status.EdgeRouteTable]; t != nil {
		out.EdgeRouteTable = dataplane.Handle(t.Status.Handle)
	}
	for _, eni := range sorted(c.w.NetworkInterfaces) {
		n := c.w.NetworkInterfaces[eni]
		for _, a := range n.Status.Associations {
			if n.VPC == g.VPC {
				out.PublicAddresses = append(out.PublicAddresses, dataplane.PublicAddress{
					Public: a.PublicIP, Private: a.PrivateIP, Interface: dataplane.Handle(n.Status.Handle),
				})
			}
		}
	}
	for _, nat := range sorted(c.w.NATGateways) {
		n := c.w.NATGateways[nat]
		for _, a := range n.Status.Addresses {
			if n.Status.VPC == g.VPC && a.PublicIP.IsValid() {
				out.PublicAddresses = append(out.PublicAddresses, dataplane.PublicAddress{
					Public: a.PublicIP, Private: a.PrivateIP, Interface: dataplane.Handle(n.Status.Handle),
				})
			}
		}
	}
	out.PublicAddresses = append(out.PublicAddresses, c.w.clientVPNAddresses(g.VPC)...)
	c.b.InternetGateways = append(c.b.InternetGateways, out)
}
