package packet

import "encoding/binary"

// Segmenter cuts superframes and fragments packets, for ports and links that
// cannot carry them whole. It owns the bytes of every frame it returns: they
// are valid until the next call on it. Its zero value is ready; after a few
// calls it no longer allocates. Not for concurrent use.
type Segmenter struct {
	arena     []byte  // what the last call returned
	fragments []byte  // the same, for the parts FragmentIPv4 cuts
	segments  []Frame // scratch of FragmentIPv4
}

// Segment appends to dst the ordinary frames that f stands for, each with a
// complete checksum. f is not changed. An ordinary frame becomes one copy.
//
// When f's checksum is partial, the segments' checksums grow out of the sum in
// its field, as they do in the kernel: a rewrite that forgot to adjust it
// yields wrong segments here too, instead of being repaired silently. A frame
// whose offload facts contradict its headers yields nothing, since there is no
// telling what to send.
func (s *Segmenter) Segment(dst []Frame, f *Frame) []Frame {
	if f.Offload.GSO == GSONone {
		s.reset(len(f.Data))
		whole := s.copyCompleted(f)
		if whole.Offload.PartialChecksum {
			return dst
		}
		return append(dst, whole)
	}
	var p Packet
	if Parse(&p, f) != ProblemNone || !p.superframe() {
		return dst
	}
	// Every byte of the result is known beforehand, Ethernet headers being all
	// that TotalBytes leaves out.
	packets, bytes := TotalBytes(&p)
	s.reset(bytes + packets*p.L3)

	headers, payload := f.Data[:p.Payload], f.Data[p.Payload:p.End]
	cut := newCutter(&p)
	for i := range packets {
		n := min(len(payload), int(f.Offload.SegmentSize))
		data := s.take(len(headers) + n)
		copy(data, headers)
		copy(data[len(headers):], payload[:n])
		payload = payload[n:]
		cut.finish(data[:len(headers)], data[len(headers):], i, i == packets-1)
		dst = append(dst, Frame{Data: data, Link: f.Link})
	}
	return dst
}

// superframe reports that the packet's headers agree with its GSO facts.
func (p *Packet) superframe() bool {
	o := &p.Frame.Offload
	if o.SegmentSize == 0 || p.Fragment || p.L4 == 0 {
		return false
	}
	switch o.GSO {
	case GSOTCP4:
		return p.Proto == ProtoTCP && p.Family == 4
	case GSOTCP6:
		return p.Proto == ProtoTCP && p.Family == 6
	case GSOUDP:
		return p.Proto == ProtoUDP
	}
	return false
}

// cutter holds what all segments of one superframe share.
type cutter struct {
	l3, l4     int
	family     uint8
	tcp, ecn   bool
	noChecksum bool // UDP without one
	// pseudo is the little-endian sum of the pseudo-header without its length.
	pseudo   uint64
	id       uint16 // IPv4 identification of the first segment
	sequence uint32 // TCP sequence number of the first segment
	size     uint32 // payload bytes of every segment but the last
}

func newCutter(p *Packet) cutter {
	b := p.Frame.Data
	c := cutter{
		l3: p.L3, l4: p.L4, family: p.Family,
		tcp: p.Proto == ProtoTCP, ecn: p.Frame.Offload.ECN,
		size: uint32(p.Frame.Offload.SegmentSize),
	}
	field := binary.BigEndian.Uint16(b[p.checksum:])
	pseudo := uint64(field)
	if p.partial() {
		// The sum in the field counts the superframe's length.
		pseudo = add(pseudo, ^uint64(p.End-p.L4))
	} else {
		pseudo = pseudoSum(p.Src, p.Dst, p.Proto, 0)
		c.noChecksum = p.Proto == ProtoUDP && field == 0
	}
	c.pseudo = uint64(swap(fold(pseudo)))
	if c.family == 4 {
		c.id = binary.BigEndian.Uint16(b[p.L3+4:])
	}
	if c.tcp {
		c.sequence = binary.BigEndian.Uint32(b[p.L4+4:])
	}
	return c
}

// finish turns a copy of the superframe's headers into those of segment i,
// whose payload is given.
func (c *cutter) finish(headers, payload []byte, i int, last bool) {
	length := len(headers) - c.l4 + len(payload)
	ip, transport := headers[c.l3:c.l4], headers[c.l4:]
	if c.family == 4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+length))
		binary.BigEndian.PutUint16(ip[4:], c.id+uint16(i)) // as the kernel numbers them
		setIPv4Checksum(ip)
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6Len+length))
	}
	if !c.tcp {
		binary.BigEndian.PutUint16(transport[4:], uint16(length))
		if !c.noChecksum {
			c.setChecksum(transport, payload, udpChecksum)
		}
		return
	}
	binary.BigEndian.PutUint32(transport[4:], c.sequence+uint32(i)*c.size)
	if !last {
		transport[13] &^= TCPFlagFIN | TCPFlagPSH
	}
	if i > 0 && c.ecn {
		transport[13] &^= TCPFlagCWR // one congestion signal must stay one
	}
	c.setChecksum(transport, payload, tcpChecksum)
}

func (c *cutter) setChecksum(transport, payload []byte, at int) {
	transport[at], transport[at+1] = 0, 0
	length := uint64(swap(uint16(len(transport) + len(payload))))
	sum := ^swap(fold(addBytes(addBytes(add(c.pseudo, length), transport), payload)))
	if sum == 0 && at == udpChecksum {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(transport[at:], sum)
}

func setIPv4Checksum(h []byte) {
	h[ipv4Checksum], h[ipv4Checksum+1] = 0, 0
	binary.BigEndian.PutUint16(h[ipv4Checksum:], ^swap(fold(addBytes(0, h))))
}

// copyCompleted copies an ordinary frame into the arena and completes its
// checksum there.
func (s *Segmenter) copyCompleted(f *Frame) Frame {
	c := *f
	c.Data = s.take(len(f.Data))
	copy(c.Data, f.Data)
	CompleteChecksum(&c)
	return c
}

// reset empties the arena and makes room for n bytes, so that the frames taken
// from it never move.
func (s *Segmenter) reset(n int) { s.arena = room(s.arena, n) }

// take cuts n bytes off the arena; reset has made room for them.
func (s *Segmenter) take(n int) []byte { return extend(&s.arena, n) }

func room(arena []byte, n int) []byte {
	if cap(arena) < n {
		return make([]byte, 0, n)
	}
	return arena[:0]
}

func extend(arena *[]byte, n int) []byte {
	at := len(*arena)
	*arena = (*arena)[:at+n]
	return (*arena)[at : at+n : at+n]
}
