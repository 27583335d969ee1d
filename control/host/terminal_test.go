//go:build linux

package host

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

func TestCommandOnATerminal(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1))
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		if err := pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 77}); err != nil {
			t.Fatal(err)
		}
		p, err := h.Command("n10.0.0.1", ProcessSpec{TTY: slave, Args: []string{"sh", "-c", "stty size </dev/tty; exec cat"}})
		slave.Close()
		if err != nil {
			t.Fatal(err)
		}
		expect(t, master, "33 77\r\n")
		if _, err := master.WriteString("hello\n"); err != nil {
			t.Fatal(err)
		}
		expect(t, master, "hello\r\nhello\r\n") // the echo, and cat
		if _, err := master.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		if code, err := p.Wait(); code != 128+2 || err != nil {
			t.Errorf("after Ctrl-C: %d, %v", code, err)
		}
	})
}

func expect(t *testing.T, f *os.File, want string) {
	t.Helper()
	_ = f.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(f, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// The caller's terminal is a PTY here, and the program runs without a node.
func TestRunTerminalConnectsAndSetsBack(t *testing.T) {
	outer, own, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	defer own.Close()
	if err := pty.Setsize(outer, &pty.Winsize{Rows: 20, Cols: 50}); err != nil {
		t.Fatal(err)
	}
	before := sttyOf(t, own)
	err = RunTerminal(own, own, func(slave *os.File) error {
		cmd := exec.Command("sh", "-c", "stty size; read x; echo got $x; stty size")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		expect(t, outer, "20 50\r\n")
		if err := pty.Setsize(outer, &pty.Winsize{Rows: 30, Cols: 60}); err != nil {
			return err
		}
		// The kernel signals only the sessions of the terminal; this one is
		// not the test's own.
		if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
			return err
		}
		eventually(t, "new size", func() bool {
			rows, cols, err := pty.Getsize(slave)
			return err == nil && rows == 30 && cols == 60
		})
		if _, err := outer.WriteString("keys\r"); err != nil {
			return err
		}
		return cmd.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, outer, "keys\r\ngot keys\r\n30 60\r\n")
	if after := sttyOf(t, own); after != before {
		t.Errorf("the terminal was not set back: %s, before %s", after, before)
	}
}

func TestRunTerminalSetsBackOnSIGTERM(t *testing.T) {
	outer, own, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	defer own.Close()
	before := sttyOf(t, own)
	err = RunTerminal(own, own, func(slave *os.File) error {
		cmd := exec.Command("sh", "-c", "echo on; read x")
		cmd.Stdin, cmd.Stdout = slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		slave.Close()
		expect(t, outer, "on\r\n")
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		return cmd.Wait() // ends by the hang-up
	})
	if code, _ := exitCode(err); code == 0 {
		t.Errorf("the program did not see a hang-up: %v", err)
	}
	if after := sttyOf(t, own); after != before {
		t.Errorf("the terminal was not set back: %s, before %s", after, before)
	}
}

func sttyOf(t *testing.T, f *os.File) string {
	t.Helper()
	cmd := exec.Command("stty", "-g")
	cmd.Stdin = f
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
