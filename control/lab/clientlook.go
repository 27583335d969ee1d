package lab

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// look learns what clients have done, and ends connections whose time is over.
func (c *clientEnds) look(w *control.World, now time.Time) {
	present := map[port.WireGuardKey]bool{}
	for _, o := range c.open {
		for _, stats := range o.end.Stats().Peers {
			client := o.wanted.clients[stats.PublicKey]
			if w.VPNClients[client] == nil {
				continue
			}
			present[stats.PublicKey] = true
			if why := c.sessions.observe(w, client, stats, now); why != "" {
				c.finish(w, o, client, stats.PublicKey, why, now)
			}
		}
		for _, a := range o.end.Attempts() {
			client, reason := c.whyNot(w, o, a.Key)
			c.sessions.failed(w, o.wanted.name, failedAttempt{client: client, at: a.From, time: a.Time, reason: reason})
		}
	}
	c.sessions.forget(present, now)
}

// finish ends a client's connection from AWS's side. The client may call again, unless
// its session timeout was reached and the endpoint wants its user to connect it.
func (c *clientEnds) finish(w *control.World, o *openClientEnd, client string, key port.WireGuardKey, why string, now time.Time) {
	c.sessions.endOf(key, why, now)
	if err := o.end.Disconnect(key); err != nil {
		c.log.Error("a client could not be disconnected", "client", client, "error", err)
	}
	if e := w.ClientVPNEndpoints[o.wanted.name]; why == sessionOver && e != nil && e.Status.DisconnectOnSessionTimeout {
		c.held[w.VPNClients[client].Status.Handle] = true
		if err := c.converge(w); err != nil {
			c.log.Error("a client could not be held off", "client", client, "error", err)
		}
	}
}

// whyNot says who called an endpoint that does not have him as a peer.
func (c *clientEnds) whyNot(w *control.World, o *openClientEnd, key port.WireGuardKey) (client, reason string) {
	if client = o.wanted.clients[key]; client != "" {
		if known := w.VPNClients[client]; known != nil && c.held[known.Status.Handle] {
			return client, "the session timeout was reached: the user has to connect again"
		}
		return client, "the endpoint has no association that the client could land on"
	}
	for _, other := range c.open {
		if client = other.wanted.clients[key]; client != "" {
			return client, "the client is one of Client VPN endpoint " + other.wanted.name
		}
	}
	return "", fmt.Sprintf("no client has the public key %s", key)
}

// clientConnections are the connections of the lab's clients, now and before.
func (v *vpn) clientConnections() []ClientVPNConnection {
	if v == nil { // a lab without namespaces, of a test
		return []ClientVPNConnection{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.world != nil && !v.closed {
		v.clientEnds.look(v.world, time.Now())
	}
	return v.clientEnds.sessions.connections()
}

// terminate ends a connection: by its ID, or by its client's name or address.
func (v *vpn) terminate(name string) (ClientVPNConnection, error) {
	// By whatever names it: AWS takes the ID or the user's name.
	for _, c := range v.clientConnections() {
		if c.Status != ConnectionActive || c.Client != name && c.ConnectionID != name && !c.Has(name) {
			continue
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, o := range v.clientEnds.open {
			if p, there := o.wanted.peers[c.Client]; there && o.wanted.name == c.Endpoint {
				v.clientEnds.finish(v.world, o, c.Client, p.PublicKey, terminated, time.Now())
			}
		}
		for _, ended := range v.clientEnds.sessions.connections() {
			if ended.ConnectionID == c.ConnectionID {
				c = ended
			}
		}
		return c, nil
	}
	code, what := "InvalidClientVpnConnection.UserNotFound", "client"
	if _, err := netip.ParseAddr(name); err == nil {
		what = "client with the address"
	} else if len(name) > len(connectionPrefix) && name[:len(connectionPrefix)] == connectionPrefix {
		code, what = "InvalidClientVpnConnection.IdNotFound", "connection"
	}
	return ClientVPNConnection{}, &UsageError{
		fmt.Sprintf("no %s %s is connected [%s]", what, name, code), "vpcsim get clientVpnConnections lists who is",
	}
}

// reconnect lets a client call again that was disconnected by its session timeout:
// what its user does when the client program asks for it. It reports whether the
// client was held off.
func (v *vpn) reconnect(client string) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.world == nil || v.world.VPNClients[client] == nil {
		return false, &UsageError{fmt.Sprintf("no VPN client named %q", client), "vpcsim get vpnClients lists them"}
	}
	handle := v.world.VPNClients[client].Status.Handle
	held := v.clientEnds.held[handle]
	delete(v.clientEnds.held, handle)
	return held, v.clientEnds.converge(v.world)
}

func (s *apiServer) clientConnections(w http.ResponseWriter, _ *http.Request) {
	reply(w, s.lab.vpn.clientConnections())
}

// ClientQuery names a client, or one of its connections.
type ClientQuery struct {
	Name string `json:"name"`
}

func (s *apiServer) terminate(w http.ResponseWriter, r *http.Request) {
	var q ClientQuery
	if !receive(w, r, maxRequest, &q) {
		return
	}
	c, err := s.lab.vpn.terminate(q.Name)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, c)
}

// Reconnected says whether a client had to be let in again.
type Reconnected struct {
	Held bool `json:"held"`
}

func (s *apiServer) reconnect(w http.ResponseWriter, r *http.Request) {
	var q ClientQuery
	if !receive(w, r, maxRequest, &q) {
		return
	}
	held, err := s.lab.vpn.reconnect(q.Name)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, Reconnected{held})
}

func (s *apiServer) connectionLog(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		fail(w, &UsageError{"after is no sequence number", ""})
		return
	}
	reply(w, s.lab.vpn.logs.since(after, r.URL.Query().Get("endpoint")))
}

// clientConfig answers with the keys in it: only the daemon has their secret.
func (s *apiServer) clientConfig(w http.ResponseWriter, r *http.Request) {
	var q ClientQuery
	if !receive(w, r, maxRequest, &q) {
		return
	}
	world, _ := s.lab.store.World()
	text, err := world.ClientConfig(q.Name)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, text)
}
