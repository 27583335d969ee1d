package control

import (
	"fmt"
	"strings"
)

// Fraction is a share of packets, 0 to 1, in parts of a thousand million, so that
// it reads back as it was written. A file writes 5% or 0.05.
type Fraction uint32

// everyPacket is the Fraction of everything.
const everyPacket Fraction = 1_000_000_000

// Float is f as a probability.
func (f Fraction) Float() float64 { return float64(f) / float64(everyPacket) }

func (f Fraction) String() string { return formatDecimal(uint64(f), 7) + "%" }

// parse refuses a bare 1: one in a hundred and one in one are both meant by it.
func (f *Fraction) parse(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	decimals, hint := 9, "write a share from 0% to 100%, such as 5% or 0.05"
	if percent {
		number, decimals = strings.TrimSpace(number), 7
	}
	n, ok := parseDecimal(number, decimals)
	switch {
	case ok && !percent && n >= uint64(everyPacket) && !strings.Contains(number, "."):
		return badValue{message: fmt.Sprintf("%q is not a share of the packets", text), hint: fmt.Sprintf("write %s%%, or a number below 1 such as 0.05", number)}
	case !ok || n > uint64(everyPacket):
		return badValue{message: fmt.Sprintf("%q is not a share of the packets", text), hint: hint}
	}
	*f = Fraction(n)
	return nil
}

func (f Fraction) MarshalJSON() ([]byte, error)     { return marshalScalar(f) }
func (f *Fraction) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, f.parse) }
