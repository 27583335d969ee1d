package port

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

type namedFrame struct {
	name  string
	frame packet.Frame
}

// superframes is one superframe of each kind, with the offload it must have.
// They are addressed to the gateway of the namespace tests and hold 3,000 bytes
// of payload.
func superframes() []namedFrame {
	const payload, segment = 3000, 1000
	build := func(headers []byte, gso packet.GSO, l4, header, field int) packet.Frame {
		data := append([]byte{0x02, 0, 0, 0, 0, 0xfe, 0x02, 0, 0, 0, 0, 1}, headers...)
		return packet.Frame{Data: append(data, make([]byte, payload)...), Offload: packet.Offload{
			PartialChecksum: true, GSO: gso, HeaderLen: uint16(header), SegmentSize: segment,
			ChecksumStart: uint16(l4), ChecksumOffset: uint16(field),
		}}
	}
	ipv4 := func(proto byte, length int) []byte {
		h := []byte{0x08, 0x00, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 1, 10, 10, 0, 2, 10}
		binary.BigEndian.PutUint16(h[4:], uint16(length))
		return h
	}
	ipv6 := func(next byte, length int) []byte {
		h := make([]byte, 42)
		h[0], h[1], h[2], h[8], h[9] = 0x86, 0xdd, 0x60, next, 64
		h[10], h[11], h[25], h[26], h[27], h[41] = 0xfd, 0, 1, 0xfd, 0, 2
		binary.BigEndian.PutUint16(h[6:], uint16(length))
		return h
	}
	tcp := []byte{0x10, 0, 0x13, 0x89, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x10, 1, 0, 0, 0, 0, 0,
		1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2} // with a time stamp option
	udp := []byte{0x10, 0, 0x13, 0x89, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(udp[4:], 8+payload)
	options := []byte{packet.ProtoTCP, 0, 1, 4, 0, 0, 0, 0} // hop-by-hop, padding
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	return []namedFrame{
		{"TCP over IPv4", build(join(ipv4(packet.ProtoTCP, 52+payload), tcp), packet.GSOTCP4, 34, 66, 16)},
		{"TCP over IPv6", build(join(ipv6(packet.ProtoTCP, 32+payload), tcp), packet.GSOTCP6, 54, 86, 16)},
		{"TCP behind options", build(join(ipv6(0, 40+payload), options, tcp), packet.GSOTCP6, 62, 94, 16)},
		{"UDP over IPv4", build(join(ipv4(packet.ProtoUDP, 28+payload), udp), packet.GSOUDP, 34, 42, 6)},
		{"UDP over IPv6", build(join(ipv6(packet.ProtoUDP, 8+payload), udp), packet.GSOUDP, 54, 62, 6)},
	}
}

func TestVirtioHeaderRoundTrip(t *testing.T) {
	for _, c := range superframes() {
		for _, ecn := range []bool{false, c.frame.Offload.GSO != packet.GSOUDP} {
			t.Run(c.name, func(t *testing.T) {
				want := c.frame.Offload
				want.ECN = ecn
				var header [virtioHeaderLen]byte
				encodeVirtio(&header, &want)
				binary.NativeEndian.PutUint16(header[2:], 1500) // hdr_len is a hint
				var got packet.Offload
				if !decodeVirtio(&got, &header, c.frame.Data) {
					t.Fatal("refused")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestVirtioHeaderDecodes(t *testing.T) {
	frame := superframes()[0].frame.Data[:74]
	for _, c := range []struct {
		name   string
		header [virtioHeaderLen]byte
		want   packet.Offload
	}{
		{"nothing", [10]byte{}, packet.Offload{}},
		{"verified", [10]byte{2}, packet.Offload{ChecksumVerified: true}},
		{"partial", [10]byte{1, 0, 0, 0, 0, 0, 34, 0, 16, 0},
			packet.Offload{PartialChecksum: true, ChecksumStart: 34, ChecksumOffset: 16}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
				t.Skip("the headers of this test are little-endian")
			}
			got := packet.Offload{HeaderLen: 99} // must be overwritten
			if !decodeVirtio(&got, &c.header, frame) {
				t.Fatal("refused")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var again [virtioHeaderLen]byte
			encodeVirtio(&again, &got)
			if again != c.header {
				t.Errorf("encoded again: %v, want %v", again, c.header)
			}
		})
	}
}

// A frame that contradicts its header is never guessed at.
func TestVirtioHeaderRefusesContradictions(t *testing.T) {
	all := superframes()
	for _, c := range []struct {
		name string
		of   namedFrame
		edit func(header *[virtioHeaderLen]byte, frame []byte) []byte
	}{
		{"unknown GSO type", all[0], func(h *[10]byte, f []byte) []byte { h[1] = 2; return f }},
		{"UDP fragmentation", all[3], func(h *[10]byte, f []byte) []byte { h[1] = virtioGSOUFO; return f }},
		{"ECN bit alone", all[0], func(h *[10]byte, f []byte) []byte { h[1] = virtioGSOECNBit; return f }},
		{"segment size 0", all[0], func(h *[10]byte, f []byte) []byte { h[4], h[5] = 0, 0; return f }},
		{"TCP6 on IPv4", all[0], func(h *[10]byte, f []byte) []byte { h[1] = virtioGSOTCP6; return f }},
		{"UDP on TCP", all[0], func(h *[10]byte, f []byte) []byte { h[1] = virtioGSOUDP; return f }},
		{"TCP in a UDP tunnel", all[3], func(h *[10]byte, f []byte) []byte {
			h[1] = virtioGSOTCP4
			binary.NativeEndian.PutUint16(h[6:], 84)
			binary.NativeEndian.PutUint16(h[8:], 16)
			return f
		}},
		{"TCP in GRE", all[0], func(h *[10]byte, f []byte) []byte { f[23] = 47; return f }},
		{"TCP in IP in IP", all[0], func(h *[10]byte, f []byte) []byte { f[23] = 4; return f }},
		{"checksum of an inner header", all[0], func(h *[10]byte, f []byte) []byte {
			binary.NativeEndian.PutUint16(h[6:], 54)
			return f
		}},
		{"checksum in a strange place", all[0], func(h *[10]byte, f []byte) []byte {
			binary.NativeEndian.PutUint16(h[8:], 6)
			return f
		}},
		{"checksum behind the end", all[0], func(h *[10]byte, f []byte) []byte { return f[:50] }},
		{"no payload", all[0], func(h *[10]byte, f []byte) []byte { return f[:66] }},
		{"TCP header too short", all[0], func(h *[10]byte, f []byte) []byte { f[46] = 0x40; return f }},
		{"IPv4 header too short", all[0], func(h *[10]byte, f []byte) []byte { f[14] = 0x44; return f }},
		{"extension header behind the end", all[2], func(h *[10]byte, f []byte) []byte { f[55] = 255; return f[:120] }},
		{"not IP", all[0], func(h *[10]byte, f []byte) []byte { f[12] = 0x99; return f }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var header [virtioHeaderLen]byte
			encodeVirtio(&header, &c.of.frame.Offload)
			frame := append([]byte(nil), c.of.frame.Data...)
			frame = c.edit(&header, frame)
			var o packet.Offload
			if decodeVirtio(&o, &header, frame) {
				t.Errorf("accepted as %+v", o)
			}
		})
	}
}

func TestRestoreTagShiftsOffsets(t *testing.T) {
	for _, c := range superframes() {
		t.Run(c.name, func(t *testing.T) {
			buffer := append(make([]byte, virtioHeaderLen), c.frame.Data...)
			o := c.frame.Offload
			data := restoreTag(buffer, &o, 0x8100, 0x2007)
			if diff := cmp.Diff([]byte{0x81, 0, 0x20, 0x07}, data[12:16]); diff != "" {
				t.Errorf("tag (-want +got):\n%s", diff)
			}
			// The tagged frame must pass the same examination.
			var header [virtioHeaderLen]byte
			encodeVirtio(&header, &o)
			var again packet.Offload
			if !decodeVirtio(&again, &header, data) {
				t.Fatal("refused once tagged")
			}
			if diff := cmp.Diff(o, again); diff != "" {
				t.Errorf("(-shifted +decoded):\n%s", diff)
			}
		})
	}
}

func FuzzDecodeVirtio(f *testing.F) {
	for _, c := range superframes() {
		var header [virtioHeaderLen]byte
		encodeVirtio(&header, &c.frame.Offload)
		f.Add(header[:], c.frame.Data[:128])
	}
	f.Fuzz(func(t *testing.T, header, frame []byte) {
		if len(header) < virtioHeaderLen || len(frame) < ethernetHeaderLen {
			return
		}
		var o packet.Offload
		if !decodeVirtio(&o, (*[virtioHeaderLen]byte)(header), frame) {
			return
		}
		if o.GSO != packet.GSONone && (int(o.HeaderLen) >= len(frame) || o.SegmentSize == 0) {
			t.Errorf("accepted %+v for a frame of %d bytes", o, len(frame))
		}
		if o.PartialChecksum && int(o.ChecksumStart)+int(o.ChecksumOffset)+2 > len(frame) {
			t.Errorf("checksum outside of a frame of %d bytes: %+v", len(frame), o)
		}
	})
}
