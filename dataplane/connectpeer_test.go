package dataplane

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hConnect Handle = 70 + iota
	hConnectSpeaker
	hPeer4
	hPeer4Outside
	hPeer6
	hPeer6Outside
)

// newConnect is the hub fixture whose VPC 1 carries the GRE packets of a Connect
// attachment: instance A there is the appliance, with a peer by IPv4 and one by
// IPv6. Behind it are 10.80.0.0/16 and 2001:db8:8000::/40, by the first peer.
func newConnect(t testing.TB) *hub {
	h := newHub(t, 2).viaHub()
	h.addConnect()
	return h
}

func (h *hub) addConnect() {
	h.route(1, hubTable, "192.0.2.0/24", TargetTransitGateway, at(1, hubAttachment))
	h.b.NetworkInterfaces[0].SourceDestCheck = false
	h.b.TransitGatewayTunnelAttachments = append(h.b.TransitGatewayTunnelAttachments, TransitGatewayTunnelAttachment{
		Object: Object{Handle: hConnect, Kind: KindTransitGatewayAttachment, Name: "sdwan"}, TransitGateway: hHub, RouteTable: hHubTable,
	})
	h.b.BGPSpeakers = append(h.b.BGPSpeakers, BGPSpeaker{Object: Object{Handle: hConnectSpeaker, Kind: KindBGPSpeaker, Name: "hub"}, MAC: InterfaceMAC(hConnectSpeaker)})
	for i, ends := range [][2]string{{"192.0.2.1", "10.1.1.10"}, {"2001:db8:f000::1", "2001:db8:101::10"}} {
		inside := Handle(int(hPeer4) + 2*i)
		h.b.TransitGatewayConnectPeers = append(h.b.TransitGatewayConnectPeers, TransitGatewayConnectPeer{
			Object:  Object{Handle: inside, Kind: KindTransitGatewayConnectPeer, Name: fmt.Sprintf("peer%d", i)},
			Outside: inside + 1, Attachment: hConnect, Transport: at(1, hubAttachment), Speaker: hConnectSpeaker,
			TransitGatewayAddress: netip.MustParseAddr(ends[0]), PeerAddress: netip.MustParseAddr(ends[1]),
			Addresses: []netip.Addr{
				netip.MustParseAddr(fmt.Sprintf("169.254.%d.2", 100+i)), netip.MustParseAddr(fmt.Sprintf("169.254.%d.3", 100+i)),
				netip.MustParseAddr(fmt.Sprintf("fd00:%d::2", 100+i)), netip.MustParseAddr(fmt.Sprintf("fd00:%d::3", 100+i)),
			},
		})
	}
	for _, block := range []string{"10.80.0.0/16", "2001:db8:8000::/40"} {
		table := &h.b.TransitGatewayRouteTables[0]
		table.Routes = append(table.Routes, TransitGatewayRoute{Destination: cidr(block), Tunnels: []Handle{hPeer4}, Text: block + " → sdwan"})
	}
}

// gre is what the appliance sends: a GRE packet of a peer's with inner in it. Head
// is the GRE header; "" is one without options.
func (h *hub) gre(peer Handle, head string, inner packet.Spec) packet.Spec {
	p := &h.b.TransitGatewayConnectPeers[(peer-hPeer4)/2]
	b := packet.Append(nil, inner)[14:]
	if head == "" {
		head = "\x00\x00\x08\x00"
		if b[0]>>4 == 6 {
			head = "\x00\x00\x86\xdd"
		}
	}
	return packet.Spec{
		Tuple:        packet.Tuple{Src: packet.AddrFrom(p.PeerAddress), Dst: packet.AddrFrom(p.TransitGatewayAddress), Proto: packet.ProtoGRE},
		DontFragment: true, Payload: append([]byte(head), b...),
	}
}

// unwrapped reads a GRE frame with a decoder that is not ours.
func (h *hub) unwrapped(f packet.Frame) (outer gopacket.NetworkLayer, gre *layers.GRE, inner gopacket.Packet) {
	h.t.Helper()
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.Default)
	gre, ok := p.Layer(layers.LayerTypeGRE).(*layers.GRE)
	if !ok || p.ErrorLayer() != nil {
		h.t.Fatalf("no GRE packet: %v", p)
	}
	first := gopacket.Decoder(layers.LayerTypeIPv4)
	if gre.Protocol == layers.EthernetTypeIPv6 {
		first = layers.LayerTypeIPv6
	}
	return p.NetworkLayer(), gre, gopacket.NewPacket(gre.Payload, first, gopacket.Default)
}

// T1, T17, TG-10: what the appliance sends by GRE is traffic of the Connect
// attachment, in both families inside and outside.
func TestConnectPeerTakesPacketsOutOfGRE_TG10(t *testing.T) {
	for _, peer := range []Handle{hPeer4, hPeer6} {
		for src, dst := range map[string]string{"10.80.0.5": "10.2.1.10", "2001:db8:8000::5": "2001:db8:201::10"} {
			h := newConnect(t)
			h.publish()
			h.want(src, at(1, hubInstanceA), h.gre(peer, "", from(src, syn(dst, 80))), VerdictPass, ReasonDelivered)
			if got := h.delivered(); got.Src != addr(src) || got.Dst != addr(dst) {
				t.Errorf("peer %d: delivered %v", peer, got)
			}
			if got := Handle(h.frames[0].Link); got != at(2, hubInstanceA) {
				t.Errorf("delivered to %d", got)
			}
			if ttl := h.e.walk.pkt.TTL; ttl != 63 {
				t.Errorf("TTL %d behind one gateway", ttl)
			}
			if !h.e.walk.passed(StageConnectPeer, peer) || !h.e.walk.passed(StageTransitGateway, hConnect) {
				t.Errorf("no step names peer and attachment:\n%s", h.story())
			}
		}
	}
}

// passed reports whether an object let the packet pass at a stage.
func (w *Walk) passed(stage Stage, object Handle) bool {
	for _, s := range w.steps[:w.nSteps] {
		if s.Stage == stage && s.Object == object && s.Verdict == VerdictPass {
			return true
		}
	}
	return false
}

// T17: what goes to the appliance's networks goes to it in GRE, delivered as the
// transport attachment delivers.
func TestConnectPeerPutsPacketsIntoGRE(t *testing.T) {
	for i, peer := range []Handle{hPeer4, hPeer6} {
		for _, dst := range []string{"10.80.0.5", "2001:db8:8000::5"} {
			h := newConnect(t)
			for j := range h.b.TransitGatewayRouteTables[0].Routes {
				if r := &h.b.TransitGatewayRouteTables[0].Routes[j]; len(r.Tunnels) > 0 {
					r.Tunnels = []Handle{peer}
				}
			}
			h.publish()
			h.want(dst, at(2, hubInstanceA), syn(dst, 80), VerdictPass, ReasonDelivered)
			if len(h.frames) != 1 || Handle(h.frames[0].Link) != at(1, hubInstanceA) {
				t.Fatalf("frames %v", h.frames)
			}
			outer, gre, inner := h.unwrapped(h.frames[0])
			if gre.ChecksumPresent || gre.KeyPresent || gre.SeqPresent || gre.Version != 0 {
				t.Errorf("GRE header %+v", gre)
			}
			want := h.b.TransitGatewayConnectPeers[i]
			if src, to := outer.NetworkFlow().Endpoints(); src.String() != want.TransitGatewayAddress.String() || to.String() != want.PeerAddress.String() {
				t.Errorf("outer %v → %v", src, to)
			}
			if _, to := inner.NetworkLayer().NetworkFlow().Endpoints(); to.String() != dst || inner.ErrorLayer() != nil {
				t.Errorf("inner %v", inner)
			}
			if tcp, ok := inner.TransportLayer().(*layers.TCP); !ok || tcp.DstPort != 80 {
				t.Errorf("inner %v", inner)
			}
		}
	}
}

// T18: GRE with other outer addresses is the transport attachment's own traffic.
func TestGREWithOtherOuterAddressesIsPlainTraffic(t *testing.T) {
	h := newConnect(t)
	h.publish()
	s := h.gre(hPeer4, "", from("10.80.0.5", syn("10.2.1.10", 80)))
	s.Dst = addr("192.0.2.9")
	h.want("another gateway address", at(1, hubInstanceA), s, VerdictDrop, ReasonNoRoute)
	if got := h.stepReason(StageTransitGatewayRoute); got != ReasonNoRoute {
		t.Errorf("decided elsewhere: %v", got)
	}
	s.Dst, s.Src = addr("192.0.2.1"), addr("10.1.1.99")
	h.want("another source", at(1, hubInstanceA), s, VerdictDrop, ReasonNoRoute)
	// A peer's own addresses by another attachment are nobody's, either.
	h.b.NetworkInterfaces[2].SourceDestCheck = false
	h.route(2, hubTable, "192.0.2.0/24", TargetTransitGateway, at(2, hubAttachment))
	h.publish()
	s.Src = addr("10.1.1.10")
	h.want("by another attachment", at(2, hubInstanceA), s, VerdictDrop, ReasonNoRoute)
	// And GRE between instances is GRE.
	s.Dst = addr("10.2.1.10")
	h.want("to an instance", at(1, hubInstanceA), s, VerdictPass, ReasonDelivered)
	if f, _, _ := h.unwrapped(h.frames[0]); f == nil {
		t.Error("it lost its GRE header")
	}
}

// A fault has AWS's end down: neither side hears the other by it.
func TestStoppedConnectPeerDropsBothWays(t *testing.T) {
	h := newConnect(t)
	h.b.TransitGatewayConnectPeers[0].Stopped = true
	h.publish()
	h.want("out of the tunnel", at(1, hubInstanceA), h.gre(hPeer4, "", from("10.80.0.5", syn("10.2.1.10", 80))), VerdictDrop, ReasonInterfaceDown)
	h.want("into the tunnel", at(2, hubInstanceA), syn("10.80.0.5", 80), VerdictDrop, ReasonInterfaceDown)
	goodbye := from("169.254.100.2", syn("169.254.100.1", 179))
	goodbye.SrcMAC, goodbye.DstMAC = InterfaceMAC(hConnectSpeaker), routerMAC(hConnectSpeaker)
	h.want("the speaker's last words", hConnectSpeaker, goodbye, VerdictDrop, ReasonInterfaceDown)
	h.want("the other tunnel", at(1, hubInstanceA), h.gre(hPeer6, "", from("10.80.0.5", syn("10.2.1.10", 80))), VerdictPass, ReasonDelivered)
}

func TestConnectPeerRefusesGREThatIsNotItsOwn(t *testing.T) {
	h := newConnect(t)
	h.publish()
	inner := from("10.80.0.5", syn("10.2.1.10", 80))
	for name, c := range map[string]struct {
		head    string
		verdict Verdict
		problem packet.GREProblem
	}{
		"a sequence number": {"\x10\x00\x08\x00\x00\x00\x00\x07", VerdictPass, 0},
		"reserved bits":     {"\x00\x80\x08\x00", VerdictPass, 0}, // RFC 2784: ignored
		"a key":             {"\x20\x00\x08\x00\x00\x00\x00\x07", VerdictDrop, packet.GREProblemKey},
		"routing":           {"\x40\x00\x08\x00\x00\x00\x00\x00", VerdictDrop, packet.GREProblemRouting},
		"PPTP":              {"\x00\x01\x08\x00", VerdictDrop, packet.GREProblemVersion},
		"a wrong checksum":  {"\x80\x00\x08\x00\x12\x34\x00\x00", VerdictDrop, packet.GREProblemChecksum},
		"a keepalive":       {"\x00\x00\x00\x00", VerdictDrop, packet.GREProblemProtocol},
		"Ethernet":          {"\x00\x00\x65\x58", VerdictDrop, packet.GREProblemProtocol},
	} {
		reason := ReasonDelivered
		if c.verdict == VerdictDrop {
			reason = ReasonGRE
		}
		h.want(name, at(1, hubInstanceA), h.gre(hPeer4, c.head, inner), c.verdict, reason)
		if w := &h.e.walk; c.verdict == VerdictDrop && packet.GREProblem(w.steps[w.nSteps-1].Detail) != c.problem {
			t.Errorf("%s: %v", name, packet.GREProblem(w.steps[w.nSteps-1].Detail))
		}
	}
	s := h.gre(hPeer4, "", inner)
	s.Payload = s.Payload[:2]
	h.want("cut off", at(1, hubInstanceA), s, VerdictDrop, ReasonGRE)
	s.Payload = []byte("\x00\x00\x08\x00\x45\x00")
	h.want("a broken packet in it", at(1, hubInstanceA), s, VerdictDrop, ReasonMalformed)
	h.want("IPv6 said to be IPv4", at(1, hubInstanceA),
		h.gre(hPeer4, "\x00\x00\x08\x00", from("2001:db8:8000::5", syn("2001:db8:201::10", 80))), VerdictDrop, ReasonMalformed)
}

// T17: BGP with the gateway's speaker is multihop, and each inside address is a
// session of its own.
func TestConnectPeerInsideAddressIsTheSpeakers(t *testing.T) {
	h := newConnect(t)
	h.publish()
	for _, local := range []string{"169.254.100.2", "169.254.100.3", "fd00:100::2"} {
		remote := "169.254.100.1"
		if local[0] == 'f' {
			remote = "fd00:100::1"
		}
		s := from(remote, syn(local, 179))
		s.TTL = 2
		h.want("BGP", at(1, hubInstanceA), h.gre(hPeer4, "", s), VerdictPass, ReasonDelivered)
		if got := Handle(h.frames[0].Link); got != hConnectSpeaker {
			t.Fatalf("delivered to %d", got)
		}
		s.TTL = 1
		h.want("BGP without multihop", at(1, hubInstanceA), h.gre(hPeer4, "", s), VerdictDrop, ReasonTTLExpired)
		back := answer(syn(local, 179), remote)
		back.SrcMAC, back.DstMAC, back.Src = InterfaceMAC(hConnectSpeaker), routerMAC(hConnectSpeaker), addr(local)
		h.want("its answer", hConnectSpeaker, back, VerdictPass, ReasonDelivered)
		if _, _, inner := h.unwrapped(h.frames[0]); inner.NetworkLayer().NetworkFlow().Dst().String() != remote {
			t.Errorf("inner %v", inner)
		}
	}
	h.want("another peer's", at(1, hubInstanceA), h.gre(hPeer4, "", from("169.254.100.1", syn("169.254.101.2", 179))), VerdictDrop, ReasonLinkLocal)
}

// T15: equal routes of Connect peers share the flows, and a flow keeps its peer.
func TestConnectPeersShareFlows(t *testing.T) {
	h := newConnect(t)
	h.b.TransitGatewayRouteTables[0].Routes[4].Tunnels = []Handle{hPeer4, hPeer6}
	h.publish()
	used := map[string]int{}
	for port := range uint16(64) {
		s := syn("10.80.0.5", 80)
		s.SrcPort = 2000 + port
		first := ""
		for range 2 {
			h.want("a flow", at(2, hubInstanceA), s, VerdictPass, ReasonDelivered)
			outer, _, _ := h.unwrapped(h.frames[0])
			if src := outer.NetworkFlow().Src().String(); first == "" {
				first = src
				used[src]++
			} else if src != first {
				t.Errorf("port %d changed from %s to %s", s.SrcPort, first, src)
			}
		}
	}
	if len(used) != 2 || used["192.0.2.1"] < 16 || used["2001:db8:f000::1"] < 16 {
		t.Errorf("flows by peer: %v", used)
	}
}
