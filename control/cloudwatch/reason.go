package cloudwatch

import (
	"fmt"
	"strings"
)

// Reasons are worded as AWS's are, to the blank: people know them, and programs on AWS
// take them apart with regular expressions.

// listedPoints is how many data points a reason names where they were.
const listedPoints = 5

// reason words an evaluation as AWS does.
func (a *Alarm) reason(e *evaluation) string {
	switch {
	case e.state == StateInsufficientData:
		return fmt.Sprintf("Insufficient Data: %s unknown.", plural(a.EvaluationPeriods, "datapoint", "was", "were"))
	case len(e.points) == 0:
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s and %s.", plural(a.EvaluationPeriods, "period", "", ""), a.treated(e.filled))
	}
	// AWS lists the data points that made the state, and not the others.
	var listed []string
	for i := range e.points {
		p := &e.points[i]
		if a.breaches(p) == (e.state == StateAlarm) {
			listed = append(listed, fmt.Sprintf("%s (%s)", decimal(a.Statistic.Of(p)), p.Start.UTC().Format("02/01/06 15:04:05")))
		}
	}
	verb, negation := "were", ""
	if len(listed) == 1 {
		verb = "was"
	}
	if e.state == StateOK {
		negation = "not "
	}
	crossed := fmt.Sprintf("%s %s%s the threshold (%s)", verb, negation, a.Comparison.words(), decimal(a.Threshold))
	values := "[" + strings.Join(listed[:min(len(listed), listedPoints)], ", ") + "]"
	if e.filled > 0 && (a.Missing == MissingBreaching || a.Missing == MissingNotBreaching) {
		return fmt.Sprintf("Threshold Crossed: %s %s %s and %s.", plural(len(listed), "datapoint", "", ""), values, crossed, a.treated(e.filled))
	}
	// With data points that were filled in AWS does not say how many of how many: of those
	// some never were. So M out of N is for the others.
	count := fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints", len(listed), len(e.points))
	if len(listed) > listedPoints {
		return fmt.Sprintf("%s %s. The most recent datapoints which crossed the threshold: %s%s.", count, crossed, values, a.minimum(e.state))
	}
	return fmt.Sprintf("%s %s %s%s.", count, values, crossed, a.minimum(e.state))
}

// minimum says what it takes to get into the state.
func (a *Alarm) minimum(s State) string {
	if s == StateAlarm {
		return fmt.Sprintf(" (minimum %s for OK -> ALARM transition)", plural(a.DatapointsToAlarm, "datapoint", "", ""))
	}
	return fmt.Sprintf(" (minimum %s for ALARM -> OK transition)", plural(a.EvaluationPeriods-a.DatapointsToAlarm+1, "datapoint", "", ""))
}

// treated says what missing data points stood for.
func (a *Alarm) treated(n int) string {
	as := "NonBreaching"
	if a.Missing == MissingBreaching {
		as = "Breaching"
	}
	return fmt.Sprintf("%s treated as [%s]", plural(n, "missing datapoint", "was", "were"), as)
}

// plural counts things, with a verb for one and for several.
func plural(n int, noun, one, many string) string {
	verb := one
	if n != 1 {
		noun, verb = noun+"s", many
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", n, noun, verb))
}
