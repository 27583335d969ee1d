package packet

import "encoding/binary"

const (
	icmpEchoReply    = 0
	icmpEchoRequest  = 8
	icmp6EchoRequest = 128
	icmp6EchoReply   = 129
	icmp6Redirect    = 137

	// The largest errors: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4.
	icmpErrorLen  = 576
	icmp6ErrorLen = 1280

	// Errors are network control traffic (RFC 1812 section 4.3.2.5).
	icmpErrorClass = 0xc0
)

// AppendICMPError appends to b the frame that tells p's sender what became of
// p, quoting it: call it before p is rewritten. parameter is bytes 4 to 7 of
// the message, such as a next-hop MTU. dstMAC and srcMAC are those of the
// answer.
//
// b comes back unchanged where RFC 1122 and RFC 4443 demand silence: p is an
// ICMP error or redirect itself, a later fragment, or from or to a group; and
// when from is of another family.
//
// A superframe is quoted as its first segment, and a partial checksum as the
// complete one it becomes: that is what the sender believes to have sent. The
// sum over the payload is affordable since errors are rare.
func AppendICMPError(b []byte, p *Packet, dstMAC, srcMAC MAC, from Addr, typ, code uint8, parameter uint32) []byte {
	if !p.answerable() || from.Is4() != (p.Family == 4) {
		return b
	}
	h := ipHeader{dstMAC: dstMAC, srcMAC: srcMAC, src: from, dst: p.Src, ttl: 64}
	limit := icmp6ErrorLen - ipv6Len - icmpLen
	h.proto = ProtoICMPv6
	if p.Family == 4 {
		limit = icmpErrorLen - ipv4MinLen - icmpLen
		h.proto = ProtoICMP
		h.class = icmpErrorClass
	}
	quoted := min(WireLength(p), limit)

	b = h.append(b, p.Family, icmpLen+quoted)
	l4 := len(b)
	b = append(b, typ, code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, parameter)
	b = append(b, p.Frame.Data[p.L3:p.L3+quoted]...)
	asSent(b[l4+icmpLen:], p)
	sealTransport(b[l4:], p.Family, from, p.Src, h.proto)
	return b
}

// answerable reports that p may be answered with an ICMP error.
func (p *Packet) answerable() bool {
	switch {
	case p.Family == 0, p.LaterFragment, p.ICMPError, p.DstMAC.IsGroup():
		return false
	case p.Dst.isGroup(), p.Src.isGroup(), p.Src.isUnspecified():
		return false
	case p.Family == 6 && p.Proto == ProtoICMPv6:
		return p.ICMPType >= 128 && p.ICMPType != icmp6Redirect
	}
	return true
}

// asSent edits quote, a copy of the beginning of p's IP packet, into what
// crosses the wire after the deferred work: segmentation and checksum.
func asSent(quote []byte, p *Packet) {
	if p.Frame.Offload.GSO != GSONone && p.superframe() {
		headers := p.Payload - p.L3
		if headers > len(quote) {
			return // extension headers fill the quote
		}
		packets, _ := TotalBytes(p)
		size := min(p.End-p.Payload, int(p.Frame.Offload.SegmentSize))
		cut := newCutter(p)
		cut.l3, cut.l4 = 0, cut.l4-p.L3
		cut.finish(quote[:headers], p.Frame.Data[p.Payload:p.Payload+size], 0, packets == 1)
		return
	}
	if at, sum, ok := completeSum(p.Frame); ok {
		if field := at - p.L3; field+2 <= len(quote) {
			binary.BigEndian.PutUint16(quote[field:], sum)
		}
	}
}

// AppendEchoReply appends the reply to the echo request p, to the sender. b
// comes back unchanged when p is no echo request, is a fragment, or is from or
// to a group. IP options are not echoed. The checksum follows from the
// request's, so that a damaged request yields a damaged reply.
func AppendEchoReply(b []byte, p *Packet, dstMAC, srcMAC MAC) []byte {
	var request, reply uint8 = icmpEchoRequest, icmpEchoReply
	if p.Family == 6 {
		request, reply = icmp6EchoRequest, icmp6EchoReply
	}
	if !isICMP(p.Proto, p.Family) || p.L4 == 0 || p.ICMPType != request || p.ICMPCode != 0 || p.Fragment || !p.answerable() {
		return b
	}
	message := p.Frame.Data[p.L4:p.End]
	// A reply is as long as its request, so it fits wherever that came
	// through; DF and identification are taken over for the same reason.
	h := ipHeader{
		dstMAC: dstMAC, srcMAC: srcMAC, src: p.Dst, dst: p.Src, proto: p.Proto, ttl: 64,
		class: p.trafficClass(), id: p.ipv4ID(), dontFragment: p.DontFragment,
	}
	b = h.append(b, p.Family, len(message))
	l4 := len(b)
	b = append(b, message...)
	b[l4] = reply
	if p.partial() {
		b[l4+icmpChecksum], b[l4+icmpChecksum+1] = 0, 0
		sealTransport(b[l4:], p.Family, p.Dst, p.Src, p.Proto)
	} else {
		updateChecksum(b[l4+icmpChecksum:], wordDelta(0, uint16(request)<<8, uint16(reply)<<8))
	}
	return b
}

func (p *Packet) trafficClass() uint8 {
	h := p.Frame.Data[p.L3:]
	if p.Family == 4 {
		return h[1]
	}
	return h[0]<<4 | h[1]>>4
}

func (p *Packet) ipv4ID() uint16 {
	if p.Family != 4 {
		return 0
	}
	return binary.BigEndian.Uint16(p.Frame.Data[p.L3+4:])
}

// isGroup reports a multicast address or IPv4's limited broadcast.
func (a Addr) isGroup() bool {
	if a.Is4() {
		v4 := uint32(a.Lo)
		return v4>>28 == 0xe || v4 == 0xffffffff
	}
	return a.Hi>>56 == 0xff
}

// isUnspecified reports :: or 0.0.0.0.
func (a Addr) isUnspecified() bool { return a.IsZero() || a == Addr{Lo: v4Mapped} }
