package port

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// filterLab runs the filter on frames of the test's making, in no network at all.
type filterLab struct {
	o       *offload
	program *ebpf.Program
	bases   []filterBase
}

// filterBase is a flow that has a shortcut, in the place of its index, and a frame of it.
type filterBase struct {
	shortcut packet.Shortcut
	spec     packet.Spec
}

// filterIfindex is the interface that frames come from: lo, which a run by itself has.
const filterIfindex = 1

func newFilterLab(t *testing.T) *filterLab {
	t.Helper()
	needOffload(t)
	o, err := openOffload()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	l := &filterLab{o: o}
	// As a tcx program the kernel runs it on a frame with its Ethernet header, as a packet
	// socket's filter gets it.
	l.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "MIT",
		Instructions: filterProgram(o.flows.FD(), o.slots.FD(), o.control.FD(), o.decision.FD()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.program.Close() })
	for i, ends := range [][2]string{{"10.0.1.10", "10.0.2.10"}, {"fd00:1::10", "fd00:2::10"}} {
		s := packet.Shortcut{
			DstMAC: packet.MAC{2, 0, 0, 0, 0, 1}, SrcMAC: packet.MAC{2, 0, 0, 0, 0, 2}, Hops: uint8(i), MaxLength: 1400,
			Tuple: packet.Tuple{Src: packet.AddrFrom(netip.MustParseAddr(ends[0])), Dst: packet.AddrFrom(netip.MustParseAddr(ends[1])), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP},
		}
		key := keyOf(&s, filterIfindex)
		if err := o.put(i, &key, &s, 99); err != nil {
			t.Fatal(err)
		}
		l.bases = append(l.bases, filterBase{s, packet.Spec{DstMAC: s.DstMAC, SrcMAC: s.SrcMAC, Tuple: s.Tuple, TCPFlags: packet.TCPFlagACK}})
	}
	return l
}

// run returns the place whose shortcut the frame takes, and what would be counted; -1 if it
// is the socket's.
func (l *filterLab) run(t *testing.T, data []byte, gsoSize int) (place int, packets, bytes uint64) {
	t.Helper()
	context := make([]byte, 192) // struct __sk_buff
	if gsoSize > 0 {
		binary.NativeEndian.PutUint32(context[164:], 1) // gso_segs
		binary.NativeEndian.PutUint32(context[skbGSOSize:], uint32(gsoSize))
	}
	verdict, err := l.program.Run(&ebpf.RunOptions{Data: data, Context: context})
	if err != nil {
		t.Fatalf("%d bytes: %v", len(data), err)
	}
	if verdict != 0 {
		return -1, 0, 0
	}
	var values [][]byte
	if err := l.o.decision.Lookup(uint32(0), &values); err != nil {
		t.Fatal(err)
	}
	for _, v := range values { // of the CPU that it ran on
		if place := binary.NativeEndian.Uint32(v[decisionPlace:]); place > 0 {
			clearDecision(t, l.o, len(values))
			return int(place - 1), binary.NativeEndian.Uint64(v[decisionPackets:]), binary.NativeEndian.Uint64(v[decisionBytes:])
		}
	}
	t.Fatal("the frame is nobody's")
	return -1, 0, 0
}

func clearDecision(t *testing.T, o *offload, cpus int) {
	t.Helper()
	empty := make([][]byte, cpus)
	for i := range empty {
		empty[i] = make([]byte, decisionSize)
	}
	if err := o.decision.Put(uint32(0), empty); err != nil {
		t.Fatal(err)
	}
}

// want is what the packet package says: which shortcut a frame may take.
func (l *filterLab) want(data []byte, gsoSize int) (place int, packets, bytes uint64) {
	f := packet.Frame{Data: data, Link: 0}
	if gsoSize > 0 {
		f.Offload = packet.Offload{GSO: packet.GSOTCP4, SegmentSize: uint16(gsoSize)}
		if binary.BigEndian.Uint16(data[12:]) == packet.EtherTypeIPv6 {
			f.Offload.GSO = packet.GSOTCP6
		}
	}
	var p packet.Packet
	if packet.Parse(&p, &f) != packet.ProblemNone || p.Proto != packet.ProtoTCP || p.Fragment {
		return -1, 0, 0
	}
	header := 20
	if p.Family == 6 {
		header = 40
	}
	switch {
	case p.L4-p.L3 != header, p.End != len(data), p.TCPFlags&^packet.TCPFlagPSH != packet.TCPFlagACK, p.TTL <= 1:
		return -1, 0, 0
	case data[p.L4+12]&0x0f != 0, p.Family == 4 && data[p.L3+6]&0x80 != 0: // reserved bits: nothing to be quick about
		return -1, 0, 0
	case gsoSize > 0 && p.End == p.Payload:
		return -1, 0, 0
	}
	for i, b := range l.bases {
		s := &b.shortcut
		if s.Tuple == p.Tuple && s.DstMAC == p.DstMAC && s.SrcMAC == p.SrcMAC && p.TTL > s.Hops && packet.WireLength(&p) <= int(s.MaxLength) {
			packets, bytes := packet.TotalBytes(&p)
			return i, uint64(packets), uint64(bytes)
		}
	}
	return -1, 0, 0
}

// TestOffloadFilterAgreesWithParse: on damaged frames, too, the kernel's filter takes what
// this project's own parser would take, and counts as it does.
func TestOffloadFilterAgreesWithParse(t *testing.T) {
	l := newFilterLab(t)
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 50000 {
		data, gsoSize := l.frame(random)
		place, packets, bytes := l.run(t, data, gsoSize)
		wantPlace, wantPackets, wantBytes := l.want(data, gsoSize)
		if place != wantPlace || packets != wantPackets || bytes != wantBytes {
			t.Fatalf("GSO size %d: place %d, %d packets, %d bytes; want %d, %d, %d; frame\n%x", gsoSize, place, packets, bytes, wantPlace, wantPackets, wantBytes, data[:min(len(data), 80)])
		}
		if place >= 0 {
			taken++
		}
	}
	if taken < 5000 {
		t.Errorf("only %d frames took a shortcut", taken)
	}
}

// frame is one of a flow with a shortcut, in half of the cases damaged or in some way not
// plain.
func (l *filterLab) frame(random *rand.Rand) (data []byte, gsoSize int) {
	spec := l.bases[random.IntN(2)].spec
	spec.Payload = make([]byte, []int{0, 1, 100, 1300, 1348, 1360, 1361, 3000}[random.IntN(8)])
	spec.TTL = []uint8{64, 64, 255, 2, 1}[random.IntN(5)]
	spec.DontFragment = random.IntN(2) == 0
	if random.IntN(3) == 0 {
		spec.TCPFlags |= packet.TCPFlagPSH
	}
	if random.IntN(2) == 0 {
		gsoSize = []int{500, 1300, 1340, 1360, 1448}[random.IntN(5)]
	}
	data = packet.Append(nil, spec)
	end := 34
	if data[12] == 0x86 {
		end = 54
	}
	switch random.IntN(10) {
	case 0: // any byte of the headers
		data[random.IntN(end+20)] = byte(random.Uint32())
	case 1: // one bit, with a checksum that is right
		data[14+random.IntN(end-14)] ^= 1 << random.IntN(8)
		if end == 34 {
			fixIPv4Checksum(data)
		}
	case 2: // of TCP's
		data[end+random.IntN(20)] ^= 1 << random.IntN(8)
	case 3:
		data = append(data, make([]byte, 1+random.IntN(20))...)
	case 4:
		data = data[:end+random.IntN(len(data)-end)] // the kernel runs nothing on less
	}
	return data, gsoSize
}

func fixIPv4Checksum(data []byte) {
	data[24], data[25] = 0, 0
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum>>16 > 0 {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(data[24:], ^uint16(sum))
}

func TestShortcutSlotsAreWhatTheProgramsRead(t *testing.T) {
	if shortcutKeySize != 40 || shortcutSlotSize != 128 || unsafe.Sizeof(shortcutSlot{}.match) != 14 {
		t.Errorf("a key of %d bytes, a slot of %d", shortcutKeySize, shortcutSlotSize)
	}
	// What the filter compares in one load must be aligned in both.
	if slotMatch%8 != 2 || slotFrames%8 != 0 || slotRewrite%4 != 0 {
		t.Errorf("fields at %d, %d and %d", slotMatch, slotFrames, slotRewrite)
	}
}
