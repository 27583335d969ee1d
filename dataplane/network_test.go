package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// network is the fixture of the unit tests: VPC "app" with two subnets, three
// interfaces, an Internet gateway and a host on the Internet; everything open
// unless a test changes the builder before start.
//
//	one 10.0.1.0/24: i1 .10, i2 .20      two 10.0.2.0/24: i3 .30
type network struct {
	t      testing.TB
	b      Builder
	e      *Engine
	clock  int64
	frames []packet.Frame // what the last send put out
}

const (
	hInternet = 1 + iota
	hVPC
	hOne
	hTwo
	hTableOne
	hTableTwo
	hACLOne
	hACLTwo
	hGroup1
	hGroup2
	hGroup3
	hGateway
	hI1
	hI2
	hI3
	hHost
)

func cidr(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) packet.Addr  { return packet.AddrFrom(netip.MustParseAddr(s)) }

func anyTraffic(c string) Match {
	return Match{Protocol: AnyProtocol, CIDR: cidr(c), ICMPType: AnyICMP, ICMPCode: AnyICMP}
}

func tcp(c string, first, last uint16) Match {
	return Match{Protocol: packet.ProtoTCP, FirstPort: first, LastPort: last, CIDR: cidr(c)}
}

func udp(c string, first, last uint16) Match {
	return Match{Protocol: packet.ProtoUDP, FirstPort: first, LastPort: last, CIDR: cidr(c)}
}

func icmp(c string, icmpType int) Match {
	m := Match{Protocol: packet.ProtoICMP, CIDR: cidr(c), ICMPType: icmpType, ICMPCode: AnyICMP}
	if m.CIDR.Addr().Is6() {
		m.Protocol = packet.ProtoICMPv6
	}
	return m
}

func allow(matches ...Match) []GroupRule {
	rules := make([]GroupRule, len(matches))
	for i, m := range matches {
		rules[i] = GroupRule{Match: m, Text: "rule"}
	}
	return rules
}

func open() []GroupRule { return allow(anyTraffic("0.0.0.0/0"), anyTraffic("::/0")) }

func openACL() []ACLRule {
	return []ACLRule{
		{Number: 100, Allow: true, Match: anyTraffic("0.0.0.0/0"), Text: "allow all"},
		{Number: 101, Allow: true, Match: anyTraffic("::/0"), Text: "allow all"},
	}
}

func newNetwork(t testing.TB) *network {
	eni := func(h, subnet, group Handle, name string, addresses ...string) NetworkInterface {
		n := NetworkInterface{
			Object: Object{Handle: h, Kind: KindNetworkInterface, Name: name}, Subnet: subnet, MAC: InterfaceMAC(h),
			SecurityGroups: []Handle{group}, SourceDestCheck: true,
		}
		for _, a := range addresses {
			n.Addresses = append(n.Addresses, netip.MustParseAddr(a))
		}
		return n
	}
	routes := []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hVPC}, Text: "10.0.0.0/16 → local"},
		{Destination: cidr("2001:db8:1::/56"), Target: Target{TargetLocal, hVPC}, Text: "2001:db8:1::/56 → local"},
		{Destination: cidr("0.0.0.0/0"), Target: Target{TargetInternetGateway, hGateway}, Text: "0.0.0.0/0 → internetGateway igw"},
		{Destination: cidr("::/0"), Target: Target{TargetInternetGateway, hGateway}, Text: "::/0 → internetGateway igw"},
	}
	group := func(h Handle, name string) SecurityGroup {
		return SecurityGroup{Object: Object{Handle: h, Kind: KindSecurityGroup, Name: name}, Ingress: open(), Egress: open()}
	}
	acl := func(h Handle, name string) NetworkACL {
		return NetworkACL{Object: Object{Handle: h, Kind: KindNetworkACL, Name: name}, Ingress: openACL(), Egress: openACL()}
	}
	n := &network{t: t, clock: 1e9}
	n.b = Builder{
		Internet: Object{Handle: hInternet, Kind: KindInternet},
		VPCs:     []VPC{{Object: Object{Handle: hVPC, Kind: KindVPC, Name: "app"}, CIDRs: []netip.Prefix{cidr("10.0.0.0/16"), cidr("2001:db8:1::/56")}}},
		Subnets: []Subnet{
			{Object: Object{Handle: hOne, Kind: KindSubnet, Name: "one"}, VPC: hVPC, RouteTable: hTableOne, NetworkACL: hACLOne,
				CIDRs: []netip.Prefix{cidr("10.0.1.0/24"), cidr("2001:db8:1:1::/64")}},
			{Object: Object{Handle: hTwo, Kind: KindSubnet, Name: "two"}, VPC: hVPC, RouteTable: hTableTwo, NetworkACL: hACLTwo,
				CIDRs: []netip.Prefix{cidr("10.0.2.0/24"), cidr("2001:db8:1:2::/64")}},
		},
		RouteTables: []RouteTable{
			{Object: Object{Handle: hTableOne, Kind: KindRouteTable, Name: "one"}, Routes: routes},
			{Object: Object{Handle: hTableTwo, Kind: KindRouteTable, Name: "two"}, Routes: append([]Route(nil), routes...)},
		},
		NetworkACLs:    []NetworkACL{acl(hACLOne, "one"), acl(hACLTwo, "two")},
		SecurityGroups: []SecurityGroup{group(hGroup1, "g1"), group(hGroup2, "g2"), group(hGroup3, "g3")},
		NetworkInterfaces: []NetworkInterface{
			eni(hI1, hOne, hGroup1, "i1/eth0", "10.0.1.10", "2001:db8:1:1::10"),
			eni(hI2, hOne, hGroup2, "i2/eth0", "10.0.1.20", "2001:db8:1:1::20"),
			eni(hI3, hTwo, hGroup3, "i3/eth0", "10.0.2.30", "2001:db8:1:2::30"),
		},
		InternetGateways: []InternetGateway{{
			Object: Object{Handle: hGateway, Kind: KindInternetGateway, Name: "igw"}, VPC: hVPC,
			PublicAddresses: []PublicAddress{
				{Public: netip.MustParseAddr("198.51.100.10"), Private: netip.MustParseAddr("10.0.1.10"), Interface: hI1},
				{Public: netip.MustParseAddr("198.51.100.30"), Private: netip.MustParseAddr("10.0.2.30"), Interface: hI3},
			},
		}},
		InternetHosts: []InternetHost{{
			Object: Object{Handle: hHost, Kind: KindInternetHost, Name: "laptop"}, MAC: InterfaceMAC(hHost),
			Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8:ff00::10")},
		}},
	}
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, MaxFlows: 1 << 12})
	return n
}

// publish compiles the builder as it is now.
func (n *network) publish() *network {
	n.t.Helper()
	snap, err := n.b.Seal()
	if err != nil {
		n.t.Fatal(err)
	}
	n.e.Publish(snap)
	return n
}

// interfaceAt returns the compiled interface with handle h.
func (n *network) interfaceAt(h Handle) *networkInterface {
	snap := n.e.Snapshot()
	return &snap.interfaces[snap.interfaceOf(uint32(h))]
}

// spec builds a packet as the instance's kernel would: from its own address of
// the family, to the neighbour's or the router's MAC.
func (n *network) spec(from Handle, s packet.Spec) packet.Spec {
	ni := n.interfaceAt(from)
	if s.Src.IsZero() {
		s.Src = ni.addressFor(s.Dst)
	}
	if s.SrcMAC == (packet.MAC{}) {
		s.SrcMAC = ni.mac
	}
	if s.DstMAC == (packet.MAC{}) {
		w := Walk{snap: n.e.Snapshot()}
		s.DstMAC, _ = w.gatewayFor(ni, s.Dst)
	}
	if s.TTL == 0 {
		s.TTL = 64
	}
	return s
}

// send forwards one packet and returns the walk's verdict.
func (n *network) send(from Handle, s packet.Spec) (Verdict, Reason) {
	n.t.Helper()
	return n.sendFrame(from, packet.Append(nil, n.spec(from, s)))
}

func (n *network) sendFrame(from Handle, data []byte) (Verdict, Reason) {
	n.frames = n.e.Forward([]packet.Frame{{Data: data, Link: uint32(from)}}, n.frames[:0])
	return n.e.walk.verdict, n.e.walk.reason
}

// want sends and compares.
func (n *network) want(what string, from Handle, s packet.Spec, verdict Verdict, reason Reason) {
	n.t.Helper()
	if v, r := n.send(from, s); v != verdict || r != reason {
		n.t.Errorf("%s: %v (%v), want %v (%v); steps:\n%s", what, v, r, verdict, reason, n.story())
	}
}

// stepReason returns the reason that a stage of the last walk gave.
func (n *network) stepReason(stage Stage) Reason {
	w := &n.e.walk
	for _, s := range w.steps[:w.nSteps] {
		if s.Stage == stage {
			return s.Reason
		}
	}
	return ReasonBug
}

func (n *network) story() string {
	w := &n.e.walk
	out := ""
	for _, s := range w.render() {
		out += "  " + s.Stage.String() + " " + s.Objects[0].String() + ": " + s.Text + "\n"
	}
	return out
}

// delivered parses the frame the last send put out.
func (n *network) delivered() packet.Packet {
	n.t.Helper()
	if len(n.frames) != 1 {
		n.t.Fatalf("%d frames went out, want 1; steps:\n%s", len(n.frames), n.story())
	}
	var p packet.Packet
	if problem := packet.Parse(&p, &n.frames[0]); problem != packet.ProblemNone {
		n.t.Fatalf("what went out does not parse: %v", problem)
	}
	return p
}

func syn(dst string, port uint16) packet.Spec {
	return packet.Spec{Tuple: packet.Tuple{Dst: addr(dst), SrcPort: 40000, DstPort: port, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagSYN}
}

// reply is the answer to a packet that s describes as its receiver saw it.
func answer(s packet.Spec, src string) packet.Spec {
	r := packet.Spec{Tuple: packet.Tuple{Src: s.Dst, Dst: addr(src), SrcPort: s.DstPort, DstPort: s.SrcPort, Proto: s.Proto}}
	if s.Proto == packet.ProtoTCP {
		r.TCPFlags = packet.TCPFlagSYN | packet.TCPFlagACK
	}
	return r
}

func datagram(dst string, port uint16) packet.Spec {
	return packet.Spec{Tuple: packet.Tuple{Dst: addr(dst), SrcPort: 40000, DstPort: port, Proto: packet.ProtoUDP}}
}

func echo(dst string, id uint16) packet.Spec {
	s := packet.Spec{Tuple: packet.Tuple{Dst: addr(dst), SrcPort: id, DstPort: id, Proto: packet.ProtoICMP}, ICMPType: 8}
	if !s.Dst.Is4() {
		s.Proto, s.ICMPType = packet.ProtoICMPv6, 128
	}
	return s
}

func echoReply(dst string, id uint16) packet.Spec {
	s := echo(dst, id)
	s.ICMPType = 0
	if !s.Dst.Is4() {
		s.ICMPType = 129
	}
	return s
}
