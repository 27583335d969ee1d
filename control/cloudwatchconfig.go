package control

import (
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// CloudWatchConfig is what the world asks of CloudWatch: the log groups of its flow
// logs, metric filters and alarms.
func (w *World) CloudWatchConfig() cloudwatch.Config {
	c := cloudwatch.Config{Groups: w.logGroups()}
	for _, name := range sorted(w.MetricFilters) {
		f := w.MetricFilters[name]
		pattern, err := cloudwatch.ParsePattern(f.FilterPattern)
		if err != nil {
			continue // Validate has seen it
		}
		out := cloudwatch.MetricFilter{
			Name: name, Group: f.Status.LogGroup, Pattern: pattern, Metric: metricID(f.MetricNamespace, f.MetricName, f.Dimensions),
			Value: f.MetricValue, Default: (*float64)(f.DefaultValue), Unit: f.Unit,
		}
		c.Filters = append(c.Filters, out)
	}
	for _, name := range sorted(w.Alarms) {
		c.Alarms = append(c.Alarms, w.Alarms[name].configuration(name))
	}
	return c
}

// CloudWatchEvents are those of flow log records that go to CloudWatch Logs, as the
// events that it keeps: their time is the record's start (F11).
func CloudWatchEvents(entries []flowlogs.Entry) []cloudwatch.Event {
	events := make([]cloudwatch.Event, 0, len(entries))
	for i := range entries {
		if e := &entries[i]; e.Group != "" {
			events = append(events, cloudwatch.Event{Group: e.Group, Stream: e.Stream, Source: e.Log, Timestamp: e.Timestamp, Message: e.Message})
		}
	}
	return events
}
