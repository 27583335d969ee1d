package control

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
)

func (c *VPNConnection) validate(v *validation, name string) {
	path := field("vpnConnections", name)
	kind, gateway := c.gateway()
	switch {
	case c.VPNGateway != "" && c.TransitGateway != "":
		v.report(field(path, "transitGateway"), "InvalidParameterCombination", "A VPN connection ends at a virtual private gateway or at a transit gateway, not at both",
			"remove one of the two")
	case gateway == "":
		v.missing(field(path, "vpnGateway"), "write the virtual private gateway, or transitGateway: and a transit gateway")
	case c.Status.AmazonASN != 0 && c.Status.CustomerASN == c.Status.AmazonASN: // QC1
		v.report(field(path, "customerGateway"), "AsnConflict", "The ASN of the specified customer gateway and virtual private gateway are the same.",
			fmt.Sprintf("both are %s: write another asn under customerGateways.%s or its site, or where the gateway is", c.Status.AmazonASN, c.CustomerGateway))
	}
	if a := v.w.TransitGatewayAttachments[name]; c.attaches(v.w) && a != nil && !a.isVPN() {
		v.reportKey(path, "", fmt.Sprintf("%q is also the name of a transit gateway attachment", name), "rename one: a VPN connection's own attachment has its name")
	}
	c.validateFamily(v, path, kind)
	c.validateOutside(v, path, kind)
	if c.EnableAcceleration && kind == TargetVPNGateway { // V13
		v.report(field(path, "enableAcceleration"), "InvalidParameterCombination", "A VPN connection to a virtual private gateway cannot be accelerated",
			"connect it to a transit gateway")
	}
	c.validateStaticRoutes(v, path, kind)
	if len(c.Tunnels) > tunnelsPerConnection {
		v.reportf(index(field(path, "tunnels"), tunnelsPerConnection), "InvalidParameterValue", "remove it",
			"a VPN connection has %d tunnels", tunnelsPerConnection)
	}
	for i := range min(len(c.Tunnels), tunnelsPerConnection) {
		c.Tunnels[i].validate(v, index(field(path, "tunnels"), i), c)
	}
}

// validateFamily holds V1. AWS's words are not known.
func (c *VPNConnection) validateFamily(v *validation, path, kind string) {
	if c.TunnelInsideIPVersion == IPv6 && kind == TargetVPNGateway {
		v.report(field(path, "tunnelInsideIpVersion"), "InvalidParameterCombination", "A VPN connection to a virtual private gateway carries IPv4 only",
			"connect it to a transit gateway")
	}
}

// validateOutside holds V2: IPv6 outside is for transit gateways, and both ends of a
// tunnel have an address of the same family. AWS's words are not known.
func (c *VPNConnection) validateOutside(v *validation, path, kind string) {
	g := v.w.CustomerGateways[c.CustomerGateway]
	at, wanted := field(path, "outsideIpAddressType"), c.Status.OutsideIPAddressType == OutsideIPv6
	switch {
	case kind == TargetVPNGateway && wanted:
		v.report(at, "InvalidParameterCombination", "A VPN connection to a virtual private gateway has IPv4 addresses outside",
			"connect it to a transit gateway")
	case g == nil || g.ipv6() == wanted: // one that is missing is reported as such
	case wanted:
		v.reportf(at, "InvalidParameterCombination", fmt.Sprintf("write ipAddressType: ipv6 under customerGateways.%s", c.CustomerGateway),
			"Customer gateway %s has an IPv4 address, and the tunnels would have IPv6 addresses", c.CustomerGateway)
	case kind == TargetVPNGateway:
		v.reportf(field(path, "customerGateway"), "InvalidParameterCombination", "use one with an IPv4 address, or connect it to a transit gateway",
			"Customer gateway %s has an IPv6 address, which a virtual private gateway does not support", c.CustomerGateway)
	default:
		v.reportf(at, "InvalidParameterCombination", "write outsideIpAddressType: ipv6",
			"Customer gateway %s has an IPv6 address, and the tunnels would have public IPv4 addresses", c.CustomerGateway)
	}
}

func (c *VPNConnection) validateStaticRoutes(v *validation, path, kind string) {
	at := field(path, "staticRoutes")
	if kind == TargetTransitGateway && len(c.StaticRoutes) > 0 { // T5
		v.report(at, "InvalidParameterCombination", "A VPN connection to a transit gateway has no static routes of its own",
			"write staticRoutes: [], and the routes under transitGatewayRouteTables")
		return
	}
	for i, p := range c.StaticRoutes {
		switch {
		case !p.IsValid():
		case p.Addr().Is6():
			v.reportf(index(at, i), "InvalidParameterValue", "a virtual private gateway carries IPv4 only",
				"Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid IPv4 CIDR block.", p)
		case slices.Contains(c.StaticRoutes[:i], p):
			v.reportf(index(at, i), "", "remove one", "static route %s is in the list twice", p)
		}
	}
}

// presharedKeyForm is what AWS takes (V9).
var presharedKeyForm = regexp.MustCompile(`^[A-Za-z1-9._][A-Za-z0-9._]{7,63}$`)

func (o *TunnelOptions) validate(v *validation, path string, c *VPNConnection) {
	if o.PresharedKey != "" && !presharedKeyForm.MatchString(o.PresharedKey) {
		v.report(field(path, "presharedKey"), "InvalidParameterValue", "The pre-shared key is not valid.",
			"write 8 to 64 letters, digits, dots and underscores, the first not 0")
	}
	span{30, math.MaxUint32}.validate(v, field(path, "dpdTimeout"), o.DPDTimeout)
	if c.EnableAcceleration {
		o.validateAccelerated(v, path)
	}
	if o.InsideCIDR.IsValid() {
		if hint := notInsideCIDR(o.InsideCIDR); hint != "" {
			v.reportf(field(path, "insideCidr"), "InvalidParameterValue", hint, "Value (%s) for parameter tunnelInsideCidr is invalid.", o.InsideCIDR)
		}
	}
	if !o.InsideIPv6CIDR.IsValid() {
		return
	}
	switch at := field(path, "insideIpv6Cidr"); {
	case c.Status.TunnelInsideIPVersion != IPv6:
		v.report(at, "InvalidParameterCombination", "The tunnels of the VPN connection carry IPv4", "write tunnelInsideIpVersion: ipv6, or remove it")
	case o.InsideIPv6CIDR.Bits() != 126 || !contains(insideIPv6Pool, o.InsideIPv6CIDR):
		v.reportf(at, "InvalidParameterValue", fmt.Sprintf("write a /126 of %s", insideIPv6Pool), "Value (%s) for parameter tunnelInsideIpv6Cidr is invalid.", o.InsideIPv6CIDR)
	}
}

// validateAccelerated holds V13: the customer begins, at first and after a timeout.
// AWS's words are not known.
func (o *TunnelOptions) validateAccelerated(v *validation, path string) {
	const message = "The customer gateway device has to initiate the tunnels of an accelerated VPN connection"
	if o.StartupAction == StartupStart {
		v.report(field(path, "startupAction"), "InvalidParameterCombination", message, "write startupAction: add, or remove it")
	}
	if o.DPDAction == DPDRestart {
		v.report(field(path, "dpdAction"), "InvalidParameterCombination", message, "write dpdAction: clear or none, or remove it")
	}
}

// Where the inside blocks of tunnels come from, and those that AWS keeps (V3, VP-5).
var (
	insidePool     = netip.MustParsePrefix("169.254.0.0/16")
	insideIPv6Pool = netip.MustParsePrefix("fd00::/8")
	insideReserved = prefixes("169.254.0.0/30", "169.254.1.0/30", "169.254.2.0/30", "169.254.3.0/30",
		"169.254.4.0/30", "169.254.5.0/30", "169.254.169.252/30")
)

// notInsideCIDR says why p cannot be an inside block, "" if it can.
func notInsideCIDR(p netip.Prefix) string {
	switch {
	case p.Bits() != 30 || !contains(insidePool, p):
		return fmt.Sprintf("write a /30 of %s", insidePool)
	case slices.Contains(insideReserved, p):
		return "AWS keeps " + joinPrefixes(insideReserved)
	}
	return ""
}

// insideCIDRClaims checks that no two tunnels of a gateway have one inside block
// (QC3), nor two that end at one site's router, of which AWS knows nothing.
func (w *World) insideCIDRClaims(v *validation) {
	type claim struct {
		end   string
		block netip.Prefix
	}
	first := map[claim]string{}
	for _, name := range sorted(w.VPNConnections) {
		c := w.VPNConnections[name]
		_, gateway := c.gateway()
		if c.Status.Site == "" || gateway == "" {
			continue // a bad reference, which is reported as such
		}
		for i := range min(len(c.Tunnels), tunnelsPerConnection) {
			for _, f := range []struct {
				key   string
				block netip.Prefix
			}{{"insideCidr", c.Tunnels[i].InsideCIDR}, {"insideIpv6Cidr", c.Tunnels[i].InsideIPv6CIDR}} {
				if !f.block.IsValid() {
					continue
				}
				at, tunnel := field(index(field(field("vpnConnections", name), "tunnels"), i), f.key), VPNTunnelName(name, i+1)
				atGateway, atSite := claim{"gateway " + gateway, f.block}, claim{"site " + c.Status.Site, f.block}
				if other := first[atGateway]; other != "" {
					v.reportf(at, "InvalidCidr.InUse", fmt.Sprintf("tunnel %s has it", other), "The tunnel inside CIDR %s is in use.", f.block)
				} else if other := first[atSite]; other != "" {
					v.reportf(at, "", fmt.Sprintf("tunnel %s has it, and ends at the router of site %s, too", other, c.Status.Site), "the inside block %s is used twice", f.block)
				}
				first[atGateway], first[atSite] = tunnel, tunnel
			}
		}
	}
}
