package dataplane

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file compiles VPC endpoints and load balancers. Their interfaces follow all
// others: those of gateway endpoints, of interface endpoints, of load balancers.

// registerEndpoints gives places in the order that endpointInterfaces makes interfaces
// in. Interface endpoints and load balancers are objects of their own besides: they
// speak for all their interfaces.
func (c *compiler) registerEndpoints(add func(Object, int)) {
	at := c.firstEndpoint()
	for _, e := range c.b.GatewayEndpoints {
		add(e.Object, at)
		at++
	}
	for i, e := range c.b.InterfaceEndpoints {
		add(e.Object, i)
		for _, n := range e.Interfaces {
			add(n.Object, at)
			at++
		}
	}
	for i, b := range c.b.LoadBalancers {
		add(b.Object, i)
		for _, n := range b.Nodes {
			add(n.Object, at)
			at++
		}
	}
}

// firstEndpoint is the place of the first gateway endpoint, behind all VPN clients.
func (c *compiler) firstEndpoint() int {
	n := c.firstClientVPN() + len(c.b.VPNClients)
	for i := range c.b.ClientVPNEndpoints {
		n += len(c.b.ClientVPNEndpoints[i].Associations)
	}
	return n
}

// endpointInterfaces makes the interfaces. A gateway endpoint's has its service's public
// addresses and is attached to no subnet: only routes lead to it (E2).
func (c *compiler) endpointInterfaces(all []networkInterface) []networkInterface {
	for i, e := range c.b.GatewayEndpoints {
		all = append(all, networkInterface{
			handle: e.Handle, kind: KindVPCEndpoint, mac: e.MAC, place: uint32(i),
			vpc: c.resolve(e.Object, KindVPC, e.VPC), addresses: addresses(e.Addresses), routerMAC: routerMAC(e.Handle),
		})
		c.s.gatewayEndpoints = append(c.s.gatewayEndpoints, gatewayEndpoint{service: e.Service, tracked: e.Tracked})
	}
	// attached enters an interface that is in a subnet, as an instance's is: it has
	// an owner's place in the VPC, so that peers and sites find it too (E21).
	attached := func(ni networkInterface, owner Object, subnet Handle) {
		ni.subnet, ni.routerMAC, ni.timeouts = c.resolve(owner, KindSubnet, subnet), routerMAC(subnet), DefaultTimeouts
		if len(c.errs) == 0 {
			c.attach(&ni, uint32(len(all)))
		}
		all = append(all, ni)
	}
	place := uint32(0)
	for _, e := range c.b.InterfaceEndpoints {
		for _, n := range e.Interfaces {
			attached(networkInterface{
				handle: n.Handle, gateway: e.Handle, kind: KindVPCEndpointInterface, mac: n.MAC, place: place, addresses: addresses(n.Addresses),
			}, n.Object, n.Subnet)
			place++
		}
	}
	place = 0
	for _, b := range c.b.LoadBalancers {
		for _, n := range b.Nodes {
			attached(networkInterface{
				handle: n.Handle, gateway: b.Handle, kind: KindLoadBalancerNode, mac: n.MAC, place: place, addresses: addresses(n.Addresses),
			}, n.Object, n.Subnet)
			place++
		}
	}
	return all
}

// endpoints resolves what interfaces of endpoints and load balancers lead to.
func (c *compiler) endpoints() {
	for _, e := range c.b.InterfaceEndpoints {
		for _, n := range e.Interfaces {
			out := endpointInterface{service: e.Service, closed: e.Closed, private: e.PrivateLink}
			for _, h := range n.Nodes {
				out.nodes = append(out.nodes, c.resolve(n.Object, KindLoadBalancerNode, h))
			}
			c.s.endpointInterfaces = append(c.s.endpointInterfaces, out)
		}
	}
	for _, b := range c.b.LoadBalancers {
		for _, n := range b.Nodes {
			// Targets stay in control's order: which of them a flow goes to follows from
			// their addresses, so that a publication moves no flow (see chooseTarget).
			out := loadBalancerNode{ignorePrivateLink: b.IgnorePrivateLink}
			for _, l := range n.Listeners {
				// The walk takes the first that matches; a second would never be asked.
				if out.listener(l.Protocol, l.Port) != nil {
					c.errs = append(c.errs, fmt.Errorf("%s: two listeners for %s/%d", b.Object, protocolName(l.Protocol), l.Port))
				}
				compiled := listener{protocol: l.Protocol, port: l.Port}
				for _, t := range l.Targets {
					compiled.targets = append(compiled.targets, target{packet.AddrFrom(t.Address), t.Port})
				}
				out.listeners = append(out.listeners, compiled)
			}
			c.s.loadBalancerNodes = append(c.s.loadBalancerNodes, out)
		}
	}
}
