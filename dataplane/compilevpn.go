package dataplane

import (
	"fmt"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file compiles virtual private gateways and the tunnels of Site-to-Site VPN
// connections.

// registerVPN gives tunnels and speakers their places: they are interfaces too,
// behind all others.
func (c *compiler) registerVPN(add func(Object, int)) {
	for i, x := range c.b.VPNGateways {
		add(x.Object, i)
	}
	for i, x := range c.b.TransitGatewayTunnelAttachments { // they follow the peerings' sides
		add(x.Object, len(c.b.TransitGatewayAttachments)+2*len(c.b.TransitGatewayPeerings)+i)
	}
	for i, x := range c.b.VPNTunnels {
		add(x.Object, c.firstTunnel()+i)
	}
	for i, x := range c.b.BGPSpeakers {
		add(x.Object, c.firstTunnel()+len(c.b.VPNTunnels)+i)
	}
}

func (c *compiler) firstTunnel() int {
	n := c.firstHost() + len(c.b.InternetHosts)
	if c.b.Services.Handle != 0 {
		n++
	}
	return n
}

func (c *compiler) vpnInterfaces(all []networkInterface) []networkInterface {
	for i, t := range c.b.VPNTunnels {
		all = append(all, networkInterface{
			handle: t.Handle, kind: KindVPNTunnel, mac: t.MAC, addresses: addresses(t.Addresses),
			place: uint32(i), routerMAC: routerMAC(t.Handle),
		})
	}
	for _, s := range c.b.BGPSpeakers {
		all = append(all, networkInterface{handle: s.Handle, kind: KindBGPSpeaker, mac: s.MAC, routerMAC: routerMAC(s.Handle)})
	}
	return all
}

// transitGatewayTunnelAttachments are attachments whose way out is a tunnel.
func (c *compiler) transitGatewayTunnelAttachments() {
	for i := range c.b.TransitGatewayTunnelAttachments {
		a := &c.b.TransitGatewayTunnelAttachments[i]
		c.s.attachments = append(c.s.attachments, attachment{
			handle: a.Handle, gateway: c.resolve(a.Object, KindTransitGateway, a.TransitGateway),
			table: c.association(a.Object, a.RouteTable),
		})
	}
}

func (c *compiler) vpnTunnels() {
	c.s.speakerTunnels = map[speakerAddress]uint32{}
	for i := range c.b.VPNTunnels {
		t := &c.b.VPNTunnels[i]
		out := vpnTunnel{index: uint32(c.firstTunnel() + i), gateway: -1, attachment: -1, speaker: -1}
		if t.Gateway != 0 {
			out.gateway = int(c.resolve(t.Object, KindVPNGateway, t.Gateway))
		}
		if t.Attachment != 0 {
			out.attachment = int(c.resolve(t.Object, KindTransitGatewayAttachment, t.Attachment))
		}
		if (out.gateway < 0) == (out.attachment < 0) {
			c.errs = append(c.errs, fmt.Errorf("%s: a tunnel belongs to a VPN gateway or to an attachment", t.Object))
		}
		if t.Speaker != 0 {
			out.speaker = int(c.resolve(t.Object, KindBGPSpeaker, t.Speaker))
			set := c.tunnelSet(t.Object, []Handle{t.Handle})
			for _, a := range t.Addresses {
				c.s.speakerTunnels[speakerAddress{uint32(out.speaker), packet.AddrFrom(a)}] = set.To
			}
		}
		c.s.vpnTunnels = append(c.s.vpnTunnels, out)
	}
}

// tunnelSet is the way into one of tunnels: VPN tunnels, or Connect peers.
func (c *compiler) tunnelSet(owner Object, tunnels []Handle) Hop {
	set := make([]uint32, len(tunnels))
	for i, h := range tunnels {
		kind := KindVPNTunnel
		if c.s.objects[h].Kind == KindTransitGatewayConnectPeer {
			kind = KindTransitGatewayConnectPeer
		}
		set[i] = c.resolve(owner, kind, h)
	}
	c.s.tunnelSets = append(c.s.tunnelSets, set)
	return Hop{hopVPNTunnels, uint32(len(c.s.tunnelSets) - 1)}
}

func (c *compiler) vpnGateways() {
	for i := range c.b.VPNGateways {
		g := &c.b.VPNGateways[i]
		out := vpnGateway{handle: g.Handle, vpc: -1, edge: -1, table: &bart.Table[vpnEntry]{}}
		if g.VPC != 0 {
			out.vpc = int(c.resolve(g.Object, KindVPC, g.VPC))
		}
		if g.EdgeRouteTable != 0 {
			out.edge = int(c.resolve(g.Object, KindRouteTable, g.EdgeRouteTable))
		}
		for j, r := range g.Routes {
			if _, taken := out.table.Get(r.Destination.Masked()); taken {
				c.errs = append(c.errs, fmt.Errorf("%s: two routes for %s", g.Object, r.Destination))
			}
			out.table.Insert(r.Destination.Masked(), vpnEntry{c.tunnelSet(g.Object, []Handle{r.Tunnel}), uint32(j), r.Learned})
			out.texts = append(out.texts, r.Text)
		}
		c.s.vpnGateways = append(c.s.vpnGateways, out)
	}
}
