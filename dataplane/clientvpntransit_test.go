package dataplane

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const hCorpAttachment Handle = 58

// newClientTransit is the hub fixture with an endpoint attached to the transit gateway:
// Anna landed in zone a, Ben in zone b, and Carl nowhere. VPCs have routes to clients.
//
//	anna 172.20.0.2 and fd11::2, ben 172.20.0.3 and fd11::3, carl 172.20.0.4
func newClientTransit(t testing.TB) *hub {
	h := newHub(t, 2)
	h.b.ClientVPNEndpoints = []ClientVPNEndpoint{{
		Object: Object{Handle: hCorp, Kind: KindClientVPNEndpoint, Name: "corp"}, Attachment: hCorpAttachment,
	}}
	h.b.TransitGatewayClientVPNAttachments = []TransitGatewayClientVPNAttachment{{
		Object: Object{Handle: hCorpAttachment, Kind: KindTransitGatewayAttachment, Name: "corp"}, TransitGateway: hHub, RouteTable: hHubTable, Endpoint: hCorp,
	}}
	for _, block := range []string{"10.0.0.0/8", "2001:db8::/32", "fd11::/64"} {
		h.clientRoute(block, hCorpAttachment)
		h.rule(block)
	}
	client := func(handle Handle, name, zone string, addresses ...string) VPNClient {
		x := VPNClient{Object: Object{Handle: handle, Kind: KindVPNClient, Name: name}, MAC: InterfaceMAC(handle), Endpoint: hCorp}
		if zone != "" {
			x.Zone, x.Region = zone, "us-east-1"
		}
		for _, a := range addresses {
			x.Addresses = append(x.Addresses, netip.MustParseAddr(a))
		}
		return x
	}
	h.b.VPNClients = []VPNClient{
		client(hAnna, "anna", "us-east-1a", "172.20.0.2", "fd11::2"),
		client(hBen, "ben", "us-east-1b", "172.20.0.3", "fd11::3"),
		client(hCarl, "carl", "", "172.20.0.4"),
	}
	table := &h.b.TransitGatewayRouteTables[0]
	for _, block := range []string{"172.20.0.0/22", "fd11::/64"} {
		table.Routes = append(table.Routes, TransitGatewayRoute{
			Destination: cidr(block), Attachment: hCorpAttachment, Text: block + " → transitGatewayAttachment corp (propagated)",
		})
		for k := 1; k <= 2; k++ {
			h.route(k, hubTable, block, TargetTransitGateway, at(k, hubAttachment))
		}
	}
	return h
}

// C11: nobody translates, in either family, and answers find the client by the
// gateway's route.
func TestClientVPNByATransitGatewayKeepsAddresses_C11(t *testing.T) {
	for name, c := range map[string]struct {
		from     Handle
		src, dst string
		receiver Handle
	}{
		"IPv4":               {hAnna, "172.20.0.2", "10.1.1.10", at(1, hubInstanceA)},
		"the other VPC":      {hAnna, "172.20.0.2", "10.2.2.10", at(2, hubInstanceB)},
		"from another zone":  {hBen, "172.20.0.3", "10.1.1.10", at(1, hubInstanceA)},
		"IPv6":               {hAnna, "fd11::2", "2001:db8:101::10", at(1, hubInstanceA)},
		"IPv6, another zone": {hBen, "fd11::3", "2001:db8:202::10", at(2, hubInstanceB)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientTransit(t)
			h.publish()
			h.want("a request", c.from, from(c.src, datagram(c.dst, 53)), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != c.receiver || got.Src != addr(c.src) || got.SrcPort != datagram(c.dst, 53).Tuple.SrcPort {
				t.Fatalf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
			h.want("its answer", c.receiver, h.back(), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != c.from || got.Dst != addr(c.src) || got.Src != addr(c.dst) {
				t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
			if n := h.e.state.nat.count(); n != 0 {
				t.Errorf("%d mappings", n)
			}
			// Nothing on the way remembers who began.
			h.want("unasked", c.receiver, from(c.dst, datagram(c.src, 5900)), VerdictPass, ReasonDelivered)
		})
	}
}

// C3, C4, T3, T8: what the endpoint, the attachment's association and the route table
// refuse.
func TestClientVPNByATransitGatewayDrops_C11(t *testing.T) {
	table := func(h *hub) *TransitGatewayRouteTable { return &h.b.TransitGatewayRouteTables[0] }
	for name, c := range map[string]struct {
		change   func(h *hub)
		from     Handle
		src, dst string
		reason   Reason
	}{
		"no route of the endpoint":   {nil, hAnna, "172.20.0.2", "192.168.0.1", ReasonNoRoute},
		"no route of the gateway":    {nil, hAnna, "172.20.0.2", "10.9.0.1", ReasonNoRoute},
		"no rule":                    {func(h *hub) { h.b.ClientVPNEndpoints[0].AuthorizationRules = nil }, hAnna, "172.20.0.2", "10.1.1.10", ReasonNoRule},
		"a rule for others":          {func(h *hub) { h.rule("10.1.0.0/16", "ops") }, hAnna, "172.20.0.2", "10.1.1.10", ReasonNotAuthorized},
		"no association":             {func(h *hub) { h.b.TransitGatewayClientVPNAttachments[0].RouteTable = 0 }, hAnna, "172.20.0.2", "10.1.1.10", ReasonNotAssociated},
		"an attachment that is down": {func(h *hub) { h.dropAttachment() }, hAnna, "172.20.0.2", "10.1.1.10", ReasonNotAssociated},
		"another's address":          {nil, hAnna, "172.20.0.3", "10.1.1.10", ReasonSourceAddress},
		"not connected":              {nil, hCarl, "172.20.0.4", "10.1.1.10", ReasonNotAssociated},
		"AWS's services":             {func(h *hub) { h.clientRoute("fd00:ec2::/32", hCorpAttachment); h.rule("fd00:ec2::/32") }, hAnna, "fd11::2", "fd00:ec2::253", ReasonLinkLocal},
		"a client over IPv6":         {nil, hAnna, "fd11::2", "fd11::3", ReasonClientToClientIPv6},
		"back, not connected":        {nil, at(1, hubInstanceA), "10.1.1.10", "172.20.0.4", ReasonNotConnected},
		"back, nobody's address":     {nil, at(1, hubInstanceA), "10.1.1.10", "172.20.0.99", ReasonNotConnected},
		"back, no propagation":       {func(h *hub) { t := table(h); t.Routes = t.Routes[:len(t.Routes)-2] }, at(1, hubInstanceA), "10.1.1.10", "172.20.0.2", ReasonNoRoute},
		"back, no propagation, IPv6": {func(h *hub) { t := table(h); t.Routes = t.Routes[:len(t.Routes)-1] }, at(1, hubInstanceA), "2001:db8:101::10", "fd11::2", ReasonNoRoute},
		"back, a blackhole before them": {func(h *hub) {
			t := table(h)
			t.Routes = append(t.Routes, TransitGatewayRoute{Destination: cidr("172.20.0.2/32"), Text: "x"})
		}, at(1, hubInstanceA), "10.1.1.10", "172.20.0.2", ReasonBlackhole},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientTransit(t)
			if c.change != nil {
				c.change(h)
			}
			h.publish()
			h.want(name, c.from, from(c.src, datagram(c.dst, 53)), VerdictDrop, c.reason)
		})
	}
}

// dropAttachment is a fault of the attachment: routes of the endpoint still name it.
func (h *hub) dropAttachment() {
	h.b.TransitGatewayClientVPNAttachments = nil
	table := &h.b.TransitGatewayRouteTables[0]
	for i := range table.Routes {
		if table.Routes[i].Attachment == hCorpAttachment {
			table.Routes[i].Attachment = 0
		}
	}
}

// C9: `local` leads to other clients, and so does the gateway's own route.
func TestClientToClientAtATransitGateway_C9(t *testing.T) {
	for name, association := range map[string]Handle{"local": 0, "by the gateway": hCorpAttachment} {
		t.Run(name, func(t *testing.T) {
			h := newClientTransit(t)
			h.clientRoute("172.20.0.0/22", association)
			h.rule("172.20.0.0/22")
			h.publish()
			h.want(name, hAnna, from("172.20.0.2", datagram("172.20.0.3", 5900)), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != hBen || got.Src != addr("172.20.0.2") {
				t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
		})
	}
}

func TestClientVPNTransitTraceTellsEveryStep(t *testing.T) {
	h := newClientTransit(t)
	h.publish()
	for name, c := range map[string]struct {
		to    string
		words []string
	}{
		"there and back": {"10.1.1.10", []string{
			"came out of the client's tunnel: 172.20.0.2 → 10.1.1.10",
			"authorization rule allows 10.0.0.0/8 for all",
			"by this Client VPN attachment",
			"10.1.0.0/16 → transitGatewayAttachment 1",
			"172.20.0.0/22 → transitGatewayAttachment corp (propagated)",
			"goes into the client's tunnel",
		}},
		"no route": {"192.168.0.1", []string{"no route of the endpoint leads to 192.168.0.1 by its transit gateway attachment"}},
	} {
		t.Run(name, func(t *testing.T) {
			trace := h.e.Trace(TraceRequest{From: hAnna, Tuple: packet.Tuple{Dst: addr(c.to), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}, Reply: true})
			traceSays(t, &trace, c.words...)
		})
	}
	h.dropAttachment()
	h.publish()
	trace := h.e.Trace(TraceRequest{From: hAnna, Tuple: packet.Tuple{Dst: addr("10.1.1.10"), SrcPort: 40000, DstPort: 80, Proto: packet.ProtoTCP}})
	if last := trace.Last(); !strings.Contains(last.Steps[len(last.Steps)-1].Text, "attachment is not available") {
		t.Errorf("a fault is told as %+v", last.Steps)
	}
}

// The gateway's flow log sees a client's own address, at the endpoint's attachment.
func TestFlowLogOfAClientVPNAttachment_C11(t *testing.T) {
	h := newClientTransit(t)
	h.b.FlowLogs = []FlowLog{{Resource: hCorpAttachment}}
	h.publish()
	h.want("a request", hAnna, from("172.20.0.2", datagram("10.1.1.10", 53)), VerdictPass, ReasonDelivered)
	h.want("its answer", at(1, hubInstanceA), h.back(), VerdictPass, ReasonDelivered)
	records, _ := h.e.FlowRecords(nil)
	if len(records) != 2 {
		t.Fatalf("records %+v", records)
	}
	for _, r := range records {
		if r.Interface != hCorpAttachment || r.PairAttachment != at(1, hubAttachment) {
			t.Errorf("record %+v", r)
		}
	}
}
