package lab

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/bgp"
)

// speakers are AWS's BGP speakers, one per gateway with tunnels. What to announce is
// control's to say; what is learned goes there. They are not safe for concurrent
// use, but for what sessions report.
type speakers struct {
	in      func(node string, do func() error) error
	log     *slog.Logger
	changed func() // called when a session or a learned route has changed
	servers map[uint32]*bgp.Server

	mu       sync.Mutex
	sessions map[string]*bgpSession // by tunnel, or session of a Connect peer
}

// bgpSession is what a session reported last.
type bgpSession struct {
	up      bool
	reason  string
	learned map[netip.Prefix]control.BGPRoute
}

func newSpeakers(in func(string, func() error) error, log *slog.Logger, changed func()) *speakers {
	return &speakers{in: in, log: log, changed: changed, servers: map[uint32]*bgp.Server{}, sessions: map[string]*bgpSession{}}
}

// converge gives each gateway's speaker its peers and what each of them is told.
// Sessions that stay as they are go on.
func (s *speakers) converge(w *control.World) error {
	announcements, toAppliances := w.Announcements(), w.ConnectAnnouncements()
	wanted := map[uint32]bool{}
	for _, g := range speakerGateways(w) {
		wanted[g.handle] = true
		server := s.servers[g.handle]
		if server == nil {
			node := g.nodeName()
			server = bgp.NewServer(bgp.Config{
				Event: s.event, Log: s.log,
				Open: func(f func() error) error { return s.in(node, f) },
			})
			s.servers[g.handle] = server
		}
		var state bgp.State
		for _, t := range g.tunnels {
			if routes, speaks := announcements[t.Name]; speaks {
				state.Peers = append(state.Peers, s.peers(&g, t, routes)...)
			}
		}
		for _, p := range g.peers {
			state.Peers = append(state.Peers, connectSessions(&p, toAppliances[p.name])...)
		}
		if err := server.Set(state); err != nil {
			return fmt.Errorf("BGP of %s: %w", g.name, err)
		}
	}
	// Close waits for the sessions, which report to event meanwhile: s.mu is free.
	for handle, server := range s.servers {
		if !wanted[handle] {
			server.Close()
			delete(s.servers, handle)
		}
	}
	return nil
}

// peers is AWS's session in a tunnel, in the family that it carries (V3, V14).
func (s *speakers) peers(g *speakerGateway, t speakerTunnel, routes []control.BGPRoute) []bgp.Peer {
	local, remote, family := t.AmazonIP, t.CustomerIP, bgp.IPv4
	if t.AmazonIPv6.IsValid() {
		local, remote, family = t.AmazonIPv6, t.CustomerIPv6, bgp.IPv6
	}
	peer := bgp.Peer{
		Name: t.Name, LocalAddress: local, RemoteAddress: remote,
		LocalASN: uint32(g.asn), RemoteASN: uint32(t.connection.Status.CustomerASN),
		RouterID: speakerID(g.handle), Families: []bgp.Family{family}, MaxPrefixes: t.connection.MaxPrefixes(),
	}
	if local.Is4() {
		peer.RouterID = local
	}
	for _, r := range routes {
		peer.Announce = append(peer.Announce, announced(r))
	}
	return []bgp.Peer{peer}
}

// connectSessions are AWS's two sessions of a Connect peer (T17).
func connectSessions(p *connectPeer, routes []control.BGPRoute) (peers []bgp.Peer) {
	for _, s := range p.Status.Sessions {
		peer := bgp.Peer{
			Name: connectPeerPrefix + s.Name, LocalAddress: s.AmazonIP, RemoteAddress: p.Status.PeerIP, RouterID: s.AmazonIP,
			LocalASN: uint32(p.Status.AmazonASN), RemoteASN: uint32(p.Status.PeerASN), Internal: p.Status.AmazonASN == p.Status.PeerASN,
			Families: []bgp.Family{bgp.IPv4}, MultihopTTL: connectTTL, MaxPrefixes: p.MaxPrefixes(),
		}
		if s.AmazonIPv6.IsValid() {
			peer.Families, peer.IPv6NextHop = []bgp.Family{bgp.IPv4, bgp.IPv6}, s.AmazonIPv6
		}
		for _, r := range routes {
			peer.Announce = append(peer.Announce, announced(r))
		}
		peers = append(peers, peer)
	}
	return peers
}

const (
	// connectTTL is how far BGP goes at both ends of a Connect peer (T17).
	connectTTL = 2
	// connectPeerPrefix tells their sessions from those of VPN tunnels.
	connectPeerPrefix = "transitGatewayConnectPeer "
)

// speakerID is the BGP identifier of a speaker without an IPv4 address.
func speakerID(handle uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{169, 254, byte(handle >> 8), byte(handle)})
}

func announced(r control.BGPRoute) bgp.Route {
	route := bgp.Route{Prefix: r.Prefix, MED: r.MED, Origin: bgp.Origin(r.Origin)}
	for _, asn := range r.ASPath {
		route.ASPath = append(route.ASPath, uint32(asn))
	}
	for _, c := range r.Communities {
		route.Communities = append(route.Communities, bgp.Community(c))
	}
	return route
}

func learned(r bgp.Route) control.BGPRoute {
	route := control.BGPRoute{Prefix: r.Prefix, MED: r.MED, Origin: uint8(r.Origin)}
	for _, asn := range r.ASPath {
		route.ASPath = append(route.ASPath, control.ASN(asn))
	}
	for _, c := range r.Communities {
		route.Communities = append(route.Communities, control.Community(c))
	}
	return route
}

// event notes what a session reports. It is called by goroutines of the sessions, which
// converge and close wait for: it must not want what their callers hold, and only
// leaves word that there is news.
func (s *speakers) event(e bgp.Event) {
	if e.Error != "" {
		s.log.Error("BGP", "error", e.Error)
	}
	if e.Peer == "" {
		return
	}
	s.mu.Lock()
	session := s.sessions[e.Peer]
	if session == nil {
		session = &bgpSession{learned: map[netip.Prefix]control.BGPRoute{}}
		s.sessions[e.Peer] = session
	}
	if e.Session != nil {
		session.up, session.reason = e.Session.State == bgp.Established, e.Session.Reason
		if e.Session.State == bgp.Removed {
			delete(s.sessions, e.Peer)
		}
		s.log.Info("BGP session", "peer", e.Peer, "state", e.Session.State, "reason", e.Session.Reason)
	}
	for _, r := range e.Learned {
		session.learned[r.Prefix] = learned(r)
	}
	for _, p := range e.Withdrawn {
		delete(session.learned, p)
	}
	s.mu.Unlock()
	s.changed()
}

// describe adds to a tunnel's state what its session does.
func (s *speakers) describe(tunnel string, state *control.TunnelState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[tunnel]
	if session == nil {
		return
	}
	state.BGPUp, state.BGPReason = session.up, session.reason
	if session.up {
		state.BGPReason = ""
	}
	for _, p := range slices.SortedFunc(maps.Keys(session.learned), comparePrefixes) {
		state.Learned = append(state.Learned, session.learned[p])
	}
}

// connectSession is what a session of a Connect peer reported; known is false before
// it has.
func (s *speakers) connectSession(name string) (state control.SessionState, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[connectPeerPrefix+name]
	if session == nil {
		return state, false
	}
	if state.Up = session.up; !state.Up {
		state.Reason = session.reason
		return state, true
	}
	for _, p := range slices.SortedFunc(maps.Keys(session.learned), comparePrefixes) {
		state.Learned = append(state.Learned, session.learned[p])
	}
	return state, true
}

func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func (s *speakers) close() {
	for _, server := range s.servers {
		server.Close()
	}
	s.servers = map[uint32]*bgp.Server{}
}
