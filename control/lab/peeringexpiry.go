package lab

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// peeringExpiry lets requests for VPC peerings expire that nobody has answered for
// seven days (P1). It has no list of its own: the world in force says what expires
// next, so that a request that was answered meanwhile is not touched.
type peeringExpiry struct {
	world  func() *control.World
	expire func(ctx context.Context, peering string) error
	log    *slog.Logger

	changed chan struct{} // there is another world; holds one
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// newPeeringExpiry starts to wait. World is the one in force, and expire does what
// "vpcsim peering expire" does.
func newPeeringExpiry(world func() *control.World, expire func(context.Context, string) error, log *slog.Logger) *peeringExpiry {
	ctx, cancel := context.WithCancel(context.Background())
	e := &peeringExpiry{world: world, expire: expire, log: log, changed: make(chan struct{}, 1), cancel: cancel}
	e.done.Go(func() { e.run(ctx) })
	return e
}

// expiryPause is how long a clock is trusted that others may set, and that stands
// still while the machine sleeps. It is the pause after a failure, too.
const expiryPause = time.Hour

// run waits for one request after the other.
func (e *peeringExpiry) run(ctx context.Context) {
	for {
		patience := expiryPause
		if peering, at := e.world().NextExpiration(); peering != "" {
			patience = min(time.Until(at), expiryPause)
			if patience <= 0 {
				err := e.expire(ctx, peering)
				if err == nil {
					e.log.Info("VPC peering expired: nobody has accepted or rejected it in seven days", "vpcPeering", peering)
					continue
				}
				// It was answered at that very moment, or the lab is coming down.
				e.log.Warn("VPC peering does not expire", "vpcPeering", peering, "error", err)
				patience = expiryPause
			}
		}
		timer := time.NewTimer(patience)
		select {
		case <-ctx.Done():
		case <-e.changed:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// poke says that there is another world. It never waits: the caller holds the lock
// that expire wants.
func (e *peeringExpiry) poke() {
	if e == nil { // a lab of a test
		return
	}
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// close waits until nothing expires any more. The caller does not hold the lab's lock.
func (e *peeringExpiry) close() {
	e.cancel()
	e.done.Wait()
}

// expirePeerings starts to let the lab's requests expire.
func (l *lab) expirePeerings() *peeringExpiry {
	world := func() *control.World { w, _ := l.store.World(); return w }
	return newPeeringExpiry(world, func(ctx context.Context, peering string) error {
		_, err := l.operate(ctx, control.Operation{Kind: "vpcPeerings", Name: peering, Action: "expire"})
		return err
	}, l.log)
}
