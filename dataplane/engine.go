package dataplane

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Port is where frames come from and go to. One port serves many interfaces;
// a frame names its own.
type Port interface {
	// Recv fills frames[:n] with what has arrived, and waits for the first
	// frame if nothing has: at most for wait, and not at all if that is not
	// positive. n may be 0 without an error, then or before. Data is valid
	// until the next Recv. After Close the error wraps net.ErrClosed.
	Recv(frames []packet.Frame, wait time.Duration) (n int, err error)
	// Send takes frames by their Link; what cannot be sent is dropped and
	// counted by the port.
	Send(frames []packet.Frame) error
}

// Config is an engine's configuration; the zero Config is useful.
type Config struct {
	// MaxFlows bounds the tracking table; default 1,048,576 (64 MiB of
	// flows and as much again in spare slots at most).
	MaxFlows int
	// MaxMappings bounds the connections that all NAT gateways translate;
	// default 524,288 (at most 180 MiB).
	MaxMappings int
	// Journal is how many drops are kept for explanation; default 4,096,
	// negative keeps none.
	Journal int
	// Batch is how many frames are taken per Recv; default 64.
	Batch int
	// MaxDelayed bounds the memory for frames that are under way on links with
	// a delay or bandwidth, in bytes; default 64 MiB.
	MaxDelayed int
	// Seed makes repeatable what links leave to chance; 0 is a random one.
	Seed uint64
	// Clock returns nanoseconds of a clock that never goes back; default is
	// the system's monotonic clock.
	Clock func() int64
	// Offloader, if not nil, is the port that Run is called with, or stands behind it: it
	// may be asked to forward established connections by itself.
	Offloader Offloader
}

// Engine forwards packets through the published snapshot. It runs to
// completion in the goroutine that received: a batch is walked and committed
// under one lock, which costs nothing per packet, keeps the order per
// interface, and makes the state single-threaded. Traces take the same lock.
type Engine struct {
	config   Config
	snapshot atomic.Pointer[Snapshot]
	due      atomic.Int64 // when the next frame under way is due, or never

	mu          sync.Mutex // guards everything below
	state       state
	walk        Walk
	bound       *Snapshot // whose links state.links are
	answerFrame packet.Frame
	segmenter   packet.Segmenter
	arena       arena
	touched     uint32 // see lookahead
	tunnels     connectTunnels
	taps        *taps // nil without captures
	mirrors     mirrors
	offload     *offload // nil without an Offloader

	collecting sync.Mutex // guards spare, the records' other table
	spare      *flowRecordTable
}

// NewEngine returns an engine that drops everything until a snapshot is
// published.
func NewEngine(config Config) *Engine {
	if config.MaxFlows == 0 {
		config.MaxFlows = 1 << 20
	}
	if config.MaxMappings == 0 {
		config.MaxMappings = 1 << 19
	}
	if config.Journal == 0 {
		config.Journal = 4096
	}
	if config.Batch == 0 {
		config.Batch = 64
	}
	if config.MaxDelayed == 0 {
		config.MaxDelayed = 64 << 20
	}
	if config.Seed == 0 {
		config.Seed = rand.Uint64()
	}
	if config.Clock == nil {
		start := time.Now()
		config.Clock = func() int64 { return int64(time.Since(start)) }
	}
	e := &Engine{config: config}
	e.state.flows.limit = config.MaxFlows
	e.state.flows.together = ^uint32(0xff) // a connection's flows of all interfaces
	e.state.nat.limit = config.MaxMappings
	e.state.nat.targets = map[natTarget]int{}
	e.state.serviceFlows.limit = maxServiceFlows
	e.state.serviceRates = map[Handle]serviceRate{}
	e.seed(rand.Uint64())
	if config.Offloader != nil {
		e.offload = newOffload(config.Offloader, e.state.flows.seed+5)
	}
	e.state.journal.ring = make([]Drop, max(config.Journal, 0))
	e.state.flights.pool.limit = config.MaxDelayed
	e.state.flights.random.Seed(config.Seed, 0)
	e.due.Store(never)
	e.snapshot.Store(emptySnapshot)
	return e
}

// seed makes the places of keys in the tables unpredictable for who sends them.
func (e *Engine) seed(seed uint64) {
	s := &e.state
	s.flows.seed, s.nat.inside.seed, s.nat.outside.seed = seed, seed+1, seed+2
	s.serviceFlows.seed, s.fragments.heads.seed = seed+3, seed+4
}

// Publish makes s the network for every packet from the next batch on.
// Tracked connections stay: AWS does not re-check them against new rules (S23).
func (e *Engine) Publish(s *Snapshot) {
	if e.config.Offloader == nil {
		e.snapshot.Store(s)
		return
	}
	e.mu.Lock() // no walk may show the port what is over
	defer e.mu.Unlock()
	e.stopOffload()
	e.snapshot.Store(s)
}

// Snapshot returns the published snapshot.
func (e *Engine) Snapshot() *Snapshot { return e.snapshot.Load() }

// idleWait is how long the engine waits for a packet before it does its
// housekeeping without one.
const idleWait = time.Second

// Run forwards what port receives until the port is closed.
func (e *Engine) Run(port Port) error {
	in := make([]packet.Frame, e.config.Batch)
	out := make([]packet.Frame, 0, 2*e.config.Batch)
	for {
		n, err := port.Recv(in, e.patience())
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		out = e.Forward(in[:n], out[:0])
		if len(out) == 0 {
			continue
		}
		if err := port.Send(out); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("send: %w", err)
		}
	}
}

// patience is how long the engine may wait for a packet: until the next frame
// under way is due.
func (e *Engine) patience() time.Duration {
	due, waiting := e.NextDue()
	if !waiting {
		return idleWait
	}
	wait := time.Duration(due - e.config.Clock())
	if wait > wakeEarly {
		// A sleeper is woken late, and then its processor has to come back
		// from wherever it was. What is left after that, a port spins away.
		wait -= wakeEarly
	}
	return min(max(wait, 0), idleWait)
}

// wakeEarly is about as late as Linux wakes a thread up on an idle machine.
const wakeEarly = 50 * time.Microsecond

// NextDue returns when the next frame that is under way on a link moves on, on
// the engine's clock, and false if none is. Run looks after it; who calls Forward
// calls Due then.
func (e *Engine) NextDue() (int64, bool) {
	due := e.due.Load()
	return due, due != never
}

// Due appends the frames that have come to the end of their links by now to out.
// They are valid until the next Due or Forward.
func (e *Engine) Due(out []packet.Frame) []packet.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	snap, now := e.snapshot.Load(), e.config.Clock()
	e.arena.reset()
	e.mirrors.ofBatch = 0
	e.begin(&e.walk, snap, now)
	first := len(out)
	out = e.throughTunnels(&e.walk, e.release(snap, now, out), first)
	if len(e.mirrors.copies) > 0 {
		out = e.sendMirrors(snap, now, out)
	}
	if e.taps != nil {
		e.tapOut(snap, now, out[first:])
	}
	e.due.Store(e.state.flights.due())
	return out
}

// Forward walks the frames of one batch and appends what goes out to out, what
// Due would return before it. The frames' bytes are rewritten in place; out refers
// to them and to the engine's own memory, and is valid until the next Forward or
// Due.
func (e *Engine) Forward(in, out []packet.Frame) []packet.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	snap, now := e.snapshot.Load(), e.config.Clock()
	e.arena.reset()
	e.mirrors.ofBatch = 0
	e.begin(&e.walk, snap, now)
	begun, first := len(out), len(out)
	out = e.throughTunnels(&e.walk, e.release(snap, now, out), first)
	for i := range in {
		if i%lookaheadBatch == 0 {
			e.lookahead(in[i:])
		}
		first = len(out)
		out = e.throughTunnels(&e.walk, e.forward(&e.walk, &in[i], out), first)
	}
	if len(e.mirrors.copies) > 0 {
		out = e.sendMirrors(snap, now, out)
	}
	if e.taps != nil {
		e.tapOut(snap, now, out[begun:])
	}
	e.state.counters.Received += uint64(len(in))
	e.housekeep(snap, now, len(in) == 0 && len(e.state.flights.heap) == 0)
	if due := e.state.flights.due(); due != e.due.Load() {
		e.due.Store(due)
	}
	return out
}

func (e *Engine) begin(w *Walk, snap *Snapshot, now int64) {
	w.snap, w.state, w.now = snap, &e.state, now
	if snap != e.bound {
		e.bind(snap, now)
	}
}

// forward takes one frame the whole way.
func (e *Engine) forward(w *Walk, f *packet.Frame, out []packet.Frame) []packet.Frame {
	if len(w.snap.wires) > 0 {
		if out, done := e.overWire(w, f, out); done {
			return out
		}
	}
	hop, answer := w.start(f, e)
	if w.verdict == VerdictAnswer {
		e.state.counters.Answered++
		e.state.counters.Reasons[w.reason]++
		if e.taps != nil {
			e.tapWalk(w, f)
		}
		if len(answer) == 0 {
			return out
		}
		return append(out, packet.Frame{Data: answer, Link: f.Link})
	}
	if len(w.snap.directions) > 0 {
		w.draws, w.random = true, e.state.flights.random.Uint64()
	}
	w.run(hop)
	if e.offload != nil {
		e.leaveOffload(w)
	}
	out = w.commit(e, out)
	if e.offload != nil {
		e.considerOffload(w)
	}
	return out
}

// start parses the frame and finds where its way begins. The zero hop means
// that the walk is over: dropped, or answered by the platform.
func (w *Walk) start(f *packet.Frame, e *Engine) (hop Hop, answer []byte) {
	problem := packet.Parse(&w.pkt, f)
	w.begin()
	index := w.snap.interfaceOf(f.Link)
	if index < 0 {
		return w.drop(StageParse, ReasonUnknownLink, Handle(f.Link), 0), nil
	}
	ni := &w.snap.interfaces[index]
	if insideOnly.has(ni.kind) {
		return w.drop(StageParse, ReasonUnknownLink, ni.handle, 0), nil
	}
	w.sender, w.origin, w.entry = index, index, ni.handle
	if problem == packet.ProblemEtherType {
		return w.drop(StageParse, ReasonEtherType, ni.handle, uint32(w.pkt.EtherType)), nil
	}
	if problem == packet.ProblemNone {
		problem = contradiction(&w.pkt)
	}
	if problem != packet.ProblemNone {
		return w.drop(StageParse, ReasonMalformed, ni.handle, uint32(problem)), nil
	}
	if w.mayBeLocal() {
		if answer, handled := w.local(ni, e); handled {
			return Hop{}, answer
		}
	}
	if w.pkt.LaterFragment && !w.adoptFragment(ni) {
		return Hop{}, nil
	}
	return Hop{hopLeaveInterface, uint32(index)}, nil
}

// housekeep removes a bounded number of dead flows.
func (e *Engine) housekeep(snap *Snapshot, now int64, idle bool) {
	if e.offload != nil && (now-e.offload.harvested >= harvestEvery || idle) {
		e.harvest(snap, now) // before the sweep looks who is idle
	}
	flows := &e.state.flows
	budget := func(e *sweepEffort, count, limit int) int {
		if idle { // no packet waits, and the next call may be a second away
			return 256 * sweepSlots
		}
		return e.next(count, limit)
	}
	if idle {
		e.state.flights.rest()
	}
	e.state.nat.sweep(now, budget(&e.state.nat.effort, e.state.nat.count(), e.state.nat.limit), snap)
	e.state.sweepServices(now, budget(&e.state.serviceFlows.effort, e.state.serviceFlows.count, e.state.serviceFlows.limit), snap)
	flows.sweep(budget(&flows.effort, flows.count, flows.limit), func(f *slot[flow]) bool {
		owner := f.key.owner()
		dead := f.value.expires <= now || !snap.tracks(owner)
		if dead {
			e.state.tracked.add(owner, -1)
		}
		return dead
	})
}

// fragment cuts a frame without DF to the MTU of its way (R31).
func (e *Engine) fragment(out []packet.Frame, f *packet.Frame, mtu int) []packet.Frame {
	first := len(out)
	out = e.segmenter.FragmentIPv4(out, f, mtu)
	for i := first; i < len(out); i++ {
		// The segmenter reuses its memory for the next frame of the batch.
		out[i].Data = append(e.arena.take(len(out[i].Data)), out[i].Data...)
	}
	return out
}

// Counters returns a copy of the counters.
func (e *Engine) Counters() Counters {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collectOffload()
	return e.state.counters
}

// Flows returns how many connections are tracked.
func (e *Engine) Flows() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.flows.count
}

// Drops returns the journal's entries after sequence, oldest first.
func (e *Engine) Drops(after uint64) []Drop {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.journal.since(after)
}

// scratch returns memory for one packet that the core originates, valid until
// the next batch.
func (e *Engine) scratch() []byte { return e.arena.take(2048) }
