package control

import "github.com/vpcsim/vpcsim/dataplane"

// transitGatewayReference is the part of groupReference that transit gateways decide
// (T21): both VPCs attached to one gateway, and the option on at the gateway and at
// both attachments. It is for inbound rules only. As with peerings, an attachment
// that the file has in whatever state stands for one that was available when the
// rule was made; an option that is off does not.
func (w *World) transitGatewayReference(own, other string) (dataplane.Crossing, referenceState) {
	state := referenceRefused
	if w.VPCs[own] == nil || w.VPCs[other] == nil {
		return 0, state
	}
	for _, name := range w.VPCs[own].Status.TransitGatewayAttachments {
		a := w.TransitGatewayAttachments[name]
		if a == nil {
			continue
		}
		g, b := w.TransitGateways[a.TransitGateway], w.attachmentTo(other, a.TransitGateway)
		switch {
		case g == nil || b == nil || !g.SecurityGroupReferencing:
		case !a.Status.SecurityGroupReferencing || !b.Status.SecurityGroupReferencing:
		case a.available() && b.available():
			return dataplane.CrossesTransitGateway, referenceActive
		default:
			state = referenceStale
		}
	}
	return 0, state
}
