package cloudwatch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCountsOutliveWhatIsForgotten: a counter that fell would look like a restart to
// whoever scrapes it.
func TestCountsOutliveWhatIsForgotten(t *testing.T) {
	s := New()
	pattern, err := ParsePattern("REJECT")
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Filters: []MetricFilter{{Name: "rejects", Group: "logs", Pattern: pattern, Metric: MetricID{Namespace: "VPC", Name: "Rejects"}, Value: "$none"}},
		Alarms:  []Alarm{{Name: "ssh", Period: time.Minute, EvaluationPeriods: 1, DatapointsToAlarm: 1, Comparison: GreaterThanThreshold, Missing: MissingMissing}},
	}
	now := time.Unix(1000, 0)
	s.Configure(now, config)
	const events = keptEvents + keptEvents/5
	for range events {
		s.Put(now, []Event{{Group: "logs", Stream: "a", Timestamp: now, Message: "REJECT"}})
	}
	s.SetState(now, "ssh", StateAlarm, "a test", "")
	s.SetState(now, "ssh", StateAlarm, "the same", "") // no transition
	s.RecordAction(now, "ssh", "done", true)
	s.RecordAction(now, "ssh", "failed", false)
	s.RecordAction(now, "gone", "done", true) // the alarm was removed while it acted
	s.Configure(now, config)
	got := s.Counts()
	if g := got.Groups[0]; g.Name != "logs" || g.Events != events || g.Bytes != events*(6+eventOverhead) || g.Stored >= int64(g.Bytes) {
		t.Errorf("the group: %+v", g)
	}
	if diff := cmp.Diff([]FilterCount{{"rejects", "logs", events}}, got.Filters); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[State]uint64{StateAlarm: 1}, got.Alarms[0].Entered); diff != "" || got.Alarms[0].Done != 1 || got.Alarms[0].Failed != 1 {
		t.Errorf("the alarm: %+v, transitions (-want +got):\n%s", got.Alarms[0], diff)
	}
	s.Configure(now, Config{})
	s.Configure(now, config)
	if got := s.Counts(); got.Filters[0].Matched != 0 || len(got.Alarms[0].Entered) != 0 {
		t.Errorf("another filter and another alarm of the same names begin at 0: %+v", got)
	}
}
