package dataplane

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// LinkStatistics counts what one direction of a link did since it was made:
// packets on the wire, segments and not superframes, and bytes of IP.
type LinkStatistics struct {
	Packets    uint64 `json:"packets"`
	Bytes      uint64 `json:"bytes"`
	Lost       uint64 `json:"lost"`
	QueueDrops uint64 `json:"queueDrops"` // no room in its queue, or in the engine's memory
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
	// Queued is how many packets are under way now.
	Queued uint64 `json:"queued"`
}

// LinkStatus is a link of the published snapshot with its counters.
type LinkStatus struct {
	Link    Object         `json:"link"`
	Forward LinkStatistics `json:"forward"`
	Reverse LinkStatistics `json:"reverse"`
}

// Links returns the links of the published snapshot in the order of their
// handles. While a direction does nothing, it counts nothing.
func (e *Engine) Links() []LinkStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	snap := e.snapshot.Load()
	e.bind(snap, e.config.Clock())
	byHandle := map[Handle]*LinkStatus{}
	for h, o := range snap.objects {
		if o.Kind == KindLink {
			byHandle[h] = &LinkStatus{Link: o}
		}
	}
	for _, l := range e.state.links {
		status := byHandle[l.direction.handle]
		if l.direction.reverse {
			status.Reverse = l.LinkStatistics
		} else {
			status.Forward = l.LinkStatistics
		}
	}
	list := make([]LinkStatus, 0, len(byHandle))
	for _, s := range byHandle {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b LinkStatus) int { return cmp.Compare(a.Link.Handle, b.Link.Handle) })
	return list
}

// linkState is what one direction of a link knows of the packets before. It
// outlives snapshots: frames that are under way refer to it.
type linkState struct {
	LinkStatistics
	// direction is what the link does now; nil when it is in no snapshot any
	// more.
	direction *linkDirection
	// busy is until when the packets accepted so far are being sent, and carry
	// the part of a nanosecond that their times were short of it.
	busy  int64
	carry uint64
	// last is when the last packet arrives that kept the order.
	last int64
	wave wave
}

type linkKey struct {
	handle  Handle
	reverse bool
}

// bind gives every direction of the snapshot its state, by the number that
// walks know it by, and its interfaces their place among the counts.
func (e *Engine) bind(snap *Snapshot, now int64) {
	if e.bound == snap {
		return
	}
	e.bound = snap
	e.state.tracked.admit(snap)
	e.state.traffic.bind(snap)
	e.state.drops.bind(snap)
	e.state.nat.statistics.bind(snap)
	old := map[linkKey]*linkState{}
	for _, l := range e.state.links {
		old[linkKey{l.direction.handle, l.direction.reverse}] = l
	}
	clear(e.state.links)
	e.state.links = e.state.links[:0]
	for i := range snap.directions {
		d := &snap.directions[i]
		key := linkKey{d.handle, d.reverse}
		l := old[key]
		if l == nil {
			l = &linkState{last: now, busy: now}
		} else if l.direction.Bandwidth != d.Bandwidth {
			// What waits leaves as it was promised to; the newcomers' wait
			// is measured by the new rate alone.
			l.busy = min(l.busy, now)
		}
		l.direction = d
		delete(old, key)
		e.state.links = append(e.state.links, l)
	}
	for _, l := range old {
		l.direction = nil
	}
}

// full reports that the link would not take a packet that comes at t: its
// queue, if there is one, has no room. One that finds nobody waiting always
// passes, however small the queue.
func (l *linkState) full(d *linkDirection, t int64, bytes int) bool {
	wait := l.busy - t
	return d.Bandwidth > 0 && wait > 0 && wait+transmission(uint64(bytes), d.Bandwidth) > d.backlog
}

// cuts reports that a superframe must cross in pieces: where chance picks out
// some of them, where they would arrive in a burst of more than a millisecond's
// worth, and where the queue has room for some only.
func (l *linkState) cuts(f *flight, p *linkPassage) bool {
	d := l.direction
	if f.frame.Offload.GSO == 0 || f.packets < 2 || f.ghost {
		return false
	}
	return p.firstLost != noneLost || d.Duplicate > 0 || d.Reorder > 0 || d.Bandwidth > 0 &&
		(transmission(uint64(f.bytes), d.Bandwidth) > longestBurst || l.full(d, f.at, int(f.bytes)))
}

const longestBurst = 1e6 // nanoseconds

// carryOver sends a packet that is at the link at time f.at, and sets f.at to when it
// arrives at the other end. Another reason than ReasonLink means that it does
// not.
func (l *linkState) carryOver(f *flight, p *linkPassage, random *rand.PCG) (reason Reason, double bool) {
	d := l.direction
	if p.loses(f, d, random) {
		l.Lost += uint64(f.packets)
		return ReasonLinkLoss, false
	}
	if l.full(d, f.at, int(f.bytes)) {
		if !f.ghost {
			l.QueueDrops += uint64(f.packets)
		}
		return ReasonLinkQueue, false
	}
	l.Packets += uint64(f.packets)
	l.Bytes += uint64(f.bytes)
	if d.Bandwidth > 0 {
		f.at = l.transmit(f.at, uint64(f.bytes))
	}
	if d.Reorder > 0 && unit(random.Uint64()) < d.Reorder {
		l.Reordered += uint64(f.packets)
	} else {
		arrival := f.at + int64(d.Delay)
		if d.Jitter > 0 {
			arrival = max(f.at, arrival+int64(float64(d.Jitter)*l.wave.at(f.at, 4*int64(d.Jitter), random)))
		}
		// The order is kept even where the delay has just become shorter.
		f.at = max(arrival, l.last)
		l.last = f.at
	}
	if d.Duplicate > 0 && !f.ghost && unit(random.Uint64()) < d.Duplicate {
		l.Duplicated += uint64(f.packets)
		double = true
	}
	return ReasonLink, double
}

// transmit takes the link's time for so many bytes from t on, and returns when
// the last of them has left.
func (l *linkState) transmit(t int64, bytes uint64) int64 {
	bandwidth := l.direction.Bandwidth
	if t > l.busy {
		l.busy, l.carry = t, 0
	}
	if l.carry >= bandwidth { // it was another's
		l.carry = 0
	}
	parts := bytes*8e9 + l.carry
	l.busy += int64(parts / bandwidth)
	l.carry = parts % bandwidth
	return l.busy
}

// loses decides for what the walk could not: the segments of a superframe that
// does not pass as a whole.
func (p *linkPassage) loses(f *flight, d *linkDirection, random *rand.PCG) bool {
	switch {
	case p.firstLost == noneLost || f.segment < p.firstLost || f.ghost:
		return false
	case f.segment == p.firstLost:
		return true
	}
	return unit(random.Uint64()) < d.Loss
}

// wave is jitter as it comes: a line between random points, so that packets
// close to each other are delayed alike. With a point every four times the
// jitter, none can overtake another. Drawing each packet's by itself would
// either reorder them, or, with the order kept, delay all of a fast stream by
// the most.
type wave struct {
	from, to     int64
	first, final float64 // at from and to, -1 to 1
}

// at returns the wave at time t, which never goes back.
func (v *wave) at(t, period int64, random *rand.PCG) float64 {
	point := func() float64 { return 2*unit(random.Uint64()) - 1 }
	switch {
	case t < v.to:
	case t < v.to+period:
		v.from, v.first = v.to, v.final
		v.to, v.final = v.to+period, point()
	default:
		v.from, v.first = t, point()
		v.to, v.final = t+period, point()
	}
	return v.first + (v.final-v.first)*float64(t-v.from)/float64(v.to-v.from)
}
