package lab

import (
	"context"
	"net/http"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// Alarms are where alarms stand, and what became of them before.
type Alarms struct {
	Alarms  []Alarm        `json:"alarms"`
	History []AlarmHistory `json:"history"` // oldest first
	// Last is the sequence number of the history to ask after next.
	Last uint64 `json:"last"`
}

// Alarm is an alarm now.
type Alarm struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// AlarmHistory is one entry.
type AlarmHistory struct {
	Time    time.Time `json:"time"`
	Alarm   string    `json:"alarm"`
	Type    string    `json:"type"` // ConfigurationUpdate, StateUpdate or Action
	Summary string    `json:"summary"`
	State   string    `json:"state,omitempty"` // of a state update
	Reason  string    `json:"reason,omitempty"`
}

// alarms is a long poll, so that vpcsim alarms -f shows a transition when it happens
// without asking all the time. It answers with the history after a sequence number, and waits for some if
// there is none.
func (s *apiServer) alarms(w http.ResponseWriter, r *http.Request) {
	if after, wait, ok := poll(w, r); ok {
		reply(w, s.lab.cloudWatch.since(r.Context(), after, wait))
	}
}

// since ends with the client's request, too: a client that has gone must not keep a
// request of the lab open until the next alarm.
func (c *cloudWatch) since(ctx context.Context, after uint64, wait time.Duration) Alarms {
	ctx, cancel := context.WithTimeout(ctx, min(wait, longestPoll))
	defer cancel()
	for {
		history, last, changed := c.service.History(after)
		if len(history) == 0 && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		answer := Alarms{Alarms: []Alarm{}, History: []AlarmHistory{}, Last: last}
		for _, a := range c.service.Alarms() {
			answer.Alarms = append(answer.Alarms, Alarm{a.Name, string(a.State), a.Reason, a.Since})
		}
		for _, h := range history {
			answer.History = append(answer.History, AlarmHistory{h.Time, h.Alarm, string(h.Kind), h.Summary, string(h.State), h.Reason})
		}
		return answer
	}
}

// fill tells the world where its alarms stand.
func (c *cloudWatch) fill(w *control.World) {
	for _, a := range c.service.Alarms() {
		if known := w.Alarms[a.Name]; known != nil {
			known.Status.State, known.Status.Reason, known.Status.Since = control.AlarmState(a.State), a.Reason, a.Since
		}
	}
}
