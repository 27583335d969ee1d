package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTunnelMaintenanceMovesTheSite: during maintenance of a tunnel AWS lowers the MED
// on the other (V7), and a router that goes by it leaves the tunnel. What AWS sends
// stays, and both tunnels are up.
func TestTunnelMaintenanceMovesTheSite(t *testing.T) {
	transit := strings.ReplaceAll(vpnTransitLab, "second: {customerGateway: office, transitGateway: hub}", "")
	static := strings.Replace(twoVPNs, "office: {customerGateway: office, vpnGateway: vgw}", "office: {customerGateway: office, vpnGateway: vgw, staticRoutes: [10.50.0.0/16]}", 1)
	for name, tc := range map[string]struct {
		src, faults string
		meds        string // of what the office is told by its two tunnels; "": nothing
		takes       string // the tunnel that the office's router sends by
		states      string
	}{
		"as always":                 {twoVPNs, "", "100 200", "office/1", "UP UP"},
		"of the first":              {twoVPNs, "tunnelMaintenance office/1", "100 50", "office/2", "UP UP"},
		"of the second":             {twoVPNs, "tunnelMaintenance office/2", "50 200", "office/1", "UP UP"},
		"of both":                   {twoVPNs, "tunnelMaintenance office/1, tunnelMaintenance office/2", "100 200", "office/1", "UP UP"},
		"of another connection's":   {twoVPNs, "tunnelMaintenance branch/1", "100 200", "office/1", "UP UP"},
		"at a transit gateway":      {transit, "tunnelMaintenance office/1", "100 50", "office/2", "UP UP"},
		"while it is down":          {twoVPNs, "tunnelMaintenance office/1, tunnel office/1", "100 50", "office/2", "DOWN UP"},
		"while the other is down":   {twoVPNs, "tunnelMaintenance office/1, tunnel office/2", "100 50", "office/1", "UP DOWN"},
		"static routing, no MED":    {static, "tunnelMaintenance office/1", "", "office/1", "UP UP"},
		"static routing, and down":  {static, "tunnelMaintenance office/1, tunnel office/1", "", "office/2", "DOWN UP"},
		"BGP, and the site is gone": {twoVPNs, "tunnelMaintenance office/1, site office", "100 50", "", "DOWN DOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			w := withRIB(t, tc.src+"faults: ["+tc.faults+"]\n", nil)
			var meds, states []string
			for _, tunnel := range []string{"office/1", "office/2"} {
				if routes := w.Announcements()[tunnel]; len(routes) > 0 {
					meds = append(meds, fmt.Sprint(routes[0].MED))
				}
				x, _ := w.VPNTunnel(tunnel)
				states = append(states, x.State)
				if x.State == TunnelUp && len(meds) > 0 && fmt.Sprint(x.AnnouncedMED) != meds[len(meds)-1] {
					t.Errorf("%s is said to have the MED %d", tunnel, x.AnnouncedMED)
				}
				if maintained := strings.Contains(tc.faults, "tunnelMaintenance "+tunnel); maintained != (x.Maintenance != "") || strings.Contains(x.Fault, "Maintenance") {
					t.Errorf("%s: maintenance %q, fault %q", tunnel, x.Maintenance, x.Fault)
				}
			}
			got := []string{strings.Join(meds, " "), SiteTunnel(w.SiteRoutes("office"), netip.MustParseAddr("10.0.1.5")), strings.Join(states, " ")}
			if diff := cmp.Diff([]string{tc.meds, tc.takes, tc.states}, got); diff != "" {
				t.Error(diff)
			}
			if g := w.VPNGateways["vgw"]; g != nil && states[0] == TunnelUp { // AWS's own choice
				if routes := vpnRoutes(w, "vgw"); !strings.Contains(routes, "10.50.0.0/16 office office/1") {
					t.Error(routes)
				}
			}
		})
	}
}

// TestTunnelMaintenanceIsAnnounced: a fault of this kind is a change like any other.
func TestTunnelMaintenanceIsAnnounced(t *testing.T) {
	_, s := applied(t, twoVPNs)
	operate := func(action string) []Change {
		changes, err := s.Operate(t.Context(), Operation{Kind: "faults", Name: "office/2", Action: action, Parameters: map[string]string{"kind": TunnelMaintenance}})
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	if changes := operate("inject"); len(changes) == 0 || !strings.Contains(fmt.Sprint(changes), "tunnelMaintenance office/2") || !strings.Contains(changes[0].Effect, "both tunnels work") {
		t.Errorf("%+v", changes)
	}
	if changes := operate("inject"); len(changes) != 0 {
		t.Errorf("once more: %+v", changes)
	}
	operate("clear")
	if w, _ := s.World(); w.VPNConnections["office"].Status.Tunnels[1].Maintenance != "" {
		t.Error("it is not over")
	}
}
