//go:build linux

package host

import (
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children starts the lab's processes and, in process 1 of a PID namespace,
// collects the orphans that the kernel hands to it: a daemon started inside a
// node, or what a killed shell left running.
//
// An orphan and a process of one's own look the same to wait(2), and taking the
// exit status of the latter would break its os/exec. Told apart they are by two
// facts. Own processes of the lab are registered. And each of those leads a
// session, so that no descendant of one can be in the daemon's: whatever ends
// there was started by other code with os/exec, which will collect it.
type children struct {
	log *slog.Logger

	mu    sync.Mutex // held from before a fork until the child is registered
	owned map[int]bool

	running sync.WaitGroup // a goroutine for each owned process
	stop    chan struct{}  // nil when there is no reaper
	reaper  sync.WaitGroup
}

func newChildren(log *slog.Logger) *children {
	c := &children{log: log, owned: map[int]bool{}}
	if os.Getpid() == 1 {
		c.stop = make(chan struct{})
		c.reaper.Go(c.reapOrphans)
	}
	return c
}

// start starts cmd, which must lead a session of its own, and calls ended when
// it has ended and was waited for.
func (c *children) start(cmd *exec.Cmd, ended func(error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	c.owned[pid] = true
	c.running.Go(func() {
		err := cmd.Wait()
		c.mu.Lock()
		delete(c.owned, pid)
		c.mu.Unlock()
		ended(err)
	})
	return nil
}

// close waits for all owned processes, which the caller has ended, and stops
// the reaper.
func (c *children) close() {
	c.running.Wait()
	if c.stop != nil {
		close(c.stop)
		c.reaper.Wait()
		c.stop = nil
	}
}

// reapOrphans runs until close. SIGCHLD tells of an ended child, but several
// may share one signal, and an orphan can hide behind a child that its owner
// has not collected yet; then it looks again soon.
func (c *children) reapOrphans() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	defer signal.Stop(signals)
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-c.stop:
			c.reapAll()
			return
		case <-signals:
		case <-again.C:
		}
		if c.reapAll() {
			again.Reset(20 * time.Millisecond)
		}
	}
}

// reapAll collects orphans until it meets a child that is not one, and reports
// whether it did.
func (c *children) reapAll() (blocked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, _ := unix.Getsid(0)
	for {
		pid := endedChild()
		if pid == 0 {
			return false
		}
		if sid, err := unix.Getsid(pid); c.owned[pid] || (err == nil && sid == own) {
			return true
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WNOHANG, nil); err != nil {
			return true
		}
		c.log.Debug("orphan collected", "pid", pid, "status", int(status))
	}
}

// endedChild returns a child that has ended, without collecting it; 0: none.
func endedChild() int {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.Signo == 0 {
			return 0
		}
		break
	}
	// siginfo_t: three ints, padding to a word, then a union, whose variant
	// for SIGCHLD starts with the process id.
	const word = unsafe.Sizeof(uintptr(0))
	const offset = (3*unsafe.Sizeof(int32(0)) + word - 1) / word * word
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset)))
}
