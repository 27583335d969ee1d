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

// newTestNetwork brings up the scenario in text.
func newTestNetwork(t *testing.T, family control.Family, text string) *testNetwork {
	t.Helper()
	m, err := NewMemory(t.Context(), loadText(t, text))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	n := &testNetwork{T: t, Memory: m, family: family, last: map[string]message{}}
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

// sawLeg holds what is true of every frame: the tracer and the forwarding path
// come to the same verdict, and never for no reason.
func (n *testNetwork) sawLeg(leg dataplane.Leg) {
	n.Helper()
	before, after := n.counters, n.engine.Counters()
	n.counters = after
	n.legs = append(n.legs, leg)
	if after.Reasons[dataplane.ReasonUntranslatable] != before.Reasons[dataplane.ReasonUntranslatable] {
		return // known only when the bytes are written, which a trace does not do
	}
	if after.Reasons[leg.Reason] == before.Reasons[leg.Reason] {
		n.Errorf("the tracer says %s (%s), the forwarding path came to another reason\n%s", leg.Verdict, leg.Reason, describeLeg(leg))
	}
	answerable := leg.Reason == dataplane.ReasonTooBig || leg.Reason == dataplane.ReasonNATExpired
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
	if err := n.Apply(n.Context(), loadText(n.T, text)); err != nil {
		n.Fatalf("%v\nin:\n%s", err, text)
	}
}

// address is what a name stands for: an instance's private address or "eip:" of
// it, an Internet host's, or the address itself.
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
	n.legs, n.arrivals, n.counters = nil, nil, n.engine.Counters()
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
		if len(n.arrivals) > 0 && !n.passed() {
			verdict += ", answered"
		}
	}
	var records []string
	for _, leg := range n.legs {
		records = append(records, n.records(leg)...)
	}
	if len(records) == 0 {
		return verdict
	}
	return verdict + " | " + strings.Join(records, ", ")
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

// records derives what flow logs would say of a leg (flowlogs.md section 4):
// the sender's record, REJECT if its groups or its subnet's ACL refused; the
// receiver's, REJECT if the ACL or the groups there did; none for what routing
// or a source/dest check drops. A NAT gateway's interface is a receiver and then
// a sender.
func (n *testNetwork) records(leg dataplane.Leg) []string {
	var list []string
	add := func(eni dataplane.Object, direction string, s *dataplane.TraceStep) {
		if s != nil && (eni.Kind == dataplane.KindNetworkInterface || eni.Kind == dataplane.KindNATGateway) {
			action := map[dataplane.Verdict]string{dataplane.VerdictPass: "ACCEPT", dataplane.VerdictDrop: "REJECT"}[s.Verdict]
			list = append(list, fmt.Sprintf("%s %s %s", short(eni), direction, action))
		}
	}
	sender := leg.From
	var in, out *dataplane.TraceStep // the last filter's word, per side
	for i := range leg.Steps {
		switch s := &leg.Steps[i]; s.Stage {
		case dataplane.StageSecurityGroupOut, dataplane.StageNetworkACLOut:
			out = s
		case dataplane.StageSecurityGroupIn, dataplane.StageNetworkACLIn:
			in = s
		case dataplane.StageNATGateway:
			// It refuses nothing as a filter would: what it drops was accepted.
			accepted := &dataplane.TraceStep{Verdict: dataplane.VerdictPass}
			add(sender, "egress", out)
			add(s.Objects[0], "ingress", accepted)
			sender, in, out = s.Objects[0], nil, accepted
			if s.Verdict == dataplane.VerdictDrop {
				out = nil
			}
		case dataplane.StageTransitGateway:
			add(sender, "egress", out)
			sender, in, out = s.Objects[0], nil, nil
		}
	}
	add(sender, "egress", out)
	if leg.Decisive().Stage == dataplane.StageDestinationCheck && leg.Verdict == dataplane.VerdictDrop {
		return list
	}
	receiver := leg.To
	if leg.Verdict == dataplane.VerdictDrop && in != nil {
		receiver = n.receiverOf(leg)
	}
	add(receiver, "ingress", in)
	return list
}

// receiverOf is the interface that a leg's packet was about to enter: the
// target of the last route, else the owner of the destination in the VPC that
// the packet was in.
func (n *testNetwork) receiverOf(leg dataplane.Leg) dataplane.Object {
	w := n.World()
	object := func(handle uint32) dataplane.Object { return n.engine.Snapshot().Object(dataplane.Handle(handle)) }
	vpc, target := vpcOf(w, short(leg.From)), dataplane.Object{}
	for _, s := range leg.Steps {
		switch s.Stage {
		case dataplane.StageRoute:
			target = dataplane.Object{} // of the last route only
			if _, name, ok := strings.Cut(s.Rule, " → networkInterface "); ok {
				target = object(w.NetworkInterfaces[name].Status.Handle)
			} else if _, name, ok := strings.Cut(s.Rule, " → natGateway "); ok {
				target = object(w.NATGateways[name].Status.Handle)
			}
		case dataplane.StageInternetGatewayIn:
			vpc = w.InternetGateways[s.Objects[0].Name].VPC
		case dataplane.StageEgressOnlyGateway:
			vpc = w.EgressOnlyInternetGateways[s.Objects[0].Name].VPC
		case dataplane.StagePeering:
			if p := w.VPCPeerings[s.Objects[0].Name]; p.VPC == vpc {
				vpc = p.PeerVPC
			} else {
				vpc = p.VPC
			}
		case dataplane.StageTransitGateway:
			vpc = w.TransitGatewayAttachments[s.Objects[0].Name].VPC
		}
	}
	if target.Name != "" {
		return target
	}
	dst := netip.MustParseAddr(leg.Decisive().After.Dst)
	for _, eni := range w.NetworkInterfaces {
		if eni.VPC == vpc && slices.Contains(slices.Concat(eni.Status.PrivateIPs, eni.Status.IPv6s), dst) {
			return object(eni.Status.Handle)
		}
	}
	for _, g := range w.NATGateways {
		for _, a := range g.Status.Addresses {
			if g.Status.VPC == vpc && a.PrivateIP == dst {
				return object(g.Status.Handle)
			}
		}
	}
	return dataplane.Object{}
}
