package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/scenarios"
)

// These tests use the program as a user does: the real binary, in namespaces,
// as root and as an ordinary user. The only tools they need inside an instance
// are /bin/sh and the test binary itself, see TestMain.

// toolVariable makes the test binary a small network program: "dial ADDRESS" or
// "listen ADDRESS", with the standard input and output as the connection's;
// "ask ADDRESS", one UDP request and its answer; "receive ADDRESS", an HTTP server that
// prints what is posted to it; "frames INTERFACE", which sends
// what it reads as it is; "datagrams ADDRESS" and "eavesdrop INTERFACE", which send
// and show UDP payloads.
const toolVariable = "VPCSIM_TEST_TOOL"

func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv(toolVariable)); len(words) == 2 {
		if err := networkTool(words[0], words[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Tests that say they are parallel mostly wait, for BGP's hold time above all:
	// more of them at once than there are CPUs.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if races, _ := filepath.Glob(raceLog() + ".*"); len(races) > 0 {
		text, _ := os.ReadFile(races[0])
		fmt.Printf("a data race in the program, one of %d reports:\n%s", len(races), text)
		code = 1
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func networkTool(verb, address string) error {
	switch verb {
	case "ask":
		return askTool(address)
	case "receive":
		return receiveTool(address)
	case "frames":
		return framesTool(address)
	case "eavesdrop":
		return eavesdropTool(address)
	case "datagrams":
		return datagramsTool(address)
	case "listen":
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		fmt.Println("listening")
		_, err = listener.Accept()
		return err
	}
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// shared is what all tests use: the binaries, built once, where every user can
// read them.
var shared struct {
	once         sync.Once
	dir          string
	vpcsim, tool string
	err          error
}

func build(t *testing.T) {
	t.Helper()
	shared.once.Do(func() {
		shared.err = func() (err error) {
			if shared.dir, err = os.MkdirTemp("", "vpcsim-e2e"); err != nil {
				return err
			}
			if err := os.Chmod(shared.dir, 0o755); err != nil {
				return err
			}
			shared.vpcsim, shared.tool = filepath.Join(shared.dir, "vpcsim"), filepath.Join(shared.dir, "tool")
			args := []string{"build", "-o", shared.vpcsim, "."}
			if raceDetector() {
				args = append([]string{"build", "-race"}, args[1:]...)
			}
			if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("go build: %w\n%s", err, out)
			}
			races := filepath.Dir(raceLog())
			if err := errors.Join(os.Mkdir(races, 0o777), os.Chmod(races, 0o777)); err != nil {
				return err
			}
			self, err := os.ReadFile("/proc/self/exe")
			if err != nil {
				return err
			}
			return os.WriteFile(shared.tool, self, 0o755)
		}()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
}

// raceDetector reports whether the tests were built with -race; then the program
// is, too, daemon and all.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// raceLog is where the program's race detector reports, since nobody sees a
// daemon's standard error.
func raceLog() string { return filepath.Join(shared.dir, "races", "report") }

// user runs vpcsim as somebody, with a home and a state directory of their own.
type user struct {
	t          *testing.T
	credential *syscall.Credential // nil: as we are
	dir, state string
}

// asEveryUser runs a test as each kind of user that this process can be: an
// ordinary user, and root as well if it is root.
func asEveryUser(t *testing.T, test func(t *testing.T, u *user)) {
	build(t)
	if os.Geteuid() != 0 {
		t.Run("user", func(t *testing.T) { test(t, newUser(t, nil)) })
		return
	}
	const nobody = 65534
	t.Run("root", func(t *testing.T) { test(t, newUser(t, nil)) })
	t.Run("user", func(t *testing.T) {
		test(t, newUser(t, &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: false}))
	})
}

func newUser(t *testing.T, credential *syscall.Credential) *user {
	t.Helper()
	build(t)
	dir, err := os.MkdirTemp(shared.dir, "home") // a short path, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	if credential != nil {
		if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	u := &user{t: t, credential: credential, dir: dir, state: filepath.Join(dir, "state")}
	u.requireNamespaces()
	t.Cleanup(func() {
		if r := u.run("down", "--all"); r.code != exitOK {
			t.Errorf("down --all: %s", r)
		}
		_ = os.Remove(filepath.Join(u.state, ".keysecret"))   // it stays, so that keys of Client VPN do
		_ = os.RemoveAll(filepath.Join(u.state, ".flowlogs")) // they outlive their lab
		if left, _ := os.ReadDir(u.state); len(left) > 0 {
			t.Errorf("the state directory is not empty: %v", left)
		}
	})
	return u
}

// requireNamespaces skips the test where no lab can run, with the reason. In CI
// nothing is skipped.
func (u *user) requireNamespaces() {
	u.t.Helper()
	r := u.run("doctor")
	switch {
	case r.code == exitOK:
	case os.Getenv("CI") != "":
		u.t.Fatalf("no lab can run here, and in CI it must:\n%s", r)
	default:
		u.t.Skipf("no lab can run here:\n%s", r)
	}
}

// result is how a command ended.
type result struct {
	args           []string
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("vpcsim %s: exit code %d\n%s%s", strings.Join(r.args, " "), r.code, r.stdout, r.stderr)
}

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(shared.vpcsim, args...)
	cmd.Dir = u.dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + u.dir, "TMPDIR=" + u.dir, "VPCSIM_STATE_DIR=" + u.state,
		// Without its second of waiting at the end, which no process here needs.
		"GORACE=atexit_sleep_ms=0 log_path=" + raceLog()}
	if u.credential == nil && os.Getenv(offloadVariable) != "" { // the whole suite with the fast path, as root
		cmd.Env = append(cmd.Env, offloadVariable+"=1")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
	return cmd
}

// patience ends commands that hang. The longest scenario waits a minute and a half
// for hold times of BGP.
const patience = 3 * time.Minute

// run runs a command to its end.
func (u *user) run(args ...string) result {
	u.t.Helper()
	return u.finish(u.command(args...))
}

func (u *user) finish(cmd *exec.Cmd) result {
	u.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatal(err)
	}
	return result{cmd.Args[1:], cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok runs a command that must succeed.
func (u *user) ok(args ...string) result {
	u.t.Helper()
	r := u.run(args...)
	if r.code != exitOK {
		u.t.Fatal(r)
	}
	return r
}

// file writes a scenario: the quickstart with replacements.
func (u *user) file(name string, replacements ...string) string {
	u.t.Helper()
	_, text, err := scenarios.Read("quickstart")
	if err != nil {
		u.t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(changed, replacements[i]) {
			u.t.Fatalf("the quickstart has no %q any more", replacements[i])
		}
		changed = strings.Replace(changed, replacements[i], replacements[i+1], 1)
	}
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// eventually polls, for what happens outside of our reach.
func (u *user) eventually(what string, holds func() bool) {
	u.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			u.t.Fatalf("not within ten seconds: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// labs are the names that ls reports.
func (u *user) labs() []lab.Status {
	u.t.Helper()
	var list []lab.Status
	if err := json.Unmarshal([]byte(u.ok("ls", "-o", "json").stdout), &list); err != nil {
		u.t.Fatal(err)
	}
	return list
}

// program is a command that runs while the test talks to it.
type program struct {
	u      *user
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

func (u *user) start(cmd *exec.Cmd) *program {
	u.t.Helper()
	p := &program{u: u, cmd: cmd, stderr: &bytes.Buffer{}}
	cmd.Stderr = p.stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	u.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return p
}

// expect reads lines until one contains text, and returns it.
func (p *program) expect(text string) string {
	p.u.t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	for {
		line, err := p.stdout.ReadString('\n')
		if strings.Contains(line, text) {
			return strings.TrimSpace(line)
		}
		if err != nil {
			p.u.t.Fatalf("%s: waiting for %q: %v\n%s", p.cmd, text, err, p.stderr)
		}
	}
}

func (p *program) send(text string) {
	p.u.t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		p.u.t.Fatal(err)
	}
}

// end signals the program and returns its exit code.
func (p *program) end(s os.Signal) int {
	p.u.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.u.t.Fatal(err)
	}
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, p.stdout)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// tool starts the network program inside an instance.
func (u *user) tool(instance, verb, address string) *program {
	u.t.Helper()
	cmd := u.command("exec", instance, "--", shared.tool)
	cmd.Env = append(cmd.Env, toolVariable+"="+verb+" "+address)
	return u.start(cmd)
}

func TestDemo(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		r := u.ok("demo")
		for _, want := range []string{
			"web (10.0.1.4) answers 203.0.113.10:",
			"DROP at securityGroup web: no ingress rule allows tcp/22 from 203.0.113.10",
			"from web:    connected; the database saw 10.0.1.4",
			"from laptop: dropped at internet: 10.0.2.20 is a private address",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("it does not say %q", want)
			}
		}
		if lines := strings.Count(r.stdout, "\n"); lines > 35 || r.stderr != "" || t.Failed() {
			t.Errorf("%d lines\n%s", lines, r)
		}
		if labs := u.labs(); len(labs) > 0 {
			t.Errorf("it left %+v", labs)
		}
	})
}

func TestLabFromUpToDown(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		r := u.ok("up", "-d", "quickstart", "-v")
		for _, want := range []string{"Lab quickstart is up.\n", "198.51.100.1", "vpcsim check\n", "Log: "} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("up does not say %q:\n%s", want, r)
			}
		}
		if r := u.run("up", "quickstart"); r.code != exitFailed || !strings.HasPrefix(r.stderr, "vpcsim: lab quickstart is already running; ") {
			t.Errorf("a second up: %s", r)
		}
		if labs := u.labs(); len(labs) != 1 || labs[0].Name != "quickstart" || labs[0].PID == 0 || labs[0].Revision != 1 {
			t.Errorf("ls: %+v", labs)
		}
		if r := u.ok("get", "instances"); !strings.Contains(r.stdout, "10.0.2.20") {
			t.Errorf("get: %s", r)
		}
		if r := u.ok("trace", "laptop", "web", "tcp/80"); !strings.HasSuffix(r.stdout, "\nPASS\n") {
			t.Errorf("trace: %s", r)
		}
		if r := u.run("trace", "laptop", "web", "tcp/22"); r.code != exitFailed {
			t.Errorf("trace of a drop: %s", r)
		}
		if r := u.ok("check"); !strings.Contains(r.stdout, "quickstart: all ") {
			t.Errorf("check: %s", r)
		}
		u.ok("down")
		if r := u.run("down"); r.code != exitFailed || r.stderr != "vpcsim: no lab is running; start one with: vpcsim up quickstart\n" {
			t.Errorf("a second down: %s", r)
		}
	})
}

func TestEveryScenarioHoldsInNamespaces(t *testing.T) {
	t.Parallel()
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		names := scenarios.Names()
		results := make([]result, len(names))
		// Those with a VPN wait most of the time, for hold times, and are the last by
		// name.
		atOnce := make(chan struct{}, 4)
		var wg sync.WaitGroup
		for i, name := range slices.Backward(names) {
			atOnce <- struct{}{}
			wg.Go(func() {
				results[i] = u.run("check", name)
				<-atOnce
			})
		}
		wg.Wait()
		for _, r := range results {
			if r.code != exitOK {
				t.Error(r)
			}
		}
	})
}

func TestExecIsLikeRunningItHere(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", "quickstart")
		cmd := u.command("exec", "web", "--", "/bin/sh", "-c", "hostname; cat; pwd; echo oops >&2; exit 42")
		cmd.Stdin = strings.NewReader("from here\n")
		if r := u.finish(cmd); r.code != 42 || r.stdout != "web\nfrom here\n"+u.dir+"\n" || r.stderr != "oops\n" {
			t.Errorf("files and exit code: %s", r)
		}
		if r := u.run("exec", "web", "no-such-program"); r.code != 127 {
			t.Errorf("a program that is not there: %s", r)
		}
		if r := u.run("exec", "nobody", "true"); r.code != exitUsage {
			t.Errorf("an instance that is not there: %s", r)
		}

		waiting := u.start(u.command("exec", "web", "--", "/bin/sh", "-c", `trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done`))
		waiting.expect("ready")
		if code := waiting.end(syscall.SIGTERM); code != 9 {
			t.Errorf("a signal: exit code %d", code)
		}

		orphan := u.start(u.command("exec", "web", "--", "/bin/sh", "-c", `echo pid $$; exec sleep 1000`))
		pid := strings.TrimPrefix(orphan.expect("pid"), "pid ")
		u.ok("exec", "web", "--", "/bin/sh", "-c", "kill -0 "+pid)
		orphan.end(syscall.SIGKILL)
		u.eventually("the program of a killed client ends", func() bool {
			return u.run("exec", "web", "--", "/bin/sh", "-c", "kill -0 "+pid).code != 0
		})

		stays := u.start(u.command("exec", "web", "--", "/bin/sh", "-c", "echo ready; exec sleep 1000"))
		stays.expect("ready")
		u.ok("down")
		if code := stays.end(syscall.Signal(0)); code == exitOK {
			t.Errorf("a program when the lab ends: exit code %d, %s", code, stays.stderr)
		}
	})
}

func TestApplyKeepsConnections(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", u.file("lab.yaml"))
		conn := u.tool("web", "dial", "10.0.2.20:5432")
		conn.expect("db (10.0.2.20) answers 10.0.1.4:")
		conn.send("before\n")
		conn.expect("before")

		// The rule that allowed it goes; a new instance comes.
		next := u.file("lab.yaml",
			"- {protocol: tcp, ports: 5432, from: web}", "- {protocol: tcp, ports: 5433, from: web}",
			"instances:\n", "instances:\n  second: {subnet: public, securityGroups: [web], serve: [http/80, udp/53]}\n")
		if r := u.ok("plan", next); !strings.Contains(r.stdout, "+ instance second\n") || !strings.Contains(r.stdout, "~ securityGroup db\n") {
			t.Errorf("plan: %s", r)
		}
		if r := u.ok("apply", next); !strings.HasSuffix(r.stdout, "Applied: revision 2.\n") {
			t.Errorf("apply: %s", r)
		}
		conn.send("after\n")
		conn.expect("after")
		if r := u.run("trace", "web", "db", "tcp/5432"); r.code != exitFailed {
			t.Errorf("a new connection: %s", r)
		}
		second := u.tool("laptop", "dial", "198.51.100.3:80")
		second.send("GET / HTTP/1.0\r\n\r\n")
		second.expect("second (10.0.1.6) answers 203.0.113.10:")

		// What does not hold changes nothing.
		broken := u.file("broken.yaml", "ports: 5432", "ports: 99999")
		if r := u.run("apply", broken); r.code != exitFailed || !strings.Contains(r.stderr, broken+":") {
			t.Errorf("a broken file: %s", r)
		}
		if r := u.ok("apply", next); r.stdout != "No changes: the lab is as the file says.\n" {
			t.Errorf("the same again: %s", r)
		}
		conn.send("still\n")
		conn.expect("still")
	})
}

func TestApplySaysWhatCouldNotBeStarted(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", u.file("lab.yaml"))
		u.tool("web", "listen", ":9000").expect("listening")
		r := u.run("apply", u.file("lab.yaml", "serve: [http/80]}\n  db", "serve: [http/80, tcp/9000]}\n  db"))
		if want := "vpcsim: applied, but: built-in server tcp/9000 in web: "; r.code != exitFailed || !strings.HasPrefix(r.stderr, want) {
			t.Errorf("got %s, want %q", r, want)
		}
	})
}

func TestProgramsOfTheFileRun(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", u.file("lab.yaml", "serve: [tcp/5432]", `serve: [tcp/5432], run: ["echo started in $(pwd); exec sleep 1000", "exit 3"]`))
		log := filepath.Join(u.state, "quickstart", "log")
		logged := func(text string) func() bool {
			return func() bool {
				got, _ := os.ReadFile(log)
				return strings.Contains(string(got), text)
			}
		}
		u.eventually("its output is in the log", logged(`line="started in `+u.dir+`"`))
		u.eventually("its exit is in the log", logged("code=3"))
		sleeps := func() bool {
			return strings.Contains(u.run("exec", "db", "--", "/bin/sh", "-c", "cat /proc/[0-9]*/cmdline").stdout, "sleep\x001000")
		}
		u.eventually("the program runs", sleeps)
		u.ok("apply", u.file("lab.yaml", "serve: [tcp/5432]", `serve: [tcp/5432], run: ["echo another"]`))
		u.eventually("the new program's output is in the log", logged("another"))
		u.eventually("the program that was taken out has ended", func() bool { return !sleeps() })
	})
}

func TestSeveralLabsAtOnce(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", "quickstart", "--lab", "blue")
		u.ok("up", "-d", "quickstart", "--lab", "green")
		if labs := u.labs(); len(labs) != 2 || labs[0].Name != "blue" || labs[1].Name != "green" {
			t.Fatalf("ls: %+v", labs)
		}
		if r := u.run("get"); r.code != exitUsage || r.stderr != "vpcsim: 2 labs are running: blue, green; say which one with --lab NAME\n" {
			t.Errorf("which one: %s", r)
		}
		u.ok("check", "-l", "blue")
		u.ok("exec", "-l", "green", "web", "--", "true")
		u.ok("apply", "--lab", "green", u.file("lab.yaml", "ports: 80,", "ports: 81,"))
		if r := u.ok("trace", "-l", "blue", "laptop", "web", "tcp/80"); r.code != exitOK {
			t.Errorf("blue changed with green: %s", r)
		}
		if r := u.run("trace", "-l", "green", "laptop", "web", "tcp/80"); r.code != exitFailed {
			t.Errorf("green did not change: %s", r)
		}
		u.ok("down", "blue")
		u.ok("get") // green is the only one left
	})
}

func TestForegroundLabEndsWithItsTerminal(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		for _, test := range []struct {
			signal syscall.Signal
			code   int
		}{{syscall.SIGINT, exitOK}, {syscall.SIGTERM, exitOK}, {syscall.SIGKILL, -1}} {
			up := u.start(u.command("up", "quickstart"))
			up.expect("Ctrl-C takes it down.")
			u.ok("exec", "web", "--", "true")
			if code := up.end(test.signal); code != test.code {
				t.Errorf("%s: exit code %d\n%s", test.signal, code, up.stderr)
			}
			u.eventually("no lab runs", func() bool { return len(u.labs()) == 0 })
		}
	})
}

func TestKilledDaemonLeavesNothing(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.ok("up", "-d", "quickstart")
		pid := u.labs()[0].PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		u.eventually("the process is gone", func() bool {
			// A zombie is gone, too: who collects it is init's business.
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
		if r := u.run("exec", "web", "--", "true"); r.code != exitFailed {
			t.Errorf("exec in a dead lab: %s", r)
		}
		// Who is in a hurry need not wait for the last of its threads to go.
		for range 3 {
			u.ok("up", "-d", "quickstart")
			if err := syscall.Kill(u.labs()[0].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		u.ok("up", "-d", "quickstart")
		u.ok("check")
	})
}

func TestLabIsItsOwnersAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be two users")
	}
	build(t)
	owner := newUser(t, nil)
	owner.ok("up", "-d", "quickstart")
	const nobody = 65534
	stranger := *owner
	stranger.dir = "/" // he cannot even enter the owner's
	stranger.credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	if r := stranger.run("get", "instances"); r.code == exitOK || !strings.Contains(r.stderr, "state directory") {
		t.Errorf("a stranger got in: %s", r)
	}
}
