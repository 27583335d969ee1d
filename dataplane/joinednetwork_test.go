package dataplane

import (
	"net/netip"

	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hKV Handle = 850 + iota
	hKVInterface
	hDNS
	hDNSInterface
	hJoinedBalancer
	hJoinedNode
	hS3
	hOfficeTransit
	hJoinedGateway
	hSite
	hFar
	hNear
)

// newJoinedNetwork has one of everything that joins networks, around four VPCs of the
// hub fixture. Of the first three each reaches the others by the transit gateway, the
// second and the third by a peering too; the fourth is joined to the second by nothing
// but PrivateLink.
//
//	vpc 1: VPN gateway with an office and a branch, Client VPN, Connect, gateway endpoint
//	vpc 2: Internet gateway, interface endpoints "dns" of AWS 10.2.1.200 and "kv" 10.2.2.200
//	vpc 4: the load balancer 10.4.1.50 in front of kv
//	10.70.0.0/16 is behind a VPN of the transit gateway's, a site 203.0.113.10 on the
//	Internet behind a NAT device. Packets of 2A are copied to 3B, those of 1A to 1B.
func newJoinedNetwork(t testing.TB) *network {
	h := newHub(t, 4)
	h.vpcs = 3
	h.viaHub()
	h.addConnect()
	h.addVPN()
	h.addClientVPN()
	h.isolateFourth()
	h.joinClients()
	h.joinOffice()
	h.joinEndpoints()
	h.joinInternet()
	peering := h.peer(2, 3)
	h.route(2, hubTable, "10.3.1.0/24", TargetVPCPeering, peering)
	h.route(3, hubTable, "10.2.0.0/16", TargetVPCPeering, peering)
	h.table(2, hubTable).VPC, h.table(3, hubTable).VPC = at(2, hubVPC), at(3, hubVPC)
	h.b.TrafficMirrorSessions = []TrafficMirrorSession{
		{Object: Object{Handle: hFar, Kind: KindTrafficMirrorSession, Name: "far"}, Source: at(2, hubInstanceA), Target: at(3, hubInstanceB), Number: 1,
			VirtualNetworkID: 77, Ingress: everythingMirrored(), Egress: everythingMirrored(), AmazonDNS: true},
		{Object: Object{Handle: hNear, Kind: KindTrafficMirrorSession, Name: "near"}, Source: at(1, hubInstanceA), Target: at(1, hubInstanceB), Number: 1,
			VirtualNetworkID: 78, PacketLength: 100, Ingress: everythingMirrored()},
	}
	return h.network
}

// isolateFourth takes VPC 4 from the transit gateway.
func (h *hub) isolateFourth() {
	h.b.TransitGatewayAttachments = h.b.TransitGatewayAttachments[:3]
	table := &h.b.TransitGatewayRouteTables[0]
	var kept []TransitGatewayRoute
	for _, r := range table.Routes {
		if r.Attachment != at(4, hubAttachment) {
			kept = append(kept, r)
		}
	}
	table.Routes = kept
}

// joinClients gives clients routes to each other, to VPC 2 and to the office.
func (h *hub) joinClients() {
	h.clientRoute("172.20.0.0/22", 0)
	h.clientRoute("10.2.0.0/16", hCorpA)
	h.clientRoute("10.50.0.0/16", hCorpA)
	h.rule("172.20.0.2/32")
	h.rule("172.20.0.0/22", "eng")
	h.rule("10.2.0.0/16", "eng")
	h.rule("10.50.0.0/16")
	h.route(1, hubTable, "172.16.0.0/12", TargetVPNGateway, hVPNGateway)
}

// joinOffice attaches a VPN connection to the transit gateway.
func (h *hub) joinOffice() {
	h.b.TransitGatewayTunnelAttachments = append(h.b.TransitGatewayTunnelAttachments, TransitGatewayTunnelAttachment{
		Object: Object{Handle: hVPNAttachment, Kind: KindTransitGatewayAttachment, Name: "office"}, TransitGateway: hHub, RouteTable: hHubTable,
	})
	h.b.VPNTunnels = append(h.b.VPNTunnels, VPNTunnel{
		Object: Object{Handle: hOfficeTransit, Kind: KindVPNTunnel, Name: "office/1"}, MAC: InterfaceMAC(hOfficeTransit),
		Attachment: hVPNAttachment, Addresses: []netip.Addr{netip.MustParseAddr("169.254.7.1")}, Speaker: hConnectSpeaker,
	})
	table := &h.b.TransitGatewayRouteTables[0]
	table.Routes = append(table.Routes, TransitGatewayRoute{Destination: cidr("10.70.0.0/16"), Tunnels: []Handle{hOfficeTransit}, Text: "10.70.0.0/16 → office"})
}

func (h *hub) joinEndpoints() {
	ip := netip.MustParseAddr
	one := func(endpoint, handle Handle, name string, subnet int, addresses ...string) InterfaceEndpoint {
		e := EndpointInterface{
			Object: Object{Handle: handle, Kind: KindVPCEndpointInterface, Name: name}, Subnet: at(2, subnet),
			MAC: InterfaceMAC(handle), SecurityGroups: []Handle{at(2, hubGroup)},
		}
		for _, a := range addresses {
			e.Addresses = append(e.Addresses, ip(a))
		}
		return InterfaceEndpoint{Object: Object{Handle: endpoint, Kind: KindVPCEndpoint, Name: name}, Service: name, Interfaces: []EndpointInterface{e}}
	}
	aws := one(hDNS, hDNSInterface, "dns", hubSubnetA, "10.2.1.200", "2001:db8:201::200")
	kv := one(hKV, hKVInterface, "kv", hubSubnetB, "10.2.2.200", "2001:db8:202::200")
	kv.PrivateLink, kv.Interfaces[0].Nodes = true, []Handle{hJoinedNode}
	h.b.InterfaceEndpoints = []InterfaceEndpoint{aws, kv}
	h.b.LoadBalancers = []LoadBalancer{{
		Object: Object{Handle: hJoinedBalancer, Kind: KindLoadBalancer, Name: "nlb"}, SecurityGroups: []Handle{at(4, hubGroup)},
		Nodes: []LoadBalancerNode{{
			Object: Object{Handle: hJoinedNode, Kind: KindLoadBalancerNode, Name: "nlb/a"}, Subnet: at(4, hubSubnetA), MAC: InterfaceMAC(hJoinedNode),
			Addresses: []netip.Addr{ip("10.4.1.50"), ip("2001:db8:401::50")},
			Listeners: []Listener{
				{Protocol: packet.ProtoTCP, Port: 80, Targets: []LoadBalancerTarget{{ip("10.4.1.10"), 8080}, {ip("10.4.2.10"), 8080}, {ip("2001:db8:401::10"), 8080}}},
				{Protocol: packet.ProtoUDP, Port: 53, Targets: []LoadBalancerTarget{{ip("10.4.2.10"), 53}}}, // no target for IPv6
			},
		}},
	}}
	h.b.GatewayEndpoints = []GatewayEndpoint{{
		Object: Object{Handle: hS3, Kind: KindVPCEndpoint, Name: "s3"}, VPC: at(1, hubVPC), MAC: InterfaceMAC(hS3),
		Addresses: []netip.Addr{ip("198.18.0.5"), ip("2001:db8:fe00::5")}, Service: "s3", Tracked: true,
	}}
	h.route(1, hubTable, "198.18.0.0/22", TargetGatewayEndpoint, hS3)
	h.route(1, hubTable, "2001:db8:fe00::/56", TargetGatewayEndpoint, hS3)
}

func (h *hub) joinInternet() {
	h.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices, Name: "services"}, MAC: InterfaceMAC(hServices)}
	h.b.InternetGateways = []InternetGateway{{
		Object: Object{Handle: hJoinedGateway, Kind: KindInternetGateway, Name: "igw"}, VPC: at(2, hubVPC),
		PublicAddresses: []PublicAddress{{Public: netip.MustParseAddr("198.51.100.10"), Private: netip.MustParseAddr("10.2.1.10"), Interface: at(2, hubInstanceA)}},
	}}
	h.route(2, hubTable, "0.0.0.0/0", TargetInternetGateway, hJoinedGateway)
	h.route(2, hubTable, "::/0", TargetInternetGateway, hJoinedGateway)
	h.b.InternetHosts = []InternetHost{{
		Object: Object{Handle: hSite, Kind: KindInternetHost, Name: "site"}, MAC: InterfaceMAC(hSite), Behind: netip.MustParseAddr("192.168.100.2"),
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8:ff00::10")},
	}}
}
