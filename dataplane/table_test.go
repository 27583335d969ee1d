package dataplane

import (
	"math/rand/v2"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func randomKey(rng *rand.Rand) flowKey {
	return flowKey{
		local: packet.Addr{Lo: rng.Uint64()}, remote: packet.Addr{Lo: rng.Uint64()},
		scope: uint32(1+rng.IntN(6))<<8 | 6, localPort: uint16(rng.Uint32()),
	}
}

// check holds every promise that the directory and the segments make.
func (t *keyTable[V]) check(tb testing.TB) {
	tb.Helper()
	count := 0
	for i, s := range t.directory {
		if places := 1 << (t.depth - s.depth); i%places != 0 {
			if s != t.directory[i-1] {
				tb.Fatalf("place %d of the directory is not its segment's", i)
			}
			continue
		}
		used := 0
		for j := range s.slots {
			key := &s.slots[j].key
			if key.scope == 0 {
				continue
			}
			used++
			if h := key.hash(t.seed, t.together); t.segment(h) != s || s.search(key, h) != &s.slots[j] {
				tb.Fatalf("slot %d of segment %d is not where its key is looked for", j, i)
			}
		}
		if used != s.count || used == len(s.slots) {
			tb.Fatalf("segment %d of %d slots has %d entries and counts %d", i, len(s.slots), used, s.count)
		}
		count += used
	}
	if count != t.count {
		tb.Fatalf("%d entries, counted %d", count, t.count)
	}
}

func TestTableGrowsSegmentBySegment(t *testing.T) {
	table := keyTable[uint32]{seed: 42}
	rng := rand.New(rand.NewPCG(1, 2))
	keys := make([]flowKey, 300_000)
	for i := range keys {
		keys[i] = randomKey(rng)
		table.insert(&keys[i]).value = uint32(i)
	}
	table.check(t)
	for i := range keys {
		if e := table.find(&keys[i]); e == nil || e.value != uint32(i) {
			t.Fatalf("key %d is lost", i)
		}
	}
	for i, s := range table.directory {
		if len(s.slots) > tableSegmentMax {
			t.Errorf("segment %d has %d slots: to grow it stopped the packets", i, len(s.slots))
		}
	}
	if slots := table.bytes() / 48; slots > 3*len(keys) {
		t.Errorf("%d slots for %d keys", slots, len(keys))
	}
	for i := range keys[:200_000] {
		table.remove(&keys[i])
	}
	table.check(t)
	for i := range keys {
		if found := table.find(&keys[i]) != nil; found != (i >= 200_000) {
			t.Fatalf("key %d: found is %v", i, found)
		}
	}
}

// A lab of many VPCs with the same addresses may have as many connections with
// the same addresses and ports.
func TestTableHoldsKeysOfOneHash(t *testing.T) {
	table := keyTable[uint32]{seed: 42, together: ^uint32(0xff)}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		key := randomKey(rng)
		table.insert(&key)
	}
	key := randomKey(rng)
	for i := range uint32(3000) {
		key.scope = (i+1)<<8 | 6
		table.insert(&key).value = i
	}
	table.check(t)
	for i := range uint32(3000) {
		key.scope = (i+1)<<8 | 6
		if e := table.find(&key); e == nil || e.value != i {
			t.Fatalf("key %d is lost", i)
		}
	}
	if n := len(table.directory); n > 128 {
		t.Errorf("the directory has %d places for 4000 keys", n)
	}
}

func TestSweepVisitsSegmentsThatSplitMeanwhile(t *testing.T) {
	table := keyTable[uint32]{seed: 42}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		key := randomKey(rng)
		table.insert(&key)
		table.sweep(3, func(s *slot[uint32]) bool { s.value++; return s.value > 1 })
	}
	table.check(t)
	for range 2 * table.bytes() / 48 / sweepSlots {
		table.sweep(sweepSlots, func(*slot[uint32]) bool { return true })
	}
	if table.check(t); table.count != 0 {
		t.Errorf("%d keys are left", table.count)
	}
}

func TestFlowsOfOneConnectionLieTogether(t *testing.T) {
	for _, proto := range []uint8{packet.ProtoTCP, packet.ProtoUDP, 47} {
		tuple := packet.Tuple{Src: addr("10.0.1.10"), Dst: addr("2001:db8::1"), SrcPort: 40000, DstPort: 80, Proto: proto}
		sender, receiver := tupleFlowKey(1, &tuple, 0, egress), tupleFlowKey(2, &tuple, 0, ingress)
		table := keyTable[flow]{seed: 42, together: ^uint32(0xff)}
		if sender.hash(table.seed, table.together) != receiver.hash(table.seed, table.together) {
			t.Errorf("protocol %d: the flows of both interfaces lie apart", proto)
		}
		if sender.hash(table.seed, 0) == receiver.hash(table.seed, 0) {
			t.Errorf("protocol %d: the keys of two gateways lie together", proto)
		}
	}
}

// The keys of one program's connections, made one after the other, expire one after
// the other. Were they neighbours in the table, the sweeper would meet all of them
// at once and then none for long.
func TestHashScattersConsecutiveKeys(t *testing.T) {
	const segments, window = 1 << 10, 1 << 12
	for name, vary := range map[string]func(k *flowKey, i int){
		"local port":  func(k *flowKey, i int) { k.localPort = uint16(i) },
		"remote port": func(k *flowKey, i int) { k.remotePort = uint16(i) },
		"remote IPv4": func(k *flowKey, i int) { k.remote.Lo += uint64(i) },
		"IPv6 subnet": func(k *flowKey, i int) { k.remote = packet.Addr{Hi: 0x20010db8_00000000 + uint64(i), Lo: 1} },
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		worst := 0
		for range 1000 {
			k, seed := tupleFlowKey(7, &packet.Tuple{Src: addr("10.0.1.10"), Dst: addr("10.0.2.30"), SrcPort: 1, DstPort: 80, Proto: 6}, 0, egress), rng.Uint64()
			k.local.Lo += uint64(rng.IntN(1 << 16))
			var segment [segments]int
			for i := range window {
				next := k
				vary(&next, 1024+i)
				segment[next.hash(seed, 0)>>54]++
			}
			for _, keys := range segment {
				worst = max(worst, keys)
			}
		}
		// Four on average; of a million random draws the worst has 19.
		if worst > 24 {
			t.Errorf("%s: %d of %d consecutive keys are in one of %d segments", name, worst, window, segments)
		}
	}
}

// Keys as labs have them, one counter in one field, must spread as well as
// random ones do: no slot far from its home.
func TestHashSpreadsKeysThatDifferLittle(t *testing.T) {
	base := tupleFlowKey(7, &packet.Tuple{Src: addr("10.0.1.10"), Dst: addr("10.0.2.30"), SrcPort: 1, DstPort: 80, Proto: 6}, 0, egress)
	for name, vary := range map[string]func(k *flowKey, i int){
		"local port":  func(k *flowKey, i int) { k.localPort = uint16(i) },
		"remote port": func(k *flowKey, i int) { k.remotePort = uint16(i) },
		"both ports":  func(k *flowKey, i int) { k.localPort, k.remotePort = uint16(i>>8), uint16(i) },
		"local IPv4":  func(k *flowKey, i int) { k.local.Lo += uint64(i) },
		"remote IPv4": func(k *flowKey, i int) { k.remote.Lo += uint64(i) },
		"IPv6 subnet": func(k *flowKey, i int) { k.remote = packet.Addr{Hi: 0x20010db8_00000000 + uint64(i), Lo: 1} },
		"handle":      func(k *flowKey, i int) { k.scope = uint32(i+1)<<8 | 6 },
	} {
		table := keyTable[uint32]{seed: 0x1234_5678_9abc_def0}
		for i := range 60_000 {
			k := base
			vary(&k, i)
			table.insert(&k)
		}
		steps := 0
		for _, s := range table.directory {
			for j := range s.slots {
				if k := &s.slots[j].key; k.scope != 0 {
					steps += (j - int(k.hash(table.seed, 0))) & (len(s.slots) - 1)
				}
			}
			if len(s.slots) > tableSegmentMax {
				t.Fatalf("%s: a segment has %d slots", name, len(s.slots))
			}
		}
		// Three quarters full, random keys would be 1.5 slots from home.
		if far := float64(steps) / float64(table.count); far > 2 {
			t.Errorf("%s: keys are %.2f slots from home", name, far)
		}
	}
}

// A stretch of live entries in a table that is nearly full does not make the sweeper
// give up: dead ones behind it are found before the table is full.
func TestSweepPassesAStretchOfLiveEntries(t *testing.T) {
	for _, c := range []struct {
		name         string
		count, freed int
		before, want int
	}{
		{"room is left", 700, 0, 0, sweepSlots},
		{"nearly full: begins in earnest", 800, 1, 0, 64 * sweepSlots},
		{"found nothing once", 800, 0, 64 * sweepSlots, 32 * sweepSlots},
		{"found nothing for long", 800, 0, sweepSlots, sweepSlots},
		{"found something again", 800, 1, sweepSlots, 64 * sweepSlots},
	} {
		e := sweepEffort{slots: c.before, freed: c.freed}
		if got := e.next(c.count, 1000); got != c.want {
			t.Errorf("%s: %d slots, want %d", c.name, got, c.want)
		}
	}
	e := sweepEffort{}
	e.next(700, 1000) // crosses the mark where nothing was found to be dead
	if got := e.next(800, 1000); got != 32*sweepSlots {
		t.Errorf("the first sweep of a table that is nearly full looks at %d slots", got)
	}
}
