package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NAT64 is always on in NAT gateways: an IPv6 packet to 64:ff9b::a.b.c.d goes on
// as IPv4 to a.b.c.d, and its answer comes back as IPv6 (R54).

var nat64Prefix = packet.PrefixFrom(netip.MustParsePrefix("64:ff9b::/96"))

// nat64Of is the IPv6 address that stands for an IPv4 one.
func nat64Of(a packet.Addr) packet.Addr {
	return packet.Addr{Hi: nat64Prefix.Addr.Hi, Lo: a.Lo & 0xffffffff}
}

// embedded4 is the inverse of nat64Of.
func embedded4(a packet.Addr) packet.Addr {
	return packet.Addr{Lo: 0xffff<<32 | a.Lo&0xffffffff}
}

// becomeFamily makes the packet one of a's family: what its addresses already
// are, its protocol and message type follow; commit does the bytes. False: an
// ICMP message that has no counterpart there.
func (w *Walk) becomeFamily(a packet.Addr) (ok bool) {
	if a.Is4() == (w.pkt.Family == 4) {
		return true
	}
	if isICMP(w.quoted.Proto) {
		w.quoted.Proto = otherICMP(w.quoted.Proto)
	}
	if !isICMP(w.tuple.Proto) {
		return true
	}
	w.tuple.Proto = otherICMP(w.tuple.Proto)
	w.icmpType, w.icmpCode, ok = packet.TranslatedICMP(&w.pkt)
	return ok
}

func otherICMP(protocol uint8) uint8 {
	if protocol == packet.ProtoICMP {
		return packet.ProtoICMPv6
	}
	return packet.ProtoICMP
}

// translator is the NAT gateway that the packet went through.
func (w *Walk) translator() Handle {
	for _, s := range w.steps[:w.nSteps] {
		if s.Stage == StageNATGateway {
			return s.Object
		}
	}
	return 0
}

// translateFamily makes the frame one of the other family. False: the packet
// has no counterpart there.
func (w *Walk) translateFamily(e *Engine) bool {
	buffer := e.arena.take(len(w.pkt.Frame.Data) + translationRoom)
	var f packet.Frame
	var ok bool
	if w.pkt.ICMPError {
		f, ok = packet.TranslateError(&w.pkt, w.tuple, w.quoted, buffer)
	} else {
		f, ok = packet.Translate(&w.pkt, w.tuple, buffer)
	}
	if ok {
		*w.pkt.Frame = f
	}
	return ok
}

// translationRoom is how much longer a frame of the other family may be: by a longer
// header, in a quoted packet too, and one for fragments.
const translationRoom = 2*familyDifference + 8
