package cloudwatch

import (
	"encoding/json"
	"strconv"
	"time"
)

// Alarm is a rule about one metric.
type Alarm struct {
	Name, Description string
	Metric            MetricID
	Statistic         Statistic
	Period            time.Duration // whole seconds
	EvaluationPeriods int           // N
	DatapointsToAlarm int           // M of N
	Threshold         float64
	Comparison        Comparison
	Missing           Missing
	Unit              string
	// Actions by the state that is entered, as ARNs for clients. What they do is not
	// this package's to know.
	Actions map[State][]string
	// ActionsDisabled: transitions are recorded, and nothing else happens.
	ActionsDisabled bool
}

// AlarmStatus is an alarm and where it stands.
type AlarmStatus struct {
	Alarm
	State  State
	Reason string
	// ReasonData is the reason for programs, JSON; "" before the first evaluation.
	ReasonData string
	Since      time.Time // of the state
	Updated    time.Time // of state or reason
	Configured time.Time
}

// Transition is an alarm's way from one state to another.
type Transition struct {
	AlarmStatus // after it
	Old         State
}

// HistoryKind says what an entry of an alarm's history is about.
type HistoryKind string

// The kinds of history, in AWS's words.
const (
	HistoryConfiguration HistoryKind = "ConfigurationUpdate"
	HistoryState         HistoryKind = "StateUpdate"
	HistoryAction        HistoryKind = "Action"
)

// History is an entry of the alarms' history.
type History struct {
	Sequence uint64 // from 1, for all alarms together
	Alarm    string
	Time     time.Time
	Kind     HistoryKind
	Summary  string // "Alarm updated from OK to ALARM"
	Data     string // JSON
	// State and Reason of a state update.
	State  State
	Reason string
}

// longestTick is how often alarms are evaluated whose period is longer: AWS looks
// every minute, at the period that ends then.
const longestTick = time.Minute

// tick is the time between two evaluations.
func (a *Alarm) tick() time.Duration { return min(a.Period, longestTick) }

// due is the first time after now at which the alarm is evaluated.
func (a *Alarm) due(now time.Time) time.Time {
	tick := int64(a.tick() / time.Second)
	return time.Unix((now.Unix()/tick+1)*tick, 0).UTC()
}

// points are the data points of the evaluation range that ends at a time, the newest
// first.
func (a *Alarm) points(m *metric, end time.Time) []Statistics {
	n := a.evaluationRange()
	_, percentiles := a.Statistic.Percentile()
	list := make([]Statistics, 0, n)
	for range n {
		end = end.Add(-a.Period)
		if m == nil {
			list = append(list, Statistics{Start: end})
			continue
		}
		list = append(list, m.span(end, a.Period, percentiles))
	}
	return list
}

// initialReason is what AWS says of an alarm that was not evaluated yet.
const initialReason = "Unchecked: Initial alarm creation"

// reasonData is AWS's account of an evaluation for programs.
func (a *Alarm) reasonData(e *evaluation, now time.Time) string {
	type point struct {
		Timestamp   string  `json:"timestamp"`
		SampleCount float64 `json:"sampleCount,omitempty"`
		Value       float64 `json:"value"`
	}
	data := struct {
		Version             string    `json:"version"`
		QueryDate           string    `json:"queryDate"`
		StartDate           string    `json:"startDate,omitempty"`
		Unit                string    `json:"unit,omitempty"`
		Statistic           Statistic `json:"statistic"`
		Period              int       `json:"period"`
		RecentDatapoints    []float64 `json:"recentDatapoints"`
		Threshold           float64   `json:"threshold"`
		EvaluatedDatapoints []point   `json:"evaluatedDatapoints"`
	}{
		Version: "1.0", QueryDate: isoTime(now), Unit: a.Unit, Statistic: a.Statistic, Period: int(a.Period / time.Second),
		RecentDatapoints: []float64{}, Threshold: a.Threshold, EvaluatedDatapoints: []point{},
	}
	for i := len(e.points) - 1; i >= 0; i-- { // the oldest first
		p := &e.points[i]
		if data.StartDate == "" {
			data.StartDate = isoTime(p.Start)
		}
		data.RecentDatapoints = append(data.RecentDatapoints, a.Statistic.Of(p))
	}
	for i := range e.points {
		p := &e.points[i]
		data.EvaluatedDatapoints = append(data.EvaluatedDatapoints, point{isoTime(p.Start), p.Count, a.Statistic.Of(p)})
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "" // an infinite value has no JSON
	}
	return string(text)
}

func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// decimal writes a number as AWS does: 12.0.
func decimal(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	for _, c := range text {
		if c == '.' || c == 'I' || c == 'N' { // a fraction, infinite, no number
			return text
		}
	}
	return text + ".0"
}
