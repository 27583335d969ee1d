package control

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Bandwidth is in bits per second, of IP packets without their Ethernet header.
// 0 is unlimited.
type Bandwidth uint64

// Bounds of a bandwidth. Less than a kilobit is a forgotten unit rather than a
// wish.
const (
	leastBandwidth Bandwidth = 1e3
	mostBandwidth  Bandwidth = 1e12
)

// unlimited is the word for no bandwidth at all, to lift one in one direction.
const unlimited = "unlimited"

// bandwidthUnits are read in any case, and written in this one.
var bandwidthUnits = []struct {
	name     string
	decimals int // of a bit in one of it
}{{"Tbit", 12}, {"Gbit", 9}, {"Mbit", 6}, {"kbit", 3}, {"bit", 0}}

func (b Bandwidth) String() string {
	if b == 0 {
		return unlimited
	}
	for _, unit := range bandwidthUnits {
		if text := formatDecimal(uint64(b), unit.decimals); text[0] != '0' && len(text) <= 7 {
			return text + unit.name
		}
	}
	return formatDecimal(uint64(b), 0) + "bit"
}

func (b *Bandwidth) parse(text string) error {
	if text == unlimited {
		*b = 0
		return nil
	}
	bad := badValue{message: fmt.Sprintf("%q is not a bandwidth", text), hint: "write bits per second, such as 10Mbit, 1.5Gbit or 500kbit"}
	lower := strings.TrimSuffix(strings.ToLower(text), "/s")
	for _, unit := range bandwidthUnits {
		number, ok := strings.CutSuffix(lower, strings.ToLower(unit.name))
		if !ok {
			continue
		}
		n, ok := parseDecimal(strings.TrimSpace(number), unit.decimals)
		switch {
		case !ok:
			return bad
		case Bandwidth(n) < leastBandwidth || Bandwidth(n) > mostBandwidth:
			bad.hint = fmt.Sprintf("at least %s, at most %s; %s is no limit", leastBandwidth, mostBandwidth, unlimited)
			return bad
		}
		*b = Bandwidth(n)
		return nil
	}
	return bad
}

// Queue is how much waits at most for a link's bandwidth: bytes of IP packets, or
// what is sent in a time. The zero Queue leaves it to the default, 100 ms' worth
// and at least 64 KiB.
type Queue struct {
	Bytes uint64
	Time  Duration
}

// Bounds of a queue, far above what any router has.
const (
	longestQueue   = Duration(time.Minute)
	mostQueueBytes = 1 << 30
)

var queueUnits = []struct {
	name string
	size uint64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"kB", 1000}, {"B", 1}}

// bytes is the queue in bytes at a bandwidth.
func (q Queue) bytes(b Bandwidth) uint64 {
	if q.Time == 0 {
		return q.Bytes
	}
	high, low := bits.Mul64(uint64(b), uint64(q.Time))
	n, _ := bits.Div64(high, low, 8*uint64(time.Second))
	return max(n, 1) // 0 would be the default
}

func (q Queue) String() string {
	if q.Time > 0 {
		return q.Time.String()
	}
	for _, unit := range queueUnits {
		if q.Bytes > 0 && q.Bytes%unit.size == 0 {
			return fmt.Sprintf("%d%s", q.Bytes/unit.size, unit.name)
		}
	}
	return ""
}

// parse takes whole units only: half a byte waits nowhere.
func (q *Queue) parse(text string) error {
	bad := badValue{message: fmt.Sprintf("%q is not the length of a queue", text), hint: "write bytes such as 64KiB, or a time such as 50ms"}
	for _, unit := range queueUnits {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, ok := parseDecimal(strings.TrimSpace(number), 0)
		if high, size := bits.Mul64(n, unit.size); ok && high == 0 && size > 0 && size <= mostQueueBytes {
			*q = Queue{Bytes: size}
			return nil
		}
		if ok {
			bad.hint = "at least 1B, at most 1GiB"
		}
		return bad
	}
	var t Duration
	if t.parse(text) != nil {
		return bad
	}
	if t == 0 || t > longestQueue {
		bad.hint = fmt.Sprintf("more than nothing, at most %s", longestQueue)
		return bad
	}
	*q = Queue{Time: t}
	return nil
}

func (b Bandwidth) MarshalJSON() ([]byte, error)     { return marshalScalar(b) }
func (b *Bandwidth) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, b.parse) }
func (q Queue) MarshalJSON() ([]byte, error)         { return marshalScalar(q) }
func (q *Queue) UnmarshalJSON(data []byte) error     { return unmarshalScalar(data, q.parse) }
