package control

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Number is a number that may have a sign, a fraction and an exponent.
type Number float64

func (n Number) String() string { return strconv.FormatFloat(float64(n), 'g', -1, 64) }

func (n *Number) parse(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return badValue{code: "InvalidParameterValue", message: fmt.Sprintf("%q is not a number", text), hint: "write one such as 10 or 0.5"}
	}
	*n = Number(f)
	return nil
}

// UnmarshalJSON reads a number.
func (n *Number) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*float64)(n)) }
