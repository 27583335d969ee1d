package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// describeClientVPN has the columns of Client VPN endpoints and their clients.
func describeClientVPN(r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.ClientVPNEndpoint:
		var subnets []string
		var private, outside []netip.Addr
		var blocks []netip.Prefix
		for _, a := range r.Status.Associations {
			subnet := a.Place()
			if a.Fault != "" {
				subnet += " (" + a.Fault + ")"
			}
			subnets = append(subnets, subnet)
			private, outside = append(private, a.PrivateIP), append(outside, a.OutsideAddresses()...)
			blocks = append(blocks, a.IPv6CIDR)
		}
		blocks = append(blocks, r.Status.IPv6CIDR)
		add("STATE", r.Status.State)
		add("VPC", r.Status.VPC)
		wide("TRANSIT GATEWAY", r.TransitGateway)
		add("CLIENT CIDR", prefixes(r.ClientCIDR))
		add("ASSOCIATIONS", strings.Join(subnets, ","))
		add("INTERFACES", addresses(private))
		add("CLIENT IPV6 CIDRS", prefixes(blocks...))
		add("FAULT", r.Status.Fault)
		add("CLIENTS", strconv.Itoa(len(r.Status.Clients)))
		wide("SPLIT TUNNEL", yes(r.SplitTunnel))
		wide("ROUTES", clientRoutes(r.Status.Routes))
		wide("RULES", counted(len(r.AuthorizationRules), "rule"))
		wide("SECURITY GROUPS", strings.Join(r.Status.SecurityGroups, ","))
		wide("OUTSIDE IP", addresses(outside))
	case *control.VPNClient:
		add("ENDPOINT", r.Endpoint)
		add("ADDRESS", addresses(r.Status.Addresses()))
		add("GROUPS", strings.Join(r.Groups, ","))
		add("ASSOCIATION", r.Status.Place())
		add("SEEN AS", addresses([]netip.Addr{r.Status.SourceIP, r.Status.IPv6}))
		add("INTERNET IP", addresses(r.Status.InternetAddresses()))
		wide("IN LAB", yes(r.Status.InLab))
		wide("RUNS", runs(r.Serve, r.Run))
	}
}

func clientRoutes(routes []control.ClientVPNRoute) string {
	list := make([]string, len(routes))
	for i, r := range routes {
		list[i] = r.Destination.String() + "=" + r.Target()
	}
	return strings.Join(list, ",")
}
