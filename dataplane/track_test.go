package dataplane

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestFlowIsOneCacheLine(t *testing.T) {
	if size := unsafe.Sizeof(slot[flow]{}); size != 64 {
		t.Errorf("a flow is %d bytes, want 64", size)
	}
	if size := unsafe.Sizeof(Step{}); size != 12 {
		t.Errorf("a step is %d bytes, want 12", size)
	}
}

func TestFlowTableAgreesWithMap(t *testing.T) {
	expiredAt := func(now int64) func(*slot[flow]) bool {
		return func(f *slot[flow]) bool { return f.value.expires <= now }
	}
	table := keyTable[flow]{limit: 1 << 20, seed: 42}
	oracle := map[flowKey]int64{}
	rng := rand.New(rand.NewPCG(1, 2))
	now := int64(0)
	for range 200_000 {
		key := flowKey{
			local: packet.Addr{Lo: uint64(rng.IntN(40))}, remote: packet.Addr{Lo: uint64(rng.IntN(40))},
			scope: uint32(1+rng.IntN(6))<<8 | 6, localPort: uint16(rng.IntN(8)),
		}
		now += 1000
		switch rng.IntN(3) {
		case 0:
			f := table.insert(&key)
			f.value.state, f.value.expires = flowNew, now+int64(rng.IntN(20_000_000))
			oracle[key] = f.value.expires
		case 1:
			f := table.find(&key)
			want, ok := oracle[key]
			if alive := ok && want > now; alive != (f != nil && f.value.expires > now) {
				t.Fatalf("find says %v, the map says %v", f != nil, ok)
			}
			if f != nil && ok && f.value.expires != want {
				t.Fatalf("found a flow that expires at %d, want %d", f.value.expires, want)
			}
		case 2:
			table.sweep(sweepSlots, expiredAt(now))
		}
	}
	for range 100_000 {
		table.sweep(sweepSlots, expiredAt(1<<60))
	}
	if table.count != 0 {
		t.Errorf("%d flows are left after all expired", table.count)
	}
}

func TestFlowsOfGoneInterfacesAreSwept(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.publish()
	n.want("tracked", hI1, syn("203.0.113.10", 22), VerdictPass, ReasonDelivered)
	if n.e.Flows() != 1 {
		t.Fatalf("%d flows, want 1", n.e.Flows())
	}
	n.e.Publish(emptySnapshot)
	for range 512 {
		n.e.Forward(nil, nil)
	}
	if n.e.Flows() != 0 {
		t.Error("the flow outlived its interface")
	}
}

// TestTrackTimeouts covers S26, S27 and S28: how long an idle connection lets
// an answer in where no rule would.
func TestTrackTimeouts(t *testing.T) {
	type exchange struct {
		out  bool // i1 sends; otherwise i3 answers
		spec packet.Spec
	}
	gre := packet.Spec{Tuple: packet.Tuple{Dst: addr("10.0.2.30"), Proto: 47}}
	ack := syn("10.0.2.30", 22)
	ack.TCPFlags = packet.TCPFlagACK
	fin := ack
	fin.TCPFlags |= packet.TCPFlagFIN
	rst := ack
	rst.TCPFlags = packet.TCPFlagRST
	finBack := answer(ack, "10.0.1.10")
	finBack.TCPFlags = packet.TCPFlagFIN | packet.TCPFlagACK
	ackBack := answer(ack, "10.0.1.10")
	ackBack.TCPFlags = packet.TCPFlagACK
	syn22, dns := syn("10.0.2.30", 22), datagram("10.0.2.30", 53)
	dnsBack := answer(dns, "10.0.1.10")
	request := exchange{true, dns}
	response := exchange{false, dnsBack}

	for _, c := range []struct {
		name   string
		before []exchange
		last   packet.Spec
		idle   time.Duration
	}{
		{"S-C21 UDP one way", []exchange{request}, dnsBack, 30 * time.Second},
		{"UDP one request and response", []exchange{request, response}, dnsBack, 30 * time.Second},
		{"UDP stream", []exchange{request, response, request, response}, dnsBack, 180 * time.Second},
		{"S-C22 GRE", []exchange{{true, gre}}, answer(gre, "10.0.1.10"), 600 * time.Second},
		{"ICMP", []exchange{{true, echo("10.0.2.30", 7)}}, echoReply("10.0.1.10", 7), 30 * time.Second},
		{"TCP half open", []exchange{{true, syn22}}, ackBack, 30 * time.Second},
		{"TCP established", []exchange{{true, syn22}, {false, answer(syn22, "10.0.1.10")}, {true, ack}}, ackBack, 432000 * time.Second},
		{"TCP half closed", []exchange{{true, syn22}, {false, answer(syn22, "10.0.1.10")}, {true, fin}}, ackBack, 432000 * time.Second},
		{"TCP closed", []exchange{{true, syn22}, {false, answer(syn22, "10.0.1.10")}, {true, fin}, {false, finBack}}, ackBack, 10 * time.Second},
		{"TCP reset", []exchange{{true, syn22}, {false, answer(syn22, "10.0.1.10")}, {true, rst}}, ackBack, 10 * time.Second},
		{"TCP seen in its middle, one side", []exchange{{true, ack}}, ackBack, 30 * time.Second},
		{"TCP seen in its middle, both sides", []exchange{{true, ack}, {false, ackBack}}, ackBack, 432000 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				n := newNetwork(t)
				n.b.SecurityGroups[0].Ingress = nil
				n.publish()
				for _, x := range c.before {
					if x.out {
						n.want("out", hI1, x.spec, VerdictPass, ReasonDelivered)
					} else {
						n.want("back", hI3, x.spec, VerdictPass, ReasonDelivered)
					}
				}
				n.clock += int64(c.idle) - 1
				verdict, reason := VerdictPass, ReasonDelivered
				if late {
					n.clock++
					verdict, reason = VerdictDrop, ReasonNoRule
				}
				n.want("after idling", hI3, c.last, verdict, reason)
			}
		})
	}
}

func TestTrackRepliesAreNotRequests(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.publish()
	n.want("ping out", hI1, echo("10.0.2.30", 7), VerdictPass, ReasonDelivered)
	n.want("a request with the same identifier", hI3, echo("10.0.1.10", 7), VerdictDrop, ReasonNoRule)
	n.want("the reply", hI3, echoReply("10.0.1.10", 7), VerdictPass, ReasonDelivered)
	n.want("ping6 out", hI1, echo("2001:db8:1:2::30", 7), VerdictPass, ReasonDelivered)
	n.want("ping6 request back", hI3, echo("2001:db8:1:1::10", 7), VerdictDrop, ReasonNoRule)
	n.want("ping6 reply", hI3, echoReply("2001:db8:1:1::10", 7), VerdictPass, ReasonDelivered)
}

func TestTrackClosedConnectionIsJudgedAgain(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.1.0/24", 22, 22))
	n.publish()
	s := syn("10.0.2.30", 22)
	n.want("first", hI1, s, VerdictPass, ReasonDelivered)
	reset := answer(s, "10.0.1.10")
	reset.TCPFlags = packet.TCPFlagRST
	n.want("reset", hI3, reset, VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.want("same ports again", hI1, s, VerdictDrop, ReasonNoRule)
}

func TestTrackTableFullDropsNewFlows(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil // so that i1's flows are tracked
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 8})
	n.publish()
	passed := 0
	for port := range uint16(20) {
		s := datagram("10.0.2.30", 1000+port)
		switch _, r := n.send(hI1, s); r {
		case ReasonDelivered:
			passed++
		case ReasonTableFull:
		default:
			t.Fatalf("port %d: %v", port, r)
		}
	}
	if passed == 0 || passed > 8 {
		t.Errorf("%d flows found room, want 1 to 8", passed)
	}
	n.clock += int64(time.Minute)
	for range 512 {
		n.e.Forward(nil, nil) // the sweeper makes room
	}
	n.want("after the others expired", hI1, datagram("10.0.2.30", 53), VerdictPass, ReasonDelivered)
}

func TestTrackSurvivesPublish(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.1.10/32", 22, 22))
	n.publish()
	s := syn("10.0.2.30", 22)
	n.want("S-C3 opens", hI1, s, VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	s.TCPFlags = packet.TCPFlagACK
	n.want("S-C3 goes on", hI1, s, VerdictPass, ReasonDelivered)
	s.SrcPort++
	n.want("S-C3 a second one", hI1, s, VerdictDrop, ReasonNoRule)
}

// TestFlowAtHasTheHashOfItsKey looks at packets from both sides, in any order, some
// of them translated on the way: a hash that is taken over must be the key's own.
func TestFlowAtHasTheHashOfItsKey(t *testing.T) {
	n := newNetwork(t)
	w := &Walk{state: &n.e.state}
	rng := rand.New(rand.NewPCG(1, 2))
	address := func() packet.Addr { return packet.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(2))}) }
	taken := 0
	for range 20000 {
		switch rng.IntN(4) {
		case 0:
			w.begin()
		case 1:
			w.tuple = packet.Tuple{
				Src: address(), Dst: address(), SrcPort: uint16(rng.IntN(2)), DstPort: uint16(rng.IntN(2)),
				Proto: []uint8{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoICMP, 0}[rng.IntN(4)],
			}
			w.icmpType = []uint8{0, 8}[rng.IntN(2)]
		}
		dir := direction(rng.IntN(2))
		other := w.keys[1-dir]
		w.flowAt(Handle(1+rng.IntN(2)), dir)
		key := &w.keys[dir]
		if want := key.flowKey.hash(n.e.state.flows.seed, n.e.state.flows.together); key.hash != want {
			t.Fatalf("%+v has the hash %x, want %x", key.flowKey, key.hash, want)
		}
		if other.scope != 0 && key.turns(&other.flowKey) {
			taken++
		}
	}
	if taken == 0 {
		t.Error("no hash was taken over")
	}
}
