package dataplane

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file gives interfaces the rules of their security groups.

// groups gives every interface its rules; interfaces with the same groups
// share one set.
func (c *compiler) groups() {
	members := map[Handle]map[packet.Addr]struct{}{}
	for _, g := range c.b.SecurityGroups {
		members[g.Handle] = map[packet.Addr]struct{}{}
		c.s.groupTexts[g.Handle] = groupText{ingress: texts(g.Ingress), egress: texts(g.Egress)}
	}
	// All members before the first set: a rule may name a group that only a later
	// interface carries (S9).
	for n := range c.grouped {
		for _, g := range n.groups {
			c.resolve(n.owner, KindSecurityGroup, g)
			if into := members[g]; into != nil {
				memberSet(n.addresses, into)
			}
		}
	}
	for n := range c.grouped {
		if i := c.index[n.handle]; int(i) < len(c.s.interfaces) { // else its handle is taken
			c.s.interfaces[i].groups = c.groupSet(n.groups, members)
		}
	}
}

// grouped yields every interface that security groups judge.
func (c *compiler) grouped(yield func(groupedInterface) bool) {
	for _, n := range c.b.NetworkInterfaces {
		if !yield(groupedInterface{n.Object, n.Handle, n.SecurityGroups, n.Addresses}) {
			return
		}
	}
	clients := c.clientsIPv6()
	for _, e := range c.b.ClientVPNEndpoints {
		for _, n := range e.Associations { // C7
			if !yield(groupedInterface{n.Object, n.Handle, n.SecurityGroups, append(clients[n.Handle], n.Addresses...)}) {
				return
			}
		}
	}
	for _, e := range c.b.InterfaceEndpoints {
		for _, n := range e.Interfaces { // E13
			if !yield(groupedInterface{n.Object, n.Handle, n.SecurityGroups, n.Addresses}) {
				return
			}
		}
	}
	for _, b := range c.b.LoadBalancers {
		for _, n := range b.Nodes {
			// A load balancer may have no groups, and then nothing judges its nodes.
			if len(b.SecurityGroups) > 0 && !yield(groupedInterface{b.Object, n.Handle, b.SecurityGroups, n.Addresses}) {
				return
			}
		}
	}
}

// clientsIPv6 are the IPv6 addresses of Client VPN clients by association: what they
// send is its interface's, to rules that name a group (C6, C7).
func (c *compiler) clientsIPv6() map[Handle][]netip.Addr {
	list := map[Handle][]netip.Addr{}
	for _, x := range c.b.VPNClients {
		for _, a := range x.Addresses {
			if a.Is6() && x.Association != 0 {
				list[x.Association] = append(list[x.Association], a)
			}
		}
	}
	return list
}

// groupedInterface is what groups need to know of an interface, whatever it is of.
type groupedInterface struct {
	// owner names the groups: of a node its load balancer, else itself.
	owner     Object
	handle    Handle
	groups    []Handle
	addresses []netip.Addr
}

// groupSet is shared by all interfaces that carry the same groups, in whatever order: in
// a large lab rules take most of a snapshot's memory.
func (c *compiler) groupSet(handles []Handle, members map[Handle]map[packet.Addr]struct{}) *groupSet {
	sorted := slices.Clone(handles)
	slices.Sort(sorted)
	key := fmt.Sprint(sorted)
	if set := c.groupSets[key]; set != nil {
		return set
	}
	var groups []*SecurityGroup
	for _, h := range slices.Compact(sorted) {
		if i, ok := c.index[h]; ok && c.s.objects[h].Kind == KindSecurityGroup {
			groups = append(groups, &c.b.SecurityGroups[i])
		}
	}
	set := compileGroupSet(groups, func(h Handle) map[packet.Addr]struct{} {
		if m := members[h]; m != nil {
			return m
		}
		return map[packet.Addr]struct{}{} // a stale reference matches nothing (S12)
	})
	c.groupSets[key] = &set
	return &set
}

func texts(rules []GroupRule) []string {
	list := make([]string, len(rules))
	for i, r := range rules {
		list[i] = r.Text
	}
	return list
}
