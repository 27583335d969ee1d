package control

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// forbiddenVPCBlocks cannot be in a VPC at all (A2).
var forbiddenVPCBlocks = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4")

// validateBlock checks one IPv4 block by itself and reports whether it can be one.
// Public space is allowed: it still reaches the Internet by translation only (A9).
func (vpc *VPC) validateBlock(v *validation, path string, block netip.Prefix) bool {
	hint := ""
	switch {
	case !block.Addr().Is4():
		hint = "write an IPv4 block here; for IPv6 use ipv6"
	case block.Bits() < 16 || block.Bits() > 28: // A1
		hint = "a VPC's block is /16 to /28"
	default:
		for _, forbidden := range forbiddenVPCBlocks {
			if forbidden.Overlaps(block) {
				hint = fmt.Sprintf("%s is not for VPCs; use private space such as 10.0.0.0/16", forbidden)
			}
		}
	}
	if hint != "" { // QV1
		v.reportf(path, "InvalidVpc.Range", hint, "The CIDR '%s' is invalid.", block)
	}
	return hint == ""
}

// The ranges whose mixing AWS restricts (A6).
var (
	rfc1918     = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
	benchmark   = netip.MustParsePrefix("198.19.0.0/16")
	lowestTen   = netip.MustParsePrefix("10.0.0.0/15")
	barredTen   = netip.MustParsePrefix("10.0.0.0/16")
	barred17231 = netip.MustParsePrefix("172.31.0.0/16")
)

// validateSecondary checks a secondary block against those associated before
// it; AWS's limits depend on that order.
func (vpc *VPC) validateSecondary(v *validation, path string, block netip.Prefix, earlier []netip.Prefix) {
	for _, e := range earlier {
		if e.Overlaps(block) { // QV8
			v.reportf(path, "InvalidVpc.Range", fmt.Sprintf("it overlaps %s of the same VPC", e),
				"The CIDR '%s' conflicts with an existing CIDR.", block)
			return
		}
	}
	for _, e := range earlier {
		if restricted(e, block) { // QV7
			v.reportf(path, "InvalidVpc.Range", fmt.Sprintf("the VPC holds %s, which bars it", e),
				"The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR.", block)
			return
		}
	}
}

// restricted reports whether a VPC that holds the block present may not add the
// block added (A6).
func restricted(present, added netip.Prefix) bool {
	was, is := addressRange(present), addressRange(added)
	private := func(r int) bool { return r < len(rfc1918) }
	switch {
	case private(is) && was != is:
		return true // another RFC 1918 range, 198.19/16, or public and 100.64/10
	case is == rangeBenchmark && private(was):
		return true
	case barred17231.Overlaps(added) && was == 1:
		return true
	case barredTen.Overlaps(added) && lowestTen.Overlaps(present):
		return true
	}
	return false
}

// Results of addressRange beside the indexes of rfc1918.
const (
	rangeBenchmark = 3 + iota
	rangePublic    // or 100.64.0.0/10, which AWS treats alike
)

// addressRange is the range that a block lies in, as far as A6 tells them apart.
func addressRange(p netip.Prefix) int {
	for i, r := range rfc1918 {
		if r.Overlaps(p) {
			return i
		}
	}
	if benchmark.Overlaps(p) {
		return rangeBenchmark
	}
	return rangePublic
}

// The IPv6 space that VPC blocks can come from (A12), and what is barred in it.
var (
	globalIPv6    = netip.MustParsePrefix("2000::/3")
	privateIPv6   = netip.MustParsePrefix("fd00::/8")
	barredIPv6    = prefixes("fd00::/16")
	internetIPv6  = netip.MustParsePrefix("2001:db8:ff00::/40")
	linkLocalIPv6 = netip.MustParsePrefix("fd00:ec2::/32")
)

// validateIPv6 checks a block that the file writes; one that AWS assigns is right by
// construction.
func (vpc *VPC) validateIPv6(v *validation, name, path string) {
	if vpc.IPv6.Choice != Explicit {
		return
	}
	block := vpc.IPv6.Prefix
	hint := ""
	switch {
	case !block.Addr().Is6():
		hint = "write true, or an IPv6 block"
	case block.Bits() < 44 || block.Bits() > 60 || block.Bits()%4 != 0: // A10
		hint = "a VPC's IPv6 block is /44 to /60 in steps of 4; AWS assigns a /56"
	case internetIPv6.Overlaps(block):
		hint = fmt.Sprintf("%s is for Internet hosts in this lab", internetIPv6)
	case !contains(globalIPv6, block) && !contains(privateIPv6, block), overlapsAny(barredIPv6, block):
		hint = "use global unicast space such as 2001:db8:1::/56, or private space inside fd00::/8 but outside fd00::/16"
	}
	if hint != "" {
		v.reportf(path, "InvalidVpc.Range", hint, "The CIDR '%s' is invalid.", block)
		return
	}
	if contains(privateIPv6, block) {
		return // private blocks may repeat, as IPv4's do
	}
	for _, other := range slices.Sorted(maps.Keys(v.w.VPCs)) {
		if o := v.w.VPCs[other]; other < name && o.IPv6.Choice == Explicit && o.IPv6.Prefix.Overlaps(block) {
			v.reportf(path, "InvalidVpc.Range", fmt.Sprintf("VPC %s has %s; global IPv6 blocks cannot overlap", other, o.IPv6.Prefix),
				"The CIDR '%s' conflicts with an existing CIDR.", block)
		}
	}
}
