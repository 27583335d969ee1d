package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// quoting is the error that the receiver of s would send, cut so that at most
// keep bytes of transport are quoted.
func quoting(t testing.TB, s Spec, from, to Addr, keep int) []byte {
	t.Helper()
	p := mustParse(t, &Frame{Data: Append(nil, s)})
	b := AppendICMPError(nil, p, macA, macB, from, 3, 1, 0)
	if p.Family == 6 {
		b[54] = 1 // type 3 is time exceeded there
	}
	transport := len(b) - (14 + 2*(p.L4-p.L3) + icmpLen)
	return reseal(t, b[:len(b)-max(0, transport-keep)], p.Src, to)
}

// reseal fits an ICMP frame's lengths and checksums to its bytes, and sends it
// to another address.
func reseal(t testing.TB, b []byte, was, to Addr) []byte {
	t.Helper()
	b = bytes.Clone(b)
	l4, family := 34, uint8(4)
	if was.Is4() {
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		binary.BigEndian.PutUint32(b[30:], uint32(to.Lo))
		setIPv4Checksum(b[14:34])
	} else {
		l4, family = 54, 6
		binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
		binary.BigEndian.PutUint64(b[38:], to.Hi)
		binary.BigEndian.PutUint64(b[46:], to.Lo)
	}
	b[l4+2], b[l4+3] = 0, 0
	var p Packet
	if problem := Parse(&p, &Frame{Data: b}); problem != ProblemNone {
		t.Fatal(problem)
	}
	sealTransport(b[l4:], family, p.Src, p.Dst, p.Proto)
	return b
}

// Rewriting a quote gives the bytes of an error that quotes the rewritten
// packet, however little of it is quoted.
func TestRewriteQuotedEqualsQuotingTheRewritten(t *testing.T) {
	r := random()
	for _, k := range kinds {
		for _, keep := range []int{0, 1, 3, 4, 5, 6, 7, 8, 16, 17, 18, 20, 1000} {
			t.Run(fmt.Sprintf("%s/%d", k.name, keep), func(t *testing.T) {
				for range 20 {
					payload := randomBytes(r, r.IntN(60))
					was, is := k.randomTuple(r), k.randomTuple(r)
					router := k.randomTuple(r).Src
					f := Frame{Data: quoting(t, k.spec(was, payload), router, was.Src, keep)}
					p := mustBeSound(t, f.Data)
					given := bytes.Clone(f.Data)
					RewriteQuoted(p, is)

					if enough := map[uint8]int{ProtoTCP: 4, ProtoUDP: 4, ProtoICMP: 6, ProtoICMPv6: 6}[k.proto]; keep < enough {
						if p.QuotedOK || !bytes.Equal(given, f.Data) {
							t.Fatalf("rewritten with %d of %d bytes", keep, enough)
						}
						continue
					}
					if !p.ICMPError || !p.QuotedOK || p.Quoted != is {
						t.Fatalf("quoted %+v, want %+v", p.Quoted, is)
					}
					q := mustBeSound(t, f.Data)
					if q.Quoted != is || q.Src != router || q.Dst != was.Src {
						t.Fatalf("parsed again: %+v", q)
					}
					if k.proto == ProtoTCP && keep == 17 || k.proto == ProtoUDP && keep == 7 {
						continue // half a checksum cannot be updated
					}
					// A cut quote keeps the checksum of the whole packet.
					want := quoting(t, k.spec(is, payload), router, was.Src, keep)
					if !bytes.Equal(f.Data, want) {
						t.Fatalf("got\n% x, want\n% x", f.Data, want)
					}
				}
			})
		}
	}
}

func TestRewriteQuotedOfALaterFragmentChangesAddressesOnly(t *testing.T) {
	for _, family := range []uint8{4, 6} {
		to := Tuple{Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), SrcPort: 1, DstPort: 2}
		quoted, ethernet := fragment4(ProtoUDP, 80, true, []byte("12345678")), 14
		spec := Spec{Tuple: Tuple{Src: tuple4.Dst, Dst: tuple4.Src, Proto: ProtoICMP}, ICMPType: 11, ICMPCode: 1}
		if family == 6 {
			to.Src, to.Dst = addr("2001:db8::1"), addr("2001:db8::2")
			quoted = fragment6(ProtoUDP, 80, true, []byte("12345678"))
			spec.Tuple, spec.ICMPType = Tuple{Src: tuple6.Dst, Dst: tuple6.Src, Proto: ProtoICMPv6}, 3
		}
		spec.Payload = quoted[ethernet:]
		f := Frame{Data: Append(nil, spec)}
		p := mustBeSound(t, f.Data)
		RewriteQuoted(p, to)
		q := mustBeSound(t, f.Data)
		if !q.QuotedOK || q.Quoted.Src != to.Src || q.Quoted.Dst != to.Dst || q.Quoted.SrcPort != 0 || !bytes.HasSuffix(f.Data, []byte("12345678")) {
			t.Errorf("IPv%d: %+v", family, q.Quoted)
		}
	}
}

// RFC 4884: behind the quoted packet may be padding and extensions, which are
// not its transport header.
func TestRewriteQuotedStopsAtTheQuotedPacketsEnd(t *testing.T) {
	quoted := Append(nil, Spec{Tuple: tuple4})[14 : 14+20+8]
	quoted = bytes.Clone(quoted)
	binary.BigEndian.PutUint16(quoted[2:], uint16(len(quoted)))
	setIPv4Checksum(quoted[:20])
	extension := bytes.Repeat([]byte{0x5a}, 100)
	f := Frame{Data: Append(nil, Spec{
		Tuple: Tuple{Src: tuple4.Dst, Dst: tuple4.Src, Proto: ProtoICMP}, ICMPType: 3,
		Payload: slices.Concat(quoted, extension),
	})}
	p := mustBeSound(t, f.Data)
	to := p.Quoted
	to.Src, to.SrcPort = addr("192.0.2.1"), 9
	RewriteQuoted(p, to)
	if mustBeSound(t, f.Data).Quoted != to || !bytes.HasSuffix(f.Data, extension) {
		t.Error("the extension was edited")
	}
}

func TestParseQuotedRefusesNonsense(t *testing.T) {
	good := Append(nil, Spec{Tuple: tuple4})[14:]
	good6 := Append(nil, Spec{Tuple: tuple6})[14:]
	for _, c := range []struct {
		name   string
		quoted []byte
		ok     bool
	}{
		{"whole", good, true},
		{"header and 8 bytes", good[:28], true},
		{"header cut", good[:19], false},
		{"version", edit(good, 0, 0x65), false},
		{"header length", edit(good, 0, 0x41), false},
		{"options cut", edit(good[:24], 0, 0x4f), false},
		{"old stack's byte order", edit(good, 2, 0, 0), true},
		{"whole 6", good6, true},
		{"header cut 6", good6[:39], false},
		{"version 6", edit(good6, 0, 0x40), false},
		{"IPv4-mapped", edit(good6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), false},
		{"endless chain", edit(good6, 6, protoDestination), false},
	} {
		s := Spec{Tuple: Tuple{Src: tuple4.Dst, Dst: tuple4.Src, Proto: ProtoICMP}, ICMPType: 3, Payload: c.quoted}
		if c.quoted[0]>>4 == 6 && !bytes.Contains([]byte(c.name), []byte("version")) || c.name == "version 6" {
			s.Tuple, s.ICMPType = Tuple{Src: tuple6.Dst, Dst: tuple6.Src, Proto: ProtoICMPv6}, 1
		}
		p := mustParse(t, &Frame{Data: Append(nil, s)})
		if !p.ICMPError || p.QuotedOK != c.ok {
			t.Errorf("%s: error %v, quoted %v, want %v", c.name, p.ICMPError, p.QuotedOK, c.ok)
		}
	}
}
