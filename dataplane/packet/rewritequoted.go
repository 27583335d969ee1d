package packet

import "encoding/binary"

// RewriteQuoted gives the packet that an ICMP or ICMPv6 error quotes the
// addresses and ports of to, and updates p.Quoted. The quoted checksums are
// kept in step as far as their bytes are there, although few receivers look at
// them, and the error's own checksum covers every byte that changed. It does
// nothing when the quote was unreadable (QuotedOK false) or of another family.
//
// A quote made from a packet whose checksum was still partial carries that
// partial sum; it never was a checksum, and updating it as if does no harm.
func RewriteQuoted(p *Packet, to Tuple) {
	v4 := p.Family == 4
	if !p.QuotedOK || to.Src.Is4() != v4 || to.Dst.Is4() != v4 {
		return
	}
	q := quote{b: p.Frame.Data[:p.quotedEnd]}
	if p.quotedL4 == 0 {
		q.b = p.Frame.Data[:p.End] // a later fragment: the IP header is all that is touched
	}
	q.addresses(p, to)
	q.ports(p, to)

	// What the edits did to the error's own body. In ICMPv6 the pseudo-header
	// is the outer one, which stays.
	if !p.partial() {
		updateChecksum(p.Frame.Data[p.checksum:], q.body)
	}
	p.Quoted.Src, p.Quoted.Dst = to.Src, to.Dst
}

// quote edits a quoted packet and keeps two deltas: pseudo is what changed for
// the quoted transport checksum, body what changed for the checksum of the
// message around it. All fields lie at even distance from the start of the
// message, since quoted headers are multiples of 4 bytes.
type quote struct {
	b            []byte // up to the end of the quoted packet
	pseudo, body uint64
}

func (q *quote) addresses(p *Packet, to Tuple) {
	if to.Src == p.Quoted.Src && to.Dst == p.Quoted.Dst {
		return
	}
	delta := addrDelta(addrDelta(0, p.Quoted.Src, to.Src), p.Quoted.Dst, to.Dst)
	putAddresses(q.b, p.QuotedL3, p.Family, to.Src, to.Dst)
	q.body = add(q.body, delta)
	q.pseudo = delta
	if p.Family == 4 {
		q.update(p.QuotedL3+ipv4Checksum, delta, updateChecksum)
	}
}

func (q *quote) ports(p *Packet, to Tuple) {
	l4 := p.quotedL4
	if l4 == 0 {
		return
	}
	switch {
	case p.Quoted.Proto == ProtoTCP || p.Quoted.Proto == ProtoUDP:
		q.put(l4, to.SrcPort)
		q.put(l4+2, to.DstPort)
		p.Quoted.SrcPort, p.Quoted.DstPort = to.SrcPort, to.DstPort
		if p.Quoted.Proto == ProtoTCP {
			q.update(l4+tcpChecksum, q.pseudo, updateChecksum)
		} else {
			q.update(l4+udpChecksum, q.pseudo, updateUDPChecksum)
		}
	case p.Quoted.Proto == ProtoICMP && p.Family == 4:
		q.pseudo = 0
		if icmp4HasID(p.QuotedICMPType) {
			q.id(p, to)
		}
		q.update(l4+icmpChecksum, q.pseudo, updateChecksum)
	case p.Quoted.Proto == ProtoICMPv6 && p.Family == 6:
		if icmp6HasID(p.QuotedICMPType) {
			q.id(p, to)
		}
		q.update(l4+icmpChecksum, q.pseudo, updateChecksum)
	}
}

func (q *quote) id(p *Packet, to Tuple) {
	id := newID(p.Quoted.SrcPort, to)
	q.put(p.quotedL4+icmpID, id)
	p.Quoted.SrcPort, p.Quoted.DstPort = id, id
}

// put writes one word that the quoted transport checksum covers.
func (q *quote) put(at int, word uint16) {
	old := binary.BigEndian.Uint16(q.b[at:])
	binary.BigEndian.PutUint16(q.b[at:], word)
	q.pseudo = wordDelta(q.pseudo, old, word)
	q.body = wordDelta(q.body, old, word)
}

// update applies delta to a quoted checksum, if the quote reaches that far.
func (q *quote) update(at int, delta uint64, apply func([]byte, uint64)) {
	if at+2 > len(q.b) {
		return
	}
	old := binary.BigEndian.Uint16(q.b[at:])
	apply(q.b[at:], delta)
	q.body = wordDelta(q.body, old, binary.BigEndian.Uint16(q.b[at:]))
}
