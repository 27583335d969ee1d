package lab

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// ClientVPNConnection is a client's connection to a Client VPN endpoint: AWS's
// ClientVpnConnection, and what the lab knows beside. It begins when both ends have
// agreed on keys, and ends when they have not done so again for ClientSilence, or when
// something ends it.
type ClientVPNConnection struct {
	Client       string   `json:"client"`
	Groups       []string `json:"groups"`
	Endpoint     string   `json:"endpoint"`
	EndpointID   string   `json:"endpointId"`
	ConnectionID string   `json:"connectionId"`
	// Address and IPv6 are the client's in the tunnel, as far as it has them,
	// Association the subnet it landed on, and Peer where its machine calls from, as AWS
	// sees it.
	Address     netip.Addr     `json:"address,omitzero"`
	IPv6        netip.Addr     `json:"ipv6Address,omitzero"`
	Association string         `json:"association"`
	Peer        netip.AddrPort `json:"peer,omitzero"`
	// Status is ConnectionActive or ConnectionTerminated, and Message why it ended.
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`

	Established   time.Time `json:"established"`
	Ended         time.Time `json:"ended,omitzero"`
	LastHandshake time.Time `json:"lastHandshake"`
	LastReceived  time.Time `json:"lastReceived,omitzero"`
	// Ingress is what the client sent, Egress what it was sent, inside the tunnel.
	IngressBytes   uint64 `json:"ingressBytes"`
	IngressPackets uint64 `json:"ingressPackets"`
	EgressBytes    uint64 `json:"egressBytes"`
	EgressPackets  uint64 `json:"egressPackets"`

	logged bool // by its endpoint's connection log
}

// Has reports whether an address is the client's in the tunnel.
func (c *ClientVPNConnection) Has(address string) bool {
	return c.Address.IsValid() && c.Address.String() == address || c.IPv6.IsValid() && c.IPv6.String() == address
}

// States of a connection, spelled as AWS spells them.
const (
	ConnectionActive     = "active"
	ConnectionTerminated = "terminated"
)

const (
	// ClientSilence ends a connection: a WireGuard client agrees on keys anew every two
	// minutes while it sends anything, its keepalives included, and what was agreed on
	// is void after three.
	ClientSilence = 3 * time.Minute
	// keptConnection is how long AWS remembers a connection that has ended, and
	// keptConnections how many the lab does.
	keptConnection  = time.Hour
	keptConnections = 10_000
	// answerPatience is how long a client may take to use the answer to its call.
	answerPatience = 5 * time.Second
)

// clientSessions follow the clients of a lab's Client VPN endpoints. They decide
// nothing by themselves but what is a connection. Not safe for concurrent use.
type clientSessions struct {
	log    *connectionLogs
	states map[port.WireGuardKey]*clientSession
	past   []ClientVPNConnection    // oldest first
	totals map[string]*clientTotals // by the endpoint's ID
}

// clientTotals are AWS's metrics of an endpoint. They are not added up from
// connections: those are forgotten after an hour, and a counter must not fall.
type clientTotals struct {
	connections, failures         uint64
	ingressBytes, egressBytes     uint64
	ingressPackets, egressPackets uint64
}

func (s *clientSessions) total(endpointID string) *clientTotals {
	t := s.totals[endpointID]
	if t == nil {
		t = &clientTotals{}
		s.totals[endpointID] = t
	}
	return t
}

// clientSession is what is known of a client since it came to its endpoint.
type clientSession struct {
	current *ClientVPNConnection
	base    port.WireGuardPeerStats // when the connection before current ended
	last    port.WireGuardPeerStats
	// over is the last agreement of a connection that has ended: it begins no other.
	over time.Time
	// calling is since when the client calls and does not take the answer, and told
	// that this was logged.
	calling time.Time
	told    bool
}

func newClientSessions(log *connectionLogs) *clientSessions {
	return &clientSessions{log: log, states: map[port.WireGuardKey]*clientSession{}, totals: map[string]*clientTotals{}}
}

// observe takes what an endpoint's end knows of a client, and returns why the
// client's connection is to be ended now, "" if it is not.
func (s *clientSessions) observe(w *control.World, client string, stats port.WireGuardPeerStats, now time.Time) (end string) {
	state := s.states[stats.PublicKey]
	if state == nil {
		state = &clientSession{}
		s.states[stats.PublicKey] = state
	}
	if state.last.Since != stats.Since { // it was disconnected in between
		s.end(state, "the connection was reset", now)
		*state = clientSession{}
	}
	state.last = stats
	c := w.VPNClients[client]
	e := w.ClientVPNEndpoints[c.Endpoint]
	fresh := stats.LastHandshake.After(state.over) && now.Sub(stats.LastHandshake) < ClientSilence
	switch {
	case state.current == nil && fresh:
		s.begin(state, w, client, stats)
	case state.current == nil:
		s.unanswered(state, w, client, stats, now)
		return ""
	}
	state.current.logged = e.ConnectionLog
	state.update(stats, s.total(state.current.EndpointID))
	switch active := s.active(c.Endpoint); {
	case !fresh:
		s.end(state, "the client has not been heard of for "+ClientSilence.String(), now)
	case active > mostClientConnections(len(e.Status.Associations)):
		return quotaReached
	case now.Sub(state.current.Established) >= time.Duration(e.Status.SessionTimeoutHours)*time.Hour:
		return sessionOver
	}
	return ""
}

// Why connections are ended.
const (
	quotaReached = "The maximum number of client connections of the endpoint has been reached."
	sessionOver  = "The session timeout has been reached."
	terminated   = "The connection was terminated."
	movedAway    = "The client was moved to another association."
	nowhere      = "The endpoint has no association that works."
	noLonger     = "The endpoint no longer has the client."
)

// mostClientConnections is AWS's quota by associated subnets, which nobody can raise.
func mostClientConnections(associations int) int {
	quota := []int{0, 7_000, 36_500, 66_500, 96_500, 126_000}
	return quota[min(associations, len(quota)-1)]
}

func (s *clientSessions) begin(state *clientSession, w *control.World, client string, stats port.WireGuardPeerStats) {
	c := w.VPNClients[client]
	state.calling, state.told = time.Time{}, false
	state.current = &ClientVPNConnection{
		Client: client, Groups: append([]string{}, c.Groups...), Endpoint: c.Endpoint, EndpointID: w.ClientVPNEndpoints[c.Endpoint].Status.ID,
		ConnectionID: connectionID(c.Status.ID, stats.LastHandshake), Address: c.Status.Address, IPv6: c.Status.IPv6, Association: c.Status.Place(),
		Status: ConnectionActive, Established: stats.LastHandshake,
	}
	state.current.logged = w.ClientVPNEndpoints[c.Endpoint].ConnectionLog
	total := s.total(state.current.EndpointID)
	total.connections++
	state.update(stats, total)
	s.log.connected(*state.current)
}

const connectionPrefix = "cvpn-connection-"

// connectionID is AWS's form of one: the same for as long as the connection lasts.
func connectionID(client string, established time.Time) string {
	sum := sha256.Sum256([]byte(client + "\x00" + established.UTC().Format(time.RFC3339Nano)))
	return connectionPrefix + hex.EncodeToString(sum[:])[:17]
}

// update brings the connection up to date, and the endpoint's totals by what is new.
func (state *clientSession) update(stats port.WireGuardPeerStats, total *clientTotals) {
	c, base := state.current, &state.base
	before := *c
	c.Peer, c.LastHandshake, c.LastReceived = stats.At, stats.LastHandshake, stats.LastReceived
	c.IngressBytes, c.IngressPackets = stats.ReceivedBytes-base.ReceivedBytes, stats.Received-base.Received
	c.EgressBytes, c.EgressPackets = stats.SentBytes-base.SentBytes, stats.Sent-base.Sent
	total.ingressBytes += c.IngressBytes - before.IngressBytes
	total.egressBytes += c.EgressBytes - before.EgressBytes
	total.ingressPackets += c.IngressPackets - before.IngressPackets
	total.egressPackets += c.EgressPackets - before.EgressPackets
}

// end ends the state's connection, if it has one.
func (s *clientSessions) end(state *clientSession, why string, now time.Time) {
	c := state.current
	if c == nil {
		return
	}
	state.current, state.over, state.base = nil, c.LastHandshake, state.last
	c.Status, c.Message, c.Ended = ConnectionTerminated, why, now
	s.past = append(s.past, *c)
	s.log.disconnected(*c)
}

// endOf ends a client's connection, if it has one.
func (s *clientSessions) endOf(key port.WireGuardKey, why string, now time.Time) {
	if state := s.states[key]; state != nil {
		s.end(state, why, now)
	}
}

// unanswered logs a client who calls, and never uses the answer.
func (s *clientSessions) unanswered(state *clientSession, w *control.World, client string, stats port.WireGuardPeerStats, now time.Time) {
	switch {
	case !stats.Called || !stats.LastHandshake.IsZero():
		state.calling, state.told = time.Time{}, false
	case state.calling.IsZero():
		state.calling = now
	case !state.told && now.Sub(state.calling) > answerPatience:
		state.told = true
		c := w.VPNClients[client]
		s.failed(w, c.Endpoint, failedAttempt{client: client, at: stats.At, time: now,
			reason: "the client has not taken the answer: its pre-shared key may be another"})
	}
}

// failed counts and logs a call that came to nothing. An endpoint's end reports so
// many a second at most: a flood of strangers is counted as a trickle.
func (s *clientSessions) failed(w *control.World, endpoint string, f failedAttempt) {
	if e := w.ClientVPNEndpoints[endpoint]; e != nil {
		s.total(e.Status.ID).failures++
	}
	s.log.failed(w, endpoint, f)
}

// forget ends the connections of clients that are no peers any more.
func (s *clientSessions) forget(present map[port.WireGuardKey]bool, now time.Time) {
	for key, state := range s.states {
		if !present[key] {
			s.end(state, noLonger, now)
			delete(s.states, key)
		}
	}
	s.past = slices.DeleteFunc(s.past, func(c ClientVPNConnection) bool { return now.Sub(c.Ended) > keptConnection })
	if over := len(s.past) - keptConnections; over > 0 {
		s.past = slices.Delete(s.past, 0, over)
	}
}

// active counts an endpoint's connections.
func (s *clientSessions) active(endpoint string) (n int) {
	for _, state := range s.states {
		if state.current != nil && state.current.Endpoint == endpoint {
			n++
		}
	}
	return n
}

// connections are those that last, by endpoint and client, and then those that have
// ended within the last hour, the last one first.
func (s *clientSessions) connections() []ClientVPNConnection {
	list := []ClientVPNConnection{}
	for _, state := range s.states {
		if state.current != nil {
			list = append(list, *state.current)
		}
	}
	slices.SortFunc(list, func(a, b ClientVPNConnection) int {
		return cmp.Or(strings.Compare(a.Endpoint, b.Endpoint), strings.Compare(a.Client, b.Client))
	})
	for _, c := range slices.Backward(s.past) {
		list = append(list, c)
	}
	return list
}
