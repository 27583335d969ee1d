package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// describeEndpoint adds the columns of VPC endpoints and of the services behind
// them.
func describeEndpoint(r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.VPCEndpoint:
		service := r.Status.ServiceName
		if r.Status.EndpointService != "" {
			service = r.Status.EndpointService
		}
		add("STATE", r.Status.State.String())
		add("TYPE", r.Status.Type.String())
		add("VPC", r.VPC)
		add("SERVICE", service)
		add("ROUTE TABLES", strings.Join(r.RouteTables, ","))
		add("PRIVATE IP", addresses(managedAddresses(r.Status.Interfaces)))
		wide("SECURITY GROUPS", strings.Join(r.Status.SecurityGroups, ","))
		wide("ADDRESSES", r.Status.IPAddressType.String())
		wide("DNS NAMES", strings.Join(r.Status.DNSNames, ","))
		wide("PREFIX LISTS", strings.Join(r.Status.PrefixLists, ","))
	case *control.VPCEndpointService:
		add("STATE", r.Status.State)
		add("SERVICE NAME", r.Status.ServiceName)
		add("LOAD BALANCERS", strings.Join(r.LoadBalancers, ","))
		add("ACCEPTANCE", yes(r.Status.AcceptanceRequired))
		add("ENDPOINTS", strings.Join(r.Status.Endpoints, ","))
		wide("ZONES", strings.Join(r.Status.AvailabilityZones, ","))
		wide("ALLOWED PRINCIPALS", strings.Join(r.AllowedPrincipals, ","))
	case *control.LoadBalancer:
		var listeners []string
		for _, l := range r.Listeners {
			listeners = append(listeners, fmt.Sprintf("%s/%d %s", max(l.Protocol, control.ProtocolTCP), l.Port, l.TargetGroup))
		}
		add("STATE", r.Status.State)
		add("TYPE", r.Status.Type)
		add("VPC", r.Status.VPC)
		add("PRIVATE IP", addresses(managedAddresses(r.Status.Nodes)))
		add("LISTENERS", strings.Join(listeners, ","))
		wide("SECURITY GROUPS", strings.Join(r.SecurityGroups, ","))
		wide("DNS NAME", r.Status.DNSName)
	case *control.TargetGroup:
		var targets []string
		for _, t := range r.Status.Targets {
			targets = append(targets, t.Target+" "+t.State)
		}
		add("VPC", r.VPC)
		add("PORT", fmt.Sprintf("%s/%d", max(r.Protocol, control.ProtocolTCP), r.Port))
		add("TARGETS", strings.Join(targets, ","))
	case *control.AWSService:
		add("SERVICE", r.Status.ServiceName)
		add("ADDRESSES", addresses([]netip.Addr{r.Status.IP, r.Status.IPv6}))
		add("DNS NAMES", strings.Join(r.Status.DNSNames, ","))
		wide("PREFIX LISTS", r.Status.PrefixList+","+r.Status.PrefixListIPv6)
	}
}

// managedAddresses are those of requester-managed interfaces.
func managedAddresses(list []control.ManagedInterface) (all []netip.Addr) {
	for i := range list {
		for _, a := range []netip.Addr{list[i].PrivateIP, list[i].IPv6} {
			if a.IsValid() {
				all = append(all, a)
			}
		}
	}
	return all
}
