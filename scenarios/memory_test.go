package scenarios

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// A superframe leaves its host with a partial checksum and is translated by the
// gateway; each of its segments must arrive whole.
func TestSuperframeSurvivesTranslation(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, fixture{i1: "publicIp: true"}.String())
		msg := tcp(40000, 80, ack)
		msg.seq, msg.payload, msg.segmentSize = 7000, []byte(strings.Repeat("0123456789", 400)), 1400
		n.play(family.String(), step{from: "i1", to: "x", msg: msg, want: "delivered to x | i1 egress ACCEPT"})
		var payload []byte
		for _, a := range n.arrivals {
			if int(a.seq) != 7000+len(payload) {
				t.Errorf("%s: a segment begins at %d, want %d", family, a.seq, 7000+len(payload))
			}
			payload = append(payload, a.payload...)
		}
		if len(n.arrivals) != 3 || string(payload) != string(msg.payload) {
			t.Errorf("%s: %d segments with %d bytes, want 3 with the %d that were sent", family, len(n.arrivals), len(payload), len(msg.payload))
		}
	}
}

// The hosts' own verification is what the tests stand on: it must see a
// checksum that a rewrite left behind.
func TestHostsSeeBrokenChecksums(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, fixture{}.String())
		i1 := n.hosts["i1"].interfaces[0]
		for _, msg := range []message{tcp(1, 2, syn), udp(1, 2), ping()} {
			msg.src, msg.dst = n.address("i1"), n.address("i3")
			if family == control.IPv6 && msg.proto == packet.ProtoICMP {
				msg = asICMPv6(msg)
			}
			data := msg.frame(i1.link, i1.mac, i1.mac).Data
			if err := verifyChecksums(data); err != nil {
				t.Fatalf("%s protocol %d: %v", family, msg.proto, err)
			}
			port := ethernetHeader + 20 + 3
			if family == control.IPv6 {
				port += 20
			}
			data[port] ^= 1
			if verifyChecksums(data) == nil {
				t.Errorf("%s protocol %d: a flipped bit goes unseen", family, msg.proto)
			}
		}
		partial := tcp(1, 2, ack)
		partial.src, partial.dst, partial.payload, partial.segmentSize = n.address("i1"), n.address("i3"), make([]byte, 3000), 1000
		f := partial.frame(i1.link, i1.mac, i1.mac)
		address := ethernetHeader + 15 // the last byte of the source
		if family == control.IPv6 {
			address = ethernetHeader + 23
		}
		f.Data[address] ^= 1 // a rewrite that forgets the partial checksum
		for _, segment := range new(packet.Segmenter).Segment(nil, &f) {
			if verifyChecksums(segment.Data) == nil {
				t.Errorf("%s: a forgotten partial checksum goes unseen", family)
			}
		}
	}
}

func TestProbeRefusesUnknownSender(t *testing.T) {
	m, err := NewMemory(t.Context(), open(t, "quickstart"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Probe(t.Context(), Probe{From: "nobody"}); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Probe(ctx, Probe{From: "web"}); err == nil {
		t.Error("a cancelled probe was sent")
	}
}

// A host reaches its own addresses without a network, as it does in a namespace.
func TestHostReachesItself(t *testing.T) {
	w, err := control.Open("lab.yaml", []byte(`name: lab
vpcs: {a: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: a, cidr: 10.0.1.0/24}}
securityGroups: {none: {vpc: a}}
instances: {i: {subnet: s, ip: 10.0.1.10, securityGroups: [none], serve: [tcp/80]}}
checks:
  - {from: i, to: i, ping: true, source: i}
  - {from: i, to: i, tcp: 80, source: 10.0.1.10}
  - {from: i, to: 127.0.0.1, tcp: 80}
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range checkOnMemory(t, w) {
		if !r.OK {
			t.Error(r.Got)
		}
	}
}

func TestNewMemoryReportsProblems(t *testing.T) {
	w := loadText(t, "vpcs: {v: {cidr: 10.0.0.0/8}}\n")
	if _, err := NewMemory(t.Context(), w); err == nil || !strings.Contains(err.Error(), "InvalidVpc.Range") {
		t.Error(err)
	}
}

// An update that AWS would refuse leaves the lab as it was.
func TestRefusedUpdateChangesNothing(t *testing.T) {
	m, err := NewMemory(t.Context(), open(t, "quickstart"))
	if err != nil {
		t.Fatal(err)
	}
	before := m.Engine().Snapshot()
	err = m.Update(t.Context(), func(w *control.World) error {
		w.Subnets["public"].VPC = "nowhere"
		return nil
	})
	if err == nil || m.Engine().Snapshot() != before {
		t.Errorf("%v", err)
	}
	for _, r := range Run(t.Context(), m.World(), m, nil) {
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	}
}

// Packets, updates, traces and readers at the same time. What a probe meets is
// one of the two worlds or, between its packets, the change from one to the
// other; never a third thing.
func TestPublishWhileTrafficRuns(t *testing.T) {
	m, err := NewMemory(t.Context(), open(t, "quickstart"))
	if err != nil {
		t.Fatal(err)
	}
	shut := *m.World().SecurityGroups["web"]
	shut.Ingress = shut.Ingress[1:] // without port 80
	open := m.World().SecurityGroups["web"]
	web := m.World().Instances["web"].Status
	laptop := dataplane.Handle(m.World().InternetHosts["laptop"].Status.Handle)

	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 150 {
			err := m.Update(t.Context(), func(w *control.World) error {
				w.SecurityGroups["web"] = open
				if i%2 == 0 {
					w.SecurityGroups["web"] = &shut
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		var tuple packet.Tuple
		tuple.Dst, tuple.Proto, tuple.SrcPort, tuple.DstPort = packet.AddrFrom(web.PublicIP), packet.ProtoTCP, 50000, 80
		for running(done) {
			if trace := m.Engine().Trace(dataplane.TraceRequest{From: laptop, Tuple: tuple, Reply: true}); trace.Last().Reason == dataplane.ReasonBug {
				t.Error("a trace without a reason")
			}
			m.Engine().Counters()
			m.Engine().Drops(0)
		}
	})
	outcomes := map[string]int{}
	for running(done) {
		for _, to := range []Probe{
			{From: "laptop", To: web.PublicIP, Protocol: control.ProtocolTCP, Port: 80},
			{From: "laptop", To: web.IPv6, Protocol: control.ProtocolTCP, Port: 80},
		} {
			o, err := m.Probe(t.Context(), to)
			switch {
			case err != nil:
				t.Error(err)
			case o.Answered:
				outcomes["answered"]++
			case o.Dropped != nil && decidedBy(o.Dropped, control.Decider{Kind: "securityGroup", Name: "web"}):
				outcomes["dropped"]++
			default:
				t.Errorf("neither answered nor dropped by the group: %+v", o)
			}
		}
	}
	wg.Wait()
	if bugs := m.Engine().Counters().Reasons[dataplane.ReasonBug]; bugs != 0 {
		t.Errorf("%d walks ended without a reason", bugs)
	}
	t.Logf("%v", outcomes)
}

func running(done chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// A host that forwards takes one off the TTL, and says so when nothing is left.
func TestForwardingHostDecrementsTTL(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		n := newTestNetwork(t, family, throughMB.String())
		probe := udp(40000, 33434)
		probe.ttl = 2
		n.send("p1", "app", probe)
		if last := n.arrivals[len(n.arrivals)-1]; last.at.name != "app/eth0" || last.ttl != 1 {
			t.Errorf("%s: %s got TTL %d, want app/eth0 and 1", family, last.at.name, last.ttl)
		}
		probe.ttl = 1
		n.send("p1", "app", probe)
		last := n.arrivals[len(n.arrivals)-1]
		if last.at.name != "p1/eth0" || last.quoted == nil || last.quoted.dst != n.address("app") {
			t.Errorf("%s: %s got %+v, want time exceeded at p1/eth0", family, last.at.name, last.message)
		}
	}
}

// S29: an ICMP error about a connection passes a group that lets no ICMP in; one
// about nothing does not.
func TestS29RelatedErrorsPass(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{a: nothingIn, i1: "publicIp: true"}.String())
	n.mute = false
	n.send("i1", "x", udp(40000, 33434))
	if last := n.arrivals[len(n.arrivals)-1]; last.at.name != "i1/eth0" || !last.isPortUnreachable() {
		t.Errorf("%s got %+v, want port unreachable at i1/eth0", last.at.name, last.message)
	}
	n.mute = true
	about := udp(40001, 33434)
	about.src, about.dst = n.address("eip:i1"), n.address("x")
	n.play("about nothing", step{from: "x", to: "eip:i1", msg: about.portUnreachable(), want: "dropped at securityGroup a | i1 ingress REJECT"})
}
