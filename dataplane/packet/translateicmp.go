package packet

import "encoding/binary"

// The ICMP part of the translation: RFC 7915 sections 4.2, 4.3, 5.2 and 5.3.

// TranslateError is [Translate] for ICMP errors: the packet quoted inside gets
// the addresses and ports of quoted, which must be of the other family like
// those of to. It also reports false for errors that have no counterpart
// (redirect, source quench, some parameter problems), for a quote that is
// unreadable (QuotedOK false) or of a packet that is not translated, for which
// no error can come back, and for a partial checksum, which no kernel leaves in
// an error. buffer must hold p's frame and 48 bytes more.
//
// A next-hop MTU is translated by the difference of the headers; a caller with
// smaller links of its own lowers it. The quote is cut to what an error of the
// family may hold, and RFC 4884 extensions are cut off.
func TranslateError(p *Packet, to, quoted Tuple, buffer []byte) (Frame, bool) {
	if !p.ICMPError || !p.QuotedOK || p.Frame.Offload.PartialChecksum || !p.otherFamily(to) || !p.otherFamily(quoted) {
		return Frame{}, false
	}
	outer, outerOK := p.networkHeader()
	inner, end, innerOK := p.quotedHeader()
	message, messageOK := p.translatedError(inner.oldLen + inner.length)
	echo, echoOK := p.translatedQuotedEcho()
	if !outerOK || !innerOK || !messageOK || !echoOK {
		return Frame{}, false
	}

	// What stays begins behind the quoted header, at rest, and comes to stand
	// at at, behind Ethernet, IP, ICMP and quoted IP header.
	rest := p.QuotedL3 + inner.oldLen
	l4 := p.L3 + outer.newLen()
	at := l4 + icmpLen + inner.newLen()
	limit := icmp6ErrorLen
	if p.Family == 6 {
		limit = icmpErrorLen
	}
	end = min(end, rest+limit-(at-p.L3))
	outer.length = at - l4 + end - rest
	outer.identify(p, outer.length)
	damage := p.damage() // to be read before the frame is edited

	f, ok := outer.placed(p, to, rest, end, at, buffer)
	if !ok {
		return f, false
	}
	b := f.Data
	b[l4], b[l4+1], b[l4+2], b[l4+3] = message.typ, message.code, 0, 0
	binary.BigEndian.PutUint32(b[l4+4:], message.parameter)
	inner.putIP(b[at-inner.newLen():], quoted.Src, quoted.Dst)
	p.translateQuoted(b, at, inner.length, quoted, echo)

	sum := uint64(swap(fold(addBytes(0, b[l4:]))))
	if p.Family == 4 {
		sum = add(sum, pseudoSum(to.Src, to.Dst, ProtoICMPv6, len(b)-l4))
	}
	binary.BigEndian.PutUint16(b[l4+icmpChecksum:], ^fold(add(sum, damage)))
	return f, true
}

// quotedHeader reads the quoted IP header and finds where what is worth
// quoting ends.
func (p *Packet) quotedHeader() (h networkHeader, end int, ok bool) {
	end = p.End
	h, ok = readNetworkHeader(p.Frame.Data[p.QuotedL3:end], p.Family)
	if !ok {
		return h, end, false
	}
	rest := p.QuotedL3 + h.oldLen
	end = min(end, rest+h.length)
	if p.quotedL4 != 0 && end < p.quotedEnd {
		return h, end, false // a payload length of 0 before a transport header
	}
	// RFC 4884: the quote may be padded, with extensions behind the padding.
	if n := p.originalDatagramLen(); n != 0 && p.QuotedL3+n >= rest+icmpLen {
		end = min(end, p.QuotedL3+n)
	}
	return h, end, true
}

// originalDatagramLen is the length of the quote in bytes as RFC 4884 has it
// in some messages, 0 when it is not said.
func (p *Packet) originalDatagramLen() int {
	h := p.Frame.Data[p.L4:]
	switch {
	case p.Family == 4 && (p.ICMPType == icmpUnreachable || p.ICMPType == icmpTimeExceeded || p.ICMPType == icmpParameterProblem):
		return int(h[5]) * 4
	case p.Family == 6 && (p.ICMPType == icmp6Unreachable || p.ICMPType == icmp6TimeExceeded):
		return int(h[4]) * 8
	}
	return 0
}

// damage is what the sum of an ICMP message lacks to be right: 0 if nothing.
func (p *Packet) damage() uint64 {
	sum := uint64(swap(fold(addBytes(0, p.Frame.Data[p.L4:p.End]))))
	if p.Family == 6 {
		sum = add(sum, pseudoSum(p.Src, p.Dst, ProtoICMPv6, p.End-p.L4))
	}
	return uint64(^fold(sum))
}

// translateQuoted edits the quoted transport header, now at at, as far as it
// is there. length is that of the quoted packet behind its IP header.
func (p *Packet) translateQuoted(b []byte, at, length int, to Tuple, echo uint8) {
	if p.quotedL4 == 0 {
		return // a later fragment
	}
	q := quote{b: b}
	switch {
	case p.Quoted.Proto == ProtoTCP || p.Quoted.Proto == ProtoUDP:
		q.pseudo = addrDelta(addrDelta(0, p.Quoted.Src, to.Src), p.Quoted.Dst, to.Dst)
		q.put(at, to.SrcPort)
		q.put(at+2, to.DstPort)
		if p.Quoted.Proto == ProtoTCP {
			q.update(at+tcpChecksum, q.pseudo, updateChecksum)
		} else {
			q.update(at+udpChecksum, q.pseudo, updateUDPChecksum)
		}
	case isICMP(p.Quoted.Proto, p.Family):
		q.pseudo = icmpPseudoDelta(p.Family, &p.Quoted, &to, length)
		q.put(at, uint16(echo)<<8|uint16(b[at+1]))
		q.put(at+icmpID, newID(p.Quoted.SrcPort, to))
		q.update(at+icmpChecksum, q.pseudo, updateChecksum)
	}
}

// icmpPseudoDelta is what the pseudo-header, which only ICMPv6 sums, adds to a
// message of length bytes that comes from the family, or takes away.
func icmpPseudoDelta(family uint8, from, to *Tuple, length int) uint64 {
	if family == 4 {
		return pseudoSum(to.Src, to.Dst, ProtoICMPv6, length)
	}
	return ^pseudoSum(from.Src, from.Dst, ProtoICMPv6, length)
}

// translatedEcho is the ICMP type of an echo in the other family. It reports
// false for other ICMP messages, and 0 for other protocols.
func (p *Packet) translatedEcho() (typ uint8, ok bool) {
	if !isICMP(p.Proto, p.Family) {
		return 0, true
	}
	return otherEcho(p.ICMPType, p.Family)
}

func (p *Packet) translatedQuotedEcho() (typ uint8, ok bool) {
	if !isICMP(p.Quoted.Proto, p.Family) {
		return 0, true
	}
	return otherEcho(p.QuotedICMPType, p.Family)
}

func otherEcho(typ, family uint8) (other uint8, ok bool) {
	switch {
	case family == 4 && typ == icmpEchoRequest:
		return icmp6EchoRequest, true
	case family == 4 && typ == icmpEchoReply:
		return icmp6EchoReply, true
	case family == 6 && typ == icmp6EchoRequest:
		return icmpEchoRequest, true
	case family == 6 && typ == icmp6EchoReply:
		return icmpEchoReply, true
	}
	return 0, false
}
