package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// superframe builds what a kernel with segmentation offload sends: one set of
// headers, a partial checksum, and the size to cut by.
func superframe(s Spec, gso GSO, size uint16) Frame {
	f := Frame{Data: Append(nil, s), Link: 7}
	f.Offload.GSO = gso
	f.Offload.SegmentSize = size
	f.Offload.HeaderLen = 128 // a hint that lies, as a kernel's does
	DeferChecksum(&f)
	return f
}

var superframes = []struct {
	kind kind
	gso  GSO
}{
	{kind{"TCP4", 4, ProtoTCP}, GSOTCP4},
	{kind{"TCP6", 6, ProtoTCP}, GSOTCP6},
	{kind{"UDP4", 4, ProtoUDP}, GSOUDP},
	{kind{"UDP6", 6, ProtoUDP}, GSOUDP},
}

func TestSegmentsOfARewrittenPartialSuperframeAreSound(t *testing.T) {
	r := random()
	var s Segmenter
	for _, c := range superframes {
		for _, partial := range []bool{true, false} {
			for range 40 {
				from, to := c.kind.randomTuple(r), c.kind.randomTuple(r)
				size := 1 + r.IntN(3000)
				payload := randomBytes(r, r.IntN(min(65000, 200*size)))
				t.Run(fmt.Sprintf("%s/partial=%v/%d by %d", c.kind.name, partial, len(payload), size), func(t *testing.T) {
					spec := c.kind.spec(from, payload)
					spec.IPv4ID = 0xfff0
					spec.TCPFlags = TCPFlagACK | TCPFlagPSH | TCPFlagFIN | TCPFlagCWR
					f := superframe(spec, c.gso, uint16(size))
					f.Offload.ECN = true
					if !partial {
						f = Frame{Data: Append(nil, spec), Offload: Offload{GSO: c.gso, SegmentSize: uint16(size), ECN: true}, Link: 7}
					}
					Rewrite(mustParse(t, &f), to)
					before := bytes.Clone(f.Data)

					out := s.Segment(nil, &f)
					if !bytes.Equal(before, f.Data) {
						t.Fatal("Segment changed its input")
					}
					checkSegments(t, &f, out, to, payload)
				})
			}
		}
	}
}

func checkSegments(t *testing.T, f *Frame, out []Frame, want Tuple, payload []byte) {
	t.Helper()
	packets, total := TotalBytes(mustParse(t, f))
	if len(out) != packets || Segments(f) != packets {
		t.Fatalf("%d segments, TotalBytes says %d, Segments %d", len(out), packets, Segments(f))
	}
	var joined []byte
	largest := 0
	for i, s := range out {
		if s.Offload != (Offload{}) || s.Link != f.Link {
			t.Fatalf("segment %d: %+v on link %d", i, s.Offload, s.Link)
		}
		p := mustBeSound(t, s.Data)
		decode(t, s.Data)
		if p.Tuple != want || p.End != len(s.Data) {
			t.Fatalf("segment %d: %+v, ends %d of %d", i, p.Tuple, p.End, len(s.Data))
		}
		if p.Family == 4 {
			if id := binary.BigEndian.Uint16(s.Data[18:]); id != 0xfff0+uint16(i) {
				t.Errorf("segment %d: id %#x", i, id)
			}
		}
		if p.Proto == ProtoTCP {
			if seq := binary.BigEndian.Uint32(s.Data[p.L4+4:]); seq != 1000+uint32(len(joined)) {
				t.Errorf("segment %d: sequence %d", i, seq)
			}
			flags := uint8(TCPFlagACK)
			if i == 0 {
				flags |= TCPFlagCWR
			}
			if i == len(out)-1 {
				flags |= TCPFlagPSH | TCPFlagFIN
			}
			if p.TCPFlags != flags {
				t.Errorf("segment %d: flags %#x, want %#x", i, p.TCPFlags, flags)
			}
		}
		joined = append(joined, s.Data[p.Payload:p.End]...)
		total -= p.End - p.L3
		largest = max(largest, p.End-p.L3)
	}
	if !bytes.Equal(joined, payload) {
		t.Error("the payload does not come back together")
	}
	if total != 0 {
		t.Errorf("TotalBytes is off by %d", total)
	}
	if w := WireLength(mustParse(t, f)); w != largest {
		t.Errorf("WireLength %d, largest segment %d", w, largest)
	}
}

// The trap of the I/O design: such a mistake moves traffic over veth with no
// error counted. Segmentation must bring it to light.
func TestSegmentExposesAWrongPartialChecksum(t *testing.T) {
	for _, c := range superframes {
		r := random()
		f := superframe(c.kind.spec(c.kind.randomTuple(r), make([]byte, 5000)), c.gso, 1000)
		p := mustParse(t, &f)
		f.Data[p.L3+15]++ // an address changes behind the checksum's back
		if p.Family == 4 {
			setIPv4Checksum(f.Data[p.L3:p.L4])
		}
		var s Segmenter
		for i, seg := range s.Segment(nil, &f) {
			if residual(mustParse(t, &seg)) == 0xffff {
				t.Errorf("%s: segment %d repaired the checksum", c.kind.name, i)
			}
		}
	}
}

func TestSegmentCopiesAnOrdinaryFrame(t *testing.T) {
	r := random()
	var s Segmenter
	for _, k := range kinds {
		f := Frame{Data: Append(nil, k.spec(k.randomTuple(r), randomBytes(r, 33))), Link: 3}
		whole := bytes.Clone(f.Data)
		DeferChecksum(&f)
		given := bytes.Clone(f.Data)
		out := s.Segment(nil, &f)
		if len(out) != 1 || !bytes.Equal(out[0].Data, whole) || out[0].Offload.PartialChecksum || out[0].Link != 3 {
			t.Errorf("%s: % x, want % x", k.name, out[0].Data, whole)
		}
		out[0].Data[0]++
		if !bytes.Equal(f.Data, given) {
			t.Errorf("%s: the copy shares bytes with the frame", k.name)
		}
	}
}

func TestSegmentRefusesContradictions(t *testing.T) {
	tcp := kinds[0].spec(tuple4, make([]byte, 4000))
	udp := kinds[1].spec(tuple4.with(ProtoUDP), make([]byte, 4000))
	for _, c := range []struct {
		name string
		f    Frame
	}{
		{"no segment size", superframe(tcp, GSOTCP4, 0)},
		{"TCP over the other family", superframe(tcp, GSOTCP6, 1000)},
		{"UDP facts on TCP", superframe(tcp, GSOUDP, 1000)},
		{"TCP facts on UDP", superframe(udp, GSOTCP4, 1000)},
		{"unknown GSO", superframe(udp, GSOUDP+1, 1000)},
		{"checksum outside the packet", Frame{Data: Append(nil, tcp), Offload: Offload{PartialChecksum: true, ChecksumStart: 34, ChecksumOffset: 60000}}},
		{"truncated", Frame{Data: Append(nil, tcp)[:40], Offload: Offload{GSO: GSOTCP4, SegmentSize: 1000}}},
	} {
		var s Segmenter
		if out := s.Segment(nil, &c.f); len(out) != 0 {
			t.Errorf("%s: %d frames", c.name, len(out))
		}
		if n := Segments(&c.f); n != 1 {
			t.Errorf("%s: counts as %d", c.name, n)
		}
	}
}

func TestSegmentKeepsUDPWithoutChecksum(t *testing.T) {
	f := Frame{Data: Append(nil, kinds[1].spec(tuple4.with(ProtoUDP), make([]byte, 3000))), Offload: Offload{GSO: GSOUDP, SegmentSize: 1000}}
	f.Data[40], f.Data[41] = 0, 0
	var s Segmenter
	for i, seg := range s.Segment(nil, &f) {
		if seg.Data[40] != 0 || seg.Data[41] != 0 {
			t.Errorf("segment %d has a checksum", i)
		}
	}
}

// A tunnel packet whose inner checksum is the deferred one: the flag is set, but
// not about the field that Rewrite maintains.
func TestRewriteLeavesTheInnerPartialChecksumOfATunnel(t *testing.T) {
	inner := Frame{Data: Append(nil, kinds[0].spec(tuple4, []byte("inner payload")))}
	DeferChecksum(&inner)
	outer := kinds[1].spec(tuple4.with(ProtoUDP), append(make([]byte, 8), inner.Data...))
	f := Frame{Data: Append(nil, outer)}
	f.Offload = inner.Offload
	f.Offload.ChecksumStart += 14 + 20 + 8 + 8
	p := mustParse(t, &f)
	// Append summed the payload as it is; what counts is that Rewrite keeps
	// the outer checksum complete and the inner one deferred.
	to := p.Tuple
	to.Src, to.SrcPort = addr("198.51.100.7"), 7
	Rewrite(p, to)
	if got := residual(mustParse(t, &f)); got != 0xffff {
		t.Errorf("outer checksum wrong by %#x", got)
	}
	CompleteChecksum(&f)
	q := mustBeSound(t, f.Data[14+20+8+8:])
	if q.Tuple != tuple4 {
		t.Errorf("inner packet is %+v", q.Tuple)
	}
}

func FuzzSegment(f *testing.F) {
	for i, c := range superframes {
		f.Add(uint8(i), uint16(1000), uint16(3500), true, uint64(i))
		f.Add(uint8(i), uint16(1), uint16(20), false, uint64(i))
		f.Add(uint8(i), uint16(65535), uint16(60000), true, uint64(c.gso))
	}
	f.Fuzz(func(t *testing.T, which uint8, size, length uint16, partial bool, seed uint64) {
		if size == 0 || int(length) > 65000 || int(length)/int(size) > 2000 {
			return
		}
		c := superframes[int(which)%len(superframes)]
		r := random()
		for range seed % 64 {
			r.Uint64()
		}
		payload := randomBytes(r, int(length))
		from, to := c.kind.randomTuple(r), c.kind.randomTuple(r)
		spec := c.kind.spec(from, payload)
		fr := superframe(spec, c.gso, size)
		if !partial {
			fr.Data, fr.Offload.PartialChecksum = Append(nil, spec), false
		}
		Rewrite(mustParse(t, &fr), to)
		var s Segmenter
		var joined []byte
		for _, seg := range s.Segment(nil, &fr) {
			p := mustBeSound(t, seg.Data)
			joined = append(joined, seg.Data[p.Payload:p.End]...)
		}
		if !bytes.Equal(joined, payload) {
			t.Fatal("payload lost")
		}
	})
}
