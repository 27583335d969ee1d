package bgp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// relisten is how often a listener tries to get its address, which may be on an
// interface that does not exist yet, or be checked for duplicates (IPv6).
const relisten = 500 * time.Millisecond

// listener accepts connections to one local address, for every session there.
type listener struct {
	local   netip.Addr
	sockets sockets
	log     *slog.Logger
	cancel  context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	socket   *net.TCPListener // nil while the address cannot be had
	closed   bool
	sessions map[netip.Addr]*session // by remote address
}

func newListener(local netip.Addr, sockets sockets, log *slog.Logger) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{local: local, sockets: sockets, log: log, cancel: cancel, done: make(chan struct{}), sessions: map[netip.Addr]*session{}}
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
	return l
}

// add has connections from the session's peer go to it.
func (l *listener) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions[s.peer.RemoteAddress] = s
	if l.socket != nil {
		l.protect(s.peer.RemoteAddress, s.peer.Password)
	}
}

// remove reports whether no session is left.
func (l *listener) remove(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s.peer.RemoteAddress)
	if l.socket != nil && s.peer.Password != "" {
		l.protect(s.peer.RemoteAddress, "")
	}
	return len(l.sessions) == 0
}

// protect has the kernel drop what a peer with a password does not sign. The
// lock is held.
func (l *listener) protect(remote netip.Addr, password string) {
	if password == "" && l.sessions[remote] != nil {
		return // there was never one
	}
	raw, err := l.socket.SyscallConn()
	if err == nil {
		err = setPassword(raw, remote, password)
	}
	if err != nil {
		l.log.Warn("connections from a BGP peer cannot be protected", "peer address", remote, "error", err)
	}
}

// close ends the listener; connections that it has accepted live on.
func (l *listener) close() {
	l.mu.Lock()
	l.closed = true
	if l.socket != nil {
		l.socket.Close()
	}
	l.mu.Unlock()
	l.cancel()
	<-l.done
}

// run gets the address, serves, and starts over when either fails: an interface
// can go and come back under a listener.
func (l *listener) run(ctx context.Context) {
	for ctx.Err() == nil {
		socket, err := l.sockets.listen(ctx, l.local)
		if err == nil {
			err = l.accept(socket)
		}
		if ctx.Err() != nil {
			return
		}
		l.deaf(err)
		select {
		case <-ctx.Done():
		case <-time.After(relisten):
		}
	}
}

// accept serves an open socket until it fails.
func (l *listener) accept(socket *net.TCPListener) error {
	defer socket.Close()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.socket = socket
	for remote, s := range l.sessions {
		l.protect(remote, s.peer.Password)
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.socket = nil
		l.mu.Unlock()
	}()
	for {
		conn, err := socket.AcceptTCP()
		if err != nil {
			return err
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		l.mu.Lock()
		s := l.sessions[from]
		l.mu.Unlock()
		if s == nil {
			l.log.Debug("a BGP connection from a stranger", "from", from, "to", l.local)
			conn.Close()
			continue
		}
		// It must not be waited for here: others connect to this address, too.
		s.offer(conn)
	}
}

// deaf tells the sessions why nobody can connect to them.
func (l *listener) deaf(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		select {
		case s.deaf <- err:
		default:
		}
	}
}
