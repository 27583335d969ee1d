package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// TestF_C22TwelveRejectedSSHConnectionsRaiseTheAlarm is the example of AWS's user
// guide for VPC flow logs: metric filter, alarm, and twelve SYNs within an hour.
func TestF_C22TwelveRejectedSSHConnectionsRaiseTheAlarm(t *testing.T) {
	world := fixture{a: nothingIn, i1: "publicIp: true", more: `
flowLogs: {all: {vpc: v}}
metricFilters:
  ssh:
    filterPattern: '[version, account, eni, source, destination, srcport, destport="22", protocol="6", packets, bytes, windowstart, windowend, action="REJECT", flowlogstatus]'
    metricName: Rejects
    metricNamespace: VPC
    metricValue: "1"
alarms:
  ssh: {metricName: Rejects, namespace: VPC, statistic: Sum, period: 1h, evaluationPeriods: 1, threshold: 10, comparisonOperator: GreaterThanOrEqualToThreshold}
`}.String()
	for _, family := range []control.Family{control.IPv4, control.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			n := newLoggedNetwork(t, family, inFamily(world, family), func(w *control.World) *control.World { return w })
			attempts := func(first, last uint16) {
				for port := first; port <= last; port++ {
					n.playFlow(flowStep{from: "x", to: "eip:i1", msg: tcp(port, 22, syn)})
					n.playFlow(flowStep{from: "x", to: "eip:i1", msg: tcp(port, 23, syn)}) // another port is none
					n.Advance(2 * time.Minute)
				}
			}
			state := func() cloudwatch.AlarmStatus { return n.CloudWatch().Alarms()[0] }
			attempts(40001, 40009)
			if a := state(); a.State != cloudwatch.StateOK {
				t.Errorf("after nine: %s, %s", a.State, a.Reason)
			}
			attempts(40010, 40012)
			a := state()
			if a.State != cloudwatch.StateAlarm || !strings.Contains(a.Reason, "was greater than or equal to the threshold (10.0)") {
				t.Errorf("after twelve: %s, %s", a.State, a.Reason)
			}
			values := n.CloudWatch().Statistics(cloudwatch.MetricID{Namespace: "VPC", Name: "Rejects"}, memoryEpoch, memoryEpoch.Add(time.Hour), time.Hour, false)
			if len(values) != 1 || values[0].Sum != 12 {
				t.Errorf("the metric is %v, want 12", values)
			}
			n.Advance(2 * time.Hour)
			if a := state(); a.State != cloudwatch.StateInsufficientData {
				t.Errorf("hours later: %s, %s", a.State, a.Reason)
			}
		})
	}
}

// Checks of alarms and flow logs say what they saw.
func TestRunJudgesAlarmsAndFlowLogs(t *testing.T) {
	const lab = runnerLab + `
  - {from: laptop, to: web, tcp: 22, expect: drop}
  - {flowLog: all, record: "[..., destport=22, protocol, packets, bytes, start, end, action=REJECT, status]"}
  - {flowLog: all, record: "[..., destport=22, protocol, packets, bytes, start, end, action=REJECT, status]", wait: 5s}
  - {flowLog: all, record: SKIPDATA}
  - {alarm: any, state: ALARM}
  - {alarm: any, state: OK}
flowLogs: {all: {vpc: v, aggregationInterval: 1s}}
metricFilters: {any: {metricName: Any, metricNamespace: Lab, metricValue: "1"}}
alarms: {any: {metricName: Any, namespace: Lab, statistic: SampleCount, period: 1s, evaluationPeriods: 1, threshold: 1, comparisonOperator: GreaterThanOrEqualToThreshold}}
`
	w, err := control.Open("x.yaml", []byte(lab))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		ok  bool
		got string
	}{
		{true, "dropped at"},
		{false, "no record has been published yet"},
		{true, "1 of 1 records, the last of them 2 123456789012 eni-"},
		{false, "none of 1 records; the last is 2 "},
		{true, "ALARM: Threshold Crossed: 1 out of the last 1 datapoints"},
		{false, "ALARM: Threshold Crossed"},
	}
	for i, r := range checkOnMemory(t, w) {
		if r.OK != want[i].ok || !strings.Contains(r.Got, want[i].got) {
			t.Errorf("%s: %v, %s; want %v, %s", r.Check.String(), r.OK, r.Got, want[i].ok, want[i].got)
		}
	}
}
