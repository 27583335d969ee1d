package packet

import (
	"encoding/binary"
	"math/bits"
)

const (
	ndPrefixInformation = 3
	ndMTU               = 5

	routerAdvertisementLen = 16
	ndPrefixInformationLen = 32

	ndManaged    = 0x80
	ndOther      = 0x40
	ndOnLink     = 0x80
	ndAutonomous = 0x40
)

// RouterAdvertisement is what a router tells the hosts of a link (RFC 4861
// section 4.2).
type RouterAdvertisement struct {
	DstMAC MAC
	// SrcMAC is also what the source link-layer address option says.
	SrcMAC MAC
	// Src must be link-local, or hosts ignore the message.
	Src Addr
	// Dst is the host that asked, or all nodes: ff02::1.
	Dst Addr
	// HopLimit is what hosts should put in their packets; 0 says nothing.
	HopLimit uint8
	// Managed: addresses come from DHCPv6. Other: other settings do.
	Managed, Other bool
	// Lifetime is for how many seconds this is a default router; 0: it is
	// none.
	Lifetime uint16
	// MTU of the link in bytes; 0 leaves the option out.
	MTU uint32
	// Prefixes are borrowed for the call.
	Prefixes []AdvertisedPrefix
}

// AdvertisedPrefix is a prefix information option (RFC 4861 section 4.6.2).
type AdvertisedPrefix struct {
	Prefix Prefix // IPv6
	// OnLink: hosts reach its addresses without a router. Autonomous: they
	// may make themselves an address of it (SLAAC).
	OnLink, Autonomous bool
	// Valid and Preferred are lifetimes in seconds, counted from now;
	// 0xffffffff is infinity.
	Valid, Preferred uint32
}

// AppendRouterAdvertisement appends the frame that carries ra to b. It
// allocates nothing when b has room.
func AppendRouterAdvertisement(b []byte, ra RouterAdvertisement) []byte {
	length := routerAdvertisementLen + 8 + ndPrefixInformationLen*len(ra.Prefixes)
	if ra.MTU != 0 {
		length += 8
	}
	h := ipHeader{dstMAC: ra.DstMAC, srcMAC: ra.SrcMAC, src: ra.Src, dst: ra.Dst, proto: ProtoICMPv6, ttl: ndHopLimit}
	b = h.append(b, 6, length)
	l4 := len(b)

	b = append(b, ndRouterAdvertisement, 0, 0, 0)
	b = append(b, ra.HopLimit, flag(ndManaged, ra.Managed)|flag(ndOther, ra.Other))
	b = binary.BigEndian.AppendUint16(b, ra.Lifetime)
	// Reachable time and retransmission timer: 0 leaves the host its own.
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(append(b, ndSourceLinkLayer, 1), ra.SrcMAC[:]...)
	if ra.MTU != 0 {
		b = binary.BigEndian.AppendUint32(append(b, ndMTU, 1, 0, 0), ra.MTU)
	}
	for i := range ra.Prefixes {
		b = ra.Prefixes[i].append(b)
	}
	sealTransport(b[l4:], 6, ra.Src, ra.Dst, ProtoICMPv6)
	return b
}

func (a *AdvertisedPrefix) append(b []byte) []byte {
	length := bits.OnesCount64(a.Prefix.Mask.Hi) + bits.OnesCount64(a.Prefix.Mask.Lo)
	b = append(b, ndPrefixInformation, ndPrefixInformationLen/8, byte(length), flag(ndOnLink, a.OnLink)|flag(ndAutonomous, a.Autonomous))
	b = binary.BigEndian.AppendUint32(b, a.Valid)
	b = binary.BigEndian.AppendUint32(b, a.Preferred)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, a.Prefix.Addr.Hi)
	return binary.BigEndian.AppendUint64(b, a.Prefix.Addr.Lo)
}

func flag(bit byte, set bool) byte {
	if set {
		return bit
	}
	return 0
}
