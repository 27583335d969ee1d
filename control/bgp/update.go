package bgp

import (
	"fmt"
	"net/netip"
	"slices"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// update is what one UPDATE says, checked.
type update struct {
	announced []Route
	// withdrawn are also those that the message announces with attributes that
	// cannot be believed (RFC 7606).
	withdrawn []netip.Prefix
	// refused are announced, but must not be used: a loop (H4). They count
	// against MaxPrefixes all the same.
	refused []netip.Prefix
	// end is set by the End-of-RIB marker of a family.
	end Family
	// complaint says what was wrong with a message that did no harm.
	complaint string
}

// readUpdate checks an UPDATE of a peer, in which the codec may have
// found a flaw already. The fault is what the session cannot go on after.
func readUpdate(m *wire.BGPUpdate, flaw error, p Peer, t terms) (u update, f *fault) {
	defer survive(&f)
	if ok, w := m.IsEndOfRib(); ok {
		f, _ := familyOn(w)
		return update{end: f}, nil
	}
	families := map[wire.Family]wire.BGPAddPathMode{}
	for _, f := range t.families {
		families[wireFamilies[f]] = wire.BGP_ADD_PATH_NONE
	}
	// The codec cannot validate what it failed to decode. A next hop on loopback
	// is nobody's harm: control decides by the tunnel.
	if flaw == nil {
		if _, err := wire.ValidateUpdateMsg(m, families, !p.Internal, false, true); err != nil {
			switch f := faultOf(err); {
			case f.code == 0:
				// RFC 4760 lets us pass over routes of a family that the
				// session does not carry.
				return update{complaint: f.text}, nil
			case !tolerable(err, m):
				return update{}, f
			}
			flaw = withdrawing(err)
		}
	}
	template, parts, err := readAttributes(m, t)
	for _, w := range parts.withdrawn {
		u.withdrawn = append(u.withdrawn, w.prefix)
	}
	if flaw == nil {
		flaw = err
	}
	if flaw == nil && len(parts.announced) > 0 {
		flaw = checkPath(template.ASPath, p)
	}
	loop := slices.Contains(template.ASPath, p.LocalASN)
	for _, a := range parts.announced {
		route := template
		route.Prefix, route.NextHop = a.prefix, a.nextHop
		switch {
		case flaw != nil:
			u.withdrawn = append(u.withdrawn, a.prefix)
		case loop || a.nextHop == p.LocalAddress: // RFC 4271, sections 9.1.2 and 5.1.3
			u.refused = append(u.refused, a.prefix)
		default:
			u.announced = append(u.announced, route)
		}
	}
	if flaw != nil {
		u.complaint = flaw.Error()
	}
	return u, nil
}

// checkPath holds an AS path against what RFC 4271, section 6.3, expects: an external
// peer's begins with its number.
func checkPath(path []uint32, p Peer) error {
	if !p.Internal && (len(path) == 0 || path[0] != p.RemoteASN) {
		return fmt.Errorf("AS path %v does not begin with the peer's ASN %d", path, p.RemoteASN)
	}
	if slices.Contains(path, 0) {
		return fmt.Errorf("AS path %v contains ASN 0 (RFC 7607)", path)
	}
	return nil
}

// reach is a prefix of a message, and where it leads to.
type reach struct {
	prefix  netip.Prefix
	nextHop netip.Addr
}

type reaches struct{ announced, withdrawn []reach }

func (r *reaches) add(list *[]reach, nlri []wire.PathNLRI, nextHop netip.Addr) {
	for _, n := range nlri {
		if prefix, ok := n.NLRI.(*wire.IPAddrPrefix); ok {
			*list = append(*list, reach{prefix.Prefix.Masked(), nextHop})
		}
	}
}

// readAttributes collects the attributes that all announced prefixes share, and
// the prefixes. LOCAL_PREF is not looked at: from an external peer it means nothing
// (RFC 4271, section 5.1.5), and of an internal one's this end has its own opinion. The error leaves the prefixes valid.
func readAttributes(m *wire.BGPUpdate, t terms) (Route, reaches, error) {
	var r Route
	var parts reaches
	var nextHop netip.Addr
	var newPath []uint32
	var flaw error
	for _, attribute := range m.PathAttributes {
		switch a := attribute.(type) {
		case *wire.PathAttributeOrigin:
			r.Origin = Origin(a.Value)
		case *wire.PathAttributeAsPath:
			r.ASPath, flaw = sequence(a.Value)
		case *wire.PathAttributeAs4Path:
			for _, segment := range a.Value {
				newPath = append(newPath, segment.AS...)
			}
		case *wire.PathAttributeNextHop:
			nextHop = a.Value
		case *wire.PathAttributeMultiExitDisc:
			r.MED = a.Value
		case *wire.PathAttributeCommunities:
			for _, c := range a.Value {
				r.Communities = append(r.Communities, Community(c))
			}
		case *wire.PathAttributeLargeCommunities:
			for _, c := range a.Values {
				r.LargeCommunities = append(r.LargeCommunities, LargeCommunity{c.ASN, c.LocalData1, c.LocalData2})
			}
		case *wire.PathAttributeMpReachNLRI:
			parts.add(&parts.announced, a.Value, a.Nexthop)
			if !usable(a.Nexthop) && flaw == nil {
				flaw = fmt.Errorf("next hop %s is not a host's", a.Nexthop)
			}
		case *wire.PathAttributeMpUnreachNLRI:
			parts.add(&parts.withdrawn, a.Value, netip.Addr{})
		}
	}
	if t.twoByteASN {
		r.ASPath = mergePaths(r.ASPath, newPath)
	}
	parts.add(&parts.announced, m.NLRI, nextHop)
	parts.add(&parts.withdrawn, m.WithdrawnRoutes, netip.Addr{})
	return r, parts, flaw
}

// sequence is an AS path without sets: RFC 9774 withdraws routes that have them,
// since nobody can say whom they come from.
func sequence(segments []wire.AsPathParamInterface) ([]uint32, error) {
	var path []uint32
	for _, s := range segments {
		if s.GetType() != wire.BGP_ASPATH_ATTR_TYPE_SEQ {
			return path, fmt.Errorf("AS path contains an AS_SET (RFC 9774)")
		}
		path = append(path, s.GetAS()...)
	}
	return path, nil
}

// mergePaths puts the ASNs of four bytes back into a path that went through a
// speaker that knows only two (RFC 6793, section 4.2.3).
func mergePaths(path, four []uint32) []uint32 {
	if len(four) == 0 || len(four) > len(path) {
		return path
	}
	return append(slices.Clone(path[:len(path)-len(four)]), four...)
}
