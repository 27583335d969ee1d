package dataplane

// Handle names a resource for good: control gives each one a number when it is
// created and never uses it again, so that tracked flows, counters and
// journals can outlive snapshots without ever pointing at another resource.
// 0 is no resource. Handles fit in 24 bits, because flow keys pack one with
// the protocol.
type Handle uint32

// MaxHandle is the last handle control may give out.
const MaxHandle Handle = 1<<24 - 1

// Kind is the AWS noun an object is an instance of.
type Kind uint8

const (
	KindNone Kind = iota
	KindVPC
	KindSubnet
	KindRouteTable
	KindNetworkACL
	KindSecurityGroup
	KindInternetGateway
	KindNATGateway
	KindEgressOnlyInternetGateway
	KindNetworkInterface
	KindInternetHost
	KindInternet
	KindServices
	KindVPCPeering
	KindTransitGateway
	KindTransitGatewayAttachment
	KindTransitGatewayRouteTable
	KindTransitGatewayInterface
	KindLink
	KindVPNGateway
	KindVPNTunnel
	KindBGPSpeaker
	KindWire
	KindClientVPNEndpoint
	KindClientVPNInterface // of an endpoint, in a target network
	KindVPNClient
	KindTrafficMirrorSession
	KindTransitGatewayConnectPeer
	KindVPCEndpoint
	KindAWSService
	KindVPCEndpointInterface // of an interface endpoint, in a subnet
	KindLoadBalancer
	KindLoadBalancerNode // its interface, in a subnet
)

// kinds is a set of kinds: asking it costs a packet two instructions, however many
// are in it.
type kinds uint64

const (
	// insideOnly are the interfaces that gateways have in subnets. Nothing runs
	// there, so no port has such a link.
	insideOnly kinds = 1<<KindNATGateway | 1<<KindTransitGatewayInterface | 1<<KindClientVPNInterface | 1<<KindLoadBalancerNode
	// pointToPoint are ends of tunnels: nobody there asks for neighbours.
	pointToPoint kinds = 1<<KindVPNTunnel | 1<<KindVPNClient | 1<<KindTransitGatewayConnectPeer
	// askers ask the platform's services.
	askers kinds = 1<<KindNetworkInterface | 1<<KindClientVPNInterface | 1<<KindVPNClient
	// translating have mappings of their own in the table of all NAT.
	translating kinds = 1<<KindNATGateway | 1<<KindInternetHost | 1<<KindClientVPNInterface | 1<<KindVPCEndpointInterface | 1<<KindLoadBalancerNode
)

func (s kinds) has(k Kind) bool { return s>>(k&63)&1 != 0 }

// String is the noun as the scenario file spells it, in the singular.
func (k Kind) String() string {
	switch k {
	case KindVPC:
		return "vpc"
	case KindSubnet:
		return "subnet"
	case KindRouteTable:
		return "routeTable"
	case KindNetworkACL:
		return "networkAcl"
	case KindSecurityGroup:
		return "securityGroup"
	case KindInternetGateway:
		return "internetGateway"
	case KindNATGateway:
		return "natGateway"
	case KindEgressOnlyInternetGateway:
		return "egressOnlyInternetGateway"
	case KindNetworkInterface:
		return "networkInterface"
	case KindInternetHost:
		return "internetHost"
	case KindServices:
		return "services"
	case KindInternet:
		return "internet"
	case KindVPCPeering:
		return "vpcPeering"
	case KindTransitGateway:
		return "transitGateway"
	case KindTransitGatewayAttachment:
		return "transitGatewayAttachment"
	case KindTransitGatewayRouteTable:
		return "transitGatewayRouteTable"
	case KindTransitGatewayInterface:
		return "networkInterface"
	case KindLink:
		return "link"
	case KindVPNGateway:
		return "vpnGateway"
	case KindVPNTunnel:
		return "vpnTunnel"
	case KindBGPSpeaker:
		return "bgpSpeaker"
	case KindWire:
		return "siteHost"
	case KindClientVPNEndpoint:
		return "clientVpnEndpoint"
	case KindClientVPNInterface:
		return "networkInterface"
	case KindVPNClient:
		return "vpnClient"
	case KindTrafficMirrorSession:
		return "trafficMirrorSession"
	case KindTransitGatewayConnectPeer:
		return "transitGatewayConnectPeer"
	case KindVPCEndpoint:
		return "vpcEndpoint"
	case KindVPCEndpointInterface, KindLoadBalancerNode:
		return "networkInterface"
	case KindLoadBalancer:
		return "loadBalancer"
	case KindAWSService:
		return "awsService"
	}
	return "none"
}

func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Object is what a step may say about a resource.
type Object struct {
	Handle Handle `json:"-"`
	Kind   Kind   `json:"kind"`
	Name   string `json:"name,omitempty"` // as in the scenario file: "web", "web/eth0", "app/default"
	ID     string `json:"id,omitempty"`   // AWS's form: "sg-0a1b…"
}

func (o Object) String() string {
	if o.Name == "" {
		return o.Kind.String()
	}
	return o.Kind.String() + " " + o.Name
}
