package packet

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// What Append writes, gopacket reads and writes again with its own checksums
// and lengths: the bytes must be the same.
func TestAppendWritesWhatGopacketWrites(t *testing.T) {
	payload := []byte("the payload, odd")
	tcp := Spec{DstMAC: macB, SrcMAC: macA, Tuple: tuple4, TTL: 61, TrafficClass: 0xb8, DontFragment: true, IPv4ID: 4711,
		TCPFlags: TCPFlagSYN | TCPFlagACK, Sequence: 0xdeadbeef, Acknowledgment: 7, Window: 1000, Payload: payload}
	variant := func(edit func(*Spec)) Spec { s := tcp; edit(&s); return s }
	for _, c := range []struct {
		name string
		spec Spec
		read func(*testing.T, gopacket.Packet)
	}{
		{"TCP4", tcp, func(t *testing.T, d gopacket.Packet) {
			ip, tcp := d.Layer(layers.LayerTypeIPv4).(*layers.IPv4), d.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if ip.TTL != 61 || ip.TOS != 0xb8 || ip.Flags != layers.IPv4DontFragment || ip.Id != 4711 || !ip.SrcIP.Equal(net.IP{10, 0, 1, 10}) {
				t.Errorf("%+v", ip)
			}
			if tcp.Seq != 0xdeadbeef || tcp.Ack != 7 || tcp.Window != 1000 || !tcp.SYN || !tcp.ACK || tcp.FIN || tcp.SrcPort != 40000 || tcp.DstPort != 443 {
				t.Errorf("%+v", tcp)
			}
		}},
		{"TCP6", variant(func(s *Spec) { s.Tuple = tuple6 }), func(t *testing.T, d gopacket.Packet) {
			ip := d.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
			if ip.HopLimit != 61 || ip.TrafficClass != 0xb8 || !ip.DstIP.Equal(net.ParseIP("2001:db8:2::20")) {
				t.Errorf("%+v", ip)
			}
		}},
		{"UDP4", variant(func(s *Spec) { s.Proto = ProtoUDP }), nil},
		{"UDP6", variant(func(s *Spec) { s.Tuple = tuple6.with(ProtoUDP) }), nil},
		{"ICMP echo", variant(func(s *Spec) { s.Tuple, s.ICMPType = tuple4.with(ProtoICMP), 8 }), func(t *testing.T, d gopacket.Packet) {
			if icmp := d.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); icmp.Id != 40000 || icmp.Seq != 0xbeef || icmp.TypeCode != 8<<8 {
				t.Errorf("%+v", icmp)
			}
		}},
		{"ICMP frag needed", variant(func(s *Spec) { s.Tuple, s.ICMPType, s.ICMPCode, s.ICMPParameter = tuple4.with(ProtoICMP), 3, 4, 1500 }), func(t *testing.T, d gopacket.Packet) {
			if icmp := d.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); icmp.Id != 0 || icmp.Seq != 1500 || icmp.TypeCode != 3<<8|4 {
				t.Errorf("%+v", icmp)
			}
		}},
		{"ICMPv6 echo", variant(func(s *Spec) { s.Tuple, s.ICMPType = tuple6.with(ProtoICMPv6), 128 }), func(t *testing.T, d gopacket.Packet) {
			if echo := d.Layer(layers.LayerTypeICMPv6Echo).(*layers.ICMPv6Echo); echo.Identifier != 40000 || echo.SeqNumber != 0xbeef {
				t.Errorf("%+v", echo)
			}
		}},
		{"other protocol", variant(func(s *Spec) { s.Proto = 253 }), nil},
		{"zero source", variant(func(s *Spec) { s.Src = Addr{} }), func(t *testing.T, d gopacket.Packet) {
			if ip := d.Layer(layers.LayerTypeIPv4).(*layers.IPv4); !ip.SrcIP.IsUnspecified() {
				t.Errorf("%+v", ip)
			}
		}},
		{"default TTL and window", Spec{Tuple: tuple4}, func(t *testing.T, d gopacket.Packet) {
			if ip, tcp := d.Layer(layers.LayerTypeIPv4).(*layers.IPv4), d.Layer(layers.LayerTypeTCP).(*layers.TCP); ip.TTL != 64 || tcp.Window != 65535 {
				t.Errorf("%+v %+v", ip, tcp)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := Append([]byte("before"), c.spec)
			if !bytes.HasPrefix(data, []byte("before")) {
				t.Fatal("Append overwrote what was there")
			}
			data = data[6:]
			p := mustBeSound(t, data)
			if !bytes.Equal(data[p.Payload:p.End], c.spec.Payload) || p.End != len(data) {
				t.Errorf("payload %q", data[p.Payload:p.End])
			}
			if c.spec.Proto == 253 {
				return // gopacket does not know it either
			}
			d := decode(t, data)
			if c.read != nil {
				c.read(t, d)
			}
			var again []gopacket.SerializableLayer
			for _, l := range d.Layers() {
				if l.LayerType() == gopacket.LayerTypePayload || len(again) == 3 {
					break
				}
				again = append(again, l.(gopacket.SerializableLayer))
			}
			last := d.Layers()[len(again)-1]
			// gopacket pads to Ethernet's minimum.
			if got := serialize(t, append(again, gopacket.Payload(last.LayerPayload()))...); !bytes.HasPrefix(got, data) {
				t.Errorf("gopacket writes\n% x, Append\n% x", got, data)
			}
		})
	}
}

func TestAppendRefusesWhatNoHeaderCanSay(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
	}{
		{"two families", Spec{Tuple: Tuple{Src: tuple4.Src, Dst: tuple6.Dst}}},
		{"two families, reversed", Spec{Tuple: Tuple{Src: tuple6.Src, Dst: tuple4.Dst}}},
		{"too long for IPv4", Spec{Tuple: tuple4, Payload: make([]byte, 65535-40+1)}},
		{"too long for IPv6", Spec{Tuple: tuple6, Payload: make([]byte, 65535-20+1)}},
	} {
		if b := Append([]byte("x"), c.spec); len(b) != 1 {
			t.Errorf("%s: %d bytes", c.name, len(b))
		}
	}
	for _, s := range []Spec{{Tuple: tuple4, Payload: make([]byte, 65535-40)}, {Tuple: tuple6, Payload: make([]byte, 65535-20)}} {
		mustBeSound(t, Append(nil, s))
	}
}

// A UDP checksum that computes to 0 is sent as 0xffff, from whichever hand.
func TestUDPChecksumOfZeroIsWrittenAsOnes(t *testing.T) {
	for _, tuple := range []Tuple{tuple4.with(ProtoUDP), tuple6.with(ProtoUDP)} {
		probe := Append(nil, Spec{Tuple: tuple, Payload: []byte{0, 0}})
		at := mustParse(t, &Frame{Data: probe}).checksum
		data := Append(nil, Spec{Tuple: tuple, Payload: probe[at : at+2]})
		if data[at] != 0xff || data[at+1] != 0xff {
			t.Errorf("Append writes % x", data[at:at+2])
		}
		f := Frame{Data: bytes.Clone(data)}
		DeferChecksum(&f)
		CompleteChecksum(&f)
		if !bytes.Equal(f.Data, data) {
			t.Errorf("CompleteChecksum writes % x", f.Data[at:at+2])
		}
		f = superframe(Spec{Tuple: tuple, Payload: probe[at : at+2]}, GSOUDP, 2)
		var s Segmenter
		if out := s.Segment(nil, &f); !bytes.Equal(out[0].Data, data) {
			t.Errorf("Segment writes % x", out[0].Data[at:at+2])
		}
	}
}

func TestChecksumOfAnyLengthAndAlignment(t *testing.T) {
	r := random()
	b := randomBytes(r, 400)
	for length := range 300 {
		for start := range 9 {
			piece := b[start : start+length]
			want := uint16(plainSum(0, piece))
			if got := swap(fold(addBytes(0, piece))); got != want {
				t.Fatalf("%d bytes from %d: %#x, want %#x", length, start, got, want)
			}
			cut := length / 2 &^ 1
			if got := swap(fold(addBytes(addBytes(0, piece[:cut]), piece[cut:]))); got != want {
				t.Fatalf("in two pieces: %#x, want %#x", got, want)
			}
		}
	}
	ones := bytes.Repeat([]byte{0xff}, 200)
	if got := fold(addBytes(^uint64(0), ones)); got != 0xffff {
		t.Errorf("all ones: %#x", got)
	}
}

func TestCompleteChecksumIgnoresPadding(t *testing.T) {
	f := Frame{Data: Append(nil, Spec{Tuple: tuple4, Payload: []byte("odd")})}
	want := bytes.Clone(f.Data)
	DeferChecksum(&f)
	f.Data = append(f.Data, 1, 2, 3)
	CompleteChecksum(&f)
	if f.Offload != (Offload{}) || !bytes.Equal(f.Data[:len(want)], want) {
		t.Errorf("%+v\n% x, want\n% x", f.Offload, f.Data, want)
	}
}
