package scenarios

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// How many worlds a run draws. The seeds are fixed, so that a failure is one
// tomorrow, too; to look further, raise the number.
const randomWorlds = 60

// TestRandomWorldsKeepTheRules sends random packets, and the replies to those
// that arrived, through random worlds. testNetwork.sawLeg holds for every frame
// that the walk ends with a reason that is no bug and that the tracer says what
// the forwarding path does.
func TestRandomWorldsKeepTheRules(t *testing.T) {
	for seed := range uint64(randomWorlds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			n := newTestNetwork(t, control.IPv4, drawWorld(r).text(nil))
			traffic := drawTraffic(r, n.World())
			n.playAll(traffic)
			n.wreckFrames(r, traffic)
			if bugs := n.engine.Counters().Reasons[dataplane.ReasonBug]; bugs != 0 {
				t.Errorf("%d walks ended without a reason", bugs)
			}
		})
	}
}

// TestOrderNeverChangesAVerdict plays the same traffic in the same world, written
// down in another order: the rules of the groups, the resources, the sections.
func TestOrderNeverChangesAVerdict(t *testing.T) {
	for seed := range uint64(randomWorlds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			w := drawWorld(r)
			n := newTestNetwork(t, control.IPv4, w.text(nil))
			traffic := drawTraffic(r, n.World())
			want := n.playAll(traffic)
			for range 3 {
				text := w.text(r)
				got := newTestNetwork(t, control.IPv4, text).playAll(traffic)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("verdicts (-in order +shuffled):\n%s\n%s", diff, text)
				}
			}
		})
	}
}

// playAll sends the packets and, after each that arrived, its reply; it returns
// the outcomes.
func (n *testNetwork) playAll(traffic []step) []string {
	var outcomes []string
	for _, s := range traffic {
		n.Advance(s.wait)
		outcomes = append(outcomes, fmt.Sprintf("%s → %s %s: %s", s.from, s.to, s.msg.describe(), n.send(s.from, s.to, s.msg)))
		n.gatewaysKeepOut(s)
		if len(n.arrivals) == 0 {
			continue
		}
		last := n.arrivals[len(n.arrivals)-1]
		if back, ok := reply(last.message); ok && last.at.host.owns(last.dst) {
			to := back.dst.String()
			outcomes = append(outcomes, fmt.Sprintf("  back to %s: %s", to, n.send(last.at.host.name, to, back)))
		}
	}
	return outcomes
}

// gatewaysKeepOut holds R33 and R45: no gateway for the way out lets a connection
// begin from the Internet.
func (n *testNetwork) gatewaysKeepOut(s step) {
	n.Helper()
	if s.msg.flags != syn || n.World().InternetHosts[s.from] == nil || len(n.legs) == 0 {
		return
	}
	for _, taken := range n.legs[0].Steps {
		through := taken.Stage == dataplane.StageNATGateway || taken.Stage == dataplane.StageEgressOnlyGateway
		if through && taken.Verdict == dataplane.VerdictPass {
			n.Errorf("a new connection came in:\n%s", describeLeg(n.legs[0]))
		}
	}
}

func (msg message) describe() string {
	return fmt.Sprintf("%d %d→%d %#x %d", msg.proto, msg.srcPort, msg.dstPort, msg.flags, msg.icmpType)
}

// reply is what a host would answer.
func reply(msg message) (back message, ok bool) {
	back = message{src: msg.dst, dst: msg.src, proto: msg.proto, srcPort: msg.dstPort, dstPort: msg.srcPort}
	switch {
	case msg.isEchoRequest():
		return msg.echoReply(), true
	case msg.proto == packet.ProtoTCP:
		back.flags = synAck
		return back, msg.flags == syn
	case msg.proto == packet.ProtoUDP || msg.proto == 47:
		return back, true
	}
	return back, false
}

// wreckFrames sends frames with flipped bytes and cut ends, from links that
// exist and from one that does not. The hosts would not take them, so they go to
// the core alone.
func (n *testNetwork) wreckFrames(r *rand.Rand, traffic []step) {
	n.start()
	for _, s := range traffic {
		from := n.hosts[s.from].interfaces[0]
		msg := s.msg
		msg.dst = n.address(s.to)
		if msg.src = from.address(msg.dst); !msg.src.IsValid() {
			continue
		}
		if msg.dst.Is6() && msg.proto == packet.ProtoICMP {
			msg = asICMPv6(msg)
		}
		f := msg.frame(from.link, from.mac, drawMAC(r, from, n.hosts[traffic[r.IntN(len(traffic))].from].interfaces[0]))
		for range r.IntN(4) {
			f.Data[r.IntN(len(f.Data))] ^= byte(1 << r.IntN(8))
		}
		f.Data = f.Data[:len(f.Data)-r.IntN(2)*r.IntN(len(f.Data))]
		if r.IntN(20) == 0 {
			f.Link = 999
		}
		leg := n.engine.TraceFrame(f)
		n.engine.Forward([]packet.Frame{f}, nil)
		n.sawLeg(leg)
	}
}

// drawMAC draws a destination for a frame that leaves from: its router, a host
// anywhere, or nobody.
func drawMAC(r *rand.Rand, from, anybody *memInterface) packet.MAC {
	switch r.IntN(4) {
	case 0:
		return anybody.mac
	case 1:
		return packet.MAC{0x0a, 1, 2, 3, 4, 5}
	}
	mac, _ := from.resolve(from.gateways[0])
	return mac
}

// randomWorld is a scenario in pieces that can be put together in any order.
type randomWorld struct {
	sections map[string][]string // entries by section
	groups   []randomGroup
}

type randomGroup struct {
	name, vpc       string
	ingress, egress []string
}

// text writes the world down, shuffled if r is not nil.
func (w randomWorld) text(r *rand.Rand) string {
	shuffle := func(list []string) []string {
		list = append([]string(nil), list...)
		if r != nil {
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		return list
	}
	var groups []string
	for _, g := range w.groups {
		groups = append(groups, fmt.Sprintf("  %s: {vpc: %s, ingress: [%s], egress: [%s]}\n",
			g.name, g.vpc, strings.Join(shuffle(g.ingress), ", "), strings.Join(shuffle(g.egress), ", ")))
	}
	sections := []string{"securityGroups:\n" + strings.Join(shuffle(groups), "")}
	for _, name := range []string{"vpcs", "internetGateways", "natGateways", "egressOnlyInternetGateways", "routeTables", "networkAcls", "subnets", "instances", "internetHosts"} {
		if entries := w.sections[name]; len(entries) > 0 {
			sections = append(sections, name+":\n"+strings.Join(shuffle(entries), ""))
		}
	}
	return "name: random\nquotas: {elasticIpsPerRegion: 20}\n" + strings.Join(shuffle(sections), "")
}

// drawWorld draws two VPCs with the same IPv4 block and everything in them.
func drawWorld(r *rand.Rand) randomWorld {
	w := randomWorld{sections: map[string][]string{}}
	add := func(section, format string, args ...any) {
		w.sections[section] = append(w.sections[section], fmt.Sprintf("  "+format+"\n", args...))
	}
	public := 10
	for v, vpc := range []string{"red", "blue"} {
		add("vpcs", `%s: {cidr: 10.0.0.0/16, ipv6: "2001:db8:%d::/56"}`, vpc, v+1)
		add("internetGateways", "%s-igw: {vpc: %s}", vpc, vpc)
		add("natGateways", "%s-nat: {subnet: %s-%d, privateIp: 10.0.%[3]d.50%s}", vpc, vpc, max(0, r.IntN(5)-2),
			[]string{", eip: 198.51.100." + fmt.Sprint(50+v), ", connectivity: private"}[r.IntN(4)/3])
		add("egressOnlyInternetGateways", "%s-eigw: {vpc: %s}", vpc, vpc)
		if edge := drawEdgeRoutes(r, v, vpc); edge != "" {
			add("routeTables", "%s-edge: {vpc: %s, internetGateway: %s-igw, routes: {%s}}", vpc, vpc, vpc, edge)
		}
		for g := range 2 {
			w.groups = append(w.groups, drawGroup(r, vpc, g))
		}
		add("networkAcls", "%s-acl: {vpc: %s, ingress: [%s], egress: [%s]}", vpc, vpc, drawEntries(r), drawEntries(r))
		for s := range 3 {
			add("routeTables", "%s-%d: {vpc: %s, routes: {%s}}", vpc, s, vpc, drawRoutes(r, v, vpc, s))
			acl := ""
			if r.IntN(3) == 0 {
				acl = ", networkAcl: " + vpc + "-acl"
			}
			add("subnets", `%s-%d: {vpc: %s, cidr: 10.0.%d.0/24, ipv6: "2001:db8:%d:%d::/64", routeTable: %s-%d%s}`, vpc, s, vpc, s, v+1, s, vpc, s, acl)
			for i := range 2 {
				fields := []string{"", ", sourceDestCheck: false, forward: true", ", sourceDestCheck: false", ", forward: true"}[r.IntN(4)]
				if i == 0 && s == 0 || r.IntN(2) == 0 { // the first may be the target of an edge route
					public++
					fields += fmt.Sprintf(", publicIp: 198.51.100.%d", public)
				}
				groups := []string{vpc + "-sg0", vpc + "-sg1", vpc + "-sg0, " + vpc + "-sg1", "default"}[r.IntN(4)]
				add("instances", `%s-%d-%d: {subnet: %s-%d, ip: 10.0.%d.%d, ipv6: "2001:db8:%d:%d::%d", securityGroups: [%s]%s}`,
					vpc, s, i, vpc, s, s, 10+i, v+1, s, 10+i, groups, fields)
			}
		}
	}
	add("internetHosts", "x: {ip: 203.0.113.5}")
	add("internetHosts", "y: {ip: 203.0.113.77}")
	return w
}

// drawRoutes draws the routes of subnet s: out by one of the gateways, or through
// an instance to the Internet or to a subnet, circles included.
func drawRoutes(r *rand.Rand, v int, vpc string, s int) string {
	target := func() string { return fmt.Sprintf("%s-%d-0", vpc, r.IntN(3)) }
	var routes []string
	for _, all := range []string{"0.0.0.0/0", `"::/0"`} {
		choice := r.IntN(6)
		if s == 0 && r.IntN(2) == 0 {
			choice = 0 // most NAT gateways stand there
		}
		switch choice {
		case 0, 1:
			routes = append(routes, all+": "+vpc+"-igw")
		case 2:
			routes = append(routes, all+": "+target())
		case 3, 4:
			routes = append(routes, all+": "+vpc+map[string]string{"0.0.0.0/0": "-nat", `"::/0"`: "-eigw"}[all])
		}
	}
	if to := r.IntN(3); to != s && r.IntN(2) == 0 {
		v4 := target()
		if r.IntN(3) == 0 {
			v4 = vpc + "-nat"
		}
		routes = append(routes, fmt.Sprintf("10.0.%d.0/24: %s", to, v4), fmt.Sprintf(`"2001:db8:%d:%d::/64": %s`, v+1, to, target()))
	}
	if r.IntN(2) == 0 {
		routes = append(routes, `"64:ff9b::/96": `+vpc+"-nat")
	}
	return strings.Join(routes, ", ")
}

// drawEdgeRoutes draws what comes in by the Internet gateway and goes through the
// VPC's first instance; "": the gateway has no table of its own.
func drawEdgeRoutes(r *rand.Rand, v int, vpc string) string {
	var routes []string
	if r.IntN(2) == 0 {
		routes = append(routes, fmt.Sprintf("10.0.%d.0/24: %s-0-0", r.IntN(3), vpc))
	}
	if r.IntN(2) == 0 {
		routes = append(routes, fmt.Sprintf(`"2001:db8:%d:%d::/64": %s-0-0`, v+1, r.IntN(3), vpc))
	}
	return strings.Join(routes, ", ")
}

func drawGroup(r *rand.Rand, vpc string, number int) randomGroup {
	g := randomGroup{name: fmt.Sprintf("%s-sg%d", vpc, number), vpc: vpc}
	for range r.IntN(5) {
		g.ingress = addNew(g.ingress, fmt.Sprintf("{%s, from: %s}", drawMatch(r), drawPeer(r, vpc)))
	}
	if r.IntN(3) > 0 { // as AWS makes a group; else little would ever leave
		g.egress = []string{"{protocol: all, to: 0.0.0.0/0}", `{protocol: all, to: "::/0"}`}
	}
	for range 1 + r.IntN(3) {
		g.egress = addNew(g.egress, fmt.Sprintf("{%s, to: %s}", drawMatch(r), drawPeer(r, vpc)))
	}
	return g
}

// addNew adds a rule unless the group has it: AWS refuses a second.
func addNew(rules []string, rule string) []string {
	if slices.Contains(rules, rule) {
		return rules
	}
	return append(rules, rule)
}

func drawMatch(r *rand.Rand) string {
	return []string{
		"protocol: all", "protocol: all", "protocol: tcp, ports: 80", "protocol: tcp, ports: all", "protocol: tcp, ports: 1024-65535",
		"protocol: udp, ports: 53", "protocol: udp, ports: all", "protocol: icmp", "protocol: icmpv6", "protocol: 47",
	}[r.IntN(10)]
}

func drawPeer(r *rand.Rand, vpc string) string {
	return []string{
		"0.0.0.0/0", "0.0.0.0/0", `"::/0"`, "10.0.0.0/16", "10.0.1.0/24", "203.0.113.0/24", `"2001:db8::/32"`,
		vpc + "-sg0", vpc + "-sg1", "198.51.100.0/24",
	}[r.IntN(10)]
}

func drawEntries(r *rand.Rand) string {
	var list []string
	for i := range 1 + r.IntN(5) {
		action := []string{"allow", "allow", "deny"}[r.IntN(3)]
		cidr := []string{"0.0.0.0/0", `"::/0"`, "10.0.0.0/16", "203.0.113.0/24", `"2001:db8::/32"`}[r.IntN(5)]
		list = append(list, fmt.Sprintf("{rule: %d, action: %s, %s, cidr: %s}", 100+i, action, drawMatch(r), cidr))
	}
	return strings.Join(list, ", ")
}

// drawTraffic draws packets between everybody and every kind of address.
func drawTraffic(r *rand.Rand, w *control.World) []step {
	hosts := []string{"x", "y"}
	to := []string{"10.0.0.1", "10.0.1.99", "10.0.7.7", "203.0.113.5", "203.0.113.9", "198.51.100.11", "198.51.100.50", "198.51.100.51", "198.51.100.99", "8.8.8.8",
		"10.0.0.50", "10.0.1.50", "64:ff9b::203.0.113.5", "64:ff9b::203.0.113.77", "64:ff9b::10.0.1.10", "64:ff9b::8.8.8.8",
		"224.0.0.5", "169.254.169.254", "2001:db8:1:9::9", "2001:db8:ff00::99", "ff02::1", "fe80::1", "fd00:ec2::254"}
	x := w.InternetHosts["x"]
	outside := []string{x.IP.String(), x.Status.IPv6.String(), "64:ff9b::203.0.113.77"}
	instances, _ := control.KindNamed("instances")
	for _, name := range instances.Names(w) {
		hosts = append(hosts, name)
		eni := interfaceNamed(w, name)
		to = append(to, first(eni.Status.PrivateIPs).String(), first(eni.Status.IPv6s).String())
		if eni.Status.PublicIP.IsValid() {
			to = append(to, eni.Status.PublicIP.String())
		}
	}
	traffic := make([]step, 60)
	for i := range traffic {
		s := &traffic[i]
		s.from, s.to = hosts[r.IntN(len(hosts))], to[r.IntN(len(to))]
		if r.IntN(3) == 0 { // to somebody on the Internet
			s.to = outside[r.IntN(len(outside))]
		}
		s.msg = []message{
			tcp(40000+uint16(r.IntN(3)), 80, syn), tcp(40000, 80, ack), tcp(80, 40000, synAck), tcp(40001, 22, syn),
			udp(40000, 53), udp(53, 40000), ping(), pong(), gre(),
		}[r.IntN(9)]
		if r.IntN(10) == 0 { // not its own
			s.msg.src = netip.MustParseAddr(s.to)
		}
		if r.IntN(10) == 0 {
			s.wait = []time.Duration{40 * time.Second, 400 * time.Second}[r.IntN(2)]
		}
	}
	return traffic
}
