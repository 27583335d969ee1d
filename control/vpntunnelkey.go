package control

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/hex"
)

// WireGuardKey is one end's pair of keys.
type WireGuardKey struct{ Private, Public [32]byte }

// TunnelKeys are what the two ends of a tunnel encrypt with.
//
// AWS's tunnels are IPsec: IKE agrees on keys by means of the pre-shared one. In the
// lab WireGuard stands in for both: UDP between the same two public addresses, the
// same inside addresses, and no tunnel unless both ends know the pre-shared key.
// IKE's and ESP's own parameters (V9) have no counterpart.
type TunnelKeys struct {
	Amazon, Customer WireGuardKey
	Preshared        [32]byte
}

// Keys of the tunnel. They follow from the names and the pre-shared key alone, so
// that both ends of a lab that is brought up again agree without being told, and an
// end with another pre-shared key does not.
func (t *VPNTunnel) Keys(lab string) TunnelKeys {
	seed := lab + "\x00" + t.Name + "\x00" + t.PresharedKey
	return TunnelKeys{
		Amazon:    wireGuardKey("amazon\x00" + seed),
		Customer:  wireGuardKey("customer\x00" + seed),
		Preshared: sha256.Sum256([]byte("presharedKey\x00" + t.PresharedKey)),
	}
}

// wireGuardKey is a key pair of Curve25519.
func wireGuardKey(seed string) (k WireGuardKey) {
	k.Private = sha256.Sum256([]byte(seed))
	// The form that WireGuard stores private keys in.
	k.Private[0] &= 248
	k.Private[31] = k.Private[31]&127 | 64
	private, err := ecdh.X25519().NewPrivateKey(k.Private[:])
	if err != nil {
		panic("control: " + err.Error()) // 32 bytes are always a key
	}
	copy(k.Public[:], private.PublicKey().Bytes())
	return k
}

// generatedPresharedKey is one that AWS would make up. It begins with a letter,
// since it must not begin with 0 (V9).
func generatedPresharedKey(lab, tunnel string) string {
	sum := sha256.Sum256([]byte("generated\x00" + lab + "\x00" + tunnel))
	return "k" + hex.EncodeToString(sum[:])[:31]
}
