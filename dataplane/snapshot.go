package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Snapshot is the compiled network: every reference resolved to an index,
// every rule packed. It is immutable once [Builder.Seal] returned it, so any
// number of walks may read it while control builds the next one.
type Snapshot struct {
	// Revision is control's count of changes.
	Revision uint64

	objects    map[Handle]Object
	links      []*linkPage // by Handle / linkPageSize; nil is a page of none
	interfaces []networkInterface
	zones      []zone
	// directions are those of links that do something; interfaces and distances
	// refer to them by index + 1. distances is by the zones from and to; rows are
	// nil where there is none.
	directions         []linkDirection
	distances          [][]uint32
	vpcs               []vpc
	subnets            []subnet
	routeTables        []routeTable
	networkACLs        []networkACL
	groupTexts         map[Handle]groupText
	internetGateways   []internetGateway
	egressOnlyGateways []egressOnlyGateway
	peerings           []peering
	transitGateways    []transitGateway
	attachments        []attachment
	transitRouteTables []transitRouteTable
	vpnGateways        []vpnGateway
	vpnTunnels         []vpnTunnel
	tunnelSets         [][]uint32 // indices of interfaces, in one set those of equal cost
	speakerTunnels     map[speakerAddress]uint32
	connectPeers       []connectPeer
	connectEnds        map[connectEnd]uint32
	clientVPNEndpoints []clientVPNEndpoint
	vpnClients         []vpnClient
	gatewayEndpoints   []gatewayEndpoint
	endpointInterfaces []endpointInterface
	loadBalancerNodes  []loadBalancerNode
	wires              map[uint32]uint32 // link → the other end's; nil without
	internet           internet
	logged             bool // some flow log wants to know
	mirrored           bool // some interface is the source of traffic mirroring
	// mirrorEnds are the source and target addresses of mirror sessions; nil without any.
	mirrorEnds map[[2]packet.Addr]struct{}
	services   int // index in interfaces of the services' own, -1 without

	clientVPNAssociations []clientVPNAssociation
}

// emptySnapshot is what an engine runs before the first Publish: it knows no
// link, so it drops everything.
var emptySnapshot = &Snapshot{services: -1}

// Object returns what is known about a handle; the zero Object if nothing is.
func (s *Snapshot) Object(h Handle) Object { return s.objects[h] }

// interfaceOf returns the interface that owns link, or -1.
func (s *Snapshot) interfaceOf(link uint32) int {
	page := link / linkPageSize
	if int64(page) >= int64(len(s.links)) || s.links[page] == nil {
		return -1
	}
	return int(s.links[page][link%linkPageSize]) - 1
}

// linkPage is a part of the table from handles to interfaces: the index plus 1,
// 0 is none. Handles only grow, so in an old lab the few in use lie far apart.
type linkPage [linkPageSize]uint32

const linkPageSize = 1024

// tracks reports that h is an interface or gateway that still exists: flows of
// others are dead.
func (s *Snapshot) tracks(h Handle) bool {
	return s.interfaceOf(uint32(h)) >= 0 || s.objects[h].Kind == KindEgressOnlyInternetGateway
}

// translates reports that h is a gateway, an interface of an endpoint's or a load
// balancer's, or a NAT device in front of a host, that still exists.
func (s *Snapshot) translates(h Handle) bool { return translating.has(s.objects[h].Kind) }

// Hop is where a packet goes next. It was resolved when the snapshot was
// built and is stored directly in the route tables. The zero Hop drops.
type Hop struct {
	Kind HopKind
	To   uint32 // index in the snapshot's slice of that kind
}

// HopKind selects the function that takes the packet next; see Walk.run.
type HopKind uint8

const (
	hopDrop HopKind = iota // the walk ends: dropped
	hopDone                // the walk ends: delivered
	hopLeaveInterface
	hopSendOn // by the interface of a gateway, which sends now
	hopRoute  // by the route table of a subnet
	hopVPC    // the local route: to whoever owns the address
	hopEnterInterface
	hopBlackhole
	hopInternetGateway
	hopInternetGatewayIn
	hopEgressOnlyGateway
	hopPeering               // To: index·2 of the peering, + 1 when the accepter sends
	hopTransitGateway        // by an attachment into the gateway
	hopTransitGatewayOut     // by an attachment into its VPC
	hopTransitGatewayPeer    // by a peering's side into the other gateway
	hopTransitGatewayClients // by an attachment to the clients of a Client VPN endpoint
	hopVPNGateway            // from the VPC into a virtual private gateway
	hopVPNGatewayIn          // from one of its tunnels
	hopVPNTunnels            // into a tunnel of a set
	hopGatewayEndpoint       // through a gateway endpoint to a service
	hopMirrored              // a copy of a packet, from the interface that it was made at
	hopInternet
	hopInternet6In // IPv6 from the Internet into a VPC
)

// direction is a packet's direction as seen from an interface.
type direction uint8

const (
	ingress direction = iota
	egress
)

// family indexes what is kept apart per address family.
const (
	family4 = 0
	family6 = 1
)

func familyOf(a packet.Addr) int {
	if a.Is4() {
		return family4
	}
	return family6
}

// zone is an Availability Zone, or, where its name is its Region's, a place in
// the Region that is in none of them. Index 0 is an unknown place.
type zone struct{ name, region string }

type vpc struct {
	handle    Handle
	owners    addressTable[uint32] // private address → index in interfaces
	prefixes  []packet.Prefix      // all blocks, both families
	prefixes6 []packet.Prefix
	peerings  []Hop       // the sides of its peerings, as a packet of its own takes them
	resolver  packet.Addr // base+2 of the primary IPv4 block
	// dnsDisabled: enableDnsSupport is false (A44).
	dnsDisabled bool
	// Index of the attached gateways, -1 without.
	internetGateway, egressOnly int
}

type subnet struct {
	handle     Handle
	vpc        uint32
	routeTable uint32
	networkACL uint32
	zone       uint32
	prefixes   []packet.Prefix
	prefixes6  []packet.AdvertisedPrefix // as router advertisements name them
	// routerMAC is the MAC address of the subnet's implied router, and
	// routerAddresses what it answers for: base+1, its IPv6 link-local
	// address and fe80:ec2::1 (A29, A35).
	routerMAC       packet.MAC
	routerAddresses []packet.Addr
	byMAC           map[packet.MAC]uint32
	byAddress       addressTable[uint32]
}

func (s *subnet) contains(a packet.Addr) bool {
	for i := range s.prefixes {
		if s.prefixes[i].Contains(a) {
			return true
		}
	}
	return false
}
