package cloudwatch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Dimension is a name and a value that tell metrics of one name apart.
type Dimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// MetricID names a metric: its namespace, its name and its dimensions, which are
// sorted by name.
type MetricID struct {
	Namespace, Name string
	Dimensions      []Dimension
}

func (m MetricID) key() string {
	var b strings.Builder
	b.WriteString(m.Namespace + "\x00" + m.Name)
	for _, d := range m.Dimensions {
		b.WriteString("\x00" + d.Name + "\x00" + d.Value)
	}
	return b.String()
}

// SortDimensions puts dimensions in the order of a MetricID.
func SortDimensions(list []Dimension) {
	slices.SortFunc(list, func(a, b Dimension) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
}

// Statistics are what is known about the values of a span of time.
type Statistics struct {
	Start                        time.Time
	Count, Sum, Minimum, Maximum float64
	// samples are the values by themselves, sorted, where percentiles are asked for.
	samples []sample
}

func (s *Statistics) add(o *Statistics) {
	switch {
	case o.Count == 0:
		return
	case s.Count == 0:
		s.Minimum, s.Maximum = o.Minimum, o.Maximum
	}
	s.Count += o.Count
	s.Sum += o.Sum
	s.Minimum, s.Maximum = min(s.Minimum, o.Minimum), max(s.Maximum, o.Maximum)
}

// Statistic says what an alarm compares.
type Statistic string

// The statistics, in AWS's words, besides percentiles such as p99.
const (
	SampleCount Statistic = "SampleCount"
	Average     Statistic = "Average"
	Sum         Statistic = "Sum"
	Minimum     Statistic = "Minimum"
	Maximum     Statistic = "Maximum"
)

// StatisticWords are all statistics but the percentiles.
func StatisticWords() []string {
	return []string{string(SampleCount), string(Average), string(Sum), string(Minimum), string(Maximum)}
}

// Of is the statistic of values, of which there is one at least.
func (s Statistic) Of(v *Statistics) float64 {
	switch s {
	case SampleCount:
		return v.Count
	case Average:
		return v.Sum / v.Count
	case Minimum:
		return v.Minimum
	case Maximum:
		return v.Maximum
	}
	if percent, ok := s.Percentile(); ok {
		return percentile(v.samples, percent)
	}
	return v.Sum
}

// Bounds on what metrics keep in memory. Each of a filter's dimensions has a value
// per metric: AWS, too, ends a filter that makes a thousand.
const (
	keptSeconds = 20_000 // with values, of one metric
	maxMetrics  = 1000
)

// metric is the values of one metric, second by second: AWS's finest resolution.
type metric struct {
	id      MetricID
	seconds []second // by time
	samples int      // of all seconds
}

// second is the values of a second in which an event was seen.
type second struct {
	at int64 // since 1970
	Statistics
	// standby is the metric filter's default value: it counts in a minute without
	// any other value.
	standby    float64
	hasStandby bool
}

// slot is the second of a time, made if need be. Events come nearly in order.
func (m *metric) slot(at time.Time) *second {
	n := at.Unix()
	i, found := slices.BinarySearchFunc(m.seconds, n, func(s second, n int64) int { return cmp.Compare(s.at, n) })
	if !found {
		m.seconds = slices.Insert(m.seconds, i, second{at: n})
		if len(m.seconds) > keptSeconds || m.samples > samplesOfMetric {
			m.samples -= len(m.seconds[0].samples)
			m.seconds = slices.Delete(m.seconds, 0, 1)
			i = max(i-1, 0)
		}
	}
	return &m.seconds[i]
}

func (m *metric) put(at time.Time, value float64) {
	s := m.slot(at)
	s.add(&Statistics{Count: 1, Sum: value, Minimum: value, Maximum: value})
	m.samples += s.addSample(value)
}

func (m *metric) putDefault(at time.Time, value float64) {
	s := m.slot(at)
	s.standby, s.hasStandby = value, true
}

// aggregation is how long a metric filter gathers values before it says that there
// were none but the default one.
const aggregation = 60 // seconds

// span is the statistics of [from, from+period), with a Count of 0 if there are
// none. Percentiles cost the gathering of all values, and AWS has none of a metric with
// negative values.
func (m *metric) span(from time.Time, period time.Duration, percentiles bool) Statistics {
	all := Statistics{Start: from}
	start, end := from.Unix(), from.Add(period).Unix()
	i, _ := slices.BinarySearchFunc(m.seconds, start, func(s second, n int64) int { return cmp.Compare(s.at, n) })
	for i < len(m.seconds) && m.seconds[i].at < end {
		minute, standby, hasStandby := Statistics{}, 0.0, false
		last := min(end, start+((m.seconds[i].at-start)/aggregation+1)*aggregation)
		for ; i < len(m.seconds) && m.seconds[i].at < last; i++ {
			s := &m.seconds[i]
			minute.add(&s.Statistics)
			if percentiles {
				all.samples = append(all.samples, s.samples...)
			}
			if s.hasStandby {
				standby, hasStandby = s.standby, true
			}
		}
		if minute.Count == 0 && hasStandby {
			minute = Statistics{Count: 1, Sum: standby, Minimum: standby, Maximum: standby}
			if percentiles {
				all.samples = append(all.samples, sample{standby, 1})
			}
		}
		all.add(&minute)
	}
	if percentiles && all.Minimum < 0 {
		return Statistics{Start: from}
	}
	sortSamples(all.samples)
	return all
}
