package dataplane

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// connections are frames of many connections of one pair of interfaces, told
// apart by their ports: a frame is a copy of a template with others, which
// neither the Ethernet nor the IPv4 checksum covers.
type connections struct {
	n        *network
	from     Handle
	template []byte
	ports    int // offset of the source port
	in, out  []packet.Frame
	buffers  []byte
}

const connectionsPerPort = 50000 // below what a NAT gateway has (R42)

func newConnections(n *network, from Handle, s packet.Spec) *connections {
	const batch = 64
	c := &connections{n: n, from: from, template: packet.Append(nil, n.spec(from, s)), in: make([]packet.Frame, batch), out: make([]packet.Frame, 0, batch)}
	c.buffers = make([]byte, batch*len(c.template))
	c.ports = 14 + 20
	if !s.Dst.Is4() {
		c.ports = 14 + 40
	}
	return c
}

// set makes frame i of the batch one of connection number k.
func (c *connections) set(i, k int) {
	data := c.buffers[i*len(c.template) : (i+1)*len(c.template)]
	copy(data, c.template)
	near, far := uint16(10000+k%connectionsPerPort), uint16(8000+k/connectionsPerPort)
	if c.from == hI3 { // the answering side
		near, far = far, near
	}
	binary.BigEndian.PutUint32(data[c.ports:], uint32(near)<<16|uint32(far))
	c.in[i] = packet.Frame{Data: data, Link: uint32(c.from)}
}

// forward sends the batch, all of which must arrive.
func (c *connections) forward(tb testing.TB) {
	if c.out = c.n.e.Forward(c.in, c.out[:0]); len(c.out) != len(c.in) {
		tb.Fatalf("%d of %d went out:\n%s", len(c.out), len(c.in), c.n.story())
	}
}

// sendAll sends one packet of each of the first connections.
func (c *connections) sendAll(tb testing.TB, connections int) {
	for first := 0; first < connections; first += len(c.in) {
		for i := range c.in {
			c.set(i, min(first+i, connections-1))
		}
		c.forward(tb)
	}
}

// establish opens connections between i1 and i3, each of which is a flow of
// both, and returns packets of their middle.
func establish(tb testing.TB, n *network, flows int) *connections {
	newConnections(n, hI1, syn("10.0.2.30", 0)).sendAll(tb, flows/2)
	reply := syn("10.0.1.10", 0)
	reply.TCPFlags |= packet.TCPFlagACK
	newConnections(n, hI3, reply).sendAll(tb, flows/2)
	c := newConnections(n, hI1, data("10.0.2.30"))
	c.sendAll(tb, flows/2)
	if n.e.Flows() != flows {
		tb.Fatalf("%d flows, want %d", n.e.Flows(), flows)
	}
	return c
}

func newCrowd(tb testing.TB, config Config) *network {
	n := newNetwork(tb)
	n.e = NewEngine(config)
	n.crowd(1, 20, false)
	return n.publish()
}

// BenchmarkFlows forwards packets of the middle of established connections,
// each drawn at random from all of them, with as many flows in the table.
func BenchmarkFlows(b *testing.B) {
	for _, flows := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			c := establish(b, newCrowd(b, Config{}), flows)
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				for i := range c.in {
					c.set(i, int(rng.Uint32N(uint32(flows/2))))
				}
				c.forward(b)
			}
			reportPackets(b, b.N*len(c.in))
		})
	}
}

// BenchmarkNewFlows forwards the first packets of connections that did not
// exist: a SYN each, which takes two flows (or a datagram, a flow and a mapping
// of the NAT gateway). A growing table starts empty and is thrown away when it
// is full, outside the measured time; in a steady one as many connections
// expire and are swept as there come new ones.
func BenchmarkNewFlows(b *testing.B) {
	const halfMillion = 1 << 19 // what fits in the default tables
	growing := func(b *testing.B, start func() *connections) {
		c, k := start(), 0
		b.ReportAllocs()
		for b.Loop() {
			if k+len(c.in) > halfMillion {
				b.StopTimer()
				c, k = start(), 0
				b.StartTimer()
			}
			for i := range c.in {
				c.set(i, k)
				k++
			}
			c.forward(b)
		}
		reportPackets(b, b.N*len(c.in))
	}
	b.Run("tracked-growing", func(b *testing.B) {
		growing(b, func() *connections { return newConnections(newCrowd(b, Config{}), hI1, syn("10.0.2.30", 0)) })
	})
	b.Run("nat-growing", func(b *testing.B) {
		growing(b, func() *connections {
			n := newNATNetwork(b)
			n.e = NewEngine(Config{})
			n.crowd(1, 20, true)
			return newConnections(n.publish(), hI3, datagram("203.0.113.10", 0))
		})
	})
	b.Run("tracked-steady", func(b *testing.B) {
		// A half-open connection lives for 30 s: here 4,000 batches.
		clock := int64(1)
		c := newConnections(newCrowd(b, Config{Clock: func() int64 { clock += 30e9 / 4000; return clock }}), hI1, syn("10.0.2.30", 0))
		c.sendAll(b, halfMillion)
		k := halfMillion
		b.ReportAllocs()
		for b.Loop() {
			for i := range c.in {
				c.set(i, k)
				k = (k + 1) % (50 * halfMillion)
			}
			c.forward(b)
		}
		reportPackets(b, b.N*len(c.in))
		b.ReportMetric(float64(c.n.e.Flows()), "flows")
	})
}

// BenchmarkFlowTable is the lookup alone, in an order that no cache foresees.
func BenchmarkFlowTable(b *testing.B) {
	for _, flows := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) {
			table := keyTable[flow]{limit: 1 << 21, seed: 42}
			keys := make([]flowKey, flows)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range keys {
				keys[i] = flowKey{local: packet.Addr{Lo: rng.Uint64()}, remote: packet.Addr{Lo: rng.Uint64()}, scope: 1<<8 | 6, localPort: uint16(rng.Uint32())}
				table.insert(&keys[i]).value.state = flowNew
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if table.find(&keys[i]) == nil {
					b.Fatal("lost a flow")
				}
				if i += 7919; i >= flows {
					i %= flows
				}
			}
		})
	}
}
