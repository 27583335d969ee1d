package packet

import "encoding/binary"

// Translation between the families (RFC 7915, the header part of NAT64). Which
// address stands for which is the caller's knowledge; here is only what the
// headers of one family say in the other.
//
// Behind the headers nothing moves unless it must. What follows them stays
// where it is when the packet becomes IPv4, whose header is shorter, so that a
// superframe costs no copy; only towards IPv6 it is copied.

const (
	fragmentHeaderLen = 8

	// atomicLen is the largest IPv4 packet a translator leaves without DF
	// (RFC 7915 section 5.1): what fits the least IPv6 MTU fits anywhere.
	atomicLen = 1280 - (ipv6Len - ipv4MinLen)

	protoIGMP = 2
)

// Translate makes the packet one of the other family, with the addresses and
// ports of to. It reports false for what has no counterpart there, and leaves
// such a packet untouched: multicast group management, neighbour discovery,
// ICMP queries other than echo, fragments of ICMP or of UDP without a checksum,
// source routes still to be followed, AH; and when to is not of the other
// family, or the packet is an ICMP error, which is [TranslateError]'s.
//
// IPv6 → IPv4 edits p's frame, and the returned Data is a part of it. IPv4 →
// IPv6 writes to buffer, whose capacity must be the length of p's frame plus
// 20 bytes, for fragments plus 28; it reports false when that is too small. The
// returned frame borrows that memory. Either way p no longer describes
// anything: [Parse] the new frame. Ethernet padding is not taken over.
//
// to.Proto is ignored; the identifier of an echo is picked as in [Rewrite]. The
// TTL is copied, since counting hops is forwarding: call [DecrementTTL] first.
// So is the traffic class. SegmentSize stays, so every packet on the wire is 20
// bytes longer as IPv6, and whether that exceeds an MTU is for the caller to
// see; one without DF is fragmented first, to the MTU less 28.
//
// Checksums are adjusted, not recomputed, as in [Rewrite]. Only UDP without one
// gets one, which IPv6 demands.
func Translate(p *Packet, to Tuple, buffer []byte) (Frame, bool) {
	if p.ICMPError || !p.otherFamily(to) {
		return Frame{}, false
	}
	h, ok := p.networkHeader()
	echo, echoOK := p.translatedEcho()
	if !ok || !echoOK {
		return Frame{}, false
	}
	h.identify(p, WireLength(p)-h.oldLen)
	f, ok := h.placed(p, to, p.L3+h.oldLen, p.End, p.L3+h.newLen(), buffer)
	if ok && p.checksum != 0 {
		p.translateTransport(&f, p.L3+h.newLen(), to, echo)
	}
	return f, ok
}

// otherFamily reports that to is of the other family than the packet.
func (p *Packet) otherFamily(to Tuple) bool {
	return p.Family != 0 && to.Src.Is4() == (p.Family == 6) && to.Dst.Is4() == (p.Family == 6)
}

// networkHeader is the reading of p's own. It reports false also for offload
// facts that would not be true of the translated frame.
func (p *Packet) networkHeader() (networkHeader, bool) {
	ip, o := p.Frame.Data[p.L3:p.End], &p.Frame.Offload
	h, ok := readNetworkHeader(ip, p.Family)
	switch start := int(o.ChecksumStart); {
	case !ok:
		return h, false
	case p.Family == 4 && sourceRouted(ip[ipv4MinLen:h.oldLen]):
		return h, false
	case o.GSO != GSONone && !p.superframe():
		return h, false // there is no telling what will be cut
	case o.PartialChecksum && (start < p.L3+h.oldLen || start+h.newLen()-h.oldLen > 0xffff):
		return h, false // it points into what is replaced
	case p.Family == 4 && p.Proto == ProtoUDP && p.Fragment && !p.LaterFragment:
		// The sum that IPv6 demands covers parts that are elsewhere.
		return h, binary.BigEndian.Uint16(p.Frame.Data[p.checksum:]) != 0
	}
	return h, true
}

// placed is the frame with its new Ethernet and network header, and behind
// them, at at, bytes rest to end of the old frame.
func (h *networkHeader) placed(p *Packet, to Tuple, rest, end, at int, buffer []byte) (Frame, bool) {
	f := Frame{Link: p.Frame.Link, Offload: h.translatedOffload(p)}
	var ok bool
	if f.Data, ok = shifted(p.Frame.Data, rest, end, at, buffer, h.family); !ok {
		return Frame{}, false
	}
	SetEthernet(f.Data, p.DstMAC, p.SrcMAC)
	etherType := uint16(EtherTypeIPv4)
	if h.family == 4 {
		etherType = EtherTypeIPv6
	}
	binary.BigEndian.PutUint16(f.Data[12:], etherType)
	h.putIP(f.Data[p.L3:], to.Src, to.Dst)
	return f, true
}

// shifted returns a frame that has data[rest:end] at at, in data's own memory
// when the headers shrink (family 6) and in buffer when they grow.
func shifted(data []byte, rest, end, at int, buffer []byte, family uint8) ([]byte, bool) {
	if family == 6 {
		return data[rest-at : end : end], true
	}
	length := at + end - rest
	if cap(buffer) < length {
		return nil, false
	}
	b := buffer[:length:length]
	copy(b[at:], data[rest:end])
	return b, true
}

// translatedOffload moves the offsets along with the transport header. The
// header length is told exactly: a kernel refuses a hint beyond the frame's
// end, which the frame has come closer to.
func (h *networkHeader) translatedOffload(p *Packet) Offload {
	o := p.Frame.Offload
	shift := h.newLen() - h.oldLen
	if o.PartialChecksum {
		o.ChecksumStart = uint16(int(o.ChecksumStart) + shift)
	}
	o.HeaderLen = 0
	if o.GSO != GSONone {
		o.HeaderLen = uint16(p.Payload + shift)
	}
	switch o.GSO {
	case GSOTCP4:
		o.GSO = GSOTCP6
	case GSOTCP6:
		o.GSO = GSOTCP4
	}
	return o
}

// translateTransport edits the transport header, now at l4 of f, of what was p.
// echo is the new ICMP type, if it is an echo.
func (p *Packet) translateTransport(f *Frame, l4 int, to Tuple, echo uint8) {
	b := f.Data
	var pseudo, body uint64
	switch p.Proto {
	case ProtoTCP, ProtoUDP:
		// Length and protocol are the same in both pseudo-headers.
		pseudo = addrDelta(addrDelta(0, p.Src, to.Src), p.Dst, to.Dst)
		body = wordDelta(wordDelta(0, p.SrcPort, to.SrcPort), p.DstPort, to.DstPort)
		binary.BigEndian.PutUint16(b[l4:], to.SrcPort)
		binary.BigEndian.PutUint16(b[l4+2:], to.DstPort)
	default:
		id := newID(p.SrcPort, to)
		pseudo = icmpPseudoDelta(p.Family, &p.Tuple, &to, p.End-p.L4)
		body = wordDelta(wordDelta(0, uint16(p.ICMPType)<<8, uint16(echo)<<8), p.SrcPort, id)
		b[l4] = echo
		binary.BigEndian.PutUint16(b[l4+icmpID:], id)
	}
	field := b[l4+p.checksum-p.L4:]
	switch {
	case p.partial():
		old := uint64(binary.BigEndian.Uint16(field))
		binary.BigEndian.PutUint16(field, fold(add(old, pseudo)))
	case p.Proto != ProtoUDP:
		updateChecksum(field, add(pseudo, body))
	case p.Family == 4 && field[0] == 0 && field[1] == 0:
		sumUDP(f, l4, to)
	default:
		updateUDPChecksum(field, add(pseudo, body))
	}
}

// sumUDP gives a whole datagram that had no checksum the one IPv6 demands. A
// superframe's is deferred, since its segments are what needs one.
func sumUDP(f *Frame, l4 int, to Tuple) {
	datagram := f.Data[l4:]
	if f.Offload.GSO != GSONone {
		binary.BigEndian.PutUint16(datagram[udpChecksum:], fold(pseudoSum(to.Src, to.Dst, ProtoUDP, len(datagram))))
		f.Offload.PartialChecksum = true
		f.Offload.ChecksumStart, f.Offload.ChecksumOffset = uint16(l4), udpChecksum
		return
	}
	// A tunnel packet: the sum outside covers the one inside.
	CompleteChecksum(f)
	sealTransport(datagram[:binary.BigEndian.Uint16(datagram[4:])], 6, to.Src, to.Dst, ProtoUDP)
}
