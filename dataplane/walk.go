package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Walk is one packet's way through a snapshot: what it is now, what every
// object on the way said about it, and what is to be done about it. It is
// reused for every packet and writes nothing but itself; commit does the rest.
type Walk struct {
	snap  *Snapshot
	state *state
	now   int64 // nanoseconds, monotonic; read once per batch
	// copied: all packets of this walk are copies, by traffic mirroring. None is
	// copied again, nor is anybody told what became of it.
	copied bool
	// count is what the packet stands for when it is a replay, see offload; else nil.
	count *packet.ShortcutCount

	pkt packet.Packet
	// tuple is the packet's addresses as they are at this point of the way;
	// the bytes keep the sender's until commit. quoted is the same for the
	// packet that an ICMP error quotes; other packets leave it alone.
	tuple, quoted packet.Tuple
	// icmpType and icmpCode are the message's as they are here: NAT64 turns
	// those of one family into the other's.
	icmpType, icmpCode uint8
	// hops counts the gateways on the way that take one off the hop limit.
	hops uint8
	// pathMTU is the largest packet that arrives whole, and clampMSS the largest
	// segment size a TCP connection may offer on this way; 0 for any.
	pathMTU, clampMSS uint16
	// crossed says how the packet came into the VPC it is in, if from another.
	crossed Crossing
	// subnet is the index of the one the packet left last.
	subnet uint32
	// entry is the interface that gave the engine the packet; 0 for what the core
	// itself originates.
	entry Handle
	// sender is the index of the interface that sent the packet, or -1 when
	// the router itself did. origin is the one that gave it its source address:
	// gateways that translate nothing send, but are no origin.
	sender, origin int
	// zone is the index of the Availability Zone that the packet is in.
	zone uint32
	// untracked is the sender's interface when its groups let the packet out
	// without tracking it; some gateways change that.
	untracked *networkInterface
	// routed: the packet went through the router, so a network ACL stands
	// at the subnet it enters.
	routed bool
	// judged: the packet is sound and went its way, whatever became of it.
	judged bool

	verdict Verdict
	reason  Reason
	out     uint32 // index of the interface it is delivered to

	keys [2]hashedKey // of the connections that were looked for last, by direction

	steps   [maxSteps]Step
	tuples  [maxTuples]packet.Tuple // tuple after each translation; [0] is the sender's
	quotes  [maxTuples]packet.Tuple // the same for quoted, of ICMP errors
	effects [maxEffects]effect
	// assumed are effects of an earlier walk that a trace takes as done, so
	// that it can follow the reply without writing to the live state.
	assumed         []effect
	assumedMappings []natMapping
	assumedServices []serviceEffect

	// passages are the links on the way; underWay says that one of them takes
	// time, and lag how much later than now the way begins.
	passages  [maxCrossings]passage
	nPassages uint8
	underWay  bool
	lag       int64
	// draws lets links lose packets, by numbers that start from random.
	draws  bool
	random uint64

	natEffects    [maxNATEffects]natEffect
	nNATEffects   int
	serviceEffect serviceEffect

	// sights and transits are where flow logs see the packet, and pending the
	// records that count it behind a link.
	sights    [maxSights]sight
	transits  [maxTransits]transitPass
	pending   [maxPending]pendingRecord
	nSights   int
	nTransits int
	nPending  uint8

	// gateways are those that count the packet.
	gateways  [maxGatewayPasses]gatewayPass
	nGateways int

	nTuples, nEffects int
	nSteps            uint
	tupleHead         uint32 // the next step's Tuple, in its place; see step
	nNew              int    // effects that insert a flow
}

const (
	maxSteps   = 48
	maxTuples  = 8
	maxEffects = 8
	// maxNATEffects bounds how many gateways translate one packet: a client's endpoint,
	// NAT gateways on the way, and a load balancer.
	maxNATEffects = 4
	// maxHops bounds every walk; the longest legal way is far shorter.
	maxHops = 32
)

// begin makes the walk ready for the packet in w.pkt.
func (w *Walk) begin() {
	copyTuple(&w.tuple, &w.pkt.Tuple)
	if w.pkt.ICMPError {
		w.quoted, w.quotes[0] = w.pkt.Quoted, w.pkt.Quoted
	}
	w.icmpType, w.icmpCode = w.pkt.ICMPType, w.pkt.ICMPCode
	w.hops, w.pathMTU, w.clampMSS, w.crossed, w.subnet = 0, 0, 0, 0, 0
	w.routed, w.judged, w.sender, w.origin, w.zone, w.untracked = false, false, -1, -1, 0, nil
	w.nNATEffects, w.serviceEffect.used = 0, false
	w.nPassages, w.underWay, w.lag = 0, false, 0
	w.verdict, w.reason = VerdictDrop, ReasonBug
	w.nSteps, w.nEffects, w.nNew = 0, 0, 0
	w.nSights, w.nTransits, w.nPending = 0, 0, 0
	w.entry, w.nGateways = 0, 0
	w.keys[ingress].scope, w.keys[egress].scope = 0, 0
	copyTuple(&w.tuples[0], &w.pkt.Tuple)
	w.nTuples, w.tupleHead = 1, 0
}

// copyTuple copies word by word what Parse has only just written so: a copy in
// larger pieces would wait for it to reach memory (5 ns a packet).
func copyTuple(to, from *packet.Tuple) {
	to.Src.Hi, to.Src.Lo, to.Dst.Hi, to.Dst.Lo = from.Src.Hi, from.Src.Lo, from.Dst.Hi, from.Dst.Lo
	to.SrcPort, to.DstPort, to.Proto = from.SrcPort, from.DstPort, from.Proto
}

// sameAddresses compares field by field, because in words is a call, and of a kind
// that waits as a copy does.
func sameAddresses(a, b *packet.Tuple) bool {
	return a.Src == b.Src && a.Dst == b.Dst && a.SrcPort == b.SrcPort && a.DstPort == b.DstPort
}

// run follows the packet from hop to hop until it is delivered or dropped.
// This is the order of the network; every hop is a function in the file of its
// AWS noun.
func (w *Walk) run(hop Hop) {
	w.judged = hop.Kind > hopDone
	for left := maxHops; hop.Kind > hopDone; left-- {
		if left == 0 {
			w.drop(StageRoute, ReasonLoop, w.snap.internet.handle, 0)
			return
		}
		switch hop.Kind {
		case hopLeaveInterface:
			switch w.snap.interfaces[hop.To].kind {
			case KindInternetHost:
				hop = w.leaveHost(hop.To)
			case KindServices:
				hop = w.leaveService(hop.To)
			case KindVPNTunnel:
				hop = w.leaveTunnel(hop.To)
			case KindBGPSpeaker:
				hop = w.leaveSpeaker(hop.To)
			case KindVPNClient:
				hop = w.leaveClient(hop.To)
			case KindTransitGatewayConnectPeer:
				hop = w.leaveConnectPeer(hop.To)
			case KindVPCEndpoint:
				hop = w.leaveGatewayEndpoint(hop.To)
			case KindVPCEndpointInterface:
				hop = w.leaveEndpoint(hop.To)
			default:
				hop = w.leaveInterface(hop.To)
			}
		case hopSendOn:
			hop = w.sendOn(hop.To)
		case hopRoute:
			hop = w.route(hop.To)
		case hopVPC:
			hop = w.toOwner(hop.To)
		case hopEnterInterface:
			switch w.snap.interfaces[hop.To].kind {
			case KindInternetHost:
				hop = w.enterHost(hop.To)
			case KindNATGateway:
				hop = w.enterNATGateway(hop.To)
			case KindTransitGatewayInterface:
				hop = w.atTransitGatewayInterface(hop.To)
			case KindClientVPNInterface:
				hop = w.enterClientVPN(hop.To)
			case KindVPCEndpointInterface:
				hop = w.enterEndpoint(hop.To)
			case KindLoadBalancerNode:
				hop = w.enterLoadBalancer(hop.To)
			default:
				hop = w.enterInterface(hop.To)
			}
		case hopPeering:
			hop = w.peering(hop.To)
		case hopTransitGateway:
			hop = w.enterTransitGateway(hop.To)
		case hopTransitGatewayOut:
			hop = w.leaveTransitGateway(hop.To)
		case hopTransitGatewayPeer:
			hop = w.acrossTransitGateways(hop.To)
		case hopTransitGatewayClients:
			hop = w.transitToClient(hop.To)
		case hopVPNGateway:
			hop = w.toVPN(hop.To)
		case hopVPNGatewayIn:
			hop = w.fromVPN(hop.To)
		case hopVPNTunnels:
			hop = w.intoTunnel(hop.To)
		case hopInternetGateway:
			hop = w.internetGateway(hop.To)
		case hopEgressOnlyGateway:
			hop = w.egressOnlyGateway(hop.To)
		case hopGatewayEndpoint:
			hop = w.gatewayEndpoint(hop.To)
		case hopMirrored:
			hop = w.leaveMirrored(hop.To)
		case hopInternet:
			hop = w.acrossInternet()
		case hopInternetGatewayIn:
			hop = w.internetGatewayIn(hop.To)
		case hopInternet6In:
			hop = w.fromInternet6(hop.To)
		default:
			return // verdict is still drop, reason still bug: counted
		}
	}
}

// pass notes that an object let the packet through.
func (w *Walk) pass(stage Stage, reason Reason, object Handle, detail uint32) {
	w.step(stage, VerdictPass, reason, object, detail)
}

// drop ends the walk: the one place a packet is dropped.
func (w *Walk) drop(stage Stage, reason Reason, object Handle, detail uint32) Hop {
	w.verdict, w.reason = VerdictDrop, reason
	w.step(stage, VerdictDrop, reason, object, detail)
	return Hop{}
}

// answer ends the walk: the platform replies itself.
func (w *Walk) answer(stage Stage, reason Reason, object Handle) {
	w.verdict, w.reason = VerdictAnswer, reason
	w.step(stage, VerdictAnswer, reason, object, 0)
}

// translated notes a step after which the packet has other addresses.
func (w *Walk) translated(stage Stage, reason Reason, object Handle) {
	if w.nTuples < maxTuples {
		copyTuple(&w.tuples[w.nTuples], &w.tuple)
		if w.pkt.ICMPError {
			w.quotes[w.nTuples] = w.quoted
		}
		w.tupleHead = uint32(w.nTuples) << 24
		w.nTuples++
	}
	w.pass(stage, reason, object, 0)
}

func (w *Walk) step(stage Stage, verdict Verdict, reason Reason, object Handle, detail uint32) {
	// More steps than any path has: keep the last one, which decides.
	n := min(w.nSteps, maxSteps-1)
	// Not a literal, which is built elsewhere and copied in words that wait for
	// its bytes (20 ns a packet). The compiler makes of this one store of four
	// bytes, and mostly of a constant.
	s := &w.steps[n]
	head := uint32(stage) | uint32(verdict)<<8 | uint32(reason)<<16 | w.tupleHead
	s.Stage, s.Verdict, s.Reason, s.Tuple = Stage(head), Verdict(head>>8), Reason(head>>16), uint8(head>>24)
	s.Object, s.Detail = object, detail
	w.nSteps = n + 1
}

// remote is the other side's address, as the interface sees it.
func (w *Walk) remote(dir direction) packet.Addr {
	if dir == egress {
		return w.tuple.Dst
	}
	return w.tuple.Src
}

func (w *Walk) quotedRemote(dir direction) packet.Addr {
	if dir == egress {
		return w.quoted.Src
	}
	return w.quoted.Dst
}

// port is what a rule's ports are compared with: the destination port, or an
// ICMP message's type and code.
func (w *Walk) port() uint16 {
	if w.tuple.Proto == packet.ProtoICMP || w.tuple.Proto == packet.ProtoICMPv6 {
		return uint16(w.icmpType)<<8 | uint16(w.icmpCode)
	}
	return w.tuple.DstPort
}

func (w *Walk) icmpError() bool { return w.pkt.ICMPError }

// wireLength is the size of the packet, a segment of it if it is a superframe,
// at this point of the way: NAT64 makes it shorter or longer by the difference
// of the headers.
func (w *Walk) wireLength() int {
	n := packet.WireLength(&w.pkt)
	switch is4 := w.tuple.Src.Is4(); {
	case is4 && w.pkt.Family == 6:
		return n - familyDifference
	case !is4 && w.pkt.Family == 4:
		return n + familyDifference
	}
	return n
}

// familyDifference is how much longer an IPv6 header is than an IPv4 one.
const familyDifference = 20

// fits holds the packet, a segment of it if it is a superframe, against the
// MTU of what it meets. One that is too large and may not be cut is dropped, and
// its sender told; one that may is cut on the way out.
func (w *Walk) fits(mtu uint16, stage Stage, object Handle) bool {
	if w.wireLength() > int(mtu) && w.pkt.DontFragment {
		w.drop(stage, ReasonTooBig, object, uint32(mtu))
		return false
	}
	if w.pathMTU == 0 || mtu < w.pathMTU {
		w.pathMTU = mtu
	}
	return true
}

// fitsWhole is fits where nothing is cut: what is too large is dropped whatever its
// sender allows (T20, E24).
func (w *Walk) fitsWhole(mtu uint16, stage Stage, object Handle) bool {
	if w.wireLength() <= int(mtu) {
		return true
	}
	w.drop(stage, ReasonTooBig, object, uint32(mtu))
	return false
}

// hop takes one off the packet's hop limit, if it has more than one left.
func (w *Walk) hop() bool {
	if w.pkt.TTL <= w.hops+1 {
		return false
	}
	w.hops++
	return true
}

// clamp lowers the segment size that a TCP connection may offer to what fits
// into mtu.
func (w *Walk) clamp(mtu uint16) {
	mss := mtu - tcpHeaders4
	if !w.tuple.Src.Is4() {
		mss -= familyDifference
	}
	if w.clampMSS == 0 || mss < w.clampMSS {
		w.clampMSS = mss
	}
}

// tcpHeaders4 are the headers of TCP over IPv4 without options.
const tcpHeaders4 = 40
