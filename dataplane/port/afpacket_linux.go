package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// AFPacket moves frames between the core and all veths of one network
// namespace through a single packet socket, with the kernel's superframes and
// unfinished checksums passed through as they are.
//
// One socket, because a socket per interface needs a poll or a goroutine each:
// a quarter slower and three times the latency when measured. Attaching an
// interface costs no system call, so a thousand cost no more than one.
//
// Frames of one connection may overtake each other on their way to the socket, as
// on their way through a Linux router: a sender's TCP runs now on the CPU of its
// program, now on the one where an acknowledgement came in, and each CPU queues
// frames on its own. A stream at full rate sends one segment in a thousand or so
// again because of that. Receive packet steering on the core-side veths would
// keep the order (write a CPU mask to /proc/sys/net/core/rps_default_mask of the
// namespace before making them), and cost every packet a call to another CPU:
// a third to a half more round trip, and a third fewer connections per second.
//
// The namespace's own network stack sees each frame too, after the socket. It
// drops them first thing if the core-side veths are kept out of its sight: a
// MAC that is not the gateway's (the frames are then somebody else's), IPv6
// disabled, NOARP, no address.
//
// Against the kernel's forwarding a superframe is copied twice more, into our
// buffer and out of it. With sender and receiver on the same two CPUs, one TCP
// stream comes to 0.45 to 0.7 of the kernel's rate where the port may run ahead
// of programs, which it tries while bulk traffic passes, and to 0.3 to 0.5 where
// it may not, in a user namespace (Linux 6.18, two vCPUs).
type AFPacket struct {
	config AFPacketConfig
	fd     int // the packet socket; closed by Close, under all three locks
	wake   int // an eventfd that becomes readable on Interrupt, and for ever on Close

	// receiving and sending are held for a whole Recv or Send. They are never
	// contended on the data path; what they buy is that Close cannot take the
	// descriptor from under a system call, and that a stray second caller is
	// slow and not wrong.
	receiving, sending sync.Mutex
	receive            receiver
	send               sender

	attachments atomic.Pointer[attachments]
	attaching   sync.Mutex // serialises Attach and Detach

	interrupted atomic.Bool // and Recv has not seen it yet
	closed      atomic.Bool
	closeOnce   sync.Once
	counting    sync.Mutex // guards kernelDropped, and the descriptors against Close
	// kernelDropped sums PACKET_STATISTICS, which the kernel clears on reading.
	kernelDropped             uint64
	receiveBuffer, sendBuffer int
	receiveCount              receiveCounters
	sendCount                 sendCounters

	offload *offload // nil without
}

// attachments says which interface is which link. It is immutable.
type attachments struct {
	links      *numberTable // by interface index
	interfaces *numberTable // by link
}

// OpenAFPacket opens a port in the network namespace of the calling thread
// (lock the goroutine to it). The port stays in that namespace, wherever its
// methods are called from. It needs CAP_NET_RAW in the user namespace that owns
// the network namespace, and Linux 4.20; 6.2 to pass UDP superframes.
func OpenAFPacket(config AFPacketConfig) (*AFPacket, error) {
	config = config.withDefaults()
	p := &AFPacket{config: config, fd: -1, wake: -1}
	p.attachments.Store(&attachments{links: &numberTable{}, interfaces: &numberTable{}})
	if err := p.open(); err != nil {
		p.closeDescriptors()
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	p.receive.init(config.Batch, slotSize)
	p.receive.noDoze = config.NoDoze
	p.send.init(config.Batch)
	return p, nil
}

func (p *AFPacket) open() (err error) {
	// Protocol 0 receives nothing yet. The one bind at the end starts
	// reception; socket(ETH_P_ALL) followed by a bind would stop it in
	// between, which waits for every CPU to pass a quiescent state.
	const flags = unix.SOCK_RAW | unix.SOCK_CLOEXEC
	if p.fd, err = unix.Socket(unix.AF_PACKET, flags, 0); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: run as root, or in a user namespace that owns the network namespace", err)
	} else if err != nil {
		return err
	}
	for _, option := range []struct {
		name   string
		number int
	}{
		{"PACKET_VNET_HDR", unix.PACKET_VNET_HDR},
		{"PACKET_AUXDATA", unix.PACKET_AUXDATA},                 // carries VLAN tags, see receiver.tag
		{"PACKET_IGNORE_OUTGOING", unix.PACKET_IGNORE_OUTGOING}, // else we receive what we send
	} {
		if err := unix.SetsockoptInt(p.fd, unix.SOL_PACKET, option.number, 1); err != nil {
			return fmt.Errorf("option %s (Linux 4.20 has it): %w", option.name, err)
		}
	}
	p.receiveBuffer, err = setBuffer(p.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, p.config.ReceiveBuffer)
	if err != nil {
		return fmt.Errorf("receive buffer: %w", err)
	}
	p.sendBuffer, err = setBuffer(p.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, p.config.SendBuffer)
	if err != nil {
		return fmt.Errorf("send buffer: %w", err)
	}
	doze := unix.NsecToTimeval(int64(dozeTime))
	if err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &doze); err != nil {
		return fmt.Errorf("receive timeout: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if p.config.Offload {
		if p.offload, err = openOffload(); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p.offload.filter.FD()); err != nil {
			return explainOffload(fmt.Errorf("the socket's filter: %w", err))
		}
	}
	all := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)} // interface 0: all of them
	if err := unix.Bind(p.fd, all); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// carriesUDPSuperframes reports whether the kernel knows UDP superframes in a virtio
// header: Linux 6.2. An older one refuses to send them.
func (p *AFPacket) carriesUDPSuperframes() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 2)
}

// setBuffer sets a socket buffer, beyond the system's limit where that is
// allowed, up to the limit elsewhere. It returns the size obtained as the
// kernel accounts for it.
func setBuffer(fd, force, ordinary, size int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, size); err != nil {
			return 0, err
		}
	}
	return unix.GetsockoptInt(fd, unix.SOL_SOCKET, ordinary)
}

func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// Attach makes frames from the interface with index ifindex arrive as link, and
// frames for link leave by it. The index is that of the port's namespace. It
// takes effect with the next batch, while traffic runs.
func (p *AFPacket) Attach(link uint32, ifindex int) error {
	if ifindex <= 0 || ifindex > 1<<31-1 {
		return fmt.Errorf("attach link %d: interface index %d is not one", link, ifindex)
	}
	p.attaching.Lock()
	defer p.attaching.Unlock()
	now := p.attachments.Load()
	if other, ok := now.interfaces.get(link); ok {
		return fmt.Errorf("attach link %d to interface %d: it is attached to interface %d; detach it first", link, ifindex, other)
	}
	if other, ok := now.links.get(uint32(ifindex)); ok {
		return fmt.Errorf("attach link %d to interface %d: that is attached as link %d; detach it first", link, ifindex, other)
	}
	if p.offload != nil {
		if err := p.offload.watch(link, ifindex); err != nil {
			return fmt.Errorf("attach link %d to interface %d: %w", link, ifindex, err)
		}
	}
	p.attachments.Store(&attachments{
		links:      now.links.with(uint32(ifindex), link),
		interfaces: now.interfaces.with(link, uint32(ifindex)),
	})
	return nil
}

// Detach undoes Attach. Frames of the link that the port has received already
// may still be in the caller's batch; later ones are ignored and counted. A
// link that is not attached is left alone, so detaching twice is harmless.
// Detach before the interface is removed: its index may be given out again.
func (p *AFPacket) Detach(link uint32) {
	p.attaching.Lock()
	defer p.attaching.Unlock()
	now := p.attachments.Load()
	ifindex, ok := now.interfaces.get(link)
	if !ok {
		return
	}
	p.attachments.Store(&attachments{
		links:      now.links.without(ifindex),
		interfaces: now.interfaces.without(link),
	})
	if p.offload != nil {
		p.offload.unwatch(link)
	}
}

// Close wakes a blocked Recv, waits until Recv and Send have returned, and
// closes the socket. Frames that Recv lent stay readable. It is idempotent.
func (p *AFPacket) Close() error {
	p.closeOnce.Do(func() {
		p.closed.Store(true)
		one := [8]byte{}
		binary.NativeEndian.PutUint64(one[:], 1)
		// Writing 1 to a fresh eventfd cannot fail.
		_, _ = unix.Write(p.wake, one[:])
		p.receiving.Lock()
		p.sending.Lock()
		p.counting.Lock()
		p.closeDescriptors()
		p.counting.Unlock()
		p.sending.Unlock()
		p.receiving.Unlock()
	})
	return nil
}

// closeDescriptors also marks them closed, so that a number which the kernel
// gives to the next file is never used again.
func (p *AFPacket) closeDescriptors() {
	if p.offload != nil {
		p.offload.close() // while the filter is there: no frame is without both
	}
	for _, fd := range []*int{&p.fd, &p.wake} {
		if *fd >= 0 {
			_ = unix.Close(*fd) // nothing is buffered that could be lost
			*fd = -1
		}
	}
}
