package packet

import (
	"bytes"
	"testing"
)

func TestNothingPerPacketAllocates(t *testing.T) {
	r := random()
	for _, k := range kinds {
		from, to := k.randomTuple(r), k.randomTuple(r)
		spec := k.spec(from, make([]byte, 3000))
		f := Frame{Data: Append(nil, spec)}
		deferred := Frame{Data: Append(nil, spec)}
		DeferChecksum(&deferred)
		p, q := mustParse(t, &f), mustParse(t, &deferred)
		failure := Frame{Data: AppendICMPError(nil, p, macA, macB, from.Dst, 3, 1, 0)}
		quoting := mustParse(t, &failure)
		buffer := make([]byte, 0, 4096)
		var s Segmenter
		frames := make([]Frame, 0, 64)
		var parsed Packet
		for _, c := range []struct {
			name string
			run  func()
		}{
			{"Parse", func() { Parse(&parsed, &f); Parse(&parsed, &failure) }},
			{"Rewrite", func() { Rewrite(p, to); Rewrite(p, from); Rewrite(q, to); Rewrite(q, from) }},
			{"RewriteQuoted", func() { RewriteQuoted(quoting, to); RewriteQuoted(quoting, from) }},
			{"DecrementTTL", func() { DecrementTTL(p) }},
			{"SetEthernet", func() { SetEthernet(f.Data, macA, macB) }},
			{"checksums", func() { DeferChecksum(&f); CompleteChecksum(&f) }},
			{"Append", func() { Append(buffer, spec) }},
			{"AppendICMPError", func() { AppendICMPError(buffer, q, macA, macB, from.Dst, 3, 1, 0) }},
			{"AppendEchoReply", func() { AppendEchoReply(buffer, p, macA, macB) }},
			{"Segment", func() { frames = s.Segment(frames[:0], &deferred) }},
			{"FragmentIPv4", func() { frames = s.FragmentIPv4(frames[:0], &deferred, 1000) }},
			{"counts", func() { Segments(&f); WireLength(p); TotalBytes(p) }},
		} {
			if n := testing.AllocsPerRun(100, c.run); n != 0 {
				t.Errorf("%s/%s: %v allocations", k.name, c.name, n)
			}
		}
	}
	solicitation := AppendNeighborSolicitation(nil, macA, tuple6.Src, tuple6.Dst)
	p := mustParse(t, &Frame{Data: solicitation})
	buffer := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		AppendARP(buffer, 1, macB, macA, macA, tuple4.Src, macB, tuple4.Dst)
		AppendNeighborSolicitation(buffer, macA, tuple6.Src, tuple6.Dst)
		AppendNeighborAdvertisement(buffer, macB, macA, tuple6.Dst, tuple6.Src, tuple6.Dst, macA, true, true, true)
		p.NeighborTarget()
		p.SourceLinkLayerOption()
	}); n != 0 {
		t.Errorf("address resolution: %v allocations", n)
	}
}

func TestTranslationAllocatesNothing(t *testing.T) {
	r := random()
	for _, k := range kinds {
		from, to := k.randomTuple(r), k.other().randomTuple(r)
		f := Frame{Data: Append(nil, k.spec(from, make([]byte, 3000)))}
		whole := bytes.Clone(f.Data)
		failure := Frame{Data: AppendICMPError(nil, mustParse(t, &f), macA, macB, from.Dst, map[uint8]uint8{4: 11, 6: 3}[k.family], 0, 0)}
		quoting := bytes.Clone(failure.Data)
		answer := Tuple{Src: to.Dst, Dst: to.Src}
		buffer := make([]byte, 4096)
		var p Packet
		if n := testing.AllocsPerRun(100, func() {
			copy(f.Data, whole)
			copy(failure.Data, quoting)
			Parse(&p, &f)
			if _, ok := Translate(&p, to, buffer); !ok {
				t.Fatal("not translated")
			}
			Parse(&p, &failure)
			if _, ok := TranslateError(&p, answer, to, buffer); !ok {
				t.Fatal("error not translated")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", k.name, n)
		}
	}
}

func TestOffersAndAdvertisementsAllocateNothing(t *testing.T) {
	f := Frame{Data: segmentWith(t, tuple4, TCPFlagSYN, []byte{2, 4, 0xff, 0xff})}
	p := mustParse(t, &f)
	mss := uint16(9000)
	buffer := make([]byte, 0, 4096)
	ra := RouterAdvertisement{MTU: 9001, Prefixes: make([]AdvertisedPrefix, 3)}
	if n := testing.AllocsPerRun(100, func() {
		mss--
		ClampMSS(p, mss)
		AppendRouterAdvertisement(buffer, ra)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSuperframesAllocateNothing(t *testing.T) {
	for _, c := range superframes {
		f := superframe(c.kind.spec(c.kind.randomTuple(random()), make([]byte, 60000)), c.gso, 1400)
		var s Segmenter
		frames, buffer := make([]Frame, 0, 256), make([]byte, 0, 4096)
		p := mustParse(t, &f)
		if n := testing.AllocsPerRun(20, func() {
			Segments(&f)
			frames = s.Segment(frames[:0], &f)
			frames = s.FragmentIPv4(frames[:0], &f, 1000)
			AppendICMPError(buffer, p, macA, macB, p.Dst, 3, 4, 1000)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.kind.name, n)
		}
	}
}
