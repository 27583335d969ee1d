package control

import (
	"fmt"
	"net/netip"
	"slices"
)

// transitCIDRsBarred cannot be among a transit gateway's own blocks (T17).
var transitCIDRsBarred = netip.MustParsePrefix("169.254.0.0/16")

func (g *TransitGateway) validate(v *validation, name string) {
	path := field("transitGateways", name)
	validateRegion(v, field(path, "region"), g.Region)
	if g.ASN != 0 && !g.ASN.private() { // T2
		v.reportf(field(path, "asn"), "InvalidParameterValue", "use 64512 to 65534, or 4200000000 to 4294967294; other gateways should have others",
			"Value (%s) for parameter amazonSideAsn is invalid.", g.ASN)
	}
	if most := 5; len(g.CIDRs) > most {
		v.reportf(index(field(path, "cidrs"), most), "", fmt.Sprintf("at most %d", most), "the transit gateway has %d CIDR blocks", len(g.CIDRs))
	}
	for i, block := range g.CIDRs {
		at := index(field(path, "cidrs"), i)
		if g.validateBlock(v, at, block, g.CIDRs[:i]); block.IsValid() {
			v.w.validateBlockBesideVPCs(v, at, name, block)
		}
	}
	for i, account := range g.SharedWith {
		if account == g.Status.Account {
			v.reportf(index(field(path, "sharedWith"), i), "InvalidParameterValue", "remove it: the owner's own VPCs need no sharing",
				"account %s owns the transit gateway", account)
		}
	}
}

// validateBlock checks one of the gateway's own blocks (T17).
func (g *TransitGateway) validateBlock(v *validation, path string, block netip.Prefix, earlier []netip.Prefix) {
	hint := ""
	switch most := 24 + 40*(block.Addr().BitLen()/128); {
	case !block.IsValid():
		return
	case block.Bits() > most:
		hint = "a transit gateway's block is /24 or larger, an IPv6 one /64 or larger"
	case block.Overlaps(transitCIDRsBarred):
		hint = fmt.Sprintf("%s is for the inside of tunnels", transitCIDRsBarred)
	case overlapsAny(earlier, block):
		hint = "it overlaps another block of the gateway"
	}
	if hint != "" {
		v.reportf(path, "InvalidParameterValue", hint, "Value (%s) for parameter transitGatewayCidrBlocks is invalid.", block)
	}
}

// validateBlockBesideVPCs keeps a gateway's own block apart from those of the VPCs that
// are attached: packets for either could not be told apart (T17).
func (w *World) validateBlockBesideVPCs(v *validation, path, gateway string, block netip.Prefix) {
	for _, name := range sorted(w.TransitGatewayAttachments) {
		a := w.TransitGatewayAttachments[name]
		if vpc := w.VPCs[a.VPC]; vpc != nil && a.TransitGateway == gateway && a.available() && overlapsAny(vpc.blocks(), block) {
			v.reportf(path, "InvalidParameterValue", fmt.Sprintf("it overlaps VPC %s, which %s attaches: write a block that nobody has, such as 192.0.2.0/24", a.VPC, name),
				"Value (%s) for parameter transitGatewayCidrBlocks is invalid.", block)
			return
		}
	}
}

// Quotas of transit gateways that AWS does not raise.
const (
	mostAttachmentsPerTransitGateway = 5000
	mostTransitGatewaysPerVPC        = 5
	mostTransitGatewayPeerings       = 50
	mostPendingTransitPeerings       = 10
)

// transitGatewayQuotas counts what is limited per gateway, per VPC and per Region.
// Of most of these AWS's codes are not known.
func (w *World) transitGatewayQuotas(v *validation) {
	const raise = "the quota is %d; raise %s under quotas, as AWS does on request"
	gateways := map[place]int{}
	for _, name := range sorted(w.TransitGateways) {
		g := w.TransitGateways[name]
		path, at := field("transitGateways", name), g.place(w)
		if gateways[at]++; gateways[at] == v.quotas.TransitGatewaysPerRegion+1 {
			v.reportKey(path, "TransitGatewayLimitExceeded", "The maximum number of transit gateways has been reached.",
				fmt.Sprintf(raise, v.quotas.TransitGatewaysPerRegion, "transitGatewaysPerRegion"))
		}
		if n, most := len(g.Status.RouteTables), v.quotas.RouteTablesPerTransitGateway; n > most {
			v.reportKey(path, "", fmt.Sprintf("the transit gateway has %d route tables", n), fmt.Sprintf(raise, most, "routeTablesPerTransitGateway"))
		}
		if n, most := w.transitRouteCount(g), v.quotas.RoutesPerTransitGateway; n > most { // T19
			v.reportKey(path, "", fmt.Sprintf("the transit gateway has %d routes in all its tables", n), fmt.Sprintf(raise, most, "routesPerTransitGateway"))
		}
		g.validateAttachmentCount(v, path)
	}
	for _, name := range sorted(w.VPCs) {
		reached := map[string]bool{}
		for _, attachment := range w.VPCs[name].Status.TransitGatewayAttachments {
			if a := w.TransitGatewayAttachments[attachment]; a.Status.State != AttachmentDeleted {
				reached[a.TransitGateway] = true
			}
		}
		if len(reached) > mostTransitGatewaysPerVPC { // T9
			v.reportKey(field("vpcs", name), "", fmt.Sprintf("VPC %s is attached to %d transit gateways", name, len(reached)),
				fmt.Sprintf("at most %d, which AWS does not raise", mostTransitGatewaysPerVPC))
		}
	}
}

// transitRouteCount is what counts against the quota: a prefix list is charged with
// the entries that it may grow to, as in a VPC's route table.
func (w *World) transitRouteCount(g *TransitGateway) (n int) {
	for _, table := range g.Status.RouteTables {
		t := w.TransitGatewayRouteTables[table]
		for _, r := range t.Status.Routes {
			// What a peer announces today must not refuse a file tomorrow.
			learned := r.Type == RoutePropagated && len(r.Tunnels)+len(r.ConnectPeers) > 0
			if r.PrefixList == "" && !learned {
				n++
			}
		}
		for d := range t.Routes {
			if list := w.PrefixLists[d.PrefixList]; list != nil {
				n += list.Status.MaxEntries
			}
		}
	}
	return n
}

func (g *TransitGateway) validateAttachmentCount(v *validation, path string) {
	attachments, peerings, pending := 0, 0, 0
	for _, name := range g.Status.Attachments {
		a := v.w.TransitGatewayAttachments[name]
		if a.Status.State == AttachmentDeleted || a.Status.State == AttachmentRejected {
			continue
		}
		attachments++
		if a.isPeering() {
			peerings++
			if a.Status.State == AttachmentPendingAcceptance {
				pending++
			}
		}
	}
	for _, limit := range []struct {
		count, most int
		noun        string
	}{
		{attachments, mostAttachmentsPerTransitGateway, "attachments"},
		{peerings, mostTransitGatewayPeerings, "peering attachments"},
		{pending, mostPendingTransitPeerings, "peering attachments that wait for acceptance"},
	} {
		if limit.count > limit.most {
			v.reportKey(path, "", fmt.Sprintf("the transit gateway has %d %s", limit.count, limit.noun),
				fmt.Sprintf("at most %d, which AWS does not raise", limit.most))
		}
	}
}

// validateTransitGateway checks that a VPC's route to a transit gateway has an
// attachment to take (T22, QG12). AWS takes no route before the attachment is
// available; one that is gone afterwards leaves a blackhole (R20), which stands while
// the VPC asks for its next one.
func (t *RouteTable) validateTransitGateway(v *validation, name, path string, d Destination) bool {
	target := string(t.Routes[d])
	a := v.w.attachmentTo(t.VPC, target)
	if v.w.TransitGateways[target] == nil || v.w.VPCs[t.VPC] == nil || a != nil && a.Status.State != AttachmentPendingAcceptance {
		return true
	}
	hint := fmt.Sprintf("VPC %s is not attached to it: add under transitGatewayAttachments: NAME: {transitGateway: %s, vpc: %s, subnets: […]}", t.VPC, target, t.VPC)
	if a != nil {
		if v.previous != nil && v.previous.RouteTables[name] != nil && v.previous.RouteTables[name].Routes[d] == t.Routes[d] {
			return true
		}
		hint = fmt.Sprintf("the attachment of VPC %s waits for acceptance", t.VPC)
	}
	v.reportf(path, "InvalidTransitGatewayID.NotFound", hint, "The transitGateway ID '%s' does not exist", target)
	return false
}

// sharedTo reports whether an account may attach VPCs to the gateway.
func (g *TransitGateway) sharedTo(account AccountID) bool {
	return account == g.Status.Account || slices.Contains(g.SharedWith, account)
}
