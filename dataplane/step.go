package dataplane

// Verdict is what becomes of a packet, or what one step says about it. The
// zero Verdict is drop: a path through the code that forgets to decide, drops.
type Verdict uint8

const (
	VerdictDrop Verdict = iota
	VerdictPass
	// VerdictAnswer: the platform answered the packet itself (ARP, ND, the
	// router's ping); nothing was forwarded.
	VerdictAnswer
)

// MarshalText makes verdicts words in JSON; reasons and stages do the same.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

func (v Verdict) String() string {
	switch v {
	case VerdictPass:
		return "pass"
	case VerdictAnswer:
		return "answer"
	}
	return "drop"
}

// Stage is the part of the network a step was taken in.
type Stage uint8

const (
	StageNone Stage = iota
	StageParse
	StageFragment
	StageSourceCheck
	StageLinkLayer
	StageLinkLocal
	StageService
	StageSecurityGroupOut
	StageNetworkACLOut
	StageRoute
	StageVPC
	StageLink
	StageNATGateway
	StagePeering
	StageTransitGateway
	StageTransitGatewayRoute
	StageVPNGateway
	StageVPNTunnel
	StageConnectPeer
	StageClientVPN
	StageClientVPNRoute
	StageAuthorization
	StageVPCEndpoint
	StageLoadBalancer
	StageEgressOnlyGateway
	StageInternetGatewayOut
	StageInternet
	StageInternetGatewayIn
	StageNetworkACLIn
	StageSecurityGroupIn
	StageDestinationCheck
	StageDeliver
	StageAnswer
	StageTrafficMirror
	numStages
)

var stageNames = [numStages]string{
	StageNone:                "none",
	StageParse:               "parse",
	StageFragment:            "fragment",
	StageSourceCheck:         "source-check",
	StageLinkLayer:           "link-layer",
	StageLinkLocal:           "link-local",
	StageService:             "service",
	StageSecurityGroupOut:    "security-group-out",
	StageNetworkACLOut:       "network-acl-out",
	StageRoute:               "route",
	StageVPC:                 "vpc",
	StageLink:                "link",
	StageNATGateway:          "nat-gateway",
	StagePeering:             "vpc-peering",
	StageTransitGateway:      "transit-gateway",
	StageTransitGatewayRoute: "transit-gateway-route",
	StageVPNGateway:          "vpn-gateway",
	StageVPNTunnel:           "vpn-tunnel",
	StageConnectPeer:         "connect-peer",
	StageClientVPN:           "client-vpn",
	StageClientVPNRoute:      "client-vpn-route",
	StageAuthorization:       "authorization-rule",
	StageVPCEndpoint:         "vpc-endpoint",
	StageLoadBalancer:        "load-balancer",
	StageEgressOnlyGateway:   "egress-only-gateway",
	StageInternetGatewayOut:  "internet-gateway-out",
	StageInternet:            "internet",
	StageInternetGatewayIn:   "internet-gateway-in",
	StageNetworkACLIn:        "network-acl-in",
	StageSecurityGroupIn:     "security-group-in",
	StageDestinationCheck:    "destination-check",
	StageDeliver:             "deliver",
	StageAnswer:              "answer",
	StageTrafficMirror:       "traffic-mirror",
}

func (s Stage) String() string { return stageNames[s] }

func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reason says why a step passed or dropped the packet. The zero Reason is a
// bug: it is counted, and tests assert that it never occurs.
type Reason uint8

const (
	ReasonBug Reason = iota

	// Reasons to pass.
	ReasonOK              // the object has nothing against it
	ReasonRule            // the rule in Detail allows it
	ReasonTracked         // it belongs to a tracked connection (S20)
	ReasonRelated         // an ICMP error about a tracked connection (S29)
	ReasonUntracked       // the rule in Detail allows it and needs no tracking (S21)
	ReasonCheckDisabled   // the source/dest check is off (A24)
	ReasonRouted          // the route in Detail carries it
	ReasonTranslated      // its address was translated one to one (R25)
	ReasonNotTranslated   // IPv6 is forwarded as it is (R30)
	ReasonSameSubnet      // delivered at layer 2, past router and network ACL (A31)
	ReasonDelivered       // handed to the interface
	ReasonARP             // answered: address resolution (A29)
	ReasonNeighbor        // answered: IPv6 neighbour discovery (A35)
	ReasonMembership      // taken: a report of the groups that a guest listens to (A34)
	ReasonRouterPing      // answered: the subnet's router address replies (A-C10)
	ReasonFragmentNeeded  // answered: ICMP 3/4 or Packet Too Big
	ReasonFirstSeen       // a later fragment took over its first part's ports (S33)
	ReasonService         // one of the platform's services answers it (A42)
	ReasonInternetAddress // the address is on the emulated Internet
	ReasonNATOut          // a NAT gateway gave it its own address and a port (R41)
	ReasonNATIn           // a NAT gateway brought an answer back (R41)

	ReasonLink                // it goes over the link, which does what Detail's direction of it does
	ReasonReturnsToNATGateway // an answer to a peer VPC's NAT gateway needs no route (R46)
	ReasonDecrypted           // it came out of a VPN tunnel
	ReasonEncrypted           // it goes into a VPN tunnel
	ReasonDecapsulated        // it came out of a Connect peer's GRE tunnel (T17)
	ReasonEncapsulated        // it goes into a Connect peer's GRE tunnel
	ReasonAttached            // it came to a transit gateway by this attachment
	ReasonZone                // it leaves a transit gateway in this Availability Zone (T12)

	ReasonMirrored // it is the copy of a packet (M4)

	// Reasons to drop.
	ReasonMalformed           // the frame is not a packet; Detail is the packet.Problem
	ReasonUnknownLink         // it came from a link that is in no snapshot
	ReasonSourceMAC           // not the interface's own MAC (A26)
	ReasonSourceAddress       // not one of the interface's own addresses (A24)
	ReasonGroupAddress        // broadcast or multicast (A34)
	ReasonEtherType           // neither ARP nor IP (A36)
	ReasonNoNeighbor          // nobody has that MAC or address in the subnet (A29)
	ReasonLinkLocal           // a link-local destination is never routed (A42)
	ReasonNoRule              // no rule of any group allows it (S1), or no authorization rule (C4)
	ReasonDenyRule            // the ACL rule in Detail denies it (S35)
	ReasonNoRoute             // no route matches (R21)
	ReasonBlackhole           // the matching route's target is gone (R19)
	ReasonNoInterface         // nobody in the VPC has the address
	ReasonInterfaceDown       // the instance is stopped
	ReasonDestinationAddress  // not for this interface, and its check is on (A24)
	ReasonNoPublicAddress     // the source has no public IPv4 (R26)
	ReasonNotOnInternet       // private or unassigned addresses are not on the Internet
	ReasonNoHost              // no host of the emulated Internet has the address
	ReasonGatewayMismatch     // the gateway serves another VPC (R32)
	ReasonNATProtocol         // a NAT gateway carries TCP, UDP and ICMP only (R40)
	ReasonNATFamily           // IPv6 that is not for 64:ff9b::/96 (R54)
	ReasonNATFragment         // a NAT gateway drops fragments of TCP and ICMP (R44)
	ReasonNATExpired          // no mapping for a packet inside a connection: reset (R43)
	ReasonNATPortAllocation   // every port towards the destination is in use (R42)
	ReasonNATNoMapping        // it answers nothing the gateway sent (R45)
	ReasonEgressOnly          // the egress-only gateway let nothing out that it answers (R33)
	ReasonServiceRate         // more than 1024 packets a second to the services (A43)
	ReasonServiceAnswer       // from a service, but nobody asked
	ReasonDNSDisabled         // the resolver of a VPC without enableDnsSupport (A44)
	ReasonAnnouncement        // a guest's word on who has which address changes nothing (A30)
	ReasonUntranslatable      // it has no counterpart in the other family (RFC 7915)
	ReasonHopLimit            // its TTL or hop limit ends at a NAT gateway; answered (A32)
	ReasonNotTransitive       // a peering carries only what its own VPC sends (P8)
	ReasonEdgeToEdge          // a peering leads into the other VPC, not through it (P9)
	ReasonNoZone              // the attachment has no subnet in the sender's zone (T10)
	ReasonNotAssociated       // the attachment is associated with no route table (T3)
	ReasonTTLExpired          // its TTL or hop limit ends at a transit gateway (A32)
	ReasonNoListener          // the address is of a gateway's interface, which answers nothing
	ReasonNotAuthorized       // the rules of the longest CIDR admit others only (C4)
	ReasonNotForEverybody     // other clients are reached by a rule for all only (C9)
	ReasonNotConnected        // no client with the address is connected
	ReasonUntranslated        // a client's IPv6 address stays what it is (C6)
	ReasonClientToClientIPv6  // clients reach each other over IPv4 only (C9)
	ReasonGRE                 // a GRE packet that the Connect peer does not take; Detail is the packet.GREProblem
	ReasonNotFromItsVPC       // a gateway endpoint serves what its own VPC sends (E7)
	ReasonNotFromInternet     // an endpoint's IPv6 address is not for the Internet (E25)
	ReasonEndpointClosed      // the endpoint is not available (E16)
	ReasonEndpointProtocol    // an endpoint carries TCP and UDP only (E14)
	ReasonNoTarget            // the load balancer has no target in service for it
	ReasonTooBig              // larger than the path's MTU with DF; answered (R31)
	ReasonFragmentWithoutHead // a later fragment whose first part was not seen or not let through (S33)
	ReasonTableFull           // no room for another connection: tracking (S30), NAT or services
	ReasonLinkLoss            // a link lost it, as it was told to
	ReasonLinkQueue           // the queue of a link is full, or the memory for frames under way
	ReasonLoop                // more hops than any path has
	ReasonNotForwarded        // trace only: the instance's own kernel does not forward

	numReasons
)

var reasonNames = [numReasons]string{
	ReasonBug:                 "bug",
	ReasonOK:                  "ok",
	ReasonRule:                "rule",
	ReasonTracked:             "tracked",
	ReasonRelated:             "related",
	ReasonUntracked:           "untracked",
	ReasonCheckDisabled:       "check-disabled",
	ReasonRouted:              "routed",
	ReasonTranslated:          "translated",
	ReasonNotTranslated:       "not-translated",
	ReasonSameSubnet:          "same-subnet",
	ReasonDelivered:           "delivered",
	ReasonARP:                 "arp",
	ReasonNeighbor:            "neighbor-discovery",
	ReasonMembership:          "group-membership",
	ReasonRouterPing:          "router-ping",
	ReasonFragmentNeeded:      "fragmentation-needed",
	ReasonFirstSeen:           "first-fragment-seen",
	ReasonService:             "service",
	ReasonInternetAddress:     "internet-address",
	ReasonNATOut:              "nat-out",
	ReasonNATIn:               "nat-in",
	ReasonLink:                "link",
	ReasonReturnsToNATGateway: "returns-to-nat-gateway",
	ReasonDecrypted:           "decrypted",
	ReasonEncrypted:           "encrypted",
	ReasonDecapsulated:        "decapsulated",
	ReasonEncapsulated:        "encapsulated",
	ReasonAttached:            "attached",
	ReasonZone:                "zone",
	ReasonMirrored:            "mirrored",
	ReasonMalformed:           "malformed",
	ReasonUnknownLink:         "unknown-link",
	ReasonSourceMAC:           "source-mac",
	ReasonSourceAddress:       "source-address",
	ReasonGroupAddress:        "group-address",
	ReasonEtherType:           "ethertype",
	ReasonNoNeighbor:          "no-neighbor",
	ReasonLinkLocal:           "link-local",
	ReasonNoRule:              "no-rule",
	ReasonDenyRule:            "deny-rule",
	ReasonNoRoute:             "no-route",
	ReasonBlackhole:           "blackhole",
	ReasonNoInterface:         "no-interface",
	ReasonInterfaceDown:       "interface-down",
	ReasonDestinationAddress:  "destination-address",
	ReasonNoPublicAddress:     "no-public-address",
	ReasonNotOnInternet:       "not-on-internet",
	ReasonNoHost:              "no-host",
	ReasonGatewayMismatch:     "gateway-mismatch",
	ReasonNATProtocol:         "nat-protocol",
	ReasonNATFamily:           "nat-family",
	ReasonNATFragment:         "nat-fragment",
	ReasonNATExpired:          "nat-expired",
	ReasonNATPortAllocation:   "nat-port-allocation",
	ReasonNATNoMapping:        "nat-no-mapping",
	ReasonEgressOnly:          "egress-only",
	ReasonServiceRate:         "service-rate",
	ReasonServiceAnswer:       "service-answer",
	ReasonDNSDisabled:         "dns-disabled",
	ReasonAnnouncement:        "announcement",
	ReasonUntranslatable:      "untranslatable",
	ReasonHopLimit:            "hop-limit",
	ReasonNotTransitive:       "not-transitive",
	ReasonEdgeToEdge:          "edge-to-edge",
	ReasonNoZone:              "no-zone",
	ReasonNotAssociated:       "not-associated",
	ReasonTTLExpired:          "ttl-expired",
	ReasonNoListener:          "no-listener",
	ReasonNotAuthorized:       "not-authorized",
	ReasonNotForEverybody:     "not-for-everybody",
	ReasonNotConnected:        "not-connected",
	ReasonUntranslated:        "untranslated",
	ReasonClientToClientIPv6:  "client-to-client-ipv6",
	ReasonGRE:                 "gre",
	ReasonNotFromItsVPC:       "not-from-its-vpc",
	ReasonNotFromInternet:     "not-from-the-internet",
	ReasonEndpointClosed:      "endpoint-not-available",
	ReasonEndpointProtocol:    "endpoint-protocol",
	ReasonNoTarget:            "no-target",
	ReasonTooBig:              "too-big",
	ReasonFragmentWithoutHead: "fragment-without-head",
	ReasonTableFull:           "tracking-table-full",
	ReasonLinkLoss:            "link-loss",
	ReasonLinkQueue:           "link-queue-full",
	ReasonLoop:                "loop",
	ReasonNotForwarded:        "not-forwarded",
}

func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Step is what one object said about a packet: 12 bytes without a pointer, so
// that writing it costs about 3 ns and is done for every packet. Rendering
// looks names up in the snapshot the walk ran on.
type Step struct {
	Stage   Stage
	Verdict Verdict
	Reason  Reason
	// Tuple is the index in the walk's tuples of the addresses after this
	// step; it only grows where something translates.
	Tuple uint8
	// Object is the resource that spoke.
	Object Handle
	// Detail depends on the stage: a network ACL's rule number, the ordinal
	// of a security group's rule, the index of a route, a packet.Problem, a
	// link's direction (1 is reverse).
	Detail uint32
}
