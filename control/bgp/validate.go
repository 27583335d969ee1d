package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Limits of fields on the wire, and of the kernel's.
const (
	asTrans            = 23456 // RFC 6793: stands for a four-byte ASN
	minHoldTime        = 3 * time.Second
	maxHoldTime        = 65535 * time.Second
	maxGracefulRestart = 4095 * time.Second
	maxPassword        = 80 // TCP_MD5SIG_MAXKEYLEN
)

// validate says why a completed peer cannot work.
func (p Peer) validate(r *Router) error {
	local, remote := p.LocalAddress, p.RemoteAddress
	switch {
	case p.Name == "":
		return errors.New("has no name")
	case !usable(local):
		return fmt.Errorf("local address %q is not a host's", local)
	case !usable(remote):
		return fmt.Errorf("remote address %q is not a host's", remote)
	case local == remote || local.Is4() != remote.Is4():
		return fmt.Errorf("addresses %s and %s must differ and be of one family", local, remote)
	case !p.RouterID.Is4() || p.RouterID.IsUnspecified():
		return errors.New("router ID: give an IPv4 address; with IPv6 addresses there is no default")
	case r != nil && p.LocalASN != r.ASN:
		return fmt.Errorf("local ASN %d is not the router's, %d", p.LocalASN, r.ASN)
	case p.Internal && p.LocalASN != p.RemoteASN:
		return fmt.Errorf("an internal session needs one ASN, and there are %d and %d", p.LocalASN, p.RemoteASN)
	case p.LocalASN == p.RemoteASN && !p.Internal: // V2: AsnConflict
		return fmt.Errorf("both ends have ASN %d: give the customer gateway another one", p.LocalASN)
	}
	for _, asn := range []uint32{p.LocalASN, p.RemoteASN} {
		if err := checkASN(asn); err != nil {
			return err
		}
	}
	if hop := p.IPv6NextHop; hop.IsValid() && (!usable(hop) || hop.Is4()) {
		return fmt.Errorf("IPv6 next hop %s is not an IPv6 host's", hop)
	}
	return errors.Join(p.checkTimers(), p.checkRoutes(), p.checkLimits())
}

// usable reports whether a host can have an address. A zone would tie it to an
// interface, of which this package knows none.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == ""
}

// checkASN refuses the ASNs that stand for none (RFC 7607, 6793, 7300).
func checkASN(asn uint32) error {
	if asn == 0 || asn == asTrans || asn == 1<<32-1 {
		return fmt.Errorf("ASN %d is reserved", asn)
	}
	return nil
}

// checkTimers: the wire has room for whole seconds, and two bytes of them.
func (p Peer) checkTimers() error {
	for _, t := range []struct {
		name     string
		value    time.Duration
		min, max time.Duration
	}{
		{"hold time", p.HoldTime, minHoldTime, maxHoldTime},
		{"keepalive", p.Keepalive, time.Second, maxHoldTime},
		{"graceful restart time", p.GracefulRestart, 0, maxGracefulRestart},
	} {
		if t.value < t.min || t.value > t.max || t.value%time.Second != 0 {
			return fmt.Errorf("%s %s: whole seconds from %s to %s are possible", t.name, t.value, t.min, t.max)
		}
	}
	return nil
}

func (p Peer) checkLimits() error {
	switch {
	case len(p.Password) > maxPassword:
		return fmt.Errorf("password: %d bytes are more than the kernel's %d", len(p.Password), maxPassword)
	case p.MultihopTTL < 1 || p.MultihopTTL > 255:
		return fmt.Errorf("multihop TTL %d: 1 to 255 are possible", p.MultihopTTL)
	case p.MaxPrefixes < 0:
		return fmt.Errorf("maximum of prefixes %d is negative", p.MaxPrefixes)
	case p.Export.Prepend < 0 || p.Export.Prepend > maxPrepend:
		return fmt.Errorf("prepend %d: 0 to %d are possible", p.Export.Prepend, maxPrepend)
	}
	return nil
}

// maxPrepend is more than any router needs, and leaves AS_PATH in one segment.
const maxPrepend = 50

// checkRoutes makes sure that whatever is to be announced can be written down:
// the session relies on it.
func (p Peer) checkRoutes() error {
	for _, f := range p.Families {
		if f != IPv4 && f != IPv6 {
			return fmt.Errorf("address family %q is unknown: ipv4 or ipv6", f)
		}
	}
	seen := map[netip.Prefix]bool{}
	for _, r := range p.Announce {
		family := familyOf(r.Prefix.Addr())
		switch {
		case !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() || r.Prefix.Addr().Is4In6():
			return fmt.Errorf("announced prefix %q: an address block is needed, with no bits set behind its length", r.Prefix)
		case !slices.Contains(p.Families, family):
			return fmt.Errorf("announced prefix %s: the session carries no %s routes", r.Prefix, family)
		case seen[r.Prefix]:
			return fmt.Errorf("announced prefix %s: is there twice", r.Prefix)
		case !r.NextHop.IsValid() && !p.ownHop(family).IsValid():
			return fmt.Errorf("announced prefix %s: needs a next hop, the local address is of the other family", r.Prefix)
		case r.NextHop.IsValid() && (!usable(r.NextHop) || familyOf(r.NextHop) != family):
			return fmt.Errorf("announced prefix %s: next hop %s is not an %s host's", r.Prefix, r.NextHop, family)
		case attributeBytes(r) > maxAttributeBytes:
			return fmt.Errorf("announced prefix %s: its AS path and communities take %d bytes, a message has room for %d", r.Prefix, attributeBytes(r), maxAttributeBytes)
		}
		seen[r.Prefix] = true
	}
	return nil
}

// ownHop is by which address this end is reached for routes of a family, invalid if
// nobody has said so.
func (p Peer) ownHop(f Family) netip.Addr {
	switch {
	case familyOf(p.LocalAddress) == f:
		return p.LocalAddress
	case f == IPv6:
		return p.IPv6NextHop
	}
	return netip.Addr{}
}

// maxAttributeBytes leaves room in a message for what else has to be there, and
// for prefixes.
const maxAttributeBytes = 3000

// attributeBytes is the room that the attributes of any length take.
func attributeBytes(r Route) int {
	return 4*len(r.ASPath) + 4*len(r.Communities) + 12*len(r.LargeCommunities)
}

func (r *Router) validate() error {
	if r == nil {
		return nil
	}
	if err := checkASN(r.ASN); err != nil {
		return err
	}
	if !r.RouterID.Is4() || r.RouterID.IsUnspecified() {
		return errors.New("router ID: give an IPv4 address")
	}
	for _, n := range r.Networks {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			return fmt.Errorf("network %q: an address block is needed, with no bits set behind its length", n)
		}
	}
	return nil
}
