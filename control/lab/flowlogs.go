package lab

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
)

// FlowLogs are published flow log records, and what became of others.
type FlowLogs struct {
	Entries []FlowLogEntry `json:"entries"`
	// Last is the sequence number to ask after next.
	Last uint64 `json:"last"`
	// Missed is how many records after the one that was asked for are no longer in
	// memory.
	Missed uint64 `json:"missed,omitempty"`
	// Unwritten is how many records wait in memory for a file that takes them,
	// Skipped how many found no room there either since the lab came up (their
	// streams have a SKIPDATA record), and Problem why.
	Unwritten uint64 `json:"unwritten,omitempty"`
	Skipped   uint64 `json:"skipped,omitempty"`
	Problem   string `json:"problem,omitempty"`
	// Dir holds the files: one for each flow log, and below s3 the buckets.
	Dir string `json:"dir,omitempty"`
}

// FlowLogEntry is a record.
type FlowLogEntry struct {
	Sequence uint64 `json:"sequence"` // 1 for the lab's first
	flowlogs.Entry
}

// Bounds on what is kept in memory, and on one answer. Whoever falls behind is told how
// much he missed: files have everything, memory is for looking. A poll ends before any
// client or proxy on the way would give up on it.
const (
	keptFlowLogs   = 100_000 // records
	answerFlowLogs = 5_000   // records
	longestPoll    = 25 * time.Second
)

// flowLogs publishes the records of the world's flow logs: window by window, in
// memory for the API and in files.
type flowLogs struct {
	collector *flowlogs.Collector
	clock     func() int64
	started   time.Time // when clock was 0
	files     *delivery.Delivery
	log       *slog.Logger
	sink      func([]flowlogs.Entry) // sees every record; nil: nobody

	turned chan struct{} // other windows to wait for
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	ring    []FlowLogEntry
	last    uint64
	changed chan struct{} // closed when there is more
}

// newFlowLogs starts to publish. Started is when clock was 0.
func newFlowLogs(source flowlogs.Source, clock func() int64, started time.Time, files *delivery.Delivery, sink func([]flowlogs.Entry), log *slog.Logger) *flowLogs {
	ctx, cancel := context.WithCancel(context.Background())
	l := &flowLogs{
		collector: flowlogs.New(source, started), clock: clock, started: started, files: files, sink: sink, log: log,
		turned: make(chan struct{}, 1), changed: make(chan struct{}), cancel: cancel,
	}
	l.done.Go(func() { l.run(ctx) })
	return l
}

// now is the time of records: the clock does not jump with the machine's.
func (l *flowLogs) now() time.Time { return l.started.Add(time.Duration(l.clock())) }

// run waits for the end of one window after the other, and of the time that a file in
// S3 covers.
func (l *flowLogs) run(ctx context.Context) {
	for {
		timer := time.NewTimer(l.patience())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.turned:
			timer.Stop()
		case <-timer.C:
			if end, ok := l.collector.Next(); ok && end <= l.clock() {
				l.publish(l.collector.Collect(l.clock()))
			}
			if due, ok := l.files.Next(); ok && !due.After(l.now()) {
				l.files.Continue(l.now())
			}
		}
	}
}

// patience is the time until the next window ends, or a file is due.
func (l *flowLogs) patience() time.Duration {
	wait := time.Hour
	if end, ok := l.collector.Next(); ok {
		wait = time.Duration(end - l.clock())
	}
	if due, ok := l.files.Next(); ok {
		wait = min(wait, due.Sub(l.now()))
	}
	return max(wait, 0)
}

// converge puts the flow logs of a world in force, after it was published.
func (l *flowLogs) converge(w *control.World) {
	l.publish(l.collector.Configure(l.clock(), w.FlowLogConfig()))
	l.wake()
}

// wake lets run see that there is something else to wait for.
func (l *flowLogs) wake() {
	select {
	case l.turned <- struct{}{}:
	default:
	}
}

// flush is for the end, which no window waits for, and comes while the API still
// answers, so that whoever follows sees the last records. It publishes what the windows under way have so far.
func (l *flowLogs) flush() { l.publish(l.collector.Flush(l.clock())) }

// close publishes what is left, and ends. Nothing may be forwarded any more.
func (l *flowLogs) close() {
	l.cancel()
	l.done.Wait()
	l.flush()
	if err := l.files.Close(l.now()); err != nil {
		l.log.Error("flow logs", "error", err)
	}
}

// publish writes records to the files, and then keeps them for the API: they are on
// the way to their destination before anybody sees them. Every record of the lab
// comes by here, whatever its destination: CloudWatch Logs, which is the sink, takes
// those with a log group.
func (l *flowLogs) publish(entries []flowlogs.Entry) {
	if len(entries) == 0 {
		return
	}
	l.files.Deliver(l.now(), entries)
	l.wake() // a file may be due sooner than what run waits for
	if l.sink != nil {
		l.sink(entries)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.last++
		l.ring = append(l.ring, FlowLogEntry{l.last, e})
	}
	if over := len(l.ring) - keptFlowLogs; over > 0 {
		l.ring = append([]FlowLogEntry(nil), l.ring[over:]...) // so that the old ones' memory goes
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// since returns records after a sequence number, of one flow log or of all, and
// waits for some if there is none.
func (l *flowLogs) since(ctx context.Context, after uint64, name string, wait time.Duration) FlowLogs {
	ctx, cancel := context.WithTimeout(ctx, min(wait, longestPoll))
	defer cancel()
	for {
		answer, changed := l.look(after, name)
		if len(answer.Entries) > 0 || answer.Missed > 0 || ctx.Err() != nil {
			return answer
		}
		after = max(after, answer.Last)
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

func (l *flowLogs) look(after uint64, name string) (FlowLogs, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := FlowLogs{Entries: []FlowLogEntry{}, Last: max(after, l.last)}
	files := l.files.Total()
	answer.Unwritten, answer.Skipped, answer.Problem = files.Waiting, files.Skipped, files.Problem
	answer.Dir = l.files.Dir()
	first := l.last - uint64(len(l.ring)) + 1 // of those in memory
	if after+1 < first {
		answer.Missed = first - after - 1
	}
	for i := max(after+1, first) - first; i < uint64(len(l.ring)); i++ {
		e := l.ring[i]
		if name != "" && e.Log != name && e.LogID != name {
			continue
		}
		if len(answer.Entries) == answerFlowLogs {
			answer.Last = e.Sequence - 1
			break
		}
		answer.Entries = append(answer.Entries, e)
	}
	return answer, l.changed
}

// counts returns how many records were published, how many of them wait for their
// file, and how many found no room anywhere.
func (l *flowLogs) counts() (published, waiting, skipped uint64) {
	files := l.files.Total()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, files.Waiting, files.Skipped
}

// report adds to a world what became of its flow logs' records (F16).
func (l *flowLogs) report(w *control.World) {
	for name, x := range w.FlowLogs {
		s, files := &x.Status, l.files.Status(name)
		if s.Directory = l.files.Dir(); s.Bucket != "" {
			s.Directory = l.files.BucketDir(s.Bucket)
		}
		if files.Message != "" {
			s.DeliverLogsStatus, s.DeliverLogsErrorMessage, s.DeliverLogsProblem = "FAILED", files.Message, files.Problem
		}
	}
}

func (s *apiServer) flowLogs(w http.ResponseWriter, r *http.Request) {
	if after, wait, ok := poll(w, r); ok {
		reply(w, s.lab.flowLogs.since(r.Context(), after, r.URL.Query().Get("log"), wait))
	}
}
