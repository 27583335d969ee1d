package scenarios

import (
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What hangs on a network interface: public addresses that move, secondary
// addresses, further interfaces of an instance, timeouts of its own.

func TestElasticIPSemantics(t *testing.T) {
	const web = "ingress: [{protocol: tcp, ports: 80, from: $any}]"
	before := fixture{a: web, b: nothingIn, i1: "publicIp: 198.51.100.10"}.String()
	moved := fixture{a: web, b: nothingIn, i1: "publicIp: 198.51.100.11", i2: "publicIp: 198.51.100.10"}.String()
	connection := []step{
		{from: "x", to: "198.51.100.10", msg: tcp(40000, 80, syn), want: "delivered to i1 | i1 ingress ACCEPT", seen: "203.0.113.5 → 10.0.1.10"},
		{from: "i1", reply: true, want: "delivered to x | i1 egress ACCEPT", seen: "198.51.100.10 → 203.0.113.5"},
		{from: "x", reply: true, msg: message{flags: ack}, want: "delivered to i1 | i1 ingress ACCEPT"},
	}
	then := func(steps ...step) []step { return append(connection[:len(connection):len(connection)], steps...) }
	play(t, []semanticsCase{
		{name: "A21 an Elastic IP moves while a connection runs: it leads to its new holder", only: control.IPv4, world: before, steps: then(
			step{world: moved, from: "x", to: "198.51.100.10", msg: tcp(40000, 80, ack), want: "dropped at securityGroup b | i2 ingress REJECT"},
		)},
		{name: "A21 an Elastic IP moves while a connection runs: the old holder has another", only: control.IPv4, world: before, steps: then(
			step{world: moved, from: "i1", to: "x", msg: tcp(80, 40000, ack), want: "delivered to x | i1 egress ACCEPT", seen: "198.51.100.11 → 203.0.113.5"},
			step{from: "x", to: "198.51.100.11", msg: tcp(40001, 80, syn), want: "delivered to i1 | i1 ingress ACCEPT"},
		)},
		{name: "R26 an Elastic IP is taken away while a connection runs", only: control.IPv4, world: before, steps: then(
			step{world: fixture{a: web, b: nothingIn}.String(), from: "x", to: "198.51.100.10", msg: tcp(40000, 80, ack), want: "dropped at internet" + nothingLogged},
			step{from: "i1", to: "x", msg: tcp(80, 40000, ack), want: "dropped at internetGateway igw | i1 egress ACCEPT"},
		)},
		{name: "S23 it comes back, and the connection goes on", only: control.IPv4, world: before, steps: then(
			step{world: moved},
			step{world: before, from: "x", to: "198.51.100.10", msg: tcp(40000, 80, ack), want: "delivered to i1 | i1 ingress ACCEPT"},
		)},
	})
}

func TestSecondaryAddressSemantics(t *testing.T) {
	const web = "ingress: [{protocol: tcp, ports: 80, from: $any}]"
	const secondary = `secondaryIps: [{ip: 10.0.1.11, publicIp: 198.51.100.11}, 10.0.1.12], ipv6s: ["2001:db8:1:1::11"]`
	const more = "10.0.1.12 2001:db8:1:1::11"
	world := fixture{a: web, b: "ingress: [{protocol: tcp, ports: 5432, from: a}]", i1: "publicIp: 198.51.100.10, " + secondary}.String()
	play(t, []semanticsCase{
		{name: "A21 a secondary address with its own Elastic IP", only: control.IPv4, world: world, steps: []step{
			{from: "x", to: "198.51.100.11", msg: tcp(40000, 80, syn), want: "delivered to i1 | i1 ingress ACCEPT", seen: "203.0.113.5 → 10.0.1.11"},
			{from: "i1", reply: true, want: "delivered to x | i1 egress ACCEPT", seen: "198.51.100.11 → 203.0.113.5"},
			{from: "i1", to: "x", msg: ping(), want: "delivered to x | i1 egress ACCEPT", seen: "198.51.100.10 → 203.0.113.5"},
		}},
		{name: "R26 a secondary address without one does not get out", only: control.IPv4, world: world, steps: []step{
			{from: "i1", to: "x", source: more, msg: ping(), want: "dropped at internetGateway igw | i1 egress ACCEPT"},
		}},
		{name: "A23 IPv6 addresses are their own public ones", only: control.IPv6, world: world, steps: []step{
			{from: "i1", to: "x", source: more, msg: ping(), want: "delivered to x | i1 egress ACCEPT", seen: "2001:db8:1:1::11 → 2001:db8:ff00::5"},
			{from: "x", to: "2001:db8:1:1::11", msg: tcp(40000, 80, syn), want: "delivered to i1 | i1 ingress ACCEPT"},
		}},
		{name: "A20 groups are the interface's, whatever the address", world: world, steps: []step{
			{from: "i3", to: "10.0.1.12", msg: tcp(40000, 80, syn), want: "delivered to i1"},
			{from: "i3", to: "10.0.1.12", msg: tcp(40000, 22, syn), want: "dropped at securityGroup a"},
			{from: "i3", to: "2001:db8:1:1::11", msg: tcp(40000, 22, syn), want: "dropped at securityGroup a"},
		}, only: control.IPv4},
		{name: "S9 a reference means all private addresses of the members", world: world, steps: []step{
			{from: "i1", to: "i3", source: more, msg: tcp(40000, 5432, syn), want: reached3},
			{from: "i1", to: "i3", msg: tcp(40001, 5432, syn), want: reached3},
		}},
		{name: "A24 the source check knows them all", world: world, steps: []step{
			{from: "i1", to: "i3", source: "10.0.1.13 2001:db8:1:1::13", msg: tcp(40000, 5432, syn), want: "dropped at networkInterface i1"},
		}},
		{name: "A21 a secondary address moves with its Elastic IP", only: control.IPv4, world: world, steps: []step{
			{world: fixture{a: web, b: web, i1: "publicIp: 198.51.100.10", i2: "secondaryIps: [{ip: 10.0.1.11, publicIp: 198.51.100.11}]"}.String()},
			{from: "x", to: "198.51.100.11", msg: tcp(40000, 80, syn), want: "delivered to i2 | i2 ingress ACCEPT", seen: "203.0.113.5 → 10.0.1.11"},
			{from: "i1", to: "10.0.1.11", msg: tcp(40000, 80, syn), want: "delivered to i2 | i1 egress ACCEPT, i2 ingress ACCEPT"},
		}},
	})
}

// twoInterfaces is an instance in both subnets, with a group on each side.
func twoInterfaces(eth0, eth1 string) string {
	return `  m: {subnet: s1, ip: 10.0.1.40, ipv6: "2001:db8:1:1::40", securityGroups: [a], publicIp: 198.51.100.20` + eth0 +
		`, interfaces: [{subnet: s2, ip: 10.0.2.40, ipv6: "2001:db8:1:2::40", securityGroups: [b], publicIp: 198.51.100.21` + eth1 + "}]}\n"
}

func TestSeveralInterfacesSemantics(t *testing.T) {
	world := fixture{a: "ingress: [{protocol: tcp, ports: 22, from: $any}]", b: "ingress: [{protocol: tcp, ports: 80, from: $any}]", more: twoInterfaces("", "")}.String()
	play(t, []semanticsCase{
		{name: "A18 each interface has its own addresses and groups", world: world, steps: []step{
			{from: "i1", to: "m", msg: tcp(40000, 22, syn), want: "delivered to m | i1 egress ACCEPT, m ingress ACCEPT"},
			{from: "i1", to: "m", msg: tcp(40000, 80, syn), want: "dropped at securityGroup a"},
			{from: "i1", to: "m/eth1", msg: tcp(40000, 80, syn), want: "delivered to m/eth1 | i1 egress ACCEPT, m/eth1 ingress ACCEPT"},
			{from: "i1", to: "m/eth1", msg: tcp(40000, 22, syn), want: "dropped at securityGroup b"},
		}},
		{name: "A18 each interface answers for itself", world: world, steps: []step{
			{from: "x", to: "eip:m/eth1", msg: tcp(40000, 80, syn), want: "delivered to m/eth1 | m/eth1 ingress ACCEPT"},
			{from: "m", reply: true, want: "delivered to x | m/eth1 egress ACCEPT"},
		}},
		{name: "A21 each interface has its own Elastic IP", only: control.IPv4, world: world, steps: []step{
			{from: "x", to: "198.51.100.21", msg: tcp(40000, 80, syn), want: "delivered to m/eth1", seen: "203.0.113.5 → 10.0.2.40"},
			{from: "m", reply: true, want: "delivered to x", seen: "198.51.100.21 → 203.0.113.5"},
			{from: "x", to: "198.51.100.20", msg: tcp(40000, 22, syn), want: "delivered to m", seen: "203.0.113.5 → 10.0.1.40"},
			{from: "m", reply: true, want: "delivered to x", seen: "198.51.100.20 → 203.0.113.5"},
		}},
	})
}

// S32, A24: an answer that leaves by another interface than its request came in
// by is none there: the source check drops it, or, with the check off, the rules
// judge it as something new.
func TestS32InterfacesDoNotShareState(t *testing.T) {
	const ssh = "ingress: [{protocol: tcp, ports: 22, from: $any}]"
	for _, c := range []struct{ name, more, b, want string }{
		{"A24 the check is on", twoInterfaces("", ""), everythingIn, "dropped at networkInterface m/eth1"},
		{"S32 the check is off", twoInterfaces("", ", sourceDestCheck: false"), nothingOut, "dropped at securityGroup b | m/eth1 egress REJECT"},
		{"S32 the check is off, and rules allow it", twoInterfaces("", ", sourceDestCheck: false"), nothingIn, "delivered to i1 | m/eth1 egress ACCEPT, i1 ingress ACCEPT"},
	} {
		for _, family := range []control.Family{control.IPv4, control.IPv6} {
			t.Run(c.name+" over "+family.String(), func(t *testing.T) {
				n := newTestNetwork(t, family, inFamily(fixture{a: ssh, b: c.b, more: c.more}.String(), family))
				n.play("request", step{from: "i1", to: "m", msg: tcp(40000, 22, syn), want: "delivered to m"})
				back, _ := reply(n.last["m"])
				eth1 := n.hosts["m"].interfaces[1]
				router, _ := eth1.resolve(eth1.gateways[0])
				if got := n.sendFrame(back.frame(eth1.link, eth1.mac, router)); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		}
	}
}

func TestConnectionTrackingTimeouts(t *testing.T) {
	lab := func(tracking string) string {
		return fixture{b: "ingress: [{protocol: udp, ports: 514, from: $i1}, {protocol: tcp, ports: 22, from: $i1}], egress: []", i3: tracking}.String()
	}
	const forgotten = "dropped at securityGroup b | i3 egress REJECT"
	question, answer := step{from: "i1", to: "i3", msg: udp(40000, 514), want: reached3}, step{from: "i3", to: "i1", msg: udp(514, 40000), want: reached1}
	after := func(s step, wait time.Duration, want string) step {
		s.wait, s.want = wait, want
		return s
	}
	stream := []step{question, answer, question, answer}
	connection := []step{
		{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
		{from: "i3", to: "i1", msg: tcp(22, 40000, synAck), want: reached1},
		{from: "i1", to: "i3", msg: tcp(40000, 22, ack), want: reached3},
	}
	data := step{from: "i3", to: "i1", msg: tcp(22, 40000, ack)}
	const second = time.Second
	play(t, []semanticsCase{
		{name: "S27 UDP, 60 s instead of 30, in time", world: lab("connectionTracking: {udp: 60}"), steps: []step{question, after(answer, 59*second, reached1)}},
		{name: "S27 UDP, 60 s instead of 30, too late", world: lab("connectionTracking: {udp: 60}"), steps: []step{question, after(answer, 61*second, forgotten)}},
		{name: "S27 UDP stream, in time", world: lab(""), steps: append(stream[:4:4], after(answer, 179*second, reached1))},
		{name: "S27 UDP stream, too late", world: lab(""), steps: append(stream[:4:4], after(answer, 181*second, forgotten))},
		{name: "S27 UDP stream, 60 s instead of 180, in time", world: lab("connectionTracking: {udpStream: 60}"), steps: append(stream[:4:4], after(answer, 59*second, reached1))},
		{name: "S27 UDP stream, 60 s instead of 180, too late", world: lab("connectionTracking: {udpStream: 60}"), steps: append(stream[:4:4], after(answer, 61*second, forgotten))},
		{name: "S27 TCP, five days by default", world: lab(""), steps: append(connection[:3:3], after(data, 432000*second-second, reached1))},
		{name: "S27 TCP, after five days", world: lab(""), steps: append(connection[:3:3], after(data, 432000*second+second, forgotten))},
		{name: "S27 TCP, 60 s instead of five days, in time", world: lab("connectionTracking: {tcpEstablished: 60}"), steps: append(connection[:3:3], after(data, 59*second, reached1))},
		{name: "S27 TCP, 60 s instead of five days, too late", world: lab("connectionTracking: {tcpEstablished: 60}"), steps: append(connection[:3:3], after(data, 61*second, forgotten))},
		{name: "S28 TCP, a handshake that does not go on", world: lab(""), steps: append(connection[:1:1], after(step{from: "i3", to: "i1", msg: tcp(22, 40000, synAck)}, 31*second, forgotten))},
		{name: "S28 TCP, closed by both sides", world: lab(""), steps: append(connection[:3:3],
			step{from: "i1", to: "i3", msg: tcp(40000, 22, finAck), want: reached3},
			step{from: "i3", to: "i1", msg: tcp(22, 40000, finAck), want: reached1},
			after(data, 11*second, forgotten))},
		{name: "S28 TCP, reset", world: lab(""), steps: append(connection[:3:3],
			step{from: "i1", to: "i3", msg: tcp(40000, 22, packet.TCPFlagRST), want: reached3},
			after(data, 11*second, forgotten))},
		{name: "S27 a new timeout is of new packets", world: lab(""), steps: append(connection[:3:3],
			step{world: lab("connectionTracking: {tcpEstablished: 60}")},
			after(data, 3600*second, reached1),
			after(data, 61*second, forgotten))},
	})
}
