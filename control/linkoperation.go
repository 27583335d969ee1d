package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// linkOperations change links while traffic runs: set gives values to one
// direction or to both, reset goes back to what the file said.
var linkOperations = map[string]operation{
	"set":   {do: setLink, parameters: append([]string{"direction"}, impairmentFields...), creates: true},
	"reset": {do: resetLinks, creates: true},
}

// impairmentFields are the values of a link, by the keys that a file has for them.
var impairmentFields = []string{"delay", "jitter", "loss", "duplicate", "reorder", "bandwidth", "queue"}

// Directions of a link, as operations and faults name them; "" is both.
const (
	directionForward = "forward"
	directionReverse = "reverse"
)

// set gives a value to a field by its key; text "" takes it away.
func (i *Impairment) set(key, text string) error {
	switch key {
	case "delay":
		return setText(&i.Delay, text)
	case "jitter":
		return setText(&i.Jitter, text)
	case "loss":
		return setText(&i.Loss, text)
	case "duplicate":
		return setText(&i.Duplicate, text)
	case "reorder":
		return setText(&i.Reorder, text)
	case "bandwidth":
		return setText(&i.Bandwidth, text)
	case "queue":
		return setText(&i.Queue, text)
	}
	return fmt.Errorf("a link has no %s", key)
}

func setText[T any, P interface {
	*T
	textValue
}](field **T, text string) error {
	*field = nil
	if text == "" {
		return nil
	}
	value := new(T)
	if err := P(value).parse(text); err != nil {
		return err
	}
	*field = value
	return nil
}

// setLink changes the link of that name, or of the same ends; a place or machine
// without one gets one.
func setLink(w *World, op Operation) error {
	ends, bad := w.linkEnds(op.Name, w.placesInUse())
	if bad != nil {
		return op.problem("", bad.message, bad.hint)
	}
	direction := op.Parameters["direction"]
	if direction != "" && direction != directionForward && direction != directionReverse {
		return op.problemf("", "write forward or reverse, or nothing for both", "%q is not a direction", direction)
	}
	name, reversed := w.linkAt(ends)
	if name == "" {
		name = op.Name
		w.Links[name] = &Link{}
	}
	l := w.Links[name]
	to := []*Impairment{&l.Impairment, &l.Forward, &l.Reverse} // and the directions' own values go
	switch {
	case direction == "":
	case (direction == directionReverse) != reversed:
		to = to[2:]
	default:
		to = to[1:2]
	}
	given := false
	for _, key := range impairmentFields {
		text, ok := op.Parameters[key]
		if !ok {
			continue
		}
		given = true
		for i, impairment := range to {
			if i > 0 {
				text = ""
			}
			if err := impairment.set(key, text); err != nil {
				bad, _ := err.(badValue)
				return op.problem(bad.code, key+": "+cmp.Or(bad.message, err.Error()), bad.hint)
			}
		}
	}
	if !given {
		return op.problem("", "nothing to set", "write one or more of "+orList(impairmentFields)+", such as delay=40ms")
	}
	return nil
}

// resetLinks takes one link, or without a name all, back to what the file said
// that was applied last. A link that it did not have goes.
func resetLinks(w *World, op Operation) error {
	said := map[string]*Link{}
	if op.document != nil {
		said = op.document.Clone().Links
	}
	names := slices.Concat(slices.Collect(maps.Keys(w.Links)), slices.Collect(maps.Keys(said)))
	if op.Name != "" {
		ends, bad := w.linkEnds(op.Name, w.placesInUse())
		if bad != nil {
			return op.problem("", bad.message, bad.hint)
		}
		name, _ := w.linkAt(ends)
		names = []string{name}
	}
	for _, name := range names {
		switch now, before := w.Links[name], said[name]; {
		case before == nil:
			delete(w.Links, name) // what exists by itself comes back by itself
		case now == nil:
			w.Links[name] = before
		default:
			before.Status = now.Status
			w.Links[name] = before
		}
	}
	return nil
}
