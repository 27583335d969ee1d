package control

import (
	"fmt"
	"net/netip"
	"strconv"
)

// ListenAddress is an address and UDP port of the machine itself, outside of the lab.
// A port alone means that of the loopback interface. The zero ListenAddress is none.
type ListenAddress struct{ at netip.AddrPort }

// AddrPort is the address, not valid if there is none.
func (l ListenAddress) AddrPort() netip.AddrPort { return l.at }

// IsZero reports that there is no address.
func (l ListenAddress) IsZero() bool { return !l.at.IsValid() }

func (l ListenAddress) String() string {
	if l.IsZero() {
		return ""
	}
	return l.at.String()
}

func (l *ListenAddress) parse(text string) error {
	at, err := netip.ParseAddrPort(text)
	if port, number := strconv.ParseUint(text, 10, 16); number == nil {
		at, err = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), nil
	}
	if err != nil || at.Port() == 0 {
		return badValue{
			message: fmt.Sprintf("%q is no UDP port of this machine", text),
			hint:    "write a port, such as 51820, which only this machine reaches; or an address of it and a port, such as 0.0.0.0:51820",
		}
	}
	l.at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	return nil
}

func (l ListenAddress) MarshalJSON() ([]byte, error)  { return marshalScalar(l) }
func (l *ListenAddress) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, l.parse) }

// Equal reports that both are the same.
func (l ListenAddress) Equal(other ListenAddress) bool { return l.at == other.at }
