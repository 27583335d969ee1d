package dataplane

import (
	"fmt"
	"strings"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TraceStep is a step in words.
type TraceStep struct {
	Stage   Stage   `json:"stage"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	// Objects are the resources that spoke. More than one only where several
	// security groups say no together.
	Objects []Object `json:"objects"`
	// Rule is the rule or route that matched, as the user wrote it.
	Rule string `json:"rule,omitempty"`
	Text string `json:"text"`
	// After is the packet behind this step.
	After Addresses `json:"after"`
}

// Addresses is a packet's tuple in words.
type Addresses struct {
	Protocol string `json:"protocol"`
	Src      string `json:"src"`
	Dst      string `json:"dst"`
	SrcPort  uint16 `json:"srcPort,omitempty"`
	DstPort  uint16 `json:"dstPort,omitempty"`
}

func addressesOf(t packet.Tuple) Addresses {
	a := Addresses{Protocol: protocolName(t.Proto), Src: t.Src.String(), Dst: t.Dst.String()}
	if t.Proto == packet.ProtoTCP || t.Proto == packet.ProtoUDP {
		a.SrcPort, a.DstPort = t.SrcPort, t.DstPort
	}
	return a
}

func (a Addresses) String() string {
	if a.SrcPort == 0 && a.DstPort == 0 {
		return fmt.Sprintf("%s → %s %s", a.Src, a.Dst, a.Protocol)
	}
	return fmt.Sprintf("%s → %s %s", hostPort(a.Src, a.SrcPort), hostPort(a.Dst, a.DstPort), a.Protocol)
}

func hostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		return fmt.Sprintf("[%s]:%d", host, port)
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func protocolName(p uint8) string {
	switch p {
	case packet.ProtoTCP:
		return "tcp"
	case packet.ProtoUDP:
		return "udp"
	case packet.ProtoICMP:
		return "icmp"
	case packet.ProtoICMPv6:
		return "icmpv6"
	case packet.ProtoGRE:
		return "gre"
	}
	return fmt.Sprintf("protocol %d", p)
}

// Explain puts a journal entry in words. The snapshot must be one in which the
// object still exists; otherwise the text names it by handle.
func (s *Snapshot) Explain(d Drop) TraceStep {
	port := d.Tuple.DstPort
	if d.Tuple.Proto == packet.ProtoICMP || d.Tuple.Proto == packet.ProtoICMPv6 {
		port = uint16(d.ICMPType) << 8
	}
	return s.explain(d.Step, d.Tuple, d.Tuple, port)
}

// explain puts a step in words: before and after are the packet on both sides
// of it, port what its rule was compared with.
func (s *Snapshot) explain(step Step, before, after packet.Tuple, port uint16) TraceStep {
	t := TraceStep{
		Stage: step.Stage, Verdict: step.Verdict, Reason: step.Reason,
		Objects: []Object{s.objectOf(step.Object)}, After: addressesOf(after),
	}
	switch step.Stage {
	case StageSecurityGroupIn, StageSecurityGroupOut:
		s.explainGroup(&t, step, after, port)
	case StageNetworkACLIn, StageNetworkACLOut:
		s.explainACL(&t, step, after, port)
	case StageRoute, StageTransitGatewayRoute, StageVPNGateway:
		s.explainRoute(&t, step, after)
	case StageClientVPN, StageClientVPNRoute, StageAuthorization:
		s.explainClientVPN(&t, step, before, after)
	case StageConnectPeer:
		t.Text = s.explainConnectPeer(step, before, after)
	case StageVPCEndpoint, StageLoadBalancer:
		t.Text = s.explainEndpoint(step, before, after)
	default:
		t.Text = s.explainPlace(step, before, after)
	}
	return t
}

func (s *Snapshot) objectOf(h Handle) Object {
	if o, ok := s.objects[h]; ok {
		return o
	}
	return Object{Handle: h, Name: fmt.Sprintf("#%d", h)}
}

// explainPlace covers the steps that no user's rule decides.
func (s *Snapshot) explainPlace(step Step, before, after packet.Tuple) string {
	switch step.Reason {
	case ReasonOK:
		if step.Stage == StagePeering {
			return s.explainPeering(step)
		}
		if step.Stage == StageDestinationCheck {
			return fmt.Sprintf("destination %s is its own", after.Dst)
		}
		return fmt.Sprintf("source %s is its own", after.Src)
	case ReasonCheckDisabled:
		return "its source/dest check is off"
	case ReasonSameSubnet:
		return "same subnet: delivered at layer 2, no route table, no network ACL"
	case ReasonTranslated:
		if step.Stage == StageInternetGatewayIn {
			return fmt.Sprintf("destination %s → %s", before.Dst, after.Dst)
		}
		return fmt.Sprintf("source %s → %s", before.Src, after.Src)
	case ReasonNotTranslated:
		return "IPv6 passes without translation"
	case ReasonInternetAddress:
		return fmt.Sprintf("%s is a public address", after.Dst)
	case ReasonDelivered:
		return "delivered"
	case ReasonMirrored:
		return fmt.Sprintf("a copy, in VXLAN from %s to %s", after.Src, after.Dst)
	case ReasonLink, ReasonLinkLoss, ReasonLinkQueue:
		return s.explainLink(step)
	case ReasonFirstSeen:
		return "later fragment: judged like its first part"
	case ReasonARP, ReasonNeighbor, ReasonRouterPing:
		return "answered by the subnet's router"
	case ReasonMembership:
		return "taken by the router: a VPC carries no groups, so nothing comes of it"
	case ReasonMalformed:
		return fmt.Sprintf("not a packet AWS would carry: %s", packet.Problem(step.Detail))
	case ReasonEtherType:
		return fmt.Sprintf("ethertype %#04x: only ARP, IPv4 and IPv6 are carried", step.Detail)
	case ReasonUnknownLink:
		return "the frame came from an interface that is in no lab"
	case ReasonSourceMAC:
		return "the frame's source is not the interface's own MAC address"
	case ReasonSourceAddress:
		if step.Stage == StageInternet {
			return fmt.Sprintf("source %s is no address of the sender's, and its provider lets nothing else out", after.Src)
		}
		return fmt.Sprintf("source %s is not one of its addresses, and its source/dest check is on", after.Src)
	case ReasonDestinationAddress:
		return fmt.Sprintf("destination %s is not one of its addresses, and its source/dest check is on", after.Dst)
	case ReasonGroupAddress:
		return fmt.Sprintf("%s: a VPC carries no broadcast or multicast", after.Dst)
	case ReasonNoNeighbor:
		return fmt.Sprintf("nobody in the subnet has %s: its ARP or neighbour discovery gets no answer", after.Dst)
	case ReasonLinkLocal:
		return fmt.Sprintf("%s is link-local: it is never routed, and no service answers it here", after.Dst)
	case ReasonNoInterface:
		return fmt.Sprintf("no interface in the VPC has %s", after.Dst)
	case ReasonInterfaceDown:
		if step.Stage == StageDeliver {
			return "it was stopped or removed while the packet was under way to it"
		}
		if step.Stage == StageNATGateway {
			return "it is down"
		}
		return "its instance is stopped or down"
	case ReasonNoPublicAddress:
		return s.explainNoPublicAddress(step, after)
	case ReasonNotOnInternet:
		return fmt.Sprintf("%s is a private address: it is not on the Internet", after.Dst)
	case ReasonNoHost:
		return fmt.Sprintf("nobody on the emulated Internet has %s", after.Dst)
	case ReasonNATOut:
		return fmt.Sprintf("source %s → %s", endpoint(before.Src, before.SrcPort, before), endpoint(after.Src, after.SrcPort, after))
	case ReasonNATIn:
		return fmt.Sprintf("destination %s → %s", endpoint(before.Dst, before.DstPort, before), endpoint(after.Dst, after.DstPort, after))
	case ReasonNATProtocol:
		return fmt.Sprintf("%s: a NAT gateway carries TCP, UDP and ICMP only", protocolName(after.Proto))
	case ReasonNATFamily:
		return fmt.Sprintf("%s is not in 64:ff9b::/96: a NAT gateway translates no other IPv6", after.Dst)
	case ReasonNATFragment:
		return "a NAT gateway drops fragments of TCP and ICMP"
	case ReasonNATExpired:
		return "inside a connection the gateway does not know, or forgot after 350 s: answered with a TCP reset"
	case ReasonNATPortAllocation:
		return fmt.Sprintf("all ports towards %s are in use (ErrorPortAllocation)", endpoint(after.Dst, after.DstPort, after))
	case ReasonNATNoMapping:
		return "it answers nothing that went out through the gateway, which accepts no connections"
	case ReasonEgressOnly:
		return "it answers nothing that went out through the gateway, which lets no connection in"
	case ReasonService:
		return "answered by the platform: no route, group or ACL sees it"
	case ReasonServiceRate:
		return fmt.Sprintf("more than %d packets a second to the platform's services", step.Detail)
	case ReasonServiceAnswer:
		return "a service's answer that nobody asked for"
	case ReasonTracked:
		return "part of a connection that went out here"
	case ReasonTableFull:
		return "no room for another connection: the table is full"
	case ReasonDNSDisabled:
		return "its VPC's enableDnsSupport is off, so the resolver does not answer"
	case ReasonAnnouncement:
		return "the platform alone says who has which address: announcements, advertisements and redirects of guests change nothing"
	case ReasonUntranslatable:
		return "NAT64 has no counterpart for it in the other family"
	case ReasonHopLimit:
		return "its hop limit ends here: answered with ICMP time exceeded"
	case ReasonTooBig:
		if step.Stage == StageTransitGateway || step.Stage == StageVPNTunnel {
			return s.explainCrossing(step, after)
		}
		return fmt.Sprintf("larger than %d bytes with DF set: answered with ICMP fragmentation needed", step.Detail)
	case ReasonFragmentWithoutHead:
		return "a fragment whose first part was not seen or not let through"
	case ReasonNotForwarded:
		return "its own kernel does not forward IP (forward: true would turn that on)"
	}
	return s.explainCrossing(step, after)
}

// endpoint is an address with its port, or ICMP identifier, where it has one.
func endpoint(a packet.Addr, port uint16, t packet.Tuple) string {
	switch t.Proto {
	case packet.ProtoTCP, packet.ProtoUDP:
		return hostPort(a.String(), port)
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return fmt.Sprintf("%s id %d", a, port)
	}
	return a.String()
}

// explainNoPublicAddress tells the address that nobody gave a public one from that
// of another VPC, which none would help.
func (s *Snapshot) explainNoPublicAddress(step Step, t packet.Tuple) string {
	if step.Stage == StageInternetGatewayIn {
		return fmt.Sprintf("%s has no public address, so the gateway drops it", t.Dst)
	}
	for i := range s.internetGateways {
		igw := &s.internetGateways[i]
		if igw.handle == step.Object && !containsAny(s.vpcs[igw.vpc].prefixes, t.Src) {
			return fmt.Sprintf("source %s is no address of its VPC, and an Internet gateway lets no other VPC out", t.Src)
		}
	}
	return fmt.Sprintf("%s has no public address, so the gateway drops it", t.Src)
}
