package control

import (
	"fmt"
	"slices"
	"strings"
)

// Action is what becomes of a resource.
type Action string

// The actions of a plan.
const (
	ActionCreate Action = "create"
	ActionUpdate Action = "update"
	ActionDelete Action = "delete"
	// ActionReplace is a delete and a create: AWS has no way to change what
	// changed. The resource's flow state goes with it.
	ActionReplace Action = "replace"
)

// Change is what happens to one resource on the way from one world to another.
type Change struct {
	Action Action        `json:"action"`
	Kind   string        `json:"kind"` // plural
	Name   string        `json:"name"`
	Fields []FieldChange `json:"fields,omitempty"` // of updates and replacements
	// Effect says in one sentence why the change matters, or is "".
	Effect string `json:"effect,omitempty"`
}

// FieldChange is one value that differs. Old or New is "" where there is none.
type FieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Plan lists what differs between two worlds that Prepare has seen, kind by
// kind, each by name. Rules of security groups and network ACLs are compared as
// they are in force, so that what AWS adds or takes away by itself shows too.
func Plan(old, new *World) []Change {
	var changes []Change
	p := &planner{old: old, new: new, replaced: map[string]bool{}}
	for _, k := range Kinds() {
		names := slices.Concat(k.Names(old), k.Names(new))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if c, ok := p.change(k, name); ok {
				changes = append(changes, c)
			}
		}
	}
	return changes
}

type planner struct {
	old, new *World
	replaced map[string]bool // "subnets private": what depends on it is replaced too
}

// change is what happens to one resource, false if nothing does. Kinds come in the
// order in which they are founded on each other, so what a resource stands on
// has been looked at before it.
func (p *planner) change(k Kind, name string) (Change, bool) {
	was, is := k.Get(p.old, name), k.Get(p.new, name)
	c := Change{Kind: k.Plural, Name: name}
	switch {
	case was == nil:
		c.Action = ActionCreate
	case is == nil:
		c.Action = ActionDelete
	default:
		c.Action = ActionUpdate
		c.Fields = differences(describe(p.old, was), describe(p.new, is))
	}
	cause := ""
	if c.Action == ActionUpdate {
		for _, on := range p.foundations(k.Plural, name) {
			if p.replaced[on] {
				cause = on
			}
		}
		if cause != "" || slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return immutable(k.Plural, f.Path) }) {
			c.Action = ActionReplace
			p.replaced[k.Plural+" "+name] = true
		} else if len(c.Fields) == 0 {
			return c, false
		}
	}
	if k.Derived && p.goesWithoutSaying(name, c.Action) || implicit(was) && is == nil || was == nil && implicit(is) {
		return c, false
	}
	c.Effect = effect(c, cause)
	return c, true
}

// goesWithoutSaying reports whether a change to a network interface follows
// from its instance's own line.
func (p *planner) goesWithoutSaying(name string, action Action) bool {
	instance, _, _ := strings.Cut(name, "/")
	_, was := p.old.Instances[instance]
	_, is := p.new.Instances[instance]
	switch action {
	case ActionCreate:
		return !was
	case ActionDelete:
		return !is
	}
	return action == ActionUpdate
}

// implicit reports that a Region, a link, a list of AWS's, or the attachment
// of a VPN connection or a Client VPN endpoint is there only because something else is: it comes and goes with that.
func implicit(r Resource) bool {
	switch x := r.(type) {
	case *Region:
		return x.Status.Derived && x.unwritten()
	case *Link:
		return x.implicit()
	case *TransitGatewayAttachment:
		return x.implicit()
	case *PrefixList:
		return x.managed()
	}
	return false
}

// foundations are the resources without which this one cannot go on.
func (p *planner) foundations(plural, name string) []string {
	switch plural {
	case "subnets", "routeTables", "networkAcls", "securityGroups", "egressOnlyInternetGateways":
		return []string{"vpcs " + p.new.vpcOf(plural, name)}
	case "vpcPeerings":
		p := p.new.VPCPeerings[name]
		return []string{"vpcs " + p.VPC, "vpcs " + p.PeerVPC}
	case "transitGatewayAttachments":
		a := p.new.TransitGatewayAttachments[name]
		if a.isVPN() {
			return []string{"transitGateways " + a.TransitGateway, "vpnConnections " + name}
		}
		if a.isClientVPN() {
			return []string{"transitGateways " + a.TransitGateway, "clientVpnEndpoints " + name}
		}
		on := []string{"transitGateways " + a.TransitGateway, "transitGateways " + a.Peer, "vpcs " + a.VPC}
		if t := p.new.TransitGatewayAttachments[a.Transport]; t != nil {
			on = append(on, "vpcs "+t.VPC)
		}
		return on
	case "transitGatewayConnectPeers":
		return []string{"transitGatewayAttachments " + p.new.TransitGatewayConnectPeers[name].Attachment}
	case "transitGatewayRouteTables":
		return []string{"transitGateways " + p.new.TransitGatewayRouteTables[name].TransitGateway}
	case "vpnClients":
		return []string{"clientVpnEndpoints " + p.new.VPNClients[name].Endpoint}
	case "siteHosts":
		return []string{"sites " + p.new.SiteHosts[name].Site}
	case "customerGateways":
		return []string{"sites " + p.new.CustomerGateways[name].Site}
	case "instances":
		return []string{"subnets " + p.new.Instances[name].Subnet}
	case "natGateways":
		return []string{"subnets " + p.new.NATGateways[name].Subnet}
	case "vpcEndpoints":
		return []string{"vpcs " + p.new.VPCEndpoints[name].VPC}
	case "targetGroups":
		return []string{"vpcs " + p.new.TargetGroups[name].VPC}
	case "loadBalancers":
		return []string{"vpcs " + p.new.LoadBalancers[name].Status.VPC}
	case "flowLogs":
		kind, on := p.new.FlowLogs[name].resource(p.new)
		if k, ok := KindNamed(kind); ok {
			return []string{k.Plural + " " + on}
		}
	case "trafficMirrorSessions":
		return []string{"networkInterfaces " + p.new.TrafficMirrorSessions[name].Status.NetworkInterface}
	case "trafficMirrorTargets":
		return []string{"networkInterfaces " + p.new.TrafficMirrorTargets[name].Status.NetworkInterface}
	case "networkInterfaces":
		eni := p.new.NetworkInterfaces[name]
		return []string{"subnets " + eni.Subnet, "instances " + eni.Instance}
	}
	return nil
}

// immutable reports whether AWS has no way to change a field of a resource.
func immutable(plural, path string) bool {
	if plural == "dhcpOptions" || plural == "flowLogs" {
		return true // A38, F4
	}
	return slices.Contains(immutableFields[plural], path)
}

var immutableFields = map[string][]string{
	"vpcs":                       {"cidr", "region", "account"},
	"vpcPeerings":                {"vpc", "peerVpc"},
	"subnets":                    {"vpc", "cidr", "az", "ipv6Native"},
	"transitGateways":            {"region", "account"},
	"transitGatewayAttachments":  {"transitGateway", "vpc", "peer", "transport"},
	"transitGatewayConnectPeers": {"attachment", "peerAddress", "transitGatewayAddress", "insideCidrs", "peerAsn"},
	"transitGatewayRouteTables":  {"transitGateway"},
	"sites":                      {"publicIp", "ipv6"},
	"siteHosts":                  {"site", "ip", "ipv6"},
	"customerGateways":           {"site", "asn", "ipAddressType"},
	"vpnGateways":                {"asn"}, // V1
	"vpnConnections":             {"routing", "tunnelInsideIpVersion", "outsideIpAddressType", "enableAcceleration"},
	"clientVpnEndpoints":         {"clientCidr", "trafficIpAddressType", "endpointIpAddressType", "transitGateway"}, // C1, C11
	"vpnClients":                 {"endpoint", "internetIp"},
	"routeTables":                {"vpc"},
	"networkAcls":                {"vpc"},
	"securityGroups":             {"vpc"},
	"prefixLists":                {"family"},
	"egressOnlyInternetGateways": {"vpc"},
	"natGateways":                {"subnet", "connectivity", "privateIp", "eip"}, // the primary addresses (R38)
	"instances":                  {"subnet", "ip"},
	"networkInterfaces":          {"subnet", "ip"},
	"vpcEndpoints":               {"vpc", "service", "type"},
	"trafficMirrorTargets":       {"networkInterface"},
	"trafficMirrorSessions":      {"networkInterface"},
	"targetGroups":               {"vpc", "protocol", "port"},
	"internetHosts":              {"ip", "ipv6"},
}

// FormatPlan renders a plan for people, without colour: + create, ~ update,
// - delete, ± replace. It ends with a line of counts.
func FormatPlan(changes []Change) string {
	if len(changes) == 0 {
		return "No changes: the lab is as the file says.\n"
	}
	signs := map[Action]string{ActionCreate: "+", ActionUpdate: "~", ActionDelete: "-", ActionReplace: "±"}
	count := map[Action]int{}
	var b strings.Builder
	for _, c := range changes {
		count[c.Action]++
		k, _ := KindNamed(c.Kind)
		fmt.Fprintf(&b, "%s %s %s\n", signs[c.Action], k.Singular, c.Name)
		for _, f := range c.Fields {
			switch {
			case f.Old == "":
				fmt.Fprintf(&b, "    + %s: %s\n", f.Path, f.New)
			case f.New == "":
				fmt.Fprintf(&b, "    - %s: %s\n", f.Path, f.Old)
			default:
				fmt.Fprintf(&b, "    ~ %s: %s -> %s\n", f.Path, f.Old, f.New)
			}
		}
		if c.Effect != "" {
			fmt.Fprintf(&b, "      %s\n", c.Effect)
		}
	}
	fmt.Fprintf(&b, "Plan: %d to create, %d to update, %d to replace, %d to delete.\n",
		count[ActionCreate], count[ActionUpdate], count[ActionReplace], count[ActionDelete])
	return b.String()
}
