package control

import (
	"slices"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// CloudWatchConfig is what the world asks of CloudWatch: the log groups of its flow
// logs, metric filters and alarms.
func (w *World) CloudWatchConfig() cloudwatch.Config {
	c := cloudwatch.Config{}
	for _, name := range sorted(w.FlowLogs) {
		if group := w.FlowLogs[name].Status.LogGroup; !slices.Contains(c.Groups, group) {
			c.Groups = append(c.Groups, group)
		}
	}
	return c
}

// CloudWatchEvents are flow log records as the events that CloudWatch Logs keeps:
// their time is the record's start (F11).
func CloudWatchEvents(entries []flowlogs.Entry) []cloudwatch.Event {
	events := make([]cloudwatch.Event, len(entries))
	for i := range entries {
		e := &entries[i]
		events[i] = cloudwatch.Event{Group: e.Group, Stream: e.Stream, Source: e.Log, Timestamp: e.Timestamp, Message: e.Message}
	}
	return events
}
