package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Configurations for daemons of the customer's side, from the same State as a
// Router of this package: what they announce and what they prefer is the same,
// and a user can keep them, for a lab or for AWS.

// customer checks that state is a customer's, with defaults written out.
func customer(state State) (State, error) {
	if state.Router == nil {
		return State{}, errors.New("bgp: a daemon's configuration needs a Router: ASN, router ID and networks")
	}
	state, err := state.complete()
	if err != nil {
		return State{}, err
	}
	names := map[string]string{}
	for _, p := range state.Peers {
		name := identifier(p.Name)
		if other, taken := names[name]; taken {
			return State{}, fmt.Errorf("bgp: peers %q and %q have one name in a daemon's configuration: let them differ in letters or digits", other, p.Name)
		}
		names[name] = p.Name
		if strings.ContainsFunc(p.Name+p.Password, unquotable) {
			return State{}, fmt.Errorf("bgp: peer %q: name and password cannot be written into a daemon's configuration: leave out quotes, spaces and control characters", p.Name)
		}
	}
	return state, nil
}

// unquotable are the characters that would end a string, or begin a comment, in
// one of the daemons' languages: a name is not to become a command.
func unquotable(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"'!#\`, r) }

// identifier makes a name that any daemon takes: letters, digits, underscores.
func identifier(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, name)
}

// exported are the prefixes of one family that a peer is told: the site's, and
// those for this peer alone. In transit there are others besides.
func exported(r *Router, p Peer, f Family) []netip.Prefix {
	if !slices.Contains(p.Families, f) {
		return nil
	}
	list := networks(r, f)
	for _, a := range p.Announce {
		if familyOf(a.Prefix.Addr()) == f && !slices.Contains(list, a.Prefix) {
			list = append(list, a.Prefix)
		}
	}
	return list
}

// networks are the site's own of one family, each once.
func networks(r *Router, f Family) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range r.Networks {
		if familyOf(n.Addr()) == f && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// originated are all prefixes of a family that the router brings into BGP.
func originated(s State, f Family) []netip.Prefix {
	list := networks(s.Router, f)
	for _, p := range s.Peers {
		for _, n := range exported(s.Router, p, f) {
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	return list
}

// text is a configuration that grows.
type text struct{ strings.Builder }

func (t *text) line(format string, values ...any) {
	fmt.Fprintf(&t.Builder, format+"\n", values...)
}
