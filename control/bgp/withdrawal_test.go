package bgp

import (
	"net/netip"
	"testing"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// A message that only withdraws needs no AS path (RFC 4271, section 4.3), and nobody
// complains about it.
func TestWithdrawalNeedsNoPath(t *testing.T) {
	prefix := netip.MustParsePrefix("2001:db8::/32")
	nlri, err := wire.NewIPAddrPrefix(prefix)
	if err != nil {
		t.Fatal(err)
	}
	unreachable, err := wire.NewPathAttributeMpUnreachNLRI(wire.RF_IPv6_UC, []wire.PathNLRI{{NLRI: nlri}})
	if err != nil {
		t.Fatal(err)
	}
	ten, err := wire.NewIPAddrPrefix(netip.MustParsePrefix("10.50.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*wire.BGPMessage{
		"IPv4": wire.NewBGPUpdateMessage([]wire.PathNLRI{{NLRI: ten}}, nil, nil),
		"IPv6": wire.NewBGPUpdateMessage(nil, []wire.PathAttributeInterface{unreachable}, nil),
	} {
		peer := Peer{LocalASN: 65001, RemoteASN: 64512, Families: []Family{IPv4, IPv6}}
		u, f := readUpdate(m.Body.(*wire.BGPUpdate), nil, peer, terms{families: []Family{IPv4, IPv6}})
		if f != nil || u.complaint != "" || len(u.withdrawn) != 1 || len(u.announced) != 0 {
			t.Errorf("%s: %+v, fault %v", name, u, f)
		}
	}
}
