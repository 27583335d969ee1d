package control

import "fmt"

func (l *Link) validate(v *validation, name string) {
	path := field("links", name)
	if l.Status.LinkEnds.isZero() {
		if _, bad := v.w.linkEnds(name, v.w.placesInUse()); bad != nil {
			v.reportAt(path, true, *bad)
		}
		return
	}
	for _, d := range []struct {
		path      string
		direction *Impairment
		inForce   *ImpairmentInForce
	}{
		{path, &l.Impairment, nil},
		{field(path, "forward"), &l.Forward, &l.Status.Forward},
		{field(path, "reverse"), &l.Reverse, &l.Status.Reverse},
	} {
		d.direction.validate(v, d.path)
		if d.inForce != nil {
			l.validateInForce(v, path, d.path, d.direction, d.inForce)
		}
	}
}

// duplicateLinks reports links that lie at the same place.
func (w *World) duplicateLinks(v *validation) {
	first := map[LinkEnds]string{}
	for _, name := range sorted(w.Links) {
		ends := w.Links[name].Status.LinkEnds
		if ends.From > ends.To {
			ends = ends.reversed()
		}
		if other, taken := first[ends]; taken && !ends.isZero() {
			v.reportKey(field("links", name), "", fmt.Sprintf("link %s is the same", other), "write one of the two")
		}
		first[ends] = name
	}
}

// validate holds the values themselves; most bounds are those of their types.
func (i *Impairment) validate(v *validation, path string) {
	if i.Delay != nil {
		validateDelay(v, field(path, "delay"), *i.Delay)
	}
	if i.Jitter != nil {
		validateDelay(v, field(path, "jitter"), *i.Jitter)
	}
}

// validateInForce reports values that mean nothing together. The problem is where
// the value is written: in the direction, or for both.
func (l *Link) validateInForce(v *validation, path, at string, direction *Impairment, i *ImpairmentInForce) {
	where := func(written bool) string {
		if written {
			return at
		}
		return path
	}
	if i.Jitter > i.Delay {
		v.reportf(field(where(direction.Jitter != nil), "jitter"), "", "write a longer delay, or less jitter: nothing arrives before it was sent",
			"%s is more than the delay, %s", i.Jitter, i.Delay)
	}
	if (direction.Queue != nil || l.Queue != nil) && i.Bandwidth == 0 && direction.Bandwidth == nil {
		v.report(field(where(direction.Queue != nil), "queue"), "", "nothing waits on a link without a bandwidth", "add bandwidth, or remove queue")
	}
	if i.Reorder > 0 && i.Delay == 0 {
		v.report(field(where(direction.Reorder != nil), "reorder"), "", "nothing can be overtaken on a link without a delay", "add delay, or remove reorder")
	}
}
