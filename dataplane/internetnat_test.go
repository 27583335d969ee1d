package dataplane

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// A host behind a NAT device of its owner's calls, and is answered; it cannot be
// called.
func TestHostBehindNATDevice(t *testing.T) {
	n := newNetwork(t)
	host := &n.b.InternetHosts[0]
	host.Behind = netip.MustParseAddr("192.168.100.2")
	n.publish()
	s := datagram("198.51.100.10", 4500)
	s.Src = addr("192.168.100.2")
	n.want("out", hHost, s, VerdictPass, ReasonDelivered)
	got := n.delivered()
	if got.Src != addr("203.0.113.10") || got.SrcPort < 1024 {
		t.Fatalf("the receiver saw %s port %d", got.Src, got.SrcPort)
	}
	back := packet.Spec{Tuple: packet.Tuple{Dst: got.Src, SrcPort: 4500, DstPort: got.SrcPort, Proto: packet.ProtoUDP}}
	n.want("the answer", hI1, back, VerdictPass, ReasonDelivered)
	if got := n.delivered(); got.Dst != addr("192.168.100.2") || got.DstPort != 40000 {
		t.Errorf("the answer went to %s port %d", got.Dst, got.DstPort)
	}
	back.SrcPort = 4501
	n.want("from elsewhere", hI1, back, VerdictDrop, ReasonNATNoMapping)
	n.want("called", hI1, syn("203.0.113.10", 80), VerdictDrop, ReasonNATNoMapping)
	s.Src = addr("203.0.113.10")
	n.want("with the device's own address", hHost, s, VerdictDrop, ReasonSourceAddress)
	// IPv6 needs no translation.
	n.want("IPv6", hHost, syn("2001:db8:1:1::10", 80), VerdictPass, ReasonDelivered)
	if got := n.delivered(); got.Src != addr("2001:db8:ff00::10") {
		t.Errorf("IPv6: the receiver saw %s", got.Src)
	}
	// Mappings outlive a publication, and die with the host.
	n.publish()
	back.SrcPort = 4500
	n.want("after a publication", hI1, back, VerdictPass, ReasonDelivered)
}

// R43: the device resets a connection that it does not know, towards its own host and
// through nobody's VPC: where a route there leads the host's private address, the reset
// must not go.
func TestHostBehindNATDeviceIsReset_R43(t *testing.T) {
	n := newNetwork(t)
	n.b.InternetHosts[0].Behind = netip.MustParseAddr("192.168.100.2")
	n.b.RouteTables[0].Routes = append(n.b.RouteTables[0].Routes,
		Route{Destination: cidr("192.168.0.0/16"), Target: Target{TargetNetworkInterface, hI2}, Text: "192.168.0.0/16 → i2"})
	n.b.NetworkInterfaces[1].SourceDestCheck = false
	n.publish()
	s := syn("198.51.100.10", 80)
	s.Src, s.TCPFlags = addr("192.168.100.2"), packet.TCPFlagACK
	n.send(hHost, s)
	if p := n.delivered(); n.frames[0].Link != hHost || p.TCPFlags&packet.TCPFlagRST == 0 || p.Src != addr("198.51.100.10") || p.Dst != addr("192.168.100.2") {
		t.Errorf("link %d got %v → %v, flags %#x; want a reset to the host:\n%s", n.frames[0].Link, p.Src, p.Dst, p.TCPFlags, n.story())
	}
}
