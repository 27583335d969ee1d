package packet

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"
)

func TestAppendARPIsReadByGopacket(t *testing.T) {
	data := AppendARP(nil, 2, macB, macA, macA, tuple4.Src, macB, tuple4.Dst)
	arp := decode(t, data).Layer(layers.LayerTypeARP).(*layers.ARP)
	if arp.Operation != 2 || !bytes.Equal(arp.SourceHwAddress, macA[:]) || !bytes.Equal(arp.DstHwAddress, macB[:]) ||
		!bytes.Equal(arp.SourceProtAddress, []byte{10, 0, 1, 10}) || !bytes.Equal(arp.DstProtAddress, []byte{10, 0, 2, 20}) {
		t.Errorf("%+v", arp)
	}
	if p := mustParse(t, &Frame{Data: data}); p.DstMAC != macB || p.SrcMAC != macA {
		t.Errorf("%v %v", p.DstMAC, p.SrcMAC)
	}
}

func TestNeighborMessagesRoundTrip(t *testing.T) {
	target := addr("2001:db8:1::abcd:ef01")
	data := AppendNeighborSolicitation(nil, macA, tuple6.Src, target)
	p := mustBeSound(t, data)
	decode(t, data)
	if got, ok := p.NeighborTarget(); !ok || got != target || p.Dst != addr("ff02::1:ffcd:ef01") || p.DstMAC != (MAC{0x33, 0x33, 0xff, 0xcd, 0xef, 0x01}) {
		t.Errorf("solicitation: %v %v to %v %v", got, ok, p.Dst, p.DstMAC)
	}
	if mac, ok := p.SourceLinkLayerOption(); !ok || mac != macA {
		t.Errorf("source option %v %v", mac, ok)
	}

	p = mustBeSound(t, AppendNeighborSolicitation(nil, macA, Addr{}, target))
	if _, ok := p.SourceLinkLayerOption(); ok || !p.Src.IsZero() {
		t.Error("duplicate address detection names its sender")
	}
	if got, ok := p.NeighborTarget(); !ok || got != target {
		t.Errorf("duplicate address detection for %v", got)
	}

	for flags := range 8 {
		data = AppendNeighborAdvertisement(nil, macB, macA, target, tuple6.Src, target, macA, flags&4 != 0, flags&2 != 0, flags&1 != 0)
		p = mustBeSound(t, data)
		na := decode(t, data).Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
		if na.Router() != (flags&4 != 0) || na.Solicited() != (flags&2 != 0) || na.Override() != (flags&1 != 0) || !bytes.Equal(na.Options[0].Data, macA[:]) {
			t.Errorf("flags %d: %+v", flags, na)
		}
		if got, ok := p.NeighborTarget(); !ok || got != target {
			t.Errorf("advertisement for %v", got)
		}
		if mac, ok := p.TargetLinkLayerOption(); !ok || mac != macA {
			t.Errorf("target option %v %v", mac, ok)
		}
	}
}

func TestNeighborTargetRefusesForgeries(t *testing.T) {
	good := AppendNeighborSolicitation(nil, macA, tuple6.Src, tuple6.Dst)
	short := bytes.Clone(good[:54+16])
	binary.BigEndian.PutUint16(short[18:], 16)
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"routed", edit(good, 21, 254)},
		{"code", edit(good, 55, 1)},
		{"short", short},
		{"group target", edit(good, 62, 0xff)},
		{"echo", Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 128, TTL: 255, Payload: make([]byte, 32)})},
		{"router solicitation", Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: 133, TTL: 255, Payload: make([]byte, 32)})},
		{"IPv4", Append(nil, Spec{Tuple: tuple4.with(ProtoICMPv6), TTL: 255, Payload: good[54:]})},
		{"fragmented", fragment6(ProtoICMPv6, 0, true, good[54:])},
	} {
		p := mustParse(t, &Frame{Data: c.data})
		if a, ok := p.NeighborTarget(); ok {
			t.Errorf("%s: target %v", c.name, a)
		}
	}
}

func TestLinkLayerOptionIsFoundWhereverItStands(t *testing.T) {
	option := append([]byte{1, 1}, macA[:]...)
	other := []byte{14, 1, 1, 2, 3, 4, 5, 6}
	fixed := make([]byte, 16)
	for _, c := range []struct {
		name    string
		typ     uint8
		payload []byte
		ok      bool
	}{
		{"router solicitation", 133, option, true},
		{"router advertisement", 134, append(make([]byte, 8), option...), true},
		{"neighbor solicitation", 135, append(bytes.Clone(fixed), option...), true},
		{"behind another", 135, bytes.Join([][]byte{fixed, other, option}, nil), true},
		{"none", 135, fixed, false},
		{"zero length before it", 135, bytes.Join([][]byte{fixed, {14, 0, 0, 0, 0, 0, 0, 0}, option}, nil), false},
		{"beyond the message", 135, append(bytes.Clone(fixed), 1, 2, 0, 0, 0, 0, 0, 0), false},
	} {
		p := mustParse(t, &Frame{Data: Append(nil, Spec{Tuple: tuple6.with(ProtoICMPv6), ICMPType: c.typ, TTL: 255, Payload: c.payload})})
		if mac, ok := p.SourceLinkLayerOption(); ok != c.ok || ok && mac != macA {
			t.Errorf("%s: %v %v", c.name, mac, ok)
		}
	}
}
