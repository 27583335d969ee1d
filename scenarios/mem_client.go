package scenarios

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// clientHop4 and clientHop6 stand for the other end of a client's tunnel, which has no
// address.
var (
	clientHop4 = netip.MustParseAddr("169.254.0.1")
	clientHop6 = netip.MustParseAddr("fe80::1")
)

// setClients makes hosts of the clients of Client VPN endpoints whose machines are in
// the lab. They have the inside of their tunnel as an interface, and send into it
// what their configuration says; the rest goes to the Internet. Nothing is encrypted
// here, so the endpoints' outer ends swallow their frames.
func (m *Memory) setClients(w *control.World) {
	for _, e := range w.ClientVPNEndpoints {
		for _, a := range e.Status.Associations {
			m.silent[a.OutsideHandle] = true
		}
	}
	for name, c := range w.VPNClients {
		m.silent[c.Status.Handle] = true
		if c.Status.InLab {
			m.addClient(w, name, c)
		}
	}
}

func (m *Memory) addClient(w *control.World, name string, c *control.VPNClient) {
	host := m.addHost(name, c.Serve)
	tunnel := &memInterface{name: name, link: c.Status.Handle, mac: packet.MAC(c.Status.MAC), addresses: singles(c.Status.Addresses()...)}
	host.add(tunnel)
	host.add(&memInterface{
		name: name, link: c.Status.InternetHandle, mac: packet.MAC(c.Status.InternetMAC), addresses: singles(c.Status.InternetAddresses()...),
		gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	})
	if c.Status.Place() == "" {
		return // not connected
	}
	for _, hop := range []netip.Addr{clientHop4, clientHop6} {
		tunnel.neighbors[hop] = dataplane.RouterMAC(dataplane.Handle(tunnel.link))
	}
	for _, block := range w.ClientVPNEndpoints[c.Endpoint].AllowedIPs() {
		hop := clientHop4
		if block.Addr().Is6() {
			hop = clientHop6
		}
		host.routes = append(host.routes, memRoute{block, tunnel, hop})
	}
	slices.SortStableFunc(host.routes, func(a, b memRoute) int { return cmp.Compare(b.destination.Bits(), a.destination.Bits()) })
}

// clientSources are the addresses that the clients of an endpoint have to whoever they
// send to: over IPv4 those of its interfaces, the public ones on the Internet, and over
// IPv6 their own (C6, C8).
func clientSources(w *control.World, e *control.ClientVPNEndpoint, to netip.Addr) (list []netip.Addr) {
	if own := e.Status.TransitGatewayAttachment != ""; own && !to.Is6() { // nobody translates (C11)
		for _, name := range e.Status.Clients {
			list = append(list, w.VPNClients[name].Status.Address)
		}
		return list
	}
	if to.Is6() {
		for _, name := range e.Status.Clients {
			if own := w.VPNClients[name].Status.IPv6; own.IsValid() {
				list = append(list, own)
			}
		}
		return list
	}
	for _, a := range e.Status.Associations {
		own := a.PublicIP
		if isPrivate(w, to) {
			own = a.PrivateIP
		}
		if own.IsValid() {
			list = append(list, own)
		}
	}
	return list
}
