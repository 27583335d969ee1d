package bench

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSummaryIsTheMedianBetweenTheExtremes(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples []float64
		want    Summary
	}{
		{"none", nil, Summary{}},
		{"one", []float64{3}, Summary{3, 3, 3, []float64{3}}},
		{"odd", []float64{9, 1, 5}, Summary{5, 1, 9, []float64{9, 1, 5}}},
		{"even", []float64{4, 1, 2, 3}, Summary{2.5, 1, 4, []float64{4, 1, 2, 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, summarize(c.samples)); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentileIsAMeasuredValue(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one", []time.Duration{7}, 0.99, 7},
		{"median of a hundred", hundred, 0.50, 50},
		{"99th of a hundred", hundred, 0.99, 99},
		{"above 99 of a hundred", hundred, 0.991, 100},
		{"all", hundred, 1, 100},
		{"least", hundred, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentile(c.sorted, c.p); got != c.want {
				t.Errorf("percentile(%v) = %d, want %d", c.p, got, c.want)
			}
		})
	}
}

// A run that failed must not shift the repetitions of its row against those of
// the row that it is compared with.
func TestRatiosPairRepetitions(t *testing.T) {
	failed := math.NaN()
	a, b := []float64{10, failed, 30, 40}, []float64{5, 1, failed, 10}
	if diff := cmp.Diff([]float64{2, 4}, ratios(a, b)); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{5, 30}, differences(a, b)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if got := ratios([]float64{1}, []float64{0}); len(got) != 0 {
		t.Errorf("a ratio to nothing is %v", got)
	}
}
