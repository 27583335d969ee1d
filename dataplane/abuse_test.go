package dataplane

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// resum makes the IPv4 header checksum of a frame right again.
func resum(b []byte) []byte {
	b[24], b[25] = 0, 0
	binary.BigEndian.PutUint16(b[24:], ^uint16(plainSum(0, b[14:34])))
	return b
}

// fragment4 is one part of an IPv4 packet from i1 to i3: its offset in bytes,
// whether more follow, and what it carries.
func (n *network) fragment4(proto uint8, id uint16, offset int, more bool, payload []byte) []byte {
	b := packet.Append(nil, n.spec(hI1, packet.Spec{
		Tuple: packet.Tuple{Dst: addr("10.0.2.30"), Proto: 253}, IPv4ID: id, Payload: payload,
	}))
	b[23] = proto
	flags := uint16(offset / 8)
	if more {
		flags |= 0x2000
	}
	binary.BigEndian.PutUint16(b[20:], flags)
	return resum(b)
}

func tcpHeader(port uint16) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h[0:], 40000)
	binary.BigEndian.PutUint16(h[2:], port)
	h[12], h[13] = 5<<4, packet.TCPFlagSYN
	return h
}

func TestAbuseFragments(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.1.0/24", 80, 80), udp("10.0.1.0/24", 53, 53))
	n.publish()
	for _, c := range []struct {
		name   string
		frames [][]byte
		last   Reason // of the last frame
	}{
		{"first part too small for its TCP header", [][]byte{n.fragment4(6, 1, 0, true, tcpHeader(80)[:8])}, ReasonMalformed},
		{"its later part finds no head", [][]byte{
			n.fragment4(6, 2, 0, true, tcpHeader(80)[:16]),
			n.fragment4(6, 2, 24, false, make([]byte, 8)),
		}, ReasonFragmentWithoutHead},
		{"part that overwrites the ports at reassembly", [][]byte{
			n.fragment4(6, 3, 0, true, append(tcpHeader(80), 0, 0, 0, 0)),
			n.fragment4(6, 3, 8, false, make([]byte, 16)),
		}, ReasonMalformed},
		{"overlap behind the header is judged like its head", [][]byte{
			n.fragment4(6, 4, 0, true, append(tcpHeader(80), make([]byte, 12)...)),
			n.fragment4(6, 4, 24, false, make([]byte, 16)),
		}, ReasonDelivered},
		{"second head with another port", [][]byte{
			n.fragment4(6, 5, 0, true, append(tcpHeader(80), 0, 0, 0, 0)),
			n.fragment4(6, 5, 0, true, append(tcpHeader(22), 0, 0, 0, 0)),
			n.fragment4(6, 5, 24, false, make([]byte, 8)),
		}, ReasonNoRule},
		{"head of another protocol", [][]byte{
			n.fragment4(17, 6, 0, true, []byte{0x9c, 0x40, 0, 53, 0, 100, 0, 0}),
			n.fragment4(6, 6, 24, false, make([]byte, 8)),
		}, ReasonFragmentWithoutHead},
		{"beyond 65,535 bytes (ping of death)", [][]byte{
			n.fragment4(17, 7, 0, true, []byte{0x9c, 0x40, 0, 53, 0, 100, 0, 0}),
			n.fragment4(17, 7, 65528, false, make([]byte, 64)),
		}, ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			var got Reason
			for _, f := range c.frames {
				_, got = n.sendFrame(hI1, f)
			}
			if got != c.last {
				t.Errorf("%v, want %v\n%s", got, c.last, n.story())
			}
		})
	}
}

// chain6 is an IPv6 packet from i1 to i3 with extension headers before payload.
func (n *network) chain6(next uint8, chain []byte, payload []byte) []byte {
	b := packet.Append(nil, n.spec(hI1, packet.Spec{
		Tuple: packet.Tuple{Dst: addr("2001:db8:1:2::30"), Proto: 253}, Payload: append(slices.Clone(chain), payload...),
	}))
	b[20] = next
	return b
}

func TestAbuseLyingHeaders(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.0.0/8", 80, 80), tcp("2001:db8::/32", 80, 80))
	n.publish()
	good := func() []byte { return packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 80))) }
	edit := func(at int, value byte) []byte {
		b := good()
		b[at] = value
		return resum(b)
	}
	options := func(count int) (chain []byte) {
		for i := range count {
			next := byte(60)
			if i == count-1 {
				next = 6
			}
			chain = append(chain, next, 0, 1, 4, 0, 0, 0, 0)
		}
		return chain
	}
	mapped := n.chain6(6, nil, tcpHeader(80))
	copy(mapped[22:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 10})
	for _, c := range []struct {
		name   string
		frame  []byte
		reason Reason
	}{
		{"sound", good(), ReasonDelivered},
		{"version", edit(14, 0x65), ReasonMalformed},
		{"header length below 20", edit(14, 0x44), ReasonMalformed},
		{"header length beyond the frame", edit(14, 0x4f), ReasonMalformed},
		{"total length beyond the frame", edit(16, 0xff), ReasonMalformed},
		{"total length 0", edit(17, 0), ReasonMalformed},
		{"data offset below 20", edit(14+20+12, 0x40), ReasonMalformed},
		{"data offset beyond the packet", edit(14+20+12, 0xf0), ReasonMalformed},
		{"header checksum", func() []byte { b := good(); b[24] ^= 1; return b }(), ReasonMalformed},
		{"cut in the TCP header", resum(good())[:14+20+10], ReasonMalformed},
		{"eight extension headers", n.chain6(60, options(8), tcpHeader(80)), ReasonDelivered},
		{"nine", n.chain6(60, options(9), tcpHeader(80)), ReasonMalformed},
		{"port behind a chain is judged", n.chain6(60, options(3), tcpHeader(22)), ReasonNoRule},
		{"extension longer than the packet", n.chain6(60, []byte{6, 200, 0, 0, 0, 0, 0, 0}, tcpHeader(80)), ReasonMalformed},
		{"chain that ends in nothing", n.chain6(60, options(2)[:12], nil), ReasonMalformed},
		{"first fragment without its TCP header", n.chain6(44, []byte{6, 0, 0, 1, 0, 0, 0, 1}, nil), ReasonMalformed},
		{"fragment of a fragment", n.chain6(44, []byte{44, 0, 0, 1, 0, 0, 0, 1, 6, 0, 0, 1, 0, 0, 0, 1}, tcpHeader(80)), ReasonMalformed},
		{"IPv4-mapped source", mapped, ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			if _, r := n.sendFrame(hI1, c.frame); r != c.reason {
				t.Errorf("%v, want %v\n%s", r, c.reason, n.story())
			}
		})
	}
}

func TestAbuseOffloadFactsThatLie(t *testing.T) {
	n := newNetwork(t).publish()
	for _, c := range []struct {
		name    string
		offload packet.Offload
		reason  Reason
	}{
		{"TCP superframe of a datagram", packet.Offload{GSO: packet.GSOTCP4, SegmentSize: 1400}, ReasonMalformed},
		{"segments of nothing", packet.Offload{GSO: packet.GSOUDP}, ReasonMalformed},
		{"checksum behind the packet", packet.Offload{PartialChecksum: true, ChecksumStart: 60000, ChecksumOffset: 60000}, ReasonMalformed},
		{"checksum in the Ethernet header", packet.Offload{PartialChecksum: true, ChecksumOffset: 6}, ReasonMalformed},
		{"true", packet.Offload{GSO: packet.GSOUDP, SegmentSize: 1400}, ReasonDelivered},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := datagram("203.0.113.10", 53)
			s.Payload = make([]byte, 3000)
			f := packet.Frame{Data: packet.Append(nil, n.spec(hI1, s)), Link: hI1, Offload: c.offload}
			out := n.e.Forward([]packet.Frame{f}, nil)
			if r := n.e.walk.reason; r != c.reason || (len(out) > 0) != (r == ReasonDelivered) {
				t.Errorf("%v with %d frames, want %v", r, len(out), c.reason)
			}
		})
	}
}

func TestAbuseLandPackets(t *testing.T) {
	n := newNetwork(t).publish()
	for _, own := range []string{"10.0.1.10", "2001:db8:1:1::10"} {
		s := syn(own, 80)
		s.Src, s.SrcPort = s.Dst, s.DstPort
		for _, mac := range []packet.MAC{n.interfaceAt(hI1).routerMAC, InterfaceMAC(hI1)} {
			s.DstMAC = mac
			n.want("to itself", hI1, s, VerdictPass, ReasonDelivered)
			if len(n.frames) != 1 || n.frames[0].Link != hI1 {
				t.Errorf("%s: it reached somebody else", own)
			}
		}
		s.DstMAC = InterfaceMAC(hI2)
		n.want("to a neighbour with the sender's address", hI1, s, VerdictDrop, ReasonDestinationAddress)
		s = syn(own, 80)
		s.Src = s.Dst
		n.want("the victim's own address", hI3, s, VerdictDrop, ReasonSourceAddress)
	}
	s := syn("198.51.100.10", 80)
	s.Src = s.Dst
	n.want("from the Internet", hHost, s, VerdictDrop, ReasonSourceAddress)
}

func TestAbuseSpoofedSources(t *testing.T) {
	n := newNetwork(t).publish()
	for _, src := range []string{"10.0.1.20", "10.0.2.30", "203.0.113.10", "198.51.100.10", "127.0.0.1", "0.0.0.0", "255.255.255.255", "169.254.169.254", "240.0.0.1"} {
		s := syn("10.0.2.30", 80)
		s.Src = addr(src)
		if v, _ := n.send(hI1, s); v != VerdictDrop {
			t.Errorf("%s passed the source check", src)
		}
	}
	for _, src := range []string{"2001:db8:1:1::20", "::1", "fe80::1", "fd00:ec2::254", "ff02::1", "2001:db8:ff00::10"} {
		s := syn("2001:db8:1:2::30", 80)
		s.Src = addr(src)
		if v, _ := n.send(hI1, s); v != VerdictDrop {
			t.Errorf("%s passed the source check", src)
		}
	}
	n.b.NetworkInterfaces[0].SourceDestCheck = false
	n.publish()
	s := syn("10.0.2.30", 80)
	s.Src = addr("224.0.0.1")
	n.want("a group is no source, check or not", hI1, s, VerdictDrop, ReasonGroupAddress)
	s.Src = addr("203.0.113.10")
	n.want("others may pass without the check", hI1, s, VerdictPass, ReasonDelivered)
	s = syn("203.0.113.10", 80)
	s.Src = addr("10.9.9.9")
	n.want("but not to the Internet", hI1, s, VerdictDrop, ReasonNoPublicAddress)
}

// TestAbuseAddressResolution: nothing that a guest says about addresses reaches
// another guest, or changes what the platform answers (A29, A30, A35).
func TestAbuseAddressResolution(t *testing.T) {
	n := newNetwork(t).publish()
	everybody := packet.MAC{255, 255, 255, 255, 255, 255}
	arp := func(operation uint16, frame, sender packet.MAC, src, dst string) []byte {
		return packet.AppendARP(nil, operation, everybody, frame, sender, addr(src), packet.MAC{}, addr(dst))
	}
	mine, other := InterfaceMAC(hI1), InterfaceMAC(hI2)
	router := n.interfaceAt(hI1).routerMAC
	advert := func(dst string, dstMAC packet.MAC) []byte {
		return packet.AppendNeighborAdvertisement(nil, dstMAC, mine, addr("2001:db8:1:1::10"), addr(dst), packet.AddrFrom(RouterLinkLocal(hOne)), mine, true, true, true)
	}
	icmp6 := func(from Handle, dst string, icmpType uint8) []byte {
		s := n.spec(from, echo(dst, 0))
		s.ICMPType, s.TTL, s.Payload = icmpType, 255, make([]byte, 40)
		return packet.Append(nil, s)
	}
	for _, c := range []struct {
		name   string
		from   Handle
		frame  []byte
		reason Reason
	}{
		{"ARP with another frame source", hI1, arp(arpRequest, other, other, "10.0.1.10", "10.0.1.20"), ReasonSourceMAC},
		{"ARP with another's MAC inside", hI1, arp(arpRequest, mine, other, "10.0.1.10", "10.0.1.20"), ReasonSourceMAC},
		{"ARP reply nobody asked for", hI1, arp(arpReply, mine, mine, "10.0.1.1", "10.0.1.20"), ReasonAnnouncement},
		{"gratuitous ARP", hI1, arp(arpRequest, mine, mine, "10.0.1.20", "10.0.1.20"), ReasonAnnouncement},
		{"NA to everybody", hI1, advert("ff02::1", packet.MAC{0x33, 0x33, 0, 0, 0, 1}), ReasonGroupAddress},
		{"NA to a neighbour", hI1, advert("2001:db8:1:1::20", other), ReasonAnnouncement},
		{"NA through the router", hI1, advert("2001:db8:1:2::30", router), ReasonAnnouncement},
		{"RA to a neighbour", hI1, icmp6(hI1, "2001:db8:1:1::20", 134), ReasonAnnouncement},
		{"redirect to a neighbour", hI1, icmp6(hI1, "2001:db8:1:1::20", 137), ReasonAnnouncement},
		{"NA from the Internet", hHost, icmp6(hHost, "2001:db8:1:1::10", 136), ReasonAnnouncement},
		{"RA from the Internet", hHost, icmp6(hHost, "2001:db8:1:1::10", 134), ReasonAnnouncement},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			if v, r := n.sendFrame(c.from, c.frame); v != VerdictDrop || r != c.reason || len(n.frames) != 0 {
				t.Errorf("%v (%v) and %d frames, want %v\n%s", v, r, len(n.frames), c.reason, n.story())
			}
		})
	}
	// Questions in another's name are answered to who asked, by the truth.
	for name, frame := range map[string][]byte{
		"ARP": arp(arpRequest, mine, mine, "10.0.1.20", "10.0.1.1"),
		"NS":  packet.AppendNeighborSolicitation(nil, mine, addr("2001:db8:1:1::20"), packet.AddrFrom(RouterLinkLocal(hOne))),
	} {
		n.sendFrame(hI1, frame)
		if p := n.delivered(); n.frames[0].Link != hI1 || p.SrcMAC != router || p.DstMAC != mine {
			t.Errorf("%s: answered to link %d from %v", name, n.frames[0].Link, p.SrcMAC)
		}
	}
}

func TestAbuseErrorsCarryNothingPastTheRules(t *testing.T) {
	n := newNATNetwork(t)
	n.b.SecurityGroups[0].Egress = allow(udp("10.0.1.20/32", 9, 9))
	n.b.SecurityGroups[1].Egress = nil
	n.publish()
	n.want("i1 may talk to i2 only", hI1, datagram("10.0.1.20", 9), VerdictPass, ReasonDelivered)
	seen := n.delivered()
	refused := packet.AppendICMPError(nil, &seen, InterfaceMAC(hI1), InterfaceMAC(hI2), addr("10.0.1.20"), 3, 3, 0)
	elsewhere := slices.Clone(refused)
	if v, _ := n.sendFrame(hI2, refused); v != VerdictPass {
		t.Fatalf("the true error was dropped\n%s", n.story())
	}
	// i2, which may send nothing, quotes what i1 sent it in a message to i3.
	copy(elsewhere[30:], []byte{10, 0, 2, 30})
	packet.SetEthernet(elsewhere, n.interfaceAt(hI2).routerMAC, InterfaceMAC(hI2))
	if v, r := n.sendFrame(hI2, resum(elsewhere)); v != VerdictDrop || r != ReasonNoRule {
		t.Errorf("an error to somebody who sent nothing: %v (%v)\n%s", v, r, n.story())
	}

	// Through the egress-only gateway: the laptop quotes i3's packet to i2.
	n.want("i3 out by IPv6", hI3, datagram("2001:db8:ff00::10", 9), VerdictPass, ReasonDelivered)
	seen = n.delivered()
	unreachable := packet.AppendICMPError(nil, &seen, n.interfaceAt(hHost).routerMAC, InterfaceMAC(hHost), addr("2001:db8:ff00::10"), 1, 4, 0)
	elsewhere = slices.Clone(unreachable)
	if v, _ := n.sendFrame(hHost, unreachable); v != VerdictPass {
		t.Fatalf("the true error was dropped\n%s", n.story())
	}
	n.b.NetworkInterfaces[1].Subnet = hTwo // i2 moves behind the egress-only gateway
	n.b.NetworkInterfaces[1].Addresses = addresses2("10.0.2.20", "2001:db8:1:2::20")
	n.publish()
	victim := addr("2001:db8:1:2::20")
	binary.BigEndian.PutUint64(elsewhere[38:], victim.Hi)
	binary.BigEndian.PutUint64(elsewhere[46:], victim.Lo)
	if v, r := n.sendFrame(hHost, elsewhere); v != VerdictDrop || r != ReasonEgressOnly {
		t.Errorf("an error to somebody who sent nothing: %v (%v)\n%s", v, r, n.story())
	}
}

// TestAbuseSYNFlood: a million connections, of which the table takes what it
// may; who was connected before stays connected, and 30 seconds later new
// connections work again (S28, S30).
func TestAbuseSYNFlood(t *testing.T) {
	const limit = 1 << 14
	n := newNetwork(t)
	for i := range n.b.SecurityGroups {
		n.b.SecurityGroups[i].Ingress = allow(tcp("10.0.0.0/8", 0, 65535))
	}
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: limit})
	n.publish()
	established := syn("10.0.1.20", 22)
	n.want("connects", hI1, established, VerdictPass, ReasonDelivered)
	n.want("accepts", hI2, answer(established, "10.0.1.10"), VerdictPass, ReasonDelivered)
	established.TCPFlags = packet.TCPFlagACK
	n.want("talks", hI1, established, VerdictPass, ReasonDelivered)

	start := time.Now()
	flood(n, hI3, syn("10.0.1.20", 80), 1_000_000)
	t.Logf("%v per packet of the flood", time.Since(start)/1_000_000)
	if got := n.e.Flows(); got > limit || got < limit-2 {
		t.Errorf("%d flows, the limit is %d", got, limit)
	}
	if size, most := n.e.state.flows.bytes(), 3*limit*64; size > most {
		t.Errorf("the table takes %d bytes, want at most %d", size, most)
	}
	if n.e.Counters().Reasons[ReasonTableFull] < 900_000 {
		t.Errorf("S30: only %d drops were counted", n.e.Counters().Reasons[ReasonTableFull])
	}
	n.want("still talks", hI1, established, VerdictPass, ReasonDelivered)
	n.want("a new one", hI1, syn("10.0.1.20", 23), VerdictDrop, ReasonTableFull)
	n.clock += int64(DefaultTimeouts.TCPHalfOpen)
	for range 2 { // the port's idle second
		n.e.Forward(nil, nil)
	}
	n.want("a new one after 30 s", hI1, syn("10.0.1.20", 23), VerdictPass, ReasonDelivered)
	n.want("still talks", hI1, established, VerdictPass, ReasonDelivered)
}

// TestAbuseFloodTakesOnlyItsOwnAllowance: on AWS the table is an instance's own (S30).
func TestAbuseFloodTakesOnlyItsOwnAllowance(t *testing.T) {
	const allowance = 100
	n := newNetwork(t)
	for i := range n.b.SecurityGroups {
		n.b.SecurityGroups[i].Ingress = allow(tcp("10.0.0.0/8", 0, 65535))
	}
	for i := range n.b.NetworkInterfaces {
		n.b.NetworkInterfaces[i].TrackingAllowance = allowance
	}
	n.publish()
	established := syn("10.0.1.20", 22)
	n.want("connects", hI1, established, VerdictPass, ReasonDelivered)
	flood(n, hI3, syn("10.0.9.9", 80), 10_000)
	if got := n.e.Flows(); got > allowance+2 {
		t.Errorf("%d flows, of which one interface may have %d", got, allowance)
	}
	n.want("the flooder's next", hI3, syn("10.0.1.20", 443), VerdictDrop, ReasonTableFull)
	if got := n.story(); !strings.Contains(got, "tracks 100 connections, its allowance") {
		t.Errorf("the reason is not told:\n%s", got)
	}
	n.want("somebody else's", hI1, syn("10.0.1.20", 23), VerdictPass, ReasonDelivered)
	n.clock += int64(DefaultTimeouts.TCPHalfOpen)
	for range 2 { // the port's idle second
		n.e.Forward(nil, nil)
	}
	n.want("the flooder's after 30 s", hI3, syn("10.0.1.20", 443), VerdictPass, ReasonDelivered)
	for owner, tracked := range n.e.state.tracked {
		if tracked > 2 {
			t.Errorf("handle %d still has %d connections", owner, tracked)
		}
	}
}

// TestAbuseFloodInTheMiddleOfConnections: packets without SYN that nobody
// answers are forgotten as soon as SYNs are, not after five days.
func TestAbuseFloodInTheMiddleOfConnections(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[1].Ingress = allow(tcp("10.0.0.0/8", 0, 65535))
	n.publish()
	s := syn("10.0.1.20", 80)
	s.TCPFlags = packet.TCPFlagACK
	flood(n, hI3, s, 20_000)
	if n.e.Flows() != 1<<12 {
		t.Fatalf("%d flows", n.e.Flows())
	}
	n.clock += int64(DefaultTimeouts.TCPHalfOpen)
	for range 20 {
		n.e.Forward(nil, nil)
	}
	if n.e.Flows() != 0 {
		t.Errorf("%d flows are left", n.e.Flows())
	}
}

// flood sends count packets that differ in their ports.
func flood(n *network, from Handle, s packet.Spec, count int) {
	frame := packet.Append(nil, n.spec(from, s))
	ports := 14 + 20
	if !s.Dst.Is4() {
		ports += 20
	}
	var in [64]packet.Frame
	buffers := make([]byte, len(in)*len(frame))
	var out []packet.Frame
	for sent := 0; sent < count; {
		for i := range in {
			b := buffers[i*len(frame) : (i+1)*len(frame)]
			copy(b, frame)
			binary.BigEndian.PutUint32(b[ports:], uint32(sent)*2654435761) // a permutation of all pairs
			in[i] = packet.Frame{Data: b, Link: uint32(from)}
			sent++
		}
		out = n.e.Forward(in[:], out[:0])
	}
}

func TestAbuseMappingFlood(t *testing.T) {
	n := newNATNetwork(t)
	n.b.SecurityGroups[2].Egress = allow(udp("0.0.0.0/0", 0, 65535))
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxMappings: 1000})
	n.publish()
	first := datagram("203.0.113.10", 443)
	n.want("before", hI3, first, VerdictPass, ReasonDelivered)
	flood(n, hI3, datagram("203.0.113.10", 443), 100_000)
	if got := n.e.state.nat.count(); got != 1000 {
		t.Errorf("%d mappings, the limit is 1000", got)
	}
	if n.e.Counters().Reasons[ReasonTableFull] < 98_000 {
		t.Errorf("%d drops were counted", n.e.Counters().Reasons[ReasonTableFull])
	}
	n.want("who was there before", hI3, first, VerdictPass, ReasonDelivered)
	late := datagram("203.0.113.10", 8443)
	n.want("one more", hI3, late, VerdictDrop, ReasonTableFull)
	if step := n.e.walk.steps[n.e.walk.nSteps-1]; step.Stage != StageNATGateway || step.Object != hNAT {
		t.Errorf("%v of %d is blamed", step.Stage, step.Object)
	}
	n.clock += 351e9
	n.e.Forward(nil, nil)
	n.want("after they expired", hI3, late, VerdictPass, ReasonDelivered)
	for range 10 {
		n.e.Forward(nil, nil)
	}
	if targets := len(n.e.state.nat.targets); targets != 1 {
		t.Errorf("%d destinations are counted for one mapping", targets)
	}
}

func TestAbuseServiceFlood(t *testing.T) {
	n := newRichNetwork(t).publish()
	perSecond := 0
	for second := range 20 {
		n.clock = int64(second+1) * 1e9
		for i := range uint16(serviceRateLimit) {
			s := syn("169.254.169.254", 80)
			s.SrcPort = uint16(second)*serviceRateLimit + i
			if _, r := n.send(hI1, s); r == ReasonDelivered {
				perSecond++
			} else if r != ReasonTableFull {
				t.Fatalf("second %d: %v", second, r)
			}
		}
	}
	if perSecond != maxServiceFlowsOfClient || n.e.state.serviceRates[hI1].flows != maxServiceFlowsOfClient {
		t.Errorf("%d requests of one client are remembered, want %d", perSecond, maxServiceFlowsOfClient)
	}
	n.want("another client", hI2, syn("169.254.169.254", 80), VerdictPass, ReasonDelivered)
	n.clock += 1e9
	n.want("a request that is remembered goes on", hI1, func() packet.Spec {
		s := syn("169.254.169.254", 80)
		s.SrcPort, s.TCPFlags = 5, packet.TCPFlagACK
		return s
	}(), VerdictPass, ReasonDelivered)
	n.clock += serviceIdleTCP
	for range 40 {
		n.e.Forward(nil, nil)
	}
	if n.e.state.serviceFlows.count != 0 || n.e.state.serviceRates[hI1].flows != 0 {
		t.Errorf("%d requests and %d of the client are left", n.e.state.serviceFlows.count, n.e.state.serviceRates[hI1].flows)
	}
}

func TestAbuseFragmentHeadFlood(t *testing.T) {
	n := newNetwork(t).publish()
	send := func(from, count int) {
		for id := from; id < from+count; id++ {
			n.sendFrame(hI1, n.fragment4(17, uint16(id), 0, true, []byte{0x9c, 0x40, 0, 53, 0, 100, 0, 0}))
		}
	}
	send(0, 20_000)
	if heads := n.e.state.fragments.heads.count; heads != maxFragmentHeads {
		t.Errorf("%d heads are kept, want %d", heads, maxFragmentHeads)
	}
	// The newest take the place of the oldest, so a later part that follows
	// soon finds its head in the middle of a flood.
	send(30_000, 1)
	send(40_000, maxFragmentHeads-1)
	if _, r := n.sendFrame(hI1, n.fragment4(17, 30_000, 8, false, make([]byte, 16))); r != ReasonDelivered {
		t.Errorf("soon: %v", r)
	}
	send(50_000, 1)
	if _, r := n.sendFrame(hI1, n.fragment4(17, 30_000, 8, false, make([]byte, 16))); r != ReasonFragmentWithoutHead {
		t.Errorf("too late: %v", r)
	}
	for range maxFragmentHeads + 1 {
		send(60_000, 1) // the same again and again keeps one: the newest
	}
	send(60_001, 10)
	if _, r := n.sendFrame(hI1, n.fragment4(17, 60_000, 8, false, make([]byte, 16))); r != ReasonDelivered {
		t.Errorf("repeated: %v", r)
	}
}

// TestAbusePortScan: 65,535 closed ports leave nothing behind at the target,
// and what the scanner's own interface tracks is soon forgotten.
func TestAbusePortScan(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }})
	n.publish()
	flood(n, hI1, syn("10.0.2.30", 1), 65_536)
	if n.e.Flows() != 0 || n.e.Counters().Reasons[ReasonNoRule] != 65_536 || len(n.e.Drops(0)) != 4096 {
		t.Errorf("%d flows, %d drops, %d in the journal", n.e.Flows(), n.e.Counters().Reasons[ReasonNoRule], len(n.e.Drops(0)))
	}
}

func TestAbuseAllocatesNothing(t *testing.T) {
	n := newRichNetwork(t).publish()
	announcement := n.spec(hI1, echo("2001:db8:1:1::20", 0))
	announcement.ICMPType = icmp6NeighborAdvert
	large := echo("10.0.1.1", 1)
	large.Payload = make([]byte, 8000)
	for name, frame := range map[string][]byte{
		"spoofed":              packet.Append(nil, n.spec(hI1, func() packet.Spec { s := syn("10.0.2.30", 1); s.Src = addr("10.0.1.20"); return s }())),
		"malformed":            packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 1)))[:40],
		"announcement":         packet.Append(nil, announcement),
		"first fragment":       n.fragment4(17, 1, 0, true, []byte{0x9c, 0x40, 0, 53, 0, 100, 0, 0}),
		"without its head":     n.fragment4(17, 9, 64, false, make([]byte, 16)),
		"to a service":         packet.Append(nil, n.spec(hI1, syn("169.254.169.254", 80))),
		"large ping of router": packet.Append(nil, n.spec(hI1, large)),
	} {
		buffer := make([]byte, len(frame))
		in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
		if allocations := testing.AllocsPerRun(100, func() {
			copy(buffer, frame)
			in[0] = packet.Frame{Data: buffer, Link: hI1}
			out = n.e.Forward(in, out[:0])
		}); allocations != 0 {
			t.Errorf("%s: %v allocations per packet", name, allocations)
		}
	}
}

func TestClockFarAhead(t *testing.T) {
	n := newNATNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.want("before", hI3, syn("203.0.113.10", 80), VerdictPass, ReasonDelivered)
	for _, ahead := range []int64{1e9, 1 << 55, 1 << 62} {
		n.clock = ahead
		n.want("a new connection", hI3, syn("203.0.113.10", 80), VerdictPass, ReasonDelivered)
		n.want("its answer", hHost, n.back(), VerdictPass, ReasonDelivered)
	}
}

func TestLastHandle(t *testing.T) {
	n := newNetwork(t)
	ni := &n.b.NetworkInterfaces[0]
	ni.Handle, ni.MAC = MaxHandle, InterfaceMAC(MaxHandle)
	n.b.Services = Services{Object: Object{Handle: MaxHandle - 1, Kind: KindServices}, MAC: InterfaceMAC(MaxHandle - 1)}
	n.b.SecurityGroups[0].Ingress = nil
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n.publish()
	runtime.ReadMemStats(&after)
	if size := after.TotalAlloc - before.TotalAlloc; size > 2<<20 {
		t.Errorf("sealing a snapshot with the last handle allocates %d bytes", size)
	}
	n.want("out", MaxHandle, syn("10.0.2.30", 80), VerdictPass, ReasonDelivered)
	n.want("back", hI3, n.back(), VerdictPass, ReasonDelivered)
	n.want("to a service", MaxHandle, datagram("169.254.169.253", 53), VerdictPass, ReasonDelivered)
	n.want("and back", MaxHandle-1, n.back(), VerdictPass, ReasonDelivered)
	if n.frames[0].Link != uint32(MaxHandle) {
		t.Errorf("delivered to %d", n.frames[0].Link)
	}
	n.b.NetworkInterfaces[0].Handle++
	if _, err := n.b.Seal(); err == nil {
		t.Error("a handle beyond the last was accepted")
	}
}

func addresses2(texts ...string) (list []netip.Addr) {
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// bytes is the memory that the table's slots take.
func (t *keyTable[V]) bytes() (n int) {
	for i, s := range t.directory {
		if i == 0 || s != t.directory[i-1] {
			n += len(s.slots) * int(unsafe.Sizeof(slot[V]{}))
		}
	}
	return n
}
