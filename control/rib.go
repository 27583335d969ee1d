package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RIB is what the tunnels and BGP sessions of a lab are doing: the one input of a
// world that nobody wrote. A RIB that was handed over is not changed any more by
// anybody.
type RIB struct {
	// Tunnels by name. One that is missing is down.
	Tunnels map[string]TunnelState `json:"tunnels"`
	// Sessions of Connect peers by name. One that is missing is down.
	Sessions map[string]SessionState `json:"sessions,omitempty"`
}

// SessionState is what one BGP session of a Connect peer is doing. GRE itself knows
// nothing of the other end.
type SessionState struct {
	// Up says that the session is established; Reason says why not.
	Up     bool   `json:"up"`
	Reason string `json:"reason,omitempty"`
	// Learned is what the appliance announces.
	Learned []BGPRoute `json:"learned,omitempty"`
}

// TunnelState is what one tunnel is doing.
type TunnelState struct {
	// Up says that both ends have agreed on keys, and dead peer detection has not
	// timed out; Reason says why not, in a sentence.
	Up     bool   `json:"up"`
	Reason string `json:"reason,omitempty"`
	// BGPUp says that the session is established; BGPReason says why not. Without
	// it Learned is of no use. Neither matters to static routing.
	BGPUp     bool   `json:"bgpUp,omitempty"`
	BGPReason string `json:"bgpReason,omitempty"`
	// Learned is what the customer's router announces.
	Learned []BGPRoute `json:"learned,omitempty"`
}

// BGPRoute is a route as BGP carries it.
type BGPRoute struct {
	Prefix netip.Prefix `json:"prefix"`
	// ASPath, nearest first. That of a learned one begins with the customer's
	// number; that of one to be announced does not have Amazon's yet.
	ASPath []ASN `json:"asPath,omitempty"`
	// MED is the MULTI_EXIT_DISC; 0 is none.
	MED uint32 `json:"med,omitempty"`
	// Communities, such as 7224:7100.
	Communities []Community `json:"communities,omitempty"`
	// Origin is RFC 4271's: 0 IGP, 1 EGP, 2 incomplete.
	Origin uint8 `json:"origin,omitempty"`
}

// Community is a standard BGP community.
type Community uint32

func (c Community) String() string { return fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xffff) }

func (c *Community) parse(text string) error {
	high, low, _ := strings.Cut(text, ":")
	h, err := strconv.ParseUint(high, 10, 16)
	l, err2 := strconv.ParseUint(low, 10, 16)
	if err != nil || err2 != nil {
		return badValue{message: fmt.Sprintf("%q is not a community", text), hint: "write two numbers up to 65535, such as 7224:7100"}
	}
	*c = Community(h<<16 | l)
	return nil
}

func (c Community) MarshalJSON() ([]byte, error)  { return marshalScalar(c) }
func (c *Community) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, c.parse) }

// AssumedRIB is what a world without a live one does by: every tunnel and session is
// up, and every site and appliance announces its networks, unless a fault or the file
// itself is in the way.
func AssumedRIB(w *World) *RIB {
	return &RIB{Tunnels: w.assumedTunnels(), Sessions: w.assumedSessions()}
}

func (w *World) assumedSessions() map[string]SessionState {
	sessions := make(map[string]SessionState, sessionsPerConnectPeer*len(w.TransitGatewayConnectPeers))
	for name, p := range w.TransitGatewayConnectPeers {
		s := w.assumedSession(p)
		for i := range sessionsPerConnectPeer {
			sessions[ConnectSessionName(name, i+1)] = s
		}
	}
	return sessions
}

func (w *World) assumedTunnels() map[string]TunnelState {
	tunnels := make(map[string]TunnelState, tunnelsPerConnection*len(w.VPNConnections))
	for name, c := range w.VPNConnections {
		s := w.assumedState(c)
		for i := range tunnelsPerConnection {
			state := s
			if t := c.Status.Tunnels[i]; !state.Up && t.DPDAction == DPDNone {
				state.Up = true // nobody tells AWS (V8); only BGP's hold timer does
			}
			tunnels[VPNTunnelName(name, i+1)] = state
		}
	}
	return tunnels
}

// assumedState is that of both tunnels of a connection.
func (w *World) assumedState(c *VPNConnection) (s TunnelState) {
	site := w.Sites[c.Status.Site]
	if site == nil {
		return TunnelState{Reason: "there is nobody at the other end"}
	}
	forward, reverse := w.cut(c.Status.Site)
	switch {
	case site.Status.Fault != "":
		return TunnelState{Reason: "dead peer detection: " + site.Status.Fault}
	case forward || reverse:
		return TunnelState{Reason: "dead peer detection: " + w.linkFault(c.Status.Site)}
	case c.static():
		return TunnelState{Up: true}
	case site.Status.ASN != c.Status.CustomerASN:
		return TunnelState{Up: true, BGPReason: fmt.Sprintf("the router of site %s is in AS %s, and customer gateway %s says %s",
			c.Status.Site, site.Status.ASN, c.CustomerGateway, c.Status.CustomerASN)}
	}
	for _, network := range site.Networks {
		if c.carries(network) {
			s.Learned = append(s.Learned, BGPRoute{Prefix: network, ASPath: []ASN{site.Status.ASN}})
		}
	}
	if n := len(s.Learned); n > c.MaxPrefixes() { // V12
		return TunnelState{Up: true, BGPReason: fmt.Sprintf("the router announces %d prefixes, and AWS takes %d", n, c.MaxPrefixes())}
	}
	s.Up, s.BGPUp = true, true
	return s
}

// computeVPN fills the Status of sites, gateways and connections, and chooses the
// routes of virtual private gateways. VPCs have theirs, and faults are known;
// transit gateways and route tables come after it.
func (w *World) computeVPN() {
	for name, s := range w.Sites {
		s.computeStatus(w, name)
	}
	for name, g := range w.CustomerGateways {
		g.computeStatus(w, name)
	}
	for name, g := range w.VPNGateways {
		g.computeStatus(w, name)
	}
	for name, c := range w.VPNConnections {
		c.computeStatus(w, name)
	}
	var tunnels map[string]TunnelState
	if w.RIB != nil {
		tunnels = w.RIB.Tunnels
	} else {
		tunnels = w.assumedTunnels()
	}
	for name, c := range w.VPNConnections {
		for i := range c.Status.Tunnels {
			t := &c.Status.Tunnels[i]
			t.TunnelTelemetry = c.telemetry(tunnels[t.Name], w.tunnelFault(name, c, t.Name))
			t.Maintenance = w.faultOf(TunnelMaintenance, t.Name)
		}
	}
	for _, g := range w.VPNGateways {
		g.chooseRoutes(w)
	}
}

// tunnelFault is what has AWS's end of a tunnel down, or "". AWS knows of it at
// once; what happens at the site it has to find out.
func (w *World) tunnelFault(name string, c *VPNConnection, tunnel string) string {
	fault := cmp.Or(w.faultOf(FaultTunnel, tunnel), c.Status.Fault)
	if a := w.TransitGatewayAttachments[name]; a != nil && a.isVPN() {
		fault = cmp.Or(fault, a.Status.Fault)
	}
	return fault
}

// telemetry is a tunnel's state in AWS's words [mem].
func (c *VPNConnection) telemetry(s TunnelState, fault string) TunnelTelemetry {
	if fault != "" {
		s = TunnelState{Reason: fault}
	}
	t := TunnelTelemetry{State: TunnelDown, StatusMessage: "IPSEC IS DOWN", Reason: cmp.Or(s.Reason, "no keys are agreed on"), IPsecUp: s.Up, Fault: fault}
	switch {
	case !s.Up:
	case c.static():
		t.State, t.StatusMessage, t.Reason = TunnelUp, "", ""
	case !s.BGPUp:
		t.StatusMessage, t.Reason = "IPSEC IS UP", cmp.Or(s.BGPReason, "the BGP session is not established")
	default:
		t.State, t.Reason, t.BGPUp, t.Learned = TunnelUp, "", true, s.Learned
		for i := range s.Learned {
			if c.usable(&s.Learned[i]) {
				t.AcceptedRouteCount++
			}
		}
		t.StatusMessage = fmt.Sprintf("%d BGP ROUTES", t.AcceptedRouteCount)
	}
	return t
}

// usable reports whether AWS takes a learned route: one of the family that the
// tunnels carry, which AWS itself has not announced before.
func (c *VPNConnection) usable(r *BGPRoute) bool {
	return c.carries(r.Prefix) && !slices.Contains(r.ASPath, c.Status.AmazonASN)
}
