//go:build linux

package host

import (
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// request is one rtnetlink message and what is known about it beforehand.
type request struct {
	what   string // for the error: "address 10.0.1.10/24"
	msg    *nl.NetlinkRequest
	ignore []syscall.Errno // answers that mean "it is so already"
}

// routeSocket is an rtnetlink socket of one network namespace, the one of the
// thread that opened it, wherever it is used from.
//
// The netlink package sends a message and waits for its answer, one by one, and
// opens a socket for each. Here a node's whole configuration is one send: with
// a thousand nodes that is the difference between seconds and a moment.
type routeSocket struct {
	fd  int
	seq uint32
	buf []byte
}

// maxBatch bounds the messages of one send, so that their answers surely fit
// the socket's receive buffer (an answer is accounted with about 1 kB).
const maxBatch = 64

func openRouteSocket() (*routeSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	// The kernel's own words for an error, and errors without the message
	// they answer. Old kernels lack these options and do without.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	// Answers are there when send returns; a time limit only guards against
	// a kernel that loses one.
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	return &routeSocket{fd: fd, buf: make([]byte, 32<<10)}, nil
}

func (s *routeSocket) close() { unix.Close(s.fd) }

// run has the kernel do all requests in order and returns the first error. The
// kernel does not stop there: later requests of the batch are done, too.
func (s *routeSocket) run(requests ...request) error {
	var first error
	for chunk := range slices.Chunk(requests, maxBatch) {
		if err := s.runChunk(chunk); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (s *routeSocket) runChunk(requests []request) error {
	var out []byte
	base := s.seq + 1 // answers carry the number of their request
	for _, r := range requests {
		s.seq++
		r.msg.Seq = s.seq
		r.msg.Flags |= unix.NLM_F_ACK
		out = append(out, r.msg.Serialize()...)
		// Messages of one send begin at multiples of four bytes.
		for len(out)%unix.NLMSG_ALIGNTO != 0 {
			out = append(out, 0)
		}
	}
	if err := unix.Sendto(s.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink send: %w", err)
	}
	var first error
	for answered := 0; answered < len(requests); {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("netlink receive: %w", err)
		}
		msgs, err := syscall.ParseNetlinkMessage(s.buf[:n])
		if err != nil {
			return fmt.Errorf("netlink receive: %w", err)
		}
		for _, m := range msgs {
			// An acknowledgement is an error message with error 0. What is
			// left of a send that timed out is not ours.
			k := int(m.Header.Seq - base)
			if m.Header.Type != unix.NLMSG_ERROR || k < 0 || k >= len(requests) {
				continue
			}
			answered++
			if err := answer(&requests[k], &m); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// answer reads the kernel's verdict on r.
func answer(r *request, m *syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return fmt.Errorf("%s: short netlink answer", r.what)
	}
	// The kernel's convention: a negated error number, in the machine's order.
	errno := syscall.Errno(-*(*int32)(unsafe.Pointer(&m.Data[0])))
	if errno == 0 || slices.Contains(r.ignore, errno) {
		return nil
	}
	if said := kernelMessage(m); said != "" {
		return fmt.Errorf("%s: %w (%s)", r.what, errno, said)
	}
	return fmt.Errorf("%s: %w", r.what, errno)
}

// kernelMessage is the explanation that newer kernels send with an error.
func kernelMessage(m *syscall.NetlinkMessage) string {
	const header = 4 + unix.SizeofNlMsghdr // the error, and the capped request
	if m.Header.Flags&unix.NLM_F_ACK_TLVS == 0 || m.Header.Flags&unix.NLM_F_CAPPED == 0 || len(m.Data) < header {
		return ""
	}
	attrs, err := nl.ParseRouteAttr(m.Data[header:])
	if err != nil {
		return ""
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.NLMSGERR_ATTR_MSG {
			return unix.ByteSliceToString(a.Value)
		}
	}
	return ""
}

// index looks up an interface of the socket's namespace by name.
func (s *routeSocket) index(name string) (int, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(ifr.Uint32()), nil
}
