package control

import (
	"fmt"
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
)

// match is what a rule of either sort matches.
func match(p Protocol, ports PortRange, icmpType, icmpCode int, cidr netip.Prefix) dataplane.Match {
	m := dataplane.Match{
		Protocol: int(p.Number()), FirstPort: ports.From, LastPort: ports.To,
		ICMPType: icmpType, ICMPCode: icmpCode, CIDR: cidr,
	}
	if p == ProtocolAll {
		m.Protocol = dataplane.AnyProtocol
	}
	return m
}

// trafficText is "tcp/22", "icmp type 8", "all": what a rule is about.
func trafficText(p Protocol, ports PortRange, icmpType, icmpCode int) string {
	switch {
	case p.HasPorts() && ports == AllPorts:
		return p.String() + " on every port"
	case p.HasPorts():
		return fmt.Sprintf("%s/%s", p, ports)
	case p.IsICMP() && icmpType >= 0 && icmpCode >= 0:
		return fmt.Sprintf("%s type %d code %d", p, icmpType, icmpCode)
	case p.IsICMP() && icmpType >= 0:
		return fmt.Sprintf("%s type %d", p, icmpType)
	case p == ProtocolAll:
		return "all traffic"
	case p.IsICMP():
		return p.String()
	}
	return "protocol " + p.String()
}
