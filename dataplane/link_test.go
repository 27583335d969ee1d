package dataplane

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hLink = 400 + iota
	hLink2
	hLink3
)

const ms = int64(time.Millisecond)

// newDistantNetwork is the network with its subnets in two zones of a Region,
// and the links given.
func newDistantNetwork(t testing.TB, links ...Link) *network {
	n := newNetwork(t)
	n.b.VPCs[0].Region = "us-east-1"
	n.b.Subnets[0].Zone, n.b.Subnets[1].Zone = "us-east-1a", "us-east-1b"
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 1 << 12, Seed: 1})
	n.setLinks(links...)
	return n
}

// setLinks publishes the network with other links: between its zones, unless
// they say something else.
func (n *network) setLinks(links ...Link) {
	n.t.Helper()
	for i := range links {
		l := &links[i]
		if l.Object == (Object{}) {
			l.Object = Object{Handle: hLink + Handle(i), Kind: KindLink, Name: "l" + string(rune('1'+i))}
		}
		if l.Interface == 0 && l.From == "" {
			l.From, l.To = "us-east-1a", "us-east-1b"
		}
	}
	n.b.Links = links
	n.publish()
}

// arrival is a frame that came out of the engine: when, where, and the number
// in its payload.
type arrival struct {
	at     int64
	link   Handle
	number uint32
	bytes  int // of IP
}

// drain moves the clock from one due time to the next until nothing is under
// way, and returns what arrived, after what Forward put out.
func (n *network) drain() []arrival {
	n.t.Helper()
	list := n.arrivals(nil)
	for {
		due, ok := n.e.NextDue()
		if !ok {
			return list
		}
		if due > n.clock {
			n.clock = due
		}
		n.frames = n.e.Due(n.frames[:0])
		list = n.arrivals(list)
	}
}

// until is drain up to a time.
func (n *network) until(t int64) []arrival {
	n.t.Helper()
	var list []arrival
	for {
		due, ok := n.e.NextDue()
		if !ok || due > t {
			n.clock = t
			return list
		}
		n.clock = max(n.clock, due)
		n.frames = n.e.Due(n.frames[:0])
		list = n.arrivals(list)
	}
}

func (n *network) arrivals(list []arrival) []arrival {
	n.t.Helper()
	for i := range n.frames {
		var p packet.Packet
		if problem := packet.Parse(&p, &n.frames[i]); problem != packet.ProblemNone || !checksumRight(n.frames[i]) {
			n.t.Fatalf("a broken frame arrived: %v", problem)
		}
		_, bytes := packet.TotalBytes(&p)
		a := arrival{n.clock, Handle(n.frames[i].Link), 0, bytes}
		if p.End-p.Payload >= 4 {
			a.number = binary.BigEndian.Uint32(n.frames[i].Data[p.Payload:])
		}
		list = append(list, a)
	}
	n.frames = n.frames[:0]
	return list
}

// numbered is a datagram whose payload begins with a number.
func numbered(dst string, number uint32, size int) packet.Spec {
	s := datagram(dst, 9000)
	s.Payload = make([]byte, size)
	binary.BigEndian.PutUint32(s.Payload, number)
	return s
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: %v, want %v ± %v", what, got, want, tolerance)
	}
}

func TestLinkDelaysEachDirectionByItself(t *testing.T) {
	for _, c := range []struct{ name, there, back string }{
		{"IPv4", "10.0.2.30", "10.0.1.10"},
		{"IPv6", "2001:db8:1:2::30", "2001:db8:1:1::10"},
	} {
		n := newDistantNetwork(t, Link{Forward: Impairment{Delay: 10 * time.Millisecond}, Reverse: Impairment{Delay: 30 * time.Millisecond}})
		start := n.clock
		n.want(c.name, hI1, numbered(c.there, 1, 100), VerdictPass, ReasonDelivered)
		n.clock = start + 10*ms - 1
		if out := n.e.Due(nil); len(out) != 0 || len(n.frames) != 0 {
			t.Errorf("%s: it arrived too early", c.name)
		}
		if got := n.drain(); len(got) != 1 || got[0].at != start+10*ms || got[0].link != hI3 || got[0].number != 1 {
			t.Errorf("%s: there: %+v", c.name, got)
		}
		start = n.clock
		n.want(c.name, hI3, numbered(c.back, 2, 100), VerdictPass, ReasonDelivered)
		if got := n.drain(); len(got) != 1 || got[0].at != start+30*ms || got[0].link != hI1 {
			t.Errorf("%s: back: %+v", c.name, got)
		}
		n.want(c.name, hI1, datagram("10.0.1.20", 1), VerdictPass, ReasonDelivered)
		if len(n.frames) != 1 {
			t.Errorf("%s: a packet inside the zone was held", c.name)
		}
	}
}

func TestClosestLinkWins(t *testing.T) {
	region := Link{From: "us-east-1", To: "us-east-1", Forward: Impairment{Delay: time.Millisecond}, Reverse: Impairment{Delay: 2 * time.Millisecond}}
	zones := Link{From: "us-east-1b", To: "us-east-1a", Forward: Impairment{Delay: 3 * time.Millisecond}}
	far := Link{From: "us-east-1", To: "eu-west-1", Forward: Impairment{Delay: 4 * time.Millisecond}}
	for _, c := range []struct {
		name        string
		links       []Link
		zone        string // of subnet two; its Region stays
		there, back int64
	}{
		{"none", nil, "us-east-1b", 0, 0},
		{"another Region's", []Link{far}, "us-east-1b", 0, 0},
		{"the Region's own", []Link{region, far}, "us-east-1b", ms, 2 * ms},
		{"the zones'", []Link{region, zones}, "us-east-1b", 0, 3 * ms},
		{"the zones', whatever the order", []Link{zones, region}, "us-east-1b", 0, 3 * ms},
		{"third zone", []Link{zones, region}, "us-east-1c", ms, 2 * ms},
		{"same zone", []Link{zones, region}, "us-east-1a", 0, 0},
	} {
		n := newDistantNetwork(t)
		n.b.Subnets[1].Zone = c.zone
		n.setLinks(append([]Link(nil), c.links...)...)
		start := n.clock
		n.want(c.name, hI1, numbered("10.0.2.30", 1, 10), VerdictPass, ReasonDelivered)
		if got := n.drain(); len(got) != 1 || got[0].at-start != c.there {
			t.Errorf("%s: there: %+v after %d", c.name, got, start)
		}
		start = n.clock
		n.want(c.name, hI3, numbered("10.0.1.10", 1, 10), VerdictPass, ReasonDelivered)
		if got := n.drain(); len(got) != 1 || got[0].at-start != c.back {
			t.Errorf("%s: back: %+v after %d", c.name, got, start)
		}
	}
}

func TestOwnLinkOfInterface(t *testing.T) {
	own := Link{Interface: hI1, Forward: Impairment{Delay: 5 * time.Millisecond}, Reverse: Impairment{Delay: 7 * time.Millisecond}}
	host := Link{Interface: hHost, Forward: Impairment{Delay: 100 * time.Millisecond}, Reverse: Impairment{Delay: 200 * time.Millisecond}}
	n := newDistantNetwork(t)
	n.b.Services = Services{Object: Object{Handle: 300, Kind: KindServices}, MAC: InterfaceMAC(300)}
	n.setLinks(own, host)
	for _, c := range []struct {
		name  string
		from  Handle
		dst   string
		port  uint16
		delay int64
	}{
		{"to a neighbour", hI1, "10.0.1.20", 9, 5 * ms},
		{"from a neighbour", hI2, "10.0.1.10", 9, 7 * ms},
		{"through the router", hI1, "10.0.2.30", 9, 5 * ms},
		{"to the Internet", hI1, "203.0.113.10", 9, 205 * ms},
		{"from the Internet", hHost, "198.51.100.10", 9, 107 * ms},
		{"from the Internet, IPv6", hHost, "2001:db8:1:1::10", 9, 107 * ms},
		{"to a service", hI1, "10.0.0.2", 53, 5 * ms},
		{"between others", hI3, "10.0.1.20", 9, 0},
	} {
		start := n.clock
		n.want(c.name, c.from, datagram(c.dst, c.port), VerdictPass, ReasonDelivered)
		if got := n.drain(); len(got) != 1 || got[0].at-start != c.delay {
			t.Errorf("%s: %+v after %d, want %d", c.name, got, start, c.delay)
		}
	}
	start := n.clock
	n.want("service's answer", 300, packet.Spec{SrcMAC: InterfaceMAC(300), Tuple: packet.Tuple{
		Src: addr("169.254.169.253"), Dst: serviceClient(hI1, true), SrcPort: 53, DstPort: 40000, Proto: packet.ProtoUDP,
	}}, VerdictPass, ReasonDelivered)
	if got := n.drain(); len(got) != 1 || got[0].at-start != 7*ms {
		t.Errorf("service's answer: %+v after %d", got, start)
	}
}

// AWS: an interface's groups act on its own host. What is lost on the way has
// been sent, and has not arrived.
func TestLostPacketIsTrackedByItsSenderOnly(t *testing.T) {
	n := newDistantNetwork(t, Link{Forward: Impairment{Loss: 1}})
	n.b.SecurityGroups[0].Ingress, n.b.SecurityGroups[2].Egress = nil, nil
	n.publish()
	n.want("lost", hI1, syn("10.0.2.30", 80), VerdictDrop, ReasonLinkLoss)
	if n.e.Flows() != 1 {
		t.Errorf("%d flows, want the sender's", n.e.Flows())
	}
	n.want("an answer to it", hI3, answer(syn("10.0.2.30", 80), "10.0.1.10"), VerdictDrop, ReasonNoRule)
	drops := n.e.Drops(0)
	if got := n.e.Snapshot().Explain(drops[0]); got.Objects[0].String() != "link l1" || got.Text != "lost: the link loses 100 %" {
		t.Errorf("explained as %v: %s", got.Objects, got.Text)
	}
	if s := n.e.Links()[0].Forward; s.Lost != 1 || s.Packets != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTraceTellsOfLinks(t *testing.T) {
	n := newDistantNetwork(t,
		Link{Forward: Impairment{Delay: 38 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01}, Reverse: Impairment{Loss: 1}},
		Link{Interface: hI3, Reverse: Impairment{Bandwidth: 50e6, Duplicate: 0.005, Reorder: 0.25}})
	trace := n.e.Trace(TraceRequest{From: hI1, Tuple: syn("10.0.2.30", 22).Tuple, Reply: true})
	want := []string{
		"  link l1: adds 38 ms ± 1 ms, loses 1 %",
		"  networkAcl two: ingress rule 100 allow all",
		"  link l2: doubles 0.5 %, lets 25 % overtake, carries 50 Mbit/s",
		"  securityGroup g3: ingress rule allows rule (untracked: open to all both ways)",
		"  link l1: loses 100 %",
	}
	var got []string
	for _, line := range strings.Split(lines(trace.Request)+lines(trace.Reply), "\n") {
		for _, w := range []string{"link ", "networkAcl two: ingress", "securityGroup g3: ingress"} {
			if strings.HasPrefix(line, "  "+w) {
				got = append(got, line)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !trace.Passed() {
		t.Error("a trace left to chance whether it passes")
	}
	if s := n.e.Links(); s[0].Forward != (LinkStatistics{}) || s[1].Reverse != (LinkStatistics{}) {
		t.Errorf("the trace was counted: %+v", s)
	}
}

func TestImpairmentInWords(t *testing.T) {
	for _, c := range []struct {
		i    Impairment
		want string
	}{
		{Impairment{}, "adds nothing"},
		{Impairment{Delay: 1500 * time.Microsecond}, "adds 1.5 ms"},
		{Impairment{Delay: 250 * time.Microsecond, Bandwidth: 64000}, "adds 250 µs, carries 64 kbit/s"},
		{Impairment{Jitter: 2 * time.Second, Bandwidth: 2.5e9}, "adds 0 ms ± 2 s, carries 2.5 Gbit/s"},
		{Impairment{Loss: 0.0001, Bandwidth: 300}, "loses 0.01 %, carries 300 bit/s"},
	} {
		if got := c.i.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSealRefusesWrongLinks(t *testing.T) {
	for _, c := range []struct {
		name  string
		links []Link
		want  string
	}{
		{"loss", []Link{{Forward: Impairment{Loss: 1.5}}}, "not between 0 and 1"},
		{"not a number", []Link{{Reverse: Impairment{Reorder: math.NaN()}}}, "not between 0 and 1"},
		{"negative delay", []Link{{Forward: Impairment{Delay: -1}}}, "not between 0"},
		{"subnet's link", []Link{{Interface: hOne}}, "is no interface"},
		{"two on an interface", []Link{{Interface: hI1, Forward: Impairment{Loss: 0.1}}, {Interface: hI1}}, "has a link already"},
		{"two between zones", []Link{{}, {From: "us-east-1b", To: "us-east-1a"}}, "there is another link"},
		{"one end", []Link{{From: "us-east-1a"}}, "neither an interface nor two ends"},
	} {
		n := newDistantNetwork(t)
		for i := range c.links {
			c.links[i].Object = Object{Handle: hLink + Handle(i), Kind: KindLink, Name: "l"}
			if c.links[i].Interface == 0 && c.links[i].From == "" {
				c.links[i].From, c.links[i].To = "us-east-1a", "us-east-1b"
			}
		}
		n.b.Links = c.links
		if _, err := n.b.Seal(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A Region's link is crossed once between peered transit gateways, from zone to
// gateway, and not again on the way to a zone of the other Region.
func TestTransitGatewaysCrossRegions(t *testing.T) {
	h := twoHubs(t)
	for table, block := range []string{"10.2.0.0/16", "10.1.0.0/16"} {
		h.b.TransitGatewayRouteTables[table].Routes = append(h.b.TransitGatewayRouteTables[table].Routes,
			TransitGatewayRoute{Destination: cidr(block), Attachment: hHubPeering, Text: block})
	}
	for i := range h.b.TransitGatewayAttachments { // by zone a alone
		a := &h.b.TransitGatewayAttachments[i]
		a.Interfaces = a.Interfaces[:1]
	}
	inside := Impairment{Delay: time.Millisecond}
	h.b.Links = []Link{
		{Object: Object{Handle: hLink, Kind: KindLink}, From: "us-east-1", To: "eu-west-1", Forward: Impairment{Delay: 40 * time.Millisecond}, Reverse: Impairment{Delay: 50 * time.Millisecond}},
		{Object: Object{Handle: hLink2, Kind: KindLink}, From: "us-east-1", To: "us-east-1", Forward: inside, Reverse: inside},
		{Object: Object{Handle: hLink3, Kind: KindLink}, From: "eu-west-1", To: "eu-west-1", Forward: inside, Reverse: inside},
	}
	h.publish()
	for _, c := range []struct {
		name  string
		from  Handle
		dst   string
		delay int64
	}{
		{"zone a to zone a", at(1, hubInstanceA), "10.2.1.10", 40 * ms},
		{"zone a to zone b", at(1, hubInstanceA), "10.2.2.10", 41 * ms},
		{"back", at(2, hubInstanceA), "10.1.1.10", 50 * ms},
		{"inside the Region", at(1, hubInstanceA), "10.1.2.10", ms},
	} {
		start := h.clock
		h.want(c.name, c.from, datagram(c.dst, 53), VerdictPass, ReasonDelivered)
		if got := h.drain(); len(got) != 1 || got[0].at-start != c.delay {
			t.Errorf("%s: %+v after %d, want %d\n%s", c.name, got, start, c.delay, h.story())
		}
	}
}
