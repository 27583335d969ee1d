package control

import (
	"fmt"
	"net/netip"
	"slices"
)

func (p *VPCPeering) validate(v *validation, name string) {
	path := field("vpcPeerings", name)
	if v.w.VPCs[p.VPC] == nil || v.w.VPCs[p.PeerVPC] == nil {
		return // bad references, which are reported as such
	}
	if p.VPC == p.PeerVPC {
		v.reportf(field(path, "peerVpc"), "InvalidParameterValue", "write another VPC",
			"VPC %s cannot be peered with itself", p.VPC)
		return
	}
	p.validateOptions(v, path)
	if !p.state().live() {
		return // what is over or never was binds nobody
	}
	p.validateOverlap(v, name, path)
	if first := v.w.livePeering(p.VPC, p.PeerVPC); first != name { // P5
		v.reportKey(path, "VpcPeeringConnectionAlreadyExists", fmt.Sprintf("VPC peering connection %s between %s and %s already exists", first, p.VPC, p.PeerVPC),
			"remove one of the two; routes can use the other")
	}
}

// validateOverlap reports the pair of blocks that AWS lets the request fail for
// (P4). AWS's call succeeds and the peering is there, failed; in a file that wants
// it to work this is a mistake.
func (p *VPCPeering) validateOverlap(v *validation, name, path string) {
	own, peer, overlap := v.w.overlap(p.VPC, p.PeerVPC)
	if !overlap {
		return
	}
	why := fmt.Sprintf("%s of VPC %s overlaps %s of VPC %s", own, p.VPC, peer, p.PeerVPC)
	if p.state() == PeeringActive {
		for _, side := range []struct {
			vpc   string
			block netip.Prefix
		}{{p.VPC, own}, {p.PeerVPC, peer}} {
			if i := slices.Index(v.w.VPCs[side.vpc].SecondaryCIDRs, side.block); i >= 0 { // A7
				v.reportf(index(field(field("vpcs", side.vpc), "secondaryCidrs"), i), "InvalidVpc.Range",
					fmt.Sprintf("%s; remove it, or write state: failed under %s, as AWS would make the peering", why, path),
					"The CIDR '%s' conflicts with a CIDR of a VPC that is peered by %s.", side.block, name)
				return
			}
		}
	}
	v.reportf(path, "failed", why+"; write state: failed to keep it as AWS would", peeringFailed)
}

// overlap finds two blocks, of either family, that share addresses.
func (w *World) overlap(a, b string) (own, peer netip.Prefix, found bool) {
	for _, own := range w.VPCs[a].blocks() {
		for _, peer := range w.VPCs[b].blocks() {
			if own.Overlaps(peer) {
				return own, peer, true
			}
		}
	}
	return own, peer, false
}

// livePeering is the first by name of the active and pending peerings of two
// VPCs, "" if there is none.
func (w *World) livePeering(a, b string) string {
	for _, name := range sorted(w.VPCPeerings) {
		if p := w.VPCPeerings[name]; p.state().live() && p.joins(a, b) {
			return name
		}
	}
	return ""
}

// validateOptions checks that DNS resolution can be allowed (QP7). Once a peering
// is over its options mean nothing, so that a file may change the state alone.
func (p *VPCPeering) validateOptions(v *validation, path string) {
	for key, options := range map[string]PeeringOptions{"requesterOptions": p.RequesterOptions, "accepterOptions": p.AccepterOptions} {
		if !options.AllowDNSResolution {
			continue
		}
		at := field(field(path, key), "allowDnsResolution")
		switch p.state() {
		case PeeringPending:
			v.report(at, "OperationNotPermitted", "The options of a VPC peering connection cannot be changed before it is active.",
				"remove it until the peering is accepted")
		case PeeringActive:
			if vpc := v.w.withoutNames(p.VPC, p.PeerVPC); vpc != "" {
				v.reportf(at, "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", fmt.Sprintf("write enableDnsHostnames: true under vpcs.%s, and leave enableDnsSupport on", vpc),
					"DNS resolution needs DNS support and DNS hostnames in both VPCs, and VPC %s lacks them.", vpc)
			}
		}
	}
}

// withoutNames is the first of the VPCs that lacks one of the two DNS attributes
// (A47), "" if none does.
func (w *World) withoutNames(vpcs ...string) string {
	for _, name := range vpcs {
		if v := w.VPCs[name]; v != nil && !(v.Status.EnableDNSSupport && v.EnableDNSHostnames) {
			return name
		}
	}
	return ""
}

// validatePeering checks that a route's peering leads out of the table's own VPC
// (QG11). One that is not active is accepted, and makes the route a blackhole.
func (t *RouteTable) validatePeering(v *validation, name, path, target string) bool {
	p := v.w.VPCPeerings[target]
	if p == nil || p.has(t.VPC) || v.w.VPCs[t.VPC] == nil {
		return true
	}
	bad := differentGateway(name, target)
	bad.hint = fmt.Sprintf("the peering joins VPCs %s and %s, the table is of VPC %s", p.VPC, p.PeerVPC, t.VPC)
	v.reportAt(path, false, bad)
	return false
}

// peeringQuotas counts active peerings per VPC and outstanding requests per
// account.
func (w *World) peeringQuotas(v *validation) {
	active, outstanding := map[string]int{}, map[AccountID]int{}
	for _, name := range sorted(w.VPCPeerings) {
		p := w.VPCPeerings[name]
		switch p.state() {
		case PeeringActive:
			for _, vpc := range []string{p.VPC, p.PeerVPC} {
				if active[vpc]++; active[vpc] == v.quotas.ActiveVPCPeeringsPerVPC+1 {
					v.reportKey(field("vpcPeerings", name), "ActiveVpcPeeringConnectionPerVpcLimitExceeded",
						fmt.Sprintf("The maximum number of active VPC peering connections of VPC %s has been reached.", vpc),
						fmt.Sprintf("the quota is %d; raise activeVpcPeeringsPerVpc under quotas, as AWS does on request", v.quotas.ActiveVPCPeeringsPerVPC))
				}
			}
		case PeeringPending:
			account := w.placeOf(p.VPC).account
			if outstanding[account]++; outstanding[account] == v.quotas.OutstandingVPCPeerings+1 {
				v.reportKey(field("vpcPeerings", name), "OutstandingVpcPeeringConnectionLimitExceeded",
					fmt.Sprintf("The maximum number of outstanding VPC peering connection requests of account %s has been reached.", account),
					fmt.Sprintf("the quota is %d; raise outstandingVpcPeerings under quotas, as AWS does on request", v.quotas.OutstandingVPCPeerings))
			}
		}
	}
}
