package control

import (
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// compile hands over the tunnels of a connection: their insides, and AWS's ends of
// them, which are hosts of the Internet. A tunnel that is down is there all the
// same, so that it can come up. One that a fault of AWS's own has down is not:
// nobody answers at its end.
func (c *VPNConnection) compile(to *compilation, name string) {
	a := to.w.TransitGatewayAttachments[name]
	if c.VPNGateway == "" && (a == nil || !a.isVPN() || !a.available()) {
		return
	}
	for i := range c.Status.Tunnels {
		t := &c.Status.Tunnels[i]
		if t.Fault != "" {
			continue
		}
		out := dataplane.VPNTunnel{
			Object: object(dataplane.KindVPNTunnel, t.Name, Identity{Handle: t.Handle}),
			MAC:    packet.MAC(t.MAC), Addresses: t.addresses(),
		}
		if c.VPNGateway != "" {
			g := to.w.VPNGateways[c.VPNGateway]
			out.Gateway, out.Speaker = dataplane.Handle(g.Status.Handle), dataplane.Handle(g.Status.SpeakerHandle)
		} else {
			out.Attachment, out.Speaker = dataplane.Handle(a.Status.Handle), dataplane.Handle(to.w.TransitGateways[c.TransitGateway].Status.SpeakerHandle)
		}
		to.b.VPNTunnels = append(to.b.VPNTunnels, out)
		to.b.InternetHosts = append(to.b.InternetHosts, dataplane.InternetHost{
			Object: object(dataplane.KindVPNTunnel, t.Name, Identity{Handle: t.OutsideHandle}),
			MAC:    packet.MAC(t.OutsideMAC), Addresses: addressList(t.OutsideIP),
		})
	}
}

// assignVPNHandles gives tunnels and the BGP speakers of gateways their handles:
// those they had in the old world, unless what they belong to is replaced. New ones
// come from next.
func (w *World) assignVPNHandles(old *World, replaced map[string]bool, next func(*Identity) error) error {
	keepOrGive := func(handle *uint32, had uint32, keep bool) error {
		if *handle = had; keep && had != 0 {
			return nil
		}
		var id Identity
		err := next(&id)
		*handle = id.Handle
		return err
	}
	for _, name := range sorted(w.VPNGateways) {
		var had uint32
		if o := old.VPNGateways[name]; o != nil {
			had = o.Status.SpeakerHandle
		}
		if err := keepOrGive(&w.VPNGateways[name].Status.SpeakerHandle, had, !replaced["vpnGateways "+name]); err != nil {
			return err
		}
	}
	for _, name := range sorted(w.TransitGateways) {
		g := w.TransitGateways[name]
		if !w.speaks(g) { // labs without connections keep their handles
			g.Status.SpeakerHandle = 0
			continue
		}
		var had uint32
		if o := old.TransitGateways[name]; o != nil {
			had = o.Status.SpeakerHandle
		}
		if err := keepOrGive(&g.Status.SpeakerHandle, had, !replaced["transitGateways "+name]); err != nil {
			return err
		}
	}
	for _, name := range sorted(w.VPNConnections) {
		tunnels, keep := w.VPNConnections[name].Status.Tunnels, !replaced["vpnConnections "+name]
		for i := range tunnels {
			t, had := &tunnels[i], &VPNTunnel{}
			if o, _ := old.VPNTunnel(t.Name); o != nil {
				had = o
			}
			if err := keepOrGive(&t.Handle, had.Handle, keep); err != nil {
				return err
			}
			if err := keepOrGive(&t.OutsideHandle, had.OutsideHandle, keep); err != nil {
				return err
			}
			t.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(t.Handle)))
			t.OutsideMAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(t.OutsideHandle)))
		}
	}
	for _, name := range sorted(w.SiteHosts) {
		var had uint32
		if o := old.SiteHosts[name]; o != nil {
			had = o.Status.RouterHandle
		}
		if err := keepOrGive(&w.SiteHosts[name].Status.RouterHandle, had, !replaced["siteHosts "+name]); err != nil {
			return err
		}
	}
	for _, s := range w.Sites {
		s.Status.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(s.Status.Handle)))
	}
	return nil
}

// speaks reports whether a transit gateway speaks BGP: it has VPN or Connect
// attachments.
func (w *World) speaks(g *TransitGateway) bool {
	for _, name := range g.Status.Attachments {
		if a := w.TransitGatewayAttachments[name]; a.isVPN() || a.isConnect() {
			return true
		}
	}
	return false
}
