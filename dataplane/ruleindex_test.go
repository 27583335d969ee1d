package dataplane

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestRuleIndexSkipsNothingThatMatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	protocols := []int{AnyProtocol, packet.ProtoTCP, packet.ProtoUDP, packet.ProtoICMP, 47}
	for range 200 {
		rules := make([]match, rng.IntN(40))
		for i := range rules {
			first := uint16(rng.Uint32())
			last := first + uint16(rng.IntN(1+int(^first))>>rng.IntN(16))
			rules[i] = Match{
				Protocol: protocols[rng.IntN(len(protocols))], FirstPort: first, LastPort: last, ICMPType: AnyICMP, ICMPCode: AnyICMP,
				CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), rng.IntN(3)*8),
			}.compile(family4)
		}
		index := indexRules(len(rules), func(i int) *match { return &rules[i] })
		first := func(start int, remote packet.Addr, protocol uint8, port uint16) int {
			for i := start; i < len(rules); i++ {
				if rules[i].matches(remote, protocol, port) {
					return i
				}
			}
			return -1
		}
		for range 200 {
			remote, port := addr([]string{"10.0.0.1", "192.0.2.1"}[rng.IntN(2)]), uint16(rng.Uint32())
			protocol := uint8([]int{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoICMP, 47, 50}[rng.IntN(5)])
			if got, want := first(index.start(protocol, port), remote, protocol, port), first(0, remote, protocol, port); got != want {
				t.Fatalf("protocol %d port %d: rule %d, want %d", protocol, port, got, want)
			}
		}
	}
}
