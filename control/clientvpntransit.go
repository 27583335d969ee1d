package control

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// This file knows what an endpoint at a transit gateway has in place of associations
// (C11): an attachment, Availability Zones, and clients that are seen as who they are.

// attaches reports whether the endpoint has a transit gateway attachment.
func (e *ClientVPNEndpoint) attaches(w *World) bool {
	return e != nil && len(e.Associations) == 0 && w.TransitGateways[e.TransitGateway] != nil
}

// completeClientVPNAttachments makes the attachments of endpoints, as
// completeVPNAttachments does those of VPN connections.
func (w *World) completeClientVPNAttachments() {
	for name, a := range w.TransitGatewayAttachments {
		if a.isClientVPN() && !w.ClientVPNEndpoints[name].attaches(w) {
			delete(w.TransitGatewayAttachments, name)
		}
	}
	for name, e := range w.ClientVPNEndpoints {
		if !e.attaches(w) {
			continue
		}
		a := w.TransitGatewayAttachments[name]
		if a == nil {
			a = &TransitGatewayAttachment{Status: TransitGatewayAttachmentStatus{ClientVPNEndpoint: name}}
			w.TransitGatewayAttachments[name] = a
		}
		if a.isClientVPN() {
			a.TransitGateway = e.TransitGateway
		}
	}
}

// place is where the endpoint lives: with its VPC, or with its transit gateway. One of
// another account is not emulated.
func (e *ClientVPNEndpoint) place(w *World) place {
	if g := w.TransitGateways[e.TransitGateway]; g != nil {
		return g.place(w)
	}
	return w.placeOf(e.Status.VPC)
}

// AtTransitGateway reports whether a client's endpoint is attached to a transit gateway,
// so that the client is in no VPC and reaches private addresses all the same; false for
// what is no client.
func (w *World) AtTransitGateway(client string) bool {
	c := w.VPNClients[client]
	return c != nil && w.ClientVPNEndpoints[c.Endpoint] != nil && w.ClientVPNEndpoints[c.Endpoint].Status.TransitGatewayAttachment != ""
}

// routeTarget is the kind that the endpoint's routes lead to, and what to write.
func (e *ClientVPNEndpoint) routeTarget(name string) (kind, required string) {
	if e.TransitGateway != "" {
		return "transitGatewayAttachments", fmt.Sprintf("write %s, the endpoint's attachment, or local", name)
	}
	return "subnets", "write an associated subnet, or local"
}

// computeTransit settles the attachment and the clients' IPv6 block.
func (e *ClientVPNEndpoint) computeTransit(w *World, name string) {
	s := &e.Status
	s.TransitGatewayAttachment, s.IPv6CIDR = "", netip.Prefix{}
	if !e.attaches(w) || !w.TransitGatewayAttachments[name].isClientVPN() {
		return
	}
	s.TransitGatewayAttachment = name
	if e.TrafficIPAddressType.ipv6() {
		s.IPv6CIDR = clientTransitBlock(s.ID)
	}
}

// clientTransitBlock is the /64 that clients of an endpoint at a transit gateway get
// their IPv6 addresses from. AWS assigns it, and does not say from where: here it is a
// unique local block that follows from the endpoint's ID, as RFC 4193 has them.
func clientTransitBlock(id string) netip.Prefix {
	sum := sha256.Sum256([]byte("client IPv6\x00" + id))
	address := [16]byte{0: 0xfd}
	copy(address[1:8], sum[:])
	address[1] |= 1 // never fd00::/16, where AWS's own services are
	return netip.PrefixFrom(netip.AddrFrom16(address), 64)
}

// zones are those that the endpoint is in.
func (e *ClientVPNEndpoint) zones(w *World) []string {
	if len(e.AvailabilityZones) > 0 {
		return e.AvailabilityZones
	}
	return []string{e.place(w).region + "a"}
}

// computeZones lists a place per zone, where clients land as on an association: they call
// an address of its own, and go elsewhere while the zone is down.
func (e *ClientVPNEndpoint) computeZones(w *World, had []ClientVPNAssociation) {
	s := &e.Status
	for _, zone := range e.zones(w) {
		if s.association(zone) != nil {
			continue // a mistake, which Validate reports
		}
		a := ClientVPNAssociation{AvailabilityZone: zone}
		if i := slices.IndexFunc(had, func(a ClientVPNAssociation) bool { return a.Place() == zone }); i >= 0 {
			a = had[i]
		}
		a.Fault = cmp.Or(s.Fault, w.zoneFault(zone))
		s.Associations = append(s.Associations, a)
	}
}

// clientVPNRoutes are the blocks of the clients of endpoints that propagate to the table
// (C11), of both families. Of two endpoints with one block the older one has it.
func (t *TransitGatewayRouteTable) clientVPNRoutes(w *World, add func(TransitGatewayRoute)) {
	for _, name := range t.Status.Propagations { // the oldest first
		if !w.TransitGatewayAttachments[name].isClientVPN() {
			continue
		}
		e := w.ClientVPNEndpoints[name]
		for _, block := range []netip.Prefix{e.ClientCIDR.Masked(), e.Status.IPv6CIDR} {
			if block.IsValid() && e.TrafficIPAddressType.carries(block.Addr()) {
				add(TransitGatewayRoute{Destination: block, Attachment: name, Type: RoutePropagated, State: RouteActive})
			}
		}
	}
}

// validateTransit checks what an endpoint at a transit gateway has and has not (C11).
// AWS's words are not known.
func (e *ClientVPNEndpoint) validateTransit(v *validation, path, name string) {
	if e.TransitGateway == "" {
		if len(e.AvailabilityZones) > 0 {
			v.report(field(path, "availabilityZones"), "InvalidParameterCombination", "A Client VPN endpoint with target networks is in their Availability Zones",
				"remove it, or write transitGateway")
		}
		return
	}
	if len(e.Associations) > 0 {
		v.report(field(path, "associations"), "InvalidParameterCombination", "A Client VPN endpoint has target networks or a transit gateway, not both", "remove one of the two")
	}
	if len(e.SecurityGroups) > 0 {
		v.report(field(path, "securityGroups"), "InvalidParameterCombination", "A Client VPN endpoint at a transit gateway has no network interfaces, and no security groups",
			"remove it: let groups of the receivers admit the clients' block")
	}
	g := v.w.TransitGateways[e.TransitGateway]
	if g == nil {
		return // a bad reference, which is reported as such
	}
	at := field(path, "transitGateway")
	if len(g.CIDRs) == 0 {
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("write cidrs under transitGateways.%s, such as [192.0.2.0/24]", e.TransitGateway),
			"Transit Gateway %s has no CIDR block, which a Client VPN attachment needs.", e.TransitGateway)
	}
	if block := e.ClientCIDR; block.IsValid() && overlapsAny(g.CIDRs, block) {
		v.reportf(field(path, "clientCidr"), "InvalidParameterValue", "clients need a block of their own",
			"The client CIDR block %s overlaps a CIDR block of transit gateway %s.", block, e.TransitGateway)
	}
	if a := v.w.TransitGatewayAttachments[name]; e.attaches(v.w) && a != nil && !a.isClientVPN() {
		v.reportKey(path, "", fmt.Sprintf("%q is also the name of a transit gateway attachment, or of a VPN connection that has one", name),
			"rename one: a Client VPN endpoint's own attachment has its name")
	}
	for i, zone := range e.AvailabilityZones {
		at := index(field(path, "availabilityZones"), i)
		letter, ok := strings.CutPrefix(zone, g.Status.Region)
		switch {
		case !ok || len(letter) != 1 || letter < "a" || letter > "z":
			v.reportf(at, "InvalidParameterValue", fmt.Sprintf("write a zone of the transit gateway's Region, such as %sa", g.Status.Region),
				"Value (%s) for parameter availabilityZones is invalid.", zone)
		case slices.Contains(e.AvailabilityZones[:i], zone):
			v.reportf(at, "InvalidParameterValue", "remove one", "%s is in the list twice", zone)
		}
	}
}

// validateTransitTarget checks where a route of an endpoint at a transit gateway leads:
// to its own attachment.
func (e *ClientVPNEndpoint) validateTransitTarget(v *validation, at, name, target string, before []string) {
	switch {
	case v.w.TransitGatewayAttachments[target] == nil:
		// A bad reference, which is reported as such.
	case target != name:
		v.reportf(at, "InvalidTransitGatewayAttachmentID.NotFound", fmt.Sprintf("write %s, the endpoint's own attachment", name),
			"The attachment %s is not that of the Client VPN endpoint.", target)
	case slices.Contains(before, target): // QC7
		v.reportf(at, "InvalidClientVpnDuplicateRoute", "remove one", "The route by %s already exists.", target)
	}
}
