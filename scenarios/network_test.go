package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// testNetwork is a memory lab whose packets a test sends one by one, on both
// sides: its hosts resolve addresses and forward, and answer nothing.
type testNetwork struct {
	*testing.T
	*Memory
	family   control.Family // of the addresses that names stand for
	legs     []dataplane.Leg
	arrivals []arrival
	last     map[string]message // what each host got last, for its answer
	counters dataplane.Counters
	with     func(*control.World) *control.World // changes scenarios before they are applied
	// outcomesTellRecords: the flow logs' records are taken from the engine one
	// packet after the other, rather than window by window.
	outcomesTellRecords bool

	world         *control.World // a copy of the one in force
	worldRevision uint64
}

// World is the driver's, copied once for each revision: nobody here changes it.
func (n *testNetwork) World() *control.World {
	if n.world == nil || n.worldRevision != n.revision {
		n.world, n.worldRevision = n.Memory.World(), n.revision
	}
	return n.world
}

// arrival is a frame that a host got.
type arrival struct {
	at   *memInterface
	data []byte
	message
}

// newTestNetwork brings up the scenario in text, with a flow log of everything whose
// records are part of outcomes.
func newTestNetwork(t *testing.T, family control.Family, text string) *testNetwork {
	t.Helper()
	n := newLoggedNetwork(t, family, text, withFlowLogs)
	n.outcomesTellRecords = true
	return n
}

// newLoggedNetwork brings up the scenario in text, changed by with.
func newLoggedNetwork(t *testing.T, family control.Family, text string, with func(*control.World) *control.World) *testNetwork {
	t.Helper()
	m, err := NewMemory(t.Context(), with(loadText(t, text)))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	n := &testNetwork{T: t, Memory: m, family: family, with: with, last: map[string]message{}}
	m.mute = true
	m.walked = n.sawLeg
	m.arrived = func(at *memInterface, data []byte) {
		msg, _ := parseMessage(data)
		n.arrivals = append(n.arrivals, arrival{at, append([]byte(nil), data...), msg})
		n.last[at.host.name] = msg
	}
	return n
}

func loadText(t *testing.T, text string) *control.World {
	t.Helper()
	if !strings.HasPrefix(strings.TrimSpace(text), "name:") && !strings.Contains(text, "\nname:") {
		text = "name: test\n" + text
	}
	w, err := control.Load("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return w
}

// withFlowLogs adds a flow log of each VPC.
func withFlowLogs(w *control.World) *control.World {
	if w.FlowLogs == nil {
		w.FlowLogs = map[string]*control.FlowLog{}
	}
	for vpc := range w.VPCs {
		w.FlowLogs["of-"+vpc] = &control.FlowLog{VPC: vpc}
	}
	return w
}

// sawLeg holds what is true of every frame: the tracer and the forwarding path
// come to the same verdict, and never for no reason.
func (n *testNetwork) sawLeg(leg dataplane.Leg) {
	n.Helper()
	before, after := n.counters, n.count()
	n.counters = after
	n.legs = append(n.legs, leg)
	if after.Reasons[dataplane.ReasonUntranslatable] != before.Reasons[dataplane.ReasonUntranslatable] {
		return // known only when the bytes are written, which a trace does not do
	}
	if after.Reasons[leg.Reason] == before.Reasons[leg.Reason] {
		n.Errorf("the tracer says %s (%s), the forwarding path came to another reason\n%s", leg.Verdict, leg.Reason, describeLeg(leg))
	}
	if leg.To.Kind == dataplane.KindTransitGatewayConnectPeer {
		return // a tunnel's end, behind which the packet goes on
	}
	answerable := leg.Reason == dataplane.ReasonTooBig || leg.Reason == dataplane.ReasonNATExpired || leg.Reason == dataplane.ReasonHopLimit
	sent, answered := after.Forwarded-before.Forwarded, after.Answered-before.Answered
	switch {
	case leg.Verdict == dataplane.VerdictPass && sent != 1,
		leg.Verdict == dataplane.VerdictAnswer && answered != 1,
		leg.Verdict == dataplane.VerdictDrop && !answerable && (sent != 0 || answered != 0):
		n.Errorf("the tracer says %s, but %d frames were forwarded and %d answered\n%s", leg.Verdict, sent, answered, describeLeg(leg))
	}
	if leg.Reason == dataplane.ReasonBug || len(leg.Steps) == 0 {
		n.Errorf("a walk without reason or steps:\n%s", describeLeg(leg))
	}
}

func describeLeg(leg dataplane.Leg) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", leg.From, leg.Sent)
	for _, s := range leg.Steps {
		fmt.Fprintf(&b, "\n  %-22s %-6s %s: %s", s.Stage, s.Verdict, objects(&s), s.Text)
	}
	return b.String()
}

// change makes the scenario in text the lab, keeping its state.
func (n *testNetwork) change(text string) {
	n.Helper()
	if err := n.Apply(n.Context(), n.with(loadText(n.T, text))); err != nil {
		n.Fatalf("%v\nin:\n%s", err, text)
	}
}

// learn makes what tunnels and sessions do known, as a live lab does.
func (n *testNetwork) learn(tunnels map[string]control.TunnelState) {
	n.Helper()
	if err := n.settle(nil, n.store.SetRIB(&control.RIB{Tunnels: tunnels})); err != nil {
		n.Fatal(err)
	}
}

// address is what a name stands for: an instance's private address or "eip:" of
// it, an Internet host's or a site's host's, or the address itself.
func (n *testNetwork) address(name string) netip.Addr {
	n.Helper()
	if a, err := netip.ParseAddr(name); err == nil {
		return a
	}
	w := n.World()
	if h := w.InternetHosts[name]; h != nil {
		if n.family == control.IPv6 {
			return h.Status.IPv6
		}
		return h.IP
	}
	if h := w.SiteHosts[name]; h != nil {
		if n.family == control.IPv6 {
			return h.Status.IPv6
		}
		return h.Status.IP
	}
	instance, public := strings.CutPrefix(name, "eip:")
	eni := interfaceNamed(w, instance)
	switch {
	case eni == nil:
		n.Fatalf("nobody is called %q", name)
	case n.family == control.IPv6: // its only address, inside and outside
		return first(eni.Status.IPv6s)
	case public:
		return eni.Status.PublicIP
	}
	return first(eni.Status.PrivateIPs)
}

// send sends one packet from a host's network stack and returns what became of
// it, in the words of [testNetwork.outcome].
func (n *testNetwork) send(from, to string, msg message) string {
	n.Helper()
	msg.dst = n.address(to)
	if msg.dst.Is6() && msg.proto == packet.ProtoICMP {
		msg = asICMPv6(msg)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start()
	if h := n.hosts[from]; h == nil {
		n.Fatalf("no running host is called %q", from)
	} else {
		h.output(msg)
	}
	return n.finish()
}

// sendInto sends one packet of a site's host by a tunnel, whatever the site's router
// would do with it.
func (n *testNetwork) sendInto(tunnel, from, to string, msg message) string {
	n.Helper()
	t, _ := n.World().VPNTunnel(tunnel)
	if t == nil {
		n.Fatalf("no tunnel is called %q", tunnel)
	}
	msg.dst = n.address(to)
	if !msg.src.IsValid() {
		msg.src = n.hosts[from].interfaces[0].address(msg.dst)
	}
	if msg.dst.Is6() && msg.proto == packet.ProtoICMP {
		msg = asICMPv6(msg)
	}
	return n.sendFrame(msg.frame(t.Handle, packet.MAC(t.MAC), dataplane.RouterMAC(dataplane.Handle(t.Handle))))
}

// sendFrame sends raw bytes from an interface.
func (n *testNetwork) sendFrame(f packet.Frame) string {
	n.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start()
	n.queue = append(n.queue, f)
	return n.finish()
}

func (n *testNetwork) start() {
	n.legs, n.arrivals, n.counters = nil, nil, n.count()
	n.records()
}

// count is what the core did to the frames that the tracer looks at.
func (n *testNetwork) count() dataplane.Counters {
	c := n.engine.Counters()
	c.Forwarded -= n.wired
	for _, copies := range MirrorsOf(n.engine) {
		c.Forwarded -= copies // no leg of the packet's
	}
	return c
}

func (n *testNetwork) finish() string {
	n.Helper()
	if err := n.run(); err != nil {
		n.Errorf("%v", err)
	}
	return n.outcome()
}

// outcome words what became of the last packet: who got it or what dropped it,
// and behind a bar, in order, what the flow logs of the interfaces would say.
func (n *testNetwork) outcome() string {
	if len(n.legs) == 0 {
		return "not sent"
	}
	last := n.legs[len(n.legs)-1]
	verdict := "delivered to " + short(last.To)
	if last.To.Kind == dataplane.KindVPNTunnel && len(n.arrivals) > 0 {
		verdict = fmt.Sprintf("delivered to %s by %s", n.arrivals[len(n.arrivals)-1].at.host.name, last.To.Name)
	}
	switch last.Verdict {
	case dataplane.VerdictAnswer:
		verdict = "answered"
	case dataplane.VerdictDrop:
		step := last.Decisive()
		verdict = "dropped at " + strings.ReplaceAll(objects(step), "/eth0", "")
		if strings.HasPrefix(step.Stage.String(), "network-acl") {
			number, _, _ := strings.Cut(step.Rule, " ")
			verdict += " rule " + number
		}
		if len(n.arrivals) > 0 && !n.passed() && !n.onlyRelayed() {
			verdict += ", answered"
		}
	}
	records := n.records()
	if len(records) == 0 {
		return verdict
	}
	return verdict + " | " + strings.Join(records, ", ")
}

// onlyRelayed reports whether nobody but routers of sites got a frame.
func (n *testNetwork) onlyRelayed() bool {
	return !slices.ContainsFunc(n.arrivals, func(a arrival) bool { return n.World().Sites[a.at.host.name] == nil })
}

// passed reports whether any frame was delivered to a host.
func (n *testNetwork) passed() bool {
	return slices.ContainsFunc(n.legs, func(l dataplane.Leg) bool { return l.Verdict == dataplane.VerdictPass })
}

// short is an object's name, an instance's for its first interface.
func short(o dataplane.Object) string {
	if o.Kind == dataplane.KindServices {
		return "services"
	}
	name, _, _ := strings.Cut(o.Name, "/eth0")
	return name
}

// records are what the flow logs of all network interfaces have seen since the last
// call, in the order of the packets; those of transit gateways' own interfaces are
// left out, for brevity.
func (n *testNetwork) records() []string {
	if !n.outcomesTellRecords {
		return nil
	}
	var list []string
	records, _ := n.engine.FlowRecords(nil)
	for _, r := range records {
		direction := "ingress"
		if r.Egress {
			direction = "egress"
		}
		if o := n.engine.Snapshot().Object(r.Interface); o.Kind == dataplane.KindNetworkInterface || o.Kind == dataplane.KindNATGateway {
			// A packet that a NAT gateway sends in circles has a record per port that it
			// drew, which is chance.
			if text := fmt.Sprintf("%s %s %s", short(o), direction, r.Action); !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	return list
}
