package control

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// clientTransitLab has an endpoint that a test writes, at a gateway with one VPC.
const clientTransitLab = `
name: lab
transitGateways: {hub: {cidrs: [192.0.2.0/24]}, bare: {}}
vpcs: {app: {cidr: 10.0.0.0/16, ipv6: "2001:db8:80::/56"}}
subnets: {a: {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a}}
securityGroups: {web: {vpc: app}}
transitGatewayAttachments: {app: {transitGateway: hub, vpc: app, subnets: [a]}}
routeTables: {app: {vpc: app, main: true, routes: {172.20.0.0/22: hub}}}
clientVpnEndpoints:
  corp: {%s}
vpnClients:
  anna: {endpoint: corp}
  ben: {endpoint: corp}
  carl: {endpoint: corp, inLab: false}
`

const atHub = "clientCidr: 172.20.0.0/22, transitGateway: hub"

func TestValidateClientVPNAtATransitGateway_C11(t *testing.T) {
	at := "clientVpnEndpoints.corp"
	for name, tc := range map[string]struct {
		fields string
		want   []string
	}{
		"at a gateway": {atHub + `, trafficIpAddressType: dual-stack, availabilityZones: [us-east-1b, us-east-1a],
    routes: {10.0.0.0/16: corp, "2001:db8:80::/56": corp, 0.0.0.0/0: corp, 172.20.0.0/22: local}`, nil},
		"IPv6 alone": {`transitGateway: hub, trafficIpAddressType: ipv6, routes: {"::/0": corp}`, nil},
		"no such gateway": {"clientCidr: 172.20.0.0/22, transitGateway: nowhere", []string{
			at + `.transitGateway [InvalidTransitGatewayID.NotFound] no transit gateway named "nowhere"`}},
		"beside target networks": {atHub + ", associations: [a]", []string{
			at + `.associations [InvalidParameterCombination] A Client VPN endpoint has target networks or a transit gateway, not both`}},
		"with security groups": {atHub + ", securityGroups: [web]", []string{
			at + `.securityGroups [InvalidParameterCombination] A Client VPN endpoint at a transit gateway has no network interfaces, and no security groups`}},
		"a gateway without a block": {"clientCidr: 172.20.0.0/22, transitGateway: bare", []string{
			at + `.transitGateway [InvalidParameterValue] Transit Gateway bare has no CIDR block, which a Client VPN attachment needs.`}},
		"the gateway's block": {"clientCidr: 192.0.0.0/20, transitGateway: hub", []string{
			at + `.clientCidr [InvalidParameterValue] The client CIDR block 192.0.0.0/20 overlaps a CIDR block of transit gateway hub.`}},
		"zones": {atHub + ", availabilityZones: [us-east-1a, us-west-2a, us-east-1a, us-east-1]", []string{
			at + `.availabilityZones[1] [InvalidParameterValue] Value (us-west-2a) for parameter availabilityZones is invalid.`,
			at + `.availabilityZones[2] [InvalidParameterValue] us-east-1a is in the list twice`,
			at + `.availabilityZones[3] [InvalidParameterValue] Value (us-east-1) for parameter availabilityZones is invalid.`}},
		"zones without a gateway": {"clientCidr: 172.20.0.0/22, associations: [a], availabilityZones: [us-east-1a]", []string{
			at + `.availabilityZones [InvalidParameterCombination] A Client VPN endpoint with target networks is in their Availability Zones`}},
		"another's attachment": {atHub + ", routes: {10.0.0.0/16: app}", []string{
			at + `.routes["10.0.0.0/16"] [InvalidTransitGatewayAttachmentID.NotFound] The attachment app is not that of the Client VPN endpoint.`}},
		"a route twice": {atHub + ", routes: {10.0.0.0/16: [corp, corp]}", []string{
			at + `.routes["10.0.0.0/16"][1] [InvalidClientVpnDuplicateRoute] The route by corp already exists.`}},
		"clients by a route": {atHub + ", routes: {172.20.0.0/24: corp}", []string{
			at + `.routes["172.20.0.0/24"] [InvalidClientVpnSubnetId.OverlappingCidr] 172.20.0.0/24 overlaps the client CIDR block 172.20.0.0/22`}},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblems(t, fmt.Sprintf(clientTransitLab, tc.fields), tc.want...)
		})
	}
	t.Run("the name of another attachment", func(t *testing.T) {
		wantProblems(t, `
name: lab
transitGateways: {hub: {cidrs: [192.0.2.0/24]}}
customerGateways: {s: {site: s}}
sites: {s: {networks: [10.50.0.0/16]}}
vpnConnections: {corp: {customerGateway: s, transitGateway: hub}}
clientVpnEndpoints: {corp: {clientCidr: 172.20.0.0/22, transitGateway: hub}}
`, at+` [] "corp" is also the name of a transit gateway attachment, or of a VPN connection that has one`)
	})
}

// C11: the attachment is the endpoint's own; what it propagates is the clients' blocks.
func TestClientVPNAtATransitGateway_C11(t *testing.T) {
	w, _ := applied(t, fmt.Sprintf(clientTransitLab, atHub+`, trafficIpAddressType: dual-stack, availabilityZones: [us-east-1a, us-east-1b],
    routes: {10.0.0.0/16: corp, 172.20.0.0/22: local}`))
	e, a := w.ClientVPNEndpoints["corp"], w.TransitGatewayAttachments["corp"]
	if e.Status.State != ClientVPNAvailable || e.Status.TransitGatewayAttachment != "corp" || e.Status.VPC != "" || len(e.Status.SecurityGroups) != 0 {
		t.Errorf("endpoint %+v", e.Status)
	}
	if a == nil || a.Status.ResourceType != AttachmentClientVPN || a.Status.ClientVPNEndpoint != "corp" || a.Status.Association != "hub/default" {
		t.Fatalf("attachment %+v", a)
	}
	block := e.Status.IPv6CIDR
	if block.Bits() != 64 || !netip.MustParsePrefix("fc00::/7").Overlaps(block) {
		t.Errorf("IPv6 block %s", block)
	}
	var routes []string
	for _, r := range w.TransitGatewayRouteTables["hub/default"].Status.Routes {
		routes = append(routes, r.String())
	}
	want := []string{
		"10.0.0.0/16 → transitGatewayAttachment app (propagated)", "172.20.0.0/22 → transitGatewayAttachment corp (propagated)",
		"2001:db8:80::/56 → transitGatewayAttachment app (propagated)", block.String() + " → transitGatewayAttachment corp (propagated)",
	}
	if diff := cmp.Diff(want, routes); diff != "" {
		t.Error(diff)
	}
	var clients []string
	for _, name := range []string{"anna", "ben", "carl"} {
		s := w.VPNClients[name].Status
		if !block.Contains(s.IPv6) {
			t.Errorf("%s has %s", name, s.IPv6)
		}
		clients = append(clients, fmt.Sprint(s.Address, s.SourceIP, s.Subnet, s.AvailabilityZone))
	}
	if diff := cmp.Diff([]string{"172.20.0.2 172.20.0.2us-east-1a", "172.20.0.3 172.20.0.3us-east-1b", "172.20.0.4 172.20.0.4us-east-1a"}, clients); diff != "" {
		t.Error(diff)
	}
	b := build(w, 1)
	if len(b.TransitGatewayClientVPNAttachments) != 1 || len(b.ClientVPNEndpoints[0].Associations) != 0 {
		t.Errorf("attachments %+v, endpoint %+v", b.TransitGatewayClientVPNAttachments, b.ClientVPNEndpoints[0])
	}
	attachment := dataplane.Handle(a.Status.Handle)
	if got := b.ClientVPNEndpoints[0]; got.Attachment != attachment || len(got.Routes) != 2 || got.Routes[0].Association != attachment || got.Routes[1].Association != 0 {
		t.Errorf("endpoint %+v", got)
	}
	if _, err := b.Seal(); err != nil {
		t.Error(err)
	}
}

// T6: of equal blocks Client VPN's comes after the others, and C11: without propagation
// there is none.
func TestClientVPNRoutesComeAfterOthers_T6(t *testing.T) {
	table := "transitGatewayRouteTables: {hub/default: {associations: [app, corp], %s}}"
	for name, tc := range map[string]struct{ table, want string }{
		"propagated":     {"propagations: [corp]", "172.20.0.0/22 → transitGatewayAttachment corp (propagated)"},
		"not propagated": {"propagations: [app]", ""},
		"static":         {"propagations: [corp], routes: {172.20.0.0/22: blackhole}", "172.20.0.0/22 → blackhole (static)"},
		"static to it":   {"propagations: [app], routes: {172.20.0.0/22: corp}", "172.20.0.0/22 → transitGatewayAttachment corp (static)"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := applied(t, fmt.Sprintf(clientTransitLab, atHub)+fmt.Sprintf(table, tc.table)+"\n")
			got := ""
			for _, r := range w.TransitGatewayRouteTables["hub/default"].Status.Routes {
				if r.Destination == netip.MustParsePrefix("172.20.0.0/22") {
					got = r.String()
				}
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// A client whose zone is down lands in another, as who it was; a fault of the attachment
// disconnects nobody, and takes the way back away.
func TestFaultsOfClientVPNAtATransitGateway(t *testing.T) {
	src := fmt.Sprintf(clientTransitLab, atHub+", trafficIpAddressType: dual-stack, availabilityZones: [us-east-1a, us-east-1b]")
	w, store := applied(t, src)
	before := w.VPNClients["anna"].Status
	for _, tc := range []struct { // in this order: clients stay where they landed
		name, fault, zone string
		attachments       int
	}{
		{"the attachment", "transitGatewayAttachment corp", "us-east-1a", 0},
		{"a zone", "az us-east-1a", "us-east-1b", 1},
		{"the endpoint", "clientVpnEndpoint corp", "", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := store.Apply(t.Context(), open(t, src+"faults: ["+tc.fault+"]\n")); err != nil {
				t.Fatal(err)
			}
			broken, _ := store.World()
			after := broken.VPNClients["anna"].Status
			if after.AvailabilityZone != tc.zone || after.Address != before.Address || tc.zone != "" && after.IPv6 != before.IPv6 {
				t.Errorf("%+v, before %+v", after, before)
			}
			b := build(broken, 2)
			if len(b.TransitGatewayClientVPNAttachments) != tc.attachments {
				t.Errorf("%d attachments", len(b.TransitGatewayClientVPNAttachments))
			}
			if _, err := b.Seal(); err != nil {
				t.Error(err)
			}
			propagated := slices.ContainsFunc(broken.TransitGatewayRouteTables["hub/default"].Status.Routes, func(r TransitGatewayRoute) bool { return r.Attachment == "corp" })
			if propagated != (tc.attachments > 0) {
				t.Errorf("propagated: %v", propagated)
			}
		})
	}
}
