package cloudwatch

import (
	"strconv"
	"strings"
	"time"
)

// MetricFilter turns events of a log group into values of a metric.
type MetricFilter struct {
	Name    string
	Group   string
	Pattern *Pattern
	// Metric's dimensions have selectors such as $srcaddr as their values.
	Metric MetricID
	// Value is a number, or a selector such as $bytes.
	Value   string
	Default *float64 // nil: none
	Unit    string
	Created time.Time
}

// IsSelector reports whether a text stands for a value of the event.
func IsSelector(text string) bool { return strings.HasPrefix(text, "$") }

// apply gives an event to the metric. What has no number where one is asked for, or
// lacks a dimension, gives no value, as in AWS.
func (f *MetricFilter) apply(s *Service, e *Event) {
	get, ok := f.Pattern.Match(e.Message)
	if !ok {
		if f.Default == nil { // AWS: as there must be with dimensions
			return
		}
		if m := s.metric(f.Metric); m != nil {
			m.putDefault(e.Timestamp, *f.Default)
		}
		return
	}
	s.matched[f.Name]++
	text := f.Value
	if IsSelector(text) {
		if text, ok = get(text); !ok {
			return
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return
	}
	id := MetricID{Namespace: f.Metric.Namespace, Name: f.Metric.Name}
	for _, d := range f.Metric.Dimensions {
		found, ok := get(d.Value)
		if !ok || found == "" {
			return
		}
		id.Dimensions = append(id.Dimensions, Dimension{d.Name, found})
	}
	SortDimensions(id.Dimensions)
	if m := s.metric(id); m != nil {
		m.put(e.Timestamp, value)
	}
}
