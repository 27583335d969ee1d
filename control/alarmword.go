package control

import (
	"fmt"
	"slices"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// AlarmStatistic says what of a metric's values an alarm compares.
type AlarmStatistic cloudwatch.Statistic

func (s AlarmStatistic) String() string { return string(s) }
func (s *AlarmStatistic) parse(text string) error {
	return parseAWSWord(s, text, cloudwatch.StatisticWords())
}

// AlarmPercentile is a percentile of a metric's values.
type AlarmPercentile cloudwatch.Statistic

func (p AlarmPercentile) String() string { return string(p) }
func (p *AlarmPercentile) parse(text string) error {
	if _, ok := cloudwatch.Statistic(text).Percentile(); !ok {
		return badValue{code: "ValidationError", message: fmt.Sprintf("%q is no percentile", text), hint: "write p0 to p100, such as p99 or p99.9"}
	}
	*p = AlarmPercentile(text)
	return nil
}

// AlarmComparison is how an alarm compares with its threshold.
type AlarmComparison cloudwatch.Comparison

func (c AlarmComparison) String() string { return string(c) }
func (c *AlarmComparison) parse(text string) error {
	return parseAWSWord(c, text, cloudwatch.ComparisonWords())
}

// MissingData says what data points stand for that are missing.
type MissingData cloudwatch.Missing

func (m MissingData) String() string { return string(m) }
func (m *MissingData) parse(text string) error {
	return parseAWSWord(m, text, cloudwatch.MissingWords())
}

// AlarmState is one of an alarm's states.
type AlarmState cloudwatch.State

func (s AlarmState) String() string           { return string(s) }
func (s *AlarmState) parse(text string) error { return parseAWSWord(s, text, cloudwatch.StateWords()) }

// parseAWSWord reads a word that is kept as AWS writes it.
func parseAWSWord[T ~string](v *T, text string, words []string) error {
	if !slices.Contains(words, text) {
		return noneOf("ValidationError", text, words)
	}
	*v = T(text)
	return nil
}
