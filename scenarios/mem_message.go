package scenarios

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The hosts of the memory driver read and write headers with gopacket, not with
// the core's own package: what both understand alike is probably right.

const ethernetHeader = 14

// message is one packet as hosts think of it.
type message struct {
	src, dst netip.Addr
	proto    uint8
	// srcPort and dstPort are ports; both are the identifier of an ICMP echo
	// that was received, and srcPort that of one to send.
	srcPort, dstPort   uint16
	flags              uint8 // TCP
	seq, ack           uint32
	icmpType, icmpCode uint8
	ttl                uint8  // 0 in one to send: 64
	id                 uint16 // IPv4 identification
	dontFragment       bool
	// payload is what follows the transport header. For an ICMP error, its
	// own four bytes and the quoted packet.
	payload []byte
	// segmentSize makes a superframe of a message to send: the payload bytes
	// of each of its segments.
	segmentSize uint16

	// The following are of received messages only.
	dstMAC        packet.MAC
	fragment      bool // one part of a packet that was cut
	laterFragment bool // and not the first
	quoted        *message
}

// frame writes the message. A superframe leaves its checksum to whoever cuts
// it, as Linux does.
func (msg message) frame(link uint32, from, to packet.MAC) packet.Frame {
	if msg.ttl == 0 {
		msg.ttl = 64
	}
	b := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: from[:], DstMAC: to[:], EthernetType: layers.EthernetTypeIPv4}
	stack := []gopacket.SerializableLayer{eth}
	var network gopacket.NetworkLayer
	if msg.dst.Is4() {
		ip := &layers.IPv4{
			Version: 4, TTL: msg.ttl, Id: msg.id, Protocol: layers.IPProtocol(msg.proto),
			SrcIP: msg.src.AsSlice(), DstIP: msg.dst.AsSlice(),
		}
		if msg.dontFragment || msg.proto == packet.ProtoTCP {
			ip.Flags = layers.IPv4DontFragment
		}
		stack, network = append(stack, ip), ip
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{
			Version: 6, HopLimit: msg.ttl, NextHeader: layers.IPProtocol(msg.proto),
			SrcIP: msg.src.AsSlice(), DstIP: msg.dst.AsSlice(),
		}
		stack, network = append(stack, ip), ip
	}
	stack = append(stack, msg.transport(network)...)
	stack = append(stack, gopacket.Payload(msg.payload))
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, stack...); err != nil {
		panic(err) // a message that hosts cannot write is a bug of this file
	}
	f := packet.Frame{Link: link, Data: b.Bytes()}
	if msg.segmentSize > 0 {
		msg.leavePartial(&f)
	}
	return f
}

// transport is the header behind IP's; none for protocols that hosts do not
// know.
func (msg *message) transport(network gopacket.NetworkLayer) []gopacket.SerializableLayer {
	switch msg.proto {
	case packet.ProtoTCP:
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(msg.srcPort), DstPort: layers.TCPPort(msg.dstPort), Seq: msg.seq, Ack: msg.ack, Window: 0xffff,
			FIN: msg.flags&packet.TCPFlagFIN != 0, SYN: msg.flags&packet.TCPFlagSYN != 0, RST: msg.flags&packet.TCPFlagRST != 0,
			PSH: msg.flags&packet.TCPFlagPSH != 0, ACK: msg.flags&packet.TCPFlagACK != 0,
		}
		mustBeNil(tcp.SetNetworkLayerForChecksum(network))
		return []gopacket.SerializableLayer{tcp}
	case packet.ProtoUDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(msg.srcPort), DstPort: layers.UDPPort(msg.dstPort)}
		mustBeNil(udp.SetNetworkLayerForChecksum(network))
		return []gopacket.SerializableLayer{udp}
	case packet.ProtoICMP:
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(msg.icmpType, msg.icmpCode)}
		if !msg.isICMPError() {
			icmp.Id, icmp.Seq = msg.srcPort, 1
		}
		return []gopacket.SerializableLayer{icmp}
	case packet.ProtoICMPv6:
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(msg.icmpType, msg.icmpCode)}
		mustBeNil(icmp.SetNetworkLayerForChecksum(network))
		list := []gopacket.SerializableLayer{icmp}
		if msg.icmpType == icmp6EchoRequest || msg.icmpType == icmp6EchoReply {
			list = append(list, &layers.ICMPv6Echo{Identifier: msg.srcPort, SeqNumber: 1})
		}
		return list
	}
	return nil
}

// mustBeNil holds what cannot fail: both IP layers are network layers.
func mustBeNil(err error) {
	if err != nil {
		panic(err)
	}
}

// leavePartial turns a finished TCP frame into a superframe with a partial
// checksum.
func (msg *message) leavePartial(f *packet.Frame) {
	l3, l4 := ethernetHeader, ethernetHeader+20
	f.Offload.GSO = packet.GSOTCP4
	if msg.dst.Is6() {
		l4 = ethernetHeader + 40
		f.Offload.GSO = packet.GSOTCP6
	}
	header := l4 + int(f.Data[l4+12]>>4)*4
	f.Offload.PartialChecksum = true
	f.Offload.HeaderLen = uint16(header)
	f.Offload.SegmentSize = msg.segmentSize
	f.Offload.ChecksumStart, f.Offload.ChecksumOffset = uint16(l4), 16
	binary.BigEndian.PutUint16(f.Data[l4+16:], fold(pseudoSum(f.Data[l3:l4], len(f.Data)-l4, packet.ProtoTCP)))
}

// parseMessage reads a frame; ok is false for what is not IP.
func parseMessage(data []byte) (msg message, ok bool) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	eth, isEthernet := p.LinkLayer().(*layers.Ethernet)
	if !isEthernet || p.NetworkLayer() == nil {
		return msg, false
	}
	msg.dstMAC = packet.MAC(eth.DstMAC)
	return msg, msg.read(p)
}

// read takes the message out of a packet that begins with IP or Ethernet.
func (msg *message) read(p gopacket.Packet) bool {
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		msg.src, msg.dst = addrOf(ip.SrcIP), addrOf(ip.DstIP)
		msg.proto, msg.ttl, msg.id = uint8(ip.Protocol), ip.TTL, ip.Id
		msg.dontFragment = ip.Flags&layers.IPv4DontFragment != 0
		msg.laterFragment = ip.FragOffset > 0
		msg.fragment = msg.laterFragment || ip.Flags&layers.IPv4MoreFragments != 0
		msg.payload = ip.Payload
	case *layers.IPv6:
		msg.src, msg.dst = addrOf(ip.SrcIP), addrOf(ip.DstIP)
		msg.proto, msg.ttl = uint8(ip.NextHeader), ip.HopLimit
		msg.dontFragment = true
		msg.payload = ip.Payload
	default:
		return false
	}
	if !msg.fragment {
		msg.readTransport()
	}
	return true
}

// readTransport splits the transport header off the payload.
func (msg *message) readTransport() {
	b := msg.payload
	switch {
	case msg.proto == packet.ProtoTCP && len(b) >= 20 && len(b) >= int(b[12]>>4)*4:
		msg.srcPort, msg.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		msg.seq, msg.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		msg.flags, msg.payload = b[13], b[int(b[12]>>4)*4:]
	case (msg.proto == packet.ProtoTCP || msg.proto == packet.ProtoUDP) && len(b) >= 8:
		// Of a TCP segment that is quoted, there may be no more than this.
		msg.srcPort, msg.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		msg.payload = b[8:]
	case (msg.proto == packet.ProtoICMP || msg.proto == packet.ProtoICMPv6) && len(b) >= 8:
		msg.icmpType, msg.icmpCode = b[0], b[1]
		if msg.isICMPError() {
			msg.payload = b[4:]
			msg.quoted = parseQuoted(b[8:])
			return
		}
		msg.srcPort = binary.BigEndian.Uint16(b[4:])
		msg.dstPort = msg.srcPort
		msg.payload = b[8:]
	}
}

func parseQuoted(data []byte) *message {
	if len(data) == 0 {
		return nil
	}
	first := gopacket.Decoder(layers.LayerTypeIPv4)
	if data[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	quoted := &message{}
	p := gopacket.NewPacket(data, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	if !quoted.read(p) {
		return nil
	}
	return quoted
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
