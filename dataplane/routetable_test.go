package dataplane

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gaissmai/bart"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TestRouteTableFindsTheLongestPrefix holds what is compared first against the
// table itself, with local routes inside others and others inside them.
func TestRouteTableFindsTheLongestPrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	prefix := func() netip.Prefix {
		if rng.IntN(2) == 0 {
			a := netip.AddrFrom4([4]byte{10, byte(rng.IntN(2)), byte(rng.IntN(4) << 6), 0})
			return netip.PrefixFrom(a, []int{0, 7, 8, 15, 16, 17, 18, 24}[rng.IntN(8)]).Masked()
		}
		a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(rng.IntN(2)), byte(rng.IntN(4) << 6)})
		if rng.IntN(8) == 0 {
			a = netip.IPv6Unspecified()
		}
		return netip.PrefixFrom(a, []int{0, 8, 32, 47, 48, 49, 50, 56}[rng.IntN(8)]).Masked()
	}
	address := func() packet.Addr {
		switch rng.IntN(16) {
		case 0:
			return packet.Addr{}
		case 1:
			return packet.AddrFrom4([4]byte{203, 0, 113, 1})
		case 2, 3, 4, 5, 6, 7:
			return packet.AddrFrom4([4]byte{10, byte(rng.IntN(3)), byte(rng.IntN(256)), 1})
		}
		return packet.Addr{Hi: 0x20010db8_00000000 | uint64(rng.IntN(3))<<16 | uint64(rng.IntN(256))<<8, Lo: 1}
	}
	few, many := 0, 0
	for range 500 {
		rt := routeTable{table: &bart.Table[routeEntry]{}}
		for i := range rng.IntN(4 * maxFirstRoutes) {
			hop := Hop{[]HopKind{hopVPC, hopVPC, hopInternetGateway, hopBlackhole}[rng.IntN(4)], uint32(i)}
			rt.table.Insert(prefix(), routeEntry{hop, uint32(i)})
		}
		rt.chooseFirst()
		for _, first := range rt.first {
			if first.all {
				few++
			} else {
				many += len(first.routes)
			}
		}
		for range 100 {
			a := address()
			want, found := rt.table.Lookup(a.Netip())
			if got, ok := rt.lookup(a); got != want || ok != found {
				t.Fatalf("%v: %v (%v), want %v (%v); first: %v", a, got, ok, want, found, rt.first)
			}
		}
	}
	if few == 0 || many == 0 {
		t.Errorf("%d small tables, %d local routes that stand first in large ones", few, many)
	}
}
