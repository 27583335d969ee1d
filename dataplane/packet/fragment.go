package packet

import "encoding/binary"

// FragmentIPv4 appends to dst the frames that carry f over a link whose MTU is
// mtu bytes of IP, fragmenting what does not fit (RFC 791). The checksum is
// completed first, and a superframe segmented, for neither can be deferred past
// a fragment. Fragments of fragments keep their place in the original packet.
// f is not changed; the frames are valid until the next call on s.
//
// Nothing is appended for a packet that may not be cut (DF, IPv6) or cannot be
// (mtu leaves no room for 8 bytes), or that does not parse: telling the sender
// is the caller's part.
func (s *Segmenter) FragmentIPv4(dst []Frame, f *Frame, mtu int) []Frame {
	s.segments = s.Segment(s.segments[:0], f)
	s.fragments = room(s.fragments, s.fragmentedLen(mtu))
	for i := range s.segments {
		dst = s.fragment(dst, &s.segments[i], mtu)
	}
	return dst
}

// fragmentedLen bounds the bytes that cutting s.segments will take, so that the
// arena is sized once.
func (s *Segmenter) fragmentedLen(mtu int) (n int) {
	const header = ethernetLen + 60
	for i := range s.segments {
		size := len(s.segments[i].Data)
		if size-ethernetLen <= mtu {
			continue
		}
		parts := 1 + size/max(8, (mtu-60)&^7)
		n += size + parts*header
	}
	return n
}

func (s *Segmenter) fragment(dst []Frame, f *Frame, mtu int) []Frame {
	var p Packet
	if Parse(&p, f) != ProblemNone {
		return dst
	}
	if p.End-p.L3 <= mtu {
		return append(dst, *f)
	}
	if p.Family != 4 || p.DontFragment {
		return dst
	}
	ip := f.Data[p.L3:p.End]
	first := ip[:int(ip[0]&15)*4]
	payload := ip[len(first):]
	if mtu-len(first) < 8 || int(p.FragmentStart)+len(payload) > 0xffff {
		return dst // no room, or a part that reaches beyond the largest packet
	}
	var options [60]byte
	later := options[:copiedHeader(&options, first)]

	// A later fragment's header was filtered when it was cut, and filtering
	// it again changes nothing; a first one keeps all its options once.
	header := first
	if p.LaterFragment {
		header = later
	}
	for at := 0; at < len(payload); header = later {
		n, more := (mtu-len(header))&^7, true
		if mtu-len(header) >= len(payload)-at {
			n, more = len(payload)-at, p.Fragment && !p.LastFragment
		}
		data := extend(&s.fragments, p.L3+len(header)+n)
		copy(data, f.Data[:p.L3])
		copy(data[p.L3:], header)
		copy(data[p.L3+len(header):], payload[at:at+n])
		setFragmentHeader(data[p.L3:], len(header), int(p.FragmentStart)+at, more)
		dst = append(dst, Frame{Data: data, Link: f.Link})
		at += n
	}
	return dst
}

func setFragmentHeader(ip []byte, headerLen, start int, more bool) {
	offset := uint16(start / 8)
	if more {
		offset |= ipv4MoreFragments
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[6:], offset)
	setIPv4Checksum(ip[:headerLen])
}

// copiedHeader writes to h the header of a later fragment and returns its
// length: only options with the copied flag go into all parts. Options that
// cannot be read are left out.
func copiedHeader(h *[60]byte, first []byte) int {
	n := copy(h[:], first[:ipv4MinLen])
	for options := first[ipv4MinLen:]; len(options) > 0 && options[0] != 0; {
		size := 1 // option 1, no operation, has no length byte
		if options[0] != 1 {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				break
			}
			size = int(options[1])
		}
		if options[0]&0x80 != 0 {
			n += copy(h[n:], options[:size])
		}
		options = options[size:]
	}
	n = (n + 3) &^ 3 // the padding is already zero, "end of options"
	h[0] = 4<<4 | byte(n/4)
	return n
}
