package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// InterfaceEndpoint is an interface endpoint of a VPC as control hands it over: a
// service behind network interfaces in the VPC's own subnets (E12).
type InterfaceEndpoint struct {
	Object
	// Service in the words of its provider.
	Service string
	// Closed: it is not available (any more), and drops what comes to it (E16).
	Closed bool
	// PrivateLink: the service is behind load balancers, and not one of AWS's, which
	// listens at the interfaces themselves.
	PrivateLink bool
	Interfaces  []EndpointInterface
}

// EndpointInterface is an endpoint's network interface in one subnet.
type EndpointInterface struct {
	Object
	Subnet         Handle
	MAC            packet.MAC
	Addresses      []netip.Addr // of each family at most one
	SecurityGroups []Handle
	// Nodes are the load balancer nodes that a connection may go on by.
	Nodes []Handle
}

// endpointInterface is what the place of its interface leads to.
type endpointInterface struct {
	service string
	closed  bool
	private bool // the service is behind load balancers
	nodes   []uint32
}

// enterEndpoint takes a packet that reached an endpoint's interface: past the
// network ACL of its subnet and its own groups (E13), TCP and UDP only (E14), and
// only while the endpoint is available (E16).
func (w *Walk) enterEndpoint(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	e := &w.snap.endpointInterfaces[ni.place]
	w.reaches(index)
	if !w.enterSubnet(ni) || !w.securityGroups(ni, ingress) {
		return Hop{}
	}
	// The groups come first: what they refuse is a REJECT of the interface in flow
	// logs, and what the endpoint itself refuses is not.
	switch {
	case !ni.owns(w.tuple.Dst):
		return w.drop(StageDestinationCheck, ReasonDestinationAddress, ni.handle, 0)
	case !w.tuple.Dst.Is4() && w.origin >= 0 && w.snap.interfaces[w.origin].kind == KindInternetHost:
		return w.drop(StageVPCEndpoint, ReasonNotFromInternet, ni.gateway, 0) // E25
	case e.closed:
		return w.drop(StageVPCEndpoint, ReasonEndpointClosed, ni.gateway, 0)
	case !endpointCarries(w.tuple.Proto):
		return w.drop(StageVPCEndpoint, ReasonEndpointProtocol, ni.gateway, uint32(w.tuple.Proto))
	case !w.fitsWhole(endpointMTU, StageVPCEndpoint, ni.gateway):
		return Hop{}
	case !w.trackSender(): // S25, E24
		return Hop{}
	}
	w.clamp(endpointMTU) // nobody discovers the path's MTU here
	if e.private {
		return w.privateLink(index)
	}
	w.pass(StageVPCEndpoint, ReasonService, ni.gateway, 0)
	return w.deliver(index)
}

// leaveEndpoint starts the way of what a service of AWS's answers: the interface
// sends it, like any interface of its subnet.
func (w *Walk) leaveEndpoint(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	switch {
	case w.snap.endpointInterfaces[ni.place].private: // nobody is at its link
		return w.drop(StageParse, ReasonUnknownLink, ni.handle, 0)
	case !w.toItsRouter(ni):
		return Hop{}
	case !ni.owns(w.tuple.Src):
		return w.drop(StageSourceCheck, ReasonSourceAddress, ni.handle, 0)
	}
	return w.outOfEndpoint(index)
}

// outOfEndpoint lets an endpoint's interface send an answer into its VPC.
func (w *Walk) outOfEndpoint(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	switch {
	case w.snap.endpointInterfaces[ni.place].closed:
		return w.drop(StageVPCEndpoint, ReasonEndpointClosed, ni.gateway, 0)
	case !endpointCarries(w.tuple.Proto):
		return w.drop(StageVPCEndpoint, ReasonEndpointProtocol, ni.gateway, uint32(w.tuple.Proto))
	case !w.fitsWhole(endpointMTU, StageVPCEndpoint, ni.gateway):
		return Hop{}
	}
	w.clamp(endpointMTU)
	w.pass(StageVPCEndpoint, ReasonService, ni.gateway, 0)
	// Its groups track what came in, so an answer needs no egress rule (S50); what
	// nobody asked for does, and a service asks nobody (E15).
	w.origin, w.crossed = int(index), 0
	return w.sendOn(index)
}

func endpointCarries(protocol uint8) bool {
	return protocol == packet.ProtoTCP || protocol == packet.ProtoUDP
}
