package port

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// cut is a part of a datagram: bytes from start to end, the last one or not.
type cut struct {
	start, end int
	last       bool
}

// wholeDatagram is a UDP datagram, with its header, for port 4500.
func wholeDatagram(size int) []byte {
	d := binary.BigEndian.AppendUint16(nil, 30000)
	d = binary.BigEndian.AppendUint16(d, WireGuardPort)
	d = binary.BigEndian.AppendUint16(d, uint16(size))
	d = append(d, 0, 0)
	for len(d) < size {
		d = append(d, byte(len(d)*7>>3))
	}
	return d
}

// fragmentOf is a part of a datagram as it arrives from a sender.
func fragmentOf(datagram []byte, c cut, id uint32, sender byte) *packet.Packet {
	data := datagram[c.start:c.end]
	p := &packet.Packet{
		Frame: &packet.Frame{Data: data, Link: 7}, End: len(data), Fragment: true,
		FragmentID: id, FragmentStart: uint16(c.start), LaterFragment: c.start > 0, LastFragment: c.last,
	}
	p.Proto, p.Src, p.Dst = packet.ProtoUDP, packet.AddrFrom4([4]byte{203, 0, 113, sender}), packet.AddrFrom4([4]byte{198, 51, 100, 1})
	return p
}

// TestReassemblyOfOneDatagram: what parts make a datagram, and what parts make none.
func TestReassemblyOfOneDatagram(t *testing.T) {
	const size = 100
	for name, tc := range map[string]struct {
		cuts    []cut
		whole   bool
		refused uint64
	}{
		"in order":                                {[]cut{{0, 48, false}, {48, 80, false}, {80, 100, true}}, true, 0},
		"backwards":                               {[]cut{{80, 100, true}, {48, 80, false}, {0, 48, false}}, true, 0},
		"the middle last":                         {[]cut{{0, 48, false}, {80, 100, true}, {48, 80, false}}, true, 0},
		"alone (RFC 6946)":                        {[]cut{{0, 100, true}}, true, 0},
		"a copy from the network":                 {[]cut{{0, 48, false}, {0, 48, false}, {48, 100, true}}, true, 1},
		"a copy of the last":                      {[]cut{{48, 100, true}, {48, 100, true}, {0, 48, false}}, true, 1},
		"without the first":                       {[]cut{{48, 80, false}, {80, 100, true}}, false, 0},
		"without the last":                        {[]cut{{0, 48, false}, {48, 80, false}}, false, 0},
		"with a hole":                             {[]cut{{0, 40, false}, {48, 100, true}}, false, 0},
		"overlap (RFC 5722)":                      {[]cut{{0, 48, false}, {40, 80, false}, {80, 100, true}}, false, 3},
		"overlap, and then all of it":             {[]cut{{0, 48, false}, {40, 80, false}, {0, 48, false}, {48, 80, false}, {80, 100, true}}, false, 5},
		"one in another":                          {[]cut{{0, 80, false}, {8, 16, false}, {80, 100, true}}, false, 3},
		"one around another":                      {[]cut{{8, 16, false}, {0, 80, false}, {80, 100, true}}, false, 3},
		"a length that cannot be followed":        {[]cut{{0, 49, false}, {56, 100, true}}, false, 2},
		"beyond the end":                          {[]cut{{48, 80, true}, {80, 96, false}}, false, 2},
		"beyond the end, before it":               {[]cut{{0, 48, false}, {80, 96, false}, {48, 80, true}}, false, 3},
		"not the last, and it ends there":         {[]cut{{80, 96, true}, {88, 96, false}}, false, 2},
		"two ends":                                {[]cut{{80, 100, true}, {72, 80, true}, {0, 72, false}}, false, 3},
		"shorter than its header says":            {[]cut{{0, 48, false}, {48, 80, true}}, false, 2},
		"alone, and shorter than its header says": {[]cut{{0, 80, true}}, false, 1},
		"an empty part":                           {[]cut{{0, 48, false}, {48, 48, false}}, false, 2},
		"less than a header":                      {[]cut{{0, 4, true}}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var r reassembler
			datagram, now := wholeDatagram(size), time.Unix(1000, 0)
			var got []byte
			for i, c := range tc.cuts {
				if got != nil {
					t.Fatalf("it was whole before part %d", i)
				}
				if whole := r.add(fragmentOf(datagram, c, 1, 1), WireGuardPort, now); whole != nil {
					got = bytes.Clone(whole)
				}
			}
			if tc.whole != (got != nil) || got != nil && !bytes.Equal(got, datagram) {
				t.Errorf("whole: %v\n%x", got != nil, got)
			}
			if r.refused != tc.refused {
				t.Errorf("%d parts were refused, want %d", r.refused, tc.refused)
			}
			r.add(fragmentOf(datagram, cut{0, 48, false}, 99, 1), WireGuardPort, now.Add(reassemblyTime))
			if len(r.pending) != 1 || r.bytes != 48 {
				t.Errorf("after its time %d datagrams with %d bytes are left", len(r.pending), r.bytes)
			}
		})
	}
}

// TestReassemblyKeepsDatagramsApart: by identification, sender and link; and another
// port's are nobody's.
func TestReassemblyKeepsDatagramsApart(t *testing.T) {
	var r reassembler
	now, datagram := time.Unix(1000, 0), wholeDatagram(100)
	head, tail := cut{0, 48, false}, cut{48, 100, true}
	r.add(fragmentOf(datagram, head, 1, 1), WireGuardPort, now)
	otherLink := fragmentOf(datagram, tail, 1, 1)
	otherLink.Frame.Link = 8
	for name, p := range map[string]*packet.Packet{
		"another identification": fragmentOf(datagram, tail, 2, 1), "another sender": fragmentOf(datagram, tail, 1, 2), "another link": otherLink,
	} {
		if r.add(p, WireGuardPort, now) != nil {
			t.Errorf("%s completed it", name)
		}
	}
	if r.add(fragmentOf(datagram, tail, 1, 1), WireGuardPort, now) == nil {
		t.Error("it was not completed")
	}
	for _, c := range []cut{head, tail} {
		if r.add(fragmentOf(datagram, c, 3, 3), 53, now) != nil {
			t.Error("a datagram for another port")
		}
	}
}

// TestReassemblyTimeIsThatOfTheFirst: a part too late begins anew, whatever the others
// were doing.
func TestReassemblyTimeIsThatOfTheFirst(t *testing.T) {
	var r reassembler
	now, datagram := time.Unix(1000, 0), wholeDatagram(100)
	r.add(fragmentOf(datagram, cut{0, 48, false}, 1, 1), WireGuardPort, now)
	r.add(fragmentOf(datagram, cut{48, 80, false}, 1, 1), WireGuardPort, now.Add(reassemblyTime-1))
	if r.add(fragmentOf(datagram, cut{80, 100, true}, 1, 1), WireGuardPort, now.Add(reassemblyTime)) != nil || r.refused != 2 {
		t.Errorf("it was completed; %d refused", r.refused)
	}
}

// TestReassemblyOfAFlood: one sender's parts take no more than his share, and many
// senders' no more than all of it; who is no flood gets through beside the one.
func TestReassemblyOfAFlood(t *testing.T) {
	now, datagram, large := time.Unix(1000, 0), wholeDatagram(100), wholeDatagram(60000)
	for name, senders := range map[string]byte{"one sender": 1, "many senders": 200} {
		t.Run(name, func(t *testing.T) {
			var r reassembler
			r.add(fragmentOf(datagram, cut{0, 48, false}, 1, 250), WireGuardPort, now)
			const parts = 100_000
			for i := range uint32(parts) {
				c := cut{0, 48, false}
				switch i % 3 {
				case 1:
					c = cut{56000, 59992, false}
				case 2:
					c = cut{int(i) % 7000 * 8, int(i)%7000*8 + 1200, false}
				}
				if r.add(fragmentOf(large, c, i/2, byte(i)%senders), WireGuardPort, now) != nil {
					t.Fatal("a datagram")
				}
				if len(r.pending) > mostPending || r.bytes > mostPendingBytes {
					t.Fatalf("%d datagrams, %d bytes", len(r.pending), r.bytes)
				}
			}
			kept := 0
			for _, d := range r.pending {
				kept += len(d.parts)
			}
			if got := r.refused + uint64(kept); got != parts+1 {
				t.Errorf("%d parts are accounted for", got)
			}
			whole := r.add(fragmentOf(datagram, cut{48, 100, true}, 1, 250), WireGuardPort, now)
			if senders == 1 && !bytes.Equal(whole, datagram) {
				t.Error("the other sender's datagram is lost")
			}
		})
	}
}

// TestReassemblyOfTooManyParts: tiny parts make no datagram, and no work.
func TestReassemblyOfTooManyParts(t *testing.T) {
	var r reassembler
	datagram := wholeDatagram(16 * (mostParts + 2))
	for i := range mostParts + 1 {
		r.add(fragmentOf(datagram, cut{16 * i, 16*i + 8, false}, 1, 1), WireGuardPort, time.Unix(1000, 0))
	}
	if len(r.pending) != 1 || !r.pending[0].bad || r.bytes != 0 {
		t.Errorf("%d parts, %d bytes", len(r.pending[0].parts), r.bytes)
	}
}

// FuzzReassembly holds that whatever comes, nothing but the datagram that was sent
// comes out, the accounts are right and the limits are kept.
func FuzzReassembly(f *testing.F) {
	f.Add(uint64(1), uint16(100))
	f.Add(uint64(7), uint16(3000))
	f.Fuzz(func(t *testing.T, seed uint64, size uint16) {
		x := rand.New(rand.NewPCG(seed, 1))
		datagram, now := wholeDatagram(max(int(size), udpHeaderLen+1)), time.Unix(1000, 0)
		var cuts []cut
		for at := 0; at < len(datagram); {
			end := min(at+8*(1+x.IntN(1+len(datagram)/16)), len(datagram))
			cuts = append(cuts, cut{at, end, end == len(datagram)})
			at = end
		}
		x.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
		honest := len(cuts) <= mostParts
		for range x.IntN(3) { // copies change nothing
			cuts = slices.Insert(cuts, x.IntN(len(cuts)), cuts[x.IntN(len(cuts))])
		}
		if x.IntN(2) == 0 { // parts of somebody who does not know how it was cut
			at := x.IntN(len(datagram)) / 8 * 8
			cuts = slices.Insert(cuts, x.IntN(len(cuts)), cut{at, min(at+8+x.IntN(64), len(datagram)), x.IntN(2) == 0})
			honest = false
		}
		var r reassembler
		whole, added := 0, 0
		for _, c := range cuts {
			got := r.add(fragmentOf(datagram, c, uint32(whole), 1), WireGuardPort, now)
			added++
			now = now.Add(time.Duration(x.IntN(1000)) * time.Millisecond / 100)
			if got == nil {
				continue
			}
			if !bytes.Equal(got, datagram) {
				t.Fatalf("another datagram: %x", got)
			}
			whole++
		}
		if honest && whole == 0 {
			t.Fatalf("%v made no datagram", cuts)
		}
		kept, size2 := 0, 0
		for _, d := range r.pending {
			kept += len(d.parts)
			size2 += d.bytes
		}
		if size2 != r.bytes || r.bytes < 0 || kept+int(r.refused) > added {
			t.Fatalf("%d bytes, %d in the parts; %d kept, %d refused of %d", r.bytes, size2, kept, r.refused, added)
		}
	})
}

// fragmentIPv6 cuts a packet into parts of size bytes, as its sender does.
func fragmentIPv6(f packet.Frame, id uint32, size int) (parts []packet.Frame) {
	const ip6 = ethernetHeaderLen + 40
	payload := f.Data[ip6:]
	for at := 0; at < len(payload); at += size {
		end := min(at+size, len(payload))
		part := slices.Clone(f.Data[:ip6])
		binary.BigEndian.PutUint16(part[ethernetHeaderLen+4:], uint16(8+end-at))
		proto := part[ethernetHeaderLen+6]
		part[ethernetHeaderLen+6] = 44
		more := uint16(1)
		if end == len(payload) {
			more = 0
		}
		part = append(part, proto, 0)
		part = binary.BigEndian.AppendUint16(part, uint16(at)|more)
		part = binary.BigEndian.AppendUint32(part, id)
		parts = append(parts, packet.Frame{Data: append(part, payload[at:end]...), Link: f.Link})
	}
	return parts
}

// TestTunnelTakesFragments: what encrypts for AWS's end cuts its packets, as a router
// does whose way to the Internet is narrow, and they arrive in any order.
func TestTunnelTakesFragments(t *testing.T) {
	for name, six := range map[string]bool{"IPv4 outside": false, "IPv6 outside": true} {
		t.Run(name, func(t *testing.T) {
			x := newCrossing(t, six)
			x.wire.fragment(handle(1, sideOutside))
			x.openBoth()
			for i := range uint16(50) {
				want := bytes.Repeat([]byte{byte(i)}, int(i)*28)
				x.instances[2].Inject(datagram(2, false, i, want))
				if p, got := x.receive(1); p.DstPort != i || !bytes.Equal(got, want) {
					t.Fatalf("packet %d: %+v", i, p.Tuple)
				}
				x.instances[1].Inject(datagram(1, true, i, want))
				x.receive(2)
			}
			s := x.ends[1].Stats()
			if s.Reassembled < 30 || s.Ignored != 0 || s.Received != 50 || s.Malformed != 0 {
				t.Errorf("%+v", s)
			}
			if want := netip.AddrPortFrom(x.outside[2], WireGuardPort); s.Peer != want {
				t.Errorf("the peer is at %s, want %s", s.Peer, want)
			}
		})
	}
}
