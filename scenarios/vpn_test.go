package scenarios

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/connectivity.md sections 3 and 4, of routing.md with propagated
// routes, and the worked examples VP-*: virtual private gateways. They carry IPv4
// only (V1).

// vpn is VPC v with a virtual private gateway and all its other doors, VPC w behind
// a peering, and three sites: office and branch, and twin, which has a network of its
// own and the office's.
type vpn struct {
	routes      string // of p1's table, which takes what the gateway propagates
	rules       string // of p1's and app's group
	acl         string // of p1's subnet
	branch      string // fields of that site
	connections string // beside those of the office and the branch, to one gateway
	more        string // further sections
}

func (v vpn) String() string {
	if v.rules == "" {
		v.rules = everythingIn
	}
	if v.acl == "" {
		v.acl = "ingress: [" + allowAll + "], egress: [" + allowAll + "]"
	}
	if v.branch == "" {
		v.branch = "asn: 65002"
	}
	return strings.NewReplacer("%routes", v.routes, "%rules", v.rules, "%acl", v.acl, "%branch", v.branch, "%open", everythingIn).Replace(`
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}, w: {cidr: 172.31.0.0/16, ipv6: "2001:db8:2::/56"}}
vpcPeerings: {vw: {vpc: v, peerVpc: w}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: pub, privateIp: 10.0.0.50, eip: 198.51.100.50}}
vpnGateways: {vgw: {vpc: v}}
routeTables:
  pub: {vpc: v, routes: {0.0.0.0/0: igw, "::/0": igw}, propagate: [vgw]}
  prv: {vpc: v, routes: {%routes}, propagate: [vgw]}
  w:   {vpc: w, main: true, routes: {0.0.0.0/0: vw}}
networkAcls: {prv: {vpc: v, %acl}}
subnets:
  pub: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1::/64", routeTable: pub}
  prv: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: prv, networkAcl: prv}
  app: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64"}
  w:   {vpc: w, cidr: 172.31.1.0/24, ipv6: "2001:db8:2:1::/64"}
securityGroups: {v: {vpc: v, %rules}, w: {vpc: w, %open}}
instances:
  p1:  {subnet: prv, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [v]}
  app: {subnet: app, ip: 10.0.2.9, ipv6: "2001:db8:1:2::9", securityGroups: [v]}
  w1:  {subnet: w, ip: 172.31.1.10, ipv6: "2001:db8:2:1::10", securityGroups: [w]}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}}
sites:
  office: {networks: [10.50.0.0/16, "2001:db8:5000::/48"], asn: 65001}
  branch: {networks: [10.60.0.0/16, "2001:db8:6000::/48"], %branch}
  twin:   {networks: [10.51.0.0/16, 10.50.0.0/16], asn: 65003}
siteHosts:
  desk: {site: office, ip: 10.50.1.9}
  till: {site: branch, ip: 10.60.1.9}
  copy: {site: twin, ip: 10.50.1.9, ipv6: false}
customerGateways: {office: {site: office}, branch: {site: branch}, twin: {site: twin}}
vpnConnections:
  office: {customerGateway: office, vpnGateway: vgw}
  branch: {customerGateway: branch, vpnGateway: vgw}
`) + v.connections + v.more
}

// learns is a tunnel that is up, and what the customer announces by it: a block, the
// AS_PATH and perhaps a MED, "10.50.0.0/16 65001 med 100".
func learns(routes ...string) control.TunnelState {
	s := control.TunnelState{Up: true, BGPUp: true}
	for _, text := range routes {
		words := strings.Fields(text)
		r := control.BGPRoute{Prefix: netip.MustParsePrefix(words[0])}
		for i := 1; i < len(words); i++ {
			var number uint32
			if words[i] == "med" {
				i++
				_, _ = fmt.Sscan(words[i], &number)
				r.MED = number
				continue
			}
			_, _ = fmt.Sscan(words[i], &number)
			r.ASPath = append(r.ASPath, control.ASN(number))
		}
		s.Learned = append(s.Learned, r)
	}
	return s
}

// upWithoutBGP is a tunnel of a static connection.
var upWithoutBGP = control.TunnelState{Up: true}

type tunnels = map[string]control.TunnelState

const (
	fromP1      = " | p1 egress ACCEPT"
	intoP1      = "delivered to p1 | p1 ingress ACCEPT"
	toDeskBy1   = "delivered to desk by office/1" + fromP1
	toDeskBy2   = "delivered to desk by office/2" + fromP1
	noRouteAtP1 = "dropped at routeTable prv" + fromP1
	atGateway   = "dropped at vpnGateway vgw | no record"
)

func TestPropagatedRoutesSemantics(t *testing.T) {
	const toX = "172.31.0.0/24 65001"
	play(t, []semanticsCase{
		{name: "R-C1 RT-02 static beats propagated", only: control.IPv4, world: vpn{routes: "172.31.0.0/24: igw"}.String(), steps: []step{
			{tunnels: tunnels{"office/1": learns(toX)}},
			{from: "p1", to: "172.31.0.9", msg: ping(), want: "dropped at internetGateway igw" + fromP1},
			{world: vpn{}.String()},
			{from: "p1", to: "172.31.0.9", msg: ping(), want: "dropped at internet" + fromP1},
		}},
		{name: "R-C2 the longest prefix beats static", only: control.IPv4, world: vpn{routes: "172.31.0.0/16: vw"}.String(), steps: []step{
			{tunnels: tunnels{"office/1": learns("172.31.5.0/24 65001")}},
			{from: "p1", to: "172.31.1.10", msg: ping(), want: "delivered to w1 | p1 egress ACCEPT, w1 ingress ACCEPT"},
			{from: "p1", to: "172.31.5.9", msg: ping(), want: "dropped at internet" + fromP1, seen: "10.0.1.10 → 172.31.5.9"},
		}},
		{name: "R-C3 R16 within the VPC nothing propagated counts", only: control.IPv4, world: vpn{}.String(), steps: []step{
			{tunnels: tunnels{"office/1": learns("10.0.2.0/25 65001", "10.0.0.0/8 65001")}},
			{from: "p1", to: "app", msg: ping(), want: "delivered to app | p1 egress ACCEPT, app ingress ACCEPT"},
			{from: "p1", to: "desk", msg: ping(), want: toDeskBy1},
		}},
		{name: "R16 V16 a table without propagation has no way to the site", only: control.IPv4, world: vpn{}.String(), steps: []step{
			{from: "desk", to: "app", msg: tcp(40000, 80, syn), want: "delivered to app | app ingress ACCEPT"},
			{from: "app", reply: true, want: "dropped at routeTable v/main | app egress ACCEPT"},
		}},
		{name: "R20 a detached gateway is a blackhole", only: control.IPv4, world: vpn{routes: "10.50.0.0/16: vgw"}.String(), steps: []step{
			{from: "p1", to: "desk", msg: tcp(40000, 80, syn), want: toDeskBy1},
			{world: strings.NewReplacer("vgw: {vpc: v}", "vgw: {}", ", propagate: [vgw]", "").Replace(vpn{routes: "10.50.0.0/16: vgw"}.String())},
			{from: "p1", to: "desk", msg: tcp(40000, 80, ack), want: noRouteAtP1},
			{from: "desk", by: "office/1", to: "p1", msg: tcp(80, 40000, ack), want: atGateway},
		}},
	})
}

// SC-4: no way out but the VPN.
func TestSC_4PrivateSubnetAndVPN(t *testing.T) {
	lab := vpn{routes: "0.0.0.0/0: vgw", rules: "ingress: [{protocol: tcp, ports: 22, from: 10.50.0.0/16}, {protocol: tcp, ports: 3389, from: 10.50.0.0/16}]"}
	play(t, []semanticsCase{{name: "SC-4", only: control.IPv4, world: lab.String(), steps: []step{
		{from: "desk", to: "p1", msg: tcp(40000, 22, syn), want: intoP1, seen: "10.50.1.9 → 10.0.1.10"},
		{from: "p1", reply: true, want: toDeskBy1},
		{from: "desk", to: "p1", msg: tcp(40000, 3389, syn), want: intoP1},
		{from: "desk", to: "p1", msg: tcp(40000, 80, syn), want: "dropped at securityGroup v | p1 ingress REJECT"},
		{from: "x", to: "10.0.1.10", msg: tcp(40000, 22, syn), want: "dropped at internet | no record"},
		{from: "p1", to: "x", msg: tcp(40000, 443, syn), want: "dropped at vpnGateway vgw" + fromP1},
	}}})
}

func TestVPNGatewaySemantics(t *testing.T) {
	lab := vpn{}.String()
	byMED := tunnels{"office/1": learns("10.50.0.0/16 65001 med 100"), "office/2": learns("10.50.0.0/16 65001 med 200")}
	otherMED := tunnels{"office/1": learns("10.50.0.0/16 65001 med 200"), "office/2": learns("10.50.0.0/16 65001 med 100")}
	byPath := tunnels{"office/1": learns("10.50.0.0/16 65001 65001 65001 med 1"), "office/2": learns("10.50.0.0/16 65001 med 100")}
	byPrefix := tunnels{"office/1": learns("10.50.1.0/24 65001"), "office/2": learns("10.50.0.0/16 65001")}
	twin := vpn{connections: "  twin: {customerGateway: twin, vpnGateway: vgw}\n"}.String()
	static := vpn{connections: "  twin: {customerGateway: twin, vpnGateway: vgw, staticRoutes: [10.50.0.0/16]}\n"}.String()
	bothWays := tunnels{"office/1": learns("10.50.0.0/16 65001"), "office/2": learns("10.50.0.0/16 65001"), "twin/1": upWithoutBGP, "twin/2": upWithoutBGP}
	const toCopy = "delivered to copy by twin/1" + fromP1

	play(t, []semanticsCase{
		{name: "K-C12 V6 the lower MED, and replies by either tunnel", only: control.IPv4, world: lab, steps: []step{
			{tunnels: byMED, from: "p1", to: "desk", msg: tcp(40000, 80, syn), want: toDeskBy1, seen: "10.0.1.10 → 10.50.1.9"},
			{from: "desk", by: "office/2", reply: true, want: intoP1},
			{from: "p1", to: "desk", msg: tcp(40001, 80, syn), want: toDeskBy1},
			{from: "desk", by: "office/1", reply: true, want: intoP1},
			{from: "desk", by: "office/2", to: "p1", msg: udp(40000, 53), want: intoP1},
			{tunnels: otherMED, from: "p1", to: "desk", msg: tcp(40000, 80, ack), want: toDeskBy2},
		}},
		{name: "V6 the shorter AS_PATH before the lower MED", only: control.IPv4, world: lab, steps: []step{
			{tunnels: byPath, from: "p1", to: "desk", msg: ping(), want: toDeskBy2},
		}},
		{name: "K-C13 health before everything", only: control.IPv4, world: lab, steps: []step{
			{tunnels: byPrefix, from: "p1", to: "desk", msg: tcp(40000, 80, syn), want: toDeskBy1},
			{from: "p1", to: "10.50.2.1", msg: ping(), want: "dropped at internet" + fromP1},
			{tunnels: tunnels{"office/1": {Reason: "dead peer detection"}, "office/2": byPrefix["office/2"]}},
			{from: "p1", to: "desk", msg: tcp(40000, 80, ack), want: toDeskBy2},
			{from: "desk", reply: true, msg: message{flags: ack}, want: intoP1},
			{tunnels: tunnels{}, from: "p1", to: "desk", msg: ping(), want: noRouteAtP1},
		}},
		{name: "K-C14 a static VPN before a BGP VPN", only: control.IPv4, world: static, steps: []step{
			{tunnels: bothWays, from: "p1", to: "10.50.1.9", msg: ping(), want: toCopy},
			{tunnels: tunnels{"office/1": bothWays["office/1"]}, from: "p1", to: "10.50.1.9", msg: ping(), want: toDeskBy1},
			{tunnels: tunnels{"office/1": learns("10.50.1.0/24 65001"), "twin/1": upWithoutBGP}, from: "p1", to: "10.50.1.9", msg: ping(), want: toDeskBy1},
		}},
		{name: "VP-3 two customer gateways announce one prefix, and one stops", only: control.IPv4, world: twin, steps: []step{
			{from: "p1", to: "10.50.1.9", msg: ping(), want: toDeskBy1},
			{world: twin + "faults: [site office]\n"},
			{from: "p1", to: "10.50.1.9", msg: ping(), want: toCopy},
			{from: "copy", reply: true, want: intoP1},
			{from: "copy", to: "p1", msg: tcp(40000, 80, syn), want: intoP1},
			{world: twin + "faults: [site office, vpnConnection twin]\n"},
			{from: "p1", to: "10.50.1.9", msg: ping(), want: noRouteAtP1},
			{world: twin},
			{from: "p1", to: "10.50.1.9", msg: ping(), want: toDeskBy1},
		}},
		{name: "V6 a fault of one tunnel, and of both", only: control.IPv4, world: lab, steps: []step{
			{from: "p1", to: "desk", msg: tcp(40000, 80, syn), want: toDeskBy1},
			{world: lab + "faults: [tunnel office/1]\n"},
			{from: "p1", to: "desk", msg: tcp(40000, 80, ack), want: toDeskBy2},
			{from: "desk", reply: true, msg: message{flags: ack}, want: intoP1},
			{world: lab + "faults: [tunnel office/1, tunnel office/2]\n"},
			{from: "p1", to: "desk", msg: tcp(40000, 80, ack), want: noRouteAtP1},
		}},
		{name: "V17 blocks match what comes from a site, groups do not, and ACLs are asked", only: control.IPv4, world: vpn{
			rules: "ingress: [{protocol: tcp, ports: 22, from: v}, {protocol: tcp, ports: 80-81, from: 10.50.1.0/24}]",
			acl:   "ingress: [{rule: 90, action: deny, protocol: tcp, ports: 81, cidr: 10.50.0.0/16}, " + allowAll + "], egress: [" + allowAll + "]",
		}.String(), steps: []step{
			{from: "desk", to: "p1", msg: tcp(40000, 80, syn), want: intoP1},
			{from: "desk", to: "p1", msg: tcp(40000, 22, syn), want: "dropped at securityGroup v | p1 ingress REJECT"},
			{from: "desk", by: "office/1", source: "10.0.2.9", to: "p1", msg: tcp(40000, 22, syn), want: "dropped at securityGroup v | p1 ingress REJECT"},
			{from: "desk", to: "p1", msg: tcp(40000, 81, syn), want: "dropped at networkAcl prv rule 90 | p1 ingress REJECT"},
		}},
		{name: "V1 no IPv6", only: control.IPv6, world: vpn{routes: `"2001:db8:5000::/48": vgw`}.String(), steps: []step{
			{from: "p1", to: "desk", msg: ping(), want: "dropped at vpnGateway vgw" + fromP1},
			{from: "desk", to: "p1", msg: ping(), want: "dropped at internet | no record"},
		}},
	})
}

// What comes from a site reaches the VPC's own interfaces, and none of its doors.
func TestVPNGatewayAndTheGatewaysOfAVPC(t *testing.T) {
	lab := vpn{routes: "0.0.0.0/0: nat"}.String()
	play(t, []semanticsCase{
		{name: "K-C16 to the Internet through the VPC", only: control.IPv4, world: lab, steps: []step{
			{from: "desk", by: "office/1", to: "x", msg: tcp(40000, 443, syn), want: atGateway},
			{from: "desk", by: "office/2", to: "x", msg: ping(), want: atGateway},
			{from: "desk", by: "office/1", to: "198.51.100.50", msg: tcp(40000, 443, syn), want: atGateway},
			{from: "desk", to: "10.0.0.50", msg: tcp(40000, 443, syn), want: "dropped at natGateway nat | nat ingress ACCEPT"},
			{from: "desk", by: "office/1", to: "172.31.1.10", msg: ping(), want: atGateway},
			{from: "p1", to: "x", msg: tcp(40000, 443, syn), want: "delivered to x | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
		}},
		// The drop is the gateway's, endpoint or not; endpoints are still to come.
		{name: "K-C17 to a public address of S3", only: control.IPv4, world: lab, steps: []step{
			{from: "desk", by: "office/1", to: "52.216.0.1", msg: tcp(40000, 443, syn), want: atGateway},
			{from: "desk", to: "52.216.0.1", msg: tcp(40000, 443, syn), want: "dropped at internet | no record"},
		}},
		{name: "R46 a peer does not reach the site either", only: control.IPv4, world: lab, steps: []step{
			{from: "w1", to: "10.50.1.9", msg: ping(), want: "dropped at vpcPeering vw | w1 egress ACCEPT"},
		}},
		{name: "NT-02 a private NAT gateway before the VPN", only: control.IPv4, world: strings.Replace(vpn{routes: "10.50.0.0/17: nat"}.String(),
			"natGateways: {nat: {subnet: pub, privateIp: 10.0.0.50, eip: 198.51.100.50}}", "natGateways: {nat: {subnet: pub, privateIp: 10.0.0.50, connectivity: private}}", 1), steps: []step{
			{from: "p1", to: "desk", msg: tcp(40000, 80, syn), want: "delivered to desk by office/1 | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT", seen: "10.0.0.50 → 10.50.1.9"},
			{from: "desk", reply: true, want: "delivered to p1 | nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT"},
			{from: "desk", to: "10.0.0.50", msg: tcp(40000, 22, syn), want: "dropped at natGateway nat | nat ingress ACCEPT"},
		}},
	})
}

func TestCloudHubSemantics(t *testing.T) {
	same := vpn{branch: "asn: 65001"}.String()
	static := strings.Replace(vpn{}.String(), "customerGateway: branch, vpnGateway: vgw", "customerGateway: branch, vpnGateway: vgw, staticRoutes: [10.60.0.0/16]", 1)
	detached := strings.NewReplacer("vgw: {vpc: v}", "vgw: {}", ", propagate: [vgw]", "").Replace(vpn{}.String())
	play(t, []semanticsCase{
		{name: "K-C15 H2 H5 spoke to spoke", only: control.IPv4, world: vpn{}.String(), steps: []step{
			{from: "desk", to: "till", msg: tcp(40000, 80, syn), want: "delivered to till by branch/1 | no record", seen: "10.50.1.9 → 10.60.1.9"},
			{from: "till", reply: true, want: "delivered to desk by office/1 | no record"},
			{from: "desk", to: "p1", msg: ping(), want: intoP1},
			{from: "till", to: "p1", msg: ping(), want: intoP1},
		}},
		{name: "K-C15 H4 both with one number", only: control.IPv4, world: same, steps: []step{
			{from: "desk", to: "till", msg: ping(), want: "dropped at internet | no record"},
			{from: "till", to: "desk", msg: ping(), want: "dropped at internet | no record"},
			{from: "till", to: "p1", msg: ping(), want: intoP1},
		}},
		{name: "H4 a static connection takes no part", only: control.IPv4, world: static, steps: []step{
			{from: "desk", to: "till", msg: ping(), want: "dropped at internet | no record"},
			{from: "desk", by: "office/1", to: "till", msg: ping(), want: atGateway},
			{from: "till", to: "desk", msg: ping(), want: "dropped at internet | no record"},
			{from: "till", to: "p1", msg: ping(), want: intoP1},
			{from: "p1", reply: true, want: "delivered to till by branch/1" + fromP1},
		}},
		{name: "H1 a hub without a VPC", only: control.IPv4, world: detached, steps: []step{
			{from: "desk", to: "till", msg: udp(40000, 53), want: "delivered to till by branch/1 | no record"},
			{from: "till", reply: true, want: "delivered to desk by office/1 | no record"},
			{from: "desk", to: "p1", msg: ping(), want: "dropped at internet | no record"},
		}},
	})
}

// MT-1, V11: 1446 bytes inside a tunnel, and no word about what is larger.
func TestMT_1InsideATunnel(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, inFamily(vpn{}.String(), control.IPv4))
	for size, want := range map[int]string{1446: toDeskBy1, 1447: "dropped at vpnTunnel office/1" + fromP1} {
		msg := udp(40000, 53)
		msg.payload, msg.dontFragment = make([]byte, size-28), true
		n.play(fmt.Sprint(size), step{from: "p1", to: "desk", msg: msg, want: want})
	}
}

// One tunnel of all carries a prefix: a virtual private gateway does not share (V6).
func TestVPNGatewayUsesOneTunnel_KC12(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, inFamily(vpn{}.String(), control.IPv4))
	for port := uint16(40000); port < 40050; port++ {
		n.play(fmt.Sprint(port), step{from: "p1", to: "desk", msg: tcp(port, 80, syn), want: toDeskBy1})
	}
}

// siteEndsLab has a site's host and router at the ends of checks: the host is known
// by its private address and knows instances by theirs, the router is on the
// Internet. The branch's router stands behind a NAT device.
const siteEndsLab = `
name: ends
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: true}}
internetGateways: {igw: {vpc: v}}
vpnGateways: {vgw: {vpc: v}}
routeTables: {r: {vpc: v, main: true, routes: {0.0.0.0/0: igw}, propagate: [vgw]}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}
securityGroups: {open: {vpc: v, ingress: [{protocol: all, from: 0.0.0.0/0}]}}
instances: {web: {subnet: s, ip: 10.0.1.10, publicIp: 198.51.100.7, securityGroups: [open], serve: [http/80]}}
internetHosts: {laptop: {ip: 192.0.2.10, serve: [http/80]}}
sites:
  office: {publicIp: 203.0.113.50, networks: [10.50.0.0/16, "2001:db8:5000::/48"], asn: 65001}
  branch: {publicIp: 203.0.113.60, networks: [10.60.0.0/16], asn: 65002, behindNat: true}
siteHosts:
  desk:    {site: office, ip: 10.50.1.10}
  printer: {site: office, ip: 10.50.2.20, serve: [tcp/9100]}
  till:    {site: branch, ip: 10.60.1.10}
customerGateways: {office: {site: office}, branch: {site: branch}}
vpnConnections: {office: {customerGateway: office, vpnGateway: vgw}, branch: {customerGateway: branch, vpnGateway: vgw}}
checks:
`

func TestSitesAreEndsOfChecks(t *testing.T) {
	for _, c := range []struct {
		check string
		ok    bool
		got   string // a part of it
	}{
		{`{from: desk, to: web, tcp: 80, source: desk}`, true, "web saw source 10.50.1.10"},
		{`{from: desk, to: web, tcp: 80, source: 203.0.113.50}`, false, "web saw source 10.50.1.10, not 203.0.113.50"},
		{`{from: web, to: printer, tcp: 9100, source: web}`, true, "printer saw source 10.0.1.10"},
		{`{from: web, to: printer, udp: 53, source: 10.0.1.10}`, true, "answered"},
		{`{from: desk, to: 198.51.100.7, tcp: 80, expect: drop, at: internet}`, true, "source 10.50.1.10 is no address of the sender's, and its provider lets nothing else out"},
		{`{from: desk, to: printer, tcp: 9100, source: desk}`, true, "printer saw source 10.50.1.10"},
		{`{from: desk, to: printer, tcp: 9100, family: ipv6, source: desk}`, true, "printer saw source 2001:db8:5000::"},
		{`{from: desk, to: till, ping: true, source: desk}`, true, "till saw source 10.50.1.10"},
		{`{from: till, to: web, ping: true, source: till}`, true, "web saw source 10.60.1.10"},
		{`{from: desk, to: web, tcp: 80, family: ipv6}`, false, "to web: it has no ipv6 address"},
		{`{from: laptop, to: office, ping: true, source: laptop}`, true, "office saw source 192.0.2.10"},
		{`{from: web, to: office, ping: true, source: web}`, true, "office saw source 198.51.100.7"},
		{`{from: office, to: laptop, tcp: 80, source: office}`, true, "laptop saw source 203.0.113.50"},
		{`{from: office, to: web, tcp: 80, source: office}`, true, "web saw source 203.0.113.50"},
		{`{from: office, to: printer, tcp: 9100}`, true, "answered"},
		{`{from: branch, to: laptop, tcp: 80, source: branch}`, true, "laptop saw source 203.0.113.60"},
		{`{from: laptop, to: branch, ping: true, expect: drop, at: internetHost}`, true, "dropped at"},
		{`{from: laptop, to: desk, ping: true, expect: drop, at: internet}`, true, "10.50.1.10 is a private address"},
		{`{from: desk, to: 169.254.169.254, tcp: 80, expect: drop, at: internet}`, true, "dropped at internet"},
		{`{from: desk, to: web, tcp: 80, fault: site office, expect: drop, at: siteHost desk}`, true, "it is down, fault site office"},
		{`{from: desk, to: web, tcp: 80, fault: site office, expect: drop, at: siteHost printer}`, false, "expected a drop at siteHost printer"},
		{`{from: office, to: laptop, tcp: 80, fault: site office, expect: drop, at: site}`, true, "dropped at site office"},
		{`{from: laptop, to: office, ping: true, fault: site office}`, false, "no answer"},
		{`{from: web, to: printer, tcp: 9100, fault: site office, expect: drop, at: internetGateway igw}`, false, "expected a drop at internetGateway igw"},
		{`{from: till, to: web, tcp: 80, fault: site office, source: till}`, true, "answered"},
	} {
		t.Run(c.check, func(t *testing.T) {
			r := checkOnMemory(t, loadText(t, siteEndsLab+"  - "+c.check+"\n"))[0]
			if r.OK != c.ok || !strings.Contains(r.Got, c.got) {
				t.Errorf("%v: %s\nwant %v: … %s …", r.OK, r.Got, c.ok, c.got)
			}
		})
	}
}

// The inside addresses of a tunnel are the gateway's BGP speaker's, and its outer end
// says nothing to strangers.
func TestEndsOfATunnel(t *testing.T) {
	m, err := NewMemory(t.Context(), loadText(t, siteEndsLab[:strings.Index(siteEndsLab, "checks:")]))
	if err != nil {
		t.Fatal(err)
	}
	tunnel, _ := m.World().VPNTunnel("office/2")
	for _, c := range []struct {
		from string
		to   netip.Addr
		want bool
	}{
		{"office", tunnel.AmazonIP, true}, {"desk", tunnel.AmazonIP, true}, {"branch", tunnel.AmazonIP, false}, {"laptop", tunnel.OutsideIP, false},
	} {
		o, err := m.Probe(t.Context(), Probe{From: c.from, To: c.to, Protocol: control.ProtocolICMP})
		if err != nil || o.Answered != c.want {
			t.Errorf("%s to %s: %+v, %v", c.from, c.to, o, err)
		}
	}
}
