package dataplane

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file words what joins VPCs. A step names one object, the peering or the
// attachment; the reader also wants to know where the packet is now.

// explainCrossing covers the steps on the way from one VPC, or site, to another.
func (s *Snapshot) explainCrossing(step Step, after packet.Tuple) string {
	switch step.Reason {
	case ReasonAttached, ReasonZone:
		return s.explainTransit(step)
	case ReasonNoZone:
		if step.Detail == 0 {
			return "no Availability Zone of the attachment is available"
		}
		return fmt.Sprintf("the attachment has no subnet in the sender's Availability Zone %s", s.zoneName(step.Detail))
	case ReasonDecrypted:
		return fmt.Sprintf("came out of the tunnel: %s → %s", after.Src, after.Dst)
	case ReasonEncrypted:
		return "goes into the tunnel"
	case ReasonNotAssociated:
		return "the attachment is associated with no transit gateway route table"
	case ReasonTTLExpired:
		return "its hop limit ends at the transit gateway, which tells nobody"
	case ReasonNoListener:
		return fmt.Sprintf("%s is an interface of a transit gateway, which answers nothing", after.Dst)
	case ReasonNotTransitive:
		return fmt.Sprintf("source %s is not in %s: a peering connection is not transitive", after.Src, s.objectOf(Handle(step.Detail)))
	case ReasonEdgeToEdge:
		return fmt.Sprintf("destination %s is not in %s: a peering leads to the other VPC, and to no gateway and no other peering behind it", after.Dst, s.objectOf(Handle(step.Detail)))
	case ReasonTooBig:
		if step.Stage == StageVPNTunnel {
			return fmt.Sprintf("larger than %d bytes with DF set: AWS discovers no path MTU on its tunnels, so nobody is told", step.Detail)
		}
		return fmt.Sprintf("larger than %d bytes, which a transit gateway does not cut: with DF its sender is told", step.Detail)
	}
	return step.Reason.String()
}

func (s *Snapshot) zoneName(i uint32) string {
	if int(i) < len(s.zones) && i > 0 {
		return s.zones[i].name
	}
	return "an unknown zone"
}

// explainPeering tells the direction.
func (s *Snapshot) explainPeering(step Step) string {
	for i := range s.peerings {
		p := &s.peerings[i]
		if p.handle != step.Object || step.Detail > 1 {
			continue
		}
		from, to := s.objectOf(s.vpcs[p.vpcs[step.Detail]].handle), s.objectOf(s.vpcs[p.vpcs[1-step.Detail]].handle)
		if p.interRegion {
			return fmt.Sprintf("from %s to %s, in another Region", from, to)
		}
		return fmt.Sprintf("from %s to %s", from, to)
	}
	return "from VPC to VPC"
}

// explainTransit tells the gateway, and which of its interfaces the packet passes:
// the network ACLs beside this step, and behind it the route table, are those of
// that interface's subnet.
func (s *Snapshot) explainTransit(step Step) string {
	a := s.attachmentOf(step)
	if a == nil {
		return "passes a transit gateway"
	}
	gateway := s.objectOf(s.transitGateways[a.gateway].handle)
	if step.Reason == ReasonAttached {
		if i := int(step.Detail); i < len(s.interfaces) && s.interfaces[i].gateway == step.Object {
			return fmt.Sprintf("enters %s by its interface in %s", gateway, s.subnetWithZone(i))
		}
		if i := int(step.Detail); i < len(s.interfaces) && s.interfaces[i].kind == KindVPNTunnel {
			return fmt.Sprintf("enters %s by this VPN connection", gateway)
		}
		if i := int(step.Detail); i < len(s.interfaces) && s.interfaces[i].kind == KindTransitGatewayConnectPeer {
			return fmt.Sprintf("enters %s by this Connect attachment", gateway)
		}
		if i := int(step.Detail); i < len(s.interfaces) && s.interfaces[i].kind == KindVPNClient {
			return fmt.Sprintf("enters %s by this Client VPN attachment", gateway)
		}
		return fmt.Sprintf("enters %s over this peering", gateway)
	}
	text := fmt.Sprintf("leaves %s", gateway)
	if exit := a.in(step.Detail); exit >= 0 {
		text += " by its interface in " + s.subnetWithZone(exit)
	}
	if a.appliance {
		text += ", the zone of this flow in both directions (appliance mode)"
	}
	return text
}

// attachmentOf is the attachment that a step is about: of a peering, the side on
// the gateway that the packet is at.
func (s *Snapshot) attachmentOf(step Step) *attachment {
	if i := int(step.Detail); i < len(s.attachments) && s.attachments[i].handle == step.Object {
		return &s.attachments[i]
	}
	for i := range s.attachments {
		if s.attachments[i].handle == step.Object {
			return &s.attachments[i]
		}
	}
	return nil
}

// subnetWithZone names the subnet of an interface.
func (s *Snapshot) subnetWithZone(index int) string {
	sub := &s.subnets[s.interfaces[index].subnet]
	return fmt.Sprintf("%s (%s)", s.objectOf(sub.handle), s.zoneName(sub.zone))
}
