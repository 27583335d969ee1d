package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// SecurityGroup is a group's rules as control hands them over.
type SecurityGroup struct {
	Object
	Ingress, Egress []GroupRule
}

// GroupRule allows traffic; there is no deny (S1). The peer is a CIDR (in
// Match), or, when Group is set, the private addresses of the interfaces that
// carry that group (S9).
type GroupRule struct {
	Match
	Group Handle
	// Across says which way packets of Group's members may have come for the
	// reference to match. The zero Crossing is a group of the same VPC.
	Across Crossing
	// Text is the rule as the user wrote it, for explanations:
	// "tcp/22 from 203.0.113.0/24".
	Text string
}

// Crossing is a set of ways from one VPC to another.
type Crossing uint8

const (
	CrossesPeering        Crossing = 1 << iota // a VPC peering connection (P12)
	CrossesTransitGateway                      // a transit gateway with security group referencing (T21)
	crossesNothing                             // it stays in its VPC
)

// groupSet holds the rules of all groups of an interface. Interfaces with the
// same groups share one.
type groupSet struct {
	groups []Handle
	rules  [2][2][]groupRule // [direction][family]
	index  [2][2]*ruleIndex
	// open[direction][family][transport] reports that some rule of that
	// direction allows every address on every port: what the opposite
	// direction needs for a flow to stay untracked (S21).
	open [2][2][2]bool
}

const (
	transportTCP = 0
	transportUDP = 1
)

type groupRule struct {
	match
	members map[packet.Addr]struct{} // nil: the peer is a CIDR
	across  Crossing                 // ways of which the members may come
	group   Handle
	ordinal uint16 // the rule's place in its group's list
	wide    bool   // its CIDR is the whole address family
}

// securityGroups judges the packet at interface ni in one direction: a packet
// of a tracked connection passes whatever the rules say (S20); otherwise the
// first rule of any of its groups allows it, or nothing does.
func (w *Walk) securityGroups(ni *networkInterface, dir direction) bool {
	stage := StageSecurityGroupIn
	if dir == egress {
		stage = StageSecurityGroupOut
	}
	if w.icmpError() {
		if reason := w.related(ni, dir); reason != ReasonBug {
			w.pass(stage, reason, ni.handle, 0)
			return true
		}
	}
	if slot, found := w.flowAt(ni.handle, dir); found && !w.reopens(slot) {
		w.touch(&ni.timeouts, slot, dir)
		w.sights[w.nSights-1].flow = slot
		w.pass(stage, ReasonTracked, ni.handle, 0)
		return true
	}
	rule := ni.groups.find(dir, w.remote(dir), w.tuple.Proto, w.port(), w.references(dir))
	if rule == nil {
		w.drop(stage, ReasonNoRule, ni.handle, 0)
		return false
	}
	if ni.groups.untracked(dir, rule, w.remote(dir), w.tuple.Proto) || !opens(&w.pkt) && ni.groups.answers(dir, w.remote(dir), w.tuple.Proto, w.tuple.SrcPort) {
		w.pass(stage, ReasonUntracked, rule.group, uint32(rule.ordinal))
		if dir == egress {
			w.untracked = ni
		}
		return true
	}
	if !w.track(&ni.timeouts, ni.allowance, &w.keys[dir].flowKey, dir) {
		w.drop(stage, ReasonTableFull, ni.handle, w.state.tracked.exhausted(ni))
		return false
	}
	w.pass(stage, ReasonRule, rule.group, uint32(rule.ordinal))
	return true
}

// find returns the first rule that allows the packet. The lists are sorted
// wide rules first, so that a packet that any wide rule matches is judged by
// one, whatever order the rules were written in. References to groups count
// only if they are of a way among ways.
func (g *groupSet) find(dir direction, remote packet.Addr, protocol uint8, port uint16, ways Crossing) *groupRule {
	family := familyOf(remote)
	rules := g.rules[dir][family]
	for i := g.index[dir][family].start(protocol, port); i < len(rules); i++ {
		r := &rules[i]
		if !r.matches(remote, protocol, port) {
			continue
		}
		if r.members == nil {
			return r
		}
		if r.across&ways == 0 {
			continue
		}
		if _, member := r.members[remote]; member {
			return r
		}
	}
	return nil
}

// references says which references to groups count for this packet. On the way
// out, that is every one of its VPC and of its peers; a transit gateway's are for
// inbound rules only (T21). On the way in, it is those of the way that the packet
// came, and only if the interface whose address it bears sent it itself, not a
// middlebox that passes it on (S9, S-C16).
func (w *Walk) references(dir direction) Crossing {
	switch {
	case dir == egress:
		return crossesNothing | CrossesPeering
	case w.origin < 0 || !w.snap.interfaces[w.origin].owns(w.tuple.Src):
		return 0
	case w.crossed == 0:
		return crossesNothing
	}
	return w.crossed
}

// untracked implements S21: a TCP or UDP flow needs no tracking when the rule
// that allows its first packet is open to the whole family and the opposite
// direction is open on every port. ICMP and other protocols are always tracked.
func (g *groupSet) untracked(dir direction, rule *groupRule, remote packet.Addr, protocol uint8) bool {
	return rule.wide && g.opens(1-dir, familyOf(remote), protocol)
}

// answers reports that a packet going in direction dir may be the answer of an
// untracked flow: it must not start tracking what its first packet did not. A
// new UDP flow from a port that is served looks the same and is taken for an
// answer; TCP says what it is (see opens).
func (g *groupSet) answers(dir direction, remote packet.Addr, protocol uint8, srcPort uint16) bool {
	if !g.opens(dir, familyOf(remote), protocol) {
		return false
	}
	rule := g.find(1-dir, remote, protocol, srcPort, 0)
	return rule != nil && rule.wide
}

func (g *groupSet) opens(dir direction, family int, protocol uint8) bool {
	switch protocol {
	case packet.ProtoTCP:
		return g.open[dir][family][transportTCP]
	case packet.ProtoUDP:
		return g.open[dir][family][transportUDP]
	}
	return false
}

// related accepts an ICMP error that quotes a packet of a connection this
// interface has (S29): one it tracks, or, for path MTU discovery (A56), one
// its rules let out untracked. ReasonBug means: not related.
func (w *Walk) related(ni *networkInterface, dir direction) Reason {
	if !w.quotesReceiver() || !w.relatedType() {
		return ReasonBug
	}
	// The quoted packet went the other way: for an error that comes in, the
	// interface had sent it.
	key := quotedFlowKey(ni.handle, &w.quoted, w.pkt.QuotedICMPType, dir)
	if _, found := w.findFlow(&key); found {
		return ReasonRelated
	}
	remote, protocol := w.quotedRemote(dir), w.quoted.Proto
	rule := ni.groups.find(1-dir, remote, protocol, w.quoted.DstPort, 0)
	if rule != nil && ni.groups.untracked(1-dir, rule, remote, protocol) || ni.groups.answers(1-dir, remote, protocol, w.quoted.SrcPort) {
		return ReasonRelated
	}
	return ReasonBug
}

// quotesReceiver reports that the packet quotes one that its receiver had sent,
// as every true error does. A lie would carry any payload to anybody who is in
// no connection at all.
func (w *Walk) quotesReceiver() bool {
	return w.pkt.QuotedOK && w.tuple.Dst == w.quoted.Src
}

// relatedType lists the errors that belong to a connection (S29): unreachable
// and time exceeded in transit, and all four of ICMPv6. Redirects in particular
// need a rule.
func (w *Walk) relatedType() bool {
	if w.tuple.Proto == packet.ProtoICMPv6 {
		return w.icmpType >= 1 && w.icmpType <= 4
	}
	return w.icmpType == icmpUnreachable || w.icmpType == icmpTimeExceeded && w.icmpCode == 0
}

// compileGroupSet packs the rules of groups; members resolves a reference.
func compileGroupSet(groups []*SecurityGroup, members func(Handle) map[packet.Addr]struct{}) groupSet {
	var set groupSet
	for _, g := range groups {
		set.groups = append(set.groups, g.Handle)
		for dir, rules := range [2][]GroupRule{ingress: g.Ingress, egress: g.Egress} {
			for i, r := range rules {
				set.add(direction(dir), g.Handle, i, r, members)
			}
		}
	}
	for dir := range set.rules {
		for family := range set.rules[dir] {
			list := wideFirst(set.rules[dir][family])
			set.rules[dir][family] = list
			set.index[dir][family] = indexRules(len(list), func(i int) *match { return &list[i].match })
		}
	}
	return set
}

func (g *groupSet) add(dir direction, group Handle, ordinal int, r GroupRule, members func(Handle) map[packet.Addr]struct{}) {
	for _, family := range r.families() {
		c := groupRule{match: r.Match.compile(family), group: group, ordinal: uint16(ordinal), wide: r.Match.coversAll()}
		if r.Group != 0 {
			c.members, c.across = members(r.Group), r.Across
			if c.across == 0 {
				c.across = crossesNothing
			}
		}
		g.rules[dir][family] = append(g.rules[dir][family], c)
		if c.wide {
			open := &g.open[dir][family]
			open[transportTCP] = open[transportTCP] || c.coversPorts(packet.ProtoTCP)
			open[transportUDP] = open[transportUDP] || c.coversPorts(packet.ProtoUDP)
		}
	}
}

// families returns the lists a rule belongs in: its CIDR's, or both for a
// reference (Q5).
func (r *GroupRule) families() []int {
	switch {
	case r.Group != 0:
		return []int{family4, family6}
	case r.CIDR.Addr().Is4():
		return []int{family4}
	}
	return []int{family6}
}

func wideFirst(rules []groupRule) []groupRule {
	sorted := make([]groupRule, 0, len(rules))
	for _, wide := range []bool{true, false} {
		for _, r := range rules {
			if r.wide == wide {
				sorted = append(sorted, r)
			}
		}
	}
	return sorted
}

// groupText keeps what a trace says about a group's rules.
type groupText struct{ ingress, egress []string }

// memberSet collects the private addresses of interfaces, for S9.
func memberSet(addresses []netip.Addr, into map[packet.Addr]struct{}) {
	for _, a := range addresses {
		into[packet.AddrFrom(a)] = struct{}{}
	}
}
