package scenarios

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The cases of AWS's semantics are tables, one file per topic: filtering,
// routing, addressing, examples. This file plays them; the name of an entry
// begins with the ids of what it holds.

// step is one thing that a case does. Wait, world and tunnels come before the packet.
type step struct {
	wait     time.Duration
	world    string                         // what the lab becomes
	tunnels  map[string]control.TunnelState // what they become; those that are missing are down
	from, to string
	// by is the tunnel that what a site's host sends enters AWS by; "": what its
	// router would take.
	by     string
	source string // the packet's, if not its sender's own; one per family
	msg    message
	// reply makes the packet an answer to what from got last: addresses and
	// ports are swapped. Msg then says no more than flags and payload; without
	// those it is what a host would answer.
	reply bool
	// want is the outcome; without a bar, only its verdict is compared.
	want string
	// seen is "source → destination" as the last host that a frame reached saw
	// them; "": not compared.
	seen string
}

// nothingLogged is the end of an outcome of which no flow log has a record.
const nothingLogged = " | no record"

// semanticsCase is a case of AWS's semantics, played with single packets.
type semanticsCase struct {
	name  string
	world string
	steps []step
	// only restricts the case to one family; by default it is played in both.
	only control.Family
}

// play runs the cases, each in the address families that it is about.
func play(t *testing.T, cases []semanticsCase) {
	for _, c := range cases {
		for _, family := range []control.Family{control.IPv4, control.IPv6} {
			if c.only != control.FamilyUnset && c.only != family {
				continue
			}
			t.Run(c.name+" over "+family.String(), func(t *testing.T) {
				n := newTestNetwork(t, family, inFamily(c.world, family))
				for i, s := range c.steps {
					n.play(fmt.Sprintf("step %d", i+1), s)
				}
			})
		}
	}
}

func (n *testNetwork) play(name string, s step) {
	n.Helper()
	n.Advance(s.wait)
	if s.world != "" {
		n.change(inFamily(s.world, n.family))
	}
	if s.tunnels != nil {
		n.learn(s.tunnels)
	}
	if s.from == "" {
		return
	}
	if s.reply {
		s = n.answerOf(s)
	}
	for _, text := range strings.Fields(s.source) {
		if a := netip.MustParseAddr(text); a.Is4() == n.address(s.to).Is4() {
			s.msg.src = a
		}
	}
	var got string
	if s.by != "" {
		got = n.sendInto(s.by, s.from, s.to, s.msg)
	} else {
		got = n.send(s.from, s.to, s.msg)
	}
	switch logged := strings.Contains(got, " | "); {
	case !strings.Contains(s.want, " | "):
		got, _, _ = strings.Cut(got, " | ")
	case !logged:
		got += nothingLogged
	}
	if diff := cmp.Diff(s.want, got); diff != "" {
		n.Errorf("%s: %s → %s (-want +got):\n%s", name, s.from, s.to, diff)
		for _, leg := range n.legs {
			n.Log(describeLeg(leg))
		}
	}
	if s.seen == "" {
		return
	}
	saw := "nothing"
	if len(n.arrivals) > 0 {
		last := n.arrivals[len(n.arrivals)-1]
		saw = fmt.Sprintf("%s → %s", last.src, last.dst)
	}
	if saw != s.seen {
		n.Errorf("%s: %s → %s: the receiver saw %s, want %s", name, s.from, s.to, saw, s.seen)
	}
}

// answerOf fills in a step that answers what its sender got last.
func (n *testNetwork) answerOf(s step) step {
	n.Helper()
	got, ok := n.last[s.from]
	if !ok {
		n.Fatalf("%s got nothing that it could answer", s.from)
	}
	back, ok := reply(got)
	if s.msg.flags != 0 || s.msg.payload != nil || !ok {
		back = message{src: got.dst, dst: got.src, proto: got.proto, srcPort: got.dstPort, dstPort: got.srcPort}
		back.flags, back.payload = s.msg.flags, s.msg.payload
	}
	s.msg, s.to = back, got.src.String()
	return s
}

// The flags of TCP segments in tests.
const (
	syn    = packet.TCPFlagSYN
	synAck = packet.TCPFlagSYN | packet.TCPFlagACK
	ack    = packet.TCPFlagACK
	finAck = packet.TCPFlagFIN | packet.TCPFlagACK
)

func tcp(src, dst uint16, flags uint8) message {
	return message{proto: packet.ProtoTCP, srcPort: src, dstPort: dst, flags: flags}
}

func udp(src, dst uint16) message {
	return message{proto: packet.ProtoUDP, srcPort: src, dstPort: dst, payload: []byte("hello")}
}

// ping and pong are an echo request and its reply, ICMP or ICMPv6 as the family
// of the destination has it.
func ping() message {
	return message{proto: packet.ProtoICMP, icmpType: icmpEchoRequest, srcPort: 7, payload: make([]byte, 56)}
}

func pong() message {
	return message{proto: packet.ProtoICMP, icmpType: icmpEchoReply, srcPort: 7, payload: make([]byte, 56)}
}

func asICMPv6(msg message) message {
	msg.proto = packet.ProtoICMPv6
	switch msg.icmpType {
	case icmpEchoRequest:
		msg.icmpType = icmp6EchoRequest
	case icmpEchoReply:
		msg.icmpType = icmp6EchoReply
	case icmpTimestamp:
		msg.icmpType = icmp6NodeInformation
	}
	return msg
}

const (
	icmpTimestamp        = 13
	icmp6NodeInformation = 139
)

func gre() message { return message{proto: 47, payload: make([]byte, 24)} }
