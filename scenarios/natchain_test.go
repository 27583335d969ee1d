package scenarios

import (
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// natChainWorld: instances behind a private NAT gateway, whose way to the Internet is
// another VPC's public one, past a transit gateway; and clients of a Client VPN
// endpoint in a subnet that has its way to the Internet by a NAT gateway.
const natChainWorld = `name: lab
vpcs: {spoke: {cidr: 10.0.0.0/16}, egress: {cidr: 10.2.0.0/16}}
transitGateways: {hub: {}}
transitGatewayAttachments:
  spoke:  {transitGateway: hub, vpc: spoke, subnets: [hub-spoke]}
  egress: {transitGateway: hub, vpc: egress, subnets: [hub-egress]}
transitGatewayRouteTables: {hub/default: {routes: {0.0.0.0/0: egress}}}
internetGateways: {igw: {vpc: egress}}
natGateways: {private: {subnet: nat, connectivity: private}, public: {subnet: edge}}
routeTables:
  spoke:  {vpc: spoke, main: true, routes: {0.0.0.0/0: private}}
  nat:    {vpc: spoke, routes: {0.0.0.0/0: hub}}
  egress: {vpc: egress, main: true, routes: {0.0.0.0/0: public, 10.0.0.0/16: hub}}
  edge:   {vpc: egress, routes: {0.0.0.0/0: igw, 10.0.0.0/16: hub}}
subnets:
  app:        {vpc: spoke, cidr: 10.0.1.0/24, az: us-east-1a}
  nat:        {vpc: spoke, cidr: 10.0.2.0/24, az: us-east-1a, routeTable: nat}
  hub-spoke:  {vpc: spoke, cidr: 10.0.3.0/24, az: us-east-1a}
  hub-egress: {vpc: egress, cidr: 10.2.1.0/24, az: us-east-1a}
  edge:       {vpc: egress, cidr: 10.2.2.0/24, az: us-east-1a, routeTable: edge}
securityGroups:
  open: {vpc: egress, ingress: [{protocol: all, from: 10.0.2.0/24}]}
instances:
  web:    {subnet: app}
  behind: {subnet: hub-egress, securityGroups: [open], serve: [http/80]}
internetHosts: {x: {ip: 203.0.113.9, serve: [http/80, udp/53]}}
clientVpnEndpoints:
  door:
    clientCidr: 172.20.0.0/22
    associations: [hub-egress]
    routes: {0.0.0.0/0: hub-egress}
    authorizationRules: [{cidr: 0.0.0.0/0, groups: all}]
  far:
    clientCidr: 172.24.0.0/22
    associations: [app]
    routes: {0.0.0.0/0: app}
    authorizationRules: [{cidr: 0.0.0.0/0, groups: all}]
vpnClients: {anna: {endpoint: door}, ben: {endpoint: far}}
`

// A packet that several gateways translate is remembered by each of them.
func TestGatewaysTranslateOneAfterTheOther(t *testing.T) {
	for name, check := range map[string]string{
		"R41 private NAT gateway, transit gateway":               "from: web, to: behind, tcp: 80, source: private",
		"R41 private and public NAT gateway":                     "from: web, to: x, tcp: 80, source: public",
		"R41 private and public NAT gateway, UDP":                "from: web, to: x, udp: 53, source: public",
		"R41 private and public NAT gateway, ping":               "from: web, to: x, ping: true, source: public",
		"C8 Client VPN and NAT gateway":                          "from: anna, to: x, tcp: 80, source: public",
		"C8 Client VPN and NAT gateway, ping":                    "from: anna, to: x, ping: true, source: public",
		"C8 Client VPN, private and public NAT gateway":          "from: ben, to: x, tcp: 80, source: public",
		"C8 Client VPN, private and public NAT gateway, UDP":     "from: ben, to: x, udp: 53, source: public",
		"C8 R46 Client VPN and private NAT gateway, transit hub": "from: ben, to: behind, tcp: 80, source: private",
	} {
		t.Run(name, func(t *testing.T) {
			w, err := control.Open("lab.yaml", []byte(natChainWorld+"checks: [{"+check+"}]\n"))
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
