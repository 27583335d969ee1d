//go:build linux

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// drainTime is how long what a program wrote last may take to appear after its
// end, if something else keeps the terminal open.
const drainTime = 200 * time.Millisecond

// RunTerminal lends the caller's terminal (in and out, usually the standard
// input and output) to a program elsewhere: it makes a PTY of the same size and
// calls run with its slave, for instance to pass it to the daemon and to wait
// for the program's end. Meanwhile keys go to the PTY as they are typed, and
// the PTY follows the terminal's size. Whatever happens, the terminal is set
// back, also when the caller is told to end by SIGTERM or SIGHUP: then the
// program sees its terminal hang up, and run must return.
func RunTerminal(in, out *os.File, run func(slave *os.File) error) error {
	master, slave, err := pty.Open()
	if err != nil {
		return fmt.Errorf("terminal: no PTY: %w", err)
	}
	defer slave.Close()
	if master, err = nonblocking(master); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer master.Close()
	t := &terminal{in: in, out: out, master: master}
	if err := t.begin(); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer t.end()
	err = run(slave)
	slave.Close()
	t.drain()
	return err
}

// nonblocking returns f in a form whose Close ends a Read that waits; f itself is
// closed. The pty package hands out its files in blocking mode.
func nonblocking(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// terminal is a PTY that is connected to the caller's terminal.
type terminal struct {
	in, out, master *os.File

	before  *term.State
	restore sync.Once
	signals chan os.Signal
	wake    *os.File      // closing it ends the copying of keys
	shown   chan struct{} // closed when the PTY's output has ended
	copying sync.WaitGroup
}

func (t *terminal) begin() error {
	wakened, wake, err := os.Pipe()
	if err != nil {
		return err
	}
	if t.before, err = term.MakeRaw(int(t.in.Fd())); err != nil {
		wakened.Close()
		wake.Close()
		return fmt.Errorf("raw mode: %w", err)
	}
	t.wake, t.shown = wake, make(chan struct{})
	t.followSize()
	t.signals = make(chan os.Signal, 8)
	signal.Notify(t.signals, unix.SIGWINCH, unix.SIGTERM, unix.SIGHUP)
	t.copying.Go(t.followSignals)
	t.copying.Go(func() {
		defer wakened.Close()
		t.copyKeys(wakened)
	})
	t.copying.Go(func() {
		defer close(t.shown)
		_, _ = io.Copy(t.out, t.master) // ends with EIO when the last slave is closed
	})
	return nil
}

// drain waits for the PTY's last output. A background program may hold the
// slave for ever, so that it does not wait for its end alone.
func (t *terminal) drain() {
	select {
	case <-t.shown:
	case <-time.After(drainTime):
	}
}

// end sets the terminal back and waits for all goroutines.
func (t *terminal) end() {
	signal.Stop(t.signals)
	close(t.signals)
	t.wake.Close()
	t.master.Close()
	t.copying.Wait()
	t.setBack()
}

func (t *terminal) setBack() {
	t.restore.Do(func() { _ = term.Restore(int(t.in.Fd()), t.before) })
}

func (t *terminal) followSignals() {
	for s := range t.signals {
		if s == unix.SIGWINCH {
			t.followSize()
			continue
		}
		// Closing the PTY hangs up on the program.
		// A second one takes its usual course, should run not return.
		signal.Reset(unix.SIGTERM, unix.SIGHUP)
		t.setBack()
		t.master.Close()
	}
}

// followSize gives the PTY the terminal's size; a terminal without one has none
// to follow.
func (t *terminal) followSize() {
	size, err := unix.IoctlGetWinsize(int(t.in.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	if raw, err := t.master.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	}
}

// AwaitInput waits until in has input, and reports false when the other end of
// wakened is closed first. A plain read could not be interrupted, and would steal the
// first key typed after the end.
func AwaitInput(in, wakened *os.File) bool {
	fds := []unix.PollFd{
		{Fd: int32(in.Fd()), Events: unix.POLLIN},
		{Fd: int32(wakened.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return false
		case err == nil && fds[1].Revents != 0:
			return false
		case err == nil && fds[0].Revents != 0:
			return true
		}
	}
}

// copyKeys copies the terminal's input until wakened is closed.
func (t *terminal) copyKeys(wakened *os.File) {
	buf := make([]byte, 4096)
	for AwaitInput(t.in, wakened) {
		n, err := t.in.Read(buf)
		if n > 0 {
			if _, err := t.master.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
