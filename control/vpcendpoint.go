package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
)

// VPCEndpoint is a VPC's private way to a service, past the Internet.
type VPCEndpoint struct {
	// VPC that has the endpoint.
	VPC string `json:"vpc"`
	// Service: s3 or dynamodb, of the VPC's Region, an endpoint service, or the whole
	// name of one of these such as com.amazonaws.us-east-1.s3.
	Service string `json:"service"`
	// gateway: a route in route tables, to s3 or dynamodb; interface: network
	// interfaces in subnets. Unless written it is a gateway for s3 and dynamodb
	// without subnets, and an interface endpoint else.
	Type EndpointType `json:"type,omitempty"`
	// Route tables that get the route to the service, of a gateway endpoint.
	RouteTables []string `json:"routeTables,omitempty"`
	// Subnets that get a network interface, of an interface endpoint, one per
	// Availability Zone.
	Subnets []string `json:"subnets,omitempty"`
	// Private IPv4 addresses of the network interfaces, by subnet; the lowest free
	// ones unless written.
	PrivateIPs map[string]netip.Addr `json:"privateIps,omitempty"`
	// Security groups of the network interfaces; the VPC's default group unless
	// written.
	SecurityGroups []string `json:"securityGroups,omitempty"`
	// Whether the service's own name means the network interfaces in this VPC.
	PrivateDNSEnabled bool `json:"privateDnsEnabled,omitempty"`
	// ipv4, dualstack or ipv6: the addresses of the service that the route is for, or
	// of the network interfaces; ipv4 unless written.
	IPAddressType IPAddressType `json:"ipAddressType,omitempty"`
	// State of an endpoint to an endpoint service: pendingAcceptance, available or
	// rejected; as the service's acceptanceRequired says unless written.
	State EndpointState `json:"state,omitempty"`

	Status VPCEndpointStatus `json:"status" yaml:"-"`
}

// VPCEndpointStatus is what AWS makes of a VPC endpoint.
type VPCEndpointStatus struct {
	Identity
	// State: what AWS owns is available at once (E9, E23).
	State EndpointState `json:"state"`
	Type  EndpointType  `json:"vpcEndpointType"`
	// ServiceName is the whole name of the service.
	ServiceName   string        `json:"serviceName"`
	IPAddressType IPAddressType `json:"ipAddressType"`
	// PrefixLists are AWS's lists of the service's addresses: the destinations of
	// the endpoint's routes (E1).
	PrefixLists []string `json:"prefixLists"`
	// Interfaces are the endpoint's, in the order of the subnets (E12).
	Interfaces []ManagedInterface `json:"networkInterfaces"`
	// SecurityGroups are those in force on them.
	SecurityGroups []string `json:"securityGroups"`
	// DNSNames are public: the regional one first, then one per Availability Zone
	// (E22).
	DNSNames []string `json:"dnsEntries"`
	// EndpointService is the name of the service, "" of AWS's own.
	EndpointService string `json:"endpointService,omitempty"`
	// Region and Account are the VPC's.
	Region  string    `json:"region"`
	Account AccountID `json:"account"`
}

// EndpointType is the kind of a VPC endpoint. The zero EndpointType leaves it to the
// service.
type EndpointType uint8

// The kinds of VPC endpoints.
const (
	EndpointUnset EndpointType = iota
	EndpointGateway
	EndpointInterface
)

var endpointTypeWords = []string{"", "gateway", "interface"}

func (t EndpointType) String() string                { return endpointTypeWords[t] }
func (t *EndpointType) parse(text string) error      { return parseWord(t, text, endpointTypeWords) }
func (t EndpointType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *EndpointType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

// EndpointState is how far an endpoint is (E16). The zero EndpointState leaves it to
// the service.
type EndpointState uint8

// The states that endpoints stay in.
const (
	EndpointStateUnset EndpointState = iota
	EndpointPendingAcceptance
	EndpointAvailable
	EndpointRejected
)

var endpointStateWords = []string{"", "pendingAcceptance", "available", "rejected"}

func (s EndpointState) String() string                { return endpointStateWords[s] }
func (s *EndpointState) parse(text string) error      { return parseWord(s, text, endpointStateWords) }
func (s EndpointState) MarshalJSON() ([]byte, error)  { return marshalScalar(s) }
func (s *EndpointState) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, s.parse) }

// IPAddressType says which families an endpoint serves. The zero IPAddressType
// leaves it to AWS's default, ipv4.
type IPAddressType uint8

// The address types.
const (
	IPAddressTypeUnset IPAddressType = iota
	IPAddressTypeIPv4
	IPAddressTypeDualstack
	IPAddressTypeIPv6
)

var ipAddressTypeWords = []string{"", "ipv4", "dualstack", "ipv6"}

func (t IPAddressType) String() string                { return ipAddressTypeWords[t] }
func (t *IPAddressType) parse(text string) error      { return parseWord(t, text, ipAddressTypeWords) }
func (t IPAddressType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *IPAddressType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

func (e *VPCEndpoint) identity() *Identity { return &e.Status.Identity }

func (e *VPCEndpoint) references(_ *World, name string) []reference {
	path := field("vpcEndpoints", name)
	refs := []reference{{
		path: field(path, "vpc"), value: e.VPC, set: func(s string) { e.VPC = s },
		kinds: []string{"vpcs"}, required: "write the VPC that has the endpoint",
	}}
	refs = append(refs, e.interfaceReferences(path)...)
	for i, table := range e.RouteTables {
		refs = append(refs, reference{
			path: index(field(path, "routeTables"), i), value: table, set: func(s string) { e.RouteTables[i] = s },
			kinds: []string{"routeTables"}, vpc: e.VPC, required: "write a route table of the VPC",
			foreign: badValue{code: "InvalidRouteTableId.NotFound", message: fmt.Sprintf("The routeTable ID '%s' does not belong to VPC %s", table, e.VPC)},
		})
	}
	return refs
}

// computeStatus settles the service's whole name and the lists of its addresses.
func (e *VPCEndpoint) computeStatus(w *World, name string) {
	s, at := &e.Status, w.placeOf(e.VPC)
	s.Region, s.Account = at.region, at.account
	s.ServiceName, s.EndpointService = e.Service, w.endpointService(e.Service)
	switch own := w.VPCEndpointServices[s.EndpointService]; {
	case own != nil:
		s.ServiceName = own.Status.ServiceName
	case !strings.Contains(e.Service, "."):
		s.ServiceName = awsServiceName(at.region, e.Service)
	}
	s.IPAddressType = cmp.Or(e.IPAddressType, IPAddressTypeIPv4)
	s.PrefixLists, s.State = []string{}, EndpointAvailable
	service := e.service(w)
	s.Type = e.Type
	if s.Type == EndpointUnset {
		if s.Type = EndpointInterface; service != nil && len(e.Subnets) == 0 {
			s.Type = EndpointGateway
		}
	}
	if service != nil && s.Type == EndpointGateway {
		s.PrefixLists = service.prefixLists(s.IPAddressType)
	}
	e.computeInterfaces(w, name)
}

// service is the AWS service that the endpoint leads to, nil if there is none in
// its VPC's Region.
func (e *VPCEndpoint) service(w *World) *AWSService {
	for _, s := range w.AWSServices {
		if s.Status.ServiceName == e.Status.ServiceName && s.Status.Region == e.Status.Region {
			return s
		}
	}
	return nil
}

// endpointRoutes are the routes that endpoints put into a route table, one for each
// list of addresses: no other hand adds or removes them (E1).
func (w *World) endpointRoutes(table string) (routes []Route) {
	for _, name := range sorted(w.VPCEndpoints) {
		e := w.VPCEndpoints[name]
		if !slices.Contains(e.RouteTables, table) {
			continue
		}
		for _, list := range e.Status.PrefixLists {
			routes = append(routes, Route{
				Destination: Destination{PrefixList: list}, TargetKind: TargetVPCEndpoint, Target: name,
				Origin: OriginCreateRoute, State: RouteActive,
			})
		}
	}
	return routes
}

func (e *VPCEndpoint) compile(c *compilation, name string) {
	if e.Status.Type == EndpointInterface {
		e.compileInterfaces(c, name)
		return
	}
	service := e.service(c.w)
	c.b.GatewayEndpoints = append(c.b.GatewayEndpoints, dataplane.GatewayEndpoint{
		Object: object(dataplane.KindVPCEndpoint, name, e.Status.Identity),
		VPC:    dataplane.Handle(c.w.VPCs[e.VPC].Status.Handle),
		MAC:    dataplane.InterfaceMAC(dataplane.Handle(e.Status.Handle)),
		// All of the service's, whatever the routes are for: what is not routed here
		// does not come.
		Addresses: []netip.Addr{service.Status.IP, service.Status.IPv6},
		Service:   e.Status.ServiceName,
		Tracked:   service.dynamoDB(),
	})
}
