package port

import (
	"encoding/binary"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// virtioHeaderLen is the size of struct virtio_net_hdr, which a packet socket
// with PACKET_VNET_HDR puts before each frame. (The 12-byte form with a buffer
// count exists too; it tells us nothing more.)
const virtioHeaderLen = 10

// The header is in the host's byte order: a packet socket speaks the legacy
// form of virtio, which has no order of its own.
//
//	0 flags uint8
//	1 gso_type uint8
//	2 hdr_len uint16
//	4 gso_size uint16
//	6 csum_start uint16
//	8 csum_offset uint16
const (
	virtioNeedsChecksum = 1 // flags
	virtioDataValid     = 2

	virtioGSONone   = 0 // gso_type
	virtioGSOTCP4   = 1
	virtioGSOUFO    = 3 // UDP by IP fragmentation: gone from Linux since 4.14
	virtioGSOTCP6   = 4
	virtioGSOUDP    = 5 // UDP by datagrams (USO), since Linux 6.2
	virtioGSOECNBit = 0x80
)

const (
	ethernetHeaderLen = 14
	vlanTagLen        = 4
	// checksumTCP and checksumUDP are where the checksum field lies in the
	// transport header.
	checksumTCP = 16
	checksumUDP = 6
)

// decodeVirtio fills o with what header says about frame, the bytes that
// follow it. It returns false for a combination that packet.Offload cannot
// express or that contradicts the frame: such a frame must be dropped, since
// any guess corrupts packets later, without an error counted anywhere.
func decodeVirtio(o *packet.Offload, header *[virtioHeaderLen]byte, frame []byte) bool {
	flags, gso := header[0], header[1]
	*o = packet.Offload{}
	if flags|gso == 0 {
		return true // by far the most frequent: nothing left to do
	}
	o.ChecksumVerified = flags&virtioDataValid != 0
	if flags&virtioNeedsChecksum != 0 {
		o.PartialChecksum = true
		o.ChecksumStart = binary.NativeEndian.Uint16(header[6:])
		o.ChecksumOffset = binary.NativeEndian.Uint16(header[8:])
		if int(o.ChecksumStart)+int(o.ChecksumOffset)+2 > len(frame) {
			return false
		}
	}
	switch gso &^ virtioGSOECNBit {
	case virtioGSONone:
		return gso == virtioGSONone
	case virtioGSOTCP4:
		o.GSO = packet.GSOTCP4
	case virtioGSOTCP6:
		o.GSO = packet.GSOTCP6
	case virtioGSOUDP:
		o.GSO = packet.GSOUDP
	default: // virtioGSOUFO and what is not invented yet
		return false
	}
	o.ECN = gso&virtioGSOECNBit != 0
	o.SegmentSize = binary.NativeEndian.Uint16(header[4:])
	// hdr_len is not read: Linux puts the length of the buffer's linear part
	// there, "a hint", which is the header of a frame straight from a TCP
	// socket but more than that for one that an instance forwards.
	return o.SegmentSize != 0 && superframeHeader(o, frame)
}

// encodeVirtio is the inverse, for a frame to be sent.
func encodeVirtio(header *[virtioHeaderLen]byte, o *packet.Offload) {
	*header = [virtioHeaderLen]byte{}
	if o.PartialChecksum {
		header[0] = virtioNeedsChecksum
		binary.NativeEndian.PutUint16(header[6:], o.ChecksumStart)
		binary.NativeEndian.PutUint16(header[8:], o.ChecksumOffset)
	} else if o.ChecksumVerified {
		header[0] = virtioDataValid
	}
	switch o.GSO {
	case packet.GSONone:
		return
	case packet.GSOTCP4:
		header[1] = virtioGSOTCP4
	case packet.GSOTCP6:
		header[1] = virtioGSOTCP6
	case packet.GSOUDP:
		header[1] = virtioGSOUDP
	}
	if o.ECN {
		header[1] |= virtioGSOECNBit
	}
	// Linux allocates the linear part of the buffer by hdr_len and puts the
	// rest in pages; 0 would ask for 64 KiB in one piece.
	binary.NativeEndian.PutUint16(header[2:], o.HeaderLen)
	binary.NativeEndian.PutUint16(header[4:], o.SegmentSize)
}

// superframeHeader finds the end of the headers of a superframe and sets
// o.HeaderLen. It returns false when the transport header that is to be
// repeated is not the frame's own: Linux describes the superframe of a tunnel
// (VXLAN, GRE, IP in IP) by the inner protocol alone, so it looks like plain
// TCP until somebody cuts it behind the wrong header.
func superframeHeader(o *packet.Offload, frame []byte) bool {
	proto, l4 := transport(frame)
	if o.PartialChecksum && int(o.ChecksumStart) != l4 {
		return false
	}
	var length int
	var field uint16
	switch {
	case proto == packet.ProtoTCP && o.GSO != packet.GSOUDP:
		if len(frame) < l4+20 {
			return false
		}
		length, field = int(frame[l4+12]>>4)*4, checksumTCP
		if length < 20 || (frame[ethernetVersion(frame)]>>4 == 4) != (o.GSO == packet.GSOTCP4) {
			return false
		}
	case proto == packet.ProtoUDP && o.GSO == packet.GSOUDP:
		length, field = 8, checksumUDP
	default:
		return false
	}
	if o.PartialChecksum && o.ChecksumOffset != field {
		return false
	}
	if l4+length >= len(frame) { // no payload to cut
		return false
	}
	o.HeaderLen = uint16(l4 + length)
	return true
}

// ethernetVersion is the offset of the byte with the IP version: behind the
// EtherType and up to two VLAN tags.
func ethernetVersion(frame []byte) int {
	l3 := ethernetHeaderLen
	for range 2 {
		if isVLAN(binary.BigEndian.Uint16(frame[l3-2:])) {
			l3 += vlanTagLen
		}
	}
	return l3
}

// transport returns the upper-layer protocol of a frame and the offset of its
// header, or 0, 0.
func transport(frame []byte) (proto byte, l4 int) {
	if len(frame) < ethernetHeaderLen+20 {
		return 0, 0
	}
	l3 := ethernetVersion(frame)
	switch binary.BigEndian.Uint16(frame[l3-2:]) {
	case packet.EtherTypeIPv4:
		if len(frame) < l3+20 || frame[l3]&15 < 5 {
			return 0, 0
		}
		return frame[l3+9], l3 + int(frame[l3]&15)*4
	case packet.EtherTypeIPv6:
		if len(frame) < l3+40 {
			return 0, 0
		}
		return extensionHeaders(frame, frame[l3+6], l3+40)
	}
	return 0, 0
}

// extensionHeaders skips the IPv6 extension headers that a sender may put
// before TCP or UDP and still use segmentation: hop-by-hop, routing and
// destination options. Eight are enough for anybody.
func extensionHeaders(frame []byte, next byte, at int) (proto byte, l4 int) {
	const hopByHop, routing, destination = 0, 43, 60
	for range 8 {
		if next != hopByHop && next != routing && next != destination {
			return next, at
		}
		if len(frame) < at+8 {
			return 0, 0
		}
		next, at = frame[at], at+int(frame[at+1])*8+8
	}
	return 0, 0
}

func isVLAN(etherType uint16) bool { return etherType == 0x8100 || etherType == 0x88a8 }

// restoreTag puts the VLAN tag that the kernel took out of a frame back into
// its bytes. buffer is the virtio header, which must have been decoded already,
// followed by the frame: the addresses move into the header's room. It returns
// the tagged frame and shifts the offsets in o.
func restoreTag(buffer []byte, o *packet.Offload, protocol, tag uint16) []byte {
	const start = virtioHeaderLen - vlanTagLen
	copy(buffer[start:], buffer[virtioHeaderLen:virtioHeaderLen+12])
	binary.BigEndian.PutUint16(buffer[start+12:], protocol)
	binary.BigEndian.PutUint16(buffer[start+14:], tag)
	if o.PartialChecksum {
		o.ChecksumStart += vlanTagLen
	}
	if o.GSO != packet.GSONone {
		o.HeaderLen += vlanTagLen
	}
	return buffer[start:]
}
