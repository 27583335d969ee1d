package cloudwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rangeOf are data points in AWS's notation, the oldest first: X breaches the
// threshold of 1, 0 does not, - is missing.
func rangeOf(text string) []Statistics {
	at := time.Date(2025, 6, 20, 15, 20, 0, 0, time.UTC)
	var list []Statistics
	for i := len(text) - 1; i >= 0; i-- {
		at = at.Add(-time.Minute)
		p := Statistics{Start: at}
		switch text[i] {
		case 'X':
			p.Count, p.Sum = 1, 5
		case '0':
			p.Count = 1
		}
		list = append(list, p)
	}
	return list
}

// TestAlarmsEvaluateAsInAWSsTables: the two tables of "Configuring how CloudWatch
// alarms treat missing data", and what follows from their text. "=" is the state
// that was.
func TestAlarmsEvaluateAsInAWSsTables(t *testing.T) {
	const ok, alarm, unknown = string(StateOK), string(StateAlarm), string(StateInsufficientData)
	cases := []struct {
		n, m   int
		points string
		want   [4]string // missing, ignore, breaching, notBreaching
	}{
		{3, 3, "0-X-X", [4]string{ok, ok, ok, ok}},
		{3, 3, "0----", [4]string{ok, ok, ok, ok}},
		{3, 3, "-----", [4]string{unknown, "=", alarm, ok}},
		{3, 3, "0XX-X", [4]string{alarm, alarm, alarm, alarm}},
		{3, 3, "--X--", [4]string{alarm, "=", alarm, ok}},
		{3, 2, "0-X-X", [4]string{alarm, alarm, alarm, alarm}},
		{3, 2, "00X0X", [4]string{alarm, alarm, alarm, alarm}},
		{3, 2, "0-X--", [4]string{ok, ok, alarm, ok}},
		{3, 2, "----0", [4]string{ok, ok, alarm, ok}},
		{3, 2, "---X-", [4]string{alarm, "=", alarm, ok}},
		// One that has just come might be followed by others.
		{3, 3, "----X", [4]string{"=", "=", alarm, ok}},
		{1, 1, "--X", [4]string{alarm, alarm, alarm, alarm}},
		{1, 1, "X--", [4]string{alarm, alarm, alarm, alarm}},
		{1, 1, "---", [4]string{unknown, "=", alarm, ok}},
		{1, 1, "X-0", [4]string{ok, ok, ok, ok}},
		{5, 1, "00X0000", [4]string{alarm, alarm, alarm, alarm}},
		{5, 1, "X000000", [4]string{ok, ok, ok, ok}},
	}
	for _, c := range cases {
		for i, missing := range MissingWords() {
			a := Alarm{Statistic: Sum, EvaluationPeriods: c.n, DatapointsToAlarm: c.m, Threshold: 1, Comparison: GreaterThanThreshold, Missing: Missing(missing)}
			e := a.evaluate(rangeOf(c.points))
			got := string(e.state)
			if e.kept {
				got = "="
			}
			if got != c.want[i] {
				t.Errorf("%d of %d, %s, %s: %s, want %s", c.m, c.n, c.points, missing, got, c.want[i])
			}
		}
	}
}

func TestReasonsAreWordedAsAWSDoes(t *testing.T) {
	cases := []struct {
		n, m       int
		missing    Missing
		comparison Comparison
		points     string
		want       string
	}{
		{1, 1, MissingMissing, GreaterThanOrEqualToThreshold, "--X", "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (20/06/25 15:19:00)] was greater than or equal to the threshold (1.5) (minimum 1 datapoint for OK -> ALARM transition)."},
		{3, 2, MissingMissing, GreaterThanThreshold, "XX0XX", "Threshold Crossed: 2 out of the last 3 datapoints [5.0 (20/06/25 15:19:00), 5.0 (20/06/25 15:18:00)] were greater than the threshold (1.5) (minimum 2 datapoints for OK -> ALARM transition)."},
		{3, 2, MissingMissing, GreaterThanThreshold, "XX00X", "Threshold Crossed: 2 out of the last 3 datapoints [0.0 (20/06/25 15:18:00), 0.0 (20/06/25 15:17:00)] were not greater than the threshold (1.5) (minimum 2 datapoints for ALARM -> OK transition)."},
		{2, 2, MissingNotBreaching, LessThanThreshold, "----", "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [NonBreaching]."},
		{1, 1, MissingBreaching, LessThanOrEqualToThreshold, "---", "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."},
		{2, 2, MissingBreaching, GreaterThanThreshold, "---X", "Threshold Crossed: 1 datapoint [5.0 (20/06/25 15:19:00)] was greater than the threshold (1.5) and 1 missing datapoint was treated as [Breaching]."},
		{1, 1, MissingMissing, GreaterThanThreshold, "---", "Insufficient Data: 1 datapoint was unknown."},
		{6, 6, MissingMissing, GreaterThanThreshold, "XXXXXX", "Threshold Crossed: 6 out of the last 6 datapoints were greater than the threshold (1.5). The most recent datapoints which crossed the threshold: [" +
			"5.0 (20/06/25 15:19:00), 5.0 (20/06/25 15:18:00), 5.0 (20/06/25 15:17:00), 5.0 (20/06/25 15:16:00), 5.0 (20/06/25 15:15:00)] (minimum 6 datapoints for OK -> ALARM transition)."},
	}
	for _, c := range cases {
		a := Alarm{Statistic: Sum, EvaluationPeriods: c.n, DatapointsToAlarm: c.m, Threshold: 1.5, Comparison: c.comparison, Missing: c.missing}
		e := a.evaluate(rangeOf(c.points))
		if got := a.reason(&e); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.points, got, c.want)
		}
	}
}

// exampleFilter is AWS's of the user guide, and exampleAlarm the one that it
// recommends (F-C22).
func example(t *testing.T, change func(*Config)) *Service {
	t.Helper()
	p, err := ParsePattern(awsExample)
	if err != nil {
		t.Fatal(err)
	}
	rejects := MetricID{Namespace: "VPC", Name: "RejectedSSH"}
	c := Config{
		Filters: []MetricFilter{{Name: "ssh", Group: "logs", Pattern: p, Metric: rejects, Value: "1"}},
		Alarms: []Alarm{{
			Name: "ssh", Metric: rejects, Statistic: Sum, Period: time.Hour, EvaluationPeriods: 1, DatapointsToAlarm: 1,
			Threshold: 10, Comparison: GreaterThanOrEqualToThreshold, Missing: MissingMissing,
		}},
	}
	if change != nil {
		change(&c)
	}
	s := New()
	s.Configure(start, c)
	return s
}

var start = time.Date(2025, 6, 20, 15, 0, 0, 0, time.UTC)

// refuse puts so many rejected connections, one each second from a minute on.
func refuse(s *Service, minute, n int) {
	for i := range n {
		at := start.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Second)
		s.Put(at.Add(time.Minute), []Event{{Group: "logs", Stream: "eni-1-all", Timestamp: at, Message: rejectedSSH}})
	}
}

// run evaluates whatever is due until a minute, and returns the transitions.
func run(s *Service, minute int) []string {
	var list []string
	for {
		next, ok := s.Next()
		if !ok || next.After(start.Add(time.Duration(minute)*time.Minute)) {
			return list
		}
		for _, t := range s.Evaluate(next) {
			list = append(list, fmt.Sprintf("%s %s", next.Sub(start), t.State))
		}
	}
}

func TestTwelveRejectedConnectionsInAnHourRaiseTheAlarm(t *testing.T) {
	s := example(t, nil)
	refuse(s, 10, 9)
	if got := strings.Join(run(s, 20), ", "); got != "11m0s OK" {
		t.Errorf("nine: %s", got)
	}
	refuse(s, 20, 3)
	if got := strings.Join(run(s, 30), ", "); got != "21m0s ALARM" {
		t.Errorf("twelve: %s", got)
	}
	a := s.Alarms()[0]
	if !strings.HasPrefix(a.Reason, "Threshold Crossed: 1 out of the last 1 datapoints [12.0 (20/06/25 14:21:00)] was greater than or equal to the threshold (10.0)") {
		t.Error(a.Reason)
	}
	if !strings.Contains(a.ReasonData, `"recentDatapoints":[12],"threshold":10`) {
		t.Error(a.ReasonData)
	}
	// The hour behind passes: first it has fewer, then the range has none.
	if got := strings.Join(run(s, 400), ", "); got != "1h11m0s OK, 1h21m0s INSUFFICIENT_DATA" {
		t.Errorf("later: %s", got)
	}
	var kinds []string
	history, _, _ := s.History(0)
	for _, h := range history {
		kinds = append(kinds, string(h.Kind))
	}
	if got := strings.Join(kinds, " "); got != "ConfigurationUpdate StateUpdate StateUpdate StateUpdate StateUpdate" {
		t.Errorf("history: %s", got)
	}
}

func TestDefaultValueCountsInMinutesWithoutMatches(t *testing.T) {
	zero := 0.0
	s := example(t, func(c *Config) { c.Filters[0].Default = &zero })
	rejects := MetricID{Namespace: "VPC", Name: "RejectedSSH"}
	accepted := strings.Replace(rejectedSSH, "REJECT", "ACCEPT", 1)
	s.Put(start, []Event{
		{Group: "logs", Stream: "a", Timestamp: start, Message: accepted},
		{Group: "logs", Stream: "a", Timestamp: start.Add(time.Minute), Message: accepted},
		{Group: "logs", Stream: "a", Timestamp: start.Add(time.Minute), Message: rejectedSSH},
		{Group: "other", Stream: "a", Timestamp: start.Add(2 * time.Minute), Message: accepted},
	})
	var got []string
	for _, p := range s.Statistics(rejects, start, start.Add(time.Hour), time.Minute, false) {
		got = append(got, fmt.Sprintf("%s: %v of %v", p.Start.Sub(start), p.Sum, p.Count))
	}
	if want := "0s: 0 of 1, 1m0s: 1 of 1"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
}

func TestDimensionsMakeAMetricEach(t *testing.T) {
	s := example(t, func(c *Config) {
		c.Filters[0].Metric.Dimensions = []Dimension{{"Source", "$source"}, {"Destination", "$destination"}}
		c.Filters[0].Value = "$bytes"
	})
	refuse(s, 0, 2)
	s.Put(start, []Event{{Group: "logs", Stream: "a", Timestamp: start, Message: strings.Replace(rejectedSSH, "172.31.9.69", "10.0.0.1", 1)}})
	var got []string
	for _, id := range s.Metrics() {
		got = append(got, fmt.Sprintf("%v: %v", id.Dimensions, s.Statistics(id, start, start.Add(time.Hour), time.Hour, false)[0].Sum))
	}
	if want := "[{Destination 172.31.9.12} {Source 10.0.0.1}]: 4249, [{Destination 172.31.9.12} {Source 172.31.9.69}]: 8498"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
}

// An alarm whose definition changes keeps its state; one that goes takes it along.
func TestAlarmsSurviveOtherConfigurations(t *testing.T) {
	s := example(t, nil)
	if _, ok := s.SetState(start, "ssh", StateAlarm, "for a test", ""); !ok {
		t.Fatal("no such alarm")
	}
	changed := s.Alarms()[0].Alarm
	changed.Threshold = 3
	s.Configure(start, Config{Alarms: []Alarm{changed}})
	if a := s.Alarms()[0]; a.State != StateAlarm || a.Threshold != 3 {
		t.Errorf("changed: %s, threshold %v", a.State, a.Threshold)
	}
	s.Configure(start, Config{})
	if list := s.Alarms(); len(list) != 0 {
		t.Errorf("gone: %v", list)
	}
	if _, ok := s.SetState(start, "ssh", StateOK, "", ""); ok {
		t.Error("the state of an alarm that is gone was set")
	}
}

func TestStoreForgetsTheOldestEvents(t *testing.T) {
	s := New()
	e := Event{Group: "logs", Stream: "a", Timestamp: start, Message: "0123456789"}
	for range 3 {
		s.Put(start, make([]Event, 0))
		list := make([]Event, keptEvents/2)
		for i := range list {
			list[i] = e
		}
		s.Put(start, list)
	}
	events, _ := s.Events(Query{Group: "logs"})
	g, _ := s.Group("logs")
	if n := int64(len(events)); n < keptEvents || n > keptEvents+keptEvents/10 || g.Stored != n*(10+eventOverhead) {
		t.Errorf("%d events, %d bytes", n, g.Stored)
	}
}
