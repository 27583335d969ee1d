package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of each blackhole it is told why it is one (R19, R20, P7), and the words go where
// the packets are explained.
func TestBlackholesSayWhy(t *testing.T) {
	s := linkStore(t, `
name: x
vpcs: {a: {cidr: 10.0.0.0/16, ipv6: "2001:db8:a::/56"}, b: {cidr: 10.1.0.0/16}, c: {cidr: 10.2.0.0/16}}
subnets: {a1: {vpc: a, cidr: 10.0.1.0/24}, b1: {vpc: b, cidr: 10.1.1.0/24}}
internetGateways: {loose: {}}
vpnGateways: {vgw: {}}
vpcPeerings: {asked: {vpc: a, peerVpc: b, state: pending-acceptance}, up: {vpc: a, peerVpc: c}}
transitGateways: {hub: {}}
transitGatewayAttachments: {a: {transitGateway: hub, vpc: a, subnets: [a1]}}
instances: {fw: {subnet: a1, stopped: true, sourceDestCheck: false}, gone: {subnet: a1, sourceDestCheck: false}}
routeTables:
  m:
    vpc: a
    main: true
    routes:
      10.1.0.0/16: asked
      10.2.0.0/16: up
      10.3.0.0/16: hub
      10.4.0.0/16: fw
      10.5.0.0/16: gone
      10.6.0.0/16: vgw
      0.0.0.0/0: loose
faults: [instance gone, vpcPeering up, transitGatewayAttachment a]
`)
	w, _ := s.World()
	got := map[string]string{}
	for _, r := range w.RouteTables["m"].Status.Routes {
		if r.State == RouteBlackhole {
			got[r.Destination.String()] = r.StateReason
		} else if r.StateReason != "" {
			t.Errorf("%s is active, and says %q", r.Destination, r.StateReason)
		}
	}
	want := map[string]string{
		"10.1.0.0/16": "vpcPeering asked is pending-acceptance",
		"10.2.0.0/16": "fault vpcPeering up",
		"10.3.0.0/16": "fault transitGatewayAttachment a",
		"10.4.0.0/16": "instance fw is stopped",
		"10.5.0.0/16": "fault instance gone",
		"10.6.0.0/16": "vpnGateway vgw is attached to no vpc",
		"0.0.0.0/0":   "internetGateway loose is attached to no vpc",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
