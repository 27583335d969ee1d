package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/wireguard"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// vpnClients are the machines of the lab that connect to Client VPN endpoints, and
// what AWS's client program does on each of them: a WireGuard device, made by a
// process of ours, and the routes that the endpoint pushes. They are not safe for
// concurrent use.
type vpnClients struct {
	host      *host.Host
	dir       string // a directory per client, for its sockets
	log       *slog.Logger
	connected map[string]*vpnClient // by name
}

type vpnClient struct {
	node   string
	tunnel *wireGuardProcess
	up     bool // the device is set up
}

// clientDevice is what wg-quick would call the device of a configuration wg0.conf.
const clientDevice = "wg0"

func newVPNClients(h *host.Host, dir string, log *slog.Logger) *vpnClients {
	return &vpnClients{host: h, dir: dir, log: log, connected: map[string]*vpnClient{}}
}

// converge connects and disconnects until it is as in w. Routes and keys that change
// are in force at once; AWS's clients learn of routes when they connect again (C5).
func (v *vpnClients) converge(w *control.World) error {
	for name, c := range v.connected {
		ended := c.tunnel.ended()
		if ended {
			v.log.Warn("the process that had the WireGuard device ended; another one is started", "client", name)
		}
		if !connects(w, name) || c.node != nodeName(w, name) || ended {
			c.tunnel.close()
			delete(v.connected, name)
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(w.VPNClients)), func(name string) bool { return !connects(w, name) })
	var errs []error
	fail := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("VPN client %s: %w", name, err))
		}
	}
	// All processes are started before the first device is waited for.
	for _, name := range names {
		fail(name, v.connect(w, name))
	}
	for _, name := range names {
		if c := v.connected[name]; c != nil {
			fail(name, v.setUp(c, w, name))
		}
	}
	return errors.Join(errs...)
}

// ended reports that a client's process is gone: converge starts another.
func (v *vpnClients) ended() bool {
	for _, c := range v.connected {
		if c.tunnel.ended() {
			return true
		}
	}
	return false
}

// connects reports whether the client's machine is in the lab and has an association
// to land on.
func connects(w *control.World, name string) bool {
	c := w.VPNClients[name]
	return c != nil && c.Status.InLab && c.Status.Place() != ""
}

// connect tells the client's process what to call, and starts it before.
func (v *vpnClients) connect(w *control.World, name string) error {
	c := v.connected[name]
	if c == nil {
		directories, err := clientDirectories(filepath.Join(v.dir, name))
		if err != nil {
			return err
		}
		c = &vpnClient{node: nodeName(w, name)}
		if c.tunnel, err = startWireGuard(v.host, c.node, directories, v.log.With("client", name)); err != nil {
			return err
		}
		v.connected[name] = c
	}
	client := w.VPNClients[name]
	keys, association := w.ClientVPNKeys(name), landedOn(w, client)
	// What carries the tunnel must not go into it, from the first call on.
	if err := v.host.PushedRoutes(c.node, pushedRoutes(w, client, c.up)); err != nil {
		return err
	}
	return c.tunnel.set(wireguard.State{Tunnels: []wireguard.Tunnel{{
		Name: clientDevice, MTU: dataplane.ClientVPNMTU,
		PrivateKey: wireguard.Key(keys.Client.Private), PeerPublicKey: wireguard.Key(keys.Endpoint.Public), PresharedKey: wireguard.Key(keys.Preshared),
		Endpoint:            netip.AddrPortFrom(association.Calls(), control.ClientVPNPort),
		AllowedIPs:          w.ClientVPNEndpoints[client.Endpoint].AllowedIPs(),
		PersistentKeepalive: control.ClientVPNKeepalive,
		// All associations of an endpoint have one key: they are told apart here.
		Session: uint64(association.OutsideHandle)<<32 | uint64(client.Status.Handle),
	}}})
}

// landedOn is the association that a connected client is on.
func landedOn(w *control.World, c *control.VPNClient) *control.ClientVPNAssociation {
	associations := w.ClientVPNEndpoints[c.Endpoint].Status.Associations
	i := slices.IndexFunc(associations, func(a control.ClientVPNAssociation) bool { return a.Place() == c.Status.Place() })
	return &associations[i]
}

// setUp gives the machine its addresses in the tunnel and the routes into it.
func (v *vpnClients) setUp(c *vpnClient, w *control.World, name string) error {
	if err := c.tunnel.await(); err != nil {
		return err
	}
	client := w.VPNClients[name]
	if err := v.host.Device(c.node, clientDevice, singles(client.Status.Addresses()), 0); err != nil {
		return err
	}
	c.up = true
	return v.host.PushedRoutes(c.node, pushedRoutes(w, client, true))
}

// pushedRoutes are the way to the association that a client is on, and, once the
// device is there, those into the tunnel.
func pushedRoutes(w *control.World, client *control.VPNClient, up bool) []host.LearnedRoute {
	call, router := landedOn(w, client).Calls(), dataplane.InternetRouter4
	if call.Is6() {
		router = dataplane.InternetRouter6
	}
	routes := []host.LearnedRoute{{Destination: single(call), Hops: []host.NextHop{{Device: "eth0", Via: router}}}}
	if !up {
		return routes
	}
	for _, block := range w.ClientVPNEndpoints[client.Endpoint].AllowedIPs() {
		for _, destination := range besideDefault(block) {
			routes = append(routes, host.LearnedRoute{Destination: destination, Hops: []host.NextHop{{Device: clientDevice}}})
		}
	}
	return routes
}

// besideDefault are the routes for a block. In place of the default route there are
// two halves, as OpenVPN's clients have them (redirect-gateway def1): the machine's
// own default route stays.
func besideDefault(block netip.Prefix) []netip.Prefix {
	if block.Bits() > 0 {
		return []netip.Prefix{block}
	}
	upper := netip.AddrFrom4([4]byte{128})
	if block.Addr().Is6() {
		upper = netip.AddrFrom16([16]byte{128})
	}
	return []netip.Prefix{netip.PrefixFrom(block.Addr(), 1), netip.PrefixFrom(upper, 1)}
}

// singles are addresses as blocks of their own.
func singles(list []netip.Addr) (blocks []netip.Prefix) {
	for _, a := range list {
		blocks = append(blocks, single(a))
	}
	return blocks
}

// clientDirectories are a client's own, under dir: where wg(8) finds the socket of its
// device.
func clientDirectories(dir string) (map[string]string, error) {
	sockets := filepath.Join(dir, "wireguard")
	return map[string]string{wireguard.SocketDirectory: sockets}, os.MkdirAll(sockets, 0o700)
}

func (v *vpnClients) close() {
	for _, c := range v.connected {
		c.tunnel.close()
	}
	v.connected = map[string]*vpnClient{}
}

// clientNode is the machine of a client: a host of the Internet, with IPv6 only where
// its endpoint can be called by it.
func clientNode(w *control.World, name string, c *control.VPNClient) host.Node {
	s, gateways := &c.Status, []netip.Addr{dataplane.InternetRouter4}
	if s.InternetIPv6.IsValid() {
		gateways = append(gateways, dataplane.InternetRouter6)
	}
	return host.Node{Name: nodeName(w, name), Hostname: name, Interfaces: []host.Interface{{
		Link: s.InternetHandle, Name: "eth0", MTU: internetMTU, MAC: packet.MAC(s.InternetMAC),
		Addresses: singles(s.InternetAddresses()), Gateways: gateways,
	}}}
}
