package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TG-1: five VPCs through one gateway, all pairs, both families.
func TestTransitGatewayJoinsAllPairs(t *testing.T) {
	h := newHub(t, 5).viaHub()
	h.publish()
	for from := 1; from <= 5; from++ {
		for to := 1; to <= 5; to++ {
			if from != to {
				h.both("all pairs", at(from, hubInstanceA), to, 1, VerdictPass, ReasonDelivered)
				h.both("all pairs, across zones", at(from, hubInstanceB), to, 1, VerdictPass, ReasonDelivered)
			}
		}
	}
	h.want("nobody's address", at(1, hubInstanceA), syn("10.9.0.1", 80), VerdictDrop, ReasonNoRoute)
	if got := h.stepReason(StageTransitGatewayRoute); got != ReasonNoRoute {
		t.Errorf("decided elsewhere: %v", got)
	}
}

// K-C6: what an attachment's table lacks cannot be reached from it.
func TestTransitGatewayRoutesByTheSendersAssociation_KC6(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.b.TransitGatewayRouteTables[0].Routes = h.b.TransitGatewayRouteTables[0].Routes[2:] // only VPC 2's
	h.publish()
	h.both("a to b", at(1, hubInstanceA), 2, 1, VerdictPass, ReasonDelivered)
	h.want("b's answer", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.10"), VerdictDrop, ReasonNoRoute)
}

// K-C7, T8: the longest prefix wins, also when it is a blackhole.
func TestTransitGatewayBlackhole_KC7(t *testing.T) {
	h := newHub(t, 2).viaHub()
	table := &h.b.TransitGatewayRouteTables[0]
	table.Routes = append(table.Routes, TransitGatewayRoute{Destination: cidr("10.2.1.0/24"), Text: "10.2.1.0/24 → blackhole"})
	h.publish()
	h.want("inside the blackhole", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictDrop, ReasonBlackhole)
	h.want("beside it", at(1, hubInstanceA), syn("10.2.2.10", 80), VerdictPass, ReasonDelivered)
}

// T3: without an association there is no table to ask.
func TestTransitGatewayDropsWithoutAssociation(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.b.TransitGatewayAttachments[0].RouteTable = 0
	h.publish()
	h.want("out", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictDrop, ReasonNotAssociated)
	h.want("in", at(2, hubInstanceA), syn("10.1.1.10", 80), VerdictPass, ReasonDelivered)
}

// K-C9, T10, TG-9: a zone without a subnet of the attachment cannot send, but is
// reached through another zone.
func TestTransitGatewayNeedsTheSendersZone_KC9(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.b.TransitGatewayAttachments[0].Interfaces = h.b.TransitGatewayAttachments[0].Interfaces[:1]
	h.publish()
	h.want("from the zone without", at(1, hubInstanceB), syn("10.2.1.10", 80), VerdictDrop, ReasonNoZone)
	h.want("from the zone with", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	h.want("to the zone without", at(2, hubInstanceB), syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	h.want("its answer", at(1, hubInstanceB), answer(syn("10.1.2.10", 80), "10.2.2.10"), VerdictDrop, ReasonNoZone)
}

// T12: a packet stays in its zone where the other attachment has it.
func TestTransitGatewayKeepsTheZone(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.publish()
	h.want("from zone a", at(1, hubInstanceA), syn("10.2.2.10", 80), VerdictPass, ReasonDelivered)
	if got := h.exit(); got != at(2, hubEntryA) {
		t.Errorf("from zone a it left by %d", got)
	}
	h.want("from zone b", at(1, hubInstanceB), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	if got := h.exit(); got != at(2, hubEntryB) {
		t.Errorf("from zone b it left by %d", got)
	}
}

// inspection routes VPCs 1 and 2 to each other through VPC 3.
func inspection(t testing.TB, applianceMode bool) *hub {
	h := newHub(t, 3).viaHub()
	h.b.TransitGatewayAttachments[2].ApplianceMode = applianceMode
	h.route(1, hubTable, "0.0.0.0/0", TargetTransitGateway, at(1, hubAttachment))
	all := func(to int) []TransitGatewayRoute {
		return []TransitGatewayRoute{
			{Destination: cidr("0.0.0.0/0"), Attachment: at(to, hubAttachment), Text: "all"},
			{Destination: cidr("::/0"), Attachment: at(to, hubAttachment), Text: "all"},
		}
	}
	spokes := TransitGatewayRouteTable{
		Object: Object{Handle: hHubOtherTable, Kind: KindTransitGatewayRouteTable, Name: "spokes"}, TransitGateway: hHub, Routes: all(3),
	}
	h.b.TransitGatewayRouteTables = append(h.b.TransitGatewayRouteTables, spokes)
	h.b.TransitGatewayAttachments[0].RouteTable, h.b.TransitGatewayAttachments[1].RouteTable = hHubOtherTable, hHubOtherTable
	h.publish()
	return h
}

// K-C10, T12, T13: request and answer between two zones meet appliances in two
// zones, or in one with appliance mode.
func TestApplianceModeKeepsAFlowInOneZone_KC10(t *testing.T) {
	for _, mode := range []bool{false, true} {
		h := inspection(t, mode)
		used := map[Handle]int{}
		for port := uint16(1000); port < 1200; port++ {
			request := syn("10.2.2.10", 80)
			request.SrcPort = port
			h.send(at(1, hubInstanceA), request)
			there := h.exit()
			reply := answer(request, "10.1.1.10")
			h.send(at(2, hubInstanceB), reply)
			back := h.exit()
			if mode && there != back {
				t.Fatalf("appliance mode: port %d left by %d and came back by %d", port, there, back)
			}
			if !mode && (there != at(3, hubEntryA) || back != at(3, hubEntryB)) {
				t.Fatalf("port %d: by %d and %d, want the sender's zone each time", port, there, back)
			}
			used[there]++
		}
		if mode && (used[at(3, hubEntryA)] < 60 || used[at(3, hubEntryB)] < 60) {
			t.Errorf("appliance mode spreads flows as %v", used)
		}
		if !mode {
			continue
		}
		// Both ends in one zone: that zone.
		h.send(at(1, hubInstanceB), syn("10.2.2.10", 80))
		if got := h.exit(); got != at(3, hubEntryB) {
			t.Errorf("both ends in zone b: by %d", got)
		}
		// An end without a zone: the other's.
		h.send(at(1, hubInstanceB), syn("203.0.113.10", 80))
		if got := h.exit(); got != at(3, hubEntryB) {
			t.Errorf("to the Internet from zone b: by %d", got)
		}
	}
}

// S44: which lists of which network ACL stand between an instance and a transit
// gateway in other subnets.
func TestNetworkACLsAroundTransitGatewayInterfaces_S44(t *testing.T) {
	deny := func(source string) []ACLRule {
		return append([]ACLRule{{Number: 50, Match: anyTraffic(source), Text: "deny"}}, openACL()...)
	}
	for _, c := range []struct {
		name string
		deny func(h *hub)
		pass bool
	}{
		{"instance subnet, out, by destination", func(h *hub) { h.acl(1, hubACL).Egress = deny("10.2.0.0/16") }, false},
		{"gateway subnet, in, by source", func(h *hub) { h.acl(1, hubTransitACL).Ingress = deny("10.1.1.0/24") }, false},
		{"gateway subnet, out, is not asked on the way to the gateway", func(h *hub) { h.acl(1, hubTransitACL).Egress = deny("10.2.0.0/16") }, true},
		{"receiver's gateway subnet, out, by destination", func(h *hub) { h.acl(2, hubTransitACL).Egress = deny("10.2.1.0/24") }, false},
		{"receiver's gateway subnet, in, is not asked on the way from the gateway", func(h *hub) { h.acl(2, hubTransitACL).Ingress = deny("10.1.0.0/16") }, true},
		{"receiver's subnet, in, by source", func(h *hub) { h.acl(2, hubACL).Ingress = deny("10.1.0.0/16") }, false},
	} {
		h := newHub(t, 2).viaHub()
		c.deny(h)
		h.publish()
		_, reason := h.send(at(1, hubInstanceA), syn("10.2.1.10", 80))
		if got := reason == ReasonDelivered; got != c.pass {
			t.Errorf("%s: %v; steps:\n%s", c.name, reason, h.story())
		}
	}
}

// S45, S-C25, NA-08: the gateway's interface in the instance's own subnet.
func TestNetworkACLWithTransitGatewayInTheSameSubnet_SC25(t *testing.T) {
	build := func(change func(acl *NetworkACL)) *hub {
		h := newHub(t, 2).viaHub()
		a := &h.b.TransitGatewayAttachments[0]
		a.Interfaces = a.Interfaces[:1]
		a.Interfaces[0].Subnet, a.Interfaces[0].Addresses = at(1, hubSubnetA), []netip.Addr{netip.MustParseAddr("10.1.1.4")}
		change(h.acl(1, hubACL))
		h.publish()
		return h
	}
	deny := append([]ACLRule{{Number: 50, Match: anyTraffic("10.2.0.0/16"), Text: "deny"}}, openACL()...)
	h := build(func(acl *NetworkACL) { acl.Ingress = deny })
	h.want("in: not asked from the gateway", at(2, hubInstanceA), syn("10.1.1.10", 80), VerdictPass, ReasonDelivered)
	h.want("in: asked about the source towards the gateway, which is the instance", at(1, hubInstanceA), answer(syn("10.1.1.10", 80), "10.2.1.10"), VerdictPass, ReasonDelivered)
	h = build(func(acl *NetworkACL) { acl.Egress = deny })
	h.want("out: not asked from the gateway", at(2, hubInstanceA), syn("10.1.1.10", 80), VerdictPass, ReasonDelivered)
	h.want("out: asked towards the gateway", at(1, hubInstanceA), answer(syn("10.1.1.10", 80), "10.2.1.10"), VerdictDrop, ReasonDenyRule)
}

// T11: the attachment subnet's own route table says where a packet goes.
func TestTransitGatewayDeliversByTheAttachmentSubnetsTable(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.table(2, hubTransitTable).Routes[0].Target = Target{TargetNetworkInterface, at(2, hubInstanceB)}
	h.b.NetworkInterfaces[3].SourceDestCheck = false
	h.publish()
	h.want("through the appliance", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != at(2, hubInstanceB) {
		t.Errorf("delivered to %d, want the interface of the route", got)
	}
}

// T20, A32: 8500 bytes, a clamped segment size, and one hop.
func TestTransitGatewayIsAHop(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.publish()
	for _, c := range []struct {
		dst string
		mss int
	}{{"10.2.1.10", 8460}, {"2001:db8:201::10", 8440}} {
		s := h.spec(at(1, hubInstanceA), syn(c.dst, 80))
		s.TTL, s.Payload = 5, []byte{2, 4, 0x23, 0x01} // an MSS option of 8961
		frame := packet.Append(nil, s)
		frame[len(frame)-4-20+12] = 6 << 4 // data offset: the option is header
		if _, reason := h.sendFrame(at(1, hubInstanceA), frame); reason != ReasonDelivered {
			t.Fatalf("%s: %v", c.dst, reason)
		}
		got := h.delivered()
		if got.TTL != 4 {
			t.Errorf("%s: the TTL is %d, want 4", c.dst, got.TTL)
		}
		if mss := int(got.Frame.Data[got.L4+22])<<8 | int(got.Frame.Data[got.L4+23]); mss != c.mss {
			t.Errorf("%s: the segment size is %d, want %d", c.dst, mss, c.mss)
		}
	}
	s := syn("10.2.1.10", 80)
	s.TTL = 1
	h.want("TTL 1", at(1, hubInstanceA), s, VerdictDrop, ReasonTTLExpired)
	if len(h.frames) != 0 {
		t.Error("a transit gateway tells nobody that the TTL ended")
	}
	large := datagram("10.2.1.10", 53)
	large.Payload = make([]byte, 8600)
	h.want("too large, no DF", at(1, hubInstanceA), large, VerdictDrop, ReasonTooBig)
	if len(h.frames) != 0 {
		t.Error("a packet without DF is dropped in silence")
	}
	large.DontFragment = true
	if h.send(at(1, hubInstanceA), large); len(h.frames) != 1 || h.delivered().ICMPCode != 4 {
		t.Error("a packet with DF is answered")
	}
}

func TestTransitGatewayInterfaceAnswersNothing(t *testing.T) {
	h := newHub(t, 1)
	h.publish()
	h.want("ping", at(1, hubInstanceA), echo("10.1.254.4", 1), VerdictDrop, ReasonNoListener)
}

// T21: references to a group of another VPC through the gateway.
func TestGroupReferenceAcrossTransitGateway(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.b.SecurityGroups[1].Ingress = []GroupRule{{Match: Match{Protocol: AnyProtocol, ICMPType: AnyICMP, ICMPCode: AnyICMP}, Group: at(1, hubGroup), Across: CrossesTransitGateway}}
	h.publish()
	h.both("a member", at(1, hubInstanceA), 2, 1, VerdictPass, ReasonDelivered)
	h.b.SecurityGroups[1].Ingress[0].Across = CrossesPeering
	h.publish()
	h.both("a member over a peering only", at(1, hubInstanceB), 2, 1, VerdictDrop, ReasonNoRule)
	// An outbound rule cannot refer through a transit gateway.
	h.b.SecurityGroups[1].Ingress = open()
	h.b.SecurityGroups[0].Egress = []GroupRule{{Match: Match{Protocol: AnyProtocol, ICMPType: AnyICMP, ICMPCode: AnyICMP}, Group: at(2, hubGroup), Across: CrossesTransitGateway}}
	h.publish()
	h.both("outbound", at(1, hubInstanceB), 2, 2, VerdictDrop, ReasonNoRule)
}

// twoHubs is VPC 1 at hub and VPC 2 at another gateway in another Region, the
// gateways peered.
func twoHubs(t testing.TB) *hub {
	h := newHub(t, 2).viaHub()
	h.b.VPCs[1].Region = "eu-west-1"
	for i := range h.b.Subnets {
		if s := &h.b.Subnets[i]; s.VPC == at(2, hubVPC) {
			s.Zone = "eu-west-1" + s.Zone[9:]
		}
	}
	h.b.TransitGateways = append(h.b.TransitGateways, TransitGateway{Object: Object{Handle: hHubOther, Kind: KindTransitGateway, Name: "west"}, Region: "eu-west-1"})
	h.b.TransitGatewayPeerings = []TransitGatewayPeering{{
		Object: Object{Handle: hHubPeering, Kind: KindTransitGatewayAttachment, Name: "hub-west"},
		Sides:  [2]TransitGatewayPeeringSide{{hHub, hHubTable}, {hHubOther, hHubOtherTable}},
	}}
	h.b.TransitGatewayAttachments[1].TransitGateway, h.b.TransitGatewayAttachments[1].RouteTable = hHubOther, hHubOtherTable
	own := h.b.TransitGatewayRouteTables[0].Routes
	h.b.TransitGatewayRouteTables[0].Routes = own[:2:2]
	h.b.TransitGatewayRouteTables = append(h.b.TransitGatewayRouteTables, TransitGatewayRouteTable{
		Object: Object{Handle: hHubOtherTable, Kind: KindTransitGatewayRouteTable, Name: "west/default"}, TransitGateway: hHubOther, Routes: own[2:],
	})
	return h
}

// K-C11, T16, TG-4: peered gateways know each other's networks by static routes.
func TestTransitGatewayPeeringNeedsStaticRoutesOnBothSides_KC11(t *testing.T) {
	h := twoHubs(t)
	add := func(table int, block string) {
		h.b.TransitGatewayRouteTables[table].Routes = append(h.b.TransitGatewayRouteTables[table].Routes,
			TransitGatewayRoute{Destination: cidr(block), Attachment: hHubPeering, Text: block + " → hub-west"})
		h.publish()
	}
	add(0, "10.2.0.0/16")
	h.want("there", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.TTL != 62 || got.Src != addr("10.1.1.10") {
		t.Errorf("TTL %d from %s, want 62 after two gateways, from 10.1.1.10", got.TTL, got.Src)
	}
	h.want("the answer", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.10"), VerdictDrop, ReasonNoRoute)
	add(1, "10.1.0.0/16")
	h.want("the answer with a route", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.10"), VerdictPass, ReasonDelivered)
	add(0, "2001:db8:200::/40")
	h.want("IPv6", at(1, hubInstanceA), syn("2001:db8:201::10", 80), VerdictPass, ReasonDelivered)
}

// Routes that point at each other end the walk, not the program.
func TestTransitGatewayPeeringLoopEnds(t *testing.T) {
	h := twoHubs(t)
	for i := range h.b.TransitGatewayRouteTables {
		h.b.TransitGatewayRouteTables[i].Routes = []TransitGatewayRoute{{Destination: cidr("0.0.0.0/0"), Attachment: hHubPeering, Text: "all"}}
	}
	h.publish()
	s := syn("10.9.9.9", 80)
	s.TTL = 255
	h.want("a loop", at(1, hubInstanceA), s, VerdictDrop, ReasonLoop)
}

// R32, NAT behind a transit gateway: the central egress of many VPCs.
func TestNATGatewayServesOtherVPCsThroughTransitGateway(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.b.InternetHosts = []InternetHost{{Object: Object{Handle: hHost, Kind: KindInternetHost, Name: "laptop"}, MAC: InterfaceMAC(hHost), Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10")}}}
	h.b.NATGateways = []NATGateway{{
		Object: Object{Handle: at(2, hubNAT), Kind: KindNATGateway, Name: "nat"}, Subnet: at(2, hubSubnetA), MAC: InterfaceMAC(at(2, hubNAT)),
		Addresses: []netip.Addr{netip.MustParseAddr("10.2.1.9")},
	}}
	h.b.InternetGateways = []InternetGateway{{
		Object: Object{Handle: hGateway, Kind: KindInternetGateway, Name: "igw"}, VPC: at(2, hubVPC),
		PublicAddresses: []PublicAddress{{Public: netip.MustParseAddr("198.51.100.9"), Private: netip.MustParseAddr("10.2.1.9"), Interface: at(2, hubNAT)}},
	}}
	h.b.TransitGatewayRouteTables[0].Routes = append(h.b.TransitGatewayRouteTables[0].Routes, TransitGatewayRoute{Destination: cidr("0.0.0.0/0"), Attachment: at(2, hubAttachment), Text: "all"})
	h.route(1, hubTable, "0.0.0.0/0", TargetTransitGateway, at(1, hubAttachment))
	h.route(2, hubTransitTable, "0.0.0.0/0", TargetNATGateway, at(2, hubNAT))
	h.route(2, hubTable, "0.0.0.0/0", TargetInternetGateway, hGateway)
	h.publish()
	h.want("out", at(1, hubInstanceA), syn("203.0.113.10", 80), VerdictPass, ReasonDelivered)
	got := h.delivered()
	if got.Src != addr("198.51.100.9") || got.TTL != 62 {
		t.Fatalf("the host saw %s with TTL %d, want 198.51.100.9 and 62", got.Src, got.TTL)
	}
	back := packet.Spec{Tuple: packet.Tuple{Dst: got.Src, SrcPort: 80, DstPort: got.SrcPort, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagSYN | packet.TCPFlagACK}
	h.want("back", hHost, back, VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Dst != addr("10.1.1.10") {
		t.Errorf("the answer went to %s", got.Dst)
	}
	// Without the NAT gateway the Internet gateway takes nothing of another VPC's.
	h.table(2, hubTransitTable).Routes[2].Target = Target{TargetInternetGateway, hGateway}
	h.publish()
	h.want("straight to the Internet gateway (R32)", at(1, hubInstanceA), syn("203.0.113.10", 81), VerdictDrop, ReasonNoPublicAddress)
}

func TestTransitGatewayAllocatesNothing(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.publish()
	frame := packet.Append(nil, h.spec(at(1, hubInstanceA), syn("10.2.2.10", 80)))
	work := make([]byte, len(frame))
	in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
	if n := testing.AllocsPerRun(200, func() {
		copy(work, frame)
		in[0] = packet.Frame{Data: work, Link: uint32(at(1, hubInstanceA))}
		out = h.e.Forward(in, out[:0])
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
