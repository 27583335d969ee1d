package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	anna6 = "2001:db8:101::f:2"
	ben6  = "2001:db8:102::f:3"
	carl6 = "2001:db8:101::f:4"
)

// C6, C7: over IPv6 the receiver sees the client's own address, which rules may name,
// as they may the endpoint's group.
func TestClientVPNKeepsIPv6Addresses_C6(t *testing.T) {
	for name, test := range map[string]struct {
		rule   GroupRule
		reason Reason
	}{
		"the client's address":      {GroupRule{Match: tcp(anna6+"/128", 80, 80)}, ReasonDelivered},
		"another client's":          {GroupRule{Match: tcp(carl6+"/128", 80, 80)}, ReasonNoRule},
		"the association's subnet":  {GroupRule{Match: tcp("2001:db8:101::/64", 80, 80)}, ReasonDelivered},
		"the endpoint's group (C7)": {GroupRule{Match: tcp("::/0", 80, 80), Group: hCorpGroup}, ReasonDelivered},
		"another group":             {GroupRule{Match: tcp("::/0", 80, 80), Group: at(1, hubGroup)}, ReasonNoRule},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientVPN(t)
			if test.rule.Group != 0 {
				test.rule.CIDR = netip.Prefix{}
			}
			h.b.SecurityGroups[0].Ingress = []GroupRule{test.rule}
			h.publish()
			_, reason := h.send(hAnna, syn("2001:db8:102::10", 80))
			if reason != test.reason {
				t.Fatalf("%v, want %v; steps:\n%s", reason, test.reason, h.story())
			}
			if reason != ReasonDelivered {
				return
			}
			if got := h.delivered(); got.Src != addr(anna6) || got.SrcPort != 40000 || got.TTL != 63 {
				t.Errorf("the instance saw %s:%d, hop limit %d", got.Src, got.SrcPort, got.TTL)
			}
			h.want("its answer", at(1, hubInstanceB), answer(syn("2001:db8:102::10", 80), anna6), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != hAnna || got.Dst != addr(anna6) || got.DstPort != 40000 {
				t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
		})
	}
}

// Two clients with the same port to one destination are two connections all the same,
// and an instance in the association's own subnet is a neighbour of both.
func TestClientVPNTellsIPv6ClientsApart(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	for client, own := range map[Handle]string{hAnna: anna6, hCarl: carl6} {
		h.want("a ping", client, echo("2001:db8:101::10", 7), VerdictPass, ReasonDelivered)
		if got := h.delivered(); got.Src != addr(own) || got.SrcPort != 7 {
			t.Errorf("the instance saw %s, identifier %d", got.Src, got.SrcPort)
		}
	}
	for client, own := range map[Handle]string{hAnna: anna6, hCarl: carl6} {
		h.want("a pong", at(1, hubInstanceA), echoReply(own, 7), VerdictPass, ReasonDelivered)
		if got := h.delivered(); Handle(h.frames[0].Link) != client || got.Dst != addr(own) {
			t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
		}
	}
}

// C9: a VPC opens no connection to a client's IPv6 address, whatever the groups let in,
// and neither does another client.
func TestNobodyOpensAnIPv6ConnectionToAClient_C9(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("from the VPC", at(1, hubInstanceB), syn(anna6, 22), VerdictDrop, ReasonNoRule)
	h.b.SecurityGroups[len(h.b.SecurityGroups)-1].Ingress = open()
	h.publish()
	h.want("past the groups", at(1, hubInstanceB), syn(anna6, 22), VerdictDrop, ReasonNATNoMapping)
	h.want("from its subnet", at(1, hubInstanceA), echo(anna6, 1), VerdictDrop, ReasonNATNoMapping)
	h.want("to nobody's address", at(1, hubInstanceB), syn("2001:db8:101::f:9", 22), VerdictDrop, ReasonNoInterface)
	h.clientRoute("172.20.0.0/22", 0)
	h.rule("172.20.0.0/22")
	h.publish()
	h.want("a client on the same association", hAnna, syn(carl6, 22), VerdictDrop, ReasonClientToClientIPv6)
	h.want("a client on another", hAnna, syn(ben6, 22), VerdictDrop, ReasonClientToClientIPv6)
	h.want("over IPv4 they may", hAnna, syn("172.20.0.3", 22), VerdictPass, ReasonDelivered)
	if h.e.state.nat.count() != 0 {
		t.Error("what was refused is remembered")
	}
}

func TestClientVPNRefusesWhatNoIPv6ClientMaySend(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("another's address", hAnna, from(carl6, syn("2001:db8:102::10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("an instance's", hAnna, from("2001:db8:102::10", syn("2001:db8:101::10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("a link-local one", hAnna, from("fe80::1", syn("2001:db8:101::10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("multicast", hAnna, datagram("ff02::fb", 5353), VerdictDrop, ReasonGroupAddress)
	h.want("instance metadata", hAnna, syn("fd00:ec2::254", 80), VerdictDrop, ReasonLinkLocal)
	h.want("no route", hAnna, syn("2001:db8:9000::1", 80), VerdictDrop, ReasonNoRoute)
	h.want("GRE is as good as any", hAnna, packet.Spec{Tuple: packet.Tuple{Dst: addr("2001:db8:101::10"), Proto: 47}}, VerdictPass, ReasonDelivered)
	last := syn("2001:db8:101::10", 80)
	last.TTL = 1
	h.want("the last hop", hAnna, last, VerdictDrop, ReasonTTLExpired)
	h.rule("2001:db8:102::/64", "ops")
	h.publish()
	h.want("a longer rule is another group's (C4)", hAnna, syn("2001:db8:102::10", 80), VerdictDrop, ReasonNotAuthorized)
	h.b.ClientVPNEndpoints[0].AuthorizationRules = nil
	h.publish()
	h.want("without a rule (C4)", hAnna, syn("2001:db8:102::10", 80), VerdictDrop, ReasonNoRule)
}

// What is too large for the tunnel is answered, whoever sends it: nobody cuts IPv6.
func TestClientVPNTunnelMTUForIPv6(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("a connection", hAnna, syn("2001:db8:102::10", 80), VerdictPass, ReasonDelivered)
	if got := h.e.walk.clampMSS; got != ClientVPNMTU-60 {
		t.Errorf("MSS clamped to %d", got)
	}
	h.want("a request", hAnna, datagram("2001:db8:102::10", 53), VerdictPass, ReasonDelivered)
	large := answer(datagram("2001:db8:102::10", 53), anna6)
	large.Payload = make([]byte, ClientVPNMTU-48+1)
	h.want("too large", at(1, hubInstanceB), large, VerdictPass, ReasonDelivered) // the answer's verdict
	if got := h.delivered(); got.Proto != packet.ProtoICMPv6 || got.ICMPType != 2 || Handle(h.frames[0].Link) != at(1, hubInstanceB) {
		t.Errorf("%v", got)
	}
	large.Payload = large.Payload[1:]
	h.want("as large as may be", at(1, hubInstanceB), large, VerdictPass, ReasonDelivered)
	if Handle(h.frames[0].Link) != hAnna {
		t.Errorf("link %d got it", h.frames[0].Link)
	}
}

// ICMP errors about a client's packets get back, and those about others' do not.
func TestClientVPNCarriesIPv6Errors(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("out", hAnna, datagram("2001:db8:102::10", 53), VerdictPass, ReasonDelivered)
	seen := h.frames[0]
	far, anna := h.interfaceAt(at(1, hubInstanceB)), h.interfaceAt(hAnna)
	var p packet.Packet
	packet.Parse(&p, &seen)
	unreachable := packet.AppendICMPError(nil, &p, far.routerMAC, far.mac, addr("2001:db8:102::10"), 1, 4, 0)
	if v, _ := h.sendFrame(at(1, hubInstanceB), unreachable); v != VerdictPass {
		t.Fatalf("the error was dropped:\n%s", h.story())
	}
	if got := h.delivered(); got.Dst != addr(anna6) || got.Quoted.Src != addr(anna6) || Handle(h.frames[0].Link) != hAnna {
		t.Errorf("%v quotes %v", got.Tuple, got.Quoted)
	}
	h.want("an answer", at(1, hubInstanceB), answer(datagram("2001:db8:102::10", 53), anna6), VerdictPass, ReasonDelivered)
	seen = h.frames[0]
	packet.Parse(&p, &seen)
	if v, _ := h.sendFrame(hAnna, packet.AppendICMPError(nil, &p, anna.routerMAC, anna.mac, addr(anna6), 1, 4, 0)); v != VerdictPass {
		t.Fatalf("the client's error was dropped:\n%s", h.story())
	}
	p.SrcPort, p.Tuple.SrcPort = 54, 54 // of a connection that is not there
	stray := packet.Append(nil, h.spec(at(1, hubInstanceB), answer(datagram("2001:db8:102::10", 54), anna6)))
	f := packet.Frame{Data: stray}
	packet.Parse(&p, &f)
	if _, r := h.sendFrame(hAnna, packet.AppendICMPError(nil, &p, anna.routerMAC, anna.mac, addr(anna6), 1, 4, 0)); r != ReasonNATNoMapping {
		t.Errorf("a made-up error ended by %v", r)
	}
}

// C8: a client's IPv6 leaves its VPC like any interface's of the subnet, with its own
// address on the Internet, too.
func TestClientVPNReachesWhatItsSubnetReachesOverIPv6(t *testing.T) {
	h := newClientVPN(t)
	h.b.InternetGateways = []InternetGateway{{Object: Object{Handle: hGateway, Kind: KindInternetGateway, Name: "igw"}, VPC: at(1, hubVPC)}}
	h.b.InternetHosts = []InternetHost{{Object: Object{Handle: hHost, Kind: KindInternetHost, Name: "laptop"}, MAC: InterfaceMAC(hHost),
		Addresses: []netip.Addr{netip.MustParseAddr("2001:db8:9000::5")}}}
	peering := h.peer(1, 2)
	h.route(1, hubTable, "2001:db8:201::/64", TargetVPCPeering, peering)
	h.route(2, hubTable, "2001:db8:101::/64", TargetVPCPeering, peering)
	h.route(1, hubTable, "2001:db8:202::/64", TargetTransitGateway, at(1, hubAttachment))
	h.route(2, hubTable, "2001:db8:100::/40", TargetTransitGateway, at(2, hubAttachment))
	h.route(1, hubTable, "::/0", TargetInternetGateway, hGateway)
	h.table(1, hubTable).VPC, h.table(2, hubTable).VPC = at(1, hubVPC), at(2, hubVPC)
	h.clientRoute("::/0", hCorpA)
	h.rule("::/0")
	h.publish()
	for _, way := range []struct {
		name, to string
		far      Handle
	}{
		{"a peering", "2001:db8:201::10", at(2, hubInstanceA)},
		{"a transit gateway", "2001:db8:202::10", at(2, hubInstanceB)},
		{"the Internet", "2001:db8:9000::5", hHost},
	} {
		h.want(way.name, hAnna, syn(way.to, 80), VerdictPass, ReasonDelivered)
		if got := h.delivered(); got.Src != addr(anna6) || Handle(h.frames[0].Link) != way.far {
			t.Errorf("%s: link %d saw %s", way.name, h.frames[0].Link, got.Src)
		}
		h.want(way.name+", back", way.far, answer(syn(way.to, 80), anna6), VerdictPass, ReasonDelivered)
		if got := Handle(h.frames[0].Link); got != hAnna {
			t.Errorf("%s: link %d got the answer", way.name, got)
		}
	}
	h.b.SecurityGroups[len(h.b.SecurityGroups)-1].Ingress = open()
	h.publish()
	h.want("the Internet opens nothing", hHost, syn(anna6, 22), VerdictDrop, ReasonNATNoMapping)
}

// The state of a connection is its association's: who lands elsewhere has another
// address, and the one it had is nobody's.
func TestClientVPNIPv6StateBelongsToTheAssociation(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("out", hAnna, syn("2001:db8:102::10", 80), VerdictPass, ReasonDelivered)
	back := answer(syn("2001:db8:102::10", 80), anna6)
	h.publish()
	h.want("after a publish", at(1, hubInstanceB), back, VerdictPass, ReasonDelivered)
	x := &h.b.VPNClients[0]
	x.Association, x.Addresses[1] = hCorpB, netip.MustParseAddr("2001:db8:102::f:2")
	h.publish()
	h.want("to the former address", at(1, hubInstanceB), back, VerdictDrop, ReasonNoInterface)
	h.want("by the new one", hAnna, syn("2001:db8:102::10", 80), VerdictPass, ReasonDelivered)
	h.b.SecurityGroups[len(h.b.SecurityGroups)-1].Ingress = open()
	h.publish()
	h.clock += 351e9
	h.want("after 350 s", at(1, hubInstanceB), answer(syn("2001:db8:102::10", 80), "2001:db8:102::f:2"), VerdictDrop, ReasonNATNoMapping)
}

// The resolver of the VPC knows each client by itself.
func TestClientVPNReachesTheResolverOverIPv6(t *testing.T) {
	h := newClientVPN(t)
	h.b.Services = Services{Object: Object{Handle: hServices, Kind: KindServices}, MAC: InterfaceMAC(hServices)}
	h.publish()
	h.want("without a route", hAnna, datagram("fd00:ec2::253", 53), VerdictDrop, ReasonNoRoute)
	h.clientRoute("::/0", hCorpA)
	h.rule("fd00:ec2::253/128")
	h.publish()
	for _, client := range []Handle{hAnna, hCarl} {
		h.want("a question", client, datagram("fd00:ec2::253", 53), VerdictPass, ReasonDelivered)
		if got := h.delivered(); h.frames[0].Link != hServices || got.Src != serviceClient(client, false) || got.Dst != resolver6 {
			t.Fatalf("link %d got %v", h.frames[0].Link, got.Tuple)
		}
		back := h.back()
		h.want("its answer", hServices, back, VerdictPass, ReasonDelivered)
		if got := h.delivered(); Handle(h.frames[0].Link) != client || got.Src != resolver6 {
			t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
		}
	}
	h.want("what is no question", hAnna, datagram("fd00:ec2::253", 54), VerdictDrop, ReasonLinkLocal)
}

// C6: flow logs know the interface, and the client by its own address.
func TestClientVPNFlowLogsKnowTheIPv6Client(t *testing.T) {
	h := newClientVPN(t)
	for _, resource := range []Handle{hCorpA, at(1, hubInstanceB)} {
		h.b.FlowLogs = append(h.b.FlowLogs, FlowLog{Resource: resource, Accept: true, Reject: true})
	}
	h.publish()
	h.send(hAnna, datagram("2001:db8:102::10", 53))
	for _, r := range h.wantRecords("to the instance", "corp/10.1.1.77 > ACCEPT 1/48", "hostb-1 < ACCEPT 1/48") {
		if r.Tuple.Src != addr(anna6) || r.Tuple.Dst != addr("2001:db8:102::10") {
			t.Errorf("a record says %s → %s", r.Tuple.Src, r.Tuple.Dst)
		}
	}
}
