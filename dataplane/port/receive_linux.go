package port

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// slotSize is the room for one frame: virtio header, Ethernet header, and an
// IPv6 packet of the greatest length (40 + 65,535 bytes; IPv4's ends at
// 65,535). It is a multiple of the cache line but not of a page, so that the
// headers of a batch do not all fall into the same cache set.
const slotSize = (virtioHeaderLen+ethernetHeaderLen+40+65535)/64*64 + 128

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32 // set by recvmmsg
}

// receiver owns the memory that recvmmsg fills. Everything is allocated once;
// the message headers point into the other slices for ever. The slots are plain
// bytes, which the garbage collector does not look into.
type receiver struct {
	messages []message
	vectors  []unix.Iovec
	sources  []unix.RawSockaddrLinklayer
	controls []control
	slots    []byte
	slotSize int
	traffic  traffic
	thread   thread
	poll     [2]unix.PollFd
	timeout  unix.Timespec

	vigilant time.Time // until when not to doze; zero: doze
	noDoze   bool      // never
}

// control is the room for one control message of type PACKET_AUXDATA.
type control struct {
	header unix.Cmsghdr
	data   auxdata
	_      [4]byte // CMSG_ALIGN
}

// auxdata is struct tpacket_auxdata.
type auxdata struct {
	status, length, captured uint32
	mac, network             uint16
	tag, tagProtocol         uint16
}

type receiveCounters struct {
	frames, superframes, partialChecksums     atomic.Uint64
	unattached, truncated, malformed, refused atomic.Uint64
}

func (r *receiver) init(batch, slotSize int) {
	*r = receiver{
		messages: make([]message, batch),
		vectors:  make([]unix.Iovec, batch),
		sources:  make([]unix.RawSockaddrLinklayer, batch),
		controls: make([]control, batch),
		slots:    make([]byte, batch*slotSize),
		slotSize: slotSize,
	}
	for i := range r.messages {
		r.vectors[i].Base = &r.slots[i*slotSize]
		r.vectors[i].SetLen(slotSize)
		h := &r.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&r.sources[i]))
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&r.controls[i]))
		r.arm(i)
	}
}

// arm resets what the kernel overwrites in a message header.
func (r *receiver) arm(i int) {
	h := &r.messages[i].header
	h.Namelen = unix.SizeofSockaddrLinklayer
	h.SetControllen(int(unsafe.Sizeof(control{})))
}

// Recv fills frames with what has arrived at attached interfaces, at most a
// batch. It returns 0 frames when wait has passed without any, at once if wait is
// not positive, or when all that came was for nobody. The frames' bytes belong to
// the port and are valid until the next Recv. After Close the error wraps
// net.ErrClosed; other errors mean that the socket is unusable.
func (p *AFPacket) Recv(frames []packet.Frame, wait time.Duration) (int, error) {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	frames = frames[:min(len(frames), p.receive.most())]
	if len(frames) == 0 {
		return 0, nil
	}
	waiting := p.receive.waiting(wait, p.config.Spin)
	for {
		if p.closed.Load() {
			return 0, errClosed("receive")
		}
		n, errno := p.receive.recvmmsg(p.fd, len(frames), waiting.flags())
		switch errno {
		case 0:
			filled, superframes := p.decode(frames, n)
			p.receive.observe(filled, superframes)
			p.interruption()
			return filled, nil
		case unix.EAGAIN, unix.EINTR:
		case unix.EINVAL:
			// The kernel has no virtio header for this frame: SCTP's or
			// ESP's superframes, UDP's before Linux 6.2. It is gone.
			p.receiveCount.refused.Add(1)
			continue
		default:
			return 0, fmt.Errorf("packet socket: receive: %w", errno)
		}
		if p.interruption() {
			return 0, nil
		}
		again, left := waiting.next()
		switch {
		case again:
			continue
		case left <= 0:
			if wait >= dozeFrom {
				p.receive.rest()
			}
			return 0, nil
		}
		if err := p.receive.block(p.fd, p.wake, left); err != nil {
			return 0, fmt.Errorf("packet socket: wait: %w", err)
		}
		if p.receive.poll[1].Revents != 0 && !p.closed.Load() {
			p.woken()
			return 0, nil
		}
	}
}

// recvmmsg takes what is there. RawSyscall because the call is short: telling the
// Go scheduler about it costs as much as a packet.
func (r *receiver) recvmmsg(fd, n int, flags uintptr) (int, unix.Errno) {
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(r.messages))), uintptr(n), flags, 0, 0)
	return int(got), errno
}

// decode turns the first n messages into frames, and leaves out those that are
// nobody's or cannot be described.
//
// Each counter is added to once per batch: an atomic per frame would show.
func (p *AFPacket) decode(frames []packet.Frame, n int) (filled, superframes int) {
	r, attached := &p.receive, p.attachments.Load().links
	var partial, unattached, truncated, malformed uint64
	for i := range n {
		m := &r.messages[i]
		buffer := r.slots[i*r.slotSize:][:m.length:m.length]
		tag, tagged := r.tag(i)
		flags := m.header.Flags
		r.arm(i)

		link, ok := attached.get(uint32(r.sources[i].Ifindex))
		if !ok {
			unattached++ // lo, or an interface just detached
			continue
		}
		if flags&unix.MSG_TRUNC != 0 {
			truncated++ // longer than 64 KiB: "BIG TCP"
			continue
		}
		if len(buffer) < virtioHeaderLen+ethernetHeaderLen {
			malformed++
			continue
		}
		f := &frames[filled]
		f.Link, f.Data = link, buffer[virtioHeaderLen:]
		if !decodeVirtio(&f.Offload, (*[virtioHeaderLen]byte)(buffer), f.Data) {
			malformed++
			continue
		}
		if tagged {
			f.Data = restoreTag(buffer, &f.Offload, tag.tagProtocol, tag.tag)
		}
		if f.Offload.PartialChecksum {
			partial++
		}
		if f.Offload.GSO != packet.GSONone {
			superframes++
		}
		filled++
	}
	c := &p.receiveCount
	c.frames.Add(uint64(filled))
	for _, x := range [...]struct {
		counter *atomic.Uint64
		n       uint64
	}{{&c.superframes, uint64(superframes)}, {&c.partialChecksums, partial}, {&c.unattached, unattached},
		{&c.truncated, truncated}, {&c.malformed, malformed}} {
		if x.n > 0 {
			x.counter.Add(x.n)
		}
	}
	return filled, superframes
}

// tag returns the VLAN tag of message i. Linux takes the outer tag out of every
// frame on arrival, even where no VLAN interface exists, and keeps it beside
// the bytes: a tagged frame looks untagged to who reads the bytes alone, and
// would be judged as a packet of the link itself. Asking for the tag costs about
// 50 of the 600 ns that receiving a small frame takes.
func (r *receiver) tag(i int) (auxdata, bool) {
	c := &r.controls[i]
	if uintptr(r.messages[i].header.Controllen) < unsafe.Offsetof(c.data)+unsafe.Sizeof(c.data) ||
		c.header.Level != unix.SOL_PACKET || c.header.Type != unix.PACKET_AUXDATA {
		return auxdata{}, false
	}
	if c.data.status&unix.TP_STATUS_VLAN_VALID == 0 {
		return auxdata{}, false
	}
	if c.data.status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		c.data.tagProtocol = 0x8100
	}
	return c.data, true
}
