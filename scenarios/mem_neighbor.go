package scenarios

import (
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// arpRequest asks for hop's MAC address.
func (n *memInterface) arpRequest(hop netip.Addr) packet.Frame {
	return n.serialize(
		&layers.Ethernet{SrcMAC: n.mac[:], DstMAC: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPRequest, SourceHwAddress: n.mac[:], SourceProtAddress: n.address(hop).AsSlice(),
			DstHwAddress: make([]byte, 6), DstProtAddress: hop.AsSlice(),
		})
}

// neighborSolicitation is the same for IPv6.
func (n *memInterface) neighborSolicitation(hop netip.Addr) packet.Frame {
	to := solicitedNode(hop)
	b := to.As16()
	ip := &layers.IPv6{
		Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: n.address(hop).AsSlice(), DstIP: to.AsSlice(),
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	mustBeNil(icmp.SetNetworkLayerForChecksum(ip))
	return n.serialize(
		&layers.Ethernet{SrcMAC: n.mac[:], DstMAC: net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}, EthernetType: layers.EthernetTypeIPv6},
		ip, icmp,
		&layers.ICMPv6NeighborSolicitation{
			TargetAddress: hop.AsSlice(),
			Options:       layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: n.mac[:]}},
		})
}

// serialize writes a frame that does not fit in a message.
func (n *memInterface) serialize(stack ...gopacket.SerializableLayer) packet.Frame {
	b := gopacket.NewSerializeBuffer()
	mustBeNil(gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...))
	return packet.Frame{Link: n.link, Data: b.Bytes()}
}

// neighborIn reads the answer to either question about hop. The address counts
// that stands in the answer's body, as in Linux, not the frame's source.
func neighborIn(data []byte, hop netip.Addr) (packet.MAC, bool) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	if arp, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		if arp.Operation == layers.ARPReply && addrOf(arp.SourceProtAddress) == hop {
			return packet.MAC(arp.SourceHwAddress), true
		}
	}
	if na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok && addrOf(na.TargetAddress) == hop {
		for _, o := range na.Options {
			if o.Type == layers.ICMPv6OptTargetAddress && len(o.Data) == 6 {
				return packet.MAC(o.Data), true
			}
		}
	}
	return packet.MAC{}, false
}
