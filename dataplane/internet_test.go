package dataplane

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestPrivateAddressesAreTheListedBlocks(t *testing.T) {
	private := prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.168.0.0/16", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10")
	check := func(a packet.Addr) {
		if want := containsAny(private, a); isPrivate(a) != want {
			t.Errorf("%v: private is %v, want %v", a.Netip(), !want, want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(packet.AddrFrom4([4]byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())}))
		check(packet.Addr{Hi: rng.Uint64(), Lo: rng.Uint64()})
	}
	for _, p := range private { // the edges of every block
		ones := packet.Addr{Hi: p.Addr.Hi | ^p.Mask.Hi, Lo: p.Addr.Lo | ^p.Mask.Lo}
		for _, a := range []packet.Addr{p.Addr, ones, {Hi: p.Addr.Hi, Lo: p.Addr.Lo - 1}, {Hi: ones.Hi, Lo: ones.Lo + 1}} {
			check(a)
		}
	}
}

func prefixes(texts ...string) []packet.Prefix {
	list := make([]packet.Prefix, len(texts))
	for i, t := range texts {
		list[i] = packet.PrefixFrom(netip.MustParsePrefix(t))
	}
	return list
}
