package flowlogs

import (
	"cmp"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// window is an aggregation interval under way.
type window struct {
	start, interval int64
	logs            []dataplane.Handle
	flows           map[flowKey]*dataplane.FlowRecord
	// order is the order in which flows came, for those that begin together.
	order   []*dataplane.FlowRecord
	skipped map[dataplane.Handle]bool
}

// flowKey is what makes two records one. The action is part of it: packets of one flow
// that were accepted and rejected are two records (section 4), and so are its two
// directions at one interface.
type flowKey struct {
	tuple    packet.Tuple
	at, pair dataplane.Handle
	egress   bool
	action   dataplane.FlowAction
}

func keyOf(r *dataplane.FlowRecord) flowKey {
	return flowKey{r.Tuple, r.Interface, r.PairAttachment, r.Egress, r.Action}
}

func newWindow(start, interval int64) *window {
	w := &window{interval: interval}
	w.begin(start)
	return w
}

// begin makes new maps rather than clearing the old ones: a window after a flood would
// keep the flood's memory for good.
func (w *window) begin(start int64) {
	w.start, w.flows, w.order, w.skipped = start, map[flowKey]*dataplane.FlowRecord{}, nil, map[dataplane.Handle]bool{}
}

func (w *window) end() int64 { return w.start + w.interval }

// take adds the records that began in the window, and returns the others. As many
// flows as the engine keeps are kept here.
func (w *window) take(records []dataplane.FlowRecord) (later []dataplane.FlowRecord) {
	for i := range records {
		r := &records[i]
		if r.First >= w.end() {
			later = append(later, *r)
			continue
		}
		key := keyOf(r)
		switch known := w.flows[key]; {
		case known != nil:
			merge(known, r)
		case len(w.flows) < dataplane.MaxFlowRecords:
			own := *r
			w.flows[key] = &own
			w.order = append(w.order, &own)
		default:
			w.skipped[r.Interface] = true
		}
	}
	return later
}

// merge adds to a flow what the engine counted since it was last asked: it is asked at
// the end of every window of any log, and its records end then, whatever window they
// belong to here.
func merge(known, more *dataplane.FlowRecord) {
	known.First, known.Last = min(known.First, more.First), max(known.Last, more.Last)
	known.Packets += more.Packets
	known.Bytes += more.Bytes
	known.TCPFlags |= more.TCPFlags
	for i, n := range more.Lost {
		known.Lost[i] += n
	}
}

// skip notes where the engine had no room for a flow. It does not say which flow that
// was, so that every log of the place has a SKIPDATA record (F10).
func (w *window) skip(places []dataplane.Handle) {
	for _, h := range places {
		w.skipped[h] = true
	}
}

// byPlace sorts what belongs into a log: by interface or attachment, then in the
// order of the flows' first packets.
func (w *window) byPlace(l *Log) map[dataplane.Handle][]*dataplane.FlowRecord {
	all := map[dataplane.Handle][]*dataplane.FlowRecord{}
	covered := map[dataplane.Handle]bool{}
	for _, h := range l.places() {
		covered[h] = true
	}
	for _, r := range w.order {
		if covered[r.Interface] && l.wants(r) {
			all[r.Interface] = append(all[r.Interface], r)
		}
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b *dataplane.FlowRecord) int { return cmp.Compare(a.First, b.First) })
	}
	return all
}

// mention adds everything that the records are about.
func (w *window) mention(to map[dataplane.Handle]bool) {
	for _, r := range w.order {
		for _, h := range [...]dataplane.Handle{r.Interface, r.NextHop, r.TransitGateway, r.PairAttachment, r.Source, r.Destination} {
			to[h] = true
		}
	}
}
