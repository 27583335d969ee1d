package control

import (
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
)

// Link is what lies between two Regions or two Availability Zones, named
// "us-east-1/eu-west-1", or between a machine and the network, which has the name
// of the instance, its interface, the Internet host, the site or the VPN client.
// Forward is from the first place to the second, or what the machine sends.
type Link struct {
	// What both directions do to packets, unless forward or reverse says otherwise.
	Impairment
	// What the way from the first place to the second does, or to what the machine
	// sends.
	Forward Impairment `json:"forward,omitzero"`
	// What the way back does.
	Reverse Impairment `json:"reverse,omitzero"`

	Status LinkStatus `json:"status" yaml:"-"`
}

// Impairment is what a direction of a link does to packets, as far as a file says
// it. A field that is nil leaves it to both directions' field, or to the default.
type Impairment struct {
	// Time that each packet is under way, such as 40ms; half of a round trip.
	// Between Regions what their round trip says, unless written.
	Delay *Duration `json:"delay,omitempty"`
	// How much the delay varies up and down, without changing the order.
	Jitter *Duration `json:"jitter,omitempty"`
	// Share of the packets that get lost, such as 1% or 0.01.
	Loss *Fraction `json:"loss,omitempty"`
	// Share of the packets that arrive twice.
	Duplicate *Fraction `json:"duplicate,omitempty"`
	// Share of the packets that overtake others: they arrive without the delay.
	Reorder *Fraction `json:"reorder,omitempty"`
	// Bits per second that the link carries at most, such as 10Mbit; unlimited
	// unless written.
	Bandwidth *Bandwidth `json:"bandwidth,omitempty"`
	// How much waits at most for the bandwidth, in bytes such as 64KiB or as a time;
	// 100ms and at least 64KiB unless written.
	Queue *Queue `json:"queue,omitempty"`
}

// LinkStatus is where a link lies and what it does.
type LinkStatus struct {
	Identity
	// Derived: it is there because its places are, not because a file says so.
	Derived bool `json:"derived,omitempty"`
	LinkEnds
	// Forward and Reverse are what is in force, faults included.
	Forward ImpairmentInForce `json:"forward"`
	Reverse ImpairmentInForce `json:"reverse"`
	// Fault is what is wrong with the link, or "".
	Fault string `json:"fault,omitempty"`
}

// ImpairmentInForce is what a direction of a link does to packets.
type ImpairmentInForce struct {
	Delay     Duration  `json:"delay"`
	Jitter    Duration  `json:"jitter"`
	Loss      Fraction  `json:"loss"`
	Duplicate Fraction  `json:"duplicate"`
	Reorder   Fraction  `json:"reorder"`
	Bandwidth Bandwidth `json:"bandwidth"`
	// QueueBytes wait at most for the bandwidth; 0 without one.
	QueueBytes uint64 `json:"queueBytes,omitempty"`
}

func (l *Link) identity() *Identity { return &l.Status.Identity }

// references is empty: what a link joins is its name; see LinkEnds.
func (l *Link) references(*World, string) []reference { return nil }

// implicit reports that the link is there by itself, and nobody has said anything
// about it.
func (l *Link) implicit() bool {
	return l.Status.Derived && l.Impairment == (Impairment{}) && l.Forward == (Impairment{}) && l.Reverse == (Impairment{})
}

// computeLinks says what every link does. Regions are asked for distances, and the
// world for faults.
func (w *World) computeLinks() {
	for name, l := range w.Links {
		delay := w.distanceOf(&l.Status.LinkEnds)
		forward, reverse := w.cut(name)
		l.Status.Forward = l.inForce(&l.Forward, delay, forward)
		l.Status.Reverse = l.inForce(&l.Reverse, delay, reverse)
		l.Status.Fault = w.linkFault(name)
	}
}

// distanceOf is the delay of one direction that a link has by its places: half of
// their round trip. A link of a machine has none.
func (w *World) distanceOf(ends *LinkEnds) Duration {
	if a, b := ends.regions(); a != "" {
		t, _ := w.roundTrip(a, b) // what nobody knows is a problem
		return t / 2
	}
	if ends.From == "" {
		return 0
	}
	return w.Regions[regionOfZone(ends.From)].zoneRoundTrip() / 2
}

// inForce puts together what a direction says, what both say and what follows from
// the places. What is cut loses everything.
func (l *Link) inForce(direction *Impairment, distance Duration, cut bool) ImpairmentInForce {
	i := ImpairmentInForce{
		Delay:     written3(direction.Delay, l.Delay, distance),
		Jitter:    written3(direction.Jitter, l.Jitter, 0),
		Loss:      written3(direction.Loss, l.Loss, 0),
		Duplicate: written3(direction.Duplicate, l.Duplicate, 0),
		Reorder:   written3(direction.Reorder, l.Reorder, 0),
		Bandwidth: written3(direction.Bandwidth, l.Bandwidth, 0),
	}
	if i.Bandwidth > 0 {
		i.QueueBytes = written3(direction.Queue, l.Queue, defaultQueue(i.Bandwidth)).bytes(i.Bandwidth)
	}
	if cut {
		i.Loss = everyPacket
	}
	return i
}

// written3 is the first value that is written, else the default.
func written3[T any](own, both *T, otherwise T) T {
	switch {
	case own != nil:
		return *own
	case both != nil:
		return *both
	}
	return otherwise
}

// defaultQueue is 100 ms' worth, which is what routers have for a long way, but
// enough for one superframe.
func defaultQueue(b Bandwidth) Queue {
	q := Queue{Time: Duration(100 * time.Millisecond)}
	if least := uint64(64 << 10); q.bytes(b) < least {
		return Queue{Bytes: least}
	}
	return q
}

// compile hands over every link, those that do nothing as well: they have
// statistics and a name.
func (l *Link) compile(c *compilation, name string) {
	s := &l.Status
	out := dataplane.Link{
		Object: object(dataplane.KindLink, name, s.Identity),
		From:   s.From, To: s.To,
		Forward: s.Forward.compile(), Reverse: s.Reverse.compile(),
	}
	switch {
	case s.NetworkInterface != "":
		out.Interface = dataplane.Handle(c.w.NetworkInterfaces[s.NetworkInterface].Status.Handle)
	case s.Site != "":
		out.Interface = dataplane.Handle(c.w.Sites[s.Site].Status.Handle)
	case s.VPNClient != "":
		out.Interface = dataplane.Handle(c.w.VPNClients[s.VPNClient].Status.InternetHandle)
	case s.InternetHost != "":
		out.Interface = dataplane.Handle(c.w.InternetHosts[s.InternetHost].Status.Handle)
	}
	c.b.Links = append(c.b.Links, out)
}

func (i *ImpairmentInForce) compile() dataplane.Impairment {
	return dataplane.Impairment{
		Delay: time.Duration(i.Delay), Jitter: time.Duration(i.Jitter),
		Loss: i.Loss.Float(), Duplicate: i.Duplicate.Float(), Reorder: i.Reorder.Float(),
		Bandwidth: uint64(i.Bandwidth), Queue: i.QueueBytes,
	}
}
