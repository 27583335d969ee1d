package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Region is an AWS Region of the lab, as far as it is far away: what it takes
// from there to others, and between its own Availability Zones. A Region in use
// exists by itself.
type Region struct {
	// Round-trip times to other Regions, such as eu-west-1: 76ms; typical ones
	// unless written, here or there.
	RoundTrip map[string]Duration `json:"roundTrip,omitempty"`
	// Round-trip time between two Availability Zones of the Region: typical (0.6
	// ms) or a time; none unless written.
	ZoneRoundTrip RoundTrip `json:"zoneRoundTrip,omitzero"`

	Status RegionStatus `json:"status" yaml:"-"`
}

// RegionStatus is what the lab makes of a Region.
type RegionStatus struct {
	Identity
	// Derived: it is there because something is in it, not because a file says so.
	Derived bool `json:"derived,omitempty"`
	// AvailabilityZones are those that have a subnet, sorted.
	AvailabilityZones []string `json:"availabilityZones"`
	// RoundTrip are the times in force to all other Regions in use.
	RoundTrip map[string]Duration `json:"roundTrip"`
	// ZoneRoundTrip is the time in force between two of its zones.
	ZoneRoundTrip Duration `json:"zoneRoundTrip"`
	// Fault is what has the Region down, or "".
	Fault string `json:"fault,omitempty"`
}

// RoundTrip is a time there and back. The zero RoundTrip is no time at all.
type RoundTrip struct {
	Typical bool // the table's; then Time is 0
	Time    Duration
}

const typical = "typical"

func (t RoundTrip) String() string {
	if t.Typical {
		return typical
	}
	return t.Time.String()
}

func (t *RoundTrip) parse(text string) error {
	if text == typical {
		*t = RoundTrip{Typical: true}
		return nil
	}
	if err := t.Time.parse(text); err != nil {
		return badValue{message: fmt.Sprintf("%q is not a round-trip time", text), hint: "write a time such as 600us, or typical"}
	}
	return nil
}

func (t RoundTrip) MarshalJSON() ([]byte, error)     { return marshalScalar(t) }
func (t *RoundTrip) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, t.parse) }

func (r *Region) identity() *Identity { return &r.Status.Identity }

func (r *Region) references(*World, string) []reference { return nil }

// unwritten reports that a file says nothing about the Region.
func (r *Region) unwritten() bool { return len(r.RoundTrip) == 0 && r.ZoneRoundTrip == RoundTrip{} }

// regionsInUse are those that a VPC or a transit gateway is in, sorted.
func (w *World) regionsInUse() []string {
	used := map[string]bool{}
	for name := range w.VPCs {
		used[w.placeOf(name).region] = true
	}
	for _, g := range w.TransitGateways {
		used[g.place(w).region] = true
	}
	return slices.Sorted(maps.Keys(used))
}

// zone is the Availability Zone of a subnet; the Region's first unless written.
func (s *Subnet) zone(w *World) string { return cmp.Or(s.AZ, w.placeOf(s.VPC).region+"a") }

// regionOfZone is the Region of an Availability Zone, whose name is the Region's
// and a letter.
func regionOfZone(zone string) string { return zone[:max(0, len(zone)-1)] }

// zonesInUse are those that have a subnet, sorted.
func (w *World) zonesInUse() []string {
	used := map[string]bool{}
	for _, s := range w.Subnets {
		used[s.zone(w)] = true
	}
	return slices.Sorted(maps.Keys(used))
}

// completeDistances makes the Regions in use, and a link between each two places
// that are some way apart; it takes away those that are no longer wanted.
func (w *World) completeDistances() {
	used := w.placesInUse()
	regions := used.regions
	for name, r := range w.Regions {
		if r.Status.Derived && r.unwritten() && !slices.Contains(regions, name) {
			delete(w.Regions, name)
		}
	}
	for _, name := range regions {
		if w.Regions[name] == nil {
			w.Regions[name] = &Region{Status: RegionStatus{Derived: true}}
		}
	}
	wanted := map[string]bool{}
	want := func(places []string) {
		for i, a := range places {
			for _, b := range places[i+1:] {
				if l := w.Links[b+"/"+a]; l == nil || l.implicit() {
					wanted[a+"/"+b] = true
				}
			}
		}
	}
	want(regions)
	for _, region := range regions {
		if w.Regions[region].zoneRoundTrip() > 0 {
			want(slices.DeleteFunc(slices.Clone(used.zones), func(z string) bool { return regionOfZone(z) != region }))
		}
	}
	for name, l := range w.Links {
		if l.implicit() && !wanted[name] {
			delete(w.Links, name)
		}
	}
	for name := range wanted {
		if w.Links[name] == nil {
			w.Links[name] = &Link{Status: LinkStatus{Derived: true}}
		}
	}
	for name, l := range w.Links {
		l.Status.LinkEnds, _ = w.linkEnds(name, used)
	}
}

// places are the Regions and Availability Zones in use, sorted.
type places struct{ regions, zones []string }

func (w *World) placesInUse() places { return places{w.regionsInUse(), w.zonesInUse()} }

// zoneRoundTrip is the time in force between two zones of the Region.
func (r *Region) zoneRoundTrip() Duration {
	switch {
	case r == nil:
		return 0
	case r.ZoneRoundTrip.Typical:
		return typicalZoneRoundTrip
	}
	return r.ZoneRoundTrip.Time
}

// roundTrip is the time in force between two Regions: what either says about the
// other, else the typical one. It is false if nobody knows.
func (w *World) roundTrip(a, b string) (Duration, bool) {
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		if r := w.Regions[pair[0]]; r != nil {
			if t, written := r.RoundTrip[pair[1]]; written {
				return t, true
			}
		}
	}
	return typicalRoundTrip(a, b)
}

// computeRegions says what is in force for each Region.
func (w *World) computeRegions() {
	regions, zones := w.regionsInUse(), w.zonesInUse()
	for name, r := range w.Regions {
		s := &r.Status
		s.AvailabilityZones, s.RoundTrip = []string{}, map[string]Duration{}
		for _, zone := range zones {
			if regionOfZone(zone) == name {
				s.AvailabilityZones = append(s.AvailabilityZones, zone)
			}
		}
		for _, other := range regions {
			if t, known := w.roundTrip(name, other); known && other != name {
				s.RoundTrip[other] = t
			}
		}
		s.ZoneRoundTrip = r.zoneRoundTrip()
	}
}

// longestDelay bounds every delay and round trip: no link on Earth, nor to the
// Moon, needs more.
const longestDelay = Duration(10 * time.Second)

func (r *Region) validate(v *validation, name string) {
	path := field("regions", name)
	if !r.Status.Derived {
		validateRegion(v, path, name)
	}
	for _, other := range slices.Sorted(maps.Keys(r.RoundTrip)) {
		at, t := field(field(path, "roundTrip"), other), r.RoundTrip[other]
		validateRegion(v, at, other)
		validateDelay(v, at, t)
		switch back := v.w.Regions[other]; {
		case other == name:
			v.reportKey(at, "", "a Region is at no distance from itself", "for its Availability Zones write zoneRoundTrip")
		case back != nil && other < name:
			if there, written := back.RoundTrip[name]; written && there != t {
				v.report(at, "", fmt.Sprintf("Region %s says %s", other, there), "write the round trip at one of the two")
			}
		}
	}
	validateDelay(v, field(path, "zoneRoundTrip"), r.ZoneRoundTrip.Time)
}

func validateDelay(v *validation, path string, d Duration) {
	if d > longestDelay {
		v.report(path, "", fmt.Sprintf("%s is too long", d), fmt.Sprintf("at most %s", longestDelay))
	}
}

// validateDistances reports Regions whose distance nobody knows: to take any
// would be to guess.
func (w *World) validateDistances(v *validation) {
	w.duplicateLinks(v)
	for _, name := range sorted(w.Links) {
		l := w.Links[name]
		a, b := l.Status.regions()
		if a == "" || l.Forward.Delay != nil && l.Reverse.Delay != nil || l.Delay != nil {
			continue
		}
		if _, known := w.roundTrip(a, b); known || !awsRegion.MatchString(a) || !awsRegion.MatchString(b) {
			continue // or no Region at all, which is reported
		}
		stranger := a
		if _, known := regionPlaces[a]; known {
			stranger = b
		}
		other := strings.TrimSuffix(strings.TrimPrefix(a+"/"+b, stranger+"/"), "/"+stranger)
		v.report(w.pathOfRegion(stranger), "", fmt.Sprintf("how far Region %s is from %s is not known", stranger, other),
			fmt.Sprintf("write it, such as regions: {%s: {roundTrip: {%s: 80ms}}}", stranger, other))
	}
}

// pathOfRegion is where the file brings a Region in.
func (w *World) pathOfRegion(region string) string {
	for _, name := range sorted(w.VPCs) {
		if w.VPCs[name].Region == region {
			return field(field("vpcs", name), "region")
		}
	}
	for _, name := range sorted(w.TransitGateways) {
		if w.TransitGateways[name].Region == region {
			return field(field("transitGateways", name), "region")
		}
	}
	return "region"
}
