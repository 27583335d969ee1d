package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hInterfaceEndpoint = 800 + iota
	hEndpointENI
	hEndpointGroup
	hBalancer
	hNode
	hProvider
	hProviderSubnet
	hProviderTable
	hTarget
)

// newPrivateLink gives subnet two of app an endpoint at 10.0.2.200, for a service
// behind a load balancer node at 10.0.1.50 of VPC provider, which has app's own block,
// and whose target is i1's namesake 10.0.1.10.
func newPrivateLink(t testing.TB) *network {
	n := newNetwork(t)
	ip := netip.MustParseAddr
	n.b.VPCs = append(n.b.VPCs, VPC{Object: Object{Handle: hProvider, Kind: KindVPC, Name: "provider"}, CIDRs: []netip.Prefix{cidr("10.0.0.0/16"), cidr("2001:db8:9::/56")}})
	n.b.RouteTables = append(n.b.RouteTables, RouteTable{Object: Object{Handle: hProviderTable, Kind: KindRouteTable, Name: "provider"}, Routes: []Route{
		{Destination: cidr("10.0.0.0/16"), Target: Target{TargetLocal, hProvider}, Text: "local"},
	}})
	n.b.Subnets = append(n.b.Subnets, Subnet{
		Object: Object{Handle: hProviderSubnet, Kind: KindSubnet, Name: "provider"}, VPC: hProvider, RouteTable: hProviderTable, NetworkACL: hACLOne,
		CIDRs: []netip.Prefix{cidr("10.0.1.0/24"), cidr("2001:db8:9:1::/64")},
	})
	n.b.NetworkInterfaces = append(n.b.NetworkInterfaces, NetworkInterface{
		Object: Object{Handle: hTarget, Kind: KindNetworkInterface, Name: "target/eth0"}, Subnet: hProviderSubnet, MAC: InterfaceMAC(hTarget),
		SecurityGroups: []Handle{hGroup1}, SourceDestCheck: true, Addresses: []netip.Addr{ip("10.0.1.10"), ip("2001:db8:9:1::10")},
	})
	n.b.SecurityGroups = append(n.b.SecurityGroups, SecurityGroup{
		Object: Object{Handle: hEndpointGroup, Kind: KindSecurityGroup, Name: "endpoint"}, Ingress: allow(tcp("10.0.0.0/16", 443, 443), tcp("::/0", 443, 443), icmp("10.0.0.0/16", 8)),
	})
	n.b.InterfaceEndpoints = []InterfaceEndpoint{{
		Object: Object{Handle: hInterfaceEndpoint, Kind: KindVPCEndpoint, Name: "ie"}, Service: "kv", PrivateLink: true,
		Interfaces: []EndpointInterface{{
			Object: Object{Handle: hEndpointENI, Kind: KindVPCEndpointInterface, Name: "ie/two"}, Subnet: hTwo, MAC: InterfaceMAC(hEndpointENI),
			Addresses: []netip.Addr{ip("10.0.2.200"), ip("2001:db8:1:2::200")}, SecurityGroups: []Handle{hEndpointGroup}, Nodes: []Handle{hNode},
		}},
	}}
	n.b.LoadBalancers = []LoadBalancer{{
		Object: Object{Handle: hBalancer, Kind: KindLoadBalancer, Name: "nlb"},
		Nodes: []LoadBalancerNode{{
			Object: Object{Handle: hNode, Kind: KindLoadBalancerNode, Name: "nlb/provider"}, Subnet: hProviderSubnet, MAC: InterfaceMAC(hNode),
			Addresses: []netip.Addr{ip("10.0.1.50"), ip("2001:db8:9:1::50")},
			Listeners: []Listener{{Protocol: packet.ProtoTCP, Port: 443, Targets: []LoadBalancerTarget{{ip("10.0.1.10"), 8443}, {ip("2001:db8:9:1::10"), 8443}}}},
		}},
	}}
	return n
}

func TestPrivateLinkConnectsOverlappingVPCs_EC18(t *testing.T) {
	n := newPrivateLink(t).publish()
	for _, c := range []struct{ endpoint, node string }{{"10.0.2.200", "10.0.1.50"}, {"2001:db8:1:2::200", "2001:db8:9:1::50"}} {
		n.want("E18 a namesake of the target asks", hI1, syn(c.endpoint, 443), VerdictPass, ReasonDelivered)
		p := n.delivered()
		if n.frames[0].Link != hTarget || p.Src != addr(c.node) || p.DstPort != 8443 {
			t.Errorf("E19: link %d got %v → %v:%d; want the target's, from the node", n.frames[0].Link, p.Src, p.Dst, p.DstPort)
		}
		n.want("answer", hTarget, n.back(), VerdictPass, ReasonDelivered)
		p = n.delivered()
		if n.frames[0].Link != hI1 || p.Src != addr(c.endpoint) || p.SrcPort != 443 || p.DstPort != 40000 {
			t.Errorf("link %d got the answer %v:%d → %v:%d", n.frames[0].Link, p.Src, p.SrcPort, p.Dst, p.DstPort)
		}
	}
}

func TestPrivateLinkKeepsConnectionsApart(t *testing.T) {
	n := newPrivateLink(t).publish()
	ports := map[uint16]bool{}
	for _, from := range []Handle{hI1, hI2, hI3} {
		n.want("request", from, syn("10.0.2.200", 443), VerdictPass, ReasonDelivered)
		p := n.delivered()
		ports[p.SrcPort] = true
		n.want("answer", hTarget, n.back(), VerdictPass, ReasonDelivered)
		if n.frames[0].Link != uint32(from) {
			t.Errorf("link %d got the answer of %d", n.frames[0].Link, from)
		}
	}
	if len(ports) != 3 {
		t.Errorf("three connections have the node's ports %v", ports)
	}
}

func TestInterfaceEndpointRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*network)
		spec   packet.Spec
		reason Reason
	}{
		{"E-C15 E13 another port", nil, syn("10.0.2.200", 80), ReasonNoRule},
		{"E-C16 E14 ping", nil, echo("10.0.2.200", 1), ReasonEndpointProtocol},
		{"E-C17 E16 not available", func(n *network) { n.b.InterfaceEndpoints[0].Closed = true }, syn("10.0.2.200", 443), ReasonEndpointClosed},
		{"no listener", func(n *network) { n.b.LoadBalancers[0].Nodes[0].Listeners[0].Port = 444 }, syn("10.0.2.200", 443), ReasonNoListener},
		{"no target", func(n *network) { n.b.LoadBalancers[0].Nodes[0].Listeners[0].Targets = nil }, syn("10.0.2.200", 443), ReasonNoTarget},
		{"no node", func(n *network) { n.b.InterfaceEndpoints[0].Interfaces[0].Nodes = nil }, syn("10.0.2.200", 443), ReasonNoTarget},
		{"E20 the load balancer's group", func(n *network) { n.b.LoadBalancers[0].SecurityGroups = []Handle{hGroup2} }, syn("10.0.2.200", 443), ReasonNoRule},
	} {
		n := newPrivateLink(t)
		n.b.SecurityGroups[1].Ingress = allow(tcp("10.9.0.0/16", 443, 443))
		if c.change != nil {
			c.change(n)
		}
		n.publish()
		n.want(c.name, hI1, c.spec, VerdictDrop, c.reason)
		if len(n.frames) > 0 {
			t.Errorf("%s: %d frames went out", c.name, len(n.frames))
		}
	}
	n := newPrivateLink(t)
	n.b.SecurityGroups[1].Ingress = nil
	n.b.LoadBalancers[0].SecurityGroups, n.b.LoadBalancers[0].IgnorePrivateLink = []Handle{hGroup2}, true
	n.publish()
	n.want("E20 turned off", hI1, syn("10.0.2.200", 443), VerdictPass, ReasonDelivered)
	n.want("and the answer to what it let out", hTarget, n.back(), VerdictPass, ReasonDelivered)
}

func TestPrivateLinkGoesOneWay_EC19(t *testing.T) {
	n := newPrivateLink(t).publish()
	n.want("to the node, which asked nothing", hTarget, syn("10.0.1.50", 8443), VerdictDrop, ReasonNATNoMapping)
	n.want("to the endpoint's address in the own VPC", hTarget, syn("10.0.2.200", 443), VerdictDrop, ReasonNoInterface)
}

func TestPrivateLinkEndsConnections(t *testing.T) {
	n := newPrivateLink(t).publish()
	n.want("request", hI1, syn("10.0.2.200", 443), VerdictPass, ReasonDelivered)
	answer := n.back()
	n.b.InterfaceEndpoints[0].Closed = true
	n.publish()
	n.want("E16 after a rejection, answers too", hTarget, answer, VerdictDrop, ReasonEndpointClosed)
	n.b.InterfaceEndpoints[0].Closed = false
	n.publish()
	n.want("the answer", hTarget, answer, VerdictPass, ReasonDelivered)
	n.clock += 351e9
	data := syn("10.0.2.200", 443)
	data.TCPFlags = packet.TCPFlagACK
	n.send(hI1, data)
	if n.e.state.counters.Reasons[ReasonNATExpired] != 1 {
		t.Error("no packet met a forgotten connection")
	}
	if p := n.delivered(); n.frames[0].Link != hI1 || p.TCPFlags&packet.TCPFlagRST == 0 || p.Src != addr("10.0.2.200") {
		t.Errorf("link %d was told by %v, flags %x; want a reset from the endpoint", n.frames[0].Link, p.Src, p.TCPFlags)
	}
}

func TestInterfaceEndpointOfAWSServiceIsAListener(t *testing.T) {
	n := newPrivateLink(t)
	n.b.InterfaceEndpoints[0].PrivateLink = false
	n.publish()
	n.want("request", hI1, syn("10.0.2.200", 443), VerdictPass, ReasonDelivered)
	if p := n.delivered(); n.frames[0].Link != hEndpointENI || p.Src != addr("10.0.1.10") {
		t.Errorf("link %d got it from %v", n.frames[0].Link, p.Src)
	}
	n.want("answer", hEndpointENI, n.back(), VerdictPass, ReasonDelivered)
	n.want("E15 it starts nothing", hEndpointENI, syn("10.0.1.20", 22), VerdictDrop, ReasonNoRule)
	n.want("E25 from the Internet", hHost, syn("2001:db8:1:2::200", 443), VerdictDrop, ReasonNotFromInternet)
}

func TestPrivateLinkIsTraced(t *testing.T) {
	n := newPrivateLink(t).publish()
	trace := n.e.Trace(TraceRequest{From: hI1, Tuple: packet.Tuple{Dst: addr("10.0.2.200"), Proto: packet.ProtoTCP, SrcPort: 40000, DstPort: 443}, Reply: true})
	if !trace.Passed() || trace.Request[0].To.Name != "target/eth0" || len(trace.Reply) != 1 || trace.Reply[0].To.Name != "i1/eth0" {
		t.Fatalf("trace = %+v", trace)
	}
	if n.e.state.nat.count() != 0 {
		t.Error("the trace left a mapping")
	}
}

func BenchmarkPrivateLink(b *testing.B) {
	n := newPrivateLink(b).publish()
	n.want("request", hI1, syn("10.0.2.200", 443), VerdictPass, ReasonDelivered)
	data := syn("10.0.2.200", 443)
	data.TCPFlags = packet.TCPFlagACK
	frame, scratch, in := packet.Append(nil, n.spec(hI1, data)), make([]byte, 0, 2048), make([]packet.Frame, 1)
	b.ReportAllocs()
	for b.Loop() {
		in[0] = packet.Frame{Link: hI1, Data: append(scratch[:0], frame...)}
		n.frames = n.e.Forward(in, n.frames[:0])
	}
}
