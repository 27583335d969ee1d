package wireguard

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// State is everything that is to be: tunnels that are not in it end. The zero State
// is nothing.
type State struct {
	Tunnels []Tunnel `json:"tunnels,omitempty"`
}

// Tunnel is one TUN device with one peer.
type Tunnel struct {
	// Name of the device. A tunnel that changes anything else keeps its device;
	// one that changes MTU or AdjustMSS gets another.
	Name string `json:"name"`
	// PairEnd is the other end of a veth pair that is there already, where no TUN
	// device can be made; "": a TUN device is made.
	PairEnd string `json:"pairEnd,omitempty"`
	// PrivateKey is this end's; PresharedKey is optional.
	PrivateKey    Key `json:"privateKey"`
	PeerPublicKey Key `json:"peerPublicKey"`
	PresharedKey  Key `json:"presharedKey,omitzero"`
	// ListenPort is the UDP port of this end; 0: any.
	ListenPort uint16 `json:"listenPort,omitempty"`
	// Endpoint is where the peer is. The zero AddrPort waits until it has
	// begun.
	Endpoint netip.AddrPort `json:"endpoint,omitzero"`
	// AllowedIPs are what the peer may send from, and is sent to. Empty:
	// everything, since routes decide what goes into the device.
	AllowedIPs []netip.Prefix `json:"allowedIPs,omitempty"`
	// MTU of packets inside, in bytes; 0: 1446, AWS's.
	MTU int `json:"mtu,omitempty"`
	// AdjustMSS lowers the segment size that TCP connections through the device offer
	// to what fits into MTU, both ways, as a router does for machines behind it. Like
	// MTU it is the device's from its making on.
	AdjustMSS bool `json:"adjustMss,omitempty"`
	// PersistentKeepalive is in whole seconds; 0: none.
	PersistentKeepalive time.Duration `json:"persistentKeepalive,omitempty"`
	// Session is any number. With another one the tunnel forgets the keys that it
	// has agreed on with the peer, and calls it anew: for a peer that is another
	// machine now, under the same key, and would not tell.
	Session uint64 `json:"session,omitempty"`
}

// Key is a key of WireGuard's; as text it is in base64.
type Key [32]byte

func (k Key) IsZero() bool                 { return k == Key{} }
func (k Key) String() string               { return base64.StdEncoding.EncodeToString(k[:]) }
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes. The error does not repeat the text,
// which may be secret.
func (k *Key) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(b) != len(k) {
		return fmt.Errorf("a WireGuard key is 32 bytes in base64, 44 characters: this has %d", len(text))
	}
	*k = Key(b)
	return nil
}

const defaultMTU = 1446

// validate reports everything that wireguard-go or Linux would refuse, before
// anything is touched.
func (s State) validate() error {
	var errs []error
	seen := map[string]bool{}
	for i := range s.Tunnels {
		t := &s.Tunnels[i]
		complain := func(format string, a ...any) {
			errs = append(errs, fmt.Errorf("tunnel %q: "+format, append([]any{t.Name}, a...)...))
		}
		if t.Name == "" || len(t.Name) > 15 || strings.ContainsAny(t.Name, "/: \t\n%") || t.Name == "." || t.Name == ".." {
			complain("a device's name has 1 to 15 characters, none of them a space, slash, colon or percent sign")
		}
		if seen[t.Name] {
			complain("named twice")
		}
		seen[t.Name] = true
		if t.PrivateKey.IsZero() {
			complain("it has no private key")
		}
		if t.PeerPublicKey.IsZero() {
			complain("the peer's public key is missing")
		}
		if t.MTU != 0 && (t.MTU < 576 || t.MTU > 65455) {
			complain("MTU %d is out of range", t.MTU)
		}
		if k := t.PersistentKeepalive; k < 0 || k > 65535*time.Second || k%time.Second != 0 {
			complain("persistent keepalive %s: whole seconds up to 65535", k)
		}
	}
	return errors.Join(errs...)
}

func (t *Tunnel) mtu() int {
	if t.MTU == 0 {
		return defaultMTU
	}
	return t.MTU
}

// same reports that nothing has to be told to the device.
func (t *Tunnel) same(other *Tunnel) bool {
	return t.Session == other.Session && t.settings(nil) == other.settings(nil)
}

// settings are t in the form that wireguard-go is configured with. What the device
// already has is not said again: to set a port opens the socket anew, and to set
// an endpoint forgets where the peer has moved.
func (t *Tunnel) settings(has *Tunnel) string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	if has == nil || has.PrivateKey != t.PrivateKey {
		set("private_key", hex.EncodeToString(t.PrivateKey[:]))
	}
	if has == nil || has.ListenPort != t.ListenPort {
		set("listen_port", t.ListenPort)
	}
	if has != nil && (has.PeerPublicKey != t.PeerPublicKey || has.Session != t.Session) {
		set("replace_peers", true)
		has = nil
	}
	set("public_key", hex.EncodeToString(t.PeerPublicKey[:]))
	set("preshared_key", hex.EncodeToString(t.PresharedKey[:]))
	if t.Endpoint.IsValid() && (has == nil || has.Endpoint != t.Endpoint) {
		set("endpoint", t.Endpoint)
	}
	set("persistent_keepalive_interval", int(t.PersistentKeepalive/time.Second))
	set("replace_allowed_ips", true)
	allowed := t.AllowedIPs
	if len(allowed) == 0 {
		allowed = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	for _, p := range allowed {
		set("allowed_ip", p)
	}
	return b.String()
}
