package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// ruleIndex says how far down a list a TCP or UDP packet may start: no rule
// before that one covers its port, nor any of the 256 ports it shares a block
// with. Most lists tell services apart by port, so most scans get short. A nil
// index starts at the top.
type ruleIndex [2][256]uint16 // [transport][port / 256]

// ruleIndexMin is how long a list must be for an index to pay for its 1 KiB.
const ruleIndexMin = 8

// indexRules builds the index of a list of n rules.
func indexRules(n int, rule func(int) *match) *ruleIndex {
	if n < ruleIndexMin {
		return nil
	}
	x := &ruleIndex{}
	for transport, protocol := range [2]uint8{transportTCP: packet.ProtoTCP, transportUDP: packet.ProtoUDP} {
		for block := range x[transport] {
			x[transport][block] = uint16(n)
		}
		for i := n - 1; i >= 0; i-- {
			m := rule(i)
			if !m.any && m.protocol != protocol {
				continue
			}
			for block := int(m.first >> 8); block <= int(m.last>>8); block++ {
				x[transport][block] = uint16(i)
			}
		}
	}
	return x
}

// start is the place of the first rule that may cover the packet.
func (x *ruleIndex) start(protocol uint8, port uint16) int {
	if x == nil {
		return 0
	}
	switch protocol {
	case packet.ProtoTCP:
		return int(x[transportTCP][port>>8])
	case packet.ProtoUDP:
		return int(x[transportUDP][port>>8])
	}
	return 0
}
