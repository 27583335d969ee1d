package dataplane

import (
	"math/rand/v2"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestAddressTableAgreesWithMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 3, 1000} {
		var table addressTable[int]
		oracle := map[packet.Addr]int{}
		random := func() packet.Addr {
			if rng.IntN(2) == 0 {
				return packet.AddrFrom4([4]byte{10, 0, byte(rng.IntN(4)), byte(rng.IntN(256))})
			}
			return packet.Addr{Hi: 0x20010db8_00000000 + uint64(rng.IntN(4)), Lo: uint64(rng.IntN(256))}
		}
		for i := range n {
			a := random()
			table.set(a, i)
			oracle[a] = i
		}
		for range 1000 {
			a := random()
			want, known := oracle[a]
			if got, ok := table.get(a); got != want || ok != known {
				t.Fatalf("%d addresses: %v is %d (%v), want %d (%v)", n, a, got, ok, want, known)
			}
		}
		listed := 0
		for a, v := range table.all {
			listed++
			if oracle[a] != v {
				t.Errorf("%v is listed with %d", a, v)
			}
		}
		if listed != len(oracle) {
			t.Errorf("%d of %d are listed", listed, len(oracle))
		}
	}
}
