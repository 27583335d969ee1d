package control

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// SecurityGroup allows packets to and from the interfaces that carry it. It
// keeps state: replies to what was allowed pass.
type SecurityGroup struct {
	// VPC that the group belongs to.
	VPC string `json:"vpc"`
	// What the group is for.
	Description string `json:"description,omitempty"`
	// Rules for packets to the interfaces; none allows nothing. The default
	// group "VPC/default" without the key allows everything from itself.
	Ingress []SecurityGroupRule `json:"ingress,omitzero"`
	// Rules for packets from the interfaces. Without the key everything is
	// allowed; an empty list allows nothing.
	Egress []SecurityGroupRule `json:"egress,omitzero"`

	Status SecurityGroupStatus `json:"status" yaml:"-"`
}

// SecurityGroupRule allows one protocol from or to its peers.
type SecurityGroupRule struct {
	// tcp, udp, icmp, icmpv6, all, or a protocol number.
	Protocol Protocol `json:"protocol"`
	// Destination ports: 80, 1024-65535 or all; for tcp and udp only.
	Ports *PortRange `json:"ports,omitempty"`
	// In ingress: a security group (of another account also as ACCOUNT/GROUP), a
	// CIDR block, a prefix list, or a list of these.
	From Peers `json:"from,omitempty"`
	// In egress: a security group (of another account also as ACCOUNT/GROUP), a
	// CIDR block, a prefix list, or a list of these.
	To Peers `json:"to,omitempty"`
	// ICMP type, -1 or absent for all.
	ICMPType *int `json:"icmpType,omitempty"`
	// ICMP code, -1 or absent for all.
	ICMPCode *int `json:"icmpCode,omitempty"`
	// What the rule is for.
	Description string `json:"description,omitempty"`
}

// SecurityGroupStatus is what AWS makes of a security group.
type SecurityGroupStatus struct {
	Identity
	Default bool `json:"default"`
	// Ingress and Egress are the rules in force, one peer each, in the order
	// of the file.
	Ingress []SecurityGroupPermission `json:"ingress"`
	Egress  []SecurityGroupPermission `json:"egress"`
	// NetworkInterfaces that carry the group; sorted.
	NetworkInterfaces []string `json:"networkInterfaces"`
}

// SecurityGroupPermission is a rule in force: one protocol, one peer.
type SecurityGroupPermission struct {
	ID       string    `json:"id"` // sgr-…, the same for the same rule of the same group
	Protocol Protocol  `json:"protocol"`
	Ports    PortRange `json:"ports"`    // AllPorts where ports do not count
	ICMPType int       `json:"icmpType"` // -1: all
	ICMPCode int       `json:"icmpCode"` // -1: all
	// Exactly one of the three peers is set.
	CIDR          netip.Prefix `json:"cidr,omitzero"`
	SecurityGroup string       `json:"securityGroup,omitempty"`
	PrefixList    string       `json:"prefixList,omitempty"`
	// Stale: the group is of another VPC, and the way there is not in force any
	// more; the rule matches nothing (S12).
	Stale       bool   `json:"stale,omitempty"`
	Description string `json:"description,omitempty"`
	// Rule is the index in the group's Ingress or Egress that it comes from;
	// -1 for a rule that AWS made.
	Rule int `json:"-"`
}

// Peer is the other side of a rule: a CIDR block, or the name or ID of a
// security group or prefix list.
type Peer struct {
	CIDR netip.Prefix // invalid if Name is set
	Name string
}

// Peers is one peer or a list of them.
type Peers []Peer

const defaultGroupDescription = "default VPC security group"

func (g *SecurityGroup) identity() *Identity { return &g.Status.Identity }

// implicit reports whether the group is one that exists by itself and says
// nothing of its own.
func (g *SecurityGroup) implicit(name string) bool {
	return strings.HasSuffix(name, "/default") && g.Ingress == nil && g.Egress == nil &&
		(g.Description == "" || g.Description == defaultGroupDescription)
}

// references does not know whether a peer is a group or a prefix list; names are
// unique across the two. Only groups belong to a VPC.
func (g *SecurityGroup) references(w *World, name string) []reference {
	path := field("securityGroups", name)
	refs := []reference{{
		path: field(path, "vpc"), value: g.VPC, set: func(s string) { g.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that the security group belongs to",
	}}
	peers := func(path string, peers Peers, inbound bool) {
		for i := range peers {
			peer := &peers[i]
			if peer.Name == "" {
				continue
			}
			at := path
			if len(peers) > 1 {
				at = index(path, i)
			}
			refs = append(refs, reference{
				path: at, value: peer.Name, set: func(s string) { peer.Name = s },
				kinds: []string{"securityGroups", "prefixLists"}, vpc: g.VPC, foreign: differentNetworks, across: w.mayReference(g.VPC, inbound), // QS9
			})
		}
	}
	for i := range g.Ingress {
		peers(field(index(field(path, "ingress"), i), "from"), g.Ingress[i].From, true)
	}
	for i := range g.Egress {
		peers(field(index(field(path, "egress"), i), "to"), g.Egress[i].To, false)
	}
	return refs
}

// differentNetworks is AWS's word for a security group of another VPC.
var differentNetworks = badValue{
	code:    "InvalidGroup.NotFound",
	message: "You have specified two resources that belong to different networks.",
}

// computeStatus works out the rules in force: what is written, or what AWS puts
// into a new group (S2) or the default group (S3).
func (g *SecurityGroup) computeStatus(w *World, name string) {
	s := &g.Status
	s.Default = strings.HasSuffix(name, "/default")
	s.NetworkInterfaces = []string{}
	if s.Default && g.Ingress == nil {
		s.Ingress = []SecurityGroupPermission{allTraffic(SecurityGroupPermission{SecurityGroup: name})}
	} else {
		s.Ingress = permissions(w, g.Ingress, func(r *SecurityGroupRule) Peers { return r.From })
	}
	if g.Egress == nil {
		s.Egress = []SecurityGroupPermission{allTraffic(SecurityGroupPermission{CIDR: everyIPv4})}
		if vpc := w.VPCs[g.VPC]; vpc != nil && vpc.IPv6.Wanted() {
			s.Egress = append(s.Egress, allTraffic(SecurityGroupPermission{CIDR: everyIPv6}))
		}
	} else {
		s.Egress = permissions(w, g.Egress, func(r *SecurityGroupRule) Peers { return r.To })
	}
	w.markStale(g.VPC, s.Ingress, true)
	w.markStale(g.VPC, s.Egress, false)
	for i := range s.Ingress {
		s.Ingress[i].ID = resourceID("sgr", w.Name, "securityGroupRules", name+" in "+s.Ingress[i].String())
	}
	for i := range s.Egress {
		s.Egress[i].ID = resourceID("sgr", w.Name, "securityGroupRules", name+" out "+s.Egress[i].String())
	}
}

// allTraffic completes a permission that has only its peer.
func allTraffic(p SecurityGroupPermission) SecurityGroupPermission {
	p.Protocol, p.Ports, p.ICMPType, p.ICMPCode, p.Rule = ProtocolAll, AllPorts, -1, -1, -1
	return p
}

// permissions takes rules apart into one permission per peer.
func permissions(w *World, rules []SecurityGroupRule, peers func(*SecurityGroupRule) Peers) []SecurityGroupPermission {
	list := make([]SecurityGroupPermission, 0, len(rules))
	for i := range rules {
		rule := &rules[i]
		for _, peer := range peers(rule) {
			p := allTraffic(SecurityGroupPermission{CIDR: peer.CIDR, Description: rule.Description})
			p.Rule, p.Protocol = i, rule.Protocol
			if w.PrefixLists[peer.Name] != nil {
				p.PrefixList = peer.Name
			} else {
				p.SecurityGroup = peer.Name
			}
			if rule.Ports != nil && rule.Protocol.HasPorts() {
				p.Ports = *rule.Ports
			}
			if rule.Protocol.IsICMP() {
				p.ICMPType, p.ICMPCode = orAll(rule.ICMPType), orAll(rule.ICMPCode)
			}
			list = append(list, p)
		}
	}
	return list
}

// String is the permission as AWS words it in errors (QS4).
func (p SecurityGroupPermission) String() string {
	peer := p.SecurityGroup + p.PrefixList
	if p.CIDR.IsValid() {
		peer = p.CIDR.String()
	}
	switch {
	case p.Protocol == ProtocolAll:
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case p.Protocol.HasPorts():
		return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(p.Protocol.String()), p.Ports.From, p.Ports.To)
	case p.Protocol.IsICMP():
		return fmt.Sprintf("peer: %s, %s, type: %d, code: %d, ALLOW", peer, strings.ToUpper(p.Protocol.String()), p.ICMPType, p.ICMPCode)
	}
	return fmt.Sprintf("peer: %s, protocol: %s, ALLOW", peer, p.Protocol)
}

func (g *SecurityGroup) compile(c *compilation, name string) {
	c.b.SecurityGroups = append(c.b.SecurityGroups, dataplane.SecurityGroup{
		Object:  object(dataplane.KindSecurityGroup, name, g.Status.Identity),
		Ingress: c.groupRules(g.VPC, g.Status.Ingress, "from"),
		Egress:  c.groupRules(g.VPC, g.Status.Egress, "to"),
	})
}

func (c *compilation) groupRules(vpc string, permissions []SecurityGroupPermission, side string) []dataplane.GroupRule {
	var rules []dataplane.GroupRule
	for _, p := range permissions {
		what := trafficText(p.Protocol, p.Ports, p.ICMPType, p.ICMPCode)
		add := func(cidr netip.Prefix, peer string) {
			rules = append(rules, dataplane.GroupRule{
				Match: match(p.Protocol, p.Ports, p.ICMPType, p.ICMPCode, cidr),
				Text:  fmt.Sprintf("%s %s %s", what, side, peer),
			})
		}
		switch {
		case p.SecurityGroup != "":
			peer := "securityGroup " + p.SecurityGroup
			if p.Stale {
				peer += " (stale)"
			}
			add(netip.Prefix{}, peer)
			rule := &rules[len(rules)-1]
			rule.Group, rule.Across = c.groupOf(vpc, p, side == "from")
		case p.PrefixList != "":
			for _, entry := range c.w.PrefixLists[p.PrefixList].Entries {
				add(entry, fmt.Sprintf("%s (prefixList %s)", entry, p.PrefixList))
			}
		default:
			add(p.CIDR, p.CIDR.String())
		}
	}
	return rules
}
