package scenarios

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// open loads an embedded scenario as the program does.
func open(t *testing.T, name string) *control.World {
	t.Helper()
	file, src, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := control.Open(file, src)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// checkOnMemory proves the checks of a scenario on a lab of its own.
func checkOnMemory(t *testing.T, w *control.World) []Result {
	t.Helper()
	m, err := NewMemory(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), m.World(), m, nil)
}

func TestEveryScenarioHoldsInMemory(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			w := open(t, name)
			if w.Name != name || w.Description == "" || len(w.Checks) == 0 {
				t.Errorf("name %q, description %q, %d checks", w.Name, w.Description, len(w.Checks))
			}
			for _, r := range checkOnMemory(t, w) {
				if !r.OK {
					t.Errorf("%s: %s", r.Check.String(), r.Got)
				}
			}
		})
	}
}

// A scenario teaches both families and both verdicts.
func TestEveryScenarioChecksBothFamiliesAndVerdicts(t *testing.T) {
	for _, name := range Names() {
		var v6, pass, drop bool
		for _, c := range open(t, name).Checks {
			v6 = v6 || c.Family == control.IPv6
			pass = pass || c.Expect == control.ExpectPass && !c.Observes()
			drop = drop || c.Expect == control.ExpectDrop
			if c.Expect == control.ExpectDrop && c.At == (control.Decider{}) {
				t.Errorf("%s: %s: a drop without at proves little", name, c.String())
			}
		}
		if !v6 || !pass || !drop {
			t.Errorf("%s: IPv6 %v, pass %v, drop %v", name, v6, pass, drop)
		}
	}
}

// What crosses from VPC to VPC, or from a site, may be translated on the way, or not:
// whoever checks that it arrives says as whom.
func TestEveryScenarioOfJoinedVPCsChecksSources(t *testing.T) {
	for _, name := range Names() {
		w := open(t, name)
		if len(w.VPCPeerings)+len(w.TransitGateways)+len(w.VPNConnections) == 0 {
			continue
		}
		for _, c := range w.Checks {
			if c.Expect == control.ExpectPass && c.Source == "" {
				t.Errorf("%s: %s: whom does the receiver see?", name, c.String())
			}
		}
	}
}

// The other side of every check must fail: a runner that always says yes would
// pass the test above.
func TestEveryCheckFailsWhenTurnedAround(t *testing.T) {
	for _, name := range Names() {
		w := open(t, name)
		for i := range w.Checks {
			c := &w.Checks[i]
			if c.Observes() {
				turnFactAround(c)
			} else if c.Expect == control.ExpectPass {
				c.Expect = control.ExpectDrop
			} else {
				c.Expect, c.At = control.ExpectPass, control.Decider{}
			}
		}
		for _, r := range checkOnMemory(t, w) {
			if r.OK {
				t.Errorf("%s: %s, turned around, held: %s", name, r.Check.String(), r.Got)
			}
		}
	}
}

// turnFactAround asks for what the lab does not say: a record that there is not, and
// a state that an alarm never gets into while the others hold.
func turnFactAround(c *control.Check) {
	if c.FlowLog != "" {
		c.Record = "SKIPDATA"
		return
	}
	c.Wait = 0
	if cloudwatch.State(c.State) == cloudwatch.StateOK {
		c.State = control.AlarmState(cloudwatch.StateAlarm)
	} else {
		c.State = control.AlarmState(cloudwatch.StateInsufficientData)
	}
}

func TestReadKnowsItsNames(t *testing.T) {
	if !slices.Contains(Names(), "quickstart") || !slices.IsSorted(Names()) {
		t.Errorf("no quickstart among %v, or they are not sorted", Names())
	}
	file, src, err := Read("quickstart")
	if err != nil || file != "quickstart.yaml" || len(src) == 0 {
		t.Errorf("%q, %d bytes, %v", file, len(src), err)
	}
	if _, _, err := Read("quick"); err == nil || !strings.Contains(err.Error(), "quickstart") {
		t.Errorf("unknown name: %v", err)
	}
}

// TestDropNamesWhatDecides holds what a learner reads when a check drops.
func TestDropNamesWhatDecides(t *testing.T) {
	for scenario, want := range map[string][]string{
		"quickstart": {
			"dropped at securityGroup web: no ingress rule allows tcp/22 from 203.0.113.10",
			"dropped at internet: 10.0.2.20 is a private address: it is not on the Internet",
			"dropped at natGateway nat: it answers nothing that went out through the gateway, which accepts no connections",
			"dropped at egressOnlyInternetGateway eigw: it answers nothing that went out through the gateway, which lets no connection in",
			"dropped at networkAcl data: ingress: no numbered rule matches",
			"answered; web saw source 203.0.113.10",
		},
		"overlapping": {
			"dropped at subnet blue: nobody in the subnet has 10.0.1.20: its ARP or neighbour discovery gets no answer",
			"answered; blue-web saw source 198.51.100.10",
			"dropped at internetGateway red-igw: 10.0.1.20 has no public address, so the gateway drops it",
		},
		"nacl-vs-sg": {
			"the request arrived, its answer was dropped at networkAcl no-replies: egress: no numbered rule matches tcp/32769 to 10.1.1.4",
			"dropped at networkAcl deny-first: ingress rule 90 deny tcp/22 from 0.0.0.0/0 matches tcp/22 from 10.1.1.4",
		},
		"nat-egress": {
			"answered; site saw source 198.51.100.10",
			"answered; partner saw source 100.64.4.10",
			"the request arrived, its answer was dropped at networkAcl replies-only: ingress: no numbered rule matches icmp type 0 code 0 from 203.0.113.5",
			"the request arrived, its answer was dropped at routeTable private-a: no route matches",
			"dropped at internetGateway igw: 100.64.4.10 has no public address",
		},
		"ipv6-only-nat64": {
			"answered; 64:ff9b::10.6.3.10 saw source 10.6.0.4",
			"dropped at securityGroup legacy: no ingress rule allows tcp/22 from 10.6.0.4",
			"dropped at networkAcl lab/default: egress rule 90 deny tcp/8080 to 64:ff9b::/96 matches tcp/8080 to 64:ff9b::cb00:7105",
		},
		"edge-inspection": {
			"answered; app saw source 203.0.113.5",
			"dropped at networkInterface careless/eth0: destination 10.7.2.10 is not one of its addresses, and its source/dest check is on",
		},
		"middlebox": {
			"dropped at networkInterface careless/eth0: destination 10.2.2.10 is not one of its addresses, and its source/dest check is on",
			"answered; db saw source 10.2.1.10",
		},
		"peering": {
			"answered; stock saw source 10.10.1.10",
			"the request arrived, its answer was dropped at routeTable archive: no route matches 10.10.1.10",
			"dropped at routeTable shop: 10.30.0.0/16 → vpcPeering shop-partner is a blackhole: vpcPeering shop-partner is pending-acceptance",
		},
		"peering-not-transitive": {
			"dropped at vpcPeering hub-red: destination 10.13.1.10 is not in vpc hub: a peering leads to the other VPC, and to no gateway and no other peering behind it",
			"dropped at vpcPeering hub-red: destination 203.0.113.5 is not in vpc hub",
		},
		"transit-hub": {
			"dropped at transitGatewayRouteTable isolated: no route matches 10.22.1.10",
			"dropped at transitGatewayRouteTable shared: 10.22.9.0/24 → blackhole (static): the route drops what it matches",
			"dropped at transitGatewayAttachment hub-red: the attachment has no subnet in the sender's Availability Zone us-east-1b",
		},
		"central-egress": {
			"answered; site saw source 198.51.100.50",
			"dropped at internetGateway igw: source 2001:db8:32:1::4 is no address of its VPC, and an Internet gateway lets no other VPC out",
			"the request arrived, its answer was dropped at internetGateway igw: source 203.0.113.5 is no address of its VPC",
		},
		"inspection": {
			"the request arrived, its answer was dropped at securityGroup oblivious: no ingress rule allows icmp type 0 code 0 from 10.43.2.10",
		},
		"inter-region-tgw": {
			"the request arrived, its answer was dropped at transitGatewayRouteTable hub-west/default: no route matches 10.52.1.10",
		},
		"site-to-site-bgp": {
			"answered; printer saw source 10.0.1.10",
			"dropped at securityGroup web: no ingress rule allows icmp type 8 code 0 from 10.50.2.20",
			"the request arrived, its answer was dropped at routeTable isolated: no route matches 10.50.1.10",
		},
		"site-to-site-static": {
			"the request arrived, its answer was dropped at vpnGateway vgw: no route matches 10.70.2.10",
			"dropped at vpnGateway vgw: no route matches 10.70.1.10",
		},
		"vpn-failover": {
			"dropped at siteHost files: it is down, fault site main",
			"dropped at routeTable app: no route matches 10.80.1.10",
		},
		"cloudhub": {
			"answered; paul saw source 10.92.1.10",
			"dropped at internet: 10.93.200.10 is a private address: it is not on the Internet",
			"dropped at internet: source 2001:db8:9100::4 is no address of the sender's, and its provider lets nothing else out",
		},
		"vpn-tgw-ecmp": {
			"answered; data saw source 2001:db8:a100::10",
			"dropped at transitGatewayRouteTable hub/default: no route matches 10.101.1.10",
		},
		"privatelink": {
			"answered; 10.0.1.200 saw source 10.0.1.4",
			"dropped at vpcEndpoint waiting: the endpoint is not available",
			"dropped at loadBalancer kv-nlb: no target in service for it",
		},
		"vpc-endpoints": {
			"answered; s3.us-east-1 saw source 10.0.2.10",
			"dropped at securityGroup s3: no egress rule allows tcp/80 to 198.18.4.5",
			"dropped at vpcPeering app-other: destination 198.18.0.5 is not in vpc app",
		},
		"tgw-connect": {
			"answered; shop saw source 10.80.0.1",
			"answered; shop saw source 2001:db8:8000::1",
			"dropped at securityGroup app: no ingress rule allows tcp/22 from 10.80.0.1",
			"dropped at transitGatewayRouteTable hub/default: no route matches 10.89.0.1",
		},
		"site-to-site-ipv6": {
			"answered; web saw source 2001:db8:c100::10",
			"dropped at transitGatewayRouteTable hub/default: no route matches 2001:db8:c100::20",
		},
		"office-through-transit": {
			"dropped at transitGatewayRouteTable office: 10.65.9.0/24 → blackhole (static): the route drops what it matches",
		},
	} {
		var all strings.Builder
		for _, r := range checkOnMemory(t, open(t, scenario)) {
			all.WriteString(r.Got + "\n")
		}
		for _, w := range want {
			if !strings.Contains(all.String(), w) {
				t.Errorf("%s: nothing says %q in:\n%s", scenario, w, all.String())
			}
		}
	}
}

func TestRunReportsEachResultInOrder(t *testing.T) {
	m, err := NewMemory(t.Context(), open(t, "quickstart"))
	if err != nil {
		t.Fatal(err)
	}
	var reported []Result
	results := Run(t.Context(), m.World(), m, func(r Result) { reported = append(reported, r) })
	if len(results) != len(m.World().Checks) || !reflect.DeepEqual(results, reported) {
		t.Errorf("%d results, %d reported", len(results), len(reported))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range Run(ctx, m.World(), m, nil) {
		if r.OK || !strings.HasPrefix(r.Got, "not run") {
			t.Errorf("cancelled: %s: %v %s", r.Check.String(), r.OK, r.Got)
		}
	}
}
