package scenarios

import (
	"fmt"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// cloudWatched is a driver whose lab has CloudWatch.
type cloudWatched interface {
	// CloudWatch is the lab's.
	CloudWatch() *cloudwatch.Service
}

// observe answers a check that sends nothing.
func observe(d Driver, c *control.Check) (ok bool, got string) {
	watched, has := d.(cloudWatched)
	if !has {
		return false, "this way to run checks sees neither alarms nor flow logs"
	}
	if c.Alarm != "" {
		return observeAlarm(watched.CloudWatch(), c)
	}
	return observeFlowLog(watched.CloudWatch(), c)
}

func observeAlarm(s *cloudwatch.Service, c *control.Check) (ok bool, got string) {
	for _, a := range s.Alarms() {
		if a.Name == c.Alarm {
			return string(a.State) == c.State.String(), fmt.Sprintf("%s: %s", a.State, a.Reason)
		}
	}
	return false, "the lab has no such alarm"
}

// observeFlowLog looks for a record that matches. The newest is shown, and without
// one the newest of all: it often says what was written differently.
func observeFlowLog(s *cloudwatch.Service, c *control.Check) (ok bool, got string) {
	pattern, err := cloudwatch.ParsePattern(c.Record)
	if err != nil {
		return false, err.Error()
	}
	matching, all, last, lastMatching := 0, 0, "", ""
	for _, g := range s.Groups() {
		events, _ := s.Events(cloudwatch.Query{Group: g.Name})
		for i := range events {
			if events[i].Source != c.FlowLog {
				continue
			}
			all, last = all+1, events[i].Message
			if _, match := pattern.Match(last); match {
				matching, lastMatching = matching+1, last
			}
		}
	}
	switch {
	case matching > 0:
		return true, fmt.Sprintf("%d of %d records, the last of them %s", matching, all, lastMatching)
	case all > 0:
		return false, fmt.Sprintf("none of %d records; the last is %s", all, last)
	}
	return false, "no record has been published yet"
}
