package control

import (
	"fmt"
	"net/url"
)

// Limits of CloudWatch on alarms.
const (
	alarmDay        = 86400     // seconds
	alarmWeek       = 7 * 86400 // for periods of an hour or more
	actionsPerState = 5
	dimensionsOfOne = 30
	alarmHour       = 3600
)

// validate is AWS's part of an alarm. Whether the metric exists AWS does not ask: it
// may come later.
func (a *Alarm) validate(v *validation, name string) {
	path := field("alarms", name)
	validateMetricWord(v, field(path, "metricName"), a.MetricName)
	validateMetricWord(v, field(path, "namespace"), a.Namespace)
	if len(a.Dimensions) > dimensionsOfOne {
		v.reportf(field(path, "dimensions"), "ValidationError", fmt.Sprintf("at most %d", dimensionsOfOne), "%d dimensions are too many", len(a.Dimensions))
	}
	switch {
	case a.Statistic != "" && a.ExtendedStatistic != "":
		v.report(field(path, "extendedStatistic"), "InvalidParameterCombination", "The parameters Statistic and ExtendedStatistic are mutually exclusive", "remove one of them")
	case a.Statistic == "" && a.ExtendedStatistic == "" &&
		!v.w.Source.unreadable(field(path, "statistic")) && !v.w.Source.unreadable(field(path, "extendedStatistic")):
		v.report(path, "MissingParameter", "The request must contain the parameter Statistic or ExtendedStatistic", "write statistic: Sum, Average, Minimum, Maximum or SampleCount, or extendedStatistic: p99 or the like")
	}
	if a.ComparisonOperator == "" {
		v.missing(field(path, "comparisonOperator"), "write one such as GreaterThanOrEqualToThreshold")
	}
	if a.Threshold == nil && !v.w.Source.unreadable(field(path, "threshold")) {
		v.missing(field(path, "threshold"), "write the number that is compared with")
	}
	a.validatePeriods(v, path)
	for _, list := range a.actionLists() {
		at := field(path, list.field)
		if len(list.actions) > actionsPerState {
			v.reportf(at, "ValidationError", fmt.Sprintf("at most %d", actionsPerState), "%d actions are too many", len(list.actions))
		}
		for i := range list.actions {
			list.actions[i].validate(v, index(at, i))
		}
	}
}

// validatePeriods is about how far the alarm looks back.
func (a *Alarm) validatePeriods(v *validation, path string) {
	switch n := a.Period; {
	case n == 0:
		v.missing(field(path, "period"), "write the length of a data point, such as 60s")
	case n > 60 && n%60 != 0:
		v.report(field(path, "period"), "ValidationError", "Period must be 10, 20, 30 or a multiple of 60", "for labs also less than 60s, which AWS does not take")
	}
	switch n := a.EvaluationPeriods; {
	case n == 0:
		v.missing(field(path, "evaluationPeriods"), "write how many data points are looked at, such as 1")
	case n < 0:
		v.reportf(field(path, "evaluationPeriods"), "ValidationError", "write 1 or more", "%d is no number of periods", n)
	case a.Period >= alarmHour && uint64(n)*uint64(a.Period) > alarmWeek:
		v.report(field(path, "evaluationPeriods"), "ValidationError", "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800).", "write fewer periods, or shorter ones")
	case a.Period < alarmHour && uint64(n)*uint64(a.Period) > alarmDay:
		v.report(field(path, "evaluationPeriods"), "ValidationError", "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).", "write fewer periods, or shorter ones")
	}
	if n := a.DatapointsToAlarm; n < 0 || n > a.EvaluationPeriods && a.EvaluationPeriods > 0 {
		v.reportf(field(path, "datapointsToAlarm"), "ValidationError", fmt.Sprintf("write 1 to %d", a.EvaluationPeriods),
			"DatapointsToAlarm must be less than or equal to EvaluationPeriods, not %d", n)
	}
}

func (a *AlarmAction) validate(v *validation, path string) {
	switch {
	case (a.Run == "") == (a.Post == ""):
		v.report(path, "", "an action is one of run and post", "write run: COMMAND or post: URL")
	case a.Post == "":
	default:
		u, err := url.Parse(a.Post)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			v.reportf(field(path, "post"), "", "write one such as http://10.0.1.10:8080/alarm; a lab has no certificates", "%q is no URL that can be sent to", shorten(a.Post))
		}
	}
	if c := v.w.VPNClients[a.On]; c != nil && !c.Status.InLab {
		v.reportf(field(path, "on"), "", "remove inLab: false there", "the machine of VPN client %s is not in the lab", a.On)
	}
}
