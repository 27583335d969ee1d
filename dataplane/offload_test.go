package dataplane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// fakeOffloader is a port that takes shortcuts as the kernel does, written down a second
// time.
type fakeOffloader struct {
	good   map[int]packet.Shortcut
	counts [packet.MaxShortcuts]packet.ShortcutCount
	refuse bool
}

func (f *fakeOffloader) Offload(place int, s *packet.Shortcut) bool {
	if f.refuse {
		return false
	}
	f.good[place] = *s
	return true
}

func (f *fakeOffloader) Withdraw(place int)                      { delete(f.good, place) }
func (f *fakeOffloader) WithdrawAll()                            { clear(f.good) }
func (f *fakeOffloader) Shortcut(place int) packet.ShortcutCount { return f.counts[place] }

// take forwards a frame in place if some shortcut is its own.
func (f *fakeOffloader) take(frame *packet.Frame) bool {
	var p packet.Packet
	if packet.Parse(&p, frame) != packet.ProblemNone || p.Proto != packet.ProtoTCP || p.TCPFlags&^packet.TCPFlagPSH != packet.TCPFlagACK {
		return false
	}
	for place, s := range f.good {
		if s.From != frame.Link || s.Tuple != p.Tuple || s.DstMAC != p.DstMAC || s.SrcMAC != p.SrcMAC ||
			p.TTL <= max(s.Hops, 1) || packet.WireLength(&p) > int(s.MaxLength) || p.Fragment {
			continue
		}
		c := &f.counts[place]
		packets, bytes := packet.TotalBytes(&p)
		c.Frames++
		c.Packets += uint64(packets)
		c.Bytes += uint64(bytes)
		if p.TCPFlags&packet.TCPFlagPSH != 0 {
			c.Pushed++
		}
		packet.SetTTL(&p, p.TTL-s.Hops)
		packet.SetEthernet(frame.Data, s.NewDstMAC, s.NewSrcMAC)
		frame.Link = s.To
		return true
	}
	return false
}

// offloading gives the network an engine whose port takes shortcuts.
func (n *network) offloading() *fakeOffloader {
	port := &fakeOffloader{good: map[int]packet.Shortcut{}}
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 1 << 12, Offloader: port})
	return port
}

// tracks makes every group track: what may come in is not everything.
func (n *network) tracks() *network {
	for i := range n.b.SecurityGroups {
		n.b.SecurityGroups[i].Ingress = allow(tcp("10.0.0.0/8", 80, 80), tcp("2001:db8::/32", 80, 80))
	}
	return n
}

// segment is a plain one of the connection from port 40000 to 80.
func segment(src, dst string, fromServer bool) packet.Spec {
	s := packet.Spec{Tuple: packet.Tuple{Src: addr(src), Dst: addr(dst), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagACK}
	if fromServer {
		s.SrcPort, s.DstPort = 80, 40000
	}
	return s
}

// connect opens that connection and sends so many segments each way.
func (n *network) connect(client, server Handle, c, s string, segments int) {
	n.t.Helper()
	first := segment(c, s, false)
	first.TCPFlags = packet.TCPFlagSYN
	n.want("SYN", client, first, VerdictPass, ReasonDelivered)
	second := segment(s, c, true)
	second.TCPFlags |= packet.TCPFlagSYN
	n.want("SYN and ACK", server, second, VerdictPass, ReasonDelivered)
	for range segments {
		n.send(client, segment(c, s, false))
		n.send(server, segment(s, c, true))
	}
}

const (
	ip1, ip3   = "10.0.1.10", "10.0.2.30"
	ip61, ip63 = "2001:db8:1:1::10", "2001:db8:1:2::30"
)

// TestOffloadOfFlowsThatShareAPlace: both directions of a connection take turns, and may
// well have the same hash.
func TestOffloadOfFlowsThatShareAPlace(t *testing.T) {
	n := newNetwork(t)
	port := n.offloading()
	n.tracks().publish()
	var there, back flowKey
	out, in := segment(ip1, ip3, false).Tuple, segment(ip3, ip1, true).Tuple
	there.set(hI1, &out, 0, egress)
	back.set(hI3, &in, 0, egress)
	o := n.e.offload
	for o.candidatesOf(&there) != o.candidatesOf(&back) {
		o.flows.seed++
	}
	n.connect(hI1, hI3, ip1, ip3, 2*offloadAfter)
	if len(port.good) != 2 || port.good[0].From != uint32(hI1) {
		t.Errorf("both directions are to be the port's, the one that began first: %+v", port.good)
	}
}

func TestOffloadOfEstablishedConnections(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server string
		to             Handle
		change         func(n *network)
	}{
		{"IPv4", ip1, ip3, hI3, func(n *network) { n.tracks() }},
		{"IPv6", ip61, ip63, hI3, func(n *network) { n.tracks() }},
		{"the same subnet", ip1, "10.0.1.20", hI2, func(n *network) { n.tracks() }},
		{"open to all, and untracked", ip1, ip3, hI3, func(*network) {}},
		{"with flow logs", ip1, ip3, hI3, func(n *network) { n.tracks().logEverything() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			port := n.offloading()
			c.change(n)
			n.publish()
			n.connect(hI1, c.to, c.client, c.server, offloadAfter-2)
			if len(port.good) > 0 {
				t.Fatalf("too soon: %+v", port.good)
			}
			n.connect(hI1, c.to, c.client, c.server, offloadAfter)
			if len(port.good) != 2 {
				t.Fatalf("%d directions are the port's, want 2", len(port.good))
			}
			got := port.good[0]
			want := packet.Shortcut{
				From: uint32(hI1), To: uint32(c.to), Tuple: segment(c.client, c.server, false).Tuple,
				SrcMAC: InterfaceMAC(hI1), NewDstMAC: InterfaceMAC(c.to), MaxLength: got.MaxLength,
				DstMAC: n.spec(hI1, segment(c.client, c.server, false)).DstMAC, NewSrcMAC: n.interfaceAt(c.to).routerMAC,
			}
			if c.to == hI2 {
				want.NewSrcMAC = InterfaceMAC(hI1) // layer 2
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shortcut (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOffloadThroughTransitGatewayTakesHops(t *testing.T) {
	h := newHub(t, 2)
	port := h.offloading()
	h.viaHub()
	h.publish()
	h.connect(at(1, hubInstanceA), at(2, hubInstanceB), "10.1.1.10", "10.2.2.10", offloadAfter)
	if len(port.good) != 2 {
		t.Fatalf("%d directions are the port's, want 2", len(port.good))
	}
	h.send(at(1, hubInstanceA), segment("10.1.1.10", "10.2.2.10", false))
	walked := h.delivered()
	f := packet.Frame{Data: packet.Append(nil, h.spec(at(1, hubInstanceA), segment("10.1.1.10", "10.2.2.10", false))), Link: uint32(at(1, hubInstanceA))}
	if !port.take(&f) {
		t.Fatal("the port does not take it")
	}
	if !bytes.Equal(f.Data, walked.Frame.Data) || f.Link != walked.Frame.Link {
		t.Errorf("the port makes another frame of it than the walk:\n%x\n%x", f.Data, walked.Frame.Data)
	}
}

func TestNoOffload(t *testing.T) {
	noTTL := func(s packet.Spec) packet.Spec { s.TTL = 1; return s }
	for _, c := range []struct {
		name   string
		from   Handle
		spec   packet.Spec
		change func(n *network)
		after  func(n *network) // publish
	}{
		{"half open: no answer", hI1, segment(ip1, ip3, false), func(n *network) { n.tracks() }, nil},
		{"SYN", hI1, syn(ip3, 80), nil, nil},
		{"UDP", hI1, datagram(ip3, 80), nil, nil},
		{"ICMP", hI1, echo(ip3, 80), nil, nil},
		{"FIN", hI1, func() packet.Spec { s := segment(ip1, ip3, false); s.TCPFlags |= packet.TCPFlagFIN; return s }(), nil, nil},
		{"URG", hI1, func() packet.Spec { s := segment(ip1, ip3, false); s.TCPFlags |= 1 << 5; return s }(), nil, nil},
		{"TTL 1", hI1, noTTL(segment(ip1, ip3, false)), nil, nil},
		{"dropped", hI1, segment(ip1, ip3, false), func(n *network) { n.b.NetworkACLs[1].Ingress = nil }, nil},
		{"to the Internet, translated", hI1, segment(ip1, "203.0.113.10", false), nil, nil},
		{"to the Internet, IPv6", hI1, segment(ip61, "2001:db8:ff00::10", false), nil, nil},
		{"from the Internet", hHost, segment("203.0.113.10", "198.51.100.30", false), nil, nil},
		{"by a middlebox", hI1, segment(ip1, ip3, false), func(n *network) {
			n.b.NetworkInterfaces[1].SourceDestCheck = false
			n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes,
				Route{Destination: cidr("10.0.2.0/24"), Target: Target{TargetNetworkInterface, hI2}, Text: "10.0.2.0/24 → networkInterface i2/eth0"})
		}, nil},
		{"from a middlebox", hI2, segment(ip1, ip3, false), func(n *network) { n.b.NetworkInterfaces[1].SourceDestCheck = false }, nil},
		{"over a link", hI1, segment(ip1, ip3, false), func(n *network) {
			n.b.Links = []Link{{Object: Object{Handle: hLink, Kind: KindLink, Name: "l"}, Interface: hI3, Forward: Impairment{Delay: time.Millisecond}, Reverse: Impairment{Delay: time.Millisecond}}}
		}, nil},
		{"mirrored", hI1, segment(ip1, ip3, false), func(n *network) {
			n.b.TrafficMirrorSessions = newMirrored(n.t).b.TrafficMirrorSessions
		}, nil},
		{"captured", hI1, segment(ip1, ip3, false), nil, func(n *network) { n.e.Capture(CaptureConfig{}) }},
		{"watched", hI1, segment(ip1, ip3, false), nil, func(n *network) { n.e.WatchFlows() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			port := n.offloading()
			if c.change != nil {
				c.change(n)
			}
			n.publish()
			if c.after != nil {
				c.after(n)
			}
			for range 2 * offloadAfter {
				n.send(c.from, c.spec)
			}
			if len(port.good) > 0 {
				t.Errorf("the port forwards %+v; steps:\n%s", port.good, n.story())
			}
		})
	}
}

func TestNoOffloadOfConnectionsThatAreForgottenSoon(t *testing.T) {
	n := newNetwork(t).tracks()
	port := n.offloading()
	n.b.NetworkInterfaces[2].Timeouts.TCPEstablished = time.Second
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, 2*offloadAfter)
	if len(port.good) > 0 {
		t.Errorf("the port forwards %+v", port.good)
	}
}

func TestOffloadEnds(t *testing.T) {
	flagged := func(flags uint8, fromServer bool) packet.Spec {
		s := segment(ip1, ip3, false)
		if fromServer {
			s = segment(ip3, ip1, true)
		}
		s.TCPFlags = flags
		return s
	}
	for _, c := range []struct {
		name string
		end  func(n *network)
	}{
		{"FIN", func(n *network) { n.send(hI1, flagged(packet.TCPFlagFIN|packet.TCPFlagACK, false)) }},
		{"FIN of the server", func(n *network) { n.send(hI3, flagged(packet.TCPFlagFIN|packet.TCPFlagACK, true)) }},
		{"RST", func(n *network) { n.send(hI1, flagged(packet.TCPFlagRST, false)) }},
		{"SYN", func(n *network) { n.send(hI1, flagged(packet.TCPFlagSYN, false)) }},
		{"publish", func(n *network) { n.publish() }},
		{"capture", func(n *network) { n.e.Capture(CaptureConfig{}) }},
		{"watch", func(n *network) { n.e.WatchFlows() }},
		{"idle", func(n *network) {
			n.clock += offloadIdle + 1
			n.e.Counters()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t).tracks()
			port := n.offloading()
			n.publish()
			n.connect(hI1, hI3, ip1, ip3, offloadAfter)
			if len(port.good) != 2 {
				t.Fatalf("%d directions are the port's, want 2", len(port.good))
			}
			c.end(n)
			if len(port.good) > 0 {
				t.Errorf("the port still forwards %+v", port.good)
			}
			if s, _ := n.e.OffloadStatistics(); s.Flows != 0 {
				t.Errorf("the engine believes that it forwards %d flows", s.Flows)
			}
		})
	}
}

func TestOffloadGrowsWithThePackets(t *testing.T) {
	n := newNetwork(t).tracks()
	port := n.offloading()
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	if got := port.good[0].MaxLength; got != 40 {
		t.Fatalf("packets of 40 bytes were walked, and %d may pass", got)
	}
	n.e.Forward([]packet.Frame{n.superframe(ip3, 10, 1000)}, nil)
	if got := port.good[0].MaxLength; got != 1040 {
		t.Errorf("segments of 1040 bytes were walked, and %d may pass", got)
	}
	n.send(hI1, segment(ip1, ip3, false))
	if got := port.good[0].MaxLength; got != 1040 {
		t.Errorf("a small packet made it %d", got)
	}
}

// TestOffloadRepairsItself: where the port has forgotten, or refused.
func TestOffloadRepairsItself(t *testing.T) {
	n := newNetwork(t).tracks()
	port := n.offloading()
	port.refuse = true
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, 2*offloadAfter)
	port.refuse = false
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	if len(port.good) != 2 {
		t.Fatalf("%d directions are the port's, want 2", len(port.good))
	}
	port.WithdrawAll() // an interface was detached
	n.connect(hI1, hI3, ip1, ip3, 10*offloadAfter)
	if len(port.good) != 2 {
		t.Errorf("%d directions are the port's again, want 2", len(port.good))
	}
}

func TestOffloadKeepsTheConnectionTracked(t *testing.T) {
	n := newNetwork(t).tracks()
	n.b.NetworkInterfaces[0].Timeouts.TCPEstablished = time.Minute
	n.b.NetworkInterfaces[2].Timeouts.TCPEstablished = time.Minute
	port := n.offloading()
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	for range 30 { // five minutes, of which the walk sees nothing
		n.clock += 9e9
		for i, from := range []Handle{hI1, hI3} {
			s := segment(ip1, ip3, false)
			if i == 1 {
				s = segment(ip3, ip1, true)
			}
			f := packet.Frame{Data: packet.Append(nil, n.spec(from, s)), Link: uint32(from)}
			if !port.take(&f) {
				t.Fatal("the port does not take it any more")
			}
		}
		n.e.Forward(nil, nil)
	}
	// S23: the rule goes, the connection stays; the ports' owner needs no rule.
	for i := range n.b.SecurityGroups {
		n.b.SecurityGroups[i].Ingress = nil
	}
	n.publish()
	n.want("a segment of the tracked connection", hI1, segment(ip1, ip3, false), VerdictPass, ReasonDelivered)
	n.clock += 61e9
	n.want("after a minute without any", hI1, segment(ip1, ip3, false), VerdictDrop, ReasonNoRule)
}

func TestOffloadPlacesRest(t *testing.T) {
	n := newNetwork(t)
	port := n.offloading()
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	n.send(hI1, packet.Spec{Tuple: segment(ip1, ip3, false).Tuple, TCPFlags: packet.TCPFlagRST})
	n.clock += offloadIdle + 1
	n.e.Counters() // gives the places back
	other := segment(ip1, ip3, false)
	other.SrcPort++
	for range offloadAfter {
		n.send(hI1, other)
	}
	if _, reused := port.good[2]; !reused || len(port.good) != 1 {
		t.Errorf("the flow got another place than a fresh one: %v", port.good)
	}
	n.clock += offloadRest
	other.SrcPort++
	for range offloadAfter {
		n.send(hI1, other)
	}
	if _, reused := port.good[0]; !reused {
		t.Errorf("the first place is not used again: %v", port.good)
	}
}

// TestOffloadOnAnotherCPU: a frame that the port has in hand while a snapshot is published
// is counted later, by the rules that there are then.
func TestOffloadOnAnotherCPU(t *testing.T) {
	n := newNetwork(t).tracks()
	port := n.offloading()
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	late := func() {
		port.counts[0].Frames++
		port.counts[0].Packets++
		port.counts[0].Bytes += 40
	}
	n.publish()
	before := n.e.Counters()
	late()
	after := n.e.Counters()
	if after.Forwarded != before.Forwarded+1 {
		t.Errorf("%d were forwarded before, %d after", before.Forwarded, after.Forwarded)
	}
	n.b.NetworkACLs[1].Ingress = nil
	n.publish()
	late()
	if diff := cmp.Diff(after, n.e.Counters()); diff != "" {
		t.Errorf("what no rule lets pass any more is counted:\n%s", diff)
	}
	if s, _ := n.e.OffloadStatistics(); s.Unjudged != 1 || s.Flows != 0 {
		t.Errorf("it is not unjudged: %+v", s)
	}
}

// TestOffloadCountsAsTheWalkDoes sends the same packets through two engines, one of which
// has a port that takes shortcuts, and compares all that they counted and put out.
func TestOffloadCountsAsTheWalkDoes(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			build := func() *hub {
				h := newHub(t, 2)
				h.viaHub()
				h.logEverything()
				for k := 1; k <= 2; k++ {
					h.b.FlowLogs = append(h.b.FlowLogs, FlowLog{Resource: at(k, hubAttachment)})
					if seed%2 == 0 {
						h.b.SecurityGroups[k-1].Ingress = allow(tcp("10.0.0.0/8", 80, 80))
					}
				}
				return h
			}
			walked, offloaded := build(), build()
			port := offloaded.offloading()
			both := []*hub{walked, offloaded}
			for _, h := range both {
				h.publish()
			}
			for round := range 40 {
				for range 30 {
					from, spec, gso := someSegment(random)
					var outs [2][]packet.Frame
					for i, h := range both {
						f := packet.Frame{Data: packet.Append(nil, h.spec(from, spec)), Link: uint32(from)}
						if gso > 0 && len(spec.Payload) > gso {
							f.Offload = packet.Offload{GSO: packet.GSOTCP4, SegmentSize: uint16(gso)}
							packet.DeferChecksum(&f)
						}
						if i == 1 && port.take(&f) {
							outs[i] = []packet.Frame{f}
							continue
						}
						outs[i] = h.e.Forward([]packet.Frame{f}, nil)
					}
					if !sameFrames(outs[0], outs[1]) {
						t.Fatalf("round %d: %v TTL %d: the walk put out %d frames, with shortcuts it is %d: %v; steps:\n%s\n%s", round, spec.Tuple, spec.TTL, len(outs[0]), len(outs[1]), port.good, walked.story(), offloaded.story())
					}
				}
				step := int64(random.IntN(2e9))
				for _, h := range both {
					h.clock += step
					switch round % 8 {
					case 3: // a rule of which nothing is left but what is tracked
						h.b.SecurityGroups[1].Ingress = nil
						h.publish()
					case 5:
						for i := range h.b.NetworkACLs {
							if h.b.NetworkACLs[i].Handle == at(2, hubACL) {
								h.b.NetworkACLs[i].Ingress = nil
							}
						}
						h.publish()
					case 7:
						fresh := build()
						h.b = fresh.b
						h.publish()
					}
				}
				if diff := cmp.Diff(counted(walked.network), counted(offloaded.network)); diff != "" {
					t.Fatalf("round %d: all walked (-), with shortcuts (+):\n%s", round, diff)
				}
			}
			if s, _ := offloaded.e.OffloadStatistics(); s.Packets < 100 || s.Unjudged > 0 {
				t.Errorf("hardly anything took a shortcut, or was not counted: %+v", s)
			}
		})
	}
}

func sameFrames(a, b []packet.Frame) bool {
	return slices.EqualFunc(a, b, func(a, b packet.Frame) bool {
		return a.Link == b.Link && a.Offload == b.Offload && bytes.Equal(a.Data, b.Data)
	})
}

// someSegment is of one of four connections between VPC 1 and 2, or within VPC 1.
func someSegment(random *rand.Rand) (from Handle, s packet.Spec, gso int) {
	c, port := random.IntN(4), uint16(40000+random.IntN(2))
	ends := [][2]string{{"10.1.1.10", "10.2.1.10"}, {"10.1.1.10", "10.1.2.10"}}[c/2]
	handles := [][2]Handle{{at(1, hubInstanceA), at(2, hubInstanceA)}, {at(1, hubInstanceA), at(1, hubInstanceB)}}[c/2]
	reply := c % 2
	s.Tuple = packet.Tuple{Src: addr(ends[reply]), Dst: addr(ends[1-reply]), SrcPort: port, DstPort: 80, Proto: packet.ProtoTCP}
	if reply == 1 {
		s.SrcPort, s.DstPort = 80, port
	}
	s.TCPFlags = packet.TCPFlagACK
	switch random.IntN(90) {
	case 0:
		s.TCPFlags = packet.TCPFlagSYN
	case 1:
		s.TCPFlags |= packet.TCPFlagFIN
	case 2:
		s.TCPFlags = packet.TCPFlagRST
	case 3, 4, 5, 6, 7, 8:
		s.TCPFlags |= packet.TCPFlagPSH
	}
	s.TTL = uint8([]int{64, 64, 64, 64, 1, 2, 3}[random.IntN(7)])
	s.DontFragment = random.IntN(2) == 0
	s.Payload = make([]byte, []int{0, 0, 100, 1400, 8000, 8600, 20000}[random.IntN(7)])
	if len(s.Payload) > 8000 || random.IntN(2) == 0 {
		gso = 1000
	}
	return handles[reply], s, gso
}

// counted is everything that the engine counts, but times.
func counted(n *network) any {
	records, skipped := n.e.FlowRecords(nil)
	for i := range records {
		records[i].First, records[i].Last = 0, 0
	}
	slices.SortFunc(records, func(a, b FlowRecord) int {
		return bytes.Compare(fmt.Append(nil, a), fmt.Append(nil, b))
	})
	return struct {
		Counters Counters
		Traffic  map[string]Traffic
		Records  []FlowRecord
		Skipped  []Handle
		Flows    int
		Drops    int
	}{n.e.Counters(), n.traffic(), records, skipped, n.e.Flows(), len(n.e.Drops(0))}
}

func TestOffloadAllocatesNothingPerPacket(t *testing.T) {
	n := newNetwork(t).tracks()
	port := n.offloading()
	n.publish()
	n.connect(hI1, hI3, ip1, ip3, offloadAfter)
	data := packet.Append(nil, n.spec(hI1, segment(ip1, ip3, false)))
	frames, out := []packet.Frame{{}}, make([]packet.Frame, 0, 4)
	buffer := make([]byte, len(data))
	allocations := testing.AllocsPerRun(1000, func() {
		n.clock += harvestEvery // every batch is a harvest
		port.counts[0].Frames++
		port.counts[0].Packets += 40
		port.counts[0].Bytes += 60000
		copy(buffer, data)
		frames[0] = packet.Frame{Data: buffer, Link: uint32(hI1)}
		n.e.Forward(frames, out)
	})
	if allocations != 0 {
		t.Errorf("%v allocations per packet", allocations)
	}
	if s, _ := n.e.OffloadStatistics(); s.Packets != 1001*40 {
		t.Errorf("%d packets were counted", s.Packets)
	}
}
