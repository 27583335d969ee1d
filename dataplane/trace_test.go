package dataplane

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// lines renders a trace's legs in the words a user reads.
func lines(legs []Leg) string {
	var b strings.Builder
	for _, l := range legs {
		b.WriteString(l.From.String() + ": " + l.Sent.String() + "\n")
		for _, s := range l.Steps {
			names := make([]string, len(s.Objects))
			for i, o := range s.Objects {
				names[i] = o.String()
			}
			b.WriteString("  " + strings.Join(names, ", ") + ": " + s.Text + "\n")
		}
		b.WriteString("  " + l.Verdict.String() + "\n")
	}
	return b.String()
}

func TestTraceExplainsEveryStepAndTheReply(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.b.SecurityGroups[2].Ingress = []GroupRule{{Match: tcp("10.0.1.0/24", 22, 22), Text: "tcp/22 from 10.0.1.0/24"}}
	n.b.NetworkACLs[0].Ingress = []ACLRule{{Number: 100, Allow: true, Match: tcp("0.0.0.0/0", 1, 1023), Text: "allow tcp/1-1023 from 0.0.0.0/0"}}
	n.publish()
	trace := n.e.Trace(TraceRequest{From: hI1, Tuple: syn("10.0.2.30", 22).Tuple, Reply: true})
	want := `networkInterface i1/eth0: 10.0.1.10:40000 → 10.0.2.30:22 tcp
  networkInterface i1/eth0: source 10.0.1.10 is its own
  securityGroup g1: egress rule allows rule
  networkAcl one: egress rule 100 allow all
  routeTable one: 10.0.0.0/16 → local
  networkAcl two: ingress rule 100 allow all
  securityGroup g3: ingress rule allows tcp/22 from 10.0.1.0/24
  networkInterface i3/eth0: destination 10.0.2.30 is its own
  networkInterface i3/eth0: delivered
  pass
networkInterface i3/eth0: 10.0.2.30:22 → 10.0.1.10:40000 tcp
  networkInterface i3/eth0: source 10.0.2.30 is its own
  networkInterface i3/eth0: egress: part of a connection this interface tracks
  networkAcl two: egress rule 100 allow all
  routeTable two: 10.0.0.0/16 → local
  networkAcl one: ingress: no numbered rule matches tcp/40000 from 10.0.2.30, and rule * denies the rest
  drop
`
	if diff := cmp.Diff(want, lines(trace.Request)+lines(trace.Reply)); diff != "" {
		t.Error(diff)
	}
	if trace.Passed() {
		t.Error("the trace says that the exchange works")
	}
	if n.e.Flows() != 0 || n.e.Counters().Reasons[ReasonDenyRule] != 0 || len(n.e.Drops(0)) != 0 {
		t.Error("the trace wrote to the live state")
	}
}

func TestTraceFollowsAMiddlebox(t *testing.T) {
	n := newNetwork(t)
	n.b.RouteTables[1].Routes = append(n.b.RouteTables[1].Routes,
		Route{Destination: cidr("192.0.2.0/24"), Target: Target{TargetNetworkInterface, hI2}, Text: "192.0.2.0/24 → networkInterface i2/eth0"})
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.publish()
	req := TraceRequest{From: hI3, Tuple: datagram("192.0.2.9", 53).Tuple}
	trace := n.e.Trace(req)
	if last := trace.Last(); last.Reason != ReasonNotForwarded || last.Verdict != VerdictDrop {
		t.Errorf("an instance that does not forward: %v %v", last.Verdict, last.Reason)
	}
	n.b.NetworkInterfaces[1].Forwards = true
	n.publish()
	trace = n.e.Trace(req)
	if len(trace.Request) != 2 || trace.Request[1].From.Name != "i2/eth0" || trace.Last().Reason != ReasonNoHost {
		t.Errorf("got\n%s", lines(trace.Request))
	}
}

func TestTraceFollowsAServicesAnswer(t *testing.T) {
	n := newNetwork(t)
	n.b.Services = Services{Object: Object{Handle: 300, Kind: KindServices}, MAC: InterfaceMAC(300)}
	n.publish()
	trace := n.e.Trace(TraceRequest{From: hI1, Tuple: datagram("10.0.0.2", 53).Tuple, Reply: true})
	if !trace.Passed() || len(trace.Reply) != 1 || trace.Reply[0].To.Name != "i1/eth0" {
		t.Errorf("got\n%s", lines(trace.Request)+lines(trace.Reply))
	}
	if n.e.state.serviceFlows.count != 0 {
		t.Error("the trace wrote to the live state")
	}
}

func TestTraceSaysThatNobodyAnswersARP(t *testing.T) {
	n := newNetwork(t).publish()
	trace := n.e.Trace(TraceRequest{From: hI1, Tuple: syn("10.0.1.99", 80).Tuple, Reply: true})
	step := trace.Last().Decisive()
	if step.Reason != ReasonNoNeighbor || step.Objects[0].String() != "subnet one" {
		t.Errorf("%v: %s", step.Objects, step.Text)
	}
}

func TestTraceAgreesWithForwarding(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[1].Ingress = allow(tcp("10.0.1.0/24", 80, 80))
	n.b.NetworkACLs[1].Egress = n.b.NetworkACLs[1].Egress[:1]
	n.publish()
	hosts := []Handle{hI1, hI2, hI3, hHost}
	targets := []string{"10.0.1.10", "10.0.1.20", "10.0.2.30", "10.0.2.99", "203.0.113.10", "198.51.100.10", "198.51.100.30",
		"2001:db8:1:1::20", "2001:db8:1:2::30", "2001:db8:ff00::10", "2001:db8:99::1", "169.254.169.254"}
	for _, from := range hosts {
		for _, to := range targets {
			for _, s := range []packet.Spec{syn(to, 80), syn(to, 22), datagram(to, 53), echo(to, 9)} {
				leg := n.e.Trace(TraceRequest{From: from, Tuple: s.Tuple, ICMPType: s.ICMPType}).Request[0]
				verdict, reason := n.send(from, s)
				if leg.Reason == ReasonNoNeighbor {
					continue // no packet leaves an instance whose ARP gets no answer
				}
				if leg.Verdict != verdict || leg.Reason != reason {
					t.Errorf("%d → %s: trace says %v (%v), forwarding %v (%v)", from, to, leg.Verdict, leg.Reason, verdict, reason)
				}
			}
		}
	}
}

func TestTraceOfAnsweredPacketsKeepsNoMemory(t *testing.T) {
	n := newNetwork(t).publish()
	for range 1000 {
		n.e.Trace(TraceRequest{From: hI1, Tuple: echo("10.0.1.1", 1).Tuple, ICMPType: 8})
	}
	if len(n.e.arena.chunks) > 1 {
		t.Errorf("%d chunks are held for answers that nobody sent", len(n.e.arena.chunks))
	}
}

func TestTraceIsReadableJSON(t *testing.T) {
	n := newNetwork(t).publish()
	text, err := json.Marshal(n.e.Trace(TraceRequest{From: hI1, Tuple: syn("10.0.2.30", 22).Tuple}).Request[0].Steps[1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"stage":"security-group-out","verdict":"pass","reason":"untracked","objects":[{"kind":"securityGroup","name":"g1"}],"rule":"rule",` +
		`"text":"egress rule allows rule (untracked: open to all both ways)","after":{"protocol":"tcp","src":"10.0.1.10","dst":"10.0.2.30","srcPort":40000,"dstPort":22}}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
}
