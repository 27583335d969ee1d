package cloudwatch

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
)

// percentileWord is a percentile as AWS writes it: p0.0 to p100, ten decimals at most.
var percentileWord = regexp.MustCompile(`^p(\d{1,2}(\.\d{0,10})?|100(\.0{0,10})?)$`)

// Percentile is the number in a statistic such as p99.9, false for the other statistics.
func (s Statistic) Percentile() (percent float64, ok bool) {
	if !percentileWord.MatchString(string(s)) {
		return 0, false
	}
	percent, err := strconv.ParseFloat(string(s[1:]), 64)
	return percent, err == nil
}

// sample is a value, and how often it was seen.
type sample struct{ value, count float64 }

// Bounds on samples. A second with more values than that is a flood of records, of which
// the others count as the nearest value that is there; who asks for percentiles of a flood
// does not see the difference.
const (
	samplesOfSecond = 1000
	samplesOfMetric = 100_000
)

// addSample adds a value to those of a second, which are sorted, and returns by how many
// they grew.
func (s *second) addSample(value float64) int {
	i, found := slices.BinarySearchFunc(s.samples, value, func(have sample, want float64) int { return cmp.Compare(have.value, want) })
	switch {
	case found:
	case len(s.samples) < samplesOfSecond:
		s.samples = slices.Insert(s.samples, i, sample{value, 1})
		return 1
	case i == len(s.samples), i > 0 && value-s.samples[i-1].value < s.samples[i].value-value:
		i--
	}
	s.samples[i].count++
	return 0
}

// percentile is the smallest value that at least so many percent of all do not exceed.
// AWS does not say how it estimates between two values; this one was there.
func percentile(sorted []sample, percent float64) float64 {
	total := 0.0
	for _, s := range sorted {
		total += s.count
	}
	rank := max(1, math.Ceil(percent/100*total))
	for _, s := range sorted {
		if rank -= s.count; rank <= 0 {
			return s.value
		}
	}
	return sorted[len(sorted)-1].value // rounding
}

func sortSamples(list []sample) {
	slices.SortFunc(list, func(a, b sample) int { return cmp.Compare(a.value, b.value) })
}
