package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// parsePrefix reads a CIDR block and clears host bits silently, as AWS does
// (A1, QS13).
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		err = fmt.Errorf("IPv4-mapped")
	}
	if err == nil {
		return p.Masked(), nil
	}
	bad := badValue{
		code:    "InvalidParameterValue",
		message: fmt.Sprintf("Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", text),
		hint:    "write a block such as 10.0.0.0/16 or 2001:db8::/56",
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		bad.hint = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
	}
	return netip.Prefix{}, bad
}

// parseAddr reads an address. Zones and IPv4-mapped forms are refused: AWS has
// neither, and two spellings of one address would hide that it is used twice.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err == nil && a.Zone() == "" && !a.Is4In6() {
		return a, nil
	}
	hint := "write an address such as 10.0.1.10 or 2001:db8::10"
	if before, _, ok := strings.Cut(text, "/"); ok {
		if _, err := netip.ParseAddr(before); err == nil {
			hint = fmt.Sprintf("write the address alone: %s", before)
		}
	}
	return netip.Addr{}, badValue{
		code:    "InvalidParameterValue",
		message: fmt.Sprintf("Value (%s) is not a valid IP address.", text),
		hint:    hint,
	}
}

// contains reports whether all of inner lies in outer.
func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// overlapsAny reports whether p shares an address with any block of list.
func overlapsAny(list []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(list, p.Overlaps)
}

// prefixes parses a table of blocks.
func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// lastAddress is the highest address of a block without host bits.
func lastAddress(block netip.Prefix) netip.Addr {
	bytes := block.Addr().AsSlice()
	for bit := block.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

func joinPrefixes(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// reservedIn reports whether a is one of the five addresses of block that no
// interface can have: the first four and the last (A15, A16).
func reservedIn(block netip.Prefix, a netip.Addr) bool {
	first := block.Addr()
	for range 4 {
		if a == first {
			return true
		}
		first = first.Next()
	}
	return a == lastAddress(block)
}
