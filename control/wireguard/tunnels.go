package wireguard

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// SocketDirectory is where wg(8) looks for the sockets of devices like ours.
const SocketDirectory = "/var/run/wireguard"

// Config is what [Tunnels] are made with.
type Config struct {
	// Event is called for everything that happens, one call at a time, and not
	// for long. It must not call Close.
	Event func(Event)
	// SocketDirectory of the devices' sockets; "": SocketDirectory. Where it
	// cannot be written to, wg(8) shows nothing, and all else works.
	SocketDirectory string
	Log             *slog.Logger // nil: nothing is logged
}

// Tunnels are the tunnels of one machine.
type Tunnels struct {
	config Config

	mu      sync.Mutex
	closed  bool
	devices map[string]*tunnelDevice

	stop chan struct{}
	done sync.WaitGroup
}

// lookEvery is how often the devices are looked at.
const lookEvery = time.Second

// New returns Tunnels that are none yet.
func New(config Config) *Tunnels {
	if config.SocketDirectory == "" {
		config.SocketDirectory = SocketDirectory
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Event == nil {
		config.Event = func(Event) {}
	}
	t := &Tunnels{config: config, devices: map[string]*tunnelDevice{}, stop: make(chan struct{})}
	t.done.Go(t.look)
	return t
}

// Set makes state the one in force. A state that cannot be is an error and changes
// nothing. A tunnel that the machine refuses is an error, too, and an Event; the
// others are made all the same, and to Set the same state again tries it again.
func (t *Tunnels) Set(state State) error {
	if err := state.validate(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("the tunnels are closed")
	}
	wanted := map[string]*Tunnel{}
	for i := range state.Tunnels {
		wanted[state.Tunnels[i].Name] = &state.Tunnels[i]
	}
	// Those that go come first, since a new one may want their port or address. An MTU
	// is the device's from its making on.
	for name, d := range t.devices {
		if w := wanted[name]; w == nil || w.mtu() != d.tunnel.mtu() || w.AdjustMSS != d.tunnel.AdjustMSS {
			t.remove(d, w == nil)
		}
	}
	var errs []error
	for i := range state.Tunnels {
		if err := t.ensure(state.Tunnels[i]); err != nil {
			errs = append(errs, err)
			t.config.Event(Event{Time: time.Now(), Tunnel: state.Tunnels[i].Name, Error: err.Error()})
		}
	}
	return errors.Join(errs...)
}

// ensure makes the tunnel, or changes it. The caller holds mu.
func (t *Tunnels) ensure(want Tunnel) error {
	d := t.devices[want.Name]
	if d == nil {
		made, err := openDevice(want, t.config.SocketDirectory, t.config.Log)
		if err != nil {
			return fmt.Errorf("tunnel %s: %w", want.Name, err)
		}
		t.devices[want.Name] = made
		t.report(made)
		return nil
	}
	if want.same(&d.tunnel) {
		return nil
	}
	if err := d.set(want); err != nil {
		return fmt.Errorf("tunnel %s: %w", want.Name, err)
	}
	return nil
}

// remove ends a tunnel. The caller holds mu.
func (t *Tunnels) remove(d *tunnelDevice, report bool) {
	d.close()
	delete(t.devices, d.tunnel.Name)
	if report {
		t.config.Event(Event{Time: time.Now(), Tunnel: d.tunnel.Name, Removed: true})
	}
}

// look reports what has changed, until Close.
func (t *Tunnels) look() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-t.stop:
			return
		}
		t.mu.Lock()
		for name, d := range t.devices {
			if d.ended() { // somebody removed the device
				t.remove(d, false)
				t.config.Event(Event{Time: time.Now(), Tunnel: name, Removed: true, Error: "the device was removed"})
				continue
			}
			t.report(d)
		}
		t.mu.Unlock()
	}
}

// report tells of a device that is new or has changed. The caller holds mu.
func (t *Tunnels) report(d *tunnelDevice) {
	status := d.status()
	if d.reported && status == d.last {
		return
	}
	d.last, d.reported = status, true
	t.config.Event(Event{Time: time.Now(), Tunnel: d.tunnel.Name, Status: &status})
}

// Close ends all tunnels and waits for them. It is idempotent.
func (t *Tunnels) Close() {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return
	}
	// The goroutine that looks takes mu: it is waited for without it.
	close(t.stop)
	t.done.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.devices {
		t.remove(d, true)
	}
}
