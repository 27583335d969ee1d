package control

import (
	"crypto/ecdh"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vpnLab has a VPC with a gateway and two sites; cases add the rest.
const vpnLab = `
name: lab
vpcs: {app: {cidr: 10.0.0.0/16, ipv6: 2001:db8:a::/56}}
subnets:
  s1: {vpc: app, cidr: 10.0.1.0/24, ipv6: 2001:db8:a:1::/64, routeTable: private}
  s2: {vpc: app, cidr: 10.0.2.0/24}
vpnGateways: {vgw: {vpc: app}}
sites:
  office: {networks: [10.50.0.0/16, "2001:db8:5000::/48"], asn: 65001}
  branch: {networks: [10.60.0.0/16], asn: 65002}
customerGateways: {office: {site: office}, branch: {site: branch}}
`

// twoVPNs connects both sites by BGP, and propagates.
const twoVPNs = vpnLab + `
routeTables: {private: {vpc: app, propagate: [vgw]}}
vpnConnections:
  office: {customerGateway: office, vpnGateway: vgw}
  branch: {customerGateway: branch, vpnGateway: vgw}
`

const privateTable = "routeTables: {private: {vpc: app}}\n"

// TestValidateVPN is TestValidate for Site-to-Site VPN.
func TestValidateVPN(t *testing.T) {
	lab := vpnLab + privateTable
	connection := func(text string) string {
		return lab + "vpnConnections: {office: {customerGateway: office, vpnGateway: vgw, " + text + "}}"
	}
	tunnel := func(text string) string { return connection("tunnels: [{" + text + "}]") }
	transit := func(text string) string {
		return lab + "transitGateways: {hub: {}}\nvpnConnections: {office: {customerGateway: office, transitGateway: hub, " + text + "}}"
	}
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"all is well":    {twoVPNs, nil},
		"static routing": {connection("staticRoutes: [10.50.0.0/16]"), nil},
		"what is not there": {lab + "vpnConnections: {x: {customerGateway: none, vpnGateway: none}, y: {}}\nsiteHosts: {h: {site: none}, i: {}}\nfaults: [tunnel office/1]\nchecks: [{from: h, to: 10.0.1.5, ping: true, expect: drop, at: vpnTunnel office/3}]", []string{
			`vpnConnections.x.customerGateway [InvalidCustomerGatewayID.NotFound] no customer gateway named "none"`,
			`vpnConnections.x.vpnGateway [InvalidVpnGatewayID.NotFound] no virtual private gateway named "none"`,
			`vpnConnections.y.customerGateway [MissingParameter] The request must contain the parameter customerGateway`,
			`vpnConnections.y.vpnGateway [MissingParameter] The request must contain the parameter vpnGateway`,
			`siteHosts.h.site [] no site named "none"`,
			`siteHosts.i.site [MissingParameter] The request must contain the parameter site`,
			`faults[0] [] nothing of the lab is in "office/1"`,
			`checks[0].at [] no VPN tunnel named "office/3"`}},
		"V1 ASN of the gateway": {strings.Replace(lab, "vgw: {vpc: app}", "vgw: {vpc: app, asn: 65535}", 1), []string{
			`vpnGateways.vgw.asn [InvalidParameterValue] Value (65535) for parameter amazonSideAsn is invalid.`}},
		"V2 AWS's own ASN": {strings.Replace(lab, "office: {site: office}", "office: {site: office, asn: 7224}", 1), []string{
			`customerGateways.office.asn [InvalidParameterValue] Value (7224) for parameter bgpAsn is invalid.`}},
		"V2 AWS's own ASN at the site": {strings.Replace(lab, "asn: 65001", "asn: 7224", 1), []string{
			`sites.office.asn [InvalidParameterValue] Value (7224) for parameter bgpAsn is invalid.`}},
		"V2 AWS's own ASN of another Region": {strings.Replace(lab, "asn: 65001", "asn: 9059", 1), nil},
		"V2 AWS's own ASN of the Region": {strings.Replace("region: eu-west-1\n"+lab, "asn: 65001", "asn: 9059", 1), []string{
			`sites.office.asn [InvalidParameterValue] Value (9059) for parameter bgpAsn is invalid.`}},
		"QC1 Q-C23 the same ASN, connected": {strings.Replace(connection(""), "asn: 65001", "asn: 64512", 1), []string{
			`vpnConnections.office.customerGateway [AsnConflict] The ASN of the specified customer gateway and virtual private gateway are the same.`}},
		"QC1 Q-C23 the same ASN, not connected": {strings.Replace(lab, "asn: 65001", "asn: 64512", 1), nil},
		"QG7 a second gateway": {strings.Replace(lab, "vgw: {vpc: app}", "vgw: {vpc: app}, zz: {vpc: app}, loose: {}", 1), []string{
			`vpnGateways.zz.vpc [InvalidVpcState] VPC app is currently attached to the Virtual Private Gateway.`}},
		"both gateways": {transit("vpnGateway: vgw"), []string{
			`vpnConnections.office.transitGateway [InvalidParameterCombination] A VPN connection ends at a virtual private gateway or at a transit gateway, not at both`}},
		"V1 IPv6": {connection("tunnelInsideIpVersion: ipv6"), []string{
			`vpnConnections.office.tunnelInsideIpVersion [InvalidParameterCombination] A VPN connection to a virtual private gateway carries IPv4 only`}},
		"V1 static IPv6": {connection(`staticRoutes: ["2001:db8:5000::/48", 10.50.0.0/16, 10.50.0.0/16]`), []string{
			`vpnConnections.office.staticRoutes[0] [InvalidParameterValue] Value (2001:db8:5000::/48) for parameter destinationCidrBlock is invalid. This is not a valid IPv4 CIDR block.`,
			`vpnConnections.office.staticRoutes[2] [] static route 10.50.0.0/16 is in the list twice`}},
		"V2 IPv6 outside at a virtual private gateway": {strings.Replace(connection("outsideIpAddressType: ipv6"), "office: {site: office}", "office: {site: office, ipAddressType: ipv6}", 1), []string{
			`vpnConnections.office.outsideIpAddressType [InvalidParameterCombination] A VPN connection to a virtual private gateway has IPv4 addresses outside`}},
		"V2 an IPv6 customer gateway at a virtual private gateway": {strings.Replace(connection(""), "office: {site: office}", "office: {site: office, ipAddressType: ipv6}", 1), []string{
			`vpnConnections.office.customerGateway [InvalidParameterCombination] Customer gateway office has an IPv6 address, which a virtual private gateway does not support`}},
		"V2 IPv6 outside, customer gateway with IPv4": {transit("outsideIpAddressType: ipv6"), []string{
			`vpnConnections.office.outsideIpAddressType [InvalidParameterCombination] Customer gateway office has an IPv4 address, and the tunnels would have IPv6 addresses`}},
		"V2 IPv4 outside, customer gateway with IPv6": {strings.Replace(transit("outsideIpAddressType: publicIpv4"), "office: {site: office}", "office: {site: office, ipAddressType: ipv6}", 1), []string{
			`vpnConnections.office.outsideIpAddressType [InvalidParameterCombination] Customer gateway office has an IPv6 address, and the tunnels would have public IPv4 addresses`}},
		"V2 IPv6 outside": {strings.Replace(transit("outsideIpAddressType: ipv6"), "office: {site: office}", "office: {site: office, ipAddressType: ipv6}", 1), nil},
		"V2 no IPv6 address": {strings.NewReplacer("office: {site: office}", "office: {site: office, ipAddressType: ipv6}", "office: {networks", "office: {ipv6: false, networks").Replace(transit("outsideIpAddressType: ipv6")), []string{
			`customerGateways.office.ipAddressType [] the router of site office has no IPv6 address`}},
		"V13 acceleration": {transit("enableAcceleration: true, tunnels: [{startupAction: add, dpdAction: none}]"), nil},
		"V13 acceleration at a virtual private gateway": {connection("enableAcceleration: true"), []string{
			`vpnConnections.office.enableAcceleration [InvalidParameterCombination] A VPN connection to a virtual private gateway cannot be accelerated`}},
		"V13 acceleration, and AWS is to begin": {transit("enableAcceleration: true, tunnels: [{startupAction: start}, {dpdAction: restart}]"), []string{
			`vpnConnections.office.tunnels[0].startupAction [InvalidParameterCombination] The customer gateway device has to initiate the tunnels of an accelerated VPN connection`,
			`vpnConnections.office.tunnels[1].dpdAction [InvalidParameterCombination] The customer gateway device has to initiate the tunnels of an accelerated VPN connection`}},
		"V15 private addresses outside": {transit("outsideIpAddressType: privateIpv4"), []string{
			`vpnConnections.office.outsideIpAddressType [InvalidParameterValue] "privateIpv4" is none of publicIpv4 or ipv6`}},
		"T5 static routes at a transit gateway": {transit("staticRoutes: [10.50.0.0/16]"), []string{
			`vpnConnections.office.staticRoutes [InvalidParameterCombination] A VPN connection to a transit gateway has no static routes of its own`}},
		"T5 static routing at a transit gateway": {transit("staticRoutes: []"), nil},
		"three tunnels": {connection("tunnels: [{}, {}, {}]"), []string{
			`vpnConnections.office.tunnels[2] [InvalidParameterValue] a VPN connection has 2 tunnels`}},
		"V3 VP-5 reserved": {connection("tunnels: [{insideCidr: 169.254.0.0/30}, {insideCidr: 169.254.5.0/30}]"), []string{
			`vpnConnections.office.tunnels[0].insideCidr [InvalidParameterValue] Value (169.254.0.0/30) for parameter tunnelInsideCidr is invalid.`,
			`vpnConnections.office.tunnels[1].insideCidr [InvalidParameterValue] Value (169.254.5.0/30) for parameter tunnelInsideCidr is invalid.`}},
		"V3 VP-5 reserved, and the first free": {connection("tunnels: [{insideCidr: 169.254.169.252/30}, {insideCidr: 169.254.6.0/30}]"), []string{
			`vpnConnections.office.tunnels[0].insideCidr [InvalidParameterValue] Value (169.254.169.252/30) for parameter tunnelInsideCidr is invalid.`}},
		"V3 size and place": {connection("tunnels: [{insideCidr: 169.254.6.0/29}, {insideCidr: 10.9.0.0/30}]"), []string{
			`vpnConnections.office.tunnels[0].insideCidr [InvalidParameterValue] Value (169.254.6.0/29) for parameter tunnelInsideCidr is invalid.`,
			`vpnConnections.office.tunnels[1].insideCidr [InvalidParameterValue] Value (10.9.0.0/30) for parameter tunnelInsideCidr is invalid.`}},
		"V3 IPv6 inside an IPv4 tunnel": {tunnel(`insideIpv6Cidr: "fd00:1::/126"`), []string{
			`vpnConnections.office.tunnels[0].insideIpv6Cidr [InvalidParameterCombination] The tunnels of the VPN connection carry IPv4`}},
		"V3 IPv6 size and place": {transit(`tunnelInsideIpVersion: ipv6, tunnels: [{insideIpv6Cidr: "fd00:1::/125"}, {insideIpv6Cidr: "2001:db8::/126"}]`), []string{
			`vpnConnections.office.tunnels[0].insideIpv6Cidr [InvalidParameterValue] Value (fd00:1::/125) for parameter tunnelInsideIpv6Cidr is invalid.`,
			`vpnConnections.office.tunnels[1].insideIpv6Cidr [InvalidParameterValue] Value (2001:db8::/126) for parameter tunnelInsideIpv6Cidr is invalid.`}},
		"QC3 V3 VP-5 one inside block twice": {lab + "vpnConnections:\n  office: {customerGateway: office, vpnGateway: vgw, tunnels: [{insideCidr: 169.254.6.0/30}, {insideCidr: 169.254.6.0/30}]}\n" +
			"  branch: {customerGateway: branch, vpnGateway: vgw, tunnels: [{insideCidr: 169.254.6.0/30}]}", []string{
			`vpnConnections.office.tunnels[0].insideCidr [InvalidCidr.InUse] The tunnel inside CIDR 169.254.6.0/30 is in use.`,
			`vpnConnections.office.tunnels[1].insideCidr [InvalidCidr.InUse] The tunnel inside CIDR 169.254.6.0/30 is in use.`}},
		"one inside block at two gateways and one router": {strings.Replace(lab, "vgw: {vpc: app}", "vgw: {vpc: app}, other: {}", 1) + "vpnConnections:\n  office: {customerGateway: office, vpnGateway: vgw, tunnels: [{insideCidr: 169.254.6.0/30}]}\n" +
			"  second: {customerGateway: office, vpnGateway: other, tunnels: [{insideCidr: 169.254.6.0/30}]}", []string{
			`vpnConnections.second.tunnels[0].insideCidr [] the inside block 169.254.6.0/30 is used twice`}},
		"V9 pre-shared keys": {connection("tunnels: [{presharedKey: 0abcdefgh}, {presharedKey: short_7}]"), []string{
			`vpnConnections.office.tunnels[0].presharedKey [InvalidParameterValue] The pre-shared key is not valid.`,
			`vpnConnections.office.tunnels[1].presharedKey [InvalidParameterValue] The pre-shared key is not valid.`}},
		"V9 pre-shared keys of other characters": {connection("tunnels: [{presharedKey: with-hyphens}, {presharedKey: _Good.Key_1}]"), []string{
			`vpnConnections.office.tunnels[0].presharedKey [InvalidParameterValue] The pre-shared key is not valid.`}},
		"V8 dead peer detection": {connection("tunnels: [{dpdTimeout: 29, dpdAction: clear}, {dpdTimeout: 30s, dpdAction: never}]"), []string{
			`vpnConnections.office.tunnels[0].dpdTimeout [InvalidParameterValue] Value (29) for parameter dpdTimeout is invalid.`,
			`vpnConnections.office.tunnels[1].dpdAction [InvalidParameterValue] "never" is none of clear, none or restart`}},
		"QG11 R10 edge tables": {strings.Replace(vpnLab, "vgw: {vpc: app}", "vgw: {vpc: app}, loose: {}", 1) + "routeTables:\n  private: {vpc: app, propagate: [vgw, vgw, loose]}\n" +
			"  edge: {vpc: app, vpnGateway: vgw, propagate: [vgw], routes: {10.0.1.0/24: local, 10.9.0.0/16: vgw}}\n  second: {vpc: app, vpnGateway: vgw}\n  third: {vpc: app, vpnGateway: loose}\n  app/main: {vpnGateway: vgw}", []string{
			`routeTables.private.propagate[1] [] virtual private gateway vgw is in the list twice`,
			`routeTables.private.propagate[2] [Gateway.NotAttached] resource loose is not attached to network app`,
			`routeTables.edge.vpnGateway [Resource.AlreadyAssociated] the specified association for route table edge conflicts with an existing association`,
			`routeTables.edge.propagate [InvalidParameterValue] route table edge is associated with a gateway and cannot have propagated routes.`,
			`routeTables.edge.routes["10.0.1.0/24"] [InvalidParameterValue] The target local is for the blocks of the VPC only.`,
			`routeTables.edge.routes["10.9.0.0/16"] [InvalidParameterValue] Route target is not supported. Route table edge is associated with a gateway and only supports interface, instance and local targets.`,
			`routeTables.second.vpnGateway [Resource.AlreadyAssociated] the specified association for route table second conflicts with an existing association`,
			`routeTables.third.vpnGateway [Gateway.NotAttached] resource loose is not attached to network app`,
			`routeTables.app/main.vpnGateway [InvalidParameterValue] the main route table app/main cannot be associated with a gateway`}},
		"R12 no public address for what comes from a site": {vpnLab + "instances: {fw: {subnet: s2, sourceDestCheck: false}}\n" +
			"routeTables: {edge: {vpc: app, vpnGateway: vgw, routes: {10.0.1.0/24: fw}}, private: {vpc: app}}", nil},
		"names": {lab + "siteHosts: {vgw: {site: office}}\ninternetHosts: {office: {ip: 203.0.113.9}}\nvpnConnections: {a/b: {customerGateway: office, vpnGateway: vgw}}", []string{
			`siteHosts.vgw [] "vgw" is also the name of a virtual private gateway`,
			`sites.office [] "office" is also the name of an Internet host`,
			`vpnConnections.a/b [] "a/b" is not a name`}},
		"an attachment of the same name": {transit("") + "\ntransitGatewayAttachments: {office: {transitGateway: hub, vpc: app, subnets: [s1]}}", []string{
			`vpnConnections.office [] "office" is also the name of a transit gateway attachment`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

// TestValidateSites: addresses that a site or a host there cannot have.
func TestValidateSites(t *testing.T) {
	site := func(text string) string { return "name: lab\nsites: {office: {" + text + "}}\n" }
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"nothing written": {site(""), nil},
		"addresses": {site("publicIp: 10.0.0.1, ipv6: fd00::1") + "internetHosts: {h: {ip: 203.0.113.1}}", []string{
			`sites.office.publicIp [] 10.0.0.1 is not an address on the Internet`,
			`sites.office.ipv6 [] fd00::1 is not an IPv6 address on the Internet`}},
		"an address that is taken": {site("publicIp: 203.0.113.1") + "internetHosts: {h: {ip: 203.0.113.1}}", []string{
			`sites.office.publicIp [InvalidIPAddress.InUse] Address 203.0.113.1 is in use.`}},
		"networks": {site(`networks: [10.50.0.0/16, 10.50.1.0/24, 10.50.0.0/16, 169.254.7.0/24, 0.0.0.0/0, "::/0", "fe80::/64"]`), []string{
			`sites.office.networks[1] [] network 10.50.1.0/24 overlaps another one of the site`,
			`sites.office.networks[2] [] network 10.50.0.0/16 is in the list twice`,
			`sites.office.networks[3] [] 169.254.7.0/24 cannot be the network of a site`,
			`sites.office.networks[6] [] fe80::/64 cannot be the network of a site`}},
		"hosts": {site("networks: [10.50.0.0/16]") + `siteHosts:
  a: {site: office, ip: 10.60.0.1}
  b: {site: office, ip: 10.50.0.0}
  c: {site: office, ip: 10.50.255.255, ipv6: "2001:db8:5000::1"}
  d: {site: office, ip: 10.50.0.9}
  e: {site: office, ip: 10.50.0.9}
  f: {site: office}
`, []string{
			`siteHosts.a.ip [] 10.60.0.1 is in no network of site office`,
			`siteHosts.b.ip [] 10.50.0.0 is no address for a host of 10.50.0.0/16`,
			`siteHosts.c.ip [] 10.50.255.255 is no address for a host of 10.50.0.0/16`,
			`siteHosts.c.ipv6 [] 2001:db8:5000::1 is in no network of site office`,
			`siteHosts.e [] d has the address 10.50.0.9, too`}},
		"no network": {site("networks: [0.0.0.0/0]") + "siteHosts: {a: {site: office}}", []string{
			`siteHosts.a [] there is no address for the host`}},
	} {
		t.Run(name, func(t *testing.T) { wantProblems(t, tc.src, tc.want...) })
	}
}

func TestVPNQuotas(t *testing.T) {
	lab := strings.Replace(vpnLab+privateTable, "vgw: {vpc: app}", "vgw: {vpc: app}, "+repeat(5, func(i int) string { return fmt.Sprintf("g%d: {}", i) }), 1)
	wantProblems(t, lab+"vpnConnections: {"+repeat(11, func(i int) string { return fmt.Sprintf("c%d: {customerGateway: office, vpnGateway: vgw}", i) })+"}",
		`vpnGateways [VpnGatewayLimitExceeded] The maximum number of virtual private gateways has been reached.`,
		`vpnGateways.vgw [VpnConnectionLimitExceeded] The maximum number of VPN connections has been reached.`)
	static := "staticRoutes: [" + repeat(51, func(i int) string { return fmt.Sprintf("10.50.%d.0/24", i) }) + "]"
	wantProblems(t, vpnLab+privateTable+"vpnConnections: {a: {customerGateway: office, vpnGateway: vgw, "+static+"}, b: {customerGateway: branch, vpnGateway: vgw, "+static+"}}",
		`vpnGateways.vgw [] the virtual private gateway has 102 static routes`)
}

// QC2, V4: static routes are added by verb, to connections that have them.
func TestVPNRouteOperations(t *testing.T) {
	_, s := applied(t, vpnLab+privateTable+"vpnConnections: {static: {customerGateway: office, vpnGateway: vgw, staticRoutes: []}, bgp: {customerGateway: branch, vpnGateway: vgw}}")
	operate := func(name, action, destination string) string {
		_, err := s.Operate(t.Context(), Operation{Kind: "vpnConnections", Name: name, Action: action, Parameters: map[string]string{"destination": destination}})
		if err == nil {
			w, _ := s.World()
			return vpnRoutes(w, "vgw")
		}
		return err.(Problems)[0].Code
	}
	for _, step := range []struct{ name, action, destination, want string }{
		{"bgp", "create-route", "10.70.0.0/16", "InvalidVpnConnection.InvalidType"},
		{"static", "create-route", "10.70.0.1/16", "10.60.0.0/16 branch bgp/1; 10.70.0.0/16 static static/1"},
		{"static", "create-route", "10.70.0.0/16", "10.60.0.0/16 branch bgp/1; 10.70.0.0/16 static static/1"},
		{"static", "create-route", "ten", "InvalidParameterValue"},
		{"static", "delete-route", "10.71.0.0/16", "InvalidRoute.NotFound"},
		{"static", "delete-route", "10.70.0.0/16", "10.60.0.0/16 branch bgp/1"},
		{"none", "delete-route", "10.70.0.0/16", "InvalidVpnConnectionID.NotFound"},
	} {
		want := strings.ReplaceAll(step.want, "branch bgp/1", "bgp bgp/1")
		if got := operate(step.name, step.action, step.destination); got != want {
			t.Errorf("%s %s %s: %s, want %s", step.action, step.destination, step.name, got, want)
		}
	}
}

// vpnAddresses are all addresses that the lab picked for VPN.
func vpnAddresses(w *World) map[string]string {
	all := map[string]string{}
	for name, s := range w.Sites {
		all["site "+name] = fmt.Sprint(s.Status.PublicIP, s.Status.IPv6, s.Status.LAN)
	}
	for name, h := range w.SiteHosts {
		all["host "+name] = fmt.Sprint(h.Status.IP, h.Status.IPv6)
	}
	for _, name := range w.vpnTunnelNames() {
		t, _ := w.VPNTunnel(name)
		all["tunnel "+name] = fmt.Sprint(t.OutsideIP, t.InsideCIDR, t.AmazonIP, t.CustomerIP, t.InsideIPv6CIDR, t.AmazonIPv6, t.CustomerIPv6)
	}
	return all
}

const vpnAllocationLab = vpnLab + privateTable + `
siteHosts:
  desk: {site: office, ip: 10.50.1.10}
  tap: {site: office, ip: 10.50.0.1, ipv6: "2001:db8:5000::1"}
  any: {site: office}
  four: {site: office, ipv6: false}
vpnConnections:
  office: {customerGateway: office, vpnGateway: vgw, tunnels: [{insideCidr: 169.254.9.0/30}]}
  branch: {customerGateway: branch, vpnGateway: vgw}
`

func TestVPNAddressesAreKept(t *testing.T) {
	w, s := applied(t, vpnAllocationLab)
	before := vpnAddresses(w)
	again, _ := applied(t, vpnAllocationLab)
	if diff := cmp.Diff(before, vpnAddresses(again)); diff != "" {
		t.Errorf("another run:\n%s", diff)
	}
	for key, want := range map[string]string{
		"host desk": "10.50.1.10 2001:db8:5000::5", "host tap": "10.50.0.1 2001:db8:5000::1",
		"host any": "10.50.0.4 2001:db8:5000::4", "host four": "10.50.0.5 invalid IP",
	} {
		if before[key] != want {
			t.Errorf("%s: %s, want %s", key, before[key], want)
		}
	}
	// A host has the address that would be the router's.
	if got := w.Sites["office"].Status.LAN; fmt.Sprint(got) != "[10.50.0.2/16 2001:db8:5000::2/48]" {
		t.Errorf("router's addresses: %s", got)
	}
	if first, _ := w.VPNTunnel("office/1"); first.AmazonIP.String() != "169.254.9.1" || first.CustomerIP.String() != "169.254.9.2" { // V3
		t.Errorf("inside addresses: %s, %s", first.AmazonIP, first.CustomerIP)
	}
	// What comes, goes and is written elsewhere moves nothing.
	more := strings.NewReplacer("sites:\n", "sites:\n  aaa: {networks: [10.70.0.0/16]}\n", "customerGateways: {", "customerGateways: {aaa: {site: aaa}, ",
		"vpnConnections:\n", "vpnConnections:\n  aaa: {customerGateway: aaa, vpnGateway: vgw}\n", "siteHosts:\n", "siteHosts:\n  a-host: {site: office}\n").Replace(vpnAllocationLab)
	if _, err := s.Apply(t.Context(), open(t, more+"internetHosts: {h: {ip: 203.0.113.1}}\n")); err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	after := vpnAddresses(w)
	for key, want := range before {
		if after[key] != want {
			t.Errorf("%s moved from %s to %s", key, want, after[key])
		}
	}
	seen := map[string]string{}
	for _, name := range w.vpnTunnelNames() {
		tunnel, _ := w.VPNTunnel(name)
		for _, unique := range []string{tunnel.InsideCIDR.String(), tunnel.OutsideIP.String()} {
			if other := seen[unique]; other != "" {
				t.Errorf("%s and %s have %s", other, name, unique)
			}
			seen[unique] = name
		}
		if hint := notInsideCIDR(tunnel.InsideCIDR); hint != "" || linkLocalIPv4.Overlaps(tunnel.InsideCIDR) {
			t.Errorf("%s has %s: %s", name, tunnel.InsideCIDR, hint)
		}
	}
}

func TestVPNHandlesAreKept(t *testing.T) {
	w, s := applied(t, vpnAllocationLab)
	handles := func(w *World) string {
		var list []uint32
		for _, name := range w.vpnTunnelNames() {
			tunnel, _ := w.VPNTunnel(name)
			list = append(list, tunnel.Handle, tunnel.OutsideHandle)
		}
		list = append(list, w.VPNGateways["vgw"].Status.SpeakerHandle, w.SiteHosts["desk"].Status.RouterHandle)
		return fmt.Sprint(list)
	}
	before := handles(w)
	if _, err := s.Apply(t.Context(), open(t, strings.Replace(vpnAllocationLab, "169.254.9.0/30}", "169.254.9.0/30, presharedKey: another_secret}", 1))); err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	if got := handles(w); got != before {
		t.Errorf("handles %s, before %s", got, before)
	}
	if tunnel, _ := w.VPNTunnel("branch/2"); w.VPNTunnelWithHandle(tunnel.Handle).Name != "branch/2" {
		t.Error("the tunnel is not found by its handle")
	}
	// V4: from BGP to static is another connection.
	changes, err := s.Apply(t.Context(), open(t, strings.Replace(vpnAllocationLab, "branch, vpnGateway: vgw}", "branch, vpnGateway: vgw, staticRoutes: []}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	if got := handles(w); got == before || len(changes) != 2 || changes[1].Action != ActionReplace && changes[0].Action != ActionReplace {
		t.Errorf("handles %s, changes %+v", got, changes)
	}
}

// The keys of both ends fit together, follow from the file alone, and change with
// the pre-shared key.
func TestTunnelKeys(t *testing.T) {
	a := VPNTunnel{Name: "office/1", PresharedKey: "secret_one"}
	b := VPNTunnel{Name: "office/2", PresharedKey: "secret_one"}
	other := VPNTunnel{Name: "office/1", PresharedKey: "secret_two"}
	k := a.Keys("lab")
	if k != a.Keys("lab") {
		t.Error("the keys differ from one call to the next")
	}
	for _, different := range []TunnelKeys{b.Keys("lab"), other.Keys("lab"), a.Keys("other")} {
		if different.Amazon == k.Amazon || different.Customer == k.Customer {
			t.Error("two tunnels share a key")
		}
	}
	if other.Keys("lab").Preshared == k.Preshared || b.Keys("lab").Preshared != k.Preshared {
		t.Error("the pre-shared key is not the file's alone")
	}
	shared := func(private, public [32]byte) string {
		mine, err := ecdh.X25519().NewPrivateKey(private[:])
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := ecdh.X25519().NewPublicKey(public[:])
		if err != nil {
			t.Fatal(err)
		}
		secret, err := mine.ECDH(theirs)
		if err != nil {
			t.Fatal(err)
		}
		return string(secret)
	}
	if shared(k.Amazon.Private, k.Customer.Public) != shared(k.Customer.Private, k.Amazon.Public) {
		t.Error("the two ends do not agree")
	}
	if key := generatedPresharedKey("lab", "office/1"); !presharedKeyForm.MatchString(key) {
		t.Errorf("generated %q", key) // V9
	}
}

// vpnRoutes are a gateway's routes in one line.
func vpnRoutes(w *World, gateway string) string {
	var list []string
	for _, r := range w.VPNGateways[gateway].Status.Routes {
		list = append(list, fmt.Sprintf("%s %s %s", r.Destination, r.VPNConnection, r.Tunnel))
	}
	return strings.Join(list, "; ")
}
