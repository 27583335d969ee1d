package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// measuredFile has one of everything whose counters are not the core's own.
const measuredFile = clientsFile + `
instances: {a: {subnet: a}, b: {subnet: a}}
trafficMirrorTargets: {b: {networkInterface: b}}
trafficMirrorFilters: {all: {ingress: [{rule: 10, action: accept, sourceCidr: 0.0.0.0/0, destinationCidr: 0.0.0.0/0}]}}
trafficMirrorSessions: {copy: {networkInterface: a, target: b, filter: all, sessionNumber: 1}}
flowLogs:
  kept: {vpc: app, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs"}
  shut: {vpc: app, logDestinationType: s3, logDestination: "arn:aws:s3:::shut"}
  read: {vpc: app}
metricFilters: {rejects: {filterPattern: REJECT, metricName: Rejects, metricNamespace: VPC, metricValue: "1"}}
alarms:
  rejects: {metricName: Rejects, namespace: VPC, statistic: Sum, period: 60s, evaluationPeriods: 1, threshold: 1, comparisonOperator: GreaterThanOrEqualToThreshold}
`

// samples are the lines of a text that begin with a word, without it.
func samples(t *testing.T, w *metrics.Writer, prefix string) (list []string) {
	t.Helper()
	text := w.Bytes()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, f := range families {
		checkFamily(t, f)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			list = append(list, strings.TrimSpace(rest))
		}
	}
	return list
}

// logsOf are the flow logs of measuredFile, of which one bucket's directory cannot be
// made: a file is in its place.
func logsOf(t *testing.T) *lab {
	t.Helper()
	store, _ := applied(t, measuredFile)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "s3"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "s3", "shut"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	format, err := flowlogs.ParseFormat("${end}", false)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{store: store, started: time.Unix(0, 0), log: quiet}
	l.flowLogs = newFlowLogs(noFlows{}, func() int64 { return 0 }, l.started, delivery.New(dir, quiet), nil, quiet)
	t.Cleanup(func() {
		_ = os.Remove(filepath.Join(dir, "s3", "shut")) // so that nothing is lost at the end
		l.flowLogs.close()
	})
	for _, bucket := range []string{"kept my-logs", "shut shut"} {
		name, bucket, _ := strings.Cut(bucket, " ")
		to := &flowlogs.Destination{Bucket: bucket, Account: "123456789012", Region: "us-east-1", IntervalSeconds: 1, Format: format}
		for _, end := range []time.Time{time.Unix(10, 0), time.Unix(1000, 0)} {
			l.flowLogs.publish([]flowlogs.Entry{{Log: name, LogID: "fl-" + name, Timestamp: end, End: end, Message: "10", Destination: to}})
		}
	}
	l.flowLogs.files.Continue(time.Unix(900, 0)) // the first five minutes are over
	return l
}

func TestMetricsTellWhetherFlowLogsAreDelivered(t *testing.T) {
	l := logsOf(t)
	var w metrics.Writer
	l.measureFlowLogs(&w)
	got := samples(t, &w, "vpcsim_flow_log_")
	ids := func(name string) string { world, _ := l.store.World(); return world.FlowLogs[name].Status.ID }
	size := ""
	for i, line := range got {
		if rest, ok := strings.CutPrefix(line, `object_bytes_total{bucket="my-logs"} `); ok {
			size, got[i] = rest, "size"
		}
	}
	if size == "" || size == "0" {
		t.Errorf("the object has %q bytes", size)
	}
	want := []string{
		"records_total 4", "waiting_records 0", "skipped_records_total 0",
		`delivery_up{flow_log="kept",id="` + ids("kept") + `",destination_type="s3"} 1`,
		`delivery_up{flow_log="read",id="` + ids("read") + `",destination_type="cloud-watch-logs"} 1`,
		`delivery_up{flow_log="shut",id="` + ids("shut") + `",destination_type="s3"} 0`,
		`objects_total{bucket="my-logs"} 1`, `objects_total{bucket="shut"} 0`,
		"size", `object_bytes_total{bucket="shut"} 0`,
		`spools{bucket="my-logs"} 1`, `spools{bucket="shut"} 2`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAWSClientsAreToldWhatGetTells: the report of vpcsim get is EC2's, too.
func TestAWSClientsAreToldWhatGetTells(t *testing.T) {
	l := logsOf(t)
	world, _ := l.store.World()
	l.flowLogs.report(world)
	for _, got := range l.describedFlowLogs() {
		s := world.FlowLogs[got.Name].Status
		if got.ID != s.ID || got.DestinationType != s.LogDestinationType.String() || got.Destination != s.LogDestination || got.Group != s.LogGroup ||
			got.DeliverStatus != s.DeliverLogsStatus || got.DeliverError != s.DeliverLogsErrorMessage || (got.Options == nil) != (s.DestinationOptions == nil) {
			t.Errorf("EC2 says %+v, get %+v", got, s)
		}
		if want := map[string]string{"kept": "SUCCESS ", "read": "SUCCESS ", "shut": "FAILED Access error"}[got.Name]; got.DeliverStatus+" "+got.DeliverError != want {
			t.Errorf("%s: %s %s, want %s", got.Name, got.DeliverStatus, got.DeliverError, want)
		}
		if got.Options != nil && got.Options.FileFormat != "plain-text" {
			t.Errorf("%s: options %+v", got.Name, got.Options)
		}
	}
	if _, exists := l.describedConnections("cvpn-endpoint-none"); exists {
		t.Error("an endpoint that is not there has connections")
	}
	if list, exists := l.describedConnections(world.ClientVPNEndpoints["corp"].Status.ID); !exists || len(list) > 0 {
		t.Errorf("an endpoint without clients: %v, %t", list, exists)
	}
}

func TestMetricsOfLogGroupsFiltersAndAlarms(t *testing.T) {
	_, world := applied(t, measuredFile)
	service, now := cloudwatch.New(), time.Unix(1000, 0)
	service.Configure(now, world.CloudWatchConfig())
	service.Put(now, []cloudwatch.Event{{Group: "/aws/vpc/flowlogs", Timestamp: now, Message: "REJECT"}, {Group: "/aws/vpc/flowlogs", Timestamp: now, Message: "ACCEPT"}})
	service.SetState(now, "rejects", cloudwatch.StateAlarm, "a test", "")
	service.RecordAction(now, "rejects", "done", true)
	var w metrics.Writer
	measureCloudWatch(&w, service.Counts())
	text := strings.Join(samples(t, &w, "vpcsim_"), "\n")
	for _, want := range []string{
		`log_group_events_total{log_group="/aws/vpc/flowlogs"} 2`,
		`log_group_bytes_total{log_group="/aws/vpc/flowlogs"} 64`,
		`log_group_stored_bytes{log_group="/aws/vpc/flowlogs"} 64`,
		`metric_filter_matched_events_total{metric_filter="rejects",log_group="/aws/vpc/flowlogs"} 1`,
		`alarm_state{alarm="rejects",state="OK"} 0`,
		`alarm_state{alarm="rejects",state="ALARM"} 1`,
		`alarm_transitions_total{alarm="rejects",state="ALARM"} 1`,
		`alarm_transitions_total{alarm="rejects",state="INSUFFICIENT_DATA"} 0`,
		`alarm_actions_total{alarm="rejects",result="done"} 1`,
		`alarm_actions_total{alarm="rejects",result="failed"} 0`,
	} {
		if !strings.Contains(text+"\n", want+"\n") {
			t.Errorf("%s is missing in:\n%s", want, text)
		}
	}
}

func TestMetricsOfTrafficMirrorSessions(t *testing.T) {
	_, world := applied(t, measuredFile)
	session := world.TrafficMirrorSessions["copy"].Status
	for _, c := range []struct {
		counted []dataplane.TrafficMirrorStatistics
		want    string
	}{
		{nil, "0 0 0"},
		{[]dataplane.TrafficMirrorStatistics{{Session: dataplane.Handle(session.Handle), Copies: 5, Delivered: 4, Lost: 3}}, "5 4 3"},
	} {
		var w metrics.Writer
		measureMirrors(&w, world, c.counted)
		var values []string
		for _, line := range samples(t, &w, "vpcsim_traffic_mirror_") {
			_, value, _ := strings.Cut(line, `{traffic_mirror_session="copy",id="`+session.ID+`"} `)
			values = append(values, value)
		}
		if got := strings.Join(values, " "); got != c.want {
			t.Errorf("copied, delivered and lost: %s, want %s", got, c.want)
		}
	}
}

// TestMetricsOfClientVPNOutliveItsConnections: a connection is forgotten an hour after
// its end, and what it counted is not.
func TestMetricsOfClientVPNOutliveItsConnections(t *testing.T) {
	_, w := applied(t, measuredFile)
	s := newClientSessions(newConnectionLogs("", nowhereElse, quiet))
	start := time.Unix(1000, 0)
	stats := port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("anna").Client.Public, Since: start, Called: true, LastHandshake: start}
	id := w.ClientVPNEndpoints["corp"].Status.ID
	stats.Received, stats.ReceivedBytes, stats.Sent, stats.SentBytes = 3, 300, 2, 200
	s.observe(w, "anna", stats, start)
	stats.Received, stats.ReceivedBytes = 4, 400
	s.observe(w, "anna", stats, start)
	s.endOf(stats.PublicKey, terminated, start)
	stats.LastHandshake = start.Add(time.Minute) // it connects again, and sends one more packet
	stats.Received, stats.ReceivedBytes = 5, 500
	s.observe(w, "anna", stats, start.Add(time.Minute))
	s.failed(w, "corp", failedAttempt{time: start})
	s.failed(w, "gone", failedAttempt{time: start})
	s.forget(nil, start.Add(24*time.Hour))
	if list := s.connections(); len(list) > 0 && list[0].Status == ConnectionActive {
		t.Fatalf("connections: %+v", list)
	}
	want := clientTotals{connections: 2, failures: 1, ingressBytes: 500, egressBytes: 200, ingressPackets: 5, egressPackets: 2}
	if got := *s.total(id); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	var text metrics.Writer
	measureClientVPN(&text, []clientVPNMeasurement{{name: "corp", id: id, active: 1, clientTotals: want}})
	labels := `{client_vpn_endpoint="corp",id="` + id + `"} `
	if diff := cmp.Diff([]string{
		"active_connections" + labels + "1", "connections_total" + labels + "2", "authentication_failures_total" + labels + "1",
		"ingress_bytes_total" + labels + "500", "ingress_packets_total" + labels + "5", "egress_bytes_total" + labels + "200", "egress_packets_total" + labels + "2",
	}, samples(t, &text, "vpcsim_client_vpn_")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
