package scenarios

import (
	"regexp"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/routing.md, as far as Internet gateways, network
// interfaces, local routes and blackholes go; the others wait in [waiting].

// routing is the lab of routing.md: web and web2 in the public subnet, p1 in
// prv, app behind a route that a case may lead through the middlebox mb.
type routing struct {
	public, private, application string // routes of the subnets' tables
	main                         string // of the main table, which prv uses if private is ""
	igw                          string // of the gateway; attached if ""
	b                            string // rules of app's group
	mb                           string // fields of the middlebox
	web                          string // rules of web's and web2's group
}

func (r routing) String() string {
	defaults := `{0.0.0.0/0: igw, "::/0": igw}`
	either := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	private := "main"
	if r.private != "" {
		private = "prv"
	}
	text := strings.NewReplacer(
		"%public", either(r.public, defaults), "%privateTable", private, "%private", either(r.private, "{}"),
		"%application", either(r.application, "{}"), "%main", either(r.main, "{}"),
		"%igw", either(r.igw, "{vpc: v}"), "%b", either(r.b, everythingIn), "%web", either(r.web, everythingIn),
		"%mb", either(r.mb, "sourceDestCheck: false, forward: true"),
	).Replace(`
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}}
internetGateways: {igw: %igw}
routeTables:
  pub:  {vpc: v, routes: %public}
  prv:  {vpc: v, routes: %private}
  app:  {vpc: v, routes: %application}
  main: {vpc: v, main: true, routes: %main}
  mb:   {vpc: v, routes: {0.0.0.0/0: igw, "::/0": igw}}
subnets:
  pub: {vpc: v, cidr: 10.0.0.0/24, ipv6: "2001:db8:1::/64", routeTable: pub}
  prv: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: %privateTable}
  app: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64", routeTable: app}
  mb:  {vpc: v, cidr: 10.0.3.0/24, ipv6: "2001:db8:1:3::/64", routeTable: mb}
securityGroups:
  p:   {vpc: v, ingress: []}
  b:   {vpc: v, %b}
  web: {vpc: v, %web}
  mb:  {vpc: v, ` + everythingIn + `}
instances:
  web:  {subnet: pub, ip: 10.0.0.10, publicIp: 198.51.100.10, securityGroups: [web]}
  web2: {subnet: pub, ip: 10.0.0.20, publicIp: 198.51.100.20, securityGroups: [web]}
  bare: {subnet: pub, ip: 10.0.0.30, ipv6: false, securityGroups: [web]}
  p1:   {subnet: prv, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [p]}
  app:  {subnet: app, ip: 10.0.2.10, ipv6: "2001:db8:1:2::10", publicIp: 198.51.100.30, securityGroups: [b]}
  mb:   {subnet: mb, ip: 10.0.3.10, ipv6: "2001:db8:1:3::10", publicIp: 198.51.100.40, securityGroups: [mb], %mb}
internetHosts: {x: {ip: 203.0.113.5, ipv6: "2001:db8:ff00::5"}}
`)
	if r.igw == "{}" { // AWS detaches no gateway that public addresses hang on
		text = regexp.MustCompile(`publicIp: [0-9.]+, `).ReplaceAllString(text, "")
	}
	return text
}

// throughMB leads packets to app's subnet through the middlebox, and back.
var throughMB = routing{
	private:     `{10.0.2.0/24: mb, "2001:db8:1:2::/64": mb}`,
	application: `{10.0.1.0/24: mb, "2001:db8:1:1::/64": mb}`,
}

func TestRoutingSemantics(t *testing.T) {
	checked, byReference, byBlock := throughMB, throughMB, throughMB
	checked.mb = "forward: true"
	byReference.b = "ingress: [{protocol: tcp, ports: 5432, from: p}]"
	byBlock.b = `ingress: [{protocol: tcp, ports: 5432, from: [10.0.1.0/24, "2001:db8:1:1::/64"]}]`
	const through = "p1 egress ACCEPT, mb ingress ACCEPT, mb egress ACCEPT, app ingress "

	play(t, []semanticsCase{
		{name: "R-C4 through a middlebox, source unchanged", world: byBlock.String(), steps: []step{
			{from: "p1", to: "app", msg: tcp(40000, 5432, syn), want: "delivered to app | " + through + "ACCEPT"},
			{from: "app", to: "p1", msg: tcp(5432, 40000, synAck), want: "delivered to p1 | app egress ACCEPT, mb ingress ACCEPT, mb egress ACCEPT, p1 ingress ACCEPT"},
		}},
		{name: "R-C4 the middlebox's source/dest check is on", world: checked.String(), steps: []step{
			{from: "p1", to: "app", msg: tcp(40000, 5432, syn), want: "dropped at networkInterface mb | p1 egress ACCEPT"},
		}},
		{name: "S-C16 a group reference does not see through a middlebox", world: byReference.String(), steps: []step{
			{from: "p1", to: "app", msg: tcp(40000, 5432, syn), want: "dropped at securityGroup b | " + through + "REJECT"},
		}},
		{name: "S-C16 without the middlebox the reference matches", world: routing{b: byReference.b}.String(), steps: []step{
			{from: "p1", to: "app", msg: tcp(40000, 5432, syn), want: "delivered to app | p1 egress ACCEPT, app ingress ACCEPT"},
		}},
		{name: "R-C6 a new main table moves implicit subnets at once", world: routing{main: `{0.0.0.0/0: mb, "::/0": mb}`}.String(), steps: []step{
			{from: "p1", to: "203.0.113.9", msg: ping(), want: "dropped at internetGateway igw"},
			{world: routing{}.String()},
			{from: "p1", to: "x", msg: ping(), want: "dropped at routeTable main | p1 egress ACCEPT"},
			{from: "web", to: "x", msg: ping(), want: "delivered to x | web egress ACCEPT"},
		}},
		{name: "R-C7 a blackhole is not passed by a shorter prefix", world: routing{igw: "{}", private: `{203.0.113.0/24: igw, "2001:db8:ff00::/48": igw, 0.0.0.0/0: mb, "::/0": mb}`}.String(), steps: []step{
			{from: "p1", to: "x", msg: ping(), want: "dropped at routeTable prv | p1 egress ACCEPT"},
			{from: "p1", to: "192.0.2.1", msg: ping(), want: "dropped at routeTable mb"},
		}},
		{name: "R20 a route to a stopped instance is a blackhole", world: func() string {
			r := throughMB
			r.mb = "sourceDestCheck: false, stopped: true"
			return r.String()
		}(), steps: []step{
			{from: "p1", to: "app", msg: ping(), want: "dropped at routeTable prv | p1 egress ACCEPT"},
			{from: "web", to: "app", msg: ping(), want: "delivered to app | web egress ACCEPT, app ingress ACCEPT"},
		}},
		{name: "R-C9 in by the Elastic IP", only: control.IPv4, world: routing{web: "ingress: [{protocol: tcp, ports: 80, from: 203.0.113.5/32}]"}.String(), steps: []step{
			{from: "x", to: "eip:web", msg: tcp(40000, 80, syn), want: "delivered to web | web ingress ACCEPT"},
			{from: "web", to: "x", msg: tcp(80, 40000, synAck), want: "delivered to x | web egress ACCEPT"},
			{from: "x", to: "198.51.100.99", msg: tcp(40000, 80, syn), want: "dropped at internet"},
			{from: "x", to: "10.0.0.10", msg: tcp(40000, 80, syn), want: "dropped at internet"},
		}},
		{name: "R-C10 no public address, no way out", only: control.IPv4, world: routing{}.String(), steps: []step{
			{from: "bare", to: "x", msg: ping(), want: "dropped at internetGateway igw | bare egress ACCEPT"},
		}},
		{name: "R30 IPv6 passes without translation", only: control.IPv6, world: routing{}.String(), steps: []step{
			{from: "web", to: "x", msg: ping(), want: "delivered to x | web egress ACCEPT"},
			{from: "x", to: "web", msg: ping(), want: "delivered to web | web ingress ACCEPT"},
		}},
		{name: "R-C11 from Elastic IP to Elastic IP, by CIDR", only: control.IPv4, world: routing{web: "ingress: [{protocol: tcp, ports: 80, from: 198.51.100.10/32}]"}.String(), steps: []step{
			{from: "web", to: "eip:web2", msg: tcp(40000, 80, syn), want: "delivered to web2 | web egress ACCEPT, web2 ingress ACCEPT"},
		}},
		{name: "R-C11 from Elastic IP to Elastic IP, by reference", only: control.IPv4, world: routing{web: "ingress: [{protocol: tcp, ports: 80, from: web}]"}.String(), steps: []step{
			{from: "web", to: "eip:web2", msg: tcp(40000, 80, syn), want: "dropped at securityGroup web | web egress ACCEPT, web2 ingress REJECT"},
			{from: "web", to: "web2", msg: tcp(40000, 80, syn), want: "delivered to web2 | web egress ACCEPT, web2 ingress ACCEPT"},
		}},
		{name: "R-C12 no default route, no way to a neighbour's Elastic IP", only: control.IPv4, world: routing{public: "{}"}.String(), steps: []step{
			{from: "web", to: "eip:web2", msg: tcp(40000, 80, syn), want: "dropped at routeTable pub | web egress ACCEPT"},
		}},
		{name: "R27 inbound needs no route, its reply does", only: control.IPv4, world: routing{public: "{}"}.String(), steps: []step{
			{from: "x", to: "eip:web", msg: tcp(40000, 80, syn), want: "delivered to web | web ingress ACCEPT"},
			{from: "web", to: "x", msg: tcp(80, 40000, synAck), want: "dropped at routeTable pub | web egress ACCEPT"},
		}},
		{name: "R27 a detached gateway lets nothing in", only: control.IPv6, world: routing{igw: "{}"}.String(), steps: []step{
			{from: "x", to: "web", msg: tcp(40000, 80, syn), want: "dropped at internet"},
		}},
		{name: "RT-01 the longest prefix decides", only: control.IPv4, world: routing{private: `{172.31.0.0/16: mb, 0.0.0.0/0: igw}`}.String(), steps: []step{
			{from: "p1", to: "10.0.2.10", msg: ping(), want: "delivered to app | p1 egress ACCEPT, app ingress ACCEPT"},
			{from: "p1", to: "172.31.4.5", msg: ping(), want: "dropped at internetGateway igw | p1 egress ACCEPT, mb ingress ACCEPT, mb egress ACCEPT"},
			{from: "p1", to: "203.0.113.5", msg: ping(), want: "dropped at internetGateway igw | p1 egress ACCEPT"},
		}},
		{name: "RT-03 IPv4 and IPv6 are routed apart", world: routing{public: `{0.0.0.0/0: igw}`}.String(), only: control.IPv6, steps: []step{
			{from: "web", to: "203.0.113.5", msg: ping(), want: "delivered to x | web egress ACCEPT"},
			{from: "web", to: "x", msg: ping(), want: "dropped at routeTable pub | web egress ACCEPT"},
			{from: "web", to: "app", msg: ping(), want: "delivered to app | web egress ACCEPT, app ingress ACCEPT"},
			{world: routing{public: `{"::/0": igw}`}.String()},
			{from: "web", to: "203.0.113.5", msg: ping(), want: "dropped at routeTable pub | web egress ACCEPT"},
			{from: "web", to: "x", msg: ping(), want: "delivered to x | web egress ACCEPT"},
		}},
		{name: "RT-08 out through an appliance", world: routing{application: `{0.0.0.0/0: mb, "::/0": mb}`}.String(), steps: []step{
			{from: "app", to: "x", msg: tcp(40000, 443, syn), want: "delivered to x | app egress ACCEPT, mb ingress ACCEPT, mb egress ACCEPT"},
			// Without an edge route table the answer comes straight back.
			{from: "x", to: "eip:app", msg: tcp(443, 40000, synAck), want: "delivered to app | app ingress ACCEPT"},
		}},
		{name: "RT-08 the appliance's source/dest check is on", world: routing{application: `{0.0.0.0/0: mb, "::/0": mb}`, mb: "forward: true"}.String(), steps: []step{
			{from: "app", to: "x", msg: tcp(40000, 443, syn), want: "dropped at networkInterface mb | app egress ACCEPT"},
		}},
	})
}

// What the receivers see, beside that they are reached.
func TestTranslationSemantics(t *testing.T) {
	for _, c := range []struct {
		name             string
		world            routing
		from, to         string
		wantSrc, wantDst string
	}{
		{"R-C9 the destination is the private address", routing{}, "x", "eip:web", "203.0.113.5", "10.0.0.10"},
		{"R25 the source is the Elastic IP", routing{}, "web", "x", "198.51.100.10", "203.0.113.5"},
		{"R-C11 R28 translated twice", routing{}, "web", "eip:web2", "198.51.100.10", "10.0.0.20"},
		{"R28 to its own Elastic IP", routing{}, "web", "eip:web", "198.51.100.10", "10.0.0.10"},
		{"R-C4 a middlebox changes nothing", throughMB, "p1", "app", "10.0.1.10", "10.0.2.10"},
		{"RT-08 the Internet sees the sender's Elastic IP", routing{application: "{0.0.0.0/0: mb}"}, "app", "x", "198.51.100.30", "203.0.113.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestNetwork(t, control.IPv4, c.world.String())
			n.send(c.from, c.to, udp(40000, 53))
			if len(n.arrivals) == 0 {
				t.Fatal("nothing arrived")
			}
			got := n.arrivals[len(n.arrivals)-1]
			if got.src.String() != c.wantSrc || got.dst.String() != c.wantDst {
				t.Errorf("%s → %s, want %s → %s", got.src, got.dst, c.wantSrc, c.wantDst)
			}
			if got.srcPort != 40000 || got.dstPort != 53 {
				t.Errorf("ports %d → %d: the gateway leaves them alone", got.srcPort, got.dstPort)
			}
		})
	}
}

// R25: what an ICMP error quotes is translated like the packet itself, in both
// directions.
func TestR25InternetGatewayTranslatesWhatErrorsQuote(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, routing{web: "ingress: []"}.String())
	n.mute = false
	n.send("web", "x", udp(40000, 33434)) // nobody listens: x says so
	got := n.arrivals[len(n.arrivals)-1]
	if got.at.name != "web/eth0" || got.quoted == nil || got.quoted.src.String() != "10.0.0.10" {
		t.Errorf("%s got %+v quoting %+v, want its own private address quoted", got.at.name, got.message, got.quoted)
	}
	n = newTestNetwork(t, control.IPv4, routing{}.String())
	n.mute = false
	n.send("x", "eip:web", udp(40000, 33434))
	got = n.arrivals[len(n.arrivals)-1]
	if got.at.name != "x" || got.quoted == nil || got.quoted.dst.String() != "198.51.100.10" || got.src.String() != "198.51.100.10" {
		t.Errorf("%s got %+v quoting %+v, want the Elastic IP quoted", got.at.name, got.message, got.quoted)
	}
}

// R-C5, R6: what may stand in a route inside the VPC's own block.
func TestR_C5RefusedRoutes(t *testing.T) {
	for _, c := range []struct {
		route string
		ok    bool
	}{
		{"10.0.2.0/24: mb", true},
		{"10.0.2.0/25: mb", false},
		{"10.0.2.0/24: igw", false},
		{"10.0.0.0/8: mb", true},
		{`"2001:db8:1:2::/64": mb`, true},
		{`"2001:db8:1:2::/68": mb`, false},
		{`"2001:db8:1:2::/64": igw`, false},
	} {
		_, err := control.Open("test.yaml", []byte("name: test\n"+routing{private: "{" + c.route + "}"}.String()))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.route, err)
		}
	}
}
