package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// LoadBalancer is an internal Network Load Balancer, as far as endpoint services need
// one: what comes to it comes through VPC endpoints.
type LoadBalancer struct {
	// Subnets that it has a node in, of one VPC, one per Availability Zone.
	Subnets []string `json:"subnets"`
	// Private IPv4 addresses of the nodes, by subnet; the lowest free ones unless
	// written.
	PrivateIPs map[string]netip.Addr `json:"privateIps,omitempty"`
	// ipv4 or dualstack; ipv4 unless written.
	IPAddressType IPAddressType `json:"ipAddressType,omitempty"`
	// Security groups; none unless written, and then everything passes.
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// Whether the groups' inbound rules judge what comes through VPC endpoints, by the
	// consumers' addresses; true unless written.
	EnforceInboundRulesOnPrivateLink *bool `json:"enforceInboundRulesOnPrivateLink,omitempty"`
	// Whether a node uses targets of all Availability Zones and not only of its own.
	CrossZone bool `json:"crossZone,omitempty"`
	// What it listens on.
	Listeners []Listener `json:"listeners,omitempty"`

	Status LoadBalancerStatus `json:"status" yaml:"-"`
}

// Listener hands connections to a port to a target group.
type Listener struct {
	// tcp or udp; tcp unless written.
	Protocol Protocol `json:"protocol,omitempty"`
	// Port that clients connect to.
	Port Port `json:"port"`
	// Target group that gets the connections.
	TargetGroup string `json:"targetGroup"`
}

// LoadBalancerStatus is what AWS makes of a load balancer.
type LoadBalancerStatus struct {
	Identity
	State string `json:"state"` // "active"
	// Type and Scheme are "network" and "internal".
	Type    string `json:"type"`
	Scheme  string `json:"scheme"`
	VPC     string `json:"vpc"` // of the first subnet
	DNSName string `json:"dnsName"`
	// Nodes are in the order of the subnets.
	Nodes []ManagedInterface `json:"nodes"`
}

func (b *LoadBalancer) identity() *Identity { return &b.Status.Identity }

func (b *LoadBalancer) dualstack() bool { return b.IPAddressType == IPAddressTypeDualstack }

// vpc is that of the first subnet.
func (b *LoadBalancer) vpc(w *World) string {
	for _, subnet := range b.Subnets {
		if vpc := w.vpcOf("subnets", subnet); vpc != "" {
			return vpc
		}
	}
	return ""
}

func (b *LoadBalancer) references(w *World, name string) []reference {
	path, vpc := field("loadBalancers", name), b.vpc(w)
	var refs []reference
	add := func(list []string, key, plural, required string) {
		for i, value := range list {
			refs = append(refs, reference{
				path: index(field(path, key), i), value: value, set: func(s string) { list[i] = s }, kinds: []string{plural}, vpc: vpc, required: required,
				foreign: badValue{code: "InvalidConfigurationRequest", message: fmt.Sprintf("%s is not in the VPC of the load balancer", value)},
			})
		}
	}
	add(b.Subnets, "subnets", "subnets", "write a subnet")
	add(b.SecurityGroups, "securityGroups", "securityGroups", "write a security group")
	for i := range b.Listeners {
		l := &b.Listeners[i]
		refs = append(refs, reference{
			path: field(index(field(path, "listeners"), i), "targetGroup"), value: l.TargetGroup, set: func(s string) { l.TargetGroup = s },
			kinds: []string{"targetGroups"}, vpc: vpc, required: "write the target group that gets the connections",
			foreign: badValue{code: "InvalidConfigurationRequest", message: "The following target groups are not in the VPC of the load balancer: " + l.TargetGroup},
		})
	}
	return refs
}

func (b *LoadBalancer) computeStatus(w *World, name string) {
	s := &b.Status
	s.State, s.Type, s.Scheme = "active", "network", "internal"
	s.VPC = b.vpc(w)
	s.Nodes = w.managedInterfaces("loadBalancers", name, b.Subnets, s.Nodes)
	_, id, _ := cutLast(s.ID, "-")
	s.DNSName = fmt.Sprintf("%s-%s.elb.%s.amazonaws.com", name, id[:min(16, len(id))], w.placeOf(s.VPC).region)
}

func (b *LoadBalancer) validate(v *validation, name string) {
	path := field("loadBalancers", name)
	if len(b.Subnets) == 0 {
		v.missing(field(path, "subnets"), "write the subnets that the load balancer has a node in")
	}
	v.validateManaged(path, b.Status.VPC, b.Subnets, b.PrivateIPs, func(subnet string) badValue {
		return badValue{"InvalidConfigurationRequest", fmt.Sprintf("A load balancer cannot be attached to multiple subnets in the same Availability Zone: %s", subnet), "keep one of them"}
	})
	if b.IPAddressType == IPAddressTypeIPv6 {
		v.report(field(path, "ipAddressType"), "ValidationError", "a load balancer is ipv4 or dualstack", "write dualstack")
	}
	type key struct {
		protocol Protocol
		port     Port
	}
	seen := map[key]bool{}
	for i, l := range b.Listeners {
		at := index(field(path, "listeners"), i)
		k := key{cmp.Or(l.Protocol, ProtocolTCP), l.Port}
		switch group := v.w.TargetGroups[l.TargetGroup]; {
		case !transport(l.Protocol):
			v.reportf(field(at, "protocol"), "ValidationError", "write tcp or udp", "Protocol '%s' is not supported for Network Load Balancers here", l.Protocol)
		case l.Port == 0:
			v.missing(field(at, "port"), "write the port that clients connect to")
		case seen[k]:
			v.report(field(at, "port"), "DuplicateListener", "A listener already exists on this port for this load balancer", "remove one")
		case group != nil && cmp.Or(group.Protocol, ProtocolTCP) != k.protocol:
			v.reportf(field(at, "targetGroup"), "IncompatibleProtocols", "make a target group of the listener's protocol",
				"The protocol of target group %s is not the listener's, %s", l.TargetGroup, k.protocol)
		}
		seen[k] = true
	}
}

// targets are those of a listener that a node in the zone uses: in service, and of
// its own zone unless the load balancer crosses zones.
func (b *LoadBalancer) targets(w *World, l *Listener, zone string) (list []dataplane.LoadBalancerTarget) {
	group := w.TargetGroups[l.TargetGroup]
	for _, t := range group.Status.Targets {
		if t.State != "healthy" || !b.CrossZone && t.AvailabilityZone != "" && t.AvailabilityZone != zone {
			continue
		}
		for _, a := range []netip.Addr{t.IP, t.IPv6} {
			if a.IsValid() {
				list = append(list, dataplane.LoadBalancerTarget{Address: a, Port: uint16(group.Port)})
			}
		}
	}
	return list
}

func (b *LoadBalancer) compile(c *compilation, name string) {
	out := dataplane.LoadBalancer{
		Object:            object(dataplane.KindLoadBalancer, name, b.Status.Identity),
		SecurityGroups:    c.groups(b.SecurityGroups),
		IgnorePrivateLink: b.EnforceInboundRulesOnPrivateLink != nil && !*b.EnforceInboundRulesOnPrivateLink,
	}
	for i := range b.Status.Nodes {
		n := &b.Status.Nodes[i]
		node := dataplane.LoadBalancerNode{
			Object: object(dataplane.KindLoadBalancerNode, name+"/"+n.Subnet, n.Identity),
			Subnet: dataplane.Handle(c.w.Subnets[n.Subnet].Status.Handle), MAC: packet.MAC(n.MAC), Addresses: n.addresses(),
		}
		for j := range b.Listeners {
			l := &b.Listeners[j]
			node.Listeners = append(node.Listeners, dataplane.Listener{
				Protocol: cmp.Or(l.Protocol, ProtocolTCP).Number(), Port: uint16(l.Port), Targets: b.targets(c.w, l, n.AvailabilityZone),
			})
		}
		out.Nodes = append(out.Nodes, node)
	}
	c.b.LoadBalancers = append(c.b.LoadBalancers, out)
}

// groups are the handles of security groups.
func (c *compilation) groups(names []string) (list []dataplane.Handle) {
	for _, g := range names {
		list = append(list, dataplane.Handle(c.w.SecurityGroups[g].Status.Handle))
	}
	return list
}

// zones are the Availability Zones that the load balancer has a node in.
func (b *LoadBalancer) zones() (zones []string) {
	for i := range b.Status.Nodes {
		zones = append(zones, b.Status.Nodes[i].AvailabilityZone)
	}
	return slices.Compact(zones)
}
