package port

import (
	"encoding/hex"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/device"
)

// WireGuardHubStats counts since the hub was opened.
type WireGuardHubStats struct {
	// Peers are those that the hub has now, in no order.
	Peers []WireGuardPeerStats

	// OutsideSent, OutsideReceived, Malformed, Ignored, Unencryptable and the
	// Dropped ones are as in [WireGuardStats], of all peers and strangers.
	OutsideSent, OutsideSentBytes, OutsideReceived, OutsideReceivedBytes uint64
	Malformed, Ignored, Unencryptable                                    uint64
	DroppedEncrypt, DroppedDecrypt, DroppedInside, DroppedOutside        uint64
	// Invalid is how many messages that begin a handshake were refused: of
	// strangers, replayed, or too many. While many come at once, wireguard-go
	// throws some away uncounted, and makes callers prove their address first.
	Invalid uint64
	// Misplaced packets were of, or for, a peer that is not there any more.
	Misplaced uint64
}

// WireGuardPeerStats is how one peer is, since it came to the hub.
type WireGuardPeerStats struct {
	PublicKey WireGuardKey
	Addresses PeerAddresses
	// Since is when the peer came to the hub, or was disconnected last.
	Since time.Time
	// At, LastHandshake and LastReceived are as Peer and the others of
	// [WireGuardStats].
	At                          netip.AddrPort
	LastHandshake, LastReceived time.Time
	// Called says that the peer has called with its right key, though perhaps
	// with a wrong preshared one.
	Called bool

	// Sent, Received and Unsent are as in [WireGuardStats].
	Sent, SentBytes, Received, ReceivedBytes, Unsent uint64
	// Disallowed packets were the peer's, and bore an address that is not.
	Disallowed uint64
}

// peerMemory is what was seen of a peer at the last look.
type peerMemory struct {
	peerState
	looked   time.Time
	received time.Time // when authentic grew
}

// Stats may be called at any time, also after Close.
func (h *WireGuardHub) Stats() WireGuardHubStats {
	h.look()
	h.mu.Lock()
	defer h.mu.Unlock()
	in, out := h.inside, h.outside
	s := WireGuardHubStats{
		Peers:       make([]WireGuardPeerStats, 0, len(h.peers)),
		OutsideSent: out.sent.packets.Load(), OutsideSentBytes: out.sent.bytes.Load(),
		OutsideReceived: out.received.packets.Load(), OutsideReceivedBytes: out.received.bytes.Load(),
		Malformed: out.malformed.Load(), Ignored: out.ignored.Load(), Unencryptable: in.malformed.Load(),
		DroppedEncrypt: in.in.dropped.Load(), DroppedInside: in.out.dropped.Load(),
		DroppedDecrypt: out.in.dropped.Load(), DroppedOutside: out.out.dropped.Load(),
		Invalid: h.invalid.Load(), Misplaced: in.misplaced.Load(),
	}
	for _, p := range h.peers {
		s.Peers = append(s.Peers, p.stats())
	}
	return s
}

func (p *hubPeer) stats() WireGuardPeerStats {
	return WireGuardPeerStats{
		PublicKey: p.PublicKey, Addresses: p.Addresses, Since: p.since,
		At: p.state.endpoint, LastHandshake: p.state.handshake, LastReceived: p.state.received, Called: p.path.hasMet(),
		Sent: p.path.sent.packets.Load(), SentBytes: p.path.sent.bytes.Load(),
		Received: p.path.received.packets.Load(), ReceivedBytes: p.path.received.bytes.Load(),
		Unsent: p.path.unsent.Load(), Disallowed: p.disallowed.Load(),
	}
}

// look asks wireguard-go.
func (h *WireGuardHub) look() {
	text, err := h.device.IpcGet()
	if err != nil {
		return // only if a string cannot be written to
	}
	now, states := time.Now(), readPeers(text)
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, p := range h.peers {
		state, there := states[hex.EncodeToString(key[:])]
		if !there {
			continue // it is being added, or the hub is closed
		}
		m := &p.state
		before := m.authentic
		m.peerState = state
		if m.authentic > before {
			m.received = now
			if data := time.Unix(0, p.path.lastReceived.Load()); data.After(m.looked) {
				m.received = data
			}
		}
		m.looked = now
	}
}

// hear takes from what wireguard-go says what it tells by no other way. Its words are
// those of the version in go.mod: TestHubReachesAPeerThatOnlyCalled and the tests beside
// TestHubKnowsStrangers hold that they are.
func (h *WireGuardHub) hear(format string, args ...any) {
	if len(args) == 0 {
		return
	}
	switch format {
	case "%v - UAPI: Created":
		h.mu.Lock()
		defer h.mu.Unlock()
		if known, ok := args[0].(*device.Peer); ok && h.adding != nil {
			h.known[known] = h.adding
		}
	case "%v - Sending handshake response": // he has proved who he is
		if p := h.peer(args[0]); p != nil {
			p.meet()
		}
	case "Received invalid initiation message from %s":
		h.invalid.Add(1)
	case "IPv4 packet with disallowed source address from %v", "IPv6 packet with disallowed source address from %v":
		if p := h.peer(args[0]); p != nil {
			p.disallowed.Add(1)
		}
	}
}

func (h *WireGuardHub) peer(known any) *hubPeer {
	peer, ok := known.(*device.Peer)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known[peer]
}
