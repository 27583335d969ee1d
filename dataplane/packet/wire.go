package packet

// What a frame amounts to on the wire. One superframe passes the core as one
// packet, but limits and accounts are about the packets it stands for.

// Segments is the number of packets on the wire that f stands for: 1 for an
// ordinary frame, and for one that is not what its offload facts say.
func Segments(f *Frame) int {
	if f.Offload.GSO == GSONone {
		return 1
	}
	var p Packet
	if Parse(&p, f) != ProblemNone {
		return 1
	}
	n, _ := TotalBytes(&p)
	return n
}

// WireLength is the length in bytes, IP header included, of the largest packet
// on the wire that p stands for. This is what an MTU limits, not the length of
// a superframe.
func WireLength(p *Packet) int {
	if p.Frame.Offload.GSO == GSONone || !p.superframe() {
		return p.End - p.L3
	}
	return p.Payload - p.L3 + min(p.End-p.Payload, int(p.Frame.Offload.SegmentSize))
}

// TotalBytes is what an account of p must count: the packets on the wire and
// their IP bytes, headers repeated in every segment. The headers come from the
// packet, because Offload.HeaderLen is only a hint of the sender's kernel: the
// length of its first buffer, which may hold payload too.
func TotalBytes(p *Packet) (packets, bytes int) {
	packets = 1
	if p.Frame.Offload.GSO != GSONone && p.superframe() {
		size := int(p.Frame.Offload.SegmentSize)
		packets = max(1, (p.End-p.Payload+size-1)/size)
	}
	return packets, packets*(p.Payload-p.L3) + p.End - p.Payload
}
