package bgp

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// ribIn is what one peer has announced. It belongs to the session's goroutine.
type ribIn struct {
	routes map[netip.Prefix]Route
	// refused are not used, but count.
	refused map[netip.Prefix]bool
	// stale are those of routes that only a graceful restart keeps.
	stale map[netip.Prefix]bool
	// count is the number of prefixes of a family in routes and refused.
	count map[Family]int
}

// newRIBIn is that of a peer that has said nothing yet.
func newRIBIn() *ribIn {
	return &ribIn{routes: map[netip.Prefix]Route{}, refused: map[netip.Prefix]bool{}, stale: map[netip.Prefix]bool{}, count: map[Family]int{}}
}

// delta is how the usable routes of a peer, or best paths, have changed since
// somebody was told. Later changes of a prefix replace earlier ones.
type delta struct {
	set map[netip.Prefix]Route
	del map[netip.Prefix]bool
	// fresh are those of set that nobody has been told of before: what comes
	// and goes between two deltas was never there.
	fresh map[netip.Prefix]bool
}

func newDelta() *delta {
	return &delta{set: map[netip.Prefix]Route{}, del: map[netip.Prefix]bool{}, fresh: map[netip.Prefix]bool{}}
}

func (d *delta) empty() bool { return len(d.set)+len(d.del) == 0 }

// put notes a route; had says that there was another one for its prefix.
func (d *delta) put(r Route, had bool) {
	if !had && !d.del[r.Prefix] {
		d.fresh[r.Prefix] = true
	}
	d.set[r.Prefix] = r
	delete(d.del, r.Prefix)
}

func (d *delta) drop(p netip.Prefix) {
	if !d.fresh[p] {
		d.del[p] = true
	}
	delete(d.set, p)
	delete(d.fresh, p)
}

// lists are the changes in the order of a routing table.
func (d *delta) lists() ([]Route, []netip.Prefix) {
	routes := slices.SortedFunc(maps.Values(d.set), func(a, b Route) int { return comparePrefixes(a.Prefix, b.Prefix) })
	return routes, slices.SortedFunc(maps.Keys(d.del), comparePrefixes)
}

// apply takes an UPDATE in and notes in d what follows.
func (r *ribIn) apply(u update, d *delta) {
	for _, p := range u.withdrawn {
		r.remove(p, d)
	}
	for _, p := range u.refused {
		r.remove(p, d) // it replaces what the peer offered before
		r.refused[p] = true
		r.count[familyOf(p.Addr())]++
	}
	for _, route := range u.announced {
		old, had := r.routes[route.Prefix]
		delete(r.stale, route.Prefix)
		if had && old.Equal(route) {
			continue
		}
		if !had {
			r.remove(route.Prefix, d) // it may have been refused
			r.count[familyOf(route.Prefix.Addr())]++
		}
		r.routes[route.Prefix] = route
		d.put(route, had)
	}
}

// remove forgets a prefix, whether it was used, refused or never heard of.
func (r *ribIn) remove(p netip.Prefix, d *delta) {
	_, used := r.routes[p]
	if used {
		d.drop(p)
	}
	if used || r.refused[p] {
		r.count[familyOf(p.Addr())]--
	}
	delete(r.routes, p)
	delete(r.refused, p)
	delete(r.stale, p)
}

// lose takes the end of a session in: routes of the families in keep become
// stale, all others go.
func (r *ribIn) lose(keep []Family, d *delta) {
	for p := range r.refused {
		r.remove(p, d)
	}
	for p := range r.routes {
		if slices.Contains(keep, familyOf(p.Addr())) {
			r.stale[p] = true
		} else {
			r.remove(p, d)
		}
	}
}

// dropStale removes the stale routes of the given families.
func (r *ribIn) dropStale(families []Family, d *delta) {
	for p := range r.stale {
		if slices.Contains(families, familyOf(p.Addr())) {
			r.remove(p, d)
		}
	}
}

// ribOut is what one peer is to be told. Anybody may change it; the session
// takes the changes.
type ribOut struct {
	mu     sync.Mutex
	wanted map[netip.Prefix]Route
	dirty  map[netip.Prefix]bool
	wake   chan struct{} // of length 1
}

func newRIBOut() *ribOut {
	return &ribOut{wanted: map[netip.Prefix]Route{}, dirty: map[netip.Prefix]bool{}, wake: make(chan struct{}, 1)}
}

// replace makes routes everything that is announced.
func (o *ribOut) replace(routes map[netip.Prefix]Route) {
	o.mu.Lock()
	for p, r := range routes {
		if old, ok := o.wanted[p]; !ok || !old.Equal(r) {
			o.dirty[p] = true
		}
	}
	for p := range o.wanted {
		if _, ok := routes[p]; !ok {
			o.dirty[p] = true
		}
	}
	o.wanted = routes
	changed := len(o.dirty) > 0
	o.mu.Unlock()
	if changed {
		o.poke()
	}
}

// poke has the session look.
func (o *ribOut) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns what has changed since the last take: routes to announce and
// prefixes to withdraw. All is everything, changed or not.
func (o *ribOut) take(all bool) (routes []Route, gone []netip.Prefix) {
	o.mu.Lock()
	defer o.mu.Unlock()
	prefixes := slices.Collect(maps.Keys(o.dirty))
	if all {
		prefixes = slices.Collect(maps.Keys(o.wanted))
	}
	slices.SortFunc(prefixes, comparePrefixes)
	for _, p := range prefixes {
		if r, ok := o.wanted[p]; ok {
			routes = append(routes, r)
		} else {
			gone = append(gone, p)
		}
	}
	clear(o.dirty)
	return routes, gone
}
