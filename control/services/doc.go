// Package services knows what AWS itself answers inside a VPC, on addresses
// that no instance has: names (DNS), the instance metadata service (IMDS), time
// (NTP), and the addresses of the network interfaces (DHCPv4 and DHCPv6).
//
// Servers are ordinary ones on sockets that somebody else has opened. A lab has
// one set of them for all its VPCs, which may overlap, so a request arrives with
// a source address that only one network interface (ENI) has; from it follow
// the interface, its instance, subnet and VPC, and so the answer:
//
//	instance ─► core ──────────────────► server ──► Directory ──► answer
//	            source := 240.0.x.y      HandleOf    by handle
//
// The Directory is an immutable view of one world. Each request reads the one in
// force, so an applied change is seen by the next request.
//
// The package refuses to know how packets get here: that groups, ACLs and flow
// logs do not see them (A42), that only the VPC's base+2 and the link-local
// addresses lead here, and the limit of 1,024 packets per second and interface
// (A43) are the forwarding core's. It knows no namespaces and no interfaces of
// the operating system, and forwards nothing outside the lab.
package services
