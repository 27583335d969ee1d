package bgp

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// View is what all events so far add up to. The zero View has seen none.
type View struct {
	mu    sync.Mutex
	peers map[string]*peerView
	best  map[netip.Prefix]Route
}

// peerView is a PeerStatus that is being added up.
type peerView struct {
	session Session
	since   time.Time
	learned map[netip.Prefix]Route
}

// PeerStatus is a peer in a View.
type PeerStatus struct {
	Session
	// Since is when the session reached its state, whatever the reasons since.
	Since time.Time
	// Learned routes in the order of a routing table.
	Learned []Route
}

// Apply takes an event in, and reports whether routes, or whether a session is
// up, differ now: what whoever forwards packets has to look at.
func (v *View) Apply(e Event) (changed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.peers == nil {
		v.peers, v.best = map[string]*peerView{}, map[netip.Prefix]Route{}
	}
	changed = apply(v.best, e.Best, e.NoBest)
	if e.Peer == "" {
		return changed
	}
	p := v.peers[e.Peer]
	if p == nil {
		p = &peerView{learned: map[netip.Prefix]Route{}}
		v.peers[e.Peer] = p
	}
	changed = apply(p.learned, e.Learned, e.Withdrawn) || changed
	if e.Session != nil {
		if p.session.State != e.Session.State {
			changed = changed || p.session.State == Established || e.Session.State == Established
			p.since = e.Time
		}
		p.session = *e.Session
		if p.session.State == Removed {
			delete(v.peers, e.Peer)
		}
	}
	return changed
}

// apply reports whether there was anything to do.
func apply(routes map[netip.Prefix]Route, set []Route, gone []netip.Prefix) bool {
	for _, r := range set {
		routes[r.Prefix] = r
	}
	for _, p := range gone {
		delete(routes, p)
	}
	return len(set)+len(gone) > 0
}

// Peer returns the status of a peer; false if no event named it.
func (v *View) Peer(name string) (PeerStatus, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.peers[name]
	if p == nil {
		return PeerStatus{}, false
	}
	return PeerStatus{Session: p.session, Since: p.since, Learned: sorted(p.learned)}, true
}

// Best returns the best paths of a Router, in the order of a routing table.
func (v *View) Best() []Route {
	v.mu.Lock()
	defer v.mu.Unlock()
	return sorted(v.best)
}

func sorted(routes map[netip.Prefix]Route) []Route {
	return slices.SortedFunc(maps.Values(routes), func(a, b Route) int { return comparePrefixes(a.Prefix, b.Prefix) })
}
