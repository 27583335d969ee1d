package scenarios

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// fixture is the lab of filtering.md and addressing.md: i1 and i2 in subnet s1,
// i3 in s2, and host x on the Internet. An empty field means: everything is
// allowed. The text of groups and ACLs is the inside of their YAML map, with the
// words of [inFamily].
type fixture struct {
	a, b, defaultGroup string // i1 carries a, i2 and i3 carry b
	acl1, acl2         string // of s1, s2
	group1, group2     string // other groups for i1 and i2
	i1, i2, i3         string // further fields of the instances
	routes, routes2    string // of s1, and of s2; default is by the gateway
	more               string // further sections
}

func (f fixture) String() string {
	open := `ingress: [{protocol: all, from: [0.0.0.0/0, "::/0"]}]`
	acl := func(text, name string) (definition, reference string) {
		if text == "" {
			return "", ""
		}
		return fmt.Sprintf("  %s: {vpc: v, %s}\n", name, text), ", networkAcl: " + name
	}
	acl1, use1 := acl(f.acl1, "s1")
	acl2, use2 := acl(f.acl2, "s2")
	group := ""
	if f.defaultGroup != "" {
		group = fmt.Sprintf("  v/default: {%s}\n", f.defaultGroup)
	}
	optional := func(fields string) string {
		if fields == "" {
			return ""
		}
		return ", " + fields
	}
	routes := `{0.0.0.0/0: igw, "::/0": igw}`
	var b strings.Builder
	fmt.Fprintf(&b, `
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: "2001:db8:1::/56"}}
internetGateways: {igw: {vpc: v}}
routeTables:
  r1: {vpc: v, routes: %s}
  r2: {vpc: v, routes: %s}
networkAcls:
%s%ssubnets:
  s1: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64", routeTable: r1%s}
  s2: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64", routeTable: r2%s}
  s3: {vpc: v, cidr: 10.0.3.0/24, ipv6: "2001:db8:1:3::/64"}
securityGroups:
%s  a: {vpc: v, %s}
  b: {vpc: v, %s}
instances:
  i1: {subnet: s1, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [%s]%s}
  i2: {subnet: s1, ip: 10.0.1.20, ipv6: "2001:db8:1:1::20", securityGroups: [%s]%s}
  i3: {subnet: s2, ip: 10.0.2.30, ipv6: "2001:db8:1:2::30", securityGroups: [b]%s}
`, cmp.Or(f.routes, routes), cmp.Or(f.routes2, routes),
		acl1, acl2, use1, use2, group, cmp.Or(f.a, open), cmp.Or(f.b, open),
		cmp.Or(f.group1, "a"), optional(f.i1), cmp.Or(f.group2, "b"), optional(f.i2), optional(f.i3))
	b.WriteString(f.more)
	if !strings.Contains(f.more, "internetHosts:") {
		b.WriteString("internetHosts: {x: {ip: 203.0.113.5, ipv6: \"2001:db8:ff00::5\"}}\n")
	}
	return b.String()
}

// inFamily replaces the words that mean something else in each address family.
func inFamily(text string, family control.Family) string {
	if family == control.IPv6 {
		return strings.NewReplacer(
			"$any", `"::/0"`, "$i1", `"2001:db8:1:1::10/128"`, "$s1", `"2001:db8:1:1::/64"`, "$s2", `"2001:db8:1:2::/64"`,
			"$x", `"2001:db8:ff00::5/128"`, "$icmp", "icmpv6", "$echo", "128",
			"$A", `"2001:db8:a0::/56"`, "$B", `"2001:db8:a1::/56"`, "$C", `"2001:db8:a2::/56"`, // of [joined]
		).Replace(text)
	}
	return strings.NewReplacer(
		"$any", "0.0.0.0/0", "$i1", "10.0.1.10/32", "$s1", "10.0.1.0/24", "$s2", "10.0.2.0/24",
		"$x", "203.0.113.5/32", "$icmp", "icmp", "$echo", "8",
		"$A", "10.0.0.0/16", "$B", "10.1.0.0/16", "$C", "10.2.0.0/16",
	).Replace(text)
}

// Rules that cases share. allowAll is an ACL's rule number 100.
const (
	allowAll     = "{rule: 100, action: allow, protocol: all, cidr: $any}"
	openACL      = "ingress: [" + allowAll + "], egress: [" + allowAll + "]"
	denyACL      = "ingress: [], egress: []"
	nothingIn    = "ingress: []"
	nothingOut   = "egress: []"
	everythingIn = `ingress: [{protocol: all, from: [0.0.0.0/0, "::/0"]}]`
)
