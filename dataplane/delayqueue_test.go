package dataplane

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestJitterStaysInBoundsAndKeepsTheOrder(t *testing.T) {
	const delay, jitter = 20 * ms, 4 * ms
	for _, c := range []struct {
		name     string
		interval int64
	}{{"dense", ms / 20}, {"sparse", 200 * ms}} {
		n := newDistantNetwork(t, Link{Forward: Impairment{Delay: time.Duration(delay), Jitter: time.Duration(jitter)}})
		var sent []int64
		var got []arrival
		for i := range uint32(4000) {
			got = append(got, n.until(n.clock+c.interval)...)
			sent = append(sent, n.clock)
			n.send(hI1, numbered("10.0.2.30", i, 20))
		}
		got = append(got, n.drain()...)
		if len(got) != len(sent) {
			t.Fatalf("%s: %d of %d arrived", c.name, len(got), len(sent))
		}
		sum, least, most := 0.0, int64(math.MaxInt64), int64(0)
		for i, a := range got {
			took := a.at - sent[a.number]
			if a.number != uint32(i) || took < delay-jitter || took > delay+jitter {
				t.Fatalf("%s: packet %d arrived as number %d after %d µs", c.name, a.number, i, took/1000)
			}
			sum, least, most = sum+float64(took), min(least, took), max(most, took)
		}
		near(t, c.name+": mean", sum/float64(len(got)), float64(delay), float64(jitter)/4)
		if most-least < jitter*3/2 {
			t.Errorf("%s: it varies from %d to %d µs only", c.name, least/1000, most/1000)
		}
	}
}

func TestLossIsBinomial(t *testing.T) {
	const loss, count = 0.1, 20000
	n := newDistantNetwork(t, Link{Forward: Impairment{Loss: loss}, Reverse: Impairment{Loss: 0.001}})
	passed := 0
	for i := range uint32(count) {
		if v, _ := n.send(hI1, numbered("10.0.2.30", i, 20)); v == VerdictPass {
			passed++
		}
	}
	near(t, "passed", float64(passed), count*(1-loss), 4*math.Sqrt(count*loss*(1-loss)))
	s := n.e.Links()[0].Forward
	if int(s.Lost) != count-passed || int(s.Packets) != passed || n.e.Counters().Reasons[ReasonLinkLoss] != s.Lost {
		t.Errorf("counted %+v, %d passed", s, passed)
	}
}

// superframe is TCP from i1 with segments of 1,000 bytes that begin with their
// number.
func (n *network) superframe(dst string, segments, size int) packet.Frame {
	s := packet.Spec{Tuple: packet.Tuple{Dst: addr(dst), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagACK}
	s.Payload = make([]byte, segments*size)
	for i := range segments {
		binary.BigEndian.PutUint32(s.Payload[i*size:], uint32(i))
	}
	f := packet.Frame{Data: packet.Append(nil, n.spec(hI1, s)), Link: hI1}
	f.Offload.GSO, f.Offload.SegmentSize = packet.GSOTCP4, uint16(size)
	if !s.Dst.Is4() {
		f.Offload.GSO = packet.GSOTCP6
	}
	packet.DeferChecksum(&f)
	return f
}

func TestSuperframeLosesSegments(t *testing.T) {
	const loss, frames, segments = 0.02, 500, 40
	for _, dst := range []string{"10.0.2.30", "2001:db8:1:2::30"} {
		n := newDistantNetwork(t, Link{Forward: Impairment{Loss: loss}}, Link{Interface: hI3, Reverse: Impairment{Loss: loss}})
		whole, lost := 0, 0
		places := [segments]int{}
		for range frames {
			n.frames = n.e.Forward([]packet.Frame{n.superframe(dst, segments, 1000)}, n.frames[:0])
			if len(n.frames) == 1 && n.frames[0].Offload.GSO != 0 {
				whole++
				continue
			}
			got := n.arrivals(nil)
			lost += segments - len(got)
			for i, a := range got {
				if i > 0 && got[i-1].number >= a.number {
					t.Fatal("segments overtook each other")
				}
				places[a.number]++
			}
		}
		p := 1 - (1-loss)*(1-loss)
		near(t, dst+": whole", float64(whole), frames*math.Pow(1-p, segments), 4*math.Sqrt(frames*0.25))
		near(t, dst+": lost", float64(lost), frames*segments*p, 4*math.Sqrt(frames*segments*p))
		for i, got := range places {
			near(t, dst+": a segment's place", float64(got+whole), frames*(1-p), 5*math.Sqrt(frames*p))
			_ = i
		}
		if s := n.e.Links(); int(s[0].Forward.Lost+s[1].Reverse.Lost) != lost {
			t.Errorf("%s: counted %+v, lost %d", dst, s, lost)
		}
	}
}

func TestBandwidthIsKept(t *testing.T) {
	const bandwidth, seconds = 10e6, 2
	for _, c := range []struct {
		name     string
		segments int // 0: datagrams
		size     int
	}{{"small", 0, 36}, {"large", 0, 1400}, {"superframes", 40, 1460}, {"short superframes", 2, 300}} {
		n := newDistantNetwork(t, Link{Forward: Impairment{Bandwidth: bandwidth}})
		start := n.clock
		frame := packet.Append(nil, n.spec(hI1, numbered("10.0.2.30", 7, c.size)))
		packets, size := 1, c.size+28
		if c.segments > 0 {
			frame = n.superframe("10.0.2.30", c.segments, c.size).Data
			packets, size = c.segments, c.size+40
		}
		interval := int64(packets*size*8) * 1e9 / bandwidth / 2 // twice what it carries
		received, arrived, last := 0, 0, int64(0)
		count := func(list []arrival) {
			for _, a := range list {
				last = a.at
				if a.at < start+seconds*1e9 {
					received += a.bytes
				}
				arrived += a.bytes
			}
		}
		sent := 0
		for n.clock < start+seconds*1e9 {
			f := packet.Frame{Data: bytes.Clone(frame), Link: hI1}
			if c.segments > 0 {
				f = n.superframe("10.0.2.30", c.segments, c.size)
			}
			n.frames = n.e.Forward([]packet.Frame{f}, n.frames[:0])
			sent += packets
			count(n.arrivals(nil))
			count(n.until(n.clock + interval))
		}
		count(n.drain())
		near(t, c.name+": bits per second", float64(received)*8/seconds, bandwidth, bandwidth/100)
		near(t, c.name+": the queue's time", float64(last-start)/1e9-seconds, 0.1, 0.01)
		s := n.e.Links()[0].Forward
		if int(s.Bytes) != arrived || int(s.Packets+s.QueueDrops) != sent || s.QueueDrops == 0 || s.Queued != 0 {
			t.Errorf("%s: counted %+v; sent %d, %d bytes arrived", c.name, s, sent, arrived)
		}
	}
}

// A queue that is smaller than a packet lets one through at a time, or nothing
// would ever pass.
func TestSmallQueueStarvesNobody(t *testing.T) {
	n := newDistantNetwork(t, Link{Forward: Impairment{Bandwidth: 8000, Queue: 100}})
	for round := range 3 {
		n.want("first", hI1, numbered("10.0.2.30", 1, 972), VerdictPass, ReasonDelivered)
		n.want("second", hI1, numbered("10.0.2.30", 2, 972), VerdictDrop, ReasonLinkQueue)
		start := n.clock
		if got := n.drain(); len(got) != 1 || got[0].at-start != 1e9 {
			t.Errorf("round %d: %+v", round, got)
		}
	}
	text := n.e.Snapshot().Explain(n.e.Drops(0)[0]).Text
	if text != "its queue is full: the link carries 8 kbit/s" {
		t.Error(text)
	}
}

func TestReorderedPacketsOvertake(t *testing.T) {
	const count, share = 4000, 0.2
	n := newDistantNetwork(t, Link{Forward: Impairment{Delay: 10 * time.Millisecond, Reorder: share}})
	sent := map[uint32]int64{}
	var got []arrival
	for i := range uint32(count) {
		sent[i] = n.clock
		n.send(hI1, numbered("10.0.2.30", i, 20))
		got = append(got, n.arrivals(nil)...)
		got = append(got, n.until(n.clock+ms)...)
	}
	got = append(got, n.drain()...)
	early, last := 0, int64(-1)
	for _, a := range got {
		switch a.at - sent[a.number] {
		case 0:
			early++
		case 10 * ms:
			if int64(a.number) <= last {
				t.Fatal("the others are out of order")
			}
			last = int64(a.number)
		default:
			t.Fatalf("%d took %d", a.number, a.at-sent[a.number])
		}
	}
	if len(got) != count || int(n.e.Links()[0].Forward.Reordered) != early {
		t.Errorf("%d arrived, %d early, counted %+v", len(got), early, n.e.Links())
	}
	near(t, "early", float64(early), count*share, 4*math.Sqrt(count*share))
}

func TestDuplicatesArriveTwice(t *testing.T) {
	const count, share = 4000, 0.3
	for _, delay := range []time.Duration{0, 5 * time.Millisecond} {
		n := newDistantNetwork(t, Link{Forward: Impairment{Delay: delay, Duplicate: share}})
		times := map[uint32]int{}
		for i := range uint32(count) {
			n.send(hI1, numbered("10.0.2.30", i, 20))
			start := n.clock
			for _, a := range n.drain() {
				times[a.number]++
				if a.at-start != int64(delay) || a.link != hI3 {
					t.Fatalf("%+v after %d", a, start)
				}
			}
		}
		twice := 0
		for i := range uint32(count) {
			if times[i] == 2 {
				twice++
			} else if times[i] != 1 {
				t.Fatalf("number %d arrived %d times", i, times[i])
			}
		}
		near(t, "twice", float64(twice), count*share, 4*math.Sqrt(count*share))
	}
}

// The links of a way are reached in the order of time: what comes from afar
// takes no place in a queue before it is there.
func TestFarPacketsDoNotHoldUpNearOnes(t *testing.T) {
	n := newDistantNetwork(t,
		Link{Interface: hI1, Forward: Impairment{Delay: 100 * time.Millisecond}},
		Link{Forward: Impairment{Jitter: time.Millisecond, Delay: 2 * time.Millisecond}},
		Link{Interface: hI3, Reverse: Impairment{Bandwidth: 1e6}})
	start := n.clock
	for i := range uint32(10) {
		n.send(hI1, numbered("10.0.2.30", i, 972)) // 8 ms each
	}
	n.send(hI2, numbered("10.0.2.30", 100, 97))
	got := n.drain()
	if len(got) != 11 || got[0].number != 100 || got[0].at-start > 5*ms {
		t.Fatalf("%+v after %d", got, start)
	}
	near(t, "last", float64(got[10].at-start), float64(182*ms), float64(ms))
}

// A packet that is dropped behind a link has crossed it all the same.
func TestDroppedPacketsUseBandwidth(t *testing.T) {
	n := newDistantNetwork(t, Link{Interface: hI1, Forward: Impairment{Delay: time.Millisecond}}, Link{Forward: Impairment{Bandwidth: 1e6}})
	n.b.SecurityGroups[2].Ingress = allow(udp("10.0.0.0/8", 9000, 9000))
	n.publish()
	start := n.clock
	denied := numbered("10.0.2.30", 1, 972)
	denied.DstPort = 22
	n.want("denied", hI1, denied, VerdictDrop, ReasonNoRule)
	n.want("allowed", hI1, numbered("10.0.2.30", 2, 972), VerdictPass, ReasonDelivered)
	if got := n.drain(); len(got) != 1 || got[0].at-start != 17*ms {
		t.Errorf("%+v after %d", got, start)
	}
	if s := n.e.Links()[1].Forward; s.Packets != 2 || s.Bytes != 2000 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

// What a gateway says to the sender of a packet starts when that has come to the
// gateway.
func TestAnswerStartsWhereThePacketEnded(t *testing.T) {
	n := newNATNetwork(t)
	n.b.Subnets[1].Zone, n.b.Subnets[2].Zone = "us-east-1b", "us-east-1a"
	n.setLinks(Link{Forward: Impairment{Delay: 10 * time.Millisecond}, Reverse: Impairment{Delay: 30 * time.Millisecond}})
	s := echo("203.0.113.10", 7)
	s.TTL = 1
	start := n.clock
	n.want("hop limit", hI3, s, VerdictPass, ReasonDelivered) // the answer's
	if got := n.drain(); len(got) != 1 || got[0].link != hI3 || got[0].at-start != 40*ms {
		t.Errorf("%+v after %d", got, start)
	}
}

func TestPublishWithFramesUnderWay(t *testing.T) {
	slow := Link{Forward: Impairment{Delay: 100 * time.Millisecond, Bandwidth: 1e6}}
	for _, c := range []struct {
		name   string
		change func(n *network)
		want   []uint32 // that arrive, in order
		last   int64    // when
		reason Reason   // of drops
	}{
		{"the same again", func(n *network) { n.publish() }, []uint32{0, 1, 2}, 8*3*ms + 100*ms, 0},
		{"delay shorter", func(n *network) { n.setLinks(Link{Forward: Impairment{Delay: time.Millisecond}}) }, []uint32{0, 1, 2}, 116 * ms, 0},
		{"bandwidth larger", func(n *network) {
			n.setLinks(Link{Forward: Impairment{Delay: 100 * time.Millisecond, Bandwidth: 1e9}})
		}, []uint32{0, 1, 2}, 116 * ms, 0},
		{"link removed", func(n *network) { n.setLinks() }, []uint32{2, 0, 1}, 116 * ms, 0},
		{"interface stopped", func(n *network) { n.b.NetworkInterfaces[2].Stopped = true; n.publish() }, nil, 0, ReasonInterfaceDown},
		{"interface removed", func(n *network) {
			n.b.NetworkInterfaces = n.b.NetworkInterfaces[:2]
			n.b.InternetGateways[0].PublicAddresses = nil
			n.publish()
		}, nil, 0, ReasonInterfaceDown},
	} {
		n := newDistantNetwork(t, slow)
		start := n.clock
		n.send(hI1, numbered("10.0.2.30", 0, 972))
		n.send(hI1, numbered("10.0.2.30", 1, 972))
		c.change(n)
		n.send(hI1, numbered("10.0.2.30", 2, 972))
		got := n.drain()
		var numbers []uint32
		for _, a := range got {
			numbers = append(numbers, a.number)
		}
		if len(numbers) != len(c.want) {
			t.Errorf("%s: arrived: %v", c.name, numbers)
			continue
		}
		for i := range numbers {
			if numbers[i] != c.want[i] {
				t.Errorf("%s: arrived: %v", c.name, numbers)
			}
		}
		if len(got) > 0 && got[len(got)-1].at-start != c.last {
			t.Errorf("%s: the last after %d µs", c.name, (got[len(got)-1].at-start)/1000)
		}
		if c.reason != 0 && n.e.Counters().Reasons[c.reason] == 0 {
			t.Errorf("%s: no drop was counted", c.name)
		}
		if held := len(n.e.state.flights.heap); held != 0 {
			t.Errorf("%s: %d flights are left", c.name, held)
		}
	}
}

func TestMemoryForFramesUnderWayIsBounded(t *testing.T) {
	if size := unsafe.Sizeof(flight{}) + 2*unsafe.Sizeof(waiting{}); size > flightSize {
		t.Errorf("a flight takes %d bytes and is counted as %d", size, flightSize)
	}
	n := newDistantNetwork(t)
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxDelayed: 1 << 20, Seed: 1})
	n.setLinks(Link{Forward: Impairment{Delay: time.Second}})
	for _, size := range []int{20, 1400, 60000, 20} {
		accepted := 0
		for i := range uint32(5000) {
			if v, _ := n.send(hI1, numbered("10.0.2.30", i, size)); v == VerdictPass {
				accepted++
			}
			if held := n.e.state.flights.pool.held; held > 1<<20 {
				t.Fatalf("%d bytes are held", held)
			}
		}
		if accepted == 5000 || accepted < 1<<20/(size+1500)/2 {
			t.Errorf("size %d: %d accepted", size, accepted)
		}
		if got := n.drain(); len(got) != accepted {
			t.Errorf("size %d: %d of %d arrived", size, len(got), accepted)
		}
	}
	if n.e.Links()[0].Forward.QueueDrops == 0 || n.e.Counters().Reasons[ReasonLinkQueue] == 0 {
		t.Error("nothing was counted")
	}
	n.e.Forward(nil, nil) // gives back what went out
	n.e.Forward(nil, nil)
	if held := n.e.state.flights.pool.held; held != 0 {
		t.Errorf("an idle engine holds %d bytes", held)
	}
}

// Nothing is lost or doubled but by the links' own account, whatever they are
// told to do, and everything that arrives is whole.
func TestEveryPacketIsAccountedFor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	share := func() float64 { return max(0, r.Float64()*0.3-0.1) }
	span := func() time.Duration { return time.Duration(max(0, r.Int64N(20*ms)-10*ms)) }
	some := func() Impairment {
		i := Impairment{Delay: span(), Jitter: span(), Loss: share(), Duplicate: share(), Reorder: share()}
		if r.IntN(2) == 0 {
			i.Bandwidth = uint64(1e6 + r.Int64N(1e9))
			i.Queue = uint64(r.Int64N(200000))
		}
		return i
	}
	for round := range 60 {
		n := newDistantNetwork(t,
			Link{Forward: some(), Reverse: some()}, Link{Interface: hI1, Forward: some(), Reverse: some()}, Link{Interface: hI3, Reverse: some()})
		sent, got := 0, 0
		for i := range uint32(300) {
			if r.IntN(40) == 0 { // changes of the links, with frames under way
				links := append([]Link(nil), n.b.Links...)
				links[r.IntN(3)].Forward = some()
				n.setLinks(links...)
			}
			dst := []string{"10.0.2.30", "2001:db8:1:2::30"}[r.IntN(2)]
			if r.IntN(3) == 0 {
				segments := 1 + r.IntN(40)
				n.frames = n.e.Forward([]packet.Frame{n.superframe(dst, segments, 1000)}, n.frames[:0])
				sent += segments
			} else {
				n.send(hI1, numbered(dst, i, 4+r.IntN(8000)))
				sent++
			}
			got += packetsIn(t, n.frames)
			n.clock += r.Int64N(ms)
			n.frames = n.e.Due(n.frames[:0])
			got += packetsIn(t, n.frames)
		}
		for {
			due, ok := n.e.NextDue()
			if !ok {
				break
			}
			n.clock = max(n.clock, due)
			n.frames = n.e.Due(n.frames[:0])
			got += packetsIn(t, n.frames)
		}
		want := sent
		for _, l := range n.e.Links() {
			for _, s := range []LinkStatistics{l.Forward, l.Reverse} {
				want += int(s.Duplicated) - int(s.Lost) - int(s.QueueDrops)
				if s.Queued != 0 {
					t.Errorf("round %d: %d are still under way", round, s.Queued)
				}
			}
		}
		if got != want {
			t.Fatalf("round %d: %d arrived of %d; by the account of the links %d", round, got, sent, want)
		}
		n.e.Forward(nil, nil)
		if bugs := n.e.Counters().Reasons[ReasonBug]; bugs != 0 || len(n.e.state.flights.heap) != 0 {
			t.Errorf("round %d: %d bugs", round, bugs)
		}
	}
}

// packetsIn counts the packets on the wire in frames, which must be sound.
func packetsIn(t *testing.T, frames []packet.Frame) (count int) {
	t.Helper()
	for i := range frames {
		var p packet.Packet
		if problem := packet.Parse(&p, &frames[i]); problem != packet.ProblemNone || !checksumRight(frames[i]) || frames[i].Link != hI3 {
			t.Fatalf("a broken frame for %d: %v", frames[i].Link, problem)
		}
		packets, _ := packet.TotalBytes(&p)
		count += packets
	}
	return count
}

func TestDelayedForwardingAllocatesNothing(t *testing.T) {
	n := newDistantNetwork(t, Link{Forward: Impairment{Delay: time.Millisecond, Jitter: time.Millisecond / 2, Loss: 0.1, Bandwidth: 1e9}},
		Link{Interface: hI1, Forward: Impairment{Duplicate: 0.1}})
	frame := packet.Append(nil, n.spec(hI1, numbered("10.0.2.30", 1, 1000)))
	large := n.superframe("10.0.2.30", 40, 1460)
	buffer, largeBuffer := make([]byte, len(frame)), make([]byte, len(large.Data))
	in, out := make([]packet.Frame, 2), make([]packet.Frame, 0, 512)
	if allocations := testing.AllocsPerRun(3000, func() {
		copy(buffer, frame)
		copy(largeBuffer, large.Data)
		in[0], in[1] = packet.Frame{Data: buffer, Link: hI1}, large
		in[1].Data = largeBuffer
		n.clock += ms
		out = n.e.Forward(in, out[:0])
	}); allocations != 0 {
		t.Errorf("%v allocations per batch", allocations)
	}
}

func TestNoLinksLeaveNoTrace(t *testing.T) {
	n := newDistantNetwork(t)
	n.b.Links = []Link{{Object: Object{Handle: hLink, Kind: KindLink}, From: "us-east-1a", To: "us-east-1b", Forward: Impairment{Queue: 9}}}
	n.publish()
	n.want("through nothing", hI1, syn("10.0.2.30", 80), VerdictPass, ReasonDelivered)
	if len(n.frames) != 1 || n.stepReason(StageLink) != ReasonBug || n.e.Snapshot().distances[0] != nil {
		t.Error("a link that does nothing was crossed")
	}
}

// BenchmarkDelay is BenchmarkWalk over links.
func BenchmarkDelay(b *testing.B) {
	for _, c := range []struct {
		name string
		link Impairment
		size int
		tick int64 // nanoseconds between batches
	}{
		{"none", Impairment{}, 22, 20000},
		{"loss", Impairment{Loss: 1e-9}, 22, 20000},
		{"delay", Impairment{Delay: time.Millisecond}, 22, 20000}, // 3.2 million frames a second
		{"jitter-and-bandwidth", Impairment{Delay: time.Millisecond, Jitter: time.Millisecond / 10, Bandwidth: 1e12}, 22, 20000},
		{"delay-64KiB", Impairment{Delay: time.Millisecond}, 64000, 200000}, // 20 GB a second
	} {
		b.Run(c.name, func(b *testing.B) {
			n := newDistantNetwork(b, Link{Forward: c.link})
			const batch = 64
			frame := packet.Append(nil, n.spec(hI1, numbered("10.0.2.30", 1, c.size)))
			in, out := make([]packet.Frame, batch), make([]packet.Frame, 0, batch)
			buffers := make([]byte, batch*len(frame))
			b.ReportAllocs()
			received := 0
			for b.Loop() {
				for i := range in {
					in[i] = packet.Frame{Data: buffers[i*len(frame) : (i+1)*len(frame)], Link: hI1}
					copy(in[i].Data, frame[:min(len(frame), 128)])
				}
				n.clock += c.tick
				out = n.e.Forward(in, out[:0])
				received += len(out)
			}
			if received < b.N*batch-4000 {
				b.Fatalf("%d of %d arrived", received, b.N*batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/packet")
		})
	}
}
