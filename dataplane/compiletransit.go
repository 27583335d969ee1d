package dataplane

import (
	"fmt"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file compiles what joins VPCs: peerings, transit gateways, and the zones
// and Regions that they cross.

// zone is the index of an Availability Zone, or of a Region's place outside of
// its zones, if the name is the Region's.
func (c *compiler) zone(name, region string) uint32 {
	if len(c.s.zones) == 0 {
		c.s.zones = append(c.s.zones, zone{})
	}
	if name == "" {
		return 0
	}
	z := zone{name, region}
	if i, ok := c.zones[z]; ok {
		return i
	}
	i := uint32(len(c.s.zones))
	c.s.zones = append(c.s.zones, z)
	c.zones[z] = i
	return i
}

// regionOf is the Region of a VPC.
func (c *compiler) regionOf(vpc Handle) string {
	if i, ok := c.index[vpc]; ok && c.s.objects[vpc].Kind == KindVPC {
		return c.b.VPCs[i].Region
	}
	return ""
}

func (c *compiler) peerings() {
	c.s.peerings = make([]peering, len(c.b.VPCPeerings))
	for i, p := range c.b.VPCPeerings {
		out := peering{handle: p.Handle, interRegion: c.regionOf(p.Requester) != c.regionOf(p.Accepter)}
		for side, vpc := range []Handle{p.Requester, p.Accepter} {
			v := c.resolve(p.Object, KindVPC, vpc)
			out.vpcs[side] = v
			if int(v) < len(c.s.vpcs) {
				c.s.vpcs[v].peerings = append(c.s.vpcs[v].peerings, Hop{hopPeering, uint32(2*i + side)})
			}
		}
		c.s.peerings[i] = out
	}
}

// peeringSide is the way over a peering for what vpc sends.
func (c *compiler) peeringSide(owner Object, handle, vpc Handle) Hop {
	i := c.resolve(owner, KindVPCPeering, handle)
	if int(i) >= len(c.b.VPCPeerings) {
		return Hop{Kind: hopBlackhole}
	}
	switch p := &c.b.VPCPeerings[i]; vpc {
	case p.Requester:
		return Hop{hopPeering, 2 * i}
	case p.Accepter:
		return Hop{hopPeering, 2*i + 1}
	}
	c.errs = append(c.errs, fmt.Errorf("%s: VPC %d is on neither side of %s", owner, vpc, c.s.objects[handle]))
	return Hop{Kind: hopBlackhole}
}

// registerTransitGateways gives the parts of transit gateways their places.
func (c *compiler) registerTransitGateways(add func(Object, int)) {
	for i, x := range c.b.VPCPeerings {
		add(x.Object, i)
	}
	for i, x := range c.b.TransitGateways {
		add(x.Object, i)
	}
	place := c.firstTransit()
	for i, x := range c.b.TransitGatewayAttachments {
		add(x.Object, i)
		for _, n := range x.Interfaces {
			add(n.Object, place)
			place++
		}
	}
	for i, x := range c.b.TransitGatewayPeerings { // their sides follow the VPCs' attachments
		add(x.Object, len(c.b.TransitGatewayAttachments)+2*i)
	}
	for i, x := range c.b.TransitGatewayRouteTables {
		add(x.Object, i)
	}
}

func (c *compiler) transitGatewayInterfaces(all []networkInterface) []networkInterface {
	for _, a := range c.b.TransitGatewayAttachments {
		for _, n := range a.Interfaces {
			ni := networkInterface{
				handle: n.Handle, gateway: a.Handle, kind: KindTransitGatewayInterface, mac: n.MAC,
				subnet: c.resolve(a.Object, KindSubnet, n.Subnet), addresses: addresses(n.Addresses),
				routerMAC: routerMAC(n.Subnet),
			}
			if len(c.errs) == 0 {
				c.attach(&ni, uint32(len(all)))
			}
			all = append(all, ni)
		}
	}
	return all
}

func (c *compiler) transitGateways() {
	c.s.transitGateways = make([]transitGateway, len(c.b.TransitGateways))
	for i, g := range c.b.TransitGateways {
		c.s.transitGateways[i] = transitGateway{handle: g.Handle, zone: c.zone(g.Region, g.Region)}
	}
	place := uint32(c.firstTransit())
	for i := range c.b.TransitGatewayAttachments {
		a := &c.b.TransitGatewayAttachments[i]
		out := attachment{
			handle: a.Handle, appliance: a.ApplianceMode,
			gateway: c.resolve(a.Object, KindTransitGateway, a.TransitGateway),
			table:   c.association(a.Object, a.RouteTable),
		}
		for range a.Interfaces {
			out.interfaces = append(out.interfaces, zonedInterface{place, c.s.subnets[c.s.interfaces[place].subnet].zone})
			place++
		}
		c.s.attachments = append(c.s.attachments, out)
	}
	for i := range c.b.TransitGatewayPeerings {
		p := &c.b.TransitGatewayPeerings[i]
		first := uint32(len(c.s.attachments))
		for side, s := range p.Sides {
			c.s.attachments = append(c.s.attachments, attachment{
				handle: p.Handle, gateway: c.resolve(p.Object, KindTransitGateway, s.TransitGateway),
				table: c.association(p.Object, s.RouteTable), peer: first + 1 - uint32(side),
			})
		}
	}
	if len(c.errs) == 0 {
		c.applianceZones()
	}
	c.transitGatewayTunnelAttachments()
	c.transitGatewayClientVPNAttachments()
	c.vpnTunnels()
	c.connectPeers()
	c.transitRouteTables()
}

func (c *compiler) association(owner Object, table Handle) int {
	if table == 0 {
		return -1
	}
	return int(c.resolve(owner, KindTransitGatewayRouteTable, table))
}

// applianceZones lists, for gateways with an attachment in appliance mode, where
// every address of their VPCs is.
func (c *compiler) applianceZones() {
	for i := range c.s.attachments {
		if g := &c.s.transitGateways[c.s.attachments[i].gateway]; c.s.attachments[i].appliance && g.zones == nil {
			g.zones = map[packet.Addr]uint32{}
		}
	}
	for i := range c.b.TransitGatewayAttachments {
		zones := c.s.transitGateways[c.s.attachments[i].gateway].zones
		if zones == nil {
			continue
		}
		vpc := c.resolve(c.b.TransitGatewayAttachments[i].Object, KindVPC, c.b.TransitGatewayAttachments[i].VPC)
		for address, owner := range c.s.vpcs[vpc].owners.all {
			if _, taken := zones[address]; !taken { // of VPCs that overlap, the first counts (T14)
				zones[address] = c.s.subnets[c.s.interfaces[owner].subnet].zone
			}
		}
	}
}

func (c *compiler) transitRouteTables() {
	c.s.transitRouteTables = make([]transitRouteTable, len(c.b.TransitGatewayRouteTables))
	for i := range c.b.TransitGatewayRouteTables {
		t := &c.b.TransitGatewayRouteTables[i]
		out := transitRouteTable{handle: t.Handle, table: &bart.Table[routeEntry]{}}
		gateway := c.resolve(t.Object, KindTransitGateway, t.TransitGateway)
		for j, r := range t.Routes {
			if _, taken := out.table.Get(r.Destination.Masked()); taken {
				c.errs = append(c.errs, fmt.Errorf("%s: two routes for %s", t.Object, r.Destination))
			}
			hop := Hop{}
			if len(r.Tunnels) > 0 {
				hop = c.tunnelSet(t.Object, r.Tunnels)
			} else {
				hop = c.attachmentHop(t.Object, gateway, r.Attachment)
			}
			out.table.Insert(r.Destination.Masked(), routeEntry{hop, uint32(j)})
			out.texts = append(out.texts, r.Text)
		}
		c.s.transitRouteTables[i] = out
	}
}

// attachmentHop is the way out of gateway by an attachment: into its VPC, or by
// the gateway's own side of a peering.
func (c *compiler) attachmentHop(owner Object, gateway uint32, handle Handle) Hop {
	if handle == 0 {
		return Hop{Kind: hopBlackhole}
	}
	first := c.resolve(owner, KindTransitGatewayAttachment, handle)
	for i := first; int(i) < len(c.s.attachments) && c.s.attachments[i].handle == handle; i++ {
		switch a := &c.s.attachments[i]; {
		case a.gateway != gateway:
		case int(i) >= c.firstClientVPNAttachment():
			return Hop{hopTransitGatewayClients, i}
		case int(i) >= len(c.b.TransitGatewayAttachments)+2*len(c.b.TransitGatewayPeerings):
			c.errs = append(c.errs, fmt.Errorf("%s: a route to %s needs a tunnel", owner, c.s.objects[handle]))
			return Hop{Kind: hopBlackhole}
		case int(i) >= len(c.b.TransitGatewayAttachments):
			return Hop{hopTransitGatewayPeer, i}
		default:
			return Hop{hopTransitGatewayOut, i}
		}
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %s is no attachment of its gateway", owner, c.s.objects[handle]))
	return Hop{Kind: hopBlackhole}
}
