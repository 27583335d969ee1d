package dataplane

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestClientVPNTraceTellsEveryStep(t *testing.T) {
	h := newClientVPN(t)
	h.rule("10.1.2.0/24", "ops")
	h.clientRoute("172.20.0.0/22", 0)
	h.rule("172.20.0.0/22", "ops")
	h.publish()
	for name, c := range map[string]struct {
		to    string
		words []string
		last  Reason
	}{
		"there and back": {"10.1.1.10", []string{
			"came out of the client's tunnel: 172.20.0.2 → 10.1.1.10",
			"10.1.0.0/16 → subnet a",
			"authorization rule allows 10.1.0.0/16 for all",
			"source 172.20.0.2:40000 → 10.1.1.77:40000",
			"egress rule allows rule",
			"destination 10.1.1.77:40000 → 172.20.0.2:40000",
			"goes into the client's tunnel",
		}, ReasonDelivered},
		"not authorized": {"10.1.2.10", []string{"for 10.1.2.10 only the rules of its longest CIDR count, 10.1.2.0/24 for ops: none admits this client"}, ReasonNotAuthorized},
		"to a client":    {"172.20.0.3", []string{"for 172.20.0.3 there is 172.20.0.0/22 for ops: clients reach each other only by a rule for all groups"}, ReasonNotForEverybody},
		"IPv6, there and back": {"2001:db8:101::10", []string{
			"came out of the client's tunnel: 2001:db8:101::f:2 → 2001:db8:101::10",
			"authorization rule allows 2001:db8:100::/40 for all",
			"2001:db8:101::f:2 → 2001:db8:101::10: IPv6 of clients is not translated",
			"2001:db8:101::10 → 2001:db8:101::f:2: IPv6 of clients is not translated",
			"goes into the client's tunnel",
		}, ReasonDelivered},
		"to a client, IPv6": {"2001:db8:102::f:3", []string{"2001:db8:102::f:3 is another client's: AWS connects clients to each other over IPv4 only"}, ReasonClientToClientIPv6},
		"no route":          {"10.9.9.9", []string{"no route matches 10.9.9.9 for clients that landed on subnet worka-1"}, ReasonNoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			trace := h.e.Trace(TraceRequest{From: hAnna, Tuple: packet.Tuple{Dst: addr(c.to), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, Reply: true})
			traceSays(t, &trace, c.words...)
			if last := trace.Last(); last.Reason != c.last {
				t.Errorf("ends with %v, want %v", last.Reason, c.last)
			}
		})
	}
	if h.e.Flows() != 0 || h.e.state.nat.count() != 0 {
		t.Error("a trace wrote state")
	}
}

// A client that is pointed at VPC+2 gets its names from there, as an instance does.
func TestClientVPNReachesTheResolver(t *testing.T) {
	h := newClientVPN(t)
	h.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices}, MAC: InterfaceMAC(hServices)}
	h.publish()
	h.want("a question", hAnna, datagram("10.1.0.2", 53), VerdictPass, ReasonDelivered)
	if got := h.delivered(); h.frames[0].Link != hServices || got.Src != serviceClient(hCorpA, true) || got.Dst != resolver4 {
		t.Fatalf("link %d got %v", h.frames[0].Link, got.Tuple)
	}
	h.want("its answer", hServices, h.back(), VerdictPass, ReasonDelivered)
	if got := h.delivered(); Handle(h.frames[0].Link) != hAnna || got.Src != addr("10.1.0.2") || got.Dst != addr("172.20.0.2") {
		t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
	}
	h.b.ClientVPNEndpoints[0].AuthorizationRules = nil
	h.publish()
	h.want("without a rule", hAnna, datagram("10.1.0.2", 53), VerdictDrop, ReasonNoRule)
}

// Fragments are translated like their first, whatever they carry.
func TestClientVPNTranslatesFragments(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("carl has the port", hCarl, datagram("10.1.2.10", 53), VerdictPass, ReasonDelivered)
	s := datagram("10.1.2.10", 53)
	s.IPv4ID, s.Payload = 7, make([]byte, 3000)
	var cut packet.Segmenter
	whole := packet.Frame{Data: packet.Append(nil, h.spec(hAnna, s)), Link: uint32(hAnna)}
	for i, f := range cut.FragmentIPv4(nil, &whole, 1400) {
		if v, _ := h.sendFrame(hAnna, f.Data); v != VerdictPass {
			t.Fatalf("fragment %d was dropped:\n%s", i, h.story())
		}
		if got := h.delivered(); got.Src != addr("10.1.1.77") {
			t.Errorf("fragment %d comes from %s", i, got.Src)
		}
	}
}

func TestClientVPNAllocatesNothing(t *testing.T) {
	h := newClientVPN(t)
	h.rule("10.1.2.0/24", "ops")
	h.clientRoute("172.20.0.0/22", 0)
	h.rule("172.20.0.0/22")
	h.publish()
	h.want("out", hAnna, datagram("10.1.1.10", 53), VerdictPass, ReasonDelivered)
	h.want("out, IPv6", hAnna, datagram("2001:db8:101::10", 53), VerdictPass, ReasonDelivered)
	for name, c := range map[string]struct {
		from Handle
		spec packet.Spec
	}{
		"out":        {hAnna, datagram("10.1.1.10", 53)},
		"back":       {at(1, hubInstanceA), answer(datagram("10.1.1.10", 53), "10.1.1.77")},
		"denied":     {hAnna, datagram("10.1.2.10", 53)},
		"to client":  {hAnna, datagram("172.20.0.3", 53)},
		"out, IPv6":  {hAnna, datagram("2001:db8:101::10", 53)},
		"back, IPv6": {at(1, hubInstanceA), answer(datagram("2001:db8:101::10", 53), anna6)},
	} {
		frame := packet.Append(nil, h.spec(c.from, c.spec))
		work := make([]byte, len(frame))
		in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
		if n := testing.AllocsPerRun(200, func() {
			copy(work, frame)
			in[0] = packet.Frame{Data: work, Link: uint32(c.from)}
			out = h.e.Forward(in, out[:0])
		}); n != 0 {
			t.Errorf("%s: %v allocations per packet", name, n)
		}
	}
}

// Whatever clients and the VPC send each other: every walk ends for a reason, what
// reaches the VPC bears an interface's address, or the client's own IPv6 one, and what reaches a client is for it.
func TestClientVPNHoldsForRandomPackets(t *testing.T) {
	h := newClientVPN(t)
	h.rule("10.1.2.0/24", "ops")
	h.clientRoute("172.20.0.0/22", 0)
	h.rule("172.20.0.0/22")
	h.publish()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	places := []string{"10.1.1.10", "10.1.2.10", "10.1.1.77", "10.1.2.77", "172.20.0.2", "172.20.0.3", "172.20.0.4", "10.1.0.2", "10.1.9.9",
		"2001:db8:101::10", "2001:db8:102::10", "2001:db8:101::f:2", "2001:db8:102::f:3", "2001:db8:101::f:9", "fd00:ec2::253"}
	for range 20000 {
		s := packet.Spec{Tuple: packet.Tuple{
			Dst: addr(pick(places...)), SrcPort: uint16(1 + r.IntN(3)), DstPort: uint16(1 + r.IntN(3)), Proto: []uint8{6, 17, 1, 47}[r.IntN(4)],
		}, TCPFlags: uint8(r.IntN(64)), ICMPType: uint8(r.IntN(16)), TTL: uint8(1 + r.IntN(4)), DontFragment: r.IntN(2) == 0}
		if r.IntN(8) == 0 {
			s.Payload = make([]byte, r.IntN(3000))
		}
		if !s.Dst.Is4() && s.Proto == 1 {
			s.Proto = packet.ProtoICMPv6
		}
		sender := []Handle{hAnna, hBen, hCarl, at(1, hubInstanceA), at(1, hubInstanceB)}[r.IntN(5)]
		if s.Src = h.interfaceAt(sender).addressFor(s.Dst); s.Src.IsZero() || r.IntN(10) == 0 {
			s.Src = addr(pick("10.1.1.10", "172.20.0.2", "172.20.0.3"))
			if !s.Dst.Is4() {
				s.Src = addr(pick("2001:db8::1", "2001:db8:101::f:2", "2001:db8:102::f:3"))
			}
		}
		fromClient := sender == hAnna || sender == hBen || sender == hCarl
		_, reason := h.send(sender, s)
		if reason == ReasonBug || reason == ReasonLoop {
			t.Fatalf("%v from %d: %v\n%s", s.Tuple, sender, reason, h.story())
		}
		for i := range h.frames {
			var p packet.Packet
			if problem := packet.Parse(&p, &h.frames[i]); problem != packet.ProblemNone {
				t.Fatalf("what went out does not parse: %v", problem)
			}
			to := h.interfaceAt(Handle(h.frames[i].Link))
			if to.kind == KindVPNClient && !to.owns(p.Dst) {
				t.Fatalf("a client got what is for %s\n%s", p.Dst, h.story())
			}
			seen := p.Src == addr("10.1.1.77") || p.Src == addr("10.1.2.77") || !p.Src.Is4() && h.interfaceAt(sender).owns(p.Src)
			if fromClient && to.kind == KindNetworkInterface && !seen {
				t.Fatalf("the VPC got a packet of %s\n%s", p.Src, h.story())
			}
		}
	}
}

// C6: flow logs know the interface, and never the client.
func TestClientVPNFlowLogsKnowTheInterface(t *testing.T) {
	h := newClientVPN(t)
	for _, resource := range []Handle{hCorpA, at(1, hubInstanceB)} {
		h.b.FlowLogs = append(h.b.FlowLogs, FlowLog{Resource: resource, Accept: true, Reject: true})
	}
	h.b.NetworkInterfaces[1].SecurityGroups = []Handle{hCorpGroup} // the instance in b: nothing comes in
	h.publish()
	h.send(hAnna, datagram("10.1.2.10", 53))
	for _, r := range h.wantRecords("refused by the instance", "corp/10.1.1.77 > ACCEPT 1/28", "hostb-1 < REJECT 1/28") {
		if r.Tuple.Src != addr("10.1.1.77") || r.Tuple.Dst != addr("10.1.2.10") {
			t.Errorf("a record says %s → %s", r.Tuple.Src, r.Tuple.Dst)
		}
	}
	h.b.ClientVPNEndpoints[0].AuthorizationRules = nil
	h.publish()
	h.send(hAnna, datagram("10.1.2.10", 54))
	h.wantRecords("not authorized: no interface has seen it")
}

// BenchmarkClientVPN is a client's walk into the VPC, with 200 authorization rules,
// and to another client.
func BenchmarkClientVPN(b *testing.B) {
	h := newClientVPN(b)
	for i := range 199 {
		h.rule(fmt.Sprintf("10.200.%d.0/24", i), "ops")
	}
	h.clientRoute("172.20.0.0/22", 0)
	h.rule("172.20.0.0/22")
	h.publish()
	for _, c := range []struct{ name, dst string }{{"into the VPC", "10.1.2.10"}, {"into the VPC, IPv6", "2001:db8:102::10"}, {"to a client", "172.20.0.3"}} {
		b.Run(c.name, func(b *testing.B) {
			h.t = b
			frame := packet.Append(nil, h.spec(hAnna, datagram(c.dst, 53)))
			work := make([]byte, len(frame))
			in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
			b.ReportAllocs()
			for b.Loop() {
				copy(work, frame)
				in[0] = packet.Frame{Data: work, Link: uint32(hAnna)}
				if out = h.e.Forward(in, out[:0]); len(out) != 1 {
					b.Fatal(h.story())
				}
			}
		})
	}
}

// traceSays expects words in the texts of a trace's steps, there and back.
func traceSays(t *testing.T, trace *Trace, words ...string) {
	t.Helper()
	var text strings.Builder
	for _, leg := range append(trace.Request, trace.Reply...) {
		for _, s := range leg.Steps {
			text.WriteString(s.Stage.String() + " " + s.Objects[0].String() + ": " + s.Text + "\n")
		}
	}
	for _, w := range words {
		if !strings.Contains(text.String(), w) {
			t.Errorf("the trace does not say %q:\n%s", w, text.String())
		}
	}
}
