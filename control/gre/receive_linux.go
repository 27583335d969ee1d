package gre

import (
	"net"

	"golang.org/x/sys/unix"
)

// makeRoom asks for room for what arrives in a burst. Root of a namespace may have more
// than the machine's limit for others (net.core.rmem_max).
func makeRoom(socket *net.IPConn) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
	})
	if err != nil {
		_ = socket.SetReadBuffer(receiveBuffer)
	}
}
