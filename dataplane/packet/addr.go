package packet

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv4 or IPv6 address in 128 bits, IPv4 in its v4-mapped form, so
// that one code path serves both families. It is comparable, holds no pointer
// and packs into map keys (a key of netip.Addr costs four times as much to
// hash). The zero Addr is the IPv6 unspecified address "::" and means "none".
type Addr struct{ Hi, Lo uint64 }

const v4Mapped = 0xffff << 32

// AddrFrom converts a; the invalid netip.Addr becomes the zero Addr. Zones are
// dropped.
func AddrFrom(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	b := a.As16()
	return Addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// AddrFrom4 is the v4-mapped address of four bytes in network order.
func AddrFrom4(b [4]byte) Addr {
	return Addr{Lo: v4Mapped | uint64(binary.BigEndian.Uint32(b[:]))}
}

// Netip converts back; v4-mapped addresses come out as IPv4, the zero Addr as
// the invalid netip.Addr.
func (a Addr) Netip() netip.Addr {
	if a.IsZero() {
		return netip.Addr{}
	}
	if a.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.Lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b)
}

// Is4 reports whether a is v4-mapped.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// IsZero reports whether a is the zero Addr, which stands for "none".
func (a Addr) IsZero() bool { return a == Addr{} }

func (a Addr) String() string {
	if a.IsZero() {
		return "-"
	}
	return a.Netip().String()
}

// Prefix is a CIDR block in the same 128-bit form. The zero Prefix contains
// every address of both families.
type Prefix struct{ Addr, Mask Addr }

// PrefixFrom converts p, clearing host bits. An IPv4 prefix contains IPv4
// addresses only. An IPv6 prefix so short that it covers ::ffff:0:0/96, which
// in practice is ::/0, contains the IPv4 addresses too: whoever matches packets
// compares the family first.
func PrefixFrom(p netip.Prefix) Prefix {
	p = p.Masked()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	var m Addr
	if bits >= 64 {
		m = Addr{^uint64(0), ^uint64(0) << (128 - bits)}
	} else {
		m = Addr{Hi: ^uint64(0) << (64 - bits)}
	}
	return Prefix{AddrFrom(p.Addr()), m}
}

// Contains reports whether a lies in p.
func (p Prefix) Contains(a Addr) bool {
	return a.Hi&p.Mask.Hi == p.Addr.Hi && a.Lo&p.Mask.Lo == p.Addr.Lo
}

// MAC is an Ethernet address.
type MAC [6]byte

// IsGroup reports whether m is a multicast or the broadcast address.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

func (m MAC) String() string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, x := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hex[x>>4], hex[x&15])
	}
	return string(b)
}
