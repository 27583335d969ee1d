package port

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/device"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// WireGuardHubConfig says what an end with many peers is.
type WireGuardHubConfig struct {
	// PrivateKey is this end's.
	PrivateKey WireGuardKey
	// Outside are the hosts on the Internet by which peers reach it; see
	// [WireGuardHub.SetOutside].
	Outside []WireGuardOutside
	Port    uint16 // UDP; 0: WireGuardPort
	// MTU of packets inside, in bytes; 0 is AWS's 1,446.
	MTU int
	// Queue bounds each of the four queues in bytes, as in [WireGuardConfig].
	Queue int
	// Log gets what the protocol has to say, at level Debug; nil: nothing.
	Log *slog.Logger
}

// WireGuardOutside is a host on the Internet that peers send to.
type WireGuardOutside struct {
	TunnelLink
	Address netip.Addr // IPv4 or IPv6
}

// WireGuardPeer is one of those who may call a hub.
type WireGuardPeer struct {
	PublicKey, PresharedKey WireGuardKey
	// Addresses are the peer's own in the tunnel, the only ones that it may send from.
	Addresses PeerAddresses
	// Inside carries what is to be encrypted for the peer, and what it encrypted.
	Inside TunnelLink
}

// PeerAddresses are those of a peer: one, or one of each family in any order. Places
// left over are the zero Addr.
type PeerAddresses [2]netip.Addr

// String lists those that there are.
func (a PeerAddresses) String() string {
	var texts []string
	for _, one := range a {
		if one.IsValid() {
			texts = append(texts, one.String())
		}
	}
	return strings.Join(texts, ", ")
}

// WireGuardHub is an end with any number of peers, who call it: it never begins.
// Each peer has a link of the engine's to itself, on which its packets are in the
// clear; outside all share the hub's addresses. Peers come and go while traffic runs.
//
//	engine ─ inside a ─►                       ─ outside 1 ─► engine ─► Internet
//	engine ─ inside b ─► encryption, decryption ─ outside 2 ─► …
//	engine ─ inside … ─►                       ─ real UDP socket
//
// Who sends what is settled by keys: a packet that came out of a peer's session and
// bears an address of the peer's goes to the peer's link. What bears another is dropped.
type WireGuardHub struct {
	in      *Switch
	device  *device.Device
	inside  *insideEnd
	outside *outsideEnd
	log     *slog.Logger

	changing sync.Mutex // serialises changes of peers, addresses and socket
	closed   bool

	mu    sync.Mutex // guards what follows, for short; held in calls of wireguard-go's
	peers map[WireGuardKey]*hubPeer
	// known are the peers as wireguard-go knows them, and adding the one that it is
	// being told of.
	known  map[*device.Peer]*hubPeer
	adding *hubPeer

	failed   attempts
	invalid  atomic.Uint64
	stranger *initiations
}

// hubPeer is a peer with what has been seen of it since it came.
type hubPeer struct {
	WireGuardPeer
	since      time.Time
	path       *insidePath
	meeting    sync.Once
	met        chan struct{}
	disallowed atomic.Uint64
	state      peerMemory // guarded by WireGuardHub.mu
}

func (p *hubPeer) meet() { p.meeting.Do(func() { close(p.met) }) }

// OpenWireGuardHub opens an end without peers behind the switch. It works at once,
// while traffic runs.
func (s *Switch) OpenWireGuardHub(config WireGuardHubConfig) (*WireGuardHub, error) {
	ends := WireGuardConfig{Port: config.Port, MTU: config.MTU, Queue: config.Queue, Log: config.Log}.withDefaults()
	ways, err := outsideWays(config.Outside)
	if config.PrivateKey.IsZero() {
		err = errors.Join(err, errors.New("it has no private key"))
	}
	if err != nil {
		return nil, fmt.Errorf("WireGuard hub: %w", err)
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.closed {
		return nil, fmt.Errorf("WireGuard hub: %w", errClosed("open"))
	}
	toEngine := func() *ring { return &ring{size: ends.Queue, wake: s.wake} }
	h := &WireGuardHub{
		in: s, log: ends.Log, peers: map[WireGuardKey]*hubPeer{}, known: map[*device.Peer]*hubPeer{},
		inside:   newInsideEnd(ends.MTU, ends.Queue, toEngine(), &insidePaths{}),
		outside:  newOutsideEnd(ends.Port, ends.Queue, toEngine(), ways...),
		stranger: newInitiations(config.PrivateKey),
	}
	h.outside.together, h.outside.mostRemotes = s.datagramsTogether(), 4096
	h.outside.initiation = h.judge
	if err := s.attach(end{nil, h.inside.in, h.inside.out}, end{wayLinks(ways), h.outside.in, h.outside.out}); err != nil {
		return nil, fmt.Errorf("WireGuard hub: %w", err)
	}
	h.device = device.NewDevice(h.inside, h.outside, &device.Logger{
		Verbosef: h.hear,
		Errorf:   func(format string, args ...any) { h.log.Debug("wireguard", "message", fmt.Sprintf(format, args...)) },
	})
	settings := fmt.Sprintf("private_key=%s\nlisten_port=%d\n", hex.EncodeToString(config.PrivateKey[:]), ends.Port)
	if err := errors.Join(h.device.IpcSet(settings), h.device.Up()); err != nil {
		h.device.Close()
		s.detach(h.inside.in, h.outside.in)
		return nil, fmt.Errorf("WireGuard hub: %w", err)
	}
	s.tunnels[h] = true
	return h, nil
}

// SetOutside makes these the addresses that the hub has on the Internet. Peers that
// called at one that goes are answered when they call at another.
func (h *WireGuardHub) SetOutside(outside []WireGuardOutside) error {
	ways, err := outsideWays(outside)
	if err != nil {
		return fmt.Errorf("WireGuard hub: %w", err)
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	// A way that stays is the same value, so that senders are known by it.
	for i, w := range ways {
		if had := h.outside.way(w.Link, w.address); had != nil && *had == *w {
			ways[i] = had
		}
	}
	if err := h.relink(h.outside.in, wayLinks(ways)); err != nil {
		return err
	}
	h.outside.ways.Store(&ways)
	return nil
}

// SetSocket makes a real UDP socket a further way to the hub; nil takes away the one
// that it has. The socket stays the caller's, to be closed when it is no longer set.
func (h *WireGuardHub) SetSocket(socket *net.UDPConn) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.closed {
		return fmt.Errorf("WireGuard hub: %w", errClosed("change"))
	}
	h.outside.opening.Lock()
	had := h.outside.real
	h.outside.real = socket
	h.outside.opening.Unlock()
	if had == socket {
		return nil
	}
	interruptReal(had)
	if err := h.device.BindUpdate(); err != nil {
		return fmt.Errorf("WireGuard hub: real socket: %w", err)
	}
	return nil
}

// relink changes the links of one of the hub's ends. The caller holds changing.
func (h *WireGuardHub) relink(in *ring, links []uint32) error {
	if h.closed {
		return fmt.Errorf("WireGuard hub: %w", errClosed("change"))
	}
	h.in.opening.Lock()
	defer h.in.opening.Unlock()
	if err := h.in.relink(in, links); err != nil {
		return fmt.Errorf("WireGuard hub: %w", err)
	}
	return nil
}

// Close ends the hub and all sessions; frames for its links are unknown from then
// on. It returns when the protocol has ended. It is idempotent.
func (h *WireGuardHub) Close() error {
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	h.look() // for those who ask later
	h.device.Close()
	s := h.in
	s.opening.Lock()
	defer s.opening.Unlock()
	delete(s.tunnels, h)
	s.detach(h.inside.in, h.outside.in)
	return nil
}

func outsideWays(outside []WireGuardOutside) (ways []*outsideWay, err error) {
	for _, o := range outside {
		if !o.Address.IsValid() || o.Address.Is4In6() {
			err = errors.Join(err, fmt.Errorf("outside address %q is none", o.Address))
		}
		ways = append(ways, &outsideWay{o.TunnelLink, packet.AddrFrom(o.Address)})
	}
	return ways, err
}

func wayLinks(ways []*outsideWay) []uint32 {
	links := make([]uint32, 0, len(ways))
	for _, w := range ways {
		if !slices.Contains(links, w.Link) { // a host with two addresses
			links = append(links, w.Link)
		}
	}
	return links
}
