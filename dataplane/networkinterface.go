package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// NetworkInterface is an ENI as control hands it over.
type NetworkInterface struct {
	Object
	Subnet Handle
	MAC    packet.MAC
	// Addresses are its private IPv4 addresses, the primary first, and its
	// IPv6 addresses.
	Addresses      []netip.Addr
	SecurityGroups []Handle
	// SourceDestCheck: it may only send from, and receive for, its own
	// addresses (A24).
	SourceDestCheck bool
	// Stopped: its instance does not run; nothing is delivered (R20).
	Stopped bool
	// Forwards tells the tracer that the instance's own kernel forwards IP,
	// so that a trace can go on behind it. It changes no verdict.
	Forwards bool
	Timeouts Timeouts // zero fields mean AWS's defaults
	// TrackingAllowance is how many connections it may track (S30); 0: as many
	// as the engine has room for.
	TrackingAllowance uint32
}

// networkInterface is whatever frames come from and go to, compiled: an ENI, an
// Internet host, an end of a tunnel, a gateway's own interface.
type networkInterface struct {
	handle          Handle
	kind            Kind
	mac             packet.MAC
	sourceDestCheck bool
	stopped         bool
	forwards        bool
	subnet, vpc     uint32      // ENI only
	place           uint32      // in the snapshot's slice of what its kind adds, if any
	behind          packet.Addr // Internet host behind a NAT device only: its own address
	gateway         Handle      // what it belongs to and speaks for: a gateway, an endpoint, a load balancer
	groups          *groupSet
	addresses       []packet.Addr
	timeouts        Timeouts
	allowance       uint32     // tracked connections; 0: no limit of its own
	routerMAC       packet.MAC // what its gateway answers ARP and ND with
	// sends and receives are the numbers of its own link's directions, 0 without.
	sends, receives uint32
	logs            FlowAction      // what its flow logs want; 0 is nothing
	mirrors         []mirrorSession // that it is the source of, by number
}

func (ni *networkInterface) owns(a packet.Addr) bool {
	for _, own := range ni.addresses {
		if own == a {
			return true
		}
	}
	return false
}

// leaveInterface starts the way of a packet that an ENI sends: steps 1 to 4 of
// filtering.md section 4. The destination MAC says what its sender wants: the
// router, or a neighbour of the same subnet (A31).
func (w *Walk) leaveInterface(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.zone = w.snap.subnets[ni.subnet].zone
	service, forService := w.serviceFor(ni)
	if !w.sourceCheck(ni, forService) {
		return Hop{}
	}
	if forService {
		return w.toService(ni, service)
	}
	if w.announces() {
		return w.drop(StageLinkLayer, ReasonAnnouncement, ni.handle, 0)
	}
	if isLinkLocal(w.tuple.Dst) || isLinkLocalService(w.tuple.Dst) {
		return w.drop(StageLinkLocal, ReasonLinkLocal, ni.handle, 0)
	}
	w.leaves(index)
	if w.pkt.DstMAC == ni.routerMAC {
		if sub := &w.snap.subnets[ni.subnet]; sub.contains(w.tuple.Dst) {
			// Addressed to the router although the destination is on
			// the link: the platform delivers by address all the same,
			// inside the subnet.
			if peer, ok := sub.byAddress.get(w.tuple.Dst); ok {
				return w.leaveToNeighbor(ni, peer)
			}
		}
		if !w.securityGroups(ni, egress) || !w.cross(ni.sends) {
			return Hop{}
		}
		return w.leaveSubnet(ni.subnet)
	}
	peer, ok := w.snap.subnets[ni.subnet].byMAC[w.pkt.DstMAC]
	if !ok {
		return w.drop(StageLinkLayer, ReasonNoNeighbor, w.snap.subnets[ni.subnet].handle, 0)
	}
	return w.leaveToNeighbor(ni, peer)
}

// leaveToNeighbor delivers inside the subnet: no route table, no network ACL,
// but both sides' security groups (S18, A31).
func (w *Walk) leaveToNeighbor(ni *networkInterface, peer uint32) Hop {
	if !w.securityGroups(ni, egress) || !w.cross(ni.sends) {
		return Hop{}
	}
	w.pass(StageLinkLayer, ReasonSameSubnet, w.snap.subnets[ni.subnet].handle, 0)
	return Hop{hopEnterInterface, peer}
}

// sourceCheck holds A26 (the MAC, always) and A24 (the address, unless the
// check is off). What a service answers may come from a host without an
// address.
func (w *Walk) sourceCheck(ni *networkInterface, forService bool) bool {
	switch {
	case w.pkt.SrcMAC != ni.mac:
		w.drop(StageSourceCheck, ReasonSourceMAC, ni.handle, 0)
	case forService && (isConfiguring(w.tuple.Src) || isGroup(w.tuple.Dst) && ni.owns(w.tuple.Src)):
		// A DHCP client has no address yet, or only its link-local one; it
		// broadcasts with its own when the server that gave it is silent.
		w.pass(StageSourceCheck, ReasonOK, ni.handle, 0)
		return true
	case w.pkt.DstMAC.IsGroup():
		w.drop(StageSourceCheck, ReasonGroupAddress, ni.handle, 0)
	case isGroup(w.tuple.Dst):
		w.drop(StageSourceCheck, ReasonGroupAddress, ni.handle, 0)
	case ni.stopped:
		w.drop(StageSourceCheck, ReasonInterfaceDown, ni.handle, 0)
	case ni.owns(w.tuple.Src):
		w.pass(StageSourceCheck, ReasonOK, ni.handle, 0)
		return true
	case ni.sourceDestCheck:
		w.drop(StageSourceCheck, ReasonSourceAddress, ni.handle, 0)
	case isGroup(w.tuple.Src):
		w.drop(StageSourceCheck, ReasonGroupAddress, ni.handle, 0)
	default:
		w.pass(StageSourceCheck, ReasonCheckDisabled, ni.handle, 0)
		return true
	}
	return false
}

// isConfiguring reports a source address that only DHCP may use.
func isConfiguring(src packet.Addr) bool {
	return src == unspecified4 || !src.Is4() && isLinkLocal(src)
}

// enterInterface ends the way of a packet at an ENI: network ACL unless it
// never left the subnet, security groups, destination check, delivery (steps
// 3 to 6 of filtering.md section 4).
func (w *Walk) enterInterface(index uint32) Hop {
	ni := &w.snap.interfaces[index]
	w.reaches(index)
	if !w.enterSubnet(ni) {
		return Hop{}
	}
	if ni.receives != 0 {
		if !w.crossLink(ni.receives) {
			return Hop{}
		}
		w.arrives()
	}
	if !w.securityGroups(ni, ingress) {
		return Hop{}
	}
	switch {
	case ni.stopped:
		return w.drop(StageDestinationCheck, ReasonInterfaceDown, ni.handle, 0)
	case ni.owns(w.tuple.Dst):
		w.pass(StageDestinationCheck, ReasonOK, ni.handle, 0)
	case ni.sourceDestCheck:
		return w.drop(StageDestinationCheck, ReasonDestinationAddress, ni.handle, 0)
	default:
		w.pass(StageDestinationCheck, ReasonCheckDisabled, ni.handle, 0)
	}
	return w.deliver(index)
}

// deliver hands the packet to interface index.
func (w *Walk) deliver(index uint32) Hop {
	w.out = index
	w.verdict = VerdictPass
	w.reason = ReasonDelivered
	w.pass(StageDeliver, ReasonDelivered, w.snap.interfaces[index].handle, 0)
	return Hop{Kind: hopDone}
}
