package dataplane

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Impairment is what happens to packets in one direction of a link. The zero
// Impairment is a link that nobody notices, and costs nothing.
//
// A superframe is as many packets as it has segments: each is lost, doubled and
// reordered by itself.
type Impairment struct {
	// Delay is the time a packet is under way. Jitter varies it by as much,
	// up and down, without changing the order: it comes and goes within a few
	// times its own length, so that under load, too, the mean is Delay.
	Delay, Jitter time.Duration
	// Loss, Duplicate and Reorder are probabilities, 0 to 1. What is
	// reordered overtakes: it arrives without the delay.
	Loss, Duplicate, Reorder float64
	// Bandwidth in bits per second, of IP packets without their Ethernet
	// header; 0 is unlimited. Queue is how many bytes wait for it at most; 0
	// means 100 ms' worth, at least 64 KiB.
	Bandwidth uint64
	Queue     uint64
}

// zero reports that packets notice nothing.
func (i *Impairment) zero() bool { return *i == Impairment{Queue: i.Queue} }

// holds reports that packets may have to wait.
func (i *Impairment) holds() bool { return i.Delay > 0 || i.Jitter > 0 || i.Bandwidth > 0 }

// check finds what no link can do.
func (i *Impairment) check() error {
	for _, p := range []float64{i.Loss, i.Duplicate, i.Reorder} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("probability %v is not between 0 and 1", p)
		}
	}
	if i.Delay < 0 || i.Jitter < 0 || i.Delay > maxDelay || i.Jitter > maxDelay {
		return fmt.Errorf("delay %s ± %s is not between 0 and %s", i.Delay, i.Jitter, maxDelay)
	}
	return nil
}

// maxDelay keeps sums of times far from their limits.
const maxDelay = time.Hour

// String is what a link does, in words: "adds 38 ms ± 1 ms, loses 1 %".
func (i Impairment) String() string {
	var parts []string
	if i.Delay > 0 || i.Jitter > 0 {
		text := "adds " + duration(i.Delay)
		if i.Jitter > 0 {
			text += " ± " + duration(i.Jitter)
		}
		parts = append(parts, text)
	}
	for _, p := range []struct {
		share float64
		text  string
	}{{i.Loss, "loses %v %%"}, {i.Duplicate, "doubles %v %%"}, {i.Reorder, "lets %v %% overtake"}} {
		if p.share > 0 {
			parts = append(parts, fmt.Sprintf(p.text, math.Round(p.share*1e8)/1e6))
		}
	}
	if i.Bandwidth > 0 {
		parts = append(parts, "carries "+bitrate(i.Bandwidth))
	}
	if len(parts) == 0 {
		return "adds nothing"
	}
	return strings.Join(parts, ", ")
}

// duration is d with a space before its unit.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "0 ms"
	case d >= time.Second:
		return fmt.Sprintf("%v s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%v ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%v µs", float64(d)/1e3)
}

func bitrate(b uint64) string {
	for _, unit := range []struct {
		size uint64
		name string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if b >= unit.size {
			return fmt.Sprintf("%v %s", float64(b)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d bit/s", b)
}
