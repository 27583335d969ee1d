package control

import (
	"fmt"
	"strconv"
	"strings"
)

// Protocol is an IP protocol in a rule: a number, or all of them. The zero
// Protocol means that none was written.
type Protocol int16

// The protocols with a name. Any other number from 1 to 255 stands for itself.
const (
	ProtocolUnset  Protocol = 0
	ProtocolAll    Protocol = -1
	ProtocolICMP   Protocol = 1
	ProtocolTCP    Protocol = 6
	ProtocolUDP    Protocol = 17
	ProtocolICMPv6 Protocol = 58
	// protocolZero is IP protocol 0 (HOPOPT), kept apart from the zero value.
	protocolZero Protocol = 256
)

// Number is the IP protocol number. It means nothing for ProtocolAll.
func (p Protocol) Number() uint8 { return uint8(p) }

// HasPorts reports whether a rule's port range counts (S6, S38).
func (p Protocol) HasPorts() bool { return p == ProtocolTCP || p == ProtocolUDP }

// IsICMP reports whether a rule's ICMP type and code count (S7).
func (p Protocol) IsICMP() bool { return p == ProtocolICMP || p == ProtocolICMPv6 }

func (p Protocol) String() string {
	switch p {
	case ProtocolUnset:
		return ""
	case ProtocolAll:
		return "all"
	case ProtocolICMP:
		return "icmp"
	case ProtocolTCP:
		return "tcp"
	case ProtocolUDP:
		return "udp"
	case ProtocolICMPv6:
		return "icmpv6"
	}
	return strconv.Itoa(int(p.Number()))
}

func (p *Protocol) parse(text string) error {
	for _, known := range []Protocol{ProtocolAll, ProtocolICMP, ProtocolTCP, ProtocolUDP, ProtocolICMPv6} {
		if strings.EqualFold(text, known.String()) {
			*p = known
			return nil
		}
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < -1 || n > 255:
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("Invalid value '%s' for IP protocol. Unknown protocol.", text),
			hint:    "write tcp, udp, icmp, icmpv6, all, or a number from 0 to 255",
		}
	case n == 0:
		*p = protocolZero
	default:
		*p = Protocol(n)
	}
	return nil
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ From, To uint16 }

// AllPorts is what "ports: all" means, and no ports key where none is needed.
var AllPorts = PortRange{0, 65535}

// Contains reports whether port lies in r.
func (r PortRange) Contains(port uint16) bool { return r.From <= port && port <= r.To }

func (r PortRange) String() string {
	switch {
	case r == AllPorts:
		return "all"
	case r.From == r.To:
		return strconv.Itoa(int(r.From))
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// parse reads "80", "1024-65535" or "all". A range that runs backwards is kept
// as it is, for Validate to refuse with AWS's code (QS8).
func (r *PortRange) parse(text string) error {
	if text == "all" || text == "-1" {
		*r = AllPorts
		return nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	f, err1 := portNumber(from)
	t, err2 := portNumber(to)
	if err1 != nil || err2 != nil {
		return badValue{
			code:    "InvalidParameterValue",
			message: fmt.Sprintf("Invalid value '%s' for portRange.", text),
			hint:    "write one port from 0 to 65535, a range such as 1024-65535, or all",
		}
	}
	*r = PortRange{f, t}
	return nil
}

func portNumber(text string) (uint16, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	return uint16(n), err
}

// Port is a port that a program listens on: 1 to 65535, 0 if not written.
type Port uint16

func (p Port) String() string { return strconv.Itoa(int(p)) }

func (p *Port) parse(text string) error {
	n, err := portNumber(text)
	if err != nil || n == 0 {
		return badValue{message: fmt.Sprintf("%q is not a port", text), hint: "write a number from 1 to 65535"}
	}
	*p = Port(n)
	return nil
}
