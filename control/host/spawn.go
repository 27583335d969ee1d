//go:build linux

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawnedVariable tells the daemon that Spawn started it, and the descriptor of
// its lifeline, 0 when it is detached.
const spawnedVariable = "VPCSIM_SPAWNED"

// labNamespaces are those that every lab has of its own; an ordinary user needs
// a user namespace besides, which is what gives the right to the others.
const labNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// Child is the daemon of a lab, as its starter sees it.
type Child struct {
	// PID is the daemon's process id as the starter sees it.
	PID int
	// UserNamespace says that the lab runs without privileges on the machine.
	UserNamespace bool

	cmd      *exec.Cmd
	lifeline *os.File // its closing tells the daemon to end; nil: detached
	wait     sync.Once
	code     int
	err      error
}

// Spawn starts this binary again as a lab's daemon: process 1 of fresh network,
// mount, PID, IPC and UTS namespaces, and of a user namespace unless the caller
// may make the others without. It leads a session of its own, so that a Ctrl-C
// reaches the caller only. The daemon is to call [InitCore] first.
//
// An error names what the machine forbids and the ways out; see [Explain].
func Spawn(cfg SpawnConfig) (*Child, error) {
	if privileged() {
		child, err := spawn(cfg, labNamespaces)
		if !errors.Is(err, unix.EPERM) {
			return child, Explain(err)
		}
		// A container's filter may forbid just this. It hardly allows user
		// namespaces then, but the attempt costs nothing.
	}
	child, err := spawn(cfg, labNamespaces|unix.CLONE_NEWUSER)
	return child, Explain(err)
}

// privileged reports whether the caller may make namespaces without a user
// namespace: root that has CAP_SYS_ADMIN, which root of a container has not.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if os.Geteuid() != 0 || unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

func spawn(cfg SpawnConfig, namespaces uintptr) (*Child, error) {
	child := &Child{UserNamespace: namespaces&unix.CLONE_NEWUSER != 0}
	extra := slices.Clone(cfg.ExtraFiles)
	lifelineFD := 0
	if !cfg.Detached {
		read, write, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("lifeline: %w", err)
		}
		defer read.Close()
		child.lifeline = write
		lifelineFD = 3 + len(extra)
		extra = append(extra, read)
	}
	cmd := reexec(namespaces, cfg.Args...)
	cmd.Env = daemonEnv(cfg.Env, lifelineFD)
	cmd.Dir = cfg.Dir
	cmd.ExtraFiles = extra
	if cfg.Stdin != nil {
		cmd.Stdin = cfg.Stdin
	}
	if cfg.Stdout != nil {
		cmd.Stdout = cfg.Stdout
	}
	if cfg.Stderr != nil {
		cmd.Stderr = cfg.Stderr
	}
	if err := cmd.Start(); err != nil {
		child.Release()
		return nil, fmt.Errorf("starting the lab's process: %w", err)
	}
	child.cmd, child.PID = cmd, cmd.Process.Pid
	return child, nil
}

// reexec is this binary in the given namespaces, not started yet.
func reexec(namespaces uintptr, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	if namespaces&unix.CLONE_NEWUSER != 0 {
		// Root inside is the caller outside, and there is nobody else. The
		// kernel lets an ordinary user map no more than that.
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.GidMappingsEnableSetgroups = false
	}
	return cmd
}

// daemonEnv adds what the daemon must know. To itself an ordinary user's daemon
// is root: it would look for the state directory where root's is.
func daemonEnv(env []string, lifelineFD int) []string {
	if env == nil {
		env = os.Environ()
	}
	env = append(slices.Clone(env), spawnedVariable+"="+strconv.Itoa(lifelineFD))
	own := func(e string) bool { return strings.HasPrefix(e, StateDirVariable+"=") }
	if dir, err := statePath(); err == nil && !slices.ContainsFunc(env, own) {
		env = append(env, StateDirVariable+"="+dir)
	}
	return env
}

// Wait waits for the daemon to end and returns its exit code, or 128 plus the
// signal that ended it.
func (c *Child) Wait() (int, error) {
	c.wait.Do(func() {
		c.code, c.err = exitCode(c.cmd.Wait())
	})
	return c.code, c.err
}

// Signal sends sig to the daemon. As process 1 of its namespace it does not
// feel a signal that it has no handler for, SIGKILL excepted.
func (c *Child) Signal(sig os.Signal) error { return c.cmd.Process.Signal(sig) }

// Kill ends the daemon at once, and with it, by the kernel's hand, the lab.
func (c *Child) Kill() error { return c.cmd.Process.Kill() }

// Release closes the caller's end of the lifeline: a daemon that is not detached
// takes it as the order to end.
func (c *Child) Release() {
	if c.lifeline != nil {
		c.lifeline.Close()
	}
}

// Lifeline returns, in a daemon that is not detached, a file that reads as
// ended when the process that called [Spawn] has gone, and otherwise nil. It is
// to be asked once.
func Lifeline() *os.File {
	fd, err := strconv.Atoi(os.Getenv(spawnedVariable))
	if err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "lifeline")
}
