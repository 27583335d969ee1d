package awsapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// metricAlarm is an alarm as CloudWatch's clients read it.
type metricAlarm struct {
	Name                string                 `json:"AlarmName"`
	ARN                 string                 `json:"AlarmArn"`
	Description         string                 `json:"AlarmDescription,omitempty"`
	Configured          instant                `json:"AlarmConfigurationUpdatedTimestamp"`
	ActionsEnabled      bool                   `json:"ActionsEnabled"`
	OKActions           []string               `json:"OKActions"`
	AlarmActions        []string               `json:"AlarmActions"`
	InsufficientActions []string               `json:"InsufficientDataActions"`
	State               string                 `json:"StateValue"`
	Reason              string                 `json:"StateReason"`
	ReasonData          string                 `json:"StateReasonData,omitempty"`
	Updated             instant                `json:"StateUpdatedTimestamp"`
	Transitioned        instant                `json:"StateTransitionedTimestamp"`
	MetricName          string                 `json:"MetricName"`
	Namespace           string                 `json:"Namespace"`
	Statistic           string                 `json:"Statistic,omitempty"`
	Extended            string                 `json:"ExtendedStatistic,omitempty"`
	Dimensions          []cloudwatch.Dimension `json:"Dimensions"`
	Period              int                    `json:"Period"`
	Unit                string                 `json:"Unit,omitempty"`
	EvaluationPeriods   int                    `json:"EvaluationPeriods"`
	DatapointsToAlarm   int                    `json:"DatapointsToAlarm"`
	Threshold           float64                `json:"Threshold"`
	ComparisonOperator  string                 `json:"ComparisonOperator"`
	TreatMissingData    string                 `json:"TreatMissingData"`
}

func (h *Handler) metricAlarm(a *cloudwatch.AlarmStatus) metricAlarm {
	statistic, extended := statisticAndExtended(a)
	return metricAlarm{
		Name: a.Name, ARN: h.AlarmARN(a.Name), Description: a.Description, Configured: instant{a.Configured},
		ActionsEnabled: !a.ActionsDisabled, OKActions: actions(a, cloudwatch.StateOK), AlarmActions: actions(a, cloudwatch.StateAlarm),
		InsufficientActions: actions(a, cloudwatch.StateInsufficientData),
		State:               string(a.State), Reason: a.Reason, ReasonData: a.ReasonData, Updated: instant{a.Updated}, Transitioned: instant{a.Since},
		MetricName: a.Metric.Name, Namespace: a.Metric.Namespace, Statistic: statistic, Extended: extended, Dimensions: dimensions(a.Metric.Dimensions),
		Period: int(a.Period / time.Second), Unit: a.Unit, EvaluationPeriods: a.EvaluationPeriods, DatapointsToAlarm: a.DatapointsToAlarm,
		Threshold: a.Threshold, ComparisonOperator: string(a.Comparison), TreatMissingData: string(a.Missing),
	}
}

// statisticAndExtended are AWS's two parameters for one thing, one of them "".
func statisticAndExtended(a *cloudwatch.AlarmStatus) (statistic, extended string) {
	if _, ok := a.Statistic.Percentile(); ok {
		return "", string(a.Statistic)
	}
	return string(a.Statistic), ""
}

// AlarmARN is the ARN of an alarm.
func (h *Handler) AlarmARN(name string) string { return h.config.Place().AlarmARN(name) }

// AlarmARN is the ARN of an alarm in that place.
func (p Place) AlarmARN(name string) string {
	return "arn:aws:cloudwatch:" + p.Region + ":" + p.Account + ":alarm:" + name
}

// Lists are written even if they are empty: clients expect them.
func actions(a *cloudwatch.AlarmStatus, s cloudwatch.State) []string {
	return append([]string{}, a.Actions[s]...)
}

func dimensions(list []cloudwatch.Dimension) []cloudwatch.Dimension {
	return append([]cloudwatch.Dimension{}, list...)
}

// records is what every list of CloudWatch takes.
type records struct {
	MaxRecords int    `json:"MaxRecords"`
	NextToken  string `json:"NextToken"`
}

const mostRecords = 100

// cutRecords is cut, with CloudWatch's word for a token that is none.
func cutRecords[T any](list []T, r records) ([]T, string, *Error) {
	shown, next, err := cut(list, page{r.NextToken, r.MaxRecords}, mostRecords)
	if err != nil {
		err = refuse("InvalidNextToken", "The next token specified is invalid.")
	}
	return shown, next, err
}

type describeAlarmsInput struct {
	records
	Names        []string `json:"AlarmNames"`
	Prefix       string   `json:"AlarmNamePrefix"`
	Types        []string `json:"AlarmTypes"`
	State        string   `json:"StateValue"`
	ActionPrefix string   `json:"ActionPrefix"`
}

type describeAlarmsOutput struct {
	Alarms    []metricAlarm `json:"MetricAlarms"`
	Composite []string      `json:"CompositeAlarms"` // there are none
	NextToken string        `json:"NextToken,omitempty"`
}

// describeAlarms answers with an empty list of composite alarms, which boto3 users index
// without asking whether it is there.
func (h *Handler) describeAlarms(in *describeAlarmsInput) (any, *Error) {
	if len(in.Names) > 0 && in.Prefix != "" {
		return nil, refuse("InvalidParameterCombination", "AlarmNamePrefix and AlarmNames can't be specified together")
	}
	if in.State != "" {
		if err := stateWord(in.State); err != nil {
			return nil, err
		}
	}
	list := []metricAlarm{}
	for _, a := range h.config.CloudWatch.Alarms() {
		shown := h.metricAlarm(&a)
		all := slices.Concat(shown.OKActions, shown.AlarmActions, shown.InsufficientActions)
		switch {
		case len(in.Names) > 0 && !slices.Contains(in.Names, a.Name), !strings.HasPrefix(a.Name, in.Prefix),
			in.State != "" && in.State != string(a.State),
			len(in.Types) > 0 && !slices.Contains(in.Types, "MetricAlarm"),
			in.ActionPrefix != "" && !slices.ContainsFunc(all, func(action string) bool { return strings.HasPrefix(action, in.ActionPrefix) }):
			continue
		}
		list = append(list, shown)
	}
	shown, next, err := cutRecords(list, in.records)
	return describeAlarmsOutput{shown, []string{}, next}, err
}

// stateWord is worded as AWS's validation, whose list is in no order.
func stateWord(word string) *Error {
	if !slices.Contains(cloudwatch.StateWords(), word) {
		return refuse("ValidationError", "1 validation error detected: Value '%s' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]", word)
	}
	return nil
}

type describeAlarmsForMetricInput struct {
	metricName
	Statistic string `json:"Statistic"`
	Extended  string `json:"ExtendedStatistic"`
	Period    int    `json:"Period"`
}

type describeAlarmsForMetricOutput struct {
	Alarms []metricAlarm `json:"MetricAlarms"`
}

func (h *Handler) describeAlarmsForMetric(in *describeAlarmsForMetricInput) (any, *Error) {
	out := describeAlarmsForMetricOutput{Alarms: []metricAlarm{}}
	for _, a := range h.config.CloudWatch.Alarms() {
		statistic := cmp.Or(in.Statistic, in.Extended)
		if in.is(a.Metric) && (statistic == "" || statistic == string(a.Statistic)) &&
			(in.Period == 0 || in.Period == int(a.Period/time.Second)) {
			out.Alarms = append(out.Alarms, h.metricAlarm(&a))
		}
	}
	return out, nil
}

type setAlarmStateInput struct {
	Name       string `json:"AlarmName"`
	State      string `json:"StateValue"`
	Reason     string `json:"StateReason"`
	ReasonData string `json:"StateReasonData"`
}

// setAlarmState is for tests of actions: the next evaluation sets the state that is
// true.
func (h *Handler) setAlarmState(in *setAlarmStateInput) (any, *Error) {
	if err := stateWord(in.State); err != nil {
		return nil, err
	}
	t, ok := h.config.CloudWatch.SetState(h.now(), in.Name, cloudwatch.State(in.State), in.Reason, in.ReasonData)
	if !ok {
		return nil, &Error{Code: "ResourceNotFound", Message: "There is no alarm named " + strconv.Quote(in.Name), Status: 404}
	}
	// Without a change nobody acts: AWS runs actions on transitions, and not on states.
	if t != nil && h.config.Transition != nil {
		h.config.Transition(*t)
	}
	return struct{}{}, nil
}

type describeAlarmHistoryInput struct {
	records
	Name   string  `json:"AlarmName"`
	Kind   string  `json:"HistoryItemType"`
	Start  instant `json:"StartDate"`
	End    instant `json:"EndDate"`
	ScanBy string  `json:"ScanBy"`
}

type historyItem struct {
	Alarm   string  `json:"AlarmName"`
	Type    string  `json:"AlarmType"`
	Time    instant `json:"Timestamp"`
	Kind    string  `json:"HistoryItemType"`
	Summary string  `json:"HistorySummary"`
	Data    string  `json:"HistoryData,omitempty"`
}

type describeAlarmHistoryOutput struct {
	Items     []historyItem `json:"AlarmHistoryItems"`
	NextToken string        `json:"NextToken,omitempty"`
}

// describeAlarmHistory has the newest first unless asked otherwise, as AWS does. A
// token counts from there: entries that come between two pages shift the rest.
func (h *Handler) describeAlarmHistory(in *describeAlarmHistoryInput) (any, *Error) {
	all, _, _ := h.config.CloudWatch.History(0)
	list := []historyItem{}
	for _, e := range all {
		if in.Name != "" && in.Name != e.Alarm || in.Kind != "" && in.Kind != string(e.Kind) ||
			!in.Start.IsZero() && e.Time.Before(in.Start.Time) || !in.End.IsZero() && !e.Time.Before(in.End.Time) {
			continue
		}
		list = append(list, historyItem{e.Alarm, "MetricAlarm", instant{e.Time}, string(e.Kind), e.Summary, e.Data})
	}
	if in.ScanBy != "TimestampAscending" {
		slices.Reverse(list)
	}
	shown, next, err := cutRecords(list, in.records)
	return describeAlarmHistoryOutput{shown, next}, err
}
