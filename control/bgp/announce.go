package bgp

import (
	"net/netip"
	"slices"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Bytes of an UPDATE that are there in any case, and of MP_REACH_NLRI with an
// IPv6 next hop or MP_UNREACH_NLRI, before the prefixes.
const (
	updateBytes = wire.BGP_HEADER_LENGTH + 2 + 2
	reachBytes  = 4 + 2 + 1 + 1 + 16 + 1
	maxSegment  = 255 // ASNs
)

// announcements writes routes into as few UPDATE messages as their attributes
// allow. Routes whose attributes fill a message are returned: they cannot be
// sent.
func announcements(routes []Route, p Peer, t terms) (messages [][]byte, tooLong []netip.Prefix) {
	// One UPDATE says its attributes once for all its prefixes, so routes that
	// share them go together. What they share is compared as it will be written.
	type group struct {
		attributes []wire.PathAttributeInterface
		size       int
		family     Family
		nextHop    netip.Addr
		prefixes   []netip.Prefix
	}
	var groups []*group
	known := map[string]*group{}
	for _, r := range routes {
		attributes := attributesOf(r, p, t)
		key := ""
		for _, a := range attributes {
			bytes, err := a.Serialize()
			if err != nil {
				panic("bgp: an attribute of our own cannot be written: " + err.Error())
			}
			key += string(bytes)
		}
		family, nextHop := familyOf(r.Prefix.Addr()), nextHopOf(r, p)
		size := len(key)
		key += string(family) + nextHop.String()
		g := known[key]
		if g == nil {
			g = &group{attributes: attributes, size: size, family: family, nextHop: nextHop}
			known[key], groups = g, append(groups, g)
		}
		g.prefixes = append(g.prefixes, r.Prefix)
	}
	for _, g := range groups {
		room := wire.BGP_MAX_MESSAGE_LENGTH - updateBytes - g.size
		if g.family == IPv6 {
			room -= reachBytes
		}
		// Only a router in transit meets this: what it is told to announce was
		// checked, what others announced to it was not.
		if room < prefixBytes(netip.PrefixFrom(netip.IPv6Unspecified(), 128)) {
			tooLong = append(tooLong, g.prefixes...)
			continue
		}
		for _, part := range fit(g.prefixes, room) {
			attributes, nlri := g.attributes, nlriOf(part)
			if g.family == IPv6 {
				reach, err := wire.NewPathAttributeMpReachNLRI(wire.RF_IPv6_UC, nlri, g.nextHop)
				if err != nil {
					panic("bgp: prefixes that were checked: " + err.Error())
				}
				// RFC 7606, section 5.1: first, so that a fault in another
				// attribute does not hide it.
				attributes, nlri = append([]wire.PathAttributeInterface{reach}, attributes...), nil
			}
			messages = append(messages, serialize(wire.NewBGPUpdateMessage(nil, attributes, nlri)))
		}
	}
	return messages, tooLong
}

// withdrawals writes the prefixes that are no longer announced.
func withdrawals(prefixes []netip.Prefix) [][]byte {
	var messages [][]byte
	for _, family := range []Family{IPv4, IPv6} {
		var list []netip.Prefix
		for _, p := range prefixes {
			if familyOf(p.Addr()) == family {
				list = append(list, p)
			}
		}
		for _, part := range fit(list, wire.BGP_MAX_MESSAGE_LENGTH-updateBytes-reachBytes) {
			if family == IPv4 {
				messages = append(messages, serialize(wire.NewBGPUpdateMessage(nlriOf(part), nil, nil)))
				continue
			}
			unreach, err := wire.NewPathAttributeMpUnreachNLRI(wire.RF_IPv6_UC, nlriOf(part))
			if err != nil {
				panic("bgp: prefixes that were sent before: " + err.Error())
			}
			messages = append(messages, serialize(wire.NewBGPUpdateMessage(nil, []wire.PathAttributeInterface{unreach}, nil)))
		}
	}
	return messages
}

// fit cuts a list into parts of at most room bytes each.
func fit(prefixes []netip.Prefix, room int) [][]netip.Prefix {
	var parts [][]netip.Prefix
	start, used := 0, 0
	for n, p := range prefixes {
		size := prefixBytes(p)
		if used+size > room {
			parts = append(parts, prefixes[start:n])
			start, used = n, 0
		}
		used += size
	}
	if start < len(prefixes) {
		parts = append(parts, prefixes[start:])
	}
	return parts
}

// prefixBytes is what a prefix takes on the wire: its length, and no more bytes
// than that needs.
func prefixBytes(p netip.Prefix) int { return 1 + (p.Bits()+7)/8 }

func nlriOf(prefixes []netip.Prefix) []wire.PathNLRI {
	list := make([]wire.PathNLRI, len(prefixes))
	for n, p := range prefixes {
		prefix, err := wire.NewIPAddrPrefix(p)
		if err != nil {
			panic("bgp: a prefix that was checked: " + err.Error())
		}
		list[n].NLRI = prefix
	}
	return list
}

// nextHopOf is where a route leads: to the end that announces it, unless the
// route says otherwise.
func nextHopOf(r Route, p Peer) netip.Addr {
	if r.NextHop.IsValid() {
		return r.NextHop
	}
	return p.ownHop(familyOf(r.Prefix.Addr()))
}

// attributesOf is everything but MP_REACH_NLRI, in the order of the types, with
// the own ASN put before the path; within it, the path stays, and LOCAL_PREF has to
// be there (RFC 4271, section 5.1).
func attributesOf(r Route, p Peer, t terms) []wire.PathAttributeInterface {
	path := r.ASPath
	if !p.Internal {
		path = append([]uint32{p.LocalASN}, r.ASPath...)
	}
	list := []wire.PathAttributeInterface{wire.NewPathAttributeOrigin(uint8(r.Origin))}
	list = append(list, pathAttribute(path, t.twoByteASN))
	if r.Prefix.Addr().Is4() { // that of IPv6 is in MP_REACH_NLRI
		hop, err := wire.NewPathAttributeNextHop(nextHopOf(r, p))
		if err != nil {
			panic("bgp: a next hop that was checked: " + err.Error())
		}
		list = append(list, hop)
	}
	if r.MED != 0 {
		list = append(list, wire.NewPathAttributeMultiExitDisc(r.MED))
	}
	if p.Internal {
		list = append(list, wire.NewPathAttributeLocalPref(defaultLocalPreference))
	}
	if len(r.Communities) > 0 {
		values := make([]uint32, len(r.Communities))
		for n, c := range r.Communities {
			values[n] = uint32(c)
		}
		list = append(list, wire.NewPathAttributeCommunities(values))
	}
	if t.twoByteASN && slices.ContainsFunc(path, func(asn uint32) bool { return asn > 1<<16-1 }) {
		var segments []*wire.As4PathParam
		for part := range slices.Chunk(path, maxSegment) {
			segments = append(segments, wire.NewAs4PathParam(wire.BGP_ASPATH_ATTR_TYPE_SEQ, part))
		}
		list = append(list, wire.NewPathAttributeAs4Path(segments))
	}
	if len(r.LargeCommunities) > 0 {
		values := make([]*wire.LargeCommunity, len(r.LargeCommunities))
		for n, c := range r.LargeCommunities {
			values[n] = wire.NewLargeCommunity(c[0], c[1], c[2])
		}
		list = append(list, wire.NewPathAttributeLargeCommunities(values))
	}
	return list
}

// pathAttribute is AS_PATH; to an end that knows ASNs of two bytes only, larger
// ones are AS_TRANS there, and AS4_PATH says them (RFC 6793).
func pathAttribute(path []uint32, twoByteASN bool) wire.PathAttributeInterface {
	var segments []wire.AsPathParamInterface
	for part := range slices.Chunk(path, maxSegment) {
		if !twoByteASN {
			segments = append(segments, wire.NewAs4PathParam(wire.BGP_ASPATH_ATTR_TYPE_SEQ, part))
			continue
		}
		short := make([]uint16, len(part))
		for n, asn := range part {
			short[n] = asTrans
			if asn <= 1<<16-1 {
				short[n] = uint16(asn)
			}
		}
		segments = append(segments, wire.NewAsPathParam(wire.BGP_ASPATH_ATTR_TYPE_SEQ, short))
	}
	return wire.NewPathAttributeAsPath(segments)
}

// endOfRIB says that everything of a family has been announced (RFC 4724).
func endOfRIB(f Family) []byte { return serialize(wire.NewEndOfRib(wireFamilies[f])) }
