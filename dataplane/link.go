package dataplane

import (
	"math"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Link is a distance between two places as control hands it over: two
// Availability Zones, two Regions, or an interface and the network.
type Link struct {
	Object
	// Interface is the instance's, or the Internet host's, whose own link it
	// is: Forward is what it sends, the services' share included.
	Interface Handle
	// From and To are otherwise zones or Regions, by name; a link between
	// zones wins over that of their Regions. Forward is from From to To. A
	// link of a Region with itself lies between each two of its zones; Forward
	// is then towards the one that is later in the alphabet.
	From, To         string
	Forward, Reverse Impairment
}

// linkDirection is one direction of a link, compiled.
type linkDirection struct {
	Impairment
	handle  Handle
	reverse bool
	// backlog is the longest time a packet may have to wait for its turn, in
	// nanoseconds: what Queue bytes take at Bandwidth.
	backlog int64
	// logPass is the logarithm of the probability that a packet is not lost.
	logPass float64
}

// The directions as steps name them in Detail.
const (
	linkForward uint32 = iota
	linkReverse
	// linkMemory is a bit: the engine's memory is full, not the link's queue.
	linkMemory
)

func (d *linkDirection) detail() uint32 {
	if d.reverse {
		return linkReverse
	}
	return linkForward
}

// moveTo takes the packet to another Availability Zone, or Region, over the
// link in between, if there is one. It reports false when the packet got lost.
func (w *Walk) moveTo(zone uint32) bool {
	from := w.zone
	if from == zone {
		return true
	}
	w.zone = zone
	if len(w.snap.distances) == 0 || w.snap.distances[from] == nil {
		return true
	}
	return w.cross(w.snap.distances[from][zone])
}

// maxCrossings is how many links a walk can cross: those of both ends, and one
// per zone that it comes through.
const maxCrossings = 8

// passage is a link on a packet's way.
type passage struct {
	direction uint32 // number in the snapshot: index + 1
	// firstLost is which of a superframe's segments the link loses first;
	// noneLost if it carries them all.
	firstLost uint32
}

const noneLost = math.MaxUint32

// cross takes the packet over a link's direction, by its number; 0 is none, and
// costs no call.
func (w *Walk) cross(number uint32) bool {
	return number == 0 || w.crossLink(number)
}

// crossLink decides what the packet cannot survive; commit does what the link
// does to it.
func (w *Walk) crossLink(number uint32) bool {
	if w.nPassages == maxCrossings {
		return true
	}
	d := &w.snap.directions[number-1]
	p := &w.passages[w.nPassages]
	p.direction, p.firstLost = number, noneLost
	w.nPassages++
	packets, bytes := w.size()
	if w.draws && d.Loss > 0 {
		// A trace says what the link does, and leaves it to chance.
		if p.firstLost = d.firstLost(w.draw(), packets); p.firstLost >= uint32(packets) {
			p.firstLost = noneLost
		} else if packets == 1 || d.Loss == 1 {
			w.drop(StageLink, ReasonLinkLoss, d.handle, d.detail())
			return false
		}
	}
	if d.holds() {
		// What is under way already meets the queue as it will be then.
		if !w.underWay && w.state.links[number-1].full(d, w.now, bytes/packets) {
			w.drop(StageLink, ReasonLinkQueue, d.handle, d.detail())
			return false
		}
		if !w.state.flights.fits(len(w.pkt.Frame.Data)) {
			w.drop(StageLink, ReasonLinkQueue, d.handle, d.detail()|linkMemory)
			return false
		}
		w.underWay = true
	}
	w.pass(StageLink, ReasonLink, d.handle, d.detail())
	return true
}

// draw returns the next random number of this packet, 0 ≤ x < 1.
func (w *Walk) draw() float64 {
	w.random += 0x9e3779b97f4a7c15
	return unit(mix(w.random))
}

// unit makes a fraction of 64 random bits.
func unit(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }

// firstLost says how many of packets in a row pass before one is lost, from a
// random number: the same distribution as asking for each, at the price of one.
func (d *linkDirection) firstLost(x float64, packets int) uint32 {
	switch {
	case x < d.Loss:
		return 0
	case packets == 1:
		return noneLost
	}
	n := math.Log1p(-x) / d.logPass
	if n >= noneLost {
		return noneLost
	}
	return uint32(n)
}

// size is how many packets on the wire the packet is at this point of the way,
// and how many bytes of IP in all.
func (w *Walk) size() (packets, bytes int) {
	packets, bytes = packet.TotalBytes(&w.pkt)
	switch is4 := w.tuple.Src.Is4(); {
	case is4 && w.pkt.Family == 6:
		bytes -= packets * familyDifference
	case !is4 && w.pkt.Family == 4:
		bytes += packets * familyDifference
	}
	return packets, bytes
}

// explainLink says what the link does in the step's direction, and how it ended
// the packet's way.
func (s *Snapshot) explainLink(step Step) string {
	does := "is gone"
	for i := range s.directions {
		if d := &s.directions[i]; d.handle == step.Object && d.detail() == step.Detail&linkReverse {
			does = d.Impairment.String()
		}
	}
	switch {
	case step.Reason == ReasonLinkLoss:
		return "lost: the link " + does
	case step.Reason == ReasonLinkQueue && step.Detail&linkMemory != 0:
		return "no memory for another frame under way: the link " + does
	case step.Reason == ReasonLinkQueue:
		return "its queue is full: the link " + does
	}
	return does
}
