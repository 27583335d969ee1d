package packet

import "encoding/binary"

// AppendUDPHeaders appends to b, which must be empty, the headers of a frame
// with UDP datagrams of one size between the two ends that s names: one frame
// for all of them. The caller appends the payloads, payload bytes together, size
// bytes each and the last one perhaps less. The checksum is partial, so that
// nobody has to read the payload, and the facts are in the offload returned. The
// families of s's addresses must agree, and the packet must not exceed 64 KiB.
func AppendUDPHeaders(b []byte, s Spec, payload, size int) ([]byte, Offload) {
	family, _ := s.family()
	length := udpLen + payload
	h := ipHeader{
		dstMAC: s.DstMAC, srcMAC: s.SrcMAC, src: s.Src, dst: s.Dst, proto: ProtoUDP,
		ttl: s.TTL, class: s.TrafficClass, id: s.IPv4ID, dontFragment: s.DontFragment,
	}
	if h.ttl == 0 {
		h.ttl = 64
	}
	b = h.append(b, family, length)
	l4 := len(b)
	b = binary.BigEndian.AppendUint16(b, s.SrcPort)
	b = binary.BigEndian.AppendUint16(b, s.DstPort)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint16(b, fold(pseudoSum(s.Src, s.Dst, ProtoUDP, length)))
	o := Offload{PartialChecksum: true, ChecksumStart: uint16(l4), ChecksumOffset: udpChecksum}
	if payload > size {
		o.GSO, o.HeaderLen, o.SegmentSize = GSOUDP, uint16(l4+udpLen), uint16(size)
	}
	return b, o
}
