package dataplane

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// newTrackNetwork closes i1 and i3 for everything but what a test opens, so that
// what passes back is tracked.
func newTrackNetwork(t testing.TB) *network {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.1.0/24", 22, 22), udp("10.0.1.0/24", 53, 53),
		tcp("2001:db8:1:1::/64", 22, 22), udp("2001:db8:1:1::/64", 53, 53))
	return n
}

// with is s with other TCP flags.
func with(s packet.Spec, flags uint8) packet.Spec {
	s.TCPFlags = flags
	return s
}

const (
	flagsACK    = packet.TCPFlagACK
	flagsFIN    = packet.TCPFlagFIN | packet.TCPFlagACK
	flagsRST    = packet.TCPFlagRST
	flagsSYN    = packet.TCPFlagSYN
	flagsSYNACK = packet.TCPFlagSYN | packet.TCPFlagACK
)

// TestTrackTCP: who says what, and how long i3 may then stay silent before its
// packets are strangers' to i1. Letters stand for packets of i1, with a dash for
// those of i3.
func TestTrackTCP(t *testing.T) {
	const half, established, closed = 30 * time.Second, 432000 * time.Second, 10 * time.Second
	flags := map[string]uint8{"SYN": flagsSYN, "SYNACK": flagsSYNACK, "ACK": flagsACK, "FIN": flagsFIN, "RST": flagsRST}
	type said struct {
		back bool
		what string
	}
	out := func(what string) said { return said{false, what} }
	back := func(what string) said { return said{true, what} }
	for _, c := range []struct {
		name  string
		talk  []said
		idle  time.Duration
		state flowState
	}{
		{"SYN", []said{out("SYN")}, half, flowNew},
		{"SYN retransmitted", []said{out("SYN"), out("SYN"), out("SYN")}, half, flowNew},
		{"SYN answered", []said{out("SYN"), back("SYNACK")}, half, flowNew},
		{"handshake", []said{out("SYN"), back("SYNACK"), out("ACK")}, established, flowEstablished},
		{"handshake whose ACK was lost", []said{out("SYN"), back("SYNACK"), back("ACK")}, established, flowEstablished},
		{"simultaneous open", []said{out("SYN"), back("SYN"), out("SYNACK"), back("SYNACK"), out("ACK")}, established, flowEstablished},
		{"SYN again when established", []said{out("SYN"), back("SYNACK"), out("ACK"), out("SYN")}, established, flowEstablished},
		{"SYN-ACK again when established", []said{out("SYN"), back("SYNACK"), out("ACK"), back("SYNACK")}, established, flowEstablished},
		{"refused", []said{out("SYN"), back("RST")}, closed, flowClosed},
		{"reset by who opened", []said{out("SYN"), back("SYNACK"), out("ACK"), out("RST")}, closed, flowClosed},
		{"reset by who accepted", []said{out("SYN"), back("SYNACK"), out("ACK"), back("RST")}, closed, flowClosed},
		{"half closed", []said{out("SYN"), back("SYNACK"), out("ACK"), out("FIN"), back("ACK")}, established, flowEstablished},
		{"half closed twice by one side", []said{out("SYN"), back("SYNACK"), out("ACK"), out("FIN"), out("FIN")}, established, flowEstablished},
		{"data of the other half", []said{out("SYN"), back("SYNACK"), out("ACK"), out("FIN"), back("ACK"), back("ACK")}, established, flowEstablished},
		{"closed", []said{out("SYN"), back("SYNACK"), out("ACK"), out("FIN"), back("FIN"), out("ACK")}, closed, flowClosed},
		{"closed and opened again", []said{out("SYN"), back("SYNACK"), out("ACK"), out("FIN"), back("FIN"), out("SYN"), back("SYNACK"), out("ACK")}, established, flowEstablished},
		{"middle, one side", []said{out("ACK"), out("ACK")}, half, flowNew},
		{"middle, both sides", []said{out("ACK"), back("ACK")}, established, flowEstablished},
	} {
		for _, family := range []string{"10.0.2.30", "2001:db8:1:2::30"} {
			t.Run("S28 "+c.name+" "+family, func(t *testing.T) {
				for _, late := range []bool{false, true} {
					n := newTrackNetwork(t).publish()
					request := syn(family, 22)
					reply := answer(request, n.interfaceAt(hI1).addressFor(request.Dst).String())
					for _, x := range c.talk {
						if x.back {
							n.want(x.what+" back", hI3, with(reply, flags[x.what]), VerdictPass, ReasonDelivered)
						} else {
							n.want(x.what+" out", hI1, with(request, flags[x.what]), VerdictPass, ReasonDelivered)
						}
					}
					key := tupleFlowKey(hI1, &packet.Tuple{Src: reply.Dst, Dst: reply.Src, SrcPort: reply.DstPort, DstPort: reply.SrcPort, Proto: reply.Proto}, 0, egress)
					if f := n.e.state.flows.find(&key); f == nil || f.value.state != c.state {
						t.Fatalf("state %+v, want %d", f, c.state)
					}
					n.clock += int64(c.idle) - 1
					if !late {
						n.want("one nanosecond before the limit", hI3, with(reply, flagsACK), VerdictPass, ReasonDelivered)
						continue
					}
					n.clock++
					n.want("at the limit", hI3, with(reply, flagsACK), VerdictDrop, ReasonNoRule)
				}
			})
		}
	}
}

func TestTrackStrangersResetNothing(t *testing.T) {
	n := newTrackNetwork(t).publish()
	s := syn("10.0.2.30", 22)
	back := answer(s, "10.0.1.10")
	n.want("SYN", hI1, s, VerdictPass, ReasonDelivered)
	n.want("SYN-ACK", hI3, back, VerdictPass, ReasonDelivered)
	n.want("ACK", hI1, with(s, flagsACK), VerdictPass, ReasonDelivered)
	stray := with(back, flagsRST)
	stray.SrcPort++
	n.want("a reset from another port", hI3, stray, VerdictDrop, ReasonNoRule)
	stray = with(back, flagsRST)
	stray.Src = addr("10.0.1.20")
	n.want("a reset from another host", hI2, stray, VerdictDrop, ReasonNoRule)
	n.clock += int64(time.Hour)
	n.want("an hour later", hI3, with(back, flagsACK), VerdictPass, ReasonDelivered)
}

// TestTrackTimeoutsOfOneInterface: S27's timers are settable per ENI, and are
// those of the interface that tracks.
func TestTrackTimeoutsOfOneInterface(t *testing.T) {
	n := newTrackNetwork(t)
	n.b.NetworkInterfaces[0].Timeouts = Timeouts{TCPEstablished: 60 * time.Second, UDP: 45 * time.Second, UDPStream: 60 * time.Second}
	n.publish()
	s, dns := syn("10.0.2.30", 22), datagram("10.0.2.30", 53)
	back, dnsBack := answer(s, "10.0.1.10"), answer(dns, "10.0.1.10")
	connect := func() {
		n.want("SYN", hI1, s, VerdictPass, ReasonDelivered)
		n.want("SYN-ACK", hI3, back, VerdictPass, ReasonDelivered)
		n.want("ACK", hI1, with(s, flagsACK), VerdictPass, ReasonDelivered)
	}
	connect()
	n.clock += 60e9 - 1
	n.want("TCP in time", hI3, with(back, flagsACK), VerdictPass, ReasonDelivered)
	n.clock += 60e9
	n.want("TCP late at i1", hI3, with(back, flagsACK), VerdictDrop, ReasonNoRule)
	n.want("i3 keeps AWS's", hI1, with(s, flagsACK), VerdictPass, ReasonDelivered)

	n.want("UDP", hI1, dns, VerdictPass, ReasonDelivered)
	n.clock += 45e9 - 1
	n.want("UDP in time", hI3, dnsBack, VerdictPass, ReasonDelivered)
	n.clock += 45e9
	n.want("UDP late", hI3, dnsBack, VerdictDrop, ReasonNoRule)
	n.want("request", hI1, dns, VerdictPass, ReasonDelivered)
	n.want("response", hI3, dnsBack, VerdictPass, ReasonDelivered)
	n.want("request", hI1, dns, VerdictPass, ReasonDelivered)
	n.want("response: a stream", hI3, dnsBack, VerdictPass, ReasonDelivered)
	n.clock += 60e9 - 1
	n.want("stream in time", hI3, dnsBack, VerdictPass, ReasonDelivered)
	n.clock += 60e9
	n.want("stream late", hI3, dnsBack, VerdictDrop, ReasonNoRule)
}

func TestTrackFragmentsOfOneAnswerAreNoStream(t *testing.T) {
	n := newTrackNetwork(t).publish()
	dns := datagram("10.0.2.30", 53)
	n.want("request", hI1, dns, VerdictPass, ReasonDelivered)
	large := answer(dns, "10.0.1.10")
	large.Payload = make([]byte, 4000)
	var cut packet.Segmenter
	for _, f := range cut.FragmentIPv4(nil, &packet.Frame{Data: packet.Append(nil, n.spec(hI3, large))}, 1500) {
		if v, r := n.sendFrame(hI3, f.Data); v != VerdictPass {
			t.Fatal(r)
		}
	}
	n.clock += 30e9
	n.want("S27 one response, 30 s", hI3, answer(dns, "10.0.1.10"), VerdictDrop, ReasonNoRule)
}

// TestTrackAsymmetricPath: in on one interface of an instance, out on another
// (S32).
func TestTrackAsymmetricPath(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[1].Egress = nil
	n.b.NetworkInterfaces[1].SourceDestCheck = false // i2 sends what came in on i1
	n.b.SecurityGroups[0].Ingress = allow(tcp("10.0.2.0/24", 22, 22))
	n.publish()
	s := syn("10.0.1.10", 22)
	n.want("in on i1", hI3, s, VerdictPass, ReasonDelivered)
	n.want("out on i1 is its answer", hI1, answer(s, "10.0.2.30"), VerdictPass, ReasonDelivered)
	n.want("out on i2 is judged as new", hI2, func() packet.Spec {
		b := answer(s, "10.0.2.30")
		b.Src = addr("10.0.1.10")
		return b
	}(), VerdictDrop, ReasonNoRule)
}

// TestTrackDetachedGroupIsARuleChange: S31, by S22 and S23.
func TestTrackDetachedGroupIsARuleChange(t *testing.T) {
	const hEmpty = 400
	for _, c := range []struct {
		name    string
		ingress Match
		survive bool
	}{{"tracked", tcp("10.0.1.0/24", 22, 22), true}, {"untracked", tcp("0.0.0.0/0", 22, 22), false}} {
		t.Run("S31 "+c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.b.SecurityGroups = append(n.b.SecurityGroups, SecurityGroup{Object: Object{Handle: hEmpty, Kind: KindSecurityGroup, Name: "empty"}})
			n.b.SecurityGroups[2].Ingress = allow(c.ingress)
			n.publish()
			s := syn("10.0.2.30", 22)
			n.want("SYN", hI1, s, VerdictPass, ReasonDelivered)
			n.b.NetworkInterfaces[2].SecurityGroups = []Handle{hEmpty}
			n.publish()
			if c.survive {
				n.want("more", hI1, with(s, flagsACK), VerdictPass, ReasonDelivered)
				n.want("answers", hI3, with(answer(s, "10.0.1.10"), flagsACK), VerdictPass, ReasonDelivered)
			} else {
				n.want("more", hI1, with(s, flagsACK), VerdictDrop, ReasonNoRule)
			}
			s.SrcPort++
			n.want("new", hI1, s, VerdictDrop, ReasonNoRule)
		})
	}
}

func TestTrackNarrowerEgressTracksNewFlows(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("0.0.0.0/0", 80, 80))
	n.publish()
	n.want("untracked", hI1, syn("10.0.2.30", 80), VerdictPass, ReasonDelivered)
	if n.e.Flows() != 0 {
		t.Fatalf("%d flows", n.e.Flows())
	}
	n.b.SecurityGroups[2].Egress = allow(anyTraffic("::/0"))
	n.publish()
	s := syn("10.0.2.30", 80)
	s.SrcPort++
	n.want("S24 tracked", hI1, s, VerdictPass, ReasonDelivered)
	n.want("S24 its answer", hI3, answer(s, "10.0.1.10"), VerdictPass, ReasonDelivered)
	n.want("S24 IPv6 stays untracked", hI1, syn("2001:db8:1:2::30", 80), VerdictDrop, ReasonNoRule)
}

// TestNetworkACLEditsCutTrackedFlows: S41, S-C23, and the untracked as well.
func TestNetworkACLEditsCutTrackedFlows(t *testing.T) {
	for _, dst := range []string{"10.0.2.30", "2001:db8:1:2::30"} {
		n := newTrackNetwork(t).publish()
		s := syn(dst, 22)
		n.want("SYN", hI1, s, VerdictPass, ReasonDelivered)
		n.want("SYN-ACK", hI3, answer(s, n.interfaceAt(hI1).addressFor(s.Dst).String()), VerdictPass, ReasonDelivered)
		before := n.b.NetworkACLs[1].Ingress
		n.b.NetworkACLs[1].Ingress = append([]ACLRule{{Number: 1, Match: tcp("0.0.0.0/0", 22, 22)}, {Number: 2, Match: tcp("::/0", 22, 22)}}, before...)
		n.publish()
		n.want("S-C23 more data", hI1, with(s, flagsACK), VerdictDrop, ReasonDenyRule)
		n.b.NetworkACLs[1].Ingress = before
		n.publish()
		n.want("S41 and back", hI1, with(s, flagsACK), VerdictPass, ReasonDelivered)
	}
}

// TestTrackRelatedErrors: S29's types pass as part of the connection they quote,
// all others need a rule.
func TestTrackRelatedErrors(t *testing.T) {
	for _, c := range []struct {
		dst     string
		typ     uint8
		codes   []uint8
		related bool
	}{
		{"10.0.2.30", 3, []uint8{0, 1, 2, 3, 4, 9, 10, 13}, true},
		{"10.0.2.30", 11, []uint8{0}, true},
		{"10.0.2.30", 11, []uint8{1}, false},
		{"10.0.2.30", 4, []uint8{0}, false},
		{"10.0.2.30", 5, []uint8{0, 1}, false},
		{"10.0.2.30", 12, []uint8{0}, false},
		{"2001:db8:1:2::30", 1, []uint8{0, 1, 3, 4}, true},
		{"2001:db8:1:2::30", 2, []uint8{0}, true},
		{"2001:db8:1:2::30", 3, []uint8{0, 1}, true},
		{"2001:db8:1:2::30", 4, []uint8{0, 1, 2}, true},
	} {
		for _, code := range c.codes {
			t.Run(fmt.Sprintf("S29 %s %d/%d", c.dst, c.typ, code), func(t *testing.T) {
				for _, s := range []packet.Spec{syn(c.dst, 22), datagram(c.dst, 53), echo(c.dst, 9)} {
					n := newTrackNetwork(t)
					n.b.SecurityGroups[2].Ingress = open()
					n.publish()
					n.want("out", hI1, s, VerdictPass, ReasonDelivered)
					seen := n.delivered()
					frame := packet.AppendICMPError(nil, &seen, n.interfaceAt(hI3).routerMAC, InterfaceMAC(hI3), addr(c.dst), c.typ, code, 1280)
					want := ReasonNoRule
					if c.related {
						want = ReasonDelivered
					}
					if _, r := n.sendFrame(hI3, bytes.Clone(frame)); r != want {
						t.Errorf("protocol %d: %v, want %v\n%s", s.Proto, r, want, n.story())
					}
					// The error keeps nothing alive.
					n.clock += 30e9
					if _, r := n.sendFrame(hI3, frame); c.related && r != ReasonNoRule {
						t.Errorf("protocol %d, after the connection was forgotten: %v", s.Proto, r)
					}
				}
			})
		}
	}
}

// TestErrorsAboutUntrackedPacketsPass: A56, path MTU discovery works for flows
// that are not tracked, too, as long as the rules still allow them.
func TestErrorsAboutUntrackedPacketsPass(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = allow(udp("0.0.0.0/0", 0, 65535), tcp("0.0.0.0/0", 0, 65535))
	n.b.SecurityGroups[0].Egress = allow(udp("0.0.0.0/0", 0, 65535), tcp("0.0.0.0/0", 0, 65535))
	n.publish()
	for _, s := range []packet.Spec{datagram("10.0.2.30", 53), syn("10.0.2.30", 53)} {
		n.want("out", hI1, s, VerdictPass, ReasonDelivered)
		if n.e.Flows() != 0 {
			t.Fatal("it is tracked")
		}
		seen := n.delivered()
		frame := packet.AppendICMPError(nil, &seen, n.interfaceAt(hI3).routerMAC, InterfaceMAC(hI3), addr("10.0.2.30"), 3, 4, 1400)
		if _, r := n.sendFrame(hI3, bytes.Clone(frame)); r != ReasonDelivered {
			t.Errorf("A56: %v\n%s", r, n.story())
		}
		egress := n.b.SecurityGroups[0].Egress
		n.b.SecurityGroups[0].Egress = nil
		n.publish()
		if _, r := n.sendFrame(hI3, frame); r != ReasonNoRule {
			t.Errorf("without the rule: %v\n%s", r, n.story())
		}
		n.b.SecurityGroups[0].Egress = egress
		n.publish()
	}
	n.want("S22 untracked, before", hI3, datagram("10.0.1.10", 53), VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[0].Ingress = nil
	n.publish()
	n.want("S22 cut at once", hI3, datagram("10.0.1.10", 53), VerdictDrop, ReasonNoRule)
}

// TestTrackFollowsTheInterface: state hangs on the interface, not on addresses.
func TestTrackFollowsTheInterface(t *testing.T) {
	connected := func() (*network, packet.Spec, packet.Spec) {
		n := newTrackNetwork(t).publish()
		s := syn("10.0.2.30", 22)
		n.want("SYN", hI1, s, VerdictPass, ReasonDelivered)
		return n, s, with(answer(s, "10.0.1.10"), flagsACK)
	}
	n, s, back := connected()
	n.b.NetworkInterfaces[0].Addresses = addresses2("10.0.1.11", "2001:db8:1:1::10")
	n.b.InternetGateways[0].PublicAddresses = n.b.InternetGateways[0].PublicAddresses[1:]
	n.publish()
	s.Src = addr("10.0.1.10")
	n.want("its address is gone", hI3, back, VerdictDrop, ReasonNoInterface)
	n.want("it may not use it", hI1, with(s, flagsACK), VerdictDrop, ReasonSourceAddress)

	n, _, back = connected()
	replaced := n.b.NetworkInterfaces[0]
	replaced.Handle, replaced.MAC = 500, InterfaceMAC(500)
	n.b.NetworkInterfaces[0] = replaced
	n.publish()
	n.want("another interface with its address has no state", hI3, back, VerdictDrop, ReasonNoRule)
	for range 4 {
		n.e.Forward(nil, nil)
	}
	if n.e.Flows() != 1 {
		t.Errorf("%d flows, want i3's only", n.e.Flows())
	}

	n, _, back = connected()
	n.b.NetworkInterfaces[0].Addresses = addresses2("10.0.1.10", "10.0.1.12", "2001:db8:1:1::10")
	n.publish()
	n.want("a second address changes nothing", hI3, back, VerdictPass, ReasonDelivered)
	other := back
	other.Dst = addr("10.0.1.12")
	n.want("and shares nothing", hI3, other, VerdictDrop, ReasonNoRule)
}

// TestTrackTableHoldsItsLimit: a packet that needs two entries does not get the
// last one.
func TestTrackTableHoldsItsLimit(t *testing.T) {
	n := newTrackNetwork(t)
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 3})
	n.publish()
	n.want("two entries", hI1, syn("10.0.2.30", 22), VerdictPass, ReasonDelivered)
	s := syn("10.0.2.30", 22)
	s.SrcPort++
	n.want("S30 one entry is left", hI1, s, VerdictDrop, ReasonTableFull)
	if n.e.Flows() != 3 {
		t.Errorf("%d flows, the limit is 3", n.e.Flows())
	}
}

func TestNATGatewayReopenedConnectionIsNotClosed(t *testing.T) {
	n := newNATNetwork(t).publish()
	s := syn("203.0.113.10", 80)
	n.want("SYN", hI3, s, VerdictPass, ReasonDelivered)
	port := n.delivered().SrcPort
	back := n.back()
	n.want("RST", hHost, with(back, flagsRST), VerdictPass, ReasonDelivered)
	n.want("SYN again", hI3, s, VerdictPass, ReasonDelivered)
	if p := n.delivered().SrcPort; p != port {
		t.Fatalf("port %d, was %d", p, port)
	}
	n.want("SYN-ACK", hHost, back, VerdictPass, ReasonDelivered)
	n.clock += 349e9
	n.want("R43 idle for 349 s", hI3, with(s, flagsACK), VerdictPass, ReasonDelivered)
	if n.frames[0].Link != hHost {
		t.Error("the connection was reset")
	}
}

func TestEgressOnlyGatewayTracksTheSender(t *testing.T) {
	n := newNATNetwork(t)
	n.b.SecurityGroups[2].Ingress = open()
	n.publish()
	s := syn("2001:db8:ff00::10", 80)
	n.want("out", hI3, s, VerdictPass, ReasonDelivered)
	back := n.back()
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.want("R35 always tracked", hHost, back, VerdictPass, ReasonDelivered)
	n.want("reset", hHost, with(back, flagsRST), VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = open()
	n.publish()
	n.want("R37 a connection from outside on the ports of one that ended", hHost, with(back, flagsSYN), VerdictDrop, ReasonEgressOnly)
	n.want("from inside again", hI3, s, VerdictPass, ReasonDelivered)
	n.want("and its answer", hHost, back, VerdictPass, ReasonDelivered)
}

// TestDisabledResolverIsSilent: A44, over TCP as over UDP; the other services
// answer.
func TestDisabledResolverIsSilent(t *testing.T) {
	n := newRichNetwork(t).publish()
	for _, dst := range []string{"10.0.0.2", "169.254.169.253", "fd00:ec2::253"} {
		n.want("A44 UDP", hO1, datagram(dst, 53), VerdictDrop, ReasonDNSDisabled)
		n.want("A44 TCP", hO1, syn(dst, 53), VerdictDrop, ReasonDNSDisabled)
		n.want("the other VPC's answers", hI1, syn(dst, 53), VerdictPass, ReasonDelivered)
	}
	n.want("metadata", hO1, syn("169.254.169.254", 80), VerdictPass, ReasonDelivered)
	n.want("time", hO1, datagram("169.254.169.123", 123), VerdictPass, ReasonDelivered)
	if s := n.e.state.serviceRates[hO1]; s.count != 2 {
		t.Errorf("A43: %d requests are counted, want 2", s.count)
	}
}

func TestDHCPRebindingReachesTheServer(t *testing.T) {
	n := newRichNetwork(t).publish()
	everybody := packet.MAC{255, 255, 255, 255, 255, 255}
	n.want("a client that has an address", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: addr("10.0.1.10"), Dst: broadcast4, SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
		DstMAC: everybody, Payload: []byte("request"),
	}, VerdictPass, ReasonDelivered)
	n.want("ACK", hServices, n.back(), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("10.0.1.1") || p.Dst != addr("10.0.1.10") {
		t.Errorf("i1 gets %v → %v", p.Src, p.Dst)
	}
	n.want("another's address", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: addr("10.0.1.20"), Dst: broadcast4, SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
		DstMAC: everybody,
	}, VerdictDrop, ReasonGroupAddress)
}

func TestDHCPWithoutIPv4GetsNoAnswer(t *testing.T) {
	n := newRichNetwork(t)
	n.b.Subnets[0].CIDRs = n.b.Subnets[0].CIDRs[1:]
	for i := range 2 {
		n.b.NetworkInterfaces[i].Addresses = n.b.NetworkInterfaces[i].Addresses[1:]
	}
	n.b.InternetGateways[0].PublicAddresses = nil
	n.publish()
	n.want("DISCOVER", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: unspecified4, Dst: broadcast4, SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
		DstMAC: packet.MAC{255, 255, 255, 255, 255, 255},
	}, VerdictPass, ReasonDelivered)
	n.want("OFFER", hServices, n.back(), VerdictDrop, ReasonServiceAnswer)
}

func TestFramesOfANATGatewayComeFromNoLink(t *testing.T) {
	n := newNATNetwork(t).publish()
	s := syn("203.0.113.10", 80)
	s.Src, s.SrcMAC, s.DstMAC = addr("10.0.0.50"), InterfaceMAC(hNAT), n.interfaceAt(hNAT).routerMAC
	n.want("forwarded", hNAT, s, VerdictDrop, ReasonUnknownLink)
	trace := n.e.Trace(TraceRequest{From: hNAT, Tuple: s.Tuple})
	if last := trace.Last(); last.Reason != ReasonUnknownLink {
		t.Errorf("traced: %v", last.Reason)
	}
}

// TestTrackTableFullForTheSenderOfAGateway: what must be tracked (S25) and
// cannot be, is dropped (S30).
func TestTrackTableFullForTheSenderOfAGateway(t *testing.T) {
	for _, dst := range []string{"203.0.113.10", "2001:db8:ff00::10"} {
		n := newNATNetwork(t)
		n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 4})
		n.publish()
		for port := range uint16(4) {
			s := syn(dst, 80)
			s.SrcPort += port
			n.send(hI3, s)
		}
		late := syn(dst, 81)
		n.want("S30 through a gateway to "+dst, hI3, late, VerdictDrop, ReasonTableFull)
		again := syn(dst, 80)
		n.want("who was there", hI3, again, VerdictPass, ReasonDelivered)
		n.want("closes", hI3, with(again, flagsRST), VerdictPass, ReasonDelivered)
		n.want("and takes its own place again", hI3, again, VerdictPass, ReasonDelivered)
		if n.e.Flows() > 4 {
			t.Errorf("%d flows", n.e.Flows())
		}
	}
}
