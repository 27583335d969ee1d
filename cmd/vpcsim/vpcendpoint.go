package main

import (
	"net/netip"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// describeEndpoint adds the columns of VPC endpoints and of the services behind
// them.
func describeEndpoint(r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.VPCEndpoint:
		add("STATE", r.Status.State)
		add("TYPE", r.Status.Type)
		add("VPC", r.VPC)
		add("SERVICE", r.Status.ServiceName)
		add("ROUTE TABLES", strings.Join(r.RouteTables, ","))
		wide("ADDRESSES", r.Status.IPAddressType.String())
		wide("PREFIX LISTS", strings.Join(r.Status.PrefixLists, ","))
	case *control.AWSService:
		add("SERVICE", r.Status.ServiceName)
		add("ADDRESSES", addresses([]netip.Addr{r.Status.IP, r.Status.IPv6}))
		add("DNS NAMES", strings.Join(r.Status.DNSNames, ","))
		wide("PREFIX LISTS", r.Status.PrefixList+","+r.Status.PrefixListIPv6)
	}
}
