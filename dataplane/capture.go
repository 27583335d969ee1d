package dataplane

import (
	"slices"
	"sync/atomic"
)

// CapturePlace is where a capture looks: an object, and which side of it.
type CapturePlace struct {
	// Object is an interface or whatever else has a link; an Internet gateway, a NAT
	// gateway, an attachment, another gateway or peering; or the Internet.
	Object Handle
	Side   CaptureSide
}

// CaptureSide tells apart what a gateway gets and what it makes of it.
type CaptureSide uint8

// The sides. Gateways that translate have an inside and an outside; everything
// else has only one.
const (
	SideOnly CaptureSide = iota
	SideInside
	SideOutside
)

// CaptureDirection is a packet's direction as the place sees it, in the numbers of
// pcapng's epb_flags.
type CaptureDirection uint8

// The directions.
const (
	DirectionUnknown CaptureDirection = iota // it passes, as over the Internet
	DirectionIn                              // the object gets it
	DirectionOut                             // the object sends it
)

// CaptureConfig says what a capture takes.
type CaptureConfig struct {
	Places []CapturePlace
	Filter CaptureFilter // the zero filter keeps everything
	// Ways asks for whole ways, for [Capture.NextWay]; there are no Places then.
	Ways *Ways
	// Packets and Bytes bound what waits to be read; default 4,096 frames and
	// 16 MiB. What does not fit is lost to the capture, and counted.
	Packets, Bytes int
}

// Capture is a tap in the engine. Forwarding writes to it at commit and never
// waits for its reader: [Capture.Next] may be called by one goroutine at a time.
type Capture struct {
	engine *Engine
	filter CaptureFilter
	ways   *Ways
	ring   captureRing
	reader captureReader
	closed atomic.Bool

	// Of the engine's, under its lock.
	places []CapturePlace
	wanted []uint64 // a bit per handle that is in places
	lost   map[CapturePlace]uint64
}

// Capture begins to take the packets at some places. It costs about 10 MiB more
// than cfg.Bytes until Close.
func (e *Engine) Capture(cfg CaptureConfig) *Capture {
	if cfg.Packets == 0 {
		cfg.Packets = 4096
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 16 << 20
	}
	c := &Capture{engine: e, filter: cfg.Filter, ways: cfg.Ways, lost: map[CapturePlace]uint64{}}
	c.ring.records = make([]captureRecord, cfg.Packets)
	c.ring.bytes = make([]byte, cfg.Bytes)
	c.Look(cfg.Places)
	c.lost[CapturePlace{}] = 0
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopOffload() // whatever comes from now on is seen
	if e.taps == nil {
		e.taps = &taps{}
	}
	e.taps.captures = append(e.taps.captures, c)
	return c
}

// Look makes the capture look at other places.
func (c *Capture) Look(places []CapturePlace) {
	most := Handle(0)
	for _, p := range places {
		most = max(most, p.Object)
	}
	wanted := make([]uint64, most/64+1)
	for _, p := range places {
		wanted[p.Object/64] |= 1 << (p.Object % 64)
	}
	places = slices.Clone(places)
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.places, c.wanted = places, wanted
	for _, p := range places {
		c.lost[p] += 0 // there, so that counting allocates nothing
	}
}

// Close ends the capture; what it has taken can still be read. It may be called
// again.
func (c *Capture) Close() {
	if c.closed.Swap(true) {
		return
	}
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taps.captures = slices.DeleteFunc(e.taps.captures, func(other *Capture) bool { return other == c })
	if len(e.taps.captures) == 0 {
		e.taps = nil
	}
}

// Lost is how many frames the capture had no room for, by place; a superframe
// counts once.
func (c *Capture) Lost() map[CapturePlace]uint64 {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	lost := map[CapturePlace]uint64{}
	for p, n := range c.lost {
		if n > 0 {
			lost[p] = n
		}
	}
	return lost
}

// wants reports that the capture looks at a place.
func (c *Capture) wants(p CapturePlace) bool {
	word := int(p.Object / 64)
	return word < len(c.wanted) && c.wanted[word]&(1<<(p.Object%64)) != 0 && slices.Contains(c.places, p)
}
