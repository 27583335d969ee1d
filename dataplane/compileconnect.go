package dataplane

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file compiles Connect peers. Each has two interfaces, its inside and its
// outside, behind those of VPN tunnels and BGP speakers.

// firstConnectPeer is the place of the first peer's inside; its outside follows it.
func (c *compiler) firstConnectPeer() int {
	return c.firstTunnel() + len(c.b.VPNTunnels) + len(c.b.BGPSpeakers)
}

// registerConnectPeers gives both ends of every tunnel a place. The outside is the same
// object by another handle: users know of one thing only.
func (c *compiler) registerConnectPeers(add func(Object, int)) {
	at := c.firstConnectPeer()
	for _, x := range c.b.TransitGatewayConnectPeers {
		add(x.Object, at)
		outside := x.Object
		outside.Handle = x.Outside
		add(outside, at+1)
		at += 2
	}
}

// connectPeerInterfaces makes the ends. Only the inside has addresses, AWS's own (T17):
// the outside is recognized by both outer addresses (T18), one of which two peers may
// have in common.
func (c *compiler) connectPeerInterfaces(all []networkInterface) []networkInterface {
	for i, x := range c.b.TransitGatewayConnectPeers {
		for _, handle := range []Handle{x.Handle, x.Outside} {
			ni := networkInterface{
				handle: handle, kind: KindTransitGatewayConnectPeer, place: uint32(i),
				mac: InterfaceMAC(handle), routerMAC: routerMAC(handle),
			}
			if handle == x.Handle {
				ni.addresses = addresses(x.Addresses)
			}
			all = append(all, ni)
		}
	}
	return all
}

// connectPeers resolves what the tunnels are founded on.
func (c *compiler) connectPeers() {
	c.s.connectEnds = map[connectEnd]uint32{}
	for i := range c.b.TransitGatewayConnectPeers {
		x := &c.b.TransitGatewayConnectPeers[i]
		inside := uint32(c.firstConnectPeer() + 2*i)
		p := connectPeer{
			handle: x.Handle, inside: inside, outside: inside + 1, speaker: -1,
			attachment: c.resolve(x.Object, KindTransitGatewayAttachment, x.Attachment),
			transport:  c.resolve(x.Object, KindTransitGatewayAttachment, x.Transport),
			local:      packet.AddrFrom(x.TransitGatewayAddress), remote: packet.AddrFrom(x.PeerAddress),
			set:     c.tunnelSet(x.Object, []Handle{x.Handle}).To,
			stopped: x.Stopped,
		}
		p.mtu = uint16(transitMTU - packet.GREOverhead(p.local))
		// VPCs' attachments come first among all. A VPN's cannot be a transport (T17).
		if int(p.transport) >= len(c.b.TransitGatewayAttachments) {
			c.errs = append(c.errs, fmt.Errorf("%s: %s cannot carry GRE packets: it is not a VPC's", x.Object, c.s.objects[x.Transport]))
			continue
		}
		if p.local.Is4() != p.remote.Is4() {
			c.errs = append(c.errs, fmt.Errorf("%s: %s and %s are of different families", x.Object, p.local, p.remote))
		}
		// Two peers with the same ends could not be told apart by what arrives.
		end := connectEnd{p.transport, p.local, p.remote}
		if other, taken := c.s.connectEnds[end]; taken {
			c.errs = append(c.errs, fmt.Errorf("%s: its ends are those of %s", x.Object, c.s.objects[c.s.connectPeers[other].handle]))
		}
		c.s.connectEnds[end] = uint32(i)
		if len(c.errs) == 0 {
			vpc := c.resolve(x.Object, KindVPC, c.b.TransitGatewayAttachments[p.transport].VPC)
			// The appliance may be on premises, behind the transport, and has no zone then.
			if owner, ok := c.s.vpcs[vpc].owners.get(p.remote); ok {
				p.zone = c.s.subnets[c.s.interfaces[owner].subnet].zone
			}
		}
		if x.Speaker != 0 {
			p.speaker = int(c.resolve(x.Object, KindBGPSpeaker, x.Speaker))
			// What the speaker sends goes into the tunnel whose address it bears, as with
			// VPN tunnels.
			for _, a := range x.Addresses {
				c.s.speakerTunnels[speakerAddress{uint32(p.speaker), packet.AddrFrom(a)}] = p.set
			}
		}
		c.s.connectPeers = append(c.s.connectPeers, p)
	}
}
