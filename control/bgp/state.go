package bgp

import (
	"fmt"
	"net/netip"
	"time"
)

// State is everything that a Server is to do: whatever is not in it ends. The
// zero State is nothing.
type State struct {
	Peers []Peer `json:"peers,omitempty"`
	// Router makes the server a customer's router between its peers; nil: each
	// peer stands for itself.
	Router *Router `json:"router,omitempty"`
}

// Peer is one session as this end sees it.
type Peer struct {
	// Name identifies the session across States, and in events. A peer that
	// changes anything but Announce, MaxPrefixes and Export is reset.
	Name string `json:"name"`

	// LocalAddress is where this end listens and dials from, RemoteAddress the
	// only address that it accepts. Both are of one family.
	LocalAddress  netip.Addr `json:"localAddress"`
	RemoteAddress netip.Addr `json:"remoteAddress"`

	// Autonomous system numbers of two or four bytes; they differ (V2), unless
	// Internal. In a Router, LocalASN may be left to it.
	LocalASN  uint32 `json:"localASN,omitempty"`
	RemoteASN uint32 `json:"remoteASN"`
	// Internal: both ends are in one autonomous system (iBGP), as an appliance may
	// be with a transit gateway (T17).
	Internal bool `json:"internal,omitempty"`
	// IPv6NextHop is by which address this end is reached where a session between
	// IPv4 addresses carries IPv6 routes; zero: such routes need a NextHop of their
	// own.
	IPv6NextHop netip.Addr `json:"ipv6NextHop,omitzero"`
	// RouterID is the BGP identifier, an IPv4 address. Zero: that of the
	// Router, or else LocalAddress if that is IPv4.
	RouterID netip.Addr `json:"routerID,omitzero"`

	// HoldTime is offered to the other end; the lower of both counts. Keepalive
	// is never longer than a third of that. Whole seconds; zero: AWS's 30 s and
	// 10 s (V14).
	HoldTime  time.Duration `json:"holdTime,omitempty"`
	Keepalive time.Duration `json:"keepalive,omitempty"`

	// Passive never dials: the other end has to.
	Passive bool `json:"passive,omitempty"`
	// MultihopTTL is the TTL or hop limit of this end's packets; 0 is 1, for
	// an end on the same link.
	MultihopTTL int `json:"multihopTTL,omitempty"`
	// Password signs every TCP segment (RFC 2385; D2). Up to 80 bytes.
	Password string `json:"password,omitempty"`

	// Families are the routes to exchange. Empty: the addresses' own family.
	Families []Family `json:"families,omitempty"`
	// MaxPrefixes of one family may be received; one more closes the session,
	// and it stays Idle for IdleHold (V12, D4). 0: any number.
	MaxPrefixes int `json:"maxPrefixes,omitempty"`
	// IdleHold is how long a session that received too many prefixes refuses
	// to come up again. Zero: 30 s [inf].
	IdleHold time.Duration `json:"idleHold,omitempty"`
	// GracefulRestart is the restart time of RFC 4724, in whole seconds up to
	// 4095: when the connection breaks without a NOTIFICATION, what was learned
	// is kept for as long as the other end asked for. Zero: not supported.
	GracefulRestart time.Duration `json:"gracefulRestart,omitempty"`

	// Announce is what this peer, and it alone, is sent.
	Announce []Route `json:"announce,omitempty"`

	// LocalPreference of what a Router learns here; the highest wins. 0: 100.
	LocalPreference uint32 `json:"localPreference,omitempty"`
	// Export is what a Router does to everything that it announces here.
	Export Export `json:"export,omitzero"`
}

// Export is how a customer steers AWS's choice of a way back (V6, D6).
type Export struct {
	// Prepend is how many times more than once the own ASN stands in AS_PATH.
	Prepend int `json:"prepend,omitempty"`
	// MED replaces the MULTI_EXIT_DISC of every route; 0 leaves it.
	MED uint32 `json:"med,omitempty"`
	// Communities are added.
	Communities []Community `json:"communities,omitempty"`
}

// Router is a customer's router: it originates the networks of its site, takes
// the best of what its peers offer, and never accepts its own ASN (H4).
type Router struct {
	ASN      uint32         `json:"asn"`
	RouterID netip.Addr     `json:"routerID"`
	Networks []netip.Prefix `json:"networks,omitempty"`
	// Sources are addresses, at most one of a family, that the router's own packets
	// by learned routes come from; none leaves it to the kernel. Of the daemons
	// BIRD can say it; with FRRouting the kernel decides.
	Sources []netip.Addr `json:"sources,omitempty"`
	// Transit re-announces to every peer the best paths learned from others.
	// Without it only Networks are announced, as AWS's sample configurations do.
	Transit bool `json:"transit,omitempty"`
}

// Family is an address family of unicast routes.
type Family string

// The families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// What a zero value of Peer stands for.
const (
	defaultHoldTime        = 30 * time.Second // V14
	defaultKeepalive       = 10 * time.Second // V14
	defaultIdleHold        = 30 * time.Second // [inf]
	defaultLocalPreference = 100
)

// complete is s with every default written out, or the first thing in it that
// cannot work.
func (s State) complete() (State, error) {
	out := State{Peers: make([]Peer, len(s.Peers)), Router: s.Router}
	if err := s.Router.validate(); err != nil {
		return State{}, fmt.Errorf("bgp: router: %w", err)
	}
	names := map[string]bool{}
	ends := map[[2]netip.Addr]string{}
	for n, p := range s.Peers {
		p = p.complete(s.Router)
		if err := p.validate(s.Router); err != nil {
			return State{}, fmt.Errorf("bgp: peer %q: %w", p.Name, err)
		}
		if names[p.Name] {
			return State{}, fmt.Errorf("bgp: peer %q: there are two of that name", p.Name)
		}
		pair := [2]netip.Addr{p.LocalAddress, p.RemoteAddress}
		if other, taken := ends[pair]; taken {
			return State{}, fmt.Errorf("bgp: peer %q: %s already has a session between %s and %s", p.Name, other, pair[0], pair[1])
		}
		names[p.Name], ends[pair] = true, p.Name
		out.Peers[n] = p
	}
	return out, nil
}

func (p Peer) complete(r *Router) Peer {
	if r != nil {
		if p.LocalASN == 0 {
			p.LocalASN = r.ASN
		}
		if !p.RouterID.IsValid() {
			p.RouterID = r.RouterID
		}
	}
	if !p.RouterID.IsValid() && p.LocalAddress.Is4() {
		p.RouterID = p.LocalAddress
	}
	setDefault(&p.HoldTime, defaultHoldTime)
	setDefault(&p.Keepalive, defaultKeepalive)
	setDefault(&p.IdleHold, defaultIdleHold)
	setDefault(&p.LocalPreference, defaultLocalPreference)
	setDefault(&p.MultihopTTL, 1)
	if len(p.Families) == 0 {
		p.Families = []Family{familyOf(p.LocalAddress)}
	}
	return p
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
