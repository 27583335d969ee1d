package scenarios

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/connectivity.md section 5 and the worked examples CV-*: Client
// VPN, IPv4 only. Each is a check of its own on a lab of its own.

// clientVPNWorld is VPC v, peered with w, that people connect to: d, m and e of the
// groups grpD, grpM and grpE, and two of eng.
const clientVPNWorld = `
vpcs: {v: {cidr: 10.0.0.0/16}, w: {cidr: 10.1.0.0/16}}
vpcPeerings: {vw: {vpc: v, peerVpc: w}}
internetGateways: {igw: {vpc: v}}
vpnGateways: {vgw: {vpc: v}}
routeTables:
  v: {vpc: v, main: true, routes: {0.0.0.0/0: igw, 10.1.0.0/16: vw}, propagate: [vgw]}
  w: {vpc: w, main: true, routes: {10.0.0.0/16: vw}}
subnets:
  a: {vpc: v, cidr: 10.0.1.0/24, az: us-east-1a}
  b: {vpc: v, cidr: 10.0.2.0/24, az: us-east-1b}
  w: {vpc: w, cidr: 10.1.0.0/24}
securityGroups:
  vpn:    {vpc: v}
  open:   {vpc: v, ingress: [{protocol: all, from: 0.0.0.0/0}]}
  byVpn:  {vpc: v, ingress: [{protocol: tcp, ports: 80, from: vpn}]}
  byCidr: {vpc: v, ingress: [{protocol: tcp, ports: 80, from: 172.20.0.0/22}]}
  w:      {vpc: w, ingress: [{protocol: all, from: 0.0.0.0/0}]}
instances:
  h118: {subnet: b, ip: 10.0.2.118, securityGroups: [open], serve: [http/80, udp/53]}
  h119: {subnet: b, ip: 10.0.2.119, securityGroups: [open], serve: [http/80]}
  ref:  {subnet: b, ip: 10.0.2.30, securityGroups: [byVpn], serve: [http/80]}
  cidr: {subnet: b, ip: 10.0.2.31, securityGroups: [byCidr], serve: [http/80]}
  peer: {subnet: w, ip: 10.1.0.5, securityGroups: [w], serve: [http/80]}
internetHosts: {x: {ip: 203.0.113.8, serve: [http/80]}}
sites: {office: {networks: [10.50.0.0/16]}}
siteHosts: {desk: {site: office, ip: 10.50.1.9, serve: [http/80]}}
customerGateways: {office: {site: office}}
vpnConnections: {office: {customerGateway: office, vpnGateway: vgw}}
clientVpnEndpoints:
  corp: {clientCidr: 172.20.0.0/22, securityGroups: [vpn], associations: [a], %fields}
vpnClients:
  d:  {endpoint: corp, groups: [grpD], internetIp: 203.0.113.77}
  m:  {endpoint: corp, groups: [grpM]}
  e:  {endpoint: corp, groups: [grpE]}
  e1: {endpoint: corp, groups: [eng]}
  e2: {endpoint: corp, groups: [eng], serve: [http/80]}
`

func TestClientVPNSemantics(t *testing.T) {
	const (
		all   = "authorizationRules: [{cidr: 10.0.0.0/16, groups: all}]"
		kc19  = "routes: {0.0.0.0/0: a}, authorizationRules: [{cidr: 10.0.0.0/16, groups: grpD}, {cidr: 10.0.2.119/32, groups: grpM}, {cidr: 172.16.0.0/24, groups: grpE}, {cidr: 0.0.0.0/0, groups: grpM}]"
		drop  = ", expect: drop, at: "
		endpt = drop + "clientVpnEndpoint corp"
	)
	for _, c := range []struct{ name, fields, check string }{
		{name: "K-C18 C6 CV-1 the target sees the interface", fields: all, check: "from: d, to: h118, tcp: 80, source: corp"},
		{name: "K-C18 C7 CV-6 a rule for the endpoint's group matches", fields: all, check: "from: d, to: ref, tcp: 80, source: corp"},
		{name: "K-C18 CV-6 a rule for the client CIDR does not", fields: all, check: "from: d, to: cidr, tcp: 80" + drop + "securityGroup byCidr"},
		{name: "K-C19 D to .119", fields: kc19, check: "from: d, to: h119, tcp: 80" + endpt},
		{name: "K-C19 D to .118", fields: kc19, check: "from: d, to: h118, tcp: 80"},
		{name: "K-C19 M to 172.16.0.9", fields: kc19, check: "from: m, to: 172.16.0.9, tcp: 80" + endpt},
		{name: "K-C19 M to the Internet", fields: kc19, check: "from: m, to: x, tcp: 80, source: corp"},
		{name: "K-C19 E to the Internet", fields: kc19, check: "from: e, to: x, tcp: 80" + endpt},
		{name: "K-C20 split tunnel without a route: not in the tunnel", fields: "splitTunnel: true, " + all, check: "from: d, to: 10.1.0.5, tcp: 80" + drop + "internet"},
		{name: "K-C20 full tunnel without a route", fields: all, check: "from: d, to: 10.1.0.5, tcp: 80" + endpt},
		{name: "K-C20 CV-2 route and rule", fields: "splitTunnel: true, routes: {10.1.0.0/16: a}, authorizationRules: [{cidr: 10.1.0.0/16, groups: grpD}]", check: "from: d, to: 10.1.0.5, tcp: 80, source: corp"},
		{name: "CV-2 without the rule", fields: "routes: {10.1.0.0/16: a}", check: "from: d, to: 10.1.0.5, tcp: 80" + endpt},
		{name: "CV-3 C8 a site over the VPN", fields: "routes: {10.50.0.0/16: a}, authorizationRules: [{cidr: 10.50.0.0/16, groups: all}]", check: "from: d, to: desk, tcp: 80, source: corp"},
		{name: "CV-4 C8 the Internet", fields: "routes: {0.0.0.0/0: a}, authorizationRules: [{cidr: 0.0.0.0/0, groups: all}]", check: "from: d, to: x, ping: true, source: corp"},
		{name: "CV-14 split tunnel: the Internet as oneself", fields: "splitTunnel: true, " + all, check: "from: d, to: x, tcp: 80, source: 203.0.113.77"},
		{name: "C9 client to client", fields: "routes: {172.20.0.0/22: local}, authorizationRules: [{cidr: 172.20.0.0/22, groups: all}]", check: "from: e1, to: e2, tcp: 80, source: e1"},
		{name: "C9 not by a group's rule", fields: "routes: {172.20.0.0/22: local}, authorizationRules: [{cidr: 172.20.0.0/22, groups: eng}]", check: "from: e1, to: e2, tcp: 80" + endpt},
		{name: "C9 the VPC opens nothing", fields: all, check: "from: h118, to: e2, tcp: 80" + drop + "internetGateway igw"},
		{name: "C4 no rule", fields: "routes: {0.0.0.0/0: a}", check: "from: d, to: h118, udp: 53" + endpt},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "name: lab" + strings.Replace(clientVPNWorld, "%fields", c.fields, 1) + "checks: [{" + c.check + "}]\n"
			w, err := control.Open("lab.yaml", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range checkOnMemory(t, w) {
				if !r.OK {
					t.Error(r.Got)
				}
			}
		})
	}
}
