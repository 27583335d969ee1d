package packet

import "encoding/binary"

// ClampMSS lowers the maximum segment size that a TCP SYN or SYN-ACK offers to
// mss bytes, and reports whether it did. A smaller offer stays, and none is
// added where there is none: a stack that names no MSS gets the default of 536
// bytes, which fits everywhere. Options that cannot be read end the search, as
// they do in a host; what stands before them is clamped.
//
// The checksum is updated incrementally. A partial one holds only the
// pseudo-header, so there is nothing to update.
func ClampMSS(p *Packet, mss uint16) bool {
	if p.Proto != ProtoTCP || p.L4 == 0 || p.TCPFlags&TCPFlagSYN == 0 {
		return false
	}
	const end, noOperation, maximumSegmentSize = 0, 1, 2
	clamped := false
	header := p.Frame.Data[p.L4:p.Payload]
	for at := tcpMinLen; at < len(header) && header[at] != end; {
		if header[at] == noOperation {
			at++
			continue
		}
		if len(header)-at < 2 || header[at+1] < 2 || int(header[at+1]) > len(header)-at {
			break
		}
		length := int(header[at+1])
		// Hosts differ in which of two such options counts, so every one is
		// clamped.
		if header[at] == maximumSegmentSize && length == 4 && p.lowerMSS(header, at+2, mss) {
			clamped = true
		}
		at += length
	}
	return clamped
}

// lowerMSS clamps the value at at of the TCP header.
func (p *Packet) lowerMSS(header []byte, at int, mss uint16) bool {
	old := binary.BigEndian.Uint16(header[at:])
	if old <= mss {
		return false
	}
	binary.BigEndian.PutUint16(header[at:], mss)
	if p.partial() {
		return true
	}
	delta := wordDelta(0, old, mss)
	if at%2 != 0 {
		// Behind an odd number of bytes of options the value straddles two
		// words of the sum, which is to add it with its bytes swapped.
		delta = wordDelta(0, swap(old), swap(mss))
	}
	updateChecksum(header[tcpChecksum:], delta)
	return true
}
