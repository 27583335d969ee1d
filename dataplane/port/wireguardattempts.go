package port

import (
	"crypto/ecdh"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/blake2s"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.zx2c4.com/wireguard/device"
)

// WireGuardAttempt is a call of somebody who is no peer of the hub's.
type WireGuardAttempt struct {
	Time time.Time
	From netip.AddrPort
	// Key is the public key that the caller says is his; he need not have its
	// private key, and may have sent again what another has sent.
	Key WireGuardKey
}

// Attempts returns calls of strangers since it was last called, oldest first. Of a
// flood only some are there: see WireGuardHubStats.Invalid for how many there were.
func (h *WireGuardHub) Attempts() []WireGuardAttempt { return h.failed.take() }

const (
	// judgedPerSecond bounds what strangers can make the hub calculate: about 0.1 ms
	// for each.
	judgedPerSecond = 20
	// keptAttempts bounds what they can make it remember.
	keptAttempts = 64
)

// judge looks at a message that begins a handshake, on its way to wireguard-go, which
// says of one that it does not take neither who sent it nor why. It is called by the
// goroutines that receive.
func (h *WireGuardHub) judge(message []byte, from netip.AddrPort) {
	now := time.Now()
	if !h.failed.room(now) {
		return
	}
	key, ok := h.stranger.key(message)
	if !ok {
		return
	}
	h.mu.Lock()
	_, peer := h.peers[key]
	h.mu.Unlock()
	if !peer {
		h.failed.put(WireGuardAttempt{now, from, key})
	}
}

// attempts are those that were judged and not yet taken.
type attempts struct {
	mu     sync.Mutex
	list   []WireGuardAttempt
	second int64 // that judged counts in
	judged int
}

// room reports whether one more may be judged now.
func (a *attempts) room(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if second := now.Unix(); second != a.second {
		a.second, a.judged = second, 0
	}
	a.judged++
	return a.judged <= judgedPerSecond
}

func (a *attempts) put(attempt WireGuardAttempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) < keptAttempts {
		a.list = append(a.list, attempt)
	}
}

func (a *attempts) take() []WireGuardAttempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// initiations reads the first part of messages that begin a handshake: who says that
// he calls. It needs nothing but this end's private key.
type initiations struct {
	private *ecdh.PrivateKey
	public  []byte
	mac     device.CookieChecker
}

func newInitiations(key WireGuardKey) *initiations {
	private, err := ecdh.X25519().NewPrivateKey(key[:])
	if err != nil {
		return nil // only for a wrong length
	}
	i := &initiations{private: private, public: private.PublicKey().Bytes()}
	i.mac.Init(device.NoisePublicKey(i.public))
	return i
}

// Where the parts of a message are that begins a handshake.
const (
	ephemeralAt = 8
	staticAt    = 40
	timestampAt = 88
)

// key is the caller's static public key. It returns false for what is not for this
// end's key, or was changed on the way.
func (i *initiations) key(message []byte) (key WireGuardKey, ok bool) {
	if len(message) != device.MessageInitiationSize || !i.mac.CheckMAC1(message) {
		return key, false
	}
	ephemeral, static := message[ephemeralAt:staticAt], message[staticAt:timestampAt]
	public, err := ecdh.X25519().NewPublicKey(ephemeral)
	if err != nil {
		return key, false
	}
	shared, err := i.private.ECDH(public)
	if err != nil {
		return key, false // a point of low order
	}
	// Noise IK, as far as the initiator's static key: what has been said so far is
	// in the hash, and the key of its encryption follows from both ephemeral keys.
	hash := blake2s.Sum256(append(device.InitialHash[:], i.public...))
	hash = blake2s.Sum256(append(hash[:], ephemeral...))
	var chain, seal [blake2s.Size]byte
	device.KDF1(&chain, device.InitialChainKey[:], ephemeral)
	device.KDF2(&chain, &seal, chain[:], shared)
	aead, err := chacha20poly1305.New(seal[:])
	if err != nil {
		return key, false // only for a wrong length
	}
	_, err = aead.Open(key[:0], make([]byte, chacha20poly1305.NonceSize), static, hash[:])
	return key, err == nil
}
