package control

import (
	"fmt"
	"slices"
)

func (e *VPCEndpoint) validate(v *validation, name string) {
	path := field("vpcEndpoints", name)
	switch {
	case e.Service == "":
		v.missing(field(path, "service"), "write s3, dynamodb or an endpoint service")
	case v.w.VPCs[e.VPC] != nil && e.service(v.w) == nil:
		e.validateEndpointService(v, path)
	}
	if e.Status.Type == EndpointInterface {
		e.validateInterfaces(v, path, name)
	} else {
		e.validateGateway(v, path)
	}
	for i, table := range e.RouteTables {
		e.validateTable(v, name, index(field(path, "routeTables"), i), i, table)
	}
}

// validateTable checks that a table takes the endpoint's route: one per service
// (QG23), and none in an edge route table (R22).
func (e *VPCEndpoint) validateTable(v *validation, name, path string, i int, table string) {
	t := v.w.RouteTables[table]
	if t == nil {
		return
	}
	if slices.Contains(e.RouteTables[:i], table) {
		v.reportf(path, "InvalidParameter", "remove one", "route table %s is in the list twice", table)
		return
	}
	if t.isEdge() {
		v.reportf(path, "InvalidParameterValue", "only route tables of subnets can have routes to endpoints",
			"route table %s is associated with a gateway", table)
	}
	for _, list := range e.Status.PrefixLists {
		holder := ""
		if target, written := t.Routes[Destination{PrefixList: list}]; written {
			holder = fmt.Sprintf("the table's own route to %s is for the same list", target)
		}
		for _, other := range sorted(v.w.VPCEndpoints) {
			if o := v.w.VPCEndpoints[other]; other < name && slices.Contains(o.RouteTables, table) && slices.Contains(o.Status.PrefixLists, list) {
				holder = fmt.Sprintf("VPC endpoint %s has it: a table has one endpoint per service", other)
			}
		}
		if holder != "" {
			v.reportf(path, "RouteAlreadyExists", holder, "route table %s already has a route with destination-prefix-list-id %s", table, list)
			return
		}
	}
}

// endpointQuotas counts gateway endpoints per Region and account (E9), and interface
// endpoints per VPC (E27).
func (w *World) endpointQuotas(v *validation) {
	count, interfaces := map[place]int{}, map[string]int{}
	for _, name := range sorted(w.VPCEndpoints) {
		at := w.placeOf(w.VPCEndpoints[name].VPC)
		if vpc := w.VPCEndpoints[name].VPC; w.VPCEndpoints[name].Status.Type == EndpointInterface {
			if interfaces[vpc]++; interfaces[vpc] == v.quotas.InterfaceEndpointsPerVPC+1 {
				v.reportf(field("vpcEndpoints", name), "VpcEndpointLimitExceeded", "raise interfaceEndpointsPerVpc under quotas, as AWS does on request",
					"The maximum number of VPC endpoints has been reached: %d interface endpoints in %s", v.quotas.InterfaceEndpointsPerVPC, vpc)
			}
			continue
		}
		if count[at]++; count[at] == v.quotas.GatewayEndpointsPerRegion+1 {
			v.reportf(field("vpcEndpoints", name), "VpcEndpointLimitExceeded", "raise gatewayEndpointsPerRegion under quotas, as AWS does on request",
				"The maximum number of VPC endpoints has been reached: %d gateway endpoints in %s", v.quotas.GatewayEndpointsPerRegion, at.region)
		}
	}
}

// validateEndpoint refuses a written route to a VPC endpoint: an endpoint's routes
// are its own (E1, QG15).
func (t *RouteTable) validateEndpoint(v *validation, path, target string) bool {
	e := v.w.VPCEndpoints[target]
	if e == nil {
		return true
	}
	if e.Status.Type == EndpointInterface { // QG14
		v.reportf(path, "RouteNotSupported", "an interface endpoint is reached at the addresses of its network interfaces",
			"Route table contains unsupported route target: %s. VPC Endpoints of this type cannot be used as route targets.", target)
		return false
	}
	v.reportf(path, "InvalidParameterValue", fmt.Sprintf("name the route table under routeTables of VPC endpoint %s, which adds and removes its route itself", target),
		"Cannot create or replace a prefix list route targeting a VPC Endpoint.")
	return false
}
