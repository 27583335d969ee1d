package dataplane

import (
	"net/netip"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// TransitGatewayConnectPeer is a GRE tunnel of a Connect attachment as control
// hands it over (T17). It has two links that no port knows: what is sent to the
// object's own is wrapped and comes from Outside, and what is sent to Outside is
// unwrapped and comes from the object's own.
type TransitGatewayConnectPeer struct {
	Object
	Outside Handle
	// Attachment is the Connect attachment, and Transport that of the VPC which
	// carries the GRE packets.
	Attachment, Transport Handle
	// TransitGatewayAddress and PeerAddress are the ends of the tunnel.
	TransitGatewayAddress, PeerAddress netip.Addr
	// Addresses are AWS's inside addresses, which Speaker has, the interface of
	// the gateway's BGP speaker.
	Addresses []netip.Addr
	Speaker   Handle
	// Stopped is AWS's end being down: it drops what is sent to it.
	Stopped bool
}

// connectPeer is a GRE tunnel, compiled.
type connectPeer struct {
	handle          Handle
	inside, outside uint32 // indices of its interfaces
	// attachment and transport are indices in attachments, speaker that of the
	// speaker's interface, or -1.
	attachment, transport uint32
	speaker               int
	set                   uint32 // the tunnel set of this tunnel alone
	stopped               bool
	local, remote         packet.Addr
	// zone is the Availability Zone that the appliance is in, 0 if nobody in the
	// transport VPC has its address.
	zone uint32
	mtu  uint16 // inside
}

// connectEnd is how a transit gateway recognizes the GRE packets of a Connect peer.
type connectEnd struct {
	transport     uint32
	local, remote packet.Addr
}

// unwrapped reports whether what came by an attachment is a GRE packet of a Connect
// peer, and takes it there: then it is no traffic of that attachment. One with other
// outer addresses is (T18).
func (w *Walk) unwrapped(transport, by uint32) (hop Hop, matched bool) {
	index, ok := w.snap.connectEnds[connectEnd{transport, w.tuple.Dst, w.tuple.Src}]
	if !ok {
		return Hop{}, false
	}
	p, a := &w.snap.connectPeers[index], &w.snap.attachments[transport]
	if !w.fitsWhole(transitMTU, StageTransitGateway, a.handle) {
		return Hop{}, true
	}
	w.pass(StageTransitGateway, ReasonAttached, a.handle, by)
	if p.stopped {
		return w.drop(StageConnectPeer, ReasonInterfaceDown, p.handle, 0), true
	}
	if _, problem := packet.ReadGRE(&w.pkt); problem != packet.GREProblemNone {
		return w.drop(StageConnectPeer, ReasonGRE, p.handle, uint32(problem)), true
	}
	w.pass(StageConnectPeer, ReasonOK, p.handle, p.attachment)
	return w.deliver(p.outside), true
}

// leaveConnectPeer starts the way of what came out of a GRE tunnel, or of what was
// put into one.
func (w *Walk) leaveConnectPeer(index uint32) Hop {
	p := &w.snap.connectPeers[w.snap.interfaces[index].place]
	w.zone = p.zone
	if p.stopped {
		return w.drop(StageConnectPeer, ReasonInterfaceDown, p.handle, 0)
	}
	if index == p.outside {
		w.pass(StageConnectPeer, ReasonEncapsulated, p.handle, p.transport+1)
		return Hop{hopTransitGatewayOut, p.transport}
	}
	if isGroup(w.tuple.Dst) {
		return w.drop(StageConnectPeer, ReasonGroupAddress, p.handle, 0)
	}
	w.pass(StageConnectPeer, ReasonDecapsulated, p.handle, 0)
	switch {
	case w.snap.interfaces[index].owns(w.tuple.Dst):
		if p.speaker < 0 {
			return w.drop(StageConnectPeer, ReasonNoListener, p.handle, 0)
		}
		// The speaker is one hop behind the tunnel's end, which is why BGP with it
		// is multihop (T17).
		if !w.hop() {
			return w.drop(StageConnectPeer, ReasonTTLExpired, p.handle, 0)
		}
		return w.deliver(uint32(p.speaker))
	case isLinkLocal(w.tuple.Dst):
		return w.drop(StageLinkLocal, ReasonLinkLocal, p.handle, 0)
	}
	return w.transit(p.attachment, index)
}

// intoConnectPeer ends the way of a packet at a GRE tunnel. Like the gateway itself
// it cuts nothing (T20).
func (w *Walk) intoConnectPeer(index uint32) Hop {
	p := &w.snap.connectPeers[w.snap.interfaces[index].place]
	w.leavesTransit(p.attachment, -1)
	// The gateway's speaker takes leave of its peers when a fault has the tunnel down:
	// the appliance must not hear of it.
	if p.stopped {
		return w.drop(StageConnectPeer, ReasonInterfaceDown, p.handle, 0)
	}
	if !w.fitsWhole(p.mtu, StageConnectPeer, p.handle) {
		return Hop{}
	}
	if p.zone != 0 && w.zone != 0 && !w.moveTo(p.zone) {
		return Hop{}
	}
	w.clamp(p.mtu)
	w.pass(StageConnectPeer, ReasonEncapsulated, p.handle, 0)
	return w.deliver(index)
}
