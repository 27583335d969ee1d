package packet

import "encoding/binary"

// What an ICMP error of one family is called in the other: the tables of RFC
// 7915 sections 4.2 (from IPv4) and 5.2 (from IPv6).

const (
	icmpUnreachable      = 3
	icmpTimeExceeded     = 11
	icmpParameterProblem = 12

	icmp6Unreachable      = 1
	icmp6TooBig           = 2
	icmp6TimeExceeded     = 3
	icmp6ParameterProblem = 4

	icmpFragmentationNeeded = 4 // code of icmpUnreachable

	ipv6MinMTU = 1280
	ipv4MinMTU = 68
	familyDiff = ipv6Len - ipv4MinLen

	none = 0xff // in the pointer tables: nothing corresponds
)

// errorMessage is what an ICMP error says, but for the quote.
type errorMessage struct {
	typ, code uint8
	parameter uint32 // bytes 4 to 7 of the message
}

// translatedError is p's error as the other family says it. quoted is the
// length in bytes of the packet that it is about.
func (p *Packet) translatedError(quoted int) (errorMessage, bool) {
	parameter := binary.BigEndian.Uint32(p.Frame.Data[p.L4+4:])
	if p.Family == 4 {
		return errorTo6(p.ICMPType, p.ICMPCode, parameter, quoted)
	}
	return errorTo4(p.ICMPType, p.ICMPCode, parameter)
}

func errorTo6(typ, code uint8, parameter uint32, quoted int) (errorMessage, bool) {
	switch typ {
	case icmpUnreachable:
		switch code {
		case 0, 1, 5, 6, 7, 8, 11, 12: // network, host, source route, type of service
			return errorMessage{typ: icmp6Unreachable, code: 0}, true
		case 9, 10, 13, 15: // prohibited
			return errorMessage{typ: icmp6Unreachable, code: 1}, true
		case 3: // port
			return errorMessage{typ: icmp6Unreachable, code: 4}, true
		case 2: // protocol: unrecognised next header, which is byte 6
			return errorMessage{typ: icmp6ParameterProblem, code: 1, parameter: 6}, true
		case icmpFragmentationNeeded:
			return errorMessage{typ: icmp6TooBig, parameter: mtuTo6(parameter&0xffff, quoted)}, true
		}
	case icmpTimeExceeded:
		return errorMessage{typ: icmp6TimeExceeded, code: code}, true
	case icmpParameterProblem:
		// Code 1, a missing option, means nothing without IPv4's options.
		pointer := pointerTo6(parameter >> 24)
		if (code == 0 || code == 2) && pointer != none {
			return errorMessage{typ: icmp6ParameterProblem, parameter: pointer}, true
		}
	}
	return errorMessage{}, false
}

func errorTo4(typ, code uint8, parameter uint32) (errorMessage, bool) {
	switch typ {
	case icmp6Unreachable:
		switch code {
		case 0, 2, 3: // no route, beyond scope, address
			return errorMessage{typ: icmpUnreachable, code: 1}, true
		case 1: // prohibited
			return errorMessage{typ: icmpUnreachable, code: 10}, true
		case 4: // port
			return errorMessage{typ: icmpUnreachable, code: 3}, true
		}
	case icmp6TooBig:
		return errorMessage{typ: icmpUnreachable, code: icmpFragmentationNeeded, parameter: mtuTo4(parameter)}, true
	case icmp6TimeExceeded:
		return errorMessage{typ: icmpTimeExceeded, code: code}, true
	case icmp6ParameterProblem:
		switch code {
		case 0:
			if pointer := pointerTo4(parameter); pointer != none {
				return errorMessage{typ: icmpParameterProblem, parameter: pointer << 24}, true
			}
		case 1: // unrecognised next header: protocol unreachable
			return errorMessage{typ: icmpUnreachable, code: 2}, true
		}
	}
	return errorMessage{}, false
}

// mtuTo6 never asks for less than what every IPv6 link carries. A router older
// than RFC 1191 says 0; the MTU is then the next of that RFC's plateaus below
// the packet that did not fit.
func mtuTo6(mtu uint32, quoted int) uint32 {
	if mtu != 0 {
		return max(ipv6MinMTU, mtu+familyDiff)
	}
	for _, plateau := range [...]int{32000, 17914, 8166, 4352, 2002, 1492} {
		if plateau < quoted {
			return uint32(plateau)
		}
	}
	return ipv6MinMTU
}

// mtuTo4 keeps what it says within the 16 bits and the least MTU of IPv4.
func mtuTo4(mtu uint32) uint32 {
	return min(max(mtu, ipv4MinMTU+familyDiff)-familyDiff, 0xffff)
}

// pointerTo6 names the IPv6 header field for a byte of the IPv4 header, or
// none: identification, fragmentation and checksum have no counterpart.
func pointerTo6(pointer uint32) uint32 {
	switch {
	case pointer <= 1: // version; traffic class
		return pointer
	case pointer <= 3: // total length: payload length
		return 4
	case pointer == 8: // TTL: hop limit
		return 7
	case pointer == 9: // protocol: next header
		return 6
	case pointer >= 12 && pointer <= 15: // source
		return 8
	case pointer >= 16 && pointer <= 19: // destination
		return 24
	}
	return none
}

// pointerTo4 is the way back; the flow label has no counterpart.
func pointerTo4(pointer uint32) uint32 {
	switch {
	case pointer <= 1:
		return pointer
	case pointer == 4 || pointer == 5:
		return 2
	case pointer == 6:
		return 9
	case pointer == 7:
		return 8
	case pointer >= 8 && pointer <= 23:
		return 12
	case pointer >= 24 && pointer <= 39:
		return 16
	}
	return none
}
