package control

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
)

// compile hands over the tunnel. One whose sessions are down is there all the same,
// so that they can come up. One that a fault has down is there, too, so that what is
// sent to it is dropped by name, rather than for want of a route to its address.
func (p *TransitGatewayConnectPeer) compile(c *compilation, name string) {
	a := c.w.TransitGatewayAttachments[p.Attachment]
	if a == nil || !a.available() {
		return
	}
	out := dataplane.TransitGatewayConnectPeer{
		Object:                object(dataplane.KindTransitGatewayConnectPeer, name, p.Status.Identity),
		Outside:               dataplane.Handle(p.Status.OutsideHandle),
		Attachment:            dataplane.Handle(a.Status.Handle),
		Transport:             dataplane.Handle(c.w.TransitGatewayAttachments[a.Transport].Status.Handle),
		TransitGatewayAddress: p.Status.TransitGatewayAddress,
		PeerAddress:           p.PeerAddress,
		Stopped:               p.Status.Fault != "",
		Speaker:               dataplane.Handle(c.w.TransitGateways[a.TransitGateway].Status.SpeakerHandle),
	}
	for i := range p.Status.Sessions {
		s := &p.Status.Sessions[i]
		for _, address := range []netip.Addr{s.AmazonIP, s.AmazonIPv6} {
			out.Addresses = append(out.Addresses, addressList(address)...)
		}
	}
	c.b.TransitGatewayConnectPeers = append(c.b.TransitGatewayConnectPeers, out)
}

// assignConnectHandles gives the outsides of Connect peers their handles: those they
// had in the old world, unless they are replaced. New ones come from next.
func (w *World) assignConnectHandles(old *World, replaced map[string]bool, next func(*Identity) error) error {
	for _, name := range sorted(w.TransitGatewayConnectPeers) {
		s := &w.TransitGatewayConnectPeers[name].Status
		if o := old.TransitGatewayConnectPeers[name]; o != nil && o.Status.OutsideHandle != 0 && !replaced["transitGatewayConnectPeers "+name] {
			s.OutsideHandle = o.Status.OutsideHandle
			continue
		}
		var id Identity
		if err := next(&id); err != nil {
			return err
		}
		s.OutsideHandle = id.Handle
	}
	return nil
}

// connectAddresses gives Connect peers the addresses of their gateways' ends: those
// that the file writes, those they had, and the first free ones of the gateway's
// blocks, of the family of the appliance's.
func (a *allocation) connectAddresses() {
	taken := map[string]map[netip.Addr]bool{} // by gateway
	each := func(visit func(name string, p *TransitGatewayConnectPeer, taken map[netip.Addr]bool)) {
		for _, name := range sorted(a.w.TransitGatewayConnectPeers) {
			p := a.w.TransitGatewayConnectPeers[name]
			if taken[p.Status.TransitGateway] == nil {
				taken[p.Status.TransitGateway] = map[netip.Addr]bool{}
			}
			visit(name, p, taken[p.Status.TransitGateway])
		}
	}
	each(func(_ string, p *TransitGatewayConnectPeer, taken map[netip.Addr]bool) {
		p.Status.TransitGatewayAddress = p.TransitGatewayAddress
		taken[p.TransitGatewayAddress] = true
	})
	each(func(name string, p *TransitGatewayConnectPeer, taken map[netip.Addr]bool) {
		old := a.previous.TransitGatewayConnectPeers[name]
		if p.Status.TransitGatewayAddress.IsValid() || old == nil || old.TransitGatewayAddress.IsValid() {
			return
		}
		had := old.Status.TransitGatewayAddress
		if g := a.w.TransitGateways[p.Status.TransitGateway]; g != nil && had.Is4() == p.PeerAddress.Is4() && g.hasAddress(had) && !taken[had] {
			p.Status.TransitGatewayAddress, taken[had] = had, true
		}
	})
	each(func(name string, p *TransitGatewayConnectPeer, taken map[netip.Addr]bool) {
		g := a.w.TransitGateways[p.Status.TransitGateway]
		if p.Status.TransitGatewayAddress.IsValid() || g == nil {
			return
		}
		for _, block := range g.CIDRs {
			if block.Addr().Is4() != p.PeerAddress.Is4() {
				continue
			}
			for free := block.Masked().Addr().Next(); block.Contains(free); free = free.Next() {
				if !taken[free] {
					p.Status.TransitGatewayAddress, taken[free] = free, true
					return
				}
			}
		}
	})
}

// hasAddress reports whether an address is in one of the gateway's own blocks.
func (g *TransitGateway) hasAddress(a netip.Addr) bool {
	for _, block := range g.CIDRs {
		if block.Contains(a) && a != block.Masked().Addr() {
			return true
		}
	}
	return false
}
