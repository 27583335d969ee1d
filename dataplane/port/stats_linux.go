package port

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Stats may be called at any time, also after Close.
func (p *AFPacket) Stats() AFPacketStats {
	r, s := &p.receiveCount, &p.sendCount
	stats := AFPacketStats{
		Received:         r.frames.Load(),
		Superframes:      r.superframes.Load(),
		PartialChecksums: r.partialChecksums.Load(),
		Unattached:       r.unattached.Load(),
		Truncated:        r.truncated.Load(),
		Malformed:        r.malformed.Load(),
		Refused:          r.refused.Load(),
		KernelDropped:    p.dropped(),
		Sent:             s.frames.Load(),
		SendUnknownLink:  s.unknownLink.Load(),
		SendMalformed:    s.malformed.Load(),
		SendErrors:       map[string]uint64{},
		ReceiveBuffer:    p.receiveBuffer,
		SendBuffer:       p.sendBuffer,
	}
	for errno := range s.errors {
		if n := s.errors[errno].Load(); n > 0 {
			stats.SendErrors[errnoName(errno)] += n
		}
	}
	return stats
}

// dropped adds what the kernel counted since the last call.
func (p *AFPacket) dropped() uint64 {
	p.counting.Lock()
	defer p.counting.Unlock()
	if p.fd >= 0 {
		if s, err := unix.GetsockoptTpacketStats(p.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			p.kernelDropped += uint64(s.Drops)
		}
	}
	return p.kernelDropped
}

func errnoName(errno int) string {
	if name := unix.ErrnoName(unix.Errno(errno)); name != "" {
		return name
	}
	return "errno " + strconv.Itoa(errno)
}
