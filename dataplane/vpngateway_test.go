package dataplane

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hVPNGateway Handle = 80 + iota
	hSpeaker
	hOfficeTunnel1
	hOfficeTunnel2
	hBranchTunnel
	hVPNAttachment
)

// newVPN is the hub fixture whose VPC 1 has a virtual private gateway with three
// tunnels: two to an office (10.50.0.0/16), one to a branch (10.60.0.0/16).
func newVPN(t testing.TB) *hub {
	h := newHub(t, 2)
	h.addVPN()
	return h
}

func (h *hub) addVPN() {
	h.b.VPNGateways = []VPNGateway{{
		Object: Object{Handle: hVPNGateway, Kind: KindVPNGateway, Name: "vgw"}, VPC: at(1, hubVPC),
		Routes: []VPNRoute{
			{Destination: cidr("10.50.0.0/16"), Tunnel: hOfficeTunnel1, Learned: true, Text: "10.50.0.0/16 → vpnTunnel office/1 (BGP)"},
			{Destination: cidr("10.60.0.0/16"), Tunnel: hBranchTunnel, Learned: true, Text: "10.60.0.0/16 → vpnTunnel branch/1 (BGP)"},
		},
	}}
	h.b.BGPSpeakers = append(h.b.BGPSpeakers, BGPSpeaker{Object: Object{Handle: hSpeaker, Kind: KindBGPSpeaker, Name: "vgw"}, MAC: InterfaceMAC(hSpeaker)})
	for i, tunnel := range []Handle{hOfficeTunnel1, hOfficeTunnel2, hBranchTunnel} {
		h.b.VPNTunnels = append(h.b.VPNTunnels, VPNTunnel{
			Object: Object{Handle: tunnel, Kind: KindVPNTunnel, Name: fmt.Sprintf("tunnel%d", i)}, MAC: InterfaceMAC(tunnel),
			Gateway: hVPNGateway, Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("169.254.6.%d", 4*i+1))}, Speaker: hSpeaker,
		})
	}
	for _, block := range []string{"10.50.0.0/16", "10.60.0.0/16", "0.0.0.0/0"} {
		h.route(1, hubTable, block, TargetVPNGateway, hVPNGateway)
	}
}

// from is a packet that comes out of a tunnel.
func from(src string, s packet.Spec) packet.Spec {
	s.Src = addr(src)
	return s
}

func TestVPNGatewayJoinsSiteAndVPC(t *testing.T) {
	h := newVPN(t)
	h.publish()
	h.want("site to VPC", hOfficeTunnel1, from("10.50.0.5", syn("10.1.1.10", 80)), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("10.50.0.5") {
		t.Errorf("the instance saw %s", got.Src)
	}
	h.want("its answer", at(1, hubInstanceA), answer(syn("10.1.1.10", 80), "10.50.0.5"), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hOfficeTunnel1 {
		t.Errorf("the answer went into %d", got)
	}
	// V6: what comes by the other tunnel of a connection is taken all the same.
	h.want("by the other tunnel", hOfficeTunnel2, from("10.50.0.5", syn("10.1.2.10", 80)), VerdictPass, ReasonDelivered)
	h.want("an unknown network", at(1, hubInstanceA), syn("10.70.0.1", 80), VerdictDrop, ReasonNoRoute)
	// V1: IPv4 only.
	h.route(1, hubTable, "2001:db8:5000::/40", TargetVPNGateway, hVPNGateway)
	h.publish()
	h.want("IPv6", at(1, hubInstanceA), syn("2001:db8:5000::5", 80), VerdictDrop, ReasonNoRoute)
}

// V17: network ACL and security group judge what comes from a site, and a
// reference to a group does not match it.
func TestVPNTrafficMeetsNetworkACLAndSecurityGroup(t *testing.T) {
	h := newVPN(t)
	h.acl(1, hubACL).Ingress = append([]ACLRule{{Number: 50, Match: tcp("10.50.0.0/16", 22, 22), Text: "deny"}}, openACL()...)
	h.b.SecurityGroups[0].Ingress = append(allow(tcp("10.50.0.0/24", 0, 65535)),
		GroupRule{Match: Match{Protocol: AnyProtocol, ICMPType: AnyICMP, ICMPCode: AnyICMP}, Group: at(1, hubGroup)})
	h.publish()
	h.want("denied by the ACL", hOfficeTunnel1, from("10.50.0.5", syn("10.1.1.10", 22)), VerdictDrop, ReasonDenyRule)
	h.want("allowed by block", hOfficeTunnel1, from("10.50.0.5", syn("10.1.1.10", 80)), VerdictPass, ReasonDelivered)
	h.want("not in the block", hOfficeTunnel1, from("10.50.1.5", syn("10.1.1.10", 80)), VerdictDrop, ReasonNoRule)
	h.want("with the address of a member", hOfficeTunnel1, from("10.1.2.10", syn("10.1.1.10", 80)), VerdictDrop, ReasonNoRule)
}

// K-C16, K-C17: the gateway leads to the VPC and to learned networks, not
// through the VPC's gateways.
func TestVPNGatewayIsNoWayThroughTheVPC_KC16_KC17(t *testing.T) {
	h := newVPN(t)
	h.publish()
	h.want("to the Internet", hOfficeTunnel1, from("10.50.0.5", syn("203.0.113.10", 80)), VerdictDrop, ReasonNoRoute)
	h.want("to another VPC", hOfficeTunnel1, from("10.50.0.5", syn("10.2.1.10", 80)), VerdictDrop, ReasonNoRoute)
	if got := h.stepReason(StageVPNGateway); got != ReasonNoRoute {
		t.Errorf("decided elsewhere: %v", got)
	}
}

// H2, H4, H5, K-C15: spoke to spoke through the gateway, past every object of
// the VPC; static routes take no part.
func TestCloudHub_KC15(t *testing.T) {
	h := newVPN(t)
	h.b.VPNGateways[0].VPC = 0 // H1: a VPC is not needed
	h.table(1, hubTable).Routes = h.table(1, hubTable).Routes[:2]
	h.publish()
	h.want("office to branch", hOfficeTunnel1, from("10.50.0.5", syn("10.60.0.5", 80)), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hBranchTunnel {
		t.Errorf("it went into %d", got)
	}
	if n := h.e.Flows(); n != 0 {
		t.Errorf("%d flows are tracked: no group sees spoke to spoke", n)
	}
	h.b.VPNGateways[0].Routes[1].Learned = false
	h.publish()
	h.want("to a static network", hOfficeTunnel1, from("10.50.0.5", syn("10.60.0.5", 80)), VerdictDrop, ReasonNoRoute)
}

// R10, V17: an edge route table routes what comes from the tunnels.
func TestVPNGatewayEdgeRouteTable(t *testing.T) {
	h := newVPN(t)
	h.b.RouteTables = append(h.b.RouteTables, RouteTable{Object: Object{Handle: 60, Kind: KindRouteTable, Name: "edge"}, Routes: []Route{
		{Destination: cidr("10.1.0.0/16"), Target: Target{TargetLocal, at(1, hubVPC)}, Text: "local"},
		{Destination: cidr("10.1.1.0/24"), Target: Target{TargetNetworkInterface, at(1, hubInstanceB)}, Text: "appliance"},
	}})
	h.b.VPNGateways[0].EdgeRouteTable = 60
	h.b.NetworkInterfaces[1].SourceDestCheck = false
	h.publish()
	h.want("through the appliance", hOfficeTunnel1, from("10.50.0.5", syn("10.1.1.10", 80)), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != at(1, hubInstanceB) {
		t.Errorf("delivered to %d", got)
	}
}

// The gateway's own end of a tunnel: BGP and ping reach its speaker, and what the
// speaker sends goes into the tunnel whose address it bears.
func TestInsideAddressIsTheSpeakers(t *testing.T) {
	h := newVPN(t)
	h.publish()
	h.want("BGP", hOfficeTunnel2, from("169.254.6.6", syn("169.254.6.5", 179)), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hSpeaker {
		t.Fatalf("delivered to %d", got)
	}
	back := answer(syn("169.254.6.5", 179), "169.254.6.6")
	back.SrcMAC, back.DstMAC, back.Src = InterfaceMAC(hSpeaker), routerMAC(hSpeaker), addr("169.254.6.5")
	h.want("its answer", hSpeaker, back, VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hOfficeTunnel2 {
		t.Errorf("it went into %d", got)
	}
	back.Src = addr("169.254.9.9")
	h.want("another source", hSpeaker, back, VerdictDrop, ReasonSourceAddress)
	h.want("another tunnel's address", hOfficeTunnel1, from("169.254.6.2", syn("169.254.6.5", 179)), VerdictDrop, ReasonLinkLocal)
	h.want("the instance cannot reach it", at(1, hubInstanceA), syn("169.254.6.1", 179), VerdictDrop, ReasonLinkLocal)
	// AWS's end answers a neighbour solicitation of nobody's.
	s := packet.Spec{Tuple: packet.Tuple{Src: addr("fe80::1"), Dst: addr("ff02::1"), Proto: packet.ProtoICMPv6}, ICMPType: icmp6NeighborSolicit}
	h.want("neighbour discovery in a tunnel", hOfficeTunnel1, s, VerdictDrop, ReasonGroupAddress)
	// What a kernel says of itself on every device is no packet that anybody lost.
	s.Dst, s.ICMPType = addr("ff02::16"), icmp6ListenerReportV2
	h.want("a report of groups in a tunnel", hOfficeTunnel1, s, VerdictAnswer, ReasonMembership)
}

// V11: 1446 bytes; nobody is told of what is larger.
func TestVPNTunnelMTU(t *testing.T) {
	h := newVPN(t)
	h.publish()
	large := datagram("10.50.0.5", 53)
	large.Payload, large.DontFragment = make([]byte, 1446-28+1), true
	h.want("too large", at(1, hubInstanceA), large, VerdictDrop, ReasonTooBig)
	if len(h.frames) != 0 {
		t.Error("AWS discovers no path MTU on a tunnel")
	}
	large.DontFragment = false
	if h.send(at(1, hubInstanceA), large); len(h.frames) != 2 {
		t.Errorf("%d frames, want 2 fragments", len(h.frames))
	}
	large.Payload, large.DontFragment = large.Payload[1:], true
	h.want("the largest", at(1, hubInstanceA), large, VerdictPass, ReasonDelivered)
}

// T15: tunnels of equal cost share the flows, and a flow keeps its tunnel.
func TestTransitGatewaySpreadsFlowsOverTunnels(t *testing.T) {
	h := newHub(t, 1).viaHub()
	h.b.TransitGatewayTunnelAttachments = []TransitGatewayTunnelAttachment{{
		Object: Object{Handle: hVPNAttachment, Kind: KindTransitGatewayAttachment, Name: "office"}, TransitGateway: hHub, RouteTable: hHubTable,
	}}
	for _, tunnel := range []Handle{hOfficeTunnel1, hOfficeTunnel2} {
		h.b.VPNTunnels = append(h.b.VPNTunnels, VPNTunnel{
			Object: Object{Handle: tunnel, Kind: KindVPNTunnel, Name: "tunnel"}, MAC: InterfaceMAC(tunnel), Attachment: hVPNAttachment,
		})
	}
	table := &h.b.TransitGatewayRouteTables[0]
	table.Routes = append(table.Routes,
		TransitGatewayRoute{Destination: cidr("10.50.0.0/16"), Tunnels: []Handle{hOfficeTunnel1, hOfficeTunnel2}, Text: "office"},
		TransitGatewayRoute{Destination: cidr("2001:db8:5000::/40"), Tunnels: []Handle{hOfficeTunnel1, hOfficeTunnel2}, Text: "office"})
	h.publish()
	used := map[uint32]int{}
	for port := uint16(1); port <= 400; port++ {
		s := syn("10.50.0.5", port)
		h.want("out", at(1, hubInstanceA), s, VerdictPass, ReasonDelivered)
		first := h.frames[0].Link
		used[first]++
		if h.send(at(1, hubInstanceA), s); h.frames[0].Link != first {
			t.Fatalf("port %d changed its tunnel", port)
		}
	}
	if used[uint32(hOfficeTunnel1)] < 140 || used[uint32(hOfficeTunnel2)] < 140 {
		t.Errorf("the tunnels carry %v", used)
	}
	h.want("IPv6", at(1, hubInstanceA), syn("2001:db8:5000::5", 80), VerdictPass, ReasonDelivered)
	h.want("in", hOfficeTunnel2, from("10.50.0.5", syn("10.1.1.10", 80)), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.TTL != 63 {
		t.Errorf("TTL %d, want 63: the gateway is a hop", got.TTL)
	}
	h.want("in, over IPv6", hOfficeTunnel1, from("2001:db8:5000::5", syn("2001:db8:101::10", 80)), VerdictPass, ReasonDelivered)
}
