package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// joined is the lab of connectivity.md: VPCs a, b, c and so on, each with an
// instance in two Availability Zones (a1, a2) and two subnets that no instance is
// in, for a transit gateway (a-t1, a-t2). The VPC of number k has the blocks
// 10.k.0.0/16 and 2001:db8:ak::/56. Maps are by the name of what they are about;
// what is missing in them stays open, or empty.
type joined struct {
	vpcs    int
	regions map[string]string // of VPCs that are not in us-east-1
	only4   string            // VPCs without IPv6, by their letters
	routes  map[string]string // of a VPC; or of one of its subnets alone
	groups  map[string]string // rules of a VPC's group
	acls    map[string]string // of a subnet; the VPC's default one if ""
	// fields are further ones of instances.
	fields map[string]string
	more   string // further sections
}

func (j joined) String() string {
	var vpcs, tables, acls, subnets, groups, instances strings.Builder
	for k := range j.vpcs {
		v := vpcName(k)
		region, v6 := j.regions[v], !strings.Contains(j.only4, v)
		vpcFields, group := "", j.groups[v]
		if region == "" {
			region = "us-east-1"
		} else {
			vpcFields = ", region: " + region
		}
		if v6 {
			vpcFields += fmt.Sprintf(`, ipv6: "2001:db8:a%d::/56"`, k)
		}
		if group == "" {
			group = everythingIn
		}
		fmt.Fprintf(&vpcs, "  %s: {cidr: 10.%d.0.0/16%s}\n", v, k, vpcFields)
		fmt.Fprintf(&tables, "  %s: {vpc: %s, main: true, routes: {%s}}\n", v, v, j.routes[v])
		fmt.Fprintf(&groups, "  %s: {vpc: %s, %s}\n", v, v, group)
		for i, s := range []string{"1", "2", "t1", "t2"} {
			third := []int{1, 2, 81, 82}[i]
			name, fields := v+"-"+s, ""
			if v6 {
				fields = fmt.Sprintf(`, ipv6: "2001:db8:a%d:%d::/64"`, k, third)
			}
			if routes, ok := j.routes[name]; ok {
				fields += ", routeTable: " + name
				fmt.Fprintf(&tables, "  %s: {vpc: %s, routes: {%s}}\n", name, v, routes)
			}
			if acl, ok := j.acls[name]; ok {
				fields += ", networkAcl: " + name
				fmt.Fprintf(&acls, "  %s: {vpc: %s, %s}\n", name, v, acl)
			}
			fmt.Fprintf(&subnets, "  %s: {vpc: %s, az: %s%c, cidr: 10.%d.%d.0/24%s}\n", name, v, region, 'a'+i%2, k, third, fields)
		}
		for i := 1; i <= 2; i++ {
			name, fields := fmt.Sprintf("%s%d", v, i), ""
			if v6 {
				fields = fmt.Sprintf(`, ipv6: "2001:db8:a%d:%d::10"`, k, i)
			}
			if more := j.fields[name]; more != "" {
				fields += ", " + more
			}
			fmt.Fprintf(&instances, "  %s: {subnet: %s-%d, ip: 10.%d.%d.10%s, securityGroups: [%s]}\n", name, v, i, k, i, fields, v)
		}
	}
	return "vpcs:\n" + vpcs.String() + "routeTables:\n" + tables.String() + "networkAcls:\n" + acls.String() +
		"subnets:\n" + subnets.String() + "securityGroups:\n" + groups.String() + "instances:\n" + instances.String() + j.more
}

func vpcName(k int) string { return string(rune('a' + k)) }

// to is a route for both blocks of each of the VPCs.
func to(target string, vpcs ...string) string {
	var routes []string
	for _, v := range vpcs {
		routes = append(routes, fmt.Sprintf(`10.%d.0.0/16: %s, "2001:db8:a%d::/56": %s`, v[0]-'a', target, v[0]-'a', target))
	}
	return strings.Join(routes, ", ")
}

// toAll is a route for everything.
func toAll(target string) string { return fmt.Sprintf(`0.0.0.0/0: %s, "::/0": %s`, target, target) }

// toPrivate is a route for the blocks of all VPCs.
func toPrivate(target string) string {
	return fmt.Sprintf(`10.0.0.0/8: %s, "2001:db8::/32": %s`, target, target)
}

// peered is the section with a peering per pair of VPCs: "ab" is one of a and b,
// asked for by a; a state may follow.
func peered(peerings ...string) string {
	text := "vpcPeerings:\n"
	for _, p := range peerings {
		pair, state, written := strings.Cut(p, " ")
		if written {
			state = ", state: " + state
		}
		text += fmt.Sprintf("  %s: {vpc: %c, peerVpc: %c%s}\n", pair, pair[0], pair[1], state)
	}
	return text
}

// transit is a set of transit gateways with what is attached to them.
type transit struct {
	gateways    map[string]string // fields, by name
	attachments map[string]string
	tables      map[string]string
}

func (t transit) String() string {
	section := func(name string, entries map[string]string) string {
		text := name + ":\n"
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			text += fmt.Sprintf("  %s: {%s}\n", key, entries[key])
		}
		return text
	}
	return section("transitGateways", t.gateways) + section("transitGatewayAttachments", t.attachments) +
		section("transitGatewayRouteTables", t.tables)
}

// hub is a gateway of that name, with each of the VPCs attached as hub-a, hub-b and
// so on in both zones; all reach all.
func hub(vpcs ...string) transit {
	t := transit{gateways: map[string]string{"hub": ""}, attachments: map[string]string{}, tables: map[string]string{}}
	for _, v := range vpcs {
		t.attachments["hub-"+v] = fmt.Sprintf("transitGateway: hub, vpc: %s, subnets: [%s-t1, %s-t2]", v, v, v)
	}
	return t
}

// with returns the lab with the table of that name.
func (t transit) with(table, fields string) transit {
	t.tables = maps.Clone(t.tables)
	t.tables[table] = fields
	return t
}

// attaching returns the lab with an attachment written otherwise.
func (t transit) attaching(name, fields string) transit {
	t.attachments = maps.Clone(t.attachments)
	t.attachments[name] = fields
	return t
}

// Outcomes of packets between a1 and b1, and between b1 and c1.
const (
	fromAToB = "delivered to b1 | a1 egress ACCEPT, b1 ingress ACCEPT"
	fromBToA = "delivered to a1 | b1 egress ACCEPT, a1 ingress ACCEPT"
	fromBToC = "delivered to c1 | b1 egress ACCEPT, c1 ingress ACCEPT"
	fromCToB = "delivered to b1 | c1 egress ACCEPT, b1 ingress ACCEPT"
)
