package wireguard

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// oneSegment is a device that every Read takes the same packet from, and that keeps
// what is written.
type oneSegment struct {
	tun.Device
	ip      []byte
	written []byte
}

func (d *oneSegment) Read(buffers [][]byte, sizes []int, offset int) (int, error) {
	sizes[0] = copy(buffers[0][offset:], d.ip)
	return 1, nil
}

func (d *oneSegment) Write(buffers [][]byte, offset int) (int, error) {
	d.written = buffers[0][offset:]
	return 1, nil
}

// segment is a packet of IP with a TCP segment that offers 8961 bytes, and a right
// checksum.
func segment(t testing.TB, src, dst string, flags uint8) []byte {
	t.Helper()
	tuple := packet.Tuple{Src: packet.AddrFrom(netip.MustParseAddr(src)), Dst: packet.AddrFrom(netip.MustParseAddr(dst)), Proto: packet.ProtoTCP, SrcPort: 1000, DstPort: 80}
	frame := packet.Append(nil, packet.Spec{Tuple: tuple, TCPFlags: flags, Payload: []byte{2, 4, 0x23, 0x01}})
	ip := frame[ethernetLen:]
	tcp := ip[len(ip)-24:]
	tcp[12] = 6 << 4 // what was payload is an option
	// The sum has the byte that was changed in the upper half of its word.
	sum := uint32(^binary.BigEndian.Uint16(tcp[16:])) + 1<<12
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum+sum>>16))
	return ip
}

func TestRouterAdjustsSegmentSizeBothWays_V11(t *testing.T) {
	for _, c := range []struct {
		name, src, dst string
		flags          uint8
		want           uint16
	}{
		{"IPv4 SYN", "10.50.1.10", "10.0.1.10", packet.TCPFlagSYN, 1406},
		{"IPv4 SYN-ACK", "10.50.1.10", "10.0.1.10", packet.TCPFlagSYN | packet.TCPFlagACK, 1406},
		{"IPv6 SYN", "2001:db8::1", "2001:db8::2", packet.TCPFlagSYN, 1386},
		{"no SYN", "10.50.1.10", "10.0.1.10", packet.TCPFlagACK, 8961},
	} {
		t.Run(c.name, func(t *testing.T) {
			const offset = 16
			inner := &oneSegment{ip: segment(t, c.src, c.dst, c.flags)}
			d := adjustSegmentSize(inner, defaultMTU)
			buffers, sizes := [][]byte{make([]byte, 2000)}, make([]int, 1)
			if n, err := d.Read(buffers, sizes, offset); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			read := buffers[0][offset : offset+sizes[0]]
			written := append(make([]byte, offset), inner.ip...)
			if _, err := d.Write([][]byte{written}, offset); err != nil {
				t.Fatal(err)
			}
			for way, ip := range map[string][]byte{"out of the device": read, "into it": inner.written} {
				if got := binary.BigEndian.Uint16(ip[len(ip)-2:]); got != c.want {
					t.Errorf("%s: %d bytes, want %d", way, got, c.want)
				}
				// A checksum that is left to be computed again comes out the same.
				frame := packet.Frame{Data: append(append(make([]byte, 12), byte(0x08), 0), ip...)}
				if ip[0]>>4 == 6 {
					frame.Data[12], frame.Data[13] = 0x86, 0xdd
				}
				before := string(ip)
				packet.DeferChecksum(&frame)
				packet.CompleteChecksum(&frame)
				if string(frame.Data[ethernetLen:]) != before {
					t.Errorf("%s: the checksum is wrong", way)
				}
			}
		})
	}
}

func TestRouterLeavesDamagedPacketsAlone(t *testing.T) {
	d := adjustSegmentSize(&oneSegment{}, defaultMTU)
	whole := segment(t, "10.50.1.10", "10.0.1.10", packet.TCPFlagSYN)
	for length := range len(whole) {
		b := append(make([]byte, 16), whole[:length]...)
		if _, err := d.Write([][]byte{b}, 16); err != nil || string(b[16:]) != string(whole[:length]) {
			t.Errorf("%d bytes of %d: changed, or %v", length, len(whole), err)
		}
	}
}

func BenchmarkAdjustSegmentSize(b *testing.B) {
	d := adjustSegmentSize(&oneSegment{}, defaultMTU).(*segmentSize)
	buffer := append(make([]byte, 16), segment(b, "10.50.1.10", "10.0.1.10", packet.TCPFlagACK)...)
	b.ReportAllocs()
	for b.Loop() {
		d.adjust(buffer, 16)
	}
}
