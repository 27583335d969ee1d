package dataplane

import (
	"fmt"

	"github.com/gaissmai/bart"
)

// This file compiles Client VPN endpoints and their clients.

// registerClientVPN gives associations and clients their places: they are
// interfaces too, behind all others.
func (c *compiler) registerClientVPN(add func(Object, int)) {
	at := c.firstClientVPN()
	for i := range c.b.ClientVPNEndpoints {
		e := &c.b.ClientVPNEndpoints[i]
		add(e.Object, i)
		for _, a := range e.Associations {
			add(a.Object, at)
			at++
		}
	}
	for _, x := range c.b.VPNClients {
		add(x.Object, at)
		at++
	}
	for i, x := range c.b.TransitGatewayClientVPNAttachments {
		add(x.Object, c.firstClientVPNAttachment()+i)
	}
}

// firstClientVPNAttachment is the place of the first attachment of an endpoint: they
// follow those whose way out is a tunnel.
func (c *compiler) firstClientVPNAttachment() int {
	return len(c.b.TransitGatewayAttachments) + 2*len(c.b.TransitGatewayPeerings) + len(c.b.TransitGatewayTunnelAttachments)
}

// transitGatewayClientVPNAttachments are attachments whose way out leads to clients.
func (c *compiler) transitGatewayClientVPNAttachments() {
	for i := range c.b.TransitGatewayClientVPNAttachments {
		a := &c.b.TransitGatewayClientVPNAttachments[i]
		c.s.attachments = append(c.s.attachments, attachment{
			handle: a.Handle, gateway: c.resolve(a.Object, KindTransitGateway, a.TransitGateway),
			table: c.association(a.Object, a.RouteTable), clients: c.resolve(a.Object, KindClientVPNEndpoint, a.Endpoint),
		})
	}
}

// firstClientVPN is the place of the first association's interface.
func (c *compiler) firstClientVPN() int {
	return c.firstConnectPeer() + 2*len(c.b.TransitGatewayConnectPeers)
}

// clientVPNInterfaces makes interfaces in the order that registerClientVPN gave places
// in. Those of associations are attached to their subnets, so that answers find them by
// the local route, as AWS's network interfaces there (C2, C6). Clients are attached to
// nothing: no VPC has a way to them but by an answer (C9).
func (c *compiler) clientVPNInterfaces(all []networkInterface) []networkInterface {
	place := uint32(0)
	for i := range c.b.ClientVPNEndpoints {
		e := &c.b.ClientVPNEndpoints[i]
		for _, a := range e.Associations {
			ni := networkInterface{
				handle: a.Handle, gateway: e.Handle, kind: KindClientVPNInterface, mac: a.MAC, place: place,
				subnet: c.resolve(a.Object, KindSubnet, a.Subnet), addresses: addresses(a.Addresses),
				timeouts: DefaultTimeouts, routerMAC: routerMAC(a.Subnet),
			}
			// An unresolved subnet has index 0: attaching there would report more that is
			// wrong than is.
			if len(c.errs) == 0 {
				c.attach(&ni, uint32(len(all)))
			}
			all = append(all, ni)
			place++
		}
	}
	for i, x := range c.b.VPNClients {
		ni := networkInterface{
			handle: x.Handle, kind: KindVPNClient, mac: x.MAC, place: uint32(i),
			addresses: addresses(x.Addresses), routerMAC: routerMAC(x.Handle),
		}
		if x.Association != 0 {
			c.attachClient(all, &ni, x)
		}
		all = append(all, ni)
	}
	return all
}

// attachClient has the VPC deliver a client's IPv6 to its association's interface. The
// client asks the resolver of that VPC.
func (c *compiler) attachClient(all []networkInterface, ni *networkInterface, x VPNClient) {
	at := c.resolve(x.Object, KindClientVPNInterface, x.Association)
	if len(c.errs) > 0 {
		return // as above
	}
	ni.subnet, ni.vpc = all[at].subnet, all[at].vpc
	for _, a := range ni.addresses {
		if !a.Is4() {
			c.deliverTo(ni.subnet, x.Object, a, at)
		}
	}
}

// clientVPN compiles routes, rules and clients. Groups are numbered per endpoint, in the
// order that its rules name them, so that asking for membership is a comparison of bits
// however many groups a client is in.
func (c *compiler) clientVPN() {
	numbers := make([]map[string]int, len(c.b.ClientVPNEndpoints)) // of the groups that rules name
	for i := range c.b.ClientVPNEndpoints {
		e := &c.b.ClientVPNEndpoints[i]
		out := clientVPNEndpoint{handle: e.Handle, rules: &bart.Table[[]authorizationRule]{}, attachment: -1}
		if e.Attachment != 0 {
			out.table = c.clientVPNAssociation(uint32(i), e, e.Attachment).table
		}
		numbers[i] = map[string]int{}
		for j, r := range e.AuthorizationRules {
			for _, g := range r.Groups {
				if _, known := numbers[i][g]; !known {
					numbers[i][g] = len(numbers[i])
				}
			}
			// Rules of one CIDR lie together: only those of the longest count (C4).
			same, _ := out.rules.Get(r.CIDR.Masked())
			out.rules.Insert(r.CIDR.Masked(), append(same, authorizationRule{uint32(j), r.All, groupBitsOf(r.Groups, numbers[i])}))
			out.ruleTexts = append(out.ruleTexts, r.Text)
		}
		for _, r := range e.Routes {
			out.texts = append(out.texts, r.Text)
		}
		c.s.clientVPNEndpoints = append(c.s.clientVPNEndpoints, out)
		for _, a := range e.Associations {
			c.s.clientVPNAssociations = append(c.s.clientVPNAssociations, c.clientVPNAssociation(uint32(i), e, a.Handle))
		}
	}
	for _, a := range c.b.TransitGatewayClientVPNAttachments {
		at := int(c.resolve(a.Object, KindClientVPNEndpoint, a.Endpoint))
		if at < len(c.s.clientVPNEndpoints) && c.s.clientVPNEndpoints[at].table != nil {
			c.s.clientVPNEndpoints[at].attachment = int(c.resolve(a.Object, KindTransitGatewayAttachment, a.Handle))
		} else {
			c.errs = append(c.errs, fmt.Errorf("%s: its endpoint has no attachment", a.Object))
		}
	}
	for _, x := range c.b.VPNClients {
		// A client without an association is known all the same: what it sends is
		// dropped with the endpoint's state as the reason (C2).
		client := vpnClient{endpoint: c.resolve(x.Object, KindClientVPNEndpoint, x.Endpoint), association: -1, zone: c.zone(x.Zone, x.Region)}
		if x.Association != 0 {
			client.association = int(c.resolve(x.Object, KindClientVPNInterface, x.Association))
		}
		if int(client.endpoint) < len(c.s.clientVPNEndpoints) {
			e := &c.s.clientVPNEndpoints[client.endpoint]
			client.groups = groupBitsOf(x.Groups, numbers[client.endpoint])
			if client.association >= 0 && c.s.interfaces[client.association].gateway != e.handle {
				c.errs = append(c.errs, fmt.Errorf("%s: its association is of another endpoint", x.Object))
			}
			// The endpoint gives every address once; two owners would make it chance
			// who gets an answer.
			for _, a := range addresses(x.Addresses) {
				if other, taken := e.clients.get(a); taken {
					c.errs = append(c.errs, fmt.Errorf("%s: address %s is taken by %s", x.Object, a, c.s.objects[c.s.interfaces[other].handle]))
				}
				e.clients.set(a, c.index[x.Handle])
			}
		}
		c.s.vpnClients = append(c.s.vpnClients, client)
	}
}

// clientVPNAssociation takes the routes of one association out of the endpoint's
// table. A route "local" is everybody's.
func (c *compiler) clientVPNAssociation(endpoint uint32, e *ClientVPNEndpoint, association Handle) clientVPNAssociation {
	out := clientVPNAssociation{endpoint, &bart.Table[clientVPNRoute]{}}
	for i, r := range e.Routes {
		if r.Association != 0 && r.Association != association {
			continue
		}
		if _, taken := out.table.Get(r.Destination.Masked()); taken {
			c.errs = append(c.errs, fmt.Errorf("%s: two routes for %s", e.Object, r.Destination))
		}
		out.table.Insert(r.Destination.Masked(), clientVPNRoute{index: uint32(i), local: r.Association == 0})
	}
	return out
}

// groupBitsOf is the set of the groups that have a number; the others are in no
// rule.
func groupBitsOf(names []string, numbers map[string]int) groupBits {
	var bits groupBits
	for _, name := range names {
		n, known := numbers[name]
		if !known {
			continue
		}
		for len(bits) <= n/64 {
			bits = append(bits, 0)
		}
		bits[n/64] |= 1 << (n % 64)
	}
	return bits
}
