package awsapi

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// cborProtocol is AWS's RPC v2 over CBOR, which newer clients of CloudWatch prefer.
// Members have the names of their JSON.
type cborProtocol struct{}

const cborContentType = "application/cbor"

func (cborProtocol) decode(c *call, into any) error {
	if len(c.body) == 0 {
		return nil
	}
	return cbor.Unmarshal(c.body, into)
}

func (cborProtocol) reply(c *call, answer any) (string, []byte, error) {
	c.w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	body, err := cbor.Marshal(answer)
	return cborContentType, body, err
}

func (cborProtocol) fail(c *call, err *Error) (string, []byte) {
	header := c.w.Header()
	header.Set("Smithy-Protocol", "rpc-v2-cbor")
	// Clients that once spoke the query protocol look for its codes.
	header.Set("X-Amzn-Query-Error", err.Code+";Sender")
	body, _ := cbor.Marshal(failure{err.Code, err.Message}) // two strings
	return cborContentType, body
}

// instant is a point in time, which each protocol writes in its own way.
type instant struct{ time.Time }

// IsZero makes omitzero work.
func (i instant) IsZero() bool { return i.Time.IsZero() }

// MarshalJSON writes seconds since 1970.
func (i instant) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(i.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds since 1970.
func (i *instant) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return fmt.Errorf("a time is a number of seconds since 1970: %w", err)
	}
	return i.set(seconds)
}

// MarshalCBOR writes seconds since 1970 with the tag for times.
func (i instant) MarshalCBOR() ([]byte, error) {
	return cbor.Marshal(cbor.Tag{Number: 1, Content: float64(i.UnixMilli()) / 1000})
}

// UnmarshalCBOR reads a tagged time, or a number.
func (i *instant) UnmarshalCBOR(b []byte) error {
	var t time.Time
	if err := cbor.Unmarshal(b, &t); err != nil {
		return err
	}
	i.Time = t.UTC()
	return nil
}

// latest keeps times within what Go can count in nanoseconds, in seconds.
const latest = 9e9

func (i *instant) set(seconds float64) error {
	if math.IsNaN(seconds) || math.Abs(seconds) > latest {
		return fmt.Errorf("%v is no time", seconds)
	}
	i.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}

// parse reads the ISO 8601 of the query protocol.
func (i *instant) parse(text string) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			i.Time = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write 2006-01-02T15:04:05Z", text)
}
