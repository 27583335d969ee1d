package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// hostsFile is /etc/hosts as the node sees it: every name of the lab with the
// addresses that lead there from this node, so that "curl web" works from
// anywhere. It stands in for DNS and is like AWS's names of instances: a name is
// the IPv4 address alone (private within the VPC and where a peering allows it,
// public from outside), for with both, programs would try IPv6 first, about which
// rules often say nothing. The
// IPv6 address has the name with ".ipv6" behind.
func hostsFile(w *control.World, node string) string {
	var b strings.Builder
	b.WriteString("# Made by vpcsim from the lab's scenario; it changes with the lab.\n")
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, name := range append(slices.Sorted(maps.Keys(w.Instances)), outsideNames(w)...) {
		addresses := addressesFrom(w, node, name)
		for _, a := range addresses {
			switch {
			case a.Is4():
				fmt.Fprintf(&b, "%s %s\n", a, name)
			case len(addresses) == 1: // no IPv4 that the name could mean
				fmt.Fprintf(&b, "%s %s.ipv6 %s\n", a, name, name)
			default:
				fmt.Fprintf(&b, "%s %s.ipv6\n", a, name)
			}
		}
	}
	return b.String()
}

// addressesFrom are the addresses by which node reaches the instance or
// Internet host called name: private ones within a VPC, public ones otherwise. An
// instance of another VPC that has no public one is meant by its private address,
// unless here that would be somebody else's.
func addressesFrom(w *control.World, node, name string) []netip.Addr {
	var list []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() {
			list = append(list, a)
		}
	}
	if machine, ok := outsideMachine(w, name); ok {
		return machine.addresses
	}
	target := w.Instances[name]
	vpc := vpcOf(w, node)
	at, _ := outsideMachine(w, node)
	switch public, private := target.Status.PublicIP, target.Status.PrivateIP; {
	case at.site != "" || w.AtTransitGateway(node): // through its tunnels
		add(private)
	case vpc == "":
		add(public)
	case w.ResolvesPrivately(vpc, target.Status.VPC):
		add(private)
	case public.IsValid():
		add(public)
	case !hasAddress(w.VPCs[vpc], private):
		add(private)
	}
	add(target.Status.IPv6) // global: the same from everywhere
	return list
}

// vpcOf is the VPC that a node is in, or connects to as a client; "" for others.
func vpcOf(w *control.World, node string) string {
	if i := w.Instances[node]; i != nil {
		return i.Status.VPC
	}
	if c := w.VPNClients[node]; c != nil {
		return w.ClientVPNEndpoints[c.Endpoint].Status.VPC
	}
	return ""
}

// hasAddress reports whether a lies in a block of the VPC.
func hasAddress(vpc *control.VPC, a netip.Addr) bool {
	return vpc != nil && slices.ContainsFunc(vpc.Status.CIDRs, func(block netip.Prefix) bool { return block.Contains(a) })
}

// resolvFile is /etc/resolv.conf of the node: what a DHCP client would write
// there from the VPC's option set. Hosts of the Internet have no provider that
// resolves names for them.
func resolvFile(w *control.World, node string) string {
	if c := w.VPNClients[node]; c != nil && connects(w, node) && len(w.ClientVPNEndpoints[c.Endpoint].DNSServers) > 0 {
		return clientResolvFile(w, c)
	}
	instance := w.Instances[node]
	if instance == nil || w.VPCs[instance.Status.VPC] == nil {
		// Without a nameserver line the C library asks 127.0.0.1; the options
		// make it give up at once.
		return "# Nobody resolves names for a host of the emulated Internet: names come from /etc/hosts.\n" +
			"options timeout:1 attempts:1\n"
	}
	vpc := w.VPCs[instance.Status.VPC]
	var b strings.Builder
	b.WriteString("# Made by vpcsim from the DHCP options of VPC " + instance.Status.VPC + ".\n")
	if domain := vpc.Status.DHCPOptions.DomainName; domain != "" {
		fmt.Fprintf(&b, "search %s\n", domain)
	}
	for _, server := range vpc.Status.DHCPOptions.DomainNameServers {
		fmt.Fprintf(&b, "nameserver %s\n", resolverFor(vpc, instance, server))
	}
	b.WriteString("options timeout:2 attempts:2\n")
	return b.String()
}

// clientResolvFile names the DNS servers that a client is told to use while it is
// connected.
func clientResolvFile(w *control.World, c *control.VPNClient) string {
	var b strings.Builder
	b.WriteString("# Made by vpcsim from the DNS servers of Client VPN endpoint " + c.Endpoint + ".\n")
	for _, server := range w.ClientVPNEndpoints[c.Endpoint].DNSServers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	b.WriteString("options timeout:2 attempts:2\n")
	return b.String()
}

// resolverFor is the address of a DNS server as the instance must ask it:
// AmazonProvidedDNS is VPC+2, or fd00:ec2::253 where there is no IPv4.
func resolverFor(vpc *control.VPC, instance *control.Instance, server control.DomainNameServer) netip.Addr {
	switch {
	case !server.AmazonProvided():
		return server.Addr
	case !instance.Status.PrivateIP.IsValid():
		return dataplane.ResolverAddress6
	}
	return vpc.CIDR.Masked().Addr().Next().Next()
}
