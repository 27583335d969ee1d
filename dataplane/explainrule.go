package dataplane

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file words what the users' own rules and routes decide.

// stageDirections are the words for a stage's direction, and for the remote
// side in it.
var stageDirections = map[Stage][2]string{
	StageSecurityGroupIn:  {"ingress", "from"},
	StageSecurityGroupOut: {"egress", "to"},
	StageNetworkACLIn:     {"ingress", "from"},
	StageNetworkACLOut:    {"egress", "to"},
}

// traffic is what a rule is asked: "tcp/22 from 203.0.113.10".
func traffic(stage Stage, t packet.Tuple, port uint16) string {
	remote := t.Dst
	if stage == StageSecurityGroupIn || stage == StageNetworkACLIn {
		remote = t.Src
	}
	what := protocolName(t.Proto)
	switch t.Proto {
	case packet.ProtoTCP, packet.ProtoUDP:
		what = fmt.Sprintf("%s/%d", what, port)
	case packet.ProtoICMP, packet.ProtoICMPv6:
		what = fmt.Sprintf("%s type %d code %d", what, port>>8, port&0xff)
	}
	return fmt.Sprintf("%s %s %s", what, stageDirections[stage][1], remote)
}

// explainGroup names the rule of the group that allowed the packet, or all groups that
// did not: a refusal is nobody's rule, for groups have no deny (S1).
func (s *Snapshot) explainGroup(t *TraceStep, step Step, tuple packet.Tuple, port uint16) {
	dir := stageDirections[step.Stage][0]
	switch step.Reason {
	case ReasonRule, ReasonUntracked:
		rules := s.groupTexts[step.Object].ingress
		if step.Stage == StageSecurityGroupOut {
			rules = s.groupTexts[step.Object].egress
		}
		if int(step.Detail) < len(rules) {
			t.Rule = rules[step.Detail]
		}
		t.Text = fmt.Sprintf("%s rule allows %s", dir, t.Rule)
		if step.Reason == ReasonUntracked {
			t.Text += " (untracked: open to all both ways)"
		}
	case ReasonTracked:
		t.Text = fmt.Sprintf("%s: part of a connection this interface tracks", dir)
	case ReasonRelated:
		t.Text = fmt.Sprintf("%s: an ICMP error about a connection of this interface", dir)
	case ReasonTableFull:
		t.Text = fmt.Sprintf("%s: the lab tracks as many connections as it can", dir)
		// AWS's own name for the counter that an instance's ethtool shows (S30).
		if step.Detail > 0 {
			t.Text = fmt.Sprintf("%s: the interface tracks %d connections, its allowance (conntrack_allowance_exceeded)", dir, step.Detail)
		}
	default:
		// The step names the interface: rules of all its groups are one list (S1).
		if groups := s.groupsOf(step.Object); len(groups) > 0 {
			t.Objects = groups
		}
		if len(t.Objects) == 1 {
			t.Text = fmt.Sprintf("no %s rule allows %s", dir, traffic(step.Stage, tuple, port))
		} else {
			t.Text = fmt.Sprintf("none of these groups has an %s rule that allows %s", dir, traffic(step.Stage, tuple, port))
		}
	}
}

// groupsOf lists the groups of interface h.
func (s *Snapshot) groupsOf(h Handle) []Object {
	i := s.interfaceOf(uint32(h))
	if i < 0 || s.interfaces[i].groups == nil {
		return nil
	}
	var list []Object
	for _, g := range s.interfaces[i].groups.groups {
		list = append(list, s.objectOf(g))
	}
	return list
}

// explainACL names the rule by its number, the way users know it. Rule * is the default
// that nobody wrote and nobody can remove (S35).
func (s *Snapshot) explainACL(t *TraceStep, step Step, tuple packet.Tuple, port uint16) {
	dir := direction(ingress)
	if step.Stage == StageNetworkACLOut {
		dir = egress
	}
	words := stageDirections[step.Stage][0]
	if step.Detail >= DefaultRuleNumber {
		t.Rule = "*"
		t.Text = fmt.Sprintf("%s: no numbered rule matches %s, and rule * denies the rest", words, traffic(step.Stage, tuple, port))
		return
	}
	for i := range s.networkACLs {
		if acl := &s.networkACLs[i]; acl.handle == step.Object {
			t.Rule = fmt.Sprintf("%d %s", step.Detail, acl.texts[aclRuleKey{dir, uint16(step.Detail)}])
		}
	}
	t.Text = fmt.Sprintf("%s rule %s", words, t.Rule)
	if step.Verdict == VerdictDrop {
		t.Text = fmt.Sprintf("%s rule %s matches %s", words, t.Rule, traffic(step.Stage, tuple, port))
	}
}

// explainRoute covers the tables of subnets and gateways, of transit gateways and of
// virtual private gateways, which all name a route by its index. Handles are unique, so
// that at most one of them has the step's object.
func (s *Snapshot) explainRoute(t *TraceStep, step Step, tuple packet.Tuple) {
	unavailable := ""
	for i := range s.routeTables {
		if rt := &s.routeTables[i]; rt.handle == step.Object && int(step.Detail) < len(rt.texts) {
			t.Rule = rt.texts[step.Detail]
			unavailable = rt.unavailable[step.Detail]
		}
	}
	for i := range s.transitRouteTables {
		if rt := &s.transitRouteTables[i]; rt.handle == step.Object && int(step.Detail) < len(rt.texts) {
			t.Rule = rt.texts[step.Detail]
		}
	}
	for i := range s.vpnGateways {
		if g := &s.vpnGateways[i]; g.handle == step.Object && int(step.Detail) < len(g.texts) {
			t.Rule = g.texts[step.Detail]
		}
	}
	switch step.Reason {
	// No route decided in these three cases, whatever index the step has.
	case ReasonOK:
		t.Rule, t.Text = "", fmt.Sprintf("%s is in its VPC", tuple.Dst)
	case ReasonRouted:
		t.Text = t.Rule
	case ReasonBlackhole:
		t.Text = fmt.Sprintf("%s is a blackhole: %s", t.Rule, cmp.Or(unavailable, "its target is not available"))
		if strings.Contains(t.Rule, "→ blackhole") { // written as such (T8)
			t.Text = fmt.Sprintf("%s: the route drops what it matches", t.Rule)
		}
	case ReasonLoop:
		t.Rule, t.Text = "", "the packet went through more hops than any path has"
	case ReasonReturnsToNATGateway:
		t.Rule, t.Text = "", "an answer to a connection of this NAT gateway: it returns over the peering without a route"
	default:
		t.Rule, t.Text = "", fmt.Sprintf("no route matches %s", tuple.Dst)
	}
}
