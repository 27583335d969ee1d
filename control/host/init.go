//go:build linux

package host

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// InitCore makes the namespaces that [Spawn] gave the calling process into the
// core of a lab. The daemon calls it first, before it starts any goroutine that
// opens files or sockets. What the machine lacks and the lab can do without, it
// logs; what the lab cannot do without is an error that says what to do.
func InitCore(log *slog.Logger) error {
	// The settings below would be the machine's own.
	if os.Getpid() != 1 || os.Getenv(spawnedVariable) == "" {
		return errors.New("this process is not the first of its own namespaces: only what Spawn started can be a lab's daemon")
	}
	// Descriptors that came with the start are for this process alone: one
	// that leaks into a program of a node would keep a lock or a pipe open.
	if err := unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		closeOnExecByOne()
	}
	if err := ownMounts(log); err != nil {
		return err
	}
	if err := writeSysctls(coreSysctls); err != nil {
		return fmt.Errorf("core namespace: %w", err)
	}
	s, err := openRouteSocket()
	if err != nil {
		return fmt.Errorf("core namespace: %w", err)
	}
	defer s.close()
	if err := s.run(linkUp(1)); err != nil {
		return Explain(fmt.Errorf("core namespace: interface lo: %w", err))
	}
	return nil
}

// closeOnExecByOne is close_range for kernels before 5.11.
func closeOnExecByOne() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// ownMounts makes mounts of the lab invisible to the machine and shows the
// lab's processes, not the machine's, in /proc.
func ownMounts(log *slog.Logger) error {
	// Slave, not private: what the machine's user unmounts goes away here,
	// too, instead of being held busy by a lab.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return Explain(fmt.Errorf("separating the lab's mounts: %w", err))
	}
	err := mountProc()
	if err == nil {
		return nil
	}
	// A container that hides parts of /proc forbids a fresh one, which would
	// show them. The machine's own shows the wrong processes but serves, if
	// its settings of the network can be written.
	if werr := writeSysctls(coreSysctls); werr != nil {
		return Explain(fmt.Errorf("mounting /proc: %w; and without: %w", err, werr))
	}
	log.Warn("this machine does not allow a /proc of the lab's own: ps and top inside it show other processes", "error", err)
	return nil
}

func mountProc() error {
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}
