package packet

import "encoding/binary"

// Header sizes and field offsets that are not worth a struct.
const (
	ethernetLen = 14
	arpLen      = 28
	ipv4MinLen  = 20
	ipv6Len     = 40
	tcpMinLen   = 20
	udpLen      = 8
	icmpLen     = 8 // type, code, checksum and the four bytes whose meaning depends on the type

	ipv4Checksum = 10
	tcpChecksum  = 16
	udpChecksum  = 6
	icmpChecksum = 2
	icmpID       = 4
)

// Parse reads the headers of f into p, overwriting all of it. p borrows f and
// its bytes. After a Problem only Frame, DstMAC, SrcMAC and EtherType mean
// anything.
//
// It checks what a router must be able to trust: lengths, the IPv4 header
// checksum, and that a fragment cannot smuggle a transport header past a filter
// (RFC 1858, RFC 5722). It does not verify transport checksums, which the
// receiver does, and does not judge addresses, which is policy.
func Parse(p *Packet, f *Frame) Problem {
	*p = Packet{Frame: f}
	b := f.Data
	if len(b) < ethernetLen {
		return ProblemTruncated
	}
	p.DstMAC = MAC(b[0:6])
	p.SrcMAC = MAC(b[6:12])
	p.EtherType = binary.BigEndian.Uint16(b[12:14])
	p.L3 = ethernetLen
	switch p.EtherType {
	case EtherTypeIPv4:
		return p.parseIPv4(b)
	case EtherTypeIPv6:
		return p.parseIPv6(b)
	case EtherTypeARP:
		return p.parseARP(b)
	}
	return ProblemEtherType
}

func (p *Packet) parseARP(b []byte) Problem {
	if len(b) < ethernetLen+arpLen {
		return ProblemTruncated
	}
	h := (*[arpLen]byte)(b[ethernetLen:])
	// Hardware type 1 (Ethernet), protocol IPv4, address lengths 6 and 4.
	if binary.BigEndian.Uint64(h[:])>>16 != 0x0001_0800_0604 {
		return ProblemARP
	}
	p.ARPOperation = binary.BigEndian.Uint16(h[6:])
	p.ARPSenderMAC = MAC(h[8:14])
	p.Src = AddrFrom4([4]byte(h[14:18]))
	p.Dst = AddrFrom4([4]byte(h[24:28]))
	p.Payload = ethernetLen + arpLen
	p.End = p.Payload
	return ProblemNone
}

func (p *Packet) parseIPv4(b []byte) Problem {
	if len(b) < ethernetLen+ipv4MinLen {
		return ProblemTruncated
	}
	h := (*[ipv4MinLen]byte)(b[ethernetLen:])
	if h[0]>>4 != 4 {
		return ProblemVersion
	}
	headerLen := int(h[0]&15) * 4
	if headerLen < ipv4MinLen {
		return ProblemHeaderLength
	}
	if len(b) < ethernetLen+headerLen {
		return ProblemTruncated
	}
	// A total length of 0 is how the kernel writes packets above 64 KiB (BIG
	// TCP); the core does not carry them, so it fails here like any other lie.
	total := int(binary.BigEndian.Uint16(h[2:]))
	if total < headerLen || ethernetLen+total > len(b) {
		return ProblemTotalLength
	}
	// Twenty bytes in three loads, without the general loop: this is the one
	// sum that every IPv4 packet pays for.
	sum := uint64(binary.LittleEndian.Uint32(h[16:]))
	sum = add(add(sum, binary.LittleEndian.Uint64(h[0:])), binary.LittleEndian.Uint64(h[8:]))
	if headerLen > ipv4MinLen {
		sum = addBytes(sum, b[ethernetLen+ipv4MinLen:ethernetLen+headerLen])
	}
	if fold(sum) != 0xffff {
		return ProblemHeaderChecksum
	}

	p.Family = 4
	p.End = ethernetLen + total
	p.TTL = h[8]
	p.Proto = h[9]
	p.Src = AddrFrom4([4]byte(h[12:16]))
	p.Dst = AddrFrom4([4]byte(h[16:20]))
	flags := binary.BigEndian.Uint16(h[6:])
	p.DontFragment = flags&ipv4DontFragment != 0
	if flags&(ipv4MoreFragments|ipv4OffsetMask) != 0 {
		p.FragmentID = uint32(binary.BigEndian.Uint16(h[4:]))
		p.setFragment((flags&ipv4OffsetMask)*8, flags&ipv4MoreFragments == 0)
	}
	return p.parseTransport(b, ethernetLen+headerLen)
}

const (
	ipv4DontFragment  = 0x4000
	ipv4MoreFragments = 0x2000
	ipv4OffsetMask    = 0x1fff
)

func (p *Packet) setFragment(start uint16, last bool) {
	p.Fragment = true
	p.FragmentStart = start
	p.LaterFragment = start != 0
	p.LastFragment = last
}

// parseTransport reads the header at off, whose protocol is p.Proto.
func (p *Packet) parseTransport(b []byte, off int) Problem {
	if p.LaterFragment {
		return p.parseLaterFragment(off)
	}
	b = b[:p.End] // Ethernet padding is not header
	switch {
	case p.Proto == ProtoTCP:
		return p.parseTCP(b, off)
	case p.Proto == ProtoUDP:
		return p.parseUDP(b, off)
	// Each ICMP belongs to one family. Under the other it is a number
	// that no stack listens to, and must not match ICMP rules by type.
	case p.Proto == ProtoICMP && p.Family == 4:
		return p.parseICMP(b, off)
	case p.Proto == ProtoICMPv6 && p.Family == 6:
		return p.parseICMPv6(b, off)
	}
	p.L4, p.Payload = off, off
	return ProblemNone
}

// parseLaterFragment refuses a part that would overwrite, at reassembly, the
// header that the first part was judged by. Behind UDP and ICMP no offset can:
// both headers are 8 bytes, the unit of offsets.
func (p *Packet) parseLaterFragment(off int) Problem {
	if p.Proto == ProtoTCP && p.FragmentStart < tcpMinLen {
		return ProblemTinyFragment
	}
	p.Payload = off
	return ProblemNone
}

func (p *Packet) parseTCP(b []byte, off int) Problem {
	if len(b)-off < tcpMinLen {
		return p.short(ProblemTruncated)
	}
	h := (*[tcpMinLen]byte)(b[off:])
	headerLen := int(h[12]>>4) * 4
	if headerLen < tcpMinLen {
		return ProblemHeaderLength
	}
	if len(b)-off < headerLen {
		return p.short(ProblemHeaderLength)
	}
	p.SetPorts(binary.BigEndian.Uint16(h[0:]), binary.BigEndian.Uint16(h[2:]))
	p.TCPFlags = h[13]
	p.L4, p.Payload, p.checksum = off, off+headerLen, off+tcpChecksum
	return ProblemNone
}

func (p *Packet) parseUDP(b []byte, off int) Problem {
	if len(b)-off < udpLen {
		return p.short(ProblemTruncated)
	}
	h := (*[udpLen]byte)(b[off:])
	// The length of a superframe is the kernel's business, and that of a
	// fragment covers the parts that are elsewhere.
	if p.Frame.Offload.GSO == GSONone {
		length := int(binary.BigEndian.Uint16(h[4:]))
		if length < udpLen || length > len(b)-off && !p.Fragment {
			return ProblemHeaderLength
		}
	}
	p.SetPorts(binary.BigEndian.Uint16(h[0:]), binary.BigEndian.Uint16(h[2:]))
	p.L4, p.Payload, p.checksum = off, off+udpLen, off+udpChecksum
	return ProblemNone
}

// short is the problem of a header that the packet is too short for. In a
// first fragment the rest would come in a later one, unseen by any filter.
func (p *Packet) short(otherwise Problem) Problem {
	if p.Fragment {
		return ProblemTinyFragment
	}
	return otherwise
}
