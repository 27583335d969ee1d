package packet

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"
)

func TestAppendRouterAdvertisementIsReadByGopacket(t *testing.T) {
	prefix := func(s string) Prefix { return PrefixFrom(netip.MustParsePrefix(s)) }
	link := RouterAdvertisement{
		DstMAC: MAC{0x33, 0x33, 0, 0, 0, 1}, SrcMAC: macA, Src: addr("fe80::1"), Dst: addr("ff02::1"),
	}
	full := link
	full.HopLimit, full.Managed, full.Other, full.Lifetime, full.MTU = 64, true, true, 1800, 9001
	full.Prefixes = []AdvertisedPrefix{
		{Prefix: prefix("2001:db8:1::/64"), OnLink: true, Valid: 7200, Preferred: 3600},
		{Prefix: prefix("2001:db8:2:300::/56"), Autonomous: true, Valid: 0xffffffff, Preferred: 1},
		{Prefix: prefix("2001:db8:3::5/128")},
	}
	managed, other := link, link
	managed.Managed, other.Other = true, true

	option := func(typ layers.ICMPv6Opt, data ...byte) layers.ICMPv6Option {
		return layers.ICMPv6Option{Type: typ, Data: data}
	}
	source := option(layers.ICMPv6OptSourceAddress, macA[:]...)
	information := func(p netip.Prefix, flags byte, lifetimes ...byte) layers.ICMPv6Option {
		address := p.Addr().As16()
		data := append([]byte{byte(p.Bits()), flags}, lifetimes...)
		return option(layers.ICMPv6OptPrefixInfo, append(append(data, 0, 0, 0, 0), address[:]...)...)
	}
	for _, c := range []struct {
		name     string
		ra       RouterAdvertisement
		flags    uint8
		lifetime uint16
		options  layers.ICMPv6Options
	}{
		{"least", link, 0, 0, layers.ICMPv6Options{source}},
		{"managed", managed, 0x80, 0, layers.ICMPv6Options{source}},
		{"other", other, 0x40, 0, layers.ICMPv6Options{source}},
		{"full", full, 0xc0, 1800, layers.ICMPv6Options{
			source,
			option(layers.ICMPv6OptMTU, 0, 0, 0, 0, 0x23, 0x29),
			information(netip.MustParsePrefix("2001:db8:1::/64"), 0x80, 0, 0, 0x1c, 0x20, 0, 0, 0x0e, 0x10),
			information(netip.MustParsePrefix("2001:db8:2:300::/56"), 0x40, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1),
			information(netip.MustParsePrefix("2001:db8:3::5/128"), 0, 0, 0, 0, 0, 0, 0, 0, 0),
		}},
	} {
		data := AppendRouterAdvertisement([]byte("before"), c.ra)[len("before"):]
		p := mustBeSound(t, data)
		if p.TTL != 255 || p.Src != c.ra.Src || p.Dst != c.ra.Dst || p.DstMAC != c.ra.DstMAC || p.SrcMAC != macA || p.End != len(data) {
			t.Errorf("%s: %+v", c.name, p)
		}
		if mac, ok := p.SourceLinkLayerOption(); !ok || mac != macA {
			t.Errorf("%s: source option %v %v", c.name, mac, ok)
		}
		ra := decode(t, data).Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
		if ra.HopLimit != c.ra.HopLimit || ra.Flags != c.flags || ra.RouterLifetime != c.lifetime || ra.ReachableTime != 0 || ra.RetransTimer != 0 {
			t.Errorf("%s: %+v", c.name, ra)
		}
		if diff := cmp.Diff(c.options, ra.Options); diff != "" {
			t.Errorf("%s: options (-want +got):\n%s", c.name, diff)
		}
	}
}
