package dataplane

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// WatchedFlow is one direction of a flow, as its sender sends it, with what became
// of its packets since the flows were last read.
type WatchedFlow struct {
	Addresses Addresses
	From      Object // that the packets came from
	To        Object // that the last one was delivered to, or was at when it was dropped
	// Packets on the wire, segments and not superframes, and bytes of IP, dropped
	// ones included.
	Packets, Bytes, Dropped uint64
	// Verdict on the last packet, and for a drop the step that decided.
	Verdict Verdict
	Drop    *TraceStep
}

// FlowWatch counts the packets of flows while somebody looks at them. It keeps what
// is busy of any number of flows in memory of one size: who is alone with few
// packets where there is no room gives way to others.
type FlowWatch struct {
	engine *Engine
	closed sync.Once

	reading sync.Mutex // guards spare
	spare   *watchTable

	table *watchTable // under the engine's lock
}

const (
	watchWays = 4
	watchSets = 1 << 11
)

// watchTable is a hash table that forgets: a flow has a place in one set.
type watchTable struct {
	sets  [watchSets][watchWays]watchEntry
	start int64
	// of everything, with an entry or without
	packets, bytes, dropped uint64
}

type watchEntry struct {
	tuple                   packet.Tuple
	from, to                Handle
	packets, bytes, dropped uint64
	credit                  uint32 // what others have to pay for its place
	icmp                    uint16 // type and code
	verdict                 Verdict
	snap                    *Snapshot // of the last drop
	last                    Step
	lost                    packet.Tuple // addresses where the last drop was
}

// WatchFlows begins to count flows, until Close. While nobody does, it costs a
// packet one test of a pointer.
func (e *Engine) WatchFlows() *FlowWatch {
	w := &FlowWatch{engine: e, table: &watchTable{}, spare: &watchTable{}}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopOffload()
	w.table.start = e.config.Clock()
	if e.state.watches == nil {
		e.state.watches = &flowWatches{seed: rand.Uint64()}
	}
	e.state.watches.list = append(e.state.watches.list, w)
	return w
}

// Close ends the counting. It may be called again.
func (f *FlowWatch) Close() {
	f.closed.Do(func() {
		e := f.engine
		e.mu.Lock()
		defer e.mu.Unlock()
		list := slices.DeleteFunc(e.state.watches.list, func(other *FlowWatch) bool { return other == f })
		if e.state.watches.list = list; len(list) == 0 {
			e.state.watches = nil
		}
	})
}

// FlowReading is what a FlowWatch counted in a time.
type FlowReading struct {
	Flows    []WatchedFlow // most bytes first
	Duration int64         // nanoseconds since the reading before
	// Packets, Bytes and Dropped packets are of all flows; Missed are those packets
	// that no flow in Flows has.
	Packets, Bytes, Dropped, Missed uint64
}

// Read returns what was counted since the last Read, and begins anew: of flows the
// busiest, as many as most by bytes, by packets, and by what was dropped. Forwarding
// waits for two assignments only, however many flows there are.
func (f *FlowWatch) Read(most int) FlowReading {
	f.reading.Lock()
	defer f.reading.Unlock()
	t, now, snap := f.turn()
	r := FlowReading{Duration: now - t.start, Packets: t.packets, Bytes: t.bytes, Dropped: t.dropped, Missed: t.packets}
	for _, e := range t.busiest(most) {
		r.Flows = append(r.Flows, e.export(snap))
		r.Missed -= e.packets
	}
	*t = watchTable{}
	f.spare = t
	return r
}

// busiest are the entries to be read, most bytes first.
func (t *watchTable) busiest(most int) []*watchEntry {
	var all []*watchEntry
	for i := range t.sets {
		for j := range t.sets[i] {
			if e := &t.sets[i][j]; e.packets > 0 {
				all = append(all, e)
			}
		}
	}
	wanted := map[*watchEntry]bool{}
	for _, by := range []func(*watchEntry) uint64{
		func(e *watchEntry) uint64 { return e.dropped },
		func(e *watchEntry) uint64 { return e.packets },
		func(e *watchEntry) uint64 { return e.bytes },
	} {
		slices.SortFunc(all, func(a, b *watchEntry) int { return cmp.Compare(by(b), by(a)) })
		for _, e := range all[:min(most, len(all))] {
			wanted[e] = true
		}
	}
	return slices.DeleteFunc(all, func(e *watchEntry) bool { return !wanted[e] })
}

// turn lets the packets write to the other table.
func (f *FlowWatch) turn() (full *watchTable, now int64, snap *Snapshot) {
	e := f.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	full, now = f.table, e.config.Clock()
	f.table, f.spare = f.spare, nil
	f.table.start = now
	return full, now, e.snapshot.Load()
}

func (e *watchEntry) export(snap *Snapshot) WatchedFlow {
	f := WatchedFlow{
		Addresses: addressesOf(e.tuple), From: snap.objectOf(e.from), Packets: e.packets, Bytes: e.bytes, Dropped: e.dropped, Verdict: e.verdict,
	}
	if e.to != 0 {
		f.To = snap.objectOf(e.to)
	}
	if e.verdict == VerdictDrop && e.snap != nil {
		port := e.lost.DstPort
		if isICMP(e.lost.Proto) {
			port = e.icmp
		}
		step := e.snap.explain(e.last, e.lost, e.lost, port)
		f.Drop = &step
	}
	return f
}

// flowWatches are those that are open.
type flowWatches struct {
	list []*FlowWatch
	seed uint64 // so that nobody can choose who shares a set
}

// count notes the packet that w has decided about.
func (f *flowWatches) count(w *Walk, packets, bytes int) {
	from := w.entry
	tuple := &w.tuples[0]
	const m1, m2 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	hi, lo := bits.Mul64(tuple.Src.Lo^tuple.Dst.Hi^f.seed, tuple.Dst.Lo^bits.RotateLeft64(tuple.Src.Hi, 32)^m1)
	ports := uint64(tuple.SrcPort)<<48 | uint64(tuple.DstPort)<<32 | uint64(from)<<8 | uint64(tuple.Proto)
	hi2, lo2 := bits.Mul64(hi^lo^ports, f.seed^m2)
	set := (hi2 ^ lo2) % watchSets
	for _, watch := range f.list {
		t := watch.table
		t.packets += uint64(packets)
		t.bytes += uint64(bytes)
		if w.verdict == VerdictDrop {
			t.dropped += uint64(packets)
		}
		if e := t.entry(set, tuple, from, packets); e != nil {
			e.note(w, packets, bytes)
		}
	}
}

// entry is the flow's place in its set, nil if others keep theirs. Each packet that
// finds none weakens the flow that had the fewest, so what is busy stays and what
// is not goes (the idea of Misra and Gries).
func (t *watchTable) entry(set uint64, tuple *packet.Tuple, from Handle, packets int) *watchEntry {
	weakest := &t.sets[set][0]
	for i := range t.sets[set] {
		e := &t.sets[set][i]
		if e.packets > 0 && e.from == from && e.tuple == *tuple {
			e.credit += uint32(packets)
			return e
		}
		if e.credit < weakest.credit {
			weakest = e
		}
	}
	if weakest.credit > uint32(packets) {
		weakest.credit -= uint32(packets)
		return nil
	}
	*weakest = watchEntry{tuple: *tuple, from: from, credit: uint32(packets)}
	return weakest
}

func (e *watchEntry) note(w *Walk, packets, bytes int) {
	e.packets += uint64(packets)
	e.bytes += uint64(bytes)
	e.verdict = w.verdict
	if w.verdict == VerdictPass {
		e.to = w.snap.interfaces[w.out].handle
		return
	}
	e.dropped += uint64(packets)
	e.to, e.snap, e.lost, e.icmp = w.at(), w.snap, w.tuple, w.port()
	if e.to == e.from {
		e.to = 0
	}
	if w.nSteps > 0 {
		e.last = w.steps[w.nSteps-1]
	}
}
