package flowlogs

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Source is where flows are counted: the engine.
type Source interface {
	FlowRecords(out []dataplane.FlowRecord) (records []dataplane.FlowRecord, skipped []dataplane.Handle)
}

// Collector gathers records into the windows of flow logs, and writes the lines of
// those that end. Times are nanoseconds of the engine's clock. It may be used from
// any goroutine.
type Collector struct {
	source Source
	epoch  time.Time

	mu      sync.Mutex
	config  *Config
	windows []*window // those with the same beginning and interval share one
	// streams are what has had traffic: of nothing else is there a NODATA (F5).
	streams map[stream]bool
	// gone are places that still have records to be published, and no more.
	gone    map[dataplane.Handle]bool
	records []dataplane.FlowRecord // reused
}

type stream struct {
	log, at dataplane.Handle
}

// New returns a collector without logs. Epoch is when the engine's clock was 0.
func New(source Source, epoch time.Time) *Collector {
	return &Collector{source: source, epoch: epoch, config: &Config{}, streams: map[stream]bool{}}
}

// Configure puts other logs in force from now on, and returns the lines of those
// that end with it. A log goes on as long as its handle does.
func (c *Collector) Configure(now int64, config *Config) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := c.collect(now)
	wanted := map[dataplane.Handle]bool{}
	for i := range config.Logs {
		wanted[config.Logs[i].Handle] = true
	}
	running := map[dataplane.Handle]bool{}
	for _, w := range c.windows {
		w.logs = slices.DeleteFunc(w.logs, func(id dataplane.Handle) bool {
			if !wanted[id] {
				entries = append(entries, c.publish(w, id, now, false)...)
			}
			running[id] = wanted[id]
			return !wanted[id]
		})
	}
	c.windows = slices.DeleteFunc(c.windows, func(w *window) bool { return len(w.logs) == 0 })
	c.adopt(config)
	for i := range config.Logs {
		if l := &config.Logs[i]; !running[l.Handle] {
			c.begin(l, now)
		}
	}
	return entries
}

// adopt makes config the one in force. What it no longer knows, but the records of
// unfinished windows are about, stays known until they end.
func (c *Collector) adopt(config *Config) {
	mentioned := map[dataplane.Handle]bool{}
	for _, w := range c.windows {
		w.mention(mentioned)
	}
	next := *config
	next.Interfaces = withOld(config.Interfaces, c.config.Interfaces, mentioned)
	next.Attachments = withOld(config.Attachments, c.config.Attachments, mentioned)
	next.Gateways = withOld(config.Gateways, c.config.Gateways, mentioned)
	next.Logs = slices.Clone(config.Logs)
	for i := range next.Logs {
		if l := &next.Logs[i]; l.Destination == nil {
			l.Destination = &Destination{Format: l.Format, IntervalSeconds: int64(l.Interval / time.Second)}
		}
	}
	c.gone = map[dataplane.Handle]bool{}
	for i := range next.Logs {
		l := &next.Logs[i]
		old := c.config.log(l.Handle)
		if old == nil {
			continue
		}
		for _, h := range old.places() {
			if mentioned[h] && !slices.Contains(l.places(), h) {
				c.gone[h] = true
				l.addPlace(h)
			}
		}
	}
	c.config = &next
	for s := range c.streams {
		if l := next.log(s.log); l == nil || !slices.Contains(l.places(), s.at) {
			delete(c.streams, s)
		}
	}
}

// withOld keeps what is mentioned: an interface that was deleted a moment ago has records
// in a window that is not over, and they need its ID and addresses.
func withOld[T any](now, old map[dataplane.Handle]*T, mentioned map[dataplane.Handle]bool) map[dataplane.Handle]*T {
	all := make(map[dataplane.Handle]*T, len(now))
	for h, x := range old {
		if mentioned[h] {
			all[h] = x
		}
	}
	maps.Copy(all, now)
	return all
}

func (c *Config) log(id dataplane.Handle) *Log {
	for i := range c.Logs {
		if c.Logs[i].Handle == id {
			return &c.Logs[i]
		}
	}
	return nil
}

// begin starts the first window of a log. Logs that begin together stay together: one
// window for them all keeps every flow once.
func (c *Collector) begin(l *Log, now int64) {
	for _, w := range c.windows {
		if w.start == now && w.interval == int64(l.Interval) {
			w.logs = append(w.logs, l.Handle)
			return
		}
	}
	w := newWindow(now, int64(l.Interval))
	w.logs = []dataplane.Handle{l.Handle}
	c.windows = append(c.windows, w)
}

// Next is when the next window ends, false if there is none.
func (c *Collector) Next() (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.windows) == 0 {
		return 0, false
	}
	return slices.MinFunc(c.windows, func(a, b *window) int { return cmp.Compare(a.end(), b.end()) }).end(), true
}

// Collect returns the lines of the windows that have ended by now.
func (c *Collector) Collect(now int64) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.collect(now)
}

// Flush returns the lines of all windows, as if they ended now: nothing is left
// for later.
func (c *Collector) Flush(now int64) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := c.collect(now)
	for _, w := range c.windows {
		for _, id := range w.logs {
			entries = append(entries, c.publish(w, id, now, false)...)
		}
		w.begin(now)
	}
	return entries
}

// maxCatchUp is how many windows that nobody asked for in time are published one by
// one. A daemon that was stopped for a night has 30,000 windows of a second behind it, each
// of which would be a NODATA record of every interface; the rest of them is left out.
const maxCatchUp = 1000

// collect takes what the engine has counted, all of it, and lets every window have its
// share: the engine counts once, however many logs there are.
func (c *Collector) collect(now int64) []Entry {
	records, skipped := c.source.FlowRecords(c.records[:0])
	var entries []Entry
	for _, w := range c.windows {
		rest := w.take(records)
		w.skip(skipped)
		for n := 0; w.end() <= now; n++ {
			for _, id := range w.logs {
				entries = append(entries, c.publish(w, id, w.end(), true)...)
			}
			w.begin(w.end())
			if n == maxCatchUp && now > w.end() {
				w.begin(now - (now-w.start)%w.interval)
			}
			rest = w.take(rest) // whoever comes late has records of later windows, too
		}
	}
	clear(records)
	c.records = records[:0]
	return entries
}

// publish writes what a log has of a window: the records of every stream, or, if the
// window is over, that there are none.
func (c *Collector) publish(w *window, id dataplane.Handle, end int64, over bool) []Entry {
	l := c.config.log(id)
	byPlace := w.byPlace(l)
	var entries []Entry
	for _, at := range l.places() {
		flows, skipped := byPlace[at], w.skipped[at]
		key := stream{id, at}
		if len(flows) > 0 {
			c.streams[key] = true
		}
		for _, flow := range flows {
			entries = append(entries, c.entry(l, at, record{status: statusOK, flow: flow}, flow.First, flow.Last))
		}
		switch {
		case skipped:
			c.streams[key] = true
			entries = append(entries, c.entry(l, at, record{status: statusSkipData}, w.start, end))
		case len(flows) == 0 && over && c.streams[key] && !c.gone[at]:
			entries = append(entries, c.entry(l, at, record{status: statusNoData}, w.start, end))
		}
	}
	return entries
}

// entry writes the line at once, with the format and the names of now: what the record
// is about may be gone when somebody reads it.
func (c *Collector) entry(l *Log, at dataplane.Handle, r record, start, end int64) Entry {
	from, to := c.epoch.Add(time.Duration(start)), c.epoch.Add(time.Duration(end))
	r.config, r.start, r.end = c.config, from.Unix(), to.Unix()
	e := Entry{Log: l.Name, LogID: l.ID, Group: l.Group, Destination: l.Destination, Timestamp: time.Unix(r.start, 0).UTC(), End: time.Unix(r.end, 0).UTC()}
	if l.Gateway != 0 {
		r.gateway, r.attachment = c.config.Gateways[l.Gateway], c.config.Attachments[at]
		e.Stream = r.attachment.ID
	} else {
		r.at = c.config.Interfaces[at]
		e.Stream = r.at.ID + l.suffix()
	}
	e.Message = l.Format.line(&r)
	return e
}

// suffix says in the name of a stream what its log filters (F11).
func (l *Log) suffix() string {
	switch {
	case l.Accept && l.Reject:
		return "-all"
	case l.Accept:
		return "-accept"
	}
	return "-reject"
}
