package scenarios

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Cases of semantics/addressing.md. What the platform's services say is held in
// their own package; here is how packets get there and back.

func TestAddressingSemantics(t *testing.T) {
	play(t, []semanticsCase{
		{name: "A-C10 the router of the own subnet answers, no other", only: control.IPv4, world: fixture{a: nothingIn, acl1: openACL}.String(), steps: []step{
			{from: "i1", to: "10.0.1.1", msg: ping(), want: "answered"},
			{from: "i1", to: "10.0.2.1", msg: ping(), want: "dropped at vpc v"},
		}},
		{name: "A-C10 S-C17 the router answers whatever filters say", only: control.IPv4, world: fixture{a: nothingIn + ", " + nothingOut, acl1: denyACL}.String(), steps: []step{
			{from: "i1", to: "10.0.1.1", msg: ping(), want: "answered"},
		}},
		{name: "A35 the router answers on fe80:ec2::1", only: control.IPv6, world: fixture{a: nothingIn + ", " + nothingOut, acl1: denyACL}.String(), steps: []step{
			{from: "i1", to: "fe80:ec2::1", msg: ping(), want: "answered"},
		}},
		{name: "A-C15 the source check is on", world: fixture{}.String(), steps: []step{
			{from: "i1", to: "i3", source: stranger, msg: ping(), want: "dropped at networkInterface i1"},
		}},
		{name: "A-C16 the source check is off", world: fixture{i1: "sourceDestCheck: false"}.String(), steps: []step{
			{from: "i1", to: "i3", source: stranger, msg: ping(), want: reached3},
		}},
		{name: "A-C16 with the check off filters still hold", world: fixture{i1: "sourceDestCheck: false", b: "ingress: [{protocol: all, from: $i1}]"}.String(), steps: []step{
			{from: "i1", to: "i3", source: stranger, msg: ping(), want: refused3},
			{from: "i1", to: "i3", msg: ping(), want: reached3},
		}},
		{name: "A-C17 the destination check is on", world: fixture{routes2: `{192.0.2.0/24: i2, "2001:db8:9::/48": i2}`}.String(), steps: []step{
			{from: "i3", to: "192.0.2.9", msg: ping(), want: "dropped at networkInterface i2 | i3 egress ACCEPT"},
			{from: "i3", to: "2001:db8:9::9", msg: ping(), want: "dropped at networkInterface i2 | i3 egress ACCEPT"},
			{world: fixture{routes2: `{192.0.2.0/24: i2, "2001:db8:9::/48": i2}`, i2: "sourceDestCheck: false"}.String()},
			{from: "i3", to: "192.0.2.9", msg: ping(), want: "delivered to i2 | i3 egress ACCEPT, i2 ingress ACCEPT"},
			{from: "i3", to: "2001:db8:9::9", msg: ping(), want: "delivered to i2 | i3 egress ACCEPT, i2 ingress ACCEPT"},
		}},
		{name: "A-C13 an address nobody has", world: fixture{}.String(), steps: []step{
			{from: "i1", to: "10.0.1.99", msg: ping(), want: "dropped at subnet s1"},
			{from: "i1", to: "2001:db8:1:1::99", msg: ping(), want: "dropped at subnet s1"},
			{from: "i1", to: "10.0.2.99", msg: ping(), want: "dropped at vpc v"},
			{from: "i1", to: "2001:db8:1:2::99", msg: ping(), want: "dropped at vpc v"},
		}},
	})
}

// stranger are addresses of i1's subnet that nobody has.
const stranger = "10.0.1.77 2001:db8:1:1::77"

// A-C11: a VPC carries neither broadcast nor multicast.
func TestA_C11BroadcastAndMulticastReachNobody(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{}.String())
	i1 := n.hosts["i1"].interfaces[0]
	for dst, mac := range map[string]packet.MAC{
		"10.0.1.255":      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"255.255.255.255": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"224.0.0.1":       {0x01, 0, 0x5e, 0, 0, 1},
		"ff02::1":         {0x33, 0x33, 0, 0, 0, 1},
		"ff0e::1234":      {0x33, 0x33, 0, 0, 0x12, 0x34},
	} {
		msg := ping()
		msg.dst = netip.MustParseAddr(dst)
		if msg.dst.Is6() {
			msg = asICMPv6(msg)
		}
		msg.src = i1.address(msg.dst)
		got := n.sendFrame(msg.frame(i1.link, i1.mac, mac))
		if got != "dropped at networkInterface i1" || len(n.arrivals) > 0 {
			t.Errorf("%s: %s, %d arrivals", dst, got, len(n.arrivals))
		}
	}
}

// A-C12, A-C13: the platform answers address resolution, and only for who is
// there; the neighbour never sees the question.
func TestA_C12_A_C13AddressResolution(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			n := newTestNetwork(t, family, fixture{}.String())
			i1, i2 := n.hosts["i1"].interfaces[0], n.hosts["i2"].interfaces[0]
			n.start()
			if mac, ok := i1.resolve(n.address("i2")); !ok || mac != i2.mac {
				t.Errorf("i2 is at %s (%v), want its own %s", mac, ok, i2.mac)
			}
			free := map[control.Family]string{control.IPv4: "10.0.1.99", control.IPv6: "2001:db8:1:1::99"}[family]
			if mac, ok := i1.resolve(netip.MustParseAddr(free)); ok {
				t.Errorf("somebody answers for the free address %s: %s", free, mac)
			}
			if mac, ok := i1.resolve(n.address("i3")); ok {
				t.Errorf("somebody answers for an address of another subnet: %s", mac)
			}
			if len(n.arrivals) > 0 {
				t.Errorf("a question reached %s", n.arrivals[0].at.name)
			}
		})
	}
}

// A-C14: an announcement moves no address.
func TestA_C14GratuitousAnnouncementChangesNothing(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{}.String())
	i1, i2 := n.hosts["i1"].interfaces[0], n.hosts["i2"].interfaces[0]
	address4, address6 := i1.addresses[0].Addr(), i1.addresses[1].Addr()
	for _, operation := range []uint16{layers.ARPRequest, layers.ARPReply} {
		arp := i2.arpRequest(address4)
		binary.BigEndian.PutUint16(arp.Data[20:], operation)
		copy(arp.Data[28:32], address4.AsSlice()) // the sender claims the address
		if got := n.sendFrame(arp); !strings.HasPrefix(got, "dropped") {
			t.Errorf("gratuitous ARP: %s", got)
		}
	}
	claim := asICMPv6(message{
		src: address6, dst: netip.MustParseAddr("ff02::1"), proto: packet.ProtoICMPv6, icmpType: 136, ttl: 255,
		payload: append(append([]byte{0x20, 0, 0, 0}, address6.AsSlice()...), append([]byte{2, 1}, i2.mac[:]...)...),
	})
	if got := n.sendFrame(claim.frame(i2.link, i2.mac, packet.MAC{0x33, 0x33, 0, 0, 0, 1})); !strings.HasPrefix(got, "dropped") {
		t.Errorf("unsolicited neighbour advertisement: %s", got)
	}
	n.play("IPv4", step{from: "i3", to: address4.String(), msg: ping(), want: "delivered to i1 | i3 egress ACCEPT, i1 ingress ACCEPT"})
	n.play("IPv6", step{from: "i3", to: address6.String(), msg: ping(), want: "delivered to i1 | i3 egress ACCEPT, i1 ingress ACCEPT"})
	n.play("same subnet", step{from: "i1", to: "i2", msg: ping(), want: "delivered to i2 | i1 egress ACCEPT, i2 ingress ACCEPT"})
}

// A26: nobody sends with another's MAC address, check or no check.
func TestA26SourceMACIsNeverSpoofed(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{i1: "sourceDestCheck: false"}.String())
	i1, i2 := n.hosts["i1"].interfaces[0], n.hosts["i2"].interfaces[0]
	for _, dst := range []netip.Addr{n.address("i2"), i2.addresses[1].Addr()} {
		msg := udp(1, 2)
		msg.src, msg.dst = i1.address(dst), dst
		if got := n.sendFrame(msg.frame(i1.link, i2.mac, i2.mac)); got != "dropped at networkInterface i1" {
			t.Errorf("%s: %s", dst, got)
		}
	}
}

// A36: nothing but ARP and IP is carried.
func TestA36OtherEtherTypesDrop(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{}.String())
	i1, i2 := n.hosts["i1"].interfaces[0], n.hosts["i2"].interfaces[0]
	frame := make([]byte, 60)
	copy(frame, i2.mac[:])
	copy(frame[6:], i1.mac[:])
	binary.BigEndian.PutUint16(frame[12:], 0x88cc) // LLDP
	if got := n.sendFrame(packet.Frame{Link: i1.link, Data: frame}); got != "dropped at networkInterface i1" {
		t.Error(got)
	}
}

// A-C18 and RT-06: routes for the link-local services are refused.
func TestA_C18RouteToLinkLocalServicesIsRefused(t *testing.T) {
	for _, destination := range []string{"169.254.169.0/24", "169.254.168.0/22", "169.254.169.254/32", `"fd00:ec2::/32"`, `"fd00:ec2::254/128"`} {
		text := "name: test\n" + fixture{routes: "{" + destination + ": i2}", i2: "sourceDestCheck: false"}.String()
		if w, err := control.Open("test.yaml", []byte(text)); w != nil || err == nil {
			t.Errorf("%s: accepted", destination)
		}
	}
}

// A-C19, R7: a wider route never carries packets for the link-local services.
func TestA_C19WiderRouteDoesNotCarryLinkLocalServices(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{routes: `{0.0.0.0/0: i3, "::/0": i3}`, i3: "sourceDestCheck: false"}.String())
	n.play("IPv4", step{from: "i1", to: "169.254.169.254", msg: tcp(40000, 80, syn), want: "delivered to services" + nothingLogged})
	n.play("IPv6", step{from: "i1", to: "fd00:ec2::254", msg: tcp(40000, 80, syn), want: "delivered to services" + nothingLogged})
	n.play("others go", step{from: "i1", to: "192.0.2.1", msg: tcp(40000, 80, syn), want: "delivered to i3 | i1 egress ACCEPT, i3 ingress ACCEPT"})
}

// A-C2, A-C3, A-C4, NA-06: the resolver is reached past groups and ACLs that
// allow nothing, by its own addresses alone, and its answers come back from the
// address that was asked. No flow log has any of it.
func TestA_C2_A_C3_A_C4ResolverIsReachedPastFilters(t *testing.T) {
	for _, c := range []struct {
		name, to string
		msg      message
		want     string
	}{
		{"A-C2 VPC+2", "10.0.0.2", udp(40000, 53), "delivered to services"},
		{"A-C3 subnet+2", "10.0.1.2", udp(40000, 53), "dropped at subnet s1"},
		{"A-C4 UDP", "169.254.169.253", udp(40000, 53), "delivered to services"},
		{"A-C4 TCP", "169.254.169.253", tcp(40000, 53, syn), "delivered to services"},
		{"A-C4 DN-1 IPv6", "fd00:ec2::253", udp(40000, 53), "delivered to services"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestNetwork(t, control.IPv4, fixture{a: nothingIn + ", " + nothingOut, acl1: denyACL}.String())
			n.play("question", step{from: "i1", to: c.to, msg: c.msg, want: c.want + nothingLogged})
			if c.want != "delivered to services" {
				return
			}
			asked := netip.MustParseAddr(c.to)
			answer := message{proto: c.msg.proto, srcPort: 53, dstPort: 40000, flags: synAck, src: dataplane.ResolverAddress4}
			if asked.Is6() {
				answer.src = dataplane.ResolverAddress6
			}
			i1 := n.hosts["i1"].interfaces[0]
			answer.dst = dataplane.ServiceClient(dataplane.Handle(i1.link), asked.Is6())
			services := dataplane.InterfaceMAC(control.ServicesHandle)
			if got := n.sendFrame(answer.frame(control.ServicesHandle, services, services)); got != "delivered to i1" {
				t.Fatalf("the answer was %s", got)
			}
			if got := n.arrivals[0]; got.src != asked || got.dst != i1.address(asked) {
				t.Errorf("the answer went %s → %s, want %s → %s", got.src, got.dst, asked, i1.address(asked))
			}
		})
	}
}

// A-C1: a /28 has eleven addresses.
func TestA_C1SmallSubnetHasElevenAddresses(t *testing.T) {
	scenario := func(ip string) []byte {
		return []byte("name: test\nvpcs: {v: {cidr: 10.0.0.0/16}}\nsubnets: {s: {vpc: v, cidr: 10.0.3.0/28}}\ninstances: {i: {subnet: s, ip: " + ip + "}}\n")
	}
	usable := 0
	for i := range 16 {
		ip := netip.AddrFrom4([4]byte{10, 0, 3, byte(i)}).String()
		_, err := control.Open("test.yaml", scenario(ip))
		if reserved := i < 4 || i == 15; (err != nil) != reserved {
			t.Errorf("%s: reserved %v, but: %v", ip, reserved, err)
		}
		if err == nil {
			usable++
		}
	}
	if usable != 11 {
		t.Errorf("%d usable addresses, want 11", usable)
	}
}

// A-C22, A-C23: which blocks a VPC can have beside its first. The routes of
// A-C23 are written to an Internet gateway; AWS's example has a VPN gateway.
func TestA_C22_A_C23SecondaryBlocks(t *testing.T) {
	for _, c := range []struct {
		name, secondary, route string
		ok                     bool
	}{
		{"A-C22 another private range", "192.168.0.0/24", "", false},
		{"A-C22 shared address space", "100.64.0.0/24", "", true},
		{"A-C23 a block around a route", "10.9.0.0/16", "10.9.0.0/24", false},
		{"A-C23 the block of a route", "10.9.0.0/24", "10.9.0.0/24", false},
		{"A-C23 a block inside a route's", "10.9.0.0/25", "10.9.0.0/24", true},
	} {
		text := "name: test\nvpcs: {v: {cidr: 10.0.0.0/16, secondaryCidrs: [" + c.secondary + "]}}\ninternetGateways: {igw: {vpc: v}}\n"
		if c.route != "" {
			text += "routeTables: {r: {vpc: v, routes: {" + c.route + ": igw}}}\n"
		}
		if _, err := control.Open("test.yaml", []byte(text)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// large is an echo request whose IP packet has size bytes.
func large(size int, family control.Family, dontFragment bool) message {
	header := 28
	if family == control.IPv6 {
		header = 48
	}
	msg := ping()
	msg.payload, msg.dontFragment = make([]byte, size-header), dontFragment
	return msg
}

// A-C20, MT-1, NA-07: 9001 bytes inside a VPC, 1500 on the Internet; who sends
// more with DF is told.
func TestA_C20_MT_1PathMTU(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			n := newTestNetwork(t, family, fixture{a: nothingIn, i1: "publicIp: true"}.String())
			n.play("inside", step{from: "i1", to: "i3", msg: large(9001, family, true), want: reached3})
			n.play("1500", step{from: "i1", to: "x", msg: large(1500, family, true), want: "delivered to x | i1 egress ACCEPT"})
			n.play("9000", step{from: "i1", to: "x", msg: large(9000, family, true), want: "dropped at internetGateway igw, answered | i1 egress ACCEPT, i1 ingress ACCEPT"})
			checkTooBig(t, n, family)
			n.play("1501", step{from: "i1", to: "x", msg: large(1501, family, true), want: "dropped at internetGateway igw, answered | i1 egress ACCEPT, i1 ingress ACCEPT"})
		})
	}
}

// checkTooBig looks at the answer to a packet that was too big.
func checkTooBig(t *testing.T, n *testNetwork, family control.Family) {
	t.Helper()
	if len(n.arrivals) != 1 {
		t.Fatalf("%d packets arrived, want the one that says the MTU", len(n.arrivals))
	}
	got := n.arrivals[0]
	wantType, wantCode := uint8(icmpUnreachable), uint8(4)
	if family == control.IPv6 {
		wantType, wantCode = 2, 0 // Packet Too Big
	}
	if got.at.name != "i1/eth0" || got.icmpType != wantType || got.icmpCode != wantCode || binary.BigEndian.Uint32(got.payload) != 1500 {
		t.Errorf("%s got type %d code %d mtu %d, want i1/eth0, %d, %d, 1500", got.at.name, got.icmpType, got.icmpCode, binary.BigEndian.Uint32(got.payload), wantType, wantCode)
	}
	if q := got.quoted; q == nil || q.src != n.address("i1") || q.dst != n.address("x") {
		t.Errorf("it quotes %+v, not the packet as i1 sent it", q)
	}
}

// NA-07, A56: the answer is judged like any packet: an ACL that knows no ICMP
// swallows it.
func TestNA_07ACLSwallowsFragmentationNeeded(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			without := "ingress: [{rule: 100, action: allow, protocol: tcp, ports: 1024-65535, cidr: $any}], egress: [" + allowAll + "]"
			with := "ingress: [{rule: 90, action: allow, protocol: $icmp, cidr: $any}, {rule: 100, action: allow, protocol: tcp, ports: 1024-65535, cidr: $any}], egress: [" + allowAll + "]"
			big := tcp(40000, 80, ack)
			big.payload = make([]byte, 3000)
			n := newTestNetwork(t, family, inFamily(fixture{i1: "publicIp: true", acl1: without}.String(), family))
			n.play("without ICMP", step{from: "i1", to: "x", msg: big, want: "dropped at internetGateway igw"})
			if len(n.arrivals) != 0 {
				t.Error("the answer passed an ACL that has no rule for it")
			}
			n.change(inFamily(fixture{i1: "publicIp: true", acl1: with}.String(), family))
			n.play("with ICMP", step{from: "i1", to: "x", msg: big, want: "dropped at internetGateway igw, answered"})
		})
	}
}

// R31: without DF the Internet gateway fragments IPv4, and the parts add up.
func TestR31InternetGatewayFragmentsIPv4(t *testing.T) {
	n := newTestNetwork(t, control.IPv4, fixture{i1: "publicIp: true"}.String())
	n.play("3000 bytes", step{from: "i1", to: "x", msg: large(3000, control.IPv4, false), want: "delivered to x | i1 egress ACCEPT"})
	total := 0
	for _, part := range n.arrivals {
		if size := len(part.data) - ethernetHeader; size > 1500 {
			t.Errorf("a part of %d bytes", size)
		}
		if !part.fragment || part.src != n.address("eip:i1") {
			t.Errorf("from %s, fragment %v", part.src, part.fragment)
		}
		total += len(part.payload)
	}
	if len(n.arrivals) != 3 || total != 3000-20 {
		t.Errorf("%d parts with %d bytes of payload, want 3 with %d", len(n.arrivals), total, 3000-20)
	}
}

// A-C21, A32: the router takes nothing off the TTL, so that traceroute shows one
// hop inside a VPC and none of the gateway.
func TestA_C21RouterDoesNotDecrementTTL(t *testing.T) {
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			n := newTestNetwork(t, family, fixture{i1: "publicIp: true"}.String())
			probe := udp(40000, 33434)
			probe.ttl = 1
			for _, to := range []string{"i2", "i3", "x"} {
				n.send("i1", to, probe)
				if len(n.arrivals) != 1 || n.arrivals[0].ttl != 1 {
					t.Errorf("%s: %d packets arrived, %+v", to, len(n.arrivals), n.arrivals)
				}
			}
			n.mute = false // now the target answers: traceroute's last line
			n.send("i1", "i3", probe)
			if last := n.arrivals[len(n.arrivals)-1]; last.at.name != "i1/eth0" || !last.isPortUnreachable() || last.src != n.address("i3") {
				t.Errorf("%s got %+v", last.at.name, last.message)
			}
		})
	}
}
