package scenarios

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/endpoints.md about gateway endpoints, and what flow logs say of
// them.

// The addresses of S3 in us-east-1 and eu-west-1, and of DynamoDB.
const (
	s3Here      = "198.18.0.5"
	s3Here6     = "2001:db8:fe00::5"
	s3Elsewhere = "198.18.64.5"
	dynamoHere  = "198.18.4.5"
	byEndpoint  = "delivered to ge | p1 egress ACCEPT"
)

// endpointLab is natLab with endpoint ge for S3, dual-stack, on the table of p1's
// subnet, and a check that makes S3 of another Region exist.
func endpointLab(l natLab) string {
	return endpointsLab(l, "ge: {vpc: v, service: s3, routeTables: [prv], ipAddressType: dualstack}")
}

func endpointsLab(l natLab, endpoints string) string {
	return l.String() + "vpcEndpoints: {" + endpoints + "}\nchecks: [{from: p1, to: s3.eu-west-1, tcp: 443}]\n"
}

func TestGatewayEndpointSemantics(t *testing.T) {
	local := natLab{private: "{}"}
	acl := local
	acl.aclPrv = "egress: [{rule: 1, action: allow, protocol: tcp, ports: 443, cidr: 198.18.0.0/20}], ingress: []"
	toList := local
	toList.p = "ingress: [], egress: [{protocol: tcp, ports: 443, to: [com.amazonaws.us-east-1.s3, com.amazonaws.us-east-1.ipv6.s3]}]"
	get := step{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), want: byEndpoint, seen: "10.0.1.10 → 198.18.0.5"}
	none := "dropped at routeTable prv | p1 egress ACCEPT"

	play(t, []semanticsCase{
		{name: "E-C1 no endpoint, no route", only: control.IPv4, world: endpointsLab(local, ""), steps: []step{
			{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), want: none},
		}},
		{name: "E-C2 E5 the service sees the private address", only: control.IPv4, world: endpointLab(local), steps: []step{
			get, {from: "ge", reply: true, want: "delivered to p1 | p1 ingress ACCEPT", seen: "198.18.0.5 → 10.0.1.10"},
		}},
		{name: "E-C2 E8 dual-stack", only: control.IPv6, world: endpointLab(local), steps: []step{
			{from: "p1", to: s3Here6, msg: tcp(40000, 443, syn), want: byEndpoint, seen: "2001:db8:1:1::10 → " + s3Here6},
			{from: "ge", reply: true, want: "delivered to p1 | p1 ingress ACCEPT"},
		}},
		{name: "E8 without dualstack no route for IPv6", only: control.IPv6, world: endpointsLab(local, "ge: {vpc: v, service: s3, routeTables: [prv]}"), steps: []step{
			{from: "p1", to: s3Here6, msg: tcp(40000, 443, syn), want: none},
		}},
		{name: "E-C3 E3 an endpoint on another table", only: control.IPv4, world: endpointsLab(local, "ge: {vpc: v, service: s3, routeTables: [pub]}"), steps: []step{
			{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), want: none},
			{from: "web", to: s3Here, msg: tcp(40000, 443, syn), want: "delivered to ge | web egress ACCEPT", seen: "10.0.0.10 → 198.18.0.5"},
		}},
		{name: "E-C4 E4 a group with AWS's list", only: control.IPv4, world: endpointLab(toList), steps: []step{
			get,
			{from: "p1", to: "x", msg: tcp(40000, 443, syn), want: "dropped at securityGroup p | p1 egress REJECT"},
			{from: "p1", to: dynamoHere, msg: tcp(40000, 443, syn), want: "dropped at securityGroup p | p1 egress REJECT"},
		}},
		{name: "E-C5 a network ACL lets the request out and no answer in", only: control.IPv4, world: endpointLab(acl), steps: []step{
			get, {from: "ge", reply: true, want: "dropped at networkAcl prv rule * | p1 ingress REJECT"},
		}},
		{name: "E-C6 E2 the endpoint in the Region, the NAT gateway to another", only: control.IPv4, world: endpointLab(natLab{}), steps: []step{
			get,
			{from: "p1", to: s3Elsewhere, msg: tcp(40000, 443, syn), seen: "198.51.100.50 → 198.18.64.5",
				want: "delivered to s3.eu-west-1 | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
			{from: "p1", to: dynamoHere, msg: tcp(40000, 443, syn), seen: "198.51.100.50 → " + dynamoHere,
				want: "delivered to dynamodb.us-east-1 | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
		}},
		{name: "E-C7 RT-11 an exact static route beats the endpoint's, and a longer one", only: control.IPv4,
			world: endpointLab(natLab{private: `{0.0.0.0/0: nat, 198.18.0.0/22: nat}`}), steps: []step{
				{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), want: "delivered to s3.us-east-1", seen: "198.51.100.50 → 198.18.0.5"},
				{world: endpointLab(natLab{private: `{0.0.0.0/0: nat, 198.18.0.5/32: nat}`})},
				{from: "p1", to: s3Here, msg: tcp(40001, 443, syn), want: "delivered to s3.us-east-1", seen: "198.51.100.50 → 198.18.0.5"},
				{world: endpointLab(natLab{})}, get,
			}},
		{name: "E6 another way ends at another place", only: control.IPv4, world: endpointsLab(natLab{}, ""), steps: []step{
			{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), want: "delivered to s3.us-east-1"},
			{world: endpointLab(natLab{})},
			{from: "p1", to: s3Here, msg: tcp(40000, 443, ack), want: byEndpoint, seen: "10.0.1.10 → 198.18.0.5"},
			{world: endpointsLab(natLab{}, "")},
			{wait: idle, from: "p1", to: s3Here, msg: tcp(40000, 443, ack), want: "dropped at natGateway nat, answered"},
		}},
		{name: "E11 R9 through the NAT gateway's subnet", only: control.IPv4, world: endpointsLab(natLab{}, "ge: {vpc: v, service: s3, routeTables: [pub]}"), steps: []step{
			{from: "p1", to: s3Here, msg: tcp(40000, 443, syn), seen: "10.0.0.50 → 198.18.0.5",
				want: "delivered to ge | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
			{from: "ge", reply: true, want: backByNAT},
		}},
		{name: "E1 both services on one table", only: control.IPv4,
			world: endpointsLab(local, "ge: {vpc: v, service: s3, routeTables: [prv]}, gd: {vpc: v, service: dynamodb, routeTables: [prv, pub]}"), steps: []step{
				get, {from: "p1", to: dynamoHere, msg: tcp(40000, 443, syn), want: "delivered to gd | p1 egress ACCEPT"},
			}},
	})
}

// peered is VPC b behind a peering or a transit gateway with VPC a, which has the
// endpoint.
func TestGatewayEndpointServesItsOwnVPC_EC8(t *testing.T) {
	endpoint := "vpcEndpoints: {ge: {vpc: a, service: s3, routeTables: [a, a-t1, a-t2]}}\n"
	const toS3 = "198.18.0.0/22: "
	play(t, []semanticsCase{
		{name: "E-C8 E7 a peer", only: control.IPv4,
			world: joined{vpcs: 2, routes: map[string]string{"a": "$B: ab", "b": "$A: ab, " + toS3 + "ab", "a-t1": "", "a-t2": ""},
				more: "vpcPeerings: {ab: {vpc: a, peerVpc: b}}\n" + endpoint}.String(), steps: []step{
				{from: "b1", to: s3Here, msg: tcp(40000, 443, syn), want: "dropped at vpcPeering ab | b1 egress ACCEPT"},
				{from: "a1", to: s3Here, msg: tcp(40000, 443, syn), want: "delivered to ge | a1 egress ACCEPT"},
			}},
		{name: "E7 a VPC behind a transit gateway", only: control.IPv4,
			world: joined{vpcs: 2, routes: map[string]string{"a": "$B: hub", "b": toS3 + "hub", "a-t1": "$B: hub", "a-t2": "$B: hub"},
				more: strings.ReplaceAll(`transitGateways: {hub: {}}
transitGatewayAttachments:
  A: {transitGateway: hub, vpc: a, subnets: [a-t1, a-t2]}
  B: {transitGateway: hub, vpc: b, subnets: [b-t1, b-t2]}
transitGatewayRouteTables: {hub/default: {routes: {198.18.0.0/22: A}}}
`, "\t", "  ") + endpoint}.String(), steps: []step{
				{from: "b1", to: s3Here, msg: tcp(40000, 443, syn), want: "dropped at vpcEndpoint ge | b1 egress ACCEPT"},
			}},
	})
}

func TestGatewayEndpointIsNoWayForASite_E7(t *testing.T) {
	world := vpn{}.String() + "vpcEndpoints: {ge: {vpc: v, service: s3, routeTables: [prv, pub]}}\n"
	play(t, []semanticsCase{{name: "K-C17 E7 a site", only: control.IPv4, world: world, steps: []step{
		{tunnels: tunnels{"office/1": learns("10.50.0.0/16 65001")}},
		{by: "office/1", from: "desk", to: s3Here, msg: tcp(40000, 443, syn), want: atGateway},
	}}})
}

func TestFlowLogsOfAGatewayEndpoint_FC14(t *testing.T) {
	const format = `format: "${version} ${interface-id} ${flow-direction} ${traffic-path} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${dstaddr}"`
	playFlowLogs(t, []flowLogCase{
		{
			name: "F-C14 E10 path 7 and the service's name", only: control.IPv4,
			world: endpointLab(natLab{private: "{}"}) + "flowLogs: {v: {vpc: v, " + format + "}}\n",
			steps: []flowStep{{from: "p1", to: s3Here, msg: tcp(40000, 443, syn)}, {from: "ge", reply: true}},
			want:  []string{"5 p1 egress 7 - S3 198.18.0.5", "5 p1 ingress - S3 - 10.0.1.10"},
		},
		{
			name: "F-C14 over IPv6", only: control.IPv6,
			world: endpointLab(natLab{private: "{}"}) + "flowLogs: {v: {vpc: v, " + format + "}}\n",
			steps: []flowStep{{from: "p1", to: s3Here6, msg: tcp(40000, 443, syn)}, {from: "ge", reply: true}},
			want:  []string{"5 p1 egress 7 - S3 " + s3Here6, "5 p1 ingress - S3 - 2001:db8:1:1::10"},
		},
		{
			name: "F-C14 DynamoDB, and the NAT gateway's own interface (E11)", only: control.IPv4,
			world: endpointsLab(natLab{}, "gd: {vpc: v, service: dynamodb, routeTables: [pub]}") + "flowLogs: {v: {vpc: v, " + format + "}}\n",
			steps: []flowStep{{from: "p1", to: dynamoHere, msg: tcp(40000, 443, syn)}},
			want:  []string{"5 p1 egress 1 - DYNAMODB 198.18.4.5", "5 nat ingress - - DYNAMODB 10.0.0.50", "5 nat egress 7 - DYNAMODB 198.18.4.5"},
		},
	})
}
