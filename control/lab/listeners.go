package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
)

// A Client VPN endpoint may listen at a UDP port of the machine, for clients outside
// of the lab. The daemon is in a network namespace of its own, which has no way out:
// the port is opened by the command that brings the lab up or applies a file, in its
// user's namespace, and the open socket handed over.

// listenSockets are the sockets that a daemon was given; nil has none.
// Safe for concurrent use.
type listenSockets struct {
	mu      sync.Mutex
	sockets map[netip.AddrPort]*net.UDPConn
}

// put takes a socket over. An address that is there already keeps its own.
func (l *listenSockets) put(at netip.AddrPort, file *os.File) error {
	defer file.Close() // the connection has a copy
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return fmt.Errorf("the socket for %s: %w", at, err)
	}
	socket, ok := conn.(*net.UDPConn)
	if !ok {
		_ = conn.Close()
		return fmt.Errorf("the socket for %s is none of UDP", at)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sockets == nil {
		l.sockets = map[netip.AddrPort]*net.UDPConn{}
	}
	if l.sockets[at] != nil {
		return socket.Close()
	}
	l.sockets[at] = socket
	return nil
}

// get is the socket of an address, nil if there is none. It stays l's.
func (l *listenSockets) get(at netip.AddrPort) *net.UDPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sockets[at]
}

// addresses that have a socket.
func (l *listenSockets) addresses() []netip.AddrPort {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.sockets))
}

// keep closes the sockets that w has no use for.
func (l *listenSockets) keep(w *control.World) {
	if l == nil { // a lab without namespaces, of a test
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := listenAddresses(w)
	for at, socket := range l.sockets {
		if _, keep := wanted[at]; !keep {
			_ = socket.Close()
			delete(l.sockets, at)
		}
	}
}

// listenAddresses are where the endpoints of a world listen, each with the path in the
// file that says so.
func listenAddresses(w *control.World) map[netip.AddrPort]string {
	wanted := map[netip.AddrPort]string{}
	if w == nil {
		return wanted
	}
	for name, e := range w.ClientVPNEndpoints {
		if at := e.Listen.AddrPort(); at.IsValid() {
			wanted[at] = "clientVpnEndpoints." + name + ".listen"
		}
	}
	return wanted
}

// openSocket is a socket of the caller's namespace on its way to a daemon.
type openSocket struct {
	at   netip.AddrPort
	file *os.File
}

// openSockets opens what the file wants and the lab does not have, all or nothing.
// Errors stand where the file has the address.
func openSockets(w *control.World, had []netip.AddrPort) (list []openSocket, err error) {
	var problems control.Problems
	wanted := listenAddresses(w)
	for _, at := range slices.SortedFunc(maps.Keys(wanted), netip.AddrPort.Compare) {
		if slices.Contains(had, at) {
			continue
		}
		file, err := openUDP(at)
		if err != nil {
			problems = append(problems, listenProblem(w, wanted[at], at, err))
			continue
		}
		list = append(list, openSocket{at, file})
	}
	if len(problems) > 0 {
		closeSockets(list)
		return nil, problems
	}
	return list, nil
}

func openUDP(at netip.AddrPort) (*os.File, error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	defer socket.Close() // the file is a copy
	// While the lab is busy with others' packets, datagrams wait in these.
	_ = socket.SetReadBuffer(socketBuffer)
	_ = socket.SetWriteBuffer(socketBuffer) // as much as the machine allows
	return socket.File()
}

// socketBuffer in bytes: a burst of several clients.
const socketBuffer = 4 << 20

func listenProblem(w *control.World, path string, at netip.AddrPort, err error) control.Problem {
	var system *net.OpError
	reason := err
	if errors.As(err, &system) {
		reason = system.Err
	}
	p := control.Problem{
		Path: path, Message: fmt.Sprintf("UDP port %d of %s cannot be had: %v", at.Port(), at.Addr(), reason),
		Hint: "write another port, or end the program that has it",
	}
	if w.Source != nil {
		p.File = w.Source.File
		if position, known := w.Source.Position(path); known {
			p.Line, p.Column = position.Line, position.Column
		}
	}
	return p
}

func closeSockets(list []openSocket) {
	for _, s := range list {
		_ = s.file.Close()
	}
}

// socketsProtocol is what the connection is upgraded to that hands sockets over.
const socketsProtocol = "vpcsim-sockets"

// handOver gives a running lab the sockets that a file wants and it does not have.
func (c *Client) handOver(ctx context.Context, w *control.World) error {
	if len(listenAddresses(w)) == 0 {
		return nil
	}
	var had []netip.AddrPort
	if err := c.call(ctx, http.MethodGet, "/v1/sockets", nil, &had); err != nil {
		return err
	}
	list, err := openSockets(w, had)
	if err != nil || len(list) == 0 {
		return err
	}
	defer closeSockets(list)
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	addresses, files := spreadSockets(list)
	reader, err := upgrade(conn, "/v1/sockets", socketsProtocol, addresses)
	if err != nil {
		return err
	}
	if err := host.SendFiles(conn, files...); err != nil {
		return err
	}
	var failure Failure // empty: all have arrived
	if err := json.NewDecoder(reader).Decode(&failure); err != nil {
		return fmt.Errorf("lab %s ended while it was given sockets: %w", c.lab.Name, err)
	}
	if failure.Message != "" {
		return failure.err()
	}
	return nil
}

// spreadSockets are the two lists that a handing over needs, in one order.
func spreadSockets(list []openSocket) (addresses []netip.AddrPort, files []*os.File) {
	for _, s := range list {
		addresses, files = append(addresses, s.at), append(files, s.file)
	}
	return addresses, files
}

func (s *apiServer) sockets(w http.ResponseWriter, _ *http.Request) {
	reply(w, append([]netip.AddrPort{}, s.lab.listens.addresses()...))
}

// takeSockets takes sockets over; the apply that follows uses them, or closes them.
func (s *apiServer) takeSockets(w http.ResponseWriter, r *http.Request) {
	var addresses []netip.AddrPort
	if !receive(w, r, maxRequest, &addresses) {
		return
	}
	conn, done, err := s.hijack(w, socketsProtocol)
	if err != nil {
		fail(w, err)
		return
	}
	defer done()
	failure := Failure{}
	if err := s.receiveSockets(conn, addresses); err != nil {
		failure = failureOf(err)
	}
	_ = json.NewEncoder(conn).Encode(failure) // the client may be gone
}

func (s *apiServer) receiveSockets(conn *net.UnixConn, addresses []netip.AddrPort) error {
	files, err := host.ReceiveFiles(conn)
	if err != nil {
		return err
	}
	if len(files) != len(addresses) {
		closeFiles(files)
		return fmt.Errorf("%d sockets came for %d addresses", len(files), len(addresses))
	}
	var errs []error
	for i, at := range addresses {
		errs = append(errs, s.lab.listens.put(at, files[i]))
	}
	return errors.Join(errs...)
}
