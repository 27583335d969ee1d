package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// NetworkACL is a list of numbered rules, asked for every packet that enters or
// leaves one of its subnets. It keeps no state: replies need rules of their own.
type NetworkACL struct {
	// VPC that the ACL belongs to.
	VPC string `json:"vpc"`
	// Rules for packets that enter a subnet. A custom ACL without rules denies
	// everything; the default ACL "VPC/default" without the key allows everything.
	Ingress []NetworkACLEntry `json:"ingress,omitzero"`
	// Rules for packets that leave a subnet.
	Egress []NetworkACLEntry `json:"egress,omitzero"`

	Status NetworkACLStatus `json:"status" yaml:"-"`
}

// NetworkACLEntry is one rule. The lowest number that matches decides (S35).
type NetworkACLEntry struct {
	// Number of the rule, 1 to 32766; rules are asked in ascending order.
	Rule int `json:"rule"`
	// allow or deny.
	Action RuleAction `json:"action"`
	// tcp, udp, icmp, icmpv6, all, or a protocol number.
	Protocol Protocol `json:"protocol"`
	// Destination ports: 80, 1024-65535 or all; for tcp and udp only.
	Ports *PortRange `json:"ports,omitempty"`
	// Source of packets that enter, destination of packets that leave.
	CIDR netip.Prefix `json:"cidr"`
	// ICMP type, -1 or absent for all.
	ICMPType *int `json:"icmpType,omitempty"`
	// ICMP code, -1 or absent for all.
	ICMPCode *int `json:"icmpCode,omitempty"`
}

// NetworkACLStatus is what AWS makes of a network ACL.
type NetworkACLStatus struct {
	Identity
	Default bool `json:"default"`
	// Subnets that use the ACL; sorted.
	Subnets []string `json:"subnets"`
	// Ingress and Egress are the rules in force, ascending by number, without
	// the final deny of rule "*".
	Ingress []NetworkACLEntry `json:"ingress"`
	Egress  []NetworkACLEntry `json:"egress"`
}

// RuleAction is what a network ACL rule does. The zero RuleAction means that
// none was written.
type RuleAction uint8

// The actions; deny before allow, so that nothing allows by accident.
const (
	ActionUnset RuleAction = iota
	ActionDeny
	ActionAllow
)

func (a RuleAction) String() string { return [...]string{"", "deny", "allow"}[a] }

func (a *RuleAction) parse(text string) error {
	switch text {
	case "deny":
		*a = ActionDeny
	case "allow":
		*a = ActionAllow
	default:
		return badValue{
			code:    "InvalidParameterValue",
			message: "Value (" + text + ") for parameter ruleAction is invalid.",
			hint:    "write allow or deny",
		}
	}
	return nil
}

func (a *NetworkACL) identity() *Identity { return &a.Status.Identity }

func (a *NetworkACL) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("networkAcls", name), "vpc"),
		value: a.VPC, set: func(s string) { a.VPC = s }, kinds: []string{"vpcs"},
		required: "write the VPC that the network ACL belongs to",
	}}
}

// implicit reports whether the ACL is one that exists by itself and says
// nothing of its own.
func (a *NetworkACL) implicit(name string) bool {
	return strings.HasSuffix(name, "/default") && a.Ingress == nil && a.Egress == nil
}

// computeStatus works out the rules in force. Each direction of a default ACL that
// the file leaves out keeps AWS's rules.
func (a *NetworkACL) computeStatus(w *World, name string) {
	s := &a.Status
	s.Default = strings.HasSuffix(name, "/default")
	s.Subnets = []string{}
	vpc := w.VPCs[a.VPC]
	ipv6 := vpc != nil && vpc.IPv6.Wanted()
	inForce := func(entries []NetworkACLEntry) []NetworkACLEntry {
		if s.Default && entries == nil {
			return defaultACLEntries(ipv6)
		}
		entries = append([]NetworkACLEntry{}, entries...)
		slices.SortStableFunc(entries, func(a, b NetworkACLEntry) int { return cmp.Compare(a.Rule, b.Rule) })
		return entries
	}
	s.Ingress, s.Egress = inForce(a.Ingress), inForce(a.Egress)
}

// defaultACLEntries are the rules of a default ACL in one direction (S36).
func defaultACLEntries(ipv6 bool) []NetworkACLEntry {
	entries := []NetworkACLEntry{{Rule: 100, Action: ActionAllow, Protocol: ProtocolAll, CIDR: everyIPv4}}
	if ipv6 {
		entries = append(entries, NetworkACLEntry{Rule: 101, Action: ActionAllow, Protocol: ProtocolAll, CIDR: everyIPv6})
	}
	return entries
}

var (
	everyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
	everyIPv6 = netip.MustParsePrefix("::/0")
)

// PortBounds is the range of destination ports that the rule matches: all of
// them for a protocol without ports (S38).
func (e *NetworkACLEntry) PortBounds() PortRange {
	if e.Ports == nil || !e.Protocol.HasPorts() {
		return AllPorts
	}
	return *e.Ports
}

// ICMP is the type and code that the rule matches, -1 for all. Protocol 58 with
// an IPv4 block ignores what is written (S38).
func (e *NetworkACLEntry) ICMP() (icmpType, icmpCode int) {
	if !e.Protocol.IsICMP() || e.Protocol == ProtocolICMPv6 && e.CIDR.Addr().Is4() {
		return -1, -1
	}
	return orAll(e.ICMPType), orAll(e.ICMPCode)
}

// orAll reads an ICMP type or code that may be absent: -1 means all. AWS's API
// asks for it to be written (QS16b); its console, and a file, do not.
func orAll(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

func (a *NetworkACL) validate(v *validation, name string) {
	path := field("networkAcls", name)
	v.ownVPC(path, name, a.VPC)
	a.validateEntries(v, field(path, "ingress"), a.Ingress)
	a.validateEntries(v, field(path, "egress"), a.Egress)
}

// lastRule is the highest number that a user's rule can have (S35).
const lastRule = 32766

// validateEntries checks one direction. Numbers are unique across families, but
// the quota counts the families apart (Q6).
func (a *NetworkACL) validateEntries(v *validation, path string, entries []NetworkACLEntry) {
	numbers := map[int]bool{}
	var count [2]int // by family; the rule * counts as one (Q6)
	for i := range entries {
		e, at := &entries[i], index(path, i)
		e.validate(v, at)
		if numbers[e.Rule] && e.Rule != 0 { // QS14
			v.reportf(field(at, "rule"), "NetworkAclEntryAlreadyExists", "give each rule of a direction its own number, whatever its family",
				"The network acl entry identified by %d already exists.", e.Rule)
		}
		numbers[e.Rule] = true
		family := 0
		if e.CIDR.IsValid() && e.CIDR.Addr().Is6() {
			family = 1
		}
		if count[family]++; count[family] == v.quotas.RulesPerNetworkACL { // QS15
			v.reportf(at, "NetworkAclEntryLimitExceeded",
				fmt.Sprintf("the quota is %d per direction and family, the final rule * included", v.quotas.RulesPerNetworkACL),
				"The maximum number of network acl entries has been reached.")
		}
	}
}

// validate tells a rule number that is missing from one that is 0 by looking into
// the file: both are 0 in the struct.
func (e *NetworkACLEntry) validate(v *validation, path string) {
	switch {
	case e.Rule == 0 && !v.w.Source.has(field(path, "rule")):
		v.missing(field(path, "rule"), fmt.Sprintf("number the rule, 1 to %d", lastRule))
	case e.Rule < 1 || e.Rule > lastRule: // QS16
		v.reportf(field(path, "rule"), "InvalidParameterValue", fmt.Sprintf("write 1 to %d", lastRule),
			"Value (%d) for parameter ruleNumber is invalid.", e.Rule)
	}
	if e.Action == ActionUnset {
		v.missing(field(path, "action"), "write allow or deny")
	}
	if !e.CIDR.IsValid() {
		v.missing(field(path, "cidr"), "write the source (ingress) or destination (egress), such as 0.0.0.0/0 or ::/0")
	}
	validatePorts(v, path, e.Protocol, e.Ports, e.ICMPType, e.ICMPCode)
}

// validatePorts checks what a rule says about protocol, ports and ICMP (QS8,
// QS16b); the rules are the same for security groups and network ACLs.
func validatePorts(v *validation, path string, p Protocol, ports *PortRange, icmpType, icmpCode *int) {
	switch {
	case p == ProtocolUnset:
		v.missing(field(path, "protocol"), "write tcp, udp, icmp, icmpv6, all, or a number")
		return
	case p.HasPorts() && ports == nil:
		v.missing(field(path, "ports"), fmt.Sprintf("%s needs ports: one port, a range such as 1024-65535, or all", p))
	case p.HasPorts() && ports.From > ports.To:
		v.reportf(field(path, "ports"), "InvalidParameterValue", "",
			"Invalid %s port range. Specify a range where from port is less than or equal to to port", strings.ToUpper(p.String()))
	case p.IsICMP() && ports != nil && *ports != AllPorts:
		v.reportf(field(path, "ports"), "InvalidParameterValue", "write icmpType and icmpCode instead", "%s has no ports", p)
	}
	if !p.IsICMP() && (icmpType != nil || icmpCode != nil) {
		at := field(path, "icmpType")
		if icmpType == nil {
			at = field(path, "icmpCode")
		}
		v.reportf(at, "InvalidParameterValue", "only icmp and icmpv6 have types and codes", "%s has no ICMP type or code", p)
		return
	}
	for key, n := range map[string]int{"icmpType": orAll(icmpType), "icmpCode": orAll(icmpCode)} {
		if n < -1 || n > 255 {
			v.reportf(field(path, key), "InvalidParameterValue", "write 0 to 255, or -1 for all", "%d is out of range for %s", n, key)
		}
	}
	if orAll(icmpType) == -1 && orAll(icmpCode) != -1 { // S7
		v.report(field(path, "icmpCode"), "InvalidParameterValue", "all ICMP types, but one ICMP code", "write icmpType as well, or leave the code out")
	}
}

// ownVPC checks that what AWS makes for one VPC is not claimed for another.
func (v *validation) ownVPC(path, name, vpc string) {
	if own, _, ok := strings.Cut(name, "/"); ok && own != vpc && v.w.VPCs[own] != nil && v.w.VPCs[vpc] != nil {
		v.reportf(field(path, "vpc"), "InvalidParameterValue", "leave vpc out: the name says it",
			"%s belongs to VPC %s, not to %s", name, own, vpc)
	}
}

func (a *NetworkACL) compile(c *compilation, name string) {
	c.b.NetworkACLs = append(c.b.NetworkACLs, dataplane.NetworkACL{
		Object:  object(dataplane.KindNetworkACL, name, a.Status.Identity),
		Ingress: aclRules(a.Status.Ingress, "from"),
		Egress:  aclRules(a.Status.Egress, "to"),
	})
}

func aclRules(entries []NetworkACLEntry, side string) []dataplane.ACLRule {
	rules := make([]dataplane.ACLRule, len(entries))
	for i, e := range entries {
		ports := e.PortBounds()
		icmpType, icmpCode := e.ICMP()
		rules[i] = dataplane.ACLRule{
			Match: match(e.Protocol, ports, icmpType, icmpCode, e.CIDR), Number: e.Rule, Allow: e.Action == ActionAllow,
			Text: fmt.Sprintf("%s %s %s %s", e.Action, trafficText(e.Protocol, ports, icmpType, icmpCode), side, e.CIDR),
		}
	}
	return rules
}
