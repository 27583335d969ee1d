package control

import (
	"fmt"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// compile hands over an endpoint with the associations that work, and what clients
// call: hosts of the Internet. Of an endpoint without any only the clients know.
func (e *ClientVPNEndpoint) compile(c *compilation, name string) {
	out := dataplane.ClientVPNEndpoint{Object: object(dataplane.KindClientVPNEndpoint, name, e.Status.Identity)}
	var groups []dataplane.Handle
	for _, g := range e.Status.SecurityGroups {
		groups = append(groups, dataplane.Handle(c.w.SecurityGroups[g].Status.Handle))
	}
	handles := map[string]dataplane.Handle{TargetLocal: 0}
	for i := range e.Status.Associations {
		a := &e.Status.Associations[i]
		if !a.Works() {
			continue // clients land elsewhere
		}
		c.b.InternetHosts = append(c.b.InternetHosts, dataplane.InternetHost{
			Object: object(dataplane.KindClientVPNEndpoint, name, Identity{Handle: a.OutsideHandle}),
			MAC:    packet.MAC(a.OutsideMAC), Addresses: a.OutsideAddresses(),
		})
		if a.Subnet == "" {
			continue // a zone, without an interface (C11)
		}
		handles[a.Subnet] = dataplane.Handle(a.Handle)
		out.Associations = append(out.Associations, dataplane.ClientVPNAssociation{
			Object: object(dataplane.KindClientVPNInterface, name+"/"+a.Subnet, a.Identity),
			Subnet: dataplane.Handle(c.w.Subnets[a.Subnet].Status.Handle),
			MAC:    packet.MAC(a.MAC), Addresses: addressList(a.PrivateIP), SecurityGroups: groups,
		})
	}
	if a := c.w.TransitGatewayAttachments[e.Status.TransitGatewayAttachment]; a != nil {
		out.Attachment = dataplane.Handle(a.Status.Handle)
		handles[e.Status.TransitGatewayAttachment] = out.Attachment
	}
	for _, r := range e.Status.Routes {
		handle, works := handles[r.Target()]
		if !works {
			continue
		}
		text := fmt.Sprintf("%s → subnet %s", r.Destination, r.Subnet)
		if r.Attachment != "" {
			text = fmt.Sprintf("%s → transitGatewayAttachment %s", r.Destination, r.Attachment)
		}
		if r.Subnet == TargetLocal {
			text = fmt.Sprintf("%s → local", r.Destination)
		}
		out.Routes = append(out.Routes, dataplane.ClientVPNRoute{Destination: r.Destination, Association: handle, Text: text})
	}
	for _, r := range e.AuthorizationRules {
		rule := dataplane.ClientVPNAuthorizationRule{CIDR: r.CIDR, All: r.Groups.all(), Text: r.String()}
		if !rule.All {
			rule.Groups = r.Groups
		}
		out.AuthorizationRules = append(out.AuthorizationRules, rule)
	}
	c.b.ClientVPNEndpoints = append(c.b.ClientVPNEndpoints, out)
}

// compile hands over the client's link, and, if its machine is one of the lab's, the
// machine.
func (c *VPNClient) compile(to *compilation, name string) {
	out := dataplane.VPNClient{
		Object: object(dataplane.KindVPNClient, name, c.Status.Identity), MAC: packet.MAC(c.Status.MAC),
		Endpoint:  dataplane.Handle(to.w.ClientVPNEndpoints[c.Endpoint].Status.Handle),
		Addresses: c.Status.Addresses(), Groups: c.Groups,
	}
	switch a := to.w.clientVPNAssociation(c.Endpoint, c.Status.Place()); {
	case a == nil || !a.Works():
	case a.Subnet == "":
		out.Zone, out.Region = a.AvailabilityZone, to.w.ClientVPNEndpoints[c.Endpoint].place(to.w).region
	default:
		out.Association = dataplane.Handle(a.Handle)
	}
	to.b.VPNClients = append(to.b.VPNClients, out)
	if c.Status.InLab {
		to.b.InternetHosts = append(to.b.InternetHosts, dataplane.InternetHost{
			Object: object(dataplane.KindVPNClient, name, Identity{Handle: c.Status.InternetHandle}),
			MAC:    packet.MAC(c.Status.InternetMAC), Addresses: c.Status.InternetAddresses(),
		})
	}
}

// clientVPNAddresses are the one-to-one mappings of the interfaces in a VPC (C8).
func (w *World) clientVPNAddresses(vpc string) (list []dataplane.PublicAddress) {
	for _, name := range sorted(w.ClientVPNEndpoints) {
		e := w.ClientVPNEndpoints[name]
		for _, a := range e.Status.Associations {
			if e.Status.VPC == vpc && a.available() && a.PublicIP.IsValid() {
				list = append(list, dataplane.PublicAddress{Public: a.PublicIP, Private: a.PrivateIP, Interface: dataplane.Handle(a.Handle)})
			}
		}
	}
	return list
}

// assignClientVPNHandles gives the interfaces of endpoints, what clients call, and
// clients' machines their handles: those they had in the old world, unless what they
// belong to is replaced. New ones come from next.
func (w *World) assignClientVPNHandles(old *World, replaced map[string]bool, next func(*Identity) error) error {
	give := func(handle *uint32, had uint32, keep bool) error {
		if *handle = had; keep && had != 0 {
			return nil
		}
		var id Identity
		err := next(&id)
		*handle = id.Handle
		return err
	}
	for _, name := range sorted(w.ClientVPNEndpoints) {
		associations := w.ClientVPNEndpoints[name].Status.Associations
		for i := range associations {
			a := &associations[i]
			keep, had := !replaced["clientVpnEndpoints "+name] && !replaced["subnets "+a.Subnet], &ClientVPNAssociation{}
			if o := old.clientVPNAssociation(name, a.Place()); o != nil {
				had = o
			}
			if a.Subnet != "" {
				if err := give(&a.Handle, had.Handle, keep); err != nil {
					return err
				}
				a.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(a.Handle)))
			}
			if err := give(&a.OutsideHandle, had.OutsideHandle, keep); err != nil {
				return err
			}
			a.OutsideMAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(a.OutsideHandle)))
		}
	}
	for _, name := range sorted(w.VPNClients) {
		s := &w.VPNClients[name].Status
		s.MAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(s.Handle)))
		s.InternetMAC = MAC{}
		if !s.InLab {
			s.InternetHandle = 0
			continue
		}
		var had uint32
		if o := old.VPNClients[name]; o != nil {
			had = o.Status.InternetHandle
		}
		if err := give(&s.InternetHandle, had, !replaced["vpnClients "+name]); err != nil {
			return err
		}
		s.InternetMAC = MAC(dataplane.InterfaceMAC(dataplane.Handle(s.InternetHandle)))
	}
	return nil
}
