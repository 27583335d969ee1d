package control

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Seconds is a time span as AWS's API has them: a whole number of seconds. A
// file may also write a duration such as 5m. The zero Seconds means that none
// was written.
type Seconds uint32

// Duration is s for Go's clocks.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

func (s Seconds) String() string { return strconv.FormatUint(uint64(s), 10) }

// parse refuses 0, which would read as "not written"; nothing in AWS takes it.
func (s *Seconds) parse(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		d, notDuration := time.ParseDuration(text)
		if notDuration == nil && d > 0 && d%time.Second == 0 && d/time.Second <= math.MaxUint32 {
			n, err = uint64(d/time.Second), nil
		}
	}
	if err != nil || n == 0 {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%q is not a number of seconds", text),
			hint:    "write whole seconds such as 350, or 5m50s",
		}
	}
	*s = Seconds(n)
	return nil
}

// span is a range of seconds, both ends included, that AWS allows for a value.
type span struct{ least, most Seconds }

// validate checks a value that may be left out.
func (r span) validate(v *validation, path string, s Seconds) {
	if s != 0 && (s < r.least || s > r.most) {
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("write %d to %d seconds", r.least, r.most),
			"Value (%d) for parameter %s is invalid.", s, lastKey(path))
	}
}
