package packet

import (
	"net/netip"
	"testing"
)

func addr(s string) Addr { return AddrFrom(netip.MustParseAddr(s)) }

var (
	tuple4 = Tuple{Src: addr("10.0.1.10"), Dst: addr("10.0.2.20"), SrcPort: 40000, DstPort: 443, Proto: ProtoTCP}
	tuple6 = Tuple{Src: addr("2001:db8:1::10"), Dst: addr("2001:db8:2::20"), SrcPort: 40000, DstPort: 443, Proto: ProtoTCP}
)

func BenchmarkParse(b *testing.B) {
	withProto := func(t Tuple, proto uint8) Tuple { t.Proto = proto; return t }
	icmpError := func(t Tuple, typ uint8) []byte {
		var p Packet
		if problem := Parse(&p, &Frame{Data: Append(nil, Spec{Tuple: t})}); problem != ProblemNone {
			b.Fatal(problem)
		}
		return AppendICMPError(nil, &p, MAC{}, MAC{}, t.Dst, typ, 0, 0)
	}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"TCP4", Append(nil, Spec{Tuple: tuple4})},
		{"UDP4", Append(nil, Spec{Tuple: withProto(tuple4, ProtoUDP)})},
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
