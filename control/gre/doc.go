// Package gre is the customer's end of GRE tunnels, of an appliance that is connected
// to a transit gateway: a device for programs and routes, and a raw socket for the
// packets of the tunnel.
//
//	programs ─► TUN device ─► Tunnel ─► raw IP socket, protocol 47
//
// It is done here because many kernels are built without GRE. It speaks what AWS's end
// speaks: RFC 2784, without a key.
//
// Devices and sockets are opened in the network namespace that the caller's thread is
// in, and stay there. The package refuses to know AWS, addresses inside the tunnel, and
// routes: those are for whoever owns the namespace.
package gre
