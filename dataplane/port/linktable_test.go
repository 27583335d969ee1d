package port

import (
	"math/rand/v2"
	"testing"
)

// The table is compared with a Go map through random changes. Keys are chosen
// to collide.
func TestNumberTableAgreesWithMap(t *testing.T) {
	table, reference := &numberTable{}, map[uint32]uint32{}
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 4000 {
		key := random.Uint32N(300) << (random.Uint32N(2) * 20)
		if random.Uint32N(3) > 0 {
			table, reference[key] = table.with(key, uint32(step)), uint32(step)
		} else {
			table = table.without(key)
			delete(reference, key)
		}
		if table.count != len(reference) {
			t.Fatalf("step %d: %d entries, want %d", step, table.count, len(reference))
		}
	}
	for key := range uint32(300) {
		for _, k := range []uint32{key, key << 20} {
			got, ok := table.get(k)
			want, wantOK := reference[k]
			if got != want || ok != wantOK {
				t.Errorf("key %d: %d, %v; want %d, %v", k, got, ok, want, wantOK)
			}
		}
	}
}

func TestNumberTableLeavesTheOldOneAlone(t *testing.T) {
	one := (&numberTable{}).with(0, 10)
	two := one.with(0, 20).with(1, 30)
	_ = two.without(0)
	if v, ok := one.get(0); v != 10 || !ok {
		t.Errorf("the first copy says %d, %v; want 10, true", v, ok)
	}
	if _, ok := one.get(1); ok {
		t.Error("the first copy knows a key that was added later")
	}
	if v, ok := two.get(0); v != 20 || !ok {
		t.Errorf("the second copy says %d, %v; want 20, true", v, ok)
	}
}

func BenchmarkNumberTable(b *testing.B) {
	const n = 1000
	table, reference := &numberTable{}, map[uint32]uint32{}
	for i := range uint32(n) {
		table, reference[2+2*i] = table.with(2+2*i, i), i
	}
	var sum uint32
	b.Run("get", func(b *testing.B) {
		for i := uint32(0); b.Loop(); i++ {
			v, _ := table.get(2 + 2*(i%n))
			sum += v
		}
	})
	b.Run("map", func(b *testing.B) {
		for i := uint32(0); b.Loop(); i++ {
			sum += reference[2+2*(i%n)]
		}
	})
	b.Run("with", func(b *testing.B) {
		for b.Loop() {
			sum += uint32(table.with(1, 1).count)
		}
	})
	b.Run("without", func(b *testing.B) {
		for b.Loop() {
			sum += uint32(table.without(2).count)
		}
	})
}
