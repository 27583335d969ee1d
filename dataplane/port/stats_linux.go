package port

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// AFPacketStats counts frames since the port was opened; a superframe is one.
type AFPacketStats struct {
	Received         uint64 // handed to the caller of Recv
	Superframes      uint64 // of Received, those with GSO
	PartialChecksums uint64 // of Received, those with an unfinished checksum
	Unattached       uint64 // ignored: arrived at an interface without a link
	Truncated        uint64 // dropped: longer than 64 KiB
	// Malformed frames were dropped because their virtio header is unknown or
	// contradicts them, such as a superframe inside a tunnel: an instance that
	// runs VXLAN needs tx-udp_tnl-segmentation off on its interface, and so
	// on for GRE. Refused ones the kernel itself could not describe.
	Malformed, Refused uint64
	KernelDropped      uint64 // lost: the receive buffer was full

	Sent            uint64 // accepted by the kernel
	SendUnknownLink uint64 // dropped: for a link that is not attached
	SendMalformed   uint64 // dropped: shorter than an Ethernet header
	// SendErrors counts frames that the kernel refused to send, by the name of
	// the error: ENOBUFS for a full backlog of the receiver, EAGAIN for our
	// own full send buffer, ENETDOWN and ENXIO for an interface that is down
	// or gone, EMSGSIZE for one longer than its MTU.
	SendErrors map[string]uint64

	// ReceiveBuffer and SendBuffer are the socket buffers obtained, in bytes
	// as the kernel accounts for them.
	ReceiveBuffer, SendBuffer int
}

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
