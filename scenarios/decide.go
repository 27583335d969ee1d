package scenarios

import (
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// decidedBy reports whether at names one of the objects that dropped the packet
// in step: several where security groups say no together. A kind alone names
// any of its objects; an instance stands for its interfaces.
func decidedBy(step *dataplane.TraceStep, at control.Decider) bool {
	for _, o := range step.Objects {
		if o.Kind.String() == at.Kind && (at.Name == "" || at.Name == o.Name) {
			return true
		}
		if at.Kind == "instance" && o.Kind == dataplane.KindNetworkInterface {
			instance, _, _ := strings.Cut(o.Name, "/")
			if at.Name == "" || at.Name == instance {
				return true
			}
		}
	}
	return false
}

// objects names who dropped the packet.
func objects(step *dataplane.TraceStep) string {
	names := make([]string, len(step.Objects))
	for i, o := range step.Objects {
		names[i] = o.String()
	}
	return strings.Join(names, " and ")
}

// DropOf finds the drop that ended a probe among drops, the journal's entries
// since it was sent: that of the request, of the search for its next hop, or of
// the answer. It returns nil if none of them has to do with it.
//
// A driver whose hosts are alone with the probe gets an exact answer. Where
// other programs talk to the same port at the same time, theirs may be meant.
func DropOf(s *dataplane.Snapshot, drops []dataplane.Drop, p Probe) *dataplane.TraceStep {
	for i := range drops {
		if d := &drops[i]; isRequest(&d.Original, p) || isReply(&d.Original, p) || isSearch(d, p) {
			step := s.Explain(*d)
			return &step
		}
	}
	for i := range drops { // in GRE nobody sees the probe
		if d := &drops[i]; d.Original.Proto == packet.ProtoGRE {
			step := s.Explain(*d)
			return &step
		}
	}
	return nil
}

func isRequest(t *packet.Tuple, p Probe) bool {
	return t.Proto == p.protocol() && t.Dst.Netip() == p.To && (p.Port == 0 || t.DstPort == p.Port)
}

// isReply recognizes the answer by its source port alone: the receiver may
// have another address than the one the probe was sent to, and the sender too;
// a NAT gateway gives the sender another port, and behind NAT64 all is IPv4.
func isReply(t *packet.Tuple, p Probe) bool {
	answering := p
	answering.To = withoutNAT64(p.To) // who answers behind NAT64 answers in IPv4
	if t.Proto != p.protocol() && t.Proto != answering.protocol() {
		return false
	}
	if p.Port == 0 {
		return !t.Dst.Netip().IsMulticast() // of ICMP, whatever is not neighbour discovery
	}
	return t.SrcPort == p.Port && t.Dst.Netip() != p.To
}

// isSearch recognizes the ARP request or neighbour solicitation for the
// destination, which is all that is ever seen of a packet to an address of the
// subnet that nobody has.
func isSearch(d *dataplane.Drop, p Probe) bool {
	if d.Step.Reason != dataplane.ReasonNoNeighbor {
		return false
	}
	dst := d.Original.Dst.Netip()
	return dst == p.To || p.To.Is6() && dst == solicitedNode(p.To)
}

// solicitedNode is the multicast address on which a neighbour solicitation for
// a is sent (RFC 4291, section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// protocol is the probe's protocol number on the wire.
func (p Probe) protocol() uint8 {
	if p.Protocol == control.ProtocolICMP && p.To.Is6() {
		return packet.ProtoICMPv6
	}
	return p.Protocol.Number()
}
