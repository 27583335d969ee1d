package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// tunnels are AWS's ends of VPN tunnels, which live in this process behind the
// core's port. They are not safe for concurrent use.
type tunnels struct {
	ports *port.Switch
	log   *slog.Logger
	open  map[string]*openTunnel
	// heard is where the customer's end of a tunnel was when it was closed: one
	// that comes back begins there, instead of waiting until the customer has
	// found out that nobody answers.
	heard map[string]netip.AddrPort
}

type openTunnel struct {
	config port.WireGuardConfig
	end    *port.WireGuard
	opened time.Time
}

func newTunnels(ports *port.Switch, log *slog.Logger) *tunnels {
	return &tunnels{ports: ports, log: log, open: map[string]*openTunnel{}, heard: map[string]netip.AddrPort{}}
}

// converge opens and closes ends until they are those of w. One whose keys or
// addresses changed begins anew.
func (t *tunnels) converge(w *control.World) error {
	wanted := t.wanted(w)
	for name, o := range t.open {
		if config, keep := wanted[name]; !keep || config != o.config {
			if peer := o.end.Stats().Peer; peer.IsValid() {
				t.heard[name] = peer
			}
			_ = o.end.Close()
			delete(t.open, name)
		}
	}
	var errs []error
	for name, config := range wanted {
		if t.open[name] != nil {
			continue
		}
		logged := config
		logged.Log = t.log.With("tunnel", name)
		if !logged.Peer.IsValid() {
			logged.Peer = t.heard[name]
		}
		end, err := t.ports.OpenWireGuard(logged)
		if err != nil {
			errs = append(errs, fmt.Errorf("VPN tunnel %s: %w", name, err))
			continue
		}
		t.open[name] = &openTunnel{config: config, end: end, opened: time.Now()}
	}
	return errors.Join(errs...)
}

func (t *tunnels) wanted(w *control.World) map[string]port.WireGuardConfig {
	wanted := map[string]port.WireGuardConfig{}
	for _, g := range speakerGateways(w) {
		for _, s := range g.tunnels {
			wanted[s.Name] = t.amazonEnd(w, s)
		}
	}
	return wanted
}

// keepalive is how often each end says that it is there when there is nothing
// else to say; dead peer detection listens for it.
const keepalive = 5 * time.Second

func (t *tunnels) amazonEnd(w *control.World, s speakerTunnel) port.WireGuardConfig {
	keys := s.Keys(w.Name)
	config := port.WireGuardConfig{
		PrivateKey: keys.Amazon.Private, PeerPublicKey: keys.Customer.Public, PresharedKey: keys.Preshared,
		Inside:  tunnelLink(s.Handle, s.MAC),
		Outside: tunnelLink(s.OutsideHandle, s.OutsideMAC),
		Address: s.OutsideIP, PersistentKeepalive: keepalive,
	}
	customer := w.CustomerGateways[s.connection.CustomerGateway]
	if site := w.Sites[s.connection.Status.Site]; site != nil && customer != nil && s.StartupAction == control.StartupStart {
		address := customer.Status.IPAddress
		for _, c := range customerTunnels(w, s.connection.Status.Site) {
			// Whoever is behind a NAT device cannot be called; it has IPv4 alone.
			if c.Name == s.Name && (address.Is6() || !site.BehindNAT) {
				config.Peer = netip.AddrPortFrom(address, c.listenPort)
			}
		}
	}
	return config
}

func tunnelLink(handle uint32, mac control.MAC) port.TunnelLink {
	return port.TunnelLink{Link: handle, MAC: packet.MAC(mac), Router: dataplane.RouterMAC(dataplane.Handle(handle))}
}

// TunnelTraffic is what AWS's end of a VPN tunnel has seen since it was opened.
type TunnelTraffic struct {
	// Peer is where the customer's end is, as seen by AWS: behind a NAT device it is
	// the device's address and port.
	Peer          netip.AddrPort `json:"peer,omitzero"`
	LastHandshake time.Time      `json:"lastHandshake,omitzero"`
	LastReceived  time.Time      `json:"lastReceived,omitzero"`
	// Packets inside the tunnel.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// RejectedBytes of UDP payload were not authentic: garbage, forged, replayed,
	// or of another key.
	RejectedBytes uint64 `json:"rejectedBytes"`
	// Reassembled datagrams came in fragments.
	Reassembled uint64 `json:"reassembled,omitempty"`
}

func (t *tunnels) traffic() map[string]TunnelTraffic {
	traffic := make(map[string]TunnelTraffic, len(t.open))
	for name, o := range t.open {
		s := o.end.Stats()
		traffic[name] = TunnelTraffic{
			Peer: s.Peer, LastHandshake: s.LastHandshake, LastReceived: s.LastReceived,
			Sent: s.Sent, Received: s.Received, RejectedBytes: s.Rejected, Reassembled: s.Reassembled,
		}
	}
	return traffic
}

// state is what the tunnel's end knows of the other.
func (o *openTunnel) state(t *control.VPNTunnel, now time.Time) control.TunnelState {
	return tunnelState(o.end.Stats(), t, now)
}

// tunnelState is whether the other end is alive: both have agreed on keys, and it was
// heard within the time of dead peer detection (V8).
func tunnelState(stats port.WireGuardStats, t *control.VPNTunnel, now time.Time) control.TunnelState {
	limit := time.Duration(t.DPDTimeout) * time.Second
	switch heard := stats.LastReceived; {
	case stats.LastHandshake.IsZero() && !heard.IsZero():
		// The customer's own key is right, or he would not have been heard: what
		// he did not take is an answer with the pre-shared key in it.
		return control.TunnelState{Reason: "the customer's router calls, and has not taken the answer: the pre-shared keys may differ"}
	case stats.LastHandshake.IsZero() && stats.Rejected > 0:
		return control.TunnelState{Reason: "what arrives is of other keys: the pre-shared keys may differ, or it is of a session from before the tunnel's end was opened"}
	case stats.LastHandshake.IsZero():
		return control.TunnelState{Reason: "the customer's router has not called yet"}
	case t.DPDAction == control.DPDNone:
	case now.Sub(later(heard, stats.LastHandshake)) > limit:
		return control.TunnelState{Reason: fmt.Sprintf("dead peer detection: nothing was heard for %s", limit)}
	}
	return control.TunnelState{Up: true}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *tunnels) close() {
	for _, o := range t.open {
		_ = o.end.Close()
	}
	t.open = map[string]*openTunnel{}
}
