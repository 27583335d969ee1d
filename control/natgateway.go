package control

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NATGateway lets instances start IPv4 connections that seem to come from the
// gateway's own addresses (R38, R41), and IPv6-only ones talk to IPv4 under
// 64:ff9b::/96 (R54).
type NATGateway struct {
	// Subnet that it stands in; of a public one the route table should lead to
	// an internet gateway.
	Subnet string `json:"subnet"`
	// public or private: with Elastic IPs or without; public unless written.
	Connectivity Connectivity `json:"connectivity,omitempty"`
	// Elastic IP of a public gateway: an address, or auto, which is also meant
	// unless written; a list gives one to each address, the primary first.
	EIP ElasticIPs `json:"eip,omitempty"`
	// Primary private IPv4 address; the lowest free one unless written.
	PrivateIP netip.Addr `json:"privateIp,omitzero"`
	// Further private IPv4 addresses, at most seven: an address, or true for
	// AWS's choice. Each allows 55,000 more connections to one destination.
	SecondaryIPs []AddressChoice `json:"secondaryIps,omitempty"`

	Status NATGatewayStatus `json:"status" yaml:"-"`
}

// NATGatewayStatus is what AWS makes of a NAT gateway.
type NATGatewayStatus struct {
	Identity
	State            string       `json:"state"` // "available", or "unavailable" by a Fault; what AWS would let fail is refused (QG8)
	VPC              string       `json:"vpc"`
	AvailabilityZone string       `json:"availabilityZone"`
	Connectivity     Connectivity `json:"connectivity"`
	// NetworkInterfaceID is the ID of its requester-managed network interface
	// (A27), which no instance has and no security group can be put on.
	NetworkInterfaceID string `json:"networkInterfaceId"`
	// MAC of that interface. Store assigns it together with the Handle.
	MAC MAC `json:"mac"`
	// Addresses are those of its interface, the primary first.
	Addresses []NATGatewayAddress `json:"addresses"`
	// Fault is what has the gateway down, or "".
	Fault string `json:"fault,omitempty"`
}

// NATGatewayAddress is an address that a NAT gateway translates to.
type NATGatewayAddress struct {
	PrivateIP netip.Addr `json:"privateIp"`
	// PublicIP is the Elastic IP; invalid for a private gateway.
	PublicIP netip.Addr `json:"publicIp,omitzero"`
}

func (g *NATGateway) identity() *Identity { return &g.Status.Identity }

func (g *NATGateway) references(_ *World, name string) []reference {
	return []reference{{
		path:  field(field("natGateways", name), "subnet"),
		value: g.Subnet, set: func(s string) { g.Subnet = s }, kinds: []string{"subnets"},
		required: "write the subnet that the NAT gateway stands in",
	}}
}

// public reports whether the gateway has Elastic IPs (R39).
func (g *NATGateway) public() bool { return g.Connectivity != ConnectivityPrivate }

// privateIPs are the private addresses that the gateway wants, invalid where AWS
// picks: as many as it names, or has Elastic IPs for.
func (g *NATGateway) privateIPs() []netip.Addr {
	list := append([]netip.Addr{g.PrivateIP}, written(g.SecondaryIPs)...)
	for g.public() && len(list) < len(g.EIP) {
		list = append(list, netip.Addr{})
	}
	return list
}

// computeStatus settles what follows from the subnet. The addresses are
// Allocate's.
func (g *NATGateway) computeStatus(w *World, name string) {
	s := &g.Status
	if s.State = "available"; s.Fault != "" {
		s.State = "unavailable"
	}
	s.Connectivity = cmp.Or(g.Connectivity, ConnectivityPublic)
	s.NetworkInterfaceID = resourceID("eni", w.Name, "natGateways", name)
	s.VPC, s.AvailabilityZone = "", ""
	if subnet := w.Subnets[g.Subnet]; subnet != nil {
		s.VPC, s.AvailabilityZone = subnet.VPC, subnet.Status.AvailabilityZone
	}
	if s.Addresses == nil {
		s.Addresses = []NATGatewayAddress{}
	}
}

// mostNATAddresses is how many private addresses a NAT gateway can have (R38).
const mostNATAddresses = 8

func (g *NATGateway) validate(v *validation, name string) {
	path := field("natGateways", name)
	if n := len(g.privateIPs()); n > mostNATAddresses {
		at := field(path, "secondaryIps")
		if len(g.SecondaryIPs) < mostNATAddresses {
			at = field(path, "eip")
		}
		v.reportf(at, "", fmt.Sprintf("at most %d, the primary one included", mostNATAddresses), "the NAT gateway would have %d private addresses", n)
	}
	for i, choice := range g.SecondaryIPs {
		if choice.Choice == None {
			v.report(index(field(path, "secondaryIps"), i), "", "false is no address", "write an address, or true for AWS's choice")
		}
	}
	g.validateSubnet(v, path)
	if g.public() {
		g.validateElastic(v, path)
	} else if len(g.EIP) > 0 {
		v.report(field(path, "eip"), "InvalidParameterCombination", "A private NAT gateway cannot have Elastic IP addresses",
			"remove eip, or connectivity: private")
	}
}

// validateSubnet checks the private addresses against the subnet. The gateway's
// interface is an IPv4 one, even if all it does is NAT64 (R54).
func (g *NATGateway) validateSubnet(v *validation, path string) {
	subnet := v.w.Subnets[g.Subnet]
	switch {
	case subnet == nil:
	case subnet.IPv6Native:
		v.reportf(field(path, "subnet"), "InvalidParameterValue", "a NAT gateway needs an IPv4 address: use another subnet",
			"The subnet '%s' has no IPv4 CIDR block", g.Subnet)
	default:
		inSubnet(v, field(path, "privateIp"), g.PrivateIP, subnet.CIDR)
		for i, choice := range g.SecondaryIPs {
			inSubnet(v, index(field(path, "secondaryIps"), i), choice.Addr, subnet.CIDR)
		}
	}
}

// validateElastic checks what a public gateway needs. AWS accepts the request and
// lets the gateway fail a minute later (Q-C25); here that is refused at once.
func (g *NATGateway) validateElastic(v *validation, path string) {
	for i, eip := range g.EIP {
		if hint := notPublicIPv4(eip.Addr); eip.Addr.IsValid() && hint != "" {
			at := field(path, "eip")
			if len(g.EIP) > 1 {
				at = index(at, i)
			}
			v.reportf(at, "InvalidParameterValue", hint, "Address %s cannot be an Elastic IP address", eip.Addr)
		}
	}
	if n, most := len(g.privateIPs()), v.quotas.ElasticIPsPerNATGateway; n > most && n <= mostNATAddresses {
		v.reportf(path, "", fmt.Sprintf("the quota is %d; raise elasticIpsPerNatGateway under quotas, as AWS does on request", most),
			"the NAT gateway would have %d Elastic IP addresses", n)
	}
	subnet := v.w.Subnets[g.Subnet]
	if subnet == nil {
		return
	}
	if vpc := v.w.VPCs[subnet.VPC]; vpc != nil && vpc.Status.InternetGateway == "" { // QG8, R39
		v.reportf(path, "Gateway.NotAttached", fmt.Sprintf("add under internetGateways: igw: {vpc: %s}, or write connectivity: private", subnet.VPC),
			"Network %s has no internet gateway attached", subnet.VPC)
	}
}

// natGatewayQuotas counts NAT gateways per Availability Zone (QG9), for each
// account apart.
func (w *World) natGatewayQuotas(v *validation) {
	type accountZone struct {
		account AccountID
		zone    string
	}
	count := map[accountZone]int{}
	for _, name := range sorted(w.NATGateways) {
		s := &w.NATGateways[name].Status
		at := accountZone{w.placeOf(s.VPC).account, s.AvailabilityZone}
		if count[at]++; at.zone != "" && count[at] == v.quotas.NATGatewaysPerZone+1 {
			v.reportf(field("natGateways", name), "NatGatewayLimitExceeded", "raise natGatewaysPerAvailabilityZone under quotas, as AWS does on request, or use another zone",
				"Performing this operation would exceed the limit of %d NAT gateways", v.quotas.NATGatewaysPerZone)
		}
	}
}

func (g *NATGateway) compile(c *compilation, name string) {
	out := dataplane.NATGateway{
		Object: object(dataplane.KindNATGateway, name, g.Status.Identity),
		Subnet: dataplane.Handle(c.w.Subnets[g.Subnet].Status.Handle),
		MAC:    packet.MAC(g.Status.MAC),

		Stopped: g.Status.Fault != "",
	}
	for _, a := range g.Status.Addresses {
		out.Addresses = append(out.Addresses, a.PrivateIP)
	}
	c.b.NATGateways = append(c.b.NATGateways, out)
}
