package packet

import "encoding/binary"

// IPv6 extension headers the core reads through to find the transport header
// (RFC 8200). ESP is opaque, like any upper layer it does not know.
const (
	protoHopByHop    = 0
	protoRouting     = 43
	protoFragment    = 44
	protoAH          = 51
	protoDestination = 60

	maxExtensionHeaders = 8
)

// parseIPv6 does not follow jumbograms: their payload length of 0 leaves no
// room for the hop-by-hop header that would hold the real one.
func (p *Packet) parseIPv6(b []byte) Problem {
	if len(b) < ethernetLen+ipv6Len {
		return ProblemTruncated
	}
	h := (*[ipv6Len]byte)(b[ethernetLen:])
	if h[0]>>4 != 6 {
		return ProblemVersion
	}
	length := int(binary.BigEndian.Uint16(h[4:]))
	end := ethernetLen + ipv6Len + length
	// BIG TCP over IPv6 is a superframe with a payload length of 0.
	if end > len(b) || length == 0 && p.Frame.Offload.GSO != GSONone {
		return ProblemTotalLength
	}
	p.Family = 6
	p.End = end
	p.Proto = h[6]
	p.TTL = h[7]
	p.DontFragment = true
	p.Src = Addr{binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[16:])}
	p.Dst = Addr{binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[32:])}
	// Such addresses must not appear on a wire (RFC 4942 section 2.2); here
	// one would be taken for the IPv4 address and match IPv4 rules and routes.
	if p.Src.Is4() || p.Dst.Is4() {
		return ProblemMappedAddress
	}
	switch p.Proto {
	case ProtoTCP, ProtoUDP, ProtoICMPv6: // all but a few packets have no chain
		return p.parseTransport(b, ethernetLen+ipv6Len)
	}
	return p.parseExtensions(b[:end], ethernetLen+ipv6Len)
}

// parseExtensions walks the chain at off. The chain of a first fragment must be
// all there (RFC 7112), or a filter would judge a packet by half its headers.
func (p *Packet) parseExtensions(b []byte, off int) Problem {
	for n := 0; isExtension(p.Proto); n++ {
		if n == maxExtensionHeaders {
			return ProblemExtensionChain
		}
		if len(b)-off < 8 {
			return p.short(ProblemTruncated)
		}
		length := extensionLen(p.Proto, b[off+1])
		if len(b)-off < length {
			return p.short(ProblemHeaderLength)
		}
		if p.Proto == protoFragment {
			if p.Fragment {
				return ProblemExtensionChain // a fragment of a fragment: nobody sends it
			}
			flags := binary.BigEndian.Uint16(b[off+2:])
			// Offset 0 and no more parts is an "atomic" fragment, an
			// ordinary packet in disguise (RFC 6946).
			if start, more := flags&^7, flags&1 != 0; start != 0 || more {
				p.FragmentID = binary.BigEndian.Uint32(b[off+4:])
				p.setFragment(start, !more)
			}
		}
		p.Proto = b[off]
		off += length
		if p.LaterFragment {
			break // what follows is the middle of something
		}
	}
	return p.parseTransport(b, off)
}

func isExtension(proto uint8) bool {
	switch proto {
	case protoHopByHop, protoRouting, protoFragment, protoAH, protoDestination:
		return true
	}
	return false
}

// extensionLen is an extension header's length in bytes, from its length field.
func extensionLen(proto, field uint8) int {
	switch proto {
	case protoFragment:
		return 8
	case protoAH:
		return (int(field) + 2) * 4
	}
	return (int(field) + 1) * 8
}
