package dataplane

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// FuzzLinks sends whatever bytes there are over links that do everything at
// once: what arrives is sound and for its receiver, and nothing stays behind.
func FuzzLinks(f *testing.F) {
	n := newRichNetwork(f).publish()
	for _, s := range fuzzSeeds(n) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) { newRichNetwork(t).delayAll(fuzzLinks, input, hI1, hHost) })
}

// delayAll plays an input over links between all zones and Regions, and links of these
// interfaces' own.
func (n *network) delayAll(links []Handle, input []byte, own ...Handle) {
	n.t.Helper()
	everything := Impairment{
		Delay: 3 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.05, Duplicate: 0.1, Reorder: 0.1, Bandwidth: 2e6, Queue: 30000,
	}
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxDelayed: 1 << 18, Seed: 1})
	n.e.seed(1) // an input must repeat
	for i := range n.b.VPCs {
		n.b.VPCs[i].Region = "r" + string(rune('1'+i))
	}
	for i := range n.b.Subnets {
		n.b.Subnets[i].Zone = "z" + string(rune('a'+i))
	}
	all := []Link{{From: "r1", To: "r1", Forward: everything, Reverse: everything}, {From: "r1", To: "r2", Forward: everything, Reverse: everything}}
	for _, h := range own {
		all = append(all, Link{Interface: h, Forward: everything, Reverse: everything})
	}
	n.setLinks(all...)
	for count := 0; len(input) >= fuzzHeader && count < 64; count++ {
		head := input[:fuzzHeader]
		length := min(int(binary.BigEndian.Uint16(head[3:])), len(input)-fuzzHeader)
		data := slices.Clone(input[fuzzHeader : fuzzHeader+length])
		input = input[fuzzHeader+length:]
		frame := n.fuzzed(links[int(head[0])%len(links)], head[1], data)
		// What a GRE packet carries may be wrong where the packet is right.
		var p packet.Packet
		right := checksumRight(frame) && (packet.Parse(&p, &frame) != packet.ProblemNone || p.Proto != packet.ProtoGRE)
		n.frames = n.e.Forward([]packet.Frame{frame}, n.frames[:0])
		n.sound(right)
		n.clock += int64(head[2]) * 100000
		n.frames = n.e.Due(n.frames[:0])
		n.sound(false)
	}
	for due, ok := n.e.NextDue(); ok; due, ok = n.e.NextDue() {
		n.clock = max(n.clock, due)
		n.frames = n.e.Due(n.frames[:0])
		n.sound(false)
	}
	n.e.Forward(nil, nil)
	for _, l := range n.e.Links() {
		if l.Forward.Queued != 0 || l.Reverse.Queued != 0 {
			n.t.Fatalf("still under way: %+v", l)
		}
	}
	if q := &n.e.state.flights; len(q.heap) != 0 || q.pool.held != q.pool.idle() || n.e.Counters().Reasons[ReasonBug] != 0 {
		n.t.Fatalf("%d flights, %d of %d bytes are left", len(q.heap), q.pool.held-q.pool.idle(), q.pool.held)
	}
}

// sound holds what is true of every frame that goes out.
func (n *network) sound(right bool) {
	n.t.Helper()
	for _, out := range n.frames {
		if wrong := n.unsound(out, right); wrong != "" {
			n.t.Fatalf("%s; for %d: % x", wrong, out.Link, out.Data)
		}
	}
}
