package bench

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The network that every row stands for: two subnets, a node in each, a router
// in between. Rows of labs get it as a scenario, the others as interfaces.
var (
	clientPrefix4 = netip.MustParsePrefix("10.77.1.10/24")
	serverPrefix4 = netip.MustParsePrefix("10.77.2.10/24")
	clientPrefix6 = netip.MustParsePrefix("2001:db8:77:1::10/64")
	serverPrefix6 = netip.MustParsePrefix("2001:db8:77:2::10/64")

	// A host of the emulated Internet, for the row with gateways.
	internetServer4 = netip.MustParseAddr("203.0.113.10")
	internetServer6 = netip.MustParseAddr("2001:db8:ff00::10")
)

// The ports that the rules open, one to a run, and one that they do not.
const (
	firstPort  uint16 = 5001
	openPorts         = 900
	lastPort          = firstPort + openPorts - 1
	closedPort uint16 = 7000
)

// rulesPerList is how many rules of a family each list of the security groups
// has. The last ones match: TCP and UDP to the open ports.
const rulesPerList = 20

// rule lets protocol pass to the ports first to last.
type rule struct {
	protocol    string
	first, last uint16
}

func rules() []rule {
	var list []rule
	for i := range uint16(rulesPerList - 2) {
		list = append(list, rule{"tcp", 8000 + 10*i, 8000 + 10*i + 5})
	}
	return append(list, rule{"tcp", firstPort, lastPort}, rule{"udp", firstPort, lastPort})
}

// nftRules are the groups as a stateful packet filter of a Linux router: what
// belongs to a known connection passes at once; a new one must be let out by a
// rule of the client's group and in by one of the server's.
func nftRules(client, server uint32) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("table inet bench {")
	for _, chain := range []struct {
		name, field string
		p4, p6      netip.Prefix
		verdict     string
	}{
		{"server-in", "saddr", clientPrefix4, clientPrefix6, "accept"},
		{"client-out", "daddr", serverPrefix4, serverPrefix6, "goto server-in"},
	} {
		line("  chain %s {", chain.name)
		for _, r := range rules() {
			line("    ip %s %s %s dport %d-%d %s", chain.field, chain.p4.Masked(), r.protocol, r.first, r.last, chain.verdict)
			line("    ip6 %s %s %s dport %d-%d %s", chain.field, chain.p6.Masked(), r.protocol, r.first, r.last, chain.verdict)
		}
		line("  }")
	}
	line("  chain forward {")
	line("    type filter hook forward priority 0; policy drop;")
	line("    ct state established,related accept")
	line("    ct state invalid drop")
	line("    iifname %q oifname %q jump client-out", host.CoreName(client), host.CoreName(server))
	line("  }")
	line("}")
	return b.String()
}

// way is what lies between the client and the server of a lab.
type way int

const (
	wayRouted   way = iota // two subnets of a VPC
	wayGateways            // a NAT gateway (for IPv6: an egress-only one) and the Internet
	wayPeering             // two VPCs, peered
	wayTransit             // two VPCs at a transit gateway
	wayTunnel              // a customer's site at a virtual private gateway, by a VPN tunnel
	wayClient              // somebody's machine, by Client VPN
)

// The blocks of the two ends' VPCs, where they are not in one.
var (
	clientBlock4 = netip.MustParsePrefix("10.77.0.0/16")
	clientBlock6 = netip.MustParsePrefix("2001:db8:77::/56")
	otherBlock4  = netip.MustParsePrefix("10.78.0.0/16")
	otherBlock6  = netip.MustParsePrefix("2001:db8:78::/56")

	otherServer4 = netip.MustParsePrefix("10.78.2.10/24")
	otherServer6 = netip.MustParsePrefix("2001:db8:78:2::10/64")

	// Where clients of Client VPN come from: a pool of their own, and the subnet of
	// the interface that sends for them (C7).
	clientPool4 = netip.MustParsePrefix("10.79.0.0/22")
	clientDoor4 = netip.MustParsePrefix("10.78.1.0/24")
	clientDoor6 = netip.MustParsePrefix("2001:db8:78:1::/64")
)

// scenario is the network as a lab: node client, node server, and the rules on the
// way from one to the other.
func scenario(w way) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: bench")
	switch w {
	case wayRouted, wayGateways:
		writeOneVPC(line, w == wayGateways)
	case wayPeering, wayTransit:
		writeTwoVPCs(line, w == wayTransit)
	case wayTunnel:
		writeSite(line)
	case wayClient:
		writeVPNClient(line)
	}
	return b.String()
}

func writeOneVPC(line func(string, ...any), gateways bool) {
	line("vpcs: {bench: {cidr: %s, ipv6: %q}}", clientBlock4, clientBlock6)
	routes := [2]string{"{}", "{}"}
	if gateways {
		line("internetGateways: {igw: {vpc: bench}}")
		line("natGateways: {nat: {subnet: server}}")
		line("egressOnlyInternetGateways: {eigw: {vpc: bench}}")
		routes = [2]string{`{0.0.0.0/0: nat, "::/0": eigw}`, `{0.0.0.0/0: igw, "::/0": igw}`}
	}
	line("routeTables: {client: {vpc: bench, routes: %s}, server: {vpc: bench, routes: %s}}", routes[0], routes[1])
	to4, to6 := serverPrefix4.Masked(), serverPrefix6.Masked()
	if gateways {
		to4, to6 = netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	}
	writeEnds(line, "bench", "bench", serverPrefix4, serverPrefix6, to4, to6)
	line("instances:")
	writeClient(line)
	if gateways {
		line("internetHosts: {server: {ip: %s, ipv6: %q}}", internetServer4, internetServer6)
	} else {
		writeServer(line, serverPrefix4, serverPrefix6)
	}
}

func writeTwoVPCs(line func(string, ...any), transit bool) {
	line("vpcs: {bench: {cidr: %s, ipv6: %q}, other: {cidr: %s, ipv6: %q}}", clientBlock4, clientBlock6, otherBlock4, otherBlock6)
	between := "peering"
	if transit {
		between = "hub"
		line("transitGateways: {hub: {}}")
		line("transitGatewayAttachments: {bench: {transitGateway: hub, vpc: bench, subnets: [client]}, other: {transitGateway: hub, vpc: other, subnets: [server]}}")
	} else {
		line("vpcPeerings: {peering: {vpc: bench, peerVpc: other}}")
	}
	line("routeTables: {client: {vpc: bench, routes: {%s: %s, %q: %s}}, server: {vpc: other, routes: {%s: %s, %q: %s}}}",
		otherBlock4, between, otherBlock6, between, clientBlock4, between, clientBlock6, between)
	writeEnds(line, "bench", "other", otherServer4, otherServer6, otherServer4.Masked(), otherServer6.Masked())
	line("instances:")
	writeClient(line)
	writeServer(line, otherServer4, otherServer6)
}

// writeSite has the client at a customer's site; IPv4 goes through its tunnel.
func writeSite(line func(string, ...any)) {
	line("vpcs: {other: {cidr: %s, ipv6: %q}}", otherBlock4, otherBlock6)
	line("vpnGateways: {vgw: {vpc: other}}")
	line("sites: {site: {networks: [%s]}}", clientBlock4)
	line("siteHosts: {client: {site: site, ip: %s}}", clientPrefix4.Addr())
	line("customerGateways: {site: {site: site}}")
	line("vpnConnections: {site: {customerGateway: site, vpnGateway: vgw, staticRoutes: [%s]}}", clientBlock4)
	line("routeTables: {server: {vpc: other, propagate: [vgw]}}")
	line("subnets:")
	writeOtherServer(line, clientPrefix4.Masked(), clientPrefix6.Masked())
}

// writeVPNClient has the client on the Internet, connected by Client VPN, IPv4 alone.
func writeVPNClient(line func(string, ...any)) {
	line("vpcs: {other: {cidr: %s, ipv6: %q}}", otherBlock4, otherBlock6)
	line("clientVpnEndpoints: {bench: {clientCidr: %s, associations: [door], authorizationRules: [{cidr: %s, groups: all}]}}", clientPool4, otherBlock4)
	line("vpnClients: {client: {endpoint: bench}}")
	line("routeTables: {server: {vpc: other}}")
	line("subnets:")
	line("  door: {vpc: other, cidr: %s, ipv6: %q}", clientDoor4, clientDoor6)
	writeOtherServer(line, clientDoor4, clientDoor6)
}

// writeOtherServer is the server of a client that is in no VPC. The subnets have begun.
func writeOtherServer(line func(string, ...any), from4, from6 netip.Prefix) {
	writeSubnet(line, "server", "other", otherServer4, otherServer6)
	line("networkAcls:")
	writeACL(line, "server", "other")
	line("securityGroups:")
	writeServerGroup(line, "other", from4, from6)
	line("instances:")
	writeServer(line, otherServer4, otherServer6)
}

// writeEnds writes the subnets of client and server, with their network ACLs and
// security groups.
func writeEnds(line func(string, ...any), clientVPC, serverVPC string, server4, server6, to4, to6 netip.Prefix) {
	line("networkAcls:")
	writeACL(line, "client", clientVPC)
	writeACL(line, "server", serverVPC)
	line("subnets:")
	writeSubnet(line, "client", clientVPC, clientPrefix4, clientPrefix6)
	writeSubnet(line, "server", serverVPC, server4, server6)
	line("securityGroups:")
	line("  client:\n    vpc: %s\n    ingress: []\n    egress:", clientVPC)
	writeGroupRules(line, "to", to4, to6)
	writeServerGroup(line, serverVPC, clientPrefix4.Masked(), clientPrefix6.Masked())
}

func writeSubnet(line func(string, ...any), name, vpc string, p4, p6 netip.Prefix) {
	line("  %s: {vpc: %s, cidr: %s, ipv6: %q, routeTable: %s, networkAcl: %s}", name, vpc, p4.Masked(), p6.Masked(), name, name)
}

func writeServerGroup(line func(string, ...any), vpc string, from4, from6 netip.Prefix) {
	line("  server:\n    vpc: %s\n    egress: []\n    ingress:", vpc)
	writeGroupRules(line, "from", from4, from6)
}

func writeClient(line func(string, ...any)) {
	line("  client: {subnet: client, ip: %s, ipv6: %q, securityGroups: [client]}", clientPrefix4.Addr(), clientPrefix6.Addr())
}

func writeServer(line func(string, ...any), p4, p6 netip.Prefix) {
	line("  server: {subnet: server, ip: %s, ipv6: %q, securityGroups: [server]}", p4.Addr(), p6.Addr())
}

func writeGroupRules(line func(string, ...any), direction string, p4, p6 netip.Prefix) {
	for _, r := range rules() {
		line("      - {protocol: %s, ports: %d-%d, %s: [%s, \"%s\"]}", r.protocol, r.first, r.last, direction, p4, p6)
	}
}

// aclRules is how many rules each direction of each network ACL has: AWS's
// quota, half of them for each family. The last of a family matches; the others
// are about ports that neither the load nor a NAT gateway uses.
const aclRules = 20

func writeACL(line func(string, ...any), name, vpc string) {
	line("  %s:\n    vpc: %s", name, vpc)
	for _, direction := range []string{"ingress", "egress"} {
		line("    %s:", direction)
		for i := range aclRules/2 - 1 {
			line("      - {rule: %d, action: deny, protocol: tcp, ports: %d, cidr: 0.0.0.0/0}", 10+2*i, 401+i)
			line("      - {rule: %d, action: deny, protocol: tcp, ports: %d, cidr: \"::/0\"}", 11+2*i, 401+i)
		}
		line("      - {rule: 100, action: allow, protocol: all, cidr: 0.0.0.0/0}")
		line("      - {rule: 101, action: allow, protocol: all, cidr: \"::/0\"}")
	}
}

// The links of rows that are not labs.
const (
	clientLink uint32 = 1
	serverLink uint32 = 2
)

var (
	clientMAC = packet.MAC{0x02, 0, 0, 0x77, 0, 1}
	serverMAC = packet.MAC{0x02, 0, 0, 0x77, 0, 2}
	// gatewayMAC is not the core's own, so that the core's stack drops what a
	// forwarder of ours reads, first thing.
	gatewayMAC = packet.MAC{0x02, 0, 0, 0x77, 0, 0xfe}
)

// interfaces of the two nodes when a router lies between them.
func interfaces() (client, server host.Interface) {
	make := func(link uint32, mac packet.MAC, p4, p6 netip.Prefix) host.Interface {
		return host.Interface{
			Link: link, Name: "eth0", MAC: mac, MTU: jumboMTU,
			Addresses: []netip.Prefix{p4, p6},
			Gateways:  []netip.Addr{router(p4), router(p6)},
		}
	}
	return make(clientLink, clientMAC, clientPrefix4, clientPrefix6), make(serverLink, serverMAC, serverPrefix4, serverPrefix6)
}

// router is the first address of the prefix.
func router(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

// neighbors are the same interfaces with nothing in between: each has the
// other's subnet on its link.
func neighbors() (client, server host.Interface) {
	client, server = interfaces()
	client.Gateways, server.Gateways = nil, nil
	client.OnLink = []netip.Prefix{serverPrefix4.Masked(), serverPrefix6.Masked()}
	server.OnLink = []netip.Prefix{clientPrefix4.Masked(), clientPrefix6.Masked()}
	return client, server
}
