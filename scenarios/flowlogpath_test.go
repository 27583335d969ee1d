package scenarios

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// The cases of semantics/flowlogs.md about gateways: what their interfaces log,
// and by which path packets left.

const logNAT = "flowLogs: {nat: {networkInterface: nat, " + natFormat + "}, p1: {networkInterface: p1, " + natFormat + "}}\n"

const natFormat = `format: "${interface-id} ${instance-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}"`

func TestFlowLogsOfANATGateway(t *testing.T) {
	playFlowLogs(t, []flowLogCase{
		{
			name:  "F-C12 F6 FL-07 a request and its answer",
			world: natLab{}.String() + logNAT,
			only:  control.IPv4,
			steps: []flowStep{{from: "p1", to: "x", msg: udp(40000, 53)}, {from: "x", reply: true}},
			want: []string{
				"nat - 10.0.1.10 10.0.0.50 10.0.1.10 $x",
				"nat - 10.0.0.50 $x 10.0.0.50 $x",
				"nat - $x 10.0.0.50 $x 10.0.0.50",
				"nat - 10.0.0.50 10.0.1.10 $x 10.0.1.10",
				"p1 p1 10.0.1.10 $x 10.0.1.10 $x",
				"p1 p1 $x 10.0.1.10 $x 10.0.1.10",
			},
		},
		{
			name:  "F-C12 what it refuses was accepted at its interface",
			world: natLab{}.String() + `flowLogs: {nat: {networkInterface: nat, format: "${interface-id} ${interface-type} ${flow-direction} ${traffic-path} ${action}"}}`,
			only:  control.IPv4,
			steps: []flowStep{{from: "x", to: "198.51.100.50", msg: tcp(1, 80, syn)}, {from: "p1", to: "x", msg: udp(1, 53)}},
			want:  []string{"nat nat_gateway ingress - ACCEPT", "nat nat_gateway ingress - ACCEPT", "nat nat_gateway egress 8 ACCEPT"},
		},
		{
			name:  "R49 a network ACL before it",
			world: natLab{aclPub: `ingress: [], egress: [$all]`}.String() + `flowLogs: {v: {vpc: v, ` + pathFormat + `}}`,
			only:  control.IPv4,
			steps: []flowStep{{from: "p1", to: "x", msg: udp(1, 53)}},
			want:  []string{"p1 egress 1 ACCEPT", "nat ingress - REJECT"},
		},
		{
			name:  "R54 NAT64",
			world: natLab{}.String() + `flowLogs: {v: {vpc: v, format: "${interface-id} ${type} ${srcaddr} ${dstaddr} ${bytes} ${next-hop-interface-id} ${next-hop-interface-type}"}}`,
			only:  control.IPv6,
			steps: []flowStep{{from: "h6", to: "64:ff9b::203.0.113.5", msg: udp(1, 53)}},
			want: []string{
				"h6 IPv6 2001:db8:1:6::10 64:ff9b::cb00:7105 53 nat nat_gateway",
				"nat IPv6 2001:db8:1:6::10 64:ff9b::cb00:7105 53 - -",
				"nat IPv4 10.0.0.50 203.0.113.5 33 - -",
			},
		},
	})
}

func TestFlowLogsOfPathsOutOfAVPC(t *testing.T) {
	const services = `format: "${interface-id} ${flow-direction} ${traffic-path} ${pkt-src-aws-service} ${pkt-dst-aws-service}"`
	playFlowLogs(t, []flowLogCase{
		{
			name:  "F-C13 an Elastic IP never shows, and path 8",
			world: logging(fixture{i1: "publicIp: 198.51.100.7"}, `i1: {networkInterface: i1, format: "${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${traffic-path}"}`),
			steps: []flowStep{{from: "x", to: "eip:i1", msg: udp(1, 2)}, {from: "i1", reply: true}},
			want:  []string{"$x $i1 $x $i1 -", "$i1 $x $i1 $x 8"},
		},
		{
			name: "FL-09 the name of a service",
			world: logging(fixture{i1: "publicIp: true", more: "internetHosts: {x: {ip: 52.95.128.179, ipv6: \"2600:1fa0:8000::5\"}}\n"},
				"i1: {networkInterface: i1, "+services+"}"),
			steps: []flowStep{{from: "i1", to: "x", msg: udp(1, 2)}, {from: "x", reply: true}},
			want:  []string{"i1 egress 8 - S3", "i1 ingress - S3 -"},
		},
		{
			name:  "F-C15 the egress-only gateway has no number",
			world: natLab{}.String() + "flowLogs: {p1: {networkInterface: p1, " + pathFormat + "}}",
			only:  control.IPv6,
			steps: []flowStep{{from: "p1", to: "x", msg: udp(1, 2)}},
			want:  []string{"p1 egress - ACCEPT"},
		},
		{
			name: "F-C15 path 4, peering",
			world: joined{vpcs: 2, routes: map[string]string{"a": `$B: ab`, "b": `$A: ab`}, more: "vpcPeerings: {ab: {vpc: a, peerVpc: b}}\n" +
				"flowLogs: {a: {vpc: a, " + pathFormat + "}, b: {vpc: b, " + pathFormat + "}}\n"}.String(),
			steps: []flowStep{{from: "a1", to: "b1", msg: udp(1, 2)}},
			want:  []string{"a1 egress 4 ACCEPT", "b1 ingress - ACCEPT"},
		},
		{
			name: "F-C15 path 5, peering between Regions",
			world: joined{vpcs: 2, regions: map[string]string{"b": "eu-west-1"}, routes: map[string]string{"a": `$B: ab`, "b": `$A: ab`},
				more: "vpcPeerings: {ab: {vpc: a, peerVpc: b}}\n" +
					`flowLogs: {a: {vpc: a, ` + pathFormat + `}, b: {vpc: b, format: "${interface-id} ${region} ${az-id} ${flow-direction}"}}`}.String(),
			steps: []flowStep{{from: "a1", to: "b1", msg: udp(1, 2)}},
			want:  []string{"a1 egress 5 ACCEPT", "b1 eu-west-1 euw1-az1 ingress"},
		},
		{
			name:  "F-C10 what a middlebox passes on bears its own address",
			world: logging(fixture{i1: "sourceDestCheck: false"}, "i1: {networkInterface: i1, "+packetFormat+"}"),
			only:  control.IPv4,
			steps: []flowStep{{from: "i1", to: "i3", msg: message{src: netip.MustParseAddr("192.0.2.1"), proto: 17, srcPort: 1, dstPort: 2, payload: []byte("x")}}},
			want:  []string{"i1 $i1 $i3 192.0.2.1 $i3"},
		},
		{
			name:  "F-C6 F-C7 the resolver, instance metadata and time, and a name server of one's own",
			world: logging(fixture{}, "v: {vpc: v, "+flowFormat+"}"),
			only:  control.IPv4,
			steps: []flowStep{
				{from: "i1", to: "10.0.0.2", msg: udp(5353, 53)},
				{from: "i1", to: "169.254.169.253", msg: udp(5353, 53)},
				{from: "i1", to: "169.254.169.254", msg: tcp(5000, 80, syn)},
				{from: "i1", to: "169.254.169.123", msg: udp(123, 123)},
				{from: "i1", to: "i3", msg: udp(5353, 53)},
			},
			want: []string{"i1 $i1 $i3 5353 53 0 ACCEPT", "i3 $i1 $i3 5353 53 0 ACCEPT"},
		},
	})
}

func TestFlowLogsOfATransitGateway(t *testing.T) {
	const losses = `format: "${tgw-attachment-id} ${tgw-pair-attachment-id} ${flow-direction} ${packets} ${packets-lost-no-route} ${packets-lost-blackhole} ${packets-lost-mtu-exceeded} ${packets-lost-ttl-expired}"`
	world := func(lab transit, logs string) string {
		return joined{vpcs: 2, routes: viaHub("a", "b"), more: lab.String() + "flowLogs: {" + logs + "}\n"}.String()
	}
	blackhole := hub("a", "b")
	blackhole.gateways["hub"] = "defaultRouteTableAssociation: false, defaultRouteTablePropagation: false"
	blackhole = blackhole.with("rt1", `transitGateway: hub, associations: [hub-a, hub-b], propagations: [hub-a], routes: {$B: blackhole}`)
	lastHop := udp(1, 2)
	lastHop.ttl = 1
	playFlowLogs(t, []flowLogCase{
		{
			name:  "F-C19 T8 a blackhole, and no route",
			world: world(blackhole, "hub: {transitGateway: hub, "+losses+"}, a: {vpc: a, "+pathFormat+"}"),
			steps: []flowStep{{from: "a1", to: "b1", msg: udp(1, 2), count: 5}, {from: "b1", to: "10.99.0.1", msg: udp(1, 2)}},
			only:  control.IPv4,
			want: []string{
				"a1 egress 1 ACCEPT",
				"hub-a/a-t1 ingress - ACCEPT",
				"hub-a - ingress 5 0 5 0 0",
				"hub-b - ingress 1 1 0 0 0",
			},
		},
		{
			name:  "both attachments of a flow, and the gateway's interfaces (FL-08)",
			world: world(hub("a", "b"), `hub: {transitGateway: hub, `+losses+`}, a: {vpc: a, `+packetFormat+`}, b: {vpc: b, `+packetFormat+`}`),
			only:  control.IPv4,
			steps: []flowStep{{from: "a1", to: "b1", msg: udp(1, 2)}, {from: "b1", reply: true}},
			want: []string{
				"a1 10.0.1.10 10.1.1.10 10.0.1.10 10.1.1.10",
				"a1 10.1.1.10 10.0.1.10 10.1.1.10 10.0.1.10",
				"hub-a/a-t1 10.0.1.10 10.0.81.4 10.0.1.10 10.1.1.10",
				"hub-a/a-t1 10.0.81.4 10.0.1.10 10.1.1.10 10.0.1.10",
				"b1 10.0.1.10 10.1.1.10 10.0.1.10 10.1.1.10",
				"b1 10.1.1.10 10.0.1.10 10.1.1.10 10.0.1.10",
				"hub-b/b-t1 10.1.81.4 10.1.1.10 10.0.1.10 10.1.1.10",
				"hub-b/b-t1 10.1.1.10 10.1.81.4 10.1.1.10 10.0.1.10",
				"hub-a hub-b ingress 1 0 0 0 0",
				"hub-a hub-b egress 1 0 0 0 0",
				"hub-b hub-a egress 1 0 0 0 0",
				"hub-b hub-a ingress 1 0 0 0 0",
			},
		},
		{
			name:  "one attachment, its default format",
			world: world(hub("a", "b"), `a: {transitGatewayAttachment: hub-a}`),
			only:  control.IPv4,
			steps: []flowStep{{from: "a1", to: "b1", msg: tcp(40000, 443, syn)}},
			want: []string{"6 TransitGateway acct hub hub-a acct acct a b a-t1 b-t1 hub-a/a-t1 hub-b/b-t1 use1-az1 use1-az1 hub-b " +
				"10.0.1.10 10.1.1.10 40000 443 6 1 40 0 0 OK IPv4 0 0 0 0 2 us-east-1 ingress - -"},
		},
		{
			name:  "T20 A32 what is too large, and what has no hop left",
			world: world(hub("a", "b"), "a: {transitGatewayAttachment: hub-a, "+losses+"}"),
			only:  control.IPv4,
			steps: []flowStep{{from: "a1", to: "b1", msg: large(8600, control.IPv4, true)}, {from: "a1", to: "b1", msg: lastHop}},
			want:  []string{"hub-a - ingress 1 0 0 1 0", "hub-a - ingress 1 0 0 0 1"},
		},
	})
}
