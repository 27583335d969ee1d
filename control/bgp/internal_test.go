package bgp

import (
	"net/netip"
	"strings"
	"testing"
)

// T17: within one AS the path stays as it was, and neither end takes the other's
// number for a loop.
func TestInternalSession(t *testing.T) {
	aws, appliance := link(t, false)
	aws.LocalASN, aws.RemoteASN, aws.Internal, aws.MultihopTTL = 64512, 64512, true, 2
	appliance.LocalASN, appliance.RemoteASN, appliance.Internal, appliance.MultihopTTL = 64512, 64512, true, 2
	aws.Announce = []Route{{Prefix: netip.MustParsePrefix("10.65.0.0/16")}, {Prefix: netip.MustParsePrefix("10.90.0.0/16"), ASPath: []uint32{65001}}}
	a := speak(t, peers(aws))
	b := speak(t, State{Peers: []Peer{appliance}, Router: &Router{ASN: 64512, RouterID: appliance.RouterID, Networks: []netip.Prefix{netip.MustParsePrefix("10.80.0.0/16")}}})
	a.reaches("tunnel", Established, "")
	learned := a.learns("tunnel", "10.80.0.0/16")
	if len(learned[0].ASPath) != 0 {
		t.Errorf("AS path %v of a route of the own AS", learned[0].ASPath)
	}
	best := b.chooses("10.65.0.0/16", "10.90.0.0/16")
	if len(best[0].ASPath) != 0 || len(best[1].ASPath) != 1 || best[1].ASPath[0] != 65001 {
		t.Errorf("AS paths %v and %v", best[0].ASPath, best[1].ASPath)
	}
	bad := aws
	bad.RemoteASN = 65001
	if err := a.Set(peers(bad)); err == nil || !strings.Contains(err.Error(), "one ASN") {
		t.Errorf("an internal session of two ASNs: %v", err)
	}
}

// T17: a session between IPv4 addresses carries IPv6 routes.
func TestIPv6RoutesOverAnIPv4Session(t *testing.T) {
	aws, appliance := link(t, false)
	both := []Family{IPv4, IPv6}
	aws.Families, appliance.Families = both, both
	aws.IPv6NextHop, appliance.IPv6NextHop = netip.MustParseAddr("fd00:77::2"), netip.MustParseAddr("fd00:77::1")
	aws.Announce = []Route{{Prefix: netip.MustParsePrefix("2001:db8:65::/56")}, {Prefix: netip.MustParsePrefix("10.65.0.0/16")}}
	a := speak(t, peers(aws))
	b := speak(t, State{Peers: []Peer{appliance}, Router: &Router{ASN: 65001, RouterID: appliance.RouterID, Networks: []netip.Prefix{netip.MustParsePrefix("2001:db8:8000::/40")}}})
	if learned := a.learns("tunnel", "2001:db8:8000::/40"); learned[0].NextHop != appliance.IPv6NextHop {
		t.Errorf("next hop %s", learned[0].NextHop)
	}
	if best := b.chooses("10.65.0.0/16", "2001:db8:65::/56"); best[1].NextHop != aws.IPv6NextHop || best[0].NextHop != aws.LocalAddress {
		t.Errorf("next hops %s and %s", best[0].NextHop, best[1].NextHop)
	}
	aws.IPv6NextHop = netip.Addr{}
	if err := a.Set(peers(aws)); err == nil || !strings.Contains(err.Error(), "next hop") {
		t.Errorf("without a next hop: %v", err)
	}
}
