package packet

import (
	"net/netip"
	"testing"
)

func TestAddrKeepsNetworkOrder(t *testing.T) {
	for _, c := range []struct {
		in     string
		hi, lo uint64
		is4    bool
	}{
		{"10.1.2.3", 0, 0xffff_0a010203, true},
		{"0.0.0.0", 0, 0xffff_00000000, true},
		{"255.255.255.255", 0, 0xffff_ffffffff, true},
		{"2001:db8::1", 0x2001_0db8_0000_0000, 1, false},
		{"::1", 0, 1, false},
		{"::ffff:0:1", 0, 0xffff_00000001, true}, // netip's spelling of a mapped address
		{"fe80::1%eth0", 0xfe80 << 48, 1, false},
	} {
		a := addr(c.in)
		if a.Hi != c.hi || a.Lo != c.lo || a.Is4() != c.is4 {
			t.Errorf("%s: %#x %#x, v4 %v", c.in, a.Hi, a.Lo, a.Is4())
		}
		if want := netip.MustParseAddr(c.in).Unmap().WithZone(""); a.Netip() != want || a.String() != want.String() {
			t.Errorf("%s comes back as %v, %q", c.in, a.Netip(), a.String())
		}
	}
	if AddrFrom4([4]byte{10, 1, 2, 3}) != addr("10.1.2.3") {
		t.Error("AddrFrom4 and AddrFrom disagree")
	}
}

func TestZeroAddrMeansNone(t *testing.T) {
	var a Addr
	if a != AddrFrom(netip.Addr{}) || !a.IsZero() || a.Netip().IsValid() || a.String() != "-" || a.Is4() {
		t.Errorf("%v", a)
	}
	if addr("0.0.0.0").IsZero() {
		t.Error("0.0.0.0 is an address")
	}
}

func TestPrefixContains(t *testing.T) {
	for _, c := range []struct {
		prefix, addr string
		want         bool
	}{
		{"10.0.0.0/16", "10.0.255.255", true},
		{"10.0.0.0/16", "10.1.0.0", false},
		{"10.0.3.7/16", "10.0.0.1", true}, // host bits are cleared
		{"10.0.0.1/32", "10.0.0.1", true},
		{"10.0.0.1/32", "10.0.0.0", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"0.0.0.0/0", "::", false},
		{"0.0.0.0/0", "::1", false},
		{"128.0.0.0/1", "127.255.255.255", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::", false},
		{"2001:db8::/63", "2001:db8:0:1::", true},
		{"2001:db8::/64", "2001:db8:0:1::", false},
		{"2001:db8::/65", "2001:db8::8000:0:0:0", false},
		{"2001:db8::1/128", "2001:db8::1", true},
		{"2001:db8::1/128", "2001:db8::", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "10.0.0.1", true}, // the zero Prefix: rules compare the family first
	} {
		if got := PrefixFrom(netip.MustParsePrefix(c.prefix)).Contains(addr(c.addr)); got != c.want {
			t.Errorf("%s contains %s: %v", c.prefix, c.addr, got)
		}
	}
	if !(Prefix{}).Contains(addr("10.0.0.1")) || !(Prefix{}).Contains(addr("2001:db8::1")) {
		t.Error("the zero Prefix is everything")
	}
}

func TestPrefixAgreesWithNetip(t *testing.T) {
	r := random()
	for range 20000 {
		k := kinds[r.IntN(2)*4]
		tuple := k.randomTuple(r)
		bits := r.IntN(tuple.Src.Netip().BitLen() + 1)
		prefix := netip.PrefixFrom(tuple.Src.Netip(), bits).Masked()
		probe := tuple.Dst
		if r.IntN(2) == 0 { // one bit away from the base is where masks err
			probe = AddrFrom(prefix.Addr())
			if bit := r.IntN(prefix.Addr().BitLen()); bit < 64 {
				probe.Lo ^= 1 << bit
			} else {
				probe.Hi ^= 1 << (bit - 64)
			}
		}
		if got, want := PrefixFrom(prefix).Contains(probe), prefix.Contains(probe.Netip()); got != want {
			t.Fatalf("%v contains %v: %v, netip says %v", prefix, probe, got, want)
		}
	}
}

func TestMAC(t *testing.T) {
	if s := macA.String(); s != "02:00:00:00:00:0a" {
		t.Error(s)
	}
	if macA.IsGroup() || !(MAC{0x33, 0x33}).IsGroup() || !(MAC{255, 255, 255, 255, 255, 255}).IsGroup() {
		t.Error("IsGroup")
	}
}
