package dataplane

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hServices = 300 + iota
	hEdge
	hOtherVPC
	hOtherSubnet
	hOtherTable
	hOtherGateway
	hO1
)

// newRichNetwork has one of everything: the NAT64 network, where i2 is a
// middlebox behind the Internet gateway's edge table and the platform's services
// answer, beside a second VPC that uses the same IPv4 block.
//
//	other 10.0.0.0/16, 2001:db8:2::/56: o1 10.0.1.10, 198.51.100.210
func newRichNetwork(t testing.TB) *network {
	n := newNAT64Network(t)
	n.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices, Name: "services"}, MAC: InterfaceMAC(hServices)}
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{Object: Object{Handle: hEdge, Kind: KindRouteTable, Name: "edge"}, Routes: []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hVPC}, Text: "local"},
		{Destination: cidr("2001:db8:1::/56"), Target: Target{TargetLocal, hVPC}, Text: "local"},
		{Destination: cidr("10.0.1.10/32"), Target: Target{TargetNetworkInterface, hI2}, Text: "middlebox"},
	}})
	n.b.InternetGateways[0].EdgeRouteTable = hEdge
	n.b.GatewayEndpoints = []GatewayEndpoint{{
		Object: Object{Handle: hEndpoint, Kind: KindVPCEndpoint, Name: "s3"}, VPC: hVPC, MAC: InterfaceMAC(hEndpoint),
		Addresses: []netip.Addr{netip.MustParseAddr("198.18.0.5"), netip.MustParseAddr("2001:db8:fe00::5")}, Service: "s3", Tracked: true,
	}}
	n.route(0, "198.18.0.0/22", "2001:db8:fe00::/56")
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.b.NetworkInterfaces[1].Forwards = true
	n.b.SecurityGroups[2].Ingress = allow(tcp("10.0.1.0/24", 22, 80), udp("10.0.0.0/16", 53, 53), icmp("0.0.0.0/0", 8), icmp("::/0", 128))

	n.b.VPCs = append(n.b.VPCs, VPC{
		Object: Object{Handle: hOtherVPC, Kind: KindVPC, Name: "other"}, DNSDisabled: true,
		CIDRs: []netip.Prefix{cidr("10.0.0.0/16"), cidr("2001:db8:2::/56")},
	})
	n.b.Subnets = append(n.b.Subnets, Subnet{
		Object: Object{Handle: hOtherSubnet, Kind: KindSubnet, Name: "other"}, VPC: hOtherVPC, RouteTable: hOtherTable, NetworkACL: hACLOne,
		CIDRs: []netip.Prefix{cidr("10.0.1.0/24"), cidr("2001:db8:2:1::/64")},
	})
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{Object: Object{Handle: hOtherTable, Kind: KindRouteTable, Name: "other"}, Routes: []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hOtherVPC}, Text: "local"},
		{Destination: cidr("2001:db8:2::/56"), Target: Target{TargetLocal, hOtherVPC}, Text: "local"},
		{Destination: cidr("0.0.0.0/0"), Target: Target{TargetInternetGateway, hOtherGateway}, Text: "igw"},
		{Destination: cidr("::/0"), Target: Target{TargetInternetGateway, hOtherGateway}, Text: "igw"},
	}})
	n.b.NetworkInterfaces = append(n.b.NetworkInterfaces, NetworkInterface{
		Object: Object{Handle: hO1, Kind: KindNetworkInterface, Name: "o1/eth0"}, Subnet: hOtherSubnet, MAC: InterfaceMAC(hO1),
		SecurityGroups: []Handle{hGroup1}, SourceDestCheck: true,
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("2001:db8:2:1::10")},
	})
	n.b.InternetGateways = append(n.b.InternetGateways, InternetGateway{
		Object: Object{Handle: hOtherGateway, Kind: KindInternetGateway, Name: "other"}, VPC: hOtherVPC,
		PublicAddresses: []PublicAddress{{Public: netip.MustParseAddr("198.51.100.210"), Private: netip.MustParseAddr("10.0.1.10"), Interface: hO1}},
	})
	return n
}

// checksumRight verifies the transport checksum of a frame that parses, by the
// plain sum of RFC 1071. Fragments, and protocols whose checksum the core does
// not know, count as right.
func checksumRight(f packet.Frame) bool {
	var p packet.Packet
	if packet.Parse(&p, &f) != packet.ProblemNone {
		return false
	}
	field := map[uint8]int{packet.ProtoTCP: 16, packet.ProtoUDP: 6, packet.ProtoICMP: 2, packet.ProtoICMPv6: 2}[p.Proto]
	if field == 0 || p.L4 == 0 || p.Fragment || p.Proto == packet.ProtoICMP && p.Family == 6 || p.Proto == packet.ProtoICMPv6 && p.Family == 4 {
		return true
	}
	ip, transport := f.Data[p.L3:], f.Data[p.L4:p.End]
	pseudo := uint32(0)
	if p.Proto != packet.ProtoICMP {
		addresses := ip[12:20]
		if p.Family == 6 {
			addresses = ip[8:40]
		}
		pseudo = plainSum(plainSum(0, addresses), []byte{0, p.Proto, byte(len(transport) >> 8), byte(len(transport))})
	}
	stored := binary.BigEndian.Uint16(transport[field:])
	if o := f.Offload; o.PartialChecksum && int(o.ChecksumStart) == p.L4 && int(o.ChecksumOffset) == field {
		return pseudo%0xffff == uint32(stored)%0xffff
	}
	if p.Proto == packet.ProtoUDP && stored == 0 {
		return true
	}
	return plainSum(pseudo, transport)%0xffff == 0
}

func plainSum(sum uint32, b []byte) uint32 {
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
