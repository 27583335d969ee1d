package port

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// WireGuardKey is a private, public or preshared key. As text it is in base64, as
// wg(8) writes it.
type WireGuardKey [32]byte

// NewWireGuardKey returns a random key: a private or a preshared one.
func NewWireGuardKey() (k WireGuardKey) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// ParseWireGuardKey reads what String writes.
func ParseWireGuardKey(text string) (k WireGuardKey, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("a WireGuard key is 32 bytes in base64, 44 characters: this has %d", len(text)) // not the text: it may be secret
	}
	return WireGuardKey(b), nil
}

// Public is the public key that belongs to the private key k.
func (k WireGuardKey) Public() WireGuardKey {
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		return WireGuardKey{} // only for a wrong length
	}
	return WireGuardKey(private.PublicKey().Bytes())
}

// IsZero reports that k is none.
func (k WireGuardKey) IsZero() bool { return k == WireGuardKey{} }

func (k WireGuardKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }
