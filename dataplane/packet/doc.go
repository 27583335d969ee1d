// Package packet knows headers as bytes: it parses a frame into a reused
// struct, rewrites addresses and ports in place, translates between the
// families, cuts superframes into segments, and builds the few packets the core
// originates.
//
// It knows the virtio-net facts of a frame (partial checksums, GSO), because a
// rewrite that ignores them corrupts packets silently. It refuses to know AWS:
// no word of a VPC appears here. It keeps no state between packets, reads no
// clock, and allocates nothing per packet.
//
//	addr.go, packet.go, frame.go   the types: addresses, a parsed packet, a frame on a port
//	parse.go, parseipv6.go,        bytes → Packet, or the Problem that makes the frame unfit
//	parseicmp.go, problem.go
//	rewrite.go, rewritequoted.go   new addresses, ports, TTL; the packet inside an ICMP error
//	translate.go, …header.go,      IPv4 ↔ IPv6 (RFC 7915), errors and what they quote included
//	…icmp.go, …error.go
//	mss.go                         the segment size that a TCP SYN offers
//	checksum.go                    the Internet checksum; partial ↔ complete
//	segment.go, fragment.go        superframe → segments; IPv4 packet → fragments
//	wire.go                        what a superframe counts as
//	spec.go, answer.go,            packets of our own: any, ICMP errors and echo replies,
//	neighbor.go, router.go         ARP, neighbour and router discovery
//
// Three traps are handled here so that nobody else meets them. A partial
// checksum follows addresses, not ports, and is not complemented. A tunnel
// packet may carry the partial flag for its inner header while the outer
// checksum is complete. And UDP spells a sum of 0 as 0xffff, since 0 says that
// there is none.
package packet
