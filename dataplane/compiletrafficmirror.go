package dataplane

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// trafficMirrors gives interfaces the sessions that they are the source of, by
// number. It comes when the interfaces are there.
func (c *compiler) trafficMirrors() {
	sessions := slices.Clone(c.b.TrafficMirrorSessions)
	// Sorted here, so that the walk takes the first that accepts (M6).
	slices.SortStableFunc(sessions, func(a, b TrafficMirrorSession) int { return cmp.Compare(a.Number, b.Number) })
	for _, x := range sessions {
		source, target := c.primary(x.Object, x.Source), c.primary(x.Object, x.Target)
		// VXLAN goes over IPv4, whatever it carries: no address, no session (M4).
		if source.IsZero() || target.IsZero() {
			continue
		}
		// One test per packet in a lab without mirroring.
		c.s.mirrored = true
		if c.s.mirrorEnds == nil {
			c.s.mirrorEnds = map[[2]packet.Addr]struct{}{}
		}
		c.s.mirrorEnds[[2]packet.Addr{source, target}] = struct{}{}
		ni := &c.s.interfaces[c.index[x.Source]]
		ni.mirrors = append(ni.mirrors, mirrorSession{
			handle: x.Handle, source: source, target: target, length: x.PacketLength, network: x.VirtualNetworkID, dns: x.AmazonDNS,
			rules: [2][]mirrorRule{ingress: mirrorRules(x.Ingress), egress: mirrorRules(x.Egress)},
		})
	}
}

// primary is the primary private IPv4 address of an interface.
func (c *compiler) primary(of Object, h Handle) packet.Addr {
	if c.s.objects[h].Kind != KindNetworkInterface {
		c.errs = append(c.errs, fmt.Errorf("%s: handle %d is %s, not a network interface", of, h, c.s.objects[h]))
		return packet.Addr{}
	}
	a := c.s.interfaces[c.index[h]].addressFor(unspecified4)
	if a.IsZero() {
		c.errs = append(c.errs, fmt.Errorf("%s: %s has no IPv4 address", of, c.s.objects[h]))
	}
	return a
}

// mirrorRules sorts rules by number, the first of which decides (M7).
func mirrorRules(rules []TrafficMirrorRule) []mirrorRule {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b TrafficMirrorRule) int { return cmp.Compare(a.Number, b.Number) })
	list := make([]mirrorRule, len(rules))
	for i, r := range rules {
		list[i] = mirrorRule{
			accept: r.Accept, any: r.Protocol == AnyProtocol, protocol: uint8(r.Protocol),
			source: packet.PrefixFrom(r.Source), destination: packet.PrefixFrom(r.Destination),
			firstSource: r.FirstSource, lastSource: r.LastSource, firstPort: r.FirstPort, lastPort: r.LastPort,
		}
	}
	return list
}
