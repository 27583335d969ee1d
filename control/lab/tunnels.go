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
}

type openTunnel struct {
	config port.WireGuardConfig
	end    *port.WireGuard
	opened time.Time
}

func newTunnels(ports *port.Switch, log *slog.Logger) *tunnels {
	return &tunnels{ports: ports, log: log, open: map[string]*openTunnel{}}
}

// converge opens and closes ends until they are those of w. One whose keys or
// addresses changed begins anew.
func (t *tunnels) converge(w *control.World) error {
	wanted := map[string]port.WireGuardConfig{}
	for _, g := range speakerGateways(w) {
		for _, s := range g.tunnels {
			wanted[s.Name] = t.amazonEnd(w, s)
		}
	}
	for name, o := range t.open {
		if config, keep := wanted[name]; !keep || config != o.config {
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
		end, err := t.ports.OpenWireGuard(logged)
		if err != nil {
			errs = append(errs, fmt.Errorf("VPN tunnel %s: %w", name, err))
			continue
		}
		t.open[name] = &openTunnel{config: config, end: end, opened: time.Now()}
	}
	return errors.Join(errs...)
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
	if site := w.Sites[s.connection.Status.Site]; site != nil && s.StartupAction == control.StartupStart && !site.BehindNAT {
		config.Peer = netip.AddrPortFrom(site.Status.PublicIP, port.WireGuardPort)
	}
	return config
}

func tunnelLink(handle uint32, mac control.MAC) port.TunnelLink {
	return port.TunnelLink{Link: handle, MAC: packet.MAC(mac), Router: dataplane.RouterMAC(dataplane.Handle(handle))}
}

// state is whether the other end is alive: both have agreed on keys, and it was
// heard within the time of dead peer detection (V8).
func (o *openTunnel) state(t *control.VPNTunnel, now time.Time) control.TunnelState {
	stats := o.end.Stats()
	limit := time.Duration(t.DPDTimeout) * time.Second
	switch heard := stats.LastReceived; {
	case stats.LastHandshake.IsZero() && stats.Rejected > 0:
		return control.TunnelState{Reason: "what arrives is of another key: the pre-shared keys differ"}
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
