package control

import (
	"reflect"
	"regexp"
)

// World is the desired state of one lab: a map per kind of resource, keyed by
// name. A scenario file is a World in YAML.
//
// A World is not safe for concurrent use; Store clones before it changes one.
type World struct {
	// Name of the lab: lower-case letters, digits and hyphens, at most 63.
	Name string `json:"name"`
	// What the lab shows, in a sentence or two.
	Description string `json:"description,omitempty"`
	// AWS Region of everything in the lab that names no other; us-east-1 unless
	// written.
	Region string `json:"region,omitempty"`
	// AWS account of everything in the lab that names no other; 123456789012
	// unless written.
	Account AccountID `json:"account,omitempty"`
	// Service quotas that differ from AWS's defaults.
	Quotas Quotas `json:"quotas,omitzero"`

	// Virtual private clouds: isolated networks with address blocks of their own.
	VPCs map[string]*VPC `json:"vpcs,omitempty"`
	// VPC peering connections: each joins two VPCs, and nothing behind them.
	VPCPeerings map[string]*VPCPeering `json:"vpcPeerings,omitempty"`
	// Internet gateways: a VPC's door to the Internet, with 1:1 address translation.
	InternetGateways map[string]*InternetGateway `json:"internetGateways,omitempty"`
	// NAT gateways: IPv4 connections from private subnets, under the gateway's address.
	NATGateways map[string]*NATGateway `json:"natGateways,omitempty"`
	// Egress-only internet gateways: IPv6 connections to the Internet, none from it.
	EgressOnlyInternetGateways map[string]*EgressOnlyInternetGateway `json:"egressOnlyInternetGateways,omitempty"`
	// Transit gateways: hubs that VPCs and other transit gateways are attached to.
	TransitGateways map[string]*TransitGateway `json:"transitGateways,omitempty"`
	// Transit gateway attachments: a VPC at a transit gateway, a peering of two
	// transit gateways, or a Connect attachment for appliances in a VPC.
	TransitGatewayAttachments map[string]*TransitGatewayAttachment `json:"transitGatewayAttachments,omitempty"`
	// Connect peers: GRE tunnels of Connect attachments, with BGP in them.
	TransitGatewayConnectPeers map[string]*TransitGatewayConnectPeer `json:"transitGatewayConnectPeers,omitempty"`
	// Route tables of transit gateways: which attachment reaches which.
	TransitGatewayRouteTables map[string]*TransitGatewayRouteTable `json:"transitGatewayRouteTables,omitempty"`
	// Sites: networks of the user's own outside of AWS, each behind a router.
	Sites map[string]*Site `json:"sites,omitempty"`
	// Hosts at sites, behind the router.
	SiteHosts map[string]*SiteHost `json:"siteHosts,omitempty"`
	// Customer gateways: what AWS knows of the routers of sites.
	CustomerGateways map[string]*CustomerGateway `json:"customerGateways,omitempty"`
	// Virtual private gateways: a VPC's door to sites, and a hub between them.
	VPNGateways map[string]*VPNGateway `json:"vpnGateways,omitempty"`
	// Site-to-Site VPN connections: two tunnels each, from a customer gateway to a
	// virtual private gateway or a transit gateway.
	VPNConnections map[string]*VPNConnection `json:"vpnConnections,omitempty"`
	// Client VPN endpoints: single machines on the Internet reach a VPC by them.
	ClientVPNEndpoints map[string]*ClientVPNEndpoint `json:"clientVpnEndpoints,omitempty"`
	// Clients of Client VPN endpoints, by name.
	VPNClients map[string]*VPNClient `json:"vpnClients,omitempty"`
	// Target groups: what load balancers hand connections to.
	TargetGroups map[string]*TargetGroup `json:"targetGroups,omitempty"`
	// Network Load Balancers, internal ones, behind endpoint services.
	LoadBalancers map[string]*LoadBalancer `json:"loadBalancers,omitempty"`
	// Endpoint services: what is behind load balancers, offered to other VPCs.
	VPCEndpointServices map[string]*VPCEndpointService `json:"vpcEndpointServices,omitempty"`
	// VPC endpoints: private ways from a VPC to services, past the Internet.
	VPCEndpoints map[string]*VPCEndpoint `json:"vpcEndpoints,omitempty"`
	// Route tables: where packets go that leave a subnet.
	RouteTables map[string]*RouteTable `json:"routeTables,omitempty"`
	// Network ACLs: stateless numbered rules at the border of a subnet.
	NetworkACLs map[string]*NetworkACL `json:"networkAcls,omitempty"`
	// Subnets: slices of a VPC's address block, each in one Availability Zone.
	Subnets map[string]*Subnet `json:"subnets,omitempty"`
	// Security groups: stateful allow rules around network interfaces.
	SecurityGroups map[string]*SecurityGroup `json:"securityGroups,omitempty"`
	// Prefix lists: named sets of CIDR blocks for rules and routes.
	PrefixLists map[string]*PrefixList `json:"prefixLists,omitempty"`
	// DHCP option sets: what the instances of a VPC learn beside their addresses.
	DHCPOptions map[string]*DHCPOptions `json:"dhcpOptions,omitempty"`
	// Instances: machines, each a network namespace that runs ordinary programs.
	Instances map[string]*Instance `json:"instances,omitempty"`
	// Hosts on the emulated Internet.
	InternetHosts map[string]*InternetHost `json:"internetHosts,omitempty"`
	// Regions: how far they are from each other, and their zones.
	Regions map[string]*Region `json:"regions,omitempty"`
	// Links: what the way between two Regions or Availability Zones, or between a
	// machine and the network, does to packets. A name is two places such as
	// us-east-1/eu-west-1, an instance, an interface, an Internet host or a site.
	Links map[string]*Link `json:"links,omitempty"`
	// Flow logs: records of what flows to and from network interfaces, or through
	// a transit gateway.
	FlowLogs map[string]*FlowLog `json:"flowLogs,omitempty"`
	// Traffic mirror targets: network interfaces that get copies of packets.
	TrafficMirrorTargets map[string]*TrafficMirrorTarget `json:"trafficMirrorTargets,omitempty"`
	// Traffic mirror filters: which packets are copied.
	TrafficMirrorFilters map[string]*TrafficMirrorFilter `json:"trafficMirrorFilters,omitempty"`
	// Traffic mirror sessions: whose packets are copied where.
	TrafficMirrorSessions map[string]*TrafficMirrorSession `json:"trafficMirrorSessions,omitempty"`
	// Metric filters: what of the flow logs' records is counted.
	MetricFilters map[string]*MetricFilter `json:"metricFilters,omitempty"`
	// Alarms: what is done when a metric crosses a threshold.
	Alarms map[string]*Alarm `json:"alarms,omitempty"`
	// What is broken: a kind and a name each, such as az us-east-1a or natGateway
	// nat.
	Faults Faults `json:"faults,omitempty"`
	// Facts about the lab that "vpcsim check" proves with real packets.
	Checks []Check `json:"checks,omitempty"`

	// NetworkInterfaces are derived from the instances by Complete, named
	// "INSTANCE/ethN".
	NetworkInterfaces map[string]*NetworkInterface `json:"networkInterfaces,omitempty" yaml:"-"`

	// AWSServices are S3 and DynamoDB in the Regions of the lab, named
	// "s3.us-east-1", if it has to do with them; see completeAWSServices.
	AWSServices map[string]*AWSService `json:"awsServices,omitempty" yaml:"-"`

	// RIB is what tunnels and BGP sessions are doing, nil for a world without any
	// real ones, which assumes the best; see AssumedRIB. Nothing changes it.
	RIB *RIB `json:"-" yaml:"-"`

	// KeySecret goes into the keys of Client VPN, which nobody outside of the lab may
	// guess: with them anybody who reaches an endpoint's real port would be in. A lab
	// that runs has one, and a world from a file none.
	KeySecret [32]byte `json:"-" yaml:"-"`

	// Source says where in a file each value stood; nil for a world that was
	// not read from a file.
	Source *Source `json:"-" yaml:"-"`
}

// Identity is what the lab gives every resource to be known by.
type Identity struct {
	// ID in AWS's form, such as vpc-0123456789abcdef0: the same in every run
	// for the same lab, kind and name.
	ID string `json:"id"`
	// Handle names the resource in snapshots and flow state. Store assigns it
	// at creation and never reuses it; 0 means none yet.
	Handle uint32 `json:"-"`
}

// Clone is a deep copy: no map, slice or pointer is shared with w, except the
// Source and the RIB, which nothing changes once they are made.
func (w *World) Clone() *World {
	if w == nil {
		return nil
	}
	return deepCopy(reflect.ValueOf(w)).Interface().(*World)
}

// deepCopy copies what v reaches through exported fields. Unexported ones
// (inside netip's types) are immutable and may be shared.
func deepCopy(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*Source]() || v.Type() == reflect.TypeFor[*RIB]() {
			return v
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(deepCopy(v.Elem()))
		return c
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(it.Key(), deepCopy(it.Value()))
		}
		return c
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			c.Index(i).Set(deepCopy(v.Index(i)))
		}
		return c
	case reflect.Struct:
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && reaches(f.Type) {
				c.Field(i).Set(deepCopy(v.Field(i)))
			}
		}
		return c
	default:
		return v
	}
}

// reaches reports whether copying a value of type t by assignment could share
// memory.
func reaches(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Struct:
		return true
	}
	return false
}

var (
	labName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	awsRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`)
)

// validate checks what belongs to the lab as a whole.
func (w *World) validate(v *validation) {
	switch {
	case w.Name == "":
		v.report("name", "", "the lab has no name", "add: name: my-lab")
	case !labName.MatchString(w.Name):
		v.reportf("name", "", "use lower-case letters, digits and hyphens, at most 63, and begin with a letter or digit",
			"%q is not a lab name", w.Name)
	}
	validateRegion(v, "region", w.Region)
	w.validateNames(v)
	w.Quotas.validate(v)
	w.validateQuotas(v)
}
