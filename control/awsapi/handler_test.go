package awsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

var start = time.Date(2025, 6, 20, 15, 0, 0, 0, time.UTC)

// fixture is a lab with ten events of two streams, a second apart, of which every
// other one is a rejected connection.
func fixture(t *testing.T) (*Handler, *cloudwatch.Service) {
	t.Helper()
	s := cloudwatch.New()
	p, err := cloudwatch.ParsePattern("[address, action=REJECT, bytes]")
	if err != nil {
		t.Fatal(err)
	}
	zero := 0.0
	rejects := cloudwatch.MetricID{Namespace: "VPC", Name: "Rejects"}
	s.Configure(start, cloudwatch.Config{
		Groups:  []string{"empty"},
		Filters: []cloudwatch.MetricFilter{{Name: "rejects", Group: "logs", Pattern: p, Metric: rejects, Value: "1", Default: &zero}},
		Alarms: []cloudwatch.Alarm{{
			Name: "ssh", Metric: rejects, Statistic: cloudwatch.Sum, Period: time.Minute, EvaluationPeriods: 1, DatapointsToAlarm: 1, Threshold: 3,
			Comparison: cloudwatch.GreaterThanOrEqualToThreshold, Missing: cloudwatch.MissingMissing,
		}},
	})
	var events []cloudwatch.Event
	for i := range 10 {
		e := cloudwatch.Event{Group: "logs", Stream: "eni-1-all", Timestamp: start.Add(time.Duration(i) * time.Second), Message: "10.0.0.1 REJECT 60"}
		if i%2 == 1 {
			e.Stream, e.Message = "eni-2-all", "10.0.0.1 ACCEPT 60"
		}
		events = append(events, e)
	}
	s.Put(start.Add(time.Minute), events)
	s.Evaluate(start.Add(time.Minute))
	h := New(Config{
		CloudWatch: s,
		Place:      func() Place { return Place{"123456789012", "us-east-1"} },
		FlowLogs: func() []FlowLog {
			return []FlowLog{
				{ID: "fl-1", Name: "all", ResourceID: "vpc-1", State: "ACTIVE", TrafficType: "ALL", DestinationType: "cloud-watch-logs", Group: "logs", Format: "${version}", Interval: 60, Created: start, DeliverStatus: "SUCCESS"},
				{ID: "fl-2", Name: "kept", ResourceID: "vpc-2", State: "ACTIVE", DestinationType: "s3", Destination: "arn:aws:s3:::b/p/", Options: &DestinationOptions{FileFormat: "parquet", PerHour: true}, Interval: 60, Created: start, DeliverStatus: "FAILED", DeliverError: "Access error"},
			}
		},
		ClientVPNConnections: func(id string) ([]ClientVPNConnection, bool) {
			return []ClientVPNConnection{
				{EndpointID: id, ConnectionID: "cvpn-connection-1", Username: "anna", IngressBytes: "84", Status: Status{Code: "active"}},
				{EndpointID: id, ConnectionID: "cvpn-connection-2", Username: "ben", Status: Status{"terminated", "The connection was terminated."}, Ended: "2025-06-20 15:00:00"},
			}, id == "cvpn-endpoint-1"
		},
		Clock: func() time.Time { return start.Add(time.Hour) },
	})
	return h, s
}

// logs asks CloudWatch Logs, and returns the answer's JSON on one line.
func logs(t *testing.T, h *Handler, operation, input string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(input))
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// events are the seconds of an answer's events, in a line.
func events(t *testing.T, answer string) (list string, tokens map[string]string) {
	t.Helper()
	var out struct {
		Events []logEvent `json:"events"`
	}
	tokens = map[string]string{}
	var all map[string]any
	if err := json.Unmarshal([]byte(answer), &out); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	_ = json.Unmarshal([]byte(answer), &all) // it was just read
	for name, value := range all {
		if text, ok := value.(string); ok {
			tokens[name] = text
		}
	}
	for _, e := range out.Events {
		list += fmt.Sprint((e.Timestamp - start.UnixMilli()) / 1000)
	}
	return list, tokens
}

func TestGetLogEventsReadsFromEitherEnd(t *testing.T) {
	h, s := fixture(t)
	ask := func(more string) (string, map[string]string) {
		return events(t, logs(t, h, "GetLogEvents", `{"logGroupName":"logs","logStreamName":"eni-1-all","limit":2`+more+`}`))
	}
	got, tokens := ask("")
	if got != "68" {
		t.Errorf("the newest: %s", got)
	}
	end := tokens["nextForwardToken"]
	if got, tokens = ask(`,"nextToken":"` + tokens["nextBackwardToken"] + `"`); got != "24" {
		t.Errorf("back: %s", got)
	}
	if got, _ = ask(`,"nextToken":"` + tokens["nextForwardToken"] + `"`); got != "68" {
		t.Errorf("forth again: %s", got)
	}
	if got, tokens = ask(`,"nextToken":"` + end + `"`); got != "" || tokens["nextForwardToken"] != end {
		t.Errorf("at the end: %q, token %s, want %s", got, tokens["nextForwardToken"], end)
	}
	s.Put(start, []cloudwatch.Event{{Group: "logs", Stream: "eni-1-all", Timestamp: start.Add(9 * time.Second)}})
	if got, _ = ask(`,"nextToken":"` + end + `"`); got != "9" {
		t.Errorf("what is new: %s", got)
	}
	if got, _ = ask(`,"startFromHead":true`); got != "02" {
		t.Errorf("from the head: %s", got)
	}
	between := fmt.Sprintf(`,"startTime":%d,"endTime":%d`, start.UnixMilli()+2000, start.UnixMilli()+6000)
	if got, _ = ask(between); got != "24" {
		t.Errorf("the end of the range is not in it: %s", got)
	}
}

func TestFilterLogEventsSearchesStreams(t *testing.T) {
	h, _ := fixture(t)
	cases := []struct{ name, input, want string }{
		{"all", ``, "0123456789"},
		{"one stream", `,"logStreamNames":["eni-2-all"]`, "13579"},
		{"a prefix", `,"logStreamNamePrefix":"eni-1"`, "02468"},
		{"a pattern", `,"filterPattern":"[..., action=ACCEPT, bytes]","interleaved":true`, "13579"},
		{"both ends are in the range", fmt.Sprintf(`,"startTime":%d,"endTime":%d`, start.UnixMilli()+2000, start.UnixMilli()+4000), "234"},
		{"a page", `,"limit":3`, "012"},
	}
	for _, c := range cases {
		if got, _ := events(t, logs(t, h, "FilterLogEvents", `{"logGroupName":"logs"`+c.input+`}`)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	all, token := "", ""
	for {
		answer := logs(t, h, "FilterLogEvents", `{"logGroupIdentifier":"arn:aws:logs:us-east-1:123456789012:log-group:logs:*","limit":4`+token+`}`)
		got, tokens := events(t, answer)
		all += got + " "
		if tokens["nextToken"] == "" {
			break
		}
		token = `,"nextToken":"` + tokens["nextToken"] + `"`
	}
	if all != "0123 4567 89 " {
		t.Errorf("page by page: %s", all)
	}
}

func TestLogsAreDescribed(t *testing.T) {
	h, _ := fixture(t)
	cases := []struct{ operation, input, want string }{
		{"DescribeLogGroups", `{}`, `"logGroupName":"empty"`},
		{"DescribeLogGroups", `{"logGroupNamePrefix":"lo"}`, `{"logGroups":[{"logGroupName":"logs","creationTime":1750431600000,"metricFilterCount":1,"arn":"arn:aws:logs:us-east-1:123456789012:log-group:logs:*"`},
		{"DescribeLogGroups", `{"limit":1}`, `"nextToken":"1"`},
		{"DescribeLogStreams", `{"logGroupName":"logs","orderBy":"LastEventTime","descending":true,"limit":1}`, `{"logStreams":[{"logStreamName":"eni-2-all","creationTime":1750431660000,"firstEventTimestamp":1750431601000,"lastEventTimestamp":1750431609000`},
		{"DescribeLogStreams", `{"logGroupName":"empty"}`, `{"logStreams":[]}`},
		{"DescribeMetricFilters", `{"logGroupName":"logs"}`, `"filterName":"rejects","filterPattern":"[address, action=REJECT, bytes]","metricTransformations":[{"metricName":"Rejects","metricNamespace":"VPC","metricValue":"1","defaultValue":0}]`},
		{"TestMetricFilter", `{"filterPattern":"REJECT","logEventMessages":["a","REJECT b"]}`, `{"matches":[{"eventNumber":2,"eventMessage":"REJECT b"}]}`},
	}
	for _, c := range cases {
		if got := logs(t, h, c.operation, c.input); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %s, want %s", c.operation, c.input, got, c.want)
		}
	}
}

// TestBucketsAreLookedForElsewhere: "aws s3 ls" is told where objects are.
func TestBucketsAreLookedForElsewhere(t *testing.T) {
	h, _ := fixture(t)
	r := httptest.NewRequest(http.MethodGet, "http://localhost:4566/", nil)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20250620/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), "<Code>NotImplemented</Code><Message>") || !strings.Contains(w.Body.String(), "vpcsim flowlogs --files") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

func TestErrorsHaveAWSsShape(t *testing.T) {
	h, _ := fixture(t)
	cases := []struct{ operation, input, want string }{
		{"GetLogEvents", `{"logGroupName":"none","logStreamName":"x"}`, `{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}`},
		{"GetLogEvents", `{"logGroupName":"logs","logStreamName":"x"}`, `{"__type":"ResourceNotFoundException","message":"The specified log stream does not exist."}`},
		{"GetLogEvents", `{"logGroupName":"logs","logStreamName":"eni-1-all","nextToken":"x"}`, `"The specified nextToken is invalid."`},
		{"FilterLogEvents", `{"logGroupName":"logs","filterPattern":"[a"}`, `{"__type":"InvalidParameterException","message":"Invalid filter pattern: \",\" or \"]\" is expected here, but the pattern ends (position 3 of the pattern)"}`},
		{"FilterLogEvents", `{"logGroupName":"logs","limit":10001}`, `"InvalidParameterException"`},
		{"FilterLogEvents", `{`, `"SerializationException"`},
		{"PutLogEvents", `{}`, `"UnknownOperationException"`},
		{"FilterLogEvents", `{"logGroupName":"` + strings.Repeat("x", maxBody) + `"}`, `"RequestEntityTooLarge"`},
	}
	for _, c := range cases {
		if got := logs(t, h, c.operation, c.input); !strings.Contains(got, c.want) {
			t.Errorf("%s %.60s: %s, want %s", c.operation, c.input, got, c.want)
		}
	}
}

// TestCloudWatchSpeaksThreeProtocols: the same question and the same answer in each
// that one of AWS's clients uses.
func TestCloudWatchSpeaksThreeProtocols(t *testing.T) {
	h, _ := fixture(t)
	ask := func(body, contentType, header, value, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "http://localhost:4566"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	viaCBOR := func(operation string, in any) map[string]any {
		body, err := cbor.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		w := ask(string(body), "application/cbor", "Smithy-Protocol", "rpc-v2-cbor", "/service/GraniteServiceVersion20100801/operation/"+operation)
		out := map[string]any{}
		if err := cbor.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s: %v in %q", operation, err, w.Body)
		}
		return out
	}
	from := cbor.Tag{Number: 1, Content: start.Unix()}
	to := cbor.Tag{Number: 1, Content: start.Unix() + 60}

	statistics := viaCBOR("GetMetricStatistics", map[string]any{"Namespace": "VPC", "MetricName": "Rejects", "StartTime": from, "EndTime": to, "Period": 60, "Statistics": []string{"Sum"}})
	if got := fmt.Sprint(statistics["Datapoints"]); !strings.Contains(got, "Sum:5") || !strings.Contains(got, "2025-06-20 15:00:00 +0000 UTC") {
		t.Errorf("CBOR: %v", statistics)
	}
	w := ask("Action=GetMetricStatistics&Version=2010-08-01&Namespace=VPC&MetricName=Rejects&StartTime=2025-06-20T15:00:00Z&EndTime=2025-06-20T15:01:00Z&Period=60&Statistics.member.1=Sum&Statistics.member.2=Average",
		"application/x-www-form-urlencoded; charset=utf-8", "", "", "/")
	if got := w.Body.String(); !strings.Contains(got, "<Datapoints><member><Timestamp>2025-06-20T15:00:00.000Z</Timestamp><Average>1</Average><Sum>5</Sum><Unit>None</Unit></member></Datapoints>") {
		t.Errorf("query: %s", got)
	}
	w = ask(fmt.Sprintf(`{"Namespace":"VPC","MetricName":"Rejects","StartTime":%d,"EndTime":%d,"Period":60,"Statistics":["Sum"]}`, start.Unix(), start.Unix()+60),
		"application/x-amz-json-1.0", "X-Amz-Target", "GraniteServiceVersion20100801.GetMetricStatistics", "/")
	if got, want := w.Body.String(), `{"Label":"Rejects","Datapoints":[{"Timestamp":1750431600,"Sum":5,"Unit":"None"}]}`; got != want {
		t.Errorf("JSON: %s, want %s", got, want)
	}

	w = ask("Action=GetMetricStatistics&Version=2010-08-01&Namespace=VPC&MetricName=Rejects&StartTime=2025-06-20T15:00:00Z&EndTime=2025-06-20T15:01:00Z&Period=60&ExtendedStatistics.member.1=p99",
		"application/x-www-form-urlencoded; charset=utf-8", "", "", "/")
	if got := w.Body.String(); !strings.Contains(got, "<ExtendedStatistics><entry><key>p99</key><value>1</value></entry></ExtendedStatistics>") {
		t.Errorf("percentiles: %s", got)
	}

	alarms := viaCBOR("DescribeAlarms", map[string]any{"StateValue": "ALARM", "MaxRecords": 1})
	if got := fmt.Sprint(alarms); !strings.Contains(got, "AlarmName:ssh") || !strings.Contains(got, "[5.0 (20/06/25 15:00:00)] was greater than or equal to") {
		t.Errorf("alarms: %s", got)
	}
	if got := fmt.Sprint(viaCBOR("SetAlarmState", map[string]any{"AlarmName": "none", "StateValue": "OK", "StateReason": "x"})); !strings.Contains(got, "ResourceNotFound") {
		t.Errorf("an alarm that is not there: %s", got)
	}
	viaCBOR("SetAlarmState", map[string]any{"AlarmName": "ssh", "StateValue": "OK", "StateReason": "x"})
	w = ask("Action=DescribeAlarmHistory&Version=2010-08-01&AlarmName=ssh&HistoryItemType=StateUpdate&MaxRecords=1", "application/x-www-form-urlencoded", "", "", "/")
	if got := w.Body.String(); !strings.Contains(got, "<HistorySummary>Alarm updated from ALARM to OK</HistorySummary>") {
		t.Errorf("history: %s", got)
	}
	query := map[string]any{"Id": "m1", "MetricStat": map[string]any{"Metric": map[string]any{"Namespace": "VPC", "MetricName": "Rejects"}, "Period": 60, "Stat": "Maximum"}}
	data := viaCBOR("GetMetricData", map[string]any{"MetricDataQueries": []any{query}, "StartTime": from, "EndTime": to})
	if got := fmt.Sprint(data); !strings.Contains(got, "Values:[1]") {
		t.Errorf("data: %s", got)
	}
	if got := fmt.Sprint(viaCBOR("ListMetrics", map[string]any{"Namespace": "VPC"})); !strings.Contains(got, "MetricName:Rejects") {
		t.Errorf("metrics: %s", got)
	}
	w = ask("Action=DescribeFlowLogs&Version=2016-11-15&Filter.1.Name=resource-id&Filter.1.Value.1=vpc-1", "application/x-www-form-urlencoded", "", "", "/")
	if got := w.Body.String(); !strings.Contains(got, "<flowLogSet><item>") || !strings.Contains(got, "<flowLogId>fl-1</flowLogId>") {
		t.Errorf("flow logs: %s", got)
	}
}

// TestPagesOfOthersAreNotAnswered: a browser that shows a stranger's page is not let
// in, by a name of the stranger's or without.
func TestPagesOfOthersAreNotAnswered(t *testing.T) {
	h, _ := fixture(t)
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:4566", "", 200}, {"[::1]:4566", "", 200}, {"localhost:4566", "", 200}, {"lab.localhost", "", 200},
		{"example.com:4566", "", 403}, {"127.0.0.1.example.com", "", 403}, {"127.0.0.1:4566", "http://example.com", 403}, {"127.0.0.1:4566", "null", 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte("{}")))
		r.Host = c.host
		r.Header.Set("X-Amz-Target", "Logs_20140328.DescribeLogGroups")
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s from %q: %d, want %d", c.host, c.origin, w.Code, c.want)
		}
	}
}

// FuzzRequest: whatever a client sends, there is an answer.
func FuzzRequest(f *testing.F) {
	f.Add(uint8(0), "FilterLogEvents", []byte(`{"logGroupName":"logs","filterPattern":"a","nextToken":"1/2"}`))
	f.Add(uint8(1), "GetMetricStatistics", []byte("Action=GetMetricStatistics&Version=2010-08-01&Dimensions.member.1.Name=a&StartTime=2025-06-20&EndTime=2025-06-21&Period=1"))
	f.Add(uint8(1), "DescribeFlowLogs", []byte("Action=DescribeFlowLogs&Version=2016-11-15&Filter.1.Name=tag:a&Filter.1.Value.1=*&MaxResults=1"))
	body, _ := cbor.Marshal(map[string]any{"StateValue": "ALARM", "StartTime": cbor.Tag{Number: 1, Content: 1.5}})
	f.Add(uint8(2), "DescribeAlarms", body)
	f.Fuzz(func(t *testing.T, protocol uint8, operation string, body []byte) {
		h := New(Config{CloudWatch: cloudwatch.New(), Place: func() Place { return Place{} }, FlowLogs: func() []FlowLog { return nil },
			ClientVPNConnections: func(string) ([]ClientVPNConnection, bool) { return nil, true }})
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", bytes.NewReader(body))
		switch protocol % 4 {
		case 0:
			r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
		case 1:
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		case 2:
			r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
			r.URL.Path = "/service/GraniteServiceVersion20100801/operation/" + operation
		case 3:
			r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+operation)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 {
			t.Fatalf("status %d", w.Code)
		}
	})
}
