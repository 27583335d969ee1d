package control

import (
	"slices"
)

// transitGatewayOwners are the attachments, as owners of their interfaces (T9). No
// security group is on these. An address of each family that the subnet has.
func (w *World) transitGatewayOwners() (owners []managedOwner) {
	for _, name := range sorted(w.TransitGatewayAttachments) {
		a := w.TransitGatewayAttachments[name]
		owners = append(owners, managedOwner{"transitGatewayAttachments", name, a.VPC, a.Status.Interfaces, nil, true, true,
			func(v *validation, subnet string) { // QP10
				if !v.w.Subnets[subnet].CIDR.IsValid() {
					return // an IPv6-only subnet, which Validate reports
				}
				v.subnetFull(index(field(field("transitGatewayAttachments", name), "subnets"), slices.Index(a.Subnets, subnet)),
					"Insufficient Free IP Addresses in subnet.", subnet)
			}})
	}
	return owners
}

// keepAttachmentAges gives attachments the handles that they had, for Complete to tell
// the older from the younger (T14) before Store hands out new ones.
func (a *allocation) keepAttachmentAges() {
	for name, attachment := range a.w.TransitGatewayAttachments {
		if old := a.previous.TransitGatewayAttachments[name]; old != nil && old.TransitGateway == attachment.TransitGateway && old.VPC == attachment.VPC {
			attachment.Status.Handle = old.Status.Handle
		}
	}
}

// assignTransitGatewayHandles gives every interface of an attachment its handle. An
// attachment that is replaced is now the youngest, which can matter to routes (T14).
func (w *World) assignTransitGatewayHandles(old *World, replaced map[string]bool, next func(*Identity) error) error {
	if err := assignManagedHandles(w.transitGatewayOwners(), old.transitGatewayOwners(), replaced, next); err != nil {
		return err
	}
	for name := range w.TransitGatewayAttachments {
		if replaced["transitGatewayAttachments "+name] {
			w.computeTransitGateways()
			break
		}
	}
	return nil
}
