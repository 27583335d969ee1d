package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// tunnelPathMTU is what the way between the two ends of a tunnel carries: the
// 1,446 bytes that AWS has inside and what WireGuard adds, which is more than
// IPsec does (A57).
const tunnelPathMTU = 1600

// siteNodes are the namespaces of what stands outside of AWS, a router per site
// and the hosts behind it, and those of AWS's BGP speakers.
func siteNodes(w *control.World) []host.Node {
	var list []host.Node
	for _, name := range slices.Sorted(maps.Keys(w.Sites)) {
		if w.Sites[name].Status.Fault == "" {
			list = append(list, routerNode(w, name, w.Sites[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.SiteHosts)) {
		if h := w.SiteHosts[name]; h.Status.Fault == "" {
			list = append(list, siteHostNode(w, name, h))
		}
	}
	for _, s := range speakerGateways(w) {
		list = append(list, s.node())
	}
	return list
}

// routerNode has an interface to the Internet and one per host of the site, each
// a wire of its own: the router stands between any two of them.
func routerNode(w *control.World, name string, site *control.Site) host.Node {
	outside := host.Interface{Link: site.Status.Handle, Name: "eth0", MAC: packet.MAC(site.Status.MAC), MTU: tunnelPathMTU}
	for _, end := range []struct{ address, router netip.Addr }{
		{routerAddress(site), dataplane.InternetRouter4}, {site.Status.IPv6, dataplane.InternetRouter6},
	} {
		if end.address.IsValid() {
			outside.Addresses = append(outside.Addresses, single(end.address))
			outside.Gateways = append(outside.Gateways, end.router)
		}
	}
	node := host.Node{Name: nodeName(w, name), Hostname: name, Forward: true, Interfaces: []host.Interface{outside}}
	for i, hostName := range site.Status.Hosts {
		h := w.SiteHosts[hostName]
		wire := host.Interface{
			Link: h.Status.RouterHandle, Name: "lan" + strconv.Itoa(i), MTU: internetMTU,
			MAC: dataplane.InterfaceMAC(dataplane.Handle(h.Status.RouterHandle)),
			// What the host knows its router by.
			Addresses: []netip.Prefix{single(dataplane.InternetRouter4), netip.PrefixFrom(dataplane.InternetRouter6, 64)},
		}
		if i == 0 { // the router's own address in each network
			for _, own := range site.Status.LAN {
				wire.Addresses = append(wire.Addresses, single(own.Addr()))
			}
		}
		for _, a := range []netip.Addr{h.Status.IP, h.Status.IPv6} {
			if a.IsValid() {
				wire.OnLink = append(wire.OnLink, single(a))
			}
		}
		node.Interfaces = append(node.Interfaces, wire)
	}
	return node
}

// routerAddress is the IPv4 address that the router's own kernel has.
func routerAddress(site *control.Site) netip.Addr {
	if site.BehindNAT {
		return control.SiteNATAddress
	}
	return site.Status.PublicIP
}

func siteHostNode(w *control.World, name string, h *control.SiteHost) host.Node {
	i := host.Interface{
		Link: h.Status.Handle, Name: "eth0", MTU: internetMTU,
		MAC: dataplane.InterfaceMAC(dataplane.Handle(h.Status.Handle)),
	}
	for _, end := range []struct{ address, router netip.Addr }{
		{h.Status.IP, dataplane.InternetRouter4}, {h.Status.IPv6, dataplane.InternetRouter6},
	} {
		if end.address.IsValid() {
			i.Addresses = append(i.Addresses, single(end.address))
			i.Gateways = append(i.Gateways, end.router)
		}
	}
	return host.Node{Name: nodeName(w, name), Hostname: name, Interfaces: []host.Interface{i}}
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// speakerGateway is a gateway of AWS's with tunnels: its BGP speaker has the inside
// addresses of all of them.
type speakerGateway struct {
	name   string // "vpnGateway vgw"
	handle uint32 // of the speaker's interface
	asn    control.ASN
	// tunnels that AWS has up or would take up.
	tunnels []speakerTunnel
	// peers are the Connect peers of its available attachments, by name.
	peers []connectPeer
}

type connectPeer struct {
	*control.TransitGatewayConnectPeer
	name string
}

type speakerTunnel struct {
	*control.VPNTunnel
	connection *control.VPNConnection
}

// speakerGateways are sorted by name.
func speakerGateways(w *control.World) []speakerGateway {
	byName := map[string]*speakerGateway{}
	for _, name := range slices.Sorted(maps.Keys(w.TransitGatewayConnectPeers)) {
		p := w.TransitGatewayConnectPeers[name]
		t, a := w.TransitGateways[p.Status.TransitGateway], w.TransitGatewayAttachments[p.Attachment]
		if t == nil || t.Status.SpeakerHandle == 0 || a == nil || a.Status.State != control.AttachmentAvailable || a.Status.Fault != "" || p.Status.Fault != "" {
			continue
		}
		gateway := "transitGateway " + p.Status.TransitGateway
		if byName[gateway] == nil {
			byName[gateway] = &speakerGateway{name: gateway, handle: t.Status.SpeakerHandle, asn: t.Status.ASN}
		}
		byName[gateway].peers = append(byName[gateway].peers, connectPeer{p, name})
	}
	for _, name := range slices.Sorted(maps.Keys(w.VPNConnections)) {
		c := w.VPNConnections[name]
		var g speakerGateway
		if v := w.VPNGateways[c.VPNGateway]; v != nil {
			g = speakerGateway{name: "vpnGateway " + c.VPNGateway, handle: v.Status.SpeakerHandle, asn: v.Status.ASN}
		} else if t := w.TransitGateways[c.TransitGateway]; t != nil {
			g = speakerGateway{name: "transitGateway " + c.TransitGateway, handle: t.Status.SpeakerHandle, asn: t.Status.ASN}
		}
		if g.handle == 0 {
			continue
		}
		if byName[g.name] == nil {
			byName[g.name] = &g
		}
		for i := range c.Status.Tunnels {
			if t := &c.Status.Tunnels[i]; t.Fault == "" {
				byName[g.name].tunnels = append(byName[g.name].tunnels, speakerTunnel{t, c})
			}
		}
	}
	list := make([]speakerGateway, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, *byName[name])
	}
	return list
}

func (g *speakerGateway) nodeName() string { return fmt.Sprintf("speaker#%d", g.handle) }

func (g *speakerGateway) node() host.Node {
	i := host.Interface{
		Link: g.handle, Name: "eth0", MTU: internetMTU, MAC: dataplane.InterfaceMAC(dataplane.Handle(g.handle)),
		Gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, t := range g.tunnels {
		for _, a := range []netip.Addr{t.AmazonIP, t.AmazonIPv6} {
			if a.IsValid() {
				i.Addresses = append(i.Addresses, single(a))
			}
		}
	}
	for _, p := range g.peers {
		for _, s := range p.Status.Sessions {
			for _, a := range []netip.Addr{s.AmazonIP, s.AmazonIPv6} {
				if a.IsValid() {
					i.Addresses = append(i.Addresses, single(a))
				}
			}
		}
	}
	return host.Node{Name: g.nodeName(), Hostname: "amazon", Interfaces: []host.Interface{i}}
}
