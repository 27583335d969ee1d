package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// vpnWalkLab is twoVPNs with an instance in each subnet, gateways beside, and open
// groups.
const vpnWalkLab = vpnLab + `
internetGateways: {igw: {vpc: app}}
routeTables: {private: {vpc: app, propagate: [vgw], routes: {STATIC}}}
securityGroups:
  open: {vpc: app, ingress: [{protocol: all, from: [0.0.0.0/0, "::/0"]}]}
instances:
  web: {subnet: s1, ip: 10.0.1.10, securityGroups: [open]}
  app: {subnet: s2, ip: 10.0.2.9, securityGroups: [open]}
siteHosts: {desk: {site: office, ip: 10.50.1.9}, till: {site: branch, ip: 10.60.1.9}}
vpnConnections:
  office: {customerGateway: office, vpnGateway: vgw}
  branch: {customerGateway: branch, vpnGateway: vgw}
`

// TestVPNPacketsFollowTheRIB walks packets by what control has chosen.
func TestVPNPacketsFollowTheRIB(t *testing.T) {
	for name, tc := range map[string]struct {
		static  string
		tunnels map[string]TunnelState
		// from is an interface or a tunnel.
		from, to string
		want     string // what it was delivered to, or what dropped it and why
	}{
		"R-C1 static before propagated":           {"172.31.0.0/24: igw", map[string]TunnelState{"office/1": learns("172.31.0.0/24 65001")}, "web/eth0", "172.31.0.9", "internetGateway igw no-public-address"},
		"R-C2 the longer propagated":              {"172.31.0.0/16: igw", map[string]TunnelState{"office/1": learns("172.31.5.0/24 65001")}, "web/eth0", "172.31.5.9", "vpnTunnel office/1"},
		"R-C3 inside the VPC":                     {"", map[string]TunnelState{"office/1": learns("10.0.2.0/25 65001")}, "web/eth0", "10.0.2.9", "networkInterface app/eth0"},
		"K-C12 to the site by MED":                {"", map[string]TunnelState{"office/1": learns("10.50.0.0/16 65001 med 100"), "office/2": learns("10.50.0.0/16 65001 med 200")}, "web/eth0", "10.50.1.9", "vpnTunnel office/1"},
		"K-C12 from the site by the other tunnel": {"", map[string]TunnelState{"office/1": learns("10.50.0.0/16 65001 med 100"), "office/2": learns("10.50.0.0/16 65001 med 200")}, "office/2", "10.0.1.10", "networkInterface web/eth0"},
		"K-C13 before":                            {"", map[string]TunnelState{"office/1": learns("10.50.1.0/24 65001"), "office/2": learns("10.50.0.0/16 65001")}, "web/eth0", "10.50.1.9", "vpnTunnel office/1"},
		"K-C13 after":                             {"", map[string]TunnelState{"office/1": dead, "office/2": learns("10.50.0.0/16 65001")}, "web/eth0", "10.50.1.9", "vpnTunnel office/2"},
		"K-C15 spoke to spoke":                    {"", nil, "office/1", "10.60.1.9", "vpnTunnel branch/1"},
		"K-C16 to the Internet":                   {"0.0.0.0/0: igw", nil, "office/1", "203.0.113.10", "vpnGateway vgw no-route"},
		"K-C17 to a service's public address":     {"0.0.0.0/0: igw", nil, "office/1", "52.216.0.1", "vpnGateway vgw no-route"},
		"R19 no route of the gateway's":           {"10.77.0.0/16: vgw", nil, "web/eth0", "10.77.0.1", "vpnGateway vgw no-route"},
		"nothing is up":                           {"", map[string]TunnelState{}, "web/eth0", "10.50.1.9", "routeTable private no-route"},
	} {
		t.Run(name, func(t *testing.T) {
			e := dataplane.NewEngine(dataplane.Config{})
			s := NewStore(slog.New(slog.DiscardHandler), nil, e.Publish)
			if _, err := s.Apply(t.Context(), open(t, strings.Replace(vpnWalkLab, "STATIC", tc.static, 1))); err != nil {
				t.Fatal(err)
			}
			if tc.tunnels != nil {
				if err := s.SetRIB(&RIB{Tunnels: tc.tunnels}); err != nil {
					t.Fatal(err)
				}
			}
			w, _ := s.World()
			if got := walked(t, e, w, tc.from, tc.to); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// walked says where a packet from an interface or a tunnel ends.
func walked(t *testing.T, e *dataplane.Engine, w *World, from, to string) string {
	t.Helper()
	req := dataplane.TraceRequest{Tuple: packet.Tuple{Dst: packet.AddrFrom(netip.MustParseAddr(to)), Proto: packet.ProtoTCP, SrcPort: 40000, DstPort: 80}}
	if n := w.NetworkInterfaces[from]; n != nil {
		req.From = dataplane.Handle(n.Status.Handle)
	} else {
		tunnel, c := w.VPNTunnel(from)
		req.From = dataplane.Handle(tunnel.Handle)
		req.Src = packet.AddrFrom(w.SiteHosts[w.Sites[c.Status.Site].Status.Hosts[0]].Status.IP)
	}
	trace := e.Trace(req)
	leg := trace.Last()
	if leg.Verdict == dataplane.VerdictPass {
		return leg.To.String()
	}
	return fmt.Sprintf("%s %s", leg.Decisive().Objects[0], leg.Reason)
}
