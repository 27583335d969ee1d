package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// Cases of semantics/connectivity.md section 2 and the worked examples TG-*:
// transit gateways. NA-08, S-C25 and S44 are about the network ACLs around them.

// viaHub are routes of each of the VPCs to everything private, by the gateway hub.
func viaHub(vpcs ...string) map[string]string {
	routes := map[string]string{}
	for _, v := range vpcs {
		routes[v] = toPrivate("hub")
	}
	return routes
}

func TestTransitGatewaySemantics(t *testing.T) {
	world := func(vpcs int, lab fmt.Stringer) string {
		names := []string{"a", "b", "c", "d"}[:vpcs]
		return joined{vpcs: vpcs, routes: viaHub(names...), more: lab.String()}.String()
	}
	without := "defaultRouteTableAssociation: false, defaultRouteTablePropagation: false"
	oneTable := func(propagations, routes string) string {
		lab := hub("a", "b")
		lab.gateways["hub"] = without
		return world(2, lab.with("rt1", "transitGateway: hub, associations: [hub-a, hub-b], propagations: ["+propagations+"], routes: {"+routes+"}"))
	}
	defaults := hub("a", "b").String()
	const noRoute, atBlackhole = "dropped at transitGatewayRouteTable rt1 | b1 egress ACCEPT", "dropped at transitGatewayRouteTable rt1 | a1 egress ACCEPT"

	oneZone := hub("a", "b").attaching("hub-a", "transitGateway: hub, vpc: a, subnets: [a-t1]")
	services := hub("a", "b", "c")
	services.gateways["hub"] = without
	services = services.with("vpcs", "transitGateway: hub, associations: [hub-a, hub-b], propagations: [hub-c]").
		with("services", "transitGateway: hub, associations: [hub-c], propagations: [hub-a, hub-b]")
	moved := services.with("vpcs", "transitGateway: hub, associations: [hub-a], propagations: [hub-c]").
		with("services", "transitGateway: hub, associations: [hub-b, hub-c], propagations: [hub-a, hub-b]")
	unassociated := hub("a", "b")
	unassociated.gateways["hub"] = "defaultRouteTableAssociation: false"
	gone := func(state string) string {
		lab := hub("a", "b")
		return world(2, lab.attaching("hub-b", lab.attachments["hub-b"]+", state: "+state))
	}
	central := joined{vpcs: 2, more: defaults, routes: maps.Clone(viaHub("a", "b"))}
	central.routes["b-t1"] = `10.1.2.0/24: b2, "2001:db8:a1:2::/64": b2`
	central.fields = map[string]string{"b2": "sourceDestCheck: false"}

	play(t, []semanticsCase{
		{name: "K-C6 only one VPC propagates", world: oneTable("hub-b", ""), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: noRoute},
			{world: oneTable("hub-a, hub-b", "")},
			{from: "b1", to: "a1", msg: tcp(80, 40000, synAck), want: fromBToA},
		}},
		{name: "K-C7 a blackhole in a propagated block", world: oneTable("hub-a, hub-b", `10.1.2.0/24: blackhole, "2001:db8:a1:2::/64": blackhole`), steps: []step{
			{from: "a1", to: "b2", msg: ping(), want: atBlackhole},
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
		}},
		{name: "TG-8 T6 a static blackhole beats a propagated route, a longer live one beats it", world: oneTable("hub-a, hub-b", to("blackhole", "b")+`, 10.1.2.0/24: hub-b, "2001:db8:a1:2::/64": hub-b`), steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: atBlackhole},
			{from: "a1", to: "b2", msg: ping(), want: "delivered to b2 | a1 egress ACCEPT, b2 ingress ACCEPT"},
			{from: "b2", reply: true, want: "delivered to a1 | b2 egress ACCEPT, a1 ingress ACCEPT"},
		}},
		{name: "K-C9 TG-9 T10 a zone without a subnet of the attachment", world: world(2, oneZone), steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "a2", to: "b1", msg: ping(), want: "dropped at transitGatewayAttachment hub-a | a2 egress ACCEPT"},
			{from: "b1", to: "a2", msg: ping(), want: "delivered to a2 | b1 egress ACCEPT, a2 ingress ACCEPT"},
			{from: "a2", reply: true, want: "dropped at transitGatewayAttachment hub-a | a2 egress ACCEPT"},
			{from: "b2", to: "a2", msg: ping(), want: "delivered to a2 | b2 egress ACCEPT, a2 ingress ACCEPT"},
		}},
		{name: "TG-2 isolated VPCs, another VPC in place of the VPN", world: world(3, services), steps: []step{
			{from: "a1", to: "c1", msg: tcp(40000, 80, syn), want: "delivered to c1 | a1 egress ACCEPT, c1 ingress ACCEPT"},
			{from: "c1", reply: true, want: "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "c1", to: "b1", msg: ping(), want: fromCToB},
			{from: "b1", reply: true, want: fromBToC},
			{from: "a1", to: "b1", msg: ping(), want: "dropped at transitGatewayRouteTable vpcs | a1 egress ACCEPT"},
			{from: "b1", to: "a1", msg: ping(), want: "dropped at transitGatewayRouteTable vpcs | b1 egress ACCEPT"},
		}},
		{name: "T3 an association moves while a connection runs", world: world(3, services), steps: []step{
			{from: "b1", to: "c1", msg: tcp(40000, 80, syn), want: fromBToC},
			{from: "c1", reply: true, want: fromCToB},
			{world: world(3, moved)},
			{from: "b1", to: "c1", msg: tcp(40000, 80, ack), want: "dropped at transitGatewayRouteTable services | b1 egress ACCEPT"},
			{from: "b1", to: "a1", msg: ping(), want: fromBToA},
			{world: world(3, services)},
			{from: "b1", to: "c1", msg: tcp(40000, 80, ack), want: fromBToC},
		}},
		{name: "T3 without an association everything is dropped", world: world(2, unassociated), steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: "dropped at transitGatewayAttachment hub-a | a1 egress ACCEPT"},
			{world: world(2, hub("a", "b"))},
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
		}},
		{name: "R20 the attachment goes while a connection runs", world: world(2, hub("a", "b")), steps: []step{
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
			{from: "b1", reply: true, want: fromBToA},
			{world: gone("deleted")},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: "dropped at transitGatewayRouteTable hub/default | a1 egress ACCEPT"},
			{from: "b1", to: "a1", msg: tcp(80, 40000, ack), want: "dropped at routeTable b | b1 egress ACCEPT"},
			{world: world(2, hub("a", "b"))},
			{from: "a1", to: "b1", msg: tcp(40000, 80, ack), want: fromAToB},
		}},
		{name: "T11 the attachment's subnet has a route of its own", world: central.String(), steps: []step{
			{from: "a1", to: "b2", msg: udp(40000, 53), want: "delivered to b2 | a1 egress ACCEPT, b2 ingress ACCEPT"},
			{from: "a1", to: "b1", msg: udp(40000, 53), want: fromAToB},
		}},
		{name: "T5 only the transit gateway's table learns: the other VPC needs its own route", world: joined{vpcs: 2, more: defaults, routes: map[string]string{"a": to("hub", "b")}}.String(), steps: []step{
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{from: "b1", reply: true, want: "dropped at routeTable b | b1 egress ACCEPT"},
		}},
	})
}

// TG-1: one table that everybody propagates to, and a default route in each VPC.
// [TestTG_1CentralisedRouterWithVPN] has the VPN of AWS's example.
func TestTG_1CentralisedRouter(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	j := joined{vpcs: len(names), routes: map[string]string{}, more: hub(names...).String()}
	for _, v := range names {
		j.routes[v] = toAll("hub")
	}
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, j.String())
		for _, from := range names {
			for _, to := range names {
				if from == to {
					continue
				}
				for _, pair := range [][2]string{{from + "1", to + "1"}, {from + "1", to + "2"}} {
					n.play(from+" to "+to, step{from: pair[0], to: pair[1], msg: udp(40000, 53), want: "delivered to " + pair[1]})
					n.play("back", step{from: pair[1], reply: true, want: "delivered to " + pair[0]})
				}
			}
		}
		n.play("nobody's", step{from: "a1", to: "203.0.113.5", msg: ping(), want: "dropped at transitGatewayRouteTable hub/default | a1 egress ACCEPT"})
	}
}

// twoGateways are hub with VPCs a and b, and far with VPC c, in two Regions and
// peered; the static routes of both default tables are given.
func twoGateways(atHub, atFar string) string {
	lab := hub("a", "b")
	lab.gateways["far"] = "region: us-west-2, asn: 64513"
	lab = lab.attaching("far-c", "transitGateway: far, vpc: c, subnets: [c-t1, c-t2]").
		attaching("hub-far", "transitGateway: hub, peer: far").
		with("hub/default", "routes: {"+atHub+"}").with("far/default", "routes: {"+atFar+"}")
	j := joined{vpcs: 3, regions: map[string]string{"c": "us-west-2"}, routes: viaHub("a", "b"), more: lab.String()}
	j.routes["c"] = toPrivate("far")
	return j.String()
}

func TestTransitGatewayPeeringSemantics(t *testing.T) {
	const fromAToC, fromCToA = "delivered to c1 | a1 egress ACCEPT, c1 ingress ACCEPT", "delivered to a1 | c1 egress ACCEPT, a1 ingress ACCEPT"
	const noWayBack = "dropped at transitGatewayRouteTable far/default | c1 egress ACCEPT"
	both := twoGateways(to("hub-far", "c"), to("hub-far", "a", "b"))
	play(t, []semanticsCase{
		{name: "K-C11 T16 a static route on one side only", world: twoGateways(to("hub-far", "c"), ""), steps: []step{
			{from: "a1", to: "c1", msg: tcp(40000, 80, syn), want: fromAToC},
			{from: "c1", reply: true, want: noWayBack},
			{world: twoGateways("", to("hub-far", "a", "b"))},
			{from: "a1", to: "c1", msg: ping(), want: "dropped at transitGatewayRouteTable hub/default | a1 egress ACCEPT"},
			{from: "c1", to: "a1", msg: ping(), want: fromCToA},
		}},
		{name: "TG-4 peered gateways, default route on one side", world: twoGateways(toAll("hub-far"), to("hub-far", "a", "b")), steps: []step{
			{from: "a1", to: "c1", msg: tcp(40000, 80, syn), want: fromAToC},
			{from: "c1", reply: true, want: fromCToA},
			{from: "c1", to: "b1", msg: ping(), want: fromCToB},
			{from: "b1", reply: true, want: fromBToC},
			{from: "a1", to: "b1", msg: ping(), want: fromAToB},
			{world: twoGateways(toAll("hub-far"), to("hub-far", "b"))},
			{from: "a1", to: "c1", msg: tcp(40000, 80, ack), want: fromAToC},
			{from: "c1", to: "a1", msg: tcp(80, 40000, ack), want: noWayBack},
			{from: "c1", to: "b1", msg: ping(), want: fromCToB},
		}},
		{name: "T16 the peering is deleted, and made again", world: both, steps: []step{
			{from: "a1", to: "c1", msg: tcp(40000, 80, syn), want: fromAToC},
			{world: strings.Replace(both, "peer: far", "peer: far, state: deleted", 1)},
			{from: "a1", to: "c1", msg: tcp(40000, 80, ack), want: "dropped at transitGatewayRouteTable hub/default | a1 egress ACCEPT"},
			{from: "c1", to: "a1", msg: tcp(80, 40000, synAck), want: noWayBack},
			{world: both},
			{from: "c1", to: "a1", msg: tcp(80, 40000, synAck), want: fromCToA},
		}},
	})
}

// T16: over two peerings, with routes on all three gateways.
func TestT16TransitThroughAPeer(t *testing.T) {
	lab := hub("a")
	lab.gateways["mid"], lab.gateways["far"] = "region: us-east-1, asn: 64513", "region: us-west-2, asn: 64514"
	lab = lab.attaching("far-b", "transitGateway: far, vpc: b, subnets: [b-t1]").
		attaching("hub-mid", "transitGateway: hub, peer: mid").attaching("mid-far", "transitGateway: mid, peer: far").
		with("hub/default", "routes: {"+to("hub-mid", "b")+"}").with("far/default", "routes: {"+to("mid-far", "a")+"}").
		with("mid/default", "routes: {"+to("hub-mid", "a")+", "+to("mid-far", "b")+"}")
	world := joined{vpcs: 2, regions: map[string]string{"b": "us-west-2"}, more: lab.String(),
		routes: map[string]string{"a": to("hub", "b"), "b": to("far", "a")}}.String()
	play(t, []semanticsCase{{name: "T16 transit through a peer", world: world, steps: []step{
		{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
		{from: "b1", reply: true, want: fromBToA},
	}}})
}

// inspected leads all traffic between a and b through appliances in c, one per
// zone. Their group lets in what a asks for: each tracks what it saw.
func inspected(applianceMode bool) string {
	lab := hub("a", "b", "c")
	lab.gateways["hub"] = "defaultRouteTableAssociation: false, defaultRouteTablePropagation: false"
	lab.attachments["hub-c"] += fmt.Sprintf(", applianceMode: %v", applianceMode)
	lab = lab.with("vpcs", "transitGateway: hub, associations: [hub-a, hub-b], routes: {"+toAll("hub-c")+"}").
		with("inspected", "transitGateway: hub, associations: [hub-c], propagations: [hub-a, hub-b]")
	const appliance = "sourceDestCheck: false, forward: true"
	j := joined{vpcs: 3, routes: viaHub("a", "b", "c"), more: lab.String(),
		groups: map[string]string{"c": `ingress: [{protocol: tcp, ports: 80, from: $A}, {protocol: $icmp, from: $A}]`},
		fields: map[string]string{"c1": appliance, "c2": appliance},
	}
	j.routes["c-t1"], j.routes["c-t2"] = toAll("c1"), toAll("c2")
	return j.String()
}

func TestK_C10StatefulApplianceInTwoZones(t *testing.T) {
	play(t, []semanticsCase{
		{name: "K-C10 T13 without appliance mode the answer meets another appliance", world: inspected(false), steps: []step{
			{from: "a1", to: "b2", msg: tcp(40000, 80, syn), want: "delivered to b2 | a1 egress ACCEPT, c1 ingress ACCEPT, c1 egress ACCEPT, b2 ingress ACCEPT"},
			{from: "b2", reply: true, want: "dropped at securityGroup c | b2 egress ACCEPT, c2 ingress REJECT"},
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: "delivered to b1 | a1 egress ACCEPT, c1 ingress ACCEPT, c1 egress ACCEPT, b1 ingress ACCEPT"},
			{from: "b1", reply: true, want: "delivered to a1 | b1 egress ACCEPT, c1 ingress ACCEPT, c1 egress ACCEPT, a1 ingress ACCEPT"},
			{from: "a2", to: "b2", msg: ping(), want: "delivered to b2 | a2 egress ACCEPT, c2 ingress ACCEPT, c2 egress ACCEPT, b2 ingress ACCEPT"},
			{from: "b2", reply: true, want: "delivered to a2 | b2 egress ACCEPT, c2 ingress ACCEPT, c2 egress ACCEPT, a2 ingress ACCEPT"},
			{from: "a1", to: "b1", msg: tcp(40000, 22, syn), want: "dropped at securityGroup c | a1 egress ACCEPT, c1 ingress REJECT"},
		}},
	})
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, inFamily(inspected(true), family))
		used := map[string]int{}
		for i, msg := range []message{ping(), tcp(0, 80, syn)} {
			for port := uint16(40000); port < 40020; port++ {
				msg.srcPort = port
				n.play("request", step{from: "a1", to: "b2", msg: msg, want: "delivered to b2"})
				there := n.forwarders()
				n.play("answer", step{from: "b2", reply: true, want: "delivered to a1"})
				if back := n.forwarders(); there != back || there != "c1" && there != "c2" {
					t.Errorf("%s, protocol %d, port %d: there by %s, back by %s", family, msg.proto, port, there, back)
				}
				used[fmt.Sprint(there, i)]++
			}
		}
		if len(used) != 4 {
			t.Errorf("%s: both appliances should get some of each protocol: %v", family, used)
		}
	}
}

// forwarders are the hosts that the last packet went through.
func (n *testNetwork) forwarders() string {
	var names []string
	for _, a := range n.arrivals[:max(0, len(n.arrivals)-1)] {
		names = append(names, a.at.host.name)
	}
	return strings.Join(names, " ")
}

// NA-08, S-C25, S45: the attachment in the instance's own subnet.
func TestNetworkACLWithAttachmentInTheInstancesSubnet(t *testing.T) {
	world := func(acl string) string {
		lab := hub("a", "b").attaching("hub-a", "transitGateway: hub, vpc: a, subnets: [a-1]")
		return joined{vpcs: 2, routes: viaHub("a", "b"), more: lab.String(), acls: map[string]string{"a-1": acl}}.String()
	}
	const deny = "{rule: 90, action: deny, protocol: all, cidr: $B}"
	const denyOwn = "{rule: 90, action: deny, protocol: all, cidr: $A}"
	const atACL = "dropped at networkAcl a-1 rule 90 | a1 egress "
	play(t, []semanticsCase{
		{name: "S-C25 NA-08 in: not asked from the gateway, by source towards it", world: world("ingress: [" + deny + ", " + allowAll + "], egress: [" + allowAll + "]"), steps: []step{
			{from: "b1", to: "a1", msg: tcp(40000, 80, syn), want: fromBToA},
			{from: "a1", reply: true, want: fromAToB},
			{from: "a1", to: "b1", msg: tcp(40000, 80, syn), want: fromAToB},
		}},
		{name: "S-C25 NA-08 out: not asked from the gateway, by destination towards it", world: world("ingress: [" + allowAll + "], egress: [" + deny + ", " + allowAll + "]"), steps: []step{
			{from: "b1", to: "a1", msg: tcp(40000, 80, syn), want: fromBToA},
			{from: "a1", reply: true, want: atACL + "REJECT"},
		}},
		{name: "S45 in: the instance itself is the source towards the gateway", world: world("ingress: [" + denyOwn + ", " + allowAll + "], egress: [" + allowAll + "]"), steps: []step{
			{from: "b1", to: "a1", msg: ping(), want: fromBToA},
			{from: "a1", reply: true, want: atACL + "ACCEPT"},
		}},
	})
}

// S44: the attachment in another subnet. The case of each point that is asked, and
// of each that is not.
func TestS44NetworkACLsAroundAttachments(t *testing.T) {
	world := func(subnet, direction, from string) string {
		other := map[string]string{"ingress": "egress", "egress": "ingress"}[direction]
		acl := fmt.Sprintf("%s: [{rule: 90, action: deny, protocol: all, cidr: %s}, %s], %s: [%s]", direction, from, allowAll, other, allowAll)
		return joined{vpcs: 2, routes: viaHub("a", "b"), more: hub("a", "b").String(), acls: map[string]string{subnet: acl}}.String()
	}
	at := func(subnet, records string) []step {
		return []step{{from: "a1", to: "b1", msg: ping(), want: "dropped at networkAcl " + subnet + " rule 90 | " + records}}
	}
	passes := []step{{from: "a1", to: "b1", msg: ping(), want: fromAToB}}
	play(t, []semanticsCase{
		{name: "S44 instance's subnet, out, by destination", world: world("a-1", "egress", "$B"), steps: at("a-1", "a1 egress REJECT")},
		{name: "S44 gateway's subnet, in, by source", world: world("a-t1", "ingress", "$A"), steps: at("a-t1", "a1 egress ACCEPT")},
		{name: "S44 gateway's subnet, out, is not asked towards it", world: world("a-t1", "egress", "$any"), steps: passes},
		{name: "S44 gateway's other subnet, out, by destination", world: world("b-t1", "egress", "$B"), steps: at("b-t1", "a1 egress ACCEPT")},
		{name: "S44 gateway's other subnet, in, is not asked from it", world: world("b-t1", "ingress", "$any"), steps: passes},
		{name: "S44 receiver's subnet, in, by source", world: world("b-1", "ingress", "$A"), steps: at("b-1", "a1 egress ACCEPT, b1 ingress REJECT")},
		{name: "T12 the zone that is not used is not asked", world: world("b-t2", "egress", "$any"), steps: passes},
	})
}

// T21: references to groups of other VPCs on the gateway, for inbound rules.
func TestT21ReferenceThroughATransitGateway(t *testing.T) {
	world := func(state string) string {
		lab := hub("a", "b")
		lab.gateways["hub"] = "securityGroupReferencing: true"
		lab.attachments["hub-b"] += state
		j := joined{vpcs: 2, routes: viaHub("a", "b"), more: lab.String() + peered("ab"),
			groups: map[string]string{"b": "ingress: [{protocol: tcp, ports: 22, from: a}]"}}
		if state != "" {
			j.routes["a"], j.routes["b"] = to("ab", "b"), to("ab", "a")
			j.more = strings.Replace(j.more, "peerVpc: b", "peerVpc: b, state: active", 1)
		}
		return j.String()
	}
	play(t, []semanticsCase{{name: "T21 by the gateway, and by a peering beside it", world: world(""), steps: []step{
		{from: "a1", to: "b1", msg: tcp(40000, 22, syn), want: fromAToB},
		{from: "b1", reply: true, want: fromBToA},
		{from: "a2", to: "b1", msg: tcp(40000, 23, syn), want: "dropped at securityGroup b | a2 egress ACCEPT, b1 ingress REJECT"},
		{world: world(", state: deleted")},
		{from: "a1", to: "b2", msg: tcp(40000, 22, syn), want: "delivered to b2 | a1 egress ACCEPT, b2 ingress ACCEPT"},
	}}})
}

// A32, T20: a transit gateway is a hop, and drops without a word where the TTL ends.
func TestA32TransitGatewayIsAHop(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, twoGateways(to("hub-far", "c"), to("hub-far", "a", "b")))
		for ttl, want := range map[uint8]string{
			3: "delivered to c1", 2: "dropped at transitGatewayAttachment hub-far", 1: "dropped at transitGatewayAttachment hub-a",
		} {
			msg := udp(40000, 53)
			msg.ttl = ttl
			n.play(fmt.Sprintf("TTL %d", ttl), step{from: "a1", to: "c1", msg: msg, want: want})
			if ttl == 3 && n.arrivals[0].ttl != 1 {
				t.Errorf("%s: arrived with TTL %d, want 1 after two gateways", family, n.arrivals[0].ttl)
			}
			if ttl < 3 && (len(n.arrivals) != 0 || n.legs[len(n.legs)-1].Reason != dataplane.ReasonTTLExpired) {
				t.Errorf("%s, TTL %d: %d packets arrived", family, ttl, len(n.arrivals))
			}
		}
	}
}

// TestTraceTellsTheWayBetweenVPCs holds what a learner reads about what joins VPCs:
// which of them the packet is in, and by which subnet and zone it came there.
func TestTraceTellsTheWayBetweenVPCs(t *testing.T) {
	for _, c := range []struct {
		scenario, from, to string
		want               []string
	}{
		{"peering", "web", "stock", []string{"from vpc shop to vpc stock, in another Region"}},
		{"peering-not-transitive", "green", "red", []string{"from vpc green to vpc red"}},
		{"transit-hub", "red", "shared", []string{
			"enters transitGateway hub by its interface in subnet red-hub-a (us-east-1a)",
			"leaves transitGateway hub by its interface in subnet shared-hub-a (us-east-1a)",
		}},
		{"inter-region-tgw", "east", "west", []string{
			"enters transitGateway hub-east by its interface in subnet east-hub (us-east-1a)",
			"enters transitGateway hub-west over this peering",
			"leaves transitGateway hub-west by its interface in subnet west-hub (us-west-2a)",
		}},
		{"inspection", "office", "server-a", []string{
			"leaves transitGateway hub by its interface in subnet inspect-hub-a (us-east-1a), the zone of this flow in both directions (appliance mode)",
			"leaves transitGateway hub by its interface in subnet servers-hub-a (us-east-1a)",
		}},
	} {
		n := newTestNetwork(t, control.IPv4, scenarioText(t, c.scenario))
		n.send(c.from, c.to, tcp(40000, 80, syn))
		var got []string
		for _, leg := range n.legs {
			for _, s := range leg.Steps {
				if s.Stage == dataplane.StagePeering || s.Stage == dataplane.StageTransitGateway {
					got = append(got, s.Text)
				}
			}
		}
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s, %s to %s: nothing says %q in:\n%s", c.scenario, c.from, c.to, want, strings.Join(got, "\n"))
			}
		}
	}
}

func scenarioText(t *testing.T, name string) string {
	t.Helper()
	_, src, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}
