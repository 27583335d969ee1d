package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file is what interface endpoints have beside gateway endpoints: network
// interfaces, names, and a state that their service's owner decides.

func (e *VPCEndpoint) interfaceReferences(path string) (refs []reference) {
	for i, subnet := range e.Subnets {
		refs = append(refs, reference{
			path: index(field(path, "subnets"), i), value: subnet, set: func(s string) { e.Subnets[i] = s }, kinds: []string{"subnets"}, vpc: e.VPC, required: "write a subnet of the VPC",
			foreign: badValue{code: "InvalidSubnetId.NotFound", message: fmt.Sprintf("The subnet ID '%s' does not exist in VPC %s", subnet, e.VPC)},
		})
	}
	for i, group := range e.SecurityGroups {
		refs = append(refs, reference{
			path: index(field(path, "securityGroups"), i), value: group, set: func(s string) { e.SecurityGroups[i] = s }, kinds: []string{"securityGroups"}, vpc: e.VPC,
			required: "write a security group of the VPC", foreign: differentNetworks,
		})
	}
	return refs
}

// computeInterfaces settles the interfaces, and the state that the service and its
// owner give the endpoint.
func (e *VPCEndpoint) computeInterfaces(w *World, name string) {
	s := &e.Status
	if s.Type != EndpointInterface {
		s.Interfaces, s.SecurityGroups, s.DNSNames = []ManagedInterface{}, []string{}, []string{}
		return
	}
	s.Interfaces = w.managedInterfaces("vpcEndpoints", name, e.Subnets, s.Interfaces)
	s.SecurityGroups = slices.Clone(e.SecurityGroups)
	if len(s.SecurityGroups) == 0 { // E13
		s.SecurityGroups = []string{e.VPC + "/default"}
	}
	if own := w.VPCEndpointServices[s.EndpointService]; own != nil {
		switch {
		case e.State != EndpointStateUnset:
			s.State = e.State
		case own.AcceptanceRequired == nil || *own.AcceptanceRequired:
			s.State = EndpointPendingAcceptance
		}
	}
	s.DNSNames = e.dnsNames(w, name)
}

// dnsNames are the regional name and one for each zone, in the domain of the service
// (E22).
func (e *VPCEndpoint) dnsNames(w *World, name string) []string {
	s := &e.Status
	_, random, _ := cutLast(resourceID("dns", w.Name, "vpcEndpoints names", name), "-")
	_, service, _ := cutLast(s.ServiceName, ".")
	host, domain := s.ID+"-"+random[:8], fmt.Sprintf(".%s.%s.vpce.amazonaws.com", service, s.Region)
	names := []string{host + domain}
	for i := range s.Interfaces {
		names = append(names, host+"-"+s.Interfaces[i].AvailabilityZone+domain)
	}
	return names
}

// PrivateDNSNames are the names that mean the endpoint's interfaces in its VPC, and
// whatever is below them; none if that is not enabled (E22).
func (e *VPCEndpoint) PrivateDNSNames(w *World) []string {
	if !e.PrivateDNSEnabled || e.Status.Type != EndpointInterface || e.Status.State != EndpointAvailable {
		return nil
	}
	if service := e.service(w); service != nil {
		return service.Status.DNSNames
	}
	if own := w.VPCEndpointServices[e.Status.EndpointService]; own != nil && own.PrivateDNSName != "" {
		return []string{strings.ToLower(strings.TrimSuffix(own.PrivateDNSName, "."))}
	}
	return nil
}

func (e *VPCEndpoint) compileInterfaces(c *compilation, name string) {
	s := &e.Status
	out := dataplane.InterfaceEndpoint{
		Object:  object(dataplane.KindVPCEndpoint, name, s.Identity),
		Service: s.ServiceName, Closed: s.State != EndpointAvailable, PrivateLink: s.EndpointService != "",
	}
	if s.EndpointService != "" {
		out.Service = "endpoint service " + s.EndpointService
	}
	for i := range s.Interfaces {
		n := &s.Interfaces[i]
		out.Interfaces = append(out.Interfaces, dataplane.EndpointInterface{
			Object: object(dataplane.KindVPCEndpointInterface, name+"/"+n.Subnet, n.Identity),
			Subnet: dataplane.Handle(c.w.Subnets[n.Subnet].Status.Handle), MAC: packet.MAC(n.MAC), Addresses: n.addresses(),
			SecurityGroups: c.groups(s.SecurityGroups), Nodes: c.w.nodesOf(s.EndpointService, n.AvailabilityZone),
		})
	}
	c.b.InterfaceEndpoints = append(c.b.InterfaceEndpoints, out)
}

// nodesOf are the nodes of an endpoint service's load balancers in a zone: PrivateLink
// does not leave it.
func (w *World) nodesOf(service, zone string) (nodes []dataplane.Handle) {
	own := w.VPCEndpointServices[service]
	if own == nil {
		return nil
	}
	for _, b := range own.LoadBalancers {
		balancer := w.LoadBalancers[b]
		for i := range balancer.Status.Nodes {
			if n := &balancer.Status.Nodes[i]; n.AvailabilityZone == zone {
				nodes = append(nodes, dataplane.Handle(n.Handle))
			}
		}
	}
	return nodes
}
