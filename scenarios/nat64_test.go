package scenarios

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// NAT64, and what it has in common with IPv4 NAT: errors and answers of another
// family than the request.

// x64 is x by NAT64, and sameSubnet leads a public subnet there.
const (
	x64        = "64:ff9b::203.0.113.5"
	sameSubnet = `{0.0.0.0/0: igw, "::/0": igw, "64:ff9b::/96": nat}`
)

func TestNAT64Semantics(t *testing.T) {
	const out6 = "delivered to x | h6 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT"
	const back6, toH6 = "delivered to h6 | nat ingress ACCEPT, nat egress ACCEPT, h6 ingress ACCEPT", "64:ff9b::cb00:7105 → 2001:db8:1:6::10"
	play(t, []semanticsCase{
		{name: "R-C21 NT-04 TCP", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: x64, msg: tcp(40000, 80, syn), want: out6, seen: fromNAT},
			{from: "x", reply: true, want: back6, seen: toH6},
		}},
		{name: "R-C21 NT-04 UDP", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: x64, msg: udp(40000, 53), want: out6, seen: fromNAT},
			{from: "x", reply: true, want: back6, seen: toH6},
		}},
		{name: "R-C21 NT-04 ping", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: x64, msg: ping(), want: out6, seen: fromNAT},
			{from: "x", reply: true, want: back6, seen: toH6},
		}},
		{name: "NT-04 IPv6 leaves by the egress-only gateway", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: "x", msg: tcp(40000, 80, syn), want: "delivered to x | h6 egress ACCEPT", seen: "2001:db8:1:6::10 → 2001:db8:ff00::5"},
		}},
		{name: "R55 without its route NAT64 does not happen", only: control.IPv6, world: natLab{private: `{"::/0": eigw}`}.String(), steps: []step{
			{from: "h6", to: x64, msg: tcp(40000, 80, syn), want: "dropped at internet | h6 egress ACCEPT"},
		}},
		{name: "R55 the client's group must allow 64:ff9b::/96", only: control.IPv6, world: natLab{p: `egress: [{protocol: all, to: 0.0.0.0/0}, {protocol: all, to: "2001:db8::/32"}]`}.String(), steps: []step{
			{from: "h6", to: x64, msg: tcp(40000, 80, syn), want: "dropped at securityGroup p | h6 egress REJECT"},
			{world: natLab{p: `egress: [{protocol: tcp, ports: 80, to: "64:ff9b::203.0.113.0/120"}]`}.String()},
			{from: "h6", to: x64, msg: tcp(40000, 80, syn), want: out6},
		}},
		{name: "R56 to an IPv4 address of the VPC", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: "64:ff9b::10.0.2.10", msg: tcp(40000, 80, syn), want: "delivered to app | h6 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, app ingress ACCEPT", seen: "10.0.0.50 → 10.0.2.10"},
			{from: "app", reply: true, want: "delivered to h6 | app egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, h6 ingress ACCEPT", seen: "64:ff9b::a00:20a → 2001:db8:1:6::10"},
		}},
		{name: "R43 R54 idle for too long: a reset in IPv6", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "h6", to: x64, msg: tcp(40000, 80, syn), want: out6},
			{from: "x", reply: true, want: back6},
			{wait: idle, from: "h6", to: x64, msg: tcp(40000, 80, ack), want: atNAT + ", answered | h6 egress ACCEPT, nat ingress ACCEPT, nat egress ACCEPT, h6 ingress ACCEPT", seen: toH6},
		}},
	})
}

// R54: an ICMP error about a translated packet reaches the inside in its family,
// quoting the packet as it had been sent.
func TestNATGatewayTranslatesErrors(t *testing.T) {
	for _, c := range []struct {
		name, from, to, src, quoted string
	}{
		{"R47 IPv4", "p1", "203.0.113.5", "203.0.113.5", "10.0.1.10"},
		{"R54 NAT64", "h6", x64, "64:ff9b::cb00:7105", "2001:db8:1:6::10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestNetwork(t, control.IPv4, natLab{}.String())
			n.mute = false
			n.send(c.from, c.to, udp(40000, 33434))
			last := n.arrivals[len(n.arrivals)-1]
			if last.at.name != c.from+"/eth0" || !last.isPortUnreachable() || last.src.String() != c.src {
				t.Fatalf("%s got %+v, want port unreachable from %s", last.at.name, last.message, c.src)
			}
			if q := last.quoted; q == nil || q.src.String() != c.quoted || q.dst != n.address(c.to) || q.srcPort != 40000 || q.dstPort != 33434 {
				t.Errorf("it quotes %+v, not the packet as %s sent it", q, c.from)
			}
		})
	}
}

// The answer to a translated probe has another port, and by NAT64 another family;
// a drop of it must be found all the same.
func TestDropOfTranslatedAnswerIsFound(t *testing.T) {
	deny := "ingress: [{rule: 90, action: deny, protocol: all, cidr: 203.0.113.0/24}, $all], egress: [$all]"
	m, err := NewMemory(t.Context(), loadText(t, natLab{aclPub: deny}.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Probe{
		{From: "p1", Protocol: control.ProtocolTCP, Port: 80},
		{From: "p1", Protocol: control.ProtocolUDP, Port: 53},
		{From: "p1", Protocol: control.ProtocolICMP},
		{From: "h6", Protocol: control.ProtocolTCP, Port: 80},
		{From: "h6", Protocol: control.ProtocolUDP, Port: 53},
		{From: "h6", Protocol: control.ProtocolICMP},
	} {
		p.To = netip.MustParseAddr(map[string]string{"p1": "203.0.113.5", "h6": x64}[p.From])
		o, err := m.Probe(t.Context(), p)
		if err != nil || !o.Delivered || o.Dropped == nil || !decidedBy(o.Dropped, control.Decider{Kind: "networkAcl", Name: "pub"}) {
			t.Errorf("%s → %s %s: %+v, %v; want the answer's drop at the ACL", p.From, p.To, p.Protocol, o, err)
		}
	}
}
