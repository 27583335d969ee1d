package host

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutesOfAnInterface(t *testing.T) {
	tests := []struct {
		name string
		i    Interface
		num  int
		want []string
	}{
		{"IPv4, gateway in the subnet",
			Interface{Addresses: list(netip.MustParsePrefix, "10.0.1.10/24"), Gateways: list(netip.MustParseAddr, "10.0.1.1")}, 0,
			[]string{"10.0.1.0/24 src 10.0.1.10 metric 256", "0.0.0.0/0 via 10.0.1.1 src 10.0.1.10 metric 512"}},
		{"second interface",
			Interface{Addresses: list(netip.MustParsePrefix, "10.0.1.11/24"), Gateways: list(netip.MustParseAddr, "10.0.1.1")}, 1,
			[]string{"10.0.1.0/24 src 10.0.1.11 metric 266", "0.0.0.0/0 via 10.0.1.1 src 10.0.1.11 metric 522"}},
		{"several addresses: the first is the source",
			Interface{Addresses: list(netip.MustParsePrefix, "10.0.1.10/24", "10.0.1.9/24", "192.0.2.1/32"), Gateways: list(netip.MustParseAddr, "10.0.1.1")}, 0,
			[]string{"10.0.1.0/24 src 10.0.1.10 metric 256", "0.0.0.0/0 via 10.0.1.1 src 10.0.1.10 metric 512"}},
		{"IPv6 as AWS assigns it: /128, subnet on-link, link-local gateway",
			Interface{Addresses: list(netip.MustParsePrefix, "2001:db8::10/128"), OnLink: list(netip.MustParsePrefix, "2001:db8::/64"), Gateways: list(netip.MustParseAddr, "fe80::1")}, 0,
			[]string{"2001:db8::/64 src 2001:db8::10 metric 256", "::/0 via fe80::1 src 2001:db8::10 metric 512"}},
		{"a host with a single public address: the gateway is on-link",
			Interface{Addresses: list(netip.MustParsePrefix, "203.0.113.10/32"), Gateways: list(netip.MustParseAddr, "169.254.0.1")}, 0,
			[]string{"0.0.0.0/0 via 169.254.0.1 onlink src 203.0.113.10 metric 512"}},
		{"a link-local address is nobody's source elsewhere",
			Interface{Addresses: list(netip.MustParsePrefix, "fe80::5/64", "2001:db8::5/64"), Gateways: list(netip.MustParseAddr, "2001:db8::1")}, 0,
			[]string{"fe80::/64 src fe80::5 metric 256", "2001:db8::/64 src 2001:db8::5 metric 256", "::/0 via 2001:db8::1 src 2001:db8::5 metric 512"}},
		{"a gateway without an address of its family",
			Interface{Gateways: list(netip.MustParseAddr, "fe80::1")}, 0,
			[]string{"::/0 via fe80::1 metric 512"}},
		{"no addresses", Interface{}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range tt.i.routes(tt.num) {
				s := r.dst.String()
				if r.via.IsValid() {
					s += " via " + r.via.String()
				}
				if r.onLink {
					s += " onlink"
				}
				if r.src.IsValid() {
					s += " src " + r.src.String()
				}
				got = append(got, fmt.Sprintf("%s metric %d", s, r.metric))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateReportsAll(t *testing.T) {
	mac := func(last byte) (m [6]byte) { return [6]byte{2, 0, 0, 0, 9, last} }
	nodes := []Node{
		{Name: "a", Interfaces: []Interface{
			{Link: 1, Name: "eth0", MAC: mac(1)},
			{Link: 1, Name: "eth0", MAC: mac(1)},
			{Link: 2, Name: "a/b", MAC: CoreMAC, MTU: 67},
		}},
		{Name: "a"},
		{Name: "b", Hostname: strings.Repeat("h", 65), Interfaces: []Interface{{
			Link: 3, Name: "lo", MAC: [6]byte{1}, MTU: 1000,
			Addresses: append(list(netip.MustParsePrefix, "10.0.0.1/24", "10.0.0.1/16", "2001:db8::1/64", "::/0"), netip.Prefix{}),
			Gateways:  list(netip.MustParseAddr, "10.0.0.2", "10.0.0.3", "224.0.0.1"),
			OnLink:    []netip.Prefix{{}},
		}}},
		{},
	}
	err := validate(nodes)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"node a: interface eth0: the name is taken in this node",
		"node a: interface eth0: link 1 is node a: interface eth0 already",
		"node a: interface eth0: MAC 02:00:00:00:09:01 is node a: interface eth0 already",
		`node a: interface a/b: name "a/b": 1 to 15 characters, no slash, colon, percent or blank`,
		"MAC 02:00:00:00:00:01: not an address for an interface",
		"MTU 67: must be 68 to 65535",
		"node a: named twice",
		`node b: host name "` + strings.Repeat("h", 65) + `": Linux allows 64 bytes`,
		"node b: interface lo: the name is taken in this node",
		"node b: interface lo: MAC 01:00:00:00:00:00: not an address for an interface",
		"address 10.0.0.1: given twice",
		"address ::/0: not an address for an interface",
		"address invalid Prefix: not an address for an interface",
		"gateway 10.0.0.3: a second one of its family",
		"gateway 224.0.0.1: not an address",
		"on-link prefix invalid Prefix: not a prefix",
		"MTU 1000: must be 1280 to 65535",
		"node 3 of the list: it has no name",
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func list[T any](parse func(string) T, texts ...string) []T {
	var out []T
	for _, s := range texts {
		out = append(out, parse(s))
	}
	return out
}
