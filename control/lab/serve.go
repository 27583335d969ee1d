package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/vpcsim/vpcsim/control/awsapi"
	"github.com/vpcsim/vpcsim/control/host"
)

// AWS's clients run on the machine, and the daemon in a network of its own. So the
// client opens the listening socket where the user is, and lends it to the daemon:
//
//	client                                    daemon
//	POST /v1/serve, Connection: Upgrade  ──▶
//	                                     ◀──  101 Switching Protocols
//	the listener (host.SendFiles)        ──▶
//	                                     ◀──  {"address": "127.0.0.1:4566"} or {"failure": …}
//
// One that is kept answers until the lab ends or somebody stops it; any other until
// the client closes the connection.

// serveProtocol is the name of what the connection is upgraded to.
const serveProtocol = "vpcsim-serve"

// ServeRequest asks the lab to answer AWS's clients on a listener.
type ServeRequest struct {
	Keep bool `json:"keep,omitempty"` // beyond the end of the connection
}

// serveEvent is the daemon's answer.
type serveEvent struct {
	Address string   `json:"address,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Bounds on a client of the listener. Whoever reads slowly must not hold a place for
// ever.
const (
	maxClients   = 64
	clientLimit  = 30 * time.Second
	clientIdle   = time.Minute
	clientHeader = 16 << 10
)

// awsServers are the listeners on which the lab answers AWS's clients.
type awsServers struct {
	handler http.Handler
	log     *slog.Logger

	mu     sync.Mutex
	kept   []*awsServer
	closed bool
}

type awsServer struct {
	address string
	http    *http.Server
	done    sync.WaitGroup
}

// newAWSServers answers with the lab's CloudWatch, and of the API with GET /metrics
// alone.
func newAWSServers(l *lab, api http.Handler) *awsServers {
	handler := awsapi.New(awsapi.Config{
		CloudWatch: l.cloudWatch.service, Place: l.place, FlowLogs: l.describedFlowLogs,
		ClientVPNConnections: l.describedConnections, Transition: l.cloudWatch.transition, Metrics: api, Log: l.log,
	})
	return &awsServers{handler: handler, log: l.log}
}

// start answers on a listener, which is the server's from now on. The listener is of the
// user's network, the daemon's own is another; a socket stays where it was made.
func (s *awsServers) start(listener net.Listener) *awsServer {
	server := &awsServer{address: listener.Addr().String(), http: &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       clientLimit,
		WriteTimeout:      clientLimit,
		IdleTimeout:       clientIdle,
		MaxHeaderBytes:    clientHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
	server.done.Go(func() {
		if err := server.http.Serve(netutil.LimitListener(listener, maxClients)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Warn("AWS's clients are no longer answered", "address", server.address, "error", err)
		}
	})
	s.log.Info("AWS's clients are answered", "address", server.address)
	return server
}

// stop lets answers be finished that are under way, for a second: none takes longer, but
// a client may keep its connection open for the next request.
func (s *awsServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.done.Wait()
}

// keep makes a server one that answers until the lab ends. False: it has ended.
func (s *awsServers) keep(server *awsServer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.kept = append(s.kept, server)
	return true
}

// addresses are those of the servers that are kept.
func (s *awsServers) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]string, len(s.kept))
	for i, server := range s.kept {
		list[i] = server.address
	}
	slices.Sort(list)
	return list
}

// stopKept stops the servers that are kept, and returns their addresses. It waits for
// them without the lock, so that nobody who asks for the addresses waits, too.
func (s *awsServers) stopKept() []string {
	list := s.addresses()
	s.mu.Lock()
	kept := s.kept
	s.kept = nil
	s.mu.Unlock()
	for _, server := range kept {
		server.stop()
	}
	return list
}

func (s *awsServers) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stopKept()
}

// served lists where the lab answers until it ends: whoever asks for an address that
// the lab has already needs no second one.
func (s *apiServer) served(w http.ResponseWriter, _ *http.Request) { reply(w, s.aws.addresses()) }

func (s *apiServer) serveStop(w http.ResponseWriter, _ *http.Request) { reply(w, s.aws.stopKept()) }

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	var request ServeRequest
	if !receive(w, r, maxRequest, &request) {
		return
	}
	s.serving.Add(1) // Shutdown waits for us until the connection is ours
	defer s.serving.Done()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Time{}) // the server's time limits were for the request
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return // the lab's listener makes no others
	}
	fmt.Fprintf(unix, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", serveProtocol)
	server, err := s.aws.take(unix)
	if err != nil {
		failure := failureOf(err)
		_ = json.NewEncoder(unix).Encode(serveEvent{Failure: &failure}) // the client may be gone
		return
	}
	if request.Keep && s.aws.keep(server) {
		_ = json.NewEncoder(unix).Encode(serveEvent{Address: server.address}) // it is kept without the client
		return
	}
	defer server.stop()
	if json.NewEncoder(unix).Encode(serveEvent{Address: server.address}) != nil {
		return
	}
	defer context.AfterFunc(s.ctx, func() { _ = unix.Close() })()
	_, _ = io.Copy(io.Discard, unix) // until either side ends
}

// take receives the listener and starts to answer on it.
func (s *awsServers) take(conn *net.UnixConn) (*awsServer, error) {
	files, err := host.ReceiveFiles(conn)
	if err != nil {
		return nil, err
	}
	defer closeFiles(files)
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files came with the request", len(files))
	}
	listener, err := net.FileListener(files[0])
	if err != nil {
		return nil, err
	}
	if _, ok := listener.(*net.TCPListener); !ok {
		_ = listener.Close()
		return nil, &UsageError{"what came with the request is no TCP socket", ""}
	}
	return s.start(listener), nil
}
