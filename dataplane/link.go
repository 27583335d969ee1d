package dataplane

import "time"

// Link is a distance between two places as control hands it over: two
// Availability Zones, two Regions, or an interface and the network.
type Link struct {
	Object
	// Interface is the instance's, or the Internet host's, whose own link it
	// is: Forward is what it sends.
	Interface Handle
	// From and To are otherwise two zones or two Regions, by name. A link
	// between zones wins over that of their Regions. Forward is from From to
	// To.
	From, To         string
	Forward, Reverse Impairment
}

// Impairment is what happens to packets in one direction of a link. The zero
// Impairment is a link that nobody notices, and costs nothing.
type Impairment struct {
	// Delay is the time a packet is under way. Jitter varies it by as much,
	// up and down, without changing the order.
	Delay, Jitter time.Duration
	// Loss, Duplicate and Reorder are probabilities, 0 to 1. What is
	// reordered overtakes: it arrives without the delay.
	Loss, Duplicate, Reorder float64
	// Bandwidth in bits per second; 0 is unlimited. Queue is how many bytes
	// wait for it at most; 0 means 100 ms' worth, at least 64 KiB.
	Bandwidth uint64
	Queue     uint64
}

// zero reports that packets notice nothing.
func (i *Impairment) zero() bool { return *i == Impairment{} }
