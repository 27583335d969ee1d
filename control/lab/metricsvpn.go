package lab

import (
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control/metrics"
)

// tunnelMeasurement is a VPN tunnel as AWS's end sees it.
type tunnelMeasurement struct {
	connection, tunnel string
	up                 bool
	traffic            TunnelTraffic
	speaks, bgpUp      bool
	learned, announced int
}

// measure returns the tunnels of the world in force, in the order of their names.
func (v *vpn) measure() (list []tunnelMeasurement) {
	if v == nil { // a lab without namespaces, of a test
		return nil
	}
	v.mu.Lock() // tunnels and their state belong to one world
	defer v.mu.Unlock()
	if v.world == nil || v.closed {
		return nil
	}
	traffic, announcements := v.tunnels.traffic(), v.world.Announcements()
	for name, c := range v.world.VPNConnections {
		for i := range c.Status.Tunnels {
			m := tunnelMeasurement{connection: name, tunnel: c.Status.Tunnels[i].Name}
			m.traffic = traffic[m.tunnel]
			routes, speaks := announcements[m.tunnel]
			m.speaks, m.announced = speaks, len(routes)
			if v.rib != nil {
				state := v.rib.Tunnels[m.tunnel]
				m.up, m.bgpUp, m.learned = state.Up, state.BGPUp, len(state.Learned)
			}
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b tunnelMeasurement) int { return strings.Compare(a.tunnel, b.tunnel) })
	return list
}

// measureVPN leaves out what a tunnel does not have, rather than writing 0: a handshake
// in 1970 and a session that is down are alerts, and a static tunnel deserves none.
func (l *lab) measureVPN(w *metrics.Writer) {
	tunnels := l.vpn.measure()
	each := func(value func(t *tunnelMeasurement) (float64, bool)) {
		for i := range tunnels {
			if v, ok := value(&tunnels[i]); ok {
				w.Sample(v, tunnels[i].connection, tunnels[i].tunnel)
			}
		}
	}
	labels := []string{"vpn_connection", "vpn_tunnel"}
	w.Gauge("vpcsim_vpn_tunnel_up", "TunnelState: 1 if a VPN tunnel is up, 0 if it is down.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) { return flag(t.up), true })
	w.Gauge("vpcsim_vpn_tunnel_last_handshake_timestamp_seconds", "When both ends of a VPN tunnel last agreed on keys, in Unix time; time() minus this is the handshake's age. Absent before the first.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) {
		return seconds(t.traffic.LastHandshake), !t.traffic.LastHandshake.IsZero()
	})
	w.Gauge("vpcsim_vpn_tunnel_last_received_timestamp_seconds", "When the customer's end of a VPN tunnel was last heard, in Unix time. Absent before the first time.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) {
		return seconds(t.traffic.LastReceived), !t.traffic.LastReceived.IsZero()
	})
	w.Counter("vpcsim_vpn_tunnel_rejected_bytes_total", "UDP payload that came to a VPN tunnel and was not authentic.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) { return float64(t.traffic.RejectedBytes), true })

	w.Gauge("vpcsim_bgp_session_up", "1 if the BGP session in a VPN tunnel is established. Tunnels with static routing have none.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) { return flag(t.bgpUp), t.speaks })
	w.Gauge("vpcsim_bgp_received_prefixes", "Prefixes that the customer's router announces in a VPN tunnel.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) { return float64(t.learned), t.speaks })
	w.Gauge("vpcsim_bgp_announced_prefixes", "Prefixes that AWS announces in a VPN tunnel.", labels...)
	each(func(t *tunnelMeasurement) (float64, bool) { return float64(t.announced), t.speaks })
}

// flag is how Prometheus spells yes and no.
func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
