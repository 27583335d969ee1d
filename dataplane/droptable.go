package dataplane

import (
	"cmp"
	"slices"
)

// DropCount is how many packets one thing dropped: an object, for a reason, by a
// rule where a rule did. A superframe counts once.
type DropCount struct {
	Packets uint64
	// Last is the packet dropped last, or one of the same batch. Its Step is what was
	// counted; it has no sequence number.
	Last Drop
}

// maxDropCounts bounds what is told apart. Objects, their rules and the reasons
// are bounded by the lab; only who forges frames of unknown types or links gets
// near.
const maxDropCounts = 1 << 12

// dropTable counts drops by what dropped them.
type dropTable struct {
	counts map[dropKey]*DropCount
	// recent is the last one's: in a flood nothing is looked up.
	recent    *DropCount
	recentKey dropKey
	// others were dropped when there was no room to tell them apart, by reason.
	others [numReasons]uint64
}

type dropKey struct {
	object Handle
	detail uint32
	stage  Stage
	reason Reason
}

// add counts the packet that w dropped.
func (t *dropTable) add(w *Walk) {
	if w.nSteps == 0 {
		t.others[w.reason]++
		return
	}
	c := t.at(&w.steps[w.nSteps-1])
	if c == nil {
		return
	}
	c.Packets++
	if c.Last.Time != w.now { // once a batch: copying it is what a flood would feel
		c.Last.Time = w.now
		c.Last.describe(w)
	}
}

// keep counts what was dropped after its walk.
func (t *dropTable) keep(late *Drop) {
	if c := t.at(&late.Step); c != nil {
		c.Packets++
		c.Last = *late
		c.Last.Step.Tuple = 0
	}
}

// at is where a step's packets are counted, nil if there is no room: then it is
// done.
func (t *dropTable) at(s *Step) *DropCount {
	key := dropKey{s.Object, s.Detail, s.Stage, s.Reason}
	if t.recent != nil && key == t.recentKey {
		return t.recent
	}
	c := t.counts[key]
	if c == nil {
		if len(t.counts) == maxDropCounts {
			t.others[s.Reason]++
			return nil
		}
		if t.counts == nil {
			t.counts = map[dropKey]*DropCount{}
		}
		c = &DropCount{}
		c.Last.Step = Step{Stage: s.Stage, Verdict: VerdictDrop, Reason: s.Reason, Object: s.Object, Detail: s.Detail}
		t.counts[key] = c
	}
	t.recent, t.recentKey = c, key
	return c
}

// bind moves what objects counted that are gone to the others, when they would
// take the room of those that are there.
func (t *dropTable) bind(s *Snapshot) {
	if len(t.counts) < maxDropCounts/2 {
		return
	}
	for key, c := range t.counts {
		if _, there := s.objects[key.object]; !there {
			t.others[key.reason] += c.Packets
			delete(t.counts, key)
		}
	}
	t.recent = nil
}

// DropCounts returns what dropped packets so far, most first, and by reason how
// many packets are in none of the counts.
func (e *Engine) DropCounts() (counts []DropCount, others map[Reason]uint64) {
	counts, others = e.copyDropCounts()
	slices.SortFunc(counts, func(a, b DropCount) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Last.Step.Object, b.Last.Step.Object),
			cmp.Compare(a.Last.Step.Reason, b.Last.Step.Reason), cmp.Compare(a.Last.Step.Detail, b.Last.Step.Detail))
	})
	return counts, others
}

func (e *Engine) copyDropCounts() (counts []DropCount, others map[Reason]uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := &e.state.drops
	counts = make([]DropCount, 0, len(t.counts))
	for _, c := range t.counts {
		counts = append(counts, *c)
	}
	others = map[Reason]uint64{}
	for r, n := range t.others {
		if n > 0 {
			others[Reason(r)] = n
		}
	}
	return counts, others
}
