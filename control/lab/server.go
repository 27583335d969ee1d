package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/scenarios"
)

// apiServer answers the API; see api.go.
type apiServer struct {
	lab  *lab
	http *http.Server
	// ctx ends what requests started and Shutdown does not wait for: checks
	// and programs.
	ctx     context.Context
	cancel  context.CancelFunc
	serving sync.WaitGroup
	// requests are counted for the metrics.
	requests requestCounts

	captures captures
	aws      *awsServers
}

func newServer(l *lab) *apiServer {
	s := &apiServer{lab: l}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/world", s.world)
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/drops", s.drops)
	mux.HandleFunc("GET /v1/links", s.links)
	mux.HandleFunc("GET /v1/flowlogs", s.flowLogs)
	mux.HandleFunc("GET /v1/alarms", s.alarms)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /v1/top", s.top)
	mux.HandleFunc("GET /v1/clientvpn", s.clientConnections)
	mux.HandleFunc("GET /v1/clientvpn/log", s.connectionLog)
	mux.HandleFunc("POST /v1/clientvpn/config", s.clientConfig)
	mux.HandleFunc("GET /v1/sockets", s.sockets)
	mux.HandleFunc("POST /v1/sockets", s.takeSockets)
	mux.HandleFunc("POST /v1/clientvpn/terminate", s.terminate)
	mux.HandleFunc("POST /v1/clientvpn/reconnect", s.reconnect)
	mux.HandleFunc("POST /v1/plan", s.plan)
	mux.HandleFunc("POST /v1/apply", s.apply)
	mux.HandleFunc("POST /v1/operate", s.operate)
	mux.HandleFunc("POST /v1/trace", s.trace)
	mux.HandleFunc("POST /v1/trace/live", s.traceLive)
	mux.HandleFunc("POST /v1/check", s.check)
	mux.HandleFunc("POST /v1/capture", s.capture)
	mux.HandleFunc("POST /v1/capture/{id}/stop", s.stopCapture)
	mux.HandleFunc("POST /v1/probe", s.probe)
	mux.HandleFunc("POST /v1/fetch", s.fetch)
	mux.HandleFunc("POST /v1/exec", s.exec)
	mux.HandleFunc("POST /v1/serve", s.serve)
	mux.HandleFunc("GET /v1/serve", s.served)
	mux.HandleFunc("POST /v1/serve/stop", s.serveStop)
	mux.HandleFunc("POST /v1/down", s.down)
	s.aws = newAWSServers(l, mux)
	s.http = &http.Server{
		Handler:           s.requests.counting(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // of a request; answers may take longer
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	return s
}

func (s *apiServer) start(listener *net.UnixListener) {
	s.serving.Go(func() {
		if err := s.http.Serve(ownersOnly{listener}); !errors.Is(err, http.ErrServerClosed) {
			s.lab.log.Error("the lab's socket failed", "error", err)
			s.lab.end()
		}
	})
}

// stop lets answers be finished that are under way, and ends everything else.
func (s *apiServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s.cancel()
	s.aws.close()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.serving.Wait()
}

// ownersOnly accepts connections of the daemon's own user and closes others.
type ownersOnly struct{ *net.UnixListener }

func (l ownersOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if own, err := host.PeerIsOwner(conn); own && err == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (s *apiServer) world(w http.ResponseWriter, _ *http.Request) {
	world, _ := s.lab.store.World()
	s.lab.flowLogs.report(world)
	s.lab.cloudWatch.fill(world)
	reply(w, world)
}

func (s *apiServer) status(w http.ResponseWriter, _ *http.Request) { reply(w, s.lab.status()) }

func (l *lab) status() Status {
	w, revision := l.store.World()
	l.mu.Lock()
	file := l.file.Name
	l.mu.Unlock()
	counters := l.engine.Counters()
	status := Status{
		Name: l.name, World: w.Name, Description: w.Description, File: file, Revision: revision, Started: l.started,
		Instances: len(w.Instances), InternetHosts: len(w.InternetHosts), VPNClients: len(w.VPNClients), Checks: len(w.Checks),
		Packets: Packets{
			Received: counters.Received, Forwarded: counters.Forwarded, Answered: counters.Answered,
			Drops: map[string]uint64{}, Tracked: l.engine.Flows(),
		},
	}
	if l.port != nil {
		status.Port = l.port.Stats()
	}
	if offload, on := l.engine.OffloadStatistics(); on {
		status.Offload = &offload
	}
	status.Tunnels = l.vpn.traffic()
	for reason, n := range counters.Reasons {
		if reason := dataplane.Reason(reason); n > 0 && drops(reason) {
			status.Packets.Drops[reason.String()] = n
			status.Packets.Dropped += n
		}
	}
	return status
}

// drops reports whether a reason ends a packet's way without an answer.
func drops(r dataplane.Reason) bool {
	return r == dataplane.ReasonBug || r >= dataplane.ReasonMalformed // the order of dataplane's enumeration
}

func (s *apiServer) drops(w http.ResponseWriter, r *http.Request) {
	after, _, ok := poll(w, r)
	if !ok {
		return
	}
	snapshot := s.lab.engine.Snapshot()
	list := []Drop{}
	for _, d := range s.lab.engine.Drops(after) {
		step := snapshot.Explain(d)
		list = append(list, Drop{
			Sequence: d.Sequence, Time: s.lab.started.Add(time.Duration(d.Time)),
			From: snapshot.Object(d.From).String(), Step: traceStep(&step),
		})
	}
	reply(w, list)
}

func (s *apiServer) plan(w http.ResponseWriter, r *http.Request) {
	var file File
	if receive(w, r, maxFile, &file) {
		answer(w)(s.lab.plan(file))
	}
}

func (s *apiServer) apply(w http.ResponseWriter, r *http.Request) {
	var file File
	if receive(w, r, maxFile, &file) {
		// Not the request's context: once begun, an apply is finished even if
		// its client goes away.
		answer(w)(s.lab.apply(s.ctx, file))
	}
}

func (s *apiServer) operate(w http.ResponseWriter, r *http.Request) {
	var op control.Operation
	if receive(w, r, maxRequest, &op) {
		answer(w)(s.lab.operate(s.ctx, op)) // finished once begun, like an apply
	}
}

func (s *apiServer) trace(w http.ResponseWriter, r *http.Request) {
	var query TraceQuery
	if receive(w, r, maxRequest, &query) {
		world, _ := s.lab.store.World()
		answer(w)(RunTrace(s.lab.engine, world, query))
	}
}

// check writes each result when it is known; a client that reads along can show
// how far it is.
func (s *apiServer) check(w http.ResponseWriter, r *http.Request) {
	s.lab.checking.Lock()
	defer s.lab.checking.Unlock()
	world, _ := s.lab.store.World()
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder := json.NewEncoder(w)
	scenarios.Run(r.Context(), world, &prober{s.lab}, func(result scenarios.Result) {
		_ = encoder.Encode(checkResult(result)) // a client that has gone ends r's context
		_ = http.NewResponseController(w).Flush()
	})
}

func checkResult(r scenarios.Result) CheckResult {
	return CheckResult{Check: r.Check, OK: r.OK, Got: r.Got, Seconds: r.Took.Seconds()}
}

func (s *apiServer) down(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusAccepted)
	s.lab.end()
}

// unknownNode is the error about a name that no program can run under.
func unknownNode(w *control.World, name string) error {
	if i := w.Instances[name]; i != nil && i.Status.Fault != "" {
		return &UsageError{fmt.Sprintf("instance %s is down: fault %s", name, i.Status.Fault), "repair it: vpcsim fault clear " + i.Status.Fault}
	} else if i != nil && i.Stopped {
		return &UsageError{fmt.Sprintf("instance %s is stopped", name), "remove stopped: true from the file and apply it"}
	}
	if _, ok := outsideMachine(w, name); ok && w.VPNClients[name] != nil {
		return &UsageError{fmt.Sprintf("the machine of VPN client %s is not in the lab (inLab: false)", name),
			"run programs there, or remove inLab from the file and apply it"}
	} else if ok {
		return &UsageError{fmt.Sprintf("%s is down by a fault", name), "see vpcsim fault, and repair it with vpcsim fault clear"}
	}
	names := NodeNames(w)
	hint := "the lab has " + strings.Join(names, ", ")
	if near := Closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &UsageError{fmt.Sprintf("no instance, Internet host, VPN client or site named %q", name), hint}
}

// receive reads a request's body, or answers that it cannot be read.
func receive(w http.ResponseWriter, r *http.Request, limit int64, into any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit)).Decode(into)
	if err != nil {
		fail(w, &UsageError{fmt.Sprintf("the request cannot be read: %v", err), ""})
	}
	return err == nil
}

// answer returns a function that passes on what a call returned.
func answer(w http.ResponseWriter) func(any, error) {
	return func(value any, err error) {
		if err != nil {
			fail(w, err)
			return
		}
		reply(w, value)
	}
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

func fail(w http.ResponseWriter, err error) {
	failure := failureOf(err)
	code := http.StatusInternalServerError
	switch {
	case len(failure.Problems) > 0:
		code = http.StatusUnprocessableEntity
	case failure.Usage:
		code = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(failure)
}

// failureOf words an error for the API.
func failureOf(err error) Failure {
	var problems control.Problems
	var usage *UsageError
	switch {
	case errors.As(err, &problems):
		return Failure{Message: err.Error(), Problems: ProblemList(problems)}
	case errors.As(err, &usage):
		return Failure{Message: usage.What, Hint: usage.Hint, Usage: true}
	}
	var forbidden *host.ForbiddenError
	return Failure{Message: err.Error(), Environment: errors.As(err, &forbidden)}
}
