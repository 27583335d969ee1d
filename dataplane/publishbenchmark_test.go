package dataplane

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkStall measures how long packets have to wait while the network
// changes: the time from the end of one batch to the end of the next, in a
// goroutine that forwards all the time. Its metrics are that gap's percentiles;
// the row without events is what the machine itself does to them.
func BenchmarkStall(b *testing.B) {
	const flows = 1_000_000
	for _, publish := range []bool{false, true} {
		b.Run(fmt.Sprintf("flows=%d/publish=%t", flows, publish), func(b *testing.B) {
			n := newCrowd(b, Config{})
			c := establish(b, n, flows)
			rng := rand.New(rand.NewPCG(1, 2))
			defer n.publishing(publish)(b)
			measureGaps(b, func() {
				for i := range c.in {
					c.set(i, int(rng.Uint32N(flows/2)))
				}
				c.forward(b)
			})
		})
	}
	// Every batch is of new connections, so the table grows from nothing to a
	// million flows, again and again; leaving the old one is not measured.
	for _, publish := range []bool{false, true} {
		b.Run(fmt.Sprintf("flows=growing/publish=%t", publish), func(b *testing.B) {
			n := newCrowd(b, Config{})
			c, k := newConnections(n, hI1, syn("10.0.2.30", 0)), 0
			defer n.publishing(publish)(b)
			measureGaps(b, func() {
				for i := range c.in {
					c.set(i, k)
					k++
				}
				c.forward(b)
			}, func() bool {
				if k+len(c.in) <= flows/2 {
					return false
				}
				k = 0
				n.e.mu.Lock()
				old := &n.e.state.flows
				n.e.state.flows = keyTable[flow]{limit: old.limit, seed: old.seed, together: old.together}
				n.e.mu.Unlock()
				return true
			})
		})
	}
}

// publishing compiles and publishes a large network until the function it
// returns is called, if at all.
func (n *network) publishing(really bool) (stop func(b *testing.B)) {
	if !really {
		return func(*testing.B) {}
	}
	n.enlarge(1000, 10_000)
	var wait sync.WaitGroup
	done, published := make(chan struct{}), 0
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				snap, err := n.b.Seal()
				if err != nil {
					n.t.Error(err)
					return
				}
				n.e.Publish(snap)
				published++
			}
		}
	})
	return func(b *testing.B) {
		close(done)
		wait.Wait()
		b.ReportMetric(float64(published), "snapshots")
	}
}

// enlarge adds interfaces, and routes in tables of 500.
func (n *network) enlarge(interfaces, routes int) {
	for i := range interfaces {
		h := Handle(10_000 + i)
		n.b.NetworkInterfaces = append(n.b.NetworkInterfaces, NetworkInterface{
			Object: Object{Handle: h, Kind: KindNetworkInterface}, Subnet: hTwo, MAC: InterfaceMAC(h), SecurityGroups: []Handle{hGroup1},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 128 + byte(i/250), byte(i%250) + 4})},
		})
	}
	for t := range routes / 500 {
		table := RouteTable{Object: Object{Handle: Handle(20_000 + t), Kind: KindRouteTable}}
		for i := range 500 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i / 250), byte(i % 250)}), 32)
			table.Routes = append(table.Routes, Route{Destination: p, Target: Target{TargetInternetGateway, hGateway}})
		}
		n.b.RouteTables = append(n.b.RouteTables, table)
	}
}

// measureGaps runs forward b.N times and reports the percentiles of the time
// between the ends of two calls. After between says that it did something, one
// gap is left out.
func measureGaps(b *testing.B, forward func(), between ...func() bool) {
	gaps := make([]int64, 1<<20) // the last million, in 8 MiB that are there from the start
	measured := 0
	last := time.Now()
	for b.Loop() {
		forward()
		now := time.Now()
		gaps[measured%len(gaps)] = int64(now.Sub(last))
		measured++
		last = now
		for _, f := range between {
			if f() {
				last = time.Now()
			}
		}
	}
	gaps = gaps[:min(measured, len(gaps))]
	slices.Sort(gaps)
	for _, p := range []struct {
		unit  string
		share float64
	}{{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}, {"max-ns", 1}} {
		b.ReportMetric(float64(gaps[int(p.share*float64(len(gaps)-1))]), p.unit)
	}
}
