package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const flowLogFile = `
name: logged
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}
securityGroups: {ping: {vpc: v, ingress: [{protocol: icmp, from: 10.0.0.0/16}]}}
instances:
  a: {subnet: s, ip: 10.0.1.10, securityGroups: [ping]}
  b: {subnet: s, ip: 10.0.1.20, securityGroups: [ping], serve: [tcp/7]}
flowLogs:
  b: {networkInterface: b, aggregationInterval: 1s, format: "${srcaddr} ${dstaddr} ${dstport} ${protocol} ${flow-direction} ${action} ${log-status}"}
  slow: {networkInterface: b, format: "${srcaddr} ${protocol} ${action}"}
`

// TestFlowLogsAreFollowedAndLeftBehind: records come while the lab runs, those of
// the last interval when it ends, and the files stay.
func TestFlowLogsAreFollowedAndLeftBehind(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "logged.yaml")
		if err := os.WriteFile(path, []byte(flowLogFile), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", path)
		follower := u.start(u.command("flowlogs", "-f"))
		u.ok("exec", "a", "--", "ping", "-q", "-c", "2", "-i", "0.1", "10.0.1.20")
		const in, out = "10.0.1.10 10.0.1.20 0 1 ingress ACCEPT OK\n", "10.0.1.20 10.0.1.10 0 1 egress ACCEPT OK\n"
		follower.expect(in)
		u.eventually("the records of the ping", func() bool {
			got := u.ok("flowlogs", "b").stdout
			return strings.Contains(got, in) && strings.Contains(got, out)
		})
		if r := u.run("flowlogs", "c"); r.code == 0 || !strings.Contains(r.stderr, "no flow log") {
			t.Errorf("an unknown flow log: %s", r)
		}
		u.ok("down")
		follower.expect("10.0.1.10 1 ACCEPT\n")     // the slow one's, at the end
		_, _ = io.Copy(io.Discard, follower.stdout) // it ends with the lab
		if err := follower.cmd.Wait(); err != nil || !strings.Contains(follower.stderr.String(), "Lab logged has ended.") {
			t.Errorf("the follower ended: %v\n%s", err, follower.stderr)
		}
		files := filepath.Join(u.state, ".flowlogs", "logged")
		for name, want := range map[string]string{"b.log": in, "slow.log": "10.0.1.10 1 ACCEPT\n10.0.1.20 1 ACCEPT\n"} {
			if got, err := os.ReadFile(filepath.Join(files, name)); err != nil || !strings.Contains(string(got), want) {
				t.Errorf("%s: %v\n%s", name, err, got)
			}
		}
		if err := os.RemoveAll(filepath.Dir(files)); err != nil {
			t.Error(err)
		}
	})
}

// TestFlowLogsSurviveTheDaemon: records that were published are in the bucket when the
// daemon was killed and the lab comes up again, once, and those of a lab that ends in
// order are there at once.
func TestFlowLogsSurviveTheDaemon(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		file := strings.NewReplacer("slow: {networkInterface: b,", `slow: {networkInterface: b, aggregationInterval: 1s, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/net",`).Replace(flowLogFile)
		path := filepath.Join(u.dir, "logged.yaml")
		if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		bucket := filepath.Join(u.state, ".flowlogs", "logged", "s3", "my-logs")
		defer func() {
			if err := os.RemoveAll(filepath.Join(u.state, ".flowlogs")); err != nil {
				t.Error(err)
			}
		}()
		objects := func() (list []string) {
			list, _ = filepath.Glob(filepath.Join(bucket, "net/AWSLogs/*/vpcflowlogs/us-east-1/*/*/*/*.log.gz"))
			return list
		}
		const records = "10.0.1.10 1 ACCEPT\n10.0.1.20 1 ACCEPT\n"
		for _, kill := range []bool{true, false} {
			u.ok("up", "-d", path)
			u.ok("exec", "a", "--", "ping", "-q", "-c", "1", "10.0.1.20")
			u.eventually("the records of the ping", func() bool { return strings.Contains(u.ok("flowlogs", "slow").stdout, records) })
			if r := u.ok("get", "flowLog", "slow"); !strings.Contains(r.stdout, bucket) || !strings.Contains(r.stdout, "SUCCESS") {
				t.Errorf("it does not say where the files are: %s", r)
			}
			if kill {
				if err := syscall.Kill(u.labs()[0].PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				u.eventually("the end of the lab", func() bool { return len(u.labs()) == 0 })
				if got := objects(); len(got) != 0 {
					t.Errorf("a killed daemon completed %v", got)
				}
				if r := u.ok("flowlogs", "--files"); !strings.Contains(r.stderr, "1 file to be made yet") || !strings.Contains(r.stdout, "b.log\n") {
					t.Errorf("files of a killed lab: %s", r)
				}
			} else {
				u.eventually("the object of the killed daemon", func() bool { return strings.Count(u.ok("flowlogs", "slow", "--files").stdout, "\n") == 1 })
				u.ok("down")
			}
		}
		all := objects()
		if len(all) != 2 {
			t.Fatalf("objects %v", all)
		}
		if r := u.ok("flowlogs", "--files", "--lab", "logged"); !strings.Contains(r.stdout, all[0]+"\n") || !strings.Contains(r.stdout, all[1]+"\n") {
			t.Errorf("files of a lab that is down: %s", r)
		}
		for _, object := range all {
			out, err := exec.Command("gzip", "-dc", object).Output()
			if text := string(out); err != nil || !strings.HasPrefix(text, "srcaddr protocol action\n"+records) || strings.Count(text, "10.0.1.10") != 1 {
				t.Errorf("%s: %v\n%s", object, err, text)
			}
		}
	})
}

// TestLabOfACheckIsNobodysElse: while a check runs, "the lab" is still the one that its
// user has up, and the lab that the check had leaves nothing.
func TestLabOfACheckIsNobodysElse(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		path := filepath.Join(u.dir, "waiting.yaml")
		file := strings.Replace(flowLogFile, "name: logged", "name: waiting", 1) + "checks: [{flowLog: b, record: NEVER, wait: 60s}]\n"
		if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		u.ok("up", "-d", "quickstart")
		check := u.start(u.command("check", path))
		u.eventually("the check's lab, which says whose it is", func() bool { return strings.Contains(u.ok("ls").stdout, "waiting.yaml (vpcsim check)") })
		u.ok("exec", "web", "--", "true")
		if r := u.ok("down", "--all"); r.stdout != "Lab quickstart is down.\n" {
			t.Errorf("down --all: %s", r)
		}
		check.end(syscall.SIGTERM)
		u.eventually("the end of the check's lab", func() bool { return len(u.labs()) == 0 })
		if left, _ := filepath.Glob(filepath.Join(u.state, ".flowlogs", "*")); len(left) > 0 {
			t.Errorf("it left %v", left)
		}
	})
}
