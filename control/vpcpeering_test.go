package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// peered is two VPCs of one account and Region and one of another each; each case
// adds its peerings. B and c are far apart only in that respect.
const peered = `
name: lab
vpcs:
  a: {cidr: 10.0.0.0/16, ipv6: 2001:db8:a::/56, enableDnsHostnames: true}
  b: {cidr: 10.1.0.0/16, ipv6: 2001:db8:b::/56, enableDnsHostnames: true}
  c: {cidr: 10.2.0.0/16, region: us-west-2, account: 210987654321, enableDnsHostnames: true}
  d: {cidr: 10.0.128.0/20, ipv6: fd12::/56}
  e: {cidr: 10.5.0.0/16, secondaryCidrs: [10.6.0.0/16]}
  f: {cidr: 10.7.0.0/16, secondaryCidrs: [10.6.128.0/17]}
quotas: {vpcsPerRegion: 100}
subnets:
  a1: {vpc: a, cidr: 10.0.1.0/24}
  b1: {vpc: b, cidr: 10.1.1.0/24}
  c1: {vpc: c, cidr: 10.2.1.0/24}
`

func TestVPCPeeringProblems(t *testing.T) {
	const failed = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"P1 every state loads": {"vpcPeerings: {ab: {vpc: a, peerVpc: b}, p1: {vpc: a, peerVpc: c, state: pending-acceptance}, p2: {vpc: a, peerVpc: c, state: rejected}, p3: {vpc: a, peerVpc: c, state: expired}, p4: {vpc: a, peerVpc: c, state: deleted}, p5: {vpc: a, peerVpc: d, state: failed}}", nil},
		"P1 no such state": {"vpcPeerings: {ab: {vpc: a, peerVpc: b, state: accepted}}", []string{
			`vpcPeerings.ab.state [InvalidParameterValue] "accepted" is none of active, pending-acceptance, rejected, expired, deleted or failed`}},
		"missing and dangling VPCs": {"vpcPeerings: {x: {vpc: a}, y: {vpc: nobody, peerVpc: b}}", []string{
			`vpcPeerings.x.peerVpc [MissingParameter] The request must contain the parameter peerVpc`,
			`vpcPeerings.y.vpc [InvalidVpcID.NotFound] no VPC named "nobody"`}},
		"with itself": {"vpcPeerings: {aa: {vpc: a, peerVpc: a}}", []string{
			`vpcPeerings.aa.peerVpc [InvalidParameterValue] VPC a cannot be peered with itself`}},
		"P4 QP1 K-C3 PX-8 overlap, active":  {"vpcPeerings: {ad: {vpc: a, peerVpc: d}}", []string{`vpcPeerings.ad [failed] ` + failed}},
		"P4 QP1 K-C3 PX-8 overlap, pending": {"vpcPeerings: {ad: {vpc: a, peerVpc: d, state: pending-acceptance}}", []string{`vpcPeerings.ad [failed] ` + failed}},
		"P4 overlap of what is over":        {"vpcPeerings: {ad: {vpc: a, peerVpc: d, state: deleted}}", nil},
		"P4 overlap of IPv6 alone": {"vpcPeerings: {dg: {vpc: d, peerVpc: g}}\nvpcs: {d: {cidr: 10.1.0.0/16, ipv6: fd12::/56}, g: {cidr: 10.0.0.0/16, ipv6: fd12::/48}}", []string{
			`vpcPeerings.dg [failed] ` + failed}},
		"A7 secondary block in the peer's": {"vpcPeerings: {ef: {vpc: e, peerVpc: f}}", []string{
			`vpcs.e.secondaryCidrs[0] [InvalidVpc.Range] The CIDR '10.6.0.0/16' conflicts with a CIDR of a VPC that is peered by ef.`}},
		"A7 while pending the request fails": {"vpcPeerings: {ef: {vpc: e, peerVpc: f, state: pending-acceptance}}", []string{`vpcPeerings.ef [failed] ` + failed}},
		"P5 PX-8 second peering of a pair": {"vpcPeerings: {ab: {vpc: a, peerVpc: b}, ba: {vpc: b, peerVpc: a, state: pending-acceptance}}", []string{
			`vpcPeerings.ba [VpcPeeringConnectionAlreadyExists] VPC peering connection ab between b and a already exists`}},
		"P5 after one that is over": {"vpcPeerings: {ab: {vpc: a, peerVpc: b, state: deleted}, ab2: {vpc: a, peerVpc: b, state: rejected}, ba: {vpc: b, peerVpc: a}}", nil},
		"QP7 DNS while pending": {"vpcPeerings: {ab: {vpc: a, peerVpc: b, state: pending-acceptance, accepterOptions: {allowDnsResolution: true}}}", []string{
			`vpcPeerings.ab.accepterOptions.allowDnsResolution [OperationNotPermitted] The options of a VPC peering connection cannot be changed before it is active.`}},
		"QP7 DNS without hostnames": {"vpcPeerings: {ae: {vpc: a, peerVpc: e, requesterOptions: {allowDnsResolution: true}}}", []string{
			`vpcPeerings.ae.requesterOptions.allowDnsResolution [InvalidVpcPeeringConnectionState.DnsHostnamesDisabled] DNS resolution needs DNS support and DNS hostnames in both VPCs, and VPC e lacks them.`}},
		"P11 DNS once it is over means nothing": {"vpcPeerings: {ae: {vpc: a, peerVpc: e, state: deleted, requesterOptions: {allowDnsResolution: true}}}", nil},

		"QG11 Q-C12 neither side": {"vpcPeerings: {bc: {vpc: b, peerVpc: c}}\nrouteTables: {r: {vpc: a, routes: {10.2.0.0/16: bc}}}", []string{
			`routeTables.r.routes["10.2.0.0/16"] [InvalidParameterValue] route table r and network gateway bc belong to different networks`}},
		"QG13 inside the VPC": {"vpcPeerings: {ab: {vpc: a, peerVpc: b}}\nrouteTables: {r: {vpc: a, routes: {10.0.1.0/24: ab}}}", []string{
			`routeTables.r.routes["10.0.1.0/24"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`}},
		"R11 not in an edge route table": {"internetGateways: {igw: {vpc: a}}\nvpcPeerings: {ab: {vpc: a, peerVpc: b}}\nrouteTables: {r: {vpc: a, internetGateway: igw, routes: {10.0.1.0/24: ab}}}", []string{
			`routeTables.r.routes["10.0.1.0/24"] [InvalidParameterValue] Route target is not supported. Route table r is associated with a gateway and only supports interface, instance and local targets.`}},
		"a route by an unknown ID": {"routeTables: {r: {vpc: a, routes: {10.1.0.0/16: pcx-0123456789abcdef0}}}", []string{
			`routeTables.r.routes["10.1.0.0/16"] [InvalidVpcPeeringConnectionID.NotFound] The VPC peering connection ID 'pcx-0123456789abcdef0' does not exist`}},
		"name of a gateway": {"internetGateways: {ab: {vpc: a}}\nvpcPeerings: {ab: {vpc: a, peerVpc: b}}", []string{
			`vpcPeerings.ab [] "ab" is also the name of an internet gateway`}},
	} {
		t.Run(name, func(t *testing.T) {
			src := peered + tc.src
			if strings.Contains(tc.src, "vpcs:") {
				src = "name: lab\n" + tc.src
			}
			var got []string
			for _, p := range problems(t, src) {
				got = append(got, fmt.Sprintf("%s [%s] %s", p.Path, p.Code, p.Message))
				if p.Line == 0 {
					t.Errorf("no place: %s", p)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVPCPeeringHintsNameTheBlocks_KC3(t *testing.T) {
	list := problems(t, peered+"vpcPeerings: {ad: {vpc: a, peerVpc: d}}")
	if want := "10.0.0.0/16 of VPC a overlaps 10.0.128.0/20 of VPC d; write state: failed to keep it as AWS would"; len(list) != 1 || list[0].Hint != want {
		t.Errorf("got %v, want the hint %q", list, want)
	}
}

// TestVPCPeeringStates_P1_P7_QP6 holds, for each state, AWS's words for it and what
// becomes of a route.
func TestVPCPeeringStates_P1_P7_QP6(t *testing.T) {
	for state, want := range map[string]string{
		"active":             "Active, route active",
		"pending-acceptance": "Pending Acceptance by 210987654321, route blackhole",
		"rejected":           "Inactive, route blackhole",
		"expired":            "Expired, route blackhole",
		"deleted":            "Deleted, route blackhole",
		"failed":             "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range, route blackhole",
	} {
		t.Run(state, func(t *testing.T) {
			w := open(t, peered+"vpcPeerings: {ac: {vpc: a, peerVpc: c, state: "+state+"}}\nrouteTables: {a/main: {routes: {10.2.0.0/16: ac}}, c/main: {routes: {10.0.0.0/16: ac}}}")
			for _, table := range []string{"a/main", "c/main"} {
				routes := w.RouteTables[table].Status.Routes
				route := routes[0]
				if route.TargetKind == TargetLocal {
					route = routes[1]
				}
				if got := w.VPCPeerings["ac"].Status.Message + ", route " + route.State; got != want || route.TargetKind != TargetVPCPeering {
					t.Errorf("%s: %s %s, want %s", table, route.TargetKind, got, want)
				}
			}
		})
	}
}

func TestVPCPeeringStatusTellsBothSides(t *testing.T) {
	w := open(t, peered+"vpcPeerings: {ac: {vpc: a, peerVpc: c, accepterOptions: {allowDnsResolution: true}}, ab: {vpc: a, peerVpc: b, state: deleted}}")
	p := w.VPCPeerings["ac"].Status
	want := VPCPeeringStatus{
		Identity: p.Identity, State: PeeringActive, Message: "Active",
		Requester: PeeringSide{VPC: "a", Account: DefaultAccount, Region: "us-east-1", CIDRs: prefixes("10.0.0.0/16"), IPv6CIDR: netip.MustParsePrefix("2001:db8:a::/56")},
		Accepter:  PeeringSide{VPC: "c", Account: "210987654321", Region: "us-west-2", CIDRs: prefixes("10.2.0.0/16"), AllowDNSResolution: true},
	}
	if diff := cmp.Diff(want, p, compareAddresses); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if !p.InterRegion() || !strings.HasPrefix(p.ID, "pcx-") {
		t.Errorf("inter-Region %v, ID %s", p.InterRegion(), p.ID)
	}
	if got := w.VPCPeerings["ab"].Status.Message; got != "Deleted by 123456789012" {
		t.Errorf("deleted within an account: %q", got)
	}
}

func TestVPCPeeringQuotas(t *testing.T) {
	mesh := func(state string, n int) string {
		var vpcs, peerings []string
		for i := range n {
			vpcs = append(vpcs, fmt.Sprintf("v%d: {cidr: 10.%d.0.0/16}", i, i+1))
			peerings = append(peerings, fmt.Sprintf("p%02d: {vpc: hub, peerVpc: v%d, state: %s}", i, i, state))
		}
		return "name: lab\nquotas: {vpcsPerRegion: 200}\nvpcs: {hub: {cidr: 10.0.0.0/16}, " + strings.Join(vpcs, ", ") + "}\nvpcPeerings: {" + strings.Join(peerings, ", ") + "}\n"
	}
	for name, tc := range map[string]struct{ src, want string }{
		"50 active":                   {mesh("active", 50), ""},
		"51st active":                 {mesh("active", 51), "ActiveVpcPeeringConnectionPerVpcLimitExceeded"},
		"raised":                      {strings.Replace(mesh("active", 51), "{vpcsPerRegion", "{activeVpcPeeringsPerVpc: 51, vpcsPerRegion", 1), ""},
		"raised too far":              {strings.Replace(mesh("active", 1), "{vpcsPerRegion", "{activeVpcPeeringsPerVpc: 126, vpcsPerRegion", 1), "-"},
		"25 outstanding":              {mesh("pending-acceptance", 25), ""},
		"26th outstanding":            {mesh("pending-acceptance", 26), "OutstandingVpcPeeringConnectionLimitExceeded"},
		"those that are over":         {mesh("deleted", 60), ""},
		"other accounts count theirs": {strings.Replace(mesh("pending-acceptance", 26), "p25: {vpc: hub, peerVpc: v25", "p25: {vpc: v25, peerVpc: hub", 1) + "account: 210987654321\n", "OutstandingVpcPeeringConnectionLimitExceeded"},
		"requests of two accounts":    {strings.Replace(strings.Replace(mesh("pending-acceptance", 26), "p25: {vpc: hub, peerVpc: v25", "p25: {vpc: v25, peerVpc: hub", 1), "10.26.0.0/16}", "10.26.0.0/16, account: 210987654321}", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var codes []string
			for _, p := range problems(t, tc.src) {
				codes = append(codes, max(p.Code, "-"))
			}
			if got := strings.Join(codes, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestVPCPeeringCompiles: what the data plane gets of peerings, Regions and zones.
func TestVPCPeeringCompiles(t *testing.T) {
	w := open(t, peered+"vpcPeerings: {ac: {vpc: a, peerVpc: c}, ab: {vpc: a, peerVpc: b, state: pending-acceptance}}\nrouteTables: {a/main: {routes: {10.2.0.0/16: ac, 10.1.0.0/16: ab}}}")
	for i, k := range Kinds() {
		for j, name := range k.Names(w) {
			k.Identity(w, name).Handle = uint32(100*(i+1) + j)
		}
	}
	b := build(w, 1)
	handle := func(kind, name string) dataplane.Handle {
		k, _ := KindNamed(kind)
		return dataplane.Handle(k.Identity(w, name).Handle)
	}
	if len(b.VPCPeerings) != 1 || b.VPCPeerings[0].Name != "ac" || b.VPCPeerings[0].Requester != handle("vpc", "a") || b.VPCPeerings[0].Accepter != handle("vpc", "c") {
		t.Errorf("peerings: %+v", b.VPCPeerings)
	}
	regions := map[string]string{}
	for _, v := range b.VPCs {
		regions[v.Name] = v.Region
	}
	zones := map[string]string{}
	for _, s := range b.Subnets {
		zones[s.Name] = s.Zone
	}
	if regions["a"] != "us-east-1" || regions["c"] != "us-west-2" || zones["a1"] != "us-east-1a" || zones["c1"] != "us-west-2a" {
		t.Errorf("regions %v, zones %v", regions, zones)
	}
	for _, table := range b.RouteTables {
		for _, r := range table.Routes {
			switch r.Destination.String() {
			case "10.2.0.0/16":
				if table.Name == "a/main" && r.Target != (dataplane.Target{Kind: dataplane.TargetVPCPeering, Handle: handle("vpcPeering", "ac")}) {
					t.Errorf("route to an active peering: %+v", r)
				}
			case "10.1.0.0/16":
				if table.Name == "a/main" && r.Target != (dataplane.Target{}) {
					t.Errorf("route to a pending peering: %+v", r)
				}
			}
		}
	}
}
