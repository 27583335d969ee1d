package cloudwatch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is a log event.
type Event struct {
	Group, Stream string
	// Source is the name of the flow log that it comes from.
	Source    string
	Timestamp time.Time
	Message   string

	// Ingested is when the event came, and Sequence its number among all of the lab,
	// from 1. Put sets both.
	Ingested time.Time
	Sequence uint64
}

// ID is AWS's name of an event: digits that sort as the events do.
func (e *Event) ID() string { return fmt.Sprintf("%020d%036d", e.Timestamp.UnixMilli(), e.Sequence) }

// position orders events by time, and those of one time as they came.
func (e *Event) position() Position { return Position{e.Timestamp.UnixMilli(), e.Sequence} }

// Position is a place between events: behind the one with these.
type Position struct {
	Milliseconds int64
	Sequence     uint64
}

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Milliseconds, q.Milliseconds), cmp.Compare(p.Sequence, q.Sequence))
}

// String is the position in the tokens that clients hand back.
func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Milliseconds, p.Sequence) }

// ParsePosition reads what String wrote.
func ParsePosition(text string) (p Position, ok bool) {
	before, after, ok := strings.Cut(text, "/")
	if !ok {
		return p, false
	}
	var err error
	if p.Milliseconds, err = strconv.ParseInt(before, 10, 64); err != nil {
		return p, false
	}
	p.Sequence, err = strconv.ParseUint(after, 10, 64)
	return p, err == nil
}

// Group is a log group and what is known about it.
type Group struct {
	Name    string
	Created time.Time
	// Stored is the size of its events in memory, in bytes as AWS bills them.
	Stored int64
	// Filters is how many metric filters it has.
	Filters int
	Streams []Stream // by name
}

// Stream is a log stream. Of one whose events are no longer in memory the times
// stay.
type Stream struct {
	Name          string
	Created       time.Time
	First, Last   time.Time // of the events' timestamps
	LastIngestion time.Time
	Stored        int64 // bytes
}

// eventOverhead is what AWS adds to each event's size, in bytes.
const eventOverhead = 26

func (e *Event) size() int64 { return int64(len(e.Message) + eventOverhead) }

// keptEvents bounds the memory of a lab: the oldest go first.
const keptEvents = 100_000

// store is all groups and the events that are in memory, in the order they came.
type store struct {
	groups map[string]*group
	events []Event
	last   uint64 // sequence number
}

type group struct {
	created       time.Time
	streams       map[string]*Stream
	events, bytes uint64 // that ever came
}

// open makes a group exist. A flow log's group does before there is an event (F5 is
// about streams).
func (s *store) open(name string, now time.Time) *group {
	if s.groups[name] == nil {
		s.groups[name] = &group{created: now, streams: map[string]*Stream{}}
	}
	return s.groups[name]
}

// put keeps an event, and returns it as it is kept.
func (s *store) put(e Event, now time.Time) Event {
	g := s.open(e.Group, now)
	stream := g.streams[e.Stream]
	if stream == nil {
		stream = &Stream{Name: e.Stream, Created: now, First: e.Timestamp, Last: e.Timestamp}
		g.streams[e.Stream] = stream
	}
	if e.Timestamp.Before(stream.First) {
		stream.First = e.Timestamp
	}
	if e.Timestamp.After(stream.Last) {
		stream.Last = e.Timestamp
	}
	s.last++
	e.Sequence, e.Ingested = s.last, now
	g.events++
	g.bytes += uint64(e.size())
	stream.LastIngestion = now
	stream.Stored += e.size()
	s.events = append(s.events, e)
	// A tenth at once: moving the rest for each event would cost more than keeping it.
	if len(s.events) > keptEvents+keptEvents/10 {
		s.forget(len(s.events) - keptEvents)
	}
	return e
}

func (s *store) forget(n int) {
	for i := range s.events[:n] {
		e := &s.events[i]
		s.groups[e.Group].streams[e.Stream].Stored -= e.size()
	}
	s.events = slices.Clone(s.events[n:]) // so that the old ones' memory goes
}

// Query selects events of one group.
type Query struct {
	Group string
	// Streams by name; nil: all that begin with Prefix.
	Streams []string
	Prefix  string
	// From and Before bound the timestamps; the zero Time leaves that side open.
	From, Before time.Time
	Pattern      *Pattern // nil: all
	// After is where to go on; nil: from the first. Until ends before a position.
	After, Until *Position
	// Limit on the events, 0: none. With Newest those are returned that end the range.
	Limit  int
	Newest bool
}

func (q *Query) wants(e *Event) bool {
	switch {
	case e.Group != q.Group,
		q.Streams != nil && !slices.Contains(q.Streams, e.Stream),
		!strings.HasPrefix(e.Stream, q.Prefix),
		!q.From.IsZero() && e.Timestamp.Before(q.From),
		!q.Before.IsZero() && !e.Timestamp.Before(q.Before),
		q.After != nil && e.position().compare(*q.After) <= 0,
		q.Until != nil && e.position().compare(*q.Until) >= 0:
		return false
	case q.Pattern == nil:
		return true
	}
	_, ok := q.Pattern.Match(e.Message)
	return ok
}

// query returns the events in the order of their timestamps. More says that the
// limit cut some off.
func (s *store) query(q Query) (found []Event, more bool) {
	for i := range s.events {
		if q.wants(&s.events[i]) {
			found = append(found, s.events[i])
		}
	}
	slices.SortFunc(found, func(a, b Event) int { return a.position().compare(b.position()) })
	if q.Limit == 0 || len(found) <= q.Limit {
		return found, false
	}
	if q.Newest {
		return found[len(found)-q.Limit:], true
	}
	return found[:q.Limit], true
}
