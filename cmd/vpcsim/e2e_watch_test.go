package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/vpcsim/vpcsim/control/lab"
)

const watchFile = `
name: watched
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}
securityGroups: {ping: {vpc: v, ingress: [{protocol: icmp, from: 10.0.0.0/16}]}}
instances:
  a: {subnet: s, ip: 10.0.1.10, securityGroups: [ping]}
  b: {subnet: s, ip: 10.0.1.20, securityGroups: [ping], serve: [tcp/7]}
`

// TestWatching: what the lab's metrics and live views say of traffic that is known
// to the packet.
func TestWatching(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "watched.yaml")
		if err := os.WriteFile(path, []byte(watchFile), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", path)
		u.ok("exec", "a", "--", "ping", "-q", "-c", "5", "-i", "0.05", "10.0.1.20")
		metrics := u.ok("metrics").stdout
		for _, eni := range []string{"a/eth0", "b/eth0"} {
			for _, family := range []string{"receive_packets", "transmit_packets"} {
				if got := sampleOf(metrics, "vpcsim_interface_"+family+"_total", eni); got != "5" {
					t.Errorf("%s of %s: %q, want 5", family, eni, got)
				}
			}
			if got := sampleOf(metrics, "vpcsim_interface_receive_bytes_total", eni); got != fmt.Sprint(5*84) {
				t.Errorf("bytes received by %s: %q", eni, got)
			}
		}
		u.testTop(t)
		u.testLiveTrace(t)
	})
}

// testTop: a flow that goes on, and one that is refused, with the rule's owner.
func (u *user) testTop(t *testing.T) {
	u.start(u.command("exec", "a", "--", "ping", "-i", "0.05", "10.0.1.20"))
	refused := u.command("exec", "a", "--", "/bin/sh", "-c", "while :; do timeout 0.1 "+shared.tool+"; done")
	refused.Env = append(refused.Env, toolVariable+"=ask 10.0.1.20:9")
	u.start(refused)
	u.eventually("top's flows", func() bool {
		got := u.ok("top", "--once", "-i", "300ms").stdout
		return strings.Contains(got, "10.0.1.10 → 10.0.1.20 icmp") && strings.Contains(got, "DROP securityGroup ping: no ingress rule allows udp/9 from 10.0.1.10") &&
			strings.Contains(got, "b/eth0")
	})
}

// testLiveTrace: the refused flow of testTop goes on; and a lab's end ends whoever
// looks at it.
func (u *user) testLiveTrace(t *testing.T) {
	got := u.ok("trace", "--live", "-c", "1", "--dropped", "--from", "a", "--to", "b").stdout
	for _, want := range []string{"from networkInterface a/eth0: 10.0.1.10:", "ok    networkInterface a/eth0", "DROP at securityGroup ping: no ingress rule allows udp/9 from 10.0.1.10\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	var line lab.LiveTrace
	if got := u.ok("trace", "--live", "-c", "1", "--protocol", "icmp", "--from", "10.0.1.20", "-o", "json").stdout; json.Unmarshal([]byte(got), &line) != nil ||
		line.TraceLeg == nil || line.To != "networkInterface a/eth0" || line.Verdict != "pass" {
		t.Errorf("as JSON: %s", got)
	}
	follower := u.start(u.command("trace", "--live", "--brief", "--reason", "no-rule"))
	follower.expect("DROP at securityGroup ping")
	u.ok("down")
	_, _ = io.Copy(io.Discard, follower.stdout)
	if err := follower.cmd.Wait(); err != nil || !strings.Contains(follower.stderr.String(), "Lab watched has ended.") {
		t.Errorf("it ended: %v\n%s", err, follower.stderr)
	}
}

// sampleOf is the value of a family for the interface of that name.
func sampleOf(metrics, family, eni string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, family+"{") && strings.Contains(line, `interface="`+eni+`"`) {
			return strings.TrimSpace(line[strings.LastIndex(line, " "):])
		}
	}
	return ""
}

// TestTopGivesTheTerminalBack: however it ends, the terminal is as it was.
func TestTopGivesTheTerminalBack(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "watched.yaml")
		if err := os.WriteFile(path, []byte(watchFile), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", path)
		for name, end := range map[string]func(cmd *exec.Cmd, master *os.File){
			"q":       func(_ *exec.Cmd, master *os.File) { _, _ = master.WriteString("q") },
			"Ctrl-C":  func(_ *exec.Cmd, master *os.File) { _, _ = master.WriteString("\x03") },
			"SIGTERM": func(cmd *exec.Cmd, _ *os.File) { _ = cmd.Process.Signal(syscall.SIGTERM) },
		} {
			u.topOnTerminal(t, name, end)
		}
		u.topOnTerminal(t, "the end of the lab", func(*exec.Cmd, *os.File) { u.ok("down") })
	})
}

// topOnTerminal runs top on a terminal of its own, until end ends it.
func (u *user) topOnTerminal(t *testing.T, name string, end func(*exec.Cmd, *os.File)) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	cmd := u.command("top", "-i", "100ms")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	buffer := make([]byte, 1<<16)
	read := func(until string) {
		_ = master.SetReadDeadline(time.Now().Add(10 * time.Second))
		for !strings.Contains(shown.String(), until) {
			n, err := master.Read(buffer)
			if shown.Write(buffer[:n]); err != nil {
				t.Errorf("%s: %v before %q:\n%q", name, err, until, shown.String())
				_ = cmd.Process.Kill()
				return
			}
		}
	}
	read("INTERFACE")
	end(cmd, master)
	read(screenLeave)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if after, err := term.GetState(int(slave.Fd())); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%s: the terminal is %+v, was %+v (%v)", name, after, before, err)
	}
}
