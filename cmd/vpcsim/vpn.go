package main

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vpcsim/vpcsim/control"
)

// describeVPN adds the columns of what Site-to-Site VPN is made of.
func describeVPN(r control.Resource, add, wide func(title, cell string)) {
	switch r := r.(type) {
	case *control.Site:
		add("PUBLIC IP", address(r.Status.PublicIP))
		add("IPV6", address(r.Status.IPv6))
		add("ROUTER", r.Status.Router.String())
		add("ASN", r.Status.ASN.String())
		add("NETWORKS", prefixes(r.Networks...))
		add("HOSTS", strings.Join(r.Status.Hosts, ","))
		add("FAULT", r.Status.Fault)
		wide("CUSTOMER GATEWAYS", strings.Join(r.Status.CustomerGateways, ","))
		wide("BEHIND NAT", yes(r.BehindNAT))
	case *control.SiteHost:
		add("SITE", r.Site)
		add("IP", address(r.Status.IP))
		add("IPV6", address(r.Status.IPv6))
		add("RUNS", runs(r.Serve, r.Run))
	case *control.CustomerGateway:
		add("STATE", r.Status.State)
		add("SITE", r.Site)
		add("IP ADDRESS", address(r.Status.IPAddress))
		add("ASN", r.Status.ASN.String())
		wide("VPN CONNECTIONS", strings.Join(r.Status.VPNConnections, ","))
	case *control.VPNGateway:
		add("VPC", r.VPC)
		add("STATE", r.Status.State)
		add("ASN", r.Status.ASN.String())
		add("VPN CONNECTIONS", strings.Join(r.Status.VPNConnections, ","))
		add("ROUTES", strconv.Itoa(len(r.Status.Routes)))
		wide("EDGE ROUTE TABLE", r.Status.EdgeRouteTable)
	case *control.VPNConnection:
		gateway := r.VPNGateway
		if gateway == "" {
			gateway = r.TransitGateway
		}
		add("CUSTOMER GATEWAY", r.CustomerGateway)
		add("GATEWAY", gateway)
		add("ROUTING", r.Status.Routing)
		for i := range r.Status.Tunnels {
			add("TUNNEL "+strconv.Itoa(i+1), tunnelState(&r.Status.Tunnels[i]))
		}
		add("FAULT", r.Status.Fault)
		wide("SITE", r.Status.Site)
		wide("CUSTOMER ASN", r.Status.CustomerASN.String())
		wide("AMAZON ASN", r.Status.AmazonASN.String())
		wide("OUTSIDE", r.Status.OutsideIPAddressType.String())
		wide("ACCELERATED", yes(r.EnableAcceleration))
		wide("INSIDE", r.Status.TunnelInsideIPVersion.String())
	}
}

// tunnelState is AWS's word for a tunnel, and what it says beside.
func tunnelState(t *control.VPNTunnel) string {
	if t.StatusMessage == "" {
		return t.State
	}
	return t.State + " (" + t.StatusMessage + ")"
}

// tunnelDetail lists both tunnels of a connection.
func tunnelDetail(c *control.VPNConnection) (header []string, rows [][]string) {
	for i := range c.Status.Tunnels {
		t := &c.Status.Tunnels[i]
		inside := func(v4, v6 netip.Addr) string {
			if v6.IsValid() {
				return address(v6)
			}
			return address(v4)
		}
		rows = append(rows, []string{
			t.Name, t.State, t.StatusMessage, address(t.OutsideIP), inside(t.AmazonIP, t.AmazonIPv6), inside(t.CustomerIP, t.CustomerIPv6),
			strconv.Itoa(t.AcceptedRouteCount), strconv.Itoa(t.AnnouncedRouteCount), med(t.AnnouncedMED), cmp.Or(t.Reason, t.Maintenance),
		})
	}
	return []string{"TUNNEL", "STATE", "STATUS", "OUTSIDE IP", "INSIDE AMAZON", "INSIDE CUSTOMER", "ACCEPTED", "ANNOUNCED", "MED", "REASON"}, rows
}

// med is what AWS announces with; there is none where nothing is announced.
func med(med uint32) string {
	if med == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(med), 10)
}

// vpnRouteDetail lists the routes in force of a virtual private gateway.
func vpnRouteDetail(g *control.VPNGateway) (header []string, rows [][]string) {
	for _, r := range g.Status.Routes {
		rows = append(rows, []string{r.Destination.String(), r.Tunnel, r.Type, asPath(r.ASPath)})
	}
	return []string{"DESTINATION", "TUNNEL", "TYPE", "AS PATH"}, rows
}

func asPath(path []control.ASN) string {
	words := make([]string, len(path))
	for i, asn := range path {
		words[i] = asn.String()
	}
	return strings.Join(words, " ")
}
