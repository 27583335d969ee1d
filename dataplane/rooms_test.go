package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestSecurityGroupUntrackedFlowsAreJudgedPacketByPacket(t *testing.T) {
	for _, c := range []struct {
		name    string
		egress  []GroupRule
		ingress Match
		spec    packet.Spec
		survive bool
	}{
		{"S-C4 wide both ways", open(), tcp("0.0.0.0/0", 80, 80), syn("10.0.2.30", 80), false},
		{"S-C5 egress only ephemeral", allow(tcp("0.0.0.0/0", 1024, 65535)), tcp("0.0.0.0/0", 80, 80), syn("10.0.2.30", 80), true},
		{"narrow ingress", open(), tcp("10.0.0.0/16", 80, 80), syn("10.0.2.30", 80), true},
		{"UDP wide both ways", open(), udp("0.0.0.0/0", 53, 53), datagram("10.0.2.30", 53), false},
		{"ICMP is always tracked", open(), icmp("0.0.0.0/0", AnyICMP), echo("10.0.2.30", 1), true},
		{"IPv6 wide both ways", open(), tcp("::/0", 80, 80), syn("2001:db8:1:2::30", 80), false},
		{"IPv6 with only IPv4 egress open", allow(anyTraffic("0.0.0.0/0")), tcp("::/0", 80, 80), syn("2001:db8:1:2::30", 80), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.b.SecurityGroups[2].Ingress, n.b.SecurityGroups[2].Egress = allow(c.ingress), c.egress
			n.publish()
			n.want("before", hI1, c.spec, VerdictPass, ReasonDelivered)
			if c.spec.Proto != packet.ProtoICMP && c.spec.Proto != packet.ProtoICMPv6 {
				back := answer(c.spec, n.interfaceAt(hI1).addressFor(c.spec.Dst).String())
				n.want("the answer", hI3, back, VerdictPass, ReasonDelivered)
			}
			n.b.SecurityGroups[2].Ingress = nil
			n.publish()
			again := c.spec
			again.TCPFlags = packet.TCPFlagACK
			if c.survive {
				n.want("after the rule went", hI1, again, VerdictPass, ReasonDelivered)
			} else {
				n.want("after the rule went", hI1, again, VerdictDrop, ReasonNoRule)
			}
		})
	}
}

func TestSecurityGroupOutboundConnectionFromAServedPortIsTracked(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(tcp("0.0.0.0/0", 1024, 65535))
	n.publish()
	s := syn("10.0.1.10", 80)
	n.want("S21 out", hI3, s, VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.want("S21 the answer", hI1, answer(s, "10.0.2.30"), VerdictPass, ReasonDelivered)
}

func TestSecurityGroupMatches(t *testing.T) {
	for _, c := range []struct {
		name string
		rule GroupRule
		spec packet.Spec
		pass bool
	}{
		{"port in range", GroupRule{Match: tcp("0.0.0.0/0", 20, 25)}, syn("10.0.2.30", 22), true},
		{"port above range", GroupRule{Match: tcp("0.0.0.0/0", 20, 25)}, syn("10.0.2.30", 26), false},
		{"other protocol", GroupRule{Match: tcp("0.0.0.0/0", 0, 65535)}, datagram("10.0.2.30", 22), false},
		{"other family", GroupRule{Match: tcp("::/0", 0, 65535)}, syn("10.0.2.30", 22), false},
		{"IPv4 rule, IPv6 packet", GroupRule{Match: tcp("0.0.0.0/0", 0, 65535)}, syn("2001:db8:1:2::30", 22), false},
		{"S-C17 echo request", GroupRule{Match: icmp("0.0.0.0/0", 8)}, echo("10.0.2.30", 1), true},
		{"S-C17 timestamp", GroupRule{Match: icmp("0.0.0.0/0", 8)},
			packet.Spec{Tuple: packet.Tuple{Dst: addr("10.0.2.30"), Proto: packet.ProtoICMP}, ICMPType: 13}, false},
		{"S-C18 ICMP rule, ICMPv6 packet", GroupRule{Match: Match{Protocol: packet.ProtoICMP, CIDR: cidr("::/0"), ICMPType: AnyICMP, ICMPCode: AnyICMP}},
			echo("2001:db8:1:2::30", 1), false},
		{"ICMPv6 echo", GroupRule{Match: icmp("::/0", 128)}, echo("2001:db8:1:2::30", 1), true},
		{"SG-3 reference", GroupRule{Match: Match{Protocol: AnyProtocol}, Group: hGroup1}, syn("10.0.2.30", 22), true},
		{"SG-3 reference, IPv6", GroupRule{Match: Match{Protocol: AnyProtocol}, Group: hGroup1}, syn("2001:db8:1:2::30", 22), true},
		{"reference to another group", GroupRule{Match: Match{Protocol: AnyProtocol}, Group: hGroup2}, syn("10.0.2.30", 22), false},
		{"S12 stale reference", GroupRule{Match: Match{Protocol: AnyProtocol}, Group: 999}, syn("10.0.2.30", 22), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.b.SecurityGroups[2].Ingress = []GroupRule{c.rule}
			n.publish()
			if v, r := n.send(hI1, c.spec); (v == VerdictPass) != c.pass {
				t.Errorf("%v (%v); steps:\n%s", v, r, n.story())
			}
		})
	}
}

func TestNetworkACLOnlyAtTheSubnetsEdge(t *testing.T) {
	n := newNetwork(t)
	n.b.NetworkACLs[0].Ingress, n.b.NetworkACLs[0].Egress = nil, nil
	n.publish()
	n.want("S-C7 same subnet", hI1, syn("10.0.1.20", 80), VerdictPass, ReasonDelivered)
	n.want("S-C8 leaving", hI1, syn("10.0.2.30", 80), VerdictDrop, ReasonDenyRule)
	if got := n.e.walk.steps[n.e.walk.nSteps-1].Stage; got != StageNetworkACLOut {
		t.Errorf("dropped at %v, want the outbound list", got)
	}
	n.want("S-C8 entering", hI3, syn("10.0.1.10", 80), VerdictDrop, ReasonDenyRule)
	n.want("IPv6 same subnet", hI1, syn("2001:db8:1:1::20", 80), VerdictPass, ReasonDelivered)
	n.want("IPv6 leaving", hI1, syn("2001:db8:1:2::30", 80), VerdictDrop, ReasonDenyRule)
}

func TestNetworkACLFirstNumberDecides(t *testing.T) {
	deny := ACLRule{Number: 90, Match: tcp("0.0.0.0/0", 22, 22)}
	permit := ACLRule{Number: 100, Allow: true, Match: anyTraffic("0.0.0.0/0")}
	for _, c := range []struct {
		name   string
		rules  []ACLRule
		reason Reason
	}{
		{"S-C9 deny first", []ACLRule{permit, deny}, ReasonDenyRule},
		{"S-C9 swapped", []ACLRule{{Number: 90, Allow: true, Match: permit.Match}, {Number: 100, Match: deny.Match}}, ReasonDelivered},
		{"S-C10 no rules", nil, ReasonDenyRule},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.b.NetworkACLs[1].Ingress = c.rules
			n.publish()
			if _, r := n.send(hI1, syn("10.0.2.30", 22)); r != c.reason {
				t.Errorf("%v, want %v", r, c.reason)
			}
		})
	}
}

func TestNetworkACLIsStateless(t *testing.T) {
	n := newNetwork(t)
	n.b.NetworkACLs[1].Ingress = []ACLRule{{Number: 100, Allow: true, Match: tcp("0.0.0.0/0", 80, 80)}}
	n.b.NetworkACLs[1].Egress = []ACLRule{{Number: 100, Allow: true, Match: tcp("0.0.0.0/0", 80, 80)}}
	n.publish()
	s := syn("10.0.2.30", 80)
	n.want("S-C11 the SYN", hI1, s, VerdictPass, ReasonDelivered)
	n.want("S-C11 the SYN-ACK", hI3, answer(s, "10.0.1.10"), VerdictDrop, ReasonDenyRule)
}

func TestRouteLongestPrefixAndBlackhole(t *testing.T) {
	n := newNetwork(t)
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes, Route{Destination: cidr("203.0.113.0/24"), Text: "203.0.113.0/24 → gone"})
	n.publish()
	n.want("R19 blackhole wins its prefix", hI1, syn("203.0.113.10", 80), VerdictDrop, ReasonBlackhole)
	n.b.RouteTables[0].Routes = n.b.RouteTables[0].Routes[:2]
	n.publish()
	n.want("R21 no route", hI1, syn("203.0.113.10", 80), VerdictDrop, ReasonNoRoute)
	n.want("R21 no route, IPv6", hI1, syn("2001:db8:ff00::10", 80), VerdictDrop, ReasonNoRoute)
	n.want("nobody there", hI1, syn("10.0.2.99", 80), VerdictDrop, ReasonNoInterface)
}

func TestRouteThroughMiddlebox(t *testing.T) {
	n := newNetwork(t)
	// Subnet one reaches subnet two through i2, which is in subnet one.
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes,
		Route{Destination: cidr("10.0.2.0/24"), Target: Target{TargetNetworkInterface, hI2}, Text: "10.0.2.0/24 → networkInterface i2/eth0"})
	n.publish()
	n.want("R-C4 dest check on", hI1, syn("10.0.2.30", 80), VerdictDrop, ReasonDestinationAddress)
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.publish()
	n.want("R-C4 dest check off", hI1, syn("10.0.2.30", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.DstMAC != InterfaceMAC(hI2) || p.Dst != addr("10.0.2.30") || p.Src != addr("10.0.1.10") {
		t.Errorf("i2 got %v → %v at %v", p.Src, p.Dst, p.DstMAC)
	}
	if n.stepReason(StageNetworkACLIn) != ReasonRule {
		t.Error("R49: the packet went to the router, so the ACL of i2's subnet is asked inbound")
	}
	// Sent on by the middlebox, whose own table routes subnet two to itself:
	// give it another one, as AWS demands.
	n.b.RouteTables[0].Routes = n.b.RouteTables[0].Routes[:4]
	n.publish()
	onward := syn("10.0.2.30", 80)
	onward.Src = addr("10.0.1.10")
	n.want("A24 forwards for others", hI2, onward, VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = []GroupRule{{Match: Match{Protocol: AnyProtocol}, Group: hGroup1}}
	n.publish()
	n.want("S-C16 by reference, through a middlebox", hI2, onward, VerdictDrop, ReasonNoRule)
	n.want("S-C16 by reference, straight", hI1, onward, VerdictPass, ReasonDelivered)
	n.b.SecurityGroups[2].Ingress = open()
	n.b.NetworkInterfaces[1].SourceDestCheck = true
	n.publish()
	n.want("A-C15 source check", hI2, onward, VerdictDrop, ReasonSourceAddress)
}

func TestInterfaceSourceChecks(t *testing.T) {
	n := newNetwork(t).publish()
	spoof := syn("10.0.2.30", 80)
	spoof.SrcMAC = InterfaceMAC(hI2)
	n.want("A26 MAC", hI1, spoof, VerdictDrop, ReasonSourceMAC)
	n.want("A34 broadcast", hI1, packet.Spec{Tuple: packet.Tuple{Dst: addr("255.255.255.255"), Proto: packet.ProtoUDP}, DstMAC: packet.MAC{255, 255, 255, 255, 255, 255}}, VerdictDrop, ReasonGroupAddress)
	n.want("A-C11 multicast", hI1, datagram("224.0.0.1", 5353), VerdictDrop, ReasonGroupAddress)
	mld := packet.Spec{Tuple: packet.Tuple{Src: addr("fe80::1234"), Dst: addr("ff02::16"), Proto: packet.ProtoICMPv6}, ICMPType: icmp6ListenerReportV2, DstMAC: packet.MAC{0x33, 0x33, 0, 0, 0, 0x16}}
	n.want("a report of groups is the router's, and changes nothing", hI1, mld, VerdictAnswer, ReasonMembership)
	n.want("the same from an Internet host", hHost, mld, VerdictAnswer, ReasonMembership)
	n.want("IGMP", hI1, packet.Spec{Tuple: packet.Tuple{Dst: addr("224.0.0.22"), Proto: protoIGMP}, DstMAC: packet.MAC{1, 0, 0x5e, 0, 0, 0x16}}, VerdictAnswer, ReasonMembership)
	mld.SrcMAC = InterfaceMAC(hI2)
	n.want("A26 nor may it be another's", hI1, mld, VerdictDrop, ReasonSourceMAC)
	n.want("A42 link-local", hI1, syn("169.254.169.254", 80), VerdictDrop, ReasonLinkLocal)
	n.want("A42 IPv6", hI1, syn("fd00:ec2::254", 80), VerdictDrop, ReasonLinkLocal)
	n.want("host spoofs", hHost, func() packet.Spec { s := syn("198.51.100.10", 80); s.Src = addr("203.0.113.99"); return s }(), VerdictDrop, ReasonSourceAddress)
}

func TestInternetGatewayTranslatesOneToOne(t *testing.T) {
	n := newNetwork(t).publish()
	n.want("R-C9 in", hHost, syn("198.51.100.10", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("203.0.113.10") || p.Dst != addr("10.0.1.10") || p.DstPort != 80 {
		t.Errorf("i1 sees %v → %v", p.Src, p.Dst)
	}
	n.want("out", hI1, syn("203.0.113.10", 443), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("198.51.100.10") {
		t.Errorf("the host sees source %v", p.Src)
	}
	n.want("R-C10 no public address", hI2, syn("203.0.113.10", 443), VerdictDrop, ReasonNoPublicAddress)
	n.want("R28 hairpin", hI1, syn("198.51.100.30", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("198.51.100.10") || p.Dst != addr("10.0.2.30") {
		t.Errorf("i3 sees %v → %v", p.Src, p.Dst)
	}
	n.want("private from outside", hHost, syn("10.0.1.10", 80), VerdictDrop, ReasonNotOnInternet)
	n.want("nobody's address", hHost, syn("192.0.2.77", 80), VerdictDrop, ReasonNoHost)
	n.want("R30 IPv6 out", hI2, syn("2001:db8:ff00::10", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("2001:db8:1:1::20") {
		t.Errorf("the host sees source %v", p.Src)
	}
	n.want("R30 IPv6 in", hHost, syn("2001:db8:1:1::20", 80), VerdictPass, ReasonDelivered)
}

func TestEdgeRouteTableSendsWhatComesInThroughAMiddlebox(t *testing.T) {
	const hEdge = 200
	n := newNetwork(t)
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{Object: Object{Handle: hEdge, Kind: KindRouteTable, Name: "edge"}, Routes: []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hVPC}},
		{Destination: cidr("2001:db8:1::/56"), Target: Target{TargetLocal, hVPC}},
		{Destination: cidr("10.0.2.0/24"), Target: Target{TargetNetworkInterface, hI1}},
		{Destination: cidr("2001:db8:1:2::/64"), Target: Target{TargetNetworkInterface, hI1}},
	}})
	n.b.InternetGateways[0].EdgeRouteTable = hEdge
	n.b.NetworkInterfaces[0].SourceDestCheck = false
	n.publish()
	n.want("R-C22 to subnet two", hHost, syn("198.51.100.30", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.DstMAC != InterfaceMAC(hI1) || p.Dst != addr("10.0.2.30") {
		t.Errorf("%v got it, for %v", p.DstMAC, p.Dst)
	}
	n.want("R-C22 IPv6", hHost, syn("2001:db8:1:2::30", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.DstMAC != InterfaceMAC(hI1) {
		t.Errorf("%v got it", p.DstMAC)
	}
	n.want("RT-07 the rest is local", hHost, syn("2001:db8:1:1::20", 80), VerdictPass, ReasonDelivered)
	n.b.NetworkInterfaces[0].SourceDestCheck = true
	n.publish()
	n.want("RT-08 check on", hHost, syn("198.51.100.30", 80), VerdictDrop, ReasonDestinationAddress)
}

func TestInternetGatewayTranslatesWhatAnErrorQuotes(t *testing.T) {
	n := newNetwork(t).publish()
	n.want("in", hHost, datagram("198.51.100.10", 53), VerdictPass, ReasonDelivered)
	seen := n.delivered()
	unreachable := packet.AppendICMPError(nil, &seen, n.interfaceAt(hI1).routerMAC, InterfaceMAC(hI1), addr("10.0.1.10"), 3, 3, 0)
	if v, r := n.sendFrame(hI1, unreachable); v != VerdictPass {
		t.Fatalf("the error was dropped: %v\n%s", r, n.story())
	}
	p := n.delivered()
	if p.Src != addr("198.51.100.10") || !p.QuotedOK || p.Quoted.Dst != addr("198.51.100.10") || p.Quoted.Src != addr("203.0.113.10") {
		t.Errorf("the host gets %v quoting %v → %v", p.Src, p.Quoted.Src, p.Quoted.Dst)
	}
}

func TestTooBigIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name, dst string
		from      string
	}{{"A-C20 IPv4", "203.0.113.10", "10.0.1.1"}, {"A-C20 IPv6", "2001:db8:ff00::10", ""}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			n.b.SecurityGroups[0].Ingress = nil // the answer is related, no rule is needed (A56)
			n.publish()
			s := datagram(c.dst, 53)
			s.DontFragment = true
			s.Payload = make([]byte, 8000)
			n.want("the answer", hI1, s, VerdictPass, ReasonDelivered)
			p := n.delivered()
			if p.DstMAC != InterfaceMAC(hI1) || !p.ICMPError || p.Quoted.DstPort != 53 {
				t.Fatalf("got %+v", p.Tuple)
			}
			if c.from != "" && (p.ICMPType != 3 || p.ICMPCode != 4 || p.Src != addr(c.from)) {
				t.Errorf("type %d code %d from %v", p.ICMPType, p.ICMPCode, p.Src)
			}
			if n.e.Counters().Reasons[ReasonTooBig] != 1 {
				t.Error("the drop was not counted")
			}
			n.b.NetworkACLs[0].Ingress = nil
			n.publish()
			n.want("NA-07 the ACL drops the answer", hI1, s, VerdictDrop, ReasonDenyRule)
			n.want("inside the VPC 9001 bytes pass", hI2, func() packet.Spec {
				s := datagram("10.0.1.10", 53)
				s.Payload, s.DontFragment = make([]byte, 8973), true
				return s
			}(), VerdictDrop, ReasonNoRule) // i1 has no rule, but it is not too big
		})
	}
}

func TestTooBigWithoutDFIsFragmented(t *testing.T) {
	n := newNetwork(t).publish()
	s := datagram("203.0.113.10", 53)
	s.Payload = make([]byte, 4000)
	n.want("fragmented", hI1, s, VerdictPass, ReasonDelivered)
	if len(n.frames) != 3 {
		t.Fatalf("%d fragments, want 3", len(n.frames))
	}
	for _, f := range n.frames {
		if len(f.Data) > 1514 || f.Link != hHost {
			t.Errorf("a fragment of %d bytes for link %d", len(f.Data), f.Link)
		}
	}
}

func TestLaterFragmentsFollowTheirFirst(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[2].Ingress = allow(udp("10.0.1.0/24", 53, 53))
	n.publish()
	var cut packet.Segmenter
	fragments := func(port uint16) []packet.Frame {
		s := datagram("10.0.2.30", port)
		s.IPv4ID = port
		s.Payload = make([]byte, 3000)
		f := packet.Frame{Data: packet.Append(nil, n.spec(hI1, s)), Link: hI1}
		return cut.FragmentIPv4(nil, &f, 1500)
	}
	for i, f := range fragments(53) {
		if v, r := n.sendFrame(hI1, f.Data); v != VerdictPass {
			t.Errorf("S33 fragment %d: %v", i, r)
		}
	}
	for i, f := range fragments(54) {
		if v, r := n.sendFrame(hI1, f.Data); v != VerdictDrop || r != ReasonNoRule {
			t.Errorf("S33 refused fragment %d: %v %v", i, v, r)
		}
	}
	if _, r := n.sendFrame(hI1, fragments(55)[1].Data); r != ReasonFragmentWithoutHead {
		t.Errorf("S33 without its first: %v", r)
	}
	n.clock += fragmentLifetime
	if _, r := n.sendFrame(hI1, fragments(53)[1].Data); r != ReasonFragmentWithoutHead {
		t.Errorf("after the reassembly time: %v", r)
	}
}

func TestRelatedErrorsPassTheGroup(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.publish()
	n.want("UDP out", hI1, datagram("10.0.2.30", 9), VerdictPass, ReasonDelivered)
	seen := n.delivered()
	refused := packet.AppendICMPError(nil, &seen, n.interfaceAt(hI3).routerMAC, InterfaceMAC(hI3), addr("10.0.2.30"), 3, 3, 0)
	if v, r := n.sendFrame(hI3, refused); v != VerdictPass || n.stepReason(StageSecurityGroupIn) != ReasonRelated {
		t.Errorf("S29: %v %v\n%s", v, r, n.story())
	}
	n.want("a port never used", hI2, datagram("10.0.2.30", 9), VerdictPass, ReasonDelivered)
	forged := n.delivered()
	forged.Src = addr("10.0.1.10")
	lie := packet.AppendICMPError(nil, &seen, n.interfaceAt(hI3).routerMAC, InterfaceMAC(hI3), addr("10.0.2.30"), 3, 3, 0)
	lie[14+20+8+20+1]++ // the quoted source port
	if v, _ := n.sendFrame(hI3, lie); v != VerdictDrop {
		t.Errorf("an error about a packet that was never sent passed\n%s", n.story())
	}
}

func TestPlatformAnswersAddressResolution(t *testing.T) {
	n := newNetwork(t).publish()
	router := n.interfaceAt(hI1).routerMAC
	everybody := packet.MAC{255, 255, 255, 255, 255, 255}
	arp := func(sender, target string) []byte {
		return packet.AppendARP(nil, arpRequest, everybody, InterfaceMAC(hI1), InterfaceMAC(hI1), addr(sender), packet.MAC{}, addr(target))
	}
	for _, c := range []struct {
		name, sender, target string
		mac                  packet.MAC // zero: no answer
	}{
		{"A-C12 a neighbour", "10.0.1.10", "10.0.1.20", InterfaceMAC(hI2)},
		{"A29 the router", "10.0.1.10", "10.0.1.1", router},
		{"A-C13 a free address", "10.0.1.10", "10.0.1.99", packet.MAC{}},
		{"another subnet", "10.0.1.10", "10.0.2.30", packet.MAC{}},
		{"A-C14 gratuitous", "10.0.1.20", "10.0.1.20", packet.MAC{}},
		{"probe for its own", "0.0.0.0", "10.0.1.10", packet.MAC{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			n.sendFrame(hI1, arp(c.sender, c.target))
			if c.mac == (packet.MAC{}) {
				if len(n.frames) != 0 {
					t.Error("answered")
				}
				return
			}
			if p := n.delivered(); p.ARPOperation != arpReply || p.ARPSenderMAC != c.mac || p.Src != addr(c.target) || n.frames[0].Link != hI1 {
				t.Errorf("answered %v is at %v", p.Src, p.ARPSenderMAC)
			}
		})
	}
}

func TestPlatformAnswersNeighborDiscovery(t *testing.T) {
	n := newNetwork(t).publish()
	linkLocal := netip.MustParseAddr("fe80::1234")
	for _, c := range []struct {
		name, target string
		from         packet.Addr
		mac          packet.MAC
	}{
		{"a neighbour", "2001:db8:1:1::20", addr("2001:db8:1:1::10"), InterfaceMAC(hI2)},
		{"A35 the router", RouterLinkLocal(hOne).String(), packet.AddrFrom(linkLocal), n.interfaceAt(hI1).routerMAC},
		{"A35 fe80:ec2::1", "fe80:ec2::1", packet.AddrFrom(linkLocal), n.interfaceAt(hI1).routerMAC},
		{"a free address", "2001:db8:1:1::99", addr("2001:db8:1:1::10"), packet.MAC{}},
		{"duplicate detection of its own", "2001:db8:1:1::10", packet.Addr{}, packet.MAC{}},
		{"duplicate detection of another's", "2001:db8:1:1::20", packet.Addr{}, InterfaceMAC(hI2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			n.sendFrame(hI1, packet.AppendNeighborSolicitation(nil, InterfaceMAC(hI1), c.from, addr(c.target)))
			if c.mac == (packet.MAC{}) {
				if len(n.frames) != 0 {
					t.Error("answered")
				}
				return
			}
			p := n.delivered()
			if target, ok := p.NeighborTarget(); !ok || target != addr(c.target) || p.ICMPType != icmp6NeighborAdvert || p.SrcMAC != c.mac {
				t.Errorf("answered type %d about %v from %v", p.ICMPType, target, p.SrcMAC)
			}
		})
	}
}

func TestRouterAnswersPingsOfItsOwnSubnet(t *testing.T) {
	n := newNetwork(t).publish()
	n.want("A-C10 own router", hI1, echo("10.0.1.1", 5), VerdictAnswer, ReasonRouterPing)
	if p := n.delivered(); p.ICMPType != 0 || p.Src != addr("10.0.1.1") || p.SrcPort != 5 {
		t.Errorf("answered type %d from %v", p.ICMPType, p.Src)
	}
	n.want("A-C10 another subnet's", hI1, echo("10.0.2.1", 5), VerdictDrop, ReasonNoInterface)
	n.want("IPv6", hI1, func() packet.Spec {
		s := echo(RouterLinkLocal(hOne).String(), 5)
		s.Src, s.DstMAC = addr("fe80::9"), n.interfaceAt(hI1).routerMAC
		return s
	}(), VerdictAnswer, ReasonRouterPing)
}

func TestRouterAdvertisesItselfWhenAsked(t *testing.T) {
	n := newNetwork(t).publish()
	n.want("A35", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: addr("fe80::9"), Dst: addr("ff02::2"), Proto: packet.ProtoICMPv6},
		DstMAC: packet.MAC{0x33, 0x33, 0, 0, 0, 2}, ICMPType: icmp6RouterSolicit, TTL: 255,
	}, VerdictAnswer, ReasonNeighbor)
	p := n.delivered()
	if p.ICMPType != 134 || p.Src != packet.AddrFrom(RouterLinkLocal(hOne)) || p.Dst != addr("fe80::9") || p.TTL != 255 {
		t.Errorf("answered type %d from %v to %v", p.ICMPType, p.Src, p.Dst)
	}
}

func TestServicesAreReachedPastEveryRule(t *testing.T) {
	const hServices = 300
	closed := func() *network {
		n := newNetwork(t)
		n.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices}, MAC: InterfaceMAC(hServices)}
		n.b.SecurityGroups[0].Ingress, n.b.SecurityGroups[0].Egress = nil, nil
		n.b.NetworkACLs[0].Ingress, n.b.NetworkACLs[0].Egress = nil, nil
		return n.publish()
	}
	for _, c := range []struct {
		name, service string
		spec          packet.Spec
	}{
		{"A-C2 VPC+2", "169.254.169.253", datagram("10.0.0.2", 53)},
		{"A-C4 UDP", "169.254.169.253", datagram("169.254.169.253", 53)},
		{"A-C4 TCP", "169.254.169.253", syn("169.254.169.253", 53)},
		{"A-C4 IPv6", "fd00:ec2::253", datagram("fd00:ec2::253", 53)},
		{"metadata", "169.254.169.254", syn("169.254.169.254", 80)},
		{"metadata IPv6", "fd00:ec2::254", syn("fd00:ec2::254", 80)},
		{"time", "169.254.169.123", datagram("169.254.169.123", 123)},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := closed()
			n.want("asked", hI1, c.spec, VerdictPass, ReasonDelivered)
			p := n.delivered()
			client := packet.AddrFrom(ServiceClient(hI1, !p.Dst.Is4()))
			if n.frames[0].Link != hServices || p.Dst != addr(c.service) || p.Src != client {
				t.Errorf("the service sees %v → %v on link %d", p.Src, p.Dst, n.frames[0].Link)
			}
			if h, ok := ServiceClientHandle(p.Src.Netip()); !ok || h != hI1 {
				t.Errorf("the service takes the client for %d", h)
			}
			n.want("answered", hServices, n.back(), VerdictPass, ReasonDelivered)
			p = n.delivered()
			if p.Src != c.spec.Dst || p.Dst != n.interfaceAt(hI1).addressFor(c.spec.Dst) || p.DstPort != c.spec.SrcPort {
				t.Errorf("i1 gets %v → %v:%d", p.Src, p.Dst, p.DstPort)
			}
		})
	}
	n := closed()
	n.b.RouteTables[0].Routes[2].Target = Target{TargetNetworkInterface, hI3}
	n.publish()
	n.want("A-C19 past a default route to an appliance", hI1, syn("169.254.169.254", 80), VerdictPass, ReasonDelivered)
	if n.frames[0].Link != hServices {
		t.Errorf("A-C19: it went to link %d", n.frames[0].Link)
	}
	n = closed()
	n.want("A-C3 subnet base+2", hI1, datagram("10.0.1.2", 53), VerdictDrop, ReasonNoNeighbor)
	n.want("A42 another port", hI1, syn("169.254.169.254", 443), VerdictDrop, ReasonLinkLocal)
	n.want("an answer nobody asked for", hServices, func() packet.Spec {
		s := datagram(ServiceClient(hI1, false).String(), 4000)
		s.Src = addr("169.254.169.253")
		return s
	}(), VerdictDrop, ReasonServiceAnswer)
	for range serviceRateLimit {
		n.send(hI1, datagram("169.254.169.253", 53))
	}
	n.want("A43 the limit", hI1, datagram("169.254.169.253", 53), VerdictDrop, ReasonServiceRate)
	n.want("A43 is per interface", hI2, datagram("169.254.169.253", 53), VerdictPass, ReasonDelivered)
	n.clock += 1e9
	n.want("A43 the next second", hI1, datagram("169.254.169.253", 53), VerdictPass, ReasonDelivered)
}

func TestDHCPRequestsReachTheServer(t *testing.T) {
	const hServices = 300
	n := newNetwork(t)
	n.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices}, MAC: InterfaceMAC(hServices)}
	n.publish()
	everybody := packet.MAC{255, 255, 255, 255, 255, 255}
	n.want("DISCOVER", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: addr("0.0.0.0"), Dst: addr("255.255.255.255"), SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
		DstMAC: everybody, Payload: []byte("discover"),
	}, VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Dst.Netip() != DHCPAddress4 || p.Src.Netip() != ServiceClient(hI1, false) {
		t.Errorf("the server sees %v → %v", p.Src, p.Dst)
	}
	n.want("OFFER", hServices, n.back(), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("10.0.1.1") || p.Dst != addr("10.0.1.10") || p.DstMAC != InterfaceMAC(hI1) || p.DstPort != 68 {
		t.Errorf("i1 gets %v → %v:%d", p.Src, p.Dst, p.DstPort)
	}
	n.want("SOLICIT", hI1, packet.Spec{
		Tuple:  packet.Tuple{Src: addr("fe80::9"), Dst: addr("ff02::1:2"), SrcPort: 546, DstPort: 547, Proto: packet.ProtoUDP},
		DstMAC: packet.MAC{0x33, 0x33, 0, 1, 0, 2}, Payload: []byte("solicit"),
	}, VerdictPass, ReasonDelivered)
	n.want("ADVERTISE", hServices, n.back(), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != packet.AddrFrom(RouterLinkLocal(hOne)) || p.Dst != addr("fe80::9") {
		t.Errorf("i1 gets %v → %v", p.Src, p.Dst)
	}
	n.want("a client only configures itself", hI1, packet.Spec{
		Tuple: packet.Tuple{Src: addr("0.0.0.0"), Dst: addr("10.0.2.30"), SrcPort: 68, DstPort: 67, Proto: packet.ProtoUDP},
	}, VerdictDrop, ReasonSourceAddress)
}

func TestStoppedInstanceGetsNothing(t *testing.T) {
	n := newNetwork(t)
	n.b.NetworkInterfaces[2].Stopped = true
	n.publish()
	n.want("to it", hI1, syn("10.0.2.30", 80), VerdictDrop, ReasonInterfaceDown)
	n.want("from it", hI3, syn("10.0.1.10", 80), VerdictDrop, ReasonInterfaceDown)
}

func TestEffectsStandWhereThePacketPassed(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	s := datagram("10.0.2.30", 53)
	n.want("refused at i3", hI1, s, VerdictDrop, ReasonNoRule)
	n.want("but i1 is open for i3's packets", hI3, answer(s, "10.0.1.10"), VerdictPass, ReasonDelivered)
}
