package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Match is the part that security-group rules and network ACL rules share:
// protocol, destination ports (or ICMP type and code), and the other side's
// addresses.
type Match struct {
	// Protocol is an IANA number, or AnyProtocol.
	Protocol int
	// FirstPort to LastPort, inclusive, for TCP and UDP. Every other
	// protocol ignores them (S6, S8, S38).
	FirstPort, LastPort uint16
	// ICMPType and ICMPCode for ICMP and ICMPv6; AnyICMP matches all.
	ICMPType, ICMPCode int
	// CIDR is the remote side: source for ingress, destination for egress.
	// Its family is the rule's family.
	CIDR netip.Prefix
}

const (
	AnyProtocol = -1
	AnyICMP     = -1
)

// match is a Match packed for the walk. Rule lists are kept per family, so
// family is not part of it.
type match struct {
	prefix      packet.Prefix
	first, last uint16
	protocol    uint8
	any         bool // any protocol
	all         bool // every packet of the family
}

// compile packs m. ICMP type and code become a range of type<<8|code, so that
// one comparison serves ports and ICMP.
func (m Match) compile(family int) match {
	c := match{last: 0xffff}
	if m.CIDR.IsValid() {
		c.prefix = packet.PrefixFrom(m.CIDR)
	}
	if m.Protocol == AnyProtocol {
		c.any, c.all = true, !m.CIDR.IsValid() || m.coversAll()
		return c
	}
	c.protocol = uint8(m.Protocol)
	switch {
	case c.protocol == packet.ProtoTCP || c.protocol == packet.ProtoUDP:
		c.first, c.last = m.FirstPort, m.LastPort
	case c.protocol == packet.ProtoICMP,
		// Protocol 58 with an IPv4 CIDR ignores type and code (S38).
		c.protocol == packet.ProtoICMPv6 && family == family6:
		if m.ICMPType == AnyICMP {
			break // type -1 forces code -1 (S7)
		}
		c.first = uint16(m.ICMPType) << 8
		c.last = c.first | 0xff
		if m.ICMPCode != AnyICMP {
			c.first |= uint16(m.ICMPCode)
			c.last = c.first
		}
	}
	return c
}

// matches reports whether the rule covers a packet; port is the destination
// port, or type<<8|code.
func (m *match) matches(remote packet.Addr, protocol uint8, port uint16) bool {
	return m.all || (m.protocol == protocol || m.any) &&
		port-m.first <= m.last-m.first &&
		m.prefix.Contains(remote)
}

// coversPorts reports whether the rule allows protocol on every port.
func (m *match) coversPorts(protocol uint8) bool {
	return (m.any || m.protocol == protocol) && m.first == 0 && m.last == 0xffff
}

// coversAll reports whether the rule's CIDR is 0.0.0.0/0 or ::/0.
func (m Match) coversAll() bool { return m.CIDR.IsValid() && m.CIDR.Bits() == 0 }
