package scenarios

import (
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Managed prefix lists, in rules and in routes.

func TestPrefixListSemantics(t *testing.T) {
	lists := func(v4, v6 string) string {
		return "prefixLists: {pl4: {maxEntries: 5, entries: [" + v4 + "]}, pl6: {maxEntries: 5, entries: [" + v6 + "]}}\n"
	}
	ruled := func(v4, v6 string) string {
		return fixture{b: "ingress: [{protocol: tcp, ports: 22, from: [pl4, pl6]}]", more: lists(v4, v6)}.String()
	}
	routed := func(routes, v4, v6 string) string {
		return routing{private: "{" + routes + "}", mb: "sourceDestCheck: false"}.String() + lists(v4, v6)
	}
	const all, atMB, atIGW = `0.0.0.0/0: igw, "::/0": igw`, "delivered to mb | p1 egress ACCEPT, mb ingress ACCEPT", "dropped at internetGateway igw | p1 egress ACCEPT"
	const both = "pl4: mb, pl6: mb"
	// p1 has no public IPv4, so that the gateway's drop says which way it went.
	remote := map[control.Family]string{control.IPv4: "192.0.2.1", control.IPv6: "2001:db8:9::1"}
	cases := []semanticsCase{
		{name: "S5 a list in a rule is all of its entries", world: ruled("10.0.9.0/24, 10.0.1.10/32", `"2001:db8:1:9::/64", "2001:db8:1:1::10/128"`), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{from: "i2", to: "i3", msg: tcp(40000, 22, syn), want: "dropped at securityGroup b | i2 egress ACCEPT, i3 ingress REJECT"},
		}},
		{name: "S19 S23 a list changes: new connections at once, tracked ones not", world: ruled("10.0.1.10/32", `"2001:db8:1:1::10/128"`), steps: []step{
			{from: "i1", to: "i3", msg: tcp(40000, 22, syn), want: reached3},
			{world: ruled("10.0.1.20/32", `"2001:db8:1:1::20/128"`)},
			{from: "i1", to: "i3", msg: tcp(40000, 22, ack), want: reached3},
			{from: "i1", to: "i3", msg: tcp(40001, 22, syn), want: refused3},
			{from: "i2", to: "i3", msg: tcp(40000, 22, syn), want: "delivered to i3"},
		}},
	}
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		to := remote[family]
		same := map[control.Family]string{control.IPv4: "192.0.2.0/24: igw", control.IPv6: `"2001:db8:9::/48": igw`}[family]
		out := map[control.Family]string{control.IPv4: atIGW, control.IPv6: "dropped at internet | p1 egress ACCEPT"}[family]
		const v4, v6 = "192.0.2.0/24, 198.18.0.0/15", `"2001:db8:9::/48"`
		cases = append(cases,
			semanticsCase{name: "R22 each entry is a route of its own length", only: family, world: routed(all+", "+both, v4, v6), steps: []step{
				{from: "p1", to: to, msg: ping(), want: atMB},
			}},
			semanticsCase{name: "R22 a new version of the list applies at once", only: family, world: routed(all+", "+both, v4, v6), steps: []step{
				{from: "p1", to: to, msg: ping(), want: atMB},
				{world: routed(all+", "+both, "198.18.0.0/15", `"2001:db8:8::/48"`)},
				{from: "p1", to: to, msg: ping(), want: out},
			}},
			semanticsCase{name: "R-C8 R15 a static route goes before a list's of the same length", only: family, world: routed(both+", "+same, v4, v6), steps: []step{
				{from: "p1", to: to, msg: ping(), want: out},
				{world: routed(both, v4, v6)},
				{from: "p1", to: to, msg: ping(), want: atMB},
			}},
			semanticsCase{name: "R15 the longest prefix goes before either origin", only: family, world: routed(both+", "+same, "192.0.2.0/28", `"2001:db8:9::/64"`), steps: []step{
				{from: "p1", to: to, msg: ping(), want: atMB},
			}},
			semanticsCase{name: "R19 a list's blackhole wins its prefixes", only: family, world: routing{private: "{" + all + ", " + both + "}", mb: "sourceDestCheck: false, stopped: true"}.String() + lists(v4, v6), steps: []step{
				{from: "p1", to: to, msg: ping(), want: "dropped at routeTable prv | p1 egress ACCEPT"},
			}},
		)
	}
	cases = append(cases, semanticsCase{name: "R22 a list of one family says nothing about the other", only: control.IPv6, world: routed(all+", pl4: mb", "192.0.2.0/24", `"2001:db8:9::/48"`), steps: []step{
		{from: "p1", to: "192.0.2.1", msg: ping(), want: atMB},
		{from: "p1", to: "2001:db8:9::1", msg: ping(), want: "dropped at internet | p1 egress ACCEPT"},
	}})
	play(t, cases)
}
