package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// watchedFile is a lab in which every rejected connection is an alarm.
const watchedFile = `
name: watched
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}
securityGroups: {none: {vpc: v}}
instances:
  a: {subnet: s, ip: 10.0.1.10, securityGroups: [none]}
  b: {subnet: s, ip: 10.0.1.20, securityGroups: [none]}
flowLogs: {all: {vpc: v, aggregationInterval: 1s}}
metricFilters:
  rejects: {filterPattern: "[..., action=REJECT, status]", metricName: Rejects, metricNamespace: VPC, metricValue: "1"}
alarms:
  rejects:
    {metricName: Rejects, namespace: VPC, statistic: Sum, period: 1s, evaluationPeriods: 1, threshold: 1, comparisonOperator: GreaterThanOrEqualToThreshold,
     alarmActions: [{on: b, run: "echo $ALARM_NAME $ALARM_STATE > fired; ip -brief address show eth0 >> fired"}]}
`

func (u *user) watchedLab() {
	u.t.Helper()
	path := filepath.Join(u.dir, "watched.yaml")
	if err := os.WriteFile(path, []byte(watchedFile), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.ok("up", "-d", path)
	u.run("exec", "a", "--", "ping", "-c", "1", "-W", "0.1", "10.0.1.20") // nobody answers
}

// watchedLabEnds takes the lab down, and away what outlives it.
func (u *user) watchedLabEnds() {
	u.t.Helper()
	u.ok("down")
	if err := os.RemoveAll(filepath.Join(u.state, ".flowlogs")); err != nil {
		u.t.Error(err)
	}
}

// TestAlarmActsWithinTheLab: the alarm's command runs in the network of the instance
// that it names.
func TestAlarmActsWithinTheLab(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.watchedLab()
		u.eventually("the alarm's command", func() bool {
			got, err := os.ReadFile(filepath.Join(u.dir, "fired"))
			return err == nil && strings.HasPrefix(string(got), "rejects ALARM\n") && strings.Contains(string(got), "10.0.1.20/24")
		})
		u.eventually("the history", func() bool {
			return strings.Contains(u.ok("alarms", "--history").stdout, "rejects  Successfully executed action vpcsim:b:run:")
		})
		if got := u.ok("alarms", "--history").stdout; !strings.Contains(got, "to ALARM: Threshold Crossed: 1 out of the last 1 datapoints [1.0 (") {
			t.Errorf("the history: %s", got)
		}
		u.watchedLabEnds()
	})
}

// TestServeAnswersOnTheMachinesOwnAddress: the daemon's network is another, and the
// listener is the caller's.
func TestServeAnswersOnTheMachinesOwnAddress(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.watchedLab()
		export := u.ok("serve", "--listen", "127.0.0.1:0").stdout
		found := regexp.MustCompile(`^export AWS_ENDPOINT_URL=(http://127\.0\.0\.1:\d+) AWS_ACCESS_KEY_ID=\S+ AWS_SECRET_ACCESS_KEY=\S+ AWS_DEFAULT_REGION=us-east-1\n$`).FindStringSubmatch(export)
		if found == nil {
			t.Fatalf("serve printed %q", export)
		}
		ask := func(method, path, target, body string) string {
			r, err := http.NewRequest(method, found[1]+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", target)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				return err.Error()
			}
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			return string(text)
		}
		u.eventually("the record", func() bool {
			return strings.Contains(ask("POST", "/", "Logs_20140328.FilterLogEvents", `{"logGroupName":"/aws/vpc/flowlogs","filterPattern":"REJECT"}`), "10.0.1.10 10.0.1.20 0 0 1 1 84")
		})
		if got := ask("GET", "/metrics", "", ""); !strings.Contains(got, "vpcsim_") {
			t.Errorf("metrics: %.200s", got)
		}
		address := strings.TrimPrefix(found[1], "http://")
		if r := u.run("serve", "--listen", address); r.code != exitFailed || !strings.Contains(r.stderr, "is taken by another program") {
			t.Errorf("the same again: %s", r)
		}
		if got := u.ok("serve", "--stop").stdout; !strings.Contains(got, "no longer answers on "+address) {
			t.Errorf("stop: %s", got)
		}
		if got := ask("GET", "/metrics", "", ""); !strings.Contains(got, "refused") {
			t.Errorf("after the end: %.200s", got)
		}
		u.watchedLabEnds()
	})
}

// TestAWSCLIReadsFlowLogsAndAlarms asks with AWS's own client, in the protocols that
// this version of it has.
func TestAWSCLIReadsFlowLogsAndAlarms(t *testing.T) {
	requirePrograms(t, "aws")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.watchedLab()
		aws := func(args ...string) result {
			cmd := u.command(append([]string{"aws"}, args...)...)
			cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
			return u.finish(cmd)
		}
		version := aws("--", "--version")
		if version.code == exitNotFound || version.code == 126 {
			u.watchedLabEnds()
			t.Skipf("the AWS CLI is not this user's to run: %s", version)
		}
		const record = " 10.0.1.10 10.0.1.20 0 0 1 1 84 "
		u.eventually("the record", func() bool {
			r := aws("logs", "filter-log-events", "--log-group-name", "/aws/vpc/flowlogs", "--filter-pattern", "[..., action=REJECT, status]", "--query", "events[].message", "--output", "text")
			return strings.Contains(r.stdout, record)
		})
		if r := aws("cloudwatch", "describe-alarms", "--query", "MetricAlarms[].AlarmName", "--output", "text"); strings.TrimSpace(r.stdout) != "rejects" {
			t.Errorf("alarms: %s", r)
		}
		if r := aws("ec2", "describe-flow-logs", "--query", "FlowLogs[].LogGroupName", "--output", "text"); strings.TrimSpace(r.stdout) != "/aws/vpc/flowlogs" {
			t.Errorf("flow logs: %s", r)
		}
		if r := aws("logs", "filter-log-events", "--log-group-name", "/aws/vpc/flowlogs", "--filter-pattern", "["); r.code == 0 || !strings.Contains(r.stderr, "(InvalidParameterException)") || !strings.Contains(r.stderr, "position 2") {
			t.Errorf("a wrong pattern: %s", r)
		}
		if strings.HasPrefix(version.stdout, "aws-cli/2") { // version 1 has no tail
			if r := aws("logs", "tail", "/aws/vpc/flowlogs", "--format", "short"); !strings.Contains(r.stdout, record) {
				t.Errorf("tail: %s", r)
			}
		}
		u.watchedLabEnds()
	})
}
