package host

// State is the verdict of a [Finding].
type State uint8

// The zero State is no verdict.
const (
	OK   State = iota + 1
	Warn       // labs run, something is missing that a user may miss
	Fail       // no lab can run
)

func (s State) String() string {
	switch s {
	case OK:
		return "OK"
	case Warn:
		return "WARN"
	case Fail:
		return "FAIL"
	}
	return "?"
}

// MarshalText makes a State readable in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; anything else is no verdict.
func (s *State) UnmarshalText(b []byte) error {
	*s = 0
	for _, known := range []State{OK, Warn, Fail} {
		if known.String() == string(b) {
			*s = known
		}
	}
	return nil
}

// Finding is one thing that a lab needs of the machine, as [Probe] found it.
type Finding struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do about it, when not OK
}
