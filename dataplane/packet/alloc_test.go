package packet

import "testing"

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
