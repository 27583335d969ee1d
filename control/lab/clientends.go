package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// clientEnds are AWS's ends of the tunnels of Client VPN clients, which live in this
// process behind the core's port: one per endpoint, since all associations of one
// share its key, with an address for each association that works. They are not safe
// for concurrent use.
type clientEnds struct {
	ports *port.Switch
	log   *slog.Logger
	open  map[uint32]*openClientEnd // by handle of the endpoint, which a replaced one has not
}

type openClientEnd struct {
	end     *port.WireGuardHub
	wanted  wantedClientEnd
	clients map[port.WireGuardKey]string
}

// wantedClientEnd is what an endpoint's end is to be.
type wantedClientEnd struct {
	name    string
	private port.WireGuardKey
	outside []port.WireGuardOutside
	// peers are by client, each one that has landed on an association.
	peers map[string]port.WireGuardPeer
	// landed is the association that each is on: one that moves begins anew.
	landed map[string]string
}

func newClientEnds(ports *port.Switch, log *slog.Logger) *clientEnds {
	return &clientEnds{ports: ports, log: log, open: map[uint32]*openClientEnd{}}
}

// converge opens, changes and closes ends until they are those of w. A client that
// stays what it was keeps its session.
func (c *clientEnds) converge(w *control.World) error {
	wanted := wantedClientEnds(w)
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
	// The client of an association that is gone has to call again, as on AWS.
	for client, p := range o.wanted.peers {
		if next.peers[client] == p && next.landed[client] != o.wanted.landed[client] {
			if err := o.end.Disconnect(p.PublicKey); err != nil {
				return err
			}
		}
	}
	if err := o.end.SetPeers(slices.Collect(maps.Values(next.peers))); err != nil {
		return err
	}
	o.wanted, o.clients = next, map[port.WireGuardKey]string{}
	for client, p := range next.peers {
		o.clients[p.PublicKey] = client
	}
	return nil
}

// wantedClientEnds are by handle of the endpoint.
func wantedClientEnds(w *control.World) map[uint32]wantedClientEnd {
	wanted := map[uint32]wantedClientEnd{}
	for name, e := range w.ClientVPNEndpoints {
		end := wantedClientEnd{
			name: name, private: w.ClientVPNEndpointKey(name).Private,
			peers: map[string]port.WireGuardPeer{}, landed: map[string]string{},
		}
		for i := range e.Status.Associations {
			if a := &e.Status.Associations[i]; a.Fault == "" && a.PrivateIP.IsValid() {
				end.outside = append(end.outside, port.WireGuardOutside{TunnelLink: tunnelLink(a.OutsideHandle, a.OutsideMAC), Address: a.OutsideIP})
			}
		}
		for _, client := range e.Status.Clients {
			c := w.VPNClients[client]
			if c.Status.Subnet == "" || !c.Status.Address.IsValid() {
				continue // it has no association to land on
			}
			keys := w.ClientVPNKeys(client)
			end.landed[client] = c.Status.Subnet
			end.peers[client] = port.WireGuardPeer{
				PublicKey: keys.Client.Public, PresharedKey: keys.Preshared, Address: c.Status.Address,
				Inside: tunnelLink(c.Status.Handle, c.Status.MAC),
			}
		}
		wanted[e.Status.Handle] = end
	}
	return wanted
}

func (c *clientEnds) close() {
	for _, o := range c.open {
		_ = o.end.Close()
	}
	c.open = map[uint32]*openClientEnd{}
}
