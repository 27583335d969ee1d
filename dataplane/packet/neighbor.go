package packet

import "encoding/binary"

// Address resolution: ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861).

const (
	ndRouterSolicitation    = 133
	ndRouterAdvertisement   = 134
	ndNeighborSolicitation  = 135
	ndNeighborAdvertisement = 136

	ndSourceLinkLayer = 1
	ndTargetLinkLayer = 2

	ndHopLimit = 255 // proves that no router was crossed
)

// AppendARP appends an Ethernet frame with an ARP message to b. Operation is 1
// for a request, 2 for a reply. A request's targetMAC is zero.
func AppendARP(b []byte, operation uint16, dst, src MAC, senderMAC MAC, sender Addr, targetMAC MAC, target Addr) []byte {
	b = append(append(b, dst[:]...), src[:]...)
	b = append(b, EtherTypeARP>>8, EtherTypeARP&0xff)
	b = append(b, 0, 1, EtherTypeIPv4>>8, EtherTypeIPv4&0xff, 6, 4)
	b = binary.BigEndian.AppendUint16(b, operation)
	b = append(b, senderMAC[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(sender.Lo))
	b = append(b, targetMAC[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(target.Lo))
}

// AppendNeighborAdvertisement appends a frame that says target is at targetMAC.
// The three flags are those of RFC 4861 section 4.4.
func AppendNeighborAdvertisement(b []byte, dstMAC, srcMAC MAC, src, dst, target Addr, targetMAC MAC, router, solicited, override bool) []byte {
	var flags uint32
	for i, set := range [...]bool{router, solicited, override} {
		if set {
			flags |= 1 << (31 - i)
		}
	}
	var body [24]byte
	putNeighbor(&body, target, ndTargetLinkLayer, targetMAC)
	return Append(b, Spec{
		DstMAC: dstMAC, SrcMAC: srcMAC, TTL: ndHopLimit,
		Tuple:    Tuple{Src: src, Dst: dst, Proto: ProtoICMPv6},
		ICMPType: ndNeighborAdvertisement, ICMPParameter: flags, Payload: body[:],
	})
}

// AppendNeighborSolicitation appends a frame that asks, at the target's
// solicited-node group, for target's Ethernet address. A zero src makes it
// duplicate address detection, which must not name its sender's address.
func AppendNeighborSolicitation(b []byte, srcMAC MAC, src, target Addr) []byte {
	var body [24]byte
	putNeighbor(&body, target, ndSourceLinkLayer, srcMAC)
	payload := body[:]
	if src.IsZero() {
		payload = body[:16]
	}
	low := uint32(target.Lo)
	return Append(b, Spec{
		DstMAC: MAC{0x33, 0x33, 0xff, byte(low >> 16), byte(low >> 8), byte(low)}, SrcMAC: srcMAC, TTL: ndHopLimit,
		Tuple: Tuple{
			Src:   src,
			Dst:   Addr{Hi: 0xff02 << 48, Lo: 0x1_ff00_0000 | uint64(low&0xffffff)},
			Proto: ProtoICMPv6,
		},
		ICMPType: ndNeighborSolicitation, Payload: payload,
	})
}

func putNeighbor(body *[24]byte, target Addr, option byte, mac MAC) {
	binary.BigEndian.PutUint64(body[0:], target.Hi)
	binary.BigEndian.PutUint64(body[8:], target.Lo)
	body[16], body[17] = option, 1
	copy(body[18:], mac[:])
}

// NeighborTarget is the target of a neighbour solicitation or advertisement. It
// reports false for other packets, and for those that RFC 4861 section 7.1 has
// a node ignore: routed (hop limit below 255), fragmented (RFC 6980), with a
// code, too short, or with a group for a target. The ICMP checksum is not
// verified: a virtual wire does not damage frames.
func (p *Packet) NeighborTarget() (Addr, bool) {
	b := p.neighborMessage()
	if b == nil || p.ICMPType < ndNeighborSolicitation || len(b) < 24 {
		return Addr{}, false
	}
	target := Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
	if target.isGroup() || target.Is4() {
		return Addr{}, false
	}
	return target, true
}

// SourceLinkLayerOption is the sender's Ethernet address as a router or
// neighbour solicitation or a router advertisement gives it.
func (p *Packet) SourceLinkLayerOption() (MAC, bool) {
	return p.linkLayerOption(ndSourceLinkLayer)
}

// TargetLinkLayerOption is the target's Ethernet address as a neighbour
// advertisement gives it.
func (p *Packet) TargetLinkLayerOption() (MAC, bool) {
	return p.linkLayerOption(ndTargetLinkLayer)
}

func (p *Packet) linkLayerOption(option byte) (MAC, bool) {
	b := p.neighborMessage()
	if b == nil {
		return MAC{}, false
	}
	at := 24 // behind the target
	switch p.ICMPType {
	case ndRouterSolicitation:
		at = 8
	case ndRouterAdvertisement:
		at = 16
	}
	for len(b)-at >= 8 {
		length := int(b[at+1]) * 8
		if length == 0 || length > len(b)-at {
			return MAC{}, false // RFC 4861 section 4.6: discard the packet
		}
		if b[at] == option {
			return MAC(b[at+2 : at+8]), true
		}
		at += length
	}
	return MAC{}, false
}

// neighborMessage is the ICMPv6 message of a valid discovery packet, else nil.
func (p *Packet) neighborMessage() []byte {
	if p.Family != 6 || p.Proto != ProtoICMPv6 || p.L4 == 0 || p.Fragment ||
		p.TTL != ndHopLimit || p.ICMPCode != 0 ||
		p.ICMPType < ndRouterSolicitation || p.ICMPType > ndNeighborAdvertisement {
		return nil
	}
	return p.Frame.Data[p.L4:p.End]
}
