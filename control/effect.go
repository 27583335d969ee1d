package control

import (
	"fmt"
	"slices"
	"strings"
)

// effect says what a change does to packets. Of several fields the one that can
// hurt most speaks.
func effect(c Change, cause string) string {
	if cause != "" {
		kind, name, _ := strings.Cut(cause, " ")
		k, _ := KindNamed(kind)
		return fmt.Sprintf("it goes with %s %s, which is replaced", k.Noun, name)
	}
	for _, rule := range effects {
		if rule.kind == c.Kind && rule.applies(c) {
			return rule.sentence
		}
	}
	return ""
}

type effectRule struct {
	kind     string
	applies  func(Change) bool
	sentence string
}

// when matches what becomes of the whole resource.
func when(actions ...Action) func(Change) bool {
	return func(c Change) bool { return slices.Contains(actions, c.Action) }
}

// removes matches an update that takes a value away or changes it under one of
// the paths; adds one that only brings new ones.
func removes(paths ...string) func(Change) bool {
	return touches(paths, func(f FieldChange) bool { return f.Old != "" })
}

// adds matches an update that brings a value, or changes one.
func adds(paths ...string) func(Change) bool {
	return touches(paths, func(f FieldChange) bool { return f.New != "" })
}

// touches matches an update with a change of the given sort under one of the paths.
func touches(paths []string, which func(FieldChange) bool) func(Change) bool {
	return func(c Change) bool {
		return c.Action == ActionUpdate && slices.ContainsFunc(c.Fields, func(f FieldChange) bool {
			return which(f) && slices.ContainsFunc(paths, func(p string) bool {
				return f.Path == p || strings.HasPrefix(f.Path, p+"[") || strings.HasPrefix(f.Path, p+".")
			})
		})
	}
}

// becomes and loses match an update to a value or away from it.
func becomes(path, value string) func(Change) bool {
	return touches([]string{path}, func(f FieldChange) bool { return f.New == value })
}

func loses(path, value string) func(Change) bool {
	return touches([]string{path}, func(f FieldChange) bool { return f.Old == value })
}

// effects is asked in order; the first rule that applies speaks.
var effects = []effectRule{
	{"instances", adds("fault"), "it is gone: its programs end, and routes to it become blackholes (R20)"},
	{"instances", removes("fault"), "it is back, with the addresses that it had; its programs begin anew"},
	{"natGateways", adds("fault"), "it drops what comes to it; routes to it stay active"},
	{"natGateways", removes("fault"), "it carries packets again, those of its old connections too"},
	{"vpcPeerings", adds("fault"), "routes to it become blackholes"},
	{"vpcPeerings", removes("fault"), "routes to it are in force again"},
	{"transitGatewayAttachments", adds("fault"), "routes to it become blackholes, and its propagated routes go, so that others take over (T6)"},
	{"transitGatewayAttachments", removes("fault"), "its routes are in force again, at once"},
	{"sites", adds("fault"), "its router and hosts are gone: AWS's tunnels to it go down when dead peer detection or BGP's hold timer finds out (V8)"},
	{"sites", removes("fault"), "its router comes back, and brings its tunnels up"},
	{"vpnConnections", adds("fault"), "its tunnels are down, and their routes go at once (V6)"},
	{"vpnConnections", removes("fault"), "its tunnels come up, and their routes are in force again"},
	{"vpnConnections", adds("faults"), "the tunnel is down and its routes go at once; the customer's router finds out by BGP's hold timer (V6, V14)"},
	{"vpnConnections", removes("faults"), "the tunnel comes up as soon as the customer's router calls again"},
	{"vpnConnections", adds("maintenance"), "AWS lowers the MED on the other tunnel, and a router that goes by it moves there; both tunnels work (V7)"},
	{"vpnConnections", removes("maintenance"), "AWS announces with the MED of before"},
	{"clientVpnEndpoints", adds("fault"), "its clients are disconnected, and nobody answers them"},
	{"clientVpnEndpoints", adds("faults"), "its clients are disconnected, and connect to another association, if there is one (C3)"},
	{"clientVpnEndpoints", removes("fault", "faults"), "its clients connect as soon as they call again"},
	{"links", adds("fault"), "it loses every packet"},
	{"links", removes("fault"), "packets pass again"},
	{"links", when(ActionUpdate), "the next packet meets the new values; what is under way arrives as it was to"},
	{"vpcs", when(ActionReplace), "a VPC's primary block, Region and account cannot be changed, so the VPC and everything in it is made anew (A1)"},
	{"vpcs", when(ActionDelete), "everything in it goes with it"},
	{"vpcs", removes("secondaryCidrs", "ipv6"), "addresses in blocks that go are lost, and so are their local routes"},
	{"vpcs", adds("secondaryCidrs", "ipv6"), "every route table of the VPC gets a local route for a new block (A4)"},
	{"vpcs", touches([]string{"dhcpOptions"}, func(FieldChange) bool { return true }), "running instances learn it when they next renew their lease (A38)"},
	{"dhcpOptions", when(ActionReplace), "a DHCP option set cannot be changed, so it is made anew; running instances learn it when they next renew their lease (A38)"},
	{"flowLogs", when(ActionReplace), "a flow log cannot be changed, so it is made anew; the records of its last interval are published first (F4)"},
	{"vpcPeerings", when(ActionReplace), "a peering's VPCs cannot be changed, so it is made anew"},
	{"vpcPeerings", when(ActionDelete), "routes to it and rules that name groups behind it have to go with it (P7, S12)"},
	{"vpcPeerings", becomes("state", "active"), "routes to it come into force at once, and so do rules that name groups behind it (P7, S12)"},
	{"vpcPeerings", loses("state", "active"), "routes to it become blackholes, and rules that name groups behind it match nothing (P7, S12)"},
	{"vpcPeerings", touches([]string{"requesterOptions", "accepterOptions"}, func(FieldChange) bool { return true }), "public DNS names of the side that allows it resolve to private addresses on the other, or no longer (P11)"},
	{"transitGateways", when(ActionReplace), "a transit gateway's Region and account cannot be changed, so it and its attachments are made anew"},
	{"transitGateways", adds("sharedWith"), "the account can attach its VPCs"},
	{"transitGateways", adds("shareInvitations"), "the account is invited, and cannot attach a VPC before it has accepted"},
	{"transitGateways", removes("sharedWith", "shareInvitations"), "the account cannot attach a VPC, unless it is invited again"},
	{"transitGateways", removes("securityGroupReferencing"), "rules that name groups of other attached VPCs match nothing any more (T21)"},
	{"transitGatewayAttachments", when(ActionReplace), "an attachment's two ends cannot be changed, so it is made anew"},
	{"transitGatewayAttachments", becomes("state", "pendingAcceptance"), "nothing passes before the owner of the gateway that was asked accepts it (T16)"},
	{"transitGatewayAttachments", becomes("state", "available"), "routes to it come into force at once, and its VPC's blocks are propagated (T5)"},
	{"transitGatewayAttachments", loses("state", "available"), "static routes to it, and its VPC's routes to the gateway, become blackholes; its propagated routes go (R20)"},
	{"transitGatewayAttachments", touches([]string{"subnets"}, func(FieldChange) bool { return true }), "only zones with a subnet of the attachment can send to the gateway (T10)"},
	{"transitGatewayAttachments", touches([]string{"applianceMode"}, func(FieldChange) bool { return true }), "flows that run may move to another zone's interface (T12)"},
	{"transitGatewayConnectPeers", adds("fault"), "AWS's end of the tunnel is gone: its routes go at once, and the appliance finds out by BGP's hold timer (T17)"},
	{"transitGatewayConnectPeers", removes("fault"), "its BGP sessions come up again, and bring its routes (T17)"},
	{"transitGatewayConnectPeers", when(ActionReplace), "a Connect peer cannot be changed, so it is made anew: its BGP sessions begin again (T17)"},
	{"transitGatewayConnectPeers", when(ActionDelete), "its BGP sessions end, and what was learned in them is withdrawn (T17)"},
	{"transitGatewayRouteTables", touches([]string{"associations", "propagations", "routes"}, func(FieldChange) bool { return true }), "the next packet of every flow takes the route in force (T3, T6)"},
	{"sites", when(ActionReplace), "a site's public addresses are those of its customer gateways, which cannot be changed, so they are made anew"},
	{"sites", touches([]string{"networks"}, func(FieldChange) bool { return true }), "the router announces other networks, and hosts in those that go lose their addresses"},
	{"customerGateways", when(ActionReplace), "a customer gateway's address and ASN cannot be changed, so it is made anew; its VPN connections are moved to it"},
	{"vpnGateways", when(ActionReplace), "a virtual private gateway's ASN cannot be changed, so it is made anew (V1)"},
	{"vpnGateways", touches([]string{"vpc"}, func(FieldChange) bool { return true }), "routes to it in its former VPC become blackholes, and its propagated routes go (R20)"},
	{"vpnConnections", when(ActionReplace), "a VPN connection cannot change between static routing and BGP, nor its family, so it is made anew, tunnels and all (V4)"},
	{"vpnConnections", touches([]string{"tunnels"}, func(FieldChange) bool { return true }), "the tunnel is down until both ends have the new options"},
	{"vpnConnections", touches([]string{"staticRoutes"}, func(FieldChange) bool { return true }), "the next packet of every flow takes the route in force (V6)"},
	{"clientVpnEndpoints", when(ActionReplace), "an endpoint's client block, its families and its transit gateway cannot be changed, so it is made anew; its clients connect again, under other addresses (C1)"},
	{"clientVpnEndpoints", when(ActionDelete), "its clients are cut off"},
	{"clientVpnEndpoints", removes("associations"), "clients that landed there land on another association, and their connections end; routes by it go (C3)"},
	{"clientVpnEndpoints", removes("authorizationRules"), "takes effect on the next packet of every client (C4)"},
	{"clientVpnEndpoints", touches([]string{"routes", "splitTunnel", "dnsServers"}, func(FieldChange) bool { return true }), "clients learn of it when they connect again (C5)"},
	{"clientVpnEndpoints", touches([]string{"securityGroups"}, func(FieldChange) bool { return true }), "new connections of clients are judged by the new groups; tracked ones go on (C7)"},
	{"vpnClients", touches([]string{"groups"}, func(FieldChange) bool { return true }), "its next packet is judged by the rules of the new groups (C4)"},
	{"egressOnlyInternetGateways", when(ActionReplace), "a gateway's VPC cannot be changed, so it is made anew; the connections that it let out end"},
	{"egressOnlyInternetGateways", when(ActionDelete), "connections that it let out end"},
	{"natGateways", when(ActionReplace), "a NAT gateway's subnet and primary addresses cannot be changed, so it is made anew; its connections end (R38)"},
	{"natGateways", when(ActionDelete), "its connections end, and its Elastic IPs are disassociated (R51)"},
	{"natGateways", removes("addresses"), "connections on an address that goes end"},
	{"natGateways", adds("addresses"), "each address allows 55,000 more connections to one destination (R42)"},
	{"internetGateways", when(ActionDelete), "nothing passes between the VPC and the Internet any more"},
	{"internetGateways", removes("vpc"), "routes to it in its former VPC become blackholes (R20)"},
	{"vpcEndpoints", becomes("state", "available"), "its interfaces take connections to the service (E16)"},
	{"vpcEndpoints", loses("state", "available"), "its interfaces drop what comes to them, open connections included (E16)"},
	{"vpcEndpoints", when(ActionCreate, ActionDelete, ActionReplace), "connections to the service that take another way from now on end (E6)"},
	{"vpcEndpoints", touches([]string{"routeTables", "ipAddressType"}, func(FieldChange) bool { return true }), "connections of subnets whose route to the service changes end (E6)"},
	{"routeTables", removes("main"), "subnets that name no table move to the new main one at once (R1)"},
	{"routeTables", adds("main"), "subnets that name no table move to this one at once (R1)"},
	{"routeTables", touches([]string{"internetGateway"}, func(FieldChange) bool { return true }), "the next packet that comes in from the Internet follows, or no longer follows, this table (R10)"},
	{"routeTables", touches([]string{"vpnGateway"}, func(FieldChange) bool { return true }), "the next packet that comes out of a tunnel follows, or no longer follows, this table (R10)"},
	{"routeTables", touches([]string{"propagate"}, func(FieldChange) bool { return true }), "what the gateway knows of sites becomes routes of the table, or no longer does (R23)"},
	{"routeTables", touches([]string{"routes"}, func(FieldChange) bool { return true }), "the next packet of every flow takes the new route; connection tracking goes on"},
	{"subnets", when(ActionReplace), "a subnet's VPC, block and zone cannot be changed, so the subnet and the instances in it are made anew (A14)"},
	{"subnets", touches([]string{"routeTable"}, func(FieldChange) bool { return true }), "the next packet of every flow follows the new table (R1)"},
	{"subnets", touches([]string{"networkAcl"}, func(FieldChange) bool { return true }), "the new ACL takes effect at once on existing flows (S41)"},
	{"networkAcls", touches([]string{"ingress", "egress"}, func(FieldChange) bool { return true }), "takes effect at once on existing flows, even tracked ones (S41)"},
	{"securityGroups", removes("ingress", "egress"), "untracked flows that it allowed are cut at once; tracked connections go on until they idle out (S22, S23)"},
	{"securityGroups", adds("ingress", "egress"), "takes effect at once on every interface that carries the group (S19)"},
	{"prefixLists", touches([]string{"entries"}, func(FieldChange) bool { return true }), "rules and routes that name the list follow at once; tracked connections go on (R22, S23)"},
	{"instances", when(ActionReplace), "an instance's subnet and primary private address cannot be changed, so it is made anew and its programs start again (A18)"},
	{"instances", removes("stopped"), "it starts: its programs begin anew, and it gets a new public address unless it has an Elastic IP (A22)"},
	{"instances", adds("stopped"), "its programs end, a public address that AWS picked is given back, and routes to it become blackholes (A22, R20)"},
	{"instances", removes("securityGroups"), "untracked flows that only the removed group allowed are cut at once; tracked connections go on (S31)"},
	{"instances", touches([]string{"connectionTracking"}, func(FieldChange) bool { return true }), "the new idle timeouts hold from the next packet of each connection (S27)"},
	{"instances", touches([]string{"metadataOptions"}, func(FieldChange) bool { return true }), "the metadata service follows at once (A52 to A54)"},
	{"instances", removes("secondaryIps"), "an address that goes loses its Elastic IP, and is free for other interfaces (A21)"},
	{"instances", removes("publicIp"), "the Internet reaches it at another public address, or no longer"},
	{"instances", touches([]string{"sourceDestCheck"}, func(FieldChange) bool { return true }), "decides whether packets of others may pass through it (A24)"},
	{"instances", touches([]string{"appliance"}, func(FieldChange) bool { return true }), "its tunnels and its router are set up anew, and routes follow as BGP learns of it"},
	{"instances", touches([]string{"serve", "run"}, func(FieldChange) bool { return true }), "programs that changed are started anew"},
	{"networkInterfaces", when(ActionReplace), "its tracked connections are forgotten"},
	{"internetHosts", when(ActionReplace), "it is another host: its programs start again"},
}
