package control

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane"
)

// EgressOnlyInternetGateway lets instances start IPv6 connections to the
// Internet, and nobody start one to them (R33).
type EgressOnlyInternetGateway struct {
	// VPC that it is attached to, for good.
	VPC string `json:"vpc"`

	Status EgressOnlyInternetGatewayStatus `json:"status" yaml:"-"`
}

// EgressOnlyInternetGatewayStatus is what AWS makes of an egress-only internet
// gateway.
type EgressOnlyInternetGatewayStatus struct {
	Identity
	State string `json:"state"` // "attached"
}

func (g *EgressOnlyInternetGateway) identity() *Identity { return &g.Status.Identity }

func (g *EgressOnlyInternetGateway) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("egressOnlyInternetGateways", name), "vpc"),
		value: g.VPC, set: func(s string) { g.VPC = s }, kinds: []string{"vpcs"},
		required: "write the VPC that the gateway belongs to",
	}}
}

func (g *EgressOnlyInternetGateway) computeStatus() { g.Status.State = "attached" }

// validate checks that the gateway has its VPC to itself: of several, the first by
// name is attached. AWS's words for it are not known; these follow QG1.
func (g *EgressOnlyInternetGateway) validate(v *validation, name string) {
	vpc := v.w.VPCs[g.VPC]
	if vpc == nil || vpc.Status.EgressOnlyInternetGateway == name {
		return
	}
	v.reportf(field(field("egressOnlyInternetGateways", name), "vpc"), "InvalidParameterValue",
		fmt.Sprintf("a VPC has one; %s is attached", vpc.Status.EgressOnlyInternetGateway),
		"Network %s already has an egress-only internet gateway attached", g.VPC)
}

func (g *EgressOnlyInternetGateway) compile(c *compilation, name string) {
	c.b.EgressOnlyInternetGateways = append(c.b.EgressOnlyInternetGateways, dataplane.EgressOnlyInternetGateway{
		Object: object(dataplane.KindEgressOnlyInternetGateway, name, g.Status.Identity),
		VPC:    dataplane.Handle(c.w.VPCs[g.VPC].Status.Handle),
	})
}
