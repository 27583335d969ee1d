//go:build linux

package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that runs inside a node.
type Process struct {
	pid  int // also its session and process group
	done chan struct{}

	mu    sync.Mutex
	ended bool
	code  int
	err   error
}

// Command starts a program of the machine inside a node: in the node's network
// namespace, with the node's host name and the files of spec, leading a session
// of its own. What the program can be started with is known only inside: a
// missing program is exit code 127 and a line on Stderr, one that cannot be
// executed 126, a node that could not be entered 125.
//
// The process dies with the node. Wait need not be called.
func (h *Host) Command(name string, spec ProcessSpec) (*Process, error) {
	if len(spec.Args) == 0 || spec.Args[0] == "" {
		return nil, fmt.Errorf("node %s: no program given", name)
	}
	// Held until the process is registered: a node's removal waits, and then
	// finds it.
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("node %s: %w", name, ErrClosed)
	}
	n := h.nodes[name]
	if n == nil {
		return nil, fmt.Errorf("node %s: there is none of that name", name)
	}
	p, err := h.start(n, spec)
	if err != nil {
		return nil, fmt.Errorf("node %s: %s: %w", name, spec.Args[0], err)
	}
	n.used, n.running[p] = true, true
	return p, nil
}

// start runs this very binary again: it enters the node and then becomes the
// program (see EnterMain). Go cannot do that between fork and exec.
func (h *Host) start(n *node, spec ProcessSpec) (*Process, error) {
	order, err := spec.order(n.spec.hostname())
	if err != nil {
		return nil, err
	}
	defer order.Close()
	cmd := exec.Command("/proc/self/exe", EnterArgument, enterProcess)
	cmd.Args[0] = "vpcsim"
	cmd.Env = []string{} // the program's comes with the order
	cmd.ExtraFiles = []*os.File{n.ns, order}
	// A session of its own: no controlling terminal of the daemon's, one group
	// to signal, and the mark by which the reaper knows the lab's processes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	set := func(file *os.File) *os.File {
		if spec.TTY != nil {
			return spec.TTY
		}
		return file
	}
	// A nil *os.File in the interface would not be nil: it must not be set.
	if f := set(spec.Stdin); f != nil {
		cmd.Stdin = f
	}
	if f := set(spec.Stdout); f != nil {
		cmd.Stdout = f
	}
	if f := set(spec.Stderr); f != nil {
		cmd.Stderr = f
	}
	cmd.SysProcAttr.Setctty = spec.TTY != nil // Ctty is the child's descriptor 0
	p := &Process{done: make(chan struct{})}
	err = h.children.start(cmd, func(err error) {
		p.finish(err)
		h.mu.Lock()
		delete(n.running, p)
		h.mu.Unlock()
	})
	if err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// order writes down, in a file without a name, what EnterMain is to do.
func (s ProcessSpec) order(hostname string) (*os.File, error) {
	env := s.Env
	if env == nil {
		env = os.Environ()
	}
	data, err := json.Marshal(enterOrder{Hostname: hostname, Args: s.Args, Env: env, Dir: s.Dir, Files: s.Files})
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("vpcsim-enter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "order")
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("memfd: %w", err)
	}
	return f, nil
}

func (p *Process) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.code, p.err = exitCode(err)
	close(p.done)
}

// exitCode reads what cmd.Wait returned as a shell would: a program that was
// killed by signal n has ended with 128+n.
func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// PID is the process id in the lab's PID namespace.
func (p *Process) PID() int { return p.pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns the program's exit code, or 128 plus the signal that ended it,
// once it has ended. What the program left running in the background goes on.
func (p *Process) Wait() (int, error) {
	<-p.done
	return p.code, p.err
}

// Signal sends sig to the program's whole process group. To one that has ended
// it does nothing.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	err := unix.Kill(-p.pid, sig)
	if err == unix.ESRCH { // it ended, but was not waited for yet
		return nil
	}
	return err
}

// Kill ends the program and its process group.
func (p *Process) Kill() error { return p.Signal(unix.SIGKILL) }

// killProcesses ends what was started in the given nodes, and everything that
// runs inside them, also what has left its process group: a namespace lives as
// long as a process is in it.
func (h *Host) killProcesses(nodes []*node) {
	inside := map[string]bool{}
	for _, n := range nodes {
		h.mu.RLock()
		for p := range n.running {
			// It may have gone on to a namespace of its own.
			if err := p.Kill(); err != nil {
				h.log.Warn("a process of a removed node cannot be ended", "pid", p.pid, "error", err)
			}
		}
		h.mu.RUnlock()
		if n.used {
			var st unix.Stat_t
			if unix.Fstat(int(n.ns.Fd()), &st) == nil {
				inside[fmt.Sprintf("net:[%d]", st.Ino)] = true
			}
		}
	}
	if len(inside) == 0 {
		return
	}
	// What forks while it is being killed is found in the next round. One
	// that never dies sits in the kernel; it is not waited for.
	for range 100 {
		found := 0
		for pid, host := range processes() {
			ns, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(host), "ns/net"))
			if err == nil && inside[ns] && unix.Kill(pid, unix.SIGKILL) == nil {
				found++
			}
		}
		if found == 0 {
			return // a process that has ended shows no namespace
		}
		time.Sleep(2 * time.Millisecond)
	}
	h.log.Warn("a process of a removed node does not die")
}

// processes maps the process ids of this PID namespace, the caller's excepted, to
// those that /proc shows, which differ where a fresh /proc could not be mounted.
func processes() map[int]int {
	out := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	fresh := ownProc() == nil
	own, _ := os.Readlink("/proc/self/ns/pid")
	for _, e := range entries {
		shown, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		pid := shown
		if !fresh {
			// All of the machine's processes are there; those that may not
			// be looked into are not the lab's.
			if ns, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns/pid")); err != nil || ns != own {
				continue
			}
			pid = innermostPID(shown)
		}
		if pid > 1 {
			out[pid] = shown
		}
	}
	return out
}

// ownProc reports as an error that /proc is not that of this PID namespace.
func ownProc() error {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return errors.New("the kernel refuses a fresh /proc where parts of the present one are hidden")
	}
	return nil
}

// innermostPID is the id of process shown in the namespace it lives in.
func innermostPID(shown int) int {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(shown), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			all := strings.Fields(ids)
			pid, _ := strconv.Atoi(all[len(all)-1])
			return pid
		}
	}
	return 0
}
