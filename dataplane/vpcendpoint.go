package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// GatewayEndpoint is a gateway endpoint of a VPC as control hands it over: the
// door to one AWS service. It has no interface in the VPC, no address and no
// security group (E1, S50). What goes through it comes out at Addresses, which are
// the service's public ones, on a link of its own: the service knows by it whose
// VPC asks, so that VPCs may overlap and sources stay as they are (E2, E5).
type GatewayEndpoint struct {
	Object
	VPC       Handle
	MAC       packet.MAC
	Addresses []netip.Addr
	// Service in AWS's words, such as com.amazonaws.us-east-1.s3.
	Service string
	// Tracked: flows through it are tracked whatever the rules of groups allow,
	// which is true of DynamoDB (S25, E10).
	Tracked bool
}

// endpointMTU is the largest IP packet that an endpoint takes. What is larger is
// lost, and nobody told (E24).
const endpointMTU = 8500

// gatewayEndpoint is what the place of its interface leads to.
type gatewayEndpoint struct {
	service string
	tracked bool
}

// gatewayEndpoint takes a packet out of the VPC to the service, with the addresses
// that it has. The endpoint serves what sends from its own VPC: whatever came in
// by a peering, a transit gateway or a VPN gets no further, even where a route
// leads it here (E7). What one of the VPC's own gateways translated is the VPC's
// (E11).
func (w *Walk) gatewayEndpoint(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	e := &w.snap.gatewayEndpoints[ni.place]
	from := w.origin
	switch {
	case from < 0 || !w.snap.inVPC(from, ni.vpc) || !containsAny(w.snap.vpcs[ni.vpc].prefixes, w.tuple.Src):
		return w.drop(StageVPCEndpoint, ReasonNotFromItsVPC, ni.handle, uint32(w.snap.vpcs[ni.vpc].handle))
	case !ni.owns(w.tuple.Dst): // in the service's range, where it has one address
		return w.drop(StageVPCEndpoint, ReasonNoHost, ni.handle, 0)
	case !w.fitsWhole(endpointMTU, StageVPCEndpoint, ni.handle):
		return Hop{}
	case e.tracked && !w.trackSender():
		return Hop{}
	}
	w.clamp(endpointMTU)
	w.pass(StageVPCEndpoint, ReasonService, ni.handle, 0)
	return w.deliver(index)
}

// leaveGatewayEndpoint starts the way of a service's answer: into the VPC, to
// whoever has the address.
func (w *Walk) leaveGatewayEndpoint(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	switch {
	case !w.toItsRouter(ni):
		return Hop{}
	case !ni.owns(w.tuple.Src):
		return w.drop(StageSourceCheck, ReasonSourceAddress, ni.handle, 0)
	case !w.fitsWhole(endpointMTU, StageVPCEndpoint, ni.handle):
		return Hop{}
	}
	w.clamp(endpointMTU)
	w.routed = true
	w.pass(StageVPCEndpoint, ReasonService, ni.handle, 0)
	return Hop{hopVPC, ni.vpc}
}

// inVPC reports that an interface is one of a VPC's own.
func (s *Snapshot) inVPC(index int, vpc uint32) bool {
	ni := &s.interfaces[index]
	switch ni.kind {
	case KindNetworkInterface, KindNATGateway, KindClientVPNInterface, KindVPNClient: // a client with an address of the VPC (C6)
		return ni.vpc == vpc
	}
	return false
}
