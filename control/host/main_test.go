//go:build linux

package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the lab's daemon and what enters nodes, as vpcsim is.
func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" { // else each of the processes lingers for a second
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	if len(os.Args) > 1 && os.Args[1] == EnterArgument {
		EnterMain()
	}
	if len(os.Args) > 1 && os.Args[1] == daemonArgument {
		os.Exit(daemonMain(os.Args[2:]))
	}
	if os.Getenv(spawnedVariable) != "" {
		if err := InitCore(slog.Default()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// nobody is the ordinary user that the tests become when they run as root.
const nobody = 65534

// inLab runs body in the core of a lab: in a process of its own, as root if the
// test is, and as an ordinary user in any case.
func inLab(t *testing.T, body func(t *testing.T, h *Host)) {
	t.Helper()
	if os.Getenv(spawnedVariable) != "" {
		h, err := New(Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		body(t, h)
		return
	}
	requireNamespaces(t)
	if privileged() {
		t.Run("root", func(t *testing.T) { spawnTest(t) })
		t.Run("user", func(t *testing.T) { testAsUser(t) })
		return
	}
	t.Run("user", func(t *testing.T) { spawnTest(t) })
}

// spawnTest runs the top-level test of t again as the daemon of a lab.
func spawnTest(t *testing.T) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	name, _, _ := strings.Cut(t.Name(), "/")
	child, err := Spawn(SpawnConfig{
		Args:   []string{"-test.run=^" + name + "$", "-test.v", "-test.timeout=60s"},
		Stdout: write, Stderr: write, Dir: "/",
	})
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer child.Release()
	var out bytes.Buffer
	_, _ = out.ReadFrom(read)
	code, err := child.Wait()
	if err != nil || code != 0 || !strings.Contains(out.String(), "--- PASS: "+name) {
		t.Errorf("in the lab: exit code %d, %v\n%s", code, err, indent(out.String()))
	}
}

// testAsUser runs the top-level test of t again as an ordinary user.
func testAsUser(t *testing.T) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	out, err := userCommand(t, "-test.run=^"+name+"$", "-test.v", "-test.timeout=90s").CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("--- SKIP")) {
		t.Errorf("as user %d: %v\n%s", nobody, err, indent(string(out)))
	}
}

// userCommand is this test binary, in a place where everybody can read it, to be
// run as an ordinary user without any privilege.
func userCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.MkdirTemp("", "vpcsim-host-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "host.test")
	if err := errors.Join(os.Chmod(dir, 0o755), copyFile(binary, "/proc/self/exe")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/", "XDG_RUNTIME_DIR=", "TMPDIR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
		Setsid:     true,
	}
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
func requireNamespaces(t testing.TB) {
	t.Helper()
	child, err := Spawn(SpawnConfig{Args: []string{EnterArgument, enterNothing}})
	if err == nil {
		defer child.Release()
		_, err = child.Wait()
	}
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("a test that needs namespaces cannot run: %v", err)
	default:
		t.Skipf("needs namespaces: %v", err)
	}
}

func indent(s string) string {
	return "    | " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    | ")
}

// eventually polls until ok, for what the kernel does in its own time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// runSpecInCore runs a shell script in the core's namespace.
func runSpecInCore(t *testing.T, script string) (string, int) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := cmd.CombinedOutput()
	code, err := exitCode(err)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), code
}
