package packet

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/layers"
)

func TestICMPErrorQuotesWhatTheSenderSent(t *testing.T) {
	r := random()
	for _, k := range kinds {
		for _, length := range []int{0, 1, 500, 9000} {
			for _, partial := range []bool{false, true} {
				s := k.spec(k.randomTuple(r), randomBytes(r, length))
				whole := Append(nil, s)
				f := Frame{Data: bytes.Clone(whole)}
				if partial {
					DeferChecksum(&f)
				}
				f.Data = append(f.Data, make([]byte, 7)...) // padding is not quoted
				router := k.randomTuple(r).Src
				data := AppendICMPError(nil, mustParse(t, &f), macA, macB, router, 3, 1, 0xdeadbeef)

				p := mustBeSound(t, data)
				limit := map[uint8]int{4: 576, 6: 1280}[k.family]
				if p.End-p.L3 > limit || p.End != len(data) || p.End-p.L3 < min(limit, len(whole)-14) {
					t.Errorf("%s/%d: %d bytes", k.name, length, p.End-p.L3)
				}
				if quote := data[p.Payload:p.End]; !bytes.HasPrefix(whole[14:], quote) {
					t.Errorf("%s/%d, partial %v: quotes\n% x of\n% x", k.name, length, partial, quote, whole[14:])
				}
				if p.Src != router || p.Dst != s.Src || p.DstMAC != macA || p.SrcMAC != macB || !p.ICMPError || p.Quoted != s.Tuple {
					t.Errorf("%s: %+v", k.name, p)
				}
				if got := data[p.L4+4 : p.L4+8]; !bytes.Equal(got, []byte{0xde, 0xad, 0xbe, 0xef}) {
					t.Errorf("%s: parameter % x", k.name, got)
				}
			}
		}
	}
}

func TestICMPErrorQuotesTheFirstSegmentOfASuperframe(t *testing.T) {
	r := random()
	for _, c := range superframes {
		for _, size := range []uint16{100, 1400, 9000} {
			s := c.kind.spec(c.kind.randomTuple(r), randomBytes(r, 20000))
			s.TCPFlags |= TCPFlagPSH
			f := superframe(s, c.gso, size)
			var cut Segmenter
			first := cut.Segment(nil, &f)[0].Data[14:]
			p := mustBeSound(t, AppendICMPError(nil, mustParse(t, &f), macA, macB, s.Dst, 3, 4, 1500))
			quote := p.Frame.Data[p.Payload:p.End]
			if !bytes.HasPrefix(first, quote) || len(quote) < min(len(first), 500) {
				t.Errorf("%s by %d: quotes\n% x of\n% x", c.kind.name, size, quote, first)
			}
		}
	}
}

func TestICMPErrorIsSilentWhereItMustBe(t *testing.T) {
	group := MAC{0x33, 0x33, 0, 0, 0, 1}
	with := func(t Tuple, edit func(*Spec)) Spec {
		s := Spec{Tuple: t, DstMAC: macB}
		edit(&s)
		return s
	}
	quoted := Append(nil, Spec{Tuple: tuple4})[14:]
	quoted6 := Append(nil, Spec{Tuple: tuple6})[14:]
	for _, c := range []struct {
		name string
		data []byte
		from Addr
		want bool
	}{
		{"a packet", Append(nil, Spec{Tuple: tuple4}), tuple4.Dst, true},
		{"an IPv6 packet", Append(nil, Spec{Tuple: tuple6}), tuple6.Dst, true},
		{"an echo request", Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: 8}), tuple4.Dst, true},
		{"a first fragment", fragment4(ProtoUDP, 0, true, quoted[:16]), tuple4.Dst, false}, // its "UDP length" lies
		{"an ICMP error", Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: 11, Payload: quoted}), tuple4.Dst, false},
		{"a redirect", Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: 5, Payload: quoted}), tuple4.Dst, false},
		{"an ICMPv6 error", Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 2, Payload: quoted6}), tuple6.Dst, false},
		{"an unknown ICMPv6 error", Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 100}), tuple6.Dst, false},
		{"an ICMPv6 redirect", Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 137}), tuple6.Dst, false},
		{"a later fragment", fragment4(ProtoUDP, 80, true, quoted), tuple4.Dst, false},
		{"a later IPv6 fragment", fragment6(ProtoUDP, 80, true, quoted), tuple6.Dst, false},
		{"to a group MAC", Append(nil, with(tuple4, func(s *Spec) { s.DstMAC = group })), tuple4.Dst, false},
		{"to multicast", Append(nil, with(tuple4, func(s *Spec) { s.Dst = addr("224.0.0.251") })), tuple4.Dst, false},
		{"to broadcast", Append(nil, with(tuple4, func(s *Spec) { s.Dst = addr("255.255.255.255") })), tuple4.Dst, false},
		{"to IPv6 multicast", Append(nil, with(tuple6, func(s *Spec) { s.Dst = addr("ff02::fb") })), tuple6.Dst, false},
		{"from nobody", Append(nil, with(tuple4, func(s *Spec) { s.Src = addr("0.0.0.0") })), tuple4.Dst, false},
		{"from nobody, IPv6", Append(nil, with(tuple6, func(s *Spec) { s.Src = Addr{} })), tuple6.Dst, false},
		{"from the other family", Append(nil, Spec{Tuple: tuple4}), tuple6.Dst, false},
		{"ARP", AppendARP(nil, 1, macB, macA, macA, tuple4.Src, MAC{}, tuple4.Dst), tuple4.Dst, false},
	} {
		var p Packet
		got := []byte("x")
		if Parse(&p, &Frame{Data: c.data}) == ProblemNone {
			got = AppendICMPError(got, &p, macA, macB, c.from, 3, 1, 0)
		}
		if answered := len(got) > 1; answered != c.want {
			t.Errorf("%s: answered %v", c.name, answered)
		}
	}
}

func TestEchoReply(t *testing.T) {
	for _, c := range []struct {
		tuple          Tuple
		request, reply uint8
	}{{tuple4.with(ProtoICMP), 8, 0}, {tuple6.with(ProtoICMPv6), 128, 129}} {
		spec := Spec{DstMAC: macB, SrcMAC: macA, Tuple: c.tuple, TTL: 9, IPv4ID: 5, DontFragment: true, TrafficClass: 0x20,
			ICMPType: c.request, Sequence: 3, Payload: []byte("ping data")}
		request := Append(nil, spec)
		got := AppendEchoReply(nil, mustParse(t, &Frame{Data: request}), macA, macB)

		spec.DstMAC, spec.SrcMAC, spec.Src, spec.Dst = macA, macB, spec.Dst, spec.Src
		spec.TTL, spec.ICMPType = 64, c.reply
		if want := Append(nil, spec); !bytes.Equal(got, want) {
			t.Errorf("reply\n% x, want\n% x", got, want)
		}
		decode(t, got)

		damaged := edit(request, len(request)-1, '!')
		p := mustParse(t, &Frame{Data: AppendEchoReply(nil, mustParse(t, &Frame{Data: damaged}), macA, macB)})
		if residual(p) == 0xffff {
			t.Error("the reply to a damaged request has a right checksum")
		}
		deferred := Frame{Data: bytes.Clone(request), Offload: Offload{PartialChecksum: true, ChecksumOffset: 2}}
		p = mustParse(t, &deferred)
		deferred.Offload.ChecksumStart = uint16(p.L4)
		mustBeSound(t, AppendEchoReply(nil, p, macA, macB))
	}
}

func TestEchoReplyOnlyToRequests(t *testing.T) {
	for _, s := range []Spec{
		{Tuple: tuple4.with(ProtoICMP), ICMPType: 0},
		{Tuple: tuple4.with(ProtoICMP), ICMPType: 13},
		{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 129},
		{Tuple: tuple4},
		{Tuple: Tuple{Src: tuple4.Src, Dst: addr("224.0.0.1"), Proto: ProtoICMP}, ICMPType: 8},
		{Tuple: tuple4.with(ProtoICMP), ICMPType: 8, DstMAC: MAC{255, 255, 255, 255, 255, 255}},
	} {
		if b := AppendEchoReply(nil, mustParse(t, &Frame{Data: Append(nil, s)}), macA, macB); b != nil {
			t.Errorf("%+v was answered", s)
		}
	}
	b := AppendEchoReply(nil, mustParse(t, &Frame{Data: serialize(t, ethernet4, ip4(1),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 1})}), macA, macB)
	if p := mustBeSound(t, b); p.SrcPort != 77 || p.Src != tuple4.Dst {
		t.Errorf("%+v", p.Tuple)
	}
}
