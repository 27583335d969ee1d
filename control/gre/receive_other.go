//go:build !linux

package gre

import "net"

// makeRoom asks for room for what arrives in a burst.
func makeRoom(socket *net.IPConn) { _ = socket.SetReadBuffer(receiveBuffer) }
