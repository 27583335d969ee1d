package dataplane

import (
	"github.com/gaissmai/bart"

	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TransitGateway is a transit gateway as control hands it over.
type TransitGateway struct {
	Object
	Region string
}

// TransitGatewayAttachment joins a VPC to a transit gateway (T9).
type TransitGatewayAttachment struct {
	Object
	TransitGateway, VPC Handle
	// RouteTable is the table it is associated with, which routes what comes
	// from it; 0 is none, and drops (T3).
	RouteTable Handle
	// Interfaces are the gateway's own in the VPC: one per Availability Zone.
	Interfaces []TransitGatewayInterface
	// ApplianceMode: one zone per flow for both directions (T12).
	ApplianceMode bool
}

// TransitGatewayInterface is a requester-managed ENI of an attachment (T9,
// A27).
type TransitGatewayInterface struct {
	Object
	Subnet    Handle
	MAC       packet.MAC
	Addresses []netip.Addr
}

// TransitGatewayTunnelAttachment joins a Site-to-Site VPN connection, or the Connect
// peers of a Connect attachment, to a transit gateway: its tunnels name it.
type TransitGatewayTunnelAttachment struct {
	Object
	TransitGateway Handle
	RouteTable     Handle // its association; 0 is none
}

// TransitGatewayPeering is an active peering attachment of two transit gateways
// (T16). Both gateways know it by the same object.
type TransitGatewayPeering struct {
	Object
	Sides [2]TransitGatewayPeeringSide
}

// TransitGatewayPeeringSide is one gateway's side: RouteTable is its table that
// routes what comes from the peer, 0 is none.
type TransitGatewayPeeringSide struct {
	TransitGateway, RouteTable Handle
}

// TransitGatewayRouteTable is a route table as control hands it over: one route
// per destination, control having chosen among static and propagated ones (T6).
type TransitGatewayRouteTable struct {
	Object
	TransitGateway Handle
	Routes         []TransitGatewayRoute
}

// TransitGatewayRoute sends what matches Destination to an attachment, VPC or
// peering; 0 is a blackhole (T8).
type TransitGatewayRoute struct {
	Destination netip.Prefix
	Attachment  Handle
	// Tunnels are instead those of VPN attachments, or Connect peers, that share
	// the destination at equal cost (T15): one of them is chosen per flow.
	Tunnels []Handle
	Text    string // "10.1.0.0/16 → transitGatewayAttachment b (propagated)"
}

// TransitGatewayMTU is the largest packet a transit gateway takes from a VPC or a peer;
// it cuts nothing (T20).
const TransitGatewayMTU = 8500

const transitMTU = TransitGatewayMTU

// transitGateway knows the zones of what is in the VPCs attached to it, for
// appliance mode; nil without.
type transitGateway struct {
	handle Handle
	zone   uint32 // its Region's
	zones  map[packet.Addr]uint32
}

// attachment is a VPC's attachment, or one gateway's side of a peering.
type attachment struct {
	handle  Handle
	gateway uint32
	table   int // index in transitRouteTables, -1 without association
	// interfaces are a VPC attachment's, one per zone.
	interfaces []zonedInterface
	appliance  bool
	logged     bool
	// peer is the index of the other gateway's side.
	peer uint32
	// clients is the index of the Client VPN endpoint that is attached.
	clients uint32
}

type zonedInterface struct{ index, zone uint32 }

// in is the attachment's interface in the zone, or -1.
func (a *attachment) in(zone uint32) int {
	for i := range a.interfaces {
		if a.interfaces[i].zone == zone {
			return int(a.interfaces[i].index)
		}
	}
	return -1
}

type transitRouteTable struct {
	handle Handle
	table  *bart.Table[routeEntry]
	texts  []string
}

// enterTransitGateway takes a packet from a VPC into the gateway: through the
// attachment's interface in the zone of the subnet that sends, which is behind
// its own subnet's network ACL (T10, S44).
func (w *Walk) enterTransitGateway(index uint32) Hop {
	a := &w.snap.attachments[index]
	zone := w.snap.subnets[w.subnet].zone
	entry := a.in(zone)
	if entry < 0 {
		return w.drop(StageTransitGateway, ReasonNoZone, a.handle, zone)
	}
	w.reaches(uint32(entry))
	if !w.enterSubnet(&w.snap.interfaces[entry]) {
		return Hop{}
	}
	return w.transit(index, uint32(entry))
}

// transit routes a packet that is at the gateway by the table its attachment is
// associated with (T3). By is for the reader: the interface that it came in by, or
// the side of a peering.
func (w *Walk) transit(index, by uint32) Hop {
	if w.tuple.Proto == packet.ProtoGRE && len(w.snap.connectPeers) > 0 {
		if hop, matched := w.unwrapped(index, by); matched {
			return hop
		}
	}
	a := &w.snap.attachments[index]
	w.entersTransit(index)
	switch {
	case !w.fitsWhole(transitMTU, StageTransitGateway, a.handle):
		return Hop{}
	case !w.hop():
		return w.drop(StageTransitGateway, ReasonTTLExpired, a.handle, 0)
	case a.table < 0:
		return w.drop(StageTransitGateway, ReasonNotAssociated, a.handle, 0)
	}
	w.clamp(transitMTU)
	w.pass(StageTransitGateway, ReasonAttached, a.handle, by)
	rt := &w.snap.transitRouteTables[a.table]
	entry, ok := rt.table.Lookup(w.tuple.Dst.Netip())
	if !ok {
		return w.drop(StageTransitGatewayRoute, ReasonNoRoute, rt.handle, 0)
	}
	if entry.hop.Kind == hopBlackhole {
		return w.drop(StageTransitGatewayRoute, ReasonBlackhole, rt.handle, entry.index)
	}
	w.pass(StageTransitGatewayRoute, ReasonRouted, rt.handle, entry.index)
	return entry.hop
}

// acrossTransitGateways takes a packet over a peering to the other gateway,
// where its own table for that side routes it (T16).
func (w *Walk) acrossTransitGateways(side uint32) Hop {
	w.leavesTransit(side, -1)
	other := w.snap.attachments[side].peer
	if !w.moveTo(w.snap.transitGateways[w.snap.attachments[other].gateway].zone) {
		return Hop{}
	}
	return w.transit(other, other)
}

// leaveTransitGateway takes a packet from the gateway into a VPC: an interface
// of the attachment sends it now, so its subnet's network ACL and route table
// say where it goes (T11).
func (w *Walk) leaveTransitGateway(index uint32) Hop {
	a := &w.snap.attachments[index]
	exit := w.exitInterface(a)
	if exit < 0 {
		return w.drop(StageTransitGateway, ReasonNoZone, a.handle, 0)
	}
	w.leavesTransit(index, int32(exit))
	zone := w.snap.subnets[w.snap.interfaces[exit].subnet].zone
	if !w.moveTo(zone) {
		return Hop{}
	}
	w.pass(StageTransitGateway, ReasonZone, a.handle, zone)
	w.crossed = CrossesTransitGateway
	return w.sendOn(uint32(exit))
}

// exitInterface chooses the zone in which a packet leaves: its own where the
// attachment has it, else any, but always the same for a flow (T12). It is -1
// for an attachment without a zone left.
func (w *Walk) exitInterface(a *attachment) int {
	zone := w.zone
	if a.appliance {
		zone = w.applianceZone(a)
	}
	if same := a.in(zone); same >= 0 {
		return same
	}
	chosen, highest := -1, uint64(0)
	flow := w.flowHash()
	for i := range a.interfaces {
		// The zone that wins keeps its flows when others come and go.
		if weight := mix(flow ^ uint64(a.interfaces[i].zone)); chosen < 0 || weight > highest {
			chosen, highest = int(a.interfaces[i].index), weight
		}
	}
	return chosen
}

// applianceZone is where both directions of a flow meet the appliance: the zone
// that both ends are in, or the only end with a zone. 0 leaves it to the flow.
func (w *Walk) applianceZone(a *attachment) uint32 {
	zones := w.snap.transitGateways[a.gateway].zones
	from, to := zones[w.tuple.Src], zones[w.tuple.Dst]
	switch {
	case from == to || to == 0:
		return from
	case from == 0:
		return to
	}
	return 0
}

// flowHash is the same for both directions of a flow, and for the errors about
// it.
func (w *Walk) flowHash() uint64 {
	t := &w.tuple
	if w.pkt.ICMPError {
		t = &w.quoted
	}
	end := func(a packet.Addr, port uint16) uint64 {
		return mix(a.Hi ^ mix(a.Lo^uint64(port)<<48))
	}
	return end(t.Src, t.SrcPort) + end(t.Dst, t.DstPort) + uint64(t.Proto)
}

// mix spreads the bits of x over all of the result (the finalizer of
// SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// atTransitGatewayInterface ends the way of a packet that is addressed to an
// interface of the gateway itself, which is no listener.
func (w *Walk) atTransitGatewayInterface(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.reaches(index)
	if !w.enterSubnet(ni) {
		return Hop{}
	}
	return w.drop(StageTransitGateway, ReasonNoListener, ni.gateway, 0)
}
