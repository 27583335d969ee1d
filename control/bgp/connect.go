package bgp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// openWait is how long the other end may take for its OPEN. RFC 4271 suggests
// four minutes, for routers of its time.
const openWait = 30 * time.Second

// connection is a TCP connection on which both ends agree.
type connection struct {
	net.Conn
	reader *bufio.Reader
	terms  terms
}

// attempt is a connection that is to become the session.
type attempt struct {
	conn     net.Conn
	reader   *bufio.Reader
	outbound bool
	// terms are those of the other end's OPEN; set once opened.
	terms  terms
	opened bool
	// proceed is closed when this is the attempt to go on with.
	proceed chan struct{}
}

// progress is what the goroutine of an attempt reports: a connection was made,
// its OPEN was read, its KEEPALIVE was read, or it failed.
type progress struct {
	attempt *attempt // nil: dialling failed
	dialled bool     // there is, or is not, a connection now
	terms   *terms   // of the OPEN that was read
	up      bool
	err     error
}

// connector is what connect knows.
type connector struct {
	*session
	ctx      context.Context
	progress chan progress
	attempts []*attempt
	dialling bool
	dial     <-chan time.Time // nil: not to be
}

// connect brings the session up: states Connect to OpenConfirm of RFC 4271, for
// a connection of each direction at once. It returns nil when ctx ends.
func (s *session) connect(ctx context.Context, successor net.Conn) *connection {
	inner, cancel := context.WithCancel(ctx)
	c := &connector{session: s, ctx: inner, progress: make(chan progress)}
	defer cancel()
	defer c.dropAll()
	if successor != nil {
		c.start(successor, false)
	}
	if !s.peer.Passive {
		c.dial = time.After(s.firstPause())
	}
	select {
	case <-s.deaf: // of a time before
	default:
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.stale:
			s.expire()
		case err := <-s.deaf:
			if s.peer.Passive {
				s.tell(Session{State: Active, Cause: CauseUnreachable, Reason: "cannot listen: " + explain(err, s.peer)})
			}
		case conn := <-s.accepted:
			// A second connection from there is of a peer that has forgotten
			// the first.
			if old := c.find(false); old != nil {
				c.drop(old)
			}
			c.start(conn, false)
		case <-c.dial:
			c.dialOnce()
		case p := <-c.progress:
			if up := c.advance(p); up != nil {
				return up
			}
		}
	}
}

// dialOnce dials unless a connection is on its way already.
func (c *connector) dialOnce() {
	c.dial = time.After(c.pause())
	if c.dialling || len(c.attempts) > 0 {
		return
	}
	// Dialling takes seconds where nothing answers; connections of the other
	// end are taken meanwhile.
	c.dialling = true
	c.group.Go(func() {
		conn, err := c.sockets.dial(c.ctx, c.peer)
		p := progress{dialled: true, err: err}
		if err == nil {
			p.attempt = newAttempt(conn, true)
		}
		if !c.send(p) && err == nil {
			conn.Close()
		}
	})
}

// advance takes a step of one attempt, and returns the connection when it was
// the last one.
func (c *connector) advance(p progress) *connection {
	switch {
	case p.dialled && p.attempt == nil:
		c.dialling = false
		c.tell(Session{State: Active, Cause: CauseUnreachable, Reason: explain(p.err, c.peer)})
	case p.dialled:
		c.dialling = false
		c.begin(p.attempt)
	case !c.current(p.attempt):
		// It was dropped, and noticed.
	case p.err != nil:
		c.fail(p.attempt, p.err)
	case p.terms != nil:
		p.attempt.terms, p.attempt.opened = *p.terms, true
		c.collide(p.attempt)
	case p.up:
		c.forget(p.attempt)
		return &connection{Conn: p.attempt.conn, reader: p.attempt.reader, terms: p.attempt.terms}
	}
	return nil
}

// collide lets one of two connections live on whose OPENs were both read: the
// one that the end with the higher router ID made (RFC 4271, section 6.8).
func (c *connector) collide(a *attempt) {
	if other := c.find(!a.outbound); other != nil && other.opened {
		local, remote := c.peer.RouterID, a.terms.routerID
		ours := remote.Less(local) || local == remote && c.peer.LocalASN > c.peer.RemoteASN // RFC 6286
		loser := other
		if a.outbound != ours {
			loser = a
		}
		c.drop(loser)
		if loser == a {
			return
		}
	}
	close(a.proceed)
}

// fail ends an attempt and tells the user why.
func (c *connector) fail(a *attempt, err error) {
	c.forget(a)
	var f *fault
	var n *notificationError
	now := Session{State: Active, Cause: CauseRefused}
	switch {
	case errors.As(err, &f):
		c.reject(a.conn, f.code, f.subcode, f.data)
		now.Reason = fmt.Sprintf("refused the other end's OPEN: %s (%s)", f.text, notificationName(f.code, f.subcode))
	case errors.As(err, &n) && n.collision():
		a.conn.Close()
		return // the other connection goes on
	case errors.As(err, &n):
		now.Cause, now.Reason = CauseNotificationReceived, "the other end refused: "+describe(n.BGPNotification)
	case errors.Is(err, os.ErrDeadlineExceeded):
		now.Reason = fmt.Sprintf("the other end did not answer within %s of connecting", openWait)
	default:
		now.Reason = "the other end closed the connection before it was agreed on"
	}
	if f == nil {
		a.conn.Close()
	}
	// Whoever disagrees now will most likely disagree in two seconds, too.
	c.refusals++
	if c.dial != nil {
		c.dial = time.After(c.pause())
	}
	if len(c.attempts) == 0 {
		c.tell(now)
	}
}

func newAttempt(conn net.Conn, outbound bool) *attempt {
	return &attempt{conn: conn, outbound: outbound, reader: bufio.NewReaderSize(conn, 1<<16), proceed: make(chan struct{})}
}

// start begins with a connection that the other end made. Its SYN was answered
// with the system's TTL, which harms nobody.
func (c *connector) start(conn net.Conn, outbound bool) {
	if raw, err := conn.(*net.TCPConn).SyscallConn(); err == nil {
		if err := setTTL(raw, c.peer); err != nil {
			c.log.Debug("TTL of a BGP connection", "error", err)
		}
	}
	c.begin(newAttempt(conn, outbound))
}

// begin has an attempt say its OPEN at once: to wait for the other end's, as RFC
// 4271 lets one, would only cost a round trip.
func (c *connector) begin(a *attempt) {
	c.attempts = append(c.attempts, a)
	open := openMessage(c.peer, c.restarting)
	c.group.Go(func() { c.negotiate(a, open) })
}

// negotiate is the goroutine of an attempt. Between the two messages that it
// reads it waits until proceed is closed: whether this connection is the one is
// not for it to say. It may outlast connect, and uses nothing of the session that
// changes.
func (c *connector) negotiate(a *attempt, own []byte) {
	_ = a.conn.SetDeadline(time.Now().Add(openWait))
	if _, err := a.conn.Write(own); err != nil {
		c.send(progress{attempt: a, err: err})
		return
	}
	open, err := expect[*wire.BGPOpen](a.reader, 1)
	if err != nil {
		c.send(progress{attempt: a, err: err})
		return
	}
	t, f := negotiate(c.peer, open)
	if f != nil {
		c.send(progress{attempt: a, err: f})
		return
	}
	if !c.send(progress{attempt: a, terms: &t}) {
		return
	}
	select {
	case <-c.ctx.Done():
		return
	case <-a.proceed:
	}
	_, err = a.conn.Write(serialize(wire.NewBGPKeepAliveMessage()))
	if err == nil {
		_, err = expect[*wire.BGPKeepAlive](a.reader, 2)
	}
	_ = a.conn.SetDeadline(time.Time{})
	c.send(progress{attempt: a, up: err == nil, err: err})
}
