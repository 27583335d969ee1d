package dataplane

// This file compiles VPC endpoints. Their interfaces follow all others.

func (c *compiler) registerEndpoints(add func(Object, int)) {
	at := c.firstEndpoint()
	for i, e := range c.b.GatewayEndpoints {
		add(e.Object, at+i)
	}
}

func (c *compiler) firstEndpoint() int {
	n := c.firstClientVPN() + len(c.b.VPNClients)
	for i := range c.b.ClientVPNEndpoints {
		n += len(c.b.ClientVPNEndpoints[i].Associations)
	}
	return n
}

func (c *compiler) endpointInterfaces(all []networkInterface) []networkInterface {
	for i, e := range c.b.GatewayEndpoints {
		all = append(all, networkInterface{
			handle: e.Handle, kind: KindVPCEndpoint, mac: e.MAC, place: uint32(i),
			vpc: c.resolve(e.Object, KindVPC, e.VPC), addresses: addresses(e.Addresses), routerMAC: routerMAC(e.Handle),
		})
		c.s.gatewayEndpoints = append(c.s.gatewayEndpoints, gatewayEndpoint{service: e.Service, tracked: e.Tracked})
	}
	return all
}
