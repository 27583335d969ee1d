package dataplane

import (
	"slices"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// BenchmarkFlowLogs measures what flow logs of every interface cost a packet: two
// engines, one with logs, take turns in the same loop. The ratio is the median of
// the turns'.
func BenchmarkFlowLogs(b *testing.B) {
	for _, way := range []struct {
		name   string
		from   Handle
		spec   packet.Spec
		wide   bool
		before func(n *network)
		out    int
	}{
		{name: "tracked", from: hI1, spec: data("10.0.2.30"), before: handshake(hI1, hI3, "10.0.2.30", "10.0.1.10"), out: 1},
		{name: "tracked-ipv6", from: hI1, spec: data("2001:db8:1:2::30"), before: handshake(hI1, hI3, "2001:db8:1:2::30", "2001:db8:1:1::10"), out: 1},
		{name: "untracked", from: hI1, spec: data("10.0.2.30"), wide: true, out: 1},
		{name: "same-subnet", from: hI1, spec: data("10.0.1.20"), before: handshake(hI1, hI2, "10.0.1.20", "10.0.1.10"), out: 1},
		{name: "internet-out", from: hI1, spec: data("203.0.113.10"), before: handshake(hI1, hHost, "203.0.113.10", "198.51.100.10"), out: 1},
		{name: "internet-in", from: hHost, spec: data("198.51.100.10"), wide: true, out: 1},
		{name: "nat-out", from: hI3, spec: datagram("203.0.113.10", 5353), wide: true, out: 1},
		{name: "no-rule", from: hHost, spec: datagram("198.51.100.10", 53)},
	} {
		b.Run("way="+way.name, func(b *testing.B) {
			var frame []byte
			prepare := func(logged bool) *network {
				n := newNAT64Network(b)
				n.e = NewEngine(Config{})
				n.crowd(1, 20, way.wide)
				if logged {
					n.logEverything()
				}
				n.publish()
				if way.before != nil {
					way.before(n)
				}
				frame = packet.Append(nil, n.spec(way.from, way.spec))
				return n
			}
			plain, logged := prepare(false), prepare(true)
			compareForward(b, plain, logged, way.from, func(int) []byte { return frame }, way.out)
		})
	}
}

// BenchmarkFlowLogsOfManyFlows is the same for so many connections at once, all of
// them tracked, packet by packet another one.
func BenchmarkFlowLogsOfManyFlows(b *testing.B) {
	const flows = 1 << 14
	prepare := func(logged bool) *network {
		n := newNetwork(b)
		n.e = NewEngine(Config{})
		n.crowd(1, 20, false)
		if logged {
			n.logEverything()
		}
		return n.publish()
	}
	plain, logged := prepare(false), prepare(true)
	var frames [flows][]byte
	for i := range frames {
		spec := datagram("10.0.2.30", 5353)
		spec.Proto, spec.TCPFlags, spec.SrcPort, spec.DstPort = packet.ProtoTCP, packet.TCPFlagACK, uint16(1024+i), 8080
		frames[i] = packet.Append(nil, plain.spec(hI1, spec))
	}
	next := [2]int{}
	compareForward(b, plain, logged, hI1, func(who int) []byte {
		next[who] = (next[who] + 1) % flows
		return frames[next[who]]
	}, 1)
}

// logEverything gives every interface of the builder a flow log of all traffic.
func (n *network) logEverything() {
	for _, x := range n.b.NetworkInterfaces {
		n.b.FlowLogs = append(n.b.FlowLogs, FlowLog{Resource: x.Handle, Accept: true, Reject: true})
	}
	for _, x := range n.b.NATGateways {
		n.b.FlowLogs = append(n.b.FlowLogs, FlowLog{Resource: x.Handle, Accept: true, Reject: true})
	}
}

func compareForward(b *testing.B, plain, logged *network, from Handle, frame func(who int) []byte, perFrame int) {
	const batch, turn = 64, 64
	in, out := make([]packet.Frame, batch), make([]packet.Frame, 0, batch)
	buffers := make([][128]byte, batch)
	var ratios []float64
	var took [2]time.Duration
	b.ReportAllocs()
	for b.Loop() {
		var now [2]time.Duration
		for who, n := range []*network{plain, logged} {
			start := time.Now()
			for range turn {
				for i := range in {
					f := frame(who)
					in[i] = packet.Frame{Data: buffers[i][:copy(buffers[i][:], f)], Link: uint32(from)}
				}
				if out = n.e.Forward(in, out[:0]); len(out) != perFrame*batch {
					b.Fatalf("%d of %d went out:\n%s", len(out), perFrame*batch, n.story())
				}
			}
			now[who] = time.Since(start)
			took[who] += now[who]
		}
		ratios = append(ratios, float64(now[1])/float64(now[0]))
	}
	slices.Sort(ratios)
	packets := float64(b.N * batch * turn)
	b.ReportMetric(float64(took[0].Nanoseconds())/packets, "ns/packet-without")
	b.ReportMetric(float64(took[1].Nanoseconds())/packets, "ns/packet-with")
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(0, "ns/op")
}
