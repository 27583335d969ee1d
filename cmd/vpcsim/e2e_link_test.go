package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// farLab has two VPCs in two Regions, and two zones in the first.
const farLab = `
name: far
vpcs:
  a: {cidr: 10.0.0.0/16}
  b: {cidr: 10.1.0.0/16, region: eu-west-1}
vpcPeerings: {ab: {vpc: a, peerVpc: b}}
routeTables:
  a: {vpc: a, main: true, routes: {10.1.0.0/16: ab}}
  b: {vpc: b, main: true, routes: {10.0.0.0/16: ab}}
subnets:
  a1: {vpc: a, cidr: 10.0.1.0/24, az: us-east-1a}
  a2: {vpc: a, cidr: 10.0.2.0/24, az: us-east-1b}
  b1: {vpc: b, cidr: 10.1.1.0/24}
securityGroups:
  a: {vpc: a, ingress: [{protocol: all, from: 0.0.0.0/0}]}
  b: {vpc: b, ingress: [{protocol: all, from: 0.0.0.0/0}]}
instances:
  a1: {subnet: a1, ip: 10.0.1.10, securityGroups: [a]}
  a2: {subnet: a2, ip: 10.0.2.10, securityGroups: [a], serve: [tcp/7]}
  b1: {subnet: b1, ip: 10.1.1.10, securityGroups: [b], serve: [tcp/7]}
regions:
  us-east-1: {roundTrip: {eu-west-1: 76ms}}
`

func (u *user) farLab() {
	u.t.Helper()
	path := filepath.Join(u.dir, "far.yaml")
	if err := os.WriteFile(path, []byte(farLab), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.ok("up", "-d", path)
}

// measured repeats a measurement that other work on the machine can spoil, until it
// is within a tolerance of what was configured.
func (u *user) measured(what string, want, tolerance float64, measure func() float64) {
	u.t.Helper()
	var got []string
	for range 3 {
		n := measure()
		if n > want*(1-tolerance) && n < want*(1+tolerance) {
			return
		}
		got = append(got, fmt.Sprintf("%.2f", n))
	}
	u.t.Errorf("%s: measured %s; configured %.2f", what, strings.Join(got, ", "), want)
}

var leastRoundTrip = regexp.MustCompile(`min/avg/max/mdev = ([0-9.]+)/`)

// roundTrip is the least of some round trips in milliseconds: what is above it is
// the machine's.
func (u *user) roundTrip(from, to string) float64 {
	u.t.Helper()
	r := u.ok("exec", from, "--", "ping", "-q", "-c", "10", "-i", "0.05", to)
	match := leastRoundTrip.FindStringSubmatch(r.stdout)
	if match == nil {
		u.t.Fatal(r)
	}
	ms, _ := strconv.ParseFloat(match[1], 64)
	return ms
}

// throughput is how many Mbit/s of payload come back from an echo server, once TCP
// has found its pace.
func (u *user) throughput(from, to string, megabytes int) float64 {
	u.t.Helper()
	conn := u.tool(from, "dial", to)
	conn.expect("(") // the greeting
	go func() {      // ends with the program
		_, _ = io.Copy(conn.stdin, io.LimitReader(endless{}, int64(megabytes)*1e6))
		_ = conn.stdin.Close()
	}()
	timer := time.AfterFunc(40*time.Second, func() { _ = conn.cmd.Process.Kill() })
	defer timer.Stop()
	_, err := io.CopyN(io.Discard, conn.stdout, int64(megabytes)*1e6/2)
	start := time.Now()
	if err != nil {
		u.t.Fatalf("%v\n%s", err, conn.stderr)
	}
	n, err := io.Copy(io.Discard, conn.stdout)
	if err != nil || n < int64(megabytes)*1e6/3 {
		u.t.Fatalf("%d bytes, %v\n%s", n, err, conn.stderr)
	}
	return float64(n) * 8 / 1e6 / time.Since(start).Seconds()
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestLinkSetOnARunningLab(t *testing.T) {
	requirePrograms(t, "ping")
	asEveryUser(t, func(t *testing.T, u *user) {
		u.farLab()
		u.measured("round trip between Regions", 76, 0.05, func() float64 { return u.roundTrip("a1", "10.1.1.10") })

		// All that follows must not disturb a link that it is not about.
		near := u.start(u.command("exec", "a1", "--", "ping", "-q", "-c", "60", "-i", "0.05", "10.0.2.10"))
		r := u.ok("link", "set", "us-east-1/eu-west-1", "delay=60ms")
		if !strings.Contains(r.stdout, "+ delay: 60ms") {
			t.Error(r)
		}
		u.measured("round trip after link set", 120, 0.05, func() float64 { return u.roundTrip("a1", "10.1.1.10") })
		u.ok("link", "set", "us-east-1/eu-west-1", "--direction", "forward", "delay=10ms", "bandwidth=100Mbit")
		u.measured("round trip with one direction changed", 70, 0.05, func() float64 { return u.roundTrip("a1", "10.1.1.10") })
		u.ok("link", "reset", "--all")
		u.measured("round trip after link reset", 76, 0.05, func() float64 { return u.roundTrip("a1", "10.1.1.10") })
		if r := u.run("link", "reset", "--all"); !strings.HasPrefix(r.stdout, "No changes") {
			t.Error(r)
		}
		text, _ := io.ReadAll(near.stdout)
		if !strings.Contains(string(text), " 0% packet loss") {
			t.Errorf("another link was disturbed: %s", text)
		}

		u.ok("link", "set", "a1", "--direction", "forward", "bandwidth=20Mbit", "delay=2ms")
		u.measured("Mbit/s", 20, 0.1, func() float64 { return u.throughput("a1", "10.0.2.10:7", 6) })
		u.ok("link", "set", "a1", "--direction", "reverse", "loss=100%")
		if r := u.run("exec", "a1", "--", "ping", "-c", "1", "-W", "1", "10.0.2.10"); r.code != 1 {
			t.Error(r)
		}
		show := u.ok("link", "show", "a1").stdout
		if !regexp.MustCompile(`(?m)^a1 +forward +2ms +- +- +20Mbit +[1-9][0-9]{2,} `).MatchString(show) ||
			!regexp.MustCompile(`(?m)^a1 +reverse +- +- +100% +- +0 +[1-9]`).MatchString(show) {
			t.Error(show)
		}
		if s := u.status(); s.Packets.Drops["bug"] > 0 || s.Packets.Drops["link-loss"] == 0 {
			t.Errorf("drops %v", s.Packets.Drops)
		}
	})
}

func TestFaultOnARunningLab(t *testing.T) {
	requirePrograms(t, "ping")
	asEveryUser(t, func(t *testing.T, u *user) {
		u.farLab()
		for _, step := range []struct {
			args   string
			code   int
			stdout string // a part of it; of the error if the code says so
		}{
			{"fault", exitOK, "Nothing is broken.\n"},
			{"fault az us-east-1a", exitOK, "~ instance a1\n    + fault: az us-east-1a\n"},
			{"fault", exitOK, "az    us-east-1a"},
			{"exec a1 -- true", exitUsage, "instance a1 is down: fault az us-east-1a; repair it: vpcsim fault clear az us-east-1a"},
			{"get instances", exitOK, "impaired"},
			{"exec b1 -- ping -c 1 -W 1 10.0.1.10", 1, "100% packet loss"},
			{"exec b1 -- ping -c 1 -W 5 10.0.2.10", exitOK, " 0% packet loss"},
			{"fault clear az us-east-1a", exitOK, "- fault: az us-east-1a"},
			{"exec a1 -- ping -c 1 -W 5 10.1.1.10", exitOK, " 0% packet loss"},
			{"fault link us-east-1/eu-west-1 --direction forward", exitOK, "link eu-west-1/us-east-1"},
			{"exec a1 -- ping -c 1 -W 1 10.1.1.10", 1, "100% packet loss"},
			{"fault vpcPeering ab", exitOK, "routes to it become blackholes"},
			{"trace a1 10.1.1.10 icmp", exitFailed, "DROP at routeTable a"},
			{"fault nothing x", exitFailed, `"nothing" is not a kind that can break`},
			{"fault az", exitUsage, "az of which name?"},
			{"fault clear", exitUsage, "no fault to clear"},
			{"fault clear --all", exitOK, "packets pass again"},
			{"exec a1 -- ping -c 1 -W 5 10.1.1.10", exitOK, " 0% packet loss"},
		} {
			r := u.run(strings.Fields(step.args)...)
			if r.code != step.code || !strings.Contains(r.stdout+r.stderr, step.stdout) {
				t.Errorf("want exit code %d and %q\n%s", step.code, step.stdout, r)
			}
		}
	})
}

// TestFaultsHaveAWSConsequencesInNamespaces plays with real sockets what package
// scenarios plays in memory.
func TestFaultsHaveAWSConsequencesInNamespaces(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "testdata", "faults.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "faults.yaml")
		if err := os.WriteFile(path, src, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := u.run("check", path); r.code != exitOK {
			t.Error(r)
		}
	})
}
