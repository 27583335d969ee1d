package control

import (
	"fmt"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TransitGatewayAttachment joins a VPC to a transit gateway, two transit gateways to
// each other (a peering), or appliances in a VPC by GRE (a Connect attachment).
type TransitGatewayAttachment struct {
	// Transit gateway that is attached to; of a peering, the one that asked for
	// it.
	TransitGateway string `json:"transitGateway"`
	// VPC that is attached, in the gateway's Region.
	VPC string `json:"vpc,omitempty"`
	// Subnets of the VPC that the gateway gets an interface in: at least one, and
	// one per Availability Zone. Only zones with such a subnet can send to it.
	Subnets []string `json:"subnets,omitempty"`
	// Transit gateway at the other end, instead of a VPC: a peering, which needs
	// static routes on both sides.
	Peer string `json:"peer,omitempty"`
	// Attachment of the same gateway whose VPC carries GRE packets, instead of a VPC:
	// a Connect attachment. Its routes are learned by BGP from the Connect peers that
	// name it.
	Transport string `json:"transport,omitempty"`
	// Whether each flow keeps to one zone of this VPC in both directions, as a
	// stateful appliance needs.
	ApplianceMode bool `json:"applianceMode,omitempty"`
	// Whether the VPC takes part in security group referencing, if the gateway
	// has that switched on; true unless written.
	SecurityGroupReferencing *bool `json:"securityGroupReferencing,omitempty"`
	// pendingAcceptance, available, rejected or deleted; available unless
	// written.
	State AttachmentState `json:"state,omitempty"`

	Status TransitGatewayAttachmentStatus `json:"status" yaml:"-"`
}

// TransitGatewayAttachmentStatus is what AWS makes of an attachment.
type TransitGatewayAttachmentStatus struct {
	Identity
	State AttachmentState `json:"state"`
	// ResourceType is AttachmentVPC, AttachmentVPN, AttachmentConnect,
	// AttachmentClientVPN or AttachmentPeering.
	ResourceType string `json:"resourceType"`
	// VPNConnection is the one whose attachment this is, or "".
	VPNConnection string `json:"vpnConnection,omitempty"`
	// ClientVPNEndpoint is the one whose attachment this is, or "".
	ClientVPNEndpoint string `json:"clientVpnEndpoint,omitempty"`
	// Association is the route table for what comes from the attachment; "" is
	// none, and drops (T3). PeerAssociation is that on the other gateway of a
	// peering.
	Association     string `json:"association,omitempty"`
	PeerAssociation string `json:"peerAssociation,omitempty"`
	// Propagations are the tables that the attachment propagates to, sorted.
	Propagations []string `json:"propagations"`
	// AvailabilityZones that the VPC can send from, sorted (T10).
	AvailabilityZones        []string `json:"availabilityZones,omitempty"`
	SecurityGroupReferencing bool     `json:"securityGroupReferencing"`
	// Interfaces are the gateway's own in the VPC, in the order of the subnets.
	// Only an available attachment has any.
	Interfaces []ManagedInterface `json:"interfaces,omitempty"`
	// Fault is what has the attachment down, or "".
	Fault string `json:"fault,omitempty"`
}

// Values of TransitGatewayAttachmentStatus.ResourceType, spelled as AWS spells
// them.
const (
	AttachmentVPC       = "vpc"
	AttachmentVPN       = "vpn"
	AttachmentConnect   = "connect"
	AttachmentPeering   = "peering"
	AttachmentClientVPN = "client-vpn"
)

// AttachmentState is how far an attachment has come, in AWS's words. The zero
// AttachmentState stands for available.
type AttachmentState uint8

// The states that last. Those that AWS passes through in between are not
// emulated.
const (
	AttachmentStateUnset AttachmentState = iota
	AttachmentPendingAcceptance
	AttachmentAvailable
	AttachmentRejected
	AttachmentDeleted
)

var attachmentStateWords = []string{"", "pendingAcceptance", "available", "rejected", "deleted"}

func (s AttachmentState) String() string                { return attachmentStateWords[s] }
func (s *AttachmentState) parse(text string) error      { return parseWord(s, text, attachmentStateWords) }
func (s AttachmentState) MarshalJSON() ([]byte, error)  { return marshalScalar(s) }
func (s *AttachmentState) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, s.parse) }

func (a *TransitGatewayAttachment) identity() *Identity { return &a.Status.Identity }

// references are the ends of the attachment. Its subnets must be of its VPC; AWS's
// words for others are not known.
func (a *TransitGatewayAttachment) references(_ *World, name string) []reference {
	path := field("transitGatewayAttachments", name)
	refs := []reference{{
		path: field(path, "transitGateway"), value: a.TransitGateway, set: func(s string) { a.TransitGateway = s },
		kinds: []string{"transitGateways"}, required: "write the transit gateway that is attached to",
	}, {
		path: field(path, "vpc"), value: a.VPC, set: func(s string) { a.VPC = s }, kinds: []string{"vpcs"},
	}, {
		path: field(path, "peer"), value: a.Peer, set: func(s string) { a.Peer = s }, kinds: []string{"transitGateways"},
	}, {
		path: field(path, "transport"), value: a.Transport, set: func(s string) { a.Transport = s }, kinds: []string{"transitGatewayAttachments"},
	}}
	for i, subnet := range a.Subnets {
		refs = append(refs, reference{
			path: index(field(path, "subnets"), i), value: subnet, set: func(s string) { a.Subnets[i] = s },
			kinds: []string{"subnets"}, required: "write a subnet", vpc: a.VPC,
			foreign: badValue{
				code:    "InvalidParameterValue",
				message: fmt.Sprintf("subnet %s is not in the VPC of transit gateway attachment %s", subnet, name),
			},
		})
	}
	return refs
}

// isPeering reports whether the attachment joins two gateways.
func (a *TransitGatewayAttachment) isPeering() bool { return a.Peer != "" }

// isVPN reports whether a VPN connection has made the attachment (T1).
func (a *TransitGatewayAttachment) isVPN() bool { return a != nil && a.Status.VPNConnection != "" }

// isClientVPN reports whether a Client VPN endpoint has made the attachment (C11).
func (a *TransitGatewayAttachment) isClientVPN() bool {
	return a != nil && a.Status.ClientVPNEndpoint != ""
}

// implicit reports whether the attachment is there only because something else is, whose
// name it has.
func (a *TransitGatewayAttachment) implicit() bool { return a.isVPN() || a.isClientVPN() }

// isConnect reports whether the attachment is one for Connect peers.
func (a *TransitGatewayAttachment) isConnect() bool { return a != nil && a.Transport != "" }

// available reports whether packets can pass. What is not available is no part of
// a snapshot.
func (a *TransitGatewayAttachment) available() bool { return a.exists() && a.Status.Fault == "" }

// exists reports whether the attachment has interfaces and associations: a fault
// takes neither away.
func (a *TransitGatewayAttachment) exists() bool { return a.Status.State == AttachmentAvailable }

// of reports whether the attachment is one of the gateway's.
func (a *TransitGatewayAttachment) of(gateway string) bool {
	return a.TransitGateway == gateway || a.isPeering() && a.Peer == gateway
}

// computeStatus settles all but the tables, and enters the attachment with its
// gateways and its VPC; it is called in the order of names.
func (a *TransitGatewayAttachment) computeStatus(w *World, name string) {
	s := &a.Status
	s.State = a.State
	if s.State == AttachmentStateUnset {
		s.State = AttachmentAvailable
	}
	s.ResourceType = AttachmentVPC
	switch {
	case a.isPeering():
		s.ResourceType = AttachmentPeering
	case a.isVPN():
		s.ResourceType = AttachmentVPN
	case a.isConnect():
		s.ResourceType = AttachmentConnect
	case a.isClientVPN():
		s.ResourceType = AttachmentClientVPN
	}
	s.Association, s.PeerAssociation, s.Propagations = "", "", []string{}
	s.SecurityGroupReferencing = s.ResourceType == AttachmentVPC && onUnlessWritten(a.SecurityGroupReferencing)
	a.computeInterfaces(w, name)
	s.AvailabilityZones = nil
	for _, n := range s.Interfaces {
		if w.zoneFault(n.AvailabilityZone) == "" {
			s.AvailabilityZones = append(s.AvailabilityZones, n.AvailabilityZone)
		}
	}
	slices.Sort(s.AvailabilityZones)
	for _, gateway := range []string{a.TransitGateway, a.Peer} {
		if g := w.TransitGateways[gateway]; g != nil {
			g.Status.Attachments = append(g.Status.Attachments, name)
		}
	}
	if vpc := w.VPCs[a.VPC]; vpc != nil && !a.isPeering() {
		vpc.Status.TransitGatewayAttachments = append(vpc.Status.TransitGatewayAttachments, name)
	}
}

// computeInterfaces lists one interface per subnet (T9). One that stays keeps what
// Allocate and Store gave it.
func (a *TransitGatewayAttachment) computeInterfaces(w *World, name string) {
	had := a.Status.Interfaces
	a.Status.Interfaces = nil
	if a.exists() && a.Status.ResourceType == AttachmentVPC {
		a.Status.Interfaces = w.managedInterfaces("transitGatewayAttachments", name, a.Subnets, had)
	}
}

// attachmentTo is the VPC's attachment to a transit gateway, the available one if
// there are several, or nil.
func (w *World) attachmentTo(vpc, gateway string) (found *TransitGatewayAttachment) {
	if w.VPCs[vpc] == nil {
		return nil
	}
	for _, name := range w.VPCs[vpc].Status.TransitGatewayAttachments {
		a := w.TransitGatewayAttachments[name]
		if a != nil && a.TransitGateway == gateway && (found == nil || !found.available()) {
			found = a
		}
	}
	return found
}

// compile hands over attachments that packets can pass.
func (a *TransitGatewayAttachment) compile(c *compilation, name string) {
	if !a.available() {
		return
	}
	gateway := func(name string) dataplane.Handle { return dataplane.Handle(c.w.TransitGateways[name].Status.Handle) }
	table := func(name string) dataplane.Handle {
		if t := c.w.TransitGatewayRouteTables[name]; t != nil {
			return dataplane.Handle(t.Status.Handle)
		}
		return 0
	}
	o := object(dataplane.KindTransitGatewayAttachment, name, a.Status.Identity)
	if a.isPeering() {
		c.b.TransitGatewayPeerings = append(c.b.TransitGatewayPeerings, dataplane.TransitGatewayPeering{
			Object: o,
			Sides: [2]dataplane.TransitGatewayPeeringSide{
				{TransitGateway: gateway(a.TransitGateway), RouteTable: table(a.Status.Association)},
				{TransitGateway: gateway(a.Peer), RouteTable: table(a.Status.PeerAssociation)},
			},
		})
		return
	}
	if a.isVPN() || a.isConnect() {
		c.b.TransitGatewayTunnelAttachments = append(c.b.TransitGatewayTunnelAttachments, dataplane.TransitGatewayTunnelAttachment{
			Object: o, TransitGateway: gateway(a.TransitGateway), RouteTable: table(a.Status.Association),
		})
		return
	}
	if a.isClientVPN() {
		c.b.TransitGatewayClientVPNAttachments = append(c.b.TransitGatewayClientVPNAttachments, dataplane.TransitGatewayClientVPNAttachment{
			Object: o, TransitGateway: gateway(a.TransitGateway), RouteTable: table(a.Status.Association),
			Endpoint: dataplane.Handle(c.w.ClientVPNEndpoints[name].Status.Handle),
		})
		return
	}
	out := dataplane.TransitGatewayAttachment{
		Object:         o,
		TransitGateway: gateway(a.TransitGateway),
		VPC:            dataplane.Handle(c.w.VPCs[a.VPC].Status.Handle),
		RouteTable:     table(a.Status.Association),
		Interfaces:     make([]dataplane.TransitGatewayInterface, 0, len(a.Status.Interfaces)),
		ApplianceMode:  a.ApplianceMode,
	}
	for i := range a.Status.Interfaces {
		n := &a.Status.Interfaces[i]
		if c.w.subnetFault(n.Subnet) != "" {
			continue // the gateway uses its interfaces in other zones (T12)
		}
		out.Interfaces = append(out.Interfaces, dataplane.TransitGatewayInterface{
			Object:    object(dataplane.KindTransitGatewayInterface, name+"/"+n.Subnet, n.Identity),
			Subnet:    dataplane.Handle(c.w.Subnets[n.Subnet].Status.Handle),
			MAC:       packet.MAC(n.MAC),
			Addresses: n.addresses(),
		})
	}
	c.b.TransitGatewayAttachments = append(c.b.TransitGatewayAttachments, out)
}
