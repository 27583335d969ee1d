package control

import (
	"fmt"
	"net/netip"
	"slices"
)

// Limits and blocks of Connect peers (T17).
const mostConnectPeersPerAttachment = 4

var connectReserved = prefixes("169.254.0.0/29", "169.254.1.0/29", "169.254.2.0/29", "169.254.3.0/29",
	"169.254.4.0/29", "169.254.5.0/29", "169.254.169.248/29")

func (p *TransitGatewayConnectPeer) validate(v *validation, name string) {
	path := field("transitGatewayConnectPeers", name)
	a := v.w.TransitGatewayAttachments[p.Attachment]
	if a == nil {
		return // a bad reference, which is reported as such
	}
	if !a.isConnect() { // AWS's words are not known
		v.reportf(field(path, "attachment"), "InvalidTransitGatewayAttachmentID.NotFound",
			fmt.Sprintf("%s is a %s attachment: write one with transport: and the attachment of the appliance's VPC", p.Attachment, a.Status.ResourceType),
			"Transit Gateway Attachment %s is not a Connect attachment.", p.Attachment)
		return
	}
	p.validateEnds(v, path)
	p.validateInside(v, path)
}

// validateEnds checks the outer addresses: both of one family, AWS's of the gateway's
// own blocks.
func (p *TransitGatewayConnectPeer) validateEnds(v *validation, path string) {
	g, transport := v.w.TransitGateways[p.Status.TransitGateway], v.w.TransitGatewayAttachments[p.Status.Transport]
	at := field(path, "peerAddress")
	if !p.PeerAddress.IsValid() {
		if !v.w.Source.unreadable(at) {
			v.missing(at, "write the address of the appliance in the transport attachment's VPC")
		}
		return
	}
	if transport != nil && v.w.VPCs[transport.VPC] != nil {
		if !slices.ContainsFunc(v.w.VPCs[transport.VPC].blocks(), func(b netip.Prefix) bool { return b.Contains(p.PeerAddress) }) {
			v.reportf(at, "", fmt.Sprintf("VPC %s has %s; GRE over Direct Connect is not emulated", transport.VPC, joinPrefixes(v.w.VPCs[transport.VPC].blocks())),
				"%s is no address of the VPC that transport attachment %s attaches", p.PeerAddress, p.Status.Transport)
		}
	}
	if g == nil {
		return
	}
	at = field(path, "transitGatewayAddress")
	switch written := p.TransitGatewayAddress; {
	case written.IsValid() && written.Is4() != p.PeerAddress.Is4():
		v.reportf(at, "InvalidParameterCombination", "write two IPv4 addresses, or two IPv6 ones",
			"The peer address and the transit gateway address must be of the same IP address family: %s, %s", p.PeerAddress, written)
	case written.IsValid() && !g.hasAddress(written):
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("it has to be of the gateway's own blocks: %s", orNone(g.CIDRs, p.Status.TransitGateway)),
			"Value (%s) for parameter transitGatewayAddress is invalid.", written)
	case !p.Status.TransitGatewayAddress.IsValid():
		v.reportf(path, "InvalidParameterValue", fmt.Sprintf("write one that has room under transitGateways.%s.cidrs, such as 192.0.2.0/24 or an IPv6 /64", p.Status.TransitGateway),
			"Transit Gateway %s has no free address of the family of %s", p.Status.TransitGateway, p.PeerAddress)
	}
}

func orNone(blocks []netip.Prefix, gateway string) string {
	if len(blocks) == 0 {
		return fmt.Sprintf("it has none, write cidrs under transitGateways.%s", gateway)
	}
	return joinPrefixes(blocks)
}

// validateInside checks the inside blocks: one of IPv4, and at most one of IPv6.
func (p *TransitGatewayConnectPeer) validateInside(v *validation, path string) {
	at := field(path, "insideCidrs")
	const parameter = "Value (%s) for parameter insideCidrBlocks is invalid."
	if len(p.InsideCIDRs) == 0 {
		if !v.w.Source.unreadable(at) {
			v.missing(at, "write a /29 of 169.254.0.0/16, such as 169.254.100.0/29, and for IPv6 routes a /125 of fd00::/8 besides")
		}
		return
	}
	families := map[bool]bool{}
	for i, block := range p.InsideCIDRs {
		if !block.IsValid() {
			continue
		}
		is4, hint := block.Addr().Is4(), ""
		switch {
		case families[is4]:
			hint = "one block of a family is enough"
		case is4 && (block.Bits() != 29 || !contains(insidePool, block)):
			hint = fmt.Sprintf("write a /29 of %s", insidePool)
		case is4 && slices.Contains(connectReserved, block.Masked()):
			hint = "AWS keeps " + joinPrefixes(connectReserved)
		case !is4 && (block.Bits() != 125 || !contains(insideIPv6Pool, block)):
			hint = fmt.Sprintf("write a /125 of %s", insideIPv6Pool)
		}
		families[is4] = true
		if hint != "" {
			v.reportf(index(at, i), "InvalidParameterValue", hint, parameter, block)
		}
	}
	if !families[true] && !v.w.Source.unreadable(index(at, 0)) {
		v.report(at, "InvalidParameterValue", "The inside CIDR blocks must contain an IPv4 block", "add a /29 of 169.254.0.0/16: both BGP sessions are IPv4's, and carry IPv6 routes too")
	}
}

// connectClaims checks what no two Connect peers of a gateway can share: an inside
// block, and both outer addresses; and how many an attachment has.
func (w *World) connectClaims(v *validation) {
	type claim struct{ gateway, what string }
	first := map[claim]string{}
	count := map[string]int{}
	for _, name := range sorted(w.TransitGatewayConnectPeers) {
		p := w.TransitGatewayConnectPeers[name]
		path, gateway := field("transitGatewayConnectPeers", name), p.Status.TransitGateway
		if gateway == "" {
			continue // a bad reference, which is reported as such
		}
		if count[p.Attachment]++; count[p.Attachment] == mostConnectPeersPerAttachment+1 {
			v.reportKey(path, "TransitGatewayConnectPeerLimitExceeded", fmt.Sprintf("Connect attachment %s has more than %d Connect peers", p.Attachment, mostConnectPeersPerAttachment),
				"AWS does not raise that: add another Connect attachment over the same transport")
		}
		for i, block := range p.InsideCIDRs {
			c := claim{gateway, block.String()}
			if other := first[c]; other != "" && other != name {
				v.reportf(index(field(path, "insideCidrs"), i), "InvalidCidr.InUse", fmt.Sprintf("Connect peer %s has it", other), "The inside CIDR %s is in use.", block)
			}
			first[c] = name
		}
		c := claim{gateway, fmt.Sprint(p.Status.Transport, " ", p.Status.TransitGatewayAddress, " ", p.PeerAddress)}
		if other := first[c]; other != "" && p.Status.TransitGatewayAddress.IsValid() {
			v.reportKey(path, "DuplicateTransitGatewayConnectPeer", fmt.Sprintf("Connect peer %s has both the same addresses, %s and %s", other, p.Status.TransitGatewayAddress, p.PeerAddress),
				"write another transitGatewayAddress, or leave it out")
		}
		first[c] = name
	}
}
