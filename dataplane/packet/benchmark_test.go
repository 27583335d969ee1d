package packet

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	icmpError := func(t Tuple, typ uint8) []byte {
		p := mustParse(b, &Frame{Data: Append(nil, Spec{Tuple: t})})
		return AppendICMPError(nil, p, MAC{}, MAC{}, t.Dst, typ, 0, 0)
	}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"TCP4", Append(nil, Spec{Tuple: tuple4})},
		{"UDP4", Append(nil, Spec{Tuple: tuple4.with(ProtoUDP)})},
		{"TCP6", Append(nil, Spec{Tuple: tuple6})},
		{"ICMPError4", icmpError(tuple4, 3)},
		{"ICMPError6", icmpError(tuple6, 1)},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := Frame{Data: c.data}
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				if Parse(&p, &f) != ProblemNone {
					b.Fatal("problem")
				}
			}
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	for _, k := range kinds {
		for _, partial := range []bool{false, true} {
			name := k.name
			if partial {
				name += "/partial"
			}
			b.Run(name, func(b *testing.B) {
				r := random()
				from, to := k.randomTuple(r), k.randomTuple(r)
				f := Frame{Data: Append(nil, k.spec(from, nil))}
				if partial {
					DeferChecksum(&f)
				}
				p := mustParse(b, &f)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i&1 == 0 {
						Rewrite(p, to)
					} else {
						Rewrite(p, from)
					}
				}
			})
		}
	}
}

func BenchmarkSegment(b *testing.B) {
	for _, c := range []struct {
		name string
		kind kind
		gso  GSO
		size uint16
	}{
		{"TCP4/1448", kinds[0], GSOTCP4, 1448},
		{"TCP4/8949", kinds[0], GSOTCP4, 8949},
		{"TCP6/1428", kinds[4], GSOTCP6, 1428},
		{"UDP4/1472", kinds[1], GSOUDP, 1472},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := random()
			f := superframe(c.kind.spec(c.kind.randomTuple(r), randomBytes(r, 64000)), c.gso, c.size)
			var s Segmenter
			var out []Frame
			b.ReportAllocs()
			b.SetBytes(int64(len(f.Data)))
			for b.Loop() {
				out = s.Segment(out[:0], &f)
			}
		})
	}
}

// Each round parses, because translating leaves nothing of the packet.
func BenchmarkTranslate(b *testing.B) {
	for _, k := range kinds {
		for _, length := range []int{64, 1400, 60000} {
			b.Run(fmt.Sprintf("%s/%d", k.name, length), func(b *testing.B) {
				r := random()
				from, to := k.randomTuple(r), k.other().randomTuple(r)
				f := Frame{Data: Append(nil, k.spec(from, make([]byte, length)))}
				DeferChecksum(&f)
				if k.proto == ProtoTCP && length > 1400 {
					f.Offload.SegmentSize = 1400
					f.Offload.GSO = map[uint8]GSO{4: GSOTCP4, 6: GSOTCP6}[k.family]
				}
				headers := bytes.Clone(f.Data[:80])
				buffer := make([]byte, 1<<16)
				var p Packet
				b.ReportAllocs()
				for b.Loop() {
					copy(f.Data, headers) // IPv6 is edited in place
					Parse(&p, &f)
					if _, ok := Translate(&p, to, buffer); !ok {
						b.Fatal("not translated")
					}
				}
			})
		}
	}
}

func BenchmarkClampMSS(b *testing.B) {
	options := []byte{2, 4, 0x22, 0xf5, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7}
	f := Frame{Data: segmentWith(b, tuple4, TCPFlagSYN, options)}
	p := mustParse(b, &f)
	b.ReportAllocs()
	for b.Loop() {
		f.Data[p.L4+tcpMinLen+2] = 0x22
		ClampMSS(p, 1400)
	}
}
