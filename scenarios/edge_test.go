package scenarios

import (
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Edge route tables: what an Internet gateway's own table does to packets that
// come in.

// edgeLab is RT-08 of semantics/examples.md: the gateway's table leads to app's
// subnet through the appliance fw, and app's table leads out through it.
type edgeLab struct {
	edge string // routes of the gateway's table
	out  string // routes of app's subnet
	fw   string // fields of the appliance
	fwIn string // rules of its group
	acl  string // of app's subnet; open if ""
	app  string // rules of app's group
}

func (l edgeLab) String() string {
	either := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	return strings.NewReplacer(
		"%edge", either(l.edge, `{10.0.1.0/24: fw, "2001:db8:1:1::/64": fw}`),
		"%out", either(l.out, `{0.0.0.0/0: fw, "::/0": fw}`),
		"%fwIn", either(l.fwIn, everythingIn), "%fw", either(l.fw, "sourceDestCheck: false, forward: true"),
		"%acl", either(l.acl, `ingress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}], egress: [{rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}, {rule: 101, action: allow, protocol: all, cidr: "::/0"}]`),
		"%app", either(l.app, everythingIn),
	).Replace(`
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}}
internetGateways: {igw: {vpc: v}}
routeTables:
  edge: {vpc: v, internetGateway: igw, routes: %edge}
  out:  {vpc: v, routes: %out}
  fw:   {vpc: v, routes: {0.0.0.0/0: igw, "::/0": igw}}
networkAcls: {app: {vpc: v, %acl}}
subnets:
  app: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: out, networkAcl: app}
  fw:  {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64", routeTable: fw}
securityGroups:
  app: {vpc: v, %app}
  fw:  {vpc: v, %fwIn}
instances:
  app:   {subnet: app, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", publicIp: 198.51.100.10, securityGroups: [app]}
  other: {subnet: fw, ip: 10.0.2.20, ipv6: "2001:db8:1:2::20", publicIp: 198.51.100.20, securityGroups: [app]}
  fw:    {subnet: fw, ip: 10.0.2.10, ipv6: "2001:db8:1:2::10", publicIp: 198.51.100.30, securityGroups: [fw], %fw}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}}
`)
}

func TestEdgeRouteTableSemantics(t *testing.T) {
	const through = "delivered to app | fw ingress ACCEPT, fw egress ACCEPT, app ingress ACCEPT"
	const back = "delivered to x | app egress ACCEPT, fw ingress ACCEPT, fw egress ACCEPT"
	const checked = "dropped at networkInterface fw"
	play(t, []semanticsCase{
		{name: "R-C22 RT-08 in through the appliance, and the answer", world: edgeLab{}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through},
			{from: "app", reply: true, want: back},
			{from: "x", reply: true, msg: message{flags: ack}, want: through},
		}},
		{name: "RT-08 out through the appliance, and the answer", world: edgeLab{app: nothingIn}.String(), steps: []step{
			{from: "app", to: "x", msg: tcp(40000, 443, syn), want: back},
			{from: "x", reply: true, want: through},
			{from: "app", to: "x", msg: ping(), want: back},
			{from: "x", reply: true, want: through},
		}},
		{name: "R10 the appliance sees the private address", only: control.IPv4, world: edgeLab{fw: "sourceDestCheck: false"}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: "delivered to fw | fw ingress ACCEPT", seen: "203.0.113.5 → 10.0.1.10"},
		}},
		{name: "RT-08 the answer leaves under app's own address", only: control.IPv4, world: edgeLab{}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through, seen: "203.0.113.5 → 10.0.1.10"},
			{from: "app", reply: true, want: back, seen: "198.51.100.10 → 203.0.113.5"},
		}},
		{name: "RT-08 the appliance's source/dest check is on", world: edgeLab{fw: "forward: true"}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: checked + nothingLogged},
			{from: "app", to: "x", msg: tcp(40000, 443, syn), want: checked + " | app egress ACCEPT"},
		}},
		{name: "R-C22 R20 the appliance is down", world: edgeLab{fw: "sourceDestCheck: false, forward: true, stopped: true"}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: "dropped at routeTable edge" + nothingLogged},
			{from: "app", to: "x", msg: tcp(40000, 443, syn), want: "dropped at routeTable out | app egress ACCEPT"},
		}},
		{name: "R-C22 the appliance's group is asked on the way in", world: edgeLab{fwIn: "ingress: [{protocol: tcp, ports: 80, from: $any}]"}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through},
			{from: "x", to: "eip:app", msg: tcp(40000, 22, syn), want: "dropped at securityGroup fw | fw ingress REJECT"},
		}},
		{name: "S48 the application's ACL and group see the first sender", world: edgeLab{acl: `ingress: [{rule: 90, action: deny, protocol: tcp, ports: 22, cidr: $x}, {rule: 100, action: allow, protocol: all, cidr: $any}], egress: [{rule: 100, action: allow, protocol: all, cidr: $any}]`, app: "ingress: [{protocol: tcp, ports: 80, from: $x}]"}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through},
			{from: "x", to: "eip:app", msg: tcp(40000, 22, syn), want: "dropped at networkAcl app rule 90 | fw ingress ACCEPT, fw egress ACCEPT, app ingress REJECT"},
			{from: "x", to: "eip:app", msg: tcp(40000, 81, syn), want: "dropped at securityGroup app | fw ingress ACCEPT, fw egress ACCEPT, app ingress REJECT"},
		}},
		{name: "R10 what the table does not name is delivered", world: edgeLab{}.String(), steps: []step{
			{from: "x", to: "eip:other", msg: tcp(40000, 80, syn), want: "delivered to other | other ingress ACCEPT"},
			{from: "x", to: "eip:fw", msg: ping(), want: "delivered to fw | fw ingress ACCEPT"},
		}},
		{name: "R13 the table is not asked inside the VPC", world: edgeLab{}.String(), steps: []step{
			{from: "other", to: "app", msg: tcp(40000, 80, syn), want: "delivered to app | other egress ACCEPT, app ingress ACCEPT"},
		}},
		{name: "R14 without the way back an answer misses the appliance", world: edgeLab{out: `{0.0.0.0/0: igw, "::/0": igw}`}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through},
			{from: "app", reply: true, want: "delivered to x | app egress ACCEPT"},
		}},
		{name: "RT-07 the subnet in the table goes to the interface, the rest is local", world: rt07, steps: []step{
			{from: "x", to: "eip:in", msg: tcp(40000, 80, syn), want: "delivered to fw | fw ingress ACCEPT"},
			{from: "x", to: "eip:out", msg: tcp(40000, 80, syn), want: "delivered to out | out ingress ACCEPT"},
		}},
		{name: "R11 the whole VPC through the appliance", world: edgeLab{edge: `{10.0.0.0/16: fw, "2001:db8:1::/56": fw}`}.String(), steps: []step{
			{from: "x", to: "eip:app", msg: tcp(40000, 80, syn), want: through},
		}},
	})
}

// rt07 is AWS's example of a gateway route table: 172.31.0.0/16 local,
// 172.31.0.0/20 to an interface.
const rt07 = `
vpcs: {v: {cidr: 172.31.0.0/16, ipv6: "2001:db8:1::/56"}}
internetGateways: {igw: {vpc: v}}
routeTables:
  edge: {vpc: v, internetGateway: igw, routes: {172.31.0.0/16: local, 172.31.0.0/20: fw, "2001:db8:1:1::/64": fw}}
  all:  {vpc: v, main: true, routes: {0.0.0.0/0: igw, "::/0": igw}}
subnets:
  a: {vpc: v, cidr: 172.31.0.0/20, ipv6: "2001:db8:1:1::/64"}
  b: {vpc: v, cidr: 172.31.16.0/20, ipv6: "2001:db8:1:2::/64"}
securityGroups: {open: {vpc: v, ` + everythingIn + `}}
instances:
  in:  {subnet: a, publicIp: 198.51.100.10, securityGroups: [open]}
  out: {subnet: b, publicIp: 198.51.100.20, securityGroups: [open]}
  fw:  {subnet: b, publicIp: 198.51.100.30, securityGroups: [open], sourceDestCheck: false}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}}
`

// RT-07, R11, R12: what may not stand in an edge table.
func TestRT_07RefusedEdgeRoutes(t *testing.T) {
	for _, c := range []struct {
		name string
		lab  edgeLab
		ok   bool
	}{
		{"a subnet to an interface", edgeLab{}, true},
		{"local", edgeLab{edge: "{10.0.0.0/16: local}"}, true},
		{"to a gateway", edgeLab{edge: "{10.0.1.0/24: igw}"}, false},
		{"a part of a subnet", edgeLab{edge: "{10.0.1.0/25: fw}"}, false},
		{"outside the VPC", edgeLab{edge: "{192.0.2.0/24: fw}"}, false},
		{"wider than the VPC", edgeLab{edge: "{0.0.0.0/0: fw}"}, false},
		{"an interface without a public address", edgeLab{fw: "sourceDestCheck: false, interfaces: [{subnet: fw, securityGroups: [fw]}]", edge: "{10.0.1.0/24: fw/eth1}"}, false},
	} {
		if _, err := control.Open("test.yaml", []byte("name: test\n"+c.lab.String())); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	nat := strings.Replace(rt07, "routeTables:\n", "natGateways: {nat: {subnet: b, eip: 198.51.100.40}}\nrouteTables:\n", 1)
	nat = strings.Replace(nat, "172.31.0.0/20: fw", "172.31.0.0/20: nat", 1)
	if _, err := control.Open("test.yaml", []byte("name: test\n"+nat)); err == nil {
		t.Error("a NAT gateway is the target of an edge route")
	}
}
