// Package wireguard is the customer's end of tunnels, of a site's router or of a
// client of Client VPN: WireGuard on TUN devices, by wireguard-go, in the network
// namespace that the process is in.
//
//	State ─► Tunnels ─► one device per Tunnel: TUN ═ UDP socket
//	                        │            └─ /var/run/wireguard/NAME.sock ◄─ wg(8)
//	          Event ◄───────┘
//
// It is told the whole desired state and converges to it; tunnels that did not
// change are left alone. It runs in a process of its own, in the namespace of the
// customer's machine: [Main] there, a [Process] here, JSON lines between them.
//
// The devices are what wg(8) shows and sets at any machine. The package makes them
// and sets them up; their addresses and routes are for whoever owns the namespace.
//
// It refuses to know AWS, and namespaces: it opens devices and sockets where it
// runs.
package wireguard
