package scenarios

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/endpoints.md about interface endpoints and PrivateLink, and what
// flow logs say of them.

// provided adds to a world with VPC v an endpoint service kv in VPC prov, which has
// v's own block: target t1 at 10.0.1.10 behind load balancer node 10.0.1.50. Endpoint ie
// is at 10.0.1.200 of v's subnet prv, with the given fields and rules of its group.
func provided(world, fields, rules string) string {
	for _, part := range [][2]string{
		{"vpcs: {", `vpcs: {prov: {cidr: 10.0.0.0/16, ipv6: "2001:db8:9::/56"}, `},
		{"subnets:\n", "subnets:\n  prov: {vpc: prov, cidr: 10.0.1.0/24, ipv6: \"2001:db8:9:1::/64\"}\n"},
		{"securityGroups: {", "securityGroups: {prov: {vpc: prov, " + everythingIn + "}, ie: {vpc: v, " + rules + "}, "},
		{"securityGroups:\n", "securityGroups:\n  prov: {vpc: prov, " + everythingIn + "}\n  ie: {vpc: v, " + rules + "}\n"},
		{"instances:\n", "instances:\n  t1: {subnet: prov, ip: 10.0.1.10, ipv6: \"2001:db8:9:1::10\", securityGroups: [prov]}\n"},
	} {
		world = strings.Replace(world, part[0], part[1], 1)
	}
	if fields != "" {
		fields = ", " + fields
	}
	return world + `
targetGroups: {kv: {vpc: prov, port: 443, targets: [t1]}}
loadBalancers: {nlb: {subnets: [prov], privateIps: {prov: 10.0.1.50}, ipAddressType: dualstack, listeners: [{port: 443, targetGroup: kv}]}}
vpcEndpointServices: {kv: {loadBalancers: [nlb], acceptanceRequired: false, allowedPrincipals: ["*"]}}
vpcEndpoints: {ie: {vpc: v, service: kv, subnets: [prv], privateIps: {prv: 10.0.1.200}, securityGroups: [ie], ipAddressType: dualstack` + fields + "}}\n"
}

func TestInterfaceEndpointSemantics(t *testing.T) {
	const fromP, all = "ingress: [{protocol: tcp, ports: 443, from: p}]", everythingIn
	get := step{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "delivered to t1 | p1 egress ACCEPT, t1 ingress ACCEPT", seen: "10.0.1.50 → 10.0.1.10"}
	answer := step{from: "t1", reply: true, want: "delivered to p1 | t1 egress ACCEPT, p1 ingress ACCEPT", seen: "10.0.1.200 → 10.0.1.10"}

	play(t, []semanticsCase{
		{name: "E-C15 E13 S50 the group of the endpoint", only: control.IPv4, world: provided(natLab{}.String(), "", fromP), steps: []step{
			get, answer,
			{from: "app", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "dropped at securityGroup ie | app egress ACCEPT"},
			{from: "p1", to: "10.0.1.200", msg: tcp(40001, 444, syn), want: "dropped at securityGroup ie | p1 egress ACCEPT"},
		}},
		{name: "E-C16 E14 no ping, whatever the group says", only: control.IPv4, world: provided(natLab{}.String(), "", all), steps: []step{
			{from: "p1", to: "10.0.1.200", msg: ping(), want: "dropped at vpcEndpoint ie | p1 egress ACCEPT"},
		}},
		{name: "E-C17 E16 pending, accepted, rejected", only: control.IPv4, world: provided(natLab{}.String(), "state: pendingAcceptance", all), steps: []step{
			{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "dropped at vpcEndpoint ie | p1 egress ACCEPT"},
			{world: provided(natLab{}.String(), "state: available", all)}, get, answer,
			{world: provided(natLab{}.String(), "state: rejected", all)},
			{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, ack), want: "dropped at vpcEndpoint ie | p1 egress ACCEPT"},
			{from: "t1", to: "10.0.1.50", msg: tcp(443, 1, ack), want: "dropped at loadBalancer nlb | t1 egress ACCEPT"},
		}},
		{name: "E-C18 E18 E19 overlapping blocks", only: control.IPv4, world: provided(natLab{}.String(), "", all), steps: []step{get, answer}},
		{name: "E-C18 over IPv6, from another subnet", only: control.IPv6, world: provided(natLab{}.String(), "", all), steps: []step{
			{from: "web", to: "2001:db8:1:1::4", msg: tcp(40000, 443, syn), want: "delivered to t1 | web egress ACCEPT, t1 ingress ACCEPT", seen: "2001:db8:9:1::4 → 2001:db8:9:1::10"},
			{from: "t1", reply: true, want: "delivered to web | t1 egress ACCEPT, web ingress ACCEPT", seen: "2001:db8:1:1::4 → 2001:db8:1::10"},
		}},
		{name: "E-C19 E15 the provider reaches nobody", only: control.IPv4, world: provided(natLab{}.String(), "", all), steps: []step{
			{from: "t1", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "dropped at subnet prov"},
			{from: "t1", to: "10.0.2.10", msg: tcp(40000, 443, syn), want: "dropped at vpc prov | t1 egress ACCEPT"},
			{from: "t1", to: "10.0.1.50", msg: tcp(40000, 443, syn), want: "dropped at loadBalancer nlb | t1 egress ACCEPT"},
		}},
		{name: "E13 S43 the network ACL of the endpoint's subnet", only: control.IPv4,
			world: provided(natLab{aclPrv: "ingress: [{rule: 90, action: deny, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}, $all], egress: [$all]"}.String(), "", all), steps: []step{
				get, // never left its subnet
				{from: "web", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "dropped at networkAcl prv rule 90 | web egress ACCEPT"},
			}},
		{name: "idle for 350 s: a reset", only: control.IPv4, world: provided(natLab{}.String(), "", all), steps: []step{
			get, answer,
			{wait: idle, from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, ack), want: "dropped at networkInterface ie/prv, answered", seen: "10.0.1.200 → 10.0.1.10"},
		}},
	})
}

func TestInterfaceEndpointFromASite_EC21(t *testing.T) {
	world := provided(vpn{}.String(), "", "ingress: [{protocol: tcp, ports: 443, from: 10.50.0.0/16}]")
	play(t, []semanticsCase{{name: "E-C21 E21 a site by VPN", only: control.IPv4, world: world, steps: []step{
		{tunnels: tunnels{"office/1": learns("10.50.0.0/16 65001")}},
		{by: "office/1", from: "desk", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "delivered to t1 | t1 ingress ACCEPT"},
		{from: "t1", reply: true, want: "delivered to desk by office/1 | t1 egress ACCEPT", seen: "10.0.1.200 → 10.50.1.9"},
		{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, syn), want: "dropped at securityGroup ie | p1 egress ACCEPT"},
	}}})
}

func TestFlowLogsOfAnInterfaceEndpoint_FC21(t *testing.T) {
	const format = `format: "${interface-id} ${interface-type} ${flow-direction} ${srcaddr} ${dstaddr} ${traffic-path} ${action}"`
	logs := "flowLogs: {v: {vpc: v, " + format + "}, prov: {vpc: prov, " + format + "}}\n"
	playFlowLogs(t, []flowLogCase{
		{
			name: "F-C21 E26 the client and the target are logged, not what is between", only: control.IPv4,
			world: provided(natLab{}.String(), "", everythingIn) + logs,
			steps: []flowStep{{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, syn)}, {from: "t1", reply: true}},
			want: []string{
				"t1 - ingress 10.0.1.50 10.0.1.10 - ACCEPT",
				"t1 - egress 10.0.1.10 10.0.1.50 1 ACCEPT",
				"nlb/prov network_load_balancer egress 10.0.1.50 10.0.1.10 1 ACCEPT",
				"nlb/prov network_load_balancer ingress 10.0.1.10 10.0.1.50 - ACCEPT",
				"p1 - egress 10.0.1.10 10.0.1.200 1 ACCEPT",
				"p1 - ingress 10.0.1.200 10.0.1.10 - ACCEPT",
				"ie/prv vpc_endpoint ingress 10.0.1.10 10.0.1.200 - ACCEPT",
				"ie/prv vpc_endpoint egress 10.0.1.200 10.0.1.10 1 ACCEPT",
			},
		},
		{
			name: "F-C21 E13 refused by the endpoint's group", only: control.IPv4,
			world: provided(natLab{}.String(), "", nothingIn) + logs,
			steps: []flowStep{{from: "p1", to: "10.0.1.200", msg: tcp(40000, 443, syn)}},
			want:  []string{"p1 - egress 10.0.1.10 10.0.1.200 1 ACCEPT", "ie/prv vpc_endpoint ingress 10.0.1.10 10.0.1.200 - REJECT"},
		},
	})
}
