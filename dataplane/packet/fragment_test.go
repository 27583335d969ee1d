package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// reassemble joins IPv4 fragments in any order, checking that they neither
// overlap nor leave a hole, and returns the whole frame.
func reassemble(t testing.TB, parts []Frame) []byte {
	t.Helper()
	type part struct {
		p       *Packet
		payload []byte
	}
	var all []part
	for i := range parts {
		p := mustParse(t, &parts[i])
		start := p.L3 + int(parts[i].Data[p.L3]&15)*4
		all = append(all, part{p, parts[i].Data[start:p.End]})
	}
	slices.SortFunc(all, func(a, b part) int { return int(a.p.FragmentStart) - int(b.p.FragmentStart) })
	first := all[0].p
	if len(all) == 1 && !first.Fragment {
		return bytes.Clone(parts[0].Data)
	}
	headerLen := int(first.Frame.Data[first.L3]&15) * 4
	whole := bytes.Clone(first.Frame.Data[:first.L3+headerLen])
	at := 0
	for i, x := range all {
		if !x.p.Fragment || int(x.p.FragmentStart) != at || x.p.FragmentID != first.FragmentID {
			t.Fatalf("part %d: starts at %d, want %d (id %d)", i, x.p.FragmentStart, at, x.p.FragmentID)
		}
		if x.p.LastFragment != (i == len(all)-1) {
			t.Fatalf("part %d of %d: last is %v", i, len(all), x.p.LastFragment)
		}
		whole = append(whole, x.payload...)
		at += len(x.payload)
	}
	ip := whole[first.L3:]
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[6:], 0)
	setIPv4Checksum(ip[:headerLen])
	return whole
}

func TestFragmentsReassemble(t *testing.T) {
	r := random()
	var s, again Segmenter
	for _, k := range kinds[:4] {
		for _, mtu := range []int{68, 577, 1499, 1500, 8500} {
			t.Run(fmt.Sprintf("%s/%d", k.name, mtu), func(t *testing.T) {
				for range 20 {
					f := Frame{Data: Append(nil, k.spec(k.randomTuple(r), randomBytes(r, r.IntN(9000)))), Link: 5}
					want := bytes.Clone(f.Data)
					DeferChecksum(&f)
					given := bytes.Clone(f.Data)
					parts := s.FragmentIPv4(nil, &f, mtu)
					for _, p := range parts {
						if len(p.Data)-14 > mtu || p.Link != 5 || p.Offload != (Offload{}) {
							t.Fatalf("part of %d bytes, %+v", len(p.Data), p)
						}
					}
					if !bytes.Equal(reassemble(t, parts), want) {
						t.Fatal("not the same packet")
					}
					// A smaller link behind cuts the parts again.
					var smaller []Frame
					for i := range parts {
						for _, p := range again.FragmentIPv4(nil, &parts[i], max(68, mtu/3)) {
							p.Data = bytes.Clone(p.Data)
							smaller = append(smaller, p)
						}
					}
					r.Shuffle(len(smaller), func(i, j int) { smaller[i], smaller[j] = smaller[j], smaller[i] })
					if !bytes.Equal(reassemble(t, smaller), want) {
						t.Fatal("fragments of fragments are not the same packet")
					}
					if !bytes.Equal(f.Data, given) {
						t.Fatal("the input changed")
					}
				}
			})
		}
	}
}

func TestFragmentCutsSuperframesFirst(t *testing.T) {
	r := random()
	payload := randomBytes(r, 9000)
	f := superframe(kinds[1].spec(tuple4.with(ProtoUDP), payload), GSOUDP, 2500)
	var s Segmenter
	var datagram []Frame
	var joined []byte
	for _, part := range s.FragmentIPv4(nil, &f, 1000) {
		datagram = append(datagram, part)
		if mustParse(t, &part).LastFragment {
			whole := reassemble(t, datagram)
			p := mustBeSound(t, whole)
			joined = append(joined, whole[p.Payload:p.End]...)
			datagram = nil
		}
	}
	if !bytes.Equal(joined, payload) {
		t.Errorf("%d bytes come back of %d", len(joined), len(payload))
	}
}

func TestFragmentRefusesWhatMayNotBeCut(t *testing.T) {
	big := make([]byte, 3000)
	spec4, spec6 := kinds[1].spec(tuple4.with(ProtoUDP), big), kinds[5].spec(tuple6.with(ProtoUDP), big)
	protected := spec4
	protected.DontFragment = true
	for _, c := range []struct {
		name string
		spec Spec
		mtu  int
		want int
	}{
		{"may be cut", spec4, 1500, 3},
		{"DF", protected, 1500, 0},
		{"DF, but fits", protected, 3028, 1},
		{"IPv6", spec6, 1500, 0},
		{"IPv6, but fits", spec6, 3048, 1},
		{"no room for 8 bytes", spec4, 27, 0},
		{"room for 8 bytes", spec4, 28, 376},
	} {
		var s Segmenter
		f := Frame{Data: Append(nil, c.spec)}
		if got := len(s.FragmentIPv4(nil, &f, c.mtu)); got != c.want {
			t.Errorf("%s: %d frames, want %d", c.name, got, c.want)
		}
	}
}

// RFC 791: only options with the copied flag go into every part.
func TestFragmentCopiesOnlyCopiedOptions(t *testing.T) {
	route := []byte{0x83, 7, 4, 192, 0, 2, 1} // loose source route: copied
	stamp := []byte{0x44, 8, 5, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		name    string
		options []byte
		later   []byte
	}{
		{"none copied", stamp, nil},
		{"one of two", append(append([]byte{1}, route...), stamp...), append(bytes.Clone(route), 0)},
		{"all", append(bytes.Clone(route), 0), append(bytes.Clone(route), 0)},
		{"length runs out", []byte{0x83, 40, 4, 1}, nil},
		{"length below 2", []byte{0x83, 1, 0, 0}, nil},
	} {
		plain := Append(nil, kinds[1].spec(tuple4.with(ProtoUDP), make([]byte, 2000)))
		data := slices.Concat(plain[:34], c.options, plain[34:])
		ip := data[14:]
		ip[0] = byte(0x40 | (20+len(c.options))/4)
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		setIPv4Checksum(ip[:20+len(c.options)])
		var s Segmenter
		parts := s.FragmentIPv4(nil, &Frame{Data: data}, 1000)
		for i, part := range parts {
			want := c.later
			if i == 0 {
				want = c.options
			}
			headerLen := int(part.Data[14]&15) * 4
			if got := part.Data[34 : 14+headerLen]; !bytes.Equal(got, want) {
				t.Errorf("%s: part %d has options % x, want % x", c.name, i, got, want)
			}
		}
		if len(parts) < 3 {
			t.Errorf("%s: %d parts", c.name, len(parts))
		}
		if got := reassemble(t, parts); !bytes.Equal(got, data) {
			t.Errorf("%s: not the same packet", c.name)
		}
	}
}

func FuzzFragment(f *testing.F) {
	for _, k := range kinds {
		f.Add(Append(nil, k.spec(k.randomTuple(random()), make([]byte, 300))), 100, uint8(0), uint16(0), false)
		f.Add(Append(nil, k.spec(k.randomTuple(random()), make([]byte, 300))), 100, uint8(GSOUDP), uint16(50), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, mtu int, gso uint8, size uint16, partial bool) {
		// Below this a first part may be too short for its own headers, which
		// Parse refuses; no link is that small.
		mtu = max(mtu, 60+60)
		fr := Frame{Data: data, Offload: Offload{GSO: GSO(gso), SegmentSize: size, PartialChecksum: partial, ChecksumStart: 34, ChecksumOffset: 6}}
		var s Segmenter
		var whole Packet
		parsed := Parse(&whole, &fr) == ProblemNone
		for _, out := range s.FragmentIPv4(nil, &fr, mtu) {
			p := mustParse(t, &out)
			// A checksum that is to be completed inside the IP header is written
			// there, over whatever stood there: the core refuses such frames.
			lies := partial && int(fr.Offload.ChecksumStart) < whole.L4
			if p.End-p.L3 > mtu || !parsed || !lies && (p.Src != whole.Src || p.Dst != whole.Dst) {
				t.Fatalf("a part of %d bytes for %d", p.End-p.L3, mtu)
			}
		}
	})
}
