package cloudwatch

import (
	"maps"
	"slices"
)

// Counts are what a service has done since the lab came up, for whoever measures the
// lab. They only grow for as long as what they are of exists: events and history that
// are forgotten for want of room stay counted.
type Counts struct {
	Groups  []GroupCount  // by name
	Filters []FilterCount // by name
	Alarms  []AlarmCount  // by name
}

// GroupCount is AWS's IncomingLogEvents and IncomingBytes of a log group.
type GroupCount struct {
	Name          string
	Events, Bytes uint64 // bytes as AWS bills them
	Stored        int64  // bytes of the events in memory
}

// FilterCount is how many events matched a metric filter's pattern, whether or not
// they had a number to count.
type FilterCount struct {
	Name, Group string
	Matched     uint64
}

// AlarmCount is where an alarm stands and how it came there.
type AlarmCount struct {
	AlarmStatus
	Entered      map[State]uint64 // how often, by SetAlarmState too
	Done, Failed uint64           // actions
}

// Counts reads all counters at once, so that they belong together.
func (s *Service) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Counts
	for _, name := range slices.Sorted(maps.Keys(s.events.groups)) {
		g := s.events.groups[name]
		count := GroupCount{Name: name, Events: g.events, Bytes: g.bytes}
		for _, stream := range g.streams {
			count.Stored += stream.Stored
		}
		c.Groups = append(c.Groups, count)
	}
	for i := range s.filters {
		f := &s.filters[i]
		c.Filters = append(c.Filters, FilterCount{Name: f.Name, Group: f.Group, Matched: s.matched[f.Name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		a := s.alarms[name]
		c.Alarms = append(c.Alarms, AlarmCount{AlarmStatus: a.AlarmStatus, Entered: maps.Clone(a.entered), Done: a.done, Failed: a.failed})
	}
	return c
}
