package bgp

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// links counts the pairs of addresses that tests have taken.
var links atomic.Int32

// link gives the loopback interface a pair of addresses of each family, and
// returns the ends of a session between them: AWS's is the first (V3).
func link(t testing.TB, ipv6 bool) (aws, customer Peer) {
	t.Helper()
	n := links.Add(1)
	if n == 1 {
		run(t, "ip", "link", "set", "lo", "up")
	}
	local, remote := netip.AddrFrom4([4]byte{169, 254, byte(10 + n%180), byte(4*(n/180) + 1)}), netip.AddrFrom4([4]byte{169, 254, byte(10 + n%180), byte(4*(n/180) + 2)})
	if ipv6 {
		local, remote = netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", n+9)), netip.MustParseAddr(fmt.Sprintf("fd00:%d::2", n+9))
	}
	for _, a := range []netip.Addr{local, remote} {
		run(t, "ip", "address", "add", netip.PrefixFrom(a, a.BitLen()).String(), "dev", "lo")
	}
	aws = Peer{
		Name: "tunnel", LocalAddress: local, RemoteAddress: remote, LocalASN: 64512, RemoteASN: 65001,
		RouterID: netip.MustParseAddr("192.0.2.1"),
	}
	customer = Peer{
		Name: "aws", LocalAddress: remote, RemoteAddress: local, LocalASN: 65001, RemoteASN: 64512,
		RouterID: netip.MustParseAddr("192.0.2.2"),
	}
	return aws, customer
}

// speaking is a Server under test, with what it has said.
type speaking struct {
	*Server
	View
	t testing.TB

	mu     sync.Mutex
	events []Event
}

func speak(t testing.TB, state State) *speaking {
	t.Helper()
	s := &speaking{t: t}
	s.Server = NewServer(Config{Event: s.hear, Log: testLog(t)})
	t.Cleanup(s.Close)
	s.set(state)
	return s
}

func (s *speaking) hear(e Event) {
	s.Apply(e)
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
}

func (s *speaking) set(state State) {
	s.t.Helper()
	if err := s.Set(state); err != nil {
		s.t.Fatal(err)
	}
}

// reaches waits for a session to be in a state, with words in its reason.
func (s *speaking) reaches(peer string, state SessionState, words string) Session {
	s.t.Helper()
	var p PeerStatus
	deadline := time.Now().Add(15 * time.Second)
	for {
		p, _ = s.Peer(peer)
		if p.State == state && strings.Contains(p.Reason, words) {
			return p.Session
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is %s (%s: %s), not %s with %q", peer, p.State, p.Cause, p.Reason, state, words)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// said waits for an event with words in its reason, which may have passed.
func (s *speaking) said(words string) Session {
	s.t.Helper()
	var found Session
	eventually(s.t, fmt.Sprintf("a reason with %q", words), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.events {
			if e.Session != nil && strings.Contains(e.Session.Reason, words) {
				found = *e.Session
				return true
			}
		}
		return false
	})
	return found
}

// learns waits until exactly these prefixes are learned from a peer.
func (s *speaking) learns(peer string, want ...string) []Route {
	s.t.Helper()
	return s.has("learned from "+peer, func() []Route { p, _ := s.Peer(peer); return p.Learned }, want)
}

// chooses waits until exactly these prefixes have a best path.
func (s *speaking) chooses(want ...string) []Route {
	s.t.Helper()
	return s.has("best", s.Best, want)
}

func (s *speaking) has(what string, get func() []Route, want []string) []Route {
	s.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		routes := get()
		var got []string
		for _, r := range routes {
			got = append(got, r.Prefix.String())
		}
		if strings.Join(got, " ") == strings.Join(want, " ") {
			return routes
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %v, want %v", what, got, want)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// routes makes routes without attributes.
func routes(prefixes ...string) []Route {
	var list []Route
	for _, p := range prefixes {
		list = append(list, Route{Prefix: netip.MustParsePrefix(p)})
	}
	return list
}

func peers(list ...Peer) State { return State{Peers: list} }

func prefixesOf(list []Route) []netip.Prefix {
	var out []netip.Prefix
	for _, r := range list {
		out = append(out, r.Prefix)
	}
	return out
}

// prefixNumber is one of many prefixes of 24 bits.
func prefixNumber(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{20 + byte(n>>16), byte(n >> 8), byte(n), 0}), 24)
}
