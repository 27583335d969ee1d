package services

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// streamService is a service over TCP.
type streamService struct {
	name string
	// serve answers on conn until it is done with it; the caller closes it.
	serve func(conn net.Conn, client streamClient)
}

// streamClient is who is at the other end of a connection: a handle rather than
// an interface, because the view of it may change while the connection lasts.
type streamClient struct {
	handle uint32
	ipv6   bool
}

// Limits of connections. Those of one interface leave room for the others.
const (
	maxStreams             = 512
	maxStreamsPerInterface = 32
	streamTime             = 10 * time.Second // from accept to close
)

// serveStreams accepts connections until ctx ends, and then waits for them. Those
// above the limits, and of strangers, are closed at once.
func (s *server) serveStreams(ctx context.Context, listener net.Listener, service streamService) error {
	var group sync.WaitGroup
	defer group.Wait()
	for failures := 0; ; {
		conn, err := listener.Accept()
		if err != nil {
			if failures++; ctx.Err() != nil {
				return nil
			} else if errors.Is(err, net.ErrClosed) || failures == maxReadErrors {
				return err
			}
			pause(ctx, 50*time.Millisecond) // out of descriptors, most likely
			continue
		}
		failures = 0
		// The kernel has accepted the connection already; all that is left to
		// do with an unwelcome one is to close it.
		client, asker := s.streamClient(conn)
		if asker == nil || !s.streams.enter(client.handle) {
			conn.Close()
			continue
		}
		group.Go(func() {
			defer s.streams.leave(client.handle)
			defer conn.Close()
			// Closing is what wakes a Read: the end of ctx must not wait for
			// clients that say nothing.
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			if conn.SetDeadline(time.Now().Add(streamTime)) == nil {
				s.shielded(service.name, asker, func() { service.serve(conn, client) })
			}
		})
	}
}

func (s *server) streamClient(conn net.Conn) (streamClient, *networkInterface) {
	_, asker := s.client(conn.RemoteAddr())
	if asker == nil {
		return streamClient{}, nil
	}
	ipv6 := false
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ipv6 = tcp.IP.To4() == nil
	}
	return streamClient{handle: asker.Status.Handle, ipv6: ipv6}, asker
}

// streamCount counts open connections, all and by interface.
type streamCount struct {
	mu   sync.Mutex
	all  int
	open map[uint32]int
}

func (c *streamCount) enter(handle uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= maxStreams || c.open[handle] >= maxStreamsPerInterface {
		return false
	}
	c.all++
	c.open[handle]++
	return true
}

func (c *streamCount) leave(handle uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.open[handle]--; c.open[handle] == 0 {
		delete(c.open, handle)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// serveDNSStream answers requests, each behind two bytes of length, until the
// client has no more or one gets no answer. The view is read anew for each: the
// connection may outlive an apply.
func (s *server) serveDNSStream(conn net.Conn, client streamClient) {
	var length [2]byte
	buffer := make([]byte, maxDNSRequest)
	for {
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		// Nothing skips what is too long to be a question: the stream is lost.
		n := int(binary.BigEndian.Uint16(length[:]))
		if n > len(buffer) {
			return
		}
		if _, err := io.ReadFull(conn, buffer[:n]); err != nil {
			return
		}
		d := s.Directory.Load()
		asker := d.interfaceBy(client.handle)
		if asker == nil {
			return
		}
		answer := d.answerDNS(asker, buffer[:n], true)
		if answer == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
		if _, err := conn.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}
