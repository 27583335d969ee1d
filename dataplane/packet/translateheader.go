package packet

import "encoding/binary"

// networkHeader is what an IP header and its extension headers say that the
// other family can say as well. The packet inside an ICMP error is read and
// written by the same code as the one around it.
type networkHeader struct {
	family     uint8 // it was read from; it is written in the other one
	oldLen     int   // bytes of header there, extension headers included
	length     int   // bytes behind the header, by the header's own account
	ttl, class uint8
	proto      uint8 // in the other family
	// fragmented: the packet has a Fragment header, or becomes IPv6 with one.
	// place is then IPv4's field of offset and more-fragments flag. A whole
	// packet may have the header too (an atomic fragment, RFC 6946).
	fragmented   bool
	place, id    uint16
	dontFragment bool // of the IPv4 header to be written
}

// readNetworkHeader reads ip, which starts with a header of the family and may
// end before the packet does. It reports false for what is not translated.
func readNetworkHeader(ip []byte, family uint8) (h networkHeader, ok bool) {
	h.family = family
	if family == 4 {
		ok = h.read4(ip)
	} else {
		ok = h.read6(ip)
	}
	// Section 1.2: the pseudo-header of a fragmented ICMPv6 message has a
	// length that no single part knows.
	icmp := h.proto == ProtoICMP || h.proto == ProtoICMPv6
	return h, ok && !(icmp && h.place != 0)
}

func (h *networkHeader) read4(ip []byte) bool {
	h.oldLen = int(ip[0]&15) * 4
	h.class, h.ttl, h.proto = ip[1], ip[8], ip[9]
	h.length = int(binary.BigEndian.Uint16(ip[2:])) - h.oldLen
	if h.length < 0 {
		h.length = len(ip) - h.oldLen // in a quote: see parseQuoted4
	}
	h.place = binary.BigEndian.Uint16(ip[6:]) & (ipv4MoreFragments | ipv4OffsetMask)
	h.fragmented = h.place != 0
	h.id = binary.BigEndian.Uint16(ip[4:])
	switch {
	case h.proto == ProtoICMP:
		h.proto = ProtoICMPv6
	case h.proto == ProtoICMPv6, h.proto == protoIGMP, isExtension(h.proto):
		// Numbers that mean nothing in IPv4 must not come to life as a
		// routing header or an ICMPv6 message.
		return false
	}
	return true
}

func (h *networkHeader) read6(ip []byte) bool {
	h.class, h.ttl, h.proto = ip[0]<<4|ip[1]>>4, ip[7], ip[6]
	off := ipv6Len
	for n := 0; isExtension(h.proto); n++ {
		if n == maxExtensionHeaders || len(ip)-off < 8 || h.place != 0 {
			// Also when a part's own extension headers would be cut out of
			// the payload that the later parts' offsets count.
			return false
		}
		switch h.proto {
		case protoAH:
			return false // it signs the addresses
		case protoRouting:
			if ip[off+3] != 0 {
				return false // segments left: this is not the destination
			}
		case protoFragment:
			at := binary.BigEndian.Uint16(ip[off+2:])
			h.fragmented = true
			h.id = uint16(binary.BigEndian.Uint32(ip[off+4:]))
			h.place = at >> 3
			if at&1 != 0 {
				h.place |= ipv4MoreFragments
			}
		}
		length := extensionLen(h.proto, ip[off+1])
		h.proto = ip[off]
		off += length
		if off > len(ip) {
			return false
		}
	}
	h.oldLen = off
	h.length = ipv6Len + int(binary.BigEndian.Uint16(ip[4:])) - off
	switch h.proto {
	case ProtoICMPv6:
		h.proto = ProtoICMP
	case ProtoICMP:
		return false
	}
	h.dontFragment = !h.fragmented && ipv4MinLen+h.length > atomicLen
	return h.length >= 0 && h.length <= 0xffff-ipv4MinLen
}

// identify settles what an IPv4 header needs and no IPv6 header holds: DF by
// the length on the wire behind the header, and without DF an identification. That one
// has to differ between packets which could be in reassembly together, and this
// package keeps no counter; but packets with different content have different
// checksums, as good as always, and to mix up those with the same is harmless.
func (h *networkHeader) identify(p *Packet, length int) {
	if h.family == 4 || h.fragmented {
		return
	}
	h.dontFragment = ipv4MinLen+length > atomicLen
	b := p.Frame.Data
	switch {
	case h.dontFragment:
		// RFC 6864: without meaning in a packet that is never cut.
	case p.checksum != 0 && !p.partial():
		h.id = binary.BigEndian.Uint16(b[p.checksum:])
	default:
		h.id = swap(fold(addBytes(0, b[p.L4:p.End])))
	}
}

// newLen is the length in bytes of what putIP writes.
func (h *networkHeader) newLen() int {
	switch {
	case h.family == 6:
		return ipv4MinLen
	case h.fragmented:
		return ipv6Len + fragmentHeaderLen
	}
	return ipv6Len
}

// putIP writes the header of the other family at the beginning of ip.
func (h *networkHeader) putIP(ip []byte, src, dst Addr) {
	if h.family == 6 {
		h.put4(ip[:ipv4MinLen], src, dst)
		return
	}
	ip = ip[:h.newLen()]
	binary.BigEndian.PutUint32(ip, 6<<28|uint32(h.class)<<20) // flow label 0
	binary.BigEndian.PutUint16(ip[4:], uint16(h.newLen()-ipv6Len+h.length))
	ip[6], ip[7] = h.proto, h.ttl
	putAddresses(ip, 0, 6, src, dst)
	if h.fragmented {
		ip[6] = protoFragment
		f := ip[ipv6Len:]
		f[0], f[1] = h.proto, 0
		at := h.place & ipv4OffsetMask << 3
		if h.place&ipv4MoreFragments != 0 {
			at |= 1
		}
		binary.BigEndian.PutUint16(f[2:], at)
		binary.BigEndian.PutUint32(f[4:], uint32(h.id))
	}
}

func (h *networkHeader) put4(ip []byte, src, dst Addr) {
	flags := h.place
	if h.dontFragment {
		flags |= ipv4DontFragment
	}
	ip[0], ip[1] = 0x45, h.class
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4MinLen+h.length))
	binary.BigEndian.PutUint16(ip[4:], h.id)
	binary.BigEndian.PutUint16(ip[6:], flags)
	ip[8], ip[9] = h.ttl, h.proto
	putAddresses(ip, 0, 4, src, dst)
	setIPv4Checksum(ip)
}

// sourceRouted reports that IPv4 options hold a source route with hops left,
// which IPv6 has no safe way to say (RFC 7915 section 4.1). Options that cannot
// be read end the search, as they do in a host.
func sourceRouted(options []byte) bool {
	const loose, strict = 131, 137
	for len(options) > 0 && options[0] != 0 {
		if options[0] == 1 {
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return false
		}
		if kind, length := options[0], options[1]; (kind == loose || kind == strict) && length > 2 && options[2] <= length {
			return true
		}
		options = options[options[1]:]
	}
	return false
}
