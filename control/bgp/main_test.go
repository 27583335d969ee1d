package bgp

import (
	"bytes"
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

// insideVariable tells the test binary that it is in namespaces of its own.
const insideVariable = "VPCSIM_BGP_TEST"

// nobody is the ordinary user that some tests become when they run as root.
const nobody = 65534

// TestMain runs everything in a network namespace, where addresses and ports
// are free: nothing here meets the machine's own network.
func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) != "" || strings.Contains(strings.Join(os.Args, " "), "-test.fuzz") {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	who := "root"
	if os.Geteuid() != 0 {
		who = "user"
	}
	cmd.Env = append(os.Environ(), insideVariable+"="+who)
	cmd.SysProcAttr = inNamespaces(os.Geteuid() != 0)
	err := cmd.Start()
	if err != nil && os.Geteuid() == 0 { // a container's root may have to be its own
		cmd.SysProcAttr, cmd.Process = inNamespaces(true), nil
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "control/bgp: the tests need namespaces:", err)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

func inNamespaces(user bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if user {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// TestSessionsWorkForAnOrdinaryUser runs some of the tests again, in a user
// namespace.
func TestSessionsWorkForAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(insideVariable) == "user" {
		t.Skip("runs as an ordinary user already")
	}
	dir, err := os.MkdirTemp("", "vpcsim-bgp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary := filepath.Join(dir, "bgp.test")
	source, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(binary, source, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^(TestSessionExchangesRoutes|TestBIRDExchangesRoutes|TestFRRExchangesRoutes)$", "-test.v", "-test.timeout=60s")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), insideVariable+"=", "HOME=/", "TMPDIR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestSessionExchangesRoutes")) {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
}

// run runs a program that must succeed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// need skips a test that needs a program that is not there: an error where it
// must not go unseen.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/lib/frr"} {
		if path := filepath.Join(dir, program); exists(path) {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// eventually polls until ok, for what other goroutines do in their own time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 15 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// testLog writes to the test's output while it runs.
func testLog(t testing.TB) *slog.Logger {
	var w io.Writer = io.Discard
	if testing.Verbose() {
		w = t.Output()
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
