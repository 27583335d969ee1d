package awsapi

import (
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control/cloudwatch"
)

// Limits of CloudWatch Logs on one answer. Clients page by themselves when they are met,
// so that keeping to them costs nobody anything, and bounds the memory of an answer.
const (
	mostEvents     = 10_000
	mostEventBytes = 1 << 20
)

// logEvent is an event as GetLogEvents has it, and, with a stream and an ID, as
// FilterLogEvents.
type logEvent struct {
	Stream    string `json:"logStreamName,omitempty"`
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
	Ingestion int64  `json:"ingestionTime"`
	ID        string `json:"eventId,omitempty"`
}

// eventsOf is a list even if it is empty: aws logs tail loops over it unasked.
func eventsOf(list []cloudwatch.Event, filtered bool) []logEvent {
	out := make([]logEvent, 0, len(list))
	for i := range list {
		e := &list[i]
		shown := logEvent{Timestamp: e.Timestamp.UnixMilli(), Message: e.Message, Ingestion: e.Ingested.UnixMilli()}
		if filtered {
			shown.Stream, shown.ID = e.Stream, e.ID()
		}
		out = append(out, shown)
	}
	return out
}

// fitting is how many events at the beginning (or the end) of a list fit into one
// answer; one always does.
func fitting(list []cloudwatch.Event, newest bool) int {
	size := 0
	for n := range list {
		i := n
		if newest {
			i = len(list) - 1 - n
		}
		if size += len(list[i].Message); size > mostEventBytes && n > 0 {
			return n
		}
	}
	return len(list)
}

// eventLimit is worded as AWS's validation is, since clients show it as it is.
func eventLimit(limit int) (int, *Error) {
	if limit < 0 || limit > mostEvents {
		return 0, refuse("InvalidParameterException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", limit, mostEvents)
	}
	if limit == 0 {
		limit = mostEvents
	}
	return limit, nil
}

type getLogEventsInput struct {
	page
	Group         string `json:"logGroupName"`
	Identifier    string `json:"logGroupIdentifier"`
	Stream        string `json:"logStreamName"`
	StartTime     *int64 `json:"startTime"`
	EndTime       *int64 `json:"endTime"`
	StartFromHead bool   `json:"startFromHead"`
}

type getLogEventsOutput struct {
	Events   []logEvent `json:"events"`
	Forward  string     `json:"nextForwardToken"`
	Backward string     `json:"nextBackwardToken"`
}

// Tokens of GetLogEvents say which way they go: forward from behind a position, or
// backward from before it.
const forward, backward = "f/", "b/"

// getLogEvents reads one stream, from either end. Whoever has reached an end gets
// the token back that was sent.
func (h *Handler) getLogEvents(in *getLogEventsInput) (any, *Error) {
	g, err := h.groupNamed(in.Group, in.Identifier)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(g.Streams, func(s cloudwatch.Stream) bool { return s.Name == in.Stream }) {
		return nil, refuse("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	limit, err := eventLimit(in.Limit)
	if err != nil {
		return nil, err
	}
	q := cloudwatch.Query{
		Group: g.Name, Streams: []string{in.Stream}, From: milliseconds(in.StartTime), Before: milliseconds(in.EndTime),
		Limit: limit, Newest: !in.StartFromHead,
	}
	var at cloudwatch.Position
	if in.NextToken != "" {
		var ok bool
		if at, ok = cloudwatch.ParsePosition(strings.TrimPrefix(strings.TrimPrefix(in.NextToken, forward), backward)); !ok {
			return nil, refuse("InvalidParameterException", "The specified nextToken is invalid.")
		}
		if q.Newest = strings.HasPrefix(in.NextToken, backward); q.Newest {
			q.Until = &at
		} else {
			q.After = &at
		}
	}
	list, _ := h.config.CloudWatch.Events(q)
	if n := fitting(list, q.Newest); q.Newest {
		list = list[len(list)-n:]
	} else {
		list = list[:n]
	}
	out := getLogEventsOutput{Events: eventsOf(list, false), Forward: forward + at.String(), Backward: backward + at.String()}
	if len(list) > 0 {
		out.Forward, out.Backward = forward+positionOf(&list[len(list)-1]).String(), backward+positionOf(&list[0]).String()
	}
	return out, nil
}

func positionOf(e *cloudwatch.Event) cloudwatch.Position {
	return cloudwatch.Position{Milliseconds: e.Timestamp.UnixMilli(), Sequence: e.Sequence}
}

type filterLogEventsInput struct {
	page
	Group      string   `json:"logGroupName"`
	Identifier string   `json:"logGroupIdentifier"`
	Streams    []string `json:"logStreamNames"`
	Prefix     string   `json:"logStreamNamePrefix"`
	StartTime  *int64   `json:"startTime"`
	EndTime    *int64   `json:"endTime"`
	Pattern    string   `json:"filterPattern"`
	// Interleaved is out of use at AWS, too: events always come in the order of time.
	Interleaved bool `json:"interleaved"`
}

type filterLogEventsOutput struct {
	Events []logEvent `json:"events"`
	// Searched streams: out of use and empty at AWS, too.
	Searched  []struct{} `json:"searchedLogStreams"`
	NextToken string     `json:"nextToken,omitempty"`
}

// filterLogEvents searches the streams of a group.
func (h *Handler) filterLogEvents(in *filterLogEventsInput) (any, *Error) {
	g, err := h.groupNamed(in.Group, in.Identifier)
	if err != nil {
		return nil, err
	}
	if in.Streams != nil && in.Prefix != "" {
		return nil, refuse("InvalidParameterException", "Log stream names and log stream name prefix are mutually exclusive parameters.")
	}
	for _, name := range in.Streams {
		if !slices.ContainsFunc(g.Streams, func(s cloudwatch.Stream) bool { return s.Name == name }) {
			return nil, refuse("ResourceNotFoundException", "The specified log stream does not exist.")
		}
	}
	q := cloudwatch.Query{Group: g.Name, Streams: in.Streams, Prefix: in.Prefix, From: milliseconds(in.StartTime)}
	if in.EndTime != nil { // an event of that very time is in the range
		end := *in.EndTime + 1
		q.Before = milliseconds(&end)
	}
	if q.Limit, err = eventLimit(in.Limit); err != nil {
		return nil, err
	}
	if q.Pattern, err = parsePattern(in.Pattern); err != nil {
		return nil, err
	}
	if in.NextToken != "" {
		at, ok := cloudwatch.ParsePosition(in.NextToken)
		if !ok {
			return nil, refuse("InvalidParameterException", "The specified nextToken is invalid.")
		}
		q.After = &at
	}
	list, more := h.config.CloudWatch.Events(q)
	if n := fitting(list, false); n < len(list) {
		list, more = list[:n], true
	}
	out := filterLogEventsOutput{Events: eventsOf(list, true), Searched: []struct{}{}}
	if more {
		out.NextToken = positionOf(&list[len(list)-1]).String()
	}
	return out, nil
}
