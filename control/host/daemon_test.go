//go:build linux

package host

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemonArgument makes the test binary a starter or a daemon of its own:
//
//	__daemon start scale 200    Spawn of the next, and wait for it
//	__daemon detach stay        Spawn of the next, detached, and end
//	__daemon scale 200          in the lab: nodes up and down, with times
//	__daemon stay               in the lab: nodes with processes, until it dies
const daemonArgument = "__daemon"

func daemonMain(args []string) int {
	err := func() error {
		switch args[0] {
		case "start":
			return daemonStart(args[1:])
		case "detach":
			child, err := Spawn(SpawnConfig{Args: append([]string{daemonArgument}, args[1:]...), Stdout: os.Stdout, Detached: true})
			if err == nil {
				fmt.Println(child.PID)
			}
			return err
		case "scale":
			return daemonScale(args[1])
		case "stay":
			return daemonStay()
		}
		return fmt.Errorf("unknown: %v", args)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// daemonStart is a stand-in for vpcsim up, in the foreground.
func daemonStart(args []string) error {
	child, err := Spawn(SpawnConfig{
		Args:   append([]string{daemonArgument}, args...),
		Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer child.Release()
	code, err := child.Wait()
	if code != 0 && err == nil {
		err = fmt.Errorf("exit code %d", code)
	}
	return err
}

type scaleResult struct {
	Up, Again, Down time.Duration
	KiB             int // of memory for each node, the kernel's included
}

func daemonScale(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := InitCore(log); err != nil {
		return err
	}
	h, err := New(Config{Log: log})
	if err != nil {
		return err
	}
	var nodes []Node
	for k := range n {
		nodes = append(nodes, testNode(k+1))
	}
	var r scaleResult
	memory := availableKiB()
	start := time.Now()
	if err := h.Ensure(context.Background(), nodes); err != nil {
		return err
	}
	r.Up = time.Since(start)
	r.KiB = (memory - availableKiB()) / n
	start = time.Now()
	if err := h.Ensure(context.Background(), nodes); err != nil {
		return err
	}
	r.Again = time.Since(start)
	start = time.Now()
	h.Prune(nil)
	for { // until the kernel has really removed them
		list, err := net.Interfaces()
		if err != nil {
			return err
		}
		if len(list) == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	r.Down = time.Since(start)
	return json.NewEncoder(os.Stdout).Encode(r)
}

func BenchmarkNodes(b *testing.B) {
	requireNamespaces(b)
	for _, user := range []bool{false, true} {
		for _, n := range []int{200, 1000} {
			b.Run(fmt.Sprintf("%s/%d", map[bool]string{false: "root", true: "user"}[user], n), func(b *testing.B) {
				if !user && !privileged() {
					b.Skip("needs root")
				}
				benchmarkNodes(b, user, n)
			})
		}
	}
}

func benchmarkNodes(b *testing.B, user bool, n int) {
	var sum scaleResult
	for b.Loop() {
		args := []string{daemonArgument, "start", "scale", strconv.Itoa(n)}
		cmd := exec.Command("/proc/self/exe", args...)
		if user && privileged() {
			cmd = userCommand(b, args...)
		}
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var r scaleResult
		if err := json.Unmarshal(out, &r); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		sum.Up, sum.Again, sum.Down = sum.Up+r.Up, sum.Again+r.Again, sum.Down+r.Down
		sum.KiB += r.KiB
	}
	per := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N) }
	b.ReportMetric(per(sum.Up), "up-ms")
	b.ReportMetric(per(sum.Again), "again-ms")
	b.ReportMetric(per(sum.Down), "down-ms")
	b.ReportMetric(float64(sum.KiB)/float64(b.N), "KiB/node")
	b.ReportMetric(0, "ns/op")
}

func availableKiB() int {
	text, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(text), "MemAvailable:")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib
}

func TestDetachedDaemonOutlivesItsStarter(t *testing.T) {
	requireNamespaces(t)
	starter := exec.Command("/proc/self/exe", daemonArgument, "detach", "stay")
	starter.Env = append(os.Environ(), StateDirVariable+"="+privateDir(t))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	starter.Stdout, starter.Stderr = write, t.Output()
	err = starter.Run()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.SetReadDeadline(time.Now().Add(10 * time.Second))
	daemon, ready := 0, false // in either order
	for lines := bufio.NewScanner(read); (daemon == 0 || !ready) && lines.Scan(); {
		if lines.Text() == "ready" {
			ready = true
		} else if daemon, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	if !ready {
		t.Fatal("the daemon is not ready")
	}
	if err := syscall.Kill(daemon, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	eventually(t, "end of the daemon", func() bool { return !alive(daemon) })
}

// daemonStay brings up nodes with processes, one of which has left its session,
// locks a lab, says "ready" and lives until its starter is gone.
func daemonStay() error {
	lifeline := Lifeline()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := InitCore(log); err != nil {
		return err
	}
	h, err := New(Config{Log: log})
	if err != nil {
		return err
	}
	if _, err := Lock("stay"); err != nil {
		return err
	}
	nodes := []Node{testNode(1), testNode(2), testNode(3)}
	if err := h.Ensure(context.Background(), nodes); err != nil {
		return err
	}
	for _, n := range nodes {
		spec := ProcessSpec{Args: []string{"sh", "-c", "setsid sleep 1000 & exec sleep 1000"}}
		if _, err := h.Command(n.Name, spec); err != nil {
			return err
		}
	}
	for sleeping := 0; sleeping < 6; { // until all six have become "sleep"
		sleeping = 0
		for pid := range processes() {
			comm, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
			if string(comm) == "sleep\n" {
				sleeping++
			}
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
	if lifeline == nil {
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
	} else {
		_, _ = lifeline.Read(make([]byte, 1))
	}
	return h.Close()
}

// What a lab leaves when it dies without a chance to clean up: nothing.
func TestKilledLabLeavesNothing(t *testing.T) {
	requireNamespaces(t)
	for _, victim := range []string{"daemon", "starter"} {
		t.Run(victim+" of root", func(t *testing.T) {
			if !privileged() {
				t.Skip("needs root; what root's lab leaves is tested as root")
			}
			testKilled(t, victim, exec.Command("/proc/self/exe"), 0)
		})
		t.Run(victim+" of user", func(t *testing.T) {
			if !privileged() {
				testKilled(t, victim, exec.Command("/proc/self/exe"), os.Getuid())
				return
			}
			testKilled(t, victim, userCommand(t), nobody)
		})
	}
}

func testKilled(t *testing.T, victim string, starter *exec.Cmd, owner int) {
	state, err := os.MkdirTemp("", "vpcsim-state-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	if os.Getuid() == 0 {
		if err := os.Chown(state, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	links := hostLinks(t)
	starter.Args = append(starter.Args[:1], daemonArgument, "start", "stay")
	starter.Env = append(os.Environ(), StateDirVariable+"="+state)
	starter.Stderr = t.Output()
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 16)
	if n, err := io.ReadAtLeast(out, ready, 6); err != nil || string(ready[:n]) != "ready\n" {
		_ = starter.Wait()
		t.Fatalf("the daemon said %q, %v", ready[:n], err)
	}
	daemon := childOf(t, starter.Process.Pid)
	family := descendants(daemon)
	namespaces := namespacesOf(family)
	if len(family) != 7 || len(namespaces) < 4 {
		t.Fatalf("a lab with 7 processes and 4 network namespaces has %v and %v", family, namespaces)
	}

	target := daemon
	if victim == "starter" {
		target = starter.Process.Pid
	}
	if err := syscall.Kill(target, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	eventually(t, "end of all processes and namespaces", func() bool {
		for _, pid := range family {
			if alive(pid) {
				return false
			}
		}
		for ns := range namespacesOf(allProcesses()) {
			if namespaces[ns] {
				return false
			}
		}
		return true
	})
	if diff := cmp.Diff(links, hostLinks(t)); diff != "" {
		t.Errorf("the machine's interfaces (-before +after):\n%s", diff)
	}
	// The lock is free, and what the daemon left is no obstacle.
	relock := exec.Command("/proc/self/exe")
	if starter.SysProcAttr != nil {
		relock = userCommand(t)
	}
	relock.Args = append(relock.Args[:1], "-test.run=^TestRelock$", "-test.v")
	relock.Env = starter.Env
	if out, err := relock.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("locking again: %v\n%s", err, out)
	}
}

// TestRelock is run by testKilled, as the user that the lab was of.
func TestRelock(t *testing.T) {
	if os.Getenv(StateDirVariable) == "" {
		t.Skip("only part of TestKilledLabLeavesNothing")
	}
	l, err := Lock("stay")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func hostLinks(t *testing.T) []string {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out
}

func allProcesses() []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// stat returns a process's state letter and parent.
func stat(pid int) (state string, parent int) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// alive reports whether pid is a process and not only an exit status that its
// parent (for an orphan the machine's process 1) has not asked for yet.
func alive(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X"
}

func parentOf(pid int) int {
	_, parent := stat(pid)
	return parent
}

func childOf(t *testing.T, parent int) int {
	t.Helper()
	for _, pid := range allProcesses() {
		if parentOf(pid) == parent {
			return pid
		}
	}
	t.Fatal("the starter has no child")
	return 0
}

func descendants(root int) []int {
	family := []int{root}
	for k := 0; k < len(family); k++ {
		for _, pid := range allProcesses() {
			if parentOf(pid) == family[k] {
				family = append(family, pid)
			}
		}
	}
	return family
}

func namespacesOf(pids []int) map[string]bool {
	out := map[string]bool{}
	for _, pid := range pids {
		if ns, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/net")); err == nil {
			out[ns] = true
		}
	}
	return out
}
