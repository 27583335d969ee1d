package control

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFaultOfAnInstanceIsNotAStop(t *testing.T) {
	s := linkStore(t, `
name: x
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
routeTables: {m: {vpc: v, main: true, routes: {0.0.0.0/0: igw, 192.0.2.0/24: i}}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24, az: us-east-1b, mapPublicIp: true}, t: {vpc: v, cidr: 10.0.2.0/24, az: us-east-1a}}
natGateways: {nat: {subnet: s}}
instances: {i: {subnet: s}, j: {subnet: t}}
`)
	look := func() []string {
		w, _ := s.World()
		i := w.Instances["i"]
		route := ""
		for _, r := range w.RouteTables["m"].Status.Routes {
			if r.Target == "i/eth0" {
				route = r.State
			}
		}
		return []string{i.Status.State, i.Status.Fault, i.Status.PublicIP.String(), route, w.NATGateways["nat"].Status.State, w.Instances["j"].Status.State}
	}
	up := look()
	if up[0] != InstanceRunning || up[3] != RouteActive {
		t.Fatal(up)
	}
	address := up[2] // AWS takes it back from an instance that is stopped (A22), not from one that is broken
	for _, step := range []struct {
		action, kind, name string
		want               []string
	}{
		{"inject", "instance", "i", []string{"impaired", "instance i", address, RouteBlackhole, "available", "running"}},
		{"inject", "az", "us-east-1b", []string{"impaired", "instance i", address, RouteBlackhole, "unavailable", "running"}},
		{"clear", "instance", "i", []string{"impaired", "az us-east-1b", address, RouteBlackhole, "unavailable", "running"}},
		{"clear", "az", "us-east-1b", up},
		{"inject", "region", "us-east-1", []string{"impaired", "region us-east-1", address, RouteBlackhole, "unavailable", "impaired"}},
		{"clear", "", "", up},
		{"inject", "natGateway", "nat", []string{"running", "", address, RouteActive, "unavailable", "running"}},
	} {
		parameters := []string{"kind", step.kind}
		if step.kind == "" {
			parameters = nil
		}
		if err := operateOn(t, s, "faults", step.action, step.name, parameters...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, look()); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", step.action, step.kind, step.name, diff)
		}
	}
}

func TestFaultOfAnAttachmentWithdrawsItsRoutes(t *testing.T) {
	s := linkStore(t, `
name: x
vpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16}}
subnets: {a1: {vpc: a, cidr: 10.0.1.0/24, az: us-east-1a}, a2: {vpc: a, cidr: 10.0.2.0/24, az: us-east-1b}, b1: {vpc: b, cidr: 10.1.1.0/24}}
transitGateways: {hub: {}}
transitGatewayAttachments: {a: {transitGateway: hub, vpc: a, subnets: [a1, a2]}, b: {transitGateway: hub, vpc: b, subnets: [b1]}}
routeTables: {m: {vpc: a, main: true, routes: {10.1.0.0/16: hub}}}
transitGatewayRouteTables: {hub/default: {routes: {10.0.1.0/24: a}}}
`)
	look := func() (state string, zones int, vpcRoute string, routes []string) {
		w, _ := s.World()
		a := w.TransitGatewayAttachments["a"].Status
		for _, r := range w.RouteTables["m"].Status.Routes {
			if r.TargetKind == TargetTransitGateway {
				vpcRoute = r.State
			}
		}
		for _, r := range w.TransitGatewayRouteTables["hub/default"].Status.Routes {
			routes = append(routes, r.String()+" "+r.State)
		}
		if len(a.Interfaces) != 2 || a.Association != "hub/default" {
			t.Errorf("a fault must take neither interfaces nor the association: %+v", a)
		}
		return a.State.String(), len(a.AvailabilityZones), vpcRoute, routes
	}
	before, _ := s.World()
	_, _, _, up := look()
	if err := operateOn(t, s, "faults", "inject", "a", "kind", "transitGatewayAttachment"); err != nil {
		t.Fatal(err)
	}
	state, zones, vpcRoute, routes := look()
	want := []string{"10.0.1.0/24 → transitGatewayAttachment a (static) blackhole", "10.1.0.0/16 → transitGatewayAttachment b (propagated) active"}
	if diff := cmp.Diff(want, routes); diff != "" || state != "available" || zones != 2 || vpcRoute != RouteBlackhole {
		t.Errorf("%s in %d zones, VPC's route %s, routes (-want +got):\n%s", state, zones, vpcRoute, diff)
	}
	if err := operateOn(t, s, "faults", "clear", "a", "kind", "transitGatewayAttachment"); err != nil {
		t.Fatal(err)
	}
	if _, _, vpcRoute, routes := look(); vpcRoute != RouteActive || cmp.Diff(up, routes) != "" {
		t.Errorf("after repair: VPC's route %s, %v", vpcRoute, routes)
	}
	after, _ := s.World()
	if diff := cmp.Diff(before.TransitGatewayAttachments["a"].Status.Interfaces, after.TransitGatewayAttachments["a"].Status.Interfaces, compareAddresses); diff != "" {
		t.Errorf("the interfaces changed: %s", diff)
	}
	if err := operateOn(t, s, "faults", "inject", "us-east-1a", "kind", "az"); err != nil {
		t.Fatal(err)
	}
	if _, zones, vpcRoute, _ := look(); zones != 1 || vpcRoute != RouteActive {
		t.Errorf("with a zone down: %d zones, VPC's route %s", zones, vpcRoute)
	}
}

func TestFaultsGoWithTheFileThatDoesNotHaveThem(t *testing.T) {
	s := linkStore(t, twoRegions)
	if err := operateOn(t, s, "faults", "inject", "a1", "kind", "instance"); err != nil {
		t.Fatal(err)
	}
	w, err := Load("lab.yaml", []byte(twoRegions))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Apply(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	want := "~ instance a1\n    - fault: instance a1\n      it is back, with the addresses that it had; its programs begin anew\nPlan: 0 to create, 1 to update, 0 to replace, 0 to delete.\n"
	if diff := cmp.Diff(want, FormatPlan(changes)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestFaultOfALinkHasDirections(t *testing.T) {
	s := linkStore(t, twoRegions)
	for _, step := range []struct{ action, name, direction, want string }{
		{"inject", "us-east-1/eu-west-1", "forward", "link eu-west-1/us-east-1 reverse"},
		{"inject", "us-east-1/eu-west-1", "forward", "link eu-west-1/us-east-1 reverse"},
		{"inject", "eu-west-1/us-east-1", "", "link eu-west-1/us-east-1"},
		{"clear", "eu-west-1/us-east-1", "reverse", "link eu-west-1/us-east-1 forward"},
		{"clear", "eu-west-1/us-east-1", "", ""},
	} {
		parameters := []string{"kind", "link"}
		if step.direction != "" {
			parameters = append(parameters, "direction", step.direction)
		}
		if err := operateOn(t, s, "faults", step.action, step.name, parameters...); err != nil {
			t.Fatal(err)
		}
		w, _ := s.World()
		if got := w.Links["eu-west-1/us-east-1"].Status.Fault; got != step.want {
			t.Errorf("%s %s %s: fault %q, want %q", step.action, step.name, step.direction, got, step.want)
		}
	}
}

func TestBreakReturnsOnlyWhatWasNotBroken(t *testing.T) {
	w := open(t, twoRegions+"faults: instance a1\n")
	added := w.Break(Fault{Kind: "instance", Name: "a1"}, Fault{Kind: "instance", Name: "b1"})
	if got := added.String(); got != "instance b1" {
		t.Errorf("added %q", got)
	}
	w.Repair(added...)
	if got := w.Faults.String(); got != "instance a1" {
		t.Errorf("left %q", got)
	}
}

func TestFaultKindsAreAllListed(t *testing.T) {
	w := open(t, twoRegions)
	words, does := FaultKinds()
	if !slices.IsSorted(words) {
		t.Errorf("not sorted: %v", words)
	}
	for _, word := range words {
		if does[word] == "" || strings.ContainsAny(word, " /") {
			t.Errorf("%q does %q", word, does[word])
		}
		_ = FaultNames(w, word) // of every kind without a panic
	}
	if got := FaultNames(w, "az"); !slices.Equal(got, []string{"eu-west-1a", "us-east-1a", "us-east-1b"}) {
		t.Errorf("zones %v", got)
	}
}
