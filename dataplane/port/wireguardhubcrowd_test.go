package port

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// A hundred clients who call at once are all served within a second: from a client's
// call to the answer to its first packet. On a machine that tests share the bar is
// wider; the times are logged.
func TestHubServesACrowdThatComesAtOnce(t *testing.T) {
	const crowd, bar = 100, 5 * time.Second
	o := newOffices(t, crowd, false)
	o.answered()
	o.admit(o.clients...)
	took := make([]time.Duration, crowd)
	var all sync.WaitGroup
	start := time.Now()
	for k, c := range o.clients {
		all.Go(func() {
			c.call()
			c.ask(uint16(7000+k), []byte("first"))
			took[k] = time.Since(start)
		})
	}
	all.Wait()
	slices.Sort(took)
	t.Logf("time to the first answer of %d clients: the first %s, median %s, the last %s", crowd, took[0], took[crowd/2], took[crowd-1])
	if took[crowd-1] > bar {
		t.Errorf("the last client waited for %s", took[crowd-1])
	}
	for _, s := range o.hub.Stats().Peers {
		if s.LastHandshake.IsZero() || s.Received == 0 || s.Sent == 0 {
			t.Errorf("%+v", s)
		}
	}
}
