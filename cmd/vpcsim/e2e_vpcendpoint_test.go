package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/scenarios"
)

// endpointFile writes the embedded scenario with replacements.
func (u *user) endpointFile(name string, replacements ...string) string {
	u.t.Helper()
	_, text, err := scenarios.Read("vpc-endpoints")
	if err != nil {
		u.t.Fatal(err)
	}
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(replacements...).Replace(string(text))), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

func TestGatewayEndpointsWithRealPrograms(t *testing.T) {
	requirePrograms(t, "curl", "getent")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.ok("up", "-d", u.endpointFile("endpoints.yaml"))
		u.expectAll([]networkCase{
			{"E-C2 E5 curl by name", "worker", "curl -sS -m 5 http://s3.us-east-1.amazonaws.com/", `^s3\.us-east-1 \(198\.18\.0\.5\) answers 10\.0\.2\.10:\d+ through VPC endpoint vpce-\w+ of vpc-\w+`},
			{"E8 a bucket's name over IPv6", "worker", "curl -6 -sS -m 5 http://b1.s3.dualstack.us-east-1.amazonaws.com/k", `answers \[2001:db8:1:2::10\]:\d+ through VPC endpoint vpce-`},
			{"E-C6 S3 of another Region", "app", "curl -sS -m 5 http://s3.eu-west-1.amazonaws.com/", `answers 198\.51\.100\.50:\d+ over the Internet`},
			{"E3 over the Internet", "web", "curl -sS -m 5 http://s3.us-east-1.amazonaws.com/", `answers 198\.51\.100\.10:\d+ over the Internet`},
			{"the resolver", "worker", "getent ahosts dynamodb.us-east-1.api.aws", `(?s)198\.18\.4\.5.*`},
			{"E-C1 nothing else leaves", "worker", "curl -sS -m 0.5 http://203.0.113.5/", `timed out`},
		})
		u.cutByRoutes()
		if n := u.drops("bug"); n > 0 {
			t.Errorf("%d packets met a bug", n)
		}
	})
}

// cutByRoutes holds E6: a connection to a service does not outlive a change of its
// way, in either direction.
func (u *user) cutByRoutes() {
	u.t.Helper()
	const get = "GET / HTTP/1.1\r\nHost: s3\r\n\r\n"
	with := u.endpointFile("with.yaml")
	without := u.endpointFile("without.yaml", "routeTables: [isolated, private]", "routeTables: [isolated]")
	for _, way := range []struct{ was, is, file string }{{"through VPC endpoint", "over the Internet", without}, {"over the Internet", "through VPC endpoint", with}} {
		conn := u.tool("app", "dial", "198.18.0.5:80")
		conn.send(get)
		conn.expect(way.was)
		u.ok("apply", way.file)
		conn.send(get)
		if err := conn.cmd.Wait(); err == nil || !strings.Contains(conn.stderr.String(), "reset") {
			u.t.Errorf("E6 from %q to %q: the connection ended with %v: %s", way.was, way.is, err, conn.stderr)
		}
		u.expectOutput("app", "curl -sS -m 5 http://198.18.0.5/", way.is)
	}
}

func TestPrivateLinkWithRealPrograms(t *testing.T) {
	requirePrograms(t, "curl")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.ok("up", "-d", "privatelink")
		u.expectAll([]networkCase{
			{"E19 E22 curl by the service's private name", "shop", "curl -4 -sS -m 5 http://kv.example.com/", `^kv[12] \(10\.0\.[12]\.10\) answers 10\.0\.[12]\.4:\d+`},
			{"E18 IPv6", "shop", "curl -6 -sS -m 5 http://kv.example.com/", `answers \[2001:db8:1:[12]::4\]:`},
			{"E23 a service of AWS's", "shop", "curl -sS -m 5 http://10.0.1.4/", `^s3\.us-east-1 \(10\.0\.1\.4\) answers 10\.0\.1\.10:\d+ through VPC endpoint vpce-`},
			{"E-C17 pending", "partner", "curl -sS -m 0.5 http://10.3.1.4/", `timed out`},
		})
		u.ok("endpoint", "accept", "waiting")
		u.expectOutput("partner", "curl -sS -m 5 http://10.3.1.4/", `^kv1 \(10\.0\.1\.10\) answers 10\.0\.1\.4:`)
		u.ok("endpoint", "reject", "waiting")
		u.expectOutput("partner", "curl -sS -m 0.5 http://10.3.1.4/", `timed out`)
		if n := u.drops("bug"); n > 0 {
			t.Errorf("%d packets met a bug", n)
		}
	})
}

// TestCheckSeesASitesHostBehindAnEndpoint: what a host at a site sends to an endpoint
// begins in a tunnel, and who gets it is known by its way from there only (E21).
func TestCheckSeesASitesHostBehindAnEndpoint(t *testing.T) {
	u := newUser(t, nil)
	r := u.run("check", u.scenario("endpoint-by-vpn.yaml", `name: endpoint-by-vpn
vpcs: {consumer: {cidr: 10.0.0.0/16}, provider: {cidr: 10.0.0.0/16}}
vpnGateways: {vgw: {vpc: consumer}}
sites: {office: {networks: [10.50.0.0/16]}}
customerGateways: {office: {site: office}}
vpnConnections: {office: {customerGateway: office, vpnGateway: vgw, staticRoutes: [10.50.0.0/16]}}
siteHosts: {desk: {site: office, ip: 10.50.1.10}}
routeTables: {consumer: {vpc: consumer, main: true, propagate: [vgw]}}
subnets:
  consumer: {vpc: consumer, cidr: 10.0.1.0/24}
  provider: {vpc: provider, cidr: 10.0.1.0/24}
securityGroups:
  endpoint: {vpc: consumer, ingress: [{protocol: tcp, ports: 80, from: 10.50.0.0/16}]}
  target: {vpc: provider, ingress: [{protocol: tcp, ports: 8080, from: 10.0.1.0/24}]}
instances: {target: {subnet: provider, securityGroups: [target], serve: [http/8080]}}
targetGroups: {targets: {vpc: provider, port: 8080, targets: [target]}}
loadBalancers: {nlb: {subnets: [provider], listeners: [{port: 80, targetGroup: targets}]}}
vpcEndpointServices: {service: {loadBalancers: [nlb], acceptanceRequired: false, allowedPrincipals: ["*"]}}
vpcEndpoints: {door: {vpc: consumer, service: service, subnets: [consumer], securityGroups: [endpoint]}}
checks: [{from: desk, to: door, tcp: 80, source: nlb, wait: 10s}]
`))
	if r.code != exitOK {
		t.Error(r)
	}
}
