package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// contradiction finds what packet.Parse lets pass because a header alone does
// not show it: a frame whose parts cannot all be true. Nobody behind the core
// could make sense of it either, and cutting such a frame yields nothing.
func contradiction(p *packet.Packet) packet.Problem {
	o := &p.Frame.Offload
	switch {
	case p.LaterFragment && int(p.FragmentStart)+p.End-p.Payload > 0xffff:
		return packet.ProblemTotalLength // reaches beyond the largest packet there is
	case o.GSO != packet.GSONone && !isSuperframe(p):
		return packet.ProblemHeaderLength
	case o.PartialChecksum && (int(o.ChecksumStart) < p.L3 || int(o.ChecksumStart)+int(o.ChecksumOffset)+2 > p.End):
		return packet.ProblemHeaderLength
	}
	return packet.ProblemNone
}

// isSuperframe reports that the frame's headers agree with its GSO facts. They
// come from the sender's kernel, or from whoever wrote to its packet socket.
func isSuperframe(p *packet.Packet) bool {
	o := &p.Frame.Offload
	if o.SegmentSize == 0 || p.Fragment || p.L4 == 0 {
		return false
	}
	switch o.GSO {
	case packet.GSOTCP4:
		return p.Proto == packet.ProtoTCP && p.Family == 4
	case packet.GSOTCP6:
		return p.Proto == packet.ProtoTCP && p.Family == 6
	case packet.GSOUDP:
		return p.Proto == packet.ProtoUDP
	}
	return false
}
