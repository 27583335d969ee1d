package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TestValidateRoutes is TestValidate for routes to gateways and for edge route
// tables.
func TestValidateRoutes(t *testing.T) {
	const gateways = subnets + `
natGateways: {nat: {subnet: s}, other: {subnet: o, connectivity: private}}
egressOnlyInternetGateways: {eigw: {vpc: a}, eother: {vpc: b}}
instances: {fw: {subnet: t, publicIp: true, ipv6: false}, bare: {subnet: t}, off: {subnet: t, stopped: true}, two: {subnet: s, interfaces: [{subnet: s}]}}
`
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"R6 R3 a NAT gateway inside the VPC": {base + gateways + "routeTables: {r: {vpc: a, routes: {10.0.2.0/24: nat, 10.0.0.0/16: nat}}}", nil},
		"R6 R-C5 a NAT gateway for part of a subnet": {base + gateways + "routeTables: {r: {vpc: a, routes: {10.0.2.0/25: nat, 2001:db8:a:1::/64: eigw}}}", []string{
			`routeTables.r.routes["10.0.2.0/25"] [InvalidParameterValue] The destination CIDR block 10.0.2.0/25 is more specific than the local route 10.0.0.0/16 and does not match a subnet CIDR block.`,
			`routeTables.r.routes["2001:db8:a:1::/64"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`}},
		"QV8 A5 A-C23 a block around a route": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16, secondaryCidrs: [10.9.0.0/16]}, b: {cidr: 10.0.0.0/16, secondaryCidrs: [10.9.0.0/25]}}\ninternetGateways: {iga: {vpc: a}, igb: {vpc: b}}\nrouteTables: {r: {vpc: a, routes: {10.9.0.0/24: iga}}, q: {vpc: b, routes: {10.9.0.0/24: igb}}}", []string{
			`routeTables.r.routes["10.9.0.0/24"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`}},
		"R33 R55 families": {base + gateways + `prefixLists: {six: {entries: ["2001:db8:1::/48"]}, six4: {entries: ["64:ff9b::a00:0/104"]}}
routeTables: {r: {vpc: a, routes: {0.0.0.0/0: eigw, "::/0": nat, "64:ff9b::/95": nat, "64:ff9b::/96": nat, "64:ff9b::c000:200/120": nat, six: nat, six4: nat, 192.0.2.0/24: nat, "2001:db8:2::/48": eigw}}}`, []string{
			`routeTables.r.routes["0.0.0.0/0"] [InvalidParameterValue] The destination CIDR block 0.0.0.0/0 is not supported by egress-only internet gateway eigw, which carries IPv6 only.`,
			`routeTables.r.routes["::/0"] [InvalidParameterValue] The destination CIDR block ::/0 is not supported by NAT gateway nat, which carries IPv6 to 64:ff9b::/96 only.`,
			`routeTables.r.routes["64:ff9b::/95"] [InvalidParameterValue] The destination CIDR block 64:ff9b::/95 is not supported by NAT gateway nat, which carries IPv6 to 64:ff9b::/96 only.`,
			`routeTables.r.routes.six [InvalidParameterValue] The destination CIDR block 2001:db8:1::/48 is not supported by NAT gateway nat, which carries IPv6 to 64:ff9b::/96 only.`}},
		"QG11 gateways of another VPC": {base + gateways + "routeTables: {r: {vpc: a, internetGateway: igw, routes: {}}, q: {vpc: b, internetGateway: igw, routes: {0.0.0.0/0: nat}}, p: {vpc: a, routes: {0.0.0.0/0: other, \"::/0\": eother}}}", []string{
			`routeTables.q.internetGateway [InvalidParameterValue] route table q and network gateway igw belong to different networks`,
			`routeTables.q.routes["0.0.0.0/0"] [InvalidParameterValue] route table q and network gateway nat belong to different networks`,
			`routeTables.p.routes["0.0.0.0/0"] [InvalidParameterValue] route table p and network gateway other belong to different networks`,
			`routeTables.p.routes["::/0"] [InvalidParameterValue] route table p and network gateway eother belong to different networks`}},
		"R7 A-C18 to a NAT gateway": {base + gateways + "routeTables: {r: {vpc: a, routes: {169.254.169.254/32: nat}}}", []string{
			`routeTables.r.routes["169.254.169.254/32"] [InvalidParameterValue] The destination CIDR block 169.254.169.254/32 is equal to or more specific than 169.254.168.0/22, which AWS keeps for link-local services.`}},

		"R11 R-C22 what an edge route table can hold": {base + gateways + "routeTables: {r: {vpc: a, internetGateway: igw, routes: {10.0.0.0/16: local, 10.0.1.0/24: fw, 10.0.2.0/24: off, 2001:db8:a:1::/64: bare}}}", nil},
		"R11 what it cannot": {base + gateways + `prefixLists: {p: {entries: [10.0.1.0/24]}}
routeTables: {r: {vpc: a, internetGateway: igw, routes: {10.0.1.0/24: nat, 10.0.2.0/24: igw, 10.0.1.0/25: fw, 10.0.2.0/25: local, 192.0.2.0/24: fw, 0.0.0.0/0: fw, p: fw, "::/0": eigw}}}`, []string{
			`routeTables.r.routes["10.0.1.0/24"] [InvalidParameterValue] Route target is not supported. Route table r is associated with a gateway and only supports interface, instance and local targets.`,
			`routeTables.r.routes["10.0.2.0/24"] [InvalidParameterValue] Route target is not supported. Route table r is associated with a gateway and only supports interface, instance and local targets.`,
			`routeTables.r.routes["::/0"] [InvalidParameterValue] Route target is not supported. Route table r is associated with a gateway and only supports interface, instance and local targets.`,
			`routeTables.r.routes["10.0.1.0/25"] [InvalidParameterValue] The destination CIDR block 10.0.1.0/25 is more specific than the local route 10.0.0.0/16 and does not match a subnet CIDR block.`,
			`routeTables.r.routes["10.0.2.0/25"] [InvalidParameterValue] The target local is for the blocks of the VPC only.`,
			`routeTables.r.routes["192.0.2.0/24"] [InvalidParameterValue] The destination CIDR block 192.0.2.0/24 is outside the CIDR blocks of VPC a, and route table r is associated with a gateway.`,
			`routeTables.r.routes["0.0.0.0/0"] [InvalidParameterValue] The destination CIDR block 0.0.0.0/0 is outside the CIDR blocks of VPC a, and route table r is associated with a gateway.`,
			`routeTables.r.routes.p [InvalidParameterValue] route table r is associated with a gateway and cannot have a prefix list route.`}},
		"R12 target without a public address": {base + gateways + "routeTables: {r: {vpc: a, internetGateway: igw, routes: {10.0.1.0/24: bare}}}", []string{
			`routeTables.r.routes["10.0.1.0/24"] [InvalidParameterValue] network interface bare/eth0 has no public address, and cannot be the target of what comes in from an internet gateway`}},
		"QN13 target with several interfaces": {base + gateways + "routeTables: {r: {vpc: a, internetGateway: igw, routes: {10.0.1.0/24: two}}}", []string{
			`routeTables.r.routes["10.0.1.0/24"] [InvalidInstanceID] There are multiple interfaces attached to instance 'two'. Please specify an interface ID for the operation instead.`}},
		"R2 QG19 main, twice": {base + gateways + "routeTables: {a/main: {internetGateway: igw}, r: {vpc: a, internetGateway: igw}}", []string{
			`routeTables.a/main.internetGateway [InvalidParameterValue] the main route table a/main cannot be associated with a gateway`,
			`routeTables.r.internetGateway [Resource.AlreadyAssociated] the specified association for route table r conflicts with an existing association`}},
		"QG4 detached gateway": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16}}\ninternetGateways: {spare: {}}\nrouteTables: {r: {vpc: a, internetGateway: spare}}", []string{
			`routeTables.r.internetGateway [Gateway.NotAttached] resource spare is not attached to network a`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// R10, R-C22: the gateway's table leads to the middlebox; when that is down, the
// route is a blackhole.
func TestEdgeRouteTableCompiles(t *testing.T) {
	for state, want := range map[string]dataplane.TargetKind{"stopped: false": dataplane.TargetNetworkInterface, "stopped: true": dataplane.TargetBlackhole} {
		w, _ := applied(t, base+`
subnets: {web: {vpc: a, cidr: 10.0.0.0/24}, fw: {vpc: a, cidr: 10.0.9.0/24}}
instances: {fw: {subnet: fw, publicIp: true, sourceDestCheck: false, `+state+`}}
routeTables: {edge: {vpc: a, internetGateway: igw, routes: {10.0.0.0/24: fw}}}
`)
		b := build(w, 1)
		if got := b.InternetGateways[0].EdgeRouteTable; got == 0 || got != dataplane.Handle(w.RouteTables["edge"].Status.Handle) {
			t.Errorf("edge route table = %d", got)
		}
		if got := targets(b, "edge")["10.0.0.0/24 → networkInterface fw/eth0"].Kind; got != want {
			t.Errorf("%s: target kind = %d, want %d", state, got, want)
		}
		if w.InternetGateways["igw"].Status.EdgeRouteTable != "edge" || len(w.RouteTables["edge"].Status.Subnets) != 0 {
			t.Errorf("status: %+v", w.RouteTables["edge"].Status)
		}
	}
}

// R15, R22, R-C8: a static route beats a prefix list's of the same prefix, the
// longest prefix beats both, and of two lists one is kept.
func TestRouteTableChoosesAmongEqualPrefixes(t *testing.T) {
	w, _ := applied(t, base+subnets+`
natGateways: {nat: {subnet: s}}
prefixLists: {one: {entries: [10.8.0.0/16, 10.9.0.0/16]}, two: {entries: [10.8.0.0/16, 10.8.1.0/24]}}
routeTables: {r: {vpc: a, routes: {10.9.0.0/16: nat, one: igw, two: nat}}}
`)
	first, other := "one", "two"
	if w.PrefixLists["two"].Status.ID < w.PrefixLists["one"].Status.ID {
		first, other = other, first
	}
	texts := map[string]bool{}
	for text := range targets(build(w, 1), "r") {
		texts[text] = true
	}
	to := map[string]string{"one": "internetGateway igw", "two": "natGateway nat"}
	want := map[string]bool{
		"10.0.0.0/16 → local": true, "2001:db8:a::/56 → local": true,
		"10.9.0.0/16 → natGateway nat":                           true,
		"10.8.0.0/16 (prefix list " + first + ") → " + to[first]: true,
		"10.8.1.0/24 (prefix list two) → natGateway nat":         true,
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("routes, where %s loses to %s (-want +got):\n%s", other, first, diff)
	}
}
