package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// other is the same kind of packet in the other family.
func (k kind) other() kind {
	for _, o := range kinds {
		same := o.proto == k.proto || o.proto == ProtoICMPv6 && k.proto == ProtoICMP || o.proto == ProtoICMP && k.proto == ProtoICMPv6
		if o.family != k.family && same {
			return o
		}
	}
	panic("no counterpart of " + k.name)
}

func translated(t testing.TB, f *Frame, to Tuple) Frame {
	t.Helper()
	p := mustParse(t, f)
	out, ok := Translate(p, to, make([]byte, 0, len(f.Data)+28))
	if !ok {
		t.Fatalf("not translated: %+v", p.Tuple)
	}
	return out
}

// gopacketAgrees has gopacket read a whole packet and write it again with
// lengths and checksums of its own: it must come to the same bytes.
func gopacketAgrees(t testing.TB, data []byte) {
	t.Helper()
	p := mustParse(t, &Frame{Data: data})
	if p.checksum == 0 {
		return
	}
	payload := gopacket.Payload(data[p.Payload:p.End])
	var out []gopacket.SerializableLayer
	for _, l := range decode(t, data).Layers() {
		switch l.LayerType() {
		case layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeIPv6, layers.LayerTypeTCP, layers.LayerTypeUDP,
			layers.LayerTypeICMPv4, layers.LayerTypeICMPv6:
			out = append(out, l.(gopacket.SerializableLayer))
		}
	}
	if p.Proto == ProtoICMPv6 {
		payload = gopacket.Payload(data[p.L4+4 : p.End])
	}
	if got := serialize(t, append(out, payload)...); !bytes.Equal(got[:len(data)], data) {
		t.Fatalf("gopacket writes\n% x, got\n% x", got, data)
	}
}

// withoutID clears what an IPv4 header says about fragmentation, for which the
// other family has no words.
func withoutID(data []byte) []byte {
	if data[12] != 8 {
		return data
	}
	return edit(data, 18, 0, 0, 0, 0)
}

func TestTranslateEqualsBuildingInTheOtherFamily(t *testing.T) {
	r := random()
	for _, k := range kinds {
		for _, partial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/partial=%v", k.name, partial), func(t *testing.T) {
				for range 300 {
					payload := randomBytes(r, r.IntN(100))
					from, to := k.randomTuple(r), k.other().randomTuple(r)
					was, is := k.spec(from, payload), k.other().spec(to, payload)
					was.TTL = 1 + uint8(r.IntN(255))
					was.TrafficClass = uint8(r.Uint32())
					is.TTL, is.TrafficClass = was.TTL, was.TrafficClass
					f := Frame{Data: Append(nil, was), Link: 4}
					want := Frame{Data: Append(nil, is)}
					if partial {
						DeferChecksum(&f)
						DeferChecksum(&want)
					}
					f.Data = append(f.Data, make([]byte, r.IntN(3))...) // Ethernet padding
					got := translated(t, &f, to)
					if !bytes.Equal(withoutID(got.Data), withoutID(want.Data)) {
						t.Fatalf("%+v to %+v:\n% x, want\n% x", from, to, got.Data, want.Data)
					}
					if got.Offload != want.Offload || got.Link != 4 {
						t.Fatalf("%+v, want %+v", got, want.Offload)
					}
					CompleteChecksum(&got)
					mustBeSound(t, got.Data)
					gopacketAgrees(t, got.Data)
				}
			})
		}
	}
}

// There and back gives the very bytes, since an IPv6 packet without flow label
// and extension headers says nothing that IPv4 cannot.
func TestTranslateRoundTripFromIPv6IsTheSamePacket(t *testing.T) {
	r := random()
	for _, k := range kinds[4:] {
		for range 200 {
			from, to := k.randomTuple(r), k.other().randomTuple(r)
			f := Frame{Data: Append(nil, k.spec(from, randomBytes(r, r.IntN(3000))))}
			if r.IntN(2) == 0 {
				DeferChecksum(&f)
			}
			want := bytes.Clone(f.Data)
			there := translated(t, &f, to)
			back := translated(t, &there, from)
			if !bytes.Equal(back.Data, want) || back.Offload != f.Offload {
				t.Fatalf("%s:\n% x, want\n% x", k.name, back.Data, want)
			}
		}
	}
}

func TestTranslateToIPv4IsInPlaceAndToIPv6InTheBuffer(t *testing.T) {
	six := Frame{Data: Append(nil, Spec{Tuple: tuple6})}
	out, ok := Translate(mustParse(t, &six), tuple4, nil)
	if !ok || &out.Data[0] != &six.Data[20] {
		t.Fatal("not in place")
	}
	four := Frame{Data: Append(nil, Spec{Tuple: tuple4})}
	given := bytes.Clone(four.Data)
	buffer := make([]byte, 0, len(given)+20)
	out, ok = Translate(mustParse(t, &four), tuple6, buffer)
	if !ok || &out.Data[0] != &buffer[:1][0] || !bytes.Equal(four.Data, given) {
		t.Fatal("not in the buffer, or the input changed")
	}
	if _, ok = Translate(mustParse(t, &four), tuple6, buffer[:0:len(given)+19]); ok {
		t.Error("translated into a buffer too small")
	}
}

// DF and identification by RFC 7915 section 5.1: what every link carries may be
// cut, and needs an identification of its own then.
func TestTranslateSetsDontFragmentBySize(t *testing.T) {
	ids := map[uint16]bool{}
	for i := range 100 {
		for _, c := range []struct {
			payload int
			df      bool
		}{{100, false}, {1260 - 28, false}, {1260 - 27, true}, {3000, true}} {
			payload := make([]byte, c.payload)
			payload[c.payload-1] = byte(i)
			f := Frame{Data: Append(nil, Spec{Tuple: tuple6.with(ProtoUDP), Payload: payload})}
			if i%2 == 0 {
				DeferChecksum(&f)
			}
			out := translated(t, &f, tuple4)
			if p := mustParse(t, &out); p.DontFragment != c.df {
				t.Fatalf("DF %v with %d bytes of payload", p.DontFragment, c.payload)
			}
			if c.payload == 100 {
				ids[binary.BigEndian.Uint16(out.Data[18:])] = true
			}
		}
	}
	if len(ids) < 100 {
		t.Errorf("100 packets have %d identifications", len(ids))
	}
}

// What a superframe becomes is what its segments would become one by one, but
// for DF and identification, which a superframe has one of.
func TestTranslatedSuperframeEqualsItsTranslatedSegments(t *testing.T) {
	r := random()
	var before, after Segmenter
	for _, c := range superframes {
		for _, partial := range []bool{true, false} {
			for range 20 {
				from, to := c.kind.randomTuple(r), c.kind.other().randomTuple(r)
				size := 1 + r.IntN(3000)
				spec := c.kind.spec(from, randomBytes(r, r.IntN(min(64000, 50*size))))
				spec.TCPFlags = TCPFlagACK | TCPFlagPSH | TCPFlagCWR
				f := superframe(spec, c.gso, uint16(size))
				f.Offload.ECN = true
				if !partial {
					f.Data, f.Offload.PartialChecksum = Append(nil, spec), false
					f.Offload.ChecksumStart, f.Offload.ChecksumOffset = 0, 0
				}
				var want [][]byte
				for _, segment := range before.Segment(nil, &f) {
					out := translated(t, &segment, to)
					want = append(want, withoutID(bytes.Clone(out.Data)))
				}
				out := translated(t, &f, to)
				p := mustParse(t, &out)
				if out.Offload.HeaderLen != uint16(p.Payload) || out.Offload.SegmentSize != uint16(size) || out.Offload.PartialChecksum != partial {
					t.Fatalf("%s: %+v", c.kind.name, out.Offload)
				}
				got := after.Segment(nil, &out)
				if len(got) != len(want) {
					t.Fatalf("%s: %d segments, want %d", c.kind.name, len(got), len(want))
				}
				for i := range got {
					mustBeSound(t, got[i].Data)
					gopacketAgrees(t, got[i].Data)
					if !bytes.Equal(withoutID(got[i].Data), want[i]) {
						t.Fatalf("%s: segment %d is\n% x, want\n% x", c.kind.name, i, got[i].Data[:60], want[i][:60])
					}
				}
			}
		}
	}
}

func TestTranslateGivesUDPTheChecksumIPv6Demands(t *testing.T) {
	none := func(payload int) []byte {
		return edit(Append(nil, Spec{Tuple: tuple4.with(ProtoUDP), Payload: bytes.Repeat([]byte{7}, payload)}), 40, 0, 0)
	}
	to := tuple6.with(ProtoUDP)
	f := Frame{Data: none(33)}
	out := translated(t, &f, to)
	mustBeSound(t, out.Data)
	gopacketAgrees(t, out.Data)

	f = Frame{Data: none(3000), Offload: Offload{GSO: GSOUDP, SegmentSize: 1000}}
	out = translated(t, &f, to)
	if p := mustParse(t, &out); !p.partial() || partialResidual(p) != 0xffff {
		t.Errorf("the superframe's checksum is not deferred: %+v", out.Offload)
	}
	var s Segmenter
	for _, segment := range s.Segment(nil, &out) {
		mustBeSound(t, segment.Data)
	}

	// A datagram shorter than its packet: what follows it is not summed.
	f = Frame{Data: edit(none(33), 38, 0, udpLen+20)}
	out = translated(t, &f, to)
	datagram := out.Data[54 : 54+udpLen+20]
	if sum := plainSum(uint32(fold(pseudoSum(to.Src, to.Dst, ProtoUDP, len(datagram)))), datagram); sum != 0xffff {
		t.Errorf("the checksum of a short datagram is wrong by %#x", sum)
	}

	// A tunnel whose inner checksum is deferred.
	inner := Frame{Data: Append(nil, Spec{Tuple: tuple4, Payload: []byte("inner")})}
	DeferChecksum(&inner)
	outer := Append(nil, Spec{Tuple: tuple4.with(ProtoUDP), Payload: append(make([]byte, 8), inner.Data...)})
	f = Frame{Data: edit(outer, 40, 0, 0), Offload: inner.Offload}
	f.Offload.ChecksumStart += 50
	out = translated(t, &f, to)
	mustBeSound(t, out.Data)
	mustBeSound(t, out.Data[70:])
	if out.Offload.PartialChecksum {
		t.Error("the inner checksum is still deferred")
	}

	// IPv6 packets without one are possible (RFC 6935) and stay so.
	six := Append(nil, Spec{Tuple: to})
	six[60], six[61] = 0, 0
	f = Frame{Data: six}
	if out = translated(t, &f, tuple4); out.Data[40] != 0 || out.Data[41] != 0 {
		t.Error("IPv4 has a checksum that nobody computed")
	}
}

func TestTranslateKeepsADeferredInnerChecksumDeferred(t *testing.T) {
	inner := Frame{Data: Append(nil, Spec{Tuple: tuple4, Payload: []byte("inner")})}
	DeferChecksum(&inner)
	f := Frame{Data: Append(nil, Spec{Tuple: tuple6.with(ProtoUDP), Payload: append(make([]byte, 8), inner.Data...)}), Offload: inner.Offload}
	f.Offload.ChecksumStart += 70
	out := translated(t, &f, tuple4)
	if r := residual(mustParse(t, &out)); r != 0xffff {
		t.Errorf("outer checksum wrong by %#x", r)
	}
	CompleteChecksum(&out)
	mustBeSound(t, out.Data[50:])
}

// fragments6 cuts an IPv6 frame without extension headers into parts of n
// bytes, a multiple of 8.
func fragments6(data []byte, n int, id uint32) (parts []Frame) {
	body := data[54:]
	for at := 0; at < len(body); at += n {
		end := min(at+n, len(body))
		h := []byte{data[20], 0, byte(at >> 8), byte(at), 0, 0, 0, 0}
		if end < len(body) {
			h[3] |= 1
		}
		binary.BigEndian.PutUint32(h[4:], id)
		part := slices.Concat(data[:54], h, body[at:end])
		part[20] = protoFragment
		binary.BigEndian.PutUint16(part[18:], uint16(len(part)-54))
		parts = append(parts, Frame{Data: part})
	}
	return parts
}

func TestTranslatedFragmentsReassemble(t *testing.T) {
	r := random()
	for _, proto := range []uint8{ProtoUDP, ProtoTCP, 253} {
		for _, tuple := range [][2]Tuple{{tuple4, tuple6}, {tuple6, tuple4}} {
			from, to := tuple[0].with(proto), tuple[1].with(proto)
			payload := randomBytes(r, 5000)
			whole := Frame{Data: Append(nil, Spec{Tuple: from, Payload: payload, IPv4ID: 0xbeef})}
			var s Segmenter
			parts := fragments6(whole.Data, 1024, 0x1234beef)
			if from.Src.Is4() {
				parts = s.FragmentIPv4(nil, &whole, 1500)
			}
			var out []Frame
			for i := range parts {
				was := len(parts[i].Data)
				f := translated(t, &parts[i], to)
				if p := mustParse(t, &f); !p.Fragment || p.FragmentID != 0xbeef || len(f.Data) != was+map[bool]int{true: 28, false: -28}[from.Src.Is4()] {
					t.Fatalf("part %d: %+v", i, p)
				}
				if !from.Src.Is4() { // on to IPv4, where reassemble reads
					out = append(out, f)
					continue
				}
				again := translated(t, &f, from)
				out = append(out, again)
			}
			want := Append(nil, Spec{Tuple: tuple4.with(proto), Payload: payload, IPv4ID: 0xbeef})
			if got := reassemble(t, out); !bytes.Equal(got, want) {
				t.Errorf("protocol %d from %v: not the same packet", proto, from.Src)
			}
		}
	}
}

// withExtensions puts headers, each with its length and a protocol number in
// front of it, between the IPv6 header and what follows.
func withExtensions(data []byte, chain ...[]byte) []byte {
	next := data[20]
	b := bytes.Clone(data[:54])
	at := 20
	for _, x := range chain {
		b[at] = x[0]
		at = len(b)
		b = append(b, x[1:]...)
	}
	b[at] = next
	b = append(b, data[54:]...)
	binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
	return b
}

var (
	extensionHopByHop    = []byte{protoHopByHop, 0, 0, 1, 4, 0, 0, 0, 0}
	extensionDestination = []byte{protoDestination, 0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	extensionRouting     = []byte{protoRouting, 0, 0, 4, 0, 0, 0, 0, 0}
	extensionUnfinished  = []byte{protoRouting, 0, 0, 4, 1, 0, 0, 0, 0}
	extensionAtomic      = []byte{protoFragment, 0, 0, 0, 0, 0x12, 0x34, 0xca, 0xfe}
	extensionFirst       = []byte{protoFragment, 0, 0, 0, 1, 0x12, 0x34, 0xca, 0xfe}
	extensionAH          = []byte{protoAH, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
)

func TestTranslateSkipsExtensionHeaders(t *testing.T) {
	for _, c := range []struct {
		name  string
		chain [][]byte
		id    uint16 // of an atomic fragment
	}{
		{"hop-by-hop", [][]byte{extensionHopByHop}, 0},
		{"all", [][]byte{extensionHopByHop, extensionDestination, extensionRouting, extensionDestination}, 0},
		{"atomic fragment", [][]byte{extensionHopByHop, extensionAtomic, extensionDestination}, 0xcafe},
	} {
		for _, proto := range []uint8{ProtoTCP, ProtoUDP, ProtoICMPv6, 253} {
			spec := Spec{Tuple: tuple6.with(proto), ICMPType: icmp6EchoRequest, Payload: make([]byte, 2000)}
			plain := Append(nil, spec)
			for _, partial := range []bool{false, true} {
				f := Frame{Data: withExtensions(plain, c.chain...)}
				if partial {
					DeferChecksum(&f)
				}
				out := translated(t, &f, tuple4)
				CompleteChecksum(&out)
				p := mustBeSound(t, out.Data)
				if p.TTL != 64 || p.L4 != 34 || !bytes.Equal(out.Data[p.Payload:], plain[len(plain)-(p.End-p.Payload):]) {
					t.Errorf("%s: %+v", c.name, p)
				}
				if id := binary.BigEndian.Uint16(out.Data[18:]); c.id != 0 && id != c.id || p.DontFragment != (c.id == 0) {
					t.Errorf("%s: id %#x, DF %v", c.name, id, p.DontFragment)
				}
			}
		}
	}
}

func TestTranslateDropsIPv4Options(t *testing.T) {
	plain := Append(nil, Spec{Tuple: tuple4, Payload: []byte("payload")})
	for _, c := range []struct {
		name    string
		options []byte
		ok      bool
	}{
		{"none", nil, true},
		{"router alert", []byte{148, 4, 0, 0}, true},
		{"source route to follow", []byte{1, 131, 7, 4, 192, 0, 2, 1}, false},
		{"strict source route to follow", []byte{137, 7, 4, 192, 0, 2, 1, 0}, false},
		{"source route at its end", []byte{131, 7, 8, 192, 0, 2, 1, 0}, true},
		{"malformed", []byte{131, 70, 4, 0}, true},
	} {
		data := slices.Concat(plain[:34], c.options, plain[34:])
		data[14] = byte(0x40 | (20+len(c.options))/4)
		binary.BigEndian.PutUint16(data[16:], uint16(len(data)-14))
		f := Frame{Data: edit(data, 0)}
		out, ok := Translate(mustParse(t, &f), tuple6, make([]byte, 0, 200))
		if ok != c.ok {
			t.Errorf("%s: %v", c.name, ok)
		} else if ok && !bytes.Equal(out.Data, Append(nil, Spec{Tuple: tuple6, Payload: []byte("payload")})) {
			t.Errorf("%s: % x", c.name, out.Data)
		}
	}
}

func TestTranslateRefusesWhatHasNoCounterpart(t *testing.T) {
	echo4, echo6 := tuple4.with(ProtoICMP), tuple6.with(ProtoICMPv6)
	packet := func(tuple Tuple, typ uint8) []byte {
		return Append(nil, Spec{Tuple: tuple, ICMPType: typ, Payload: make([]byte, 40)})
	}
	tcp6 := packet(tuple6, 0)
	big := Append(nil, Spec{Tuple: tuple6.with(ProtoUDP), Payload: make([]byte, 0xffff-8)})
	gso := Offload{GSO: GSOTCP6, SegmentSize: 0}
	early := Offload{PartialChecksum: true, ChecksumStart: 40, ChecksumOffset: 6}
	late := Offload{PartialChecksum: true, ChecksumStart: 0xfff0}
	for _, c := range []struct {
		name string
		f    Frame
		to   Tuple
	}{
		{"to its own family", Frame{Data: tcp6}, tuple6},
		{"to both families", Frame{Data: tcp6}, Tuple{Src: tuple4.Src, Dst: tuple6.Dst}},
		{"ARP", Frame{Data: AppendARP(nil, 1, macB, macA, macA, tuple4.Src, macB, tuple4.Dst)}, tuple6},
		{"timestamp", Frame{Data: packet(echo4, 13)}, tuple6},
		{"router solicitation", Frame{Data: packet(echo6, 133)}, tuple4},
		{"neighbor solicitation", Frame{Data: AppendNeighborSolicitation(nil, macA, tuple6.Src, tuple6.Dst)}, tuple4},
		{"multicast listener", Frame{Data: packet(echo6, 143)}, tuple4},
		{"IGMP", Frame{Data: packet(tuple4.with(protoIGMP), 0)}, tuple6},
		{"ICMP error", Frame{Data: packet(echo4, 3)}, tuple6},
		{"ICMPv6 in IPv4", Frame{Data: packet(tuple4.with(ProtoICMPv6), 0)}, tuple6},
		{"ICMP in IPv6", Frame{Data: packet(tuple6.with(ProtoICMP), 0)}, tuple4},
		{"routing header's number in IPv4", Frame{Data: packet(tuple4.with(protoRouting), 0)}, tuple6},
		{"AH", Frame{Data: withExtensions(tcp6, extensionAH)}, tuple4},
		{"segments left", Frame{Data: withExtensions(tcp6, extensionUnfinished)}, tuple4},
		{"extension header in a part", Frame{Data: withExtensions(tcp6, extensionFirst, extensionDestination)}, tuple4},
		{"extension header cut by parts", Frame{Data: fragment6(protoDestination, 8, true, make([]byte, 16))}, tuple4},
		{"part of ICMP", Frame{Data: fragment4(ProtoICMP, 0, true, packet(echo4, 8)[34:])}, tuple6},
		{"later part of ICMP", Frame{Data: fragment4(ProtoICMP, 8, false, make([]byte, 8))}, tuple6},
		{"part of ICMPv6", Frame{Data: fragment6(ProtoICMPv6, 0, true, packet(echo6, 128)[54:])}, tuple4},
		{"part of UDP without a checksum", Frame{Data: fragment4(ProtoUDP, 0, true, []byte{1, 1, 2, 2, 0, 100, 0, 0})}, tuple6},
		{"too long for IPv4", Frame{Data: big}, tuple4},
		{"GSO facts that lie", Frame{Data: tcp6, Offload: gso}, tuple4},
		{"checksum in the IP header", Frame{Data: tcp6, Offload: early}, tuple4},
		{"checksum nowhere", Frame{Data: packet(tuple4, 0), Offload: late}, tuple6},
	} {
		given := bytes.Clone(c.f.Data)
		p := mustParse(t, &c.f)
		if out, ok := Translate(p, c.to, make([]byte, 0, 70000)); ok {
			t.Errorf("%s: became % x", c.name, out.Data)
		}
		if !bytes.Equal(given, c.f.Data) {
			t.Errorf("%s: the frame was edited", c.name)
		}
	}
}

// Any bytes that parse: what is translated parses again, says the same, and is
// exactly as right or wrong as it was.
func FuzzTranslate(f *testing.F) {
	r := random()
	for _, k := range kinds {
		f.Add(Append(nil, k.spec(k.randomTuple(r), []byte("payload"))), uint16(7), uint16(9), uint8(0), uint16(0), false)
		f.Add(Append(nil, k.spec(k.randomTuple(r), make([]byte, 90))), uint16(7), uint16(9), []uint8{4: uint8(GSOTCP4), 6: uint8(GSOTCP6)}[k.family], uint16(40), true)
		f.Add(quoting(f, k.spec(k.randomTuple(r), []byte("quoted")), k.randomTuple(r).Src, k.randomTuple(r).Src, 1000), uint16(7), uint16(9), uint8(0), uint16(0), false)
	}
	tcp6 := Append(nil, Spec{Tuple: tuple6})
	f.Add(withExtensions(tcp6, extensionHopByHop, extensionAtomic, extensionDestination), uint16(1), uint16(2), uint8(0), uint16(0), true)
	f.Add(fragment6(ProtoUDP, 8, true, make([]byte, 16)), uint16(1), uint16(2), uint8(0), uint16(0), false)
	f.Add(fragment4(ProtoUDP, 8, true, make([]byte, 16)), uint16(1), uint16(2), uint8(0), uint16(0), false)
	f.Fuzz(func(t *testing.T, data []byte, srcPort, dstPort uint16, gso uint8, size uint16, partial bool) {
		// Header checksums are put right, or hardly any IPv4 would get through.
		data = edit(data, 0)
		fr := Frame{Data: bytes.Clone(data), Offload: Offload{GSO: GSO(gso), SegmentSize: size}}
		var p Packet
		if Parse(&p, &fr) != ProblemNone || p.Family == 0 {
			return
		}
		if partial && p.checksum != 0 {
			fr.Offload.PartialChecksum = true
			fr.Offload.ChecksumStart, fr.Offload.ChecksumOffset = uint16(p.L4), uint16(p.checksum-p.L4)
		}
		to, quoted := tuple6, Tuple{Src: tuple6.Dst, Dst: tuple6.Src}
		if p.Family == 6 {
			to, quoted = tuple4, Tuple{Src: tuple4.Dst, Dst: tuple4.Src}
		}
		to.SrcPort, to.DstPort, quoted.SrcPort, quoted.DstPort = srcPort, dstPort, dstPort, srcPort
		was, before, given := p, measure(&p), bytes.Clone(fr.Data)
		unsummed := p.Proto == ProtoUDP && p.checksum != 0 && !partial && binary.BigEndian.Uint16(data[p.checksum:]) == 0
		strange := p.Proto == ProtoUDP && p.checksum != 0 && int(binary.BigEndian.Uint16(data[p.L4+4:])) != p.End-p.L4

		var out Frame
		var ok bool
		if p.ICMPError {
			out, ok = TranslateError(&p, to, quoted, make([]byte, 0, len(data)+48))
		} else {
			out, ok = Translate(&p, to, make([]byte, 0, len(data)+28))
		}
		if !ok {
			if !bytes.Equal(given, fr.Data) {
				t.Fatal("refused, but edited")
			}
			return
		}
		q := mustParse(t, &out)
		if q.Src != to.Src || q.Dst != to.Dst || q.TTL != was.TTL || q.Fragment != was.Fragment || q.FragmentStart != was.FragmentStart {
			t.Fatalf("%+v of %+v", q, was)
		}
		if was.ICMPError {
			if !q.ICMPError || !q.QuotedOK || q.Quoted.Src != quoted.Src || q.Quoted.Dst != quoted.Dst {
				t.Fatalf("quotes %+v", q.Quoted)
			}
		} else if !bytes.Equal(out.Data[q.Payload:q.End], given[was.Payload:was.End]) && !was.partial() && !unsummed {
			t.Fatal("the payload changed")
		}
		if unsummed && was.Family == 4 && !strange && out.Offload.GSO == GSONone {
			before = 0xffff
		} else if unsummed || was.Fragment {
			return
		}
		if after := measure(q); after != before {
			t.Fatalf("checksum moved from %#x to %#x", before, after)
		}
	})
}

// measure is how right the transport checksum is, 0xffff being right.
func measure(p *Packet) uint32 {
	switch {
	case p.checksum == 0:
		return 0
	case p.Frame.Offload.PartialChecksum:
		return partialResidual(p)
	}
	return residual(p)
}
