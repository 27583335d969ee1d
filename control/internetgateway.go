package control

import "fmt"

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
}

func (g *InternetGateway) identity() *Identity { return &g.Status.Identity }

func (g *InternetGateway) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("internetGateways", name), "vpc"),
		value: g.VPC, set: func(s string) { g.VPC = s }, kinds: []string{"vpcs"},
	}}
}

func (g *InternetGateway) computeStatus() {
	g.Status.State = "attached"
	if g.VPC == "" {
		g.Status.State = "detached"
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
