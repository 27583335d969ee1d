package dataplane

import (
	"math"
	"math/bits"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// MaxFlowRecords is how many records an engine keeps between two calls of
// [Engine.FlowRecords], in at most 14 MiB; twice that while they are fetched. Of
// further flows nothing is known (SKIPDATA).
const MaxFlowRecords = 100_000

// flowRecordTable is the records of one window. They lie one after the other in
// the order in which they came, and an index of fixed size finds them: nothing is
// ever moved while packets wait.
type flowRecordTable struct {
	seed uint64
	// window numbers the windows, from 1: what refers to a record of another one
	// refers to nothing.
	window uint32
	index  []uint32 // place + 1 of a record in the low bits, part of its hash above
	// recent are the last records by interface and direction: packets come in
	// bursts, and most need no more than a look there.
	recent [flowRecent]uint32
	chunks []*flowRecordChunk
	count  int
	// skipped are the interfaces of which packets were not counted.
	skipped map[Handle]struct{}
}

const (
	flowIndexSize = 1 << 18 // at most 40 % are in use
	flowPlaceBits = 17      // hold MaxFlowRecords
	flowChunk     = 256
	flowRecent    = 256
)

type flowRecordChunk [flowChunk]flowRecord

// flowRecord is a [FlowRecord] as packets find and count it: what they look at
// every time fills the first cache line.
type flowRecord struct {
	src, dst       packet.Addr
	ports          uint64 // source port, destination port, protocol
	place          flowPlace
	packets, bytes uint64

	first, last                  int64
	nextHop                      Handle
	gateway, source, destination Handle // of a transit gateway's
	lost                         [numFlowLosses]uint32
	flags, path                  uint8
}

// flowPlace is where a packet was counted, and as what: interface or attachment,
// the pair attachment, direction and action.
type flowPlace uint64

func placeOf(at, pair Handle, dir direction, action FlowAction) flowPlace {
	return flowPlace(at)<<32 | flowPlace(pair)<<8 | flowPlace(dir)<<7 | flowPlace(action)
}

func (p flowPlace) interfaceHandle() Handle { return Handle(p >> 32) }

// export is the record as others get it.
func (r *flowRecord) export() FlowRecord {
	out := FlowRecord{
		Tuple:     packet.Tuple{Src: r.src, Dst: r.dst, SrcPort: uint16(r.ports >> 32), DstPort: uint16(r.ports >> 16), Proto: uint8(r.ports)},
		Interface: r.place.interfaceHandle(), PairAttachment: Handle(r.place>>8) & MaxHandle,
		Egress: r.place>>7&1 == flowPlace(egress), Action: FlowAction(r.place & 0x7f),
		TCPFlags: r.flags, TrafficPath: r.path, NextHop: r.nextHop, Packets: r.packets, Bytes: r.bytes, First: r.first, Last: r.last,
		TransitGateway: r.gateway, Source: r.source, Destination: r.destination,
	}
	for i, n := range r.lost {
		out.Lost[i] = uint64(n)
	}
	return out
}

func newFlowRecordTable(seed uint64) *flowRecordTable {
	return &flowRecordTable{seed: seed, window: 1, index: make([]uint32, flowIndexSize), skipped: map[Handle]struct{}{}}
}

// at is the record with a reference, which is its place + 1.
func (t *flowRecordTable) at(ref uint32) *flowRecord {
	ref--
	return &t.chunks[ref/flowChunk][ref%flowChunk]
}

// find returns the record of a flow at a place, made if there is none; 0 if there
// is no room for another.
func (t *flowRecordTable) find(src, dst packet.Addr, ports uint64, place flowPlace) (ref uint32, isNew bool) {
	recent := &t.recent[(place>>32<<1|place>>7&1)%flowRecent]
	if ref = *recent; ref != 0 && t.at(ref).is(src, dst, ports, place) {
		return ref, false
	}
	h := t.hash(src, dst, ports, place)
	tag := uint32(h>>32) &^ (1<<flowPlaceBits - 1)
	for i := h % flowIndexSize; ; i = (i + 1) % flowIndexSize {
		entry := t.index[i]
		if entry == 0 {
			if t.count == MaxFlowRecords {
				return 0, false
			}
			ref = t.add()
			r := t.at(ref)
			*r = flowRecord{}
			r.src, r.dst, r.ports, r.place = src, dst, ports, place
			t.index[i], *recent = tag|ref, ref
			return ref, true
		}
		if ref = entry & (1<<flowPlaceBits - 1); entry == tag|ref && t.at(ref).is(src, dst, ports, place) {
			*recent = ref
			return ref, false
		}
	}
}

func (r *flowRecord) is(src, dst packet.Addr, ports uint64, place flowPlace) bool {
	return r.ports == ports && r.place == place && r.src == src && r.dst == dst
}

// hash mixes a flow and its place with the table's secret; see flowKey.hash.
func (t *flowRecordTable) hash(src, dst packet.Addr, ports uint64, place flowPlace) uint64 {
	const m1, m2, m3 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93, 0xa0761d6478bd642f
	turned := bits.RotateLeft64(t.seed, 32) ^ m1
	hi1, lo1 := bits.Mul64(src.Lo^t.seed, dst.Lo^turned)
	hi2, lo2 := bits.Mul64(src.Hi^ports^turned, dst.Hi^uint64(place)^t.seed^m2)
	hi, lo := bits.Mul64(hi1^lo1^m3, hi2^lo2^t.seed)
	return hi ^ lo
}

// add makes room for a record.
func (t *flowRecordTable) add() uint32 {
	if t.count == len(t.chunks)*flowChunk {
		t.chunks = append(t.chunks, new(flowRecordChunk))
	}
	t.count++
	return uint32(t.count)
}

// again is the reference of a record like r, of another window, without what has
// been counted.
func (t *flowRecordTable) again(r *flowRecord) uint32 {
	ref, isNew := t.find(r.src, r.dst, r.ports, r.place)
	if isNew {
		n := t.at(ref)
		n.nextHop, n.gateway, n.source, n.destination, n.path = r.nextHop, r.gateway, r.source, r.destination, r.path
	}
	return ref
}

func (t *flowRecordTable) skip(at Handle) { t.skipped[at] = struct{}{} }

// reset empties the table, and gives memory back that this window had no use
// for.
func (t *flowRecordTable) reset() {
	used := (t.count + flowChunk - 1) / flowChunk
	if 4*used < len(t.chunks) {
		clear(t.chunks[2*used+1:])
		t.chunks = t.chunks[:2*used+1]
	}
	clear(t.index)
	t.recent = [flowRecent]uint32{}
	clear(t.skipped)
	t.count = 0
}

// flowPorts are what tells apart the flows between two addresses: of protocols
// without ports the protocol alone.
func flowPorts(t *packet.Tuple) uint64 {
	if t.Proto != packet.ProtoTCP && t.Proto != packet.ProtoUDP {
		return uint64(t.Proto)
	}
	return uint64(t.SrcPort)<<32 | uint64(t.DstPort)<<16 | uint64(t.Proto)
}

// seen is what a walk adds to a record.
type seen struct {
	packets, bytes uint64
	at             int64
	flags          uint8
	loss           FlowLoss
}

func (r *flowRecord) add(s *seen) {
	if r.packets == 0 {
		r.first = s.at
	}
	r.packets += s.packets
	r.bytes += s.bytes
	r.last = s.at
	r.flags |= s.flags
	if s.loss < numFlowLosses { // as many as the field holds are more than a window can have
		r.lost[s.loss] = uint32(min(uint64(r.lost[s.loss])+s.packets, math.MaxUint32))
	}
}

// maxPending is how many records can wait; those that more interfaces would have
// count at once.
const maxPending = 6

// pendingRecord is a record that counts a packet once it has crossed so many of
// the links on its way.
type pendingRecord struct {
	ref           uint32
	behind, flags uint8
	loss          FlowLoss
}
