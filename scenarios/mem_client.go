package scenarios

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// clientHop stands for the other end of a client's tunnel, which has no address.
var clientHop = netip.MustParseAddr("169.254.0.1")

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
	tunnel := &memInterface{name: name, link: c.Status.Handle, mac: packet.MAC(c.Status.MAC), addresses: singles(c.Status.Address)}
	host.add(tunnel)
	host.add(&memInterface{
		name: name, link: c.Status.InternetHandle, mac: packet.MAC(c.Status.InternetMAC), addresses: singles(c.Status.InternetIP),
		gateways: []netip.Addr{dataplane.InternetRouter4},
	})
	if c.Status.Subnet == "" {
		return // not connected
	}
	tunnel.neighbors[clientHop] = dataplane.RouterMAC(dataplane.Handle(tunnel.link))
	for _, block := range w.ClientVPNEndpoints[c.Endpoint].AllowedIPs() {
		host.routes = append(host.routes, memRoute{block, tunnel, clientHop})
	}
	slices.SortStableFunc(host.routes, func(a, b memRoute) int { return cmp.Compare(b.destination.Bits(), a.destination.Bits()) })
}

// clientSources are the addresses that the clients of an endpoint have behind its
// interfaces: the public ones on the Internet (C6, C8).
func clientSources(e *control.ClientVPNEndpoint, inside bool) (list []netip.Addr) {
	for _, a := range e.Status.Associations {
		own := a.PublicIP
		if inside {
			own = a.PrivateIP
		}
		if own.IsValid() {
			list = append(list, own)
		}
	}
	return list
}
