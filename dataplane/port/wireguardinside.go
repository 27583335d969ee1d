package port

import (
	"encoding/binary"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// wireGuardBatch is how many packets pass a tunnel's stages together: a superframe
// and a half. Each stage is a goroutine, and a hand-over between them costs as much
// as some packets. With 128, as wireguard-go has it, nothing was faster, and a
// tunnel takes 8 MiB of addresses more: it has a buffer of 64 KiB for each packet of
// a batch, twice.
const wireGuardBatch = 64

// insideEnd is where a tunnel's packets are in the clear. To wireguard-go it is a
// TUN device.
type insideEnd struct {
	mtu     int
	paths   atomic.Pointer[insidePaths]
	in, out *ring // from the engine, to the engine
	sleeper *sleeper

	closeOnce sync.Once
	done      chan struct{} // closed by Close
	events    chan tun.Event

	// Of Read's only goroutine.
	frames  [1]packet.Frame // the frame that is being cut
	cutter  packet.Cutter
	cutting bool
	path    *insidePath // of that frame

	writing   sync.Mutex // guards coalescer: each peer has a writer of its own
	coalescer packet.Coalescer

	malformed atomic.Uint64
	misplaced atomic.Uint64 // packets of, or for, a peer that is not there
}

func newInsideEnd(mtu, queue int, out *ring, paths *insidePaths) *insideEnd {
	e := &insideEnd{mtu: mtu, out: out, sleeper: newSleeper(), done: make(chan struct{}), events: make(chan tun.Event)}
	e.in = &ring{size: queue, wake: e.sleeper.wake}
	e.paths.Store(paths)
	return e
}

// Read waits for a packet to encrypt and takes more if they are there. A
// superframe is cut straight into the buffers that it is encrypted in.
func (e *insideEnd) Read(buffers [][]byte, sizes []int, offset int) (n int, err error) {
	for n < len(buffers) {
		if !e.cutting && !e.next(n == 0) {
			break
		}
		// The Ethernet header comes along where the tunnel's header will be.
		buffer := buffers[n][offset-ethernetHeaderLen:]
		length := e.cutter.Next(buffer)
		e.cutting = e.cutter.Left() > 0
		if length <= ethernetHeaderLen {
			e.malformed.Add(1)
			continue
		}
		sizes[n] = length - ethernetHeaderLen
		e.path.sent.add(1, sizes[n])
		n++
	}
	if n == 0 {
		return 0, os.ErrClosed
	}
	return n, nil
}

// next begins with the next frame, and waits for it if it may. It returns false
// when there is none.
func (e *insideEnd) next(wait bool) bool {
	for {
		e.in.release()
		if wait && !e.sleeper.wait(e.in, e.done) || e.in.take(e.frames[:]) == 0 {
			return false
		}
		if !isIP(e.frames[0].Data) {
			e.malformed.Add(1) // no other protocol has a way into a tunnel
			continue
		}
		if e.path = e.paths.Load().towards(&e.frames[0]); e.path == nil {
			e.misplaced.Add(1)
			continue
		}
		if !e.path.hasMet() {
			e.path.unsent.Add(1)
			continue
		}
		if e.cutter.Start(&e.frames[0]) > 0 {
			e.cutting = true
			return true
		}
		e.malformed.Add(1)
	}
}

func isIP(frame []byte) bool {
	if len(frame) < ethernetHeaderLen {
		return false
	}
	etherType := binary.BigEndian.Uint16(frame[12:])
	return etherType == packet.EtherTypeIPv4 || etherType == packet.EtherTypeIPv6
}

// Write takes what was decrypted, all of one peer's, to the engine. It does not
// wait: what finds no room is lost, as on any wire.
func (e *insideEnd) Write(buffers [][]byte, offset int) (int, error) {
	now, paths := time.Now().UnixNano(), e.paths.Load()
	e.writing.Lock()
	defer e.writing.Unlock()
	out, published := e.out, 0
	out.producing.Lock()
	for i := 0; i < len(buffers); {
		ip := buffers[i][offset:]
		i++
		path := paths.from(ip)
		if path == nil {
			e.misplaced.Add(1)
			continue
		}
		packets, bytes := 1, len(ip)
		path.lastReceived.Store(now)
		room := out.reserve(packet.Coalesced)
		if room == nil { // what is left may do for one
			room = out.reserve(ethernetHeaderLen + len(ip))
		}
		if room == nil {
			path.received.add(packets, bytes)
			out.dropped.Add(1)
			continue
		}
		room = append(room, path.header[:]...)
		etherType := uint16(packet.EtherTypeIPv4)
		if ip[0]>>4 == 6 {
			etherType = packet.EtherTypeIPv6
		}
		binary.BigEndian.PutUint16(room[12:], etherType)
		e.coalescer.Start(room, ip)
		for i < len(buffers) && e.coalescer.Append(buffers[i][offset:]) {
			packets++
			bytes += len(buffers[i]) - offset
			i++
		}
		path.received.add(packets, bytes) // before anybody can have seen one
		frame := e.coalescer.Frame()
		frame.Link = path.link
		out.publish(frame)
		published++
	}
	out.producing.Unlock()
	out.announce(published)
	return len(buffers), nil
}

func (e *insideEnd) MTU() (int, error)        { return e.mtu, nil }
func (e *insideEnd) Name() (string, error)    { return "tunnel", nil }
func (e *insideEnd) Events() <-chan tun.Event { return e.events }
func (e *insideEnd) BatchSize() int           { return wireGuardBatch }
func (e *insideEnd) File() *os.File           { return nil }

func (e *insideEnd) Close() error {
	e.closeOnce.Do(func() {
		close(e.done)
		close(e.events)
	})
	return nil
}
