package port

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.zx2c4.com/wireguard/conn"
)

// A hub may have a real UDP socket besides its addresses on the emulated Internet,
// for peers that are outside of it. The socket may be of another network namespace
// than this process: whoever opened it has given it to us.

// receiveReal reads from the socket, datagram by datagram.
func (e *outsideEnd) receiveReal(socket *net.UDPConn) conn.ReceiveFunc {
	_ = socket.SetReadDeadline(time.Time{}) // it may have been interrupted before
	var from *remote
	return func(buffers [][]byte, sizes []int, endpoints []conn.Endpoint) (int, error) {
		for failed := 0; ; {
			n, at, err := socket.ReadFromUDPAddrPort(buffers[0])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return 0, net.ErrClosed // interrupted: the end closes, or opens again
			}
			if err != nil {
				// It may be of what was sent before, such as to a port that nobody
				// listens at: wireguard-go would give up at the first.
				if failed++; errors.Is(err, net.ErrClosed) || failed > 100 {
					return 0, err
				}
				continue
			}
			failed = 0
			at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
			e.received.add(1, n)
			if !isMessage(buffers[0][:n]) {
				e.malformed.Add(1)
				continue
			}
			if from == nil || from.at != at {
				from = newRemote(nil, at)
			}
			e.show(buffers[0][:n], at)
			sizes[0], endpoints[0] = n, from
			return 1, nil
		}
	}
}

// interruptReal makes what reads from the socket return; nil is none.
func interruptReal(socket *net.UDPConn) {
	if socket != nil {
		_ = socket.SetReadDeadline(time.Unix(1, 0))
	}
}

// sendReal sends datagrams by the socket. What the machine's network does not take
// is lost, as on any wire.
func (e *outsideEnd) sendReal(buffers [][]byte, to *remote) error {
	e.opening.Lock()
	socket := e.real
	e.opening.Unlock()
	if socket == nil {
		return net.ErrClosed
	}
	bytes := 0
	for _, b := range buffers {
		if _, err := socket.WriteToUDPAddrPort(b, to.at); err != nil {
			return err
		}
		bytes += len(b)
	}
	e.sent.add(len(buffers), bytes)
	return nil
}
