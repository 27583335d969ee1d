package dataplane

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// traffic is what the engine counted, by the objects' names, without those that
// have seen nothing.
func (n *network) traffic() map[string]Traffic {
	all := map[string]Traffic{}
	s := n.e.Statistics()
	for _, list := range [][]ObjectTraffic{s.Interfaces, s.Gateways} {
		for _, o := range list {
			if o.Traffic != (Traffic{}) {
				all[o.String()] = o.Traffic
			}
		}
	}
	return all
}

func (n *network) wantTraffic(what string, want map[string]Traffic) {
	n.t.Helper()
	if diff := cmp.Diff(want, n.traffic()); diff != "" {
		n.t.Errorf("%s (-want +got):\n%s%s", what, diff, n.story())
	}
}

func TestTrafficIsCountedWhereItPasses(t *testing.T) {
	n := newNetwork(t).publish()
	n.want("SYN", hI1, syn("203.0.113.10", 80), VerdictPass, ReasonDelivered)
	one := uint64(40) // headers alone
	n.wantTraffic("out by the Internet gateway", map[string]Traffic{
		"networkInterface i1/eth0": {SentPackets: 1, SentBytes: one},
		"internetGateway igw":      {SentPackets: 1, SentBytes: one},
		"internetHost laptop":      {ReceivedPackets: 1, ReceivedBytes: one},
	})
	n.send(hI1, echo("10.0.1.1", 7)) // the platform's own answer counts nowhere
	n.publish()                      // and counters outlive snapshots
	n.want("SYN again", hI1, syn("203.0.113.10", 80), VerdictPass, ReasonDelivered)
	if got := n.traffic()["internetGateway igw"]; got != (Traffic{SentPackets: 2, SentBytes: 2 * one}) {
		t.Errorf("after another snapshot: %+v", got)
	}
}

func TestTrafficOfADropLeftItsSenderUnlessItsOwnGroupSaidNo(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.want("refused by the receiver", hI1, syn("10.0.2.30", 80), VerdictDrop, ReasonNoRule)
	n.wantTraffic("a drop at the receiver", map[string]Traffic{"networkInterface i1/eth0": {SentPackets: 1, SentBytes: 40}})
	n.b.SecurityGroups[0].Egress = nil
	n.publish()
	n.want("refused by the sender", hI1, syn("10.0.2.31", 81), VerdictDrop, ReasonNoRule)
	n.wantTraffic("a drop at the sender", map[string]Traffic{"networkInterface i1/eth0": {SentPackets: 1, SentBytes: 40}})
}

func TestTrafficCountsSegmentsAndTheirHeaders(t *testing.T) {
	n := newNetwork(t).publish()
	n.e.Forward([]packet.Frame{n.superframe("10.0.2.30", 10, 1000)}, nil)
	got := n.traffic()
	sent := got["networkInterface i1/eth0"]
	if sent.SentPackets != 10 || sent.SentBytes < 10*1040 || sent.SentBytes != got["networkInterface i3/eth0"].ReceivedBytes {
		t.Errorf("a superframe of 10 segments: %+v", got)
	}
}

func TestNATGatewayCountsBothSidesAndItsConnections(t *testing.T) {
	n := newNAT64Network(t).publish()
	n.want("out", hI3, datagram("64:ff9b::203.0.113.10", 5353), VerdictPass, ReasonDelivered)
	n.want("back", hHost, n.back(), VerdictPass, ReasonDelivered)
	n.send(hI3, syn("203.0.113.10", 80))
	n.send(hHost, packet.Spec{Tuple: n.back().Tuple, TCPFlags: packet.TCPFlagSYN | packet.TCPFlagACK})
	n.send(hI3, data("203.0.113.10"))
	s := n.e.Statistics()
	nat := s.NATGateways[hNAT]
	near := Traffic{}
	for _, g := range s.Gateways {
		if g.Handle == hNAT {
			near = g.Traffic
		}
	}
	if far := nat.Destinations; far.SentPackets < 2 || far.SentBytes >= near.ReceivedBytes {
		t.Errorf("IPv6 goes out as IPv4, which is smaller: %+v, from the sources %+v", far, near)
	}
	if nat.ActiveConnections != 2 || nat.ConnectionAttempts != 1 {
		t.Errorf("connections: %+v", nat)
	}
	n.clock += 400e9
	for range 100 {
		n.e.Forward(nil, nil)
	}
	if nat = n.e.Statistics().NATGateways[hNAT]; nat.ActiveConnections != 0 || nat.IdleTimeouts != 2 {
		t.Errorf("after 400 s idle: %+v", nat)
	}
}

func TestDropsAreCountedByWhatDecided(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	for range 3 {
		n.send(hI1, syn("10.0.2.30", 22))
	}
	n.send(hHost, syn("198.51.100.77", 22))
	counts, others := n.e.DropCounts()
	if len(counts) != 2 || len(others) != 0 || counts[0].Packets != 3 {
		t.Fatalf("%+v, others %v", counts, others)
	}
	if step := n.e.Snapshot().Explain(counts[0].Last); step.Text != "no ingress rule allows tcp/22 from 10.0.1.10" || step.Objects[0].Name != "g3" {
		t.Errorf("%+v", step)
	}
}

func TestDropCountsAreBounded(t *testing.T) {
	n := newNetwork(t).publish()
	const links = maxDropCounts + 10
	for i := range links {
		n.e.Forward([]packet.Frame{{Link: uint32(5000 + i), Data: make([]byte, 60)}}, nil)
	}
	counts, others := n.e.DropCounts()
	if len(counts) != maxDropCounts || others[ReasonUnknownLink] != links-maxDropCounts {
		t.Errorf("%d counts, others %v", len(counts), others)
	}
	n.publish() // what is of no object makes room
	n.e.Forward(nil, nil)
	if counts, others = n.e.DropCounts(); len(counts) != 0 || others[ReasonUnknownLink] != links {
		t.Errorf("after another snapshot %d counts, others %v", len(counts), others)
	}
}

func TestTrafficOfTransitGatewayAttachments(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.publish()
	h.want("from VPC 1 to VPC 2", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	seen := map[Handle]ObjectTraffic{}
	for _, o := range h.e.Statistics().Gateways {
		seen[o.Handle] = o
	}
	in, out := seen[h.b.TransitGatewayAttachments[0].Handle], seen[h.b.TransitGatewayAttachments[1].Handle]
	if in.Traffic != (Traffic{ReceivedPackets: 1, ReceivedBytes: 40}) || out.Traffic != (Traffic{SentPackets: 1, SentBytes: 40}) {
		t.Errorf("in by %+v, out by %+v", in, out)
	}
	if in.Of.Kind != KindTransitGateway {
		t.Errorf("the attachment is of %+v", in.Of)
	}
}
