package dataplane

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestFlowWatchSaysWhoSendsWhatAndWhy(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.0.0/16", 80, 80))
	n.publish()
	f := n.e.WatchFlows()
	defer f.Close()
	for range 3 {
		n.send(hI1, syn("10.0.2.30", 80))
	}
	n.send(hI1, syn("10.0.2.30", 22))
	r := f.Read(200)
	if len(r.Flows) != 2 || r.Packets != 4 || r.Dropped != 1 || r.Bytes != 160 || r.Missed != 0 {
		t.Fatalf("%+v", r)
	}
	if busy := r.Flows[0]; busy.From.Name != "i1/eth0" || busy.To.Name != "i3/eth0" || busy.Packets != 3 || busy.Verdict != VerdictPass || busy.Dropped != 0 {
		t.Errorf("the busiest: %+v", busy)
	}
	if lost := r.Flows[1]; lost.Dropped != 1 || lost.Drop == nil || lost.Drop.Text != "no ingress rule allows tcp/22 from 10.0.1.10" || lost.Drop.Objects[0].Name != "g3" {
		t.Errorf("the dropped: %+v", lost)
	}
	if r = f.Read(200); len(r.Flows) != 0 || r.Packets != 0 {
		t.Errorf("read again: %+v", r)
	}
	f.Close()
	f.Close()
	if n.e.state.watches != nil {
		t.Error("closed, and still watching")
	}
}

// TestFlowWatchKeepsTheBusyAmongTheMany: a flow with one packet in a thousand is
// found among a hundred thousand others.
func TestFlowWatchKeepsTheBusyAmongTheMany(t *testing.T) {
	n := newCrowd(t, Config{})
	c := establish(t, n, 200_000)
	f := n.e.WatchFlows()
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	const batches = 10_000
	for b := range batches {
		for i := range c.in {
			c.set(i, int(rng.Uint32N(100_000)))
		}
		if b%16 == 0 {
			c.set(0, 7)
		}
		c.forward(t)
	}
	r := f.Read(200)
	if busiest := r.Flows[0]; busiest.Addresses.SrcPort != 10007 || busiest.Packets < batches/16*9/10 {
		t.Errorf("the busiest is %+v", busiest)
	}
	sum := r.Missed
	for i := range r.Flows {
		sum += r.Flows[i].Packets
	}
	if sum != r.Packets || r.Packets != batches*64 {
		t.Errorf("%d packets of flows and missed, %d in all", sum, r.Packets)
	}
}

func TestFlowWatchAllocatesNothingPerPacket(t *testing.T) {
	n := newCrowd(t, Config{})
	c := establish(t, n, 1000)
	f := n.e.WatchFlows()
	defer f.Close()
	if allocations := testing.AllocsPerRun(100, func() {
		for i := range c.in {
			c.set(i, i)
		}
		c.forward(t)
	}); allocations != 0 {
		t.Errorf("%v allocations a batch", allocations)
	}
}

// BenchmarkFlowWatch measures what watching costs packets of a million flows: the
// mean, and, while they are read ten times a second with everything else that top
// and a scrape read, how long batches wait.
func BenchmarkFlowWatch(b *testing.B) {
	const flows = 1_000_000
	for _, watched := range []bool{false, true} {
		b.Run(fmt.Sprintf("flows=%d/watched=%t", flows, watched), func(b *testing.B) {
			n := newCrowd(b, Config{})
			n.enlarge(1000, 0)
			n.publish()
			c := establish(b, n, flows)
			rng := rand.New(rand.NewPCG(1, 2))
			var wait sync.WaitGroup
			stop := make(chan struct{})
			if watched {
				f := n.e.WatchFlows()
				defer f.Close()
				wait.Go(func() {
					ticker := time.NewTicker(100 * time.Millisecond)
					defer ticker.Stop()
					for {
						select {
						case <-stop:
							return
						case <-ticker.C:
							f.Read(200)
							n.e.Statistics()
							n.e.DropCounts()
						}
					}
				})
			}
			defer wait.Wait()
			defer close(stop)
			measureGaps(b, func() {
				for i := range c.in {
					c.set(i, int(rng.Uint32N(flows/2)))
				}
				c.forward(b)
			})
			reportPackets(b, b.N*len(c.in))
		})
	}
}
