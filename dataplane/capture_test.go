package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// seen is everything that a capture has taken: "i1/eth0 out 10.0.1.10:40000 →
// 10.0.2.30:80 tcp", with the side of a gateway and with what there is to be said.
func (n *network) seen(c *Capture) (lines []string) {
	for c.Next(func(p *CapturedPacket) {
		line := n.e.Snapshot().Object(p.Place.Object).String()
		line += [...]string{"", ":inside", ":outside"}[p.Place.Side] + [...]string{"", " in ", " out "}[p.Direction] + p.Addresses.String()
		if p.Translation != nil {
			line += " (" + p.Translation.Text + ")"
		}
		if p.Drop != nil {
			line += " DROP at " + p.Drop.Objects[0].String() + ": " + p.Drop.Text
		}
		lines = append(lines, line)
		var f packet.Packet
		if problem := packet.Parse(&f, &packet.Frame{Data: p.Data}); problem == packet.ProblemNone && addressesOf(f.Tuple) != p.Addresses && !f.LaterFragment {
			n.t.Errorf("%s: the bytes say %s", line, addressesOf(f.Tuple))
		}
	}) {
	}
	return lines
}

// everywhere are the places of the snapshot in force.
func (n *network) everywhere() (places []CapturePlace) {
	for h, o := range n.e.Snapshot().objects {
		switch o.Kind {
		case KindInternetGateway, KindNATGateway:
			places = append(places, CapturePlace{h, SideInside}, CapturePlace{h, SideOutside})
		default:
			places = append(places, CapturePlace{Object: h})
		}
	}
	return places
}

func (n *network) wantSeen(what string, c *Capture, want ...string) {
	n.t.Helper()
	if diff := cmp.Diff(want, n.seen(c)); diff != "" {
		n.t.Errorf("%s (-want +got):\n%s%s", what, diff, n.story())
	}
}

func TestCaptureShowsAPacketAtEveryPlace(t *testing.T) {
	n := newNetwork(t).publish()
	c := n.e.Capture(CaptureConfig{Places: n.everywhere()})
	defer c.Close()
	n.send(hI1, syn("203.0.113.10", 80))
	n.wantSeen("out by the Internet gateway", c,
		"networkInterface i1/eth0 out 10.0.1.10:40000 → 203.0.113.10:80 tcp",
		"internetGateway igw:inside in 10.0.1.10:40000 → 203.0.113.10:80 tcp",
		"internetGateway igw:outside out 198.51.100.10:40000 → 203.0.113.10:80 tcp (source 10.0.1.10 → 198.51.100.10)",
		"internet198.51.100.10:40000 → 203.0.113.10:80 tcp",
		"internetHost laptop in 198.51.100.10:40000 → 203.0.113.10:80 tcp")
	n.send(hHost, syn("2001:db8:1:2::30", 443))
	n.wantSeen("IPv6 from the Internet", c,
		"internetHost laptop out [2001:db8:ff00::10]:40000 → [2001:db8:1:2::30]:443 tcp",
		"internet[2001:db8:ff00::10]:40000 → [2001:db8:1:2::30]:443 tcp",
		"internetGateway igw:outside in [2001:db8:ff00::10]:40000 → [2001:db8:1:2::30]:443 tcp",
		"internetGateway igw:inside out [2001:db8:ff00::10]:40000 → [2001:db8:1:2::30]:443 tcp",
		"networkInterface i3/eth0 in [2001:db8:ff00::10]:40000 → [2001:db8:1:2::30]:443 tcp")
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.send(hI1, syn("10.0.2.30", 22))
	why := " DROP at securityGroup g3: no ingress rule allows tcp/22 from 10.0.1.10"
	n.wantSeen("a drop at the receiver", c,
		"networkInterface i1/eth0 out 10.0.1.10:40000 → 10.0.2.30:22 tcp"+why,
		"networkInterface i3/eth0 in 10.0.1.10:40000 → 10.0.2.30:22 tcp"+why)
	n.send(hI1, echo("10.0.1.1", 7))
	n.wantSeen("what the platform answers", c,
		"networkInterface i1/eth0 out 10.0.1.10 → 10.0.1.1 icmp",
		"networkInterface i1/eth0 in 10.0.1.1 → 10.0.1.10 icmp")
}

func TestCapturesAreSeveralAndEnd(t *testing.T) {
	n := newNetwork(t).publish()
	one := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI1}}})
	two := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI3}}})
	n.send(hI1, syn("10.0.2.30", 80))
	n.wantSeen("the sender's", one, "networkInterface i1/eth0 out 10.0.1.10:40000 → 10.0.2.30:80 tcp")
	one.Close()
	one.Close()
	n.send(hI1, syn("10.0.2.30", 80))
	n.wantSeen("a closed one", one)
	two.Look([]CapturePlace{{Object: hI2}})
	n.send(hI1, syn("10.0.2.30", 80))
	n.wantSeen("the receiver's, which looked away", two, slicesOf("networkInterface i3/eth0 in 10.0.1.10:40000 → 10.0.2.30:80 tcp", 2)...)
	two.Close()
	if n.e.taps != nil {
		t.Error("without captures the engine still has taps")
	}
}

func slicesOf(s string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(s+"\n", n), "\n"), "\n")
}

// TestCaptureCutsSuperframes: what a capture shows are the packets on the wire, with
// the checksums that the receiver's kernel will see.
func TestCaptureCutsSuperframes(t *testing.T) {
	n := newNetwork(t).publish()
	for _, dst := range []string{"10.0.2.30", "2001:db8:1:2::30"} {
		c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI1}, {Object: hI3}}})
		n.e.Forward([]packet.Frame{n.superframe(dst, 10, 1000)}, nil)
		count := 0
		for c.Next(func(p *CapturedPacket) {
			count++
			var f packet.Packet
			if problem := packet.Parse(&f, &packet.Frame{Data: p.Data}); problem != packet.ProblemNone || f.End-f.Payload != 1000 {
				t.Errorf("%s: a packet of %d bytes: %v", dst, f.End-f.Payload, problem)
			}
		}) {
		}
		if count != 20 {
			t.Errorf("%s: %d packets, want 10 at each interface", dst, count)
		}
		c.Close()
	}
}

func TestCaptureLosesWhatItHasNoRoomFor(t *testing.T) {
	n := newNetwork(t).publish()
	c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI1}, {Object: hI3}}, Packets: 4, Bytes: 1000})
	defer c.Close()
	for range 3 {
		n.send(hI1, syn("10.0.2.30", 80))
	}
	if got := len(n.seen(c)); got != 4 {
		t.Errorf("kept %d frames in room for 4", got)
	}
	if diff := cmp.Diff(map[CapturePlace]uint64{{Object: hI1}: 1, {Object: hI3}: 1}, c.Lost()); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	// The bytes' end: frames are in one piece, whatever the place.
	for i := range 100 {
		s := datagram("10.0.2.30", 9)
		s.Payload = bytes.Repeat([]byte{byte(i)}, 100+i)
		n.send(hI1, s)
		intact := 0
		for c.Next(func(p *CapturedPacket) {
			if bytes.HasSuffix(p.Data, s.Payload) {
				intact++
			}
		}) {
		}
		if intact != 2 {
			t.Fatalf("datagram %d is intact at %d of 2 interfaces", i, intact)
		}
	}
}

// TestCaptureRebuildsWhatWasDelivered: the bytes that a reader rebuilds for the end
// of a way are those that went out, whatever translated them.
func TestCaptureRebuildsWhatWasDelivered(t *testing.T) {
	n := newRichNetwork(t).publish()
	compared, translated := 0, 0
	for _, seed := range fuzzSeeds(n) {
		n.clock += 1e6
		for len(seed) >= fuzzHeader {
			length := int(binary.BigEndian.Uint16(seed[3:]))
			link := fuzzLinks[seed[0]]
			data, todo := slices.Clone(seed[fuzzHeader:fuzzHeader+length]), seed[1]
			seed = seed[fuzzHeader+length:]
			if todo&fuzzReflect != 0 && len(n.frames) == 1 {
				link = Handle(n.frames[0].Link)
			}
			f := n.fuzzed(link, todo, data)
			c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: Handle(f.Link)}}, Packets: 8, Bytes: 1 << 16})
			n.frames = n.e.Forward([]packet.Frame{f}, n.frames[:0])
			c.Close()
			rec := c.ring.next()
			if rec == nil || rec.asIs || rec.verdict != VerdictPass || len(n.frames) != 1 {
				continue
			}
			if hops := rec.hopsBefore(rec.nSteps); hops != n.e.walk.hops {
				t.Errorf("%d hops by the steps, %d by the walk\n%s", hops, n.e.walk.hops, n.story())
			}
			c.reader.rebuild(rec, &view{step: rec.nSteps})
			if diff := cmp.Diff(n.frames[0].Data[14:], c.reader.frame.Data[14:]); diff != "" {
				t.Errorf("the rebuilt packet (-delivered +rebuilt):\n%s%s", diff, n.story())
			}
			compared++
			if n.e.walk.nTuples > 1 {
				translated++
			}
		}
	}
	if compared < 50 || translated < 20 {
		t.Errorf("only %d packets were compared, %d of them translated", compared, translated)
	}
}

func TestCaptureShowsBothSidesOfANATGateway(t *testing.T) {
	n := newNATNetwork(t).publish()
	c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{hNAT, SideInside}, {hNAT, SideOutside}}})
	defer c.Close()
	n.send(hI3, syn("203.0.113.10", 80))
	inside := n.back()
	n.wantSeen("out", c,
		"natGateway nat:inside in 10.0.2.30:40000 → 203.0.113.10:80 tcp",
		"natGateway nat:outside out 10.0.0.50:"+fmt.Sprint(inside.DstPort)+" → 203.0.113.10:80 tcp (source 10.0.2.30:40000 → 10.0.0.50:"+fmt.Sprint(inside.DstPort)+")")
	n.send(hHost, inside)
	n.wantSeen("back", c,
		"natGateway nat:outside in 203.0.113.10:80 → 10.0.0.50:"+fmt.Sprint(inside.DstPort)+" tcp",
		"natGateway nat:inside out 203.0.113.10:80 → 10.0.2.30:40000 tcp (destination 10.0.0.50:"+fmt.Sprint(inside.DstPort)+" → 10.0.2.30:40000)")
	n.send(hHost, syn("198.51.100.50", 22))
	n.wantSeen("what nobody asked for", c,
		"natGateway nat:outside in 203.0.113.10:40000 → 10.0.0.50:22 tcp DROP at natGateway nat: it answers nothing that went out through the gateway, which accepts no connections")
}

func TestCaptureShowsNAT64InBothFamilies(t *testing.T) {
	n := newNAT64Network(t).publish()
	c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{hNAT, SideInside}, {hNAT, SideOutside}, {Object: hI3}}})
	defer c.Close()
	n.send(hI3, echo("64:ff9b::203.0.113.10", 7))
	p := n.delivered()
	n.wantSeen("out", c,
		"networkInterface i3/eth0 out 2001:db8:1:2::30 → 64:ff9b::cb00:710a icmpv6",
		"natGateway nat:inside in 2001:db8:1:2::30 → 64:ff9b::cb00:710a icmpv6",
		fmt.Sprintf("natGateway nat:outside out 10.0.0.50 → 203.0.113.10 icmp (source 2001:db8:1:2::30 id 7 → 10.0.0.50 id %d)", p.SrcPort))
}

func TestCaptureAllocatesNothing(t *testing.T) {
	n := newNetwork(t).publish()
	c := n.e.Capture(CaptureConfig{Places: n.everywhere(), Packets: 64})
	defer c.Close()
	for _, dst := range []string{"10.0.2.30", "203.0.113.10", "10.0.2.99"} {
		frame := packet.Append(nil, n.spec(hI1, syn(dst, 80)))
		buffer := make([]byte, len(frame))
		in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
		if allocations := testing.AllocsPerRun(200, func() { // full after a while
			copy(buffer, frame)
			in[0] = packet.Frame{Data: buffer, Link: uint32(hI1)}
			out = n.e.Forward(in, out[:0])
		}); allocations != 0 {
			t.Errorf("to %s: %v allocations per packet", dst, allocations)
		}
		for c.Next(func(*CapturedPacket) {}) {
		}
	}
}

func BenchmarkCapture(b *testing.B) {
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("on=%v", on), func(b *testing.B) {
			n := newNetwork(b).publish()
			if on {
				c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI3}}})
				defer c.Close()
				stop, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-stop:
							return
						default:
							c.Next(func(*CapturedPacket) {})
						}
					}
				}()
				defer func() { close(stop); <-done }()
			}
			frame := packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 80)))
			buffer := make([]byte, len(frame))
			in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
			b.ReportAllocs()
			for b.Loop() {
				copy(buffer, frame)
				in[0] = packet.Frame{Data: buffer, Link: uint32(hI1)}
				out = n.e.Forward(in, out[:0])
			}
		})
	}
}

// TestCaptureOverLinks: a packet is at its receiver when it arrives, and what a link
// loses is told where it was on its way to.
func TestCaptureOverLinks(t *testing.T) {
	n := newDistantNetwork(t, Link{Forward: Impairment{Delay: 30 * time.Millisecond}})
	c := n.e.Capture(CaptureConfig{Places: []CapturePlace{{Object: hI1}, {Object: hI3}}})
	defer c.Close()
	times := func() (list []int64) {
		for c.Next(func(p *CapturedPacket) { list = append(list, p.Time-1e9) }) {
		}
		return list
	}
	n.send(hI1, datagram("10.0.2.30", 9))
	n.clock += 30 * ms
	n.e.Due(nil)
	if diff := cmp.Diff([]int64{0, 30 * ms}, times()); diff != "" {
		t.Errorf("times at sender and receiver (-want +got):\n%s", diff)
	}
	n.setLinks(Link{Forward: Impairment{Loss: 1}})
	n.send(hI1, datagram("10.0.2.30", 9))
	lines := n.seen(c)
	if len(lines) != 2 || !strings.Contains(lines[1], "i3/eth0 in") || !strings.Contains(lines[0], "DROP at link l1") {
		t.Errorf("what a link lost: %q", lines)
	}
}

// TestCaptureWhileTrafficRuns is for the race detector: a reader of its own, captures
// that come and go, snapshots that are published.
func TestCaptureWhileTrafficRuns(t *testing.T) {
	n := newNetwork(t).publish()
	frame := packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 80)))
	places := n.everywhere()
	c := n.e.Capture(CaptureConfig{Places: places, Packets: 16, Bytes: 4096})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		buffer := make([]byte, len(frame))
		var out []packet.Frame
		for range 5000 {
			copy(buffer, frame)
			out = n.e.Forward([]packet.Frame{{Data: buffer, Link: uint32(hI1)}}, out[:0])
		}
		close(stop)
	})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			other := n.e.Capture(CaptureConfig{Places: places[:1], Packets: 4, Bytes: 512})
			c.Look(places[i%len(places):])
			other.Close()
			n.e.Publish(n.e.Snapshot())
		}
	})
	seen, wrong := 0, 0
	read := func() bool {
		return c.Next(func(p *CapturedPacket) {
			seen++
			if len(p.Data) != len(frame) {
				wrong++
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				read()
			}
		}
	})
	wg.Wait()
	for read() {
	}
	c.Close()
	if seen == 0 || wrong > 0 {
		t.Errorf("%d packets, %d of them of another size", seen, wrong)
	}
}
