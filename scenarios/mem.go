package scenarios

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Memory is the driver that needs no kernel: instances, Internet hosts and what is at
// sites are small network stacks in this process, and every frame they send goes
// through a real forwarding core, address resolution included. It takes a fraction of a
// second for what namespaces take many for. Its clock moves when it is told to,
// so that idle timers can be tested, and when nothing is left to do but wait for
// packets that are on their way over links.
//
// It starts the built-in servers (serve:) and none of the programs (run:).
// Its methods may be called from several goroutines; probes take turns.
type Memory struct {
	engine *dataplane.Engine
	store  *control.Store
	now    atomic.Int64 // nanoseconds on the engine's clock

	flowLogs   *flowlogs.Collector
	cloudWatch *cloudwatch.Service

	mu    sync.Mutex // guards everything below
	hosts map[string]*memHost
	// revision is that of the world the hosts were made from. A packet may
	// be under way while the core already has the next.
	revision uint64
	links    map[uint32]*memInterface // by the handle of the interface
	silent   map[uint32]bool          // links at which frames may end unseen
	wires    map[uint32]bool          // links at a site, which are no part of AWS
	queue    []packet.Frame           // sent by hosts, not yet walked
	arrivals []packet.Frame           // out of the core, not yet at their hosts

	segmenter packet.Segmenter
	exchange  *memExchange
	lastPort  uint16
	// mute keeps hosts from answering, so that a test can send both sides'
	// packets itself. They still resolve addresses and forward.
	mute bool
	// wired counts the frames that the core took from one end of a wire to the
	// other, of which the tracer knows nothing.
	wired uint64
	// walked sees what the tracer says about every other frame that went into the
	// core, and arrived every frame that came out at a host; nil unless a
	// test looks.
	walked  func(leg dataplane.Leg)
	arrived func(n *memInterface, data []byte)
	// failure is the first thing that a correct core never does.
	failure error
	entries []flowlogs.Entry // published by the flow logs, not yet fetched
}

// maxEntries bounds what flow logs publish and nobody fetches.
const maxEntries = 100_000

// NewMemory returns a driver whose lab is w, or the problems that w has.
func NewMemory(ctx context.Context, w *control.World) (*Memory, error) {
	m := &Memory{lastPort: firstEphemeralPort}
	m.engine = dataplane.NewEngine(dataplane.Config{Clock: m.now.Load})
	m.flowLogs = flowlogs.New(m.engine, memoryEpoch)
	m.cloudWatch = cloudwatch.New()
	m.store = control.NewStore(slog.New(slog.DiscardHandler), nil, m.engine.Publish)
	if err := m.Apply(ctx, w); err != nil {
		return nil, err
	}
	return m, nil
}

// World returns a copy of the world in force.
func (m *Memory) World() *control.World {
	w, _ := m.store.World()
	return w
}

// Engine returns the forwarding core, for its traces, drops and counters. Only
// the driver may call its Forward.
func (m *Memory) Engine() *dataplane.Engine { return m.engine }

// Apply makes w the lab, without interrupting it: tracked connections stay.
func (m *Memory) Apply(ctx context.Context, w *control.World) error {
	return m.settle(m.store.Apply(ctx, w))
}

// Update changes a copy of the world and makes it the lab.
func (m *Memory) Update(ctx context.Context, change func(*control.World) error) error {
	return m.settle(m.store.Update(ctx, change))
}

// Break injects faults into the lab.
func (m *Memory) Break(ctx context.Context, faults control.Faults) (*control.World, func() error, error) {
	var added control.Faults
	if err := m.Update(ctx, func(w *control.World) error { added = w.Break(faults...); return nil }); err != nil {
		return nil, nil, err
	}
	repair := func() error {
		return m.Update(context.WithoutCancel(ctx), func(w *control.World) error { w.Repair(added...); return nil })
	}
	return m.World(), repair, nil
}

// settle gives the hosts the addresses of the world in force.
func (m *Memory) settle(_ []control.Change, err error) error {
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w, revision := m.store.World()
	m.setHosts(w)
	m.revision = revision
	m.cloudWatch.Configure(m.wall(m.now.Load()), w.CloudWatchConfig())
	m.publish(m.flowLogs.Configure(m.now.Load(), w.FlowLogConfig()))
	return nil
}

// memoryEpoch is what the clock on the wall shows when a memory lab begins.
var memoryEpoch = time.Unix(1_750_000_000, 0)

// FlowLogs returns the records that were published since the last call. Those of a
// window come when it ends, which Advance sees to.
func (m *Memory) FlowLogs() []flowlogs.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.entries
	m.entries = nil
	return list
}

// CloudWatch is the lab's. Its alarms are evaluated when Advance moves the clock.
func (m *Memory) CloudWatch() *cloudwatch.Service { return m.cloudWatch }

// wall is what the clock on the wall shows.
func (m *Memory) wall(now int64) time.Time { return memoryEpoch.Add(time.Duration(now)) }

func (m *Memory) publish(entries []flowlogs.Entry) {
	m.cloudWatch.Put(m.wall(m.now.Load()), control.CloudWatchEvents(entries))
	if len(m.entries)+len(entries) <= maxEntries {
		m.entries = append(m.entries, entries...)
	}
}

// Advance moves the clock forward.
func (m *Memory) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for end := m.now.Load() + int64(d); m.now.Load() < end; {
		now := end // or what is due before
		if window, ok := m.flowLogs.Next(); ok {
			now = min(now, window)
		}
		if due, ok := m.cloudWatch.Next(); ok {
			now = min(now, int64(due.Sub(memoryEpoch)))
		}
		m.now.Store(max(now, m.now.Load()+1)) // whatever was due before is due still
		m.publish(m.flowLogs.Collect(m.now.Load()))
		m.cloudWatch.Evaluate(m.wall(m.now.Load()))
	}
}

// attempts is how often a probe is sent again that a link lost by chance, or had
// no room for. Those with a loss of less than a fifth then fail one in a million.
const attempts = 30

// Probe sends one request and runs the network until nothing moves any more. What
// links lose by chance it sends again, as programs do.
func (m *Memory) Probe(ctx context.Context, p Probe) (Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	from := m.hosts[p.From]
	if from == nil {
		return Outcome{}, fmt.Errorf("no running instance, Internet host, site or host of a site is called %q", p.From)
	}
	for attempt := 1; ; attempt++ {
		outcome, err := m.attempt(from, p)
		if err != nil || attempt == attempts || outcome.Dropped == nil || outcome.Dropped.Stage != dataplane.StageLink {
			return outcome, err
		}
	}
}

// attempt sends a probe once.
func (m *Memory) attempt(from *memHost, p Probe) (Outcome, error) {
	before, mirrors := m.lastDrop(), MirrorsOf(m.engine)
	m.lastPort = nextEphemeralPort(m.lastPort)
	x := &memExchange{client: from, probe: p, port: m.lastPort}
	m.exchange = x
	x.begin()
	err := m.run()
	m.exchange = nil
	if err != nil {
		return Outcome{}, err
	}
	if !x.outcome.Answered && !x.outcome.Refused {
		x.outcome.Dropped = m.explain(x, before)
	}
	x.outcome.Mirrored = MirrorsOf(m.engine).Since(mirrors, m.engine.Snapshot())
	return x.outcome, nil
}

// lastDrop is the sequence number of the journal's newest entry.
func (m *Memory) lastDrop() uint64 {
	drops := m.engine.Drops(0)
	if len(drops) == 0 {
		return 0
	}
	return drops[len(drops)-1].Sequence
}

// explain finds what dropped the probe. What the core did not drop, a host in
// between did: the tracer knows which instances forward.
func (m *Memory) explain(x *memExchange, before uint64) *dataplane.TraceStep {
	if step := DropOf(m.engine.Snapshot(), m.engine.Drops(before), x.probe); step != nil {
		return step
	}
	request, ok := x.traceRequest()
	if !ok {
		return nil
	}
	trace := m.engine.Trace(request)
	if last := trace.Last(); last.Verdict == dataplane.VerdictDrop {
		return last.Decisive()
	}
	return nil
}

// maxFrames ends a storm: the longest exchange that hosts have takes dozens.
const maxFrames = 10_000

var errStorm = errors.New("the hosts do not come to rest: this is a bug in vpcsim's memory driver")

// run walks what the hosts sent, and what they send in answer, until all is
// quiet and nothing is on its way any more.
func (m *Memory) run() error {
	for n := 0; m.failure == nil; n++ {
		if n == maxFrames {
			m.failure = errStorm
			break
		}
		switch {
		case len(m.arrivals) > 0:
			f := m.arrivals[0]
			m.arrivals = m.arrivals[1:]
			m.receive(f)
		case len(m.queue) > 0:
			f := m.queue[0]
			m.queue = m.queue[1:]
			m.arrivals = append(m.arrivals, m.walk(f)...)
		case !m.wait():
			return nil
		}
	}
	err := m.failure
	m.failure, m.queue, m.arrivals = nil, nil, nil
	return err
}

// wait moves the clock to when the next frame arrives that is on its way over a
// link. It reports false if none is.
func (m *Memory) wait() bool {
	due, waiting := m.engine.NextDue()
	if !waiting {
		return false
	}
	m.now.Store(max(m.now.Load(), due))
	m.arrivals = m.cut(m.engine.Due(nil))
	return true
}

// walk takes one frame through the core and returns what came out, cut into
// ordinary frames as a device without offloads would get them. That is where a
// wrong partial checksum shows.
func (m *Memory) walk(f packet.Frame) []packet.Frame {
	var leg dataplane.Leg
	looked := m.walked != nil && !m.wires[f.Link]
	if m.wires[f.Link] {
		m.wired++
	}
	if looked {
		leg = m.engine.TraceFrame(f) // before Forward writes to state and bytes
	}
	outgoing := m.engine.Forward([]packet.Frame{f}, nil)
	if looked {
		m.walked(leg)
	}
	return m.cut(outgoing)
}

func (m *Memory) cut(outgoing []packet.Frame) []packet.Frame {
	var result []packet.Frame
	for _, out := range outgoing {
		segments := m.segmenter.Segment(nil, &out)
		if len(segments) == 0 {
			m.fail("the core sent a frame that cannot be cut")
		}
		for _, segment := range segments {
			// Both the core and the segmenter use their memory again.
			segment.Data = append([]byte(nil), segment.Data...)
			result = append(result, segment)
		}
	}
	return result
}

// receive hands a frame to the host at its link.
func (m *Memory) receive(f packet.Frame) {
	n := m.links[f.Link]
	if n == nil && m.engine.Snapshot().Revision != m.revision {
		return // its host is about to be made, or is gone already
	}
	if n == nil && m.silent[f.Link] {
		return // of the platform's services, say: they are servers on sockets, of which here are none
	}
	if n == nil {
		m.fail("the core sent a frame to link %d, which no running host has", f.Link)
		return
	}
	if err := verifyChecksums(f.Data); err != nil {
		m.fail("the core sent %s a broken packet: %v", n.name, err)
		return
	}
	if m.arrived != nil {
		m.arrived(n, f.Data)
	}
	n.host.receive(n, f.Data)
}

func (m *Memory) fail(format string, args ...any) {
	if m.failure == nil {
		m.failure = fmt.Errorf(format+" (this is a bug in vpcsim)", args...)
	}
}
