package port

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// sendPatience is how long one Send waits in all for room in the send buffer.
// The buffer drains as the instances' stacks take frames off the backlog, which
// runs on the CPUs that we keep busy; but a link must not hold up the others
// for long, so what finds no room by then is dropped, as a switch does.
const sendPatience = 5 * time.Millisecond

// sender owns what sendmmsg reads. Each message has two pieces, the virtio
// header from here and the frame from wherever it lies.
type sender struct {
	messages     []message
	vectors      [][2]unix.Iovec
	destinations []unix.RawSockaddrLinklayer
	headers      [][virtioHeaderLen]byte
	poll         [1]unix.PollFd
	timeout      unix.Timespec
}

type sendCounters struct {
	frames, unknownLink, malformed atomic.Uint64
	errors                         [maxErrno + 1]atomic.Uint64 // by errno; the last holds the rest
}

const maxErrno = 134 // beyond the last errno a system call returns

func (s *sender) init(batch int) {
	*s = sender{
		messages:     make([]message, batch),
		vectors:      make([][2]unix.Iovec, batch),
		destinations: make([]unix.RawSockaddrLinklayer, batch),
		headers:      make([][virtioHeaderLen]byte, batch),
	}
	for i := range s.messages {
		s.vectors[i][0].Base = &s.headers[i][0]
		s.vectors[i][0].SetLen(virtioHeaderLen)
		// Protocol 0 lets the kernel read the EtherType from the frame.
		s.destinations[i].Family = unix.AF_PACKET
		h := &s.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&s.destinations[i]))
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.Iov = &s.vectors[i][0]
		h.SetIovlen(2)
	}
}

// Send sends each frame by the interface its Link is attached to, in order. A
// frame that cannot go is dropped and counted, and the ones behind it are sent
// all the same; so the error is nil unless the port is closed (net.ErrClosed).
// The frames' bytes are not needed once Send has returned.
func (p *AFPacket) Send(frames []packet.Frame) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	if p.closed.Load() {
		return errClosed("send")
	}
	attached := p.attachments.Load().interfaces
	var patience time.Time // until when to wait for room, once we had to
	for len(frames) > 0 {
		n, taken := p.fill(frames, attached)
		p.flush(n, &patience)
		frames = frames[taken:]
	}
	return nil
}

// fill makes messages of the frames that have an interface, and returns how
// many it made and how many frames that took.
func (p *AFPacket) fill(frames []packet.Frame, attached *numberTable) (n, taken int) {
	s := &p.send
	for taken < len(frames) && n < len(s.messages) {
		f := &frames[taken]
		taken++
		ifindex, ok := attached.get(f.Link)
		if !ok {
			p.sendCount.unknownLink.Add(1)
			continue
		}
		if len(f.Data) < ethernetHeaderLen {
			p.sendCount.malformed.Add(1)
			continue
		}
		encodeVirtio(&s.headers[n], &f.Offload)
		s.destinations[n].Ifindex = int32(ifindex)
		s.vectors[n][1].Base = unsafe.SliceData(f.Data)
		s.vectors[n][1].SetLen(len(f.Data))
		n++
	}
	return n, taken
}

// flush sends the first n messages. sendmmsg stops at the first that fails and
// tells why only if called again from there; that one is skipped. Errors are a
// link's affair (gone, down, its backlog full), never the batch's.
func (p *AFPacket) flush(n int, patience *time.Time) {
	var done, sent int
	for done < n {
		got, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(p.fd),
			uintptr(unsafe.Pointer(&p.send.messages[done])), uintptr(n-done), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			done += int(got)
			sent += int(got)
			continue
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if p.waitForRoom(patience) {
				continue
			}
		}
		p.sendCount.errors[min(int(errno), maxErrno)].Add(1)
		done++
	}
	p.sendCount.frames.Add(uint64(sent))
}

// waitForRoom blocks until the send buffer has room again, and says whether it
// has before patience runs out.
func (p *AFPacket) waitForRoom(patience *time.Time) bool {
	if patience.IsZero() {
		*patience = time.Now().Add(sendPatience)
	}
	s := &p.send
	for {
		left := time.Until(*patience)
		if left <= 0 {
			return false
		}
		s.poll[0] = unix.PollFd{Fd: int32(p.fd), Events: unix.POLLOUT}
		s.timeout = unix.NsecToTimespec(int64(left))
		n, err := unix.Ppoll(s.poll[:], &s.timeout, nil)
		if err == nil {
			return n > 0
		} else if err != unix.EINTR {
			return false
		}
	}
}
