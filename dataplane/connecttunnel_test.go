package dataplane

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// T20: what does not fit into the tunnel is dropped, and its sender told, in the VPC
// and behind the appliance; TCP learns it beforehand.
func TestConnectPeerMTU(t *testing.T) {
	h := newConnect(t)
	h.publish()
	large := datagram("10.80.0.5", 53)
	large.DontFragment = true
	large.Payload = make([]byte, 8476-28)
	h.want("fits", at(2, hubInstanceA), large, VerdictPass, ReasonDelivered)
	if n := len(h.frames[0].Data); n != 14+8500 {
		t.Errorf("the outer packet has %d bytes", n-14)
	}
	large.Payload = make([]byte, 8477-28)
	h.send(at(2, hubInstanceA), large)
	if p := h.delivered(); p.ICMPType != 3 || p.ICMPCode != 4 || binary.BigEndian.Uint16(h.frames[0].Data[p.L4+6:]) != 8476 {
		t.Errorf("the sender was told %+v", p)
	}
	large.DontFragment = false
	h.want("without DF", at(2, hubInstanceA), large, VerdictDrop, ReasonTooBig)

	// The other way the route to VPC 1 may be by the transport, which carries 8500:
	// the appliance's own host is told through the tunnel.
	h.b.TransitGatewayRouteTables[0].Routes = append(h.b.TransitGatewayRouteTables[0].Routes,
		TransitGatewayRoute{Destination: cidr("10.90.0.0/16"), Tunnels: []Handle{hPeer6}, Text: "10.90.0.0/16 → sdwan"})
	h.publish()
	inner := from("10.80.0.5", datagram("10.90.0.1", 53))
	inner.DontFragment = true
	inner.Payload = make([]byte, 8460-28) // fits into IPv4's tunnel, not into IPv6's
	h.send(at(1, hubInstanceA), h.gre(hPeer4, "", inner))
	if len(h.frames) != 1 {
		t.Fatalf("%d frames", len(h.frames))
	}
	_, _, told := h.unwrapped(h.frames[0])
	icmp, ok := told.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if !ok || icmp.TypeCode.Code() != 4 || icmp.Seq != 8456 || told.NetworkLayer().NetworkFlow().Dst().String() != "10.80.0.5" {
		t.Errorf("the sender was told %v", told)
	}

	s := syn("10.80.0.5", 80)
	data := packet.Append(nil, h.spec(at(2, hubInstanceA), s))
	data = append(data, 2, 4, 0x23, 0) // an MSS of 8960
	data[14+20+12] = 6 << 4
	binary.BigEndian.PutUint16(data[14+2:], 44)
	p := packet.Packet{}
	data[14+10], data[14+11] = 0, 0
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	binary.BigEndian.PutUint16(data[14+10:], ^uint16(sum+sum>>16))
	if problem := packet.Parse(&p, &packet.Frame{Data: data}); problem != packet.ProblemNone {
		t.Fatal(problem)
	}
	h.sendFrame(at(2, hubInstanceA), data)
	if len(h.frames) != 1 {
		t.Fatalf("no frame; steps:\n%s", h.story())
	}
	_, _, opened := h.unwrapped(h.frames[0])
	tcp := opened.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if got := binary.BigEndian.Uint16(tcp.Options[0].OptionData); got != 8476-40 {
		t.Errorf("MSS %d", got)
	}
}

// A superframe is cut before it goes into the tunnel: nobody cuts what is inside.
func TestConnectPeerCutsSuperframes(t *testing.T) {
	h := newConnect(t)
	h.publish()
	for _, dst := range []string{"10.80.0.5", "2001:db8:8000::5"} {
		s := packet.Spec{Tuple: packet.Tuple{Dst: addr(dst), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, TCPFlags: packet.TCPFlagACK, Payload: make([]byte, 10*1000+7)}
		for i := range s.Payload {
			s.Payload[i] = byte(i)
		}
		f := packet.Frame{Data: packet.Append(nil, h.spec(at(2, hubInstanceA), s)), Link: uint32(at(2, hubInstanceA))}
		f.Offload.GSO, f.Offload.SegmentSize = packet.GSOTCP4, 1000
		if !s.Dst.Is4() {
			f.Offload.GSO = packet.GSOTCP6
		}
		packet.DeferChecksum(&f)
		h.frames = h.e.Forward([]packet.Frame{f}, h.frames[:0])
		if len(h.frames) != 11 {
			t.Fatalf("%d frames; steps:\n%s", len(h.frames), h.story())
		}
		var got []byte
		for _, out := range h.frames {
			if out.Offload != (packet.Offload{}) || Handle(out.Link) != at(1, hubInstanceA) {
				t.Errorf("frame %+v to %d", out.Offload, out.Link)
			}
			_, _, inner := h.unwrapped(out)
			tcp := inner.Layer(layers.LayerTypeTCP).(*layers.TCP)
			got = append(got, tcp.Payload...)
			want := tcp.Checksum
			_ = tcp.SetNetworkLayerForChecksum(inner.NetworkLayer())
			if sum, err := tcp.ComputeChecksum(); err != nil || sum != 0 {
				t.Errorf("checksum %#x leaves %#x, %v", want, sum, err)
			}
		}
		if !slices.Equal(got, s.Payload) {
			t.Error("the payload changed")
		}
	}
}

// Groups and ACLs of the transport VPC see GRE, and nothing of what is in it.
func TestConnectPeerMeetsTheTransportVPCsFilters(t *testing.T) {
	h := newConnect(t)
	gre := Match{Protocol: packet.ProtoGRE, CIDR: cidr("192.0.2.0/24"), ICMPType: AnyICMP, ICMPCode: AnyICMP}
	h.b.SecurityGroups[0].Ingress = allow(gre)
	h.publish()
	h.want("the group allows GRE", at(2, hubInstanceA), syn("10.80.0.5", 80), VerdictPass, ReasonDelivered)
	h.b.SecurityGroups[0].Ingress = allow(tcp("0.0.0.0/0", 0, 65535))
	h.publish()
	h.want("the group allows TCP", at(2, hubInstanceA), syn("10.80.0.6", 80), VerdictPass, ReasonDelivered) // tracked: GRE has no ports
	h.clock += 601e9
	h.want("and no GRE", at(2, hubInstanceA), syn("10.80.0.5", 80), VerdictDrop, ReasonNoRule)
	if got := h.stepReason(StageSecurityGroupIn); got != ReasonNoRule {
		t.Errorf("decided elsewhere: %v", got)
	}
	h.acl(1, hubTransitACL).Ingress = append([]ACLRule{{Number: 50, Match: gre, Text: "deny"}}, openACL()...)
	h.acl(1, hubTransitACL).Egress = append([]ACLRule{{Number: 50, Match: gre, Text: "deny"}}, openACL()...)
	h.publish()
	h.want("an ACL", at(2, hubInstanceA), syn("10.80.0.5", 80), VerdictDrop, ReasonNoRule)
}

// A trace follows a packet through the tunnel and its answer back.
func TestTraceThroughConnectPeer(t *testing.T) {
	h := newConnect(t)
	h.publish()
	trace := h.e.Trace(TraceRequest{From: at(2, hubInstanceA), Tuple: packet.Tuple{Dst: addr("10.80.0.5"), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, Reply: true})
	if !trace.Passed() || len(trace.Request) != 2 || len(trace.Reply) != 1 {
		t.Fatalf("%d and %d legs, passed %v", len(trace.Request), len(trace.Reply), trace.Passed())
	}
	if got := trace.Request[0].To.Name; got != "peer0" {
		t.Errorf("the first leg ends at %q", got)
	}
	if leg := trace.Request[1]; leg.From.Name != "peer0" || leg.To.Handle != at(1, hubInstanceA) || leg.Sent.Src != "192.0.2.1" || leg.Sent.Protocol != "gre" {
		t.Errorf("the GRE packet's leg: %+v", leg)
	}
	if leg := trace.Reply[0]; leg.From.Name != "peer0" || leg.To.Handle != at(2, hubInstanceA) || leg.Sent.Src != "10.80.0.5" {
		t.Errorf("the reply's leg: %+v", leg)
	}
	var text []string
	for _, leg := range append(trace.Request, trace.Reply...) {
		for _, s := range leg.Steps {
			if s.Stage == StageConnectPeer {
				text = append(text, s.Text)
			}
		}
	}
	want := "goes into the GRE tunnel|its GRE packet from 192.0.2.1 to 10.1.1.10 goes by transitGatewayAttachment attachment1|came out of the GRE tunnel: 10.80.0.5 → 10.2.1.10"
	if got := strings.Join(text, "|"); got != want {
		t.Errorf("steps %s", got)
	}
	if n := h.e.Counters().Forwarded; n != 0 {
		t.Errorf("a trace forwarded %d packets", n)
	}
}

func TestConnectPeerAllocatesNothing(t *testing.T) {
	h := newConnect(t)
	h.publish()
	out := packet.Frame{Data: packet.Append(nil, h.spec(at(2, hubInstanceA), syn("10.80.0.5", 80))), Link: uint32(at(2, hubInstanceA))}
	in := packet.Frame{Data: packet.Append(nil, h.spec(at(1, hubInstanceA), h.gre(hPeer6, "", from("10.80.0.5", syn("10.2.1.10", 80))))), Link: uint32(at(1, hubInstanceA))}
	bad := packet.Frame{Data: packet.Append(nil, h.spec(at(1, hubInstanceA), h.gre(hPeer4, "\x20\x00\x08\x00", from("10.80.0.5", syn("10.2.1.10", 80))))), Link: uint32(at(1, hubInstanceA))}
	for name, f := range map[string]packet.Frame{"into the tunnel": out, "out of it": in, "refused": bad} {
		buffer, frames := make([]byte, len(f.Data)), make([]packet.Frame, 1)
		result := make([]packet.Frame, 0, 64)
		if n := testing.AllocsPerRun(200, func() {
			copy(buffer, f.Data)
			frames[0] = packet.Frame{Data: buffer, Link: f.Link}
			result = h.e.Forward(frames, result[:0])
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Two gateways' peers that lead into each other: a packet ends all the same.
func TestPacketDoesNotGoRoundInTunnels(t *testing.T) {
	h := newConnect(t)
	// What is for the appliance goes into the tunnel to the appliance again.
	table := &h.b.TransitGatewayRouteTables[0]
	table.Routes = append(table.Routes, TransitGatewayRoute{Destination: cidr("10.1.1.10/32"), Tunnels: []Handle{hPeer4}, Text: "loop"})
	h.route(1, hubTransitTable, "10.1.1.10/32", TargetTransitGateway, at(1, hubAttachment))
	h.publish()
	h.send(at(2, hubInstanceA), syn("10.80.0.5", 80))
	if w := &h.e.walk; w.verdict != VerdictDrop || w.reason != ReasonLoop && w.reason != ReasonTTLExpired {
		t.Errorf("%v (%v)\n%s", w.verdict, w.reason, h.story())
	}
	if len(h.frames) != 0 {
		t.Errorf("%d frames", len(h.frames))
	}
}

// FuzzConnectPeer sends whatever bytes there are in GRE packets: every walk ends for
// a reason, and what is delivered can be parsed.
func FuzzConnectPeer(f *testing.F) {
	inner := packet.Append(nil, from("10.80.0.5", syn("10.2.1.10", 80)))[14:]
	inner6 := packet.Append(nil, from("2001:db8:8000::5", datagram("2001:db8:201::10", 53)))[14:]
	f.Add(append([]byte{0, 0, 8, 0}, inner...), uint8(0), uint16(0))
	f.Add(append([]byte{0x10, 0, 0x86, 0xdd, 0, 0, 0, 1}, inner6...), uint8(0), uint16(0))
	f.Add(append([]byte{0x80, 0, 8, 0, 1, 2, 3, 4}, inner...), uint8(4), uint16(60))
	f.Fuzz(func(t *testing.T, payload []byte, offload uint8, start uint16) {
		h := newConnect(t)
		h.publish()
		for _, peer := range []Handle{hPeer4, hPeer6} {
			s := h.gre(peer, "", from("10.80.0.5", syn("10.2.1.10", 80)))
			if s.Payload = payload; len(payload) > 9000 {
				return
			}
			frame := packet.Frame{Data: packet.Append(nil, h.spec(at(1, hubInstanceA), s)), Link: uint32(at(1, hubInstanceA))}
			frame.Offload = packet.Offload{GSO: packet.GSO(offload & 3), PartialChecksum: offload&4 != 0, SegmentSize: 100, ChecksumStart: start, ChecksumOffset: 16}
			h.frames = h.e.Forward([]packet.Frame{frame}, h.frames[:0])
			if n := h.e.Counters().Reasons[ReasonBug]; n != 0 {
				t.Fatalf("no reason; steps:\n%s", h.story())
			}
			for i := range h.frames {
				var p packet.Packet
				if problem := packet.Parse(&p, &h.frames[i]); problem != packet.ProblemNone {
					t.Fatalf("delivered what does not parse: %v", problem)
				}
			}
		}
	})
}
