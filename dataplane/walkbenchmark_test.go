package dataplane

import (
	"fmt"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// BenchmarkWalk measures one packet's whole way in memory, through
// Engine.Forward with the system's clock: parse, walk, commit, rewrite. A way
// is a kind of hop the packet takes; rules is what stands in every list it
// meets before the rule that matches, per group and times the groups of each
// interface. The last size is AWS's quota (S15, S42).
func BenchmarkWalk(b *testing.B) {
	ways := []struct {
		name string
		from Handle
		spec packet.Spec
		// The rules that match are open to everybody on every port.
		wide bool
		// before is sent once: a handshake, or what the packet answers.
		before func(n *network)
		change func(n *network)
		out    int // frames that go out, per frame
	}{
		{name: "tracked", from: hI1, spec: data("10.0.2.30"), before: handshake(hI1, hI3, "10.0.2.30", "10.0.1.10"), out: 1},
		{name: "tracked-ipv6", from: hI1, spec: data("2001:db8:1:2::30"), before: handshake(hI1, hI3, "2001:db8:1:2::30", "2001:db8:1:1::10"), out: 1},
		{name: "untracked", from: hI1, spec: data("10.0.2.30"), wide: true, out: 1},
		{name: "same-subnet", from: hI1, spec: data("10.0.1.20"), before: handshake(hI1, hI2, "10.0.1.20", "10.0.1.10"), out: 1},
		{name: "middlebox", from: hI1, spec: data("10.0.2.30"), wide: true, change: throughMiddlebox, out: 1},
		{name: "internet-out", from: hI1, spec: data("203.0.113.10"), before: handshake(hI1, hHost, "203.0.113.10", "198.51.100.10"), out: 1},
		{name: "internet-in", from: hHost, spec: data("198.51.100.10"), wide: true, out: 1},
		{name: "internet-in-ipv6", from: hHost, spec: data("2001:db8:1:1::10"), wide: true, out: 1},
		{name: "edge-table", from: hHost, spec: data("198.51.100.10"), wide: true, change: edgeTable, out: 1},
		{name: "nat-out", from: hI3, spec: datagram("203.0.113.10", 5353), wide: true, out: 1},
		{name: "nat-in", from: hHost, spec: packet.Spec{}, wide: true, before: natConnection, out: 1},
		{name: "nat64-out", from: hI3, spec: datagram("64:ff9b::203.0.113.10", 5353), wide: true, out: 1},
		{name: "egress-only-out", from: hI3, spec: datagram("2001:db8:ff00::10", 5353), wide: true, out: 1},
		{name: "no-rule", from: hHost, spec: datagram("198.51.100.10", 53)},
		{name: "blackhole", from: hI1, spec: data("10.0.2.30"), wide: true, change: blackhole},
		{name: "router-ping", from: hI1, spec: echo("10.0.1.1", 7), out: 1},
	}
	for _, way := range ways {
		for _, size := range []struct{ groups, rules int }{{1, 3}, {1, 20}, {5, 60}} {
			b.Run(fmt.Sprintf("way=%s/rules=%dx%d", way.name, size.groups, size.rules), func(b *testing.B) {
				n := newNAT64Network(b)
				n.e = NewEngine(Config{})
				n.crowd(size.groups, size.rules, way.wide)
				if way.change != nil {
					way.change(n)
				}
				n.publish()
				spec := way.spec
				if way.before != nil {
					way.before(n)
				}
				if spec.Dst.IsZero() {
					spec = n.back()
				}
				benchmarkForward(b, n, way.from, packet.Append(nil, n.spec(way.from, spec)), way.out)
			})
		}
	}
}

// BenchmarkBatch measures what is paid once per batch: the lock, the clock and
// the sweepers, by the number of frames that share it.
func BenchmarkBatch(b *testing.B) {
	for _, frames := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("frames=%d", frames), func(b *testing.B) {
			n := newNetwork(b)
			n.e = NewEngine(Config{})
			n.crowd(1, 20, false)
			n.publish()
			handshake(hI1, hI3, "10.0.2.30", "10.0.1.10")(n)
			benchmarkBatch(b, n, hI1, packet.Append(nil, n.spec(hI1, data("10.0.2.30"))), frames, 1)
		})
	}
}

// data is a packet of the middle of a connection.
func data(dst string) packet.Spec {
	s := syn(dst, 8080)
	s.TCPFlags = packet.TCPFlagACK
	return s
}

// handshake opens the connection that data belongs to. The sides may see each
// other under other addresses than their own.
func handshake(client, server Handle, serverAddress, clientAddress string) func(*network) {
	return func(n *network) {
		n.want("SYN", client, syn(serverAddress, 8080), VerdictPass, ReasonDelivered)
		reply := packet.Spec{TCPFlags: packet.TCPFlagSYN | packet.TCPFlagACK}
		reply.Tuple = packet.Tuple{Dst: addr(clientAddress), SrcPort: 8080, DstPort: 40000, Proto: packet.ProtoTCP}
		n.want("SYN and ACK", server, reply, VerdictPass, ReasonDelivered)
		n.want("ACK", client, data(serverAddress), VerdictPass, ReasonDelivered)
	}
}

func natConnection(n *network) {
	n.want("out", hI3, datagram("203.0.113.10", 5353), VerdictPass, ReasonDelivered)
}

// throughMiddlebox routes subnet one's way to subnet two through i2, where it
// ends: behind i2 the walk would be another one.
func throughMiddlebox(n *network) {
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes, Route{Destination: cidr("10.0.2.0/24"), Target: Target{TargetNetworkInterface, hI2}})
}

func edgeTable(n *network) {
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{Object: Object{Handle: hEdge, Kind: KindRouteTable, Name: "edge"}, Routes: []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hVPC}},
	}})
	n.b.InternetGateways[0].EdgeRouteTable = hEdge
}

func blackhole(n *network) {
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes, Route{Destination: cidr("10.0.2.0/24")})
}

// crowd gives every interface so many groups of so many rules per family, none
// of which matches before the last group's last, and every network ACL as many,
// 40 at most (S42).
func (n *network) crowd(groups, rules int, wide bool) {
	others := func(group, rules int) (list []Match) {
		for i := range rules {
			list = append(list, tcp(fmt.Sprintf("172.%d.%d.0/24", 16+group, i), uint16(i), uint16(i)))
			list = append(list, tcp(fmt.Sprintf("2001:db8:f%03x:%x::/64", group, i), uint16(i), uint16(i)))
		}
		return list
	}
	last := []Match{
		tcp("10.0.0.0/8", 1024, 65535), tcp("203.0.113.0/24", 1024, 65535), tcp("198.51.100.0/24", 1024, 65535),
		tcp("2001:db8::/32", 1024, 65535), icmp("0.0.0.0/0", AnyICMP),
	}
	if wide {
		last = []Match{anyTraffic("0.0.0.0/0"), anyTraffic("::/0")}
	}
	// Groups are scanned in the order of their handles, so what matches goes
	// into the one with the highest.
	fill := func(g *SecurityGroup, group int) {
		list := others(group, rules)
		if group == groups-1 {
			list = append(list[:2*(rules-1)], last...)
		}
		g.Ingress, g.Egress = allow(list...), allow(list...)
	}
	for i := range 3 { // one of each interface
		fill(&n.b.SecurityGroups[i], 0)
	}
	var shared []Handle
	for group := 1; group < groups; group++ {
		g := SecurityGroup{Object: Object{Handle: Handle(1000 + group), Kind: KindSecurityGroup, Name: fmt.Sprintf("crowd%d", group)}}
		fill(&g, group)
		n.b.SecurityGroups = append(n.b.SecurityGroups, g)
		shared = append(shared, g.Handle)
	}
	for i := range n.b.NetworkInterfaces {
		n.b.NetworkInterfaces[i].SecurityGroups = append(n.b.NetworkInterfaces[i].SecurityGroups, shared...)
	}
	for i := range n.b.NetworkACLs {
		var list []ACLRule
		for j, m := range others(0, min(rules, 40)-1) {
			list = append(list, ACLRule{Number: j + 1, Match: m})
		}
		n.b.NetworkACLs[i].Ingress = append(list, openACL()...)
		n.b.NetworkACLs[i].Egress = append(list[:len(list):len(list)], openACL()...)
	}
}

func benchmarkForward(b *testing.B, n *network, from Handle, frame []byte, out int) {
	benchmarkBatch(b, n, from, frame, 64, out)
}

func benchmarkBatch(b *testing.B, n *network, from Handle, frame []byte, batch, perFrame int) {
	in, out := make([]packet.Frame, batch), make([]packet.Frame, 0, batch)
	buffers := make([]byte, batch*len(frame))
	b.ReportAllocs()
	for b.Loop() {
		for i := range in {
			in[i] = packet.Frame{Data: buffers[i*len(frame) : (i+1)*len(frame)], Link: uint32(from)}
			copy(in[i].Data, frame)
		}
		if out = n.e.Forward(in, out[:0]); len(out) != perFrame*batch {
			b.Fatalf("%d of %d went out:\n%s", len(out), perFrame*batch, n.story())
		}
	}
	reportPackets(b, b.N*batch)
}

// reportPackets says what the time of the loop is per packet.
func reportPackets(b *testing.B, packets int) {
	ns := float64(b.Elapsed().Nanoseconds()) / float64(packets)
	b.ReportMetric(ns, "ns/packet")
	b.ReportMetric(1e9/ns, "packets/s")
}
