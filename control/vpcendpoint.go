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
	// Service: s3 or dynamodb, of the VPC's Region, or the whole name such as
	// com.amazonaws.us-east-1.s3.
	Service string `json:"service"`
	// gateway, which is also meant unless written: a route in route tables.
	Type EndpointType `json:"type,omitempty"`
	// Route tables that get the route to the service.
	RouteTables []string `json:"routeTables,omitempty"`
	// ipv4, dualstack or ipv6: the addresses of the service that the route is for;
	// ipv4 unless written.
	IPAddressType IPAddressType `json:"ipAddressType,omitempty"`

	Status VPCEndpointStatus `json:"status" yaml:"-"`
}

// VPCEndpointStatus is what AWS makes of a VPC endpoint.
type VPCEndpointStatus struct {
	Identity
	State string `json:"state"` // "available": a gateway endpoint waits for nobody (E9)
	Type  string `json:"vpcEndpointType"`
	// ServiceName is the whole name of the service.
	ServiceName   string        `json:"serviceName"`
	IPAddressType IPAddressType `json:"ipAddressType"`
	// PrefixLists are AWS's lists of the service's addresses: the destinations of
	// the endpoint's routes (E1).
	PrefixLists []string `json:"prefixLists"`
	// Region and Account are the VPC's.
	Region  string    `json:"region"`
	Account AccountID `json:"account"`
}

// EndpointType is the kind of a VPC endpoint. The zero EndpointType leaves it to
// AWS's default, gateway.
type EndpointType uint8

// The kinds of VPC endpoints.
const (
	EndpointUnset EndpointType = iota
	EndpointGateway
)

var endpointTypeWords = []string{"", "gateway"}

func (t EndpointType) String() string                { return endpointTypeWords[t] }
func (t *EndpointType) parse(text string) error      { return parseWord(t, text, endpointTypeWords) }
func (t EndpointType) MarshalJSON() ([]byte, error)  { return marshalScalar(t) }
func (t *EndpointType) UnmarshalJSON(b []byte) error { return unmarshalScalar(b, t.parse) }

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
func (e *VPCEndpoint) computeStatus(w *World) {
	s, at := &e.Status, w.placeOf(e.VPC)
	s.State, s.Type = "available", "Gateway"
	s.Region, s.Account = at.region, at.account
	s.ServiceName = e.Service
	if !strings.Contains(e.Service, ".") {
		s.ServiceName = awsServiceName(at.region, e.Service)
	}
	s.IPAddressType = cmp.Or(e.IPAddressType, IPAddressTypeIPv4)
	s.PrefixLists = []string{}
	if service := e.service(w); service != nil {
		s.PrefixLists = service.prefixLists(s.IPAddressType)
	}
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
