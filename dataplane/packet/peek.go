package packet

import "encoding/binary"

// Peek reads the addresses and ports of a TCP or UDP packet from where they
// usually are, and reports whether it found any. It checks nothing: what it
// says is good for a guess, such as which memory the packet will need, and for
// no decision. [Parse] does the real reading.
func Peek(b []byte, t *Tuple) bool {
	if len(b) < ethernetLen+ipv4MinLen+4 {
		return false
	}
	switch h := b[ethernetLen:]; binary.BigEndian.Uint16(b[12:]) {
	case EtherTypeIPv4:
		if h[0] != 0x45 { // options move the ports
			return false
		}
		t.Src, t.Dst, t.Proto = AddrFrom4([4]byte(h[12:16])), AddrFrom4([4]byte(h[16:20])), h[9]
		t.SrcPort, t.DstPort = binary.BigEndian.Uint16(h[20:]), binary.BigEndian.Uint16(h[22:])
	case EtherTypeIPv6:
		if len(h) < ipv6Len+4 {
			return false
		}
		t.Src = Addr{binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[16:])}
		t.Dst = Addr{binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:])}
		t.Proto = h[6]
		t.SrcPort, t.DstPort = binary.BigEndian.Uint16(h[40:]), binary.BigEndian.Uint16(h[42:])
	default:
		return false
	}
	return t.Proto == ProtoTCP || t.Proto == ProtoUDP
}
