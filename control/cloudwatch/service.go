package cloudwatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is what a world asks of CloudWatch.
type Config struct {
	Groups  []string // that exist before there is an event
	Filters []MetricFilter
	Alarms  []Alarm
}

// Service is CloudWatch of one lab. Its methods may be called from any goroutine.
// What it returns is the caller's, except that patterns, dimensions and actions are
// shared and not to be changed.
type Service struct {
	mu      sync.Mutex
	events  store
	filters []MetricFilter    // by name
	matched map[string]uint64 // events, by filter
	metrics map[string]*metric
	alarms  map[string]*alarm
	history []History
	last    uint64        // sequence number of the history
	changed chan struct{} // closed when the history has more
}

// alarm is an alarm and when it is evaluated next.
type alarm struct {
	AlarmStatus
	next         time.Time
	entered      map[State]uint64 // how often
	done, failed uint64           // actions
}

// keptHistory bounds the alarms' history. AWS keeps 30 days; an alarm that flaps every
// second fills this in three hours.
const keptHistory = 10_000 // entries

// New returns a service that has nothing yet.
func New() *Service {
	return &Service{
		events:  store{groups: map[string]*group{}},
		matched: map[string]uint64{}, metrics: map[string]*metric{}, alarms: map[string]*alarm{}, changed: make(chan struct{}),
	}
}

// Configure puts other filters and alarms in force. Events and metrics stay, and an
// alarm of the same name keeps its state, as AWS's PutMetricAlarm has it.
func (s *Service) Configure(now time.Time, c Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range c.Groups {
		s.events.open(name, now)
	}
	created := map[string]time.Time{}
	for i := range s.filters {
		created[s.filters[i].Name] = s.filters[i].Created
	}
	s.filters = slices.Clone(c.Filters)
	for i := range s.filters {
		f := &s.filters[i]
		if f.Created = now; !created[f.Name].IsZero() {
			f.Created = created[f.Name]
		}
		s.events.open(f.Group, now)
	}
	slices.SortFunc(s.filters, func(a, b MetricFilter) int { return strings.Compare(a.Name, b.Name) })
	// A filter that comes back is another one, which begins to count at 0.
	maps.DeleteFunc(s.matched, func(name string, _ uint64) bool {
		return !slices.ContainsFunc(s.filters, func(f MetricFilter) bool { return f.Name == name })
	})
	s.configureAlarms(now, c.Alarms)
}

func (s *Service) configureAlarms(now time.Time, list []Alarm) {
	wanted := map[string]bool{}
	for _, a := range list {
		wanted[a.Name] = true
		known := s.alarms[a.Name]
		switch {
		case known == nil:
			known = &alarm{
				AlarmStatus: AlarmStatus{Alarm: a, State: StateInsufficientData, Reason: initialReason, Since: now, Updated: now, Configured: now},
				entered:     map[State]uint64{},
			}
			s.alarms[a.Name] = known
			s.record(History{Alarm: a.Name, Time: now, Kind: HistoryConfiguration, Summary: fmt.Sprintf("Alarm %q created", a.Name)})
		case !sameAlarm(&known.Alarm, &a):
			known.Alarm, known.Configured = a, now
			s.record(History{Alarm: a.Name, Time: now, Kind: HistoryConfiguration, Summary: fmt.Sprintf("Alarm %q updated", a.Name)})
		default:
			continue
		}
		known.next = a.due(now)
	}
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		if !wanted[name] {
			delete(s.alarms, name)
			s.record(History{Alarm: name, Time: now, Kind: HistoryConfiguration, Summary: fmt.Sprintf("Alarm %q deleted", name)})
		}
	}
}

// sameAlarm compares every field.
func sameAlarm(a, b *Alarm) bool {
	return a.Metric.key() == b.Metric.key() && a.Description == b.Description && a.Statistic == b.Statistic && a.Period == b.Period &&
		a.EvaluationPeriods == b.EvaluationPeriods && a.DatapointsToAlarm == b.DatapointsToAlarm && a.Threshold == b.Threshold &&
		a.Comparison == b.Comparison && a.Missing == b.Missing && a.Unit == b.Unit && a.ActionsDisabled == b.ActionsDisabled &&
		maps.EqualFunc(a.Actions, b.Actions, slices.Equal)
}

// record adds to the history, and wakes everybody who waits for more of it. The channel
// is closed and replaced rather than sent to: nobody needs to know who waits.
func (s *Service) record(h History) {
	s.last++
	h.Sequence = s.last
	s.history = append(s.history, h)
	if over := len(s.history) - keptHistory; over > 0 {
		s.history = slices.Delete(s.history, 0, over)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Put takes events that came at a time. Their metrics have the events' own times, as in
// AWS: an alarm whose period is shorter than the interval of a flow log sees its data
// when their period is over, and has to be told to wait (treatMissingData, M of N).
func (s *Service) Put(now time.Time, events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		e = s.events.put(e, now)
		for i := range s.filters {
			if f := &s.filters[i]; f.Group == e.Group {
				f.apply(s, &e)
			}
		}
	}
}

// metric is the metric of that name, made if need be; nil if there are too many. A
// filter whose dimensions are addresses makes one for each, and AWS ends such a filter
// at 1,000 as well: what it had made goes on.
func (s *Service) metric(id MetricID) *metric {
	key := id.key()
	m := s.metrics[key]
	if m == nil && len(s.metrics) < maxMetrics {
		m = &metric{id: id}
		s.metrics[key] = m
	}
	return m
}

// Next is when the next alarm is to be evaluated, false if there is none.
func (s *Service) Next() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	for _, a := range s.alarms {
		if next.IsZero() || a.next.Before(next) {
			next = a.next
		}
	}
	return next, !next.IsZero()
}

// Evaluate evaluates the alarms that are due, and returns those that changed their
// state.
func (s *Service) Evaluate(now time.Time) []Transition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Transition
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		a := s.alarms[name]
		if a.next.After(now) {
			continue
		}
		// One evaluation, however many were missed: a machine that slept has no history of
		// the time in between to invent.
		next := a.due(now)
		e := a.evaluate(a.points(s.metrics[a.Metric.key()], next.Add(-a.tick())))
		a.next = next
		if e.kept || e.state == a.State {
			continue
		}
		list = append(list, s.enter(a, now, e.state, a.reason(&e), a.reasonData(&e, now)))
	}
	return list
}

// enter brings an alarm into a state and records that.
func (s *Service) enter(a *alarm, now time.Time, state State, reason, data string) Transition {
	t := Transition{Old: a.State}
	a.entered[state]++
	a.State, a.Reason, a.ReasonData, a.Since, a.Updated = state, reason, data, now, now
	t.AlarmStatus = a.AlarmStatus
	s.record(History{
		Alarm: a.Name, Time: now, Kind: HistoryState, State: state, Reason: reason,
		Summary: fmt.Sprintf("Alarm updated from %s to %s", t.Old, state), Data: historyData(&t),
	})
	return t
}

// SetState brings an alarm into a state until its next evaluation, as AWS's
// SetAlarmState does for tests of actions. False: there is no such alarm. The
// transition is nil if the alarm was in that state.
func (s *Service) SetState(now time.Time, name string, state State, reason, data string) (t *Transition, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.alarms[name]
	if a == nil {
		return nil, false
	}
	if a.State == state {
		a.Reason, a.ReasonData, a.Updated = reason, data, now
		return nil, true
	}
	entered := s.enter(a, now, state, reason, data)
	return &entered, true
}

// RecordAction adds to the history what became of an action. The alarm may be gone by
// then: an action takes its time.
func (s *Service) RecordAction(now time.Time, alarm, summary string, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.alarms[alarm]; a != nil && done {
		a.done++
	} else if a != nil {
		a.failed++
	}
	s.record(History{Alarm: alarm, Time: now, Kind: HistoryAction, Summary: summary})
}

// Alarms are all alarms, by name.
func (s *Service) Alarms() []AlarmStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]AlarmStatus, 0, len(s.alarms))
	for _, a := range s.alarms {
		list = append(list, a.AlarmStatus)
	}
	slices.SortFunc(list, func(a, b AlarmStatus) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// History returns the entries after a sequence number, oldest first, the last
// number, and a channel that is closed when there is more.
func (s *Service) History(after uint64) (entries []History, last uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.history, after+1, func(h History, n uint64) int { return cmp.Compare(h.Sequence, n) })
	return slices.Clone(s.history[i:]), s.last, s.changed
}
