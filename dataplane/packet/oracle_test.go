package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// The oracles of these tests: gopacket, which shares no code with this package,
// and a checksum as slow and plain as RFC 1071 writes it.

var (
	macA = MAC{0x02, 0, 0, 0, 0, 0x0a}
	macB = MAC{0x02, 0, 0, 0, 0, 0x0b}
)

func addr(s string) Addr { return AddrFrom(netip.MustParseAddr(s)) }

var (
	tuple4 = Tuple{Src: addr("10.0.1.10"), Dst: addr("10.0.2.20"), SrcPort: 40000, DstPort: 443, Proto: ProtoTCP}
	tuple6 = Tuple{Src: addr("2001:db8:1::10"), Dst: addr("2001:db8:2::20"), SrcPort: 40000, DstPort: 443, Proto: ProtoTCP}
)

func (t Tuple) with(proto uint8) Tuple {
	t.Proto = proto
	if proto == ProtoICMP || proto == ProtoICMPv6 {
		t.DstPort = t.SrcPort
	}
	return t
}

// plainSum adds big-endian words to an ordinary integer and folds it.
func plainSum(sum uint32, b []byte) uint32 {
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// residual is the sum over the transport header, payload and pseudo-header, the
// checksum field included: 0xffff when the checksum is right. 0 stands for
// 0xffff, of which it is the other spelling.
func residual(p *Packet) uint32 {
	sum := plainSum(pseudoResidual(p), p.Frame.Data[p.L4:p.End])
	if sum == 0 {
		sum = 0xffff
	}
	return sum
}

func pseudoResidual(p *Packet) uint32 {
	if p.Proto == ProtoICMP {
		return 0
	}
	ip := p.Frame.Data[p.L3:]
	var sum uint32
	if p.Family == 4 {
		sum = plainSum(0, ip[12:20])
	} else {
		sum = plainSum(0, ip[8:40])
	}
	length := p.End - p.L4
	return plainSum(sum, []byte{0, p.Proto, byte(length >> 8), byte(length)})
}

// partialResidual is what a partial field holds beyond the pseudo-header: 0xffff
// (ones' complement zero) when it is right.
func partialResidual(p *Packet) uint32 {
	field := binary.BigEndian.Uint16(p.Frame.Data[p.checksum:])
	negative := ^uint16(pseudoResidual(p))
	sum := plainSum(uint32(field), []byte{byte(negative >> 8), byte(negative)})
	if sum == 0 {
		sum = 0xffff
	}
	return sum
}

func mustParse(t testing.TB, f *Frame) *Packet {
	t.Helper()
	p := new(Packet)
	if problem := Parse(p, f); problem != ProblemNone {
		t.Fatalf("Parse: %v\n% x", problem, f.Data[:min(len(f.Data), 128)])
	}
	return p
}

// mustBeSound parses an ordinary frame and verifies every checksum in it.
func mustBeSound(t testing.TB, data []byte) *Packet {
	t.Helper()
	p := mustParse(t, &Frame{Data: data})
	if p.checksum == 0 || p.Fragment {
		return p
	}
	if p.Proto == ProtoUDP && binary.BigEndian.Uint16(data[p.checksum:]) == 0 {
		t.Fatal("UDP checksum is 0, which means none")
	}
	if r := residual(p); r != 0xffff {
		t.Fatalf("transport checksum is wrong by %#x\n% x", r, data[:min(len(data), 128)])
	}
	return p
}

// decode has gopacket read a frame and fails when it cannot. Behind the
// transport header it guesses applications by port, which may fail.
func decode(t testing.TB, data []byte) gopacket.Packet {
	t.Helper()
	d := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
	if e := d.ErrorLayer(); e != nil && d.TransportLayer() == nil {
		t.Fatalf("gopacket: %v\n% x", e.Error(), data)
	}
	return d
}

// serialize builds a frame with gopacket, lengths and checksums filled in.
func serialize(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for _, x := range l {
		for _, network := range l {
			n, isNetwork := network.(gopacket.NetworkLayer)
			c, summed := x.(interface {
				SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
			})
			if isNetwork && summed {
				if err := c.SetNetworkLayerForChecksum(n); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kind names one combination of family and protocol.
type kind struct {
	name   string
	family uint8
	proto  uint8
}

var kinds = []kind{
	{"TCP4", 4, ProtoTCP}, {"UDP4", 4, ProtoUDP}, {"ICMP4", 4, ProtoICMP}, {"other4", 4, 253},
	{"TCP6", 6, ProtoTCP}, {"UDP6", 6, ProtoUDP}, {"ICMP6", 6, ProtoICMPv6}, {"other6", 6, 253},
}

// random is a generator with a fixed seed: a failure repeats.
func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func (k kind) randomTuple(r *rand.Rand) Tuple {
	t := Tuple{Proto: k.proto}
	for _, a := range []*Addr{&t.Src, &t.Dst} {
		if *a = (Addr{0x2001_0db8<<32 | uint64(r.Uint32()), r.Uint64()}); k.family == 4 {
			*a = AddrFrom4([4]byte{byte(1 + r.IntN(223)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}) // unicast
		}
	}
	switch k.proto {
	case ProtoTCP, ProtoUDP:
		t.SrcPort, t.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
	case ProtoICMP, ProtoICMPv6:
		t.SrcPort = uint16(r.Uint32())
		t.DstPort = t.SrcPort
	}
	return t
}

// spec is a packet of the kind; ICMP is an echo request.
func (k kind) spec(t Tuple, payload []byte) Spec {
	s := Spec{DstMAC: macB, SrcMAC: macA, Tuple: t, Payload: payload, TCPFlags: TCPFlagACK, Sequence: 1000, Acknowledgment: 2000}
	switch k.proto {
	case ProtoICMP:
		s.ICMPType = icmpEchoRequest
	case ProtoICMPv6:
		s.ICMPType = icmp6EchoRequest
	}
	return s
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func raw(s string) gopacket.Payload { return gopacket.Payload(s) }
