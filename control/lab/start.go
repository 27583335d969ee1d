package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
)

// StartConfig says which lab [Start] brings up, and how.
type StartConfig struct {
	// Name of the lab among those that run; the scenario's when empty.
	Name string
	File File
	// Detached: the lab outlives the caller and logs to a file of its own.
	Detached bool
	Log      LogConfig
	// Borrower is the command that the lab is up for and ends with, such as "vpcsim
	// check". Who gives no name does not mean such a lab, and it keeps no logs.
	Borrower string
	// Offload lets the kernel forward established connections, which only the machine's
	// root can have; see docs/architecture.md.
	Offload bool
	// Stderr takes the log of a lab that is not detached; nil discards it. A
	// detached one has a file of its own.
	Stderr *os.File
	// Phase, if not nil, is told what is being done.
	Phase func(text string)
}

// Running is a lab that was brought up by this process.
type Running struct {
	Name string
	// UserNamespace: it runs without privileges on the machine.
	UserNamespace bool
	child         *host.Child
}

// Start brings a lab up and returns when it is ready, or with everything that
// was wrong. When ctx ends before, so does the lab.
func Start(ctx context.Context, cfg StartConfig) (*Running, error) {
	// Read here first: what is wrong with the file is known at once, and on
	// any machine.
	w, err := control.Open(cfg.File.Name, []byte(cfg.File.Source))
	if err != nil {
		return nil, err
	}
	if cfg.Name == "" {
		cfg.Name = w.Name
	}
	if isUp(ctx, cfg.Name) {
		return nil, &AlreadyRunningError{cfg.Name}
	}
	sockets, err := openSockets(w, nil)
	if err != nil {
		return nil, err
	}
	child, reports, err := spawn(cfg, sockets)
	closeSockets(sockets) // the daemon has its own
	if err != nil {
		return nil, err
	}
	defer reports.Close()
	running := &Running{Name: cfg.Name, UserNamespace: child.UserNamespace, child: child}
	if err := running.await(ctx, cfg, reports); err != nil {
		if cfg.Detached {
			_ = child.Kill() // it has no lifeline
		}
		running.Stop()
		return nil, err
	}
	return running, nil
}

// dyingTime is how long a daemon that was killed may take to go: its threads end one by
// one, and the last of them takes the lab's lock along.
const dyingTime = 2 * time.Second

// isUp reports whether a lab of that name is up. One that does not answer may be dying,
// so that its user need not ask again.
func isUp(ctx context.Context, name string) bool {
	for end := time.Now().Add(dyingTime); ; {
		l, err := host.OpenLab(name)
		if err != nil {
			return false
		}
		asked, cancel := context.WithTimeout(ctx, dyingTime)
		_, err = newClient(l).Status(asked)
		cancel()
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// AlreadyRunningError says that a lab of that name is up.
type AlreadyRunningError struct{ Name string }

func (e *AlreadyRunningError) Error() string {
	return fmt.Sprintf("lab %s is already running", e.Name)
}

// spawn starts the daemon and hands it its order.
func spawn(cfg StartConfig, sockets []openSocket) (*host.Child, *os.File, error) {
	orderRead, orderWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer orderRead.Close()
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		_ = orderWrite.Close()
		return nil, nil, err
	}
	defer reportWrite.Close()
	stderr := cfg.Stderr
	if cfg.Detached {
		stderr = nil // whoever reads the caller's output must see it end
	}
	addresses, files := spreadSockets(sockets)
	child, err := host.Spawn(host.SpawnConfig{
		Args: []string{DaemonArgument}, Dir: "/", Stderr: stderr, Detached: cfg.Detached,
		ExtraFiles: append([]*os.File{orderRead, reportWrite}, files...), // orderFD, reportFD, socketFD
	})
	if err != nil {
		_, _ = orderWrite.Close(), reportRead.Close()
		return nil, nil, err
	}
	// A file may be larger than the pipe. If the daemon dies, its end closes
	// and the write fails; what it died of is in the report.
	_ = json.NewEncoder(orderWrite).Encode(order{Name: cfg.Name, File: cfg.File, Detached: cfg.Detached, Borrower: cfg.Borrower, Log: cfg.Log, Offload: cfg.Offload, Listen: addresses})
	_ = orderWrite.Close()
	return child, reportRead, nil
}

// await follows the daemon's reports until it is ready.
func (r *Running) await(ctx context.Context, cfg StartConfig, reports *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = reports.Close() })
	defer stop()
	decoder := json.NewDecoder(reports)
	for {
		var m message
		switch err := decoder.Decode(&m); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			code, _ := r.child.Wait()
			return fmt.Errorf("the lab's process ended (code %d) without saying why; this is a bug in vpcsim: please report it", code)
		case err != nil:
			return fmt.Errorf("the lab's process: %w", err)
		case m.Failure != nil && m.Running:
			return &AlreadyRunningError{cfg.Name} // it came up between our look and its lock
		case m.Failure != nil:
			return m.Failure.err()
		case m.Ready:
			return nil
		case cfg.Phase != nil:
			cfg.Phase(m.Phase)
		}
	}
}

// Wait waits until the lab has ended. An error means that it did not end
// because somebody wanted it to.
func (r *Running) Wait() error {
	code, err := r.child.Wait()
	switch {
	case err != nil:
		return err
	case code > 128:
		return fmt.Errorf("lab %s: its process was killed (signal %d)", r.Name, code-128)
	case code != 0:
		return fmt.Errorf("lab %s: its process failed", r.Name)
	}
	return nil
}

// Stop takes a lab down that is not detached, and waits for its end. It may be
// called again.
func (r *Running) Stop() {
	r.child.Release()
	_, _ = r.child.Wait() // how it ended no longer matters
}

// message is one line of a daemon's report to whoever started it.
type message struct {
	Phase   string   `json:"phase,omitempty"`
	Ready   bool     `json:"ready,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
	Running bool     `json:"running,omitempty"` // the failure: the name is taken
}

// reporter is the daemon's end. Its reader may be gone at any time.
type reporter struct {
	mu  sync.Mutex
	out *os.File // nil after the last word
}

func (r *reporter) phase(text string) { r.write(message{Phase: text}, false) }

// ready ends the report: the lab is up.
func (r *reporter) ready() { r.write(message{Ready: true}, true) }

// failed ends the report, and says whether there still was one to end.
func (r *reporter) failed(err error) bool {
	failure := failureOf(err)
	return r.write(message{Failure: &failure, Running: errors.Is(err, host.ErrRunning)}, true)
}

func (r *reporter) write(m message, last bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out == nil {
		return false
	}
	err := json.NewEncoder(r.out).Encode(m)
	if last {
		_ = r.out.Close()
		r.out = nil
	}
	return err == nil
}
