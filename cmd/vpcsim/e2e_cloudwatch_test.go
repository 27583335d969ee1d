package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
flowLogs:
  all: {vpc: v, aggregationInterval: 1s}
  kept: {vpc: v, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs/vpc/", destinationOptions: {perHourPartition: true}}
metricFilters:
  rejects: {filterPattern: "[..., action=REJECT, status]", metricName: Rejects, metricNamespace: VPC, metricValue: "1"}
alarms:
  rejects:
    {metricName: Rejects, namespace: VPC, statistic: Sum, period: 1s, evaluationPeriods: 1, threshold: 1, comparisonOperator: GreaterThanOrEqualToThreshold,
     alarmActions: [{on: b, run: "echo $ALARM_NAME $ALARM_STATE > fired; ip -brief address show eth0 >> fired"}]}
`

func (u *user) watchedLab() {
	u.t.Helper()
	u.watchedLabUp(watchedFile)
	u.rejected()
}

func (u *user) watchedLabUp(file string) {
	u.t.Helper()
	path := filepath.Join(u.dir, "watched.yaml")
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.ok("up", "-d", path)
}

// rejected makes one record that the alarm is about.
func (u *user) rejected() {
	u.t.Helper()
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

// TestAlarmNotifiesOverHTTP: what AWS's SNS would send comes from the machine that the
// action names, by either family, through its groups and routes.
func TestAlarmNotifiesOverHTTP(t *testing.T) {
	file := strings.NewReplacer(
		"vpcs: {v: {cidr: 10.0.0.0/16}}", `vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:5::/56"}}`,
		"subnets: {s: {vpc: v, cidr: 10.0.1.0/24}}", `subnets: {s: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:5::/64"}}`,
		"securityGroups: {none: {vpc: v}}", "securityGroups: {none: {vpc: v}, told: {vpc: v, ingress: [{protocol: tcp, ports: 8080, from: none}]}}",
		"  b: {subnet: s, ip: 10.0.1.20, securityGroups: [none]}",
		"  b: {subnet: s, ip: 10.0.1.20, ipv6: \"2001:db8:5::20\", securityGroups: [none]}\n  c: {subnet: s, ip: 10.0.1.30, ipv6: \"2001:db8:5::30\", securityGroups: [told]}",
		`[{on: b, run: "echo $ALARM_NAME $ALARM_STATE > fired; ip -brief address show eth0 >> fired"}]`,
		`[{on: b, post: "http://10.0.1.30:8080/four"}, {on: b, post: "http://[2001:db8:5::30]:8080/six"}, {on: b, post: "http://10.0.1.10:8080/rejected"}]`,
	).Replace(watchedFile)
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.watchedLabUp(file)
		receiver := u.tool("c", "receive", ":8080")
		receiver.expect("listening")
		u.rejected()
		// The actions of one transition run at the same time.
		var from []string
		for range 2 {
			var got receivedPost
			if err := json.Unmarshal([]byte(receiver.expect("{")), &got); err != nil {
				t.Fatal(err)
			}
			from = append(from, got.Path+" from "+got.From)
			checkNotification(t, &got)
		}
		slices.Sort(from)
		if diff := cmp.Diff([]string{"/four from 10.0.1.20", "/six from 2001:db8:5::20"}, from); diff != "" {
			t.Errorf("posts (-want +got):\n%s", diff)
		}
		u.eventually("the history", func() bool {
			return strings.Contains(u.ok("alarms", "--history").stdout, "rejects  Successfully executed action vpcsim:b:post:http://10.0.1.30:8080/four")
		})
		if got := u.ok("metrics").stdout; !strings.Contains(got, `vpcsim_alarm_actions_total{alarm="rejects",result="done"} 2`) {
			t.Error("the actions are not measured")
		}
		u.watchedLabEnds()
	})
}

// checkNotification holds a post against what SNS sends for an alarm.
func checkNotification(t *testing.T, got *receivedPost) {
	t.Helper()
	var sns struct{ Type, MessageID, TopicArn, Subject, Message, Timestamp string }
	if err := json.Unmarshal([]byte(got.Body), &sns); err != nil {
		t.Fatalf("%v in %s", err, got.Body)
	}
	if got.MessageType != "Notification" || sns.Type != "Notification" || sns.Subject != `ALARM: "rejects" in us-east-1` || !strings.HasPrefix(sns.TopicArn, "arn:aws:sns:us-east-1:") || sns.MessageID == "" {
		t.Errorf("the notification: %+v", got)
	}
	var message struct {
		AlarmName, AlarmArn, NewStateValue, NewStateReason string
		Trigger                                            struct {
			MetricName, Namespace, ComparisonOperator, Statistic string
			Period, EvaluationPeriods                            int
			Threshold                                            float64
		}
	}
	if err := json.Unmarshal([]byte(sns.Message), &message); err != nil {
		t.Fatalf("%v in %s", err, sns.Message)
	}
	trigger := message.Trigger
	if message.AlarmName != "rejects" || message.NewStateValue != "ALARM" || !strings.HasPrefix(message.NewStateReason, "Threshold Crossed: ") || !strings.HasSuffix(message.AlarmArn, ":alarm:rejects") ||
		trigger.MetricName != "Rejects" || trigger.Namespace != "VPC" || trigger.Period != 1 || trigger.Threshold != 1 || trigger.ComparisonOperator != "GreaterThanOrEqualToThreshold" {
		t.Errorf("the message: %s", sns.Message)
	}
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
		if got := u.ok("serve", "--listen", address).stdout; !strings.Contains(got, "AWS_ENDPOINT_URL=http://"+address) {
			t.Errorf("the same again, from a second terminal: %s", got)
		}
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if r := u.run("serve", "--listen", other.Addr().String()); r.code != exitFailed || !strings.Contains(r.stderr, "is taken by another program") {
			t.Errorf("a port that another program has: %s", r)
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
