package control

import (
	"fmt"
	"net/netip"
	"strings"
)

func (g *SecurityGroup) validate(v *validation, name string) {
	path := field("securityGroups", name)
	v.ownVPC(path, name, g.VPC)
	g.validateName(v, path, name)
	if len(g.Description) > 255 {
		v.report(field(path, "description"), "InvalidParameterValue", "Invalid security group description: more than 255 characters", "")
	}
	g.validateRules(v, field(path, "ingress"), g.Ingress, g.Status.Ingress, "from")
	g.validateRules(v, field(path, "egress"), g.Egress, g.Status.Egress, "to")
}

// validateName applies S16. Names are unique per VPC whatever their case.
func (g *SecurityGroup) validateName(v *validation, path, name string) {
	switch {
	case strings.EqualFold(name, "default"): // QS2
		v.reportKey(path, "InvalidGroup.Reserved", fmt.Sprintf("Cannot use reserved security group name: %s", name),
			"to change the rules of a VPC's default group write them under VPC/default")
	case strings.HasPrefix(strings.ToLower(name), "sg-"): // QS3
		v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("Invalid value '%s' for groupName. Group names may not be in the format sg-*", name), "")
	}
	for other, o := range v.w.SecurityGroups {
		if other < name && o.VPC == g.VPC && strings.EqualFold(other, name) { // QS1
			v.reportKey(path, "InvalidGroup.Duplicate", fmt.Sprintf("The security group '%s' already exists for VPC '%s'", name, g.VPC),
				fmt.Sprintf("AWS compares names without regard to case, and there is %s", other))
		}
	}
}

// validateRules checks one direction: the rules as written, then what they come to
// once peers are taken apart, which is what AWS compares and counts.
func (g *SecurityGroup) validateRules(v *validation, path string, rules []SecurityGroupRule, inForce []SecurityGroupPermission, peerKey string) {
	for i := range rules {
		rules[i].validate(v, index(path, i), peerKey)
	}
	type rule struct { // what tells two rules apart; the description does not (Q-C16)
		protocol           Protocol
		ports              PortRange
		icmpType, icmpCode int
		cidr               netip.Prefix
		name               string
	}
	seen := map[rule]bool{}
	var count [2]int // weights by family (Q5)
	full := false
	for _, p := range inForce {
		if p.Rule < 0 {
			continue
		}
		at := index(path, p.Rule)
		v.listInRegion(at, g.VPC, p.PrefixList)
		key := rule{p.Protocol, p.Ports, p.ICMPType, p.ICMPCode, p.CIDR, p.SecurityGroup + p.PrefixList}
		if seen[key] { // QS4
			v.reportf(at, "InvalidPermission.Duplicate", "remove one of the two", "the specified rule %q already exists", p.String())
		}
		seen[key] = true
		weights := v.w.ruleWeight(p)
		count[0] += weights[0]
		count[1] += weights[1]
		if !full && max(count[0], count[1]) > v.quotas.RulesPerSecurityGroup { // QS5
			full = true
			v.reportf(at, "RulesPerSecurityGroupLimitExceeded",
				fmt.Sprintf("the quota is %d per direction and family; a reference to a group counts in both, a prefix list counts its maxEntries", v.quotas.RulesPerSecurityGroup),
				"The maximum number of rules per security group has been reached.")
		}
	}
}

// ruleWeight is what a permission costs, in IPv4 and in IPv6 (Q5, S14).
func (w *World) ruleWeight(p SecurityGroupPermission) [2]int {
	switch list := w.PrefixLists[p.PrefixList]; {
	case p.CIDR.IsValid() && p.CIDR.Addr().Is4():
		return [2]int{1, 0}
	case p.CIDR.IsValid():
		return [2]int{0, 1}
	case list == nil:
		return [2]int{1, 1}
	case list.isIPv6():
		return [2]int{0, list.Status.MaxEntries}
	default:
		return [2]int{list.Status.MaxEntries, 0}
	}
}

// validate checks a rule on its own; peerKey is the side that it may name.
func (r *SecurityGroupRule) validate(v *validation, path, peerKey string) {
	own, other, otherKey := r.From, r.To, "to"
	if peerKey == "to" {
		own, other, otherKey = r.To, r.From, "from"
	}
	if len(other) > 0 {
		v.reportf(field(path, otherKey), "", fmt.Sprintf("write %s: here", peerKey), "this rule has a peer under %s", otherKey)
	} else if len(own) == 0 {
		v.missing(field(path, peerKey), "write the peer: a security group, a CIDR block or a prefix list")
	}
	validatePorts(v, path, r.Protocol, r.Ports, r.ICMPType, r.ICMPCode)
	if len(r.Description) > 255 {
		v.report(field(path, "description"), "InvalidParameterValue", "Invalid rule description: more than 255 characters", "")
	}
}
