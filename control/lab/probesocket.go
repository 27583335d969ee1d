package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/scenarios"
)

// quiet is the log of servers that nobody wants to hear of.
var quiet = slog.New(slog.DiscardHandler)

// probeSocket is the sender's end of a probe.
type probeSocket interface {
	// local is the sender's port, or the identifier of its echo.
	local() uint16
	// exchange sends the request and returns nil when the answer has come. It
	// returns soon after ctx has ended.
	exchange(ctx context.Context) error
	close()
}

func (d *prober) openSocket(node string, p scenarios.Probe) (probeSocket, error) {
	switch p.Protocol {
	case control.ProtocolTCP:
		return &tcpProbe{lab: d.lab, node: node, probe: p, port: freshPort()}, nil
	case control.ProtocolUDP:
		return openUDPProbe(d.lab, node, p)
	}
	return openEchoProbe(d.lab, node, p)
}

// tcpProbe is a connection that is closed as soon as it stands. The port is
// chosen here and not by the kernel, because the journal is read while the
// connection does not stand yet.
type tcpProbe struct {
	lab   *lab
	node  string
	probe scenarios.Probe
	port  uint16
}

func (t *tcpProbe) local() uint16 { return t.port }
func (t *tcpProbe) close()        {}

func (t *tcpProbe) exchange(ctx context.Context) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{Port: int(t.port)}}
	return t.lab.host.In(t.node, func() error {
		conn, err := dialer.DialContext(ctx, network("tcp", t.probe.To), netip.AddrPortFrom(t.probe.To, t.probe.Port).String())
		if err != nil {
			return err
		}
		// A reset instead of a farewell: the port is free at once, and the
		// probe leaves no packets on the way that the next could meet.
		_ = conn.(*net.TCPConn).SetLinger(0)
		return conn.Close()
	})
}

// token marks a probe's own datagrams, so that its observer takes no others.
func token(id uint16) []byte { return fmt.Appendf(nil, "vpcsim probe %d\n", id) }

// resend is after how long a datagram without an answer is sent again.
const resend = 500 * time.Millisecond

// udpProbe is a datagram and whatever is answered to it.
type udpProbe struct {
	conn *net.UDPConn
	err  error // of opening: no route, no address
	port uint16
}

func openUDPProbe(l *lab, node string, p scenarios.Probe) (*udpProbe, error) {
	u := &udpProbe{}
	err := l.host.In(node, func() error {
		u.conn, u.err = net.DialUDP(network("udp", p.To), nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.To, p.Port)))
		return nil
	})
	if u.conn != nil {
		u.port = addrPort(u.conn.LocalAddr()).Port()
	}
	return u, err
}

func (u *udpProbe) local() uint16 { return u.port }

func (u *udpProbe) close() {
	if u.conn != nil {
		_ = u.conn.Close()
	}
}

func (u *udpProbe) exchange(ctx context.Context) error {
	if u.err != nil {
		return u.err
	}
	return request(ctx, u.conn, func() error {
		_, err := u.conn.Write(token(u.port))
		return err
	}, func(buffer []byte) (bool, error) {
		_, err := u.conn.Read(buffer)
		return true, err
	})
}

// echoProbe is a ping from a raw socket: unlike a ping socket, it needs no
// setting of the machine, and the identifier is ours to choose.
type echoProbe struct {
	conn *net.IPConn
	to   netip.Addr
	id   uint16
}

func openEchoProbe(l *lab, node string, p scenarios.Probe) (*echoProbe, error) {
	e := &echoProbe{to: p.To, id: uint16(1 + rand.IntN(0xfffe))}
	err := l.host.In(node, func() (err error) {
		e.conn, err = net.ListenIP(rawNetwork(p), nil)
		return err
	})
	return e, err
}

// rawNetwork is Go's name for a raw socket of the probe's protocol.
func rawNetwork(p scenarios.Probe) string {
	return fmt.Sprintf("%s:%d", network("ip", p.To), wireProtocol(p))
}

func (e *echoProbe) local() uint16 { return e.id }
func (e *echoProbe) close()        { _ = e.conn.Close() }

const icmpEchoReply, icmpv6EchoReply = 0, 129

func (e *echoProbe) exchange(ctx context.Context) error {
	kind, reply := uint8(icmpEchoRequest), uint8(icmpEchoReply)
	if e.to.Is6() {
		kind, reply = icmpv6Echo, icmpv6EchoReply
	}
	message := echoMessage(kind, e.id)
	return request(ctx, e.conn, func() error {
		_, err := e.conn.WriteTo(message, &net.IPAddr{IP: e.to.AsSlice()})
		return err
	}, func(buffer []byte) (bool, error) {
		n, _, err := e.conn.ReadFromIP(buffer) // unlike Read, it takes off IPv4's header
		b := buffer[:n]
		return len(b) >= 8 && b[0] == reply && binary.BigEndian.Uint16(b[4:]) == e.id, err
	})
}

// echoMessage is an echo request with our token. The kernel fills in ICMPv6's
// checksum, which covers addresses; ICMP's is ours.
func echoMessage(kind uint8, id uint16) []byte {
	m := make([]byte, 8)
	m[0] = kind
	binary.BigEndian.PutUint16(m[4:], id)
	binary.BigEndian.PutUint16(m[6:], 1)
	m = append(m, token(id)...)
	if kind == icmpEchoRequest {
		binary.BigEndian.PutUint16(m[2:], internetChecksum(m))
	}
	return m
}

// internetChecksum is RFC 1071's.
func internetChecksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// request sends, and sends again, until read has found the answer. It returns
// soon after ctx has ended.
func request(ctx context.Context, conn net.Conn, send func() error, read func(buffer []byte) (bool, error)) error {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	buffer := make([]byte, 2048)
	for ctx.Err() == nil {
		if err := send(); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(resend))
		if ctx.Err() != nil { // it ended between, and its deadline was overwritten
			break
		}
		for {
			found, err := read(buffer)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil || found {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// sight watches a node for the probe's request and keeps the address that it
// came from. It reads a raw socket, to which the kernel gives a copy of what
// arrives, after reassembly and before any program.
type sight struct {
	conn    *net.IPConn
	watcher sync.WaitGroup
	seen    chan struct{} // closed at the first sight

	mu   sync.Mutex
	from netip.AddrPort
}

func openSight(l *lab, node string, p scenarios.Probe) (*sight, error) {
	s := &sight{seen: make(chan struct{})}
	err := l.host.In(node, func() (err error) {
		s.conn, err = net.ListenIP(rawNetwork(p), nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.watcher.Go(func() { s.watch(p) })
	return s, nil
}

func (s *sight) watch(p scenarios.Probe) {
	buffer := make([]byte, 64<<10)
	protocol := wireProtocol(p)
	for {
		n, from, err := s.conn.ReadFromIP(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if port, ok := isProbe(buffer[:n], protocol, p.Port); ok {
			a, _ := netip.AddrFromSlice(from.IP)
			s.mu.Lock()
			if !s.from.IsValid() {
				s.from = netip.AddrPortFrom(a.Unmap(), port)
				close(s.seen)
			}
			s.mu.Unlock()
		}
	}
}

// isProbe recognizes a probe's request behind the IP header, and returns its
// source port or its identifier: a SYN to the port, or a datagram or echo with a
// token.
func isProbe(b []byte, protocol uint8, port uint16) (source uint16, ok bool) {
	if len(b) < 8 {
		return 0, false
	}
	source = binary.BigEndian.Uint16(b)
	switch protocol {
	case packet.ProtoTCP:
		const handshake = packet.TCPFlagSYN | packet.TCPFlagACK
		return source, len(b) >= 20 && binary.BigEndian.Uint16(b[2:]) == port && b[13]&handshake == packet.TCPFlagSYN
	case packet.ProtoUDP:
		return source, binary.BigEndian.Uint16(b[2:]) == port && bytes.HasPrefix(b[8:], []byte("vpcsim probe "))
	}
	request := b[0] == icmpEchoRequest || b[0] == icmpv6Echo
	return binary.BigEndian.Uint16(b[4:]), request && bytes.HasPrefix(b[8:], []byte("vpcsim probe "))
}

// source is where the request came from, invalid if it has not come within
// wait.
func (s *sight) source(wait time.Duration) netip.AddrPort {
	if wait > 0 {
		select {
		case <-s.seen:
		case <-time.After(wait):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from
}

func (s *sight) close() {
	_ = s.conn.Close()
	s.watcher.Wait()
}
