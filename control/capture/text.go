package capture

import (
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Describe says what a frame is beyond its addresses, in the words of tcpdump where
// it has short ones: "tcp [S.]", "icmp echo request", "arp who-has".
func Describe(data []byte) string {
	var p packet.Packet
	problem := packet.Parse(&p, &packet.Frame{Data: data})
	switch {
	case p.EtherType == packet.EtherTypeARP && problem == packet.ProblemNone:
		if p.ARPOperation == 1 {
			return "arp who-has"
		}
		return "arp is-at " + p.ARPSenderMAC.String()
	case problem != packet.ProblemNone:
		return fmt.Sprintf("ethertype %#04x (%s)", p.EtherType, problem)
	case p.LaterFragment:
		return fmt.Sprintf("protocol %d fragment at %d", p.Proto, p.FragmentStart)
	case p.Proto == packet.ProtoTCP:
		return "tcp [" + tcpFlags(p.TCPFlags) + "]"
	case p.Proto == packet.ProtoUDP:
		return "udp"
	case p.Proto == packet.ProtoICMP && p.Family == 4:
		return "icmp " + icmpWords(p.ICMPType, p.ICMPCode, icmpTypes)
	case p.Proto == packet.ProtoICMPv6 && p.Family == 6:
		return "icmp6 " + icmpWords(p.ICMPType, p.ICMPCode, icmp6Types)
	}
	return fmt.Sprintf("protocol %d", p.Proto)
}

func tcpFlags(flags uint8) string {
	var b strings.Builder
	for i, letter := range "FSRP.U" {
		if flags&(1<<i) != 0 {
			b.WriteRune(letter)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

var (
	icmpTypes  = map[uint8]string{0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
	icmp6Types = map[uint8]string{
		1: "unreachable", 2: "packet too big", 3: "time exceeded", 128: "echo request", 129: "echo reply",
		133: "router solicitation", 134: "router advertisement", 135: "neighbor solicitation", 136: "neighbor advertisement",
	}
)

func icmpWords(kind, code uint8, names map[uint8]string) string {
	name, known := names[kind]
	switch {
	case !known:
		return fmt.Sprintf("type %d code %d", kind, code)
	case code != 0:
		return fmt.Sprintf("%s code %d", name, code)
	}
	return name
}
