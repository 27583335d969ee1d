package scenarios

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/connectivity.md section 1 and the worked examples PX-*: VPC
// peering.

func TestPeeringSemantics(t *testing.T) {
	oneWay := joined{vpcs: 2, more: peered("ab"), routes: map[string]string{"a": to("ab", "b")}}
	bothWays := oneWay
	bothWays.routes = map[string]string{"a": to("ab", "b"), "b": to("ab", "a")}
	inState := func(state string) string {
		w := bothWays
		w.more = peered("ab " + state)
		return w.String()
	}
	spokes := joined{vpcs: 3, more: peered("ab", "ac"), routes: map[string]string{
		"a": to("ab", "b") + ", " + to("ac", "c"), "b": toPrivate("ab"), "c": toPrivate("ac"),
	}}
	parts := joined{vpcs: 3, more: peered("ab", "ac"), routes: map[string]string{
		"a": to("ab", "b") + ", " + to("ac", "c"),
		"b": `10.0.1.0/24: ab, "2001:db8:a0:1::/64": ab`, "c": `10.0.2.0/24: ac, "2001:db8:a0:2::/64": ac`,
	}}
	mesh := joined{vpcs: 3, only4: "c", more: peered("ab", "ac", "bc"), routes: map[string]string{
		"a": to("ab", "b") + ", 10.2.0.0/16: ac", "b": to("ab", "a") + ", 10.2.0.0/16: bc", "c": "10.0.0.0/16: ac, 10.1.0.0/16: bc",
	}}
	regions := bothWays
	regions.regions = map[string]string{"b": "eu-west-1"}
	acl := bothWays
	acl.acls = map[string]string{"b-1": "ingress: [{rule: 90, action: deny, protocol: tcp, ports: 22, cidr: $A}, " + allowAll + "], egress: [" + allowAll + "]"}
	acl.routes = map[string]string{"a": to("ab", "b"), "b": ""}

	const blackhole = "dropped at routeTable a | a1 egress ACCEPT"
	play(t, []semanticsCase{
		{name: "K-C1 only one side has a route", world: oneWay.String(), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: "dropped at routeTable b | b1 egress ACCEPT"},
		}},
		{name: "PX-1 two VPCs, and one route goes", world: bothWays.String(), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{from: "b1", to: "a1", msg: tcp(40000, 80, syn), want: fromBToA},
			{from: "a1", reply: true, want: fromAToB},
			{world: oneWay.String()},
			{from: "a1", to: "b1", msg: tcp(40001, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: "dropped at routeTable b | b1 egress ACCEPT"},
			{from: "b1", to: "a1", msg: tcp(40001, 80, syn), want: "dropped at routeTable b | b1 egress ACCEPT"},
		}},
		{name: "P14 between Regions all is the same", world: regions.String(), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{from: "a1", to: "b2", msg: ping(), want: "delivered to b2 | a1 egress ACCEPT, b2 ingress ACCEPT"},
		}},
		{name: "K-C2 PX-2 spoke to spoke over the hub", world: spokes.String(), steps: []step{
			{from: "b1", to: "a1", msg: ping(), want: fromBToA},
			{from: "a1", reply: true, want: fromAToB},
			{from: "c1", to: "a1", msg: ping(), want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "b1", to: "c1", msg: ping(), want: "dropped at vpcPeering ab | b1 egress ACCEPT"},
			{from: "c1", to: "b1", msg: ping(), want: "dropped at vpcPeering ac | c1 egress ACCEPT"},
		}},
		{name: "PX-2 spoke to spoke without a route", world: parts.String(), steps: []step{
			{from: "b1", to: "c1", msg: ping(), want: "dropped at routeTable b | b1 egress ACCEPT"},
		}},
		{name: "PX-3 full mesh, one VPC without IPv6", world: mesh.String(), only: control.IPv4, steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "b1", to: "c1", msg: ping(), want: fromBToC},
			{from: "c1", reply: true, want: fromCToB},
			{from: "c1", to: "a1", msg: ping(), want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
		}},
		{name: "PX-3 full mesh, IPv6 on two", world: mesh.String(), only: control.IPv6, steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{from: "a1", to: "2001:db8:a2:1::10", msg: ping(), want: "dropped at routeTable a | a1 egress ACCEPT"},
		}},
		{name: "PX-4 routes to single subnets", world: parts.String(), steps: []step{
			{from: "b1", to: "a1", msg: ping(), want: fromBToA},
			{from: "a1", reply: true, want: fromAToB},
			{from: "b1", to: "a2", msg: ping(), want: "dropped at routeTable b | b1 egress ACCEPT"},
			{from: "c1", to: "a2", msg: ping(), want: "delivered to a2 | c1 egress ACCEPT, a2 ingress ACCEPT"},
			{from: "a2", reply: true, want: "delivered to c1 | a2 egress ACCEPT, c1 ingress ACCEPT"},
			{from: "c1", to: "a1", msg: ping(), want: "dropped at routeTable c | c1 egress ACCEPT"},
		}},
		{name: "PX-8 R20 traffic flows only while the peering is active", world: inState("pending-acceptance"), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: blackhole},
			{world: inState("active")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{from: "a1", reply: true, msg: message{flags: ack}, want: fromAToB},
			{world: inState("deleted")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: blackhole},
			{from: "b1", to: "a1", msg: tcp(80, 40000, ack), want: "dropped at routeTable b | b1 egress ACCEPT"},
			{world: inState("active")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: fromAToB},
			{world: inState("rejected")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: blackhole},
			{world: inState("expired")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: blackhole},
		}},
		{name: "P8 the peer's route table does not deliver, its network ACL filters", world: acl.String(), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "a1", to: "b1", msg: tcp(40000, 22, syn), want: "dropped at networkAcl b-1 rule 90 | a1 egress ACCEPT, b1 ingress REJECT"},
		}},
		{name: "P8 P9 what a transit gateway brings to the peer goes no further", world: joined{
			vpcs: 3, more: peered("ab") + hub("a", "c").with("hub/default", "routes: {"+to("hub-a", "b")+"}").String(),
			routes: map[string]string{"a": to("ab", "b") + ", " + to("hub", "c"), "b": toPrivate("ab"), "c": toPrivate("hub")},
		}.String(), steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "c1", to: "a1", msg: ping(), want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "c1", to: "b1", msg: ping(), want: "dropped at vpcPeering ab | c1 egress ACCEPT"},
			{from: "b1", to: "c1", msg: ping(), want: "dropped at vpcPeering ab | b1 egress ACCEPT"},
		}},
		{name: "P8 to an address of the peer that nobody has", world: bothWays.String(), steps: []step{
			{from: "a1", to: "10.1.1.99", msg: ping(), want: "dropped at vpc b | a1 egress ACCEPT"},
			{from: "a1", to: "2001:db8:a1:1::99", msg: ping(), want: "dropped at vpc b | a1 egress ACCEPT"},
		}},
	})
}

// S-C24, S10, S12: references to a group of the peer. While the peering is gone
// its packets come by a transit gateway, which carries no references here.
func TestS_C24ReferenceToAPeersGroup(t *testing.T) {
	world := func(state, by string) string {
		return joined{
			vpcs: 2, more: peered("ab "+state) + hub("a", "b").String(),
			routes: map[string]string{"a": to(by, "b"), "b": to(by, "a")},
			groups: map[string]string{"b": "ingress: [{protocol: tcp, ports: 22, from: a}]"},
		}.String()
	}
	play(t, []semanticsCase{
		{name: "S-C24 the peering goes and comes back", world: world("active", "ab"), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 22, syn), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{world: world("deleted", "hub")},
			{from: "a1", to: "b1", msg: tcp(40001, 22, syn), want: "dropped at securityGroup b | a1 egress ACCEPT, b1 ingress REJECT"},
			{world: world("active", "ab")},
			{from: "a1", to: "b1", msg: tcp(40002, 22, syn), want: fromAToB},
			{from: "a2", to: "b2", msg: tcp(40002, 22, syn), want: "delivered to b2 | a2 egress ACCEPT, b2 ingress ACCEPT"},
		}},
	})
}

// sameBlock is a with two peers that have the same blocks, b1 and c1 with the same
// addresses, and in c one more.
func sameBlock(routesOfA string) string {
	return strings.NewReplacer("%routes", routesOfA, "%open", everythingIn).Replace(`
vpcs:
  a: {cidr: 10.9.0.0/16, ipv6: "2001:db8:9::/56"}
  b: {cidr: 10.0.0.0/16, ipv6: "2001:db8:5::/56"}
  c: {cidr: 10.0.0.0/16, ipv6: "2001:db8:6::/56"}
vpcPeerings: {ab: {vpc: a, peerVpc: b}, ac: {vpc: a, peerVpc: c}}
routeTables:
  a: {vpc: a, main: true, routes: {%routes}}
  b: {vpc: b, main: true, routes: {10.9.0.0/16: ab}}
  c: {vpc: c, main: true, routes: {10.9.0.0/16: ac}}
subnets:
  a: {vpc: a, cidr: 10.9.1.0/24, ipv6: "2001:db8:9:1::/64"}
  b: {vpc: b, cidr: 10.0.0.0/24, ipv6: "2001:db8:5:1::/64"}
  c: {vpc: c, cidr: 10.0.0.0/24, ipv6: "2001:db8:6:1::/64"}
securityGroups: {a: {vpc: a, %open}, b: {vpc: b, %open}, c: {vpc: c, %open}}
instances:
  a1: {subnet: a, ip: 10.9.1.10, securityGroups: [a]}
  b1: {subnet: b, ip: 10.0.0.77, securityGroups: [b]}
  c1: {subnet: c, ip: 10.0.0.77, securityGroups: [c]}
  c2: {subnet: c, ip: 10.0.0.88, securityGroups: [c]}
`)
}

// IPv6 blocks are unique, so this is about IPv4.
func TestPeersWithTheSameBlock(t *testing.T) {
	const toC = "delivered to c1 | a1 egress ACCEPT, c1 ingress ACCEPT"
	play(t, []semanticsCase{
		{name: "K-C4 P10 the answer follows the routes, into the wrong peer", only: control.IPv4, world: sameBlock("10.0.0.0/16: ac"), steps: []step{
			{from: "b1", to: "a1", msg: tcp(40000, 80, syn), want: fromBToA},
			{from: "a1", reply: true, want: toC},
			{from: "c1", to: "a1", msg: tcp(40001, 80, syn), want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "a1", reply: true, want: toC},
		}},
		{name: "PX-6 the longest prefix across peerings", only: control.IPv4, world: sameBlock("10.0.0.77/32: ab, 10.0.0.0/16: ac"), steps: []step{
			{from: "a1", to: "10.0.0.77", msg: ping(), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{from: "a1", to: "10.0.0.88", msg: ping(), want: "delivered to c2 | a1 egress ACCEPT, c2 ingress ACCEPT"},
			{from: "c2", reply: true, want: "delivered to a1 | c2 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "c1", to: "a1", msg: ping(), want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "a1", reply: true, want: fromAToB},
		}},
	})
}

// PX-9: seven VPCs, each peered with each.
func TestPX_9MeshOfSevenVPCs(t *testing.T) {
	const vpcs = 7
	j := joined{vpcs: vpcs, routes: map[string]string{}}
	var peerings []string
	for k := range vpcs {
		for m := range vpcs {
			pair := vpcName(min(k, m)) + vpcName(max(k, m))
			if k < m {
				peerings = append(peerings, pair)
			}
			if k != m {
				j.routes[vpcName(k)] += to(pair, vpcName(m)) + ", "
			}
		}
	}
	j.more = "quotas: {vpcsPerRegion: 7}\n" + peered(peerings...)
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, j.String())
		for k := range vpcs {
			for m := range vpcs {
				if from, to := vpcName(k)+"1", vpcName(m)+"1"; k != m {
					n.play(from+" "+to, step{from: from, to: to, msg: udp(40000, 53), want: "delivered to " + to})
					n.play("back", step{from: to, reply: true, want: "delivered to " + from})
				}
			}
		}
	}
}

// edges is VPC v with its gateways, peered with VPC w, whose routes lead there.
type edges struct {
	public, private string // routes of v's subnets
	peer            string // routes of w
}

func (e edges) String() string {
	return strings.NewReplacer("%public", e.public, "%private", e.private, "%peer", e.peer, "%open", everythingIn).Replace(`
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}, w: {cidr: 172.31.0.0/16, ipv6: "2001:db8:2::/56"}}
vpcPeerings: {vw: {vpc: v, peerVpc: w}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: pub, privateIp: 10.0.0.50, eip: 198.51.100.50}}
egressOnlyInternetGateways: {eigw: {vpc: v}}
routeTables:
  pub: {vpc: v, routes: {%public}}
  prv: {vpc: v, routes: {%private}}
  w:   {vpc: w, main: true, routes: {%peer}}
subnets:
  pub: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1::/64", routeTable: pub}
  prv: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: prv}
  w:   {vpc: w, cidr: 172.31.1.0/24, ipv6: "2001:db8:2:1::/64"}
securityGroups: {v: {vpc: v, %open}, w: {vpc: w, %open}, p: {vpc: v, ingress: []}}
instances:
  web: {subnet: pub, ip: 10.0.0.10, publicIp: 198.51.100.10, securityGroups: [v]}
  p1:  {subnet: prv, ip: 10.0.1.10, securityGroups: [p]}
  w1:  {subnet: w, ip: 172.31.1.10, ipv6: "2001:db8:2:1::10", securityGroups: [w]}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}}
`)
}

func TestPeeringAndTheGatewaysOfAVPC(t *testing.T) {
	const backToV = `10.0.0.0/16: vw, "2001:db8:1::/56": vw`
	private := edges{
		public: `0.0.0.0/0: igw, "::/0": igw, 172.31.0.0/16: vw`, private: `0.0.0.0/0: igw, "::/0": eigw, 172.31.0.0/16: vw`, peer: backToV,
	}
	routed := private
	routed.private += `, "2001:db8:2::/56": vw`
	throughNAT := edges{public: `0.0.0.0/0: igw, 172.31.0.0/16: vw`, private: `172.31.0.0/16: nat`}
	const byNAT, fromNAT = "p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, w1 ingress ACCEPT", "nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT"

	play(t, []semanticsCase{
		{name: "RT-01 local, peering and Internet gateway", only: control.IPv4, world: private.String(), steps: []step{
			{from: "web", to: "172.31.1.10", msg: ping(), want: "delivered to w1 | web egress ACCEPT, w1 ingress ACCEPT"},
			{from: "web", to: "10.0.1.10", msg: ping(), want: "dropped at securityGroup p | web egress ACCEPT, p1 ingress REJECT"},
			{from: "web", to: "203.0.113.5", msg: ping(), want: "delivered to x | web egress ACCEPT"},
		}},
		{name: "RT-03 IPv6 takes no peering that only IPv4 has a route to", only: control.IPv6, world: private.String(), steps: []step{
			{from: "p1", to: "172.31.1.10", msg: ping(), want: "delivered to w1 | p1 egress ACCEPT, w1 ingress ACCEPT"},
			{from: "p1", to: "x", msg: ping(), want: "delivered to x | p1 egress ACCEPT"},
			{from: "p1", to: "w1", msg: ping(), want: "dropped at internet | p1 egress ACCEPT"},
			{world: routed.String()},
			{from: "p1", to: "w1", msg: ping(), want: "delivered to w1 | p1 egress ACCEPT, w1 ingress ACCEPT"},
		}},
		{name: "R-C18 P9 the peer's gateways cannot be used", world: edges{public: toAll("igw"), private: toAll("igw"), peer: toAll("vw")}.String(), steps: []step{
			{from: "w1", to: "x", msg: ping(), want: "dropped at vpcPeering vw | w1 egress ACCEPT"},
			{from: "w1", to: "x", msg: tcp(40000, 443, syn), want: "dropped at vpcPeering vw | w1 egress ACCEPT"},
		}},
		{name: "R46 nor its NAT gateway, addressed or not", only: control.IPv4, world: edges{public: toAll("igw"), private: "0.0.0.0/0: nat", peer: toAll("vw")}.String(), steps: []step{
			{from: "w1", to: "x", msg: tcp(40000, 443, syn), want: "dropped at vpcPeering vw | w1 egress ACCEPT"},
			{from: "w1", to: "10.0.0.50", msg: tcp(40000, 443, syn), want: "dropped at natGateway nat | w1 egress ACCEPT, nat ingress ACCEPT"},
			{from: "w1", to: "eip:web", msg: tcp(40000, 443, syn), want: "dropped at vpcPeering vw | w1 egress ACCEPT"},
		}},
		{name: "R-C19 R46 a NAT gateway uses a peering, and needs no route back", only: control.IPv4, world: throughNAT.String(), steps: []step{
			{from: "p1", to: "w1", msg: tcp(40000, 80, syn), want: "delivered to w1 | " + byNAT, seen: "10.0.0.50 → 172.31.1.10"},
			{from: "w1", reply: true, want: "delivered to p1 | w1 egress ACCEPT, " + fromNAT, seen: "172.31.1.10 → 10.0.1.10"},
			{from: "p1", to: "w1", msg: ping(), want: "delivered to w1 | " + byNAT},
			{from: "w1", reply: true, want: "delivered to p1 | w1 egress ACCEPT, " + fromNAT},
			{from: "w1", to: "10.0.0.50", msg: tcp(40000, 80, syn), want: "dropped at routeTable w | w1 egress ACCEPT"},
		}},
	})
}
