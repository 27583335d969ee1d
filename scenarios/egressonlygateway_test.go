package scenarios

import (
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The way out of private subnets over IPv6, in the lab of natLab.

func TestEgressOnlyGatewaySemantics(t *testing.T) {
	const out, back = "delivered to x | p1 egress ACCEPT", "delivered to p1 | p1 ingress ACCEPT"
	const seen = "2001:db8:1:1::10 → 2001:db8:ff00::5"
	open := natLab{p: everythingIn}
	request := step{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: out, seen: seen}
	refused := atEIGW + nothingLogged
	play(t, []semanticsCase{
		{name: "R-C20 EI-1 out and its replies", only: control.IPv6, world: natLab{}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: back},
			{from: "p1", reply: true, msg: message{flags: ack}, want: out},
			{from: "p1", to: "x", msg: udp(40000, 53), want: out}, {from: "x", reply: true, want: back},
			{from: "p1", to: "x", msg: ping(), want: out}, {from: "x", reply: true, want: back},
		}},
		{name: "R-C20 R37 EI-1 nothing new comes in, and p1 has no record of it", only: control.IPv6, world: open.String(), steps: []step{
			{from: "x", to: "p1", msg: tcp(40000, 80, syn), want: refused},
			{from: "x", to: "p1", msg: udp(40000, 53), want: refused},
			{from: "x", to: "p1", msg: ping(), want: refused},
		}},
		{name: "EI-1 IPv4 is unaffected", only: control.IPv4, world: natLab{}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: outByNAT},
		}},
		{name: "R34 a reply is the same five values, turned around", only: control.IPv6, world: open.String(), steps: []step{
			{from: "p1", to: "x", msg: udp(40000, 53), want: out},
			{from: "x", to: "p1", msg: udp(53, 40001), want: refused},
			{from: "x", to: "p1", msg: udp(54, 40000), want: refused},
			{from: "y", to: "p1", msg: udp(53, 40000), want: refused},
			{from: "x", to: "p1", msg: udp(53, 40000), want: back},
		}},
		{name: "R34 an echo reply goes by its identifier", only: control.IPv6, world: open.String(), steps: []step{
			{from: "p1", to: "x", msg: ping(), want: out},
			{from: "x", to: "p1", msg: message{proto: packet.ProtoICMP, icmpType: icmpEchoReply, srcPort: 8}, want: refused},
			{from: "x", to: "p1", msg: pong(), want: back},
		}},
		{name: "R34 UDP is remembered for 60 s", only: control.IPv6, world: open.String(), steps: []step{
			{from: "p1", to: "x", msg: udp(40000, 53), want: out},
			{wait: 59 * time.Second, from: "x", reply: true, want: back},
			{wait: 61 * time.Second, from: "x", to: "p1", msg: udp(53, 40000), want: refused},
		}},
		{name: "R34 an established connection is remembered for 350 s", only: control.IPv6, world: natLab{}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: back},
			{from: "p1", reply: true, msg: message{flags: ack}, want: out},
			{wait: notIdle, from: "x", to: "p1", msg: tcp(80, 40000, ack), want: back},
			{wait: idle, from: "x", to: "p1", msg: tcp(80, 40000, ack), want: refused},
		}},
		{name: "R35 the subnet's ACL applies", only: control.IPv6, world: natLab{aclPrv: `ingress: [{rule: 90, action: deny, protocol: tcp, ports: 40000, cidr: "::/0"}, $all], egress: [$all]`}.String(), steps: []step{
			request,
			{from: "x", reply: true, want: "dropped at networkAcl prv rule 90 | p1 ingress REJECT"},
		}},
		{name: "R35 S25 a flow through it is tracked, whatever the rules", only: control.IPv6, world: open.String(), steps: []step{
			request,
			{world: natLab{}.String()},
			{from: "x", reply: true, want: back},
		}},
		{name: "R37 the other subnet of the VPC is open", only: control.IPv6, world: natLab{}.String(), steps: []step{
			{from: "x", to: "web", msg: tcp(40000, 80, syn), want: "delivered to web | web ingress ACCEPT"},
		}},
		{name: "R37 the way back decides, not the subnet", only: control.IPv6, world: natLab{p: everythingIn, private: `{"::/0": eigw, "2001:db8:ff00::6/128": igw}`}.String(), steps: []step{
			{from: "y", to: "p1", msg: tcp(40000, 80, syn), want: back},
			{from: "x", to: "p1", msg: tcp(40000, 80, syn), want: refused},
		}},
		{name: "RT-03 IPv6 leaves by the gateway of its own route", only: control.IPv6, world: natLab{private: `{0.0.0.0/0: nat}`}.String(), steps: []step{
			{from: "p1", to: "x", msg: tcp(40000, 80, syn), want: "dropped at routeTable prv | p1 egress ACCEPT"},
			{from: "p1", to: "203.0.113.5", msg: tcp(40000, 80, syn), want: outByNAT},
		}},
	})
}

// R34: an ICMPv6 error about what went out comes in; one about nothing does not.
func TestR34EgressOnlyGatewayLetsRelatedErrorsIn(t *testing.T) {
	n := newTestNetwork(t, control.IPv6, natLab{}.String())
	n.mute = false
	n.send("p1", "x", udp(40000, 33434)) // nobody listens: x says so
	if last := n.arrivals[len(n.arrivals)-1]; last.at.name != "p1/eth0" || !last.isPortUnreachable() {
		t.Errorf("%s got %+v, want port unreachable at p1/eth0", last.at.name, last.message)
	}
	n.mute = true
	about := udp(40001, 33434)
	about.src, about.dst = n.address("p1"), n.address("x")
	n.play("about nothing", step{from: "x", to: "p1", msg: about.portUnreachable(), want: atEIGW + nothingLogged})
}
