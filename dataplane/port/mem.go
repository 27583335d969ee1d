package port

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// MemoryConfig configures a [Memory]. The zero value serves.
type MemoryConfig struct {
	// Queue is how many frames wait for Recv, and how many at each endpoint,
	// before further ones are dropped and counted; 4,096 when 0. A superframe
	// injected is one frame; cut, it is as many as it has segments.
	Queue int
}

// EndpointConfig configures the far end of a link.
type EndpointConfig struct {
	// MTU is the longest IP packet the link carries, in bytes; 1,500 when 0. A
	// longer one sent to it is dropped and counted: whoever sends is expected
	// to have fragmented or refused it.
	MTU int
	// Superframes are delivered as they are, with partial checksums, as to a
	// veth. Without, the endpoint is a device that cuts and completes.
	Superframes bool
}

// MemoryStats counts the frames of a Memory since it was made.
type MemoryStats struct {
	Received    uint64 // handed out by Recv and Poll
	Delivered   uint64 // queued at an endpoint, after cutting
	UnknownLink uint64 // dropped: sent to a link that does not exist
	OverMTU     uint64 // dropped: longer than the endpoint's MTU
	QueueFull   uint64 // dropped: queue of the port or of an endpoint full
	Malformed   uint64 // dropped: no Ethernet header, or a superframe that cannot be cut
}

// Memory is a port without a kernel. Tests and the in-memory driver inject
// frames at an [Endpoint] as an instance would send them, and take from it what
// the core sent there.
//
// It is the strict twin of a veth. What leaves it has been cut into ordinary
// frames with complete checksums, so a rewrite that mishandles a partial
// checksum shows up here as a wrong sum, where a veth pair would carry it from
// end to end unseen. And Recv spoils the bytes it lent before, so a core that
// keeps a frame beyond its time reads garbage at once and not now and then.
//
// All frames pass one queue in the order of injection. Its methods may be called
// from several goroutines.
type Memory struct {
	config MemoryConfig
	// ready holds a token while the queue may be non-empty; closed ends waits.
	ready, closed chan struct{}

	mu        sync.Mutex
	queue     []packet.Frame // injected, owned by the port
	lent      []packet.Frame // by the last Recv or Poll
	endpoints map[uint32]*Endpoint
	stats     MemoryStats
	segmenter packet.Segmenter
	segments  []packet.Frame
	isClosed  bool
	// interrupted: the next Recv returns, with or without a frame.
	interrupted bool
}

// NewMemory makes a port without links.
func NewMemory(config MemoryConfig) *Memory {
	if config.Queue <= 0 {
		config.Queue = 4096
	}
	return &Memory{
		config:    config,
		ready:     make(chan struct{}, 1),
		closed:    make(chan struct{}),
		endpoints: map[uint32]*Endpoint{},
	}
}

// Link makes a link and returns its far end. A link that exists already is
// replaced; its old endpoint keeps what it holds and gets nothing more.
func (m *Memory) Link(link uint32, config EndpointConfig) *Endpoint {
	if config.MTU <= 0 {
		config.MTU = 1500
	}
	e := &Endpoint{port: m, link: link, config: config, ready: make(chan struct{}, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endpoints[link] = e
	return e
}

// Unlink removes a link; frames sent to it are dropped and counted from then on.
func (m *Memory) Unlink(link uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.endpoints, link)
}

// Recv fills frames with injected ones, in order. If there is none it waits for
// one, at most for wait. The bytes belong to the port until the next Recv or
// Poll, which spoils them. After Close the error wraps net.ErrClosed, even with
// frames left.
func (m *Memory) Recv(frames []packet.Frame, wait time.Duration) (int, error) {
	if len(frames) == 0 {
		return 0, nil
	}
	n, err := m.take(frames)
	if n > 0 || err != nil || wait <= 0 {
		return n, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-m.ready:
		case <-m.closed:
		case <-timer.C:
			return 0, nil
		}
		interrupted := m.takeInterrupt()
		n, err := m.take(frames)
		if n > 0 || err != nil || interrupted {
			return n, err
		}
	}
}

// Interrupt makes the Recv that waits return, or else the next that would wait.
func (m *Memory) Interrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupted = true
	signal(m.ready)
}

func (m *Memory) takeInterrupt() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	interrupted := m.interrupted
	m.interrupted = false
	return interrupted
}

// Poll is Recv for a driver without a goroutine: it returns 0 when nothing is
// waiting, or the port is closed.
func (m *Memory) Poll(frames []packet.Frame) int {
	n, _ := m.take(frames)
	return n
}

func (m *Memory) take(frames []packet.Frame) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.lent {
		for i := range f.Data {
			f.Data[i] = 0xdb
		}
	}
	m.lent = m.lent[:0]
	if m.isClosed {
		return 0, fmt.Errorf("memory port: receive: %w", net.ErrClosed)
	}
	n := copy(frames, m.queue)
	m.lent = append(m.lent, m.queue[:n]...)
	clear(m.queue[:n])
	m.queue = m.queue[n:]
	m.stats.Received += uint64(n)
	return n, nil
}

// Send delivers each frame to the endpoint of its link, cut and completed. It
// copies the bytes. The error is nil unless the port is closed.
func (m *Memory) Send(frames []packet.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isClosed {
		return fmt.Errorf("memory port: send: %w", net.ErrClosed)
	}
	for i := range frames {
		f := &frames[i]
		switch e := m.endpoints[f.Link]; {
		case e == nil:
			m.stats.UnknownLink++
		case len(f.Data) < ethernetHeaderLen:
			m.stats.Malformed++
		default:
			m.deliver(e, f)
		}
	}
	return nil
}

// deliver is the device at the far end of the link.
func (m *Memory) deliver(e *Endpoint, f *packet.Frame) {
	if e.config.Superframes {
		m.enqueue(e, f)
		return
	}
	m.segments = m.segmenter.Segment(m.segments[:0], f)
	if len(m.segments) == 0 {
		m.stats.Malformed++
	}
	for i := range m.segments {
		m.enqueue(e, &m.segments[i])
	}
}

// enqueue copies f, which is the core's or the segmenter's.
func (m *Memory) enqueue(e *Endpoint, f *packet.Frame) {
	if packetLen(f) > e.config.MTU {
		m.stats.OverMTU++
		return
	}
	if len(e.frames) >= m.config.Queue {
		m.stats.QueueFull++
		return
	}
	e.frames = append(e.frames, copyFrame(f))
	m.stats.Delivered++
	signal(e.ready)
}

// packetLen is the length of the longest IP packet that f becomes on the wire.
// VLAN tags belong to the Ethernet header.
func packetLen(f *packet.Frame) int {
	n := len(f.Data)
	if f.Offload.GSO != packet.GSONone {
		n = min(n, int(f.Offload.HeaderLen)+int(f.Offload.SegmentSize))
	}
	if len(f.Data) < ethernetHeaderLen+2*vlanTagLen {
		return n - ethernetHeaderLen
	}
	return n - ethernetVersion(f.Data)
}

// Close ends Recv. Endpoints keep what was delivered to them. It is idempotent.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isClosed {
		m.isClosed = true
		close(m.closed)
	}
	return nil
}

// Stats may be called at any time.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// copyFrame gives f bytes of its own, without room to grow into.
func copyFrame(f *packet.Frame) packet.Frame {
	c := *f
	c.Data = make([]byte, len(f.Data))
	copy(c.Data, f.Data)
	return c
}

// signal leaves a token for a waiter, unless one is there.
func signal(ready chan struct{}) {
	select {
	case ready <- struct{}{}:
	default:
	}
}
