package scenarios

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// TestRandomDoorsKeepTheRules is TestRandomJoinedWorldsKeepTheRules for VPCs that have
// other doors, too: VPN gateways and CloudHub, Client VPN, Connect, gateway and
// interface endpoints, PrivateLink; while some interfaces are mirrored.
func TestRandomDoorsKeepTheRules(t *testing.T) {
	used, copies := map[dataplane.Stage]int{}, 0
	for seed := range uint64(randomWorlds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			n := newTestNetwork(t, control.IPv4, drawDoors(r).String())
			seen, got := n.walked, n.arrived
			n.walked = func(leg dataplane.Leg) {
				seen(leg)
				n.staysInItsVPC(leg)
				for _, s := range leg.Steps {
					if leg.Verdict == dataplane.VerdictPass {
						used[s.Stage]++
					}
				}
			}
			n.arrived = func(at *memInterface, data []byte) {
				got(at, data)
				n.isForItsClient(at)
				copies += n.isItsCopy(at)
			}
			traffic := append(drawTraffic(r, n.World()), drawTraffic(r, n.World())...)
			n.playAll(n.throughDoors(r, slices.Clone(traffic)))
			n.wreckFrames(r, traffic)
			if bugs := n.engine.Counters().Reasons[dataplane.ReasonBug]; bugs != 0 {
				t.Errorf("%d walks ended without a reason", bugs)
			}
		})
	}
	for _, stage := range []dataplane.Stage{
		dataplane.StageVPNGateway, dataplane.StageVPNTunnel, dataplane.StageClientVPN, dataplane.StageConnectPeer, dataplane.StageVPCEndpoint, dataplane.StageLoadBalancer,
	} {
		if used[stage] < 25 {
			t.Errorf("only %d packets that arrived took %s: the worlds are too poor", used[stage], stage)
		}
	}
	if copies < 25 {
		t.Errorf("only %d copies arrived: the worlds are too poor", copies)
	}
}

// isForItsClient holds C2 and C9: what comes to a client bears its own address.
func (n *testNetwork) isForItsClient(at *memInterface) {
	n.Helper()
	last := n.arrivals[len(n.arrivals)-1]
	if c := n.World().VPNClients[at.host.name]; c != nil && at.link == c.Status.Handle && !slices.Contains(c.Status.Addresses(), last.dst) {
		n.Errorf("client %s got what is for %s", at.host.name, last.dst)
	}
}

// isItsCopy counts copies, and holds M4: they come from a session's source, perhaps by
// the NAT gateway, in VXLAN to its target and to nobody else, unless a route leads them
// through an instance. No other traffic here uses the port.
func (n *testNetwork) isItsCopy(at *memInterface) int {
	n.Helper()
	last, w := n.arrivals[len(n.arrivals)-1], n.World()
	if last.dstPort != 4789 {
		return 0
	}
	for _, s := range w.TrafficMirrorSessions {
		target := w.TrafficMirrorTargets[s.Target].NetworkInterface
		from := last.src == n.address(s.NetworkInterface) || last.src.String() == "10.0.81.50"
		if from && last.dst == n.address(target) && (at.host.name == target || at.host.name == "b2" || at.host.name == "c2") {
			return 1
		}
	}
	n.Errorf("%s got a copy that no session sends it: %s > %s", at.host.name, last.src, last.dst)
	return 0
}

// throughDoors gives packets other senders and destinations: behind the doors.
func (n *testNetwork) throughDoors(r *rand.Rand, traffic []step) []step {
	hosts := []string{"desk", "till", "cabin", "anna", "ben", "dora", "a2", "b1", "b2", "c1", "d1"}
	to := []string{
		"10.50.1.9", "10.60.1.9", "10.70.1.9", "172.20.0.2", "172.20.0.3", "172.21.0.2", "172.21.0.3", "10.80.0.1", "10.1.1.200", "10.1.1.201", "10.3.1.50", "198.18.0.5", "192.0.2.1",
		"10.0.1.10", "10.0.2.10", "10.1.1.10", "10.1.2.10", "10.2.1.10", "10.3.1.10",
	}
	for _, client := range []string{"anna", "ben"} {
		if own := n.World().VPNClients[client].Status.IPv6; own.IsValid() {
			to = append(to, own.String())
		}
	}
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return n.hosts[h] == nil })
	for i := range traffic {
		s := &traffic[i]
		if r.IntN(2) == 0 {
			s.from = hosts[r.IntN(len(hosts))]
		}
		if r.IntN(2) == 0 {
			s.to, s.msg.src = to[r.IntN(len(to))], netip.Addr{}
		}
		if r.IntN(6) == 0 { // most of what is drawn is nothing that a load balancer listens for
			s.from, s.to, s.msg = "b"+fmt.Sprint(1+r.IntN(2)), "10.1.1.200", tcp(40000+uint16(r.IntN(9)), 80, syn)
		}
		if own := n.hosts[s.from].interfaces[0].address(n.address(s.to)); !own.IsValid() {
			s.from = "b1" // who has no address of the family sends nothing
		}
	}
	return traffic
}

// drawDoors draws a joined world with further doors:
//
//	a: a2 is the appliance of a Connect attachment, with 10.80.0.0/16
//	b: office (desk) and branch (till) by VPN, endpoints of S3, of both types, and of kv
//	c: a Client VPN endpoint
//	d: the load balancer of kv, 10.3.1.50
//
// Site remote has a VPN to the transit gateway.
func drawDoors(r *rand.Rand) joined {
	return drawJoined(r, func(j *joined, lab *transit) {
		// Were b2 to forward, its own routes would send packets round in circles, and
		// each round would be copied.
		j.fields["a2"], j.fields["b2"] = "sourceDestCheck: false", "sourceDestCheck: false"
		if _, attached := lab.attachments["hub-a"]; attached {
			j.fields["a2"] += ", appliance: {networks: [10.80.0.0/16]}"
			lab.gateways["hub"] = "cidrs: [192.0.2.0/24]"
			*lab = lab.attaching("sdwan", "transitGateway: hub, transport: hub-a")
			j.more += "transitGatewayConnectPeers: {p: {attachment: sdwan, peerAddress: 10.0.2.10, transitGatewayAddress: 192.0.2.1, insideCidrs: [169.254.101.0/29], peerAsn: 65010}}\n"
			j.routes["a-2"] = "192.0.2.0/24: hub, 10.0.0.0/8: hub"
		}
		// A second endpoint is at the transit gateway, to which all VPCs have a way (C11).
		if lab.gateways["hub"] == "" {
			lab.gateways["hub"] = "cidrs: [192.0.2.0/24]"
		}
		gateway, outside := "", "" // of remote's connection
		if r.IntN(2) == 0 {
			gateway, outside = ", ipAddressType: ipv6", ", outsideIpAddressType: ipv6"
		}
		if r.IntN(2) == 0 {
			outside += ", enableAcceleration: true"
		}
		j.more += `vpnGateways: {vgw: {vpc: b}}
sites:
  office: {networks: [10.50.0.0/16], asn: 65001}
  branch: {networks: [10.60.0.0/16], asn: 65002}
  remote: {networks: [10.70.0.0/16], asn: 65003}
siteHosts: {desk: {site: office, ip: 10.50.1.9}, till: {site: branch, ip: 10.60.1.9}, cabin: {site: remote, ip: 10.70.1.9}}
customerGateways: {office: {site: office}, branch: {site: branch}, remote: {site: remote` + gateway + `}}
vpnConnections:
  office: {customerGateway: office, vpnGateway: vgw}
  branch: {customerGateway: branch, vpnGateway: vgw}
  remote: {customerGateway: remote, transitGateway: hub` + outside + `}
` + drawClientVPN(r) + drawEndpoints(r, j.regions["d"] == "") + drawMirrors(r)
	}).leading("b", "10.50.0.0/16: vgw, 10.60.0.0/16: vgw, 10.70.0.0/16: vgw").leading("c", "10.50.0.0/16: bc")
}

// leading adds routes to the tables of a VPC, where what they lead to is there.
func (j joined) leading(vpc, routes string) joined {
	for table, own := range j.routes {
		if table != vpc && !strings.HasPrefix(table, vpc+"-") {
			continue
		}
		for _, route := range strings.Split(routes, ", ") {
			_, target, _ := strings.Cut(route, ": ")
			if target == "vgw" || strings.Contains(j.more, "  "+target+": {") {
				own = strings.TrimPrefix(own+", "+route, ", ")
			}
		}
		j.routes[table] = own
	}
	return j
}

func drawClientVPN(r *rand.Rand) string {
	var routes, rules []string
	for _, block := range []string{"10.0.0.0/16", "10.1.0.0/16", "10.3.0.0/16", "10.50.0.0/16", "10.0.0.0/8", "0.0.0.0/0"} {
		if r.IntN(2) == 0 {
			routes = append(routes, block+": "+[]string{"[c-1]", "[c-2]", "[c-1, c-2]"}[r.IntN(3)])
		}
	}
	if r.IntN(2) == 0 {
		routes = append(routes, "172.20.0.0/22: local")
	}
	for _, block := range []string{"10.2.0.0/16", "10.2.1.10/32", "10.0.0.0/8", "10.50.0.0/16", "172.20.0.0/22", "0.0.0.0/0"} {
		if r.IntN(3) > 0 {
			rules = append(rules, fmt.Sprintf("{cidr: %s, groups: %s}", block, []string{"all", "all", "eng", "ops"}[r.IntN(4)]))
		}
	}
	families := "ipv4"
	if r.IntN(2) == 0 {
		families = "dual-stack"
		routes = append(routes, `"::/0": `+[]string{"[c-1]", "[c-1, c-2]"}[r.IntN(2)])
		for _, block := range []string{"2001:db8:a2::/56", "2001:db8:a0::/44", "::/0"} {
			rules = append(rules, fmt.Sprintf("{cidr: %q, groups: %s}", block, []string{"all", "all", "eng", "ops"}[r.IntN(4)]))
		}
	}
	return fmt.Sprintf(`clientVpnEndpoints:
  corp: {clientCidr: 172.20.0.0/22, trafficIpAddressType: %s, endpointIpAddressType: %s, associations: [c-1, c-2], securityGroups: [c], routes: {%s}, authorizationRules: [%s]}
  roam: {clientCidr: 172.21.0.0/22, transitGateway: hub, routes: {10.0.0.0/8: roam, 172.21.0.0/22: local}, authorizationRules: [{cidr: 0.0.0.0/0, groups: all}]}
vpnClients: {anna: {endpoint: corp, groups: [eng]}, ben: {endpoint: corp, groups: [ops]}, dora: {endpoint: roam}, emil: {endpoint: roam}}
`, families, []string{"ipv4", "ipv6", "dual-stack"}[r.IntN(3)], strings.Join(routes, ", "), strings.Join(rules, ", "))
}

// drawEndpoints draws b's endpoints. A service is offered in the Region of its
// consumers only (E17).
func drawEndpoints(r *rand.Rand, offered bool) string {
	text := "vpcEndpoints:\n  s3: {vpc: b, service: s3, routeTables: [b]}\n" +
		"  inner: {vpc: b, service: s3, type: interface, subnets: [b-1], privateIps: {b-1: 10.1.1.201}, securityGroups: [b]}\n"
	if !offered {
		return text
	}
	groups := []string{"", ", securityGroups: [d]"}[r.IntN(2)]
	return text + "  kv: {vpc: b, service: kv, subnets: [b-1], privateIps: {b-1: 10.1.1.200}, securityGroups: [b]}\n" + fmt.Sprintf(`targetGroups: {kv: {vpc: d, port: 80, targets: [%s]}}
loadBalancers: {nlb: {subnets: [d-1], privateIps: {d-1: 10.3.1.50}, listeners: [{port: 80, targetGroup: kv}]%s}}
vpcEndpointServices: {kv: {loadBalancers: [nlb], acceptanceRequired: false, allowedPrincipals: ["*"]}}
`, []string{"d1", "d1, d2"}[r.IntN(2)], groups)
}

// drawMirrors draws sessions between instances of the same Region.
func drawMirrors(r *rand.Rand) string {
	sources, targets := []string{"a1", "b1"}, []string{"a2", "c1", "c2"}
	text := "trafficMirrorTargets: {a2: {networkInterface: a2}, c1: {networkInterface: c1}, c2: {networkInterface: c2}}\n" +
		`trafficMirrorFilters: {all: {ingress: [{rule: 1, action: accept, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}], egress: [{rule: 1, action: accept, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}}
trafficMirrorSessions:
`
	for i, source := range sources {
		text += fmt.Sprintf("  s%d: {networkInterface: %s, target: %s, filter: all, sessionNumber: 1}\n", i, source, targets[r.IntN(len(targets))])
	}
	return text
}
