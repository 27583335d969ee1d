package control

import "fmt"

func (a *TransitGatewayAttachment) validate(v *validation, name string) {
	path := field("transitGatewayAttachments", name)
	if name == TargetBlackhole {
		v.reportKey(path, "", fmt.Sprintf("%q cannot be the name of an attachment", name), "rename it: in routes the word drops what matches")
	}
	switch {
	case a.implicit():
	case a.isConnect():
		a.validateConnect(v, name, path)
	case a.isPeering():
		a.validatePeering(v, name, path)
	case a.VPC == "":
		v.missing(field(path, "vpc"), "write the VPC that is attached, peer: and the other transit gateway, or transport: and the attachment that carries GRE")
	default:
		a.validateVPC(v, path)
		a.validateSubnets(v, path)
	}
}

// validatePeering checks the two ends of a peering (T16), and that nothing is said
// of it that only a VPC's attachment has.
func (a *TransitGatewayAttachment) validatePeering(v *validation, name, path string) {
	for _, wrong := range []struct {
		key     string
		written bool
	}{
		{"vpc", a.VPC != ""}, {"subnets", a.Subnets != nil}, {"applianceMode", a.ApplianceMode},
		{"securityGroupReferencing", a.SecurityGroupReferencing != nil}, // T16
	} {
		if wrong.written {
			v.report(field(path, wrong.key), "InvalidParameterCombination", "A peering of two transit gateways has no "+wrong.key,
				"remove it, or peer")
		}
	}
	if a.Peer == a.TransitGateway {
		v.reportf(field(path, "peer"), "InvalidParameterValue", "write another transit gateway",
			"Transit Gateway %s cannot be peered with itself.", a.Peer)
	}
}

// validateConnect checks the attachment that carries the GRE packets (T1), and that
// nothing is said that only a VPC's attachment has.
func (a *TransitGatewayAttachment) validateConnect(v *validation, name, path string) {
	for _, wrong := range []struct {
		key     string
		written bool
	}{
		{"vpc", a.VPC != ""}, {"peer", a.Peer != ""}, {"subnets", a.Subnets != nil}, {"applianceMode", a.ApplianceMode},
		{"securityGroupReferencing", a.SecurityGroupReferencing != nil},
	} {
		if wrong.written {
			v.report(field(path, wrong.key), "InvalidParameterCombination", "A Connect attachment has no "+wrong.key, "remove it, or transport")
		}
	}
	t := v.w.TransitGatewayAttachments[a.Transport]
	if t == nil {
		return // a bad reference, which is reported as such
	}
	at := field(path, "transport")
	switch { // AWS's words are not known
	case t.Status.ResourceType != AttachmentVPC:
		v.reportf(at, "InvalidParameterValue", "write the attachment of the VPC that the appliance is in; GRE over Direct Connect is not emulated",
			"Transit Gateway Attachment %s is a %s attachment, which carries no Connect attachment.", a.Transport, t.Status.ResourceType)
	case t.TransitGateway != a.TransitGateway:
		v.reportf(at, "InvalidTransitGatewayAttachmentID.NotFound", fmt.Sprintf("it is of transit gateway %s", t.TransitGateway),
			"Transit Gateway Attachment %s and Connect attachment %s are of different transit gateways", a.Transport, name)
	case !t.exists() && a.exists():
		v.reportf(at, "IncorrectState", fmt.Sprintf("it is %s", t.Status.State), "%s is in invalid state", a.Transport)
	}
}

// validateVPC checks that the VPC is where the gateway is, and that its owner may
// attach it: to the others the gateway does not exist.
func (a *TransitGatewayAttachment) validateVPC(v *validation, path string) {
	g := v.w.TransitGateways[a.TransitGateway]
	if g == nil || v.w.VPCs[a.VPC] == nil {
		return
	}
	at := v.w.placeOf(a.VPC)
	if at.region != g.Status.Region {
		v.reportf(field(path, "vpc"), "InvalidVpcID.NotFound",
			fmt.Sprintf("it is in %s, the transit gateway in %s: attach it to a gateway there, and peer the two gateways", at.region, g.Status.Region),
			"The vpc ID '%s' does not exist", a.VPC)
		return
	}
	gone := a.Status.State == AttachmentDeleted || a.Status.State == AttachmentRejected
	if !g.sharedTo(at.account) && !gone {
		v.reportf(field(path, "transitGateway"), "InvalidTransitGatewayID.NotFound",
			fmt.Sprintf("VPC %s is of account %s, which the gateway is not shared with: write sharedWith: [%s] under transitGateways.%s", a.VPC, at.account, at.account, a.TransitGateway),
			"Transit Gateway %s was deleted or does not exist.", a.TransitGateway)
	}
}

// validateSubnets checks T9: one subnet per zone, each with IPv4. AWS has no Local
// Zones here, since zones are a Region and a letter.
func (a *TransitGatewayAttachment) validateSubnets(v *validation, path string) {
	at := field(path, "subnets")
	if len(a.Subnets) == 0 && !v.w.Source.unreadable(at) {
		v.missing(at, "write one subnet per Availability Zone that shall reach the transit gateway")
	}
	zones := map[string]string{}
	for i, name := range a.Subnets {
		s := v.w.Subnets[name]
		if s == nil || s.VPC != a.VPC {
			continue // a bad reference, which is reported as such
		}
		if s.IPv6Native {
			v.reportf(index(at, i), "InvalidParameterValue", "use a subnet with an IPv4 block, or both families",
				"The subnet '%s' has no IPv4 CIDR block", name)
		}
		zone := s.Status.AvailabilityZone
		if other, taken := zones[zone]; taken { // QP9
			v.report(index(at, i), "DuplicateSubnetsInSameZone", "Duplicate Subnets for same AZ",
				fmt.Sprintf("%s is in %s, too", other, zone))
			continue
		}
		zones[zone] = name
	}
}

// duplicateAttachments reports a VPC that is attached to one gateway twice (QP8),
// and two gateways that are peered twice: at the one whose name comes later. The
// code of the second is our guess.
func (w *World) duplicateAttachments(v *validation) {
	type ends struct {
		gateway, other string
		peering        bool
	}
	first := map[ends]string{}
	for _, name := range sorted(w.TransitGatewayAttachments) {
		a := w.TransitGatewayAttachments[name]
		if a.isConnect() || a.isClientVPN() {
			continue // several over one transport are possible, and several endpoints
		}
		e := ends{a.TransitGateway, a.VPC, false}
		if a.isPeering() { // whoever asked
			e = ends{min(a.TransitGateway, a.Peer), max(a.TransitGateway, a.Peer), true}
		}
		if e.gateway == "" || e.other == "" || a.Status.State == AttachmentDeleted {
			continue
		}
		other, taken := first[e]
		if !taken {
			first[e] = name
			continue
		}
		path, text := field("transitGatewayAttachments", name), fmt.Sprintf("%s has non-deleted Transit Gateway Attachments with same VPC ID.", a.TransitGateway)
		if e.peering {
			text = fmt.Sprintf("%s and %s already have a peering attachment.", a.TransitGateway, a.Peer)
		}
		v.reportKey(path, "DuplicateTransitGatewayAttachment", text, fmt.Sprintf("%s is one already; remove one of the two", other))
	}
}
