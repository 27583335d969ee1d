package lab

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

func TestTunnelStateSaysWhatIsWrong(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, test := range []struct {
		name   string
		stats  port.WireGuardStats
		action control.DPDAction
		reason string // a part of it; "": the tunnel is up
	}{
		{"nobody called", port.WireGuardStats{}, control.DPDClear, "has not called yet"},
		{"keepalives of a session from before a fault", port.WireGuardStats{Rejected: 32}, control.DPDClear, "of a session from before"},
		{"an answer to AWS's call that is not authentic", port.WireGuardStats{Rejected: 92}, control.DPDClear, "the pre-shared keys may differ"},
		{"a call without an agreement", port.WireGuardStats{LastReceived: before(time.Second)}, control.DPDClear, "the pre-shared keys may differ"},
		{"garbage beside such a call", port.WireGuardStats{LastReceived: before(time.Second), Rejected: 100}, control.DPDClear, "the pre-shared keys may differ"},
		{"an agreement", port.WireGuardStats{LastHandshake: before(time.Second)}, control.DPDClear, ""},
		{"garbage beside an agreement", port.WireGuardStats{LastHandshake: before(time.Second), Rejected: 1 << 20}, control.DPDClear, ""},
		{"heard late, but in time", port.WireGuardStats{LastHandshake: before(time.Hour), LastReceived: before(39 * time.Second)}, control.DPDClear, ""},
		{"silence (V8)", port.WireGuardStats{LastHandshake: before(time.Hour), LastReceived: before(41 * time.Second)}, control.DPDClear, "dead peer detection: nothing was heard for 40s"},
		{"silence that nobody detects (V8)", port.WireGuardStats{LastHandshake: before(time.Hour), LastReceived: before(41 * time.Second)}, control.DPDNone, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tunnel := &control.VPNTunnel{DPDTimeout: 40, DPDAction: test.action}
			if got := tunnelState(test.stats, tunnel, now); got.Up != (test.reason == "") || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("got %+v, want the reason %q", got, test.reason)
			}
		})
	}
}

// TestAmazonCallsEachTunnelAtItsOwnPort: the router's tunnels share one address, so
// they differ by port. One behind a NAT device cannot be called, unless by IPv6.
func TestAmazonCallsEachTunnelAtItsOwnPort(t *testing.T) {
	w, err := control.Load("test.yaml", []byte(`
name: test
vpcs: {a: {cidr: 10.0.0.0/16}}
vpnGateways: {vgw: {vpc: a}}
transitGateways: {hub: {}}
sites: {office: {publicIp: 203.0.113.50}, home: {publicIp: 203.0.113.60, ipv6: "2001:db8:ff00:60::1", behindNat: true}}
customerGateways: {office: {site: office}, home: {site: home, asn: 65001}, home6: {site: home, asn: 65001, ipAddressType: ipv6}}
vpnConnections:
  first:  {customerGateway: office, vpnGateway: vgw, tunnels: [{startupAction: start}, {startupAction: start}]}
  second: {customerGateway: office, vpnGateway: vgw, tunnels: [{}, {startupAction: start}]}
  third:  {customerGateway: home, vpnGateway: vgw, tunnels: [{startupAction: start}, {}]}
  third6: {customerGateway: home6, transitGateway: hub, outsideIpAddressType: ipv6, tunnels: [{startupAction: start}, {}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	store := control.NewStore(quiet, nil, dataplane.NewEngine(dataplane.Config{}).Publish)
	if _, err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	got := map[string]string{}
	for name, config := range newTunnels(nil, quiet).wanted(w) {
		if config.Peer.IsValid() {
			got[name] = config.Peer.String()
		}
	}
	want := map[string]string{"first/1": "203.0.113.50:4500", "first/2": "203.0.113.50:4501", "second/2": "203.0.113.50:4503", "third6/1": "[2001:db8:ff00:60::1]:4502"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, tunnel := range customerTunnels(w, "office") {
		if peer, calls := want[tunnel.Name]; calls && peer != "203.0.113.50:"+strconv.Itoa(int(tunnel.listenPort)) {
			t.Errorf("the router has %s at port %d", tunnel.Name, tunnel.listenPort)
		}
	}
}
