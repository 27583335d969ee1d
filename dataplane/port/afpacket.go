package port

import (
	"errors"
	"time"
)

// ErrNoOffload is what a port cannot be opened for with [AFPacketConfig.Offload]; what
// wraps it says why, and what to do.
var ErrNoOffload = errors.New("no offload")

// AFPacketConfig configures an [AFPacket]. The zero value is what was measured
// as best.
type AFPacketConfig struct {
	// Batch is the most frames moved per system call, 64 when 0. Between 2
	// and 64 no difference in TCP throughput could be measured; a batch holds
	// up the garbage collector for as long as one system call takes.
	Batch int
	// Spin is how long Recv asks an empty socket again before it sleeps, 50 µs
	// when 0; negative: not at all. It is for latency where a CPU is to spare
	// and a wake-up costs more than a packet. In bulk traffic it is left out:
	// one TCP stream came to 0.57 of the kernel's rate without, 0.45 with.
	Spin time.Duration
	// NoDoze is for a process that has other work than this port, such as a
	// tunnel's encryption: Recv then waits in a way that the Go scheduler knows
	// of. Dozing keeps a processor from the other goroutines for up to 10 ms; on
	// two CPUs a round trip through a tunnel took 10 ms with it, 0.3 without.
	NoDoze bool
	// ReceiveBuffer and SendBuffer are what is asked for as socket buffers, in
	// bytes, 32 MiB each when 0. The kernel doubles them for its own
	// bookkeeping; a superframe in flight takes 70 to 130 KB. Stats reports
	// what was obtained, which is less in a user namespace: a packet socket
	// has no back-pressure, so a burst beyond the receive buffer is lost.
	ReceiveBuffer, SendBuffer int
	// Offload lets the kernel forward what an engine asks it to, see
	// [AFPacket.Offload]. It needs the machine's root and Linux 6.6, and costs every
	// other frame a look at a table. Without, nothing of it is there.
	Offload bool
}

func (c AFPacketConfig) withDefaults() AFPacketConfig {
	const buffer = 32 << 20
	if c.Batch <= 0 {
		c.Batch = 64
	}
	if c.Spin == 0 {
		c.Spin = 50 * time.Microsecond
	}
	if c.ReceiveBuffer <= 0 {
		c.ReceiveBuffer = buffer
	}
	if c.SendBuffer <= 0 {
		c.SendBuffer = buffer
	}
	return c
}

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
