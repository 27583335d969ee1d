package dataplane

import (
	"fmt"
	"math"
	"math/bits"
)

// links compiles the distances: a number for every direction that does
// something, at the interfaces whose own it is and between the zones it joins.
// It comes after everything that has a zone.
func (c *compiler) links() {
	for i := range c.b.Links {
		l := &c.b.Links[i]
		for _, direction := range []*Impairment{&l.Forward, &l.Reverse} {
			if err := direction.check(); err != nil {
				c.errs = append(c.errs, fmt.Errorf("%s: %w", l.Object, err))
			}
		}
		if l.Interface == 0 {
			continue
		}
		j := c.s.interfaceOf(uint32(l.Interface))
		if j < 0 || c.s.interfaces[j].kind != KindNetworkInterface && c.s.interfaces[j].kind != KindInternetHost {
			c.errs = append(c.errs, fmt.Errorf("%s: handle %d is no interface of an instance or Internet host", l.Object, l.Interface))
			continue
		}
		ni := &c.s.interfaces[j]
		if ni.sends != 0 || ni.receives != 0 {
			c.errs = append(c.errs, fmt.Errorf("%s: %s has a link already", l.Object, c.s.objects[l.Interface]))
		}
		ni.sends, ni.receives = c.linkDirections(l)
	}
	c.distances()
}

// linkDirections gives the directions of a link their numbers, 0 to those that
// nobody would notice: these keep their place, and so their counters, but are on
// no packet's way.
func (c *compiler) linkDirections(l *Link) (forward, reverse uint32) {
	add := func(i Impairment, reverse bool) uint32 {
		d := linkDirection{Impairment: i, handle: l.Handle, reverse: reverse, logPass: math.Log1p(-i.Loss)}
		if i.Bandwidth > 0 {
			if d.Queue == 0 {
				d.Queue = max(i.Bandwidth/8/10, 64<<10)
			}
			d.backlog = transmission(d.Queue, i.Bandwidth)
		}
		c.s.directions = append(c.s.directions, d)
		if i.zero() {
			return 0
		}
		return uint32(len(c.s.directions))
	}
	return add(l.Forward, false), add(l.Reverse, true)
}

// transmission is how many nanoseconds so many bytes take, at most a day.
func transmission(bytes, bandwidth uint64) int64 {
	const day = 24 * 3600 * 1e9
	high, low := bits.Mul64(bytes, 8e9)
	if high >= bandwidth {
		return day
	}
	t, _ := bits.Div64(high, low, bandwidth)
	return int64(min(t, day))
}

// distances fills the table of links between zones. Its rows are those of zones
// that have any, so that a packet from another finds nothing at once.
func (c *compiler) distances() {
	closest := map[[2]int]int{} // how closely the link in the table names its zones
	for i := range c.b.Links {
		l := &c.b.Links[i]
		if l.Interface != 0 {
			continue
		}
		if l.From == "" || l.To == "" {
			c.errs = append(c.errs, fmt.Errorf("%s: it has neither an interface nor two ends", l.Object))
			continue
		}
		forward, reverse := c.linkDirections(l)
		for from := range c.s.zones {
			for to := range c.s.zones {
				a, b := &c.s.zones[from], &c.s.zones[to]
				near, far := a.is(l.From), b.is(l.To)
				if from == to || near == 0 || far == 0 {
					continue
				}
				// Inside a Region, the place outside its zones is near to all.
				if l.From == l.To && (a.name > b.name || a.name == a.region) {
					continue
				}
				switch pair := [2]int{min(from, to), max(from, to)}; {
				case closest[pair] > near+far:
				case closest[pair] == near+far:
					c.errs = append(c.errs, fmt.Errorf("%s: there is another link between %s and %s", l.Object, l.From, l.To))
				default:
					closest[pair] = near + far
					c.distance(from, to, forward)
					c.distance(to, from, reverse)
				}
			}
		}
	}
}

func (c *compiler) distance(from, to int, number uint32) {
	if c.s.distances == nil {
		c.s.distances = make([][]uint32, len(c.s.zones))
	}
	if c.s.distances[from] == nil {
		c.s.distances[from] = make([]uint32, len(c.s.zones))
	}
	c.s.distances[from][to] = number
}

// is says how closely a name is the zone's: 2 for its own, 1 for its Region's,
// 0 for another.
func (z *zone) is(name string) int {
	switch {
	case name == z.region:
		return 1 // a Region's place outside its zones has no name of its own
	case name == z.name:
		return 2
	}
	return 0
}
