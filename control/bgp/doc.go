// Package bgp speaks BGP-4: sessions, and the routes that cross them.
//
// AWS's end of a tunnel or virtual interface is a plain [Peer]: what it learned
// goes out as [Event], what it announces is exactly the list that it was given.
// Nothing is chosen and nothing passed on, since AWS's rules for that (V6, T6,
// H2, D6) are control's. The customer's end can be a real daemon, for which
// [BIRD] and [FRR] write the configuration, or this package's [Router], which
// selects and re-announces as a router does.
//
//	State ─► Server ─► one session per Peer ◄── TCP 179 ──► the other end
//	            ▲            │  learned
//	            └── Router ◄─┴──────────► Event
//
// A Server is told the whole desired state and converges to it. Config.Open puts
// its sockets into a network namespace.
//
// Messages are read and written by GoBGP's codec, which this package alone
// imports. The sessions are our own: GoBGP's server chooses and re-announces by
// itself, keeps its route selection in variables of the process, loses the
// reason of most failures, and takes two seconds for its first connection.
//
// The package refuses to know namespaces, interfaces and kernel routes, tunnels
// and VPCs. It speaks external BGP only, for IPv4 and IPv6 unicast: AWS has two
// ends with one ASN nowhere (V2).
package bgp
