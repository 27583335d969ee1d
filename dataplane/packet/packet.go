package packet

// EtherTypes and IP protocols that the core tells apart.
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeIPv6 = 0x86dd

	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58

	TCPFlagFIN = 1 << 0
	TCPFlagSYN = 1 << 1
	TCPFlagRST = 1 << 2
	TCPFlagPSH = 1 << 3
	TCPFlagACK = 1 << 4
	TCPFlagCWR = 1 << 7
)

// Tuple is what filters, tracking and translation look at.
type Tuple struct {
	Src, Dst Addr
	// SrcPort and DstPort are TCP's and UDP's ports. For ICMP and ICMPv6,
	// both hold the identifier of the messages that have one (echo,
	// timestamp …), else 0. For other protocols and for later fragments, 0.
	SrcPort, DstPort uint16
	// Proto is the upper-layer protocol, after IPv6 extension headers. In a
	// later IPv6 fragment it is what the Fragment header names, which may be
	// another extension header.
	Proto uint8
}

// SetPorts writes both ports in one piece, because that is how the compiler copies
// them: a copy of what was written in two pieces waits for both to reach memory
// (3 ns a packet).
func (t *Tuple) SetPorts(src, dst uint16) {
	ports := uint32(src) | uint32(dst)<<16
	t.SrcPort, t.DstPort = uint16(ports), uint16(ports>>16)
}

// Problem says why a frame is not a packet the core can judge. The zero
// Problem is none.
type Problem uint8

const (
	ProblemNone           Problem = iota
	ProblemTruncated              // a header does not fit in the frame
	ProblemVersion                // the IP version field contradicts the EtherType
	ProblemHeaderLength           // IHL, data offset, UDP length or an extension header's length lies
	ProblemTotalLength            // the IP length field exceeds the frame, or is too short for its own header
	ProblemHeaderChecksum         // the IPv4 header checksum is wrong
	ProblemEtherType              // neither ARP, IPv4 nor IPv6
	ProblemExtensionChain         // more IPv6 extension headers than the core follows (8)
	ProblemTinyFragment           // a first fragment too short for its transport header, or one that overlaps it
	ProblemARP                    // not Ethernet/IPv4 ARP
	ProblemMappedAddress          // an IPv6 header with an IPv4-mapped address
)

// Packet is one parsed frame. The core reuses one Packet for every frame:
// [Parse] overwrites all of it, and it points into the frame's bytes.
type Packet struct {
	Frame *Frame // borrowed for the walk

	DstMAC, SrcMAC MAC
	EtherType      uint16
	// Family is 4 or 6 for IP, 0 for the rest.
	Family uint8
	// L3 and L4 are offsets in Frame.Data; L4 is 0 when there is no
	// transport header to read (later fragments, ARP). End is the end of the
	// IP packet, behind which only Ethernet padding may follow. Payload is
	// where the transport header ends; L4 itself for protocols the core does
	// not read.
	L3, L4, Payload, End int

	Tuple

	TTL           uint8 // or IPv6 hop limit
	DontFragment  bool  // IPv4 DF; always true for IPv6
	Fragment      bool  // part of a fragmented packet
	LaterFragment bool  // not the first part: no transport header
	LastFragment  bool  // no part follows; false for a whole packet
	FragmentID    uint32
	FragmentStart uint16 // payload offset of this part, bytes

	TCPFlags uint8
	// ICMPType and ICMPCode of ICMP and ICMPv6.
	ICMPType, ICMPCode uint8
	// ICMPError: the message quotes a packet, parsed into Quoted (QuotedOK
	// says whether enough of it was there). QuotedL3 is its offset.
	ICMPError, QuotedOK bool
	QuotedL3            int
	Quoted              Tuple
	QuotedICMPType      uint8

	// ARP of Ethernet/IPv4. Src and Dst are the sender's and the target's
	// protocol address.
	ARPOperation uint16
	ARPSenderMAC MAC

	// hasID: the ICMP message has an identifier, which may be 0.
	hasID bool
	// checksum is the offset of the transport checksum field; 0 when there is
	// none that the core maintains.
	checksum int
	// quotedL4 is where the quoted transport header starts, 0 without one;
	// quotedEnd is where the quoted packet, or what is left of it, ends.
	quotedL4, quotedEnd int
}

// partial reports that the packet's own transport checksum is the deferred
// one. In a tunnel packet the kernel may have completed the outer checksum and
// deferred the inner, so the flag alone does not say which field it means.
func (p *Packet) partial() bool {
	o := &p.Frame.Offload
	return o.PartialChecksum && p.checksum != 0 && int(o.ChecksumStart)+int(o.ChecksumOffset) == p.checksum
}
