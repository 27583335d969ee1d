package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// transitRoutes are the routes in force of a table, as "destination → target
// (type) state".
func transitRoutes(w *World, table string) []string {
	texts := []string{}
	for _, r := range w.TransitGatewayRouteTables[table].Status.Routes {
		texts = append(texts, strings.Replace(r.String(), "transitGatewayAttachment ", "", 1)+" "+r.State)
	}
	return texts
}

// TestTransitGatewayRoutesInForce: which of several routes counts, and which are
// there at all.
func TestTransitGatewayRoutesInForce(t *testing.T) {
	for name, tc := range map[string]struct {
		src   string
		table string
		want  []string
	}{
		"T4 T5 all propagate to the default table": {hub, "hub/default", []string{
			"10.1.0.0/16 → hub-a (propagated) active", "10.2.0.0/16 → hub-b (propagated) active", "10.3.0.0/16 → hub-c (propagated) active",
			"2001:db8:a::/56 → hub-a (propagated) active"}},
		"T4 unless that is off": {strings.Replace(hub, "hub: {}", "hub: {defaultRouteTablePropagation: false}", 1), "hub/default", []string{}},
		"T4 or the file lists who does": {hub + "transitGatewayRouteTables: {hub/default: {propagations: [hub-c]}}", "hub/default", []string{
			"10.3.0.0/16 → hub-c (propagated) active"}},
		"K-C6 only B propagates": {hub + "transitGatewayRouteTables: {rt1: {transitGateway: hub, associations: [hub-a, hub-b], propagations: [hub-b]}}", "rt1", []string{
			"10.2.0.0/16 → hub-b (propagated) active"}},
		"K-C7 T8 blackhole beside a propagated route": {hub + "transitGatewayRouteTables: {rt1: {transitGateway: hub, propagations: [hub-b], routes: {10.2.0.0/24: blackhole}}}", "rt1", []string{
			"10.2.0.0/16 → hub-b (propagated) active", "10.2.0.0/24 → blackhole (static) blackhole"}},
		"T6 T7 static, prefix list, propagated": {"prefixLists: {l: {entries: [10.1.0.0/16, 10.2.0.0/16, 10.8.0.0/16]}}\n" + hub +
			"transitGatewayRouteTables: {hub/default: {routes: {l: hub-b, 10.1.0.0/16: hub-c}}}", "hub/default", []string{
			"10.1.0.0/16 → hub-c (static) active", "10.2.0.0/16 (prefix list l) → hub-b (static) active", "10.3.0.0/16 → hub-c (propagated) active",
			"10.8.0.0/16 (prefix list l) → hub-b (static) active", "2001:db8:a::/56 → hub-a (propagated) active"}},
		"T16 static to a peering": {strings.Replace(hub, "hub: {}", "hub: {}, west: {region: us-west-2}", 1) + "  p: {transitGateway: west, peer: hub}\n" +
			"transitGatewayRouteTables: {west/default: {routes: {10.0.0.0/8: p, \"2001:db8:a::/56\": p}}}", "west/default", []string{
			"10.0.0.0/8 → p (static) active", "2001:db8:a::/56 → p (static) active"}},
		"R20 to what is not available": {strings.NewReplacer("[a1]", "[a1], state: deleted", "[b1]", "[b1], state: pendingAcceptance").Replace(hub) +
			"transitGatewayRouteTables: {hub/default: {routes: {10.1.0.0/16: hub-a, 0.0.0.0/0: hub-b, 10.3.0.0/16: blackhole}}}", "hub/default", []string{
			"0.0.0.0/0 → hub-b (static) blackhole", "10.1.0.0/16 → hub-a (static) blackhole", "10.3.0.0/16 → blackhole (static) blackhole"}},
		"T5 all blocks of a VPC": {"vpcs: {a: {cidr: 10.1.0.0/16, secondaryCidrs: [10.7.0.0/16]}}\nsubnets: {a1: {vpc: a, cidr: 10.7.1.0/24}}\n" +
			"transitGateways: {hub: {}}\ntransitGatewayAttachments: {x: {transitGateway: hub, vpc: a, subnets: [a1]}}", "hub/default", []string{
			"10.1.0.0/16 → x (propagated) active", "10.7.0.0/16 → x (propagated) active"}},
		"by ID": {strings.Replace(hub, "transitGateway: hub, vpc: b", "transitGateway: "+resourceID("tgw", "lab", "transitGateways", "hub")+", vpc: b", 1) +
			"transitGatewayRouteTables: {rt1: {transitGateway: hub, propagations: [" + resourceID("tgw-attach", "lab", "transitGatewayAttachments", "hub-b") + "]}}", "rt1", []string{
			"10.2.0.0/16 → hub-b (propagated) active"}},
	} {
		t.Run(name, func(t *testing.T) {
			src := transitLab + tc.src
			if strings.HasPrefix(tc.src, "vpcs:") {
				src = "name: lab\n" + tc.src
			}
			w := open(t, src)
			if diff := cmp.Diff(tc.want, transitRoutes(w, tc.table)); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
		})
	}
}

// T3, T4: each attachment is in the table that lists it, else in the default one.
func TestTransitGatewayAssociations(t *testing.T) {
	const tables = "transitGatewayRouteTables: {rt1: {transitGateway: hub, associations: [hub-a]}}"
	off := strings.Replace(hub, "hub: {}", "hub: {defaultRouteTableAssociation: false}", 1)
	for name, tc := range map[string]struct {
		src  string
		want string
	}{
		"by themselves":             {hub, "hub-a hub/default, hub-b hub/default, hub-c hub/default"},
		"T3 a table takes one away": {hub + tables, "hub-a rt1, hub-b hub/default, hub-c hub/default"},
		"T4 switched off":           {off + tables, "hub-a rt1, hub-b , hub-c "},
		"T3 disassociated":          {hub + "transitGatewayRouteTables: {hub/default: {associations: [hub-b]}}", "hub-a , hub-b hub/default, hub-c "},
		"not available":             {strings.Replace(hub, "[a1]", "[a1], state: rejected", 1) + tables, "hub-a , hub-b hub/default, hub-c hub/default"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, transitLab+tc.src)
			texts := []string{}
			for _, name := range sorted(w.TransitGatewayAttachments) {
				texts = append(texts, name+" "+w.TransitGatewayAttachments[name].Status.Association)
			}
			if got := strings.Join(texts, ", "); got != tc.want {
				t.Errorf("associations %q, want %q", got, tc.want)
			}
		})
	}
}

// T3, T16: a peering has a table on each side, whoever asked for it.
func TestTransitGatewayPeeringIsAssociatedOnBothSides(t *testing.T) {
	w := open(t, transitLab+`transitGateways: {hub: {}, west: {region: us-west-2}}
transitGatewayAttachments: {p: {transitGateway: west, peer: hub}}
transitGatewayRouteTables: {rt1: {transitGateway: hub, associations: [p]}}
`)
	s := w.TransitGatewayAttachments["p"].Status
	if s.Association != "west/default" || s.PeerAssociation != "rt1" || s.ResourceType != AttachmentPeering || len(s.Propagations) != 0 {
		t.Errorf("peering %+v", s)
	}
	for gateway, want := range map[string][]string{"hub": {"hub/default", "rt1"}, "west": {"west/default"}} {
		if diff := cmp.Diff(want, w.TransitGateways[gateway].Status.RouteTables); diff != "" {
			t.Errorf("%s: %s", gateway, diff)
		}
		if diff := cmp.Diff([]string{"p"}, w.TransitGateways[gateway].Status.Attachments); diff != "" {
			t.Errorf("%s: %s", gateway, diff)
		}
	}
}

// T14: of VPCs that overlap, the one attached first has the routes, whatever the
// names, and the other brings none of its blocks.
func TestTransitGatewayOverlapKeepsTheOlderRoutes(t *testing.T) {
	const vpcs = `
name: lab
vpcs:
  a: {cidr: 10.1.0.0/16, secondaryCidrs: [10.5.0.0/16]}
  z: {cidr: 10.1.128.0/20, secondaryCidrs: [10.6.0.0/16]}
subnets: {a1: {vpc: a, cidr: 10.1.1.0/24}, z1: {vpc: z, cidr: 10.1.128.0/24}}
transitGateways: {hub: {}}
transitGatewayAttachments:
  hub-z: {transitGateway: hub, vpc: z, subnets: [z1]}
`
	const both = vpcs + "  hub-a: {transitGateway: hub, vpc: a, subnets: [a1]}\n"
	older := []string{"10.1.128.0/20 → hub-z (propagated) active", "10.6.0.0/16 → hub-z (propagated) active"}

	w := open(t, both) // a lab that comes up at once: by name
	if diff := cmp.Diff([]string{"10.1.0.0/16 → hub-a (propagated) active", "10.5.0.0/16 → hub-a (propagated) active"}, transitRoutes(w, "hub/default")); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	_, store := applied(t, vpcs)
	for range 2 { // the second apply must not know less than the first
		if _, err := store.Apply(t.Context(), open(t, both)); err != nil {
			t.Fatal(err)
		}
		w, _ = store.World()
		if diff := cmp.Diff(older, transitRoutes(w, "hub/default")); diff != "" {
			t.Errorf("one after the other (-want +got):\n%s", diff)
		}
	}
	s := w.TransitGatewayRouteTables["hub/default"].Status
	if diff := cmp.Diff([]string{"hub-a"}, s.Overlapping); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"hub-a", "hub-z"}, s.Propagations); diff != "" {
		t.Error(diff)
	}
	// T7: when the older one goes, the other's routes show up.
	if err := store.change(t, func(w *World) { w.TransitGatewayAttachments["hub-z"].State = AttachmentDeleted }); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	if got := transitRoutes(w, "hub/default"); len(got) != 2 || !strings.Contains(got[0], "hub-a") {
		t.Errorf("then %q", got)
	}
	// Two tables never meet: each VPC can have one.
	w = open(t, both+"transitGatewayRouteTables: {r1: {transitGateway: hub, propagations: [hub-a]}, r2: {transitGateway: hub, propagations: [hub-z]}}")
	if diff := cmp.Diff(older, transitRoutes(w, "r2")); diff != "" {
		t.Errorf("apart (-want +got):\n%s", diff)
	}
}

// T14: an attachment that is made anew is the youngest, in the same apply.
func TestTransitGatewayReplacedAttachmentIsTheYoungest(t *testing.T) {
	const lab = `
name: lab
vpcs: {a: {cidr: 10.1.0.0/16}, z: {cidr: 10.1.128.0/20}}
subnets: {a1: {vpc: a, cidr: 10.1.1.0/24}, z1: {vpc: z, cidr: 10.1.128.0/24}}
transitGateways: {hub: {}}
transitGatewayAttachments:
  hub-a: {transitGateway: hub, vpc: a, subnets: [a1]}
  hub-z: {transitGateway: hub, vpc: z, subnets: [z1]}
`
	_, store := applied(t, lab)
	replaced := strings.NewReplacer("10.1.0.0/16", "10.1.0.0/17", "10.1.128.0/20", "10.1.64.0/20", "10.1.128.0/24", "10.1.64.0/24").Replace(lab)
	for i, step := range []struct{ src, want string }{
		{lab, "10.1.0.0/16 → hub-a (propagated) active"},
		// Only VPC a is made anew, as it gets another primary block.
		{strings.Replace(lab, "10.1.0.0/16", "10.1.0.0/17", 1), "10.1.0.0/17 → hub-a (propagated) active 10.1.128.0/20 → hub-z (propagated) active"},
		{lab, "10.1.128.0/20 → hub-z (propagated) active"},
		{lab, "10.1.128.0/20 → hub-z (propagated) active"},
		// Both are: by name again.
		{replaced, "10.1.0.0/17 → hub-a (propagated) active"},
	} {
		if _, err := store.Apply(t.Context(), open(t, step.src)); err != nil {
			t.Fatal(err)
		}
		w, _ := store.World()
		if got := strings.Join(transitRoutes(w, "hub/default"), " "); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

// TestTransitGatewayCompiles: what the data plane gets, and that it takes it.
func TestTransitGatewayCompiles(t *testing.T) {
	w, _ := applied(t, transitLab+strings.Replace(hub, "hub: {}", "hub: {}, west: {region: us-west-2}", 1)+`
  p: {transitGateway: hub, peer: west}
  later: {transitGateway: west, peer: hub, state: deleted}
transitGatewayRouteTables:
  rt1: {transitGateway: hub, associations: [hub-a], routes: {10.9.0.0/16: blackhole, 10.8.0.0/16: p, 10.7.0.0/16: later}}
routeTables:
  ra: {vpc: a, main: true, routes: {0.0.0.0/0: hub, "::/0": hub}}
  rb: {vpc: b, main: true, routes: {10.0.0.0/8: hub}}
`)
	handle := func(id Identity) dataplane.Handle { return dataplane.Handle(id.Handle) }
	attachments, tables := w.TransitGatewayAttachments, w.TransitGatewayRouteTables
	b := build(w, 1)

	wantGateways := []dataplane.TransitGateway{
		{Object: object(dataplane.KindTransitGateway, "hub", w.TransitGateways["hub"].Status.Identity), Region: "us-east-1"},
		{Object: object(dataplane.KindTransitGateway, "west", w.TransitGateways["west"].Status.Identity), Region: "us-west-2"},
	}
	if diff := cmp.Diff(wantGateways, b.TransitGateways); diff != "" {
		t.Error(diff)
	}
	names := []string{}
	for _, a := range b.TransitGatewayAttachments {
		names = append(names, fmt.Sprint(a.Name, len(a.Interfaces), a.RouteTable == handle(tables["rt1"].Status.Identity), a.RouteTable == handle(tables["hub/default"].Status.Identity)))
	}
	if diff := cmp.Diff([]string{"hub-a1 true false", "hub-b1 false true", "hub-c1 false true"}, names); diff != "" {
		t.Error(diff)
	}
	n, status := b.TransitGatewayAttachments[0].Interfaces[0], attachments["hub-a"].Status.Interfaces[0]
	if n.Name != "hub-a/a1" || n.ID != status.ID || n.Handle != handle(status.Identity) || len(n.Addresses) != 2 || MAC(n.MAC) != status.MAC {
		t.Errorf("interface %+v", n)
	}
	wantPeerings := []dataplane.TransitGatewayPeering{{
		Object: object(dataplane.KindTransitGatewayAttachment, "p", attachments["p"].Status.Identity),
		Sides: [2]dataplane.TransitGatewayPeeringSide{
			{TransitGateway: handle(w.TransitGateways["hub"].Status.Identity), RouteTable: handle(tables["hub/default"].Status.Identity)},
			{TransitGateway: handle(w.TransitGateways["west"].Status.Identity), RouteTable: handle(tables["west/default"].Status.Identity)},
		},
	}}
	if diff := cmp.Diff(wantPeerings, b.TransitGatewayPeerings); diff != "" {
		t.Error(diff)
	}
	routes := []string{}
	for _, r := range b.TransitGatewayRouteTables[1].Routes {
		routes = append(routes, fmt.Sprint(r.Text, ": ", r.Attachment == 0, r.Attachment == handle(attachments["p"].Status.Identity)))
	}
	if diff := cmp.Diff([]string{
		"10.7.0.0/16 → transitGatewayAttachment later (static): true false",
		"10.8.0.0/16 → transitGatewayAttachment p (static): false true",
		"10.9.0.0/16 → blackhole (static): true false",
	}, routes); diff != "" {
		t.Error(diff)
	}
	targets := map[string]dataplane.Target{}
	for _, table := range b.RouteTables {
		for _, r := range table.Routes {
			if r.Target.Kind == dataplane.TargetTransitGateway {
				targets[table.Name+" "+r.Text] = r.Target
			}
		}
	}
	if diff := cmp.Diff(map[string]dataplane.Target{
		"ra 0.0.0.0/0 → transitGateway hub":  {Kind: dataplane.TargetTransitGateway, Handle: handle(attachments["hub-a"].Status.Identity)},
		"ra ::/0 → transitGateway hub":       {Kind: dataplane.TargetTransitGateway, Handle: handle(attachments["hub-a"].Status.Identity)},
		"rb 10.0.0.0/8 → transitGateway hub": {Kind: dataplane.TargetTransitGateway, Handle: handle(attachments["hub-b"].Status.Identity)},
	}, targets); diff != "" {
		t.Error(diff)
	}
}

// R20: an attachment that goes by its state leaves blackholes; one that comes back
// is the same.
func TestTransitGatewayAttachmentStateChanges(t *testing.T) {
	w, store := applied(t, transitLab+hub+"routeTables: {ra: {vpc: a, main: true, routes: {0.0.0.0/0: hub}}}")
	was := w.TransitGatewayAttachments["hub-a"].Status
	state := func() string {
		w, _ := store.World()
		return w.RouteTables["ra"].Status.Routes[0].State + fmt.Sprint(len(w.TransitGatewayRouteTables["hub/default"].Status.Routes))
	}
	if got := state(); got != "active4" {
		t.Errorf("at first: %s", got)
	}
	for _, s := range []AttachmentState{AttachmentDeleted, AttachmentRejected} {
		if err := store.change(t, func(w *World) { w.TransitGatewayAttachments["hub-a"].State = s }); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != "blackhole2" {
			t.Errorf("%s: %s", s, got)
		}
	}
	if err := store.change(t, func(w *World) { w.TransitGatewayAttachments["hub-a"].State = AttachmentAvailable }); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	if is := w.TransitGatewayAttachments["hub-a"].Status; is.Handle != was.Handle || state() != "active4" {
		t.Errorf("it is %+v, %s", is, state())
	}
}

// TestTransitGatewayPlan: a change shows where it takes effect, and a default that
// is written out is none.
func TestTransitGatewayPlan(t *testing.T) {
	old := open(t, transitLab+hub)
	for name, tc := range map[string]struct{ src, want string }{
		"defaults written out": {transitLab + strings.NewReplacer("hub: {}", "hub: {region: us-east-1, account: \"123456789012\", asn: 64512, vpnEcmp: true, defaultRouteTableAssociation: true}",
			"[b1]", "[b1], state: available, securityGroupReferencing: true").Replace(hub) + "transitGatewayRouteTables: {hub/default: {associations: [hub-c, hub-a, hub-b]}}", ""},
		"an attachment goes": {transitLab + strings.Replace(hub, "  hub-c: {transitGateway: hub, vpc: c, subnets: [c1]}\n", "", 1),
			"delete transitGatewayAttachments hub-c; update transitGatewayRouteTables hub/default associations, propagations"},
		"another table": {transitLab + hub + "transitGatewayRouteTables: {rt1: {transitGateway: hub, associations: [hub-a]}}",
			"update transitGatewayRouteTables hub/default associations; create transitGatewayRouteTables rt1"},
		"the VPC is replaced": {strings.NewReplacer("cidr: 10.3.0.0/16", "cidr: 10.4.0.0/16", "10.3.1.0/24", "10.4.1.0/24").Replace(transitLab) + hub,
			"replace vpcs c cidr; replace networkAcls c/default; replace subnets c1 cidr; replace securityGroups c/default; replace transitGatewayAttachments hub-c; replace routeTables c/main"},
		"the gateway moves": {transitLab + strings.Replace(hub, "hub: {}", "hub: {asn: 64513}", 1), "update transitGateways hub asn"},
	} {
		t.Run(name, func(t *testing.T) {
			next, texts := open(t, tc.src), []string{}
			for _, c := range Plan(old, next) {
				text, last := fmt.Sprint(c.Action, " ", c.Kind, " ", c.Name), ""
				for _, f := range c.Fields {
					if f.Path != last {
						text += strings.Repeat(",", min(len(last), 1)) + " " + f.Path
					}
					last = f.Path
				}
				texts = append(texts, text)
			}
			if got := strings.Join(texts, "; "); got != tc.want {
				t.Errorf("plan\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// T21: a rule may name a group of another VPC of the gateway: inbound, and with the
// option on everywhere.
func TestTransitGatewaySecurityGroupReferences(t *testing.T) {
	const groups = "securityGroups: {ga: {vpc: a, ingress: [{protocol: tcp, ports: 80, from: gb}]}, gb: {vpc: b}}\n"
	on := transitLab + strings.Replace(hub, "hub: {}", "hub: {securityGroupReferencing: true}", 1)
	const refused = `securityGroups.ga.ingress[0].from [InvalidGroup.NotFound] You have specified two resources that belong to different networks.`
	wantProblems(t, on+groups)
	wantProblems(t, transitLab+hub+groups, refused)
	wantProblems(t, strings.Replace(on, "[b1]", "[b1], securityGroupReferencing: false", 1)+groups, refused)
	wantProblems(t, on+"securityGroups: {ga: {vpc: a, egress: [{protocol: all, to: gb}]}, gb: {vpc: b}}",
		`securityGroups.ga.egress[0].to [InvalidGroup.NotFound] You have specified two resources that belong to different networks.`)

	w, store := applied(t, on+groups)
	rule := func() dataplane.GroupRule {
		w, _ = store.World()
		for _, g := range build(w, 1).SecurityGroups {
			if g.Name == "ga" {
				return g.Ingress[0]
			}
		}
		return dataplane.GroupRule{}
	}
	if r := rule(); r.Across != dataplane.CrossesTransitGateway || r.Group != dataplane.Handle(w.SecurityGroups["gb"].Status.Handle) {
		t.Errorf("rule %+v", r)
	}
	if err := store.change(t, func(w *World) { w.TransitGatewayAttachments["hub-b"].State = AttachmentDeleted }); err != nil {
		t.Fatal(err)
	}
	if r := rule(); r.Across != 0 || !w.SecurityGroups["ga"].Status.Ingress[0].Stale {
		t.Errorf("S12: a stale rule %+v", r)
	}
}

// TestTransitGatewayDefaultTableComesAndGoes: with its gateway and its switches.
func TestTransitGatewayDefaultTableComesAndGoes(t *testing.T) {
	w := open(t, transitLab+hub)
	if text, err := w.Marshal(); err != nil || strings.Contains(string(text), "transitGatewayRouteTables") {
		t.Errorf("Marshal writes what AWS makes by itself: %s, %v", text, err)
	}
	off := false
	w.TransitGateways["hub"].DefaultRouteTableAssociation = &off
	if p := w.Prepare(nil); len(p) > 0 || w.TransitGatewayRouteTables["hub/default"] == nil {
		t.Errorf("one switch: %v", p)
	}
	w.TransitGateways["hub"].DefaultRouteTablePropagation = &off
	if p := w.Prepare(nil); len(p) > 0 || len(w.TransitGatewayRouteTables) != 0 {
		t.Errorf("both switches: %v, %v", p, w.TransitGatewayRouteTables)
	}
}
