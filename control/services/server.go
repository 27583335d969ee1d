package services

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Listeners are the open sockets of the services' namespace; see addresses.go
// for where they listen. Any may be missing: that service then does not exist.
type Listeners struct {
	DNSPackets []net.PacketConn
	DNSStreams []net.Listener
	IMDS       []net.Listener
	Time       []net.PacketConn
	DHCPv4     []net.PacketConn
	DHCPv6     []net.PacketConn
}

// Config is what the servers need beside their sockets.
type Config struct {
	// Directory holds the view of the world in force. Requests are dropped
	// while it is nil.
	Directory *atomic.Pointer[Directory]
	Log       *slog.Logger
	// SetTTL sets the IP TTL or hop limit of everything that a connection sends
	// from now on (A53). It is called before the response to a token PUT is
	// written; the connection is closed after that response, so it is never set
	// back. Nil: tokens leave with the system's default.
	SetTTL func(conn net.Conn, hops int) error

	// handleOf is HandleOf, but for tests, whose clients sit on loopback.
	handleOf func(netip.Addr) (uint32, bool)
	// now is the clock, but for tests.
	now func() time.Time
}

// Serve runs the servers on l until ctx ends, closes all of l, and returns when
// nothing of it runs any more. The error is that of the first socket that
// failed, nil if ctx ended it.
func Serve(ctx context.Context, l Listeners, c Config) error {
	s := newServer(c)
	sockets := s.sockets(l)
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var group sync.WaitGroup
	for _, socket := range sockets {
		group.Go(func() {
			if err := socket.serve(running); err != nil {
				fail(fmt.Errorf("services: %s on %s: %w", socket.service, socket.addr, err))
			}
		})
	}
	<-running.Done()
	for _, socket := range sockets {
		socket.Close()
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(running)
}

// socket is one of the Listeners with the server that it belongs to.
type socket struct {
	io.Closer
	service string
	addr    net.Addr
	// serve returns nil once ctx has ended and the socket is closed, and only
	// when all that it started has ended too.
	serve func(ctx context.Context) error
}

func (s *server) sockets(l Listeners) []socket {
	var list []socket
	packets := func(service packetService, conns []net.PacketConn) {
		for _, conn := range conns {
			list = append(list, socket{conn, service.name, conn.LocalAddr(), func(ctx context.Context) error {
				return s.servePackets(ctx, conn, service)
			}})
		}
	}
	streams := func(service streamService, listeners []net.Listener) {
		for _, listener := range listeners {
			list = append(list, socket{listener, service.name, listener.Addr(), func(ctx context.Context) error {
				return s.serveStreams(ctx, listener, service)
			}})
		}
	}
	packets(packetService{name: "DNS", size: maxDNSRequest, answer: dnsPacket}, l.DNSPackets)
	packets(packetService{name: "time", size: maxTimeRequest, answer: s.answerTime}, l.Time)
	packets(packetService{name: "DHCPv4", size: maxDHCPRequest, answerPort: DHCPv4ClientPort, answer: dhcpv4Packet}, l.DHCPv4)
	packets(packetService{name: "DHCPv6", size: maxDHCPRequest, answerPort: DHCPv6ClientPort, answer: dhcpv6Packet}, l.DHCPv6)
	streams(streamService{name: "DNS over TCP", serve: s.serveDNSStream}, l.DNSStreams)
	streams(streamService{name: "metadata", serve: s.serveMetadata}, l.IMDS)
	return list
}

// server is what the servers of one Serve share.
type server struct {
	Config
	// started stands for the launch of every instance.
	started time.Time
	tokens  tokenKey
	streams streamCount
}

func newServer(c Config) *server {
	if c.handleOf == nil {
		c.handleOf = HandleOf
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.SetTTL == nil {
		c.SetTTL = func(net.Conn, int) error { return nil }
	}
	return &server{Config: c, started: c.now(), tokens: newTokenKey(), streams: streamCount{open: map[uint32]int{}}}
}

// client is the view in force and the interface that asks; nil for strangers.
func (s *server) client(addr net.Addr) (*Directory, *networkInterface) {
	from, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return nil, nil
	}
	handle, ok := s.handleOf(from.Addr().Unmap())
	if !ok {
		return nil, nil
	}
	d := s.Directory.Load()
	return d, d.interfaceBy(handle)
}

// shielded keeps a request that a bug of ours, or of a library's, makes us fail on
// from taking the whole lab down.
func (s *server) shielded(service string, eni *networkInterface, serve func()) {
	defer func() {
		if failure := recover(); failure != nil {
			s.Log.Error("a service failed on a request and dropped it", "service", service,
				"interface", eni.Status.ID, "failure", failure)
		}
	}()
	serve()
}
