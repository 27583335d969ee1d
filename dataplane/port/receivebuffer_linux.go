package port

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// GrowReceiveBuffer asks for room for size bytes that wait at a socket to be read. Root
// of a namespace gets it; others get what the machine allows (net.core.rmem_max), and
// the socket works in any case.
func GrowReceiveBuffer(socket syscall.Conn, size int) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = setBuffer(int(fd), unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, size)
	})
}
