package wireguard

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// What a change tells the device: the peer is forgotten only for another peer, or for
// another machine under the same key.
func TestSettingsSayWhatIsNew(t *testing.T) {
	has := Tunnel{
		Name: "wg0", PrivateKey: Key{1}, PeerPublicKey: Key{2}, PresharedKey: Key{3}, ListenPort: 51820,
		Endpoint: netip.MustParseAddrPort("198.51.100.1:443"), AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		PersistentKeepalive: 25 * time.Second, Session: 1,
	}
	for _, test := range []struct {
		name     string
		change   func(*Tunnel)
		same     bool
		mentions []string
		silent   []string
	}{
		{name: "nothing", change: func(*Tunnel) {}, same: true},
		{name: "routes", change: func(t *Tunnel) { t.AllowedIPs = nil },
			mentions: []string{"replace_allowed_ips", "allowed_ip=0.0.0.0/0", "allowed_ip=::/0"}, silent: []string{"replace_peers", "private_key", "endpoint", "listen_port"}},
		{name: "a place", change: func(t *Tunnel) { t.Endpoint = netip.MustParseAddrPort("198.51.100.2:443") },
			mentions: []string{"endpoint=198.51.100.2:443"}, silent: []string{"replace_peers"}},
		{name: "another machine of the same key", change: func(t *Tunnel) { t.Session = 2 },
			mentions: []string{"replace_peers", "endpoint=198.51.100.1:443"}, silent: []string{"private_key", "listen_port"}},
		{name: "another peer", change: func(t *Tunnel) { t.PeerPublicKey = Key{4} },
			mentions: []string{"replace_peers", "endpoint="}, silent: []string{"private_key"}},
		{name: "another key", change: func(t *Tunnel) { t.PrivateKey = Key{5} },
			mentions: []string{"private_key"}, silent: []string{"replace_peers"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := has
			test.change(&want)
			if got := want.same(&has); got != test.same {
				t.Errorf("same: %v", got)
			}
			text := want.settings(&has)
			for _, s := range test.mentions {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in:\n%s", s, text)
				}
			}
			for _, s := range test.silent {
				if strings.Contains(text, "\n"+s) || strings.HasPrefix(text, s) {
					t.Errorf("%q in:\n%s", s, text)
				}
			}
		})
	}
}
