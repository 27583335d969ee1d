package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/lab"
)

// The test binary is also everything that vpcsim starts of itself.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" { // else each of the processes lingers for a second
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case host.EnterArgument:
			host.EnterMain()
		case lab.DaemonArgument:
			lab.DaemonMain()
		case Argument:
			Main()
		}
	}
	os.Exit(m.Run())
}

// nobody is the ordinary user that the tests become when they run as root.
const nobody = 65534

// asRootAndUser runs body as who the tests run as and, if that is root, the
// whole test again as an ordinary user.
func asRootAndUser(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	requireNamespaces(t)
	if os.Geteuid() != 0 {
		ownState(t)
		body(t)
		return
	}
	t.Run("root", func(t *testing.T) { ownState(t); body(t) })
	t.Run("user", func(t *testing.T) {
		name, _, _ := strings.Cut(t.Name(), "/")
		out, err := userCommand(t, "-test.run=^"+name+"$", "-test.v", "-test.timeout=120s").CombinedOutput()
		if err != nil || strings.Contains(string(out), "--- SKIP") {
			t.Errorf("as user %d: %v\n%s", nobody, err, out)
		}
	})
}

// ownState keeps the labs of a test apart from those of its user. The path is
// short: the labs' sockets are below it.
func ownState(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "vpcsim-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv(host.StateDirVariable, dir)
}

// userCommand is this test binary, in a place where everybody can read it, to be
// run as an ordinary user without any privilege.
func userCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "vpcsim-bench-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, home := filepath.Join(dir, "bench.test"), filepath.Join(dir, "home")
	err = errors.Join(os.Chmod(dir, 0o755), copyFile(binary, "/proc/self/exe"), os.Mkdir(home, 0o700), os.Chown(home, nobody, nobody))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR=", "TMPDIR="+home, host.StateDirVariable+"=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setsid: true}
	return cmd
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// requireNamespaces ends a test whose machine forbids namespaces to the tester:
// an error where it must not go unseen.
func requireNamespaces(t *testing.T) {
	t.Helper()
	for _, f := range host.Probe() {
		switch {
		case f.State != host.Fail:
		case os.Getenv("CI") != "":
			t.Fatalf("a test that needs namespaces cannot run: %s: %s", f.Name, f.Detail)
		default:
			t.Skipf("needs namespaces: %s: %s", f.Name, f.Detail)
		}
	}
}

// startHere is a starter whose nodes all are this machine.
func startHere(ctx context.Context, _ string, args []string, stdout, stderr *os.File) (func() (int, error), error) {
	defer closeAll([]*os.File{stdout, stderr})
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (int, error) {
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	}, nil
}
