package packet

import "encoding/binary"

// Spec describes a packet for [Append]: what tracing, tests and in-memory hosts
// send. Zero fields have the useful meaning.
type Spec struct {
	DstMAC, SrcMAC MAC
	// Tuple's addresses decide the family. A zero source beside an IPv4
	// destination is 0.0.0.0, and the reverse; both zero is IPv6 from :: to ::.
	// For ICMP messages with an identifier, SrcPort holds it.
	Tuple

	TTL          uint8 // or hop limit; 0 means 64
	TrafficClass uint8 // DSCP and ECN bits
	DontFragment bool  // IPv4 only
	IPv4ID       uint16

	TCPFlags uint8
	// Sequence is TCP's sequence number, or the one of an ICMP message that
	// has an identifier (its low 16 bits).
	Sequence, Acknowledgment uint32
	Window                   uint16 // TCP; 0 means 65535

	ICMPType, ICMPCode uint8
	// ICMPParameter is bytes 4 to 7 of ICMP messages without an identifier:
	// a next-hop MTU, a pointer, the flags of a router advertisement.
	ICMPParameter uint32

	// Payload follows the transport header, or the IP header when Proto is
	// none of TCP, UDP, ICMP (IPv4) and ICMPv6 (IPv6). Borrowed for the call.
	Payload []byte
}

// Append appends the Ethernet frame that s describes to b, with complete
// checksums. It returns b unchanged when the addresses are of different
// families or the packet would exceed 64 KiB, the limit of the length field.
func Append(b []byte, s Spec) []byte {
	family, ok := s.family()
	headerLen := s.transportLen(family)
	length := headerLen + len(s.Payload)
	if !ok || length > 0xffff || family == 4 && length > 0xffff-ipv4MinLen {
		return b
	}
	h := ipHeader{
		dstMAC: s.DstMAC, srcMAC: s.SrcMAC, src: s.Src, dst: s.Dst, proto: s.Proto,
		ttl: s.TTL, class: s.TrafficClass, id: s.IPv4ID, dontFragment: s.DontFragment,
	}
	if h.ttl == 0 {
		h.ttl = 64
	}
	b = h.append(b, family, length)
	l4 := len(b)
	b = append(b, make([]byte, headerLen)...)
	s.putTransport(b[l4:], family, length)
	b = append(b, s.Payload...)
	sealTransport(b[l4:], family, s.Src, s.Dst, s.Proto)
	return b
}

// family is 4 when an address is IPv4 and the other does not contradict it.
func (s *Spec) family() (family uint8, ok bool) {
	if s.Src.Is4() || s.Dst.Is4() {
		return 4, (s.Src.Is4() || s.Src.IsZero()) && (s.Dst.Is4() || s.Dst.IsZero())
	}
	return 6, true
}

func (s *Spec) transportLen(family uint8) int {
	switch {
	case s.Proto == ProtoTCP:
		return tcpMinLen
	case s.Proto == ProtoUDP:
		return udpLen
	case isICMP(s.Proto, family):
		return icmpLen
	}
	return 0
}

// isICMP reports that proto is the family's own ICMP; the other one is just a
// number there.
func isICMP(proto, family uint8) bool {
	return proto == ProtoICMP && family == 4 || proto == ProtoICMPv6 && family == 6
}

// putTransport fills the zeroed transport header h.
func (s *Spec) putTransport(h []byte, family uint8, length int) {
	switch {
	case s.Proto == ProtoTCP:
		binary.BigEndian.PutUint16(h[0:], s.SrcPort)
		binary.BigEndian.PutUint16(h[2:], s.DstPort)
		binary.BigEndian.PutUint32(h[4:], s.Sequence)
		binary.BigEndian.PutUint32(h[8:], s.Acknowledgment)
		h[12] = tcpMinLen / 4 << 4
		h[13] = s.TCPFlags
		window := s.Window
		if window == 0 {
			window = 0xffff
		}
		binary.BigEndian.PutUint16(h[14:], window)
	case s.Proto == ProtoUDP:
		binary.BigEndian.PutUint16(h[0:], s.SrcPort)
		binary.BigEndian.PutUint16(h[2:], s.DstPort)
		binary.BigEndian.PutUint16(h[4:], uint16(length))
	case isICMP(s.Proto, family):
		h[0], h[1] = s.ICMPType, s.ICMPCode
		if family == 4 && icmp4HasID(s.ICMPType) || family == 6 && icmp6HasID(s.ICMPType) {
			binary.BigEndian.PutUint16(h[4:], s.SrcPort)
			binary.BigEndian.PutUint16(h[6:], uint16(s.Sequence))
		} else {
			binary.BigEndian.PutUint32(h[4:], s.ICMPParameter)
		}
	}
}

// sealTransport computes the transport checksum of b, whose field is zero.
func sealTransport(b []byte, family uint8, src, dst Addr, proto uint8) {
	var at int
	switch {
	case proto == ProtoTCP:
		at = tcpChecksum
	case proto == ProtoUDP:
		at = udpChecksum
	case isICMP(proto, family):
		at = icmpChecksum
	default:
		return
	}
	var pseudo uint16
	if proto != ProtoICMP {
		pseudo = fold(pseudoSum(src, dst, proto, len(b)))
	}
	sum := ^swap(fold(addBytes(uint64(swap(pseudo)), b)))
	if sum == 0 && proto == ProtoUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], sum)
}

// ipHeader is the part every built packet shares.
type ipHeader struct {
	dstMAC, srcMAC MAC
	src, dst       Addr
	proto          uint8
	ttl, class     uint8
	id             uint16
	dontFragment   bool
}

// append appends the Ethernet and IP headers of a packet whose IP payload will
// be length bytes.
func (h *ipHeader) append(b []byte, family uint8, length int) []byte {
	b = append(append(b, h.dstMAC[:]...), h.srcMAC[:]...)
	if family == 4 {
		b = append(b, EtherTypeIPv4>>8, EtherTypeIPv4&0xff)
		l3 := len(b)
		b = append(b, make([]byte, ipv4MinLen)...)
		ip := b[l3:]
		ip[0], ip[1] = 0x45, h.class
		binary.BigEndian.PutUint16(ip[2:], uint16(ipv4MinLen+length))
		binary.BigEndian.PutUint16(ip[4:], h.id)
		if h.dontFragment {
			binary.BigEndian.PutUint16(ip[6:], ipv4DontFragment)
		}
		ip[8], ip[9] = h.ttl, h.proto
		putAddresses(b, l3, 4, h.src, h.dst)
		setIPv4Checksum(ip)
		return b
	}
	b = append(b, EtherTypeIPv6>>8, EtherTypeIPv6&0xff)
	l3 := len(b)
	b = append(b, make([]byte, ipv6Len)...)
	ip := b[l3:]
	binary.BigEndian.PutUint32(ip, 6<<28|uint32(h.class)<<20)
	binary.BigEndian.PutUint16(ip[4:], uint16(length))
	ip[6], ip[7] = h.proto, h.ttl
	putAddresses(b, l3, 6, h.src, h.dst)
	return b
}
