package dataplane

import (
	"net/netip"
	"testing"
)

// addNAT gives VPC k a NAT gateway in zone b.
func (h *hub) addNAT(k int, address string) {
	h.b.NATGateways = append(h.b.NATGateways, NATGateway{
		Object: Object{Handle: at(k, hubNAT), Kind: KindNATGateway, Name: "nat"}, Subnet: at(k, hubSubnetB),
		MAC: InterfaceMAC(at(k, hubNAT)), Addresses: []netip.Addr{netip.MustParseAddr(address)},
	})
}

// doorByNAT has the first subnet of VPC 1 send what is for others by its NAT gateway.
func (h *hub) doorByNAT() {
	const door = Handle(7777)
	h.b.RouteTables = append(h.b.RouteTables, RouteTable{Object: Object{Handle: door, Kind: KindRouteTable, Name: "door"}, VPC: at(1, hubVPC), Routes: []Route{
		{Destination: cidr("10.1.0.0/16"), Target: Target{TargetLocal, at(1, hubVPC)}, Text: "local"},
		{Destination: cidr("2001:db8:100::/40"), Target: Target{TargetLocal, at(1, hubVPC)}, Text: "local"},
		{Destination: cidr("0.0.0.0/0"), Target: Target{TargetNATGateway, at(1, hubNAT)}, Text: "nat"},
		{Destination: cidr("64:ff9b::/96"), Target: Target{TargetNATGateway, at(1, hubNAT)}, Text: "nat"},
	}})
	for i := range h.b.Subnets {
		if h.b.Subnets[i].Handle == at(1, hubSubnetA) {
			h.b.Subnets[i].RouteTable = door
		}
	}
}

// C8: where the association's subnet leads to a NAT gateway, a packet is translated
// twice, and its answer back twice. Over IPv6 that is NAT64 (R54).
func TestClientVPNBehindANATGateway(t *testing.T) {
	h := newClientVPN(t)
	h.addNAT(1, "10.1.2.50")
	h.doorByNAT()
	h.route(1, hubTable, "10.2.0.0/16", TargetTransitGateway, at(1, hubAttachment))
	h.route(2, hubTable, "10.1.0.0/16", TargetTransitGateway, at(2, hubAttachment))
	for _, block := range []string{"10.2.0.0/16", "64:ff9b::/96"} {
		h.clientRoute(block, hCorpA)
		h.rule(block)
	}
	h.publish()
	for to, own := range map[string]string{"10.2.1.10": "172.20.0.2", "64:ff9b::10.2.1.10": anna6} {
		for range 2 { // by new mappings, and by those
			h.want("out", hAnna, syn(to, 80), VerdictPass, ReasonDelivered)
			if got := h.delivered(); got.Src != addr("10.1.2.50") || got.Dst != addr("10.2.1.10") {
				t.Fatalf("the instance got %v", got.Tuple)
			}
			h.want("back", at(2, hubInstanceA), h.back(), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != hAnna || got.Src != addr(to) || got.Dst != addr(own) || got.DstPort != 40000 {
				t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
		}
		question := syn(to, 81).Tuple
		question.SrcPort = 40000
		if trace := h.e.Trace(TraceRequest{From: hAnna, Tuple: question, Reply: true}); trace.Last().Reason != ReasonDelivered || len(trace.Reply) == 0 {
			t.Errorf("a trace to %s ends by %v", to, trace.Last().Reason)
		}
	}
	if n := h.e.state.nat.count(); n != 4 {
		t.Errorf("%d mappings, want two for each connection", n)
	}
}

// Two private NAT gateways in a row, as between networks that overlap: each keeps its
// own mapping (R38).
func TestPacketsPassTwoNATGateways(t *testing.T) {
	h := newHub(t, 2).viaHub()
	h.addNAT(1, "10.1.2.50")
	h.addNAT(2, "10.2.2.50")
	h.doorByNAT()
	h.route(2, hubTransitTable, "10.2.1.0/24", TargetNATGateway, at(2, hubNAT))
	h.publish()
	for range 2 {
		h.want("out", at(1, hubInstanceA), syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
		if got := h.delivered(); got.Src != addr("10.2.2.50") {
			t.Fatalf("the instance saw %s", got.Src)
		}
		h.want("back", at(2, hubInstanceA), h.back(), VerdictPass, ReasonDelivered)
		if got := h.delivered(); Handle(h.frames[0].Link) != at(1, hubInstanceA) || got.Dst != addr("10.1.1.10") || got.DstPort != 40000 {
			t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
		}
	}
}
