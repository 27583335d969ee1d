package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vpcsim/vpcsim/control"
)

// awsCLI is an installation of AWS's own client that a user can run.
type awsCLI struct {
	u    *user
	dir  string // that the program is in
	tail bool   // it is version 2, and has aws logs tail
}

// findAWSCLI looks through PATH, and where Debian's package is, for the best client:
// a machine may have several, of which the first is an old one, or root's alone.
// Version 2 is what users have; in CI nothing less will do.
func (u *user) findAWSCLI() awsCLI {
	u.t.Helper()
	found, tried := awsCLI{}, ""
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		path := filepath.Join(dir, "aws")
		version, err := u.versionOf(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			tried += "\n" + path + ": " + err.Error()
		case strings.HasPrefix(version, "aws-cli/2"):
			return awsCLI{u, dir, true}
		default:
			tried += "\n" + path + ": " + version
			if found.dir == "" {
				found = awsCLI{u, dir, false}
			}
		}
	}
	switch {
	case os.Getenv("CI") != "":
		u.t.Fatalf("version 2 of the AWS CLI is not this user's to run, and in CI it must be:%s", tried)
	case found.dir == "":
		u.t.Skipf("the AWS CLI is not this user's to run:%s", tried)
	}
	return found
}

// versionOf asks a program itself: that a file is there does not say that this user
// can read what it is a wrapper of.
func (u *user) versionOf(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	cmd := exec.Command(path, "--version")
	cmd.Dir, cmd.Env = u.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
	text, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

// command is vpcsim aws with arguments, which finds this client before any other.
func (c awsCLI) command(args ...string) *exec.Cmd {
	cmd := c.u.command(append([]string{"aws"}, args...)...)
	cmd.Env = append(cmd.Env, "PATH="+c.dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd
}

func (c awsCLI) run(args ...string) result {
	c.u.t.Helper()
	return c.u.finish(c.command(args...))
}

// text is the answer to a command that must succeed, as fields.
func (c awsCLI) text(args ...string) string {
	c.u.t.Helper()
	r := c.run(append(args, "--output", "text")...)
	if r.code != exitOK {
		c.u.t.Fatal(r)
	}
	return strings.Join(strings.Fields(r.stdout), " ")
}

// TestAWSCLIReadsFlowLogsAndAlarms asks with AWS's own client, in the protocols that
// this version of it has.
func TestAWSCLIReadsFlowLogsAndAlarms(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		aws := u.findAWSCLI()
		u.watchedLab()
		const record = " 10.0.1.10 10.0.1.20 0 0 1 1 84 "
		u.eventually("the record", func() bool {
			r := aws.run("logs", "filter-log-events", "--log-group-name", "/aws/vpc/flowlogs", "--filter-pattern", "[..., action=REJECT, status]", "--query", "events[].message", "--output", "text")
			return strings.Contains(r.stdout, record)
		})
		if got := aws.text("cloudwatch", "describe-alarms", "--query", "MetricAlarms[].AlarmName"); got != "rejects" {
			t.Errorf("alarms: %s", got)
		}
		const fields = "FlowLogs[].[LogGroupName,LogDestinationType,LogDestination,DestinationOptions.FileFormat,DestinationOptions.PerHourPartition,DeliverLogsStatus,Tags[0].Value]"
		if got, want := aws.text("ec2", "describe-flow-logs", "--query", fields), "/aws/vpc/flowlogs cloud-watch-logs None None None SUCCESS all None s3 arn:aws:s3:::my-logs/vpc/ plain-text True SUCCESS kept"; got != want {
			t.Errorf("flow logs: %s, want %s", got, want)
		}
		if got := aws.text("ec2", "describe-flow-logs", "--filter", "Name=deliver-log-status,Values=FAILED", "--query", "length(FlowLogs)"); got != "0" {
			t.Errorf("flow logs that fail: %s", got)
		}
		if r := aws.run("logs", "filter-log-events", "--log-group-name", "/aws/vpc/flowlogs", "--filter-pattern", "["); r.code == 0 || !strings.Contains(r.stderr, "(InvalidParameterException)") || !strings.Contains(r.stderr, "position 2") {
			t.Errorf("a wrong pattern: %s", r)
		}
		if aws.tail {
			aws.tails(record)
		}
		u.watchedLabEnds()
	})
}

// tails reads what was recorded, and goes on with what comes.
func (c awsCLI) tails(record string) {
	c.u.t.Helper()
	if r := c.run("logs", "tail", "/aws/vpc/flowlogs", "--format", "short"); r.code != exitOK || !strings.Contains(r.stdout, record) {
		c.u.t.Errorf("tail: %s", r)
	}
	follow := c.command("logs", "tail", "/aws/vpc/flowlogs", "--format", "short", "--follow")
	follow.Env = append(follow.Env, "PYTHONUNBUFFERED=1") // it writes to no terminal here, and would keep 8 kB to itself
	follower := c.u.start(follow)
	follower.expect(record)
	c.u.run("exec", "b", "--", "ping", "-c", "1", "-W", "0.1", "10.0.1.10") // nobody answers
	follower.expect(" 10.0.1.20 10.0.1.10 0 0 1 1 84 ")
	if code := follower.end(syscall.SIGTERM); code != 128+int(syscall.SIGTERM) && code != exitInterrupted && code != exitOK {
		c.u.t.Errorf("tail --follow ended with %d", code)
	}
}

// TestAWSCLISeesWhoIsConnected asks EC2 for the connections of a Client VPN endpoint.
func TestAWSCLISeesWhoIsConnected(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		aws := u.findAWSCLI()
		u.ok("up", "-d", "client-vpn")
		u.clientConnected("anna", "10.80.3.10", "10.80.1.5")
		var staff control.ClientVPNEndpoint
		if err := json.Unmarshal([]byte(u.ok("get", "clientVpnEndpoints", "staff", "-o", "json").stdout), &staff); err != nil {
			t.Fatal(err)
		}
		endpoint := staff.Status.ID
		got := aws.text("ec2", "describe-client-vpn-connections", "--client-vpn-endpoint-id", endpoint,
			"--filters", "Name=username,Values=anna", "--query", "Connections[].[Username,ClientIp,Status.Code]")
		if !strings.HasPrefix(got, "anna 172.") || !strings.HasSuffix(got, " active") {
			t.Errorf("connections: %s", got)
		}
		if r := aws.run("ec2", "describe-client-vpn-connections", "--client-vpn-endpoint-id", "cvpn-endpoint-none"); r.code == 0 || !strings.Contains(r.stderr, "(InvalidClientVpnEndpointId.NotFound)") {
			t.Errorf("an endpoint that is not there: %s", r)
		}
		if got := u.ok("metrics").stdout; !strings.Contains(got, `vpcsim_client_vpn_connections_total{client_vpn_endpoint="staff",id="`+endpoint+`"} `) {
			t.Error("the endpoint is not measured")
		}
	})
}
