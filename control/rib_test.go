package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// learns is a tunnel that is up, with routes such as "10.50.0.0/16 65001 65009 med
// 200".
func learns(routes ...string) TunnelState {
	s := TunnelState{Up: true, BGPUp: true}
	for _, text := range routes {
		words := strings.Fields(text)
		r := BGPRoute{Prefix: netip.MustParsePrefix(words[0])}
		for i := 1; i < len(words); i++ {
			if words[i] == "med" {
				fmt.Sscan(words[i+1], &r.MED)
				break
			}
			var asn ASN
			fmt.Sscan(words[i], (*uint32)(&asn))
			r.ASPath = append(r.ASPath, asn)
		}
		s.Learned = append(s.Learned, r)
	}
	return s
}

var dead = TunnelState{Reason: "dead peer detection timed out"}

// withRIB is the world with what its tunnels do.
func withRIB(t *testing.T, src string, tunnels map[string]TunnelState) *World {
	t.Helper()
	w, s := applied(t, src)
	if tunnels == nil {
		return w
	}
	if err := s.SetRIB(&RIB{Tunnels: tunnels}); err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	return w
}

// TestVPNGatewayRoutes: one tunnel per prefix over all connections of a gateway (V6).
func TestVPNGatewayRoutes(t *testing.T) {
	static := vpnLab + privateTable + "vpnConnections:\n  zstatic: {customerGateway: office, vpnGateway: vgw, staticRoutes: [10.50.0.0/16]}\n  bgp: {customerGateway: branch, vpnGateway: vgw}\n"
	for name, tc := range map[string]struct {
		src     string
		tunnels map[string]TunnelState // nil: the assumed ones
		want    string
	}{
		"assumed":       {src: twoVPNs, want: "10.50.0.0/16 office office/1; 10.60.0.0/16 branch branch/1"},
		"nothing is up": {src: twoVPNs, tunnels: map[string]TunnelState{}, want: ""},
		"K-C12 MED": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001 med 200"), "office/2": learns("10.50.0.0/16 65001 med 100"),
		}, want: "10.50.0.0/16 office office/2"},
		"K-C12 MED the other way": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001 med 100"), "office/2": learns("10.50.0.0/16 65001 med 200"),
		}, want: "10.50.0.0/16 office office/1"},
		"T6 a missing MED counts 100": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001"), "office/2": learns("10.50.0.0/16 65001 med 99"),
		}, want: "10.50.0.0/16 office office/2"},
		"V6 MED of another neighbour does not count": {src: twoVPNs, tunnels: map[string]TunnelState{
			"branch/1": learns("10.50.0.0/16 65002 med 200"), "office/1": learns("10.50.0.0/16 65001 med 100"),
		}, want: "10.50.0.0/16 branch branch/1"},
		"V6 AS_PATH before MED": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001 65001 med 1"), "office/2": learns("10.50.0.0/16 65001 med 900"),
		}, want: "10.50.0.0/16 office office/2"},
		"K-C13 both up: each prefix its tunnel": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.1.0/24 65001"), "office/2": learns("10.50.0.0/16 65001"),
		}, want: "10.50.0.0/16 office office/2; 10.50.1.0/24 office office/1"},
		"K-C13 tunnel 1 has failed": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": dead, "office/2": learns("10.50.0.0/16 65001"),
		}, want: "10.50.0.0/16 office office/2"},
		"the session has failed": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": {Up: true, Learned: learns("10.50.0.0/16 65001").Learned}, "office/2": learns("10.50.0.0/16 65001"),
		}, want: "10.50.0.0/16 office office/2"},
		"K-C14 static before BGP": {src: static, tunnels: map[string]TunnelState{
			"zstatic/1": {Up: true}, "bgp/1": learns("10.50.0.0/16 65002", "10.60.0.0/16 65002"),
		}, want: "10.50.0.0/16 zstatic zstatic/1; 10.60.0.0/16 bgp bgp/1"},
		"K-C14 health before static": {src: static, tunnels: map[string]TunnelState{
			"zstatic/1": dead, "zstatic/2": dead, "bgp/1": learns("10.50.0.0/16 65002"),
		}, want: "10.50.0.0/16 bgp bgp/1"},
		"static by the other tunnel": {src: static, tunnels: map[string]TunnelState{
			"zstatic/1": dead, "zstatic/2": {Up: true},
		}, want: "10.50.0.0/16 zstatic zstatic/2"},
		"V1 IPv6, and AWS's own number": {src: twoVPNs, tunnels: map[string]TunnelState{
			"office/1": learns("2001:db8:5000::/48 65001", "10.70.0.0/16 65001 64512", "0.0.0.0/0 65001"),
		}, want: "0.0.0.0/0 office office/1"},
		"V12 101 prefixes": {src: strings.Replace(twoVPNs, "networks: [10.60.0.0/16]", "networks: ["+repeat(101, func(i int) string { return fmt.Sprintf("10.60.%d.0/24", i) })+"]", 1),
			want: "10.50.0.0/16 office office/1"},
		"another ASN than AWS expects":        {src: strings.Replace(twoVPNs, "branch: {site: branch}", "branch: {site: branch, asn: 65003}", 1), want: "10.50.0.0/16 office office/1"},
		"VP-3 two sites announce one network": {src: strings.Replace(twoVPNs, "networks: [10.60.0.0/16]", "networks: [10.50.0.0/16]", 1), want: "10.50.0.0/16 branch branch/1"},
		"VP-3 one of them stops":              {src: strings.Replace(twoVPNs, "networks: [10.60.0.0/16]", "networks: [10.50.0.0/16]", 1) + "faults: [site branch]", want: "10.50.0.0/16 office office/1"},
		"fault of a tunnel":                   {src: twoVPNs + "faults: [tunnel office/1, vpnConnection branch]", want: "10.50.0.0/16 office office/2"},
		"fault of a tunnel that is alive": {src: twoVPNs + "faults: [tunnel office/1]", tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001"), "office/2": learns("10.50.0.0/16 65001 65001"),
		}, want: "10.50.0.0/16 office office/2"},
		"fault of the way":  {src: twoVPNs + "links: {branch: {}}\nfaults: [link branch forward]", want: "10.50.0.0/16 office office/1"},
		"fault of a Region": {src: twoVPNs + "faults: [region us-east-1]", want: ""},
		"V8 nobody asks whether the site is alive": {src: strings.Replace(static, "staticRoutes: [10.50.0.0/16]", "staticRoutes: [10.50.0.0/16], tunnels: [{dpdAction: none}, {}]", 1) + "faults: [site office, site branch]",
			want: "10.50.0.0/16 zstatic zstatic/1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := vpnRoutes(withRIB(t, tc.src, tc.tunnels), "vgw"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// tableRoutes are a route table's routes in force: what the data plane gets.
func tableRoutes(t *testing.T, w *World, table string) map[string]string {
	t.Helper()
	routes := map[string]string{}
	for _, rt := range build(w, 1).RouteTables {
		if rt.Name != table {
			continue
		}
		for _, r := range rt.Routes {
			destination, target, _ := strings.Cut(r.Text, " → ")
			if routes[destination] != "" {
				t.Errorf("two routes for %s", destination)
			}
			routes[destination] = target
		}
	}
	return routes
}

// TestPropagatedRoutes: what a virtual private gateway brings to a VPC's tables
// (R15, R16, R18, R23, V16).
func TestPropagatedRoutes(t *testing.T) {
	const local = "local"
	lab := strings.Replace(twoVPNs, "routeTables: {private: {vpc: app, propagate: [vgw]}}", `routeTables:
  private: {vpc: app, propagate: [vgw], routes: {ROUTES}}
  public: {vpc: app}
internetGateways: {igw: {vpc: app}}
prefixLists: {list: {entries: [10.8.0.0/16]}}`, 1)
	one := func(routes ...string) map[string]TunnelState {
		return map[string]TunnelState{"office/1": learns(routes...)}
	}
	for name, tc := range map[string]struct {
		routes  string
		tunnels map[string]TunnelState
		want    map[string]string
	}{
		"R23 as learned": {"", nil, map[string]string{"10.50.0.0/16": "vpnGateway vgw (propagated)", "10.60.0.0/16": "vpnGateway vgw (propagated)"}},
		"R-C1 R18 RT-02 static before propagated": {"172.31.0.0/24: igw", one("172.31.0.0/24 65001"),
			map[string]string{"172.31.0.0/24": "internetGateway igw"}},
		"RT-02 without the static one": {"", one("172.31.0.0/24 65001"), map[string]string{"172.31.0.0/24": "vpnGateway vgw (propagated)"}},
		"R18 a static route to the gateway": {"172.31.0.0/24: vgw", one("172.31.0.0/24 65001"),
			map[string]string{"172.31.0.0/24": "vpnGateway vgw"}},
		"R-C2 the longer propagated one beside the static": {"172.31.0.0/16: igw", one("172.31.5.0/24 65001"),
			map[string]string{"172.31.0.0/16": "internetGateway igw", "172.31.5.0/24": "vpnGateway vgw (propagated)"}},
		"R-C3 R16 inside the VPC": {"", one("10.0.2.0/25 65001", "10.0.0.0/16 65001", "10.0.0.0/8 65001"),
			map[string]string{"10.0.0.0/8": "vpnGateway vgw (propagated)"}},
		"R-C8 a prefix list before propagated": {"list: igw", one("10.8.0.0/16 65001"),
			map[string]string{"10.8.0.0/16 (prefix list list)": "internetGateway igw"}},
		"R-C8 static before a prefix list": {"list: igw, 10.8.0.0/16: vgw", one("10.8.0.0/16 65001"),
			map[string]string{"10.8.0.0/16": "vpnGateway vgw"}},
		"a default route": {"", one("0.0.0.0/0 65001"), map[string]string{"0.0.0.0/0": "vpnGateway vgw (propagated)"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := withRIB(t, strings.Replace(lab, "ROUTES", tc.routes, 1), tc.tunnels)
			tc.want["10.0.0.0/16"], tc.want["2001:db8:a::/56"] = local, local
			if diff := cmp.Diff(tc.want, tableRoutes(t, w, "private")); diff != "" {
				t.Error(diff)
			}
			if got := tableRoutes(t, w, "public"); len(got) != 2 { // V16
				t.Errorf("a table without propagation has %v", got)
			}
		})
	}
}

// R5: a static route and its propagated twin are both listed. R19, R20: a detached
// gateway leaves a blackhole, and propagates nothing.
func TestPropagatedRoutesAreListed(t *testing.T) {
	src := strings.Replace(twoVPNs, "propagate: [vgw]", "propagate: [vgw], routes: {10.50.0.0/16: vgw}", 1)
	list := func(w *World) (text string) {
		for _, r := range w.RouteTables["private"].Status.Routes {
			text += fmt.Sprintf("%s %s %s; ", r.Destination, r.Origin, r.State)
		}
		return text
	}
	w := open(t, src)
	const local = "10.0.0.0/16 CreateRouteTable active; "
	if got, want := list(w), local+"10.50.0.0/16 CreateRoute active; 10.50.0.0/16 EnableVgwRoutePropagation active; 10.60.0.0/16 EnableVgwRoutePropagation active; 2001:db8:a::/56 CreateRouteTable active; "; got != want {
		t.Errorf("got %s", got)
	}
	w.VPNGateways["vgw"].VPC = ""
	w.Complete()
	if got, want := list(w), local+"10.50.0.0/16 CreateRoute blackhole; 2001:db8:a::/56 CreateRouteTable active; "; got != want {
		t.Errorf("detached: %s", got)
	}
	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf("10.100.%d.0/24 65001", i)
	}
	w = withRIB(t, twoVPNs, map[string]TunnelState{"office/1": learns(many...)})
	if got := len(w.RouteTables["private"].Status.Routes); got != 2+mostPropagatedRoutes { // R23
		t.Errorf("%d routes", got)
	}
}

// K-C15, H1, H2, H4: what each spoke is told, and what it makes of it.
func TestCloudHubAnnouncements_KC15(t *testing.T) {
	texts := func(routes []BGPRoute) (list []string) {
		for _, r := range routes {
			list = append(list, fmt.Sprintf("%s %v %d", r.Prefix, r.ASPath, r.MED))
		}
		return list
	}
	w := withRIB(t, twoVPNs, nil)
	all := w.Announcements()
	for tunnel, want := range map[string][]string{
		"office/1": {"10.0.0.0/16 [] 100", "10.60.0.0/16 [65002] 100"}, // V5, V7
		"office/2": {"10.0.0.0/16 [] 200", "10.60.0.0/16 [65002] 200"},
		"branch/1": {"10.0.0.0/16 [] 100", "10.50.0.0/16 [65001] 100"},
	} {
		if diff := cmp.Diff(want, texts(all[tunnel])); diff != "" {
			t.Errorf("%s:\n%s", tunnel, diff)
		}
	}
	route := func(w *World, site, to string) string { return SiteTunnel(w.SiteRoutes(site), netip.MustParseAddr(to)) }
	if got := route(w, "office", "10.60.1.1"); got != "office/1" {
		t.Errorf("office to branch by %q", got)
	}
	hub := withRIB(t, strings.Replace(strings.Replace(twoVPNs, "vgw: {vpc: app}", "vgw: {}", 1), "propagate: [vgw]", "", 1), nil) // H1
	if got := texts(hub.Announcements()["office/1"]); !cmp.Equal(got, []string{"10.60.0.0/16 [65002] 100"}) || route(hub, "branch", "10.50.0.9") != "branch/1" {
		t.Errorf("without a VPC: %v", got)
	}
	same := withRIB(t, strings.Replace(twoVPNs, "asn: 65002", "asn: 65001", 1), nil) // H4
	if got := route(same, "office", "10.60.1.1"); got != "" {
		t.Errorf("with one ASN: by %q", got)
	}
	if got := route(same, "office", "10.0.1.1"); got != "office/1" {
		t.Errorf("to the VPC: by %q", got)
	}
	static := withRIB(t, strings.Replace(twoVPNs, "customerGateway: branch, vpnGateway: vgw", "customerGateway: branch, vpnGateway: vgw, staticRoutes: [10.60.0.0/16]", 1), nil)
	if got := texts(static.Announcements()["office/1"]); !cmp.Equal(got, []string{"10.0.0.0/16 [] 100"}) { // H4
		t.Errorf("a static spoke is announced: %v", got)
	}
	if got := static.Announcements()["branch/1"]; got != nil || route(static, "branch", "10.50.0.1") != "" || route(static, "branch", "10.0.0.9") != "branch/1" {
		t.Errorf("to a static spoke: %v", got)
	}
	gone := withRIB(t, twoVPNs+"faults: [tunnel office/1]", nil)
	if got := route(gone, "office", "10.60.1.1"); got != "office/2" {
		t.Errorf("tunnel 1 is gone: by %q", got)
	}
}

func TestVPNTelemetry(t *testing.T) {
	w := withRIB(t, twoVPNs, map[string]TunnelState{
		"office/1": learns("10.50.0.0/16 65001", "2001:db8:5000::/48 65001"),
		"office/2": {Up: true, BGPReason: "hold timer expired"}, "branch/1": dead,
	})
	for name, want := range map[string]TunnelTelemetry{
		"office/1": {State: TunnelUp, StatusMessage: "1 BGP ROUTES", IPsecUp: true, BGPUp: true, AcceptedRouteCount: 1, AnnouncedRouteCount: 1, AnnouncedMED: 100},
		"office/2": {State: TunnelDown, StatusMessage: "IPSEC IS UP", Reason: "hold timer expired", IPsecUp: true},
		"branch/1": {State: TunnelDown, StatusMessage: "IPSEC IS DOWN", Reason: dead.Reason},
		"branch/2": {State: TunnelDown, StatusMessage: "IPSEC IS DOWN", Reason: "no keys are agreed on"},
	} {
		tunnel, _ := w.VPNTunnel(name)
		got := tunnel.TunnelTelemetry
		got.Learned = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// A RIB outlives documents: applying a file does not make dead tunnels live.
func TestRIBSurvivesApply(t *testing.T) {
	var published []*dataplane.Snapshot
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(snapshot *dataplane.Snapshot) { published = append(published, snapshot) })
	if _, err := s.Apply(t.Context(), open(t, twoVPNs)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetRIB(&RIB{Tunnels: map[string]TunnelState{"office/2": learns("10.55.0.0/16 65001")}}); err != nil {
		t.Fatal(err)
	}
	w, revision := s.World()
	if len(published) != 2 || revision != 2 || published[1].Revision != 2 {
		t.Errorf("revision %d after %d snapshots", revision, len(published))
	}
	before := w.VPNConnections["office"].Status.Tunnels
	changes, err := s.Apply(t.Context(), open(t, twoVPNs+"internetHosts: {h: {ip: 203.0.113.1}}"))
	if err != nil {
		t.Fatal(err)
	}
	w, _ = s.World()
	if got := vpnRoutes(w, "vgw"); got != "10.55.0.0/16 office office/2" || len(changes) != 1 {
		t.Errorf("routes %s, changes %+v", got, changes)
	}
	if got := w.VPNConnections["office"].Status.Tunnels; got[0].Handle != before[0].Handle || got[1].OutsideIP != before[1].OutsideIP {
		t.Error("tunnels have other handles or addresses")
	}
	if err := s.SetRIB(nil); err != nil {
		t.Fatal(err)
	}
	if w, _ = s.World(); vpnRoutes(w, "vgw") != "10.50.0.0/16 office office/1; 10.60.0.0/16 branch branch/1" {
		t.Errorf("without a RIB: %s", vpnRoutes(w, "vgw"))
	}
}
