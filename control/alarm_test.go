package control

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

const alarmLab = flowLogLab + `internetHosts: {x: {ip: 203.0.113.10}}
flowLogs: {l: {vpc: v}, kept: {vpc: w, logDestinationType: s3, logDestination: "arn:aws:s3:::my-logs"}}
`

const (
	goodFilter = "metricName: m, metricNamespace: n, metricValue: '1'"
	goodAlarm  = "metricName: m, namespace: n, statistic: Sum, period: 60, evaluationPeriods: 2, threshold: 1, comparisonOperator: LessThanThreshold"
)

func TestValidateMetricFiltersAndAlarms(t *testing.T) {
	for _, c := range []struct{ name, file, code, message, hint string }{
		{"a pattern that ends too early", "metricFilters: {f: {" + goodFilter + ", filterPattern: '[a, b'}}", "InvalidParameterException", `"," or "]" is expected here, but the pattern ends (position 6 of the pattern)`, ""},
		{"no such group", "metricFilters: {f: {" + goodFilter + ", logGroup: other}}", "ResourceNotFoundException", "The specified log group does not exist: other", "/aws/vpc/flowlogs"},
		{"no metric", "metricFilters: {f: {metricNamespace: n, metricValue: '1'}}", "MissingParameter", "metricName", ""},
		{"AWS's namespace", "metricFilters: {f: {metricName: m, metricNamespace: AWS/VPC, metricValue: '1'}}", "InvalidParameterException", "AWS's own", ""},
		{"a name with a colon", "metricFilters: {f: {metricName: 'a:b', metricNamespace: n, metricValue: '1'}}", "InvalidParameterException", "failed to satisfy constraint", "none of : * $"},
		{"a value that is none", "metricFilters: {f: {metricName: m, metricNamespace: n, metricValue: one}}", "InvalidParameterException", `"one" is neither a number nor a field`, ""},
		{"a field that the pattern has not", "metricFilters: {f: {metricName: m, metricNamespace: n, metricValue: $bytes, filterPattern: '[a, ...]'}}", "InvalidParameterException", "no field $bytes", ""},
		{"default and dimensions", "metricFilters: {f: {" + goodFilter + ", filterPattern: '[a, ...]', defaultValue: 0, dimensions: {A: $a}}}", "InvalidParameterException", "mutually exclusive", ""},
		{"four dimensions", "metricFilters: {f: {" + goodFilter + ", filterPattern: '[a, b, c, d]', dimensions: {A: $a, B: $b, C: $c, D: $d}}}", "InvalidParameterException", "4 dimensions", "at most 3"},
		{"a dimension that is no field", "metricFilters: {f: {" + goodFilter + ", filterPattern: '[a, ...]', dimensions: {A: a}}}", "InvalidParameterException", `"a" is no field`, ""},
		{"statistic", "alarms: {a: {" + strings.Replace(goodAlarm, "Sum", "Sums", 1) + "}}", "ValidationError", `"Sums" is none of`, "did you mean Sum?"},
		{"percentile", "alarms: {a: {" + strings.Replace(goodAlarm, "statistic: Sum", "extendedStatistic: 99p", 1) + "}}", "ValidationError", `"99p" is no percentile`, "p99.9"},
		{"statistic and percentile", "alarms: {a: {" + goodAlarm + ", extendedStatistic: p99}}", "InvalidParameterCombination", "mutually exclusive", ""},
		{"no statistic", "alarms: {a: {" + strings.Replace(goodAlarm, "statistic: Sum, ", "", 1) + "}}", "MissingParameter", "Statistic or ExtendedStatistic", "p99"},
		{"operator", "alarms: {a: {" + strings.Replace(goodAlarm, "LessThanThreshold", "LessThan", 1) + "}}", "ValidationError", `"LessThan" is none of`, ""},
		{"no threshold", "alarms: {a: {" + strings.Replace(goodAlarm, "threshold: 1, ", "", 1) + "}}", "MissingParameter", "threshold", ""},
		{"threshold", "alarms: {a: {" + strings.Replace(goodAlarm, "threshold: 1", "threshold: ten", 1) + "}}", "InvalidParameterValue", `"ten" is not a number`, ""},
		{"period", "alarms: {a: {" + strings.Replace(goodAlarm, "60", "90", 1) + "}}", "ValidationError", "Period must be 10, 20, 30 or a multiple of 60", ""},
		{"more than a day", "alarms: {a: {" + strings.Replace(goodAlarm, "evaluationPeriods: 2", "evaluationPeriods: 1441", 1) + "}}", "ValidationError", "EvaluationPeriods * Period must be <= 86400", ""},
		{"more than a week", "alarms: {a: {" + strings.Replace(goodAlarm, "period: 60, evaluationPeriods: 2", "period: 1h, evaluationPeriods: 169", 1) + "}}", "ValidationError", "must be <= 604800", ""},
		{"M of N", "alarms: {a: {" + goodAlarm + ", datapointsToAlarm: 3}}", "ValidationError", "must be less than or equal to EvaluationPeriods", "write 1 to 2"},
		{"an action of nobody", "alarms: {a: {" + goodAlarm + ", alarmActions: [{run: 'true'}]}}", "MissingParameter", "on", ""},
		{"an action of a stranger", "alarms: {a: {" + goodAlarm + ", alarmActions: [{on: c, run: 'true'}]}}", "InvalidInstanceID.NotFound", `named "c"`, ""},
		{"an action that is none", "alarms: {a: {" + goodAlarm + ", okActions: [{on: a}]}}", "", "one of run and post", ""},
		{"two actions in one", "alarms: {a: {" + goodAlarm + ", okActions: [{on: a, run: 'true', post: 'http://10.0.1.1/'}]}}", "", "one of run and post", ""},
		{"a URL", "alarms: {a: {" + goodAlarm + ", okActions: [{on: a, post: 'https://10.0.1.1/'}]}}", "", "no URL that can be sent to", ""},
		{"a check of no alarm", "checks: [{alarm: none, state: OK}]", "ResourceNotFound", `no alarm named "none"`, ""},
		{"a check without a state", "alarms: {a: {" + goodAlarm + "}}\nchecks: [{alarm: a}]", "MissingParameter", "state", ""},
		{"a check of both", "alarms: {a: {" + goodAlarm + "}}\nchecks: [{alarm: a, state: OK, to: a}]", "", "sends nothing", "make two checks"},
		{"a check of S3", "checks: [{flowLog: kept, record: REJECT}]", "", "flow log kept goes to S3", ""},
		{"a check's pattern", "checks: [{flowLog: l, record: '['}]", "InvalidParameterException", "position 2", ""},
		{"a check's pattern is missing", "checks: [{flowLog: l}]", "MissingParameter", "record", ""},
	} {
		w, err := Open("x.yaml", []byte(alarmLab+c.file+"\n"))
		problems, _ := err.(Problems)
		if w != nil && err == nil || len(problems) != 1 {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p := problems[0]
		if p.Code != c.code || !strings.Contains(p.Message, c.message) || !strings.Contains(p.Hint, c.hint) || p.Line == 0 {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestCloudWatchConfigIsTheWorlds(t *testing.T) {
	w := open(t, alarmLab+"metricFilters: {f: {"+goodFilter+", filterPattern: '[a, ...]', dimensions: {Z: $a, A: $a}}}\n"+
		"alarms: {a: {"+goodAlarm+", dimensions: {Z: '1', A: '2'}, okActions: [{on: a, run: 'true'}], alarmActions: [{on: x, post: 'http://10.0.1.1/'}]}}\n")
	c := w.CloudWatchConfig()
	if diff := cmp.Diff([]string{"/aws/vpc/flowlogs"}, c.Groups); diff != "" { // and not the bucket's
		t.Error(diff)
	}
	if f := c.Filters[0]; f.Group != "/aws/vpc/flowlogs" || f.Default != nil || f.Metric.Dimensions[0].Name != "A" {
		t.Errorf("%+v", f)
	}
	want := cloudwatch.Alarm{
		Name: "a", Metric: cloudwatch.MetricID{Namespace: "n", Name: "m", Dimensions: []cloudwatch.Dimension{{Name: "A", Value: "2"}, {Name: "Z", Value: "1"}}},
		Statistic: cloudwatch.Sum, Period: time.Minute, EvaluationPeriods: 2, DatapointsToAlarm: 2, Threshold: 1, Comparison: cloudwatch.LessThanThreshold,
		Missing: cloudwatch.MissingMissing,
		Actions: map[cloudwatch.State][]string{cloudwatch.StateOK: {"vpcsim:a:run:true"}, cloudwatch.StateAlarm: {"vpcsim:x:post:http://10.0.1.1/"}},
	}
	if diff := cmp.Diff(want, c.Alarms[0]); diff != "" {
		t.Error(diff)
	}
	if actions := w.Alarms["a"].Actions(cloudwatch.StateAlarm); len(actions) != 1 || actions[0].On != "x" {
		t.Errorf("%v", actions)
	}
	no := false
	w.Alarms["a"].ActionsEnabled = &no
	if actions := w.Alarms["a"].Actions(cloudwatch.StateAlarm); actions != nil {
		t.Errorf("disabled: %v", actions)
	}
}
