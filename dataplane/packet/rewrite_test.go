package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// Rewriting must give the very bytes that building the packet with the new
// tuple gives: the incremental checksum equals the recomputed one.
func TestRewriteEqualsRecomputation(t *testing.T) {
	r := random()
	for _, k := range kinds {
		for _, partial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/partial=%v", k.name, partial), func(t *testing.T) {
				for range 500 {
					payload := randomBytes(r, r.IntN(100))
					from, to := k.randomTuple(r), k.randomTuple(r)
					if r.IntN(3) == 0 {
						to.Src = from.Src
					}
					if r.IntN(3) == 0 {
						to.SrcPort = from.SrcPort
						if k.proto == ProtoICMP || k.proto == ProtoICMPv6 {
							to.DstPort = from.DstPort
						}
					}
					f := Frame{Data: Append(nil, k.spec(from, payload))}
					want := Frame{Data: Append(nil, k.spec(to, payload))}
					if partial {
						DeferChecksum(&f)
						DeferChecksum(&want)
					}
					p := mustParse(t, &f)
					Rewrite(p, to)
					if !bytes.Equal(f.Data, want.Data) {
						t.Fatalf("%+v to %+v:\n% x, want\n% x", from, to, f.Data, want.Data)
					}
					if p.Tuple != to || mustParse(t, &f).Tuple != to {
						t.Fatalf("tuple %+v, want %+v", p.Tuple, to)
					}
					CompleteChecksum(&f)
					if mustBeSound(t, f.Data); p.checksum != 0 {
						decode(t, f.Data)
					}
				}
			})
		}
	}
}

func TestRewriteUDPChecksumZero(t *testing.T) {
	for _, k := range []kind{kinds[1], kinds[5]} {
		r := random()
		from := k.randomTuple(r)
		to := k.randomTuple(r)

		f := Frame{Data: Append(nil, k.spec(from, []byte("x")))}
		p := mustParse(t, &f)
		f.Data[p.checksum], f.Data[p.checksum+1] = 0, 0
		Rewrite(p, to)
		if f.Data[p.checksum] != 0 || f.Data[p.checksum+1] != 0 {
			t.Errorf("%s: a datagram without checksum got one", k.name)
		}

		// Two bytes of payload can steer the checksum to 0, written 0xffff.
		base := binary.BigEndian.Uint16(Append(nil, k.spec(to, []byte{0, 0}))[p.checksum:])
		payload := binary.BigEndian.AppendUint16(nil, base)
		f = Frame{Data: Append(nil, k.spec(from, payload))}
		p = mustParse(t, &f)
		Rewrite(p, to)
		if got := binary.BigEndian.Uint16(f.Data[p.checksum:]); got != 0xffff {
			t.Errorf("%s: checksum %#x, want 0xffff", k.name, got)
		}
		Rewrite(p, from)
		Rewrite(p, to)
		mustBeSound(t, f.Data)
	}
}

// In a partial sum 0 is a sum like any other, not "no checksum".
func TestRewritePartialUDPSumOfZero(t *testing.T) {
	f := Frame{Data: Append(nil, kinds[1].spec(tuple4.with(ProtoUDP), []byte("x")))}
	DeferChecksum(&f)
	p := mustParse(t, &f)
	f.Data[p.checksum], f.Data[p.checksum+1] = 0, 0
	before := partialResidual(p)
	to := p.Tuple
	to.Src = addr("192.0.2.1")
	Rewrite(p, to)
	if got := partialResidual(p); got != before {
		t.Errorf("the sum moved by %#x", got-before)
	}
}

func TestRewriteOfFragmentsReassembles(t *testing.T) {
	r := random()
	for _, k := range kinds[:4] {
		payload := randomBytes(r, 4000)
		from, to := k.randomTuple(r), k.randomTuple(r)
		var s Segmenter
		f := Frame{Data: Append(nil, k.spec(from, payload))}
		parts := s.FragmentIPv4(nil, &f, 1500)
		for i := range parts {
			Rewrite(mustParse(t, &parts[i]), to)
		}
		if got := reassemble(t, parts); !bytes.Equal(got, Append(nil, k.spec(to, payload))) {
			t.Errorf("%s: not the packet that was rewritten whole", k.name)
		}
	}
}

// The core gives a later fragment its first part's ports; they are not bytes of
// this frame.
func TestRewriteOfALaterFragmentIgnoresPorts(t *testing.T) {
	var s Segmenter
	f := Frame{Data: Append(nil, kinds[1].spec(tuple4.with(ProtoUDP), make([]byte, 3000)))}
	part := s.FragmentIPv4(nil, &f, 1500)[1]
	p := mustParse(t, &part)
	p.SrcPort, p.DstPort = 1, 2
	to := p.Tuple
	to.SrcPort, to.Src = 3, addr("192.0.2.9")
	body := bytes.Clone(part.Data[34:])
	Rewrite(p, to)
	if !bytes.Equal(part.Data[34:], body) || p.Tuple != to || mustParse(t, &part).Src != to.Src {
		t.Errorf("payload touched or tuple wrong: %+v", p.Tuple)
	}
}

func TestRewriteICMPIdentifierTakesTheChangedSide(t *testing.T) {
	for _, c := range []struct{ src, dst, want uint16 }{{9, 5, 9}, {5, 9, 9}, {9, 9, 9}, {5, 5, 5}} {
		k := kinds[2]
		tuple := tuple4.with(ProtoICMP)
		tuple.SrcPort, tuple.DstPort = 5, 5
		f := Frame{Data: Append(nil, k.spec(tuple, nil))}
		p := mustParse(t, &f)
		to := tuple
		to.SrcPort, to.DstPort = c.src, c.dst
		Rewrite(p, to)
		if got := mustBeSound(t, f.Data); got.SrcPort != c.want || p.SrcPort != c.want || p.DstPort != c.want {
			t.Errorf("%d,%d gives %d, want %d", c.src, c.dst, got.SrcPort, c.want)
		}
	}
}

func TestRewriteRefusesTheOtherFamily(t *testing.T) {
	for _, c := range []struct{ from, to Tuple }{{tuple4, tuple6}, {tuple6, tuple4}, {tuple4, Tuple{Src: tuple4.Src, Dst: tuple6.Dst}}} {
		f := Frame{Data: Append(nil, Spec{Tuple: c.from})}
		before := bytes.Clone(f.Data)
		p := mustParse(t, &f)
		Rewrite(p, c.to)
		if !bytes.Equal(before, f.Data) || p.Tuple != c.from {
			t.Errorf("%v became %v", c.from, p.Tuple)
		}
	}
}

func TestTTLChangesKeepTheChecksum(t *testing.T) {
	for _, tuple := range []Tuple{tuple4, tuple6} {
		for ttl := range 256 {
			f := Frame{Data: Append(nil, Spec{Tuple: tuple, TTL: 64})}
			p := mustParse(t, &f)
			SetTTL(p, uint8(ttl))
			if got := mustParse(t, &f).TTL; got != uint8(ttl) || p.TTL != got {
				t.Fatalf("SetTTL(%d): %d", ttl, got)
			}
			DecrementTTL(p)
			if got := mustParse(t, &f).TTL; int(got) != max(0, ttl-1) || p.TTL != got {
				t.Fatalf("DecrementTTL from %d: %d", ttl, got)
			}
		}
	}
}

// A frame of any bytes that parses: rewriting keeps it exactly as right or
// wrong as it was, with a complete or a partial checksum.
func FuzzRewrite(f *testing.F) {
	r := random()
	for _, k := range kinds {
		to := k.randomTuple(r)
		f.Add(Append(nil, k.spec(k.randomTuple(r), []byte("payload"))), to.Src.Hi, to.Src.Lo, to.Dst.Hi, to.Dst.Lo, to.SrcPort, to.DstPort, false)
		f.Add(Append(nil, k.spec(k.randomTuple(r), nil)), to.Src.Hi, to.Src.Lo, to.Dst.Hi, to.Dst.Lo, to.SrcPort, to.DstPort, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, srcHi, srcLo, dstHi, dstLo uint64, srcPort, dstPort uint16, partial bool) {
		fr := Frame{Data: bytes.Clone(data)}
		var p Packet
		if Parse(&p, &fr) != ProblemNone || p.Family == 0 {
			return
		}
		to := Tuple{Addr{srcHi, srcLo}, Addr{dstHi, dstLo}, srcPort, dstPort, p.Proto}
		if p.Family == 4 {
			to.Src, to.Dst = Addr{Lo: v4Mapped | srcLo&0xffffffff}, Addr{Lo: v4Mapped | dstLo&0xffffffff}
		} else if to.Src.Is4() || to.Dst.Is4() {
			return
		}
		if partial && p.checksum != 0 {
			fr.Offload = Offload{PartialChecksum: true, ChecksumStart: uint16(p.L4), ChecksumOffset: uint16(p.checksum - p.L4)}
		}
		measure := func() uint32 {
			switch {
			case p.checksum == 0:
				return 0
			case fr.Offload.PartialChecksum:
				return partialResidual(&p)
			}
			return residual(&p)
		}
		before := measure()
		noChecksum := p.Proto == ProtoUDP && p.checksum != 0 && !partial && fr.Data[p.checksum] == 0 && fr.Data[p.checksum+1] == 0
		Rewrite(&p, to)
		q := mustParse(t, &fr)
		if q.Tuple.Src != to.Src || q.Tuple.Dst != to.Dst || !q.LaterFragment && q.Tuple != p.Tuple {
			t.Fatalf("%+v, want %+v", q.Tuple, to)
		}
		if after := measure(); after != before && !noChecksum {
			t.Fatalf("checksum moved from %#x to %#x", before, after)
		}
	})
}
