package bgp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	wire "github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// exchange is a session that is up: the state Established of RFC 4271.
type exchange struct {
	*session
	c        *connection
	box      *outbox
	received chan message
	// failed is the reader's error; to be read once received is closed.
	failed error
	// stuck is the writer's, if it failed.
	stuck chan error
}

// established exchanges routes until either end, the connection or ctx ends it.
func (s *session) established(ctx context.Context, c *connection) ending {
	e := &exchange{session: s, c: c, box: newOutbox(), received: make(chan message, 64), stuck: make(chan error, 1)}
	s.resume(c.terms)
	s.tell(Session{
		State: Established, Cause: CauseUp, Reason: "up",
		RouterID: c.terms.routerID, HoldTime: c.terms.hold, Families: c.terms.families,
	})

	// The reader and the writer may each wait for the other end as long as it
	// takes; the loop waits for neither, so its timers are true.
	inner, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	written := make(chan struct{})
	group.Go(func() { e.read(inner) })
	group.Go(func() {
		defer close(written)
		if err := e.box.drain(&patientWriter{c, c.terms.hold}); err != nil {
			e.stuck <- err
			c.Close() // the reader notices
		}
	})
	end, last := e.loop(ctx)
	if last != nil {
		e.box.put(last)
	}
	e.box.close()
	patience := time.After(farewell)
	select {
	case <-written:
	case <-patience:
	}
	if last != nil {
		e.hear(patience)
	}
	cancel()
	c.Close()
	group.Wait()
	return end
}

// hear reads what nobody wants any more, until the other end has closed. To close
// with something unread would reset the connection, and a reset takes from the
// other end the NOTIFICATION that it has not read yet.
func (e *exchange) hear(patience <-chan time.Time) {
	endWriting(e.c.Conn)
	for {
		select {
		case _, open := <-e.received:
			if !open {
				return
			}
		case <-patience:
			return
		}
	}
}

// loop returns why the session ended, and a NOTIFICATION that is to say so.
func (e *exchange) loop(ctx context.Context) (ending, []byte) {
	hold, keepalive, stop := e.timers()
	defer stop()
	// Everything, and the marker that it was everything: the other end may be
	// one that keeps routes over a restart, and waits for it.
	e.announce(true)
	for _, f := range e.c.terms.families {
		e.box.put(endOfRIB(f))
	}
	for {
		select {
		case <-ctx.Done():
			subcode := uint8(wire.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN)
			if why := (*ceased)(nil); errors.As(context.Cause(ctx), &why) {
				subcode = why.subcode
			}
			return ending{}, notification(wire.BGP_ERROR_CEASE, subcode, nil)
		case m, open := <-e.received:
			if !open {
				return e.lost()
			}
			if hold != nil {
				hold.Reset(e.c.terms.hold)
			}
			if end, last, over := e.handle(m); over {
				return end, last
			}
			// Routes that come together are told together.
			if len(e.received) == 0 || len(e.changes.set) > 1000 {
				e.flush()
			}
		case <-timerChannel(hold):
			if len(e.received) > 0 { // this process was held up, not the peer
				hold.Reset(e.c.terms.hold)
				continue
			}
			return ending{state: Active, cause: CauseHoldTimerExpired, reason: fmt.Sprintf("nothing heard for the hold time, %s", e.c.terms.hold)},
				notification(wire.BGP_ERROR_HOLD_TIMER_EXPIRED, 0, nil)
		case <-keepalive:
			e.box.put(serialize(wire.NewBGPKeepAliveMessage()))
		case <-e.out.wake:
			e.announce(false)
			if end, last, over := e.checkLimit(); over { // which may have changed
				return end, last
			}
		case <-e.stale:
			e.expire()
		case conn := <-e.accepted:
			if e.c.terms.restart == nil {
				e.reject(conn, wire.BGP_ERROR_CEASE, ceaseConnectionCollision, nil)
				continue
			}
			// RFC 4724, section 5: the peer has restarted before its old
			// connection was noticed to be dead.
			return ending{state: Active, cause: CauseConnectionLost, reason: "the peer restarted", graceful: true, successor: conn}, nil
		}
	}
}

// timers are nil where the other end wants none (RFC 4271, section 4.2).
func (e *exchange) timers() (hold *time.Timer, keepalive <-chan time.Time, stop func()) {
	if e.c.terms.hold == 0 {
		return nil, nil, func() {}
	}
	hold = time.NewTimer(e.c.terms.hold)
	ticker := time.NewTicker(e.c.terms.keepalive)
	return hold, ticker.C, func() { hold.Stop(); ticker.Stop() }
}

func timerChannel(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

// handle takes one message in; over says that it was the last.
func (e *exchange) handle(m message) (end ending, last []byte, over bool) {
	switch body := m.body.(type) {
	case *wire.BGPUpdate:
		// RFC 7606: most faults cost the routes that they are about, and only
		// where even those cannot be read, the session.
		u, f := readUpdate(body, m.flaw, e.peer, e.c.terms)
		if f != nil {
			end, last = e.refuse(f)
			return end, last, true
		}
		if u.complaint != "" {
			e.complain(u.complaint)
		}
		e.in.apply(u, e.changes)
		if u.end != "" {
			e.in.dropStale([]Family{u.end}, e.changes)
		}
		e.settle()
		return e.checkLimit()
	case *wire.BGPRouteRefresh:
		// Its routes of that family, again; those of another do no harm.
		if f, ok := familyOn(wire.NewFamily(body.AFI, body.SAFI)); ok && slices.Contains(e.c.terms.families, f) {
			e.announce(true)
		}
	case *wire.BGPNotification:
		return ending{state: Active, cause: CauseNotificationReceived, reason: "the other end ended the session: " + describe(body)}, nil, true
	case *wire.BGPOpen:
		end, last = e.refuse(&fault{code: wire.BGP_ERROR_FSM_ERROR, subcode: 3, text: "a second OPEN"})
		return end, last, true
	}
	return ending{}, nil, false
}

// refuse ends a session for a fault of the other end.
func (e *exchange) refuse(f *fault) (ending, []byte) {
	return ending{state: Active, cause: CauseNotificationSent,
			reason: fmt.Sprintf("the other end broke the protocol: %s (%s)", f.text, notificationName(f.code, f.subcode))},
		notification(f.code, f.subcode, f.data)
}

// lost says why nothing more was read.
func (e *exchange) lost() (ending, []byte) {
	var f *fault
	if errors.As(e.failed, &f) {
		return e.refuse(f)
	}
	select {
	case e.failed = <-e.stuck:
	default:
	}
	reason := "the connection broke: " + e.failed.Error()
	switch {
	case errors.Is(e.failed, io.EOF), errors.Is(e.failed, io.ErrUnexpectedEOF):
		reason = "the other end closed the connection without a NOTIFICATION"
	case errors.Is(e.failed, syscall.ECONNRESET):
		reason = "the other end reset the connection without a NOTIFICATION"
	case errors.Is(e.failed, os.ErrDeadlineExceeded):
		reason = fmt.Sprintf("the other end has read nothing for %s", 2*e.c.terms.hold)
	}
	return ending{state: Active, cause: CauseConnectionLost, reason: reason, graceful: true}, nil
}

// checkLimit ends the session of a peer that announces too much. The routes that
// were learned until then go with it (V12, D4).
func (e *exchange) checkLimit() (end ending, last []byte, over bool) {
	limit := int(e.maxPrefixes.Load())
	for _, f := range e.c.terms.families {
		if limit == 0 || e.in.count[f] <= limit {
			continue
		}
		data := make([]byte, 7) // RFC 4486: address family and limit
		binary.BigEndian.PutUint16(data, wireFamilies[f].Afi())
		data[2] = wireFamilies[f].Safi()
		binary.BigEndian.PutUint32(data[3:], uint32(limit))
		return ending{state: Idle, cause: CausePrefixLimit,
				reason: fmt.Sprintf("the other end announced more than %d %s prefixes; the session stays Idle for %s", limit, f, e.peer.IdleHold)},
			notification(wire.BGP_ERROR_CEASE, wire.BGP_ERROR_SUB_MAXIMUM_NUMBER_OF_PREFIXES_REACHED, data), true
	}
	return ending{}, nil, false
}

// announce sends what has changed, or everything. Withdrawals go first, so that
// the other end is never over a limit of its own between the two.
func (e *exchange) announce(all bool) {
	routes, gone := e.out.take(all)
	carried := func(p netip.Prefix) bool { return slices.Contains(e.c.terms.families, familyOf(p.Addr())) }
	routes = slices.DeleteFunc(routes, func(r Route) bool { return !carried(r.Prefix) })
	gone = slices.DeleteFunc(gone, func(p netip.Prefix) bool { return !carried(p) })
	messages, tooLong := announcements(routes, e.peer, e.c.terms)
	if len(tooLong) > 0 {
		e.log.Warn("routes with too many attributes for a BGP message are not announced", "prefixes", tooLong)
	}
	e.box.put(withdrawals(append(gone, tooLong...))...)
	e.box.put(messages...)
}

// read passes messages on until the connection ends.
func (e *exchange) read(ctx context.Context) {
	defer close(e.received)
	options := &wire.MarshallingOption{Use2ByteAS: e.c.terms.twoByteASN}
	for {
		m, err := readMessage(e.c.reader, options)
		if err != nil {
			e.failed = err
			return
		}
		select {
		case e.received <- m:
		case <-ctx.Done():
			return
		}
	}
}

// patientWriter gives an end that does not read twice the hold time (RFC 9687).
type patientWriter struct {
	*connection
	hold time.Duration
}

func (w *patientWriter) Write(b []byte) (int, error) {
	if w.hold > 0 {
		_ = w.SetWriteDeadline(time.Now().Add(2 * w.hold))
	}
	return w.connection.Write(b)
}
