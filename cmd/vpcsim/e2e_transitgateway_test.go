package main

import (
	"strings"
	"testing"
)

// sharedLab has a gateway that no other account uses yet. VPC app is another account's;
// an attachment of its was there once, and has left a blackhole.
const sharedLab = `
name: shared
vpcs:
  data: {cidr: 10.1.0.0/16}
  app:  {cidr: 10.2.0.0/16, account: 210987654321}
transitGateways: {hub: {}}
transitGatewayAttachments:
  hub-data: {transitGateway: hub, vpc: data, subnets: [data]}
  hub-app:  {transitGateway: hub, vpc: app,  subnets: [app], state: deleted}
routeTables:
  data: {vpc: data, main: true, routes: {10.2.0.0/16: hub}}
  app:  {vpc: app,  main: true, routes: {10.1.0.0/16: hub}}
subnets:
  data: {vpc: data, cidr: 10.1.1.0/24}
  app:  {vpc: app,  cidr: 10.2.1.0/24}
securityGroups:
  app: {vpc: app, ingress: [{protocol: icmp, from: 10.1.0.0/16}]}
instances:
  data: {subnet: data, ip: 10.1.1.10}
  app:  {subnet: app,  ip: 10.2.1.10, securityGroups: [app]}
`

// TestTransitGatewayIsSharedAndTakenBack is a shared gateway's life with packets: each
// command takes effect at once, and what is refused says why.
func TestTransitGatewayIsSharedAndTakenBack(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "ping")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.scenario("shared.yaml", sharedLab))
		ping := func(want string) { t.Helper(); u.expectOutput("data", "ping -c 1 -W 1 10.2.1.10", want) }
		refused := func(why string, args ...string) {
			t.Helper()
			if r := u.run(args...); r.code == exitOK || !strings.Contains(r.stderr, why) {
				t.Errorf("%v: exit %d, %q; want an error with %q", args, r.code, r.stderr, why)
			}
		}
		attach := []string{"transit-gateway", "attach", "hub-app", "--transit-gateway", "hub", "--vpc", "app", "--subnets", "app"}
		refused("Transit Gateway hub was deleted or does not exist", attach...)
		refused("nobody is invited", "transit-gateway", "accept-share", "hub")
		u.ok("transit-gateway", "share", "hub", "--with", "210987654321")
		u.ok("transit-gateway", "accept-share", "hub")
		if r := u.ok(attach...); !strings.Contains(r.stdout, "hub-app is pendingAcceptance") {
			t.Errorf("attach said %q", r.stdout)
		}
		ping(`0 received`)
		u.ok("transit-gateway", "accept", "hub-app")
		ping(`1 received`)
		refused("account 210987654321 has attachment hub-app", "transit-gateway", "unshare", "hub", "--with", "210987654321")
		ping(`1 received`)
		u.ok("transit-gateway", "delete", "hub-app")
		ping(`0 received`)
		const why = "the attachment of vpc app to transitGateway hub is deleted"
		for to, want := range map[string]string{"app data": why, "data app": "transitGatewayRouteTable hub/default: no route matches 10.2.1.10"} {
			from, to, _ := strings.Cut(to, " ")
			if got := u.traced(from, to, "icmp"); !strings.Contains(got, want) {
				t.Errorf("from %s to %s: %s; want %q", from, to, got, want)
			}
		}
		u.ok("transit-gateway", "unshare", "hub", "--with", "210987654321")
		refused("Transit Gateway hub was deleted or does not exist", attach...)
	})
}
