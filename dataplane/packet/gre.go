package packet

import "encoding/binary"

// ProtoGRE is the IP protocol of Generic Routing Encapsulation (RFC 2784).
const ProtoGRE = 47

// GREProblem says why a GRE header is not one that a Connect peer takes. The zero
// GREProblem is none.
type GREProblem uint8

const (
	GREProblemNone      GREProblem = iota
	GREProblemTruncated            // the header does not fit in the packet
	GREProblemVersion              // not version 0: 1 is PPTP's
	GREProblemRouting              // bits of RFC 1701 that RFC 2784 has a receiver refuse
	GREProblemKey                  // it names a key, and the tunnel has none
	GREProblemChecksum             // the checksum that it carries is wrong
	GREProblemProtocol             // neither IPv4 nor IPv6 is in it
	GREProblemFragment             // a part of a packet: nobody puts it together here
	GREProblemOffload              // a checksum that is still to be computed lies outside of what is in it
)

var greProblemTexts = [...]string{
	GREProblemNone:      "none",
	GREProblemTruncated: "truncated header",
	GREProblemVersion:   "version is not 0",
	GREProblemRouting:   "reserved flags (RFC 1701) are set",
	GREProblemKey:       "it names a key, and the tunnel has none",
	GREProblemChecksum:  "checksum is wrong",
	GREProblemProtocol:  "neither IPv4 nor IPv6 is in it",
	GREProblemFragment:  "it is a fragment, and a tunnel's end puts nothing together",
	GREProblemOffload:   "an unfinished checksum lies outside of the packet in it",
}

// String is the problem in words.
func (p GREProblem) String() string {
	if int(p) < len(greProblemTexts) {
		return greProblemTexts[p]
	}
	return "GREProblem"
}

// Flags of a GRE header's first two bytes, and the length of one without options.
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	greSequence = 0x1000 // RFC 2890
	// greRefused are bits 1, 4 and 5: routing, strict source route and the
	// first of the recursion control.
	greRefused = 0x4c00
	greVersion = 0x0007
	greLen     = 4
)

// GREOverhead is what a tunnel adds to a packet, in bytes: the outer IP header and
// a GRE header without options.
func GREOverhead(outer Addr) int {
	if outer.Is4() {
		return ipv4MinLen + greLen
	}
	return ipv6Len + greLen
}

// ReadGRE reads the GRE header behind p's IP header and returns its length. A
// checksum is verified, and a sequence number passed over: RFC 2890 leaves it to
// the receiver whether the order of packets matters to it.
func ReadGRE(p *Packet) (length int, problem GREProblem) {
	if p.Fragment {
		return 0, GREProblemFragment
	}
	b := p.Frame.Data[p.Payload:p.End]
	if len(b) < greLen {
		return 0, GREProblemTruncated
	}
	flags := binary.BigEndian.Uint16(b)
	switch {
	case flags&greVersion != 0:
		return 0, GREProblemVersion
	case flags&greRefused != 0:
		return 0, GREProblemRouting
	case flags&greKey != 0:
		return 0, GREProblemKey
	}
	length = greLen
	if flags&greChecksum != 0 {
		length += 4
	}
	if flags&greSequence != 0 {
		length += 4
	}
	if len(b) < length {
		return 0, GREProblemTruncated
	}
	if flags&greChecksum != 0 && fold(addBytes(0, b)) != 0xffff {
		return 0, GREProblemChecksum
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case EtherTypeIPv4, EtherTypeIPv6:
	default:
		return 0, GREProblemProtocol
	}
	if o := &p.Frame.Offload; o.PartialChecksum && int(o.ChecksumStart) < p.Payload+length {
		return 0, GREProblemOffload
	}
	return length, GREProblemNone
}

// Unwrap returns what is in a GRE packet as a frame of its own, in the same bytes:
// its Ethernet header, whose addresses are the caller's to set, takes the place of
// the end of the outer headers. Length is what [ReadGRE] returned for p.
func Unwrap(p *Packet, length int) Frame {
	f := *p.Frame
	at := p.Payload + length
	etherType := [2]byte(f.Data[p.Payload+2:])
	cut := at - ethernetLen // an IPv4 header and this one are longer than that
	f.Data = f.Data[cut:p.End]
	copy(f.Data[12:], etherType[:])
	if f.Offload.PartialChecksum {
		f.Offload.ChecksumStart -= uint16(cut)
	}
	return f
}

// Wrap writes the headers of a GRE packet into data, which holds the packet that
// goes into it at its end, behind the Ethernet header and [GREOverhead] bytes. The
// Ethernet addresses are the caller's to set. The outer packet may not be cut: its
// other end puts nothing together.
func Wrap(data []byte, src, dst Addr) {
	at := ethernetLen + GREOverhead(src)
	etherType := uint16(EtherTypeIPv4)
	if data[at]>>4 == 6 {
		etherType = EtherTypeIPv6
	}
	family := uint8(6)
	if src.Is4() {
		family = 4
	}
	h := ipHeader{src: src, dst: dst, proto: ProtoGRE, ttl: 64, dontFragment: true}
	outer := h.append(data[:0], family, len(data)-at+greLen)
	gre := data[len(outer):at]
	gre[0], gre[1] = 0, 0
	binary.BigEndian.PutUint16(gre[2:], etherType)
}
