package lab

import (
	"time"

	"github.com/vpcsim/vpcsim/control/metrics"
)

// clientVPNMeasurement is a Client VPN endpoint with its clients.
type clientVPNMeasurement struct {
	name, id string
	active   int
	clientTotals
}

// measureClients returns the endpoints of the world in force, in the order of their
// names. It looks at the clients first: between two looks a connection may have ended.
func (v *vpn) measureClients() (list []clientVPNMeasurement) {
	if v == nil { // a lab without namespaces, of a test
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.world == nil || v.closed {
		return nil
	}
	v.clientEnds.look(v.world, time.Now())
	sessions := v.clientEnds.sessions
	for _, name := range sortedKeys(v.world.ClientVPNEndpoints) {
		id := v.world.ClientVPNEndpoints[name].Status.ID
		list = append(list, clientVPNMeasurement{name: name, id: id, active: sessions.active(name), clientTotals: *sessions.total(id)})
	}
	return list
}

// measureClientVPN uses the words of AWS's metrics of Client VPN endpoints. A client
// by itself is an interface, which has families of its own.
func measureClientVPN(w *metrics.Writer, endpoints []clientVPNMeasurement) {
	each := func(value func(e *clientVPNMeasurement) uint64) {
		for i := range endpoints {
			w.Sample(float64(value(&endpoints[i])), endpoints[i].name, endpoints[i].id)
		}
	}
	labels := []string{"client_vpn_endpoint", "id"}
	w.Gauge("vpcsim_client_vpn_active_connections", "ActiveConnectionsCount: clients that are connected to a Client VPN endpoint now.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return uint64(e.active) })
	w.Counter("vpcsim_client_vpn_connections_total", "Connections to a Client VPN endpoint that have begun.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.connections })
	w.Counter("vpcsim_client_vpn_authentication_failures_total", "AuthenticationFailures: calls of a Client VPN endpoint that came to nothing, 20 a second at most.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.failures })
	w.Counter("vpcsim_client_vpn_ingress_bytes_total", "IngressBytes: bytes of IP that a Client VPN endpoint's clients sent in their tunnels.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.ingressBytes })
	w.Counter("vpcsim_client_vpn_ingress_packets_total", "IngressPackets: packets that a Client VPN endpoint's clients sent in their tunnels.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.ingressPackets })
	w.Counter("vpcsim_client_vpn_egress_bytes_total", "EgressBytes: bytes of IP that a Client VPN endpoint's clients were sent in their tunnels.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.egressBytes })
	w.Counter("vpcsim_client_vpn_egress_packets_total", "EgressPackets: packets that a Client VPN endpoint's clients were sent in their tunnels.", labels...)
	each(func(e *clientVPNMeasurement) uint64 { return e.egressPackets })
}
