package packet

import "encoding/binary"

func (p *Packet) parseICMP(b []byte, off int) Problem {
	if len(b)-off < icmpLen {
		return p.short(ProblemTruncated)
	}
	h := (*[icmpLen]byte)(b[off:])
	p.setICMP(h, off)
	switch p.ICMPType {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		p.ICMPError = true
		p.parseQuoted4(b, off+icmpLen)
	default:
		if icmp4HasID(p.ICMPType) {
			p.setID(h)
		}
	}
	return ProblemNone
}

func (p *Packet) parseICMPv6(b []byte, off int) Problem {
	if len(b)-off < icmpLen {
		return p.short(ProblemTruncated)
	}
	h := (*[icmpLen]byte)(b[off:])
	p.setICMP(h, off)
	switch p.ICMPType {
	case 1, 2, 3, 4: // unreachable, packet too big, time exceeded, parameter problem
		p.ICMPError = true
		p.parseQuoted6(b, off+icmpLen)
	default:
		if icmp6HasID(p.ICMPType) {
			p.setID(h)
		}
	}
	return ProblemNone
}

func (p *Packet) setICMP(h *[icmpLen]byte, off int) {
	p.ICMPType, p.ICMPCode = h[0], h[1]
	p.L4, p.Payload, p.checksum = off, off+icmpLen, off+icmpChecksum
}

func (p *Packet) setID(h *[icmpLen]byte) {
	p.SrcPort = binary.BigEndian.Uint16(h[icmpID:])
	p.DstPort = p.SrcPort
	p.hasID = true
}

// icmp4HasID lists the queries of RFC 792, 950 and 8335: echo, timestamp,
// information, address mask and extended echo, each with its reply.
func icmp4HasID(typ uint8) bool {
	switch typ {
	case 0, 8, 13, 14, 15, 16, 17, 18, 42, 43:
		return true
	}
	return false
}

// icmp6HasID lists echo (RFC 4443) and extended echo (RFC 8335).
func icmp6HasID(typ uint8) bool {
	switch typ {
	case 128, 129, 160, 161:
		return true
	}
	return false
}

// parseQuoted4 reads the packet that an error quotes at off. Its total length
// and checksum are not held against it: routers on the way changed the header,
// and the quote may be cut anywhere behind the IP header and 8 bytes.
func (p *Packet) parseQuoted4(b []byte, off int) {
	p.QuotedL3 = off
	if len(b)-off < ipv4MinLen {
		return
	}
	h := (*[ipv4MinLen]byte)(b[off:])
	headerLen := int(h[0]&15) * 4
	if h[0]>>4 != 4 || headerLen < ipv4MinLen || len(b)-off < headerLen {
		return
	}
	p.Quoted.Src = AddrFrom4([4]byte(h[12:16]))
	p.Quoted.Dst = AddrFrom4([4]byte(h[16:20]))
	p.Quoted.Proto = h[9]
	// What follows the quoted packet is padding or RFC 4884 extensions, which
	// must not be taken for its transport header. A length shorter than the
	// header is an old stack's byte order and says nothing.
	if total := int(binary.BigEndian.Uint16(h[2:])); total >= headerLen && total < len(b)-off {
		b = b[:off+total]
	}
	if binary.BigEndian.Uint16(h[6:])&ipv4OffsetMask != 0 {
		p.QuotedOK = true // a later fragment: addresses are all there is
		return
	}
	p.parseQuotedTransport(b, off+headerLen, icmp4HasID, ProtoICMP)
}

func (p *Packet) parseQuoted6(b []byte, off int) {
	p.QuotedL3 = off
	if len(b)-off < ipv6Len || b[off]>>4 != 6 {
		return
	}
	h := (*[ipv6Len]byte)(b[off:])
	p.Quoted.Src = Addr{binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[16:])}
	p.Quoted.Dst = Addr{binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:])}
	p.Quoted.Proto = h[6]
	if p.Quoted.Src.Is4() || p.Quoted.Dst.Is4() {
		return // as ProblemMappedAddress
	}
	if total := ipv6Len + int(binary.BigEndian.Uint16(h[4:])); total > ipv6Len && total < len(b)-off {
		b = b[:off+total]
	}
	off += ipv6Len
	for n := 0; isExtension(p.Quoted.Proto); n++ {
		if n == maxExtensionHeaders || len(b)-off < 8 {
			return
		}
		length := extensionLen(p.Quoted.Proto, b[off+1])
		if len(b)-off < length {
			return
		}
		later := p.Quoted.Proto == protoFragment && binary.BigEndian.Uint16(b[off+2:])&^7 != 0
		p.Quoted.Proto = b[off]
		if later {
			p.QuotedOK = true
			return
		}
		off += length
	}
	p.parseQuotedTransport(b, off, icmp6HasID, ProtoICMPv6)
}

// parseQuotedTransport reads ports or identifier at off, as far as they are
// there; b ends where the quoted packet does.
func (p *Packet) parseQuotedTransport(b []byte, off int, hasID func(uint8) bool, icmp uint8) {
	h := b[off:]
	switch p.Quoted.Proto {
	case ProtoTCP, ProtoUDP:
		if len(h) < 4 {
			return
		}
		p.Quoted.SrcPort = binary.BigEndian.Uint16(h)
		p.Quoted.DstPort = binary.BigEndian.Uint16(h[2:])
	case icmp:
		if len(h) < 1 {
			return
		}
		p.QuotedICMPType = h[0]
		if hasID(h[0]) {
			if len(h) < icmpID+2 {
				return
			}
			p.Quoted.SrcPort = binary.BigEndian.Uint16(h[icmpID:])
			p.Quoted.DstPort = p.Quoted.SrcPort
		}
	}
	p.quotedL4, p.quotedEnd = off, len(b)
	p.QuotedOK = true
}
