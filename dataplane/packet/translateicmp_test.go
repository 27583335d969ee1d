package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"
)

// errorAbout is an ICMP error, from quoted's destination, that quotes a packet.
func errorAbout(quoted []byte, typ, code uint8, parameter uint32) []byte {
	s := Spec{DstMAC: macB, SrcMAC: macA, ICMPType: typ, ICMPCode: code, ICMPParameter: parameter, Payload: quoted}
	if s.Tuple = (Tuple{Src: tuple4.Dst, Dst: tuple4.Src, Proto: ProtoICMP}); quoted[0]>>4 == 6 {
		s.Tuple = Tuple{Src: tuple6.Dst, Dst: tuple6.Src, Proto: ProtoICMPv6}
	}
	return Append(nil, s)
}

// errorTuples are what the error of errorAbout and its quote are in the other
// family.
func errorTuples(to uint8, proto uint8) (outer, quoted Tuple) {
	quoted = tuple4.with(proto)
	if to == 6 {
		quoted = tuple6.with(proto)
	}
	return Tuple{Src: quoted.Dst, Dst: quoted.Src}, quoted
}

// Translating an error gives what an error about the translated packet is, with
// any part of it quoted.
func TestTranslateErrorEqualsQuotingTheTranslated(t *testing.T) {
	r := random()
	for _, k := range kinds {
		for _, keep := range []int{4, 5, 6, 8, 17, 18, 20, 400, 3000} {
			t.Run(fmt.Sprintf("%s/%d", k.name, keep), func(t *testing.T) {
				if keep < 6 && (k.proto == ProtoICMP || k.proto == ProtoICMPv6) || keep == 17 && k.proto == ProtoTCP {
					return // the identifier, or half a checksum, is out of reach
				}
				for range 20 {
					// A size that has the quoted packet's DF clear.
					payload := randomBytes(r, r.IntN(1100))
					was, is := k.randomTuple(r), k.other().randomTuple(r)
					from, to := k.randomTuple(r), k.other().randomTuple(r)
					quoted := Append(nil, k.spec(was, payload))[14:]
					want := Append(nil, k.other().spec(is, payload))[14:]
					n, m := min(20+keep, len(quoted)), min(40+keep, len(want), 1280-48)
					if k.family == 6 {
						n, m = min(40+keep, len(quoted)), min(20+keep, len(want), 576-28)
					}

					types := map[uint8]uint8{4: icmpTimeExceeded, 6: icmp6TimeExceeded}
					icmp := map[uint8]uint8{4: ProtoICMP, 6: ProtoICMPv6}
					outer := Tuple{Src: from.Src, Dst: was.Src, Proto: icmp[k.family]}
					f := Frame{Data: Append(nil, Spec{DstMAC: macB, SrcMAC: macA, Tuple: outer, TrafficClass: 0xc0, TTL: 9,
						ICMPType: types[k.family], ICMPCode: 1, Payload: quoted[:n]})}
					goal := Tuple{Src: to.Src, Dst: is.Src, Proto: icmp[k.other().family]}
					expected := Append(nil, Spec{DstMAC: macB, SrcMAC: macA, Tuple: goal, TrafficClass: 0xc0, TTL: 9,
						ICMPType: types[k.other().family], ICMPCode: 1, Payload: want[:m]})

					out, ok := TranslateError(mustParse(t, &f), goal, is, make([]byte, 0, len(f.Data)+40))
					if !ok {
						t.Fatal("not translated")
					}
					p := mustBeSound(t, out.Data)
					decode(t, out.Data)
					if p.Quoted != is || !p.QuotedOK {
						t.Fatalf("quotes %+v, want %+v", p.Quoted, is)
					}
					if !bytes.Equal(withoutID(out.Data), withoutID(expected)) {
						t.Fatalf("got\n% x, want\n% x", out.Data, expected)
					}
				}
			})
		}
	}
}

// said is what an ICMP error says in its header.
type said struct {
	typ, code uint8
	parameter uint32
}

func TestTranslateErrorTables(t *testing.T) {
	pointer4 := func(p uint32) uint32 { return p << 24 }
	for _, c := range []struct {
		name   string
		family uint8 // translated from
		was    said
		want   said
		ok     bool
	}{
		{"network unreachable", 4, said{3, 0, 0}, said{1, 0, 0}, true},
		{"host unreachable", 4, said{3, 1, 0}, said{1, 0, 0}, true},
		{"protocol unreachable", 4, said{3, 2, 0}, said{4, 1, 6}, true},
		{"port unreachable", 4, said{3, 3, 0}, said{1, 4, 0}, true},
		{"fragmentation needed", 4, said{3, 4, 1480}, said{2, 0, 1500}, true},
		{"fragmentation needed, jumbo", 4, said{3, 4, 8500}, said{2, 0, 8520}, true},
		{"fragmentation needed, below IPv6", 4, said{3, 4, 576}, said{2, 0, 1280}, true},
		{"fragmentation needed, no MTU", 4, said{3, 4, 0}, said{2, 0, 1492}, true},
		{"source route failed", 4, said{3, 5, 0}, said{1, 0, 0}, true},
		{"network prohibited", 4, said{3, 9, 0}, said{1, 1, 0}, true},
		{"host prohibited", 4, said{3, 10, 0}, said{1, 1, 0}, true},
		{"type of service", 4, said{3, 12, 0}, said{1, 0, 0}, true},
		{"prohibited", 4, said{3, 13, 0}, said{1, 1, 0}, true},
		{"precedence violation", 4, said{3, 14, 0}, said{}, false},
		{"precedence cutoff", 4, said{3, 15, 0}, said{1, 1, 0}, true},
		{"unknown unreachable", 4, said{3, 16, 0}, said{}, false},
		{"source quench", 4, said{4, 0, 0}, said{}, false},
		{"redirect", 4, said{5, 1, 0}, said{}, false},
		{"TTL exceeded", 4, said{11, 0, 0}, said{3, 0, 0}, true},
		{"reassembly time exceeded", 4, said{11, 1, 0}, said{3, 1, 0}, true},
		{"parameter: version", 4, said{12, 0, pointer4(0)}, said{4, 0, 0}, true},
		{"parameter: type of service", 4, said{12, 0, pointer4(1)}, said{4, 0, 1}, true},
		{"parameter: total length", 4, said{12, 2, pointer4(3)}, said{4, 0, 4}, true},
		{"parameter: identification", 4, said{12, 0, pointer4(4)}, said{}, false},
		{"parameter: TTL", 4, said{12, 0, pointer4(8)}, said{4, 0, 7}, true},
		{"parameter: protocol", 4, said{12, 0, pointer4(9)}, said{4, 0, 6}, true},
		{"parameter: checksum", 4, said{12, 0, pointer4(10)}, said{}, false},
		{"parameter: source", 4, said{12, 0, pointer4(15)}, said{4, 0, 8}, true},
		{"parameter: destination", 4, said{12, 0, pointer4(16)}, said{4, 0, 24}, true},
		{"parameter: options", 4, said{12, 0, pointer4(20)}, said{}, false},
		{"parameter: missing option", 4, said{12, 1, pointer4(1)}, said{}, false},

		{"no route", 6, said{1, 0, 0}, said{3, 1, 0}, true},
		{"prohibited", 6, said{1, 1, 0}, said{3, 10, 0}, true},
		{"beyond scope", 6, said{1, 2, 0}, said{3, 1, 0}, true},
		{"address unreachable", 6, said{1, 3, 0}, said{3, 1, 0}, true},
		{"port unreachable", 6, said{1, 4, 0}, said{3, 3, 0}, true},
		{"source policy", 6, said{1, 5, 0}, said{}, false},
		{"packet too big", 6, said{2, 0, 1500}, said{3, 4, 1480}, true},
		{"packet too big, beyond 16 bits", 6, said{2, 0, 1 << 20}, said{3, 4, 65535}, true},
		{"packet too big, nonsense", 6, said{2, 0, 3}, said{3, 4, 68}, true},
		{"hop limit exceeded", 6, said{3, 0, 0}, said{11, 0, 0}, true},
		{"reassembly time exceeded", 6, said{3, 1, 0}, said{11, 1, 0}, true},
		{"parameter: version", 6, said{4, 0, 0}, said{12, 0, pointer4(0)}, true},
		{"parameter: flow label", 6, said{4, 0, 2}, said{}, false},
		{"parameter: payload length", 6, said{4, 0, 5}, said{12, 0, pointer4(2)}, true},
		{"parameter: next header", 6, said{4, 0, 6}, said{12, 0, pointer4(9)}, true},
		{"parameter: hop limit", 6, said{4, 0, 7}, said{12, 0, pointer4(8)}, true},
		{"parameter: source", 6, said{4, 0, 8}, said{12, 0, pointer4(12)}, true},
		{"parameter: end of source", 6, said{4, 0, 23}, said{12, 0, pointer4(12)}, true},
		{"parameter: destination", 6, said{4, 0, 39}, said{12, 0, pointer4(16)}, true},
		{"parameter: beyond the header", 6, said{4, 0, 40}, said{}, false},
		{"parameter: far beyond", 6, said{4, 0, 1 << 24}, said{}, false},
		{"unrecognised next header", 6, said{4, 1, 6}, said{3, 2, 0}, true},
		{"unrecognised option", 6, said{4, 2, 40}, said{}, false},
	} {
		t.Run(fmt.Sprintf("from%d/%s", c.family, c.name), func(t *testing.T) {
			quoted := Append(nil, Spec{Tuple: tuple4, Payload: make([]byte, 1460)})[14:]
			if c.family == 6 {
				quoted = Append(nil, Spec{Tuple: tuple6, Payload: make([]byte, 1460)})[14:]
			}
			f := Frame{Data: errorAbout(quoted, c.was.typ, c.was.code, c.was.parameter)}
			given := bytes.Clone(f.Data)
			to, inner := errorTuples(10-c.family, ProtoTCP)
			out, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 2000))
			if ok != c.ok {
				t.Fatalf("translated: %v", ok)
			}
			if !ok {
				if !bytes.Equal(f.Data, given) {
					t.Error("refused, but edited")
				}
				return
			}
			p := mustBeSound(t, out.Data)
			got := said{p.ICMPType, p.ICMPCode, binary.BigEndian.Uint32(out.Data[p.L4+4:])}
			if got != c.want || p.Quoted != inner {
				t.Errorf("%+v about %+v, want %+v", got, p.Quoted, c.want)
			}
			if length := p.End - p.L3; p.Family == 6 && length > 1280 || p.Family == 4 && (length > 576 || p.DontFragment) {
				t.Errorf("an error of %d bytes", length)
			}
		})
	}
}

func TestTranslateErrorIsReadByGopacket(t *testing.T) {
	f := Frame{Data: errorAbout(Append(nil, Spec{Tuple: tuple6, TTL: 3})[14:], icmp6TooBig, 0, 1400)}
	to, inner := errorTuples(4, ProtoTCP)
	out, _ := TranslateError(mustParse(t, &f), to, inner, nil)
	gopacketAgrees(t, out.Data)
	icmp := decode(t, out.Data).Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if icmp.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || icmp.Seq != 1380 {
		t.Errorf("%+v", icmp)
	}
	ip := layers.IPv4{}
	if err := ip.DecodeFromBytes(icmp.Payload, t2{}); err != nil || ip.TTL != 3 || !ip.SrcIP.Equal(tuple4.Src.Netip().AsSlice()) {
		t.Errorf("%+v %v", ip, err)
	}
}

// t2 takes gopacket's word that a quote was cut.
type t2 struct{}

func (t2) SetTruncated() {}

func TestTranslateErrorOfFragments(t *testing.T) {
	eight := []byte("12345678")
	for _, c := range []struct {
		name   string
		quoted []byte
		want   []byte // behind the new quoted header
		place  uint16
	}{
		{"first, IPv4", fragment4(ProtoUDP, 0, true, []byte{1, 1, 2, 2, 0, 100, 3, 3, 9, 9, 9, 9, 9, 9, 9, 9}), nil, 1},
		{"later, IPv4", fragment4(ProtoUDP, 80, true, eight), eight, 81},
		{"last, IPv4", fragment4(ProtoUDP, 80, false, eight), eight, 80},
		{"later, IPv6", fragment6(ProtoUDP, 80, true, eight), eight, 0x200a},
		{"last, IPv6", fragment6(ProtoTCP, 80, false, eight), eight, 10},
	} {
		family := uint8(4)
		typ := uint8(icmpTimeExceeded)
		if c.quoted[12] == 0x86 {
			family, typ = 6, icmp6TimeExceeded
		}
		f := Frame{Data: errorAbout(c.quoted[14:], typ, 1, 0)}
		to, inner := errorTuples(10-family, ProtoUDP)
		out, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 200))
		if !ok {
			t.Errorf("%s: not translated", c.name)
			continue
		}
		p := mustBeSound(t, out.Data)
		if !p.QuotedOK || p.Quoted.Src != inner.Src || p.Quoted.Dst != inner.Dst || !bytes.HasSuffix(out.Data, c.want) {
			t.Errorf("%s: quotes %+v: % x", c.name, p.Quoted, out.Data[p.QuotedL3:])
		}
		quoted := out.Data[p.QuotedL3:]
		place := binary.BigEndian.Uint16(quoted[6:])
		if family == 4 {
			place = binary.BigEndian.Uint16(quoted[42:])
			if quoted[6] != protoFragment || quoted[40] != ProtoUDP || binary.BigEndian.Uint32(quoted[44:]) != 0x1234 {
				t.Errorf("%s: % x", c.name, quoted)
			}
		}
		if place != c.place && c.place != 1 {
			t.Errorf("%s: at %#x, want %#x", c.name, place, c.place)
		}
		if c.place == 1 && p.Quoted != inner {
			t.Errorf("%s: quotes %+v", c.name, p.Quoted)
		}
	}
}

func TestTranslateErrorCutsExtensionsOff(t *testing.T) {
	quoted := Append(nil, Spec{Tuple: tuple4, Payload: bytes.Repeat([]byte{7}, 300)})[14:]
	extension := bytes.Repeat([]byte{0x5a}, 16)
	f := Frame{Data: errorAbout(slices.Concat(quoted[:128], extension), icmpTimeExceeded, 0, 128/4<<16)}
	to, inner := errorTuples(6, ProtoTCP)
	out, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 400))
	if !ok || bytes.Contains(out.Data, extension) || len(out.Data) != 14+40+8+128+20 || mustBeSound(t, out.Data).Quoted != inner {
		t.Errorf("% x", out.Data)
	}
	quoted6 := Append(nil, Spec{Tuple: tuple6, Payload: bytes.Repeat([]byte{7}, 300)})[14:]
	f = Frame{Data: errorAbout(slices.Concat(quoted6[:128], extension), icmp6TimeExceeded, 0, 128/8<<24)}
	to, inner = errorTuples(4, ProtoTCP)
	out, ok = TranslateError(mustParse(t, &f), to, inner, nil)
	if !ok || bytes.Contains(out.Data, extension) || len(out.Data) != 14+20+8+128-20 || mustBeSound(t, out.Data).Quoted != inner {
		t.Errorf("% x", out.Data)
	}
}

// A message that was damaged on the way stays recognisably damaged.
func TestTranslateErrorKeepsDamage(t *testing.T) {
	for _, family := range []uint8{4, 6} {
		tuple, typ := tuple4, uint8(icmpTimeExceeded)
		if family == 6 {
			tuple, typ = tuple6, icmp6TimeExceeded
		}
		f := Frame{Data: errorAbout(Append(nil, Spec{Tuple: tuple})[14:], typ, 0, 0)}
		f.Data[len(f.Data)-1] ^= 0x10
		before := residual(mustParse(t, &f))
		to, inner := errorTuples(10-family, ProtoTCP)
		out, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 200))
		if after := residual(mustParse(t, &out)); !ok || after != before || before == 0xffff {
			t.Errorf("wrong by %#x, was %#x", after, before)
		}
	}
}

func TestTranslateErrorRefuses(t *testing.T) {
	tcp4 := Append(nil, Spec{Tuple: tuple4})[14:]
	tcp6 := Append(nil, Spec{Tuple: tuple6})[14:]
	icmp4 := func(typ uint8) []byte {
		return Append(nil, Spec{Tuple: tuple4.with(ProtoICMP), ICMPType: typ})[14:]
	}
	for _, c := range []struct {
		name string
		data []byte
		to   uint8
	}{
		{"no error", Append(nil, Spec{Tuple: tuple4}), 6},
		{"its own family", errorAbout(tcp4, 3, 1, 0), 4},
		{"an unreadable quote", errorAbout(tcp4[:21], 3, 1, 0), 6},
		{"an error about an error", errorAbout(icmp4(3), 3, 1, 0), 6},
		{"an error about a timestamp", errorAbout(icmp4(13), 3, 1, 0), 6},
		{"an error about AH", errorAbout(withExtensions(append(make([]byte, 14), tcp6...), extensionAH)[14:], 1, 0, 0), 4},
		{"an error about part of an ICMP message", errorAbout(fragment4(ProtoICMP, 0, true, icmp4(8)[20:])[14:], 3, 1, 0), 6},
		{"a quoted payload length of 0", errorAbout(edit(tcp6, 4, 0, 0), 1, 0, 0), 4},
	} {
		f := Frame{Data: c.data}
		given := bytes.Clone(c.data)
		to, inner := errorTuples(c.to, ProtoTCP)
		if out, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 400)); ok || !bytes.Equal(given, c.data) {
			t.Errorf("%s: became % x", c.name, out.Data)
		}
	}
	f := Frame{Data: errorAbout(tcp4, 3, 1, 0)}
	to, inner := errorTuples(6, ProtoTCP)
	if _, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, len(f.Data)+39)); ok {
		t.Error("translated into a buffer too small")
	}
	f.Offload = Offload{PartialChecksum: true, ChecksumStart: 34, ChecksumOffset: icmpChecksum}
	if _, ok := TranslateError(mustParse(t, &f), to, inner, make([]byte, 0, 400)); ok {
		t.Error("translated with a deferred checksum")
	}
}
