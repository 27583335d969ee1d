package packet

import (
	"encoding/binary"
	"math/bits"
)

// The Internet checksum (RFC 1071) in two forms. Over bytes, a 64-bit ones'
// complement sum of little-endian words, because that is how the machine loads
// them: the byte order of such a sum does not matter until the end. Over
// values that are already numbers (addresses, ports), a sum in network order.
// Both fold to 16 bits, since 2^64-1 is a multiple of 2^16-1.

// CompleteChecksum turns a partial checksum into a complete one, for a port
// that cannot carry offloads. It edits the frame in place. A superframe is left
// alone, because its segments are what need a checksum (see [Segmenter]), and
// so is a frame whose ChecksumStart and ChecksumOffset lie.
func CompleteChecksum(f *Frame) {
	field, sum, ok := completeSum(f)
	if !ok {
		return
	}
	binary.BigEndian.PutUint16(f.Data[field:], sum)
	f.Offload.PartialChecksum = false
	f.Offload.ChecksumStart, f.Offload.ChecksumOffset = 0, 0
}

// DeferChecksum is the inverse: it leaves a TCP or UDP checksum to whoever
// transmits, as a kernel does with transmit offload on. In-memory hosts use it
// to behave like real ones; so do tests. Frames of other kinds, fragments and
// UDP without a checksum stay as they are.
func DeferChecksum(f *Frame) {
	var p Packet
	if f.Offload.PartialChecksum || Parse(&p, f) != ProblemNone || p.Fragment || p.checksum == 0 {
		return
	}
	b := f.Data
	if p.Proto != ProtoTCP && p.Proto != ProtoUDP || p.Proto == ProtoUDP && b[p.checksum] == 0 && b[p.checksum+1] == 0 {
		return
	}
	binary.BigEndian.PutUint16(b[p.checksum:], fold(pseudoSum(p.Src, p.Dst, p.Proto, p.End-p.L4)))
	f.Offload.PartialChecksum = true
	f.Offload.ChecksumStart = uint16(p.L4)
	f.Offload.ChecksumOffset = uint16(p.checksum - p.L4)
}

// completeSum computes what a partial checksum becomes, and where it belongs.
// It trusts the pseudo-header sum in the field, as the kernel does: a rewrite
// that forgot it must show, not be repaired silently.
func completeSum(f *Frame) (field int, sum uint16, ok bool) {
	start := int(f.Offload.ChecksumStart)
	field = start + int(f.Offload.ChecksumOffset)
	end := ipEnd(f.Data)
	if !f.Offload.PartialChecksum || f.Offload.GSO != GSONone || start < ethernetLen || field+2 > end {
		return 0, 0, false
	}
	sum = ^swap(fold(addBytes(0, f.Data[start:end])))
	if sum == 0 && f.Offload.ChecksumOffset == udpChecksum {
		sum = 0xffff // RFC 768: zero would mean "no checksum"
	}
	return field, sum, true
}

// ipEnd is where the IP packet ends and Ethernet padding starts, 0 when the
// frame's own lengths contradict each other.
func ipEnd(b []byte) int {
	if len(b) < ethernetLen+ipv4MinLen {
		return 0
	}
	end := 0
	switch binary.BigEndian.Uint16(b[12:]) {
	case EtherTypeIPv4:
		end = ethernetLen + int(binary.BigEndian.Uint16(b[ethernetLen+2:]))
	case EtherTypeIPv6:
		end = ethernetLen + ipv6Len + int(binary.BigEndian.Uint16(b[ethernetLen+4:]))
	}
	if end > len(b) {
		return 0
	}
	return end
}

// pseudoSum is the sum of the pseudo-header in network order. A v4-mapped
// address carries 0xffff above its 32 bits, which is zero in ones' complement;
// that is what lets both families share the code.
func pseudoSum(src, dst Addr, proto uint8, length int) uint64 {
	sum := addAddr(addAddr(0, src), dst)
	return add(sum, uint64(proto)+uint64(length))
}

// addBytes adds b to a little-endian sum, a trailing odd byte padded with zero.
// Sums of consecutive pieces may be chained when every piece but the last has
// an even length.
func addBytes(sum uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 64 {
		w := (*[64]byte)(b)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[0:]), 0)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[8:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[16:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[24:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[32:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[40:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[48:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(w[56:]), carry)
		sum, carry = bits.Add64(sum, 0, carry)
		sum += carry
		b = b[64:]
	}
	for len(b) >= 8 {
		sum = add(sum, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var tail uint64
	for i := len(b) - 1; i >= 0; i-- {
		tail = tail<<8 | uint64(b[i])
	}
	return add(sum, tail)
}

// add is ones' complement addition.
func add(sum, x uint64) uint64 {
	sum, carry := bits.Add64(sum, x, 0)
	return sum + carry
}

func addAddr(sum uint64, a Addr) uint64 { return add(add(sum, a.Hi), a.Lo) }

// fold reduces a sum to 16 bits, in the byte order it was summed in.
func fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// swap turns a folded little-endian sum into the number that the header holds.
func swap(x uint16) uint16 { return bits.ReverseBytes16(x) }
