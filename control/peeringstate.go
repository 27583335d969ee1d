package control

// PeeringState is how far a VPC peering connection has come (P1). The states that
// AWS passes through by itself, initiating-request, provisioning and deleting,
// take no time in a lab. The zero PeeringState leaves it to the default, active.
type PeeringState uint8

// The states of a peering.
const (
	PeeringUnset PeeringState = iota
	PeeringActive
	PeeringPending
	PeeringRejected
	PeeringExpired
	PeeringDeleted
	PeeringFailed
)

var peeringWords = []string{"", "active", "pending-acceptance", "rejected", "expired", "deleted", "failed"}

func (s PeeringState) String() string           { return peeringWords[s] }
func (s *PeeringState) parse(text string) error { return parseWord(s, text, peeringWords) }

func (s PeeringState) MarshalJSON() ([]byte, error)     { return marshalScalar(s) }
func (s *PeeringState) UnmarshalJSON(data []byte) error { return unmarshalScalar(data, s.parse) }

// live reports whether the peering is there or may yet come to be: of these a
// pair of VPCs has one (P5).
func (s PeeringState) live() bool { return s == PeeringActive || s == PeeringPending }
