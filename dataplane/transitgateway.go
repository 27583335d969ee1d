package dataplane

import (
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
	Text        string // "10.1.0.0/16 → transitGatewayAttachment b (propagated)"
}
