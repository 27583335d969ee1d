package wireguard

import (
	"golang.zx2c4.com/wireguard/tun"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// segmentSize is a device of a router that lowers the segment size of TCP
// connections through it, both ways, to what fits ("ip tcp adjust-mss"). The
// machines behind it have a larger MTU, and on the far side of a tunnel of AWS's
// nobody would be told that a packet is too large (V11).
type segmentSize struct {
	tun.Device
	ipv4, ipv6 uint16
}

// adjustSegmentSize wraps a device with the MTU.
func adjustSegmentSize(link tun.Device, mtu int) tun.Device {
	const headers4, headers6 = 20 + 20, 40 + 20 // of IP and TCP, without options
	return &segmentSize{link, uint16(mtu - headers4), uint16(mtu - headers6)}
}

func (d *segmentSize) Read(buffers [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.Device.Read(buffers, sizes, offset)
	for i := range n {
		d.adjust(buffers[i][:offset+sizes[i]], offset)
	}
	return n, err
}

func (d *segmentSize) Write(buffers [][]byte, offset int) (int, error) {
	for _, b := range buffers {
		d.adjust(b, offset)
	}
	return d.Device.Write(buffers, offset)
}

// adjust looks at the packet at offset. The bytes before it are nobody's any more, or
// not yet: there is the room for the Ethernet header that a parser wants.
func (d *segmentSize) adjust(b []byte, offset int) {
	if offset < ethernetLen || !maySYN(b[offset:]) {
		return
	}
	frame := packet.Frame{Data: b[offset-ethernetLen:]}
	etherType, size := packet.EtherTypeIPv4, d.ipv4
	if b[offset]>>4 == 6 {
		etherType, size = packet.EtherTypeIPv6, d.ipv6
	}
	frame.Data[12], frame.Data[13] = byte(etherType>>8), byte(etherType&0xff)
	var p packet.Packet
	if packet.Parse(&p, &frame) == packet.ProblemNone {
		packet.ClampMSS(&p, size)
	}
}

// maySYN spares all but the few packets that begin connections the parser. IPv6 with
// extension headers is left to it.
func maySYN(ip []byte) bool {
	const tcpFlags, ipv4Protocol, ipv6NextHeader, ipv6Len = 13, 9, 6, 40
	if len(ip) < ipv6Len { // with TCP's header IPv4 is no shorter
		return false
	}
	l4 := int(ip[0]&15) * 4
	if ip[0]>>4 == 6 {
		if l4 = ipv6Len; ip[ipv6NextHeader] != packet.ProtoTCP {
			return ip[ipv6NextHeader] != packet.ProtoUDP
		}
	} else if ip[ipv4Protocol] != packet.ProtoTCP {
		return false
	}
	return len(ip) > l4+tcpFlags && ip[l4+tcpFlags]&packet.TCPFlagSYN != 0
}
