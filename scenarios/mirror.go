package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// Mirrors is how many copies each traffic mirror session has delivered. A driver
// notes it before a probe, and asks for what is new afterwards.
type Mirrors map[dataplane.Handle]uint64

// MirrorsOf reads an engine's counters.
func MirrorsOf(e *dataplane.Engine) Mirrors {
	m := Mirrors{}
	for _, s := range e.TrafficMirrors() {
		m[s.Session] = s.Delivered
	}
	return m
}

// Since are the names of the sessions that have delivered copies after before,
// sorted. The probe's packets and, if other programs talk at the same time, theirs.
func (m Mirrors) Since(before Mirrors, s *dataplane.Snapshot) []string {
	var names []string
	for h, n := range m {
		if n > before[h] {
			names = append(names, s.Object(h).Name)
		}
	}
	slices.Sort(names)
	return names
}

// judgeMirror holds what was copied against what the check expects.
func judgeMirror(c *control.Check, o Outcome) (ok bool, got string) {
	if c.Mirrored == "" {
		return true, ""
	}
	got = "not mirrored"
	if len(o.Mirrored) > 0 {
		got = "mirrored by " + strings.Join(o.Mirrored, " and ")
	}
	if c.Mirrored == control.MirroredNone {
		return len(o.Mirrored) == 0, got
	}
	if !slices.Contains(o.Mirrored, c.Mirrored) {
		return false, fmt.Sprintf("%s; expected traffic mirror session %s", got, c.Mirrored)
	}
	return true, got
}
