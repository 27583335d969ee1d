package scenarios

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// Driver sends probes through a lab.
type Driver interface {
	// Probe sends one request and waits for what becomes of it, for as long
	// as the driver finds reasonable or ctx lasts. That a packet was dropped
	// is an Outcome, not an error: an error means that the driver could not
	// find out.
	Probe(ctx context.Context, p Probe) (Outcome, error)
	// Break injects faults into the lab and returns the world that is then in
	// force. Repair takes away those that were not there before; it must be
	// called even if ctx has ended.
	Break(ctx context.Context, faults control.Faults) (w *control.World, repair func() error, err error)
}

// Probe is one request: a TCP connection that carries a byte each way, a UDP
// datagram and its answer, or an ICMP echo.
type Probe struct {
	From string     // instance, Internet host, site or host of a site that sends
	To   netip.Addr // its family is the probe's
	// Protocol is ProtocolTCP, ProtocolUDP or ProtocolICMP; the last means
	// ICMPv6 if To is an IPv6 address.
	Protocol control.Protocol
	Port     uint16 // 0 for ICMP
}

// Outcome is what became of a probe.
type Outcome struct {
	// Delivered: the request reached the destination. A driver that sees
	// only sockets knows it only of exchanges that were completed.
	Delivered bool
	// Answered: the answer came back, so that the whole exchange worked.
	Answered bool
	// Refused: the destination itself said that nobody listens on the port.
	// Every filter on the way had let request and refusal pass.
	Refused bool
	// SourceSeen is the sender's address as the receiver saw it, if it was
	// delivered.
	SourceSeen netip.Addr
	// Dropped is the step that dropped the request or its answer, if any did.
	Dropped *dataplane.TraceStep
	// Mirrored are the traffic mirror sessions that delivered copies meanwhile.
	Mirrored []string
	// Detail is what else the driver can say, for the reader of a failure.
	Detail string
}

// Result is what a check came to.
type Result struct {
	Check control.Check
	OK    bool
	// Got says in words what happened, whether it was expected or not.
	Got  string
	Took time.Duration
}

// Run proves the checks of w, one after the other, on a lab that d drives, and
// passes each result to report (which may be nil) as soon as it is known. W is
// the world in force, with the addresses that were allocated. When ctx ends,
// the checks that are left fail.
func Run(ctx context.Context, w *control.World, d Driver, report func(Result)) []Result {
	results := make([]Result, 0, len(w.Checks))
	for _, c := range w.Checks {
		start := time.Now()
		ok, got := runCheck(ctx, w, d, &c)
		r := Result{Check: c, OK: ok, Got: got, Took: time.Since(start)}
		results = append(results, r)
		if report != nil {
			report(r)
		}
	}
	return results
}

// Retries of a check that may wait: at first eagerly, since most of what is
// waited for (a tunnel, a route) comes within a second or not for many.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// runCheck breaks what the check wants broken, and repairs it afterwards.
func runCheck(ctx context.Context, w *control.World, d Driver, c *control.Check) (ok bool, got string) {
	if len(c.Fault) == 0 {
		return repeatCheck(ctx, w, d, c)
	}
	if ctx.Err() != nil {
		return false, fmt.Sprintf("not run: %v", context.Cause(ctx))
	}
	w, repair, err := d.Break(ctx, c.Fault)
	if err != nil {
		return false, fmt.Sprintf("%s cannot be broken: %v", c.Fault, err)
	}
	ok, got = repeatCheck(ctx, w, d, c)
	if err := repair(); err != nil {
		return false, fmt.Sprintf("%s; %s cannot be repaired: %v", got, c.Fault, err)
	}
	return ok, got
}

// repeatCheck repeats the probe until it holds or the check's wait is over.
func repeatCheck(ctx context.Context, w *control.World, d Driver, c *control.Check) (ok bool, got string) {
	try := func() (bool, string) { return observe(d, c) }
	if !c.Observes() {
		r, err := resolve(w, c)
		if err != nil {
			return false, err.Error()
		}
		if kind, fault := downSender(w, c.From); fault != "" {
			return judgeSilence(c, kind, fault)
		}
		try = func() (bool, string) {
			outcome, err := d.Probe(ctx, r.probe)
			if err != nil {
				return false, fmt.Sprintf("the probe could not be sent: %v", err)
			}
			ok, got := r.judge(c, outcome)
			if copied, text := judgeMirror(c, outcome); text != "" {
				ok, got = ok && copied, got+"; "+text
			}
			return ok, got
		}
	}
	start, moved := time.Now(), time.Duration(0)
	clock, own := d.(ownClock)
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		if err := ctx.Err(); err != nil {
			return false, fmt.Sprintf("not run: %v", context.Cause(ctx))
		}
		ok, got = try()
		if ok || time.Since(start)+moved+pause >= time.Duration(c.Wait) {
			return ok, got
		}
		if own {
			clock.Advance(pause)
			moved += pause
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ownClock is a driver whose time does not pass by itself: what waits there moves
// it, and no time is lost.
type ownClock interface {
	// Advance moves the clock forward.
	Advance(d time.Duration)
}

// downSender is the kind of a sender that a fault has down, and the fault.
func downSender(w *control.World, name string) (kind, fault string) {
	if i := w.Instances[name]; i != nil {
		return "instance", i.Status.Fault
	}
	if h := w.SiteHosts[name]; h != nil {
		return "siteHost", h.Status.Fault
	}
	if s := w.Sites[name]; s != nil {
		return "site", s.Status.Fault
	}
	return "", ""
}

// judgeSilence is about a sender that a fault has down: nothing is sent, which is
// a drop at the sender itself.
func judgeSilence(c *control.Check, kind, fault string) (ok bool, got string) {
	got = fmt.Sprintf("dropped at %s %s: it is down, fault %s", kind, c.From, fault)
	at := c.At == control.Decider{} || c.At.Kind == kind && (c.At.Name == "" || c.At.Name == c.From)
	if c.Expect == control.ExpectDrop && !at {
		got += fmt.Sprintf("; expected a drop at %s", c.At)
	}
	return c.Expect == control.ExpectDrop && at, got
}

// judge compares what happened with what the check expects. A pass means that
// the request arrived and that the answer came back.
func (r *resolved) judge(c *control.Check, o Outcome) (ok bool, got string) {
	if c.Expect == control.ExpectDrop {
		return r.judgeDrop(c, o)
	}
	switch {
	case o.Answered && !r.seesRightSource(o.SourceSeen):
		return false, fmt.Sprintf("answered, but %s saw source %s, not %s", c.To, o.SourceSeen, r.sourceText())
	case o.Answered && o.SourceSeen.IsValid():
		return true, fmt.Sprintf("answered; %s saw source %s", c.To, o.SourceSeen)
	case o.Answered:
		return true, "answered"
	}
	return false, r.describe(c, o)
}

func (r *resolved) judgeDrop(c *control.Check, o Outcome) (ok bool, got string) {
	switch {
	case o.Answered:
		return false, "answered, but a drop was expected"
	case o.Refused:
		return false, r.describe(c, o) + ": nothing was dropped"
	case c.At == (control.Decider{}):
		return true, r.describe(c, o)
	case o.Dropped == nil:
		return false, fmt.Sprintf("%s; expected a drop at %s", r.describe(c, o), c.At)
	case !decidedBy(o.Dropped, c.At):
		return false, fmt.Sprintf("%s; expected a drop at %s", r.describe(c, o), c.At)
	}
	return true, r.describe(c, o)
}

// describe words an exchange that did not complete.
func (r *resolved) describe(c *control.Check, o Outcome) string {
	text := "no answer"
	switch {
	case o.Refused:
		text = fmt.Sprintf("refused: nobody listens on %s of %s", c.Network(), c.To)
	case o.Dropped != nil:
		text = fmt.Sprintf("dropped at %s: %s", objects(o.Dropped), o.Dropped.Text)
	case o.Delivered:
		text = fmt.Sprintf("the request reached %s, but no answer came back", c.To)
	}
	if o.Delivered && o.Dropped != nil {
		text = "the request arrived, its answer was " + text
	}
	if o.Detail != "" {
		text += " (" + o.Detail + ")"
	}
	return text
}
