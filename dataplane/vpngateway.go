package dataplane

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// VPNGateway is a virtual private gateway as control hands it over.
type VPNGateway struct {
	Object
	// VPC that it is attached to; 0 for the hub of a CloudHub that needs none
	// (H1).
	VPC Handle
	// EdgeRouteTable is the gateway route table that what comes from the
	// tunnels is routed by, 0 without (R10, V17).
	EdgeRouteTable Handle
	// Routes are at most one per destination: control has chosen the tunnel
	// (V6).
	Routes []VPNRoute
}

// VPNRoute leads to a customer's network.
type VPNRoute struct {
	Destination netip.Prefix
	Tunnel      Handle
	// Learned by BGP: what comes by another tunnel may take it (H2, H4).
	Learned bool
	Text    string // "10.50.0.0/16 → vpnTunnel office/1 (BGP)"
}

// vpnGateway forwards between its VPC and its tunnels, and from tunnel to
// tunnel; to nothing else (V5).
type vpnGateway struct {
	handle Handle
	vpc    int // index of the VPC, -1 when detached
	edge   int // index of the edge route table, -1 without
	table  *bart.Table[vpnEntry]
	texts  []string
}

type vpnEntry struct {
	hop     Hop
	index   uint32 // in texts
	learned bool
}

// toVPN takes a packet of the VPC's to the tunnel of the customer's network that
// it is for.
func (w *Walk) toVPN(index uint32) Hop {
	g := &w.snap.vpnGateways[index]
	entry, ok := g.table.Lookup(w.tuple.Dst.Netip())
	if !ok {
		return w.drop(StageVPNGateway, ReasonNoRoute, g.handle, 0)
	}
	w.pass(StageVPNGateway, ReasonRouted, g.handle, entry.index)
	w.through(g.handle, egress)
	return entry.hop
}

// fromVPN takes a packet out of a tunnel into the VPC, or to the tunnel of
// another customer's network (CloudHub). It does not lead through the VPC to any
// of its gateways or endpoints: the destination is neither the VPC's nor learned
// (K-C16, K-C17).
func (w *Walk) fromVPN(index uint32) Hop {
	g := &w.snap.vpnGateways[index]
	if g.vpc >= 0 && containsAny(w.snap.vpcs[g.vpc].prefixes, w.tuple.Dst) {
		w.routed = true
		w.pass(StageVPNGateway, ReasonOK, g.handle, 0)
		w.through(g.handle, ingress)
		return w.edgeRoute(g.edge, uint32(g.vpc))
	}
	entry, ok := g.table.Lookup(w.tuple.Dst.Netip())
	if !ok || !entry.learned {
		return w.drop(StageVPNGateway, ReasonNoRoute, g.handle, 0)
	}
	w.pass(StageVPNGateway, ReasonRouted, g.handle, entry.index)
	w.through(g.handle, ingress)
	w.through(g.handle, egress) // from tunnel to tunnel (CloudHub)
	return entry.hop
}

// VPNTunnel is one tunnel of a Site-to-Site VPN connection as control hands it
// over. What its peer encrypted comes as frames of its own link, and what is to
// be encrypted goes there: the port behind it does both.
type VPNTunnel struct {
	Object
	MAC packet.MAC
	// Gateway is the virtual private gateway, or Attachment the transit
	// gateway's, whose tunnel it is.
	Gateway, Attachment Handle
	// Addresses are AWS's inside addresses (V3).
	Addresses []netip.Addr
	// Speaker is the BGP speaker's interface, which has these addresses.
	Speaker Handle
}

// BGPSpeaker is the interface of a gateway's BGP speaker as control hands it
// over: it has the inside addresses of all its tunnels.
type BGPSpeaker struct {
	Object
	MAC packet.MAC
}

// vpnMTU is the largest packet inside a tunnel (V11). AWS discovers no path MTU
// there: what is larger and may not be cut is lost in silence.
const vpnMTU = 1446

type vpnTunnel struct {
	index      uint32 // of its interface
	gateway    int    // index in vpnGateways, or -1
	attachment int    // index in attachments, or -1
	speaker    int    // index of the speaker's interface, or -1
}

// leaveTunnel starts the way of a packet that came out of a tunnel: to AWS's end
// of it, or to the gateway.
func (w *Walk) leaveTunnel(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	t := &w.snap.vpnTunnels[ni.place]
	if isGroup(w.tuple.Dst) {
		return w.drop(StageVPNTunnel, ReasonGroupAddress, ni.handle, 0)
	}
	w.pass(StageVPNTunnel, ReasonDecrypted, ni.handle, 0)
	switch {
	case ni.owns(w.tuple.Dst):
		if t.speaker < 0 {
			return w.drop(StageVPNTunnel, ReasonNoListener, ni.handle, 0)
		}
		return w.deliver(uint32(t.speaker))
	case isLinkLocal(w.tuple.Dst):
		return w.drop(StageLinkLocal, ReasonLinkLocal, ni.handle, 0)
	case t.attachment >= 0:
		return w.transit(uint32(t.attachment), index)
	}
	return Hop{hopVPNGatewayIn, uint32(t.gateway)}
}

// leaveSpeaker starts the way of what a gateway's BGP speaker sends: into the
// tunnel whose inside address it bears.
func (w *Walk) leaveSpeaker(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	if !w.toItsRouter(ni) {
		return Hop{}
	}
	tunnel, ok := w.snap.speakerTunnels[speakerAddress{index, w.tuple.Src}]
	if !ok {
		return w.drop(StageSourceCheck, ReasonSourceAddress, ni.handle, 0)
	}
	w.pass(StageSourceCheck, ReasonOK, ni.handle, 0)
	return Hop{hopVPNTunnels, tunnel}
}

type speakerAddress struct {
	speaker uint32
	address packet.Addr
}

// intoTunnel ends the way of a packet at a tunnel: the one that control chose,
// or, of several with equal cost, always the same for a flow (T15).
func (w *Walk) intoTunnel(set uint32) Hop {
	tunnels := w.snap.tunnelSets[set]
	chosen := tunnels[0]
	if len(tunnels) > 1 {
		flow, highest := w.flowHash(), uint64(0)
		for _, t := range tunnels {
			// The tunnel that wins keeps its flows when others come and go.
			if weight := mix(flow ^ uint64(w.snap.interfaces[t].handle)); weight >= highest {
				chosen, highest = t, weight
			}
		}
	}
	ni := &w.snap.interfaces[chosen]
	if ni.kind == KindTransitGatewayConnectPeer {
		return w.intoConnectPeer(chosen)
	}
	if t := &w.snap.vpnTunnels[ni.place]; t.attachment >= 0 {
		w.leavesTransit(uint32(t.attachment), -1)
	}
	if !w.fits(vpnMTU, StageVPNTunnel, ni.handle) {
		return Hop{}
	}
	w.pass(StageVPNTunnel, ReasonEncrypted, ni.handle, 0)
	return w.deliver(chosen)
}
