package control

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane"
)

// TransitGatewayInterface is a requester-managed network interface of an attachment:
// no instance has it, and no security group is on it (T9, A27).
type TransitGatewayInterface struct {
	Identity
	Subnet           string     `json:"subnet"`
	AvailabilityZone string     `json:"availabilityZone"`
	PrivateIP        netip.Addr `json:"privateIp,omitzero"`
	IPv6             netip.Addr `json:"ipv6,omitzero"`
	// MAC follows from the Handle. Store assigns both.
	MAC MAC `json:"mac"`
}

// addresses are those that the interface has.
func (n *TransitGatewayInterface) addresses() []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{n.PrivateIP, n.IPv6}, func(a netip.Addr) bool { return !a.IsValid() })
}

// transitGatewayDemands asks for an address of each family that the subnet of an
// interface has.
func (a *allocation) transitGatewayDemands(name string, v4, v6 map[string]*pool) (demands []*demand) {
	attachment, old := a.w.TransitGatewayAttachments[name], a.previous.TransitGatewayAttachments[name]
	for i := range attachment.Status.Interfaces {
		n := &attachment.Status.Interfaces[i]
		n.PrivateIP, n.IPv6 = netip.Addr{}, netip.Addr{}
		var had TransitGatewayInterface
		if o := old.interfaceIn(n.Subnet); o != nil && old.VPC == attachment.VPC {
			had = *o
		}
		demands = append(demands, &demand{
			pool: v4[n.Subnet], got: make([]netip.Addr, 1), had: []netip.Addr{had.PrivateIP},
			settle: func(got []netip.Addr) { n.PrivateIP = first(got) },
			full:   func(int) { a.attachmentSubnetFull(name, attachment, n.Subnet) },
		})
		if v6[n.Subnet].block.IsValid() {
			demands = append(demands, &demand{
				pool: v6[n.Subnet], got: make([]netip.Addr, 1), had: []netip.Addr{had.IPv6},
				settle: func(got []netip.Addr) { n.IPv6 = first(got) },
			})
		}
	}
	return demands
}

// first is the only address of a list that may be empty.
func first(list []netip.Addr) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[0]
}

func (a *allocation) attachmentSubnetFull(name string, attachment *TransitGatewayAttachment, subnet string) { // QP10
	block := a.w.Subnets[subnet].CIDR
	if !block.IsValid() {
		return // an IPv6-only subnet, which Validate reports
	}
	a.v.report(index(field(field("transitGatewayAttachments", name), "subnets"), slices.Index(attachment.Subnets, subnet)),
		"InsufficientFreeAddressesInSubnet", "Insufficient Free IP Addresses in subnet.",
		fmt.Sprintf("%s has %s: use a larger or another subnet", subnet, block))
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

// assignTransitGatewayHandles gives every interface of an attachment its handle: the
// one it had in the old world if neither the attachment nor the subnet is replaced.
// New ones come from next. An attachment that is replaced is now the youngest, which
// can matter to routes (T14).
func (w *World) assignTransitGatewayHandles(old *World, replaced map[string]bool, next func(*Identity) error) error {
	younger := false
	for _, name := range sorted(w.TransitGatewayAttachments) {
		younger = younger || replaced["transitGatewayAttachments "+name]
		had, interfaces := old.TransitGatewayAttachments[name], w.TransitGatewayAttachments[name].Status.Interfaces
		for i := range interfaces {
			n := &interfaces[i]
			o := had.interfaceIn(n.Subnet)
			if o != nil && !replaced["transitGatewayAttachments "+name] && !replaced["subnets "+n.Subnet] {
				n.Handle = o.Handle
			} else if err := next(&n.Identity); err != nil {
				return err
			}
			n.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(n.Handle)))
		}
	}
	if younger {
		w.computeTransitGateways()
	}
	return nil
}
