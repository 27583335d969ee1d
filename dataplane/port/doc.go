// Package port holds the doors of the data plane: where frames come in and go
// out. [AFPacket] serves all veths of a Linux network namespace through one
// packet socket; [Memory] serves tests and the in-memory driver without any
// kernel; [Switch] adds to either of them links that end in this process, the two
// ends of a [WireGuard] tunnel, or of a [WireGuardHub] with many peers.
//
// A port knows interfaces, bytes and the virtio-net facts of a frame. It
// refuses to know what a frame means: it parses no address, judges nothing,
// and names interfaces only by the link handle its user chose. The interface
// that ports satisfy is declared by their user, package dataplane:
//
//	Recv(frames []packet.Frame, wait time.Duration) (n int, err error)
//	Send(frames []packet.Frame) error
//	Close() error
//
// Recv and Send are meant for one goroutine that receives, walks and sends.
// The bytes that Recv lends are valid until the next Recv, so a frame can be
// edited in place and sent on without a copy in user space.
//
// A tunnel's end alone is a host, and reads and writes UDP: it has an address and a
// port. Which networks are behind it, and whether it should be there, it does not
// know either.
package port
