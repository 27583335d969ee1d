package gre

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/vpcsim/vpcsim/control/wireguard"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// Config is a tunnel.
type Config struct {
	Name string // of the device
	// PairEnd is the other end of a veth pair that is there already, where no TUN
	// device can be made; "": a TUN device is made.
	PairEnd string
	// Local and Remote are the outer addresses, of one family.
	Local, Remote netip.Addr
	MTU           int // of packets inside, in bytes
}

// Tunnel is a tunnel that runs: two goroutines of its own, one for each direction, which
// share nothing but the two files, and which Close ends and waits for.
type Tunnel struct {
	link   link
	socket *net.IPConn
	close  func()
	done   sync.WaitGroup
}

// link is the device: packets of IP, each behind offset bytes of a buffer.
type link interface {
	Read(buffers [][]byte, sizes []int, offset int) (int, error)
	Write(buffers [][]byte, offset int) (int, error)
	BatchSize() int
	Close() error
}

// Open makes the device and the socket of a tunnel. The link is down.
func Open(c Config) (*Tunnel, error) {
	device, err := wireguard.OpenLink(c.Name, c.PairEnd, c.MTU)
	if err != nil {
		return nil, fmt.Errorf("GRE tunnel %s: %w", c.Name, err)
	}
	network := "ip4:47"
	if c.Local.Is6() {
		network = "ip6:47"
	}
	socket, err := net.DialIP(network, &net.IPAddr{IP: c.Local.AsSlice()}, &net.IPAddr{IP: c.Remote.AsSlice()})
	if err != nil {
		_ = device.Close()
		return nil, fmt.Errorf("GRE tunnel %s: %w", c.Name, err)
	}
	port.GrowReceiveBuffer(socket, receiveBuffer)
	t := &Tunnel{link: device, socket: socket}
	t.close = sync.OnceFunc(func() {
		// Both goroutines sleep in a read of one and write to the other: either file
		// that is closed ends one of them, so that both have to be.
		_, _ = socket.Close(), device.Close()
		t.done.Wait()
	})
	t.done.Go(t.wrap)
	t.done.Go(t.unwrap)
	return t, nil
}

// Close removes a TUN device, and leaves a pair. It is idempotent.
func (t *Tunnel) Close() { t.close() }

const (
	// receiveBuffer is what may wait to be read, in bytes. With the kernel's default
	// bursts of large packets lose some, and TCP sends them again.
	receiveBuffer = 4 << 20

	headerLen = 4 // of GRE without options
	// room is before each packet: for the GRE header, and for what devices want
	// there.
	room    = 32
	largest = 1 << 16

	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
)

// wrap sends what programs send into the device.
func (t *Tunnel) wrap() {
	size := t.link.BatchSize()
	buffers, sizes := make([][]byte, size), make([]int, size)
	for i := range buffers {
		buffers[i] = make([]byte, room+largest) // a device may hand over more than its MTU, uncut
	}
	for failures := 0; failures < 100; {
		n, err := t.link.Read(buffers, sizes, room)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil && n == 0: // a device that goes on failing is gone
			failures++
			continue
		}
		failures = 0
		for i := range n {
			if sizes[i] == 0 {
				continue
			}
			// In place: the header goes where the room before the packet ends.
			b := buffers[i][room-headerLen : room+sizes[i]]
			putHeader(b)
			// What cannot be sent is lost, as on any link: who sent it will notice.
			if _, err := t.socket.Write(b); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}
}

// unwrap hands programs what comes from the other end: the socket is connected, so
// nobody else's packets come.
func (t *Tunnel) unwrap() {
	buffer := make([]byte, room+largest)
	for {
		n, _, err := t.socket.ReadFromIP(buffer[room:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of an ICMP error: AWS's end is not there yet, or not any more
		}
		header := readHeader(buffer[room : room+n])
		if header == 0 || header == n {
			continue
		}
		// The packet begins room bytes behind.
		if _, err := t.link.Write([][]byte{buffer[header : room+n]}, room); errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

// putHeader writes the header of a packet that stands behind it.
func putHeader(b []byte) {
	etherType := uint16(etherTypeIPv4)
	if b[headerLen]>>4 == 6 {
		etherType = etherTypeIPv6
	}
	b[0], b[1] = 0, 0
	binary.BigEndian.PutUint16(b[2:], etherType)
}

// readHeader is how long the header of a packet is; 0 if it is none of this tunnel's,
// which has no key and carries IP.
func readHeader(b []byte) int {
	const checksum, key, sequence, reserved, version = 0x8000, 0x2000, 0x1000, 0x4c00, 0x0007
	if len(b) < headerLen {
		return 0
	}
	flags := binary.BigEndian.Uint16(b)
	if flags&(key|reserved|version) != 0 {
		return 0
	}
	if p := binary.BigEndian.Uint16(b[2:]); p != etherTypeIPv4 && p != etherTypeIPv6 {
		return 0
	}
	n := headerLen
	for _, option := range []uint16{checksum, sequence} {
		if flags&option != 0 {
			n += 4
		}
	}
	if n > len(b) {
		return 0
	}
	return n
}
