package dataplane

import (
	"math"
	"math/bits"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// MaxFlowRecords is how many records an engine keeps between two calls of
// [Engine.FlowRecords], in at most 13 MiB; twice that while they are fetched. Of
// further flows nothing is known (SKIPDATA).
const MaxFlowRecords = 100_000

// flowRecordTable is the records of one window. They lie one after the other in
// the order in which they came, and an index of fixed size finds them: nothing is
// ever moved while packets wait.
type flowRecordTable struct {
	seed uint64
	// start is when the window began.
	start int64
	// window numbers the windows, from 1: what refers to a record of another one
	// refers to nothing.
	window uint32
	count  uint32
	// recent are the last records by interface and direction: packets come in
	// bursts, and most need no more than a look there.
	recent [flowRecent]uint32
	chunks [flowChunks]*flowRecordChunk
	index  []uint32 // reference of a record in the low bits, part of its hash above
	// skipped are the interfaces of which packets were not counted.
	skipped map[Handle]struct{}
}

const (
	flowIndexSize = 1 << 18 // at most 40 % are in use
	flowRefBits   = 17      // hold MaxFlowRecords
	flowRecent    = 256
	flowChunk     = 256
	flowChunks    = 1 << (flowRefBits - 8)
)

type flowRecordChunk struct {
	records [flowChunk]flowRecord
	rest    [flowChunk]flowRecordRest
}

// flowRecord is what every packet looks at and counts: one line of the cache.
type flowRecord struct {
	src, dst packet.Addr
	place    flowPlace
	ports    uint32 // source port, destination port
	last     uint32 // of the packets: in units of 1.024 µs after the window's start
	packets  uint64
	// bytesAndFlags are the bytes, shifted, and the TCP flags in the low 8 bits.
	bytesAndFlags uint64
}

// flowRecordRest is what is written once, or for what is lost.
type flowRecordRest struct {
	first                        int64
	nextHop                      Handle
	gateway, source, destination Handle // of a transit gateway's
	lost                         [numFlowLosses]uint32
	path                         uint8
}

const flowTimeShift = 10

// flowPlace is where a packet was counted, and as what: interface or attachment,
// the pair attachment, protocol, direction and action.
type flowPlace uint64

func placeOf(at, pair Handle, protocol uint8, dir direction, action FlowAction) flowPlace {
	return flowPlace(at)<<35 | flowPlace(pair)<<11 | flowPlace(protocol)<<3 | flowPlace(dir)<<2 | flowPlace(action)
}

func (p flowPlace) interfaceHandle() Handle { return Handle(p >> 35) }

// burst is where the last record of the interface and direction is remembered.
func (p flowPlace) burst() uint64 { return uint64(p>>34|p>>2&1) % flowRecent }

// export is the record with a reference as others get it.
func (t *flowRecordTable) export(ref uint32) FlowRecord {
	r, rest := t.at(ref), t.rest(ref)
	out := FlowRecord{
		Tuple:     packet.Tuple{Src: r.src, Dst: r.dst, SrcPort: uint16(r.ports >> 16), DstPort: uint16(r.ports), Proto: uint8(r.place >> 3)},
		Interface: r.place.interfaceHandle(), PairAttachment: Handle(r.place>>11) & MaxHandle,
		Egress: r.place>>2&1 == flowPlace(egress), Action: FlowAction(r.place & 3),
		TCPFlags: uint8(r.bytesAndFlags), TrafficPath: rest.path, NextHop: rest.nextHop,
		Packets: r.packets, Bytes: r.bytesAndFlags >> 8, First: rest.first, Last: max(rest.first, t.start+int64(r.last)<<flowTimeShift),
		TransitGateway: rest.gateway, Source: rest.source, Destination: rest.destination,
	}
	for i, n := range rest.lost {
		out.Lost[i] = uint64(n)
	}
	return out
}

func newFlowRecordTable(seed uint64) *flowRecordTable {
	return &flowRecordTable{seed: seed, window: 1, index: make([]uint32, flowIndexSize), skipped: map[Handle]struct{}{}}
}

// at is the record with a reference, from 1 on.
func (t *flowRecordTable) at(ref uint32) *flowRecord {
	return &t.chunks[ref/flowChunk%flowChunks].records[ref%flowChunk]
}

func (t *flowRecordTable) rest(ref uint32) *flowRecordRest {
	return &t.chunks[ref/flowChunk%flowChunks].rest[ref%flowChunk]
}

// last is the record that was found last for the interface and direction of a
// place, if it is of this flow; else 0.
func (t *flowRecordTable) last(tuple *packet.Tuple, ports uint32, place flowPlace) uint32 {
	if ref := t.recent[place.burst()]; ref != 0 && t.at(ref).is(tuple, ports, place) {
		return ref
	}
	return 0
}

// find returns the record of a flow at a place, made if there is none; 0 if there
// is no room for another.
func (t *flowRecordTable) find(tuple *packet.Tuple, ports uint32, place flowPlace) (ref uint32, isNew bool) {
	h := t.hash(tuple, ports, place)
	tag := uint32(h>>32) &^ (1<<flowRefBits - 1)
	for i := h % flowIndexSize; ; i = (i + 1) % flowIndexSize {
		entry := t.index[i]
		if entry == 0 {
			if t.count == MaxFlowRecords {
				return 0, false
			}
			ref = t.add()
			r := t.at(ref)
			*r, *t.rest(ref) = flowRecord{}, flowRecordRest{}
			r.src, r.dst, r.ports, r.place = tuple.Src, tuple.Dst, ports, place
			t.index[i], t.recent[place.burst()] = tag|ref, ref
			return ref, true
		}
		if ref = entry & (1<<flowRefBits - 1); entry == tag|ref && t.at(ref).is(tuple, ports, place) {
			t.recent[place.burst()] = ref
			return ref, false
		}
	}
}

func (r *flowRecord) is(tuple *packet.Tuple, ports uint32, place flowPlace) bool {
	return r.place == place && r.ports == ports && r.src == tuple.Src && r.dst == tuple.Dst
}

// hash mixes a flow and its place with the table's secret; see flowKey.hash.
func (t *flowRecordTable) hash(tuple *packet.Tuple, ports uint32, place flowPlace) uint64 {
	const m1, m2, m3 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93, 0xa0761d6478bd642f
	turned := bits.RotateLeft64(t.seed, 32) ^ m1
	hi1, lo1 := bits.Mul64(tuple.Src.Lo^t.seed, tuple.Dst.Lo^turned)
	hi2, lo2 := bits.Mul64(tuple.Src.Hi^uint64(ports)^turned, tuple.Dst.Hi^uint64(place)^t.seed^m2)
	hi, lo := bits.Mul64(hi1^lo1^m3, hi2^lo2^t.seed)
	return hi ^ lo
}

// add makes room for a record.
func (t *flowRecordTable) add() uint32 {
	t.count++
	if c := &t.chunks[t.count/flowChunk]; *c == nil {
		*c = new(flowRecordChunk)
	}
	return t.count
}

// again is the reference of a record like one of an earlier window, without what
// has been counted; 0 if there is no room.
func (t *flowRecordTable) again(old *flowRecordTable, ref uint32) uint32 {
	r, rest := old.at(ref), old.rest(ref)
	own, isNew := t.find(&packet.Tuple{Src: r.src, Dst: r.dst}, r.ports, r.place)
	if isNew {
		n := t.rest(own)
		n.nextHop, n.gateway, n.source, n.destination, n.path = rest.nextHop, rest.gateway, rest.source, rest.destination, rest.path
	}
	return own
}

func (t *flowRecordTable) skip(at Handle) { t.skipped[at] = struct{}{} }

// reset empties the table, and gives memory back if this window needed much less
// than an earlier one.
func (t *flowRecordTable) reset() {
	used, spare := int(t.count/flowChunk)+1, 0
	for _, c := range t.chunks[used:] {
		if c != nil {
			spare++
		}
	}
	if spare > 3*used {
		clear(t.chunks[2*used:])
	}
	clear(t.index)
	clear(t.skipped)
	t.recent = [flowRecent]uint32{}
	t.count = 0
}

// flowPorts are what tells apart the flows between two addresses, beside the
// protocol; those without ports have none.
func flowPorts(t *packet.Tuple) uint32 {
	if t.Proto != packet.ProtoTCP && t.Proto != packet.ProtoUDP {
		return 0
	}
	return uint32(t.SrcPort)<<16 | uint32(t.DstPort)
}

// seen is what a walk adds to a record.
type seen struct {
	packets, bytes uint64
	at             int64
	flags          uint8
	loss           FlowLoss
}

// note adds to the record with a reference.
func (t *flowRecordTable) note(ref uint32, s *seen) {
	r := t.at(ref)
	if r.packets == 0 {
		t.rest(ref).first = s.at
	}
	r.packets += s.packets
	r.bytesAndFlags = r.bytesAndFlags + s.bytes<<8 | uint64(s.flags)
	r.last = uint32(max(s.at-t.start, 0) >> flowTimeShift) // a link may be done just before the window begins
	if s.loss != flowNotLost {
		t.rest(ref).lose(s)
	}
}

// lose counts what a transit gateway dropped. As many as the field holds are more
// than a window can have.
func (r *flowRecordRest) lose(s *seen) {
	r.lost[s.loss] = uint32(min(uint64(r.lost[s.loss])+s.packets, math.MaxUint32))
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
