package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hNAT = 100 + iota
	hPublic
	hTablePublic
	hACLPublic
	hEgressOnly
)

// newNATNetwork adds a public subnet with a NAT gateway and makes subnet two
// private: its IPv4 default route is the gateway, its IPv6 one egress-only.
func newNATNetwork(t testing.TB) *network {
	n := newNetwork(t)
	acl := NetworkACL{Object: Object{Handle: hACLPublic, Kind: KindNetworkACL, Name: "public"}, Ingress: openACL(), Egress: openACL()}
	n.b.NetworkACLs = append(n.b.NetworkACLs, acl)
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{
		Object: Object{Handle: hTablePublic, Kind: KindRouteTable, Name: "public"},
		Routes: append([]Route(nil), n.b.RouteTables[0].Routes...),
	})
	n.b.Subnets = append(n.b.Subnets, Subnet{
		Object: Object{Handle: hPublic, Kind: KindSubnet, Name: "public"}, VPC: hVPC, RouteTable: hTablePublic, NetworkACL: hACLPublic,
		CIDRs: []netip.Prefix{cidr("10.0.0.0/24")},
	})
	n.b.NATGateways = []NATGateway{{
		Object: Object{Handle: hNAT, Kind: KindNATGateway, Name: "nat"}, Subnet: hPublic, MAC: InterfaceMAC(hNAT),
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.50")},
	}}
	n.b.EgressOnlyInternetGateways = []EgressOnlyInternetGateway{{
		Object: Object{Handle: hEgressOnly, Kind: KindEgressOnlyInternetGateway, Name: "eigw"}, VPC: hVPC,
	}}
	igw := &n.b.InternetGateways[0]
	igw.PublicAddresses[1] = PublicAddress{Public: netip.MustParseAddr("198.51.100.50"), Private: netip.MustParseAddr("10.0.0.50"), Interface: hNAT}
	two := n.b.RouteTables[1].Routes
	two[2].Target = Target{TargetNATGateway, hNAT}
	two[3].Target = Target{TargetEgressOnlyInternetGateway, hEgressOnly}
	return n
}

// back is the answer to what laptop got last.
func (n *network) back() packet.Spec {
	p := n.delivered()
	s := packet.Spec{Tuple: packet.Tuple{Src: p.Dst, Dst: p.Src, SrcPort: p.DstPort, DstPort: p.SrcPort, Proto: p.Proto}}
	switch p.Proto {
	case packet.ProtoTCP:
		s.TCPFlags = packet.TCPFlagSYN | packet.TCPFlagACK
	case packet.ProtoICMPv6:
		s.ICMPType = 129
	}
	return s
}

func TestNATGatewayTranslatesOutAndBack(t *testing.T) {
	for _, c := range []struct {
		name string
		spec packet.Spec
	}{{"TCP", syn("203.0.113.10", 80)}, {"UDP", datagram("203.0.113.10", 53)}, {"ICMP", echo("203.0.113.10", 7)}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNATNetwork(t).publish()
			n.want("R-C13 out", hI3, c.spec, VerdictPass, ReasonDelivered)
			p := n.delivered()
			if p.Src != addr("198.51.100.50") || p.SrcPort < 1024 {
				t.Errorf("the host sees %v:%d", p.Src, p.SrcPort)
			}
			n.want("R-C13 back", hHost, n.back(), VerdictPass, ReasonDelivered)
			p = n.delivered()
			if p.Src != addr("203.0.113.10") || p.Dst != addr("10.0.2.30") || p.DstPort != c.spec.SrcPort {
				t.Errorf("i3 gets %v:%d → %v:%d", p.Src, p.SrcPort, p.Dst, p.DstPort)
			}
			if n.stepReason(StageSecurityGroupIn) != ReasonTracked {
				t.Error("R48: a flow through a NAT gateway is always tracked")
			}
		})
	}
}

func TestNATGatewayMappingBelongsToOneDestination(t *testing.T) {
	n := newNATNetwork(t).publish()
	n.want("out", hI3, datagram("203.0.113.10", 53), VerdictPass, ReasonDelivered)
	stranger := n.back()
	stranger.SrcPort = 54
	n.want("R47 another port of the host", hHost, stranger, VerdictDrop, ReasonNATNoMapping)
	n.want("R-C15 a connection from outside", hHost, syn("198.51.100.50", 22), VerdictDrop, ReasonNATNoMapping)
	n.want("R-C15 its ping from inside", hI3, echo("10.0.0.50", 1), VerdictDrop, ReasonNATNoMapping)
}

func TestNATGatewayIdleConnectionIsReset(t *testing.T) {
	n := newNATNetwork(t).publish()
	s := syn("203.0.113.10", 80)
	n.want("out", hI3, s, VerdictPass, ReasonDelivered)
	n.want("back", hHost, n.back(), VerdictPass, ReasonDelivered)
	data := s
	data.TCPFlags, data.Payload = packet.TCPFlagACK, []byte("GET /")
	data.Sequence, data.Acknowledgment = 1000, 2000
	n.clock += 349e9
	n.want("R43 in time", hI3, data, VerdictPass, ReasonDelivered)
	n.clock += 351e9
	n.want("R-C14 the reset", hI3, data, VerdictPass, ReasonDelivered)
	p := n.delivered()
	if p.TCPFlags != packet.TCPFlagRST || p.Src != addr("203.0.113.10") || p.Dst != addr("10.0.2.30") || n.frames[0].Link != hI3 {
		t.Errorf("i3 gets flags %#x from %v", p.TCPFlags, p.Src)
	}
	if n.e.Counters().Reasons[ReasonNATExpired] != 1 {
		t.Error("the drop was not counted")
	}
}

func TestNATGatewayIsAHop(t *testing.T) {
	for _, c := range []struct {
		dst, hop string
		icmpType uint8
	}{{"203.0.113.10", "10.0.0.50", 11}, {"64:ff9b::203.0.113.10", "64:ff9b::10.0.0.50", 3}} {
		n := newNAT64Network(t)
		n.b.SecurityGroups[2].Ingress = nil
		n.publish()
		s := datagram(c.dst, 33434)
		s.TTL = 1
		n.want("A32 the probe's answer", hI3, s, VerdictPass, ReasonDelivered)
		if p := n.delivered(); p.ICMPType != c.icmpType || p.Src != addr(c.hop) || n.frames[0].Link != hI3 || p.Quoted.DstPort != 33434 {
			t.Errorf("%s: got type %d from %v", c.dst, p.ICMPType, p.Src)
		}
		s.TTL = 2
		n.want("the next probe", hI3, s, VerdictPass, ReasonDelivered)
		if p := n.delivered(); p.TTL != 1 || n.frames[0].Link != hHost {
			t.Errorf("%s: the host sees TTL %d", c.dst, p.TTL)
		}
	}
}

func TestNATGatewayConnectionReopensOnTheSamePorts(t *testing.T) {
	for _, dst := range []string{"203.0.113.10", "2001:db8:ff00::10"} {
		n := newNATNetwork(t).publish()
		s := syn(dst, 80)
		n.want("open", hI3, s, VerdictPass, ReasonDelivered)
		reset := n.back()
		reset.TCPFlags = packet.TCPFlagRST
		n.want("reset", hHost, reset, VerdictPass, ReasonDelivered)
		n.want("open again", hI3, s, VerdictPass, ReasonDelivered)
		back := n.back()
		n.want("answer", hHost, back, VerdictPass, ReasonDelivered)
		ack := s
		ack.TCPFlags = packet.TCPFlagACK
		n.want("established", hI3, ack, VerdictPass, ReasonDelivered)
		n.clock += 60e9 // longer than a closed connection is kept
		back.TCPFlags = packet.TCPFlagACK
		n.want("to "+dst+" a minute later", hHost, back, VerdictPass, ReasonDelivered)
	}
}

func TestNATGatewayFragmentsAndProtocols(t *testing.T) {
	n := newNATNetwork(t).publish()
	var cut packet.Segmenter
	pieces := func(s packet.Spec) []packet.Frame {
		s.Payload = make([]byte, 2992)
		f := packet.Frame{Data: packet.Append(nil, n.spec(hI3, s)), Link: hI3}
		return cut.FragmentIPv4(nil, &f, 1500)
	}
	for i, f := range pieces(datagram("203.0.113.10", 53)) {
		if v, r := n.sendFrame(hI3, f.Data); v != VerdictPass {
			t.Errorf("R-C16 UDP fragment %d: %v", i, r)
		}
	}
	for i, f := range pieces(echo("203.0.113.10", 1)) {
		if _, r := n.sendFrame(hI3, f.Data); r != ReasonNATFragment {
			t.Errorf("R-C16 ping fragment %d: %v", i, r)
		}
	}
	n.want("R-C17 GRE", hI3, packet.Spec{Tuple: packet.Tuple{Dst: addr("203.0.113.10"), Proto: 47}}, VerdictDrop, ReasonNATProtocol)
}

func TestNATGatewayPortLimitPerDestination(t *testing.T) {
	n := newNATNetwork(t)
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 1 << 18})
	n.publish()
	for i := range natPortsPerTarget {
		s := datagram("203.0.113.10", 443)
		s.SrcPort = uint16(i)
		if _, r := n.send(hI3, s); r != ReasonDelivered {
			t.Fatalf("R-C23 flow %d: %v", i, r)
		}
	}
	one := datagram("203.0.113.10", 443)
	one.SrcPort = 60000
	n.want("R-C23 one more", hI3, one, VerdictDrop, ReasonNATPortAllocation)
	one.DstPort = 8443
	n.want("R-C23 another port", hI3, one, VerdictPass, ReasonDelivered)
	n.want("R-C23 another protocol", hI3, syn("203.0.113.10", 443), VerdictPass, ReasonDelivered)
	n.clock += 351e9
	for range natPortsPerTarget / sweepSlots {
		n.e.Forward(nil, nil)
	}
	one.DstPort = 443
	n.want("after they expired", hI3, one, VerdictPass, ReasonDelivered)
}

func TestNATGatewayACLPoints(t *testing.T) {
	s := syn("203.0.113.10", 80)
	for _, c := range []struct {
		name   string
		change func(*network)
		back   bool // the request passes, the answer does not
	}{
		{"in from the instance", func(n *network) {
			n.b.NetworkACLs[2].Ingress = []ACLRule{{Number: 1, Allow: true, Match: anyTraffic("203.0.113.0/24")}}
		}, false},
		{"out to the Internet", func(n *network) {
			n.b.NetworkACLs[2].Egress = []ACLRule{{Number: 1, Allow: true, Match: anyTraffic("10.0.0.0/8")}}
		}, false},
		{"in from the Internet", func(n *network) {
			n.b.NetworkACLs[2].Ingress = []ACLRule{{Number: 1, Allow: true, Match: anyTraffic("10.0.0.0/8")}}
		}, true},
		{"out to the instance", func(n *network) {
			n.b.NetworkACLs[2].Egress = []ACLRule{{Number: 1, Allow: true, Match: anyTraffic("203.0.113.0/24")}}
		}, true},
	} {
		t.Run("R49 "+c.name, func(t *testing.T) {
			n := newNATNetwork(t)
			c.change(n)
			n.publish()
			if !c.back {
				n.want("request", hI3, s, VerdictDrop, ReasonDenyRule)
				return
			}
			n.want("request", hI3, s, VerdictPass, ReasonDelivered)
			n.want("answer", hHost, n.back(), VerdictDrop, ReasonDenyRule)
		})
	}
}

func TestNATGatewayErrorsAboutTranslatedPackets(t *testing.T) {
	n := newNATNetwork(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	s := datagram("203.0.113.10", 9)
	n.want("out", hI3, s, VerdictPass, ReasonDelivered)
	seen := n.delivered()
	refused := packet.AppendICMPError(nil, &seen, n.interfaceAt(hHost).routerMAC, InterfaceMAC(hHost), addr("203.0.113.10"), 3, 3, 0)
	if v, r := n.sendFrame(hHost, refused); v != VerdictPass {
		t.Fatalf("dropped: %v\n%s", r, n.story())
	}
	p := n.delivered()
	if p.Dst != addr("10.0.2.30") || p.Quoted.Src != addr("10.0.2.30") || p.Quoted.SrcPort != s.SrcPort {
		t.Errorf("i3 gets an error about %v:%d", p.Quoted.Src, p.Quoted.SrcPort)
	}
}

func TestNATGatewayStateSurvivesPublishAndDiesWithTheGateway(t *testing.T) {
	n := newNATNetwork(t).publish()
	n.want("out", hI3, datagram("203.0.113.10", 53), VerdictPass, ReasonDelivered)
	back := n.back()
	n.publish()
	n.want("after publish", hHost, back, VerdictPass, ReasonDelivered)
	n.b.NATGateways = nil
	n.b.RouteTables[1].Routes[2].Target = Target{}
	n.b.InternetGateways[0].PublicAddresses = n.b.InternetGateways[0].PublicAddresses[:1]
	n.publish()
	n.want("R-C24 blackhole", hI3, datagram("203.0.113.10", 53), VerdictDrop, ReasonBlackhole)
	for range 4 {
		n.e.Forward(nil, nil)
	}
	if len(n.e.state.nat.targets) != 0 {
		t.Error("R51: mappings outlived their gateway")
	}
}

func TestNATTraceFollowsTheReplyWithoutTakingAPort(t *testing.T) {
	n := newNATNetwork(t).publish()
	trace := n.e.Trace(TraceRequest{From: hI3, Tuple: syn("203.0.113.10", 80).Tuple, Reply: true})
	if !trace.Passed() || len(trace.Reply) != 1 || trace.Reply[0].To.Name != "i3/eth0" {
		t.Errorf("got\n%s", lines(trace.Request)+lines(trace.Reply))
	}
	if len(n.e.state.nat.mappings) != 0 {
		t.Error("the trace took a mapping")
	}
}

func TestEgressOnlyGatewayLetsNothingIn(t *testing.T) {
	n := newNATNetwork(t).publish()
	n.want("R-C20 new from outside", hHost, syn("2001:db8:1:2::30", 80), VerdictDrop, ReasonEgressOnly)
	n.want("R-C20 out", hI3, syn("2001:db8:ff00::10", 80), VerdictPass, ReasonDelivered)
	if p := n.delivered(); p.Src != addr("2001:db8:1:2::30") {
		t.Errorf("the host sees %v", p.Src)
	}
	n.want("R-C20 answer", hHost, n.back(), VerdictPass, ReasonDelivered)
	n.want("ping out", hI3, echo("2001:db8:ff00::10", 3), VerdictPass, ReasonDelivered)
	n.want("ping back", hHost, n.back(), VerdictPass, ReasonDelivered)
	n.want("R37 a subnet with the Internet gateway", hHost, syn("2001:db8:1:1::10", 80), VerdictPass, ReasonDelivered)
	n.clock += 351e9
	n.want("R34 too late", hHost, func() packet.Spec {
		s := syn("2001:db8:1:2::30", 40000)
		s.SrcPort, s.TCPFlags = 80, packet.TCPFlagACK
		return s
	}(), VerdictDrop, ReasonEgressOnly)
}

// newNAT64Network routes 64:ff9b::/96 of subnet two to the NAT gateway.
func newNAT64Network(t testing.TB) *network {
	n := newNATNetwork(t)
	n.b.RouteTables[1].Routes = append(n.b.RouteTables[1].Routes,
		Route{Destination: cidr("64:ff9b::/96"), Target: Target{TargetNATGateway, hNAT}, Text: "64:ff9b::/96 → natGateway nat"})
	return n
}

func TestNAT64OutAndBack(t *testing.T) {
	for _, c := range []struct {
		name string
		spec packet.Spec
	}{
		{"TCP", syn("64:ff9b::203.0.113.10", 80)},
		{"UDP", datagram("64:ff9b::203.0.113.10", 53)},
		{"ICMP", echo("64:ff9b::203.0.113.10", 7)},
	} {
		t.Run("R-C21 "+c.name, func(t *testing.T) {
			n := newNAT64Network(t).publish()
			c.spec.Payload = []byte("hello")
			n.want("out", hI3, c.spec, VerdictPass, ReasonDelivered)
			p := n.delivered()
			if p.Family != 4 || p.Src != addr("198.51.100.50") || p.Dst != addr("203.0.113.10") {
				t.Errorf("the host sees %v → %v", p.Src, p.Dst)
			}
			n.want("back", hHost, n.back(), VerdictPass, ReasonDelivered)
			p = n.delivered()
			if p.Family != 6 || p.Src != addr("64:ff9b::203.0.113.10") || p.Dst != addr("2001:db8:1:2::30") || p.DstPort != c.spec.SrcPort {
				t.Errorf("i3 gets %v:%d → %v:%d", p.Src, p.SrcPort, p.Dst, p.DstPort)
			}
		})
	}
}

func TestNAT64ErrorsComeBackAsICMPv6(t *testing.T) {
	n := newNAT64Network(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	s := datagram("64:ff9b::203.0.113.10", 9)
	n.want("out", hI3, s, VerdictPass, ReasonDelivered)
	seen := n.delivered()
	refused := packet.AppendICMPError(nil, &seen, n.interfaceAt(hHost).routerMAC, InterfaceMAC(hHost), addr("203.0.113.10"), 3, 3, 0)
	if v, r := n.sendFrame(hHost, refused); v != VerdictPass {
		t.Fatalf("dropped: %v\n%s", r, n.story())
	}
	p := n.delivered()
	if p.Family != 6 || p.ICMPType != 1 || p.ICMPCode != 4 || p.Quoted.Dst != addr("64:ff9b::203.0.113.10") || p.Quoted.SrcPort != s.SrcPort {
		t.Errorf("i3 gets type %d code %d about %v", p.ICMPType, p.ICMPCode, p.Quoted)
	}
}

func TestNAT64NeedsItsPrefix(t *testing.T) {
	n := newNAT64Network(t)
	n.b.RouteTables[1].Routes[3].Target = Target{TargetNATGateway, hNAT}
	n.publish()
	n.want("other IPv6", hI3, syn("2001:db8:ff00::10", 80), VerdictDrop, ReasonNATFamily)
}

func TestNAT64PathMTUCountsTheLongerHeader(t *testing.T) {
	n := newNAT64Network(t).publish()
	s := datagram("64:ff9b::203.0.113.10", 53)
	s.Payload = make([]byte, 1520-48)
	n.want("1520 as IPv6 is 1500 as IPv4", hI3, s, VerdictPass, ReasonDelivered)
	s.Payload = make([]byte, 1521-48)
	n.want("one more is answered", hI3, s, VerdictPass, ReasonDelivered)
	p := n.delivered()
	if p.ICMPType != icmp6PacketTooBig || n.frames[0].Link != hI3 {
		t.Errorf("got type %d", p.ICMPType)
	}
}

func TestNATGatewayClampsMSS(t *testing.T) {
	n := newNATNetwork(t).publish()
	frame := packet.Append(nil, n.spec(hI3, syn("203.0.113.10", 80)))
	// A SYN with an MSS option of 8961: the TCP header grows by four bytes.
	s := n.spec(hI3, syn("203.0.113.10", 80))
	s.Payload = []byte{2, 4, 0x23, 0x01}
	frame = packet.Append(frame[:0], s)
	frame[14+20+12] = 6 << 4 // data offset
	if v, r := n.sendFrame(hI3, frame); v != VerdictPass {
		t.Fatalf("%v", r)
	}
	out := n.frames[0].Data
	if mss := int(out[14+20+22])<<8 | int(out[14+20+23]); mss != natMTU-tcpHeaders4 {
		t.Errorf("R50: MSS %d, want %d", mss, natMTU-tcpHeaders4)
	}
}

func TestNATForwardAllocatesNothing(t *testing.T) {
	n := newNATNetwork(t).publish()
	frame := packet.Append(nil, n.spec(hI3, datagram("203.0.113.10", 53)))
	buffer := make([]byte, len(frame))
	var out []packet.Frame
	in := make([]packet.Frame, 1)
	if allocations := testing.AllocsPerRun(100, func() {
		copy(buffer, frame)
		in[0] = packet.Frame{Data: buffer, Link: hI3}
		out = n.e.Forward(in, out[:0])
	}); allocations != 0 {
		t.Errorf("%v allocations per packet", allocations)
	}
}
