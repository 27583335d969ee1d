package bgp

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// session is one peer's life: it connects, exchanges routes and starts anew
// until it is told to end. Everything in it without another word belongs to the
// goroutine of run.
type session struct {
	peer    Peer // Announce, MaxPrefixes and Export of its start
	sockets sockets
	log     *slog.Logger
	// report tells the server what has happened. The session may be nil.
	report func(*Session, *delta)

	// out and maxPrefixes may be changed by anybody.
	out         *ribOut
	maxPrefixes atomic.Int64
	// accepted are connections from the listener.
	accepted chan net.Conn
	// deaf is why the listener could not be had.
	deaf chan error

	in *ribIn
	// changes of in that were not reported yet.
	changes *delta
	// restarting until the session has been up once: the other end may hold
	// routes of a process before this one (RFC 4724).
	restarting bool
	// stale ends the wait for a peer that restarts.
	stale <-chan time.Time
	// refusals in a row slow the dialling down.
	refusals   int
	complaints int
	last       Session
	// group are goroutines that outlast what they were started for: attempts
	// to connect that came to nothing.
	group sync.WaitGroup
}

func newSession(p Peer, sockets sockets, log *slog.Logger) *session {
	s := &session{
		peer: p, sockets: sockets, log: log.With("peer", p.Name),
		out:      newRIBOut(),
		accepted: make(chan net.Conn, 4), deaf: make(chan error, 1),
		in: newRIBIn(), changes: newDelta(), restarting: true,
	}
	s.maxPrefixes.Store(int64(p.MaxPrefixes))
	return s
}

// ceased is the cause with which a session's context ends.
type ceased struct {
	subcode uint8
	reason  string
}

func (c *ceased) Error() string { return c.reason }

// ending is why a session that was up no longer is.
type ending struct {
	state  SessionState // that follows
	cause  Cause
	reason string
	// graceful: the other end has gone without a word, and may come back with
	// the routes it had (RFC 4724).
	graceful bool
	// successor is a connection that the restarted peer has made already.
	successor net.Conn
}

// run lives the session until ctx ends. Whatever was learned is withdrawn then.
func (s *session) run(ctx context.Context) {
	defer s.end(ctx)
	s.tell(Session{State: Active, Cause: CauseConfigured, Reason: "started"})
	var successor net.Conn
	for {
		c := s.connect(ctx, successor)
		if c == nil {
			return
		}
		s.restarting, s.refusals, s.complaints = false, 0, 0
		e := s.established(ctx, c)
		if ctx.Err() != nil {
			return
		}
		s.lose(c.terms, e)
		if e.state == Idle {
			s.idle(ctx)
		}
		successor = e.successor
	}
}

// lose draws the conclusions of a session that went down.
func (s *session) lose(t terms, e ending) {
	var keep []Family
	if e.graceful && t.restart != nil && t.restart.time > 0 {
		keep = t.restart.families
	}
	s.in.lose(keep, s.changes)
	s.stale = nil
	if n := len(s.in.stale); n > 0 {
		s.stale = time.After(t.restart.time)
		e.reason += fmt.Sprintf("; its %d routes are kept for %s (graceful restart)", n, t.restart.time)
	}
	s.tell(Session{State: e.state, Cause: e.cause, Reason: e.reason})
}

// resume decides, when the session is up again, what of the stale routes still
// waits for the End-of-RIB marker (RFC 4724, section 4.2).
func (s *session) resume(t terms) {
	if s.stale == nil {
		return
	}
	var gone []Family
	for _, f := range []Family{IPv4, IPv6} {
		if t.restart == nil || !slices.Contains(t.restart.preserved, f) || !slices.Contains(t.families, f) {
			gone = append(gone, f)
		}
	}
	s.in.dropStale(gone, s.changes)
	s.settle()
}

// settle ends the wait when nothing is stale any more.
func (s *session) settle() {
	if len(s.in.stale) == 0 {
		s.stale = nil
	}
}

// expire gives up on a peer that has not come back in time.
func (s *session) expire() {
	s.in.dropStale([]Family{IPv4, IPv6}, s.changes)
	s.stale = nil
	s.flush()
}

// idle refuses connections after too many prefixes (V12, D4).
func (s *session) idle(ctx context.Context) {
	timer := time.NewTimer(s.peer.IdleHold)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case conn := <-s.accepted:
			s.reject(conn, wire.BGP_ERROR_CEASE, wire.BGP_ERROR_SUB_CONNECTION_REJECTED, nil)
		case <-timer.C:
			s.tell(Session{State: Active, Cause: CauseConfigured, Reason: fmt.Sprintf("tries again, after %s of Idle", s.peer.IdleHold)})
			return
		}
	}
}

// end withdraws everything and closes what nobody will take any more.
func (s *session) end(ctx context.Context) {
	s.group.Wait()
	s.in.lose(nil, s.changes)
	s.tell(Session{State: Removed, Cause: CauseConfigured, Reason: context.Cause(ctx).Error()})
	for {
		select {
		case conn := <-s.accepted:
			conn.Close()
		default:
			return
		}
	}
}

// offer hands a connection over that the listener has accepted.
func (s *session) offer(conn net.Conn) {
	select {
	case s.accepted <- conn:
	default: // it is busy ending, or the peer dials without measure
		conn.Close()
	}
}

// tell reports where the session stands, unless that is known, and what was
// learned.
func (s *session) tell(now Session) {
	if now.State == s.last.State && now.Cause == s.last.Cause && now.Reason == s.last.Reason {
		s.flush()
		return
	}
	s.last = now
	s.log.Debug("BGP session", "state", now.State, "cause", now.Cause, "reason", now.Reason)
	s.report(&now, s.changes)
	s.changes = newDelta()
}

// flush reports what was learned.
func (s *session) flush() {
	if !s.changes.empty() {
		s.report(nil, s.changes)
		s.changes = newDelta()
	}
}

// complain logs what the other end does wrong, but not without end.
func (s *session) complain(text string) {
	const enough = 10
	if s.complaints++; s.complaints <= enough {
		s.log.Warn("the BGP peer sent a faulty update", "fault", text, "more", s.complaints == enough)
	}
}

// Pauses between attempts to connect. They are far below the 120 s of RFC 4271:
// a tunnel comes up once for a user who waits.
const (
	retryPause   = 2 * time.Second
	longestPause = 15 * time.Second
	// yieldPause lets the end with the lower address dial first, so that two
	// connections that have to be told apart are rare.
	yieldPause = 300 * time.Millisecond
)

// firstPause is how long to wait before dialling for the first time.
func (s *session) firstPause() time.Duration {
	switch {
	case s.refusals > 0 || s.last.Cause != CauseConfigured:
		return s.pause()
	case s.peer.RemoteAddress.Less(s.peer.LocalAddress):
		return yieldPause
	}
	return 0
}

// pause is how long to wait before dialling again: a quarter more or less, or
// two ends that disturb each other would do so forever.
func (s *session) pause() time.Duration {
	d := min(retryPause<<min(s.refusals, 3), longestPause)
	return d*3/4 + rand.N(d/2)
}
