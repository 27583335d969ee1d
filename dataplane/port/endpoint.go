package port

import (
	"context"
	"fmt"
	"net"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// Endpoint is the far end of a link of a [Memory]: where the instance would be.
type Endpoint struct {
	port   *Memory
	link   uint32
	config EndpointConfig
	ready  chan struct{}  // holds a token while frames may be non-empty
	frames []packet.Frame // delivered and not yet taken; guarded by port.mu
}

// Inject sends a frame into the core as the instance would. It copies the bytes
// and overrides the frame's Link. It returns false when the frame was dropped
// (and counted) because the queue is full, or because the port is closed.
func (e *Endpoint) Inject(f packet.Frame) bool {
	c := copyFrame(&f)
	c.Link = e.link
	m := e.port
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isClosed {
		return false
	}
	if len(m.queue) >= m.config.Queue {
		m.stats.QueueFull++
		return false
	}
	m.queue = append(m.queue, c)
	signal(m.ready)
	return true
}

// Next takes the oldest frame that the core sent to the link. It does not wait.
// The bytes are the caller's.
func (e *Endpoint) Next() (f packet.Frame, ok bool) {
	e.port.mu.Lock()
	defer e.port.mu.Unlock()
	if len(e.frames) == 0 {
		return packet.Frame{}, false
	}
	f, e.frames[0] = e.frames[0], packet.Frame{}
	e.frames = e.frames[1:]
	return f, true
}

// Drain takes all of them.
func (e *Endpoint) Drain() []packet.Frame {
	e.port.mu.Lock()
	defer e.port.mu.Unlock()
	frames := e.frames
	e.frames = nil
	return frames
}

// Wait is Next for use beside an engine in its own goroutine: it waits for a
// frame, for ctx to end, or for the port to close (net.ErrClosed).
func (e *Endpoint) Wait(ctx context.Context) (packet.Frame, error) {
	for {
		if f, ok := e.Next(); ok {
			return f, nil
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return packet.Frame{}, fmt.Errorf("memory port: wait at link %d: %w", e.link, context.Cause(ctx))
		case <-e.port.closed:
			// Something may have been delivered just before.
			if f, ok := e.Next(); ok {
				return f, nil
			}
			return packet.Frame{}, fmt.Errorf("memory port: wait at link %d: %w", e.link, net.ErrClosed)
		}
	}
}
