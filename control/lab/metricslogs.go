package lab

import (
	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
	"github.com/vpcsim/vpcsim/control/metrics"
)

func (l *lab) measureFlowLogs(w *metrics.Writer) {
	published, waiting, skipped := l.flowLogs.counts()
	w.Counter("vpcsim_flow_log_records_total", "Flow log records published since the lab came up.")
	w.Sample(float64(published))
	w.Gauge("vpcsim_flow_log_waiting_records", "Flow log records that wait in memory for a file that takes them.")
	w.Sample(float64(waiting))
	w.Counter("vpcsim_flow_log_skipped_records_total", "Flow log records that found no room in files nor in memory; SKIPDATA stands for them.")
	w.Sample(float64(skipped))
	world, _ := l.store.World() // a copy, which report may write into
	l.flowLogs.report(world)
	measureDeliveries(w, world)
	measureBuckets(w, l.flowLogs.files.Buckets())
}

// measureDeliveries says of each flow log what DescribeFlowLogs does (F16): whoever
// keeps records wants to be told when they stop, and not when he reads them.
func measureDeliveries(w *metrics.Writer, world *control.World) {
	w.Gauge("vpcsim_flow_log_delivery_up", "DeliverLogsStatus: 1 if the records of a flow log are delivered, 0 if that fails and they wait.", "flow_log", "id", "destination_type")
	for _, name := range sortedKeys(world.FlowLogs) {
		s := &world.FlowLogs[name].Status
		w.Sample(flag(s.DeliverLogsStatus == "SUCCESS"), name, s.ID, s.LogDestinationType.String())
	}
}

// measureBuckets has no flow log in its labels: several may share a bucket, and those
// of an earlier lab may be gone.
func measureBuckets(w *metrics.Writer, buckets map[string]delivery.Bucket) {
	names := sortedKeys(buckets)
	w.Counter("vpcsim_flow_log_objects_total", "Objects that the lab has put into a bucket of S3.", "bucket")
	for _, name := range names {
		w.Sample(float64(buckets[name].Objects), name)
	}
	w.Counter("vpcsim_flow_log_object_bytes_total", "Bytes of the objects that the lab has put into a bucket of S3, as they are there: compressed.", "bucket")
	for _, name := range names {
		w.Sample(float64(buckets[name].Bytes), name)
	}
	w.Gauge("vpcsim_flow_log_spools", "Objects for a bucket of S3 whose records are in a spool: their five minutes are not over, or they cannot be made.", "bucket")
	for _, name := range names {
		w.Sample(float64(buckets[name].Spools), name)
	}
}

// measureCloudWatch uses the words of AWS's metrics of log groups. Of the metrics that
// the lab's own filters make there are none: their dimensions are addresses and ports
// as often as not, and AWS's clients read them from the lab's CloudWatch.
func measureCloudWatch(w *metrics.Writer, c cloudwatch.Counts) {
	w.Counter("vpcsim_log_group_events_total", "IncomingLogEvents: log events that came to a log group.", "log_group")
	for i := range c.Groups {
		w.Sample(float64(c.Groups[i].Events), c.Groups[i].Name)
	}
	w.Counter("vpcsim_log_group_bytes_total", "IncomingBytes: bytes of the log events that came to a log group, as AWS bills them.", "log_group")
	for i := range c.Groups {
		w.Sample(float64(c.Groups[i].Bytes), c.Groups[i].Name)
	}
	w.Gauge("vpcsim_log_group_stored_bytes", "Bytes of a log group's events that are in memory.", "log_group")
	for i := range c.Groups {
		w.Sample(float64(c.Groups[i].Stored), c.Groups[i].Name)
	}
	w.Counter("vpcsim_metric_filter_matched_events_total", "Log events that matched the pattern of a metric filter.", "metric_filter", "log_group")
	for i := range c.Filters {
		w.Sample(float64(c.Filters[i].Matched), c.Filters[i].Name, c.Filters[i].Group)
	}
	measureAlarms(w, c.Alarms)
}

// measureAlarms has a series for each state that an alarm can be in, also before it
// was: a series that only begins with its first 1 hides that one from rate().
func measureAlarms(w *metrics.Writer, alarms []cloudwatch.AlarmCount) {
	each := func(value func(a *cloudwatch.AlarmCount, s cloudwatch.State) float64) {
		for i := range alarms {
			for _, state := range cloudwatch.StateWords() {
				w.Sample(value(&alarms[i], cloudwatch.State(state)), alarms[i].Name, state)
			}
		}
	}
	w.Gauge("vpcsim_alarm_state", "StateValue: 1 for the state that an alarm is in, 0 for the others.", "alarm", "state")
	each(func(a *cloudwatch.AlarmCount, s cloudwatch.State) float64 { return flag(a.State == s) })
	w.Counter("vpcsim_alarm_transitions_total", "How often an alarm has entered a state.", "alarm", "state")
	each(func(a *cloudwatch.AlarmCount, s cloudwatch.State) float64 { return float64(a.Entered[s]) })
	w.Counter("vpcsim_alarm_actions_total", "Actions of an alarm that have ended, by what became of them.", "alarm", "result")
	for i := range alarms {
		w.Sample(float64(alarms[i].Done), alarms[i].Name, "done")
		w.Sample(float64(alarms[i].Failed), alarms[i].Name, "failed")
	}
}
