package packet

// Cutter hands out the segments of one superframe one by one, into memory of the
// caller's: for who has a buffer for each packet anyway, where a [Segmenter]
// would be a copy more. The zero Cutter has none to hand out. Not for concurrent
// use.
type Cutter struct {
	p         Packet
	f         Frame
	cut       cutter
	remaining []byte // payload not handed out yet
	next, n   int    // segment
}

// Start begins with f, whose bytes it borrows until the last segment has been
// handed out. It reports how many there are: 1 for an ordinary frame, and 0 for
// one whose offload facts contradict its headers.
func (c *Cutter) Start(f *Frame) int {
	c.f, c.next, c.n = *f, 0, 1
	if f.Offload.GSO == GSONone {
		if _, _, ok := completeSum(f); f.Offload.PartialChecksum && !ok {
			c.n = 0
		}
		return c.n
	}
	if Parse(&c.p, &c.f) != ProblemNone || !c.p.superframe() {
		c.n = 0
		return 0
	}
	c.n, _ = TotalBytes(&c.p)
	c.cut = newCutter(&c.p)
	c.remaining = c.f.Data[c.p.Payload:c.p.End]
	return c.n
}

// Next writes the next segment, Ethernet header first and with a complete
// checksum, to dst, and returns its length. It returns 0 when all have been
// handed out, and for one that is longer than dst, which is then lost.
func (c *Cutter) Next(dst []byte) int {
	i := c.next
	if i >= c.n {
		return 0
	}
	c.next++
	if c.f.Offload.GSO == GSONone {
		if len(dst) < len(c.f.Data) {
			return 0
		}
		whole := c.f
		whole.Data = dst[:copy(dst, c.f.Data)]
		CompleteChecksum(&whole)
		return len(whole.Data)
	}
	headers, payload := c.f.Data[:c.p.Payload], c.remaining
	payload = payload[:min(len(payload), int(c.f.Offload.SegmentSize))]
	c.remaining = c.remaining[len(payload):]
	n := len(headers) + len(payload)
	if len(dst) < n {
		return 0
	}
	copy(dst, headers)
	copy(dst[len(headers):], payload)
	c.cut.finish(dst[:len(headers)], dst[len(headers):n], i, c.next == c.n)
	return n
}

// Length is that of the next segment, Ethernet header included; 0 when all have been
// handed out.
func (c *Cutter) Length() int {
	switch {
	case c.next >= c.n:
		return 0
	case c.f.Offload.GSO == GSONone:
		return len(c.f.Data)
	}
	return c.p.Payload + min(len(c.remaining), int(c.f.Offload.SegmentSize))
}

// Left is how many segments have not been handed out.
func (c *Cutter) Left() int { return c.n - c.next }
