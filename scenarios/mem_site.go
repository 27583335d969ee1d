package scenarios

import (
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Sites of the memory driver are routers that forward, and hosts wired to them. A
// router has the insides of its tunnels as interfaces: nothing is encrypted here,
// so what the core sends into a tunnel comes out at once. Nor does anybody speak
// BGP: what the router knows is what control says that it would (SiteRoutes).

// memRoute is a route of a site's router.
type memRoute struct {
	destination netip.Prefix
	via         *memInterface
	hop         netip.Addr // invalid: the destination itself
}

// setSites makes routers and hosts of the world's sites, and the BGP speakers of
// AWS's gateways, which answer pings. What a fault has down swallows its frames, and
// so do the outer ends of tunnels, where a real lab decrypts.
func (m *Memory) setSites(w *control.World) {
	m.silent, m.wires = map[uint32]bool{control.ServicesHandle: true}, map[uint32]bool{}
	for _, h := range w.SiteHosts {
		m.wires[h.Status.Handle], m.wires[h.Status.RouterHandle] = true, true
		m.silent[h.Status.Handle], m.silent[h.Status.RouterHandle] = true, true
	}
	for name, s := range w.Sites {
		m.silent[s.Status.Handle] = true
		if s.Status.Fault == "" {
			m.addRouter(w, name, s)
		}
	}
	speakers := map[string]*memInterface{}
	for _, c := range w.VPNConnections {
		for i := range c.Status.Tunnels {
			t := &c.Status.Tunnels[i]
			m.silent[t.Handle], m.silent[t.OutsideHandle] = true, true
			m.addSpeaker(w, speakers, c, t)
		}
	}
	m.addConnectSpeakers(w, speakers)
}

// addRouter adds the router of a site and its hosts.
func (m *Memory) addRouter(w *control.World, name string, s *control.Site) {
	router := m.addHost(name, nil)
	router.forward = true
	outside := &memInterface{
		name: name, link: s.Status.Handle, mac: packet.MAC(s.Status.MAC),
		gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	own := s.Status.PublicIP
	if s.BehindNAT {
		own = control.SiteNATAddress
	}
	outside.addresses = singles(own, s.Status.IPv6)
	router.add(outside)
	for _, host := range s.Status.Hosts {
		m.addSiteHost(host, w.SiteHosts[host], router, s.Status.LAN)
	}
	tunnels := map[string]*memInterface{}
	for _, c := range w.VPNConnections {
		if c.Status.Site != name {
			continue
		}
		for i := range c.Status.Tunnels {
			t := &c.Status.Tunnels[i]
			inside := &memInterface{name: t.Name, link: t.Handle, mac: packet.MAC(t.MAC)}
			inside.addresses = singles(t.CustomerIP, t.CustomerIPv6)
			router.add(inside)
			tunnels[t.Name] = inside
			for _, amazon := range []netip.Addr{t.AmazonIP, t.AmazonIPv6} {
				router.reach(inside, amazon, dataplane.RouterMAC(dataplane.Handle(t.Handle)))
			}
		}
	}
	for _, r := range w.SiteRoutes(name) {
		t, _ := w.VPNTunnel(r.Tunnel)
		hop := t.AmazonIP
		if r.Destination.Addr().Is6() {
			hop = t.AmazonIPv6
		}
		router.routes = append(router.routes, memRoute{r.Destination, tunnels[r.Tunnel], hop})
	}
	slices.SortStableFunc(router.routes, func(a, b memRoute) int { return b.destination.Bits() - a.destination.Bits() })
}

// addSiteHost wires a host to a port of its site's router. Both ends know each
// other: nobody answers for a host on a wire but the host itself, and hosts of this
// driver answer no ARP.
func (m *Memory) addSiteHost(name string, h *control.SiteHost, router *memHost, lan []netip.Prefix) {
	end := &memInterface{
		name: name, link: h.Status.Handle, mac: dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
		addresses: singles(h.Status.IP, h.Status.IPv6),
		gateways:  []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	port := &memInterface{
		name: router.name, link: h.Status.RouterHandle, mac: dataplane.InterfaceMAC(dataplane.Handle(h.Status.RouterHandle)),
	}
	for _, own := range lan {
		port.addresses = append(port.addresses, singles(own.Addr())...)
	}
	host := m.addHost(name, h.Serve)
	host.router = router
	host.add(end)
	router.add(port)
	for _, gateway := range end.gateways {
		end.neighbors[gateway] = port.mac
	}
	for _, a := range end.addresses {
		router.reach(port, a.Addr(), end.mac)
	}
}

// reach makes a an address at the other end of n.
func (h *memHost) reach(n *memInterface, a netip.Addr, mac packet.MAC) {
	if a.IsValid() {
		n.neighbors[a] = mac
		h.routes = append(h.routes, memRoute{destination: netip.PrefixFrom(a, a.BitLen()), via: n})
	}
}

// addSpeaker gives the BGP speaker of a connection's gateway AWS's addresses inside
// the tunnel. It has no name by which it could be asked for.
func (m *Memory) addSpeaker(w *control.World, speakers map[string]*memInterface, c *control.VPNConnection, t *control.VPNTunnel) {
	name, handle := "vpnGateway "+c.VPNGateway, uint32(0)
	if g := w.VPNGateways[c.VPNGateway]; g != nil {
		handle = g.Status.SpeakerHandle
	} else if g := w.TransitGateways[c.TransitGateway]; g != nil {
		name, handle = "transitGateway "+c.TransitGateway, g.Status.SpeakerHandle
	}
	if handle == 0 || t.Fault != "" {
		return
	}
	speaker := m.speaker(speakers, name, handle)
	speaker.addresses = append(speaker.addresses, singles(t.AmazonIP, t.AmazonIPv6)...)
}

// singles are the valid ones of the addresses, with nobody else on their link.
func singles(addresses ...netip.Addr) (list []netip.Prefix) {
	for _, a := range addresses {
		if a.IsValid() {
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return list
}

// known is what a site's router knows of a destination; nil if nothing.
func (h *memHost) known(dst netip.Addr) (n *memInterface, hop netip.Addr) {
	for _, r := range h.routes {
		if r.destination.Contains(dst) {
			if !r.hop.IsValid() {
				return r.via, dst
			}
			return r.via, r.hop
		}
	}
	return nil, netip.Addr{}
}

// entry is the interface by which what h sends to dst comes to the core: its own or,
// of a host at a site, one of the router's. It is nil if there is none, as for what
// stays at the site.
func (h *memHost) entry(dst netip.Addr) *memInterface {
	at := h
	if h.router != nil {
		at = h.router
	}
	n, _ := at.route(netip.Addr{}, dst)
	if n != nil && h.m.wires[n.link] {
		return nil
	}
	return n
}
