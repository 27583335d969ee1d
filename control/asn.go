package control

import (
	"fmt"
	"strconv"
)

// ASN is the number of an autonomous system, 1 to 4294967295. The zero ASN
// leaves it to AWS's default.
type ASN uint32

// DefaultASN is Amazon's side of a gateway unless written (T2).
const DefaultASN ASN = 64512

func (a ASN) String() string { return strconv.FormatUint(uint64(a), 10) }

// parse reads the plain form only: AWS does not take 64.512.
func (a *ASN) parse(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("%q is not an autonomous system number", text),
			hint:    "write a number such as 64512",
		}
	}
	*a = ASN(n)
	return nil
}

// private reports whether AWS lets a gateway of its own have the number: private
// ones only, the last of each range excepted (T2).
func (a ASN) private() bool {
	return a >= 64512 && a <= 65534 || a >= 4200000000 && a <= 4294967294
}
