package dataplane

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hCorp Handle = 60 + iota
	hCorpA
	hCorpB
	hCorpGroup
	hAnna
	hBen
	hCarl
)

// newClientVPN is the hub fixture whose VPC 1 has a Client VPN endpoint with an
// association in each zone. Anna (eng) and Carl (ops) landed on the first, Ben (ops)
// on the second. The rules let all into VPC 1.
//
//	10.1.1.77 in a: anna 172.20.0.2 and 2001:db8:101::f:2, carl 172.20.0.4 and …:4
//	10.1.2.77 in b: ben 172.20.0.3 and 2001:db8:102::f:3
func newClientVPN(t testing.TB) *hub {
	h := newHub(t, 2)
	h.addClientVPN()
	return h
}

func (h *hub) addClientVPN() {
	h.b.SecurityGroups = append(h.b.SecurityGroups, SecurityGroup{
		Object: Object{Handle: hCorpGroup, Kind: KindSecurityGroup, Name: "corp"}, Egress: open(),
	})
	association := func(handle Handle, subnet int, address string) ClientVPNAssociation {
		return ClientVPNAssociation{
			Object: Object{Handle: handle, Kind: KindClientVPNInterface, Name: "corp/" + address}, Subnet: at(1, subnet),
			MAC: InterfaceMAC(handle), Addresses: []netip.Addr{netip.MustParseAddr(address)}, SecurityGroups: []Handle{hCorpGroup},
		}
	}
	h.b.ClientVPNEndpoints = []ClientVPNEndpoint{{
		Object:       Object{Handle: hCorp, Kind: KindClientVPNEndpoint, Name: "corp"},
		Associations: []ClientVPNAssociation{association(hCorpA, hubSubnetA, "10.1.1.77"), association(hCorpB, hubSubnetB, "10.1.2.77")},
		Routes: []ClientVPNRoute{
			{Destination: cidr("10.1.0.0/16"), Association: hCorpA, Text: "10.1.0.0/16 → subnet a"},
			{Destination: cidr("10.1.0.0/16"), Association: hCorpB, Text: "10.1.0.0/16 → subnet b"},
			{Destination: cidr("2001:db8:100::/40"), Association: hCorpA, Text: "2001:db8:100::/40 → subnet a"},
			{Destination: cidr("2001:db8:100::/40"), Association: hCorpB, Text: "2001:db8:100::/40 → subnet b"},
		},
	}}
	h.rule("10.1.0.0/16")
	h.rule("2001:db8:100::/40")
	client := func(handle Handle, name, address, address6 string, association Handle, group string) VPNClient {
		return VPNClient{
			Object: Object{Handle: handle, Kind: KindVPNClient, Name: name}, MAC: InterfaceMAC(handle), Endpoint: hCorp,
			Association: association, Addresses: []netip.Addr{netip.MustParseAddr(address), netip.MustParseAddr(address6)}, Groups: []string{group},
		}
	}
	h.b.VPNClients = []VPNClient{
		client(hAnna, "anna", "172.20.0.2", "2001:db8:101::f:2", hCorpA, "eng"),
		client(hBen, "ben", "172.20.0.3", "2001:db8:102::f:3", hCorpB, "ops"),
		client(hCarl, "carl", "172.20.0.4", "2001:db8:101::f:4", hCorpA, "ops"),
	}
}

// rule adds an authorization rule; without groups it is for all.
func (h *hub) rule(block string, groups ...string) {
	e := &h.b.ClientVPNEndpoints[0]
	text := block + " for all"
	if len(groups) > 0 {
		text = block + " for " + strings.Join(groups, ", ")
	}
	e.AuthorizationRules = append(e.AuthorizationRules, ClientVPNAuthorizationRule{CIDR: cidr(block), All: len(groups) == 0, Groups: groups, Text: text})
}

// clientRoute adds a route for an association, or "local" for 0.
func (h *hub) clientRoute(destination string, association Handle) {
	e := &h.b.ClientVPNEndpoints[0]
	e.Routes = append(e.Routes, ClientVPNRoute{Destination: cidr(destination), Association: association, Text: destination + " → there"})
}

// K-C18, C6, C7, CV-1: the VPC sees the interface's address and the client's port;
// a rule for the client CIDR matches nothing, one for the endpoint's group does.
func TestClientVPNSendsWithTheInterfacesAddress_KC18(t *testing.T) {
	for name, test := range map[string]struct {
		rule   GroupRule
		reason Reason
	}{
		"the client CIDR":      {GroupRule{Match: tcp("172.20.0.0/22", 80, 80)}, ReasonNoRule},
		"the interface":        {GroupRule{Match: tcp("10.1.1.77/32", 80, 80)}, ReasonDelivered},
		"the endpoint's group": {GroupRule{Match: tcp("0.0.0.0/0", 80, 80), Group: hCorpGroup}, ReasonDelivered},
		"another group":        {GroupRule{Match: tcp("0.0.0.0/0", 80, 80), Group: at(1, hubGroup)}, ReasonNoRule},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientVPN(t)
			if test.rule.Group != 0 {
				test.rule.CIDR = netip.Prefix{}
			}
			h.b.SecurityGroups[0].Ingress = []GroupRule{test.rule}
			h.publish()
			_, reason := h.send(hAnna, syn("10.1.2.10", 80))
			if reason != test.reason {
				t.Fatalf("%v, want %v; steps:\n%s", reason, test.reason, h.story())
			}
			if reason != ReasonDelivered {
				return
			}
			got := h.delivered()
			if got.Src != addr("10.1.1.77") || got.SrcPort != 40000 || got.TTL != 63 {
				t.Errorf("the instance saw %s:%d, TTL %d", got.Src, got.SrcPort, got.TTL)
			}
			h.want("its answer", at(1, hubInstanceB), answer(syn("10.1.2.10", 80), "10.1.1.77"), VerdictPass, ReasonDelivered)
			if got := h.delivered(); Handle(h.frames[0].Link) != hAnna || got.Src != addr("10.1.2.10") || got.Dst != addr("172.20.0.2") || got.DstPort != 40000 {
				t.Errorf("link %d got %v", h.frames[0].Link, got.Tuple)
			}
		})
	}
}

// C6: the port stays unless another client has it towards the same destination.
func TestClientVPNKeepsThePortUnlessItClashes(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("anna", hAnna, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	h.want("carl, to another port", hCarl, syn("10.1.2.10", 81), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.SrcPort != 40000 {
		t.Errorf("port %d: nothing clashes", got.SrcPort)
	}
	h.want("carl", hCarl, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	moved := h.delivered()
	if moved.SrcPort == 40000 || moved.Src != addr("10.1.1.77") {
		t.Errorf("carl has %s:%d, and so has anna", moved.Src, moved.SrcPort)
	}
	back := answer(syn("10.1.2.10", 80), "10.1.1.77")
	back.DstPort = moved.SrcPort
	h.want("carl's answer", at(1, hubInstanceB), back, VerdictPass, ReasonDelivered)
	if got := h.delivered(); Handle(h.frames[0].Link) != hCarl || got.DstPort != 40000 {
		t.Errorf("link %d got it at port %d", h.frames[0].Link, got.DstPort)
	}
	h.want("ben, by the other interface", hBen, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("10.1.2.77") || got.SrcPort != 40000 {
		t.Errorf("ben is %s:%d", got.Src, got.SrcPort)
	}
	h.want("ping", hAnna, echo("10.1.2.10", 7), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.SrcPort != 7 {
		t.Errorf("identifier %d", got.SrcPort)
	}
	h.want("pong", at(1, hubInstanceB), echoReply("10.1.1.77", 7), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hAnna {
		t.Errorf("pong went to %d", got)
	}
}

// C7: the groups of the interfaces judge what clients send, and track it.
func TestClientVPNSecurityGroupFiltersClients(t *testing.T) {
	h := newClientVPN(t)
	group := &h.b.SecurityGroups[len(h.b.SecurityGroups)-1]
	group.Egress = allow(tcp("10.1.2.0/24", 80, 80))
	h.publish()
	h.want("allowed", hAnna, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	h.want("its answer", at(1, hubInstanceB), answer(syn("10.1.2.10", 80), "10.1.1.77"), VerdictPass, ReasonDelivered)
	h.want("another port", hAnna, syn("10.1.2.10", 443), VerdictDrop, ReasonNoRule)
	if got := h.stepReason(StageSecurityGroupOut); got != ReasonNoRule {
		t.Errorf("decided elsewhere:\n%s", h.story())
	}
}

// C9: a VPC opens no connection to a client, nor does one arrive at the interface.
func TestVPCOpensNoConnectionToAClient(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("to the interface", at(1, hubInstanceA), syn("10.1.1.77", 22), VerdictDrop, ReasonNoRule)
	h.b.SecurityGroups[len(h.b.SecurityGroups)-1].Ingress = open()
	h.publish()
	h.want("past its groups", at(1, hubInstanceA), syn("10.1.1.77", 22), VerdictDrop, ReasonNATNoMapping)
	h.want("to the client's address", at(1, hubInstanceA), syn("172.20.0.2", 22), VerdictDrop, ReasonNoRoute)
	h.want("an answer to another port", at(1, hubInstanceB), answer(syn("10.1.2.10", 80), "10.1.1.77"), VerdictDrop, ReasonNATNoMapping)
	s := syn("10.9.9.9", 22)
	s.DstMAC = InterfaceMAC(hCorpA)
	h.want("by its MAC", at(1, hubInstanceA), s, VerdictDrop, ReasonDestinationAddress)
}

// C4, K-C19, CV-7 to CV-13: default deny; the longest CIDR's rules alone count.
func TestAuthorizationRules_KC19(t *testing.T) {
	type rule struct {
		block string
		group string // "" is all
	}
	kc19 := []rule{{"10.0.0.0/16", "grpD"}, {"10.0.2.119/32", "grpM"}, {"172.16.0.0/24", "grpE"}, {"0.0.0.0/0", "grpM"}}
	cv8 := []rule{{"172.16.0.0/24", "eng"}, {"10.0.0.0/16", "dev"}, {"192.168.0.0/24", "mgr"}, {"0.0.0.0/0", "mgr"}}
	for name, test := range map[string]struct {
		rules   []rule
		group   string
		allowed string
		denied  string
	}{
		"no rule":                 {nil, "eng", "", "10.0.0.1 8.8.8.8"},
		"K-C19 D":                 {kc19, "grpD", "10.0.2.118", "10.0.2.119 172.16.0.9 8.8.8.8"},
		"K-C19 M":                 {kc19, "grpM", "10.0.2.119 8.8.8.8", "172.16.0.9 10.0.2.118"},
		"K-C19 E":                 {kc19, "grpE", "172.16.0.9", "10.0.2.119 8.8.8.8"},
		"CV-7":                    {cv8[:3], "mgr", "192.168.0.9", "172.16.0.9 10.0.0.9 8.8.8.8"},
		"CV-8":                    {cv8, "mgr", "192.168.0.9 8.8.8.8", "172.16.0.9 10.0.0.9"},
		"CV-10 same group":        {append(cv8[:4:4], rule{"172.16.0.128/25", "eng"}), "eng", "172.16.0.9 172.16.0.200", "10.0.0.9"},
		"CV-11 second 0/0":        {append(cv8[:4:4], rule{"0.0.0.0/0", "eng"}), "eng", "172.16.0.9 8.8.8.8", "10.0.0.9 192.168.0.9"},
		"CV-13 everyone 0/0":      {append(cv8[:4:4], rule{"0.0.0.0/0", ""}), "other", "8.8.8.8", "172.16.0.9 10.0.0.9 192.168.0.9"},
		"two groups of one block": {[]rule{{"10.0.0.0/16", "dev"}, {"10.0.0.0/16", "eng"}}, "eng", "10.0.0.9", "8.8.8.8"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newClientVPN(t)
			e := &h.b.ClientVPNEndpoints[0]
			e.AuthorizationRules, e.Routes = nil, nil
			for _, r := range test.rules {
				if r.group == "" {
					h.rule(r.block)
				} else {
					h.rule(r.block, r.group)
				}
			}
			h.clientRoute("0.0.0.0/0", hCorpA)
			h.b.VPNClients[0].Groups = []string{test.group}
			h.publish()
			for _, dst := range strings.Fields(test.allowed) {
				h.send(hAnna, syn(dst, 80))
				if got := h.stepReason(StageAuthorization); got != ReasonRule {
					t.Errorf("%s: %v, want to pass", dst, got)
				}
			}
			for _, dst := range strings.Fields(test.denied) {
				v, _ := h.send(hAnna, syn(dst, 80))
				if got := h.stepReason(StageAuthorization); v != VerdictDrop || got != ReasonNotAuthorized && got != ReasonNoRule {
					t.Errorf("%s: %v, want to be denied", dst, got)
				}
			}
		})
	}
}

// C3, K-C20, CV-2: a peer VPC needs a route for the very association, a rule, and
// the subnet's own route.
func TestClientVPNReachesAPeer_KC20(t *testing.T) {
	h := newClientVPN(t)
	p := h.peer(1, 2)
	h.route(1, hubTable, "10.2.0.0/16", TargetVPCPeering, p)
	h.route(2, hubTable, "10.1.0.0/16", TargetVPCPeering, p)
	h.publish()
	h.want("neither", hAnna, syn("10.2.1.10", 80), VerdictDrop, ReasonNoRoute)
	h.clientRoute("10.2.0.0/16", hCorpA)
	h.publish()
	h.want("no rule", hAnna, syn("10.2.1.10", 80), VerdictDrop, ReasonNoRule)
	if got := h.stepReason(StageAuthorization); got != ReasonNoRule {
		t.Errorf("decided elsewhere: %v", got)
	}
	h.rule("10.2.0.0/16", "eng", "ops")
	h.publish()
	h.want("both", hAnna, syn("10.2.1.10", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("10.1.1.77") {
		t.Errorf("the peer saw %s", got.Src)
	}
	h.want("its answer", at(2, hubInstanceA), answer(syn("10.2.1.10", 80), "10.1.1.77"), VerdictPass, ReasonDelivered)
	if got := Handle(h.frames[0].Link); got != hAnna {
		t.Errorf("the answer went to %d", got)
	}
	h.want("no route on ben's association", hBen, syn("10.2.1.10", 80), VerdictDrop, ReasonNoRoute)
	if text := h.story(); !strings.Contains(text, "no route matches 10.2.1.10 for clients that landed on subnet workb-1") {
		t.Errorf("the story does not name the association:\n%s", text)
	}
}

// C8, CV-3, CV-4: a transit gateway, a VPN and the Internet are reached as from any
// interface of the subnet.
func TestClientVPNReachesWhatItsSubnetReaches(t *testing.T) {
	h := newClientVPN(t)
	h.b.VPNGateways = []VPNGateway{{Object: Object{Handle: hVPNGateway, Kind: KindVPNGateway, Name: "vgw"}, VPC: at(1, hubVPC),
		Routes: []VPNRoute{{Destination: cidr("10.50.0.0/16"), Tunnel: hOfficeTunnel1, Text: "office"}}}}
	h.b.VPNTunnels = []VPNTunnel{{Object: Object{Handle: hOfficeTunnel1, Kind: KindVPNTunnel, Name: "office/1"}, MAC: InterfaceMAC(hOfficeTunnel1), Gateway: hVPNGateway}}
	h.b.InternetGateways = []InternetGateway{{Object: Object{Handle: hGateway, Kind: KindInternetGateway, Name: "igw"}, VPC: at(1, hubVPC),
		PublicAddresses: []PublicAddress{{Public: netip.MustParseAddr("198.51.100.77"), Private: netip.MustParseAddr("10.1.1.77"), Interface: hCorpA}}}}
	h.b.InternetHosts = []InternetHost{{Object: Object{Handle: hHost, Kind: KindInternetHost, Name: "laptop"}, MAC: InterfaceMAC(hHost),
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10")}}}
	h.route(1, hubTable, "10.2.0.0/16", TargetTransitGateway, at(1, hubAttachment))
	h.route(2, hubTable, "10.1.0.0/16", TargetTransitGateway, at(2, hubAttachment))
	h.route(1, hubTable, "10.50.0.0/16", TargetVPNGateway, hVPNGateway)
	h.route(1, hubTable, "0.0.0.0/0", TargetInternetGateway, hGateway)
	h.clientRoute("0.0.0.0/0", hCorpA)
	h.rule("0.0.0.0/0")
	h.publish()
	for _, way := range []struct {
		name, to, source, back string
		far, link              Handle
	}{
		{"a transit gateway", "10.2.2.10", "10.1.1.77", "10.1.1.77", at(2, hubInstanceB), at(2, hubInstanceB)},
		{"a VPN", "10.50.0.5", "10.1.1.77", "10.1.1.77", hOfficeTunnel1, hOfficeTunnel1},
		{"the Internet", "203.0.113.10", "198.51.100.77", "198.51.100.77", hHost, hHost},
	} {
		h.want(way.name, hAnna, syn(way.to, 80), VerdictPass, ReasonDelivered)
		if got := h.delivered(); got.Src != addr(way.source) || Handle(h.frames[0].Link) != way.link {
			t.Errorf("%s: link %d saw %s", way.name, h.frames[0].Link, got.Src)
		}
		back := answer(syn(way.to, 80), way.back)
		h.want(way.name+", back", way.far, back, VerdictPass, ReasonDelivered)
		if got := h.delivered(); got.Dst != addr("172.20.0.2") || Handle(h.frames[0].Link) != hAnna {
			t.Errorf("%s: link %d got what is for %s", way.name, h.frames[0].Link, got.Dst)
		}
	}
}

// C9: other clients, by the route local and a rule for all; across associations, and
// without a translation.
func TestClientToClient_C9(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("no route", hAnna, syn("172.20.0.3", 80), VerdictDrop, ReasonNoRoute)
	h.clientRoute("172.20.0.0/22", 0)
	h.publish()
	h.want("no rule", hAnna, syn("172.20.0.3", 80), VerdictDrop, ReasonNoRule)
	h.rule("172.20.0.0/22", "eng")
	h.publish()
	h.want("a group's rule", hAnna, syn("172.20.0.3", 80), VerdictDrop, ReasonNotForEverybody)
	h.rule("172.20.0.0/22")
	h.publish()
	h.want("a rule for all", hAnna, syn("172.20.0.3", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("172.20.0.2") || Handle(h.frames[0].Link) != hBen {
		t.Errorf("link %d saw %s", h.frames[0].Link, got.Src)
	}
	if h.e.Flows() != 0 || h.e.state.nat.count() != 0 {
		t.Error("client to client is neither tracked nor translated")
	}
	h.want("nobody", hAnna, syn("172.20.0.9", 80), VerdictDrop, ReasonNotConnected)
}

func TestClientVPNRefusesWhatNoClientMaySend(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("another's address", hAnna, from("172.20.0.3", syn("10.1.1.10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("an address of the VPC", hAnna, from("10.1.2.10", syn("10.1.1.10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("IPv6", hAnna, from("2001:db8::1", syn("2001:db8:101::10", 80)), VerdictDrop, ReasonSourceAddress)
	h.want("multicast", hAnna, datagram("224.0.0.1", 5353), VerdictDrop, ReasonGroupAddress)
	h.want("a report of groups is not lost, but nobody's", hAnna, packet.Spec{Tuple: packet.Tuple{Dst: addr("224.0.0.22"), Proto: protoIGMP}}, VerdictAnswer, ReasonMembership)
	h.want("instance metadata", hAnna, syn("169.254.169.254", 80), VerdictDrop, ReasonLinkLocal)
	gre := packet.Spec{Tuple: packet.Tuple{Dst: addr("10.1.1.10"), Proto: 47}}
	h.want("GRE", hAnna, gre, VerdictDrop, ReasonNATProtocol)
	last := syn("10.1.1.10", 80)
	last.TTL = 1
	h.want("the last hop", hAnna, last, VerdictDrop, ReasonTTLExpired)
	if v, r := h.sendFrame(hCorpA, packet.Append(nil, h.spec(hAnna, syn("10.1.1.10", 80)))); v != VerdictDrop || r != ReasonUnknownLink {
		t.Errorf("a frame of the interface's own link: %v", r)
	}
	h.b.ClientVPNEndpoints[0].Associations, h.b.ClientVPNEndpoints[0].Routes = nil, nil
	for i := range h.b.VPNClients {
		h.b.VPNClients[i].Association = 0
	}
	h.publish()
	h.want("pending-associate", hAnna, syn("10.1.1.10", 80), VerdictDrop, ReasonNotAssociated)
}

// The state of a connection is its association's: it outlives a publish, and ends
// for a client that lands elsewhere.
func TestClientVPNStateBelongsToTheAssociation(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("out", hAnna, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	back := answer(syn("10.1.2.10", 80), "10.1.1.77")
	h.publish()
	h.want("after a publish", at(1, hubInstanceB), back, VerdictPass, ReasonDelivered)
	h.b.VPNClients[0].Association = hCorpB
	h.publish()
	h.want("to the former association", at(1, hubInstanceB), back, VerdictDrop, ReasonNotConnected)
	h.want("by the new one", hAnna, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	if got := h.delivered(); got.Src != addr("10.1.2.77") {
		t.Errorf("source %s", got.Src)
	}
	h.b.VPNClients = h.b.VPNClients[1:]
	h.b.VPNClients[1].Association = hCorpB
	e := &h.b.ClientVPNEndpoints[0]
	e.Associations, e.Routes = e.Associations[1:], e.Routes[1:]
	h.publish()
	for range 8 {
		h.e.Forward(nil, nil) // idle: sweeps
	}
	if n := h.e.state.nat.count(); n != 1 {
		t.Errorf("%d mappings, want that of the association that is left", n)
	}
}

// The network ACL of the association's subnet stands before and behind the
// interface.
func TestClientVPNNetworkACL(t *testing.T) {
	h := newClientVPN(t)
	h.acl(1, hubACL).Egress = append([]ACLRule{{Number: 50, Match: tcp("10.1.2.0/24", 22, 22), Text: "deny"}}, openACL()...)
	h.acl(1, hubACL).Ingress = append([]ACLRule{{Number: 50, Match: tcp("10.1.2.10/32", 40001, 40001), Text: "deny"}}, openACL()...)
	h.publish()
	h.want("out of the subnet", hAnna, syn("10.1.2.10", 22), VerdictDrop, ReasonDenyRule)
	h.want("within it", hAnna, syn("10.1.1.10", 22), VerdictPass, ReasonDelivered)
	s := syn("10.1.2.10", 80)
	s.SrcPort = 40001
	h.want("out", hAnna, s, VerdictPass, ReasonDelivered)
	h.want("back into the subnet", at(1, hubInstanceB), answer(s, "10.1.1.77"), VerdictDrop, ReasonDenyRule)
}

// ICMP errors come back to the client with what it had sent, and go out to whom the
// client complains about.
func TestClientVPNTranslatesErrors(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("out", hAnna, datagram("10.1.2.10", 53), VerdictPass, ReasonDelivered)
	seen := h.frames[0]
	var p packet.Packet
	packet.Parse(&p, &seen)
	far := h.interfaceAt(at(1, hubInstanceB))
	unreachable := packet.AppendICMPError(nil, &p, far.routerMAC, far.mac, addr("10.1.2.10"), icmpUnreachable, 3, 0)
	if v, _ := h.sendFrame(at(1, hubInstanceB), unreachable); v != VerdictPass {
		t.Fatalf("the error was dropped:\n%s", h.story())
	}
	got := h.delivered()
	if got.Dst != addr("172.20.0.2") || got.Quoted.Src != addr("172.20.0.2") || got.Quoted.SrcPort != 40000 || Handle(h.frames[0].Link) != hAnna {
		t.Errorf("%v quotes %v", got.Tuple, got.Quoted)
	}
	h.want("an answer", at(1, hubInstanceB), answer(datagram("10.1.2.10", 53), "10.1.1.77"), VerdictPass, ReasonDelivered)
	seen = h.frames[0]
	packet.Parse(&p, &seen)
	anna := h.interfaceAt(hAnna)
	if v, _ := h.sendFrame(hAnna, packet.AppendICMPError(nil, &p, anna.routerMAC, anna.mac, addr("172.20.0.2"), icmpUnreachable, 3, 0)); v != VerdictPass {
		t.Fatalf("the client's error was dropped:\n%s", h.story())
	}
	if got := h.delivered(); got.Src != addr("10.1.1.77") || got.Quoted.Dst != addr("10.1.1.77") {
		t.Errorf("%v quotes %v", got.Tuple, got.Quoted)
	}
}

// What is too large for the tunnel is cut, or its sender told; TCP learns the size
// beforehand.
func TestClientVPNTunnelMTU(t *testing.T) {
	h := newClientVPN(t)
	h.publish()
	h.want("a connection", hAnna, syn("10.1.2.10", 80), VerdictPass, ReasonDelivered)
	if got := h.e.walk.clampMSS; got != ClientVPNMTU-40 {
		t.Errorf("MSS clamped to %d", got)
	}
	h.want("its answer", at(1, hubInstanceB), answer(syn("10.1.2.10", 80), "10.1.1.77"), VerdictPass, ReasonDelivered)
	if got := h.e.walk.clampMSS; got != ClientVPNMTU-40 {
		t.Errorf("the answer's MSS clamped to %d", got)
	}
	h.want("a request", hAnna, datagram("10.1.2.10", 53), VerdictPass, ReasonDelivered)
	large := answer(datagram("10.1.2.10", 53), "10.1.1.77")
	large.Payload, large.DontFragment = make([]byte, ClientVPNMTU-28+1), true
	h.want("too large", at(1, hubInstanceB), large, VerdictPass, ReasonDelivered) // the answer's verdict
	if got := h.delivered(); got.ICMPType != icmpUnreachable || got.ICMPCode != icmpFragmentationNeeded || Handle(h.frames[0].Link) != at(1, hubInstanceB) {
		t.Errorf("%v", got)
	}
	large.DontFragment = false
	if h.send(at(1, hubInstanceB), large); len(h.frames) != 2 || Handle(h.frames[1].Link) != hAnna {
		t.Errorf("%d frames, want 2 fragments", len(h.frames))
	}
}
