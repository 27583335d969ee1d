package packet

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"
)

// segmentWith is a TCP segment with the options, which must be a multiple of
// four bytes.
func segmentWith(t testing.TB, tuple Tuple, flags uint8, options []byte) []byte {
	t.Helper()
	plain := Append(nil, Spec{Tuple: tuple, TCPFlags: flags})
	p := mustParse(t, &Frame{Data: plain})
	b := slices.Concat(plain, options, []byte("fast open"))
	b[p.L4+12] = byte((tcpMinLen + len(options)) / 4 << 4)
	if p.Family == 4 {
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		setIPv4Checksum(b[14:34])
	} else {
		binary.BigEndian.PutUint16(b[18:], uint16(len(b)-54))
	}
	b[p.L4+tcpChecksum], b[p.L4+tcpChecksum+1] = 0, 0
	sealTransport(b[p.L4:], p.Family, tuple.Src, tuple.Dst, ProtoTCP)
	return b
}

func TestClampMSSLowersAndNeverRaises(t *testing.T) {
	const syn = TCPFlagSYN
	timestamps := []byte{8, 10, 1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		name    string
		flags   uint8
		options []byte
		want    []byte // nil: unchanged
	}{
		{"SYN", syn, []byte{2, 4, 0x22, 0xf5}, []byte{2, 4, 0x05, 0x78}},
		{"SYN-ACK", syn | TCPFlagACK, []byte{2, 4, 0x05, 0xb4}, []byte{2, 4, 0x05, 0x78}},
		{"ACK", TCPFlagACK, []byte{2, 4, 0x05, 0xb4}, nil},
		{"equal", syn, []byte{2, 4, 0x05, 0x78}, nil},
		{"smaller", syn, []byte{2, 4, 0x02, 0x18}, nil},
		{"no options", syn, nil, nil},
		{"none", syn, append(slices.Clone(timestamps), 1, 1), nil},
		{"at an odd offset", syn, []byte{1, 2, 4, 0x05, 0xb4, 1, 1, 1}, []byte{1, 2, 4, 0x05, 0x78, 1, 1, 1}},
		{"behind another", syn, slices.Concat(timestamps, []byte{1, 2, 4, 0x23, 0x28, 0}), slices.Concat(timestamps, []byte{1, 2, 4, 0x05, 0x78, 0})},
		{"two of them", syn, []byte{2, 4, 0x05, 0xb4, 2, 4, 0xff, 0xff}, []byte{2, 4, 0x05, 0x78, 2, 4, 0x05, 0x78}},
		{"behind the end", syn, []byte{0, 0, 0, 0, 2, 4, 0x05, 0xb4}, nil},
		{"wrong length", syn, []byte{2, 3, 0x05, 0xb4}, nil},
		{"length 0", syn, []byte{2, 0, 0x05, 0xb4}, nil},
		{"length runs out", syn, []byte{1, 1, 2, 4}, nil},
		{"no length", syn, []byte{1, 1, 1, 2}, nil},
		{"before a malformed one", syn, []byte{2, 4, 0x05, 0xb4, 8, 40, 0, 0}, []byte{2, 4, 0x05, 0x78, 8, 40, 0, 0}},
	} {
		for _, tuple := range []Tuple{tuple4, tuple6} {
			for _, partial := range []bool{false, true} {
				f := Frame{Data: segmentWith(t, tuple, c.flags, c.options)}
				if partial {
					DeferChecksum(&f)
				}
				given := bytes.Clone(f.Data)
				p := mustParse(t, &f)
				changed := ClampMSS(p, 1400)
				if changed != (c.want != nil) || !changed && !bytes.Equal(f.Data, given) {
					t.Errorf("%s: changed is %v", c.name, changed)
				}
				if options := f.Data[p.L4+tcpMinLen : p.Payload]; changed && !bytes.Equal(options, c.want) {
					t.Errorf("%s: % x, want % x", c.name, options, c.want)
				}
				CompleteChecksum(&f)
				mustBeSound(t, f.Data)
			}
		}
	}
}

func TestClampMSSIsReadByGopacket(t *testing.T) {
	data := segmentWith(t, tuple6, TCPFlagSYN, []byte{1, 1, 4, 2, 2, 4, 0x22, 0xf5})
	ClampMSS(mustParse(t, &Frame{Data: data}), 8440)
	tcp := decode(t, data).Layer(layers.LayerTypeTCP).(*layers.TCP)
	if got := binary.BigEndian.Uint16(tcp.Options[3].OptionData); got != 8440 {
		t.Errorf("gopacket reads %d", got)
	}
}

func TestClampMSSIgnoresOtherProtocols(t *testing.T) {
	for _, data := range [][]byte{
		Append(nil, Spec{Tuple: tuple4.with(ProtoUDP), TCPFlags: TCPFlagSYN, Payload: make([]byte, 40)}),
		fragment4(ProtoTCP, 80, false, make([]byte, 40)),
		AppendARP(nil, 1, macB, macA, macA, tuple4.Src, macB, tuple4.Dst),
	} {
		if ClampMSS(mustParse(t, &Frame{Data: data}), 1) {
			t.Errorf("clamped % x", data)
		}
	}
}

func FuzzClampMSS(f *testing.F) {
	f.Add([]byte{2, 4, 0x05, 0xb4}, uint16(1400), true)
	f.Add([]byte{1, 2, 4, 0xff, 0xff, 2, 4, 9}, uint16(0), false)
	f.Fuzz(func(t *testing.T, options []byte, mss uint16, partial bool) {
		options = options[:min(len(options), 40)&^3]
		fr := Frame{Data: segmentWith(t, tuple4, TCPFlagSYN, options)}
		if partial {
			DeferChecksum(&fr)
		}
		ClampMSS(mustParse(t, &fr), mss)
		CompleteChecksum(&fr)
		mustBeSound(t, fr.Data)
		if ClampMSS(mustParse(t, &fr), mss) {
			t.Error("clamped twice")
		}
	})
}
