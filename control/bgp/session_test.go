package bgp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var comparePrefix = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

func TestSessionExchangesRoutes(t *testing.T) {
	four := Route{
		Prefix: netip.MustParsePrefix("10.0.0.0/16"), ASPath: []uint32{65010, 4200000001}, Origin: OriginIncomplete,
		MED: 100, Communities: []Community{7224<<16 | 8100, NoExport}, LargeCommunities: []LargeCommunity{{4200000001, 1, 2}},
	}
	six := Route{Prefix: netip.MustParsePrefix("2001:db8:1::/56"), MED: 200}
	tests := []struct {
		name   string
		ipv6   bool
		change func(aws, customer *Peer)
		routes []Route
	}{
		{"IPv4", false, func(_, _ *Peer) {}, []Route{four, {Prefix: netip.MustParsePrefix("0.0.0.0/0")}}},
		{"IPv6 (D15)", true, func(_, _ *Peer) {}, []Route{six, {Prefix: netip.MustParsePrefix("::/0"), Communities: []Community{1}}}},
		{"ASNs of four bytes", false, func(a, c *Peer) {
			a.LocalASN, a.RemoteASN = 4200000000, 4294967294
			c.LocalASN, c.RemoteASN = 4294967294, 4200000000
		}, []Route{four}},
		{"a password (D2)", false, func(a, c *Peer) { a.Password, c.Password = "s3cret.key", "s3cret.key" }, []Route{four}},
		{"a password over IPv6", true, func(a, c *Peer) { a.Password, c.Password = "s3cret.key", "s3cret.key" }, []Route{six}},
		{"a passive end", false, func(a, _ *Peer) { a.Passive = true }, []Route{four}},
		{"the other end passive", false, func(_, c *Peer) { c.Passive = true }, []Route{four}},
		{"one router ID at both ends (RFC 6286)", false, func(a, c *Peer) { c.RouterID = a.RouterID }, []Route{four}},
		{"both families over IPv4", false, func(a, c *Peer) {
			a.Families, c.Families = []Family{IPv4, IPv6}, []Family{IPv6, IPv4}
		}, []Route{four, {Prefix: six.Prefix, NextHop: netip.MustParseAddr("fd00::1"), MED: 7}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, test.ipv6)
			test.change(&aws, &customer)
			aws.Announce, customer.Announce = test.routes, test.routes
			a, c := speak(t, peers(aws)), speak(t, peers(customer))
			for _, end := range []struct {
				*speaking
				own, other Peer
			}{{a, aws, customer}, {c, customer, aws}} {
				up := end.reaches(end.own.Name, Established, "up")
				if up.RouterID != end.other.RouterID || up.HoldTime != 30*time.Second {
					t.Errorf("%s: up with %+v; V14 wants a hold time of 30 s", end.own.Name, up)
				}
				var want []Route
				for _, r := range test.routes {
					r.ASPath = append([]uint32{end.other.LocalASN}, r.ASPath...)
					r.NextHop = nextHopOf(r, end.other)
					want = append(want, r)
				}
				var prefixes []string
				byPrefix := cmpopts.SortSlices(func(a, b Route) bool { return comparePrefixes(a.Prefix, b.Prefix) < 0 })
				got := end.has("learned", func() []Route { p, _ := end.Peer(end.own.Name); return p.Learned }, sortedNames(test.routes, prefixes))
				if d := cmp.Diff(want, got, comparePrefix, byPrefix); d != "" {
					t.Errorf("%s learned (-want +got):\n%s", end.own.Name, d)
				}
			}
		})
	}
}

func sortedNames(list []Route, names []string) []string {
	byPrefix := map[netip.Prefix]Route{}
	for _, r := range list {
		byPrefix[r.Prefix] = r
	}
	for _, r := range sorted(byPrefix) {
		names = append(names, r.Prefix.String())
	}
	return names
}

// TestSessionComesUpAtOnce: a lab's user waits for it. The end whose first call found
// nobody need not call again: the other's is enough. A busy machine may be late, but
// not every time.
func TestSessionComesUpAtOnce(t *testing.T) {
	for range 5 {
		aws, customer := link(t, false)
		a := speak(t, peers(aws))
		a.reaches("tunnel", Active, "nothing listens on "+aws.RemoteAddress.String()+":179")
		start := time.Now()
		c := speak(t, peers(customer))
		c.reaches("aws", Established, "")
		took := time.Since(start)
		a.Close()
		c.Close()
		if took < retryPause/2 {
			return
		}
		t.Logf("up after %s", took)
	}
	t.Error("every session waited for the next call")
}

func TestWrongPasswordIsNamed(t *testing.T) {
	for _, test := range []struct{ name, aws, customer, reason string }{
		{"other password", "one", "two", "the MD5 password there the same"},
		{"no password", "", "two", "want an MD5 password"},
	} {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, false)
			t.Parallel() // each waits for the kernel to give up
			aws.Password, customer.Password = test.aws, test.customer
			speak(t, peers(customer))
			a := speak(t, peers(aws))
			if s := a.said(test.reason); s.Cause != CauseUnreachable {
				t.Errorf("cause %s", s.Cause)
			}
		})
	}
}

func TestOpenThatDoesNotAgreeIsNamedAtBothEnds(t *testing.T) {
	tests := []struct {
		name          string
		change        func(customer *Peer)
		reason, other string
	}{
		{"another ASN", func(c *Peer) { c.LocalASN = 65099 }, "its ASN is 65099, configured here is 65001 (OPEN Message Error: Bad Peer AS)", "Bad Peer AS"},
		{"another family", func(c *Peer) { c.Families = []Family{IPv6} }, "it offers routes of [ipv6], configured here are [ipv4]", "Unsupported Capability"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			aws, customer := link(t, false)
			test.change(&customer)
			aws.Passive = true
			a := speak(t, peers(aws))
			c := speak(t, peers(customer))
			if s := a.said(test.reason); s.Cause != CauseRefused || s.State != Active {
				t.Errorf("%+v", s)
			}
			c.said(test.other)
		})
	}
}

func TestAnnouncementsFollowTheState(t *testing.T) {
	aws, customer := link(t, false)
	a, c := speak(t, peers(aws)), speak(t, peers(customer))
	a.reaches("tunnel", Established, "")
	c.learns("aws")
	since := func() time.Time { p, _ := c.Peer("aws"); return p.Since }
	before := since()
	for _, step := range [][]string{{"10.0.0.0/16"}, {"10.0.0.0/16", "10.1.0.0/16"}, {"10.1.0.0/16"}, {}} {
		aws.Announce = routes(step...)
		a.set(peers(aws))
		c.learns("aws", step...)
	}
	// V7: during maintenance AWS changes the MED of what it announces.
	aws.Announce = routes("10.0.0.0/16")
	a.set(peers(aws))
	c.learns("aws", "10.0.0.0/16")
	aws.Announce[0].MED = 100
	aws.Announce = []Route{aws.Announce[0]}
	a.set(peers(aws))
	eventually(t, "the new MED", func() bool { return c.learns("aws", "10.0.0.0/16")[0].MED == 100 })
	if since() != before {
		t.Error("the session was reset for its routes")
	}
}

func TestPeerEndsAsTheStateSays(t *testing.T) {
	aws, customer := link(t, false)
	customer.Announce = routes("10.50.0.0/16")
	a, c := speak(t, peers(aws)), speak(t, peers(customer))
	a.learns("tunnel", "10.50.0.0/16")

	aws.HoldTime = 60 * time.Second
	a.set(peers(aws))
	c.said("the other end ended the session: Cease: Other Configuration Change")
	a.reaches("tunnel", Established, "")
	a.learns("tunnel", "10.50.0.0/16")

	a.set(State{})
	c.said("Cease: Peer De-configured")
	if _, ok := a.Peer("tunnel"); ok {
		t.Error("the removed peer is still there")
	}
	c.learns("aws")

	a.set(peers(aws))
	a.reaches("tunnel", Established, "")
	a.Close()
	c.said("Cease: Administrative Shutdown")
	a.Close()
}

func TestPrefixLimitClosesTheSession(t *testing.T) { // V12, D4, K-C24
	aws, customer := link(t, false)
	aws.MaxPrefixes, aws.IdleHold = 2, time.Second
	customer.Announce = routes("10.50.0.0/16", "10.51.0.0/16")
	a, c := speak(t, peers(aws)), speak(t, peers(customer))
	a.learns("tunnel", "10.50.0.0/16", "10.51.0.0/16")

	customer.Announce = routes("10.50.0.0/16", "10.51.0.0/16", "10.52.0.0/16")
	c.set(peers(customer))
	s := a.reaches("tunnel", Idle, "more than 2 ipv4 prefixes")
	if s.Cause != CausePrefixLimit {
		t.Errorf("cause %s", s.Cause)
	}
	a.learns("tunnel")
	c.said("Cease: Maximum Number of Prefixes Reached")

	customer.Announce = routes("10.52.0.0/16")
	c.set(peers(customer))
	a.reaches("tunnel", Established, "")
	a.learns("tunnel", "10.52.0.0/16")

	// A lower limit counts at once.
	customer.Announce = routes("10.52.0.0/16", "10.53.0.0/16")
	c.set(peers(customer))
	a.learns("tunnel", "10.52.0.0/16", "10.53.0.0/16")
	aws.MaxPrefixes = 1
	a.set(peers(aws))
	a.reaches("tunnel", Idle, "more than 1 ipv4 prefixes")
}

func TestThousandRoutesAreLearned(t *testing.T) {
	aws, customer := link(t, false)
	a, c := speak(t, peers(aws)), speak(t, peers(customer))
	a.reaches("tunnel", Established, "")
	c.reaches("aws", Established, "")
	for i := range 1000 {
		r := Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), MED: uint32(i % 7)}
		customer.Announce = append(customer.Announce, r)
	}
	start := time.Now()
	c.set(peers(customer))
	eventually(t, "1,000 routes", func() bool { p, _ := a.Peer("tunnel"); return len(p.Learned) == 1000 })
	t.Logf("1,000 routes after %s", time.Since(start))
}
