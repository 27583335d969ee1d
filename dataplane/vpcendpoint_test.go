package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

const (
	hEndpoint = 700 + iota
)

// newEndpointNetwork gives subnet two, which leaves by the NAT gateway, a gateway
// endpoint for 198.18.0.0/22 and 2001:db8:fe00::/56.
func newEndpointNetwork(t testing.TB) *network {
	n := newNATNetwork(t)
	n.b.GatewayEndpoints = []GatewayEndpoint{{
		Object: Object{Handle: hEndpoint, Kind: KindVPCEndpoint, Name: "s3"}, VPC: hVPC, MAC: InterfaceMAC(hEndpoint),
		Addresses: []netip.Addr{netip.MustParseAddr("198.18.0.5"), netip.MustParseAddr("2001:db8:fe00::5")}, Service: "com.amazonaws.us-east-1.s3",
	}}
	n.route(1, "198.18.0.0/22", "2001:db8:fe00::/56")
	return n
}

// route leads blocks from a table to the endpoint.
func (n *network) route(table int, blocks ...string) {
	t := &n.b.RouteTables[table]
	for _, b := range blocks {
		t.Routes = append(t.Routes, Route{Destination: cidr(b), Target: Target{TargetGatewayEndpoint, hEndpoint}, Text: b + " → vpcEndpoint s3"})
	}
}

func TestGatewayEndpointKeepsTheSource_EC2(t *testing.T) {
	n := newEndpointNetwork(t).publish()
	for _, c := range []struct{ service, own string }{{"198.18.0.5", "10.0.2.30"}, {"2001:db8:fe00::5", "2001:db8:1:2::30"}} {
		n.want("E5 request", hI3, syn(c.service, 443), VerdictPass, ReasonDelivered)
		if f := n.frames[0]; f.Link != hEndpoint || n.delivered().Src != addr(c.own) {
			t.Errorf("link %d got a packet from %v; want the endpoint's, from %s", f.Link, n.delivered().Src, c.own)
		}
		n.want("answer", hEndpoint, n.back(), VerdictPass, ReasonDelivered)
		if p := n.delivered(); n.frames[0].Link != hI3 || p.Src != addr(c.service) {
			t.Errorf("link %d got the answer from %v", n.frames[0].Link, p.Src)
		}
	}
	n.want("E3 another table", hI1, syn("198.18.0.5", 443), VerdictDrop, ReasonNoHost)
}

func TestGatewayEndpointServesItsOwnVPC_E7(t *testing.T) {
	n := newEndpointNetwork(t)
	n.b.NetworkInterfaces[2].SourceDestCheck = false
	n.publish()
	foreign := syn("198.18.0.5", 443)
	foreign.Src = addr("10.9.0.1")
	n.want("what a middlebox passes on", hI3, foreign, VerdictDrop, ReasonNotFromItsVPC)
	n.want("its own", hI3, syn("198.18.0.5", 443), VerdictPass, ReasonDelivered)
	n.want("to an address that the service does not have", hI3, syn("198.18.0.6", 443), VerdictDrop, ReasonNoHost)
}

func TestGatewayEndpointOfANATGatewaysSubnet_E11(t *testing.T) {
	n := newEndpointNetwork(t)
	two := &n.b.RouteTables[1]
	two.Routes = two.Routes[:len(two.Routes)-2]
	n.route(2, "198.18.0.0/22")
	n.publish()
	n.want("request", hI3, syn("198.18.0.5", 443), VerdictPass, ReasonDelivered)
	if p := n.delivered(); n.frames[0].Link != hEndpoint || p.Src != addr("10.0.0.50") {
		t.Errorf("link %d got a packet from %v; want the endpoint's, from the gateway's private address", n.frames[0].Link, p.Src)
	}
	n.want("answer", hEndpoint, n.back(), VerdictPass, ReasonDelivered)
	if n.frames[0].Link != hI3 {
		t.Errorf("link %d got the answer", n.frames[0].Link)
	}
}

func TestGatewayEndpointTracksDynamoDB_S25(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		n := newEndpointNetwork(t)
		n.b.GatewayEndpoints[0].Tracked = tracked
		n.publish()
		n.want("request", hI3, syn("198.18.0.5", 443), VerdictPass, ReasonDelivered)
		if got := n.e.state.flows.count == 1; got != tracked {
			t.Errorf("tracked %v: the interface has %d flows", tracked, n.e.state.flows.count)
		}
	}
}

func TestGatewayEndpointDropsLargePacketsInSilence_E24(t *testing.T) {
	n := newEndpointNetwork(t).publish()
	large := datagram("198.18.0.5", 443)
	large.Payload, large.DontFragment = make([]byte, 8600), true
	n.want("with DF", hI3, large, VerdictDrop, ReasonTooBig)
	if len(n.frames) != 0 {
		t.Error("somebody was told")
	}
}

func TestGatewayEndpointRefusesWhatIsNotTheServices(t *testing.T) {
	n := newEndpointNetwork(t).publish()
	lie := syn("10.0.2.30", 22)
	lie.Src = addr("10.0.1.10")
	n.want("another source", hEndpoint, lie, VerdictDrop, ReasonSourceAddress)
	stray := syn("10.0.2.99", 22)
	stray.Src = addr("198.18.0.5")
	n.want("to nobody", hEndpoint, stray, VerdictDrop, ReasonNoInterface)
	stray.Dst = addr("203.0.113.10")
	n.want("out of the VPC", hEndpoint, stray, VerdictDrop, ReasonNoInterface)
}

func TestGatewayEndpointIsExplained(t *testing.T) {
	n := newEndpointNetwork(t).publish()
	trace := n.e.Trace(TraceRequest{From: hI3, Tuple: packet.Tuple{Dst: addr("198.18.0.5"), Proto: packet.ProtoTCP, SrcPort: 40000, DstPort: 443}, Reply: true})
	if !trace.Passed() || trace.Request[0].To.Name != "s3" {
		t.Fatalf("trace = %+v", trace)
	}
	text := map[string]bool{}
	for _, l := range append(trace.Request, trace.Reply...) {
		for _, s := range l.Steps {
			text[s.Text] = true
		}
	}
	for _, want := range []string{"198.18.0.0/22 → vpcEndpoint s3", "to com.amazonaws.us-east-1.s3, which sees 10.0.2.30", "from com.amazonaws.us-east-1.s3"} {
		if !text[want] {
			t.Errorf("no step says %q: %v", want, text)
		}
	}
}

func TestGatewayEndpointAllocatesNothing(t *testing.T) {
	n := newEndpointNetwork(t).publish()
	request := packet.Append(nil, n.spec(hI3, datagram("198.18.0.5", 443)))
	answer := datagram("10.0.2.30", 40000)
	answer.Src, answer.SrcPort = addr("198.18.0.5"), 443
	back := packet.Append(nil, n.spec(hEndpoint, answer))
	in, scratch := make([]packet.Frame, 1), make([]byte, 0, 2048)
	send := func(from Handle, data []byte) {
		in[0] = packet.Frame{Link: uint32(from), Data: append(scratch[:0], data...)}
		n.frames = n.e.Forward(in, n.frames[:0])
	}
	if got := testing.AllocsPerRun(100, func() { send(hI3, request); send(hEndpoint, back) }); got != 0 || len(n.frames) != 1 {
		t.Errorf("%v allocations, %d frames went out", got, len(n.frames))
	}
}
