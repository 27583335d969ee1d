package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Cases of semantics/routing.md about the ways out of private subnets: NAT
// gateways, NAT64 and egress-only Internet gateways.

// natLab is the lab of routing.md with its gateways: web and the NAT gateway in
// the public subnet, p1 in the private one, which leaves by the NAT gateway and
// the egress-only one, and h6 in an IPv6-only subnet beside it.
type natLab struct {
	nat              string // fields of the NAT gateway
	public, private  string // routes of the subnets' tables
	aclPub, aclPrv   string // of the public and the private subnet; open if ""
	p                string // rules of the group that p1 and h6 carry
	p1               string // further fields of p1
	more, moreSubnet string // further instances and subnets
}

func (l natLab) String() string {
	either := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	acl := func(text string) string {
		if text == "" {
			text = "ingress: [$all], egress: [$all]"
		}
		// The fixture's own rules are about both families, whatever a case is about.
		return strings.ReplaceAll(text, "$all", `{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}`)
	}
	return strings.NewReplacer(
		"%nat", either(l.nat, "eip: 198.51.100.50"), "%public", either(l.public, `{0.0.0.0/0: igw, "::/0": igw}`),
		"%private", either(l.private, `{0.0.0.0/0: nat, "::/0": eigw, "64:ff9b::/96": nat}`),
		"%aclPub", acl(l.aclPub), "%aclPrv", acl(l.aclPrv), "%p1", l.p1, "%p", either(l.p, "ingress: []"),
		"%moreSubnet", l.moreSubnet, "%more", l.more,
	).Replace(`
vpcs: {v: {cidr: 10.0.0.0/16, secondaryCidrs: [100.64.1.0/24], ipv6: "2001:db8:1::/56"}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: pub, privateIp: 10.0.0.50, %nat}}
egressOnlyInternetGateways: {eigw: {vpc: v}}
routeTables:
  pub: {vpc: v, routes: %public}
  prv: {vpc: v, routes: %private}
networkAcls:
  pub: {vpc: v, %aclPub}
  prv: {vpc: v, %aclPrv}
subnets:
  pub: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1::/64", routeTable: pub, networkAcl: pub}
  prv: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: prv, networkAcl: prv}
  six: {vpc: v, ipv6Native: true, ipv6: "2001:db8:1:6::/64", enableDns64: true, routeTable: prv}
  app: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64"}
%moreSubnet
securityGroups:
  p:    {vpc: v, %p}
  open: {vpc: v, ` + everythingIn + `}
instances:
  web: {subnet: pub, ip: 10.0.0.10, ipv6: "2001:db8:1::10", publicIp: 198.51.100.10, securityGroups: [open]}
  p1:  {subnet: prv, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [p], %p1}
  h6:  {subnet: six, ipv6: "2001:db8:1:6::10", securityGroups: [p]}
  app: {subnet: app, ip: 10.0.2.10, ipv6: "2001:db8:1:2::10", securityGroups: [open]}
%more
internetHosts:
  x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}
  y: {ip: 203.0.113.6, ipv6: "2001:db8:ff00::6"}
`)
}

// Outcomes that recur.
const (
	outByNAT  = "delivered to x | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"
	backByNAT = "delivered to p1 | nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT"
	atNAT     = "dropped at natGateway nat"
	atEIGW    = "dropped at egressOnlyInternetGateway eigw"
	fromNAT   = "198.51.100.50 → 203.0.113.5"
	toP1      = "203.0.113.5 → 10.0.1.10"
	idle      = 351 * time.Second // longer than the gateway remembers
	notIdle   = 349 * time.Second
)

func TestNATGatewaySemantics(t *testing.T) {
	request := step{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: outByNAT, seen: fromNAT}
	answer := step{from: "x", reply: true, want: backByNAT, seen: toP1}
	confirm := step{from: "p1", reply: true, msg: message{flags: ack}, want: outByNAT}
	untracked := natLab{p: everythingIn + ", egress: [{protocol: all, to: 0.0.0.0/0}, {protocol: all, to: \"::/0\"}]"}

	play(t, []semanticsCase{
		{name: "R-C13 TCP out and back, with four records of the gateway", only: control.IPv4, world: natLab{}.String(), steps: []step{
			request, answer,
			{from: "p1", reply: true, msg: message{flags: ack}, want: outByNAT, seen: fromNAT},
			{from: "x", reply: true, msg: message{flags: ack, payload: []byte("hello")}, want: backByNAT, seen: toP1},
		}},
		{name: "R-C13 UDP out and back", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "p1", to: "x", msg: udp(40000, 53), want: outByNAT, seen: fromNAT}, answer,
		}},
		{name: "R-C13 R47 ping out and back", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "p1", to: "x", msg: ping(), want: outByNAT, seen: fromNAT}, answer,
		}},
		{name: "R47 a mapping is for one destination", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "p1", to: "x", msg: udp(40000, 53), want: outByNAT},
			{from: "x", reply: true, want: backByNAT},
			{from: "y", to: "198.51.100.50", msg: udp(53, 40000), want: atNAT + " | nat ingress ACCEPT"},
		}},
		{name: "R-C14 R43 idle for too long: a reset to the inside", only: control.IPv4, world: natLab{}.String(), steps: []step{
			request, answer, confirm,
			{wait: notIdle, from: "p1", to: "x", msg: tcp(40000, 80, ack), want: outByNAT},
			{wait: idle, from: "p1", to: "x", msg: tcp(40000, 80, ack), want: atNAT + ", answered | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT", seen: toP1},
		}},
		{name: "R43 idle for too long: nothing comes in", only: control.IPv4, world: natLab{}.String(), steps: []step{
			request,
			{wait: idle, from: "x", reply: true, want: atNAT + " | nat ingress ACCEPT"},
		}},
		{name: "R43 traffic either way keeps the mapping", only: control.IPv4, world: natLab{}.String(), steps: []step{
			request, answer, confirm,
			{wait: notIdle, from: "x", reply: true, msg: message{flags: ack}, want: backByNAT},
			{wait: notIdle, from: "p1", reply: true, msg: message{flags: ack}, want: outByNAT},
			{wait: notIdle, from: "x", reply: true, msg: message{flags: ack}, want: backByNAT},
		}},
		{name: "R-C15 R45 it is no listener, and not pingable", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "x", to: "198.51.100.50", msg: tcp(40000, 22, syn), want: atNAT + " | nat ingress ACCEPT"},
			{from: "x", to: "198.51.100.50", msg: ping(), want: atNAT + " | nat ingress ACCEPT"},
			{from: "p1", to: "10.0.0.50", msg: ping(), want: atNAT + " | p1 egress ACCEPT, nat ingress ACCEPT"},
			{from: "web", to: "10.0.0.50", msg: ping(), want: atNAT + " | web egress ACCEPT, nat ingress ACCEPT"},
		}},
		{name: "R-C17 R40 GRE is not carried", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "p1", to: "x", msg: gre(), want: atNAT + " | p1 egress ACCEPT, nat ingress ACCEPT"},
		}},
		{name: "R39 without a route to the Internet gateway it leads nowhere", only: control.IPv4, world: natLab{public: `{"::/0": igw}`}.String(), steps: []step{
			{from: "p1", to: "x", msg: ping(), want: "dropped at routeTable pub | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
		}},
		{name: "R39 R26 NT-02 a private gateway is dropped at the Internet gateway", only: control.IPv4, world: natLab{nat: "connectivity: private"}.String(), steps: []step{
			{from: "p1", to: "x", msg: ping(), want: "dropped at internetGateway igw | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"},
		}},
		{name: "R6 R41 towards a subnet of the VPC its private address is seen", only: control.IPv4, world: natLab{private: `{10.0.2.0/24: nat}`}.String(), steps: []step{
			{from: "p1", to: "app", msg: tcp(40000, 80, syn), want: "delivered to app | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, app ingress ACCEPT", seen: "10.0.0.50 → 10.0.2.10"},
			{from: "app", reply: true, want: "delivered to p1 | app egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT", seen: "10.0.2.10 → 10.0.1.10"},
		}},
		{name: "R48 S25 a flow through it is tracked, whatever the rules", only: control.IPv4, world: untracked.String(), steps: []step{
			request,
			{world: natLab{}.String()},
			answer,
		}},
		{name: "S21 the same flow by the Internet gateway is not", only: control.IPv4, world: natLab{p: untracked.p, private: "{0.0.0.0/0: igw}", p1: "publicIp: 198.51.100.11"}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: "delivered to x"},
			{world: natLab{private: "{0.0.0.0/0: igw}", p1: "publicIp: 198.51.100.11"}.String()},
			{from: "x", reply: true, want: "dropped at securityGroup p"},
		}},
		{name: "R42 a second address, and answers to either", only: control.IPv4, world: natLab{nat: "eip: [198.51.100.50, 198.51.100.51], secondaryIps: [10.0.0.51]"}.String(), steps: []step{
			{from: "p1", to: "x", msg: udp(40000, 53), want: outByNAT}, answer,
			{from: "x", to: "198.51.100.51", msg: tcp(40000, 22, syn), want: atNAT},
		}},
	})
}

// R41, R47: what the other side gets, beside the address.
func TestR_C13NATGatewayChoosesPorts(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, natLab{}.String())
	for _, msg := range []message{tcp(40000, 80, syn), udp(40000, 53), ping()} {
		n.send("p1", "x", msg)
		got, ok := n.last["x"]
		if !ok || got.srcPort < 1024 || got.proto == packet.ProtoTCP && got.dstPort != 80 || got.proto == packet.ProtoUDP && got.dstPort != 53 {
			t.Errorf("protocol %d: x got %+v, want a source port from 1024 on and the same destination port", msg.proto, got)
		}
		n.play("answer", step{from: "x", reply: true, want: backByNAT})
		if back := n.last["p1"]; back.dstPort != msg.srcPort || back.srcPort != answeringPort(msg) {
			t.Errorf("protocol %d: p1 got %d → %d, want %d → %d", msg.proto, back.srcPort, back.dstPort, answeringPort(msg), msg.srcPort)
		}
	}
}

// answeringPort is the port that the answer to msg comes from; an echo has its
// identifier in both.
func answeringPort(msg message) uint16 {
	if msg.dstPort == 0 {
		return msg.srcPort
	}
	return msg.dstPort
}

// R-C14: what the inside gets for a connection that was forgotten is a reset,
// in the name of the other side, which sees nothing.
func TestR_C14ResetAfterIdleTime(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, natLab{}.String())
	n.play("open", step{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: outByNAT})
	n.play("answer", step{from: "x", reply: true, want: backByNAT})
	n.Advance(idle)
	n.send("p1", "x", tcp(40000, 80, ack))
	if len(n.arrivals) != 1 || n.arrivals[0].at.name != "p1/eth0" {
		t.Fatalf("%d packets arrived", len(n.arrivals))
	}
	if got := n.arrivals[0]; got.flags != packet.TCPFlagRST || got.src != n.address("x") || got.srcPort != 80 || got.dstPort != 40000 {
		t.Errorf("p1 got %+v, want a reset from x's port 80", got.message)
	}
}

// R-C16, R44: fragments of UDP pass, those of ICMP and TCP do not.
func TestR_C16NATGatewayAndFragments(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  message
		want string
	}{
		{"UDP", udp(40000, 53), outByNAT},
		{"ping", ping(), atNAT + " | p1 egress ACCEPT, nat ingress ACCEPT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestNetwork(t, control.IPv4, natLab{}.String())
			n.start()
			for i, f := range n.fragments("p1", "x", c.msg, 3000) {
				if got := n.sendFrame(f); got != c.want {
					t.Errorf("fragment %d: %s, want %s", i+1, got, c.want)
				}
				if len(n.arrivals) > 0 && n.arrivals[0].src.String() != "198.51.100.50" {
					t.Errorf("fragment %d came from %s", i+1, n.arrivals[0].src)
				}
			}
		})
	}
}

// fragments cuts a packet of size bytes as a host with an MTU of 1500 would.
func (n *testNetwork) fragments(from, to string, msg message, size int) []packet.Frame {
	n.Helper()
	eth0 := n.hosts[from].interfaces[0]
	msg.dst = n.address(to)
	msg.src, msg.id, msg.payload = eth0.address(msg.dst), 77, make([]byte, size-28)
	_, hop := n.hosts[from].route(msg.src, msg.dst)
	mac, ok := eth0.resolve(hop)
	if !ok {
		n.Fatalf("%s has no next hop", from)
	}
	f := msg.frame(eth0.link, eth0.mac, mac)
	var list []packet.Frame
	for _, part := range new(packet.Segmenter).FragmentIPv4(nil, &f, 1500) {
		part.Data = append([]byte(nil), part.Data...)
		list = append(list, part)
	}
	if len(list) < 2 {
		n.Fatalf("%d fragments", len(list))
	}
	return list
}

// R49: where network ACLs stand on the way through a NAT gateway, and what they
// see there. Each case takes one point away.
func TestR49NATGatewayACLPoints(t *testing.T) {
	deny := func(direction, rule string) string {
		other := map[string]string{"ingress": "egress", "egress": "ingress"}[direction]
		return direction + ": [{rule: 90, action: deny, " + rule + "}, $all], " + other + ": [$all]"
	}
	request := step{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: outByNAT}
	const sent, got = "p1 egress ACCEPT, nat ingress ACCEPT, nat egress ", "nat ingress ACCEPT, nat egress "
	play(t, []semanticsCase{
		{name: "R49 out of the instance's subnet, to the Internet", only: control.IPv4, world: natLab{aclPrv: deny("egress", "protocol: tcp, ports: 80, cidr: 203.0.113.0/24")}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: "dropped at networkAcl prv rule 90 | p1 egress REJECT"},
		}},
		{name: "R49 into the gateway's subnet, from the instance", only: control.IPv4, world: natLab{aclPub: deny("ingress", "protocol: tcp, ports: 80, cidr: 10.0.1.0/24")}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: "dropped at networkAcl pub rule 90 | p1 egress ACCEPT, nat ingress REJECT"},
		}},
		{name: "R49 out of the gateway's subnet, to the Internet", only: control.IPv4, world: natLab{aclPub: deny("egress", "protocol: tcp, ports: 80, cidr: 203.0.113.0/24")}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: "dropped at networkAcl pub rule 90 | " + sent + "REJECT"},
		}},
		{name: "R49 S37 back into the gateway's subnet, to a port from 1024 on", only: control.IPv4, world: natLab{aclPub: deny("ingress", "protocol: tcp, ports: 1024-65535, cidr: 203.0.113.0/24")}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: "dropped at networkAcl pub rule 90 | nat ingress REJECT"},
		}},
		{name: "R49 out of the gateway's subnet, to the instance's own port", only: control.IPv4, world: natLab{aclPub: deny("egress", "protocol: tcp, ports: 40000, cidr: 10.0.1.0/24")}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: "dropped at networkAcl pub rule 90 | " + got + "REJECT"},
		}},
		{name: "R49 into the instance's subnet, from the Internet", only: control.IPv4, world: natLab{aclPrv: deny("ingress", "protocol: tcp, ports: 40000, cidr: 203.0.113.0/24")}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: "dropped at networkAcl prv rule 90 | " + got + "ACCEPT, p1 ingress REJECT"},
		}},
		// Only NAT64 can lead a subnet's own packets to a gateway in it: the
		// gateway sends on by the same table.
		{name: "R49 the gateway in the instance's subnet: out and in", only: control.IPv6, world: natLab{public: sameSubnet, aclPub: deny("egress", `protocol: tcp, ports: 80, cidr: "64:ff9b::/96"`)}.String(), steps: []step{
			{from: "web", to: x64, msg: tcp(40000, 80, syn), want: "dropped at networkAcl pub rule 90 | web egress REJECT"},
			{world: natLab{public: sameSubnet, aclPub: deny("ingress", `protocol: tcp, ports: 80, cidr: "2001:db8:1::/64"`)}.String()},
			{from: "web", to: x64, msg: tcp(40001, 80, syn), want: "dropped at networkAcl pub rule 90 | web egress ACCEPT, nat ingress REJECT"},
		}},
		{name: "R49 the gateway in the instance's subnet: not for the answer", only: control.IPv6, world: natLab{public: sameSubnet, aclPub: deny("ingress", `protocol: all, cidr: "64:ff9b::/96"`)}.String(), steps: []step{
			{from: "web", to: x64, msg: tcp(40000, 80, syn), want: "delivered to x | web egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT", seen: fromNAT},
			{from: "x", reply: true, want: "delivered to web | nat ingress ACCEPT, nat egress ACCEPT, web ingress ACCEPT", seen: "64:ff9b::cb00:7105 → 2001:db8:1::10"},
		}},
	})
}

// NT-02: a private NAT gateway lends addresses that the other side knows. The
// other network stands behind an instance, as it would behind a VPN gateway.
func TestNT_02PrivateNATGateway(t *testing.T) {
	lab := strings.NewReplacer(
		"nat: {subnet: pub, privateIp: 10.0.0.50, eip: 198.51.100.50}", "nat: {subnet: known, privateIp: 100.64.1.50, connectivity: private}",
	).Replace(natLab{
		private:    `{192.168.0.0/16: nat}`,
		moreSubnet: "  known: {vpc: v, cidr: 100.64.1.0/24, routeTable: known}\n",
		more:       "  edge: {subnet: app, ip: 10.0.2.20, securityGroups: [open], sourceDestCheck: false}\n",
	}.String())
	lab = strings.Replace(lab, "routeTables:\n", "routeTables:\n  known: {vpc: v, routes: {192.168.0.0/16: edge}}\n", 1)
	n := newTestNetwork(t, control.IPv4, lab)
	n.play("out", step{from: "p1", to: "192.168.7.7", msg: tcp(40000, 80, syn), seen: "100.64.1.50 → 192.168.7.7",
		want: "delivered to edge | p1 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, edge ingress ACCEPT"})
	n.play("back", step{from: "edge", reply: true, seen: "192.168.7.7 → 10.0.1.10",
		want: "delivered to p1 | edge egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, p1 ingress ACCEPT"})
	n.play("in", step{from: "edge", to: "100.64.1.50", source: "192.168.7.7", msg: tcp(40000, 22, syn),
		want: atNAT + " | edge egress ACCEPT, nat ingress ACCEPT"})
}
