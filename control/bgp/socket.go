package bgp

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// port is BGP's.
const port = 179

// dialTimeout is short: over a tunnel that has just come up, the next attempt
// counts more than a late answer to this one.
const dialTimeout = 3 * time.Second

// sockets makes TCP sockets inside a network namespace.
type sockets struct {
	open func(f func() error) error
}

func (s sockets) listen(ctx context.Context, local netip.Addr) (*net.TCPListener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	// Multipath TCP has no MD5 signatures.
	config.SetMultipathTCP(false)
	var listener net.Listener
	err := s.open(func() (err error) {
		listener, err = config.Listen(ctx, "tcp", netip.AddrPortFrom(local, port).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

func (s sockets) dial(ctx context.Context, p Peer) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:   dialTimeout,
		KeepAlive: -1, // BGP has its own
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.LocalAddress, 0)),
		Control: func(_, _ string, c syscall.RawConn) error {
			if err := setTTL(c, p); err != nil {
				return err
			}
			if p.Password == "" {
				return nil
			}
			return setPassword(c, p.RemoteAddress, p.Password)
		},
	}
	dialer.SetMultipathTCP(false)
	var conn net.Conn
	err := s.open(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(p.RemoteAddress, port).String())
		return err
	})
	return conn, err
}

// control calls f with the descriptor of a socket.
func control(c syscall.RawConn, f func(fd uintptr) error) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = f(fd) })
	if err == nil {
		err = failed
	}
	return err
}
