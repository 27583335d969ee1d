package wireguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// insideVariable tells the test binary that it is in namespaces of its own.
const insideVariable = "VPCSIM_WIREGUARD_TEST"

// TestMain runs everything in network and mount namespaces, where devices, ports
// and /run are free: nothing here meets the machine's own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		if err := Main(context.Background(), os.Stdin, os.Stdout, slog.New(slog.DiscardHandler)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(insideVariable) != "" {
		if err := isolate(); err != nil {
			fmt.Fprintln(os.Stderr, "control/wireguard:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	start := func(user bool) (*exec.Cmd, error) {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), insideVariable+"=yes")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if user {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
		return cmd, cmd.Start()
	}
	cmd, err := start(os.Geteuid() != 0)
	if err != nil && os.Geteuid() == 0 { // a container's root may have to be its own
		cmd, err = start(true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "control/wireguard: the tests need namespaces:", err)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// isolate gives the tests a /run of their own, and a loopback interface that is up.
func isolate() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return err
	}
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip link: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// needs skips a test whose program is missing, and fails it where CI is set: a test
// that CI skips tests nothing.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI is set: %v", err)
		}
		t.Skip(err)
	}
}

// needsTUN skips what a user cannot do to whom this machine gives no TUN devices: it
// is proved as root, and labs of such a user have pairs instead, which the tests of
// cmd/vpcsim use.
func needsTUN(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("/dev/net/tun is closed to this user")
	}
	if err == nil {
		file.Close()
	}
}
