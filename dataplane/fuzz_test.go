package dataplane

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// A fuzz input is a sequence of frames, each with a header of five bytes: the
// link it comes from, what to do to it, how long to wait before, and its length.
const (
	fuzzMACs     = 1 << iota // the sender's own MAC, to its router
	fuzzNeighbor             // with fuzzMACs: to the neighbour that has the address
	fuzzSum                  // make the IPv4 header checksum right
	fuzzDefer                // leave the transport checksum to the NIC
	fuzzOffload              // the first eight bytes are offload facts, true or not
	fuzzReflect              // send back what the last frame became
)

var (
	fuzzLinks = []Handle{hI1, hI2, hI3, hO1, hHost, hServices, hNAT, 9999}
	fuzzWaits = []int64{0, 1, 1e6, 1e9, 11e9, 31e9, 351e9, 432001e9}
)

const fuzzHeader = 5

// fuzzFrame encodes one frame of a fuzz input.
func fuzzFrame(link Handle, todo byte, wait byte, data []byte) []byte {
	return fuzzFrameOf(fuzzLinks, link, todo, wait, data)
}

func fuzzFrameOf(links []Handle, link Handle, todo byte, wait byte, data []byte) []byte {
	b := []byte{byte(slices.Index(links, link)), todo, wait}
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// FuzzWalk sends whatever bytes there are through a network that has one of
// everything, and holds what is true of every packet.
func FuzzWalk(f *testing.F) {
	n := newRichNetwork(f).publish()
	for _, s := range fuzzSeeds(n) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) { newRichNetwork(t).fuzzAll(fuzzLinks, input) })
}

// fuzzAll plays an input on an engine whose tables are soon full.
func (n *network) fuzzAll(links []Handle, input []byte) {
	n.t.Helper()
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 24, MaxMappings: 8, Journal: 8})
	n.e.seed(1) // an input must repeat
	n.publish()
	for count := 0; len(input) >= fuzzHeader && count < 64; count++ {
		head := input[:fuzzHeader]
		length := min(int(binary.BigEndian.Uint16(head[3:])), len(input)-fuzzHeader)
		data := slices.Clone(input[fuzzHeader : fuzzHeader+length])
		input = input[fuzzHeader+length:]
		n.clock += fuzzWaits[int(head[2])%len(fuzzWaits)]
		n.fuzzOne(n.fuzzed(links[int(head[0])%len(links)], head[1], data))
	}
	s := &n.e.state
	if s.flows.count > 24 || s.nat.count() > 8 || s.fragments.heads.count > maxFragmentHeads || s.serviceFlows.count > maxServiceFlows {
		n.t.Errorf("a table is above its limit: %d flows, %d mappings", s.flows.count, s.nat.count())
	}
}

// fuzzed makes a frame of the input's bytes.
func (n *network) fuzzed(link Handle, todo byte, data []byte) packet.Frame {
	f := packet.Frame{Data: data, Link: uint32(link)}
	if todo&fuzzReflect != 0 && len(n.frames) > 0 {
		f = packet.Frame{Data: reflected(n.frames[0]), Link: n.frames[0].Link}
	}
	if todo&fuzzOffload != 0 && len(f.Data) >= 8 {
		o := f.Data[:8]
		f.Data = f.Data[8:]
		f.Offload = packet.Offload{
			GSO: packet.GSO(o[0] & 3), PartialChecksum: o[0]&4 != 0, ECN: o[0]&8 != 0, ChecksumVerified: o[0]&16 != 0,
			SegmentSize: binary.BigEndian.Uint16(o[1:]), ChecksumStart: uint16(o[3]), ChecksumOffset: uint16(o[4]), HeaderLen: uint16(o[5]),
		}
	}
	b := f.Data
	if todo&fuzzSum != 0 && len(b) >= 34 && b[12] == 8 && b[13] == 0 && b[14]>>4 == 4 {
		if header := int(b[14]&15) * 4; header >= 20 && len(b) >= 14+header {
			b[24], b[25] = 0, 0
			binary.BigEndian.PutUint16(b[24:], ^uint16(plainSum(0, b[14:14+header])))
		}
	}
	if snap := n.e.Snapshot(); todo&fuzzMACs != 0 && len(b) >= 14 && snap.interfaceOf(f.Link) >= 0 {
		ni := &snap.interfaces[snap.interfaceOf(f.Link)]
		to := ni.routerMAC
		var p packet.Packet
		if todo&fuzzNeighbor != 0 && packet.Parse(&p, &f) == packet.ProblemNone {
			w := Walk{snap: snap}
			to, _ = w.gatewayFor(ni, p.Dst)
		}
		packet.SetEthernet(b, to, ni.mac)
	}
	if todo&fuzzDefer != 0 && checksumRight(f) {
		packet.DeferChecksum(&f)
	}
	return f
}

// reflected is the answer to a frame, as far as swapping makes one.
func reflected(f packet.Frame) []byte {
	b := slices.Clone(f.Data)
	var p packet.Packet
	if packet.Parse(&p, &packet.Frame{Data: b}) != packet.ProblemNone {
		return b
	}
	swap := func(x, y []byte) {
		for i := range x {
			x[i], y[i] = y[i], x[i]
		}
	}
	swap(b[0:6], b[6:12])
	switch p.Family {
	case 4:
		swap(b[p.L3+12:p.L3+16], b[p.L3+16:p.L3+20])
	case 6:
		swap(b[p.L3+8:p.L3+24], b[p.L3+24:p.L3+40])
	}
	switch {
	case p.L4 == 0:
	case p.Proto == packet.ProtoTCP || p.Proto == packet.ProtoUDP:
		swap(b[p.L4:p.L4+2], b[p.L4+2:p.L4+4])
	case p.Proto == packet.ProtoICMP && p.ICMPType == 8:
		b[p.L4] = 0
		sum := ^uint16(plainSum(uint32(^binary.BigEndian.Uint16(b[p.L4+2:])), []byte{^byte(8), 0xff}))
		binary.BigEndian.PutUint16(b[p.L4+2:], sum)
	}
	return b
}

// fuzzSeeds has one exchange per protocol and gateway.
func fuzzSeeds(n *network) [][]byte {
	const whole = fuzzMACs | fuzzSum
	targets := map[Handle][]string{
		hI1:   {"10.0.1.20", "10.0.2.30", "10.0.1.1", "10.0.0.2", "203.0.113.10", "198.51.100.210", "169.254.169.254", "2001:db8:1:2::30", "2001:db8:ff00::10"},
		hI3:   {"203.0.113.10", "64:ff9b::203.0.113.10", "2001:db8:ff00::10", "10.0.0.50", "198.51.100.10"},
		hO1:   {"198.51.100.10", "2001:db8:1:1::10", "10.0.0.2", "10.0.2.30"},
		hHost: {"198.51.100.10", "198.51.100.210", "198.51.100.50", "2001:db8:1:2::30"},
	}
	var seeds [][]byte
	for _, from := range []Handle{hI1, hI3, hO1, hHost} {
		for _, to := range targets[from] {
			for _, s := range []packet.Spec{syn(to, 80), datagram(to, 53), echo(to, 7), {Tuple: packet.Tuple{Dst: addr(to), Proto: 47}}} {
				s.Payload = []byte("payload")
				frame := packet.Append(nil, n.spec(from, s))
				back := fuzzFrame(from, whole|fuzzReflect, 0, nil)
				seeds = append(seeds, slices.Concat(fuzzFrame(from, whole|fuzzDefer, 0, frame), back, back))
			}
		}
	}
	// A large packet, with and without DF, whole and in parts; errors about a
	// translated packet; address resolution; DHCP.
	large := datagram("203.0.113.10", 53)
	large.Payload = make([]byte, 3000)
	frame := packet.Append(nil, n.spec(hI3, large))
	var cut packet.Segmenter
	var parts []byte
	for _, f := range cut.FragmentIPv4(nil, &packet.Frame{Data: frame}, 1500) {
		parts = append(parts, fuzzFrame(hI3, whole, 0, f.Data)...)
	}
	large.DontFragment = true
	tooBig := fuzzFrame(hI3, whole, 0, packet.Append(nil, n.spec(hI3, large)))
	seeds = append(seeds, parts, tooBig, fuzzFrame(hI3, whole, 0, frame))
	for _, to := range []string{"203.0.113.10", "64:ff9b::203.0.113.10"} {
		n.send(hI3, datagram(to, 9))
		seen := n.delivered()
		refused := packet.AppendICMPError(nil, &seen, n.interfaceAt(hHost).routerMAC, InterfaceMAC(hHost), addr("203.0.113.10"), 3, 3, 0)
		seeds = append(seeds, slices.Concat(fuzzFrame(hI3, whole, 0, packet.Append(nil, n.spec(hI3, datagram(to, 9)))), fuzzFrame(hHost, whole, 0, refused)))
	}
	everybody := packet.MAC{255, 255, 255, 255, 255, 255}
	return append(seeds,
		fuzzFrame(hI1, 0, 0, packet.AppendARP(nil, arpRequest, everybody, InterfaceMAC(hI1), InterfaceMAC(hI1), addr("10.0.1.10"), packet.MAC{}, addr("10.0.1.20"))),
		fuzzFrame(hI1, 0, 0, packet.AppendNeighborSolicitation(nil, InterfaceMAC(hI1), addr("2001:db8:1:1::10"), addr("2001:db8:1:1::20"))),
		fuzzFrame(hI1, 0, 0, packet.Append(nil, packet.Spec{
			Tuple:  packet.Tuple{Src: unspecified4, Dst: broadcast4, SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
			DstMAC: everybody, SrcMAC: InterfaceMAC(hI1), Payload: []byte("discover"),
		})),
	)
}

// TestWalkHoldsForDamagedExchanges mixes the seeds' frames, damages a few bytes
// behind the Ethernet header, and answers what got through: deeper than blind
// fuzzing reaches in the same time.
func TestWalkHoldsForDamagedExchanges(t *testing.T) {
	n := newRichNetwork(t).publish()
	n.damaged(fuzzLinks, fuzzSeeds(n), 100_000)
	for _, r := range []Reason{
		ReasonMalformed, ReasonDelivered, ReasonTableFull, ReasonNATNoMapping, ReasonNATExpired, ReasonTooBig,
		ReasonEgressOnly, ReasonDNSDisabled, ReasonServiceAnswer, ReasonFragmentWithoutHead, ReasonAnnouncement, ReasonARP, ReasonNeighbor,
	} {
		if n.e.state.counters.Reasons[r] == 0 {
			t.Errorf("nothing ended by %v: the mix is too tame", r)
		}
	}
}

// damaged plays rounds frames of the seeds, most of them damaged.
func (n *network) damaged(links []Handle, seeds [][]byte, rounds int) {
	n.t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var frames []packet.Frame
	for _, s := range seeds {
		for len(s) >= fuzzHeader {
			length := int(binary.BigEndian.Uint16(s[3:]))
			if length > 0 {
				frames = append(frames, packet.Frame{Data: s[fuzzHeader : fuzzHeader+length], Link: uint32(links[s[0]])})
			}
			s = s[fuzzHeader+length:]
		}
	}
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 256, MaxMappings: 32, Journal: 8})
	n.e.seed(1)
	n.publish()
	for range rounds {
		frame := frames[rng.IntN(len(frames))]
		data, link := slices.Clone(frame.Data), Handle(frame.Link)
		if rng.IntN(8) == 0 {
			link = links[rng.IntN(len(links))]
		}
		for range rng.IntN(3) {
			at := 14 + rng.IntN(min(len(data)-14, 70))
			data[at] = byte(rng.Uint32())
		}
		if rng.IntN(8) == 0 {
			data = data[:14+rng.IntN(len(data)-13)]
		}
		n.clock += fuzzWaits[rng.IntN(4)] / (1 + rng.Int64N(1000))
		if rng.IntN(500) == 0 {
			n.clock += fuzzWaits[rng.IntN(len(fuzzWaits))]
		}
		todo := byte(fuzzMACs | fuzzSum)
		for _, also := range []byte{fuzzNeighbor, fuzzDefer, fuzzReflect} {
			if rng.IntN(3) == 0 {
				todo |= also
			}
		}
		n.fuzzOne(n.fuzzed(link, todo, data))
	}
}
