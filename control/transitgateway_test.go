package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// transitLab has three VPCs in two zones and a gateway; cases add the rest.
const transitLab = `
name: lab
vpcs:
  a: {cidr: 10.1.0.0/16, ipv6: 2001:db8:a::/56}
  b: {cidr: 10.2.0.0/16}
  c: {cidr: 10.3.0.0/16}
subnets:
  a1: {vpc: a, cidr: 10.1.1.0/24, ipv6: 2001:db8:a:1::/64}
  a2: {vpc: a, cidr: 10.1.2.0/24, az: us-east-1b}
  b1: {vpc: b, cidr: 10.2.1.0/24}
  c1: {vpc: c, cidr: 10.3.1.0/24}
`

// hub attaches the three VPCs.
const hub = `
transitGateways: {hub: {}}
transitGatewayAttachments:
  hub-a: {transitGateway: hub, vpc: a, subnets: [a1]}
  hub-b: {transitGateway: hub, vpc: b, subnets: [b1]}
  hub-c: {transitGateway: hub, vpc: c, subnets: [c1]}
`

// TestValidateTransitGateways is TestValidate for transit gateways.
func TestValidateTransitGateways(t *testing.T) {
	const gateways = "transitGateways: {hub: {}, west: {region: us-west-2}}\ntransitGatewayAttachments:\n"
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"all is well": {transitLab + hub, nil},
		"T2 ASN": {transitLab + "transitGateways: {t1: {asn: 64511}, t2: {asn: 64512}, t3: {asn: 65535}, t4: {asn: 4200000000}, t5: {asn: 4294967295}}", []string{
			`transitGateways.t1.asn [InvalidParameterValue] Value (64511) for parameter amazonSideAsn is invalid.`,
			`transitGateways.t3.asn [InvalidParameterValue] Value (65535) for parameter amazonSideAsn is invalid.`,
			`transitGateways.t5.asn [InvalidParameterValue] Value (4294967295) for parameter amazonSideAsn is invalid.`}},
		"T17 blocks of a VPC": {"name: lab\nvpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16}}\nsubnets: {a1: {vpc: a, cidr: 10.0.1.0/24}}\n" +
			"transitGateways: {t: {cidrs: [10.0.4.0/24, 10.1.0.0/24]}}\ntransitGatewayAttachments: {ta: {transitGateway: t, vpc: a, subnets: [a1]}}", []string{
			`transitGateways.t.cidrs[0] [InvalidParameterValue] Value (10.0.4.0/24) for parameter transitGatewayCidrBlocks is invalid.`}},
		"T17 blocks": {transitLab + "transitGateways: {t: {cidrs: [10.9.0.0/25, 169.254.8.0/24, 10.9.1.0/24, 10.9.0.0/23, 2001:db8:9::/80]}}", []string{
			`transitGateways.t.cidrs[0] [InvalidParameterValue] Value (10.9.0.0/25) for parameter transitGatewayCidrBlocks is invalid.`,
			`transitGateways.t.cidrs[1] [InvalidParameterValue] Value (169.254.8.0/24) for parameter transitGatewayCidrBlocks is invalid.`,
			`transitGateways.t.cidrs[3] [InvalidParameterValue] Value (10.9.0.0/23) for parameter transitGatewayCidrBlocks is invalid.`,
			`transitGateways.t.cidrs[4] [InvalidParameterValue] Value (2001:db8:9::/80) for parameter transitGatewayCidrBlocks is invalid.`}},
		"Region": {transitLab + "transitGateways: {t: {region: east}}", []string{
			`transitGateways.t.region [InvalidParameterValue] "east" is not an AWS Region`}},
		"the sixth in a Region": {transitLab + "transitGateways: {" + repeat(6, func(i int) string { return fmt.Sprintf("t%d: {}", i) }) + "west: {region: us-west-2}}", []string{
			`transitGateways.t5 [TransitGatewayLimitExceeded] The maximum number of transit gateways has been reached.`}},
		"what is not there": {transitLab + "transitGatewayAttachments: {x: {transitGateway: hub, vpc: d, subnets: [d1]}, y: {}}\ntransitGatewayRouteTables: {r: {transitGateway: hub, associations: [z], routes: {10.9.0.0/16: z}}, s: {}}", []string{
			`transitGatewayAttachments.x.transitGateway [InvalidTransitGatewayID.NotFound] no transit gateway named "hub"`,
			`transitGatewayAttachments.x.vpc [InvalidVpcID.NotFound] no VPC named "d"`,
			`transitGatewayAttachments.x.subnets[0] [InvalidSubnetID.NotFound] no subnet named "d1"`,
			`transitGatewayAttachments.y.transitGateway [MissingParameter] The request must contain the parameter transitGateway`,
			`transitGatewayAttachments.y.vpc [MissingParameter] The request must contain the parameter vpc`,
			`transitGatewayRouteTables.r.transitGateway [InvalidTransitGatewayID.NotFound] no transit gateway named "hub"`,
			`transitGatewayRouteTables.r.associations[0] [InvalidTransitGatewayAttachmentID.NotFound] no transit gateway attachment named "z"`,
			`transitGatewayRouteTables.r.routes["10.9.0.0/16"] [InvalidTransitGatewayAttachmentID.NotFound] no transit gateway attachment named "z"`,
			`transitGatewayRouteTables.s.transitGateway [MissingParameter] The request must contain the parameter transitGateway`}},
		"QP8 a VPC twice": {transitLab + hub + "  again: {transitGateway: hub, vpc: a, subnets: [a2]}\n  gone: {transitGateway: hub, vpc: a, subnets: [a2], state: deleted}", []string{
			`transitGatewayAttachments.hub-a [DuplicateTransitGatewayAttachment] hub has non-deleted Transit Gateway Attachments with same VPC ID.`}},
		"QP9 T9 two subnets of a zone": {transitLab + "  a3: {vpc: a, cidr: 10.1.3.0/24}\n" + gateways + "  x: {transitGateway: hub, vpc: a, subnets: [a1, a2, a3]}", []string{
			`transitGatewayAttachments.x.subnets[2] [DuplicateSubnetsInSameZone] Duplicate Subnets for same AZ`}},
		"QP10 subnet is full": {transitLab + "  small: {vpc: b, cidr: 10.2.2.0/28}\ninstances: {" +
			repeat(11, func(i int) string { return fmt.Sprintf("i%d: {subnet: small}", i) }) + "}\n" + gateways + "  x: {transitGateway: hub, vpc: b, subnets: [small]}", []string{
			`transitGatewayAttachments.x.subnets[0] [InsufficientFreeAddressesInSubnet] Insufficient Free IP Addresses in subnet.`}},
		"T9 no subnet, an IPv6-only one, another VPC's": {transitLab + "  six: {vpc: a, ipv6Native: true, az: us-east-1c}\n" + gateways +
			"  x: {transitGateway: hub, vpc: b}\n  y: {transitGateway: hub, vpc: a, subnets: [six]}\n  z: {transitGateway: hub, vpc: c, subnets: [c1, a1]}", []string{
			`transitGatewayAttachments.x.subnets [MissingParameter] The request must contain the parameter subnets`,
			`transitGatewayAttachments.y.subnets[0] [InvalidParameterValue] The subnet 'six' has no IPv4 CIDR block`,
			`transitGatewayAttachments.z.subnets[1] [InvalidParameterValue] subnet a1 is not in the VPC of transit gateway attachment z`}},
		"another Region": {transitLab + gateways + "  x: {transitGateway: west, vpc: a, subnets: [a1]}", []string{
			`transitGatewayAttachments.x.vpc [InvalidVpcID.NotFound] The vpc ID 'a' does not exist`}},
		"another account": {strings.Replace(transitLab, "cidr: 10.2.0.0/16", `cidr: 10.2.0.0/16, account: "210987654321"`, 1) + hub, []string{
			`transitGatewayAttachments.hub-b.transitGateway [InvalidTransitGatewayID.NotFound] Transit Gateway hub was deleted or does not exist.`}},
		"another account that it is shared with": {strings.Replace(transitLab, "cidr: 10.2.0.0/16", `cidr: 10.2.0.0/16, account: "210987654321"`, 1) +
			strings.Replace(hub, "hub: {}", `hub: {sharedWith: ["210987654321"]}`, 1), nil},
		"shared with its owner": {transitLab + `transitGateways: {t: {sharedWith: ["123456789012"]}}`, []string{
			`transitGateways.t.sharedWith[0] [InvalidParameterValue] account 123456789012 owns the transit gateway`}},
		"T16 peerings": {transitLab + gateways + `  self: {transitGateway: hub, peer: hub}
  one: {transitGateway: hub, peer: west}
  two: {transitGateway: west, peer: hub}
  old: {transitGateway: west, peer: hub, state: deleted}
`, []string{
			`transitGatewayAttachments.self.peer [InvalidParameterValue] Transit Gateway hub cannot be peered with itself.`,
			`transitGatewayAttachments.two [DuplicateTransitGatewayAttachment] west and hub already have a peering attachment.`}},
		"T16 a peering is not a VPC's attachment": {transitLab + gateways + "  p: {transitGateway: hub, peer: west, vpc: a, subnets: [a1], applianceMode: true, securityGroupReferencing: true}", []string{
			`transitGatewayAttachments.p.vpc [InvalidParameterCombination] A peering of two transit gateways has no vpc`,
			`transitGatewayAttachments.p.subnets [InvalidParameterCombination] A peering of two transit gateways has no subnets`,
			`transitGatewayAttachments.p.applianceMode [InvalidParameterCombination] A peering of two transit gateways has no applianceMode`,
			`transitGatewayAttachments.p.securityGroupReferencing [InvalidParameterCombination] A peering of two transit gateways has no securityGroupReferencing`}},
		"T5 a peering does not propagate": {transitLab + gateways + "  p: {transitGateway: hub, peer: west}\ntransitGatewayRouteTables: {r: {transitGateway: hub, propagations: [p]}}", []string{
			`transitGatewayRouteTables.r.propagations[0] [InvalidParameterValue] Transit Gateway Attachment p is a peering attachment, which does not support route propagation.`}},
		"QP12 T3 two tables": {transitLab + hub + "transitGatewayRouteTables: {r1: {transitGateway: hub, associations: [hub-a]}, r2: {transitGateway: hub, associations: [hub-b, hub-a, hub-b]}}", []string{
			`transitGatewayRouteTables.r2.associations[1] [Resource.AlreadyAssociated] Transit Gateway Attachment hub-a is already associated to a route table.`,
			`transitGatewayRouteTables.r2.associations[2] [] attachment hub-b is in the list twice`}},
		"T3 both sides of a peering": {transitLab + gateways + "  p: {transitGateway: hub, peer: west}\ntransitGatewayRouteTables: {r1: {transitGateway: hub, associations: [p]}, r2: {transitGateway: west, associations: [p]}}", nil},
		"another gateway's attachments": {transitLab + hub + "  west-x: {transitGateway: west, vpc: x, subnets: [x1]}\ntransitGatewayRouteTables: {r: {transitGateway: hub, associations: [west-x], propagations: [west-x], routes: {10.9.0.0/16: west-x}}}\n", []string{
			`transitGatewayAttachments.west-x.transitGateway [InvalidTransitGatewayID.NotFound] no transit gateway named "west"`,
			`transitGatewayAttachments.west-x.vpc [InvalidVpcID.NotFound] no VPC named "x"`,
			`transitGatewayAttachments.west-x.subnets[0] [InvalidSubnetID.NotFound] no subnet named "x1"`,
			`transitGatewayRouteTables.r.associations[0] [InvalidTransitGatewayAttachmentID.NotFound] transit gateway route table r and attachment west-x belong to different transit gateways`,
			`transitGatewayRouteTables.r.propagations[0] [InvalidTransitGatewayAttachmentID.NotFound] transit gateway route table r and attachment west-x belong to different transit gateways`,
			`transitGatewayRouteTables.r.routes["10.9.0.0/16"] [InvalidTransitGatewayAttachmentID.NotFound] transit gateway route table r and attachment west-x belong to different transit gateways`}},
		"T4 a default table without use": {transitLab + "transitGateways: {t: {defaultRouteTableAssociation: false, defaultRouteTablePropagation: false}}\ntransitGatewayRouteTables: {t/default: {routes: {10.9.0.0/16: blackhole}}, t/other: {}}", []string{
			`transitGatewayRouteTables.t/default [] "t/default" is not a name`,
			`transitGatewayRouteTables.t/other [] "t/other" is not a name`,
			`transitGatewayRouteTables.t/other.transitGateway [MissingParameter] The request must contain the parameter transitGateway`}},
		"T4 the default table of another": {transitLab + "transitGateways: {t: {}, u: {}}\ntransitGatewayRouteTables: {t/default: {transitGateway: u}}", []string{
			`transitGatewayRouteTables.t/default.transitGateway [InvalidParameterValue] t/default belongs to transit gateway t, not to u`}},
		"blackhole is a word": {transitLab + "transitGateways: {hub: {}, west: {}}\ntransitGatewayAttachments: {blackhole: {transitGateway: hub, peer: west}}", []string{
			`transitGatewayAttachments.blackhole [] "blackhole" cannot be the name of an attachment`}},
		"QG12 Q-C13 T22 a route without an attachment": {transitLab + "transitGateways: {hub: {}}\nrouteTables: {r: {vpc: a, routes: {0.0.0.0/0: hub}}}", []string{
			`routeTables.r.routes["0.0.0.0/0"] [InvalidTransitGatewayID.NotFound] The transitGateway ID 'hub' does not exist`}},
		"QG12 Q-C13 T22 an attachment that waits": {transitLab + strings.ReplaceAll(hub, "[a1]", "[a1], state: pendingAcceptance") + "routeTables: {r: {vpc: a, routes: {0.0.0.0/0: hub, 10.1.0.0/16: hub}}}", []string{
			`routeTables.r.routes["0.0.0.0/0"] [InvalidTransitGatewayID.NotFound] The transitGateway ID 'hub' does not exist`,
			`routeTables.r.routes["10.1.0.0/16"] [InvalidTransitGatewayID.NotFound] The transitGateway ID 'hub' does not exist`}},
		"Q-C13 R20 attached, and attached no more": {transitLab + strings.ReplaceAll(hub, "[b1]", "[b1], state: deleted") +
			"routeTables: {ra: {vpc: a, routes: {0.0.0.0/0: hub, \"::/0\": hub}}, rb: {vpc: b, routes: {0.0.0.0/0: hub}}}", nil},
		"QG13 R13 inside the VPC, from an edge": {transitLab + hub + "internetGateways: {igw: {vpc: a}}\nrouteTables: {r: {vpc: a, routes: {10.1.2.0/24: hub}}, e: {vpc: a, internetGateway: igw, routes: {10.1.1.0/24: hub}}}", []string{
			`routeTables.r.routes["10.1.2.0/24"] [InvalidParameterValue] Route target is not supported. This route only supports interface and instance targets.`,
			`routeTables.e.routes["10.1.1.0/24"] [InvalidParameterValue] Route target is not supported. Route table e is associated with a gateway and only supports interface, instance and local targets.`}},
		"names of targets are unique": {transitLab + "transitGateways: {igw: {}}\ninternetGateways: {igw: {vpc: a}}", []string{
			`transitGateways.igw [] "igw" is also the name of an internet gateway`}},
		"state": {transitLab + "transitGateways: {hub: {}, west: {}}\ntransitGatewayAttachments: {p: {transitGateway: hub, peer: west, state: active}}", []string{
			`transitGatewayAttachments.p.state [InvalidParameterValue] "active" is none of pendingAcceptance, available, rejected or deleted`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// T19: quotas that take many resources to reach.
func TestTransitGatewayQuotas(t *testing.T) {
	many := func(n int, item string) string {
		return repeat(n, func(i int) string { return strings.ReplaceAll(item, "#", fmt.Sprint(i)) })
	}
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"20 tables, the default one included": {transitLab + "transitGateways: {hub: {}}\ntransitGatewayRouteTables: {" + many(20, "r#: {transitGateway: hub}") + "}", []string{
			`transitGateways.hub [] the transit gateway has 21 route tables`}},
		"routes of all tables, prefix lists by their maximum": {transitLab + "quotas: {routesPerTransitGateway: 10}\nprefixLists: {l: {maxEntries: 5, entries: [10.9.0.0/16]}}" + hub +
			"transitGatewayRouteTables: {r: {transitGateway: hub, routes: {l: blackhole}}, s: {transitGateway: hub, propagations: [hub-a]}}", []string{
			`transitGateways.hub [] the transit gateway has 11 routes in all its tables`}},
		"5 gateways for a VPC": {transitLab + "quotas: {transitGatewaysPerRegion: 9}\ntransitGateways: {" + many(6, "t#: {}") + "}\ntransitGatewayAttachments: {" + many(6, "x#: {transitGateway: t#, vpc: a, subnets: [a1]}") + "}", []string{
			`vpcs.a [] VPC a is attached to 6 transit gateways`}},
		"50 peerings, 10 that wait": {transitLab + "quotas: {transitGatewaysPerRegion: 99}\ntransitGateways: {hub: {}, lot: {}, " + many(51, "t#: {}") + "}\ntransitGatewayAttachments: {" +
			many(51, "x#: {transitGateway: hub, peer: t#}") + many(11, "y#: {transitGateway: t#, peer: lot, state: pendingAcceptance}") + "}", []string{
			`transitGateways.hub [] the transit gateway has 51 peering attachments`,
			`transitGateways.lot [] the transit gateway has 11 peering attachments that wait for acceptance`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// T9, A27: an interface per subnet, with an address of each family that it has, which
// it keeps.
func TestTransitGatewayInterfaces(t *testing.T) {
	const more = "transitGateways: {hub: {}}\ninstances: {i: {subnet: a1}}\ntransitGatewayAttachments:\n  hub-a: {transitGateway: hub, vpc: a, subnets: [a1, a2]}\n"
	w, store := applied(t, transitLab+more)
	status := w.TransitGatewayAttachments["hub-a"].Status
	addresses := func() string {
		w, _ := store.World()
		texts := []string{}
		for _, n := range w.TransitGatewayAttachments["hub-a"].Status.Interfaces {
			texts = append(texts, fmt.Sprint(n.Subnet, " ", n.addresses()))
		}
		return strings.Join(texts, ", ")
	}
	if got, want := addresses(), "a1 [10.1.1.5 2001:db8:a:1::5], a2 [10.1.2.4]"; got != want {
		t.Errorf("interfaces %s, want %s", got, want)
	}
	if free := w.Subnets["a1"].Status.AvailableIPAddressCount; free != 251-2 {
		t.Errorf("a1 has %d free addresses", free)
	}
	if diff := cmp.Diff([]string{"us-east-1a", "us-east-1b"}, status.AvailabilityZones); diff != "" {
		t.Error(diff)
	}
	first := status.Interfaces[0]
	if first.MAC != MAC(dataplane.InterfaceMAC(dataplane.Handle(first.Handle))) || first.Handle == 0 || !strings.HasPrefix(first.ID, "eni-") {
		t.Errorf("interface %+v", first)
	}
	if status.Handle == first.Handle || status.Interfaces[1].Handle == first.Handle {
		t.Error("handles repeat")
	}

	// Another instance, another order: what stays keeps its address and handle.
	again := strings.NewReplacer("[a1, a2]", "[a2, a1]", "i: {subnet: a1}", "h: {subnet: a1}").Replace(more)
	if _, err := store.Apply(t.Context(), open(t, transitLab+again)); err != nil {
		t.Fatal(err)
	}
	if got, want := addresses(), "a2 [10.1.2.4], a1 [10.1.1.5 2001:db8:a:1::5]"; got != want {
		t.Errorf("then interfaces %s, want %s", got, want)
	}
	w, _ = store.World()
	if kept := w.TransitGatewayAttachments["hub-a"].Status.Interfaces[1]; kept.Handle != first.Handle || kept.MAC != first.MAC {
		t.Errorf("a1's interface was %+v and is %+v", first, kept)
	}

	// Replaced, it is another one; not available, it has none.
	if _, err := store.Apply(t.Context(), open(t, strings.Replace(transitLab, "b1: {vpc: b, cidr: 10.2.1.0/24}", "b1: {vpc: b, cidr: 10.2.3.0/24}", 1)+
		strings.Replace(more, "vpc: a, subnets: [a1, a2]", "vpc: b, subnets: [b1]", 1))); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	if n := w.TransitGatewayAttachments["hub-a"].Status.Interfaces[0]; n.Handle <= first.Handle || n.PrivateIP != netip.MustParseAddr("10.2.3.4") {
		t.Errorf("replaced: %+v", n)
	}
	if err := store.change(t, func(w *World) { w.TransitGatewayAttachments["hub-a"].State = AttachmentDeleted }); err != nil {
		t.Fatal(err)
	}
	if got := addresses(); got != "" {
		t.Errorf("a deleted attachment has interfaces %s", got)
	}
}

// change is Update with a function that cannot fail.
func (s *Store) change(t *testing.T, change func(*World)) error {
	t.Helper()
	_, err := s.Update(t.Context(), func(w *World) error { change(w); return nil })
	return err
}

// T16, R20: accept, reject and delete in a running lab.
func TestTransitGatewayAttachmentOperations(t *testing.T) {
	src := transitLab + strings.NewReplacer("hub: {}", "hub: {}, west: {region: us-west-2, account: \"210987654321\"}", "[a1]", "[a1], state: pendingAcceptance").Replace(hub) +
		"  p: {transitGateway: hub, peer: west, state: pendingAcceptance}\n"
	for name, tc := range map[string]struct {
		ops   []Operation
		state AttachmentState
		err   string
	}{
		"accept":            {[]Operation{{Name: "hub-a", Action: "accept"}}, AttachmentAvailable, ""},
		"reject, by its ID": {[]Operation{{Name: resourceID("tgw-attach", "lab", "transitGatewayAttachments", "hub-a"), Action: "reject"}}, AttachmentRejected, ""},
		"delete":            {[]Operation{{Name: "hub-b", Action: "delete"}}, AttachmentDeleted, ""},
		"accept twice":      {[]Operation{{Name: "p", Action: "accept"}, {Name: "p", Action: "accept"}}, AttachmentAvailable, "IncorrectState"},
		"delete twice":      {[]Operation{{Name: "p", Action: "delete"}, {Name: "p", Action: "delete"}}, AttachmentDeleted, "IncorrectState"},
		"accept as the one who asked": {[]Operation{{Name: "p", Action: "accept", Parameters: map[string]string{"account": "123456789012"}}},
			AttachmentPendingAcceptance, "InvalidTransitGatewayAttachmentID.NotFound"},
		"delete as either side": {[]Operation{{Name: "p", Action: "delete", Parameters: map[string]string{"account": "210987654321"}}}, AttachmentDeleted, ""},
		"delete as a stranger": {[]Operation{{Name: "p", Action: "delete", Parameters: map[string]string{"account": "111111111111"}}},
			AttachmentPendingAcceptance, "InvalidTransitGatewayAttachmentID.NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			_, store := applied(t, src)
			var err error
			for _, op := range tc.ops {
				op.Kind = "transitGatewayAttachments"
				_, err = store.Update(t.Context(), func(w *World) error { return w.Operate(op) })
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			w, _ := store.World()
			attachment := w.resolve(reference{value: tc.ops[0].Name, kinds: []string{"transitGatewayAttachments"}})
			if got := w.TransitGatewayAttachments[attachment].Status.State; got != tc.state {
				t.Errorf("state %s, want %s", got, tc.state)
			}
		})
	}
}
