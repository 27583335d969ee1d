package cloudwatch

import "time"

// State of an alarm, in AWS's words.
type State string

// The states.
const (
	StateOK               State = "OK"
	StateAlarm            State = "ALARM"
	StateInsufficientData State = "INSUFFICIENT_DATA"
)

// StateWords are all states.
func StateWords() []string {
	return []string{string(StateOK), string(StateAlarm), string(StateInsufficientData)}
}

// Missing says what data points stand for that are missing.
type Missing string

// How missing data is treated, in AWS's words.
const (
	MissingMissing      Missing = "missing"
	MissingIgnore       Missing = "ignore"
	MissingBreaching    Missing = "breaching"
	MissingNotBreaching Missing = "notBreaching"
)

// MissingWords are all ways to treat missing data.
func MissingWords() []string {
	return []string{string(MissingMissing), string(MissingIgnore), string(MissingBreaching), string(MissingNotBreaching)}
}

// Comparison is an operator, in AWS's words.
type Comparison string

// The operators.
const (
	GreaterThanOrEqualToThreshold Comparison = "GreaterThanOrEqualToThreshold"
	GreaterThanThreshold          Comparison = "GreaterThanThreshold"
	LessThanThreshold             Comparison = "LessThanThreshold"
	LessThanOrEqualToThreshold    Comparison = "LessThanOrEqualToThreshold"
)

// ComparisonWords are all operators.
func ComparisonWords() []string {
	return []string{string(GreaterThanOrEqualToThreshold), string(GreaterThanThreshold), string(LessThanThreshold), string(LessThanOrEqualToThreshold)}
}

// Breaches reports whether a value is on the wrong side of the threshold.
func (c Comparison) Breaches(value, threshold float64) bool {
	switch c {
	case GreaterThanOrEqualToThreshold:
		return value >= threshold
	case GreaterThanThreshold:
		return value > threshold
	case LessThanThreshold:
		return value < threshold
	}
	return value <= threshold
}

// words as a reason has them: "was greater than the threshold".
func (c Comparison) words() string {
	switch c {
	case GreaterThanOrEqualToThreshold:
		return "greater than or equal to"
	case GreaterThanThreshold:
		return "greater than"
	case LessThanThreshold:
		return "less than"
	}
	return "less than or equal to"
}

// An alarm looks further back than the periods that it evaluates, in case that some
// have no data: AWS's tables show two more, and its text says that they depend on the
// period. How does not stand anywhere; here they are of the last minutes, since data
// that is late is late by minutes.
const (
	extraPeriods = 2
	extraTime    = 5 * time.Minute
)

// evaluationRange is how many periods the alarm looks at.
func (a *Alarm) evaluationRange() int {
	return a.EvaluationPeriods + int(min(extraPeriods, extraTime/a.Period))
}

// evaluation is what an alarm makes of its evaluation range.
type evaluation struct {
	state State
	// points are the real data points that decided, the newest first, and filled how
	// many missing ones were treated as something.
	points []Statistics
	filled int
	// kept: nothing was decided, so that the state stays what it was.
	kept bool
}

// evaluate decides the state from the data points of the evaluation range, the
// newest first; one without values is missing. AWS ("Configuring how CloudWatch
// alarms treat missing data"):
//
//   - With as many real data points in the range as are evaluated, the newest of
//     them count, and no missing one does.
//   - With fewer, all real ones count, and as few missing ones as possible.
//   - Data that comes once in a while must not raise an alarm before its time, nor
//     keep one from being raised: a breaching data point that is as old as it takes
//     raises it if everything newer is breaching, too, or missing.
func (a *Alarm) evaluate(points []Statistics) evaluation {
	var present []Statistics
	breaching, oldest := 0, 0 // the age of the oldest real one that was looked at, 1 for the newest
	for age, p := range points {
		if p.Count == 0 || len(present) == a.EvaluationPeriods {
			continue
		}
		present = append(present, p)
		oldest = age + 1
		if a.breaches(&p) {
			breaching++
		}
	}
	e := evaluation{points: present, filled: a.EvaluationPeriods - len(present)}
	switch {
	case breaching >= a.DatapointsToAlarm:
		e.state = StateAlarm
	case e.filled == 0, a.Missing == MissingNotBreaching:
		e.state = StateOK
	case a.Missing == MissingBreaching && breaching+e.filled >= a.DatapointsToAlarm:
		e.state = StateAlarm
	case a.Missing == MissingBreaching:
		e.state = StateOK
	case breaching < len(present):
		e.state = StateOK
	case len(present) == 0 && a.Missing == MissingMissing:
		e.state = StateInsufficientData
	case len(present) > 0 && a.Missing == MissingMissing && oldest >= a.DatapointsToAlarm && oldest <= a.EvaluationPeriods:
		e.state = StateAlarm
	default:
		e.kept = true
	}
	return e
}

func (a *Alarm) breaches(p *Statistics) bool {
	return a.Comparison.Breaches(a.Statistic.Of(p), a.Threshold)
}
