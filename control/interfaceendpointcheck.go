package control

import (
	"fmt"
	"slices"
)

// validateGateway refuses what only interface endpoints have.
func (e *VPCEndpoint) validateGateway(v *validation, path string) {
	for _, only := range []struct {
		key   string
		given bool
	}{
		{"subnets", len(e.Subnets) > 0}, {"privateIps", len(e.PrivateIPs) > 0}, {"securityGroups", len(e.SecurityGroups) > 0},
		{"privateDnsEnabled", e.PrivateDNSEnabled}, {"state", e.State != EndpointStateUnset},
	} {
		if only.given {
			v.reportf(field(path, only.key), "InvalidParameter", "remove it, or write type: interface", "The parameter %s is not valid for a gateway endpoint", only.key)
		}
	}
}

// validateInterfaces checks an interface endpoint (E12, E13, E22).
func (e *VPCEndpoint) validateInterfaces(v *validation, path, name string) {
	if len(e.RouteTables) > 0 {
		v.report(field(path, "routeTables"), "InvalidParameter", "The parameter routeTables is not valid for an interface endpoint", "remove it, or write type: gateway")
	}
	if e.State != EndpointStateUnset && e.service(v.w) != nil {
		v.report(field(path, "state"), "InvalidParameter", "AWS's own services accept endpoints by themselves", "remove state")
	}
	v.validateManaged(path, e.VPC, e.Subnets, e.PrivateIPs, func(subnet string) badValue { // QC8
		return badValue{"DuplicateSubnetsInSameZone", fmt.Sprintf("Found another VPC endpoint subnet in the availability zone of %s. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.", subnet), "keep one of them"}
	})
	// AWS spreads nothing over zones here: an endpoint is in zones of the service.
	for i, subnet := range e.Subnets {
		s, own := v.w.Subnets[subnet], v.w.VPCEndpointServices[e.Status.EndpointService]
		if s == nil || own == nil || len(own.Status.AvailabilityZones) == 0 { // without load balancers, which is reported there
			continue
		}
		if !slices.Contains(own.Status.AvailabilityZones, s.zone(v.w)) { // QC9
			v.reportf(index(field(path, "subnets"), i), "InvalidParameter", "its load balancers have nodes in "+someOf(own.Status.AvailabilityZones),
				"The VPC endpoint service %s does not support the availability zone of the subnet: %s.", e.Status.ServiceName, subnet)
		}
	}
	if n, most := len(e.SecurityGroups), v.quotas.SecurityGroupsPerInterface; n > most {
		v.reportf(field(path, "securityGroups"), "SecurityGroupsPerInterfaceLimitExceeded", fmt.Sprintf("the quota is %d", most), "%d security groups", n)
	}
	e.validatePrivateDNS(v, path, name)
}

// validatePrivateDNS checks that the VPC has names at all, and that no other endpoint
// has the service's (QC11).
func (e *VPCEndpoint) validatePrivateDNS(v *validation, path, name string) {
	vpc := v.w.VPCs[e.VPC]
	if !e.PrivateDNSEnabled || vpc == nil {
		return
	}
	at := field(path, "privateDnsEnabled")
	if !vpc.Status.EnableDNSSupport || !vpc.EnableDNSHostnames {
		v.reportf(at, "InvalidParameter", fmt.Sprintf("write enableDnsHostnames: true at VPC %s", e.VPC),
			"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", e.VPC)
	}
	if own := v.w.VPCEndpointServices[e.Status.EndpointService]; own != nil && own.PrivateDNSName == "" {
		v.reportf(at, "InvalidParameter", fmt.Sprintf("write privateDnsName at endpoint service %s", e.Status.EndpointService),
			"Private DNS can't be enabled because the service %s does not provide a private DNS name.", e.Status.ServiceName)
	}
	for _, other := range sorted(v.w.VPCEndpoints) {
		o := v.w.VPCEndpoints[other]
		if other < name && o.VPC == e.VPC && o.PrivateDNSEnabled && o.Status.ServiceName == e.Status.ServiceName {
			v.reportf(at, "InvalidParameter", other+" has it", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s", e.Service, e.VPC)
			return
		}
	}
}

// validateEndpointService checks that the service is there for this VPC: in its
// Region, and open to its account (E17). To others AWS does not even say that it
// exists. A written state is that of an endpoint that was made while it was allowed.
func (e *VPCEndpoint) validateEndpointService(v *validation, path string) {
	own := v.w.VPCEndpointServices[e.Status.EndpointService]
	hint := fmt.Sprintf("VPC %s is in %s: write s3, dynamodb or an endpoint service", e.VPC, e.Status.Region)
	switch {
	case own == nil:
		if near := closest(e.Service, append(sorted(v.w.VPCEndpointServices), "s3", "dynamodb")); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
	case own.Status.Region != e.Status.Region:
		hint = fmt.Sprintf("endpoint service %s is in %s, VPC %s in %s", e.Status.EndpointService, own.Status.Region, e.VPC, e.Status.Region)
	case e.Type == EndpointGateway:
		v.report(field(path, "type"), "InvalidParameter", "The VPC endpoint service does not support gateway endpoints", "write type: interface")
		return
	case e.State == EndpointStateUnset && !own.allows(e.Status.Account):
		hint = fmt.Sprintf("endpoint service %s does not let account %s in: add it to allowedPrincipals, or \"*\"", e.Status.EndpointService, e.Status.Account)
	default:
		return
	}
	v.reportf(field(path, "service"), "InvalidServiceName", hint, "The Vpc Endpoint Service '%s' does not exist", e.Service)
}
