package scenarios

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// verifyChecksums recomputes every checksum of a frame that a receiver would
// look at. A core that rewrites addresses and forgets one moves packets all
// the same: it shows only here.
func verifyChecksums(data []byte) error {
	ip := ipPacket(data)
	if len(ip) < 20 {
		return nil
	}
	header, proto := 40, ip[6]
	if ip[0]>>4 == 4 {
		header, proto = int(ip[0]&15)*4, ip[9]
		if fold(sum(ip[:header])) != 0xffff {
			return errors.New("the IPv4 header checksum is wrong")
		}
		if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return nil // a fragment: its checksum is that of the whole
		}
	}
	l4 := ip[header:]
	total := sum(l4)
	switch proto {
	case packet.ProtoUDP:
		if len(l4) >= 8 && binary.BigEndian.Uint16(l4[6:]) == 0 && header != 40 {
			return nil // UDP over IPv4 may go without
		}
		total += pseudoSum(ip[:header], len(l4), proto)
	case packet.ProtoTCP, packet.ProtoICMPv6:
		total += pseudoSum(ip[:header], len(l4), proto)
	case packet.ProtoICMP:
	default:
		return nil
	}
	if fold(total) != 0xffff {
		return fmt.Errorf("the checksum of protocol %d is wrong", proto)
	}
	return nil
}

// ipPacket is the IP packet in a frame, without the padding that Ethernet adds
// to short ones; nil for what is not IP.
func ipPacket(data []byte) []byte {
	if len(data) < ethernetHeader+20 {
		return nil
	}
	ip := data[ethernetHeader:]
	switch binary.BigEndian.Uint16(data[12:]) {
	case packet.EtherTypeIPv4:
		return ip[:binary.BigEndian.Uint16(ip[2:])]
	case packet.EtherTypeIPv6:
		return ip[:40+int(binary.BigEndian.Uint16(ip[4:]))]
	}
	return nil
}

// pseudoSum sums the pseudo-header of an upper layer of length bytes.
func pseudoSum(ip []byte, length int, proto uint8) uint32 {
	addresses := ip[12:20]
	if ip[0]>>4 == 6 {
		addresses = ip[8:40]
	}
	return sum(addresses) + uint32(length) + uint32(proto)
}

// sum adds up 16-bit words; at most 64 KiB, so that it cannot overflow.
func sum(b []byte) (total uint32) {
	for ; len(b) >= 2; b = b[2:] {
		total += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	return total
}

// fold adds the carries back in: one's complement arithmetic in 16 bits.
func fold(total uint32) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
