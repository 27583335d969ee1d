package packet

import "encoding/binary"

// Rewrite gives the packet the addresses and ports of to, editing the frame's
// bytes where they differ from p.Tuple, and updates p.Tuple. For ICMP messages
// with an identifier the new one is whichever of the two ports differs from
// the present one. to.Proto is ignored; so is the whole call when to is of the
// other family, because translating between families is not a rewrite.
//
// Checksums are updated incrementally (RFC 1624), never recomputed: a packet
// that was damaged on the way stays recognisably damaged. Of a later fragment
// only the IP header changes, and the first part's update covers them all.
// Protocols other than TCP, UDP and ICMP change their addresses only; those
// among them that sum a pseudo-header (DCCP, UDP-Lite) do not survive that,
// nor does a new destination under an IPv6 routing header that is not used up,
// whose pseudo-header holds the final destination instead.
func Rewrite(p *Packet, to Tuple) {
	if p.Family == 0 || to.Src.Is4() != (p.Family == 4) || to.Dst.Is4() != (p.Family == 4) {
		return
	}
	b := p.Frame.Data
	// The same delta serves the IPv4 header and the pseudo-header: both hold
	// the addresses once, at even offsets.
	addresses := addrDelta(addrDelta(0, p.Src, to.Src), p.Dst, to.Dst)
	if to.Src != p.Src || to.Dst != p.Dst {
		putAddresses(b, p.L3, p.Family, to.Src, to.Dst)
		if p.Family == 4 {
			updateChecksum(b[p.L3+ipv4Checksum:], addresses)
		}
		p.Src, p.Dst = to.Src, to.Dst
	}
	ports := p.putPorts(b, to)
	if p.checksum == 0 {
		return
	}
	if p.Proto == ProtoICMP {
		addresses = 0 // ICMPv4 has no pseudo-header
	}
	field := b[p.checksum:]
	switch {
	case p.partial():
		// The field is the plain sum of the pseudo-header. Ports are not in
		// it: whoever completes the checksum will sum them with the rest.
		old := uint64(binary.BigEndian.Uint16(field))
		binary.BigEndian.PutUint16(field, fold(add(old, addresses)))
	case p.Proto == ProtoUDP:
		updateUDPChecksum(field, add(addresses, ports))
	default:
		updateChecksum(field, add(addresses, ports))
	}
}

// putPorts writes ports or identifier and returns the checksum delta.
func (p *Packet) putPorts(b []byte, to Tuple) (delta uint64) {
	switch {
	case p.LaterFragment:
		// No header to write; the caller may have filled in the first
		// part's ports, so keep the tuple true.
		p.SrcPort, p.DstPort = to.SrcPort, to.DstPort
	case p.Proto == ProtoTCP || p.Proto == ProtoUDP:
		delta = wordDelta(wordDelta(0, p.SrcPort, to.SrcPort), p.DstPort, to.DstPort)
		binary.BigEndian.PutUint16(b[p.L4:], to.SrcPort)
		binary.BigEndian.PutUint16(b[p.L4+2:], to.DstPort)
		p.SrcPort, p.DstPort = to.SrcPort, to.DstPort
	case p.hasID:
		id := newID(p.SrcPort, to)
		delta = wordDelta(0, p.SrcPort, id)
		binary.BigEndian.PutUint16(b[p.L4+icmpID:], id)
		p.SrcPort, p.DstPort = id, id
	}
	return delta
}

// newID picks the identifier out of a tuple whose writer may have changed only
// the side that it translates.
func newID(old uint16, to Tuple) uint16 {
	if to.SrcPort != old {
		return to.SrcPort
	}
	return to.DstPort
}

// DecrementTTL takes one off the TTL or hop limit. A packet that has none left
// stays at 0; whether it may still be forwarded is the caller's decision.
func DecrementTTL(p *Packet) {
	if p.TTL > 0 {
		SetTTL(p, p.TTL-1)
	}
}

// SetTTL sets the TTL of an IPv4 packet or the hop limit of an IPv6 one.
func SetTTL(p *Packet, ttl uint8) {
	b := p.Frame.Data
	switch p.Family {
	case 4:
		b[p.L3+8] = ttl
		delta := wordDelta(0, uint16(p.TTL)<<8, uint16(ttl)<<8)
		updateChecksum(b[p.L3+ipv4Checksum:], delta)
	case 6:
		b[p.L3+7] = ttl // no header checksum, and not in the pseudo-header
	default:
		return
	}
	p.TTL = ttl
}

// SetEthernet writes the Ethernet addresses of a frame.
func SetEthernet(data []byte, dst, src MAC) {
	h := (*[12]byte)(data)
	*(*MAC)(h[0:]) = dst
	*(*MAC)(h[6:]) = src
}

func putAddresses(b []byte, l3 int, family uint8, src, dst Addr) {
	if family == 4 {
		h := (*[ipv4MinLen]byte)(b[l3:])
		binary.BigEndian.PutUint32(h[12:], uint32(src.Lo))
		binary.BigEndian.PutUint32(h[16:], uint32(dst.Lo))
		return
	}
	h := (*[ipv6Len]byte)(b[l3:])
	binary.BigEndian.PutUint64(h[8:], src.Hi)
	binary.BigEndian.PutUint64(h[16:], src.Lo)
	binary.BigEndian.PutUint64(h[24:], dst.Hi)
	binary.BigEndian.PutUint64(h[32:], dst.Lo)
}

// addrDelta and wordDelta add to a sum what replacing a field changes in it:
// RFC 1624's ~m + m'. An unchanged field adds nothing.
func addrDelta(sum uint64, from, to Addr) uint64 {
	if from == to {
		return sum
	}
	return addAddr(addAddr(sum, Addr{^from.Hi, ^from.Lo}), to)
}

func wordDelta(sum uint64, from, to uint16) uint64 {
	if from == to {
		return sum
	}
	return add(sum, uint64(^from)+uint64(to))
}

// updateChecksum applies a delta to a complete checksum: ~(~HC + delta).
func updateChecksum(field []byte, delta uint64) {
	if delta == 0 {
		return // not even re-normalised: what nobody changed stays as sent
	}
	old := uint64(^binary.BigEndian.Uint16(field))
	binary.BigEndian.PutUint16(field, ^fold(add(old, delta)))
}

// updateUDPChecksum knows that a UDP checksum of 0 means none, so 0 stays 0 and
// a sum that becomes 0 is written 0xffff (RFC 768; RFC 6936 for IPv6 tunnels).
func updateUDPChecksum(field []byte, delta uint64) {
	if field[0] == 0 && field[1] == 0 || delta == 0 {
		return
	}
	updateChecksum(field, delta)
	if field[0] == 0 && field[1] == 0 {
		field[0], field[1] = 0xff, 0xff
	}
}
