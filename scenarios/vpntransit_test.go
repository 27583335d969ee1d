package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/connectivity.md and the worked examples TG-* about VPN
// connections to transit gateways.

// withOffice adds to a lab a site z with host z1, and its connections z (IPv4) and z6
// (IPv6) to the transit gateway. They have attachments of the same names.
func withOffice(gateway string) string {
	return strings.ReplaceAll(`
sites: {z: {networks: [10.99.99.0/24, "2001:db8:9900::/48"], asn: 65001}}
siteHosts: {z1: {site: z, ip: 10.99.99.10, ipv6: "2001:db8:9900::10"}}
customerGateways: {z: {site: z}}
vpnConnections:
  z:  {customerGateway: z, transitGateway: %hub}
  z6: {customerGateway: z, transitGateway: %hub, tunnelInsideIpVersion: ipv6}
`, "%hub", gateway)
}

// siteTable are the destinations that a site's router knows.
func (n *testNetwork) siteTable(site string) (list []string) {
	for _, r := range n.World().SiteRoutes(site) {
		list = append(list, r.Destination.String())
	}
	return list
}

// intoTunnels holds that a packet went to a host of a site, by whichever tunnel, and
// says by which.
func (n *testNetwork) intoTunnels(from, to string, msg message) string {
	n.Helper()
	got, _, _ := strings.Cut(n.send(from, to, msg), " | ")
	tunnel, arrived := strings.CutPrefix(got, "delivered to "+to+" by ")
	if !arrived {
		n.Errorf("%s → %s: %s", from, to, got)
	}
	return tunnel
}

// TG-1: one table that everybody propagates to, and a default route in each VPC. The
// customer learns the VPCs.
func TestTG_1CentralisedRouterWithVPN(t *testing.T) {
	names := []string{"a", "b", "c"}
	j := joined{vpcs: len(names), routes: map[string]string{}, more: hub(names...).String() + withOffice("hub")}
	for _, v := range names {
		j.routes[v] = toAll("hub")
	}
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, inFamily(j.String(), family))
		for _, v := range names {
			n.intoTunnels(v+"1", "z1", udp(40000, 53))
			n.play("back", step{from: "z1", reply: true, want: "delivered to " + v + "1"})
			n.play("from the site", step{from: "z1", to: v + "2", msg: tcp(40000, 80, syn), want: "delivered to " + v + "2"})
		}
		n.play("between VPCs", step{from: "a1", to: "b1", msg: ping(), want: fromAToB})
		want := []string{"10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "2001:db8:a0::/56", "2001:db8:a1::/56", "2001:db8:a2::/56"}
		if diff := cmp.Diff(want, n.siteTable("z")); diff != "" {
			t.Errorf("the customer's table (-want +got):\n%s", diff)
		}
	}
}

func TestTransitGatewayVPNSemantics(t *testing.T) {
	isolated := hub("a", "b")
	isolated.gateways["hub"] = "defaultRouteTableAssociation: false, defaultRouteTablePropagation: false"
	isolated = isolated.with("vpcs", "transitGateway: hub, associations: [hub-a, hub-b], propagations: [z, z6]").
		with("vpn", "transitGateway: hub, associations: [z, z6], propagations: [hub-a, hub-b]")
	oneWay := isolated.with("vpn", "transitGateway: hub, associations: [z, z6], propagations: [hub-a]")
	world := func(lab fmt.Stringer, more string) string {
		routes := map[string]string{}
		for _, v := range []string{"a", "b"} {
			routes[v] = toAll("hub")
		}
		return joined{vpcs: 2, routes: routes, more: lab.String() + withOffice("hub") + more}.String()
	}
	const fromZ = "delivered to a1 | a1 ingress ACCEPT"
	const atVPCs = "dropped at transitGatewayRouteTable vpcs | a1 egress ACCEPT"
	byTunnel := func(family, tunnel string) []step {
		lab := world(isolated, "")
		// One tunnel of each connection, so that a flow has no choice.
		broken := "faults: [tunnel z/1, tunnel z6/1]\n"
		steps := []step{
			{world: lab + broken, from: "a1", to: "z1", msg: tcp(40000, 80, syn), want: "delivered to z1 by " + tunnel + " | a1 egress ACCEPT"},
			{from: "z1", reply: true, want: fromZ},
			{from: "z1", to: "a1", msg: ping(), want: fromZ},
			{from: "a1", to: "b1", msg: ping(), want: atVPCs},
			{from: "z1", to: "b1", msg: tcp(40000, 80, syn), want: "delivered to b1 | b1 ingress ACCEPT"},
			{world: world(oneWay, broken)},
			{from: "b1", to: "z1", msg: tcp(80, 40000, ack), want: "delivered to z1 by " + tunnel + " | b1 egress ACCEPT"},
			{from: "z1", to: "b1", msg: ping(), want: "dropped at internet | no record"},
			{from: "z1", by: tunnel, to: "b1", msg: ping(), want: "dropped at transitGatewayRouteTable vpn | no record"},
			{world: lab + "faults: [vpnConnection z, vpnConnection z6]\n", from: "a1", to: "z1", msg: ping(), want: atVPCs},
			{world: lab + "faults: [transitGatewayAttachment z, transitGatewayAttachment z6]\n", from: "a1", to: "z1", msg: ping(), want: atVPCs},
		}
		return steps
	}
	play(t, []semanticsCase{
		{name: "TG-2 isolated VPCs and a VPN", only: control.IPv4, world: world(isolated, ""), steps: byTunnel("ipv4", "z/2")},
		{name: "TG-2 isolated VPCs and a VPN that carries IPv6", only: control.IPv6, world: world(isolated, ""), steps: byTunnel("ipv6", "z6/2")},
		{name: "K-C16 through the transit gateway nothing but its table leads on", world: world(isolated, ""), steps: []step{
			{from: "z1", to: "203.0.113.5", by: "z/1", msg: ping(), want: "dropped at transitGatewayRouteTable vpn | no record"},
		}},
	})
}

// K-C8, T6: a static route stands for Direct Connect, which is still to come: both
// come before what a VPN has learned for the same block.
func TestK_C8TheVPNsLongerPrefixWins(t *testing.T) {
	lab := hub("a", "b").with("hub/default", "routes: {172.16.0.0/12: hub-b}")
	j := joined{vpcs: 2, routes: map[string]string{"a": toAll("hub")}, more: lab.String() + `
sites: {z: {networks: [172.16.0.0/12], asn: 65001}}
siteHosts: {z1: {site: z, ip: 172.16.1.1}}
customerGateways: {z: {site: z}}
vpnConnections: {z: {customerGateway: z, transitGateway: hub}}
`}
	const toB, toZ = "dropped at routeTable b | a1 egress ACCEPT", "delivered to z1 by z/1 | a1 egress ACCEPT"
	wide := learns("172.16.0.0/12 65001")
	both := learns("172.16.0.0/12 65001", "172.16.1.0/24 65001")
	play(t, []semanticsCase{{name: "K-C8", only: control.IPv4, world: j.String(), steps: []step{
		{tunnels: tunnels{"z/1": wide}, from: "a1", to: "172.16.1.1", msg: ping(), want: toB},
		{tunnels: tunnels{"z/1": both}, from: "a1", to: "172.16.1.1", msg: ping(), want: toZ},
		{from: "a1", to: "172.16.2.1", msg: ping(), want: toB},
		{tunnels: tunnels{}, from: "a1", to: "172.16.1.1", msg: ping(), want: toB},
	}}})
}

// TG-4: a VPN on one of two peered gateways. Peerings carry static routes only, and
// what is static the customer learns.
func TestTG_4PeeredGatewaysAndVPN(t *testing.T) {
	world := func(atFar string) string {
		lab := hub("a", "b")
		lab.gateways["far"] = "region: us-west-2, asn: 64513"
		lab = lab.attaching("hub-far", "transitGateway: hub, peer: far").
			with("hub/default", "routes: {"+toAll("hub-far")+"}").with("far/default", "routes: {"+atFar+"}")
		j := joined{vpcs: 2, routes: map[string]string{"a": toAll("hub"), "b": toAll("hub")}, more: lab.String() + withOffice("far")}
		return j.String()
	}
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, inFamily(world(to("hub-far", "a", "b")), family))
		for _, from := range []string{"a1", "b2"} {
			n.intoTunnels(from, "z1", tcp(40000, 80, syn))
			n.play("back", step{from: "z1", reply: true, want: "delivered to " + from})
		}
		if diff := cmp.Diff([]string{"10.0.0.0/16", "10.1.0.0/16", "2001:db8:a0::/56", "2001:db8:a1::/56"}, n.siteTable("z")); diff != "" {
			t.Errorf("the customer's table (-want +got):\n%s", diff)
		}
		n.change(inFamily(world(to("hub-far", "b")), family))
		n.intoTunnels("a1", "z1", tcp(40000, 80, ack))
		n.play("no way back", step{from: "z1", reply: true, msg: message{flags: ack}, want: "dropped at internet"})
		n.intoTunnels("b2", "z1", tcp(40000, 80, ack))
		n.play("back to b", step{from: "z1", reply: true, msg: message{flags: ack}, want: "delivered to b2"})
	}
}

// T15: all tunnels with the same AS_PATH share the flows, of two connections here,
// and a flow keeps to its tunnel. What comes back by another is taken.
func TestT15VPNsShareFlows(t *testing.T) {
	second := "  second: {customerGateway: z, transitGateway: hub}\n"
	world := func(fields, more string) string {
		lab := hub("a")
		lab.gateways["hub"] = fields
		return joined{vpcs: 1, routes: map[string]string{"a": toAll("hub")}, more: lab.String() + withOffice("hub") + second + more}.String()
	}
	n := newTestNetwork(t, control.IPv4, world("", ""))
	flows := func() (byPort []string, used []string) {
		for port := uint16(40000); port < 40200; port++ {
			tunnel := n.intoTunnels("a1", "z1", tcp(port, 80, syn))
			byPort, used = append(byPort, tunnel), append(used, tunnel)
		}
		slices.Sort(used)
		return byPort, slices.Compact(used)
	}
	before, used := flows()
	if diff := cmp.Diff([]string{"second/1", "second/2", "z/1", "z/2"}, used); diff != "" {
		t.Errorf("tunnels in use (-want +got):\n%s", diff)
	}
	if again, _ := flows(); !slices.Equal(before, again) {
		t.Error("flows did not keep to their tunnels")
	}
	n.play("back by another", step{from: "z1", by: "z/1", to: "a1", msg: tcp(80, 40000, synAck), want: "delivered to a1"})
	n.play("and by a third", step{from: "z1", by: "second/2", to: "a1", msg: tcp(80, 40001, synAck), want: "delivered to a1"})

	n.change(world("", "faults: [tunnel second/1]\n"))
	after, used := flows()
	if diff := cmp.Diff([]string{"second/2", "z/1", "z/2"}, used); diff != "" {
		t.Errorf("tunnels in use (-want +got):\n%s", diff)
	}
	for i := range before {
		if before[i] != "second/1" && before[i] != after[i] {
			t.Errorf("flow %d moved from %s to %s, and its tunnel is up", i, before[i], after[i])
		}
	}

	n.change(world("vpnEcmp: false", ""))
	if _, used := flows(); len(used) != 1 {
		t.Errorf("without ECMP %v are in use", used)
	}
	n.change(world("", ""))
	longer := learns("10.99.99.0/24 65001 65001")
	n.learn(tunnels{"z/1": longer, "z/2": learns("10.99.99.0/24 65001"), "second/1": longer, "second/2": learns("10.99.99.0/24 65001")})
	if _, used := flows(); !slices.Equal(used, []string{"second/2", "z/2"}) {
		t.Errorf("with a longer AS_PATH on two, %v are in use", used)
	}
}
