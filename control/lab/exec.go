package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// A program in a node uses its caller's own terminal, pipes and files: they are
// passed as open descriptors, so nothing is copied and nothing can be lost at
// the end. The connection outlives the request:
//
//	client                                    daemon
//	POST /v1/exec, Connection: Upgrade  ──▶
//	                                    ◀──   101 Switching Protocols
//	the files (host.SendFiles)          ──▶
//	{"signal": 2}                       ──▶   to the process group
//	                                    ◀──   {"exit": 0} or {"failure": …}
//
// A client that goes away takes the program with it.

// execProtocol is the name of what the connection is upgraded to.
const execProtocol = "vpcsim-exec"

// execEvent is a line of either direction once the files have come.
type execEvent struct {
	Signal  int      `json:"signal,omitempty"`
	Exit    *int     `json:"exit,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

func (s *apiServer) exec(w http.ResponseWriter, r *http.Request) {
	var request ExecRequest
	if !receive(w, r, maxRequest, &request) {
		return
	}
	world, _ := s.lab.store.World()
	node := nodeName(world, request.Node)
	switch {
	case node == "":
		fail(w, unknownNode(world, request.Node))
		return
	case len(request.Args) == 0:
		fail(w, &UsageError{"no program given", "write it after --"})
		return
	}
	unix, done, err := s.hijack(w, execProtocol)
	if err != nil {
		fail(w, err)
		return
	}
	defer done()
	var following sync.WaitGroup
	defer following.Wait()
	defer unix.Close()
	spec := host.ProcessSpec{Args: request.Args, Env: request.Env, Dir: request.Dir, Files: s.lab.programs.files(world, request.Node)}
	code, err := s.runProcess(unix, node, spec, request.Terminal, &following)
	event := execEvent{Exit: &code}
	if err != nil {
		failure := failureOf(err)
		event = execEvent{Failure: &failure}
	}
	_ = json.NewEncoder(unix).Encode(event) // the client may be gone
}

// hijack makes a request's connection the caller's until done, for a protocol of its
// own.
func (s *apiServer) hijack(w http.ResponseWriter, protocol string) (conn *net.UnixConn, done func(), err error) {
	// Shutdown waits for us until the connection is ours, and stop from now on.
	s.serving.Add(1)
	hijacked, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.serving.Done()
		return nil, nil, err
	}
	_ = hijacked.SetDeadline(time.Time{}) // the server's time limits were for the request
	conn = hijacked.(*net.UnixConn)       // the listener makes no others
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	return conn, func() { _ = conn.Close(); s.serving.Done() }, nil
}

// runProcess takes the files, runs the program and waits for its end. The
// goroutine that it adds to following ends when the connection is closed.
func (s *apiServer) runProcess(conn *net.UnixConn, node string, spec host.ProcessSpec, terminal bool, following *sync.WaitGroup) (int, error) {
	files, err := host.ReceiveFiles(conn)
	if err != nil {
		return 0, err
	}
	if err := spreadFiles(&spec, files, terminal); err != nil {
		closeFiles(files)
		return 0, err
	}
	process, err := s.lab.host.Command(node, spec)
	closeFiles(files) // the program has its own
	if err != nil {
		return 0, err
	}
	following.Go(func() { followClient(conn, process) })
	select {
	case <-process.Done():
	case <-s.ctx.Done(): // the lab ends
		_ = process.Kill()
	}
	return process.Wait()
}

func spreadFiles(spec *host.ProcessSpec, files []*os.File, terminal bool) error {
	switch {
	case terminal && len(files) == 1:
		spec.TTY = files[0]
	case !terminal && len(files) == 3:
		spec.Stdin, spec.Stdout, spec.Stderr = files[0], files[1], files[2]
	default:
		return fmt.Errorf("%d files came with the request", len(files))
	}
	return nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// followClient passes signals on until the connection ends: either we closed it
// because the program has ended, or the client has gone.
func followClient(conn *net.UnixConn, process *host.Process) {
	decoder := json.NewDecoder(conn)
	for {
		var event execEvent
		if err := decoder.Decode(&event); err != nil {
			if !errors.Is(err, net.ErrClosed) {
				_ = process.Signal(syscall.SIGHUP)
				_ = process.Kill()
			}
			return
		}
		if event.Signal > 0 && event.Signal < 32 {
			_ = process.Signal(syscall.Signal(event.Signal))
		}
	}
}
