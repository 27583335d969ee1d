package dataplane

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hMirror1 = 600 + iota
	hMirror2
)

// everythingMirrored accepts all of a direction.
func everythingMirrored() []TrafficMirrorRule {
	return []TrafficMirrorRule{mirrorAll(100, "0.0.0.0/0"), mirrorAll(101, "::/0")}
}

func mirrorAll(number int, c string) TrafficMirrorRule {
	return TrafficMirrorRule{Number: number, Accept: true, Protocol: AnyProtocol, Source: cidr(c), Destination: cidr(c), LastSource: 0xffff, LastPort: 0xffff}
}

// newMirrored mirrors everything of i1 to i3, which is in the other subnet.
func newMirrored(t testing.TB) *network {
	n := newNetwork(t)
	n.b.TrafficMirrorSessions = []TrafficMirrorSession{{
		Object: Object{Handle: hMirror1, Kind: KindTrafficMirrorSession, Name: "all"}, Source: hI1, Target: hI3, Number: 1, VirtualNetworkID: 77,
		Ingress: everythingMirrored(), Egress: everythingMirrored(),
	}}
	return n
}

// mirrored are the copies among what the last send put out: "77: 10.0.1.10 >
// 10.0.2.30: inner packet".
func (n *network) mirrored() (list []string) {
	n.t.Helper()
	for i := range n.frames {
		f := &n.frames[i]
		var outer, inner packet.Packet
		if packet.Parse(&outer, f) != packet.ProblemNone || outer.Proto != packet.ProtoUDP || outer.DstPort != portVXLAN {
			continue
		}
		if !checksumRight(*f) || outer.DstMAC != n.interfaceAt(Handle(f.Link)).mac {
			n.t.Errorf("a copy with a wrong checksum, or to %v", outer.DstMAC)
		}
		vxlan := f.Data[outer.Payload:outer.End]
		packet.Parse(&inner, &packet.Frame{Data: vxlan[8:]})
		if vxlan[0] != 8 {
			n.t.Errorf("VXLAN flags %#x", vxlan[0])
		}
		list = append(list, fmt.Sprintf("%d: %s > %s: %s", binary.BigEndian.Uint32(vxlan[4:])>>8, outer.Src, outer.Dst, addressesOf(inner.Tuple)))
	}
	return list
}

func (n *network) wantMirrored(what string, want ...string) {
	n.t.Helper()
	if diff := cmp.Diff(want, n.mirrored()); diff != "" {
		n.t.Errorf("%s: copies (-want +got):\n%s%s", what, diff, n.story())
	}
}

const mirrorWay = "77: 10.0.1.10 > 10.0.2.30: "

func TestTrafficMirrorCopiesBothDirections(t *testing.T) {
	n := newMirrored(t).publish()
	n.send(hI1, syn("10.0.1.20", 80))
	n.wantMirrored("M1 sent", mirrorWay+"10.0.1.10:40000 → 10.0.1.20:80 tcp")
	n.send(hI2, datagram("10.0.1.10", 53))
	n.wantMirrored("M1 received", mirrorWay+"10.0.1.20:40000 → 10.0.1.10:53 udp")
	n.send(hI1, syn("2001:db8:1:1::20", 80))
	n.wantMirrored("M4 IPv6 inside of IPv4", mirrorWay+"[2001:db8:1:1::10]:40000 → [2001:db8:1:1::20]:80 tcp")
	n.send(hHost, syn("198.51.100.10", 22))
	n.wantMirrored("as the interface sees it", mirrorWay+"203.0.113.10:40000 → 10.0.1.10:22 tcp")
	n.send(hI1, syn("10.0.1.99", 80))
	n.wantMirrored("to nobody", mirrorWay+"10.0.1.10:40000 → 10.0.1.99:80 tcp")
	n.send(hI1, syn("10.0.2.30", 80))
	n.wantMirrored("what the target gets, once", mirrorWay+"10.0.1.10:40000 → 10.0.2.30:80 tcp")
	n.send(hI2, syn("10.0.2.30", 80))
	n.wantMirrored("others' packets")
	n.send(hI1, echo("10.0.1.1", 7))
	n.wantMirrored("M12 what the platform answers")
	stats := n.e.TrafficMirrors()
	if diff := cmp.Diff([]TrafficMirrorStatistics{{Session: hMirror1, Copies: 6, Delivered: 6}}, stats); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
}

func TestTrafficMirrorLeavesOutWhatTheSourceDrops(t *testing.T) {
	n := newMirrored(t)
	n.b.SecurityGroups[0].Ingress, n.b.SecurityGroups[0].Egress = allow(tcp("0.0.0.0/0", 22, 22)), allow(tcp("0.0.0.0/0", 443, 443))
	n.b.NetworkACLs[0].Egress = append([]ACLRule{{Number: 1, Match: tcp("10.0.2.99/32", 0, 65535)}}, openACL()...)
	n.b.NetworkACLs[0].Ingress = append([]ACLRule{{Number: 1, Match: tcp("203.0.113.0/24", 22, 22)}}, openACL()...)
	n.b.SecurityGroups[1].Ingress = nil
	n.publish()
	n.send(hI1, syn("10.0.1.20", 80))
	n.wantMirrored("M9 its group lets it not out")
	n.send(hI1, syn("10.0.2.99", 443))
	n.wantMirrored("M9 its subnet's ACL lets it not out")
	n.send(hI2, syn("10.0.1.10", 80))
	n.wantMirrored("M9 its group lets it not in")
	n.send(hHost, syn("198.51.100.10", 22))
	n.wantMirrored("M9 its subnet's ACL lets it not in")
	n.send(hI1, syn("10.0.1.20", 443))
	n.wantMirrored("M5 another's group drops it; its own is not asked about the copy", mirrorWay+"10.0.1.10:40000 → 10.0.1.20:443 tcp")
}

func TestTrafficMirrorTargetsGroupAndRoutesDecide(t *testing.T) {
	n := newMirrored(t)
	n.b.SecurityGroups[2].Ingress = nil
	n.publish()
	n.send(hI1, syn("10.0.1.20", 80))
	n.wantMirrored("M5 the target's group")
	if d := n.e.Drops(0); len(d) != 1 || d[0].At != hI3 || d[0].Step.Reason != ReasonNoRule {
		t.Errorf("the journal says %+v", d)
	}
	n.b.SecurityGroups[2].Ingress = allow(udp("10.0.1.10/32", 4789, 4789))
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes, Route{Destination: cidr("10.0.2.0/24"), Target: Target{TargetNetworkInterface, hI2}, Text: "10.0.2.0/24 → i2"})
	n.publish()
	n.send(hI1, syn("203.0.113.10", 80))
	if v := &n.e.mirrors.walk; v.verdict != VerdictDrop || v.reason != ReasonDestinationAddress {
		t.Errorf("M3 the route of the source's subnet leads to i2: %v (%v)", v.verdict, v.reason)
	}
	want := []TrafficMirrorStatistics{{Session: hMirror1, Copies: 2}}
	if diff := cmp.Diff(want, n.e.TrafficMirrors()); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
}

func TestTrafficMirrorFirstSessionTakesThePacket(t *testing.T) {
	n := newMirrored(t)
	web := mirrorAll(20, "0.0.0.0/0")
	web.Protocol, web.FirstPort, web.LastPort = packet.ProtoTCP, 80, 80
	not := web
	not.Number, not.Accept, not.Destination = 10, false, cidr("10.0.1.20/32")
	fromPort := mirrorAll(30, "0.0.0.0/0")
	fromPort.Protocol, fromPort.FirstSource, fromPort.LastSource = packet.ProtoUDP, 40000, 40000
	second := n.b.TrafficMirrorSessions[0]
	second.Handle, second.Name, second.Number, second.VirtualNetworkID, second.Target = hMirror2, "web", 0, 5, hI2
	second.Egress, second.Ingress = []TrafficMirrorRule{web, fromPort, not}, nil
	n.b.TrafficMirrorSessions = append(n.b.TrafficMirrorSessions, second)
	n.publish()
	const web5 = "5: 10.0.1.10 > 10.0.1.20: "
	n.send(hI1, syn("203.0.113.10", 80))
	n.wantMirrored("M6 the lowest number", web5+"10.0.1.10:40000 → 203.0.113.10:80 tcp")
	n.send(hI1, syn("203.0.113.10", 81))
	n.wantMirrored("M6 else the next", mirrorWay+"10.0.1.10:40000 → 203.0.113.10:81 tcp")
	n.send(hI1, syn("10.0.1.20", 80))
	n.wantMirrored("M7 the first rule that matches rejects it", mirrorWay+"10.0.1.10:40000 → 10.0.1.20:80 tcp")
	n.send(hI1, datagram("10.0.2.30", 9))
	n.wantMirrored("M7 by source port", web5+"10.0.1.10:40000 → 10.0.2.30:9 udp")
	n.send(hI1, syn("2001:db8:1:2::30", 80))
	n.wantMirrored("M7 families apart", mirrorWay+"[2001:db8:1:1::10]:40000 → [2001:db8:1:2::30]:80 tcp")
}

func TestTrafficMirrorCutsCopies(t *testing.T) {
	n := newMirrored(t).publish()
	lengths := func() (list []int) {
		for i := range n.frames {
			var p packet.Packet
			if packet.Parse(&p, &n.frames[i]); p.DstPort == portVXLAN {
				list = append(list, p.End-p.L3)
			}
		}
		return list
	}
	s := datagram("10.0.1.20", 9)
	s.Payload = make([]byte, 8973)
	n.send(hI1, s)
	if diff := cmp.Diff([]int{9001}, lengths()); diff != "" {
		t.Errorf("M8 a jumbo packet (-want +got):\n%s", diff)
	}
	n.frames = n.e.Forward([]packet.Frame{n.superframe("10.0.2.30", 10, 1000)}, nil)
	if got := lengths(); len(got) != 10 || got[0] != 1000+40+14+mirrorOverhead {
		t.Errorf("copies of a superframe are of %v bytes", got)
	}
	n.b.TrafficMirrorSessions[0].PacketLength = 54
	n.publish()
	n.frames = n.e.Forward([]packet.Frame{n.superframe("2001:db8:1:2::30", 3, 1000)}, nil)
	if diff := cmp.Diff([]int{54 + mirrorOverhead, 54 + mirrorOverhead, 54 + mirrorOverhead}, lengths()); diff != "" {
		t.Errorf("M8 packetLength (-want +got):\n%s", diff)
	}
}

func TestTrafficMirrorOfTheResolver(t *testing.T) {
	n := newMirrored(t)
	n.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices, Name: "services"}, MAC: InterfaceMAC(hServices)}
	n.publish()
	ask := func(what, dst string, port uint16, wantRequest, wantAnswer int) {
		t.Helper()
		s := datagram(dst, port)
		n.send(hI1, s)
		if got := n.mirrored(); len(got) != wantRequest {
			t.Errorf("%s: copies %v", what, got)
		}
		var request packet.Packet
		packet.Parse(&request, &n.frames[0])
		n.send(hServices, packet.Spec{Tuple: packet.Tuple{Src: request.Dst, Dst: request.Src, SrcPort: request.DstPort, DstPort: request.SrcPort, Proto: packet.ProtoUDP}})
		if got := n.mirrored(); len(got) != wantAnswer || wantAnswer > 0 && !strings.Contains(got[0], dst+":"+fmt.Sprint(port)+" → 10.0.1.10:40000") {
			t.Errorf("%s: copies of the answer %v\n%s", what, got, n.story())
		}
	}
	ask("M11 rules do not cover it", "10.0.0.2", 53, 0, 0)
	n.b.TrafficMirrorSessions[0].AmazonDNS = true
	n.publish()
	ask("M11 the network service does", "10.0.0.2", 53, 1, 1)
	ask("M12 time is never mirrored", "169.254.169.123", 123, 0, 0)
}

func TestTrafficMirrorIsLoggedAtTheTargetOnly(t *testing.T) {
	n := newMirrored(t)
	n.logEverything()
	n.publish()
	n.send(hI1, datagram("10.0.1.20", 9))
	n.wantRecords("M13", "i1/eth0 > ACCEPT 1/28", "i2/eth0 < ACCEPT 1/28", "i3/eth0 < ACCEPT 1/78")
}

func TestTrafficMirrorAllocatesNothing(t *testing.T) {
	n := newMirrored(t).publish()
	frame := packet.Append(nil, n.spec(hI1, syn("203.0.113.10", 80)))
	buffer := make([]byte, len(frame))
	in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
	if allocations := testing.AllocsPerRun(100, func() {
		copy(buffer, frame)
		in[0] = packet.Frame{Data: buffer, Link: uint32(hI1)}
		out = n.e.Forward(in, out[:0])
	}); allocations != 0 || len(out) != 2 {
		t.Errorf("%v allocations per packet, %d frames", allocations, len(out))
	}
}

// TestTrafficMirrorIsBounded: a superframe of a thousand small datagrams for each of
// the batch's frames makes no more copies than there is room for.
func TestTrafficMirrorIsBounded(t *testing.T) {
	n := newMirrored(t).publish()
	var in []packet.Frame
	for range 8 {
		in = append(in, n.superframe("10.0.1.20", 1000, 4))
	}
	out := n.e.Forward(in, nil)
	stats := n.e.TrafficMirrors()[0]
	if stats.Copies != maxMirrorCopies || stats.Lost != 8000-maxMirrorCopies || len(out) != 8+maxMirrorCopies {
		t.Errorf("%+v, %d frames", stats, len(out))
	}
}

// TestTrafficMirrorCopiesNoCopies: an instance on the way to the target is mirrored, too,
// and passes a copy on. Its own VXLAN is copied as ever.
func TestTrafficMirrorCopiesNoCopies(t *testing.T) {
	n := newMirrored(t)
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.b.TrafficMirrorSessions = append(n.b.TrafficMirrorSessions, TrafficMirrorSession{
		Object: Object{Handle: hMirror2, Kind: KindTrafficMirrorSession, Name: "way"}, Source: hI2, Target: hI3, Number: 1, VirtualNetworkID: 78,
		Ingress: everythingMirrored(), Egress: everythingMirrored(),
	})
	n.publish()
	passedOn := datagram("10.0.2.30", portVXLAN)
	passedOn.Src = addr("10.0.1.10")
	if verdict, _ := n.send(hI2, passedOn); verdict != VerdictPass {
		t.Errorf("verdict %v", verdict)
	}
	if stats := n.e.TrafficMirrors(); len(stats) != 0 {
		t.Errorf("it was copied: %+v", stats)
	}
	n.send(hI2, datagram("10.0.2.99", portVXLAN))
	n.wantMirrored("VXLAN of its own", "78: 10.0.1.20 > 10.0.2.30: 10.0.1.20:40000 → 10.0.2.99:4789 udp")
}

// M3, T17: a copy goes by routes, also where one leads into a Connect peer's GRE tunnel,
// and is copied no second time when it comes out.
func TestTrafficMirrorGoesThroughConnectPeer_M3(t *testing.T) {
	h := newConnect(t)
	appliance := at(1, hubInstanceA)
	h.b.TransitGatewayRouteTables[0].Routes = append(h.b.TransitGatewayRouteTables[0].Routes,
		TransitGatewayRoute{Destination: cidr("10.1.2.10/32"), Tunnels: []Handle{hPeer4}, Text: "10.1.2.10/32 → sdwan"})
	h.b.TrafficMirrorSessions = []TrafficMirrorSession{
		{Object: Object{Handle: hMirror1, Kind: KindTrafficMirrorSession, Name: "far"}, Source: at(2, hubInstanceA), Target: at(1, hubInstanceB), Number: 1, Egress: everythingMirrored()},
		{Object: Object{Handle: hMirror2, Kind: KindTrafficMirrorSession, Name: "near"}, Source: appliance, Target: at(1, hubInstanceB), Number: 1, Ingress: everythingMirrored()},
	}
	h.publish()
	h.send(at(2, hubInstanceA), datagram("10.2.2.10", 53))
	var got []string
	for _, f := range h.frames {
		var p packet.Packet
		packet.Parse(&p, &f)
		got = append(got, fmt.Sprintf("%d: %s", f.Link, addressesOf(p.Tuple)))
	}
	want := []string{
		fmt.Sprintf("%d: 10.2.1.10:40000 → 10.2.2.10:53 udp", at(2, hubInstanceB)),
		fmt.Sprintf("%d: 192.0.2.1 → 10.1.1.10 gre", appliance),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what went out (-want +got):\n%s", diff)
	}
}
