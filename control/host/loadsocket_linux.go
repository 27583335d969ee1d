package host

import (
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetCongestionControl chooses how a TCP socket of this process paces itself.
// The machine's default may be one that paces by timers (BBR), and a benchmark
// would then measure the timers. The option asks who we are in our own network
// namespace; the sysctl takes only what the machine allows to everybody.
func SetCongestionControl(fd uintptr, algorithm string) error {
	if err := unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, algorithm); err != nil {
		return fmt.Errorf("congestion control %s: %w", algorithm, err)
	}
	return nil
}

// Blocking takes a connection away from the Go poller: reads and writes of the
// file it returns are plain system calls, as those of other programs are. conn
// is closed.
func Blocking(conn interface {
	net.Conn
	File() (*os.File, error)
}) (*os.File, error) {
	defer conn.Close()
	file, err := conn.File()
	if err != nil {
		return nil, err
	}
	file.Fd() // sets it to blocking mode
	return file, nil
}

// SetReceiveTimeout bounds how long a read from a blocking socket waits.
func SetReceiveTimeout(file *os.File, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return unix.SetsockoptTimeval(int(file.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}

// Datagrams moves many small datagrams over one socket with few system calls
// (sendmmsg, recvmmsg). It is for one goroutine.
type Datagrams struct {
	file     *os.File // keeps the descriptor open
	fd       uintptr
	messages []mmsghdr
	vectors  []unix.Iovec
	buffer   []byte
}

// mmsghdr is the kernel's struct of that name.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// NewDatagrams prepares batches of datagrams with size bytes of payload on a
// connected or bound socket in blocking mode. The file stays the caller's.
func NewDatagrams(file *os.File, batch, size int) *Datagrams {
	d := &Datagrams{
		file: file, fd: file.Fd(),
		messages: make([]mmsghdr, batch), vectors: make([]unix.Iovec, batch), buffer: make([]byte, batch*size),
	}
	for i := range d.messages {
		d.vectors[i].Base = &d.buffer[i*size]
		d.vectors[i].SetLen(size)
		d.messages[i].header.Iov = &d.vectors[i]
		d.messages[i].header.SetIovlen(1)
	}
	return d
}

// Send sends one batch and returns how many datagrams the kernel took.
func (d *Datagrams) Send() (int, error) { return d.call(unix.SYS_SENDMMSG, 0) }

// Receive waits for datagrams and returns how many came. After the socket's
// receive timeout the error is [os.ErrDeadlineExceeded].
func (d *Datagrams) Receive() (int, error) { return d.receive(unix.MSG_WAITFORONE) }

// Take is Receive without waiting: 0 when nothing is there.
func (d *Datagrams) Take() (int, error) {
	n, err := d.receive(unix.MSG_DONTWAIT)
	if err == os.ErrDeadlineExceeded {
		return 0, nil
	}
	return n, err
}

func (d *Datagrams) receive(flags uintptr) (int, error) {
	n, err := d.call(unix.SYS_RECVMMSG, flags)
	if err == unix.EAGAIN {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

func (d *Datagrams) call(number, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(number, d.fd, uintptr(unsafe.Pointer(&d.messages[0])), uintptr(len(d.messages)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
