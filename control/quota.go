package control

import "fmt"

// Quotas are AWS's service quotas. A zero field means AWS's default; more than
// AWS grants on request is refused.
type Quotas struct {
	// VPCs per Region, 5 unless written.
	VPCsPerRegion int `json:"vpcsPerRegion,omitempty"`
	// IPv4 CIDR blocks per VPC, 5 unless written.
	CIDRsPerVPC int `json:"cidrsPerVpc,omitempty"`
	// Subnets per VPC, 200 unless written.
	SubnetsPerVPC int `json:"subnetsPerVpc,omitempty"`
	// Internet gateways per Region, as many as VPCs unless written.
	InternetGatewaysPerRegion int `json:"internetGatewaysPerRegion,omitempty"`
	// Egress-only internet gateways per Region, as many as VPCs unless written.
	EgressOnlyInternetGatewaysPerRegion int `json:"egressOnlyInternetGatewaysPerRegion,omitempty"`
	// NAT gateways per Availability Zone, 5 unless written.
	NATGatewaysPerZone int `json:"natGatewaysPerAvailabilityZone,omitempty"`
	// Elastic IP addresses per public NAT gateway, 2 unless written.
	ElasticIPsPerNATGateway int `json:"elasticIpsPerNatGateway,omitempty"`
	// Elastic IP addresses per Region, 5 unless written.
	ElasticIPsPerRegion int `json:"elasticIpsPerRegion,omitempty"`
	// Network interfaces per Region, 5000 unless written.
	NetworkInterfacesPerRegion int `json:"networkInterfacesPerRegion,omitempty"`
	// Active VPC peering connections per VPC, 50 unless written.
	ActiveVPCPeeringsPerVPC int `json:"activeVpcPeeringsPerVpc,omitempty"`
	// VPC peering requests of one account that wait for an answer, 25 unless written.
	OutstandingVPCPeerings int `json:"outstandingVpcPeerings,omitempty"`
	// Transit gateways per Region, 5 unless written.
	TransitGatewaysPerRegion int `json:"transitGatewaysPerRegion,omitempty"`
	// Route tables per transit gateway, the default one included, 20 unless written.
	RouteTablesPerTransitGateway int `json:"routeTablesPerTransitGateway,omitempty"`
	// Routes in all tables of a transit gateway, static and propagated, 10000 unless written.
	RoutesPerTransitGateway int `json:"routesPerTransitGateway,omitempty"`
	// Customer gateways per Region, 50 unless written.
	CustomerGatewaysPerRegion int `json:"customerGatewaysPerRegion,omitempty"`
	// Virtual private gateways per Region, 5 unless written.
	VPNGatewaysPerRegion int `json:"vpnGatewaysPerRegion,omitempty"`
	// VPN connections per Region, 50 unless written.
	VPNConnectionsPerRegion int `json:"vpnConnectionsPerRegion,omitempty"`
	// VPN connections per virtual private gateway, 10 unless written.
	VPNConnectionsPerVPNGateway int `json:"vpnConnectionsPerVpnGateway,omitempty"`
	// Client VPN endpoints per Region, 5 unless written.
	ClientVPNEndpointsPerRegion int `json:"clientVpnEndpointsPerRegion,omitempty"`
	// Authorization rules per Client VPN endpoint, one per group, 200 unless written.
	AuthorizationRulesPerClientVPNEndpoint int `json:"authorizationRulesPerClientVpnEndpoint,omitempty"`
	// Routes per association of a Client VPN endpoint, 100 unless written.
	RoutesPerClientVPNAssociation int `json:"routesPerClientVpnAssociation,omitempty"`
	// Gateway endpoints per Region, 20 unless written.
	GatewayEndpointsPerRegion int `json:"gatewayEndpointsPerRegion,omitempty"`
	// Interface endpoints per VPC, 50 unless written.
	InterfaceEndpointsPerVPC int `json:"interfaceEndpointsPerVpc,omitempty"`
	// Route tables per VPC, the main one included, 200 unless written.
	RouteTablesPerVPC int `json:"routeTablesPerVpc,omitempty"`
	// Static routes per route table and family, 500 unless written.
	RoutesPerRouteTable int `json:"routesPerRouteTable,omitempty"`
	// Security groups per Region, 2500 unless written.
	SecurityGroupsPerRegion int `json:"securityGroupsPerRegion,omitempty"`
	// Rules per security group, direction and family, 60 unless written.
	RulesPerSecurityGroup int `json:"rulesPerSecurityGroup,omitempty"`
	// Security groups per network interface, 5 unless written.
	SecurityGroupsPerInterface int `json:"securityGroupsPerInterface,omitempty"`
	// Network ACLs per VPC, 200 unless written.
	NetworkACLsPerVPC int `json:"networkAclsPerVpc,omitempty"`
	// Rules per network ACL, direction and family, rule * included, 20 unless written.
	RulesPerNetworkACL int `json:"rulesPerNetworkAcl,omitempty"`
	// Prefix lists per Region, 100 unless written.
	PrefixListsPerRegion int `json:"prefixListsPerRegion,omitempty"`
	// Entries per prefix list, 1000 unless written.
	EntriesPerPrefixList int `json:"entriesPerPrefixList,omitempty"`
}

// quota is one line of the table of defaults and ceilings.
type quota struct {
	name     string
	value    *int
	standard int
	most     int // what AWS grants on request; where it names no figure, what the lab can bear
}

// table lists q's fields with AWS's figures (section 2 of AWS's quotas).
func (q *Quotas) table() []quota {
	return []quota{
		{"vpcsPerRegion", &q.VPCsPerRegion, 5, 1000},
		{"cidrsPerVpc", &q.CIDRsPerVPC, 5, 50},
		{"subnetsPerVpc", &q.SubnetsPerVPC, 200, 4096},
		{"internetGatewaysPerRegion", &q.InternetGatewaysPerRegion, 5, 1000},
		{"egressOnlyInternetGatewaysPerRegion", &q.EgressOnlyInternetGatewaysPerRegion, 5, 1000},
		{"natGatewaysPerAvailabilityZone", &q.NATGatewaysPerZone, 5, 1000},
		{"elasticIpsPerNatGateway", &q.ElasticIPsPerNATGateway, 2, 8},
		{"elasticIpsPerRegion", &q.ElasticIPsPerRegion, 5, 10000},
		{"networkInterfacesPerRegion", &q.NetworkInterfacesPerRegion, 5000, 65536},
		{"activeVpcPeeringsPerVpc", &q.ActiveVPCPeeringsPerVPC, 50, 125},
		{"outstandingVpcPeerings", &q.OutstandingVPCPeerings, 25, 1000},
		{"transitGatewaysPerRegion", &q.TransitGatewaysPerRegion, 5, 1000},
		{"routeTablesPerTransitGateway", &q.RouteTablesPerTransitGateway, 20, 1000},
		{"routesPerTransitGateway", &q.RoutesPerTransitGateway, 10_000, 100_000},
		{"customerGatewaysPerRegion", &q.CustomerGatewaysPerRegion, 50, 1000},
		{"vpnGatewaysPerRegion", &q.VPNGatewaysPerRegion, 5, 1000},
		{"vpnConnectionsPerRegion", &q.VPNConnectionsPerRegion, 50, 1000},
		{"vpnConnectionsPerVpnGateway", &q.VPNConnectionsPerVPNGateway, 10, 1000},
		{"clientVpnEndpointsPerRegion", &q.ClientVPNEndpointsPerRegion, 5, 1000},
		{"authorizationRulesPerClientVpnEndpoint", &q.AuthorizationRulesPerClientVPNEndpoint, 200, 10_000},
		{"routesPerClientVpnAssociation", &q.RoutesPerClientVPNAssociation, 100, 1000},
		{"gatewayEndpointsPerRegion", &q.GatewayEndpointsPerRegion, 20, 1000},
		{"interfaceEndpointsPerVpc", &q.InterfaceEndpointsPerVPC, 50, 1000},
		{"routeTablesPerVpc", &q.RouteTablesPerVPC, 200, 4096},
		{"routesPerRouteTable", &q.RoutesPerRouteTable, 500, 1000},
		{"securityGroupsPerRegion", &q.SecurityGroupsPerRegion, 2500, 65536},
		{"rulesPerSecurityGroup", &q.RulesPerSecurityGroup, 60, 1000},
		{"securityGroupsPerInterface", &q.SecurityGroupsPerInterface, 5, 16},
		{"networkAclsPerVpc", &q.NetworkACLsPerVPC, 200, 4096},
		{"rulesPerNetworkAcl", &q.RulesPerNetworkACL, 20, 40},
		{"prefixListsPerRegion", &q.PrefixListsPerRegion, 100, 10000},
		{"entriesPerPrefixList", &q.EntriesPerPrefixList, 1000, 1000},
	}
}

// orDefault is q with AWS's figure for every field that is not set.
func (q Quotas) orDefault() Quotas {
	gateways, egressOnly := q.InternetGatewaysPerRegion, q.EgressOnlyInternetGatewaysPerRegion
	for _, line := range q.table() {
		if *line.value <= 0 {
			*line.value = line.standard
		}
	}
	if gateways <= 0 {
		q.InternetGatewaysPerRegion = q.VPCsPerRegion // AWS: follows the VPC quota
	}
	if egressOnly <= 0 {
		q.EgressOnlyInternetGatewaysPerRegion = q.VPCsPerRegion // likewise
	}
	return q
}

// validate holds the quotas to what AWS grants on request.
func (q Quotas) validate(v *validation) {
	for _, line := range q.table() {
		if *line.value < 0 || *line.value > line.most {
			v.reportf(field("quotas", line.name), "", fmt.Sprintf("AWS's default is %d", line.standard),
				"%d is out of range: 1 to %d", *line.value, line.most)
		}
	}
	// Q4: the two quotas multiply to the rules that an interface may carry.
	full := q.orDefault()
	if product := full.RulesPerSecurityGroup * full.SecurityGroupsPerInterface; product > 1000 {
		v.reportf("quotas", "", "raise one and lower the other",
			"rulesPerSecurityGroup × securityGroupsPerInterface is %d; AWS allows 1000", product)
	}
}
