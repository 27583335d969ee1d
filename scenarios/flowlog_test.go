package scenarios

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
)

// Cases of semantics/flowlogs.md and the worked examples FL-*, by packets that go
// through the memory lab. Names of interfaces stand for their IDs, acct for the
// account, and s and e for the times; a time of the clock is written s+12.

// flowStep is a packet, or so many of the same, or time that passes.
type flowStep struct {
	from, to string
	msg      message
	reply    bool
	count    int // 1 unless written
	wait     time.Duration
	world    string
	want     []string // the lines that have been published by then
}

type flowLogCase struct {
	name  string
	world string
	steps []flowStep
	want  []string // after a minute more
	only  control.Family
}

// flowWords are what cases write for addresses and sizes that differ by family.
var flowWords = map[control.Family]*strings.Replacer{
	control.IPv4: strings.NewReplacer("$i1", "10.0.1.10", "$i2", "10.0.1.20", "$i3", "10.0.2.30", "$x", "203.0.113.5", "$icmp", "1", "$pings", "336", "$udp", "33", "$late", "10.0.1.4"),
	control.IPv6: strings.NewReplacer("$i1", "2001:db8:1:1::10", "$i2", "2001:db8:1:1::20", "$i3", "2001:db8:1:2::30", "$x", "2001:db8:ff00::5", "$icmp", "58", "$pings", "416", "$udp", "53", "$late", "2001:db8:1:1::4"),
}

func playFlowLogs(t *testing.T, cases []flowLogCase) {
	for _, c := range cases {
		for _, family := range []control.Family{control.IPv4, control.IPv6} {
			if c.only != control.FamilyUnset && c.only != family {
				continue
			}
			t.Run(c.name+" over "+family.String(), func(t *testing.T) {
				n := newLoggedNetwork(t, family, inFamily(c.world, family), func(w *control.World) *control.World { return w })
				for i, s := range c.steps {
					n.playFlow(s)
					if s.want != nil {
						n.wantLines(fmt.Sprintf("step %d", i+1), s.want)
					}
				}
				n.Advance(time.Minute)
				n.wantLines("at the end", c.want)
			})
		}
	}
}

func (n *testNetwork) playFlow(s flowStep) {
	n.Helper()
	n.Advance(s.wait)
	if s.world != "" {
		n.change(inFamily(s.world, n.family))
	}
	if s.from == "" {
		return
	}
	for range max(s.count, 1) {
		p := step{from: s.from, to: s.to, msg: s.msg, reply: s.reply}
		if s.reply {
			p = n.answerOf(p)
		}
		n.send(p.from, p.to, p.msg)
	}
}

func (n *testNetwork) wantLines(when string, want []string) {
	n.Helper()
	words := flowWords[n.family]
	var expected, got []string
	for _, line := range want {
		expected = append(expected, words.Replace(line))
	}
	for _, e := range n.FlowLogs() {
		got = append(got, n.spell(e.Message))
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		n.Errorf("%s: lines (-want +got):\n%s", when, diff)
	}
}

var epochSeconds = regexp.MustCompile(`\b175\d{7}\b`)

// spell writes names instead of IDs, and times since the lab began.
func (n *testNetwork) spell(line string) string {
	w := n.World()
	var words []string
	for _, k := range control.Kinds() {
		for _, name := range k.Names(w) {
			words = append(words, k.Identity(w, name).ID, strings.TrimSuffix(name, "/eth0"))
		}
	}
	for name, g := range w.NATGateways {
		words = append(words, g.Status.NetworkInterfaceID, name)
	}
	for name, a := range w.TransitGatewayAttachments {
		for _, i := range a.Status.Interfaces {
			words = append(words, i.ID, name+"/"+i.Subnet)
		}
	}
	for _, owner := range slices.Concat(slices.Collect(maps.Keys(w.VPCEndpoints)), slices.Collect(maps.Keys(w.LoadBalancers))) {
		for _, i := range managed(w, owner) {
			words = append(words, i.ID, owner+"/"+i.Subnet)
		}
	}
	words = append(words, string(control.DefaultAccount), "acct")
	line = strings.NewReplacer(words...).Replace(line)
	return epochSeconds.ReplaceAllStringFunc(line, func(text string) string {
		seconds, _ := strconv.ParseInt(text, 10, 64)
		return strconv.FormatInt(seconds-memoryEpoch.Unix(), 10)
	})
}

// logging is the fixture with flow logs.
func logging(f fixture, logs string) string {
	f.more += "flowLogs: {" + logs + "}\n"
	return f.String()
}

const (
	flowFormat   = `format: "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${tcp-flags} ${action}"`
	pathFormat   = `format: "${interface-id} ${flow-direction} ${traffic-path} ${action}"`
	packetFormat = `format: "${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr}"`
	icmpIn       = "ingress: [{protocol: $icmp, from: $any}]"
	noICMPOut    = "ingress: [" + allowAll + "], egress: [{rule: 90, action: deny, protocol: $icmp, cidr: $any}, " + allowAll + "]"
)

func TestFlowLogSemantics(t *testing.T) {
	connection := []flowStep{
		{from: "i1", to: "i3", msg: tcp(40000, 22, syn)},
		{from: "i3", to: "i1", msg: tcp(22, 40000, synAck)},
		{from: "i1", to: "i3", msg: tcp(40000, 22, ack)},
		{from: "i1", to: "i3", msg: tcp(40000, 22, finAck)},
		{from: "i3", to: "i1", msg: tcp(22, 40000, finAck)},
	}
	idleLog := fixture{i1: "publicIp: true"}
	later := logging(fixture{more: "  late: {subnet: s1, securityGroups: [a]}\n"}, "v: {vpc: v, "+flowFormat+"}")
	playFlowLogs(t, []flowLogCase{
		{
			name:  "F-C1 F2 a ping in, and its answer stopped by the network ACL",
			world: logging(fixture{a: icmpIn, acl1: noICMPOut, i1: "publicIp: true"}, "i1: {networkInterface: i1}"),
			steps: []flowStep{
				{from: "x", to: "eip:i1", msg: ping(), count: 4},
				{from: "i1", to: "x", msg: pong(), count: 4},
			},
			want: []string{
				"2 acct i1 $x $i1 0 0 $icmp 4 $pings 0 0 ACCEPT OK",
				"2 acct i1 $i1 $x 0 0 $icmp 4 $pings 0 0 REJECT OK",
			},
		},
		{
			name:  "F-C1 an open network ACL gives two ACCEPT",
			world: logging(fixture{a: icmpIn, i1: "publicIp: true"}, "i1: {networkInterface: i1/eth0, "+flowFormat+"}"),
			steps: []flowStep{{from: "x", to: "eip:i1", msg: ping()}, {from: "i1", to: "x", msg: pong()}},
			want:  []string{"i1 $x $i1 0 0 0 ACCEPT", "i1 $i1 $x 0 0 0 ACCEPT"},
		},
		{
			name:  "F-C2 a group that does not allow it",
			world: logging(fixture{a: nothingIn, i1: "publicIp: true"}, "i1: {networkInterface: i1, "+flowFormat+"}"),
			steps: []flowStep{{from: "x", to: "eip:i1", msg: ping(), count: 4}},
			want:  []string{"i1 $x $i1 0 0 0 REJECT"},
		},
		{
			name:  "F-C3 FL-06 a connection in one window",
			world: logging(fixture{}, "i3: {networkInterface: i3, "+flowFormat+"}"),
			steps: connection,
			want:  []string{"i3 $i1 $i3 40000 22 3 ACCEPT", "i3 $i3 $i1 22 40000 19 ACCEPT"},
		},
		{
			name:  "F-C4 F8 FL-06 the same over three windows",
			world: logging(fixture{}, "i3: {networkInterface: i3, "+flowFormat+"}"),
			steps: []flowStep{
				connection[0], connection[1],
				{wait: time.Minute, want: []string{"i3 $i1 $i3 40000 22 2 ACCEPT", "i3 $i3 $i1 22 40000 18 ACCEPT"}},
				connection[2], {from: "i3", to: "i1", msg: tcp(22, 40000, ack)},
				{wait: time.Minute, want: []string{"i3 $i1 $i3 40000 22 0 ACCEPT", "i3 $i3 $i1 22 40000 0 ACCEPT"}},
				connection[3], connection[4],
			},
			want: []string{"i3 $i1 $i3 40000 22 1 ACCEPT", "i3 $i3 $i1 22 40000 1 ACCEPT"},
		},
		{
			name:  "F-C5 F3 REJECT alone",
			world: logging(fixture{a: icmpIn, acl1: noICMPOut, i1: "publicIp: true"}, "i1: {networkInterface: i1, trafficType: REJECT, "+flowFormat+"}"),
			steps: []flowStep{{from: "x", to: "eip:i1", msg: ping()}, {from: "i1", to: "x", msg: pong()}},
			want:  []string{"i1 $i1 $x 0 0 0 REJECT"},
		},
		{
			name:  "F-C7 the router's ping",
			world: logging(fixture{}, "v: {vpc: v, "+flowFormat+"}"),
			only:  control.IPv4,
			steps: []flowStep{{from: "i1", to: "10.0.1.1", msg: ping()}},
		},
		{
			name:  "F-C8 F10 FL-03 a window without traffic",
			world: logging(idleLog, "i1: {networkInterface: i1}"),
			steps: []flowStep{
				{wait: time.Minute, want: nil}, // F5: nothing before the first packet
				{from: "i1", to: "i3", msg: udp(1, 2)},
				{wait: time.Minute, want: []string{"2 acct i1 $i1 $i3 1 2 17 1 $udp 60 60 ACCEPT OK"}},
			},
			want: []string{"2 acct i1 - - - - - - - 120 180 - NODATA"},
		},
		{
			name:  "F-C9 a secondary address",
			world: logging(fixture{a: everythingIn, i1: "secondaryIps: [10.0.1.11]"}, "i1: {networkInterface: i1, "+packetFormat+"}"),
			only:  control.IPv4,
			steps: []flowStep{{from: "i3", to: "10.0.1.11", msg: udp(1, 2)}, {from: "i1", reply: true}},
			want:  []string{"i1 $i3 $i1 $i3 10.0.1.11", "i1 $i1 $i3 10.0.1.11 $i3"},
		},
		{
			name:  "F-C11 no route",
			world: logging(fixture{routes: "{}"}, "v: {vpc: v, "+pathFormat+"}"),
			steps: []flowStep{{from: "i1", to: "x", msg: udp(1, 2)}},
			want:  []string{"i1 egress - ACCEPT"},
		},
		{
			name:  "F-C15 path 1, within the VPC",
			world: logging(fixture{}, "v: {vpc: v, "+pathFormat+"}"),
			steps: []flowStep{{from: "i1", to: "i3", msg: udp(1, 2)}, {from: "i1", to: "i2", msg: udp(1, 2)}},
			want:  []string{"i1 egress 1 ACCEPT", "i1 egress 1 ACCEPT", "i2 ingress - ACCEPT", "i3 ingress - ACCEPT"},
		},
		{
			name:  "F-C16 a group that lets nothing out",
			world: logging(fixture{a: nothingOut}, "v: {vpc: v, "+flowFormat+"}"),
			steps: []flowStep{{from: "i1", to: "i3", msg: udp(1, 2)}},
			want:  []string{"i1 $i1 $i3 1 2 0 REJECT"},
		},
		{
			name:  "F-C17 F1 F5 an interface that comes later",
			world: logging(fixture{}, "v: {vpc: v, "+flowFormat+"}"),
			steps: []flowStep{
				{wait: 30 * time.Second, world: later, want: nil},
				{from: "late", to: "i3", msg: udp(1, 2)},
			},
			want: []string{"i3 $late $i3 1 2 0 ACCEPT", "late $late $i3 1 2 0 ACCEPT"},
		},
		{
			name:  "F-C18 F1 two logs of one interface",
			world: logging(fixture{b: nothingIn}, "v: {vpc: v, "+flowFormat+"}, i3: {networkInterface: i3, trafficType: REJECT, "+pathFormat+"}"),
			steps: []flowStep{{from: "i1", to: "i3", msg: udp(1, 2)}},
			want:  []string{"i3 ingress - REJECT", "i1 $i1 $i3 1 2 0 ACCEPT", "i3 $i1 $i3 1 2 0 REJECT"},
		},
		{
			name:  "F-C24 the version is the highest of the fields",
			world: logging(fixture{}, `a: {networkInterface: i1, format: "${srcaddr} ${tcp-flags} ${traffic-path}"}, b: {networkInterface: i1, format: "${version} ${traffic-path}"}`),
			steps: []flowStep{{from: "i1", to: "i3", msg: tcp(1, 2, syn)}},
			want:  []string{"$i1 2 1", "5 1"},
		},
		{
			name:  "F-C23 a packet of a connection that is forgotten",
			world: logging(fixture{a: nothingIn}, "i1: {networkInterface: i1, "+flowFormat+"}"),
			steps: []flowStep{
				{from: "i1", to: "i3", msg: udp(1, 2)},
				{wait: time.Minute, want: []string{"i1 $i1 $i3 1 2 0 ACCEPT"}},
				{from: "i3", to: "i1", msg: udp(2, 1)},
			},
			want: []string{"i1 $i3 $i1 2 1 0 REJECT"},
		},
	})
}
