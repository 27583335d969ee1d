package bgp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBestPath is the decision process of RFC 4271, step by step: the first of
// the paths wins.
func TestBestPath(t *testing.T) {
	address := netip.MustParseAddr
	from := func(peer string, change func(*path)) path {
		p := path{Route: Route{ASPath: []uint32{64512}}, peer: peer, preference: 100, routerID: address("192.0.2.1"), address: address("169.254.9.1")}
		change(&p)
		return p
	}
	plain := func(*path) {}
	tests := []struct {
		name  string
		paths []path
	}{
		{"higher local preference, before all else", []path{from("a", func(p *path) { p.preference = 200; p.ASPath = []uint32{1, 2, 3} }), from("b", plain)}},
		{"shorter AS path", []path{from("a", func(p *path) { p.MED = 200 }), from("b", func(p *path) { p.ASPath = []uint32{64512, 1} })}},
		{"lower origin", []path{from("a", func(p *path) { p.MED = 200 }), from("b", func(p *path) { p.Origin = OriginIncomplete })}},
		{"lower MED of one neighbour (K-C12)", []path{from("a", func(p *path) { p.MED = 100; p.routerID = address("192.0.2.9") }), from("b", func(p *path) { p.MED = 200 })}},
		{"no MED is the lowest", []path{from("a", func(p *path) { p.routerID = address("192.0.2.9") }), from("b", func(p *path) { p.MED = 1 })}},
		{"MED of another neighbour says nothing", []path{from("a", func(p *path) { p.MED = 200 }), from("b", func(p *path) { p.ASPath = []uint32{64513}; p.routerID = address("192.0.2.9") })}},
		{"lower router ID", []path{from("a", plain), from("b", func(p *path) { p.routerID = address("192.0.2.2") })}},
		{"lower address", []path{from("a", plain), from("b", func(p *path) { p.address = address("169.254.9.5") })}},
		{"MED among three, whatever their order", []path{
			from("a", func(p *path) { p.routerID = address("192.0.2.5"); p.MED = 10 }),
			from("b", func(p *path) { p.routerID = address("192.0.2.3"); p.MED = 20 }),
			from("c", func(p *path) { p.routerID = address("192.0.2.9"); p.ASPath = []uint32{64513} }),
		}},
	}
	for _, test := range tests {
		for n := range test.paths { // every rotation
			rotated := append(append([]path{}, test.paths[n:]...), test.paths[:n]...)
			if got := bestOf(rotated).peer; got != "a" {
				t.Errorf("%s, rotated by %d: the path from %s", test.name, n, got)
			}
		}
	}
}

// site is a router with a session to each of two AWS ends.
func site(t *testing.T, change func(*State)) (router *speaking, aws1, aws2 *speaking, state State) {
	t.Helper()
	a1, c1 := link(t, false)
	a2, c2 := link(t, false)
	c1.Name, c2.Name = "tunnel1", "tunnel2"
	c1.LocalASN, c2.LocalASN = 0, 0
	c1.RouterID, c2.RouterID = netip.Addr{}, netip.Addr{}
	a2.LocalASN, a2.RouterID = 64513, netip.MustParseAddr("192.0.2.8")
	c2.RemoteASN = 64513
	a1.Announce, a2.Announce = routes("10.0.0.0/16"), routes("10.0.0.0/16", "10.9.0.0/16")
	state = State{
		Peers: []Peer{c1, c2},
		Router: &Router{
			ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.2"),
			Networks: []netip.Prefix{netip.MustParsePrefix("10.50.0.0/16")},
		},
	}
	change(&state)
	return speak(t, state), speak(t, peers(a1)), speak(t, peers(a2)), state
}

func TestRouterTakesTheBestAndFailsOver(t *testing.T) {
	router, aws1, aws2, state := site(t, func(s *State) { s.Peers[1].LocalPreference = 50 })
	best := router.chooses("10.0.0.0/16", "10.9.0.0/16")
	eventually(t, "the path of the higher preference", func() bool {
		best = router.Best()
		return best[0].NextHop == state.Peers[0].RemoteAddress
	})
	if best[1].NextHop != state.Peers[1].RemoteAddress {
		t.Errorf("%+v", best[1])
	}
	for _, aws := range []*speaking{aws1, aws2} { // no transit
		if got := aws.learns("tunnel", "10.50.0.0/16"); !cmp.Equal(got[0].ASPath, []uint32{65001}) {
			t.Errorf("AS path %v", got[0].ASPath)
		}
	}
	aws1.Close()
	eventually(t, "the other path", func() bool {
		best := router.Best()
		return len(best) == 2 && best[0].NextHop == state.Peers[1].RemoteAddress
	})
	aws2.Close()
	router.chooses()
}

func TestRouterInTransitPassesOnWhatItLearns(t *testing.T) {
	_, aws1, aws2, state := site(t, func(s *State) {
		s.Router.Transit = true
		s.Peers[0].Export = Export{Prepend: 2, MED: 50, Communities: []Community{7224<<16 | 7300}}
	})
	// 10.0.0.0/16 is AWS 1's own word (a lower router ID), and goes to AWS 2.
	got := aws1.learns("tunnel", "10.9.0.0/16", "10.50.0.0/16")
	want := []Route{{
		Prefix: netip.MustParsePrefix("10.9.0.0/16"), NextHop: state.Peers[0].LocalAddress,
		ASPath: []uint32{65001, 65001, 65001, 64513}, MED: 50, Communities: []Community{7224<<16 | 7300},
	}, {
		Prefix: netip.MustParsePrefix("10.50.0.0/16"), NextHop: state.Peers[0].LocalAddress,
		ASPath: []uint32{65001, 65001, 65001}, MED: 50, Communities: []Community{7224<<16 | 7300},
	}}
	if d := cmp.Diff(want, got, comparePrefix); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	got = aws2.learns("tunnel", "10.0.0.0/16", "10.50.0.0/16")
	if !cmp.Equal(got[0].ASPath, []uint32{65001, 64512}) || got[0].NextHop != state.Peers[1].LocalAddress {
		t.Errorf("%+v", got[0])
	}
}

func TestRouterKeepsWhatMustNotBePassedOn(t *testing.T) { // D7
	router, aws1, aws2, state := site(t, func(s *State) { s.Router.Transit = true })
	aws1.learns("tunnel", "10.9.0.0/16", "10.50.0.0/16")
	end := state.Peers[1]
	aws2.set(peers(Peer{
		Name: "tunnel", LocalAddress: end.RemoteAddress, RemoteAddress: end.LocalAddress, LocalASN: 64513, RemoteASN: 65001,
		RouterID: netip.MustParseAddr("192.0.2.8"),
		Announce: []Route{{Prefix: netip.MustParsePrefix("10.9.0.0/16"), Communities: []Community{NoExport}}},
	}))
	aws1.learns("tunnel", "10.50.0.0/16")
	router.chooses("10.0.0.0/16", "10.9.0.0/16")
}

// TestSpokesWithOneASNDoNotSeeEachOther: H4, K-C15. Control announces the one
// spoke's routes to the other, and the other's router refuses them.
func TestSpokesWithOneASNDoNotSeeEachOther(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoke uint32
		want  []string
	}{{"different ASNs", 65002, []string{"10.50.0.0/16"}}, {"one ASN", 65001, nil}} {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, false)
			aws.Announce = []Route{{Prefix: netip.MustParsePrefix("10.50.0.0/16"), ASPath: []uint32{test.spoke}}}
			speak(t, peers(aws))
			router := speak(t, State{Peers: []Peer{customer}, Router: &Router{ASN: 65001, RouterID: customer.RouterID}})
			router.reaches("aws", Established, "")
			eventually(t, "routes, if any", func() bool { return len(router.Best()) == len(test.want) })
			router.chooses(test.want...)
		})
	}
}

func TestRouterNeedsNoRouteToItsOwnNetworks(t *testing.T) {
	router, aws1, _, state := site(t, func(s *State) {})
	router.chooses("10.0.0.0/16", "10.9.0.0/16")
	changed := *state.Router
	changed.Networks = append(changed.Networks[:1:1], netip.MustParsePrefix("10.9.0.0/16"))
	router.set(State{Peers: state.Peers, Router: &changed})
	router.chooses("10.0.0.0/16")
	aws1.learns("tunnel", "10.9.0.0/16", "10.50.0.0/16")
	router.set(state)
	router.chooses("10.0.0.0/16", "10.9.0.0/16")
	aws1.learns("tunnel", "10.50.0.0/16")
	if p, _ := router.Peer("tunnel1"); time.Since(p.Since) > time.Minute || p.State != Established {
		t.Errorf("%+v", p)
	}
}
