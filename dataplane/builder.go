package dataplane

import (
	"errors"
)

// Builder collects the resources of one revision, in any order, and compiles
// them. References are by handle and resolved in Seal. Control validates the
// user's input before; an error here is a bug of control's and names the
// object.
type Builder struct {
	Revision                   uint64
	VPCs                       []VPC
	Subnets                    []Subnet
	RouteTables                []RouteTable
	NetworkACLs                []NetworkACL
	SecurityGroups             []SecurityGroup
	NetworkInterfaces          []NetworkInterface
	InternetGateways           []InternetGateway
	NATGateways                []NATGateway
	EgressOnlyInternetGateways []EgressOnlyInternetGateway
	VPCPeerings                []VPCPeering
	TransitGateways            []TransitGateway
	TransitGatewayAttachments  []TransitGatewayAttachment
	TransitGatewayPeerings     []TransitGatewayPeering
	TransitGatewayRouteTables  []TransitGatewayRouteTable
	VPNGateways                []VPNGateway
	VPNTunnels                 []VPNTunnel
	BGPSpeakers                []BGPSpeaker
	ClientVPNEndpoints         []ClientVPNEndpoint
	VPNClients                 []VPNClient
	GatewayEndpoints           []GatewayEndpoint
	InterfaceEndpoints         []InterfaceEndpoint
	LoadBalancers              []LoadBalancer
	Wires                      []Wire
	InternetHosts              []InternetHost

	TransitGatewayTunnelAttachments []TransitGatewayTunnelAttachment
	TransitGatewayConnectPeers      []TransitGatewayConnectPeer

	TransitGatewayClientVPNAttachments []TransitGatewayClientVPNAttachment

	TrafficMirrorSessions []TrafficMirrorSession
	// FlowLogs are in force.
	FlowLogs []FlowLog
	// Links are the distances that are not zero.
	Links []Link
	// Internet is the emulated Internet itself; it needs a handle to be
	// named in steps.
	Internet Object
	// Services answers name, metadata, time and DHCP requests; its zero value
	// means that nothing does.
	Services Services
}

// Seal compiles the snapshot. The Builder may be thrown away afterwards; the
// snapshot shares none of its slices.
func (b *Builder) Seal() (*Snapshot, error) {
	c := &compiler{b: b, s: &Snapshot{
		Revision:   b.Revision,
		objects:    map[Handle]Object{},
		groupTexts: map[Handle]groupText{},
		services:   -1,
	}, index: map[Handle]uint32{}, groupSets: map[string]*groupSet{}, zones: map[zone]uint32{}}
	c.register()
	c.networkACLs()
	c.vpcs()
	c.peerings()
	c.subnets()
	c.interfaces()
	c.groups()
	c.transitGateways()
	c.vpnGateways()
	c.clientVPN()
	c.endpoints()
	c.wires()
	c.internetGateways()
	c.egressOnlyGateways()
	c.internet()
	c.links()
	c.flowLogs()
	c.trafficMirrors()
	c.routeTables() // last: routes point to everything else
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return c.s, nil
}
