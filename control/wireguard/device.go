package wireguard

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// tunnelDevice is a TUN device with wireguard-go behind it.
type tunnelDevice struct {
	tunnel   Tunnel // as it is set
	device   *device.Device
	last     Status // the last that was reported
	reported bool

	socket   net.Listener // nil: there is none
	handlers sync.WaitGroup
	mu       sync.Mutex
	clients  map[net.Conn]bool // of socket; nil: it is closed
}

// openDevice makes the device and all that is behind it. The link is down.
func openDevice(t Tunnel, socketDirectory string, log *slog.Logger) (*tunnelDevice, error) {
	link, err := OpenLink(t.Name, t.PairEnd, t.mtu())
	if err != nil {
		return nil, err
	}
	if t.AdjustMSS {
		link = adjustSegmentSize(link, t.mtu())
	}
	log = log.With("tunnel", t.Name)
	d := &tunnelDevice{tunnel: t, clients: map[net.Conn]bool{}}
	d.device = device.NewDevice(link, conn.NewDefaultBind(), &device.Logger{
		Verbosef: device.DiscardLogf,
		Errorf:   func(format string, args ...any) { log.Debug("wireguard", "message", fmt.Sprintf(format, args...)) },
	})
	// Keys before Up: what arrives at a socket without any is lost, and the other end
	// would wait five seconds before it calls again.
	if err := errors.Join(d.device.IpcSet(t.settings(nil)), d.device.Up()); err != nil {
		d.device.Close()
		return nil, err
	}
	if err := d.listen(socketDirectory); err != nil {
		log.Warn("wg(8) will not show the tunnel", "error", err)
	}
	return d, nil
}

// OpenLink makes a TUN device in the network namespace of the caller's thread, or,
// unless pairEnd is "", takes the veth pair that stands in for one.
func OpenLink(name, pairEnd string, mtu int) (tun.Device, error) {
	if pairEnd != "" {
		return openPair(name, pairEnd, mtu)
	}
	link, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return nil, explain(err)
	}
	return link, nil
}

// explain adds the way out to what Linux says.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: this machine has no /dev/net/tun (in a container: --device /dev/net/tun)", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: /dev/net/tun must be open to the lab's user", err)
	}
	return err
}

// set changes what is different.
func (d *tunnelDevice) set(want Tunnel) error {
	if err := d.device.IpcSet(want.settings(&d.tunnel)); err != nil {
		return err
	}
	d.tunnel = want
	return nil
}

func (d *tunnelDevice) status() Status {
	text, err := d.device.IpcGet()
	if err != nil {
		return d.last
	}
	return readStatus(text, d.tunnel.PeerPublicKey)
}

// ended reports that wireguard-go has given up: its device is gone.
func (d *tunnelDevice) ended() bool {
	select {
	case <-d.device.Wait():
		return true
	default:
		return false
	}
}

// listen opens the socket by which wg(8) finds the device.
func (d *tunnelDevice) listen(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	path := filepath.Join(directory, d.tunnel.Name+".sock")
	// One of that name is a dead process's: the device's name was free.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil { // whoever connects may read the keys
		_ = socket.Close()
		return err
	}
	d.socket = socket
	d.handlers.Go(d.serve)
	return nil
}

// serve answers wg(8), which may as well change what is set. A client that was accepted
// while close runs would be waited for without anybody to end it: so whether there is
// still somebody to note it, and the noting, are one step under mu.
func (d *tunnelDevice) serve() {
	for {
		client, err := d.socket.Accept()
		if err != nil {
			return // closed
		}
		d.mu.Lock()
		open := d.clients != nil
		if open {
			d.clients[client] = true
			d.handlers.Go(func() {
				d.device.IpcHandle(client)
				d.mu.Lock()
				defer d.mu.Unlock()
				delete(d.clients, client)
			})
		}
		d.mu.Unlock()
		if !open {
			_ = client.Close()
			return
		}
	}
}

// close removes the device and waits for everything. Those who ask go first: their
// handlers use the device.
func (d *tunnelDevice) close() {
	if d.socket != nil {
		_ = d.socket.Close() // removes the file, too
		d.mu.Lock()
		for client := range d.clients {
			_ = client.Close()
		}
		d.clients = nil
		d.mu.Unlock()
		d.handlers.Wait()
	}
	d.device.Close()
}
