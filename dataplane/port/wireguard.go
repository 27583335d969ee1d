package port

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/device"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// WireGuardPort is the UDP port of AWS's end of a tunnel. AWS's own tunnels have
// three faces: IKE on UDP 500, ESP, and ESP in UDP 4500 for customers behind a NAT
// (V10). WireGuard, too, is one kind of datagram that does all and passes a NAT,
// so it takes the place of the last; a firewall opened for AWS is open for it.
const WireGuardPort = 4500

// wireGuardMTU is the largest packet inside a tunnel (V11). The outer packet is
// larger than an Ethernet's 1,500 bytes: 60 more over IPv4, 80 over IPv6. The way
// to the customer has to have room for it (A57).
const wireGuardMTU = 1446

// TunnelLink is one of the two links by which a tunnel's end meets the engine.
type TunnelLink struct {
	// Link is the engine's handle. Frames of it come from and go to here.
	Link uint32
	// MAC is this end's, Router that of who is on the other: what the
	// engine checks.
	MAC, Router packet.MAC
}

// WireGuardConfig says what a tunnel's end is.
type WireGuardConfig struct {
	// PrivateKey is this end's, PeerPublicKey the customer's. PresharedKey is
	// optional.
	PrivateKey, PeerPublicKey, PresharedKey WireGuardKey

	// Inside carries what is to be encrypted and what was decrypted; Outside
	// is the host on the Internet that the encrypted packets come from and
	// go to, and Address its address, IPv4 or IPv6.
	Inside, Outside TunnelLink
	Address         netip.Addr
	Port            uint16 // UDP; 0: WireGuardPort

	// Peer is where the customer's end is. The zero AddrPort waits until the
	// customer has begun (startup action "add", V8), and learns from whence,
	// which a NAT in front of him requires; until then packets for him are
	// dropped, not kept. Otherwise this end begins ("start"). Either way the
	// customer may move: the last authentic packet tells where he is.
	Peer netip.AddrPort

	// MTU of packets inside, in bytes; 0 is AWS's 1,446.
	MTU int
	// PersistentKeepalive is the time after which a packet is sent if there
	// was none, in whole seconds; 0: none. Dead peers are found by what does
	// not come, and NATs forget mappings.
	PersistentKeepalive time.Duration
	// Queue bounds each of the tunnel's four queues in bytes; 0 is 8 MiB. It
	// is at least 256 KiB. Memory is taken when it is needed.
	Queue int
	// Log gets what the protocol has to say, at level Debug; nil: nothing.
	Log *slog.Logger
}

func (c WireGuardConfig) withDefaults() WireGuardConfig {
	if c.Port == 0 {
		c.Port = WireGuardPort
	}
	if c.MTU == 0 {
		c.MTU = wireGuardMTU
	}
	if c.Queue == 0 {
		c.Queue = 8 << 20
	}
	c.Queue = int(roundUp(uint64(max(c.Queue, 256<<10)), ringAlign))
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *WireGuardConfig) validate() error {
	var errs []error
	complain := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if c.PrivateKey.IsZero() {
		complain("it has no private key")
	}
	if c.PeerPublicKey.IsZero() {
		complain("the peer's public key is missing")
	}
	if !c.Address.IsValid() || c.Address.Is4In6() {
		complain("outside address %q is none", c.Address)
	}
	if c.Peer.IsValid() && c.Peer.Addr().Is4() != c.Address.Is4() {
		complain("the peer at %s and the outside address %s are of different families", c.Peer, c.Address)
	}
	if c.Inside.Link == c.Outside.Link {
		complain("link %d cannot be both inside and outside", c.Inside.Link)
	}
	if c.MTU < 576 || c.MTU > 65535-80 {
		complain("MTU %d is out of range", c.MTU)
	}
	if c.PersistentKeepalive < 0 || c.PersistentKeepalive > 65535*time.Second || c.PersistentKeepalive%time.Second != 0 {
		complain("persistent keepalive %s: whole seconds up to 65535", c.PersistentKeepalive)
	}
	return errors.Join(errs...)
}

// WireGuard is one end of a tunnel, inside this process: AWS's. It stands between
// two links of the engine. What the engine sends to the one inside is encrypted
// and comes back as the packets of a host on the Internet; and what arrives for
// that host is decrypted. Thus the packets of a tunnel cross the emulated Internet
// as all others do: they can be captured there, delayed and lost.
//
//	engine ─ inside ─► Read ─► encryption ─► Send ─ outside ─► engine ─► Internet
//	engine ◄─ inside ─ Write ◄─ decryption ◄─ receive ◄─ outside ─ engine ◄─ …
//
// Superframes of the engine's are cut on their way in, and TCP segments that come
// out are joined again; so are the datagrams outside. The protocol is wireguard-go's,
// in goroutines of its own; the engine never waits for them.
type WireGuard struct {
	config  WireGuardConfig
	in      *Switch
	device  *device.Device
	inside  *insideEnd
	outside *outsideEnd

	closeOnce  sync.Once
	background sync.WaitGroup
	stats      statsMemory
}

// OpenWireGuard opens one end of a tunnel behind the switch. It works at once,
// while traffic runs.
func (s *Switch) OpenWireGuard(config WireGuardConfig) (*WireGuard, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("tunnel with outside address %s: %w", config.Address, err)
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.closed {
		return nil, fmt.Errorf("tunnel with outside address %s: %w", config.Address, errClosed("open"))
	}
	w := &WireGuard{config: config, in: s}
	toEngine := func() *ring { return &ring{size: config.Queue, wake: s.wake} }
	w.outside = newOutsideEnd(config.Port, config.Queue, toEngine(), &outsideWay{config.Outside, packet.AddrFrom(config.Address)})
	if config.Peer.IsValid() {
		w.outside.meet()
	}
	w.outside.together = s.datagramsTogether()
	w.inside = newInsideEnd(config.MTU, config.Queue, toEngine(), &insidePaths{only: newInsidePath(config.Inside, PeerAddresses{}, w.outside.met)})
	if err := s.attach(
		end{[]uint32{config.Inside.Link}, w.inside.in, w.inside.out},
		end{[]uint32{config.Outside.Link}, w.outside.in, w.outside.out},
	); err != nil {
		return nil, fmt.Errorf("tunnel with outside address %s: %w", config.Address, err)
	}
	log := config.Log
	w.device = device.NewDevice(w.inside, w.outside, &device.Logger{
		Verbosef: device.DiscardLogf,
		Errorf:   func(format string, args ...any) { log.Debug("wireguard", "message", fmt.Sprintf(format, args...)) },
	})
	if err := w.start(); err != nil {
		w.device.Close()
		w.background.Wait()
		s.detach(w.inside.in, w.outside.in)
		return nil, fmt.Errorf("tunnel with outside address %s: %w", config.Address, err)
	}
	s.tunnels[w] = true
	return w, nil
}

func (w *WireGuard) start() error {
	if err := w.device.IpcSet(w.config.settings()); err != nil {
		return err
	}
	if err := w.device.Up(); err != nil {
		return err
	}
	if w.config.Peer.IsValid() {
		// A peer that is known is spoken to at once (V8 "start"); WireGuard
		// by itself would wait for a packet to send.
		if peer := w.device.LookupPeer(device.NoisePublicKey(w.config.PeerPublicKey)); peer != nil {
			_ = peer.SendHandshakeInitiation(false) // it is tried again, and logged
		}
	} else if w.config.PersistentKeepalive > 0 {
		w.background.Go(w.keepAliveOnceMet)
	}
	return nil
}

// keepAliveOnceMet turns keepalives on when there is somebody to send them to.
// Before, each would be an attempt to begin, of which wireguard-go finds out too
// late that it has no address: one that crosses the customer's own beginning
// spoils it, and both ends try again five seconds later.
func (w *WireGuard) keepAliveOnceMet() {
	select {
	case <-w.outside.met:
		_ = w.device.IpcSet(w.config.peerSettings(w.config.PersistentKeepalive)) // fails only for what start has set, too
	case <-w.inside.done:
	}
}

// settings are in the form that wireguard-go is configured with.
func (c *WireGuardConfig) settings() string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	set("private_key", hex.EncodeToString(c.PrivateKey[:]))
	set("listen_port", c.Port)
	keepalive := c.PersistentKeepalive
	if !c.Peer.IsValid() {
		keepalive = 0 // see keepAliveOnceMet
	}
	b.WriteString(c.peerSettings(keepalive))
	if !c.PresharedKey.IsZero() {
		set("preshared_key", hex.EncodeToString(c.PresharedKey[:]))
	}
	if c.Peer.IsValid() {
		set("endpoint", c.Peer)
	}
	// Which networks are behind the tunnel is for routes and rules to say.
	set("allowed_ip", "0.0.0.0/0")
	set("allowed_ip", "::/0")
	return b.String()
}

// peerSettings are what may be set at any time. Settings of the peer's may follow.
func (c *WireGuardConfig) peerSettings(keepalive time.Duration) string {
	return fmt.Sprintf("public_key=%x\npersistent_keepalive_interval=%d\n", c.PeerPublicKey[:], keepalive/time.Second)
}

// Close ends the tunnel: frames for its links are unknown from then on. It returns
// when the protocol has ended. It is idempotent.
func (w *WireGuard) Close() error {
	w.closeOnce.Do(func() {
		w.remember()
		w.device.Close()
		w.background.Wait()
		s := w.in
		s.opening.Lock()
		defer s.opening.Unlock()
		delete(s.tunnels, w)
		s.detach(w.inside.in, w.outside.in)
	})
	return nil
}

// counter counts packets and their bytes.
type counter struct{ packets, bytes atomic.Uint64 }

func (c *counter) add(packets, bytes int) {
	c.packets.Add(uint64(packets))
	c.bytes.Add(uint64(bytes))
}
