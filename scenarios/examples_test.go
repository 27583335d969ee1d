package scenarios

import (
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// AWS's own worked examples (semantics/examples.md) that are not beside the
// cases they illustrate.

// NA-01: the custom network ACL of the user guide.
func TestNA_01CustomNetworkACL(t *testing.T) {
	const world = `
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
routeTables: {r: {vpc: v, main: true, routes: {0.0.0.0/0: igw}}}
networkAcls:
  custom:
    vpc: v
    ingress:
      - {rule: 100, action: allow, protocol: tcp, ports: 80, cidr: 0.0.0.0/0}
      - {rule: 110, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}
      - {rule: 120, action: allow, protocol: tcp, ports: 22, cidr: 192.0.2.0/24}
      - {rule: 130, action: allow, protocol: tcp, ports: 3389, cidr: 192.0.2.0/24}
      - {rule: 140, action: allow, protocol: tcp, ports: 32768-65535, cidr: 0.0.0.0/0}
    egress:
      - {rule: 100, action: allow, protocol: tcp, ports: 80, cidr: 0.0.0.0/0}
      - {rule: 110, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}
      - {rule: 120, action: allow, protocol: tcp, ports: 1024-65535, cidr: 192.0.2.0/24}
      - {rule: 140, action: allow, protocol: tcp, ports: 32768-65535, cidr: 0.0.0.0/0}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24, networkAcl: custom}}
securityGroups: {open: {vpc: v, ingress: [{protocol: all, from: 0.0.0.0/0}]}}
instances: {i: {subnet: s, ip: 10.0.1.10, publicIp: 198.51.100.10, securityGroups: [open]}}
internetHosts: {home: {ip: 192.0.2.9}, x: {ip: 203.0.113.9}}
`
	const in, out = "delivered to i | i ingress ACCEPT", "delivered to x | i egress ACCEPT"
	const refusedIn, refusedOut = "dropped at networkAcl custom rule * | i ingress REJECT", "dropped at networkAcl custom rule * | i egress REJECT"
	play(t, []semanticsCase{{name: "NA-01", only: control.IPv4, world: world, steps: []step{
		{from: "x", to: "eip:i", msg: tcp(40000, 443, syn), want: in},
		{from: "i", to: "x", msg: tcp(443, 40000, synAck), want: out},
		{from: "x", to: "eip:i", msg: tcp(40000, 139, syn), want: refusedIn},
		{from: "home", to: "eip:i", msg: tcp(20000, 22, syn), want: in},
		{from: "i", to: "home", msg: tcp(22, 20000, synAck), want: "delivered to home | i egress ACCEPT"},
		{from: "x", to: "eip:i", msg: tcp(40000, 22, syn), want: refusedIn},
		{from: "x", to: "eip:i", msg: tcp(20000, 80, syn), want: in},
		{from: "i", to: "x", msg: tcp(80, 20000, synAck), want: refusedOut},
		{from: "i", to: "x", msg: tcp(40000, 80, syn), want: out},
		{from: "x", to: "eip:i", msg: tcp(80, 40000, synAck), want: in},
		{from: "i", to: "x", msg: tcp(40001, 8080, syn), want: refusedOut},
		{from: "i", to: "x", msg: udp(40000, 53), want: refusedOut},
	}}})
}

// SC-1: a VPC with one public subnet, IPv4 and IPv6.
func TestSC_1OnePublicSubnet(t *testing.T) {
	const world = `
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1234:1a00::/56"}}
internetGateways: {igw: {vpc: v}}
routeTables: {custom: {vpc: v, routes: {0.0.0.0/0: igw, "::/0": igw}}}
networkAcls:
  recommended:
    vpc: v
    ingress:
      - {rule: 100, action: allow, protocol: tcp, ports: 80, cidr: 0.0.0.0/0}
      - {rule: 110, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}
      - {rule: 120, action: allow, protocol: tcp, ports: 22, cidr: 192.0.2.0/24}
      - {rule: 130, action: allow, protocol: tcp, ports: 3389, cidr: 192.0.2.0/24}
      - {rule: 140, action: allow, protocol: tcp, ports: 32768-65535, cidr: 0.0.0.0/0}
      - {rule: 150, action: allow, protocol: tcp, ports: 80, cidr: "::/0"}
      - {rule: 160, action: allow, protocol: tcp, ports: 443, cidr: "::/0"}
      - {rule: 170, action: allow, protocol: tcp, ports: 32768-65535, cidr: "::/0"}
    egress:
      - {rule: 100, action: allow, protocol: tcp, ports: 80, cidr: 0.0.0.0/0}
      - {rule: 110, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}
      - {rule: 120, action: allow, protocol: tcp, ports: 32768-65535, cidr: 0.0.0.0/0}
      - {rule: 130, action: allow, protocol: tcp, ports: 80, cidr: "::/0"}
      - {rule: 140, action: allow, protocol: tcp, ports: 443, cidr: "::/0"}
      - {rule: 150, action: allow, protocol: tcp, ports: 32768-65535, cidr: "::/0"}
subnets: {s: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1234:1a00::/64", routeTable: custom, networkAcl: recommended}}
securityGroups:
  webserver:
    vpc: v
    ingress:
      - {protocol: tcp, ports: 80, from: [0.0.0.0/0, "::/0"]}
      - {protocol: tcp, ports: 443, from: [0.0.0.0/0, "::/0"]}
      - {protocol: tcp, ports: 22, from: 192.0.2.0/24}
      - {protocol: tcp, ports: 3389, from: 192.0.2.0/24}
instances: {web: {subnet: s, ip: 10.0.0.6, publicIp: 198.51.100.2, securityGroups: [webserver], serve: [tcp/22, http/80, http/443, tcp/3389, tcp/40000]}}
internetHosts: {home: {ip: 192.0.2.9}, x: {ip: 203.0.113.9, serve: [http/80, http/443, tcp/25]}}
checks:
  - {from: x, to: web, tcp: 80, source: x}
  - {from: x, to: web, tcp: 443, family: ipv6, source: x}
  - {from: home, to: web, tcp: 22}
  - {from: home, to: web, tcp: 3389}
  - {from: x, to: web, tcp: 22, expect: drop, at: networkAcl recommended}
  - {from: home, to: web, tcp: 22, family: ipv6, expect: drop, at: networkAcl recommended}
  - {from: x, to: web, tcp: 3389, expect: drop, at: networkAcl recommended}
  - {from: x, to: web, tcp: 40000, expect: drop, at: securityGroup webserver}
  - {from: x, to: web, ping: true, expect: drop, at: networkAcl recommended}
  - {from: web, to: x, tcp: 80, source: 198.51.100.2}
  - {from: web, to: x, tcp: 443, family: ipv6, source: web}
  - {from: web, to: x, tcp: 25, expect: drop, at: networkAcl recommended}
`
	for _, r := range checkOnMemory(t, loadText(t, world)) {
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	}
}

// SC-2: public servers, private databases, a NAT gateway; over IPv6 an
// egress-only gateway.
func TestSC_2PublicAndPrivateSubnets(t *testing.T) {
	const world = `
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1234:1a00::/56"}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: public, eip: 198.51.100.4}}
egressOnlyInternetGateways: {eigw: {vpc: v}}
routeTables:
  main:   {vpc: v, main: true, routes: {0.0.0.0/0: nat, "::/0": eigw}}
  custom: {vpc: v, routes: {0.0.0.0/0: igw, "::/0": igw}}
subnets:
  public:  {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1234:1a00::/64", routeTable: custom}
  private: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1234:1a01::/64"}
securityGroups:
  webserver:
    vpc: v
    ingress:
      - {protocol: tcp, ports: 80, from: [0.0.0.0/0, "::/0"]}
      - {protocol: tcp, ports: 443, from: [0.0.0.0/0, "::/0"]}
    egress:
      - {protocol: tcp, ports: 1433, to: db}
      - {protocol: tcp, ports: 3306, to: db}
  db:
    vpc: v
    ingress:
      - {protocol: tcp, ports: 1433, from: webserver}
      - {protocol: tcp, ports: 3306, from: webserver}
    egress:
      - {protocol: tcp, ports: 80, to: [0.0.0.0/0, "::/0"]}
      - {protocol: tcp, ports: 443, to: [0.0.0.0/0, "::/0"]}
instances:
  web1: {subnet: public, ip: 10.0.0.5, publicIp: 198.51.100.1, securityGroups: [webserver], serve: [http/80, http/443]}
  web2: {subnet: public, ip: 10.0.0.6, publicIp: 198.51.100.2, securityGroups: [webserver], serve: [http/80, http/443]}
  web3: {subnet: public, ip: 10.0.0.7, publicIp: 198.51.100.3, securityGroups: [webserver], serve: [http/80, http/443]}
  db1: {subnet: private, ip: 10.0.1.5, securityGroups: [db], serve: [tcp/1433, tcp/3306]}
  db2: {subnet: private, ip: 10.0.1.6, securityGroups: [db], serve: [tcp/1433, tcp/3306]}
  db3: {subnet: private, ip: 10.0.1.7, securityGroups: [db], serve: [tcp/1433, tcp/3306]}
internetHosts: {x: {ip: 203.0.113.9, serve: [http/80, http/443, tcp/25]}}
checks:
  - {from: x, to: web1, tcp: 80, source: x}
  - {from: x, to: web3, tcp: 443, family: ipv6, source: x}
  - {from: x, to: web2, tcp: 22, expect: drop, at: securityGroup webserver}
  - {from: web1, to: db1, tcp: 1433, source: 10.0.0.5}
  - {from: web2, to: db3, tcp: 3306, family: ipv6, source: web2}
  - {from: web3, to: db2, tcp: 22, expect: drop, at: securityGroup webserver}
  - {from: web1, to: x, tcp: 80, expect: drop, at: securityGroup webserver}
  - {from: db1, to: x, tcp: 80, source: 198.51.100.4}
  - {from: db2, to: x, tcp: 443, source: nat}
  - {from: db1, to: x, tcp: 443, family: ipv6, source: db1}
  - {from: db1, to: x, tcp: 25, expect: drop, at: securityGroup db}
  - {from: db1, to: db2, tcp: 3306, expect: drop, at: securityGroup db}
  - {from: x, to: db1, tcp: 3306, expect: drop, at: internet}
  - {from: x, to: nat, tcp: 3306, expect: drop, at: natGateway nat}
  - {from: x, to: db1, tcp: 3306, family: ipv6, expect: drop, at: egressOnlyInternetGateway eigw}
`
	for _, r := range checkOnMemory(t, loadText(t, world)) {
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	}
}

// NT-01: a NAT gateway in one zone; the other zone's private subnet has local
// routes alone.
func TestNT_01PublicNATGatewayInOneOfTwoZones(t *testing.T) {
	const world = `
vpcs: {v: {cidr: 10.0.0.0/16}}
internetGateways: {igw: {vpc: v}}
natGateways: {nat: {subnet: public-b, eip: 198.51.100.4}}
routeTables:
  public:    {vpc: v, routes: {0.0.0.0/0: igw}}
  private-a: {vpc: v}
  private-b: {vpc: v, routes: {0.0.0.0/0: nat}}
subnets:
  public-a:  {vpc: v, cidr: 10.0.0.0/24, az: us-east-1a, routeTable: public}
  public-b:  {vpc: v, cidr: 10.0.1.0/24, az: us-east-1b, routeTable: public}
  private-a: {vpc: v, cidr: 10.0.2.0/24, az: us-east-1a, routeTable: private-a}
  private-b: {vpc: v, cidr: 10.0.3.0/24, az: us-east-1b, routeTable: private-b}
securityGroups: {open: {vpc: v, ingress: [{protocol: all, from: 0.0.0.0/0}]}}
instances:
  a: {subnet: private-a, securityGroups: [open]}
  b: {subnet: private-b, securityGroups: [open], serve: [http/80]}
internetHosts: {x: {ip: 203.0.113.9, serve: [http/80]}}
checks:
  - {from: a, to: x, tcp: 80, expect: drop, at: routeTable private-a}
  - {from: b, to: x, tcp: 80, source: 198.51.100.4}
  - {from: a, to: b, tcp: 80, source: a}
  - {from: x, to: b, tcp: 80, expect: drop, at: internet}
  - {from: x, to: nat, tcp: 80, expect: drop, at: natGateway nat}
`
	for _, r := range checkOnMemory(t, loadText(t, world)) {
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	}
}

// SB-1: the five addresses of a subnet that no interface can have, and what they
// do when they are sent to.
func TestSB_1ReservedAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"ip: 10.0.1.0": false, "ip: 10.0.1.1": false, "ip: 10.0.1.2": false, "ip: 10.0.1.3": false, "ip: 10.0.1.255": false,
		"ip: 10.0.1.4": true, "ip: 10.0.1.254": true,
		`ipv6: "2001:db8:1:1::"`: false, `ipv6: "2001:db8:1:1::1"`: false, `ipv6: "2001:db8:1:1::2"`: false, `ipv6: "2001:db8:1:1::3"`: false,
		`ipv6: "2001:db8:1:1:ffff:ffff:ffff:ffff"`: false, `ipv6: "2001:db8:1:1::4"`: true,
	} {
		more := "  i9: {subnet: s1, " + address + "}\n"
		_, err := control.Open("test.yaml", []byte("name: test\n"+fixture{more: more}.String()))
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	n := newTestNetwork(t, control.IPv4, fixture{}.String())
	if count := n.World().Subnets["s3"].Status.AvailableIPAddressCount; count != 251 {
		t.Errorf("an empty /24 has %d addresses, want 251", count)
	}
	for _, to := range []string{"10.0.1.0", "10.0.1.2", "10.0.1.3", "2001:db8:1:1::1", "2001:db8:1:1::2"} {
		n.play(to, step{from: "i1", to: to, msg: ping(), want: "dropped at subnet s1"})
	}
}
