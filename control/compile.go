package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Compile turns a completed, allocated and valid world into a snapshot. It is
// pure and deterministic. An error is a bug of this package's: what a user can
// get wrong, Validate reports.
func Compile(w *World, revision uint64) (*dataplane.Snapshot, error) {
	c := &compilation{w: w, b: dataplane.Builder{Revision: revision, Internet: internetObject}}
	for _, name := range sorted(w.VPCs) {
		c.vpc(name, w.VPCs[name])
	}
	for _, name := range sorted(w.Subnets) {
		c.subnet(name, w.Subnets[name])
	}
	for _, name := range sorted(w.RouteTables) {
		c.routeTable(name, w.RouteTables[name])
	}
	for _, name := range sorted(w.NetworkACLs) {
		c.networkACL(name, w.NetworkACLs[name])
	}
	for _, name := range sorted(w.SecurityGroups) {
		c.securityGroup(name, w.SecurityGroups[name])
	}
	for _, name := range sorted(w.NetworkInterfaces) {
		c.networkInterface(name, w.NetworkInterfaces[name])
	}
	for _, name := range sorted(w.InternetGateways) {
		c.internetGateway(name, w.InternetGateways[name])
	}
	for _, name := range sorted(w.InternetHosts) {
		c.internetHost(name, w.InternetHosts[name])
	}
	return c.b.Seal()
}

// internetHandle is the Internet's own: control gives it to nothing else.
const internetHandle = 1

var internetObject = dataplane.Object{Handle: internetHandle, Kind: dataplane.KindInternet}

type compilation struct {
	w *World
	b dataplane.Builder
}

func object(kind dataplane.Kind, name string, id Identity) dataplane.Object {
	return dataplane.Object{Handle: dataplane.Handle(id.Handle), Kind: kind, Name: name, ID: id.ID}
}

func (c *compilation) vpc(name string, v *VPC) {
	c.b.VPCs = append(c.b.VPCs, dataplane.VPC{
		Object: object(dataplane.KindVPC, name, v.Status.Identity),
		CIDRs:  withIPv6(v.Status.CIDRs, v.Status.IPv6CIDR),
	})
}

func (c *compilation) subnet(name string, s *Subnet) {
	c.b.Subnets = append(c.b.Subnets, dataplane.Subnet{
		Object:     object(dataplane.KindSubnet, name, s.Status.Identity),
		VPC:        dataplane.Handle(c.w.VPCs[s.VPC].Status.Handle),
		RouteTable: dataplane.Handle(c.w.RouteTables[s.Status.RouteTable].Status.Handle),
		NetworkACL: dataplane.Handle(c.w.NetworkACLs[s.Status.NetworkACL].Status.Handle),
		CIDRs:      withIPv6([]netip.Prefix{s.CIDR}, s.Status.IPv6CIDR),
	})
}

// withIPv6 lists the valid blocks among v4 and v6.
func withIPv6(v4 []netip.Prefix, v6 netip.Prefix) []netip.Prefix {
	list := slices.Clone(v4)
	list = append(list, v6)
	return slices.DeleteFunc(list, func(p netip.Prefix) bool { return !p.IsValid() })
}

// routeTable expands prefix lists, each entry a route of its own length (R22),
// and chooses among routes of the same prefix: static before prefix list (R15).
func (c *compilation) routeTable(name string, t *RouteTable) {
	out := dataplane.RouteTable{Object: object(dataplane.KindRouteTable, name, t.Status.Identity)}
	taken := map[netip.Prefix]bool{}
	add := func(p netip.Prefix, r Route, text string) {
		if taken[p] {
			return
		}
		taken[p] = true
		out.Routes = append(out.Routes, dataplane.Route{Destination: p, Target: c.target(t, r), Text: text})
	}
	lists := make([]Route, 0)
	for _, r := range t.Status.Routes {
		if r.Destination.PrefixList != "" {
			lists = append(lists, r)
			continue
		}
		add(r.Destination.Prefix, r, routeText(r.Destination.Prefix.String(), r))
	}
	// Equal prefixes of two lists: AWS picks one arbitrarily and keeps it; we
	// take the lowest list ID.
	slices.SortStableFunc(lists, func(a, b Route) int {
		return cmp.Compare(c.w.PrefixLists[a.Destination.PrefixList].Status.ID, c.w.PrefixLists[b.Destination.PrefixList].Status.ID)
	})
	for _, r := range lists {
		for _, p := range c.w.PrefixLists[r.Destination.PrefixList].Entries {
			add(p, r, routeText(fmt.Sprintf("%s (prefix list %s)", p, r.Destination.PrefixList), r))
		}
	}
	c.b.RouteTables = append(c.b.RouteTables, out)
}

func routeText(destination string, r Route) string {
	if r.TargetKind == TargetLocal {
		return destination + " → local"
	}
	return fmt.Sprintf("%s → %s %s", destination, r.TargetKind, r.Target)
}

func (c *compilation) target(t *RouteTable, r Route) dataplane.Target {
	if r.State == RouteBlackhole {
		return dataplane.Target{}
	}
	switch r.TargetKind {
	case TargetLocal:
		return dataplane.Target{Kind: dataplane.TargetLocal, Handle: dataplane.Handle(c.w.VPCs[t.VPC].Status.Handle)}
	case "internetGateway":
		return dataplane.Target{Kind: dataplane.TargetInternetGateway, Handle: dataplane.Handle(c.w.InternetGateways[r.Target].Status.Handle)}
	case "networkInterface":
		return dataplane.Target{Kind: dataplane.TargetNetworkInterface, Handle: dataplane.Handle(c.w.NetworkInterfaces[r.Target].Status.Handle)}
	}
	return dataplane.Target{}
}

func (c *compilation) networkACL(name string, a *NetworkACL) {
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

func match(p Protocol, ports PortRange, icmpType, icmpCode int, cidr netip.Prefix) dataplane.Match {
	m := dataplane.Match{
		Protocol: int(p.Number()), FirstPort: ports.From, LastPort: ports.To,
		ICMPType: icmpType, ICMPCode: icmpCode, CIDR: cidr,
	}
	if p == ProtocolAll {
		m.Protocol = dataplane.AnyProtocol
	}
	return m
}

// trafficText is "tcp/22", "icmp type 8", "all": what a rule is about.
func trafficText(p Protocol, ports PortRange, icmpType, icmpCode int) string {
	switch {
	case p.HasPorts() && ports == AllPorts:
		return p.String() + " on every port"
	case p.HasPorts():
		return fmt.Sprintf("%s/%s", p, ports)
	case p.IsICMP() && icmpType >= 0 && icmpCode >= 0:
		return fmt.Sprintf("%s type %d code %d", p, icmpType, icmpCode)
	case p.IsICMP() && icmpType >= 0:
		return fmt.Sprintf("%s type %d", p, icmpType)
	case p == ProtocolAll:
		return "all traffic"
	case p.IsICMP():
		return p.String()
	}
	return "protocol " + p.String()
}

func (c *compilation) securityGroup(name string, g *SecurityGroup) {
	c.b.SecurityGroups = append(c.b.SecurityGroups, dataplane.SecurityGroup{
		Object:  object(dataplane.KindSecurityGroup, name, g.Status.Identity),
		Ingress: c.groupRules(g.Status.Ingress, "from"),
		Egress:  c.groupRules(g.Status.Egress, "to"),
	})
}

func (c *compilation) groupRules(permissions []SecurityGroupPermission, side string) []dataplane.GroupRule {
	var rules []dataplane.GroupRule
	for _, p := range permissions {
		what := trafficText(p.Protocol, p.Ports, p.ICMPType, p.ICMPCode)
		add := func(cidr netip.Prefix, group dataplane.Handle, peer string) {
			rules = append(rules, dataplane.GroupRule{
				Match: match(p.Protocol, p.Ports, p.ICMPType, p.ICMPCode, cidr),
				Group: group, Text: fmt.Sprintf("%s %s %s", what, side, peer),
			})
		}
		switch {
		case p.SecurityGroup != "":
			add(netip.Prefix{}, dataplane.Handle(c.w.SecurityGroups[p.SecurityGroup].Status.Handle), "securityGroup "+p.SecurityGroup)
		case p.PrefixList != "":
			for _, entry := range c.w.PrefixLists[p.PrefixList].Entries {
				add(entry, 0, fmt.Sprintf("%s (prefixList %s)", entry, p.PrefixList))
			}
		default:
			add(p.CIDR, 0, p.CIDR.String())
		}
	}
	return rules
}

func (c *compilation) networkInterface(name string, n *NetworkInterface) {
	instance := c.w.Instances[n.Instance]
	out := dataplane.NetworkInterface{
		Object:          object(dataplane.KindNetworkInterface, name, n.Status.Identity),
		Subnet:          dataplane.Handle(c.w.Subnets[n.Subnet].Status.Handle),
		MAC:             packet.MAC(n.Status.MAC),
		Addresses:       slices.Concat(n.Status.PrivateIPs, n.Status.IPv6s),
		SourceDestCheck: n.SourceDestCheck,
		Stopped:         instance.Stopped,
		Forwards:        instance.Forward,
	}
	for _, g := range n.SecurityGroups {
		out.SecurityGroups = append(out.SecurityGroups, dataplane.Handle(c.w.SecurityGroups[g].Status.Handle))
	}
	c.b.NetworkInterfaces = append(c.b.NetworkInterfaces, out)
}

func (c *compilation) internetGateway(name string, g *InternetGateway) {
	if g.VPC == "" {
		return // detached: routes to it are blackholes, and nothing comes in
	}
	out := dataplane.InternetGateway{
		Object: object(dataplane.KindInternetGateway, name, g.Status.Identity),
		VPC:    dataplane.Handle(c.w.VPCs[g.VPC].Status.Handle),
	}
	for _, eni := range sorted(c.w.NetworkInterfaces) {
		n := c.w.NetworkInterfaces[eni]
		if n.VPC == g.VPC && n.Status.PublicIP.IsValid() {
			out.PublicAddresses = append(out.PublicAddresses, dataplane.PublicAddress{
				Public: n.Status.PublicIP, Private: n.Status.PrivateIPs[0], Interface: dataplane.Handle(n.Status.Handle),
			})
		}
	}
	c.b.InternetGateways = append(c.b.InternetGateways, out)
}

func (c *compilation) internetHost(name string, h *InternetHost) {
	out := dataplane.InternetHost{
		Object: object(dataplane.KindInternetHost, name, h.Status.Identity),
		MAC:    dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
	}
	for _, a := range []netip.Addr{h.IP, h.Status.IPv6} {
		if a.IsValid() {
			out.Addresses = append(out.Addresses, a)
		}
	}
	c.b.InternetHosts = append(c.b.InternetHosts, out)
}
