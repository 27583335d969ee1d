package packet

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// wrapped is a GRE packet of ours around an inner frame.
func wrapped(inner []byte, src, dst Addr) []byte {
	data := make([]byte, GREOverhead(src)+len(inner))
	copy(data[GREOverhead(src):], inner)
	Wrap(data, src, dst)
	SetEthernet(data, macA, macB)
	return data
}

func TestWrappedPacketComesOutAsItWas(t *testing.T) {
	for _, outer := range []Tuple{tuple4, tuple6} {
		for _, inner := range []Tuple{tuple4, tuple6} {
			inner.Proto = ProtoUDP
			whole := Append(nil, Spec{DstMAC: macA, SrcMAC: macB, Tuple: inner, Payload: []byte("payload")})
			p := mustParse(t, &Frame{Data: wrapped(whole, outer.Src, outer.Dst)})
			if p.Src != outer.Src || p.Dst != outer.Dst || p.Proto != ProtoGRE || !p.DontFragment || p.TTL != 64 {
				t.Errorf("outer packet %+v", p)
			}
			length, problem := ReadGRE(p)
			if length != 4 || problem != GREProblemNone {
				t.Fatalf("header of %d bytes, %v", length, problem)
			}
			f := Unwrap(p, length)
			SetEthernet(f.Data, macA, macB)
			if !bytes.Equal(f.Data, whole) {
				t.Errorf("came out as\n%x, went in as\n%x", f.Data, whole)
			}
		}
	}
}

// An unfinished checksum stays that of the inner packet.
func TestUnwrapMovesThePartialChecksum(t *testing.T) {
	tuple := tuple4
	tuple.Proto = ProtoTCP
	whole := Frame{Data: Append(nil, Spec{DstMAC: macA, SrcMAC: macB, Tuple: tuple, Payload: []byte("payload")})}
	complete := bytes.Clone(whole.Data)
	DeferChecksum(&whole)
	f := Frame{Data: wrapped(whole.Data, tuple6.Src, tuple6.Dst), Offload: whole.Offload}
	f.Offload.ChecksumStart += uint16(GREOverhead(tuple6.Src))
	p := mustParse(t, &f)
	length, problem := ReadGRE(p)
	if problem != GREProblemNone {
		t.Fatal(problem)
	}
	inner := Unwrap(p, length)
	SetEthernet(inner.Data, macA, macB)
	CompleteChecksum(&inner)
	if !bytes.Equal(inner.Data, complete) {
		t.Errorf("completed to\n%x, want\n%x", inner.Data, complete)
	}
	outer := Frame{Data: wrapped(complete, tuple6.Src, tuple6.Dst), Offload: whole.Offload}
	outer.Offload.ChecksumStart = 20
	if _, problem := ReadGRE(mustParse(t, &outer)); problem != GREProblemOffload {
		t.Errorf("a checksum of the outer packet: %v", problem)
	}
}

func TestReadGREChecksHeaders(t *testing.T) {
	checked := []byte{0x80, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3}
	binary.BigEndian.PutUint16(checked[4:], ^swap(fold(addBytes(0, checked))))
	for name, c := range map[string]struct {
		header  []byte
		length  int
		problem GREProblem
	}{
		"plain":             {[]byte{0, 0, 8, 0}, 4, 0},
		"IPv6":              {[]byte{0, 0, 0x86, 0xdd}, 4, 0},
		"checksum":          {checked, 8, 0},
		"checksum, changed": {append(bytes.Clone(checked), 9), 0, GREProblemChecksum},
		"sequence":          {[]byte{0x10, 0, 8, 0, 0, 0, 0, 1}, 8, 0},
		"sequence, cut off": {[]byte{0x10, 0, 8, 0, 0, 0, 0}, 0, GREProblemTruncated},
		"cut off":           {[]byte{0, 0, 8}, 0, GREProblemTruncated},
		"key":               {[]byte{0x20, 0, 8, 0, 0, 0, 0, 1}, 0, GREProblemKey},
		"routing":           {[]byte{0x40, 0, 8, 0, 0, 0, 0, 1}, 0, GREProblemRouting},
		"strict routing":    {[]byte{0x08, 0, 8, 0}, 0, GREProblemRouting},
		"version 1":         {[]byte{0, 1, 0x88, 0x0b}, 0, GREProblemVersion},
		"bridging":          {[]byte{0, 0, 0x65, 0x58}, 0, GREProblemProtocol},
	} {
		tuple := tuple4
		tuple.Proto = ProtoGRE
		p := mustParse(t, &Frame{Data: Append(nil, Spec{Tuple: tuple, Payload: c.header})})
		if length, problem := ReadGRE(p); length != c.length || problem != c.problem {
			t.Errorf("%s: %d bytes, %v", name, length, problem)
		}
	}
	fragment := mustParse(t, &Frame{Data: fragment4(ProtoGRE, 0, true, make([]byte, 24))})
	if _, problem := ReadGRE(fragment); problem != GREProblemFragment {
		t.Errorf("a fragment: %v", problem)
	}
	if GREProblem(200).String() == "" {
		t.Error("no words for an unknown problem")
	}
}

func FuzzReadGRE(f *testing.F) {
	f.Add([]byte{0, 0, 8, 0, 0x45}, uint16(0))
	f.Add([]byte{0xb0, 0, 0x86, 0xdd, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(40))
	f.Fuzz(func(t *testing.T, payload []byte, start uint16) {
		tuple := tuple6
		tuple.Proto = ProtoGRE
		frame := Frame{Data: Append(nil, Spec{Tuple: tuple, Payload: payload})}
		frame.Offload = Offload{PartialChecksum: start > 0, ChecksumStart: start, ChecksumOffset: 16}
		var p Packet
		if len(frame.Data) == 0 || Parse(&p, &frame) != ProblemNone {
			return
		}
		length, problem := ReadGRE(&p)
		if problem != GREProblemNone {
			return
		}
		if length < 4 || length > len(payload) {
			t.Fatalf("a header of %d bytes in %d", length, len(payload))
		}
		inner := Unwrap(&p, length)
		if !bytes.Equal(inner.Data[14:], payload[length:]) {
			t.Fatal("what came out is not what was in it")
		}
		var q Packet
		Parse(&q, &inner)
	})
}
