package scenarios

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The ICMP and ICMPv6 messages that hosts send, or look for.
const (
	icmpEchoReply       = 0
	icmpUnreachable     = 3
	icmpPortUnreachable = 3
	icmpEchoRequest     = 8
	icmpTimeExceeded    = 11

	icmp6Unreachable     = 1
	icmp6PortUnreachable = 4
	icmp6TimeExceeded    = 3
	icmp6EchoRequest     = 128
	icmp6EchoReply       = 129
)

// isICMPError reports whether the message quotes another: then it has no
// identifier, and is not answered.
func (msg *message) isICMPError() bool {
	switch msg.proto {
	case packet.ProtoICMP:
		return msg.icmpType == icmpUnreachable || msg.icmpType == icmpTimeExceeded || msg.icmpType == 4 || msg.icmpType == 5 || msg.icmpType == 12
	case packet.ProtoICMPv6:
		return msg.icmpType < 128
	}
	return false
}

func (msg *message) isPortUnreachable() bool {
	return msg.proto == packet.ProtoICMP && msg.icmpType == icmpUnreachable && msg.icmpCode == icmpPortUnreachable ||
		msg.proto == packet.ProtoICMPv6 && msg.icmpType == icmp6Unreachable && msg.icmpCode == icmp6PortUnreachable
}

func (msg *message) isEchoRequest() bool {
	return msg.proto == packet.ProtoICMP && msg.icmpType == icmpEchoRequest && !msg.fragment ||
		msg.proto == packet.ProtoICMPv6 && msg.icmpType == icmp6EchoRequest
}

// echoReply sends back what came, from the address it came to: a client that
// asked a secondary address would not know an answer from the primary one.
func (msg *message) echoReply() message {
	reply := message{src: msg.dst, dst: msg.src, proto: msg.proto, srcPort: msg.srcPort, payload: msg.payload}
	if msg.proto == packet.ProtoICMPv6 {
		reply.icmpType = icmp6EchoReply
	}
	return reply
}

// portUnreachable is what a host says when nobody listens on a UDP port.
func (msg *message) portUnreachable() message {
	if msg.dst.Is4() {
		return msg.icmpError(icmpUnreachable, icmpPortUnreachable, msg.dst)
	}
	return msg.icmpError(icmp6Unreachable, icmp6PortUnreachable, msg.dst)
}

// timeExceeded is what a router says about a packet whose last hop it is. It
// signs with whatever address it sends from.
func (msg *message) timeExceeded() message {
	if msg.dst.Is4() {
		return msg.icmpError(icmpTimeExceeded, 0, netip.Addr{})
	}
	return msg.icmpError(icmp6TimeExceeded, 0, netip.Addr{})
}

// icmpError tells the message's sender about it, quoting its headers.
func (msg *message) icmpError(icmpType, icmpCode uint8, from netip.Addr) message {
	quoted := *msg
	quoted.payload = nil
	headers := ipPacket(quoted.frame(0, packet.MAC{}, packet.MAC{}).Data)
	reply := message{src: from, dst: msg.src, icmpType: icmpType, icmpCode: icmpCode, proto: packet.ProtoICMP, payload: headers}
	if msg.dst.Is6() {
		// gopacket writes four bytes of ICMPv6 header; the error has eight.
		reply.proto, reply.payload = packet.ProtoICMPv6, append(make([]byte, 4), headers...)
	}
	return reply
}
