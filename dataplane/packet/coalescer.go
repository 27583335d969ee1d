package packet

import (
	"bytes"
	"encoding/binary"
)

// Coalescer joins the segments of a TCP stream to one superframe, which
// everything behind it then handles as one packet. It is the inverse of
// [Segmenter], and as strict as a Linux host is about what it joins (GRO): what
// the segments differ in, or what is wrong with one of them, must still be there
// when they are cut again. Its zero value has no frame. Not for concurrent use.
//
// Only consecutive segments are joined: a batch of one sender's is what it is
// for, and looking further would put packets out of order.
type Coalescer struct {
	data     []byte // of the frame so far; capacity is the limit
	family   uint8  // 0: the frame is not one to be joined to
	l4       int
	payload  int
	size     int // of every segment but the last
	sequence uint32
	segments int
}

// Coalesced is the room that the longest superframe takes.
const Coalesced = ethernetLen + 0xffff

// Start begins a frame in b, whose capacity bounds it: an Ethernet header, which
// b holds, and the IP packet, which must fit.
func (c *Coalescer) Start(b, ip []byte) {
	*c = Coalescer{data: append(b, ip...), segments: 1}
	l4, payload, ok := joinable(ip)
	if !ok {
		return
	}
	c.l4, c.payload = len(b)+l4, len(b)+payload
	c.size = len(ip) - payload
	c.sequence = binary.BigEndian.Uint32(ip[l4+4:]) + uint32(c.size)
	if ip[l4+13]&TCPFlagPSH == 0 { // a push ends what its sender had to say
		c.family = ip[0] >> 4
	}
}

// joinable finds the TCP header and the payload of a segment of the ordinary
// kind: no IP options, no fragment, a payload, and no flag that means something
// for this segment alone.
func joinable(ip []byte) (l4, payload int, ok bool) {
	if len(ip) < ipv4MinLen+tcpMinLen {
		return 0, 0, false
	}
	switch ip[0] >> 4 {
	case 4:
		if ip[0] != 0x45 || ip[9] != ProtoTCP || int(binary.BigEndian.Uint16(ip[2:])) != len(ip) ||
			binary.BigEndian.Uint16(ip[6:])&^ipv4DontFragment != 0 {
			return 0, 0, false
		}
		l4 = ipv4MinLen
	case 6:
		if len(ip) < ipv6Len+tcpMinLen || ip[6] != ProtoTCP || int(binary.BigEndian.Uint16(ip[4:])) != len(ip)-ipv6Len {
			return 0, 0, false
		}
		l4 = ipv6Len
	default:
		return 0, 0, false
	}
	header := int(ip[l4+12]>>4) * 4
	if header < tcpMinLen || l4+header >= len(ip) || ip[l4+13]&^TCPFlagPSH != TCPFlagACK {
		return 0, 0, false
	}
	return l4, l4 + header, true
}

// Append joins the IP packet to the frame and reports whether it did. If not,
// the frame is complete, and the packet begins the next one.
func (c *Coalescer) Append(ip []byte) bool {
	if c.family == 0 || len(ip) == 0 || ip[0]>>4 != c.family || !c.follows(ip) {
		return false
	}
	l3 := c.data[ethernetLen:]
	// Whoever cuts the frame again computes the checksums: a wrong one would
	// be repaired.
	if c.segments == 1 && !checksumsRight(l3, c.l4-ethernetLen) || !checksumsRight(ip, c.l4-ethernetLen) {
		c.family = 0
		return false
	}
	payload := ip[c.payload-ethernetLen:]
	c.data = append(c.data, payload...)
	c.sequence += uint32(len(payload))
	c.segments++
	push := ip[c.l4-ethernetLen+13] & TCPFlagPSH
	c.data[c.l4+13] |= push
	if push != 0 || len(payload) < c.size { // it is the last
		c.family = 0
	}
	return true
}

// follows reports that the packet continues the frame and differs in nothing
// that a cut restores.
func (c *Coalescer) follows(ip []byte) bool {
	l4, payload, ok := joinable(ip)
	if !ok || l4 != c.l4-ethernetLen || payload != c.payload-ethernetLen {
		return false
	}
	if n := len(ip) - payload; n > c.size || len(c.data)+n > min(cap(c.data), Coalesced) {
		return false
	}
	have, tcp := c.data[ethernetLen:], ip[l4:payload]
	if c.family == 4 {
		// Length, identification and checksum are each segment's own. The
		// identifications must count up, as cutting makes them.
		if have[1] != ip[1] || !bytes.Equal(have[6:10], ip[6:10]) || !bytes.Equal(have[12:20], ip[12:20]) ||
			binary.BigEndian.Uint16(ip[4:]) != binary.BigEndian.Uint16(have[4:])+uint16(c.segments) {
			return false
		}
	} else if !bytes.Equal(have[:4], ip[:4]) || !bytes.Equal(have[6:40], ip[6:40]) {
		return false
	}
	first := c.data[c.l4:c.payload]
	return binary.BigEndian.Uint32(tcp[4:]) == c.sequence &&
		bytes.Equal(first[0:4], tcp[0:4]) && bytes.Equal(first[8:13], tcp[8:13]) && // ports, acknowledgement, header length
		bytes.Equal(first[14:16], tcp[14:16]) && bytes.Equal(first[18:], tcp[18:]) // window; urgent pointer, options
}

// checksumsRight verifies the IPv4 header and TCP checksums of a whole segment.
func checksumsRight(ip []byte, l4 int) bool {
	var src, dst Addr
	if ip[0]>>4 == 4 {
		if fold(addBytes(0, ip[:l4])) != 0xffff {
			return false
		}
		src, dst = AddrFrom4([4]byte(ip[12:16])), AddrFrom4([4]byte(ip[16:20]))
	} else {
		src = Addr{binary.BigEndian.Uint64(ip[8:]), binary.BigEndian.Uint64(ip[16:])}
		dst = Addr{binary.BigEndian.Uint64(ip[24:]), binary.BigEndian.Uint64(ip[32:])}
	}
	pseudo := fold(pseudoSum(src, dst, ProtoTCP, len(ip)-l4))
	return fold(addBytes(uint64(swap(pseudo)), ip[l4:])) == 0xffff
}

// Frame is the frame so far, in the memory that Start was given. A superframe
// has a partial checksum; a single segment is as it came.
func (c *Coalescer) Frame() Frame {
	f := Frame{Data: c.data}
	if c.segments < 2 {
		return f
	}
	ip, tcp := c.data[ethernetLen:c.l4], c.data[c.l4:]
	f.Offload = Offload{
		PartialChecksum: true, GSO: GSOTCP4, HeaderLen: uint16(c.payload), SegmentSize: uint16(c.size),
		ChecksumStart: uint16(c.l4), ChecksumOffset: tcpChecksum,
	}
	var src, dst Addr
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(c.data)-ethernetLen))
		setIPv4Checksum(ip)
		src, dst = AddrFrom4([4]byte(ip[12:16])), AddrFrom4([4]byte(ip[16:20]))
	} else {
		f.Offload.GSO = GSOTCP6
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
		src = Addr{binary.BigEndian.Uint64(ip[8:]), binary.BigEndian.Uint64(ip[16:])}
		dst = Addr{binary.BigEndian.Uint64(ip[24:]), binary.BigEndian.Uint64(ip[32:])}
	}
	binary.BigEndian.PutUint16(tcp[tcpChecksum:], fold(pseudoSum(src, dst, ProtoTCP, len(tcp))))
	return f
}
