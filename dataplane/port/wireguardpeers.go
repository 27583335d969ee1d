package port

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/device"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// SetPeers makes these the peers of the hub. One that was there, with the same keys,
// addresses and link, keeps its session; one that has changed begins anew, and one that
// is gone has none any more: what it sends is nobody's. All or none of them change.
func (h *WireGuardHub) SetPeers(peers []WireGuardPeer) error {
	wanted, err := wantedPeers(peers)
	if err != nil {
		return fmt.Errorf("WireGuard hub: %w", err)
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	return h.setPeers(wanted)
}

// Disconnect ends the session of a peer, who may call again: it has to agree on keys
// anew. Its statistics begin anew, too. A key that no peer has is no error.
func (h *WireGuardHub) Disconnect(key WireGuardKey) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	wanted := h.present()
	p, there := wanted[key]
	if !there {
		return nil
	}
	delete(wanted, key)
	if err := h.setPeers(wanted); err != nil {
		return err
	}
	// A peer that is added has no keys of a session, and no memory of where it was.
	wanted[key] = p
	return h.setPeers(wanted)
}

// setPeers is SetPeers. The caller holds changing.
func (h *WireGuardHub) setPeers(wanted map[WireGuardKey]WireGuardPeer) error {
	var added, gone, stay []*hubPeer
	had := h.present()
	for key, p := range wanted {
		if had[key] != p {
			added = append(added, newHubPeer(p))
		}
	}
	h.mu.Lock()
	for key, p := range h.peers {
		if wanted[key] == p.WireGuardPeer {
			stay = append(stay, p)
		} else {
			gone = append(gone, p)
		}
	}
	h.mu.Unlock()
	if len(added)+len(gone) == 0 {
		return nil
	}
	// The links come first, and alone can fail: then nothing has changed. A frame for a
	// peer that wireguard-go does not know yet is dropped, as before its first call.
	paths, links := pathsOf(stay, added)
	if err := h.relink(h.inside.in, links); err != nil {
		return err
	}
	for _, p := range gone {
		h.forget(p)
	}
	h.inside.paths.Store(paths)
	for _, p := range added {
		if err := h.add(p); err != nil {
			return err
		}
	}
	return nil
}

// present are the peers that the hub has, as they were set.
func (h *WireGuardHub) present() map[WireGuardKey]WireGuardPeer {
	h.mu.Lock()
	defer h.mu.Unlock()
	present := make(map[WireGuardKey]WireGuardPeer, len(h.peers))
	for key, p := range h.peers {
		present[key] = p.WireGuardPeer
	}
	return present
}

// add tells wireguard-go of a peer. It knows the peer by a pointer, which it names in
// its log; it must be known here before the peer's first message is judged.
func (h *WireGuardHub) add(p *hubPeer) error {
	h.mu.Lock()
	h.peers[p.PublicKey], h.adding = p, p
	h.mu.Unlock()
	settings := fmt.Sprintf("public_key=%x\nreplace_allowed_ips=true\n", p.PublicKey[:])
	for _, a := range p.path.addresses {
		settings += fmt.Sprintf("allowed_ip=%s\n", netip.PrefixFrom(a.Netip(), a.Netip().BitLen()))
	}
	if !p.PresharedKey.IsZero() {
		settings += fmt.Sprintf("preshared_key=%x\n", p.PresharedKey[:])
	}
	err := h.device.IpcSet(settings)
	known := h.device.LookupPeer(device.NoisePublicKey(p.PublicKey))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.adding = nil; known != nil {
		h.known[known] = p
	}
	if err != nil {
		return fmt.Errorf("WireGuard hub: peer at %s: %w", p.Addresses, err)
	}
	return nil
}

// forget takes a peer away from wireguard-go, which ends its session.
func (h *WireGuardHub) forget(p *hubPeer) {
	known := h.device.LookupPeer(device.NoisePublicKey(p.PublicKey))
	h.device.RemovePeer(device.NoisePublicKey(p.PublicKey))
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.peers, p.PublicKey)
	delete(h.known, known)
}

func newHubPeer(p WireGuardPeer) *hubPeer {
	met := make(chan struct{})
	return &hubPeer{WireGuardPeer: p, since: time.Now(), met: met, path: newInsidePath(p.Inside, p.Addresses, met)}
}

// pathsOf are the paths of all peers, and the links that lead to them.
func pathsOf(lists ...[]*hubPeer) (*insidePaths, []uint32) {
	paths := &insidePaths{links: map[uint32]*insidePath{}, sources: map[packet.Addr]*insidePath{}}
	var links []uint32
	for _, list := range lists {
		for _, p := range list {
			paths.links[p.Inside.Link] = p.path
			for _, a := range p.path.addresses {
				paths.sources[a] = p.path
			}
			links = append(links, p.Inside.Link)
		}
	}
	return paths, links
}

// wantedPeers checks that no two peers could be taken for each other.
func wantedPeers(peers []WireGuardPeer) (map[WireGuardKey]WireGuardPeer, error) {
	wanted := make(map[WireGuardKey]WireGuardPeer, len(peers))
	addresses := make(map[netip.Addr]bool, len(peers))
	for _, p := range peers {
		_, taken := wanted[p.PublicKey]
		switch {
		case p.PublicKey.IsZero():
			return nil, fmt.Errorf("the peer at %s has no public key", p.Addresses)
		case p.Addresses == PeerAddresses{}:
			return nil, errors.New("a peer has no address")
		case taken:
			return nil, fmt.Errorf("the peer at %s has the public key of another", p.Addresses)
		}
		wanted[p.PublicKey] = p
		for _, a := range p.Addresses {
			switch {
			case !a.IsValid():
				continue
			case a.Is4In6():
				return nil, fmt.Errorf("address %q of a peer is none", a)
			case addresses[a]:
				return nil, fmt.Errorf("two peers have the address %s", a)
			}
			addresses[a] = true
		}
	}
	return wanted, nil
}
