package dataplane

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// ClientVPNEndpoint is a Client VPN endpoint as control hands it over.
type ClientVPNEndpoint struct {
	Object
	Associations []ClientVPNAssociation
	// Attachment is that of an endpoint at a transit gateway, which has no associations
	// (C11). Routes name it in place of one, also while it is no part of the snapshot.
	Attachment         Handle
	Routes             []ClientVPNRoute
	AuthorizationRules []ClientVPNAuthorizationRule
}

// ClientVPNAssociation is the network interface of an endpoint in a target
// network: what clients send into the VPC bears its address (C2, C6).
type ClientVPNAssociation struct {
	Object
	Subnet Handle
	MAC    packet.MAC
	// Addresses is its IPv4 address, none if the endpoint carries IPv6 alone. Its IPv6
	// addresses are those of the clients that landed on it (C6).
	Addresses      []netip.Addr
	SecurityGroups []Handle
}

// ClientVPNRoute is a route of the clients that landed on an association, or,
// with Association 0, the route "local" of all of them: to other clients (C3, C9).
type ClientVPNRoute struct {
	Destination netip.Prefix
	Association Handle
	Text        string // "10.1.0.0/16 → subnet a", for explanations
}

// ClientVPNAuthorizationRule lets clients reach CIDR: those of Groups, or All
// (C4).
type ClientVPNAuthorizationRule struct {
	CIDR   netip.Prefix
	All    bool
	Groups []string
	Text   string // "10.0.0.0/16 for eng"
}

// VPNClient is a client of an endpoint as control hands it over. What it
// encrypted comes as frames of its own link, and what is for it goes there.
type VPNClient struct {
	Object
	MAC      packet.MAC
	Endpoint Handle
	// Association is the network interface that the client landed on, 0 while
	// the endpoint has none.
	Association Handle
	// Zone and Region are instead where a client of an endpoint at a transit gateway
	// landed; "" while it is not connected (C11).
	Zone, Region string
	// Addresses are its IPv4 address in the tunnel, which no VPC ever sees unless the
	// endpoint is at a transit gateway, and its IPv6 address, which is one of the
	// association's subnet.
	Addresses []netip.Addr
	Groups    []string
}

// ClientVPNMTU is the largest IP packet inside a client's tunnel, in bytes. AWS
// names none; this one fits, encrypted, into an Internet packet of 1,500.
const ClientVPNMTU = 1420

// clientVPNEndpoint is what is the same for all associations.
type clientVPNEndpoint struct {
	handle  Handle
	clients addressTable[uint32] // address → index of interface
	// rules are those of each CIDR.
	rules     *bart.Table[[]authorizationRule]
	ruleTexts []string
	texts     []string // of the routes
	// table has the routes of an endpoint at a transit gateway, nil for others, and
	// attachment is the index of its attachment, -1 while that carries nothing (C11).
	table      *bart.Table[clientVPNRoute]
	attachment int
}

// clientVPNAssociation is what its network interface's place leads to.
type clientVPNAssociation struct {
	endpoint uint32
	table    *bart.Table[clientVPNRoute]
}

// clientVPNRoute leads to the association's subnet, whose own routes say the rest (C8),
// or, local, to other clients.
type clientVPNRoute struct {
	index uint32 // in the endpoint's texts
	local bool
}

// vpnClient is what the place of a client's interface leads to.
type vpnClient struct {
	endpoint    uint32
	association int    // index of the interface it landed on, or -1
	zone        uint32 // where it landed at a transit gateway, or 0
	groups      groupBits
}

// connected reports whether the client landed anywhere.
func (c *vpnClient) connected() bool { return c.association >= 0 || c.zone != 0 }

// leaveClient starts the way of a packet that came out of a client's tunnel: to
// another client, or into the VPC by the network interface of the association that
// the client landed on. It needs a route of that association, and an
// authorization rule (C3, C4).
func (w *Walk) leaveClient(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	client := &w.snap.vpnClients[ni.place]
	e := &w.snap.clientVPNEndpoints[client.endpoint]
	switch {
	case !ni.owns(w.tuple.Src):
		return w.drop(StageClientVPN, ReasonSourceAddress, ni.handle, 0)
	case isGroup(w.tuple.Dst):
		return w.drop(StageClientVPN, ReasonGroupAddress, ni.handle, 0)
	case isLinkLocal(w.tuple.Dst) || isLinkLocalService(w.tuple.Dst) && w.tuple.Dst != resolver6:
		return w.drop(StageLinkLocal, ReasonLinkLocal, ni.handle, 0)
	case !client.connected():
		return w.drop(StageClientVPN, ReasonNotAssociated, e.handle, 0)
	}
	w.pass(StageClientVPN, ReasonDecrypted, ni.handle, 0)
	if !w.hop() {
		return w.drop(StageClientVPN, ReasonTTLExpired, e.handle, 0)
	}
	// Both directions are clamped where they meet the tunnel: neither end is told when a
	// packet is too large for it.
	w.clamp(ClientVPNMTU)
	table, landed := e.table, Handle(0)
	if table == nil {
		out := &w.snap.interfaces[client.association]
		table, landed = w.snap.clientVPNAssociations[out.place].table, out.handle
	}
	route, ok := table.Lookup(w.tuple.Dst.Netip())
	if !ok {
		return w.drop(StageClientVPNRoute, ReasonNoRoute, e.handle, uint32(landed))
	}
	w.pass(StageClientVPNRoute, ReasonRouted, e.handle, route.index)
	if !w.authorize(e, client.groups, route.local) {
		return Hop{}
	}
	switch {
	case route.local:
		return w.toClient(e, -1)
	case e.table != nil:
		return w.clientIntoTransit(e, index)
	case !w.tuple.Src.Is4():
		return w.intoVPC6(e, index, uint32(client.association))
	}
	return w.intoVPC(uint32(client.association))
}

// intoVPC lets the network interface of an association send what a client sent over
// IPv4: with its own address (C6), past its own security groups (C7), and from there
// on like any interface of that subnet (C8).
func (w *Walk) intoVPC(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	translate := w.clientOut
	if w.pkt.ICMPError {
		translate = w.natErrorOut
	}
	if !translate(ni) {
		return Hop{}
	}
	// The interface owns the address that the packet bears now, so that rules which name
	// its group match (C7).
	w.sender, w.origin = int(index), int(index)
	if service, ok := w.serviceFor(ni); ok {
		return w.toService(ni, service) // the VPC's resolver
	}
	return w.sendOn(index)
}

// clientOut gives a packet the address of the association's interface. Its port
// stays unless another client has it towards the same destination (C6). What is
// in the middle of a connection gets a mapping like its first packet: AWS says
// nothing of resets here.
func (w *Walk) clientOut(ni *networkInterface) bool {
	if !natCarries(w.tuple.Proto, w.icmpType) {
		w.drop(StageClientVPN, ReasonNATProtocol, ni.gateway, uint32(w.tuple.Proto))
		return false
	}
	key := tupleFlowKey(ni.handle, &w.tuple, w.icmpType, egress)
	mapping, index, found := w.findMapping(&key)
	if !found {
		if mapping = w.proposeMapping(ni, natMapping{key: key}); mapping == nil {
			return false
		}
	}
	w.noteMapping(mapping, index, found, egress)
	w.tuple.Src = mapping.address
	w.setPorts(mapping.port, w.tuple.DstPort, mapping.port)
	return w.natTranslated(ni, mapping.key.remote, ReasonNATOut)
}

// enterClientVPN takes a packet that reached the network interface of an
// association: only what answers a client gets any further, for a VPC opens no
// connections to clients (C9).
func (w *Walk) enterClientVPN(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.reaches(index)
	if !w.enterSubnet(ni) || !w.securityGroups(ni, ingress) {
		return Hop{}
	}
	if w.tuple.Dst.Is4() && !ni.owns(w.tuple.Dst) {
		return w.drop(StageDestinationCheck, ReasonDestinationAddress, ni.handle, 0)
	}
	return w.backToClient(index)
}

// backToClient undoes the translation of an answer, which IPv6 has none of.
func (w *Walk) backToClient(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	e := &w.snap.clientVPNEndpoints[w.snap.clientVPNAssociations[ni.place].endpoint]
	if !w.hop() {
		return w.drop(StageClientVPN, ReasonTTLExpired, e.handle, 0)
	}
	translate := w.natIn
	switch {
	case !w.tuple.Dst.Is4():
		translate = w.clientIn6
	case w.pkt.ICMPError:
		translate = w.natErrorIn
	}
	if !translate(ni) {
		return Hop{}
	}
	w.clamp(ClientVPNMTU)
	return w.toClient(e, int(index))
}

// toClient ends the way of a packet at the client that has its destination: of
// what comes from the VPC, only if the client still is on that association.
func (w *Walk) toClient(e *clientVPNEndpoint, association int) Hop {
	index, ok := e.clients.get(w.tuple.Dst)
	if !ok {
		return w.drop(StageClientVPN, ReasonNotConnected, e.handle, 0)
	}
	ni := &w.snap.interfaces[index]
	// A client that reconnected to another zone has another interface's address in the
	// VPC; answers to the old one are lost, as on AWS.
	client := &w.snap.vpnClients[ni.place]
	if !client.connected() || association >= 0 && client.association != association {
		return w.drop(StageClientVPN, ReasonNotConnected, e.handle, 0)
	}
	if !w.fits(ClientVPNMTU, StageClientVPN, e.handle) {
		return Hop{}
	}
	w.routed = true
	w.pass(StageClientVPN, ReasonEncrypted, ni.handle, 0)
	return w.deliver(index)
}
