package dataplane

import (
	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file compiles the Internet and the gateways to it.

func (c *compiler) internetGateways() {
	for _, g := range c.b.InternetGateways {
		v := c.resolve(g.Object, KindVPC, g.VPC)
		igw := internetGateway{
			handle: g.Handle, vpc: v,
			edge: -1,
		}
		if g.EdgeRouteTable != 0 {
			igw.edge = int(c.resolve(g.Object, KindRouteTable, g.EdgeRouteTable))
		}
		for _, m := range g.PublicAddresses {
			public, private := packet.AddrFrom(m.Public), packet.AddrFrom(m.Private)
			igw.public.set(private, public)
			igw.private.set(public, private)
		}
		if int(v) < len(c.s.vpcs) {
			c.s.vpcs[v].internetGateway = len(c.s.internetGateways)
		}
		c.s.internetGateways = append(c.s.internetGateways, igw)
	}
}

func (c *compiler) egressOnlyGateways() {
	for i, g := range c.b.EgressOnlyInternetGateways {
		v := c.resolve(g.Object, KindVPC, g.VPC)
		if int(v) < len(c.s.vpcs) {
			c.s.vpcs[v].egressOnly = i
		}
		c.s.egressOnlyGateways = append(c.s.egressOnlyGateways, egressOnlyGateway{handle: g.Handle, vpc: v})
	}
}

// internet builds the tables of public addresses.
func (c *compiler) internet() {
	net := internet{handle: c.b.Internet.Handle, blocks: &bart.Table[Hop]{}}
	for i, h := range c.b.InternetHosts {
		for _, a := range h.Addresses {
			net.hosts.set(packet.AddrFrom(a), Hop{hopEnterInterface, uint32(c.firstHost() + i)})
		}
	}
	for i, g := range c.b.InternetGateways {
		hop := Hop{hopInternetGatewayIn, uint32(i)}
		for _, m := range g.PublicAddresses {
			net.hosts.set(packet.AddrFrom(m.Public), hop)
		}
	}
	for i, v := range c.b.VPCs {
		if c.s.vpcs[i].internetGateway < 0 && c.s.vpcs[i].egressOnly < 0 {
			continue
		}
		for _, p := range v.CIDRs {
			if p.Addr().Is6() {
				net.blocks.Insert(p.Masked(), Hop{hopInternet6In, uint32(i)})
			}
		}
	}
	c.s.internet = net
}
