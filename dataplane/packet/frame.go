package packet

// Frame is one Ethernet frame as it crosses a port, with the facts that the
// virtio-net header carries about it. A frame with GSO set is a superframe: up
// to 64 KiB of payload under one header, which the kernel or a [Segmenter] cuts
// later.
type Frame struct {
	// Data starts with the Ethernet header. It is borrowed: whoever handed
	// the frame over owns the bytes, and they are valid until its next
	// Recv. The core may edit them in place, never grow them.
	Data []byte
	// Link names the interface the frame came from or goes to, by the handle
	// of the object that owns it; a port maps it to whatever the OS calls it.
	Link uint32
	// Offload is what is still to be done to the frame.
	Offload Offload
}

// GSO says how a superframe is to be cut.
type GSO uint8

const (
	GSONone GSO = iota // an ordinary frame
	GSOTCP4            // TCP over IPv4
	GSOTCP6            // TCP over IPv6
	GSOUDP             // UDP of either family, one datagram per segment (USO)
)

// Offload holds the virtio-net facts of a frame. The zero value is an ordinary
// frame with complete checksums.
type Offload struct {
	// PartialChecksum: the TCP or UDP checksum field holds the folded sum of
	// the pseudo-header, not complemented; the payload is not in it yet. An
	// address rewrite must adjust it un-complemented, a port rewrite must
	// leave it alone.
	PartialChecksum bool
	GSO             GSO
	// ECN: segments after the first must clear CWR.
	ECN bool
	// ChecksumVerified: the sender's kernel vouches for the checksum
	// (VIRTIO_NET_HDR_F_DATA_VALID).
	ChecksumVerified bool
	// HeaderLen is the bytes of Ethernet, IP and transport header; 0 when GSO
	// is GSONone. The kernel treats it as a hint and may name a larger number,
	// so this package reads the headers instead.
	HeaderLen      uint16
	SegmentSize    uint16 // payload bytes per segment; 0 when GSO is GSONone
	ChecksumStart  uint16 // offset in Data where the transport header starts; with PartialChecksum
	ChecksumOffset uint16 // offset from ChecksumStart of the checksum field; with PartialChecksum
}
