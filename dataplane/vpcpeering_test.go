package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// K-C1, PX-1: only one side has a route.
func TestPeeringNeedsRoutesOnBothSides_KC1(t *testing.T) {
	h := newHub(t, 2)
	p := h.peer(1, 2)
	h.route(1, hubTable, "10.2.0.0/16", TargetVPCPeering, p)
	h.publish()
	h.want("there", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("10.1.1.10") {
		t.Errorf("the receiver saw %s", got.Src)
	}
	h.want("back", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.10"), VerdictDrop, ReasonNoRoute)
	h.route(2, hubTable, "10.1.0.0/16", TargetVPCPeering, p)
	h.publish()
	h.want("back with a route", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.10"), VerdictPass, ReasonDelivered)
	h.want("IPv6 has no route", at(1, hubInstanceA), syn("2001:db8:201::10", 80), VerdictDrop, ReasonNoRoute)
	h.route(1, hubTable, "2001:db8:200::/40", TargetVPCPeering, p)
	h.publish()
	h.want("IPv6 with a route (P14)", at(1, hubInstanceA), syn("2001:db8:201::10", 80), VerdictPass, ReasonDelivered)
}

// K-C2, PX-2, P9: a peering leads from one VPC to the other and nowhere else.
func TestPeeringIsNotTransitive_KC2(t *testing.T) {
	h := newHub(t, 3)
	ab, ac := h.peer(1, 2), h.peer(1, 3)
	for k, p := range map[int]Handle{2: ab, 3: ac} {
		h.route(k, hubTable, "10.0.0.0/8", TargetVPCPeering, p)
		h.route(k, hubTable, "0.0.0.0/0", TargetVPCPeering, p)
		h.route(k, hubTable, "2001:db8::/32", TargetVPCPeering, p)
	}
	h.route(1, hubTable, "10.2.0.0/16", TargetVPCPeering, ab)
	h.route(1, hubTable, "10.3.0.0/16", TargetVPCPeering, ac)
	h.publish()
	h.want("b to a", at(2, hubInstanceA), syn("10.1.1.10", 80), VerdictPass, ReasonDelivered)
	h.both("b to c over a", at(2, hubInstanceA), 3, 1, VerdictDrop, ReasonEdgeToEdge)
	h.want("b to the Internet over a", at(2, hubInstanceA), syn("203.0.113.10", 80), VerdictDrop, ReasonEdgeToEdge)
	// What c sends through an appliance of a's comes from no address of a's.
	h.b.NetworkInterfaces[0].SourceDestCheck = false
	h.publish()
	s := syn("10.2.1.10", 80)
	s.Src = addr("10.3.1.10")
	h.want("c's packet passed on by a", at(1, hubInstanceA), s, VerdictDrop, ReasonNotTransitive)
}

// P8: the other side's route table has no say in the delivery, its network ACL
// and security group do.
func TestPeeringDeliversStraightToTheInterface(t *testing.T) {
	h := newHub(t, 2)
	p := h.peer(1, 2)
	h.route(1, hubTable, "10.2.1.10/32", TargetVPCPeering, p) // P7: a part of the peer will do
	h.table(2, hubTable).Routes = nil
	h.publish()
	h.want("no route in the peer's table", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	h.want("another host of the peer has no route", at(1, hubInstanceA), syn("10.2.2.10", 80), VerdictDrop, ReasonNoRoute)
	h.acl(2, hubACL).Ingress = []ACLRule{{Number: 90, Match: tcp("10.1.0.0/16", 80, 80), Text: "deny"}}
	h.publish()
	h.want("the peer's network ACL", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictDrop, ReasonDenyRule)
	h.acl(2, hubACL).Ingress = openACL()
	h.b.SecurityGroups[1].Ingress = nil
	h.publish()
	h.want("the peer's security group", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictDrop, ReasonNoRule)
}

// P13: 8500 bytes between Regions, whatever a VPC carries inside.
func TestPeeringMTUBetweenRegions(t *testing.T) {
	large := datagram("10.2.1.10", 53)
	large.Payload, large.DontFragment = make([]byte, 8800), true
	for _, c := range []struct {
		name, region string
		tooBig       bool
	}{{"same Region", "us-east-1", false}, {"another Region", "eu-west-1", true}} {
		h := newHub(t, 2)
		h.b.VPCs[1].Region = c.region
		h.route(1, hubTable, "10.2.0.0/16", TargetVPCPeering, h.peer(1, 2))
		h.publish()
		h.send(at(1, hubInstanceA), large)
		got := h.delivered() // too big: the sender is told
		if told := got.Src == addr("10.1.1.1") && got.ICMPType == 3 && got.ICMPCode == 4; told != c.tooBig {
			t.Errorf("%s: %s sent protocol %d, type %d", c.name, got.Src, got.Proto, got.ICMPType)
		}
		whole := large
		whole.DontFragment = false
		if h.send(at(1, hubInstanceA), whole); len(h.frames) == 2 != c.tooBig {
			t.Errorf("%s without DF: %d frames", c.name, len(h.frames))
		}
	}
}

// P12: references to a peer's group match packets that came over a peering, from
// the member itself.
func TestGroupReferenceAcrossPeering(t *testing.T) {
	h := newHub(t, 2)
	p := h.peer(1, 2)
	for _, block := range []string{"10.2.0.0/16", "2001:db8:200::/40"} {
		h.route(1, hubTable, block, TargetVPCPeering, p)
	}
	reference := func(across Crossing) {
		h.b.SecurityGroups[1].Ingress = []GroupRule{{Match: Match{Protocol: AnyProtocol, ICMPType: AnyICMP, ICMPCode: AnyICMP}, Group: at(1, hubGroup), Across: across}}
		h.publish()
	}
	reference(CrossesPeering)
	h.both("a member over the peering", at(1, hubInstanceA), 2, 1, VerdictPass, ReasonDelivered)
	reference(CrossesTransitGateway)
	h.both("a reference for another way", at(1, hubInstanceB), 2, 1, VerdictDrop, ReasonNoRule)
	reference(0)
	h.both("a group of the same VPC only", at(1, hubInstanceB), 2, 2, VerdictDrop, ReasonNoRule)
}

// R46: a NAT gateway reaches a peer VPC, whose answer needs no route; what it
// did not ask for stays out.
func TestAnswerToPeersNATGatewayNeedsNoRoute_R46(t *testing.T) {
	h := newHub(t, 2)
	h.b.NATGateways = []NATGateway{{
		Object: Object{Handle: at(1, hubNAT), Kind: KindNATGateway, Name: "nat"}, Subnet: at(1, hubTransitA), MAC: InterfaceMAC(at(1, hubNAT)),
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.254.9")},
	}}
	p := h.peer(1, 2)
	h.route(1, hubTable, "10.2.0.0/16", TargetNATGateway, at(1, hubNAT))
	h.route(1, hubTransitTable, "10.2.0.0/16", TargetVPCPeering, p)
	h.publish()
	h.want("unasked", at(2, hubInstanceA), packet.Spec{Tuple: packet.Tuple{Dst: addr("10.1.254.9"), SrcPort: 80, DstPort: 2000, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagSYN},
		VerdictDrop, ReasonNoRoute)
	h.want("there", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	got := h.delivered()
	if got.Src != addr("10.1.254.9") {
		t.Fatalf("the receiver saw %s, want the NAT gateway", got.Src)
	}
	back := packet.Spec{Tuple: packet.Tuple{Dst: got.Src, SrcPort: 80, DstPort: got.SrcPort, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagSYN | packet.TCPFlagACK}
	h.want("back", at(2, hubInstanceA), back, VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Dst != addr("10.1.1.10") {
		t.Errorf("the answer went to %s", got.Dst)
	}
	back.SrcPort = 81
	h.want("from another port", at(2, hubInstanceA), back, VerdictDrop, ReasonNoRoute)
}

// K-C4, P10: two peers with one block; the answer follows the answering side's
// own routes.
func TestAnswerFollowsOwnRoutes_KC4(t *testing.T) {
	h := newHub(t, 3)
	h.b.VPCs[2].CIDRs[0] = cidr("10.2.0.0/16")
	for i := range h.b.Subnets {
		if s := &h.b.Subnets[i]; s.VPC == at(3, hubVPC) {
			for j := range s.CIDRs {
				if s.CIDRs[j].Addr().Is4() {
					a := s.CIDRs[j].Addr().As4()
					s.CIDRs[j] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2, a[2], a[3]}), s.CIDRs[j].Bits())
				}
			}
		}
	}
	for i := range h.b.NetworkInterfaces {
		if n := &h.b.NetworkInterfaces[i]; n.Subnet == at(3, hubSubnetA) || n.Subnet == at(3, hubSubnetB) {
			a := n.Addresses[0].As4()
			n.Addresses[0] = netip.AddrFrom4([4]byte{10, 2, a[2], a[3]})
		}
	}
	h.table(3, hubTable).Routes[0].Destination = cidr("10.2.0.0/16")
	h.table(3, hubTransitTable).Routes[0].Destination = cidr("10.2.0.0/16")
	ab, ac := h.peer(1, 2), h.peer(1, 3)
	h.route(1, hubTable, "10.2.0.0/16", TargetVPCPeering, ac)
	h.route(2, hubTable, "10.1.0.0/16", TargetVPCPeering, ab)
	h.publish()
	h.want("b to a", at(2, hubInstanceA), syn("10.1.1.10", 80), VerdictPass, ReasonDelivered)
	h.want("the answer", at(1, hubInstanceA), answer(syn("10.1.1.10", 80), "10.2.1.10"), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != at(3, hubInstanceA) {
		t.Errorf("the answer went to interface %d, want c's host of the same address", got)
	}
}
