package port

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// WireGuardStats says how a tunnel is, and counts since it was opened.
type WireGuardStats struct {
	// Peer is where the other end was last; not valid: it was never heard of.
	Peer netip.AddrPort
	// LastHandshake is when both ends last agreed on keys, LastReceived when
	// the last authentic packet came, keepalives included: exactly for one
	// that carried data, and for others when Stats was first called after it.
	// Zero: never.
	LastHandshake, LastReceived time.Time

	// Sent and Received are what passed in the clear: IP packets and their
	// bytes, as they were encrypted, each of them.
	Sent, SentBytes, Received, ReceivedBytes uint64
	// OutsideSent and OutsideReceived are datagrams, of whatever kind, and
	// bytes of UDP payload.
	OutsideSent, OutsideSentBytes, OutsideReceived, OutsideReceivedBytes uint64

	// Rejected is the bytes of OutsideReceivedBytes that were not authentic:
	// garbage, forged, replayed, or of another key. Packets that are being
	// decrypted count as rejected until they are. Malformed is the datagrams
	// among them that are no messages of the protocol at all.
	Rejected, Malformed uint64
	// Ignored packets arrived outside for another port or protocol, or were
	// fragments that made no datagram: copies, those that overlap, and those of
	// which others were missing for too long or that had to make room. Reassembled
	// datagrams are those of OutsideReceived that came in fragments.
	Ignored, Reassembled uint64
	// Unsent frames were dropped because there was nobody to send them to yet.
	Unsent uint64
	// Unencryptable frames arrived inside and were no IP packet, or a
	// superframe that contradicts itself.
	Unencryptable uint64
	// The queues' drops, in frames: towards encryption and decryption, and
	// from there to the engine.
	DroppedEncrypt, DroppedDecrypt, DroppedInside, DroppedOutside uint64
}

// statsMemory is what Stats has seen before.
type statsMemory struct {
	mu       sync.Mutex
	peer     peerState // as of the last look, which Close makes, too
	closed   bool
	looked   time.Time
	received time.Time // when authentic grew
}

// peerState is what wireguard-go knows of the peer.
type peerState struct {
	endpoint  netip.AddrPort
	handshake time.Time
	authentic uint64 // bytes received
}

// Stats may be called at any time, also after Close.
func (w *WireGuard) Stats() WireGuardStats {
	w.stats.mu.Lock()
	defer w.stats.mu.Unlock()
	w.look()
	in, out, peer := w.inside, w.outside, &w.stats.peer
	path := in.paths.Load().only
	s := WireGuardStats{
		Peer: peer.endpoint, LastHandshake: peer.handshake, LastReceived: w.stats.received,
		Sent: path.sent.packets.Load(), SentBytes: path.sent.bytes.Load(),
		Received: path.received.packets.Load(), ReceivedBytes: path.received.bytes.Load(),
		OutsideSent: out.sent.packets.Load(), OutsideSentBytes: out.sent.bytes.Load(),
		OutsideReceived: out.received.packets.Load(), OutsideReceivedBytes: out.received.bytes.Load(),
		Malformed: out.malformed.Load(), Ignored: out.ignored.Load(), Reassembled: out.reassembled.Load(), Unsent: path.unsent.Load(), Unencryptable: in.malformed.Load(),
		DroppedEncrypt: in.in.dropped.Load(), DroppedInside: in.out.dropped.Load(),
		DroppedDecrypt: out.in.dropped.Load(), DroppedOutside: out.out.dropped.Load(),
	}
	if s.OutsideReceivedBytes > peer.authentic { // it was read first
		s.Rejected = s.OutsideReceivedBytes - peer.authentic
	}
	return s
}

// remember keeps what the device knows beyond its end.
func (w *WireGuard) remember() {
	w.stats.mu.Lock()
	defer w.stats.mu.Unlock()
	w.look()
	w.stats.closed = true
}

// look asks wireguard-go. The caller holds stats.mu.
func (w *WireGuard) look() {
	m := &w.stats
	if m.closed {
		return
	}
	text, err := w.device.IpcGet()
	if err != nil {
		return // only if a string cannot be written to
	}
	now, before := time.Now(), m.peer.authentic
	m.peer = readPeers(text)[hex.EncodeToString(w.config.PeerPublicKey[:])]
	if m.peer.authentic > before {
		m.received = now
		if data := time.Unix(0, w.inside.paths.Load().only.lastReceived.Load()); data.After(m.looked) {
			m.received = data
		}
	}
	m.looked = now
}

// readPeers reads wireguard-go's account of its peers, by public key in hexadecimal.
func readPeers(text string) map[string]peerState {
	number := func(s string) int64 {
		n, _ := strconv.ParseInt(s, 10, 64) // wireguard-go writes numbers
		return n
	}
	peers := map[string]peerState{}
	var key string
	var p peerState
	var seconds int64
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "public_key":
			key, p, seconds = value, peerState{}, 0
		case "endpoint":
			p.endpoint, _ = netip.ParseAddrPort(value)
		case "last_handshake_time_sec":
			seconds = number(value)
		case "last_handshake_time_nsec": // after the seconds
			if seconds > 0 {
				p.handshake = time.Unix(seconds, number(value))
			}
		case "rx_bytes": // after all of these
			p.authentic = uint64(number(value))
			peers[key] = p
		}
	}
	return peers
}
