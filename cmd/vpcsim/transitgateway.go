package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// describeTransitGateway adds the columns of a transit gateway or of what belongs to
// one.
func describeTransitGateway(r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.TransitGateway:
		add("STATE", r.Status.State)
		add("REGION", r.Status.Region)
		add("ASN", r.Status.ASN.String())
		add("ATTACHMENTS", strings.Join(r.Status.Attachments, ","))
		add("ROUTE TABLES", strings.Join(r.Status.RouteTables, ","))
		wide("ACCOUNT", r.Status.Account.String())
		wide("SHARED WITH", accounts(r.SharedWith))
		wide("INVITED", accounts(r.ShareInvitations))
		wide("DEFAULT ASSOCIATION", r.Status.AssociationDefaultRouteTable)
		wide("DEFAULT PROPAGATION", r.Status.PropagationDefaultRouteTable)
		wide("GROUP REFERENCING", yes(r.SecurityGroupReferencing))
	case *control.TransitGatewayAttachment:
		target := r.VPC
		switch r.Status.ResourceType {
		case control.AttachmentPeering:
			target = r.Peer
		case control.AttachmentVPN:
			target = r.Status.VPNConnection
		case control.AttachmentClientVPN:
			target = r.Status.ClientVPNEndpoint
		case control.AttachmentConnect:
			target = r.Transport
		}
		add("STATE", r.Status.State.String())
		add("TRANSIT GATEWAY", r.TransitGateway)
		add("TYPE", r.Status.ResourceType)
		add("TO", target)
		add("ZONES", strings.Join(r.Status.AvailabilityZones, ","))
		add("ASSOCIATION", r.Status.Association)
		wide("PEER ASSOCIATION", r.Status.PeerAssociation)
		wide("PROPAGATIONS", strings.Join(r.Status.Propagations, ","))
		wide("APPLIANCE MODE", yes(r.ApplianceMode))
		wide("GROUP REFERENCING", yes(r.Status.SecurityGroupReferencing))
	case *control.TransitGatewayConnectPeer:
		add("ATTACHMENT", r.Attachment)
		add("GATEWAY ADDRESS", address(r.Status.TransitGatewayAddress))
		add("PEER ADDRESS", address(r.PeerAddress))
		add("INSTANCE", r.Status.Instance)
		add("PEER ASN", r.Status.PeerASN.String())
		for i, s := range r.Status.Sessions {
			add("BGP "+strconv.Itoa(i+1), s.State)
		}
		wide("TRANSIT GATEWAY", r.Status.TransitGateway)
		wide("TRANSPORT", r.Status.Transport)
		wide("INSIDE", prefixes(r.Status.InsideCIDR, r.Status.InsideIPv6CIDR))
		wide("AMAZON ASN", r.Status.AmazonASN.String())
	case *control.TransitGatewayRouteTable:
		add("TRANSIT GATEWAY", r.TransitGateway)
		add("DEFAULT", defaultUse(&r.Status))
		add("ASSOCIATIONS", strings.Join(r.Status.Associations, ","))
		add("PROPAGATIONS", strings.Join(r.Status.Propagations, ","))
		add("ROUTES", transitRoutes(r.Status.Routes))
		wide("OVERLAPPING", strings.Join(r.Status.Overlapping, ","))
	}
}

func accounts(list []control.AccountID) string {
	texts := make([]string, len(list))
	for i, account := range list {
		texts[i] = account.String()
	}
	return strings.Join(texts, ",")
}

// defaultUse says what a table is its gateway's default for.
func defaultUse(s *control.TransitGatewayRouteTableStatus) string {
	var uses []string
	if s.DefaultAssociation {
		uses = append(uses, "association")
	}
	if s.DefaultPropagation {
		uses = append(uses, "propagation")
	}
	return strings.Join(uses, ",")
}

// transitRoutes counts routes, and those that drop.
func transitRoutes(list []control.TransitGatewayRoute) string {
	blackholes := 0
	for _, r := range list {
		if r.State == control.RouteBlackhole {
			blackholes++
		}
	}
	text := strconv.Itoa(len(list))
	if blackholes > 0 {
		text += " (" + counted(blackholes, "blackhole") + ")"
	}
	return text
}

// attachmentDetail lists the gateway's interfaces in the VPC.
func attachmentDetail(a *control.TransitGatewayAttachment) (header []string, rows [][]string) {
	for _, n := range a.Status.Interfaces {
		rows = append(rows, []string{n.ID, n.Subnet, n.AvailabilityZone, address(n.PrivateIP), address(n.IPv6), n.MAC.String()})
	}
	return []string{"INTERFACE", "SUBNET", "ZONE", "PRIVATE IP", "IPV6", "MAC"}, rows
}

// connectSessionDetail lists both BGP sessions of a Connect peer.
func connectSessionDetail(p *control.TransitGatewayConnectPeer) (header []string, rows [][]string) {
	for _, s := range p.Status.Sessions {
		rows = append(rows, []string{
			s.Name, s.State, address(s.AmazonIP), address(p.Status.PeerIP), strconv.Itoa(s.AcceptedRouteCount), strconv.Itoa(s.AnnouncedRouteCount), s.Reason,
		})
	}
	return []string{"SESSION", "STATE", "INSIDE AMAZON", "INSIDE PEER", "ACCEPTED", "ANNOUNCED", "REASON"}, rows
}

// transitRouteDetail lists the routes in force.
func transitRouteDetail(t *control.TransitGatewayRouteTable) (header []string, rows [][]string) {
	for _, r := range t.Status.Routes {
		destination := r.Destination.String()
		if r.PrefixList != "" {
			destination += " (" + r.PrefixList + ")"
		}
		attachment := r.Attachment
		if len(r.Attachments) > 0 {
			attachment = strings.Join(r.Attachments, ",")
		}
		rows = append(rows, []string{destination, attachment, strings.Join(slices.Concat(r.Tunnels, r.ConnectPeers), ","), r.Type, r.State})
	}
	return []string{"DESTINATION", "ATTACHMENT", "TUNNELS", "TYPE", "STATE"}, rows
}
