package bgp

import (
	"net/netip"
	"slices"
)

// table is the routing information base of a Router: every path that any peer
// offers, and the best of each prefix. The Server's lock guards it.
type table struct {
	paths map[netip.Prefix]map[string]path // by the peer's name
	best  map[netip.Prefix]path
}

// path is a route with what else the choice depends on.
type path struct {
	Route
	peer       string
	internal   bool
	preference uint32
	routerID   netip.Addr // the peer's
	address    netip.Addr // the peer's
}

func newTable() *table {
	return &table{paths: map[netip.Prefix]map[string]path{}, best: map[netip.Prefix]path{}}
}

// learn takes a peer's changes in and notes in d how the best paths change.
func (t *table) learn(peer Peer, routerID netip.Addr, changes *delta, d *delta) {
	for p, r := range changes.set {
		if t.paths[p] == nil {
			t.paths[p] = map[string]path{}
		}
		t.paths[p][peer.Name] = path{r, peer.Name, peer.Internal, peer.LocalPreference, routerID, peer.RemoteAddress}
		t.choose(p, d)
	}
	for p := range changes.del {
		delete(t.paths[p], peer.Name)
		t.choose(p, d)
	}
}

// choose finds the best path of a prefix anew, and notes whether it is another.
func (t *table) choose(p netip.Prefix, d *delta) {
	list := make([]path, 0, len(t.paths[p]))
	for _, candidate := range t.paths[p] {
		list = append(list, candidate)
	}
	old, had := t.best[p]
	if len(list) == 0 {
		delete(t.paths, p)
		delete(t.best, p)
		if had {
			d.drop(p)
		}
		return
	}
	best := bestOf(list)
	t.best[p] = best
	if !had || old.peer != best.peer || !old.Equal(best.Route) {
		d.put(best.Route, had)
	}
}

// bestOf is the decision process of RFC 4271, section 9.1.2.2: each step leaves only
// its best.
func bestOf(list []path) path {
	list = lowest(list, func(p path) int64 { return -int64(p.preference) })
	list = lowest(list, func(p path) int64 { return int64(len(p.ASPath)) })
	list = lowest(list, func(p path) int64 { return int64(p.Origin) })
	// MED is compared only between routes of one neighbouring AS.
	list = slices.DeleteFunc(slices.Clone(list), func(p path) bool {
		return slices.ContainsFunc(list, func(o path) bool { return o.neighbour() == p.neighbour() && o.MED < p.MED })
	})
	list = lowest(list, func(p path) int64 {
		if p.internal {
			return 1
		}
		return 0
	})
	return slices.MinFunc(list, func(a, b path) int {
		if c := a.routerID.Compare(b.routerID); c != 0 {
			return c
		}
		return a.address.Compare(b.address)
	})
}

// neighbour is the AS that a path begins with; 0 is the own one.
func (p *path) neighbour() uint32 {
	if len(p.ASPath) == 0 {
		return 0
	}
	return p.ASPath[0]
}

// lowest leaves the paths for which of is least. The list is not changed.
func lowest(list []path, of func(path) int64) []path {
	least := of(list[0])
	for _, p := range list {
		least = min(least, of(p))
	}
	return slices.DeleteFunc(slices.Clone(list), func(p path) bool { return of(p) != least })
}

// exports is everything that a router announces to one peer: its networks, what
// is meant for this peer alone, and in transit what others offer.
func (t *table) exports(r *Router, p Peer) map[netip.Prefix]Route {
	out := map[netip.Prefix]Route{}
	add := func(route Route) {
		family := familyOf(route.Prefix.Addr())
		if !slices.Contains(p.Families, family) {
			return
		}
		if !route.NextHop.IsValid() && !p.ownHop(family).IsValid() {
			return // nobody has said by which address the router is reached
		}
		out[route.Prefix] = p.Export.apply(route, p.LocalASN)
	}
	if r.Transit {
		for _, best := range t.best {
			if best.peer == p.Name || best.internal && p.Internal || slices.Contains(best.Communities, NoExport) || slices.Contains(best.Communities, NoAdvertise) {
				continue
			}
			route := best.Route
			// The router itself is the next hop, and a MED is for the AS that
			// it was said to only (RFC 4271, section 5.1.4).
			route.NextHop, route.MED = netip.Addr{}, 0
			add(route)
		}
	}
	// The own networks win over whatever others say of them, and what is meant
	// for this peer over both.
	for _, n := range r.Networks {
		add(Route{Prefix: n})
	}
	for _, route := range p.Announce {
		add(route)
	}
	return out
}

// apply makes the changes to a route that are to steer the other end's choice.
func (e Export) apply(r Route, own uint32) Route {
	if e.Prepend > 0 { // the session puts the own ASN there once more
		r.ASPath = append(slices.Repeat([]uint32{own}, e.Prepend), r.ASPath...)
	}
	if e.MED != 0 {
		r.MED = e.MED
	}
	if len(e.Communities) > 0 {
		r.Communities = append(slices.Clone(r.Communities), e.Communities...)
	}
	return r
}

// announced is everything that a peer without a router announces.
func (p Peer) announced() map[netip.Prefix]Route {
	out := make(map[netip.Prefix]Route, len(p.Announce))
	for _, r := range p.Announce {
		out[r.Prefix] = r
	}
	return out
}
