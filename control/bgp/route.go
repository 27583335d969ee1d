package bgp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Route is a prefix with the attributes that anybody chooses by. Slices belong
// to whoever made the route and are not changed by anybody.
type Route struct {
	Prefix netip.Prefix `json:"prefix"`
	// NextHop of a learned route is the other end's word. To announce, zero is
	// the local address.
	NextHop netip.Addr `json:"nextHop,omitzero"`
	// ASPath, nearest first. A learned one begins with the other end's ASN; the
	// own ASN of an announced one is put before it on the wire.
	ASPath []uint32 `json:"asPath,omitempty"`
	Origin Origin   `json:"origin,omitempty"`
	// MED is the MULTI_EXIT_DISC. 0 is none: to choose by, they are the same
	// (RFC 4271, section 9.1.2.2).
	MED              uint32           `json:"med,omitempty"`
	Communities      []Community      `json:"communities,omitempty"`
	LargeCommunities []LargeCommunity `json:"largeCommunities,omitempty"`
}

// Equal reports whether nothing about the two routes differs.
func (r Route) Equal(o Route) bool { return r.Prefix == o.Prefix && r.sameAttributes(o) }

func (r Route) sameAttributes(o Route) bool {
	return r.NextHop == o.NextHop && r.Origin == o.Origin && r.MED == o.MED &&
		slices.Equal(r.ASPath, o.ASPath) &&
		slices.Equal(r.Communities, o.Communities) &&
		slices.Equal(r.LargeCommunities, o.LargeCommunities)
}

// Origin is where a route came into BGP. Lower is better.
type Origin uint8

// The origins of RFC 4271.
const (
	OriginIGP        Origin = 0
	OriginEGP        Origin = 1
	OriginIncomplete Origin = 2
)

// Community is a standard community (RFC 1997), such as 7224:7100 (D6, D7).
type Community uint32

// Communities that every router knows.
const (
	NoExport    Community = 0xffffff01 // not to another autonomous system (D7)
	NoAdvertise Community = 0xffffff02 // not to anybody
)

// String writes the community as two halves.
func (c Community) String() string { return fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xffff) }

// MarshalText implements [encoding.TextMarshaler].
func (c Community) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Community) UnmarshalText(text []byte) error {
	parts, err := numbers(string(text), 2, 16)
	if err != nil {
		return fmt.Errorf("community %q: two numbers up to 65535 with a colon between them are needed", text)
	}
	*c = Community(parts[0]<<16 | parts[1])
	return nil
}

// LargeCommunity is a community of RFC 8092. AWS looks at none.
type LargeCommunity [3]uint32

// String writes the three numbers with colons between them.
func (c LargeCommunity) String() string { return fmt.Sprintf("%d:%d:%d", c[0], c[1], c[2]) }

// MarshalText implements [encoding.TextMarshaler].
func (c LargeCommunity) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *LargeCommunity) UnmarshalText(text []byte) error {
	parts, err := numbers(string(text), 3, 32)
	if err != nil {
		return fmt.Errorf("large community %q: three numbers with colons between them are needed", text)
	}
	*c = LargeCommunity(parts)
	return nil
}

func numbers(text string, count, bits int) ([]uint32, error) {
	parts := strings.Split(text, ":")
	if len(parts) != count {
		return nil, strconv.ErrSyntax
	}
	out := make([]uint32, count)
	for n, part := range parts {
		v, err := strconv.ParseUint(part, 10, bits)
		if err != nil {
			return nil, err
		}
		out[n] = uint32(v)
	}
	return out, nil
}

// comparePrefixes orders as routing tables are printed: IPv4 first, by address,
// then the shorter prefix.
func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
