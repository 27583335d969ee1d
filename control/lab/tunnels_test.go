package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
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
