package services

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/control"
)

// peerNames is what the resolver of a VPC knows about a peer's names.
type peerNames struct {
	// private: the peer's private and resource names, which between Regions
	// takes the peer's leave (P11).
	private bool
	// public: the peer's public names mean private addresses.
	public bool
}

// introducePeers tells the VPCs whose names they know: across active peerings,
// where both VPCs have names at all (P11, A48). It takes the leave of the side
// whose instances are asked for. Nothing follows for a third VPC behind a peer.
func introducePeers(w *control.World, vpcs map[string]*vpc) {
	for _, p := range w.VPCPeerings {
		requester, accepter := vpcs[p.VPC], vpcs[p.PeerVPC]
		if p.Status.State != control.PeeringActive || requester == nil || accepter == nil || !requester.names() || !accepter.names() {
			continue
		}
		introduce := func(asker, owner *vpc, side *control.PeeringSide) {
			allowed := side.AllowDNSResolution
			asker.peers[owner] = peerNames{private: allowed || !p.Status.InterRegion(), public: allowed}
		}
		introduce(accepter, requester, &p.Status.Requester)
		introduce(requester, accepter, &p.Status.Accepter)
	}
}

// knowsPrivateNames reports whether the resolver of v knows the owner's private
// names.
func (v *vpc) knowsPrivateNames(owner *vpc) bool { return v == owner || v.peers[owner].private }

// knowing is the VPC in the Region that an IPv4 address lies in, of those whose
// private names v knows; "" is any Region, nil is none. Blocks of VPCs that are
// peered do not overlap; those of two peers may, and then the first by name is
// meant, so that every run gives the same.
func (v *vpc) knowing(region string, a netip.Addr) *vpc {
	in := func(owner *vpc) bool { return owner.has(a) && (region == "" || owner.Status.Region == region) }
	if in(v) {
		return v
	}
	var best *vpc
	for owner, names := range v.peers {
		if names.private && in(owner) && (best == nil || owner.name < best.name) {
			best = owner
		}
	}
	return best
}
