package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// coalesce joins the IP packets of frames and returns what comes of it.
func coalesce(frames []Frame) (out []Frame) {
	var c Coalescer
	for i := 0; i < len(frames); {
		room := append(make([]byte, 0, Coalesced), frames[i].Data[:ethernetLen]...)
		c.Start(room, frames[i].Data[ethernetLen:])
		for i++; i < len(frames) && c.Append(frames[i].Data[ethernetLen:]); i++ {
		}
		out = append(out, c.Frame())
	}
	return out
}

func clones(frames []Frame) (out []Frame) {
	for _, f := range frames {
		f.Data = bytes.Clone(f.Data)
		out = append(out, f)
	}
	return out
}

// What was cut and joined is what it was before, and cut again the same segments.
func TestCoalescerUndoesSegment(t *testing.T) {
	r := random()
	var s Segmenter
	for _, c := range superframes[:2] {
		for range 100 {
			size := 1 + r.IntN(1500)
			payload := randomBytes(r, size+1+r.IntN(40*size))
			spec := c.kind.spec(c.kind.randomTuple(r), payload)
			spec.TCPFlags, spec.DontFragment, spec.TrafficClass = TCPFlagACK|TCPFlagPSH, r.IntN(2) == 0, uint8(r.IntN(256))
			whole := superframe(spec, c.gso, uint16(size))
			whole.Link = 0
			segments := clones(s.Segment(nil, &whole))
			joined := coalesce(segments)
			if len(joined) != 1 {
				t.Fatalf("%s: %d segments became %d frames", c.kind.name, len(segments), len(joined))
			}
			whole.Offload.HeaderLen = uint16(mustParse(t, &whole).Payload)
			if !bytes.Equal(joined[0].Data, whole.Data) || joined[0].Offload != whole.Offload {
				t.Fatalf("%s, %d by %d:\n%+v\nwant\n%+v", c.kind.name, len(payload), size, joined[0].Offload, whole.Offload)
			}
			for i, again := range s.Segment(nil, &joined[0]) {
				if !bytes.Equal(again.Data, segments[i].Data) {
					t.Fatalf("%s: segment %d is another one", c.kind.name, i)
				}
			}
		}
	}
}

// Whatever is special about a segment is still there afterwards: cutting what was
// joined gives the same packets, bit for bit.
func TestCoalescerJoinsOnlyWhatCutsApartAgain(t *testing.T) {
	cases := []struct {
		name   string
		change func(ip []byte, l4 int) // of the third of five segments
		frames int
	}{
		{"nothing", func([]byte, int) {}, 1},
		{"TTL", func(ip []byte, l4 int) {
			if l4 == ipv6Len {
				ip[7]--
			} else {
				ip[8]--
			}
		}, 3},
		{"traffic class", func(ip []byte, _ int) { ip[1] ^= 0x30 }, 3},
		{"sequence", func(ip []byte, l4 int) { ip[l4+7]++ }, 3},
		{"acknowledgement", func(ip []byte, l4 int) { ip[l4+11]++ }, 3},
		{"window", func(ip []byte, l4 int) { ip[l4+15]++ }, 3},
		{"port", func(ip []byte, l4 int) { ip[l4+1]++ }, 3},
		{"address", func(ip []byte, l4 int) { ip[l4-1]++ }, 3},
		{"urgent pointer", func(ip []byte, l4 int) { ip[l4+19]++ }, 3},
		{"SYN", func(ip []byte, l4 int) { ip[l4+13] |= TCPFlagSYN }, 3},
		{"FIN", func(ip []byte, l4 int) { ip[l4+13] |= TCPFlagFIN }, 3},
		{"ECE", func(ip []byte, l4 int) { ip[l4+13] |= 0x40 }, 3},
		{"no ACK", func(ip []byte, l4 int) { ip[l4+13] = 0 }, 3},
		{"PSH", func(ip []byte, l4 int) { ip[l4+13] |= TCPFlagPSH }, 2},
	}
	var s Segmenter
	for _, c := range superframes[:2] {
		spec := c.kind.spec(c.kind.randomTuple(random()), bytes.Repeat([]byte{7}, 5000))
		spec.TCPFlags = TCPFlagACK
		whole := superframe(spec, c.gso, 1000)
		l4 := mustParse(t, &whole).L4 - ethernetLen
		for _, tt := range cases {
			t.Run(c.kind.name+"/"+tt.name, func(t *testing.T) {
				segments := clones(s.Segment(nil, &whole))
				tt.change(segments[2].Data[ethernetLen:], l4)
				mend(segments[2].Data)
				checkCutsApart(t, segments, coalesce(segments), tt.frames)
			})
		}
		t.Run(c.kind.name+"/wrong TCP checksum", func(t *testing.T) {
			for i, frames := range []int{2, 3, 3, 3, 2} {
				segments := clones(s.Segment(nil, &whole))
				segments[i].Data[len(segments[i].Data)-1] ^= 1
				checkCutsApart(t, segments, coalesce(segments), -frames)
			}
		})
		t.Run(c.kind.name+"/shorter in the middle", func(t *testing.T) {
			short := spec
			short.Payload = spec.Payload[:500]
			segments := clones(s.Segment(nil, &whole))
			segments[2] = Frame{Data: Append(nil, short)}
			binary.BigEndian.PutUint32(segments[2].Data[ethernetLen+l4+4:], 1000+2000)
			mend(segments[2].Data)
			checkCutsApart(t, segments[:4], coalesce(segments[:4]), -2)
		})
	}
	if c := superframes[0]; true {
		spec := c.kind.spec(c.kind.randomTuple(random()), make([]byte, 5000))
		spec.TCPFlags = TCPFlagACK
		whole := superframe(spec, c.gso, 1000)
		for name, change := range map[string]func(ip []byte){
			"identification": func(ip []byte) { ip[5] += 9 },
			"DF":             func(ip []byte) { ip[6] ^= 0x40 },
			"a fragment":     func(ip []byte) { ip[7] = 1 },
			"more fragments": func(ip []byte) { ip[6] |= 0x20 },
		} {
			t.Run(name, func(t *testing.T) {
				segments := clones(s.Segment(nil, &whole))
				change(segments[2].Data[ethernetLen:])
				setIPv4Checksum(segments[2].Data[ethernetLen:][:ipv4MinLen])
				checkCutsApart(t, segments, coalesce(segments), 3)
			})
		}
		t.Run("wrong IPv4 checksum", func(t *testing.T) {
			segments := clones(s.Segment(nil, &whole))
			segments[2].Data[ethernetLen+ipv4Checksum]++
			if got := coalesce(segments); len(got) < 3 || !bytes.Equal(got[1].Data, segments[2].Data) {
				t.Errorf("%d frames", len(got))
			}
		})
	}
}

// mend makes the checksums of a frame right.
func mend(frame []byte) {
	ip := frame[ethernetLen:]
	var src, dst Addr
	l4 := ipv6Len
	if ip[0]>>4 == 4 {
		l4 = ipv4MinLen
		setIPv4Checksum(ip[:l4])
		src, dst = AddrFrom4([4]byte(ip[12:16])), AddrFrom4([4]byte(ip[16:20]))
	} else {
		src = Addr{binary.BigEndian.Uint64(ip[8:]), binary.BigEndian.Uint64(ip[16:])}
		dst = Addr{binary.BigEndian.Uint64(ip[24:]), binary.BigEndian.Uint64(ip[32:])}
	}
	ip[l4+tcpChecksum], ip[l4+tcpChecksum+1] = 0, 0
	sealTransport(ip[l4:], ip[0]>>4, src, dst, ProtoTCP)
}

// checkCutsApart cuts frames and compares. Want is how many there are to be, a
// negative one how many at least.
func checkCutsApart(t *testing.T, segments, frames []Frame, want int) {
	t.Helper()
	if want >= 0 && len(frames) != want || len(frames) < -want {
		t.Errorf("%d frames, want %d", len(frames), want)
	}
	var s Segmenter
	i := 0
	for _, f := range frames {
		for _, again := range clones(s.Segment(nil, &f)) {
			if i >= len(segments) || !bytes.Equal(again.Data, segments[i].Data) {
				t.Fatalf("packet %d is another one", i)
			}
			i++
		}
	}
	if i != len(segments) {
		t.Errorf("%d packets, want %d", i, len(segments))
	}
}

func TestCoalescerStaysWithinItsRoom(t *testing.T) {
	spec := superframes[0].kind.spec(tuple4, make([]byte, 5000))
	spec.TCPFlags = TCPFlagACK
	whole := superframe(spec, GSOTCP4, 1000)
	var s Segmenter
	segments := s.Segment(nil, &whole)
	var c Coalescer
	room := make([]byte, ethernetLen, ethernetLen+40+2500)
	c.Start(room, segments[0].Data[ethernetLen:])
	if !c.Append(segments[1].Data[ethernetLen:]) || c.Append(segments[2].Data[ethernetLen:]) {
		t.Error("two segments fit, and not three")
	}
	if f := c.Frame(); &f.Data[0] != &room[0] || len(f.Data) != ethernetLen+40+2000 {
		t.Errorf("%d bytes, in memory of its own", len(f.Data))
	}
}

// Anything may come out of a tunnel.
func FuzzCoalescer(f *testing.F) {
	var s Segmenter
	for _, c := range superframes[:2] {
		spec := c.kind.spec(c.kind.randomTuple(random()), make([]byte, 100))
		spec.TCPFlags = TCPFlagACK
		whole := superframe(spec, c.gso, 50)
		segments := s.Segment(nil, &whole)
		f.Add(segments[0].Data[ethernetLen:], segments[1].Data[ethernetLen:])
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) == 0 || len(a) > 0xffff || len(b) > 0xffff {
			return
		}
		var c Coalescer
		header := make([]byte, ethernetLen, Coalesced)
		header[12], header[13] = 0x08, 0x00
		if a[0]>>4 == 6 {
			header[12], header[13] = 0x86, 0xdd
		}
		c.Start(header, a)
		if !c.Append(b) {
			return
		}
		frame := c.Frame()
		var s Segmenter
		segments := s.Segment(nil, &frame)
		if len(segments) != 2 || !bytes.Equal(segments[0].Data[ethernetLen:], a) || !bytes.Equal(segments[1].Data[ethernetLen:], b) {
			t.Errorf("%x\n%x\nbecame %d segments of\n%x", a, b, len(segments), frame.Data)
		}
	})
}

// Cutter and Segmenter cut alike.
func TestCutterCutsAsSegmenter(t *testing.T) {
	r := random()
	var s Segmenter
	var c Cutter
	buffer := make([]byte, 1<<16)
	check := func(f *Frame) {
		t.Helper()
		want := s.Segment(nil, f)
		if n := c.Start(f); n != len(want) || c.Left() != n {
			t.Fatalf("%d segments, want %d", n, len(want))
		}
		for i := range want {
			if n := c.Next(buffer); !bytes.Equal(buffer[:n], want[i].Data) {
				t.Fatalf("segment %d of %d differs", i, len(want))
			}
		}
		if n := c.Next(buffer); n != 0 || c.Left() != 0 {
			t.Fatalf("one more: %d bytes", n)
		}
	}
	for _, k := range superframes {
		for range 50 {
			size := 1 + r.IntN(3000)
			spec := k.kind.spec(k.kind.randomTuple(r), randomBytes(r, r.IntN(min(60000, 100*size))))
			f := superframe(spec, k.gso, uint16(size))
			check(&f)
			f.Offload.GSO = GSONone // ordinary, with a partial checksum
			check(&f)
			CompleteChecksum(&f)
			check(&f)
		}
	}
	for _, bad := range []Offload{{GSO: GSOTCP4}, {GSO: GSOTCP6, SegmentSize: 10}, {PartialChecksum: true, ChecksumStart: 9999}} {
		f := Frame{Data: Append(nil, kinds[0].spec(tuple4, make([]byte, 100))), Offload: bad}
		check(&f)
	}
	f := superframe(kinds[0].spec(tuple4, make([]byte, 100)), GSOTCP4, 60)
	if c.Start(&f); c.Next(buffer[:60]) != 0 || c.Next(buffer) == 0 {
		t.Error("a segment that does not fit is lost, and it alone")
	}
}

func TestAppendUDPHeaders(t *testing.T) {
	r := random()
	var s Segmenter
	for _, k := range superframes[2:] {
		for _, n := range []int{0, 1, 100, 101, 199, 200, 5000} {
			t.Run(fmt.Sprint(k.kind.name, "/", n), func(t *testing.T) {
				spec := k.kind.spec(k.kind.randomTuple(r), randomBytes(r, n))
				spec.IPv4ID = 0xfff0
				b, offload := AppendUDPHeaders(nil, spec, n, 100)
				f := Frame{Data: append(b, spec.Payload...), Offload: offload}
				if p := mustParse(t, &f); p.Tuple != spec.Tuple {
					t.Errorf("%+v", p.Tuple)
				}
				got := s.Segment(nil, &f)
				if len(got) != max(1, (n+99)/100) {
					t.Fatalf("%d datagrams", len(got))
				}
				for i, datagram := range got {
					part := spec
					part.Payload, part.IPv4ID = spec.Payload[100*i:min(n, 100*i+100)], spec.IPv4ID+uint16(i)
					if want := Append(nil, part); !bytes.Equal(datagram.Data, want) {
						t.Errorf("datagram %d:\n%x\nwant\n%x", i, datagram.Data, want)
					}
				}
			})
		}
	}
}

func TestJoiningAndCuttingAllocateNothing(t *testing.T) {
	spec := kinds[0].spec(tuple4, make([]byte, 5000))
	spec.TCPFlags = TCPFlagACK
	whole := superframe(spec, GSOTCP4, 1000)
	var s Segmenter
	segments := s.Segment(nil, &whole)
	room, buffer := make([]byte, ethernetLen, Coalesced), make([]byte, 2000)
	var c Coalescer
	var cutter Cutter
	if n := testing.AllocsPerRun(100, func() {
		c.Start(room, segments[0].Data[ethernetLen:])
		for i := range segments[1:] {
			c.Append(segments[1+i].Data[ethernetLen:])
		}
		c.Frame()
		cutter.Start(&whole)
		for cutter.Next(buffer) > 0 {
		}
		AppendUDPHeaders(buffer[:0], spec, 100, 50)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
