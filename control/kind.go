package control

import (
	"maps"
	"slices"
)

// Kind is one noun of AWS's: what it is called in a file and in messages, and
// where a World keeps its resources.
type Kind struct {
	// Plural is the key in a file: "securityGroups".
	Plural string
	// Singular is the word in checks ("at: securityGroup web") and commands.
	Singular string
	// Noun is the word in sentences: "security group".
	Noun string
	// IDPrefix begins the resource's ID: "sg" for sg-0123….
	IDPrefix string
	// NotFound is AWS's code for a reference that leads nowhere.
	NotFound string
	// Derived kinds are computed from others and cannot be written in a file.
	Derived bool

	names func(*World) []string
	get   func(*World, string) Resource
	fill  func(*World)
}

// Resource is implemented by a pointer to each resource struct.
type Resource interface {
	// identity is where the resource's ID and Handle are kept.
	identity() *Identity
	// references lists every reference to another resource, for Complete to
	// resolve and Validate to check.
	references(w *World, name string) []reference
	// validate reports what AWS would refuse about the resource itself.
	validate(v *validation, name string)
}

// Kinds are the nouns that this version emulates, in the order in which Complete
// settles them: what others are derived from comes first. A new noun is a line
// here, a map in World and a file of its own. The result is shared: do not
// change it.
func Kinds() []Kind { return kinds }

var kinds = []Kind{
	kind("regions", "region", "Region", "region", "", func(w *World) *map[string]*Region { return &w.Regions }),
	kind("dhcpOptions", "dhcpOptions", "DHCP option set", "dopt", "InvalidDhcpOptionID.NotFound", func(w *World) *map[string]*DHCPOptions { return &w.DHCPOptions }),
	kind("vpcs", "vpc", "VPC", "vpc", "InvalidVpcID.NotFound", func(w *World) *map[string]*VPC { return &w.VPCs }),
	kind("vpcPeerings", "vpcPeering", "VPC peering connection", "pcx", "InvalidVpcPeeringConnectionID.NotFound", func(w *World) *map[string]*VPCPeering { return &w.VPCPeerings }),
	kind("internetGateways", "internetGateway", "internet gateway", "igw", "InvalidInternetGatewayID.NotFound", func(w *World) *map[string]*InternetGateway { return &w.InternetGateways }),
	kind("vpnGateways", "vpnGateway", "virtual private gateway", "vgw", "InvalidVpnGatewayID.NotFound", func(w *World) *map[string]*VPNGateway { return &w.VPNGateways }),
	kind("egressOnlyInternetGateways", "egressOnlyInternetGateway", "egress-only internet gateway", "eigw", "InvalidGatewayID.NotFound", func(w *World) *map[string]*EgressOnlyInternetGateway { return &w.EgressOnlyInternetGateways }),
	kind("prefixLists", "prefixList", "prefix list", "pl", "InvalidPrefixListID.NotFound", func(w *World) *map[string]*PrefixList { return &w.PrefixLists }),
	kind("networkAcls", "networkAcl", "network ACL", "acl", "InvalidNetworkAclID.NotFound", func(w *World) *map[string]*NetworkACL { return &w.NetworkACLs }),
	kind("subnets", "subnet", "subnet", "subnet", "InvalidSubnetID.NotFound", func(w *World) *map[string]*Subnet { return &w.Subnets }),
	kind("securityGroups", "securityGroup", "security group", "sg", "InvalidGroup.NotFound", func(w *World) *map[string]*SecurityGroup { return &w.SecurityGroups }),
	kind("natGateways", "natGateway", "NAT gateway", "nat", "NatGatewayNotFound", func(w *World) *map[string]*NATGateway { return &w.NATGateways }),
	kind("transitGateways", "transitGateway", "transit gateway", "tgw", "InvalidTransitGatewayID.NotFound", func(w *World) *map[string]*TransitGateway { return &w.TransitGateways }),
	kind("sites", "site", "site", "site", "", func(w *World) *map[string]*Site { return &w.Sites }),
	kind("siteHosts", "siteHost", "site host", "sitehost", "", func(w *World) *map[string]*SiteHost { return &w.SiteHosts }),
	kind("customerGateways", "customerGateway", "customer gateway", "cgw", "InvalidCustomerGatewayID.NotFound", func(w *World) *map[string]*CustomerGateway { return &w.CustomerGateways }),
	kind("vpnConnections", "vpnConnection", "VPN connection", "vpn", "InvalidVpnConnectionID.NotFound", func(w *World) *map[string]*VPNConnection { return &w.VPNConnections }),
	kind("transitGatewayAttachments", "transitGatewayAttachment", "transit gateway attachment", "tgw-attach", "InvalidTransitGatewayAttachmentID.NotFound", func(w *World) *map[string]*TransitGatewayAttachment { return &w.TransitGatewayAttachments }),
	kind("transitGatewayConnectPeers", "transitGatewayConnectPeer", "transit gateway Connect peer", "tgw-connect-peer", "InvalidTransitGatewayConnectPeerID.NotFound", func(w *World) *map[string]*TransitGatewayConnectPeer {
		return &w.TransitGatewayConnectPeers
	}),
	kind("transitGatewayRouteTables", "transitGatewayRouteTable", "transit gateway route table", "tgw-rtb", "InvalidRouteTableID.NotFound", func(w *World) *map[string]*TransitGatewayRouteTable {
		return &w.TransitGatewayRouteTables
	}),
	kind("clientVpnEndpoints", "clientVpnEndpoint", "Client VPN endpoint", "cvpn-endpoint", "InvalidClientVpnEndpointId.NotFound", func(w *World) *map[string]*ClientVPNEndpoint { return &w.ClientVPNEndpoints }),
	kind("vpnClients", "vpnClient", "VPN client", "cvpn-client", "InvalidClientVpnConnection.IdNotFound", func(w *World) *map[string]*VPNClient { return &w.VPNClients }),
	kind("instances", "instance", "instance", "i", "InvalidInstanceID.NotFound", func(w *World) *map[string]*Instance { return &w.Instances }),
	kind("targetGroups", "targetGroup", "target group", "tg", "TargetGroupNotFound", func(w *World) *map[string]*TargetGroup { return &w.TargetGroups }),
	kind("loadBalancers", "loadBalancer", "load balancer", "nlb", "LoadBalancerNotFound", func(w *World) *map[string]*LoadBalancer { return &w.LoadBalancers }),
	kind("vpcEndpointServices", "vpcEndpointService", "endpoint service", "vpce-svc", "InvalidVpcEndpointServiceId.NotFound", func(w *World) *map[string]*VPCEndpointService {
		return &w.VPCEndpointServices
	}),
	kind("vpcEndpoints", "vpcEndpoint", "VPC endpoint", "vpce", "InvalidVpcEndpointId.NotFound", func(w *World) *map[string]*VPCEndpoint { return &w.VPCEndpoints }),
	derived(kind("awsServices", "awsService", "AWS service", "service", "", func(w *World) *map[string]*AWSService { return &w.AWSServices })),
	derived(kind("networkInterfaces", "networkInterface", "network interface", "eni", "InvalidNetworkInterfaceID.NotFound", func(w *World) *map[string]*NetworkInterface { return &w.NetworkInterfaces })),
	kind("routeTables", "routeTable", "route table", "rtb", "InvalidRouteTableID.NotFound", func(w *World) *map[string]*RouteTable { return &w.RouteTables }),
	kind("internetHosts", "internetHost", "Internet host", "host", "", func(w *World) *map[string]*InternetHost { return &w.InternetHosts }),
	kind("flowLogs", "flowLog", "flow log", "fl", "InvalidFlowLogId.NotFound", func(w *World) *map[string]*FlowLog { return &w.FlowLogs }),
	kind("trafficMirrorTargets", "trafficMirrorTarget", "traffic mirror target", "tmt", "InvalidTrafficMirrorTargetId.NotFound", func(w *World) *map[string]*TrafficMirrorTarget {
		return &w.TrafficMirrorTargets
	}),
	kind("trafficMirrorFilters", "trafficMirrorFilter", "traffic mirror filter", "tmf", "InvalidTrafficMirrorFilterId.NotFound", func(w *World) *map[string]*TrafficMirrorFilter {
		return &w.TrafficMirrorFilters
	}),
	kind("trafficMirrorSessions", "trafficMirrorSession", "traffic mirror session", "tms", "InvalidTrafficMirrorSessionId.NotFound", func(w *World) *map[string]*TrafficMirrorSession {
		return &w.TrafficMirrorSessions
	}),
	kind("metricFilters", "metricFilter", "metric filter", "mf", "ResourceNotFoundException", func(w *World) *map[string]*MetricFilter { return &w.MetricFilters }),
	kind("alarms", "alarm", "alarm", "alarm", "ResourceNotFound", func(w *World) *map[string]*Alarm { return &w.Alarms }),
	kind("links", "link", "link", "link", "", func(w *World) *map[string]*Link { return &w.Links }),
}

// laterKinds are AWS's nouns whose words are fixed but whose emulation is not
// in this version: the loader says so instead of "unknown key".
var laterKinds = []string{
	"directConnectConnections", "virtualInterfaces",
	"directConnectGateways",
}

// KindNamed is the kind whose plural or singular is word.
func KindNamed(word string) (Kind, bool) {
	for _, k := range Kinds() {
		if word == k.Plural || word == k.Singular {
			return k, true
		}
	}
	return Kind{}, false
}

// Names are the names of the kind's resources in w, sorted.
func (k Kind) Names(w *World) []string { return k.names(w) }

// Get is the named resource, a pointer to its struct, or nil.
func (k Kind) Get(w *World, name string) Resource { return k.get(w, name) }

// Identity is where the named resource's ID and Handle are kept, or nil. The
// pointer is into w.
func (k Kind) Identity(w *World, name string) *Identity {
	if r := k.get(w, name); r != nil {
		return r.identity()
	}
	return nil
}

// kind builds a line of the table from the one thing that differs in type: where
// the map is. A map without the name must give a nil Resource, not an interface
// around a nil pointer.
func kind[T any, R interface {
	*T
	Resource
}](plural, singular, noun, idPrefix, notFound string, resources func(*World) *map[string]*T) Kind {
	return Kind{
		Plural: plural, Singular: singular, Noun: noun, IDPrefix: idPrefix, NotFound: notFound,
		names: func(w *World) []string { return slices.Sorted(maps.Keys(*resources(w))) },
		get: func(w *World, name string) Resource {
			if r := (*resources(w))[name]; r != nil {
				return R(r)
			}
			return nil
		},
		fill: func(w *World) {
			m := resources(w)
			if *m == nil {
				*m = map[string]*T{}
			}
			for name, r := range *m {
				if r == nil {
					(*m)[name] = new(T)
				}
			}
		},
	}
}

// derived marks a kind that no file contains.
func derived(k Kind) Kind {
	k.Derived = true
	return k
}
