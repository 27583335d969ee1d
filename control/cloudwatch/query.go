package cloudwatch

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Groups are all log groups with their streams, by name. They are copies: a request may
// take its time with them while records come in.
func (s *Service) Groups() []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	filters := map[string]int{}
	for i := range s.filters {
		filters[s.filters[i].Group]++
	}
	var list []Group
	for _, name := range slices.Sorted(maps.Keys(s.events.groups)) {
		g := s.events.groups[name]
		out := Group{Name: name, Created: g.created, Filters: filters[name]}
		for _, stream := range slices.Sorted(maps.Keys(g.streams)) {
			out.Streams = append(out.Streams, *g.streams[stream])
			out.Stored += g.streams[stream].Stored
		}
		list = append(list, out)
	}
	return list
}

// Group is one log group, false if there is none of that name.
func (s *Service) Group(name string) (Group, bool) {
	for _, g := range s.Groups() {
		if g.Name == name {
			return g, true
		}
	}
	return Group{}, false
}

// Events answers a query. It looks at every event: an index would cost every record
// something, and 100,000 of them take less time than a client takes to start. Events
// are in the order of their timestamps. More says that the limit cut some off.
func (s *Service) Events(q Query) (events []Event, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events.query(q)
}

// Filters are all metric filters, by name.
func (s *Service) Filters() []MetricFilter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.filters)
}

// Metrics are the names of all metrics that have a value.
func (s *Service) Metrics() []MetricID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []MetricID
	for _, key := range slices.Sorted(maps.Keys(s.metrics)) {
		list = append(list, s.metrics[key].id)
	}
	return list
}

// Statistics are a metric's data points from a time until before another, one for
// each period that has values, the oldest first. Their number is the caller's to
// bound. Percentiles of them are had only if they are asked for here.
func (s *Service) Statistics(id MetricID, from, before time.Time, period time.Duration, percentiles bool) []Statistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.metrics[id.key()]
	if m == nil {
		return nil
	}
	var list []Statistics
	for ; from.Before(before); from = from.Add(period) {
		if p := m.span(from, period, percentiles); p.Count > 0 {
			list = append(list, p)
		}
	}
	return list
}

// historyData is AWS's account of a transition for programs.
func historyData(t *Transition) string {
	type state struct {
		Value  State           `json:"stateValue"`
		Reason string          `json:"stateReason,omitempty"`
		Data   json.RawMessage `json:"stateReasonData,omitempty"`
	}
	next := state{Value: t.State, Reason: t.Reason}
	if json.Valid([]byte(strings.TrimSpace(t.ReasonData))) {
		next.Data = json.RawMessage(t.ReasonData)
	}
	text, err := json.Marshal(struct {
		Version string `json:"version"`
		Old     state  `json:"oldState"`
		New     state  `json:"newState"`
	}{"1.0", state{Value: t.Old}, next})
	if err != nil {
		return ""
	}
	return string(text)
}
