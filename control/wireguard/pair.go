package wireguard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// pairDevice is a tunnel's device where nobody may make a TUN device: many machines
// keep /dev/net/tun to root, even from a user who is root in namespaces of his own.
// It is a veth pair that somebody else has made. Programs and routes use the one
// end as they would a TUN device; at the other end a packet socket takes what they
// send, and puts there what they get.
type pairDevice struct {
	name   string
	mtu    int
	port   *port.AFPacket
	header [ethernetLen]byte // of what goes in; EtherType left out

	frames  [1]packet.Frame // being cut
	cutter  packet.Cutter   // of Read's only goroutine
	cutting bool

	writing sync.Mutex
	out     []packet.Frame

	closeOnce sync.Once
	events    chan tun.Event
}

const (
	ethernetLen = 14
	pairLink    = 1 // the packet socket's only link
	pairBatch   = 32
)

// openPair opens the device of a pair whose ends are name and other.
func openPair(name, other string, mtu int) (tun.Device, error) {
	inner, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	outer, err := net.InterfaceByName(other)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", other, err)
	}
	// It neither spins, since there may be a hundred of these on a machine, nor dozes in
	// a system call that Go's scheduler does not know of: that costs a processor for a
	// tick of the kernel's clock each time.
	p, err := port.OpenAFPacket(port.AFPacketConfig{Spin: -1, NoDoze: true})
	if err != nil {
		return nil, err
	}
	if err := p.Attach(pairLink, outer.Index); err != nil {
		_ = p.Close()
		return nil, err
	}
	d := &pairDevice{name: name, mtu: mtu, port: p, events: make(chan tun.Event, 1)}
	// The inner end has ARP off and knows no neighbours: it takes what is for its own
	// address, and what it sends we read whatever the address.
	copy(d.header[:], inner.HardwareAddr)
	copy(d.header[6:], outer.HardwareAddr)
	d.events <- tun.EventUp
	return d, nil
}

// Read waits for a packet and takes more if they are there; superframes are cut.
func (d *pairDevice) Read(buffers [][]byte, sizes []int, offset int) (n int, err error) {
	for n < len(buffers) {
		if !d.cutting {
			// Close wakes it; the second is only so that no wait is for ever.
			wait := time.Second
			if n > 0 {
				wait = 0
			}
			got, err := d.port.Recv(d.frames[:], wait)
			if errors.Is(err, net.ErrClosed) {
				return n, os.ErrClosed
			}
			if err != nil {
				return n, err
			}
			if got == 0 && n > 0 {
				return n, nil
			}
			if got == 0 || d.cutter.Start(&d.frames[0]) == 0 {
				continue
			}
		}
		// The Ethernet header comes along where the tunnel's header will be.
		length := d.cutter.Next(buffers[n][offset-ethernetLen:])
		d.cutting = d.cutter.Left() > 0
		if length > ethernetLen {
			sizes[n] = length - ethernetLen
			n++
		}
	}
	return n, nil
}

// Write hands decrypted packets to the programs behind the device.
func (d *pairDevice) Write(buffers [][]byte, offset int) (int, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.out = d.out[:0]
	for _, b := range buffers {
		frame := b[offset-ethernetLen:]
		copy(frame, d.header[:])
		etherType := packet.EtherTypeIPv4
		if len(b) > offset && b[offset]>>4 == 6 {
			etherType = packet.EtherTypeIPv6
		}
		frame[12], frame[13] = byte(etherType>>8), byte(etherType&0xff)
		d.out = append(d.out, packet.Frame{Data: frame, Link: pairLink})
	}
	if err := d.port.Send(d.out); err != nil {
		return 0, err
	}
	return len(buffers), nil
}

func (d *pairDevice) MTU() (int, error)        { return d.mtu, nil }
func (d *pairDevice) Name() (string, error)    { return d.name, nil }
func (d *pairDevice) Events() <-chan tun.Event { return d.events }
func (d *pairDevice) BatchSize() int           { return pairBatch }

// File is nil: there is none.
func (d *pairDevice) File() *os.File { return nil }

// Close makes Read return. The pair stays.
func (d *pairDevice) Close() error {
	var err error
	d.closeOnce.Do(func() {
		err = d.port.Close()
		close(d.events)
	})
	return err
}
