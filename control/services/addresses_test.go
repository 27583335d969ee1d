package services

import (
	"net/netip"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

func TestHandleOfIsTheInverseOfEveryClientAddress(t *testing.T) {
	for _, handle := range []uint32{1, 258, 1 << 16, MaxHandle} {
		for _, client := range []netip.Addr{LinkLocalClient(handle), BaseTwoClient(handle), IPv6Client(handle)} {
			if got, ok := HandleOf(client); !ok || got != handle {
				t.Errorf("HandleOf(%s) = %d, %v; want %d", client, got, ok, handle)
			}
		}
	}
	for _, stranger := range []string{"240.0.0.0", "242.0.0.1", "10.0.1.5", "127.0.0.1", "fd00:ec2:ffff::", "fd00:ec2:ffff::1:0:5", "fd00:ec2::5", "::1"} {
		if handle, ok := HandleOf(netip.MustParseAddr(stranger)); ok {
			t.Errorf("HandleOf(%s) = %d; no interface has it", stranger, handle)
		}
	}
	if _, ok := HandleOf(netip.Addr{}); ok {
		t.Error("the zero address has a handle")
	}
}

func TestAddressesAreThoseOfTheForwardingCore(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		if got, ok := HandleOf(dataplane.ServiceClient(4711, ipv6)); !ok || got != 4711 {
			t.Errorf("IPv6 %v: the core's client address means interface %d, %v", ipv6, got, ok)
		}
	}
	for _, same := range [][2]netip.Addr{
		{DNSIPv4, dataplane.ResolverAddress4}, {DNSIPv6, dataplane.ResolverAddress6},
		{IMDSIPv4, dataplane.MetadataAddress4}, {IMDSIPv6, dataplane.MetadataAddress6},
		{TimeIPv4, dataplane.TimeAddress4}, {TimeIPv6, dataplane.TimeAddress6},
		{DHCPIPv4, dataplane.DHCPAddress4}, {DHCPIPv6, dataplane.DHCPAddress6},
	} {
		if same[0] != same[1] {
			t.Errorf("the server listens on %s, the core sends to %s", same[0], same[1])
		}
	}
	if MaxHandle != dataplane.MaxHandle {
		t.Error("handles do not fit into addresses")
	}
}
