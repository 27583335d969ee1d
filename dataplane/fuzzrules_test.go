package dataplane

import (
	"encoding/binary"
	"slices"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// This file holds what is true of every frame, whatever network it comes to.

// fuzzOne forwards a frame and holds what is true of every frame: there is a
// reason, the trace knew it, what goes out is sound, and another VPC is reached by
// what joins the two only.
func (n *network) fuzzOne(f packet.Frame) {
	n.t.Helper()
	right := checksumRight(f)
	sent := slices.Clone(f.Data)
	from := Handle(f.Link)
	leg := n.e.TraceFrame(f)
	tunnel := leg.To.Kind == KindTransitGatewayConnectPeer // where the next walk begins
	right = right && !tunnel                               // of the packet in it nothing is known
	if string(sent) != string(f.Data) {
		n.t.Fatal("the trace changed the frame")
	}
	before, copied := n.e.state.counters, n.copies()
	n.frames = n.e.Forward([]packet.Frame{f}, n.frames[:0])
	after := n.e.state.counters
	made, delivered := n.copies().Copies-copied.Copies, n.copies().Delivered-copied.Delivered

	ended := uint64(0)
	for r := range after.Reasons {
		ended += after.Reasons[r] - before.Reasons[r]
	}
	ended -= made // every copy's walk ends, too
	fail := func(what string) {
		n.t.Helper()
		n.t.Fatalf("%s\nframe % x on link %d, %+v\ntrace says %v (%v) by\n%swalk ended by\n%s", what, sent, f.Link, f.Offload,
			leg.Verdict, leg.Reason, lines([]Leg{leg}), n.story())
	}
	switch {
	case after.Reasons[ReasonBug] != 0:
		fail("a walk ended without a reason")
	case after.Reasons[leg.Reason] == before.Reasons[leg.Reason]:
		fail("the trace says another reason")
	}
	own := 0
	for _, out := range n.frames {
		if wrong := n.unsound(out, right); wrong != "" {
			fail(wrong)
		}
		if n.isCopy(out) && leg.Sent.DstPort != portVXLAN {
			continue // its way is not this leg
		}
		own++
		if wrong := n.trespasses(from, out, leg); wrong != "" {
			fail(wrong)
		}
	}
	if leg.Sent.DstPort != portVXLAN && len(n.frames)-own != int(delivered) {
		fail("not what the sessions say was copied")
	}
	if tunnel {
		return
	}
	switch {
	case ended == 1 && n.e.walk.verdict != leg.Verdict:
		fail("the trace says another verdict")
	case ended == 2 && leg.Verdict != VerdictDrop, ended > 2 && !n.tunnelled():
		fail("something was answered that was not dropped")
	case leg.Verdict == VerdictDrop && own > 0 && ended == 1:
		fail("a dropped packet went out")
	case leg.Verdict == VerdictPass && own == 0:
		fail("a packet that passed did not go out")
	case leg.Verdict == VerdictAnswer && leg.Reason != ReasonMembership && own != 1:
		fail("an answer is one frame")
	}
}

// unsound says what is wrong with a frame that goes out, wherever it comes from.
func (n *network) unsound(out packet.Frame, right bool) string {
	snap := n.e.Snapshot()
	var p packet.Packet
	index := snap.interfaceOf(out.Link)
	switch problem := packet.Parse(&p, &out); {
	case problem != packet.ProblemNone:
		return "what goes out does not parse: " + problem.String()
	case right && !checksumRight(out):
		return "what goes out has a wrong checksum"
	case index < 0 || snap.interfaces[index].mac != p.DstMAC:
		return "what goes out is for nobody"
	}
	switch to := &snap.interfaces[index]; to.kind {
	case KindInternetHost:
		if isPrivate(p.Dst) && p.Dst != to.behind {
			return "a private address on the Internet"
		}
	case KindVPNClient, KindVPCEndpoint, KindVPCEndpointInterface:
		if !to.owns(p.Dst) {
			return "a client or a service got what is not for it"
		}
	case KindNATGateway, KindTransitGatewayInterface, KindClientVPNInterface, KindLoadBalancerNode, KindTransitGatewayConnectPeer:
		return "a frame for a link that no port has"
	}
	return ""
}

// trespasses says which rule a frame breaks that went from one object to another.
func (n *network) trespasses(from Handle, out packet.Frame, leg Leg) string {
	to := Handle(out.Link)
	fromVPC, toVPC := n.vpcOf(from), n.vpcOf(to)
	fromKind, toKind := n.e.Snapshot().Object(from).Kind, n.e.Snapshot().Object(to).Kind
	switch {
	case fromVPC != 0 && toVPC != 0 && fromVPC != toVPC && !n.joined(fromVPC, toVPC, leg):
		return "another VPC was reached by nothing that joins the two"
	case fromKind == KindVPNClient && toKind == KindVPNClient && to != from && to != hAnna:
		return "C9: only anna has a rule for all"
	case (from == hBen || from == hCarl) && toVPC != 0 && toVPC != at(1, hubVPC):
		return "C4: their group has no rule for that VPC"
	case toKind == KindVPNClient && fromKind != KindVPNClient && fromVPC != 0 && !passed(leg, StageClientVPN):
		return "C9: a client was reached past its endpoint"
	case to == hS3 && (fromVPC != 0 && fromVPC != at(1, hubVPC) || fromKind == KindInternetHost || fromKind == KindVPNTunnel):
		return "E7: a gateway endpoint served another than its VPC"
	case toKind == KindVPCEndpointInterface && fromKind == KindInternetHost:
		return "E25: an endpoint was reached from the Internet"
	}
	return ""
}

// joined reports that a leg, or what came out of the tunnel that it leads into, passed
// what joins two VPCs. The fourth VPC of the joined network is behind PrivateLink alone.
func (n *network) joined(from, to Handle, leg Leg) bool {
	took := func(stage Stage) bool {
		return passed(leg, stage) || leg.To.Kind == KindTransitGatewayConnectPeer && n.stepReason(stage) != ReasonBug
	}
	if from == at(4, hubVPC) || to == at(4, hubVPC) {
		return took(StageLoadBalancer)
	}
	return took(StageInternet) || took(StagePeering) || took(StageTransitGateway)
}

func (n *network) vpcOf(h Handle) Handle {
	snap := n.e.Snapshot()
	i := snap.interfaceOf(uint32(h))
	if i < 0 || snap.interfaces[i].kind != KindNetworkInterface {
		return 0
	}
	return snap.vpcs[snap.interfaces[i].vpc].handle
}

func passed(l Leg, stage Stage) bool {
	return slices.ContainsFunc(l.Steps, func(s TraceStep) bool { return s.Stage == stage && s.Verdict == VerdictPass })
}

// tunnelled reports that the last walk was of a packet in a GRE tunnel.
func (n *network) tunnelled() bool {
	w := &n.e.walk
	return n.stepReason(StageConnectPeer) != ReasonBug && w.sender >= 0
}

// copies is what all sessions have done.
func (n *network) copies() (sum TrafficMirrorStatistics) {
	for _, s := range n.e.mirrors.sessions {
		sum.Copies, sum.Delivered = sum.Copies+s.Copies, sum.Delivered+s.Delivered
	}
	return sum
}

// isCopy reports that a frame is a copy of some session's: VXLAN with its network
// identifier, from its source to its target and to nobody else (M4).
func (n *network) isCopy(f packet.Frame) bool {
	var p packet.Packet
	if packet.Parse(&p, &f) != packet.ProblemNone || p.Proto != packet.ProtoUDP || p.DstPort != portVXLAN || p.End-p.Payload < vxlanHeader {
		return false
	}
	vxlan := f.Data[p.Payload:p.End]
	return slices.ContainsFunc(n.b.TrafficMirrorSessions, func(s TrafficMirrorSession) bool {
		return Handle(f.Link) == s.Target && n.interfaceAt(s.Source).owns(p.Src) && n.interfaceAt(s.Target).owns(p.Dst) &&
			vxlan[0] == 8 && binary.BigEndian.Uint32(vxlan[4:])>>8 == s.VirtualNetworkID
	})
}
