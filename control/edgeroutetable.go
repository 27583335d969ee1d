package control

import (
	"fmt"
	"net/netip"
	"slices"
)

// edge is a gateway that an edge route table is associated with.
type edge struct {
	key, kind  string // in the table, and the plural
	name, vpc  string
	routeTable string // the one that is associated with it
}

// edges are the gateways whose incoming packets the table routes: those that are
// there, and not another VPC's.
func (t *RouteTable) edges(w *World) (list []edge) {
	if g := w.InternetGateways[t.InternetGateway]; g != nil {
		list = append(list, edge{"internetGateway", "internetGateways", t.InternetGateway, g.VPC, g.Status.EdgeRouteTable})
	}
	if g := w.VPNGateways[t.VPNGateway]; g != nil {
		list = append(list, edge{"vpnGateway", "vpnGateways", t.VPNGateway, g.VPC, g.Status.EdgeRouteTable})
	}
	return slices.DeleteFunc(list, func(e edge) bool { return e.vpc != "" && e.vpc != t.VPC })
}

// isEdge reports whether a gateway is written that the table shall serve.
func (t *RouteTable) isEdge() bool { return t.InternetGateway != "" || t.VPNGateway != "" }

// validateEdge checks a table that is associated with an internet gateway or a
// virtual private gateway: an edge route table, which routes what comes in (R2, R10
// to R12). AWS's words for most of this are not known.
func (t *RouteTable) validateEdge(v *validation, name, path string) {
	edges := t.edges(v.w)
	for _, e := range edges {
		t.validateAssociation(v, name, field(path, e.key), e)
	}
	if len(edges) > 0 && len(t.Propagate) > 0 { // R11, RT-07
		v.reportf(field(path, "propagate"), "InvalidParameterValue", "make a table of its own for the gateway",
			"route table %s is associated with a gateway and cannot have propagated routes.", name)
	}
}

func (t *RouteTable) validateAssociation(v *validation, name, at string, e edge) {
	switch {
	case e.vpc == "": // QG4
		v.reportf(at, "Gateway.NotAttached", fmt.Sprintf("write vpc: %s under %s.%s", t.VPC, e.kind, e.name),
			"resource %s is not attached to network %s", e.name, t.VPC)
	case v.w.mainRouteTable(t.VPC) == name: // R2
		v.reportf(at, "InvalidParameterValue", "make a table of its own for the gateway",
			"the main route table %s cannot be associated with a gateway", name)
	case e.routeTable != name: // QG19
		v.reportf(at, "Resource.AlreadyAssociated", fmt.Sprintf("%s is associated with %s", e.routeTable, e.name),
			"the specified association for route table %s conflicts with an existing association", name)
	}
}

// validateEdgeRoute checks one route of an edge route table: a whole block of the
// VPC or of a subnet, to local or to an interface (R11). Whether a part of a
// subnet is written, and local for a subnet, validateRoute says, unless this
// reports false.
func (t *RouteTable) validateEdgeRoute(v *validation, name, path string, d Destination) bool {
	target := string(t.Routes[d])
	vpc := v.w.VPCs[t.VPC]
	edges := slices.DeleteFunc(t.edges(v.w), func(e edge) bool { return e.vpc == "" })
	if vpc == nil || len(edges) == 0 || target == TargetLocal {
		return true
	}
	if d.PrefixList != "" {
		v.reportKey(path, "InvalidParameterValue", fmt.Sprintf("route table %s is associated with a gateway and cannot have a prefix list route.", name),
			"write the CIDR blocks")
		return false
	}
	if !v.w.isInterfaceTarget(target) {
		v.reportf(path, "InvalidParameterValue", "what comes in from a gateway goes to local, an instance or an interface",
			"Route target is not supported. Route table %s is associated with a gateway and only supports interface, instance and local targets.", name)
		return false
	}
	if _, inside := vpc.blockAround(d.Prefix); !inside {
		v.reportKey(path, "InvalidParameterValue",
			fmt.Sprintf("The destination CIDR block %s is outside the CIDR blocks of VPC %s, and route table %s is associated with a gateway.", d.Prefix, t.VPC, name),
			"use a whole block of the VPC ("+joinPrefixes(vpc.blocks())+") or of one of its subnets")
		return false
	}
	return t.VPNGateway != "" && t.InternetGateway == "" || t.validateEdgeTarget(v, path, d.Prefix, target)
}

// validateEdgeTarget holds R12: the Internet's packets reach an interface only if
// it has a public address of its own. A stopped instance makes the route a
// blackhole instead, as do all targets that are down. For IPv6 AWS names no
// condition.
func (t *RouteTable) validateEdgeTarget(v *validation, path string, p netip.Prefix, target string) bool {
	eni := v.w.NetworkInterfaces[target]
	if eni == nil || v.w.Instances[eni.Instance] == nil || v.w.Instances[eni.Instance].Down() || eni.VPC != t.VPC {
		return true
	}
	if p.Addr().Is6() || eni.Status.PublicIP.IsValid() {
		return true
	}
	v.reportf(path, "InvalidParameterValue", "give it publicIp: true, or an Elastic IP",
		"network interface %s has no public address, and cannot be the target of what comes in from an internet gateway", target)
	return false
}
