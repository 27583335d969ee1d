package lab

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/services"
)

// servers are the small built-in servers that a world asks for with serve:.
// They are goroutines of the daemon with sockets in the nodes' namespaces.
type servers struct {
	in  func(node string, f func() error) error // host.Host.In
	log *slog.Logger

	mu      sync.Mutex
	running map[serverKey]*server
}

// serverKey tells servers apart that need a socket of their own. UDP servers
// have one for each address, because an answer must come from the address that
// was asked.
type serverKey struct {
	name    string // the instance or Internet host
	node    string // its node: a replaced one gets new servers
	service control.Service
	address netip.Addr // UDP only
	// front is what answers for a service of AWS's; its zero value is a server of
	// the file's.
	front services.Front
}

func (k serverKey) String() string { return fmt.Sprintf("%s in %s", k.service, k.name) }

// server is one socket and everything that hangs on it.
type server struct {
	close func() error
	done  sync.WaitGroup
}

func newServers(in func(string, func() error) error, log *slog.Logger) *servers {
	return &servers{in: in, log: log, running: map[serverKey]*server{}}
}

// converge starts and stops servers until those of w run. One that stays is
// not touched, and neither are its connections. What cannot be started is
// reported, and the rest runs.
func (s *servers) converge(w *control.World) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := wantedServers(w)
	for key, running := range s.running {
		if !wanted[key] {
			running.stop()
			delete(s.running, key)
		}
	}
	var errs []error
	for key := range wanted {
		if s.running[key] != nil {
			continue
		}
		running, err := s.start(key)
		if err != nil {
			errs = append(errs, fmt.Errorf("built-in server %s: %w", key, explainListen(err)))
			continue
		}
		s.running[key] = running
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// close stops all servers and waits for them.
func (s *servers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, running := range s.running {
		running.stop()
		delete(s.running, key)
	}
}

func (s *server) stop() {
	_ = s.close() // it is not used any more, whatever it says
	s.done.Wait()
}

func wantedServers(w *control.World) map[serverKey]bool {
	wanted := map[serverKey]bool{}
	for _, name := range NodeNames(w) {
		for _, service := range builtIn(w, name) {
			key := serverKey{name: name, node: nodeName(w, name), service: service}
			if service.Transport() == control.ProtocolTCP {
				wanted[key] = true
				continue
			}
			for _, key.address = range nodeAddresses(w, name) {
				wanted[key] = true
			}
		}
	}
	for _, f := range fronts(w) {
		wanted[serverKey{name: f.Service, node: f.Name, service: control.Service{Protocol: "http", Port: 80}, front: f.Front}] = true
	}
	return wanted
}

// nodeAddresses are all addresses that the node's own kernel has.
func nodeAddresses(w *control.World, name string) []netip.Addr {
	if machine, ok := outsideMachine(w, name); ok {
		if machine.client != "" && !connects(w, name) {
			return machine.internetIPs
		}
		return append(machine.addresses, machine.internetIPs...)
	}
	var list []netip.Addr
	for _, eni := range w.Instances[name].Status.NetworkInterfaces {
		status := &w.NetworkInterfaces[eni].Status
		list = slices.Concat(list, status.PrivateIPs, status.IPv6s)
	}
	return list
}

func valid(addresses ...netip.Addr) []netip.Addr {
	return slices.DeleteFunc(addresses, func(a netip.Addr) bool { return !a.IsValid() })
}

func (s *servers) start(key serverKey) (*server, error) {
	log := s.log.With("node", key.name, "service", key.service.String())
	if key.service.Transport() == control.ProtocolUDP {
		var conn *net.UDPConn
		err := s.in(key.node, func() (err error) {
			conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(key.address, uint16(key.service.Port))))
			return err
		})
		if err != nil {
			return nil, err
		}
		return serveUDP(conn, key.name, log), nil
	}
	var listener net.Listener
	err := s.in(key.node, func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf(":%d", key.service.Port)) // both families
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case key.front != services.Front{}:
		return serveHandler(listener, key.front, log), nil
	case key.service.Protocol == "http":
		return serveHTTP(listener, key.name, log), nil
	}
	return serveTCP(listener, key.name, log), nil
}

func explainListen(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // without the address, which says no more than the service
	}
	if strings.Contains(err.Error(), "in use") {
		return fmt.Errorf("%w: another program of the instance has the port", err)
	}
	return err
}

// greeting says who answers, on which address, and who asked: enough to see
// every translation on the way.
func greeting(node string, local, peer net.Addr) string {
	return fmt.Sprintf("%s (%s) answers %s\n", node, addrPort(local).Addr(), addrPort(peer))
}

// addrPort reads a socket's address; IPv4 on a socket of both families comes
// out as IPv4.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func serveHTTP(listener net.Listener, node string, log *slog.Logger) *server {
	return serveHandler(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		peer := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(r.RemoteAddr))
		log.Info("request answered", "peer", addrPort(peer), "method", r.Method, "path", r.URL.Path)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, greeting(node, local, peer)) // the client may be gone
	}), log)
}

func serveHandler(listener net.Listener, handler http.Handler, log *slog.Logger) *server {
	h := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Handler:           handler,
	}
	s := &server{close: h.Close}
	s.done.Go(func() { _ = h.Serve(listener) }) // always ErrServerClosed
	return s
}

// serveTCP greets every client and then echoes what it sends.
func serveTCP(listener net.Listener, node string, log *slog.Logger) *server {
	var mu sync.Mutex
	clients := map[net.Conn]bool{}
	closed := false
	s := &server{close: func() error {
		mu.Lock()
		defer mu.Unlock()
		closed = true
		for conn := range clients {
			_ = conn.Close()
		}
		return listener.Close()
	}}
	s.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if closed {
				_ = conn.Close()
			} else {
				clients[conn] = true
				s.done.Go(func() {
					log.Info("client connected", "peer", addrPort(conn.RemoteAddr()))
					if _, err := io.WriteString(conn, greeting(node, conn.LocalAddr(), conn.RemoteAddr())); err == nil {
						_, _ = io.Copy(conn, conn)
					}
					_ = conn.Close()
					mu.Lock()
					delete(clients, conn)
					mu.Unlock()
				})
			}
			mu.Unlock()
		}
	})
	return s
}

// serveUDP answers every datagram with a greeting and the datagram itself.
func serveUDP(conn *net.UDPConn, node string, log *slog.Logger) *server {
	s := &server{close: conn.Close}
	s.done.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, peer, err := conn.ReadFromUDPAddrPort(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error about an earlier answer
			}
			log.Info("datagram answered", "peer", peer, "bytes", n)
			answer := append([]byte(greeting(node, conn.LocalAddr(), net.UDPAddrFromAddrPort(peer))), buffer[:n]...)
			_, _ = conn.WriteToUDPAddrPort(answer, peer)
		}
	})
	return s
}

// builtIn are the built-in servers of an instance or another machine.
func builtIn(w *control.World, name string) []control.Service {
	if i := w.Instances[name]; i != nil {
		return i.Serve
	}
	machine, _ := outsideMachine(w, name)
	return machine.serve
}

// NodeNames are the names under which programs can run: instances and sites that
// are not down, with their hosts, Internet hosts, and VPN clients of the lab.
func NodeNames(w *control.World) []string {
	names := slices.DeleteFunc(outsideNames(w), func(name string) bool { return absent(w, name) || w.AWSServices[name] != nil })
	for name, i := range w.Instances {
		if !i.Down() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
