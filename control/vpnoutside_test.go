package control

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVPNOutsideIPv6: AWS's ends of tunnels have IPv6 addresses, which stay, and of
// which no other one of the lab's is (V2). What they carry is as before.
func TestVPNOutsideIPv6(t *testing.T) {
	src := strings.Replace(vpnLab+privateTable, "office: {site: office}", "office: {site: office, ipAddressType: ipv6}", 1) + `
transitGateways: {hub: {}}
internetHosts: {first: {ip: 203.0.113.1}, written: {ip: 203.0.113.2, ipv6: "2001:db8:ffc0:2::1"}}
vpnConnections:
  office: {customerGateway: office, transitGateway: hub, outsideIpAddressType: ipv6}
  office6: {customerGateway: office, transitGateway: hub, outsideIpAddressType: ipv6, tunnelInsideIpVersion: ipv6}
  branch: {customerGateway: branch, vpnGateway: vgw}
`
	w, s := applied(t, src)
	if got, want := w.CustomerGateways["office"].Status.IPAddress, w.Sites["office"].Status.IPv6; got != want || !got.Is6() {
		t.Errorf("the customer gateway has %s, and its site %s", got, want)
	}
	outside := func(w *World) (list []string) {
		for _, name := range w.vpnTunnelNames() {
			tunnel, _ := w.VPNTunnel(name)
			list = append(list, tunnel.OutsideIP.String())
		}
		return list
	}
	before := outside(w)
	if diff := cmp.Diff([]string{"198.51.100.3", "198.51.100.4", "2001:db8:ffc0:1::1", "2001:db8:ffc0:3::1", "2001:db8:ffc0:4::1", "2001:db8:ffc0:5::1"}, before); diff != "" {
		t.Errorf("of branch, office, office6:\n%s", diff)
	}
	if tunnel, c := w.VPNTunnel("office/1"); tunnel.InsideIPv6CIDR.IsValid() || !c.carries(w.Sites["branch"].Networks[0]) {
		t.Errorf("outside decides on what is inside: %+v", tunnel)
	}
	more := strings.Replace(src, "vpnConnections:\n", "vpnConnections:\n  aaa: {customerGateway: office, transitGateway: hub, outsideIpAddressType: ipv6}\n", 1)
	if _, err := s.Apply(t.Context(), open(t, more)); err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	if diff := cmp.Diff(before, outside(w)[2:]); diff != "" {
		t.Errorf("another connection moved addresses:\n%s", diff)
	}
	// Another family outside is another connection, with other addresses.
	fewer := strings.NewReplacer(", outsideIpAddressType: ipv6, tunnel", ", tunnel", "customerGateway: office,", "customerGateway: old,",
		"customerGateways: {", "customerGateways: {old: {site: office}, ").Replace(src)
	fewer = strings.Replace(fewer, "office: {customerGateway: old", "office: {customerGateway: office", 1)
	changes, err := s.Apply(t.Context(), open(t, fewer))
	if err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	if tunnel, _ := w.VPNTunnel("office6/1"); !tunnel.OutsideIP.Is4() {
		t.Errorf("IPv4 outside: %s in %+v", tunnel.OutsideIP, changes)
	}
}

// TestVPNAccelerationIsFixed: it is chosen at creation (V13).
func TestVPNAccelerationIsFixed(t *testing.T) {
	_, s := applied(t, vpnTransitLab)
	changes, err := s.Apply(t.Context(), open(t, strings.Replace(vpnTransitLab, "second: {", "second: {enableAcceleration: true, ", 1)))
	if err != nil {
		t.Fatal(err)
	}
	replaced := map[string]bool{}
	for _, change := range changes {
		replaced[change.Name] = change.Action == ActionReplace
	}
	if !replaced["second"] || replaced["office"] {
		t.Errorf("%+v", changes)
	}
}
