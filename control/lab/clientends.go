package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// clientEnds are AWS's ends of the tunnels of Client VPN clients, which live in this
// process behind the core's port: one per endpoint, since all associations of one
// share its key, with an address for each association that works. They are not safe
// for concurrent use.
type clientEnds struct {
	ports    *port.Switch
	sockets  *listenSockets
	log      *slog.Logger
	sessions *clientSessions
	open     map[uint32]*openClientEnd // by handle of the endpoint, which a replaced one has not
	keys     map[keyOwner]control.ClientVPNKeys
	// held are clients, by link, whose session timeout has ended their connection:
	// they may call when their user has connected them again.
	held map[uint32]bool
}

type openClientEnd struct {
	end    *port.WireGuardHub
	wanted wantedClientEnd
}

// keyOwner is whose keys are kept, so that not every change costs a multiplication
// for each client.
type keyOwner struct {
	world, client, endpoint string
	secret                  [32]byte
}

// wantedClientEnd is what an endpoint's end is to be.
type wantedClientEnd struct {
	name    string
	private port.WireGuardKey
	outside []port.WireGuardOutside
	listen  netip.AddrPort // at the machine itself; not valid: nowhere
	// peers are by client, each one that has landed on an association.
	peers map[string]port.WireGuardPeer
	// clients are all of the endpoint, by key.
	clients map[port.WireGuardKey]string
	// landed is the association that each is on: one that moves begins anew.
	landed map[string]string
}

func newClientEnds(ports *port.Switch, logs *connectionLogs, sockets *listenSockets, log *slog.Logger) *clientEnds {
	return &clientEnds{
		ports: ports, sockets: sockets, log: log, sessions: newClientSessions(logs), open: map[uint32]*openClientEnd{},
		keys: map[keyOwner]control.ClientVPNKeys{}, held: map[uint32]bool{},
	}
}

// converge opens, changes and closes ends until they are those of w. A client that
// stays what it was keeps its session.
func (c *clientEnds) converge(w *control.World) error {
	wanted := c.wanted(w)
	for handle, o := range c.open {
		if next, keep := wanted[handle]; !keep || next.private != o.wanted.private {
			_ = o.end.Close()
			delete(c.open, handle)
		}
	}
	var errs []error
	for _, handle := range slices.Sorted(maps.Keys(wanted)) {
		if err := c.convergeOne(handle, wanted[handle]); err != nil {
			errs = append(errs, fmt.Errorf("Client VPN endpoint %s: %w", wanted[handle].name, err))
		}
	}
	return errors.Join(errs...)
}

// convergeOne changes one endpoint's end into next. Addresses come before peers, so
// that who is let in can be answered.
func (c *clientEnds) convergeOne(handle uint32, next wantedClientEnd) error {
	o := c.open[handle]
	if o == nil {
		end, err := c.ports.OpenWireGuardHub(port.WireGuardHubConfig{
			PrivateKey: next.private, Outside: next.outside, Port: control.ClientVPNPort, MTU: dataplane.ClientVPNMTU,
			Log: c.log.With("clientVpnEndpoint", next.name),
		})
		if err != nil {
			return err
		}
		o = &openClientEnd{end: end}
		c.open[handle] = o
	} else if err := o.end.SetOutside(next.outside); err != nil {
		return err
	}
	if err := c.listen(o.end, next.listen); err != nil {
		return err
	}
	now := time.Now()
	for client, p := range o.wanted.peers {
		_, still := next.peers[client]
		switch {
		case !still && next.clients[p.PublicKey] != "":
			c.sessions.endOf(p.PublicKey, nowhere, now)
		case still && next.landed[client] != o.wanted.landed[client]:
			// Whose association is gone has to call again, as on AWS.
			c.sessions.endOf(p.PublicKey, movedAway, now)
			if err := o.end.Disconnect(p.PublicKey); err != nil {
				return err
			}
		case next.peers[client] != p:
			c.sessions.endOf(p.PublicKey, noLonger, now)
		}
	}
	if err := o.end.SetPeers(slices.Collect(maps.Values(next.peers))); err != nil {
		return err
	}
	o.wanted = next
	return nil
}

// listen gives an end the real socket that it is to have, or none.
func (c *clientEnds) listen(end *port.WireGuardHub, at netip.AddrPort) error {
	if !at.IsValid() {
		return end.SetSocket(nil)
	}
	socket := c.sockets.get(at)
	if socket == nil {
		return fmt.Errorf("nobody has opened %s: apply the file with vpcsim apply, which opens it where it runs", at)
	}
	return end.SetSocket(socket)
}

// wanted are by handle of the endpoint.
func (c *clientEnds) wanted(w *control.World) map[uint32]wantedClientEnd {
	wanted := map[uint32]wantedClientEnd{}
	for name, e := range w.ClientVPNEndpoints {
		end := wantedClientEnd{
			name: name, listen: e.Listen.AddrPort(), private: w.ClientVPNEndpointKey(name).Private,
			peers: map[string]port.WireGuardPeer{}, clients: map[port.WireGuardKey]string{}, landed: map[string]string{},
		}
		for i := range e.Status.Associations {
			if a := &e.Status.Associations[i]; a.Works() {
				for _, address := range a.OutsideAddresses() {
					end.outside = append(end.outside, port.WireGuardOutside{TunnelLink: tunnelLink(a.OutsideHandle, a.OutsideMAC), Address: address})
				}
			}
		}
		for _, client := range e.Status.Clients {
			status, keys := &w.VPNClients[client].Status, c.clientKeys(w, client)
			end.clients[keys.Client.Public] = client
			if status.Place() == "" || len(status.Addresses()) == 0 || c.held[status.Handle] {
				continue
			}
			end.landed[client] = status.Place()
			end.peers[client] = port.WireGuardPeer{
				PublicKey: keys.Client.Public, PresharedKey: keys.Preshared, Addresses: port.PeerAddresses{status.Address, status.IPv6},
				Inside: tunnelLink(status.Handle, status.MAC),
			}
		}
		wanted[e.Status.Handle] = end
	}
	return wanted
}

// clientKeys are those that the world would work out, kept once they are known.
func (c *clientEnds) clientKeys(w *control.World, client string) control.ClientVPNKeys {
	owner := keyOwner{w.Name, client, w.VPNClients[client].Endpoint, w.KeySecret}
	keys, known := c.keys[owner]
	if !known {
		keys = w.ClientVPNKeys(client)
		c.keys[owner] = keys
	}
	return keys
}

// close ends all connections, which is logged, and then the ends.
func (c *clientEnds) close() {
	c.sessions.forget(nil, time.Now())
	for _, o := range c.open {
		_ = o.end.Close()
	}
	c.open = map[uint32]*openClientEnd{}
}
