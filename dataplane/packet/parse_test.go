package packet

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"
)

var (
	ethernet4 = &layers.Ethernet{SrcMAC: macA[:], DstMAC: macB[:], EthernetType: layers.EthernetTypeIPv4}
	ethernet6 = &layers.Ethernet{SrcMAC: macA[:], DstMAC: macB[:], EthernetType: layers.EthernetTypeIPv6}
)

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 61, Id: 4711, Protocol: proto, Flags: layers.IPv4DontFragment,
		SrcIP: net.IP{10, 0, 1, 10}, DstIP: net.IP{10, 0, 2, 20}}
}

func ip6(proto layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 61, NextHeader: proto,
		SrcIP: net.ParseIP("2001:db8:1::10"), DstIP: net.ParseIP("2001:db8:2::20")}
}

// facts are what most cases look at.
type facts struct {
	Problem                      Problem
	Family                       uint8
	L4, Payload, End             int
	Tuple                        Tuple
	TTL, TCPFlags                uint8
	ICMPType, ICMPCode           uint8
	DontFragment                 bool
	Fragment, Later, Last, Error bool
	ID                           uint32
	Start                        uint16
}

func parseFacts(f *Frame) facts {
	var p Packet
	problem := Parse(&p, f)
	if problem != ProblemNone {
		return facts{Problem: problem}
	}
	return facts{problem, p.Family, p.L4, p.Payload, p.End, p.Tuple, p.TTL, p.TCPFlags, p.ICMPType, p.ICMPCode,
		p.DontFragment, p.Fragment, p.LaterFragment, p.LastFragment, p.ICMPError, p.FragmentID, p.FragmentStart}
}

func TestParseReadsWhatGopacketWrites(t *testing.T) {
	optioned := ip4(layers.IPProtocolTCP)
	optioned.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}}}
	tcp := func() *layers.TCP {
		return &layers.TCP{SrcPort: 40000, DstPort: 443, SYN: true, Window: 1000}
	}
	longTCP := tcp()
	longTCP.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}
	udp := func() *layers.UDP { return &layers.UDP{SrcPort: 40000, DstPort: 443} }
	payload := "some payload"
	echo := Tuple{Src: tuple4.Src, Dst: tuple4.Dst, SrcPort: 77, DstPort: 77, Proto: ProtoICMP}
	echo6 := Tuple{Src: tuple6.Src, Dst: tuple6.Dst, SrcPort: 77, DstPort: 77, Proto: ProtoICMPv6}
	for _, c := range []struct {
		name string
		data []byte
		want facts
	}{
		{"TCP4", serialize(t, ethernet4, ip4(6), tcp(), raw(payload)),
			facts{Family: 4, L4: 34, Payload: 54, End: 66, Tuple: tuple4, TTL: 61, TCPFlags: TCPFlagSYN, DontFragment: true}},
		{"TCP4 with options in both headers", serialize(t, ethernet4, optioned, longTCP, raw(payload)),
			facts{Family: 4, L4: 42, Payload: 66, End: 78, Tuple: tuple4, TTL: 61, TCPFlags: TCPFlagSYN, DontFragment: true}},
		{"UDP4", serialize(t, ethernet4, ip4(17), udp(), raw(payload)),
			facts{Family: 4, L4: 34, Payload: 42, End: 54, Tuple: tuple4.with(ProtoUDP), TTL: 61, DontFragment: true}},
		{"ICMP4 echo", serialize(t, ethernet4, ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 1}, raw(payload)),
			facts{Family: 4, L4: 34, Payload: 42, End: 54, Tuple: echo, TTL: 61, ICMPType: 8, DontFragment: true}},
		{"TCP6", serialize(t, ethernet6, ip6(6), longTCP, raw(payload)),
			facts{Family: 6, L4: 54, Payload: 78, End: 90, Tuple: tuple6, TTL: 61, TCPFlags: TCPFlagSYN, DontFragment: true}},
		{"UDP6", serialize(t, ethernet6, ip6(17), udp(), raw(payload)),
			facts{Family: 6, L4: 54, Payload: 62, End: 74, Tuple: tuple6.with(ProtoUDP), TTL: 61, DontFragment: true}},
		{"ICMP6 echo", serialize(t, ethernet6, ip6(58), &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(129, 0)},
			&layers.ICMPv6Echo{Identifier: 77, SeqNumber: 1}, raw(payload)),
			facts{Family: 6, L4: 54, Payload: 62, End: 74, Tuple: echo6, TTL: 61, ICMPType: 129, DontFragment: true}},
		{"GRE", serialize(t, ethernet4, ip4(47), raw("12345678")),
			facts{Family: 4, L4: 34, Payload: 34, End: 42, Tuple: Tuple{Src: tuple4.Src, Dst: tuple4.Dst, Proto: 47}, TTL: 61, DontFragment: true}},
		{"ICMPv6 inside IPv4 is just a protocol", serialize(t, ethernet4, ip4(58), raw("12345678")),
			facts{Family: 4, L4: 34, Payload: 34, End: 42, Tuple: Tuple{Src: tuple4.Src, Dst: tuple4.Dst, Proto: 58}, TTL: 61, DontFragment: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, padding := range []int{0, 1, 46} {
				f := Frame{Data: append(bytes.Clone(c.data), make([]byte, padding)...)}
				if diff := cmp.Diff(c.want, parseFacts(&f)); diff != "" {
					t.Errorf("with %d bytes of padding (-want +got):\n%s", padding, diff)
				}
			}
			p := mustParse(t, &Frame{Data: c.data})
			if p.DstMAC != macB || p.SrcMAC != macA || p.L3 != 14 {
				t.Errorf("Ethernet: %v %v %d", p.DstMAC, p.SrcMAC, p.L3)
			}
		})
	}
}

// edit returns a copy of data with the bytes at offset replaced and the IPv4
// header checksum put right.
func edit(data []byte, at int, with ...byte) []byte {
	b := bytes.Clone(data)
	copy(b[at:], with)
	if len(b) >= 34 && b[12] == 8 && b[13] == 0 {
		if n := int(b[14]&15) * 4; n >= 20 && n <= len(b)-14 {
			setIPv4Checksum(b[14 : 14+n])
		}
	}
	return b
}

func TestParseProblems(t *testing.T) {
	tcp4 := Append(nil, Spec{Tuple: tuple4, Payload: make([]byte, 20)})
	udp4 := Append(nil, Spec{Tuple: tuple4.with(ProtoUDP), Payload: make([]byte, 20)})
	icmp4 := Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: 8})
	tcp6 := Append(nil, Spec{Tuple: tuple6, Payload: make([]byte, 20)})
	icmp6 := Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 128})
	arp := AppendARP(nil, 1, macB, macA, macA, tuple4.Src, MAC{}, tuple4.Dst)
	gso := Offload{GSO: GSOTCP4, SegmentSize: 100}
	damaged := bytes.Clone(tcp4)
	damaged[24]++
	for _, c := range []struct {
		name    string
		data    []byte
		offload Offload
		want    Problem
	}{
		{"empty", nil, Offload{}, ProblemTruncated},
		{"Ethernet cut", tcp4[:13], Offload{}, ProblemTruncated},
		{"VLAN tag", edit(tcp4, 12, 0x81, 0), Offload{}, ProblemEtherType},
		{"802.3 length", edit(tcp4, 12, 0, 60), Offload{}, ProblemEtherType},
		{"IPv4 header cut", tcp4[:33], Offload{}, ProblemTruncated},
		{"IPv4 says 6", edit(tcp4, 14, 0x65), Offload{}, ProblemVersion},
		{"IHL 4", edit(tcp4, 14, 0x44), Offload{}, ProblemHeaderLength},
		{"IHL beyond the frame", edit(tcp4[:34], 14, 0x46), Offload{}, ProblemTruncated},
		{"total length beyond the frame", edit(tcp4, 16, 0, 61), Offload{}, ProblemTotalLength},
		{"total length below the header", edit(tcp4, 16, 0, 19), Offload{}, ProblemTotalLength},
		{"BIG TCP over IPv4", edit(tcp4, 16, 0, 0), gso, ProblemTotalLength},
		{"BIG TCP over IPv6", edit(tcp6, 18, 0, 0), gso, ProblemTotalLength},
		{"header checksum", damaged, Offload{}, ProblemHeaderChecksum},
		{"TCP cut", edit(tcp4, 16, 0, 39), Offload{}, ProblemTruncated},
		{"data offset 4", edit(tcp4, 46, 0x40), Offload{}, ProblemHeaderLength},
		{"data offset beyond the packet", edit(tcp4, 46, 0xb0), Offload{}, ProblemHeaderLength},
		{"UDP cut", edit(udp4, 16, 0, 27), Offload{}, ProblemTruncated},
		{"UDP length 7", edit(udp4, 38, 0, 7), Offload{}, ProblemHeaderLength},
		{"UDP length beyond the packet", edit(udp4, 38, 0, 29), Offload{}, ProblemHeaderLength},
		{"UDP length of a superframe", edit(udp4, 38, 0, 0), Offload{GSO: GSOUDP, SegmentSize: 5}, ProblemNone},
		{"UDP length shorter than the packet", edit(udp4, 38, 0, 20), Offload{}, ProblemNone},
		{"ICMP cut", edit(icmp4, 16, 0, 27), Offload{}, ProblemTruncated},
		{"IPv6 header cut", tcp6[:53], Offload{}, ProblemTruncated},
		{"IPv6 says 4", edit(tcp6, 14, 0x40), Offload{}, ProblemVersion},
		{"payload length beyond the frame", edit(tcp6, 18, 0, 41), Offload{}, ProblemTotalLength},
		{"ICMPv6 cut", edit(icmp6, 18, 0, 7), Offload{}, ProblemTruncated},
		{"jumbogram", edit(edit(tcp6, 18, 0, 0), 20, 0), Offload{}, ProblemTruncated},
		{"no next header, no payload", edit(edit(tcp6, 18, 0, 0), 20, 59), Offload{}, ProblemNone},
		{"IPv4-mapped source", edit(tcp6, 22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 10), Offload{}, ProblemMappedAddress},
		{"ARP cut", arp[:41], Offload{}, ProblemTruncated},
		{"ARP for another network", edit(arp, 16, 0x86, 0xdd), Offload{}, ProblemARP},
		{"ARP with long addresses", edit(arp, 18, 8), Offload{}, ProblemARP},
	} {
		f := Frame{Data: c.data, Offload: c.offload}
		if got := parseFacts(&f).Problem; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseProblemsHaveWords(t *testing.T) {
	for p := ProblemNone; p <= ProblemMappedAddress; p++ {
		if s := p.String(); s == "" || strings.HasPrefix(s, "Problem(") {
			t.Errorf("%d: %q", p, s)
		}
	}
	if s := Problem(200).String(); s != "Problem(200)" {
		t.Error(s)
	}
}

func TestParseARP(t *testing.T) {
	data := serialize(t, &layers.Ethernet{SrcMAC: macA[:], DstMAC: macB[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: 1, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 2,
			SourceHwAddress: macA[:], SourceProtAddress: []byte{10, 0, 1, 10}, DstHwAddress: macB[:], DstProtAddress: []byte{10, 0, 2, 20}})
	p := mustParse(t, &Frame{Data: data})
	if p.ARPOperation != 2 || p.ARPSenderMAC != macA || p.Src != tuple4.Src || p.Dst != tuple4.Dst || p.Family != 0 || p.L4 != 0 || p.End != 42 {
		t.Errorf("%+v", *p)
	}
}

// fragment6 puts an IPv6 Fragment header in front of body.
func fragment6(next uint8, start uint16, more bool, body []byte) []byte {
	h := []byte{next, 0, 0, 0, 0, 0, 0x12, 0x34}
	if binary.BigEndian.PutUint16(h[2:], start); more {
		h[3] |= 1
	}
	return Append(nil, Spec{Tuple: Tuple{Src: tuple6.Src, Dst: tuple6.Dst, Proto: protoFragment}, Payload: append(h, body...)})
}

// fragment4 is an IPv4 fragment with body behind its header.
func fragment4(proto uint8, start uint16, more bool, body []byte) []byte {
	b := Append(nil, Spec{Tuple: Tuple{Src: tuple4.Src, Dst: tuple4.Dst, Proto: 253}, IPv4ID: 0x1234, Payload: body})
	flags := start / 8
	if more {
		flags |= ipv4MoreFragments
	}
	return edit(edit(b, 23, proto), 20, byte(flags>>8), byte(flags))
}

func TestParseFragments(t *testing.T) {
	tcp := Append(nil, Spec{Tuple: tuple4})[34:]
	longTCP := append(edit(tcp, 12, 0x60), 1, 1, 1, 1)
	udp := Append(nil, Spec{Tuple: tuple4.with(ProtoUDP), Payload: make([]byte, 3000)})[34:]
	icmp := Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: 8})[34:]
	type want struct {
		problem           Problem
		fragment          bool
		later, last, atL4 bool
		port              uint16
	}
	first, middle, end := want{ProblemNone, true, false, false, true, 40000}, want{fragment: true, later: true}, want{fragment: true, later: true, last: true}
	tiny := want{problem: ProblemTinyFragment}
	for _, c := range []struct {
		name  string
		proto uint8
		start uint16
		more  bool
		body  []byte
		want  want
	}{
		{"first of TCP", ProtoTCP, 0, true, tcp, first},
		{"first of UDP, whose length covers all parts", ProtoUDP, 0, true, udp[:16], first},
		{"first of ICMP", ProtoICMP, 0, true, icmp, first},
		{"first of another protocol", 253, 0, true, tcp[:1], want{fragment: true, atL4: true}},
		{"middle", ProtoTCP, 24, true, tcp, middle},
		{"last", ProtoTCP, 65528, false, tcp[:8], end},
		{"last of UDP, earliest", ProtoUDP, 8, false, tcp[:8], end},
		{"tiny TCP", ProtoTCP, 0, true, tcp[:16], tiny},
		{"TCP options split", ProtoTCP, 0, true, longTCP[:20], tiny},
		{"tiny UDP", ProtoUDP, 0, true, udp[:7], tiny},
		{"tiny ICMP", ProtoICMP, 0, true, icmp[:4], tiny},
		{"overlaps the TCP flags", ProtoTCP, 8, false, tcp, tiny},
		{"overlaps the end of the TCP header", ProtoTCP, 16, true, tcp, tiny},
	} {
		for _, family := range []uint8{4, 6} {
			proto, data := c.proto, fragment4(c.proto, c.start, c.more, c.body)
			if family == 6 {
				if proto == ProtoICMP {
					proto = ProtoICMPv6
					c.body = edit(c.body, 0, 128)
				}
				data = fragment6(proto, c.start, c.more, c.body)
			}
			var p Packet
			problem := Parse(&p, &Frame{Data: data})
			got := want{problem: problem}
			if problem == ProblemNone {
				got = want{problem, p.Fragment, p.LaterFragment, p.LastFragment, p.L4 != 0, p.SrcPort}
				if p.FragmentID != 0x1234 || p.FragmentStart != c.start || p.Proto != proto || p.Payload == 0 {
					t.Errorf("%s, IPv%d: %+v", c.name, family, p)
				}
			}
			if got != c.want {
				t.Errorf("%s, IPv%d: %+v, want %+v", c.name, family, got, c.want)
			}
		}
	}
}

func TestParseReadsThroughExtensionHeaders(t *testing.T) {
	udp := Append(nil, Spec{Tuple: tuple6.with(ProtoUDP), Payload: []byte("x")})[54:]
	option := func(next uint8) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
	long := func(next uint8) []byte { return append([]byte{next, 1, 1, 12}, make([]byte, 12)...) }
	chain := func(first uint8, parts ...[]byte) []byte {
		return Append(nil, Spec{Tuple: Tuple{Src: tuple6.Src, Dst: tuple6.Dst, Proto: first}, Payload: slices.Concat(parts...)})
	}
	atomic := []byte{ProtoUDP, 0, 0, 0, 0, 0, 0, 9}
	var eight, nine [][]byte
	for range 7 {
		eight = append(eight, option(protoDestination))
	}
	eight = append(eight, option(ProtoUDP), udp)
	nine = append(nine, option(protoDestination))
	nine = append(nine, eight...)
	for _, c := range []struct {
		name string
		data []byte
		l4   int
		want Problem
	}{
		{"hop-by-hop", chain(protoHopByHop, option(ProtoUDP), udp), 62, ProblemNone},
		{"hop-by-hop, routing, destination", chain(protoHopByHop, long(protoRouting), long(protoDestination), option(ProtoUDP), udp), 94, ProblemNone},
		{"authentication", chain(protoAH, append([]byte{ProtoUDP, 4}, make([]byte, 22)...), udp), 78, ProblemNone},
		{"atomic fragment", chain(protoFragment, atomic, udp), 62, ProblemNone},
		{"eight", chain(protoDestination, eight...), 54 + 64, ProblemNone},
		{"nine", chain(protoDestination, nine...), 0, ProblemExtensionChain},
		{"fragment of a fragment", chain(protoFragment, []byte{protoFragment, 0, 0, 1, 0, 0, 0, 9}, atomic, udp), 0, ProblemExtensionChain},
		{"header cut", chain(protoDestination, option(ProtoUDP)[:6]), 0, ProblemTruncated},
		{"length beyond the packet", chain(protoDestination, []byte{ProtoUDP, 200, 1, 4, 0, 0, 0, 0}, udp), 0, ProblemHeaderLength},
		{"first fragment without its chain", chain(protoFragment, []byte{protoDestination, 0, 0, 1, 0, 0, 0, 9}, long(ProtoUDP)[:8]), 0, ProblemTinyFragment},
		{"first fragment that ends with its chain", chain(protoFragment, []byte{protoDestination, 0, 0, 1, 0, 0, 0, 9}, option(ProtoUDP)), 0, ProblemTinyFragment},
	} {
		var p Packet
		if got := Parse(&p, &Frame{Data: c.data}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		if c.want == ProblemNone && (p.L4 != c.l4 || p.SrcPort != 40000 || p.Proto != ProtoUDP || p.Fragment) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	// The middle of a fragmented chain is not read as headers.
	data := chain(protoFragment, []byte{protoDestination, 0, 0, 65, 0, 0, 0, 9}, []byte{ProtoTCP, 255})
	if p := mustParse(t, &Frame{Data: data}); p.Proto != protoDestination || !p.LaterFragment {
		t.Errorf("later fragment: %+v", p)
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range kinds {
		t := k.randomTuple(random())
		data := Append(nil, k.spec(t, []byte("payload")))
		f.Add(data, uint8(0))
		f.Add(append(data, make([]byte, 20)...), uint8(GSOTCP4))
		p := mustParse(f, &Frame{Data: data})
		f.Add(AppendICMPError(nil, p, macA, macB, t.Dst, 3, 4, 1500), uint8(0))
	}
	f.Add(fragment4(ProtoTCP, 0, true, make([]byte, 24)), uint8(0))
	f.Add(fragment6(ProtoUDP, 8, true, make([]byte, 24)), uint8(0))
	f.Add(AppendARP(nil, 1, macB, macA, macA, tuple4.Src, MAC{}, tuple4.Dst), uint8(0))
	f.Add(AppendNeighborSolicitation(nil, macA, tuple6.Src, tuple6.Dst), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, gso uint8) {
		fr := Frame{Data: data, Offload: Offload{GSO: GSO(gso), SegmentSize: 100}}
		p := Packet{TTL: 9, LaterFragment: true, Quoted: tuple4} // leftovers of the last frame
		problem := Parse(&p, &fr)
		if problem.String() == "" {
			t.Fatal("no words for the problem")
		}
		if problem != ProblemNone {
			return
		}
		ordered := []int{14, p.L3, p.Payload, p.End, len(data)}
		if p.L4 != 0 {
			ordered = slices.Insert(ordered, 2, p.L4)
		}
		if !slices.IsSorted(ordered) || p.checksum > p.End-2 || p.QuotedL3 > p.End || p.quotedL4 > p.quotedEnd || p.quotedEnd > p.End {
			t.Fatalf("offsets %v of %+v", ordered, p)
		}
		if p.Family != 0 && (p.Src.Is4() != (p.Family == 4) || p.LaterFragment && (p.L4 != 0 || p.SrcPort != 0)) {
			t.Fatalf("%+v", p)
		}
		// What reads a parsed packet must be as safe.
		p.NeighborTarget()
		p.SourceLinkLayerOption()
		p.TargetLinkLayerOption()
		WireLength(&p)
		for _, answer := range [][]byte{
			AppendICMPError(nil, &p, macA, macB, p.Dst, 3, 1, 0),
			AppendEchoReply(nil, &p, macA, macB),
		} {
			if len(answer) > 0 {
				mustParse(t, &Frame{Data: answer})
			}
		}
		to := p.Quoted
		to.SrcPort++
		RewriteQuoted(&p, to)
	})
}
