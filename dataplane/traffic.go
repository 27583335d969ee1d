package dataplane

import "github.com/vpcsim/vpcsim/dataplane/packet"

// Traffic counts what one interface or gateway has sent and received since it was
// made: packets on the wire, segments and not superframes, and bytes of IP. What
// the platform answers itself (ARP, the router's ping) is not in it.
//
// An interface has sent what its security groups let out, whatever became of it
// on the way, and received what was handed to it. A gateway sends out of the VPC
// and receives into it; a peering connection sends to its accepter, a transit
// gateway's attachment out of the gateway, and a NAT gateway to its sources, of
// which [NATStatistics] has the other side.
type Traffic struct {
	SentPackets     uint64 `json:"sentPackets"`
	SentBytes       uint64 `json:"sentBytes"`
	ReceivedPackets uint64 `json:"receivedPackets"`
	ReceivedBytes   uint64 `json:"receivedBytes"`
}

func (t *Traffic) send(packets, bytes int) {
	t.SentPackets += uint64(packets)
	t.SentBytes += uint64(bytes)
}

func (t *Traffic) receive(packets, bytes int) {
	t.ReceivedPackets += uint64(packets)
	t.ReceivedBytes += uint64(bytes)
}

// trafficTable is the traffic of handles, in pages like the snapshot's own table
// from handles to interfaces: counting is two loads and no hash, and outlives
// snapshots. bind makes the pages, so that packets find theirs.
type trafficTable struct{ pages []*trafficPage }

type trafficPage [linkPageSize]Traffic

func (t *trafficTable) at(h Handle) *Traffic { return &t.pages[h/linkPageSize][h%linkPageSize] }

// bind makes room for what is in the snapshot, and lets go of pages that nothing
// in it has a place in.
func (t *trafficTable) bind(s *Snapshot) {
	old := t.pages
	t.pages = make([]*trafficPage, len(s.links))
	need := func(page int) {
		for len(t.pages) <= page {
			t.pages = append(t.pages, nil)
		}
		if t.pages[page] != nil {
			return
		}
		if page < len(old) && old[page] != nil {
			t.pages[page] = old[page]
			return
		}
		t.pages[page] = new(trafficPage)
	}
	for i, page := range s.links {
		if page != nil {
			need(i)
		}
	}
	for _, h := range s.gateways() {
		need(int(h / linkPageSize))
	}
}

// gateways are the handles of what counts traffic and is no interface.
func (s *Snapshot) gateways() []Handle {
	var list []Handle
	for i := range s.internetGateways {
		list = append(list, s.internetGateways[i].handle)
	}
	for i := range s.egressOnlyGateways {
		list = append(list, s.egressOnlyGateways[i].handle)
	}
	for i := range s.peerings {
		list = append(list, s.peerings[i].handle)
	}
	for i := range s.attachments {
		list = append(list, s.attachments[i].handle)
	}
	for i := range s.vpnGateways {
		list = append(list, s.vpnGateways[i].handle)
	}
	return list
}

// gatewayPass is a packet at a gateway that counts it.
type gatewayPass struct {
	gateway Handle
	dir     direction // egress: Sent
	is4     bool      // its family there: NAT64 changes its size
	far     bool      // of a NAT gateway: on the destinations' side
}

// ethernetLength is the Ethernet header's, in bytes.
const ethernetLength = 14

// maxGatewayPasses is more than the longest legal way has.
const maxGatewayPasses = 12

// through notes that a gateway counts the packet.
func (w *Walk) through(gateway Handle, dir direction) {
	if w.nGateways == maxGatewayPasses {
		return
	}
	p := &w.gateways[w.nGateways]
	p.gateway, p.dir, p.is4, p.far = gateway, dir, w.tuple.Src.Is4(), false
	w.nGateways++
}

// throughNATGateway notes that a NAT gateway counts the packet, which it receives
// or sends on the side of the sources or, far, of the destinations.
func (w *Walk) throughNATGateway(gateway Handle, dir direction, far bool) {
	w.through(gateway, dir)
	w.gateways[w.nGateways-1].far = far
}

// account counts the packet where it was sent, at the gateways on its way, and
// where it was received unless a link has it first: then arrive does. This function
// is for most packets, and makes no calls: one packet on the wire that arrives with
// as many bytes as it was sent with.
func (w *Walk) account(s *state) {
	if w.verdict != VerdictPass || w.entry == 0 || w.nPassages > 0 || s.watches != nil ||
		w.pkt.Frame.Offload.GSO != packet.GSONone || w.tuple.Src.Is4() != (w.pkt.Family == 4) {
		if w.judged { // it went some way
			w.accountAll(s)
		}
		return
	}
	bytes := uint64(w.pkt.End - w.pkt.L3)
	from := s.traffic.at(w.entry)
	from.SentPackets++
	from.SentBytes += bytes
	for i := range w.gateways[:w.nGateways] {
		p := &w.gateways[i]
		t := s.traffic.at(p.gateway)
		if p.far {
			t = &s.nat.statistics.at(p.gateway).Destinations
		}
		if p.dir == egress {
			t.SentPackets++
			t.SentBytes += bytes
		} else {
			t.ReceivedPackets++
			t.ReceivedBytes += bytes
		}
	}
	to := s.traffic.at(w.snap.interfaces[w.out].handle)
	to.ReceivedPackets++
	to.ReceivedBytes += bytes
}

// accountAll is account for every packet.
func (w *Walk) accountAll(s *state) {
	packets, bytes := w.total()
	passed := w.verdict == VerdictPass
	if w.entry != 0 && (passed || w.left()) {
		s.traffic.at(w.entry).send(packets, bytes)
	}
	if s.watches != nil {
		s.watches.count(w, packets, bytes)
	}
	if w.nGateways > 0 {
		w.accountGateways(s, packets, bytes)
	}
	if passed && w.nPassages == 0 && w.lag == 0 {
		s.traffic.at(w.snap.interfaces[w.out].handle).receive(packets, w.sizeIn(w.tuple.Src.Is4(), packets, bytes))
	}
}

func (w *Walk) accountGateways(s *state, packets, bytes int) {
	for i := range w.gateways[:w.nGateways] {
		p := &w.gateways[i]
		t := s.traffic.at(p.gateway)
		if p.far {
			t = &s.nat.statistics.at(p.gateway).Destinations
		}
		if p.dir == egress {
			t.send(packets, w.sizeIn(p.is4, packets, bytes))
		} else {
			t.receive(packets, w.sizeIn(p.is4, packets, bytes))
		}
	}
}

// sizeIn is how many bytes the packets have where they are of the family, if they
// came with so many.
func (w *Walk) sizeIn(is4 bool, packets, bytes int) int {
	switch {
	case is4 == (w.pkt.Family == 4):
		return bytes
	case is4:
		return bytes - packets*familyDifference
	}
	return bytes + packets*familyDifference
}

// accountFragments corrects what account said of a packet that is delivered in
// fragments.
func (w *Walk) accountFragments(s *state, to Handle, fragments []packet.Frame) {
	if w.nPassages > 0 || w.lag > 0 {
		return // each counts when it arrives
	}
	bytes := -w.wireLength()
	for i := range fragments {
		bytes += len(fragments[i].Data) - ethernetLength
	}
	t := s.traffic.at(to)
	t.ReceivedPackets += uint64(len(fragments) - 1)
	t.ReceivedBytes += uint64(bytes)
}

// left reports whether a packet that was dropped had left its sender by then: its
// source was sound, and its own security groups had nothing against it.
func (w *Walk) left() bool {
	if w.nSights > 0 {
		return w.nSights > 1 || w.sights[0].dir == ingress || w.steps[w.nSteps-1].Stage != StageSecurityGroupOut
	}
	i := w.snap.interfaceOf(uint32(w.entry))
	return w.nSteps > 1 && w.snap.interfaces[i].kind != KindNetworkInterface
}
