package lab

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs"
)

// cloudWatch runs CloudWatch on the clock on the wall: it takes what flow logs
// publish, and evaluates alarms when they are due.
type cloudWatch struct {
	service *cloudwatch.Service
	log     *slog.Logger
	act     func(cloudwatch.Transition) // nil: nobody acts

	turned chan struct{} // other alarms to wait for; holds one, since one look sees them all
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// newCloudWatch starts to evaluate.
func newCloudWatch(act func(cloudwatch.Transition), log *slog.Logger) *cloudWatch {
	ctx, cancel := context.WithCancel(context.Background())
	c := &cloudWatch{service: cloudwatch.New(), log: log, act: act, turned: make(chan struct{}, 1), cancel: cancel}
	c.done.Go(func() { c.run(ctx) })
	return c
}

// run waits for one evaluation after the other.
func (c *cloudWatch) run(ctx context.Context) {
	for {
		// An hour stands for never: without alarms only turned has news.
		patience := time.Hour
		if next, ok := c.service.Next(); ok {
			patience = max(time.Until(next), 0)
		}
		timer := time.NewTimer(patience)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.turned:
			timer.Stop()
		case <-timer.C:
			for _, t := range c.service.Evaluate(time.Now()) {
				c.transition(t)
			}
		}
	}
}

// transition tells everybody about an alarm's new state.
func (c *cloudWatch) transition(t cloudwatch.Transition) {
	c.log.Info("alarm changed its state", "alarm", t.Name, "from", string(t.Old), "to", string(t.State), "reason", t.Reason)
	if c.act != nil {
		c.act(t)
	}
}

// converge puts the filters and alarms of a world in force. It does not evaluate: an
// alarm that has just been made is INSUFFICIENT_DATA until it is due, as on AWS.
func (c *cloudWatch) converge(w *control.World) {
	c.service.Configure(time.Now(), w.CloudWatchConfig())
	select {
	case c.turned <- struct{}{}:
	default:
	}
}

// put takes published records. Their metrics count at the records' own times, so that it
// does not matter how late delivery is (section 8).
func (c *cloudWatch) put(entries []flowlogs.Entry) {
	c.service.Put(time.Now(), control.CloudWatchEvents(entries))
}

// close waits for an evaluation that is under way. Actions are not its to wait for:
// alarmActions does, and is closed first.
func (c *cloudWatch) close() {
	c.cancel()
	c.done.Wait()
}
