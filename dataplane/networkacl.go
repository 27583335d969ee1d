package dataplane

import (
	"cmp"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NetworkACL is an ACL's rules as control hands them over, in any order.
type NetworkACL struct {
	Object
	Ingress, Egress []ACLRule
}

// ACLRule allows or denies; the lowest number that matches decides (S35).
type ACLRule struct {
	Match
	Number int // 1..32766
	Allow  bool
	Text   string // "tcp/5432 from 10.0.1.0/24", for explanations
}

// DefaultRuleNumber is what AWS calls the final "*" rule of an IPv4 list; the
// IPv6 list's is one higher (NA-05).
const DefaultRuleNumber = 32767

// networkACL keeps rules per direction and family, in order. There is no
// state: an ACL is asked about every packet (S37, S41).
type networkACL struct {
	handle Handle
	lists  [2][2]aclList // [direction][family]
	texts  map[aclRuleKey]string
}

type aclList struct {
	rules []aclRule
	index *ruleIndex
}

type aclRule struct {
	match
	number uint16
	allow  bool
}

type aclRuleKey struct {
	dir    direction
	number uint16
}

// leaveSubnet takes a packet that was sent to the router out of its subnet:
// the only place an ACL's outbound rules are asked (S39). The spec's order is
// ACL first, route next (S47).
func (w *Walk) leaveSubnet(subnetIndex uint32) Hop {
	w.routed, w.subnet = true, subnetIndex
	acl := &w.snap.networkACLs[w.snap.subnets[subnetIndex].networkACL]
	if !w.networkACL(acl, egress, StageNetworkACLOut) {
		return Hop{}
	}
	return Hop{hopRoute, subnetIndex}
}

// enterSubnet takes a packet that comes from the router into ni's subnet: the
// only place an ACL's inbound rules are asked. A packet that never left the
// subnet is not evaluated (S39); one that went to the router and comes back to
// a gateway or middlebox of the same subnet is (R49, S45).
func (w *Walk) enterSubnet(ni *networkInterface) bool {
	if !w.routed {
		w.arrives()
		return true
	}
	sub := &w.snap.subnets[ni.subnet]
	if !w.moveTo(sub.zone) {
		return false
	}
	w.arrives()
	return w.networkACL(&w.snap.networkACLs[sub.networkACL], ingress, StageNetworkACLIn)
}

func (w *Walk) networkACL(acl *networkACL, dir direction, stage Stage) bool {
	remote, port := w.remote(dir), w.port()
	family := familyOf(remote)
	list := &acl.lists[dir&1][family]
	for i := list.index.start(w.tuple.Proto, port); i < len(list.rules); i++ {
		r := &list.rules[i]
		if !r.matches(remote, w.tuple.Proto, port) {
			continue
		}
		if r.allow {
			w.pass(stage, ReasonRule, acl.handle, uint32(r.number))
			return true
		}
		w.drop(stage, ReasonDenyRule, acl.handle, uint32(r.number))
		return false
	}
	w.drop(stage, ReasonDenyRule, acl.handle, uint32(DefaultRuleNumber+family))
	return false
}

func (a *NetworkACL) compile() networkACL {
	c := networkACL{handle: a.Handle, texts: map[aclRuleKey]string{}}
	for dir, rules := range [2][]ACLRule{ingress: a.Ingress, egress: a.Egress} {
		for _, r := range rules {
			family := familyOf(packet.AddrFrom(r.CIDR.Addr()))
			packed := aclRule{match: r.Match.compile(family), number: uint16(r.Number), allow: r.Allow}
			list := &c.lists[dir][family]
			list.rules = append(list.rules, packed)
			c.texts[aclRuleKey{direction(dir), packed.number}] = r.Text
		}
		for family := range c.lists[dir] {
			list := &c.lists[dir][family]
			slices.SortStableFunc(list.rules, func(a, b aclRule) int { return cmp.Compare(a.number, b.number) })
			list.index = indexRules(len(list.rules), func(i int) *match { return &list.rules[i].match })
		}
	}
	return c
}
