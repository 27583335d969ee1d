package control

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

// vpnTransitLab has a transit gateway with one table, a VPC and two connections of
// one site's, and one of another's.
const vpnTransitLab = `
name: lab
vpcs: {app: {cidr: 10.0.0.0/16, ipv6: 2001:db8:a::/56}}
subnets: {s1: {vpc: app, cidr: 10.0.1.0/24, ipv6: 2001:db8:a:1::/64}}
transitGateways: {hub: {asn: 64600}}
transitGatewayAttachments: {app: {transitGateway: hub, vpc: app, subnets: [s1]}}
sites:
  office: {networks: [10.50.0.0/16, "2001:db8:5000::/48"], asn: 65001}
  branch: {networks: [10.60.0.0/16], asn: 65002}
customerGateways: {office: {site: office}, branch: {site: branch}}
vpnConnections:
  office: {customerGateway: office, transitGateway: hub}
  second: {customerGateway: office, transitGateway: hub}
  branch: {customerGateway: branch, transitGateway: hub}
`

// transitTable are the routes of a table as traces show them, in the order of the
// table, those that drop marked.
func transitTable(w *World, table string) string {
	var list []string
	for _, r := range w.TransitGatewayRouteTables[table].Status.Routes {
		text := r.String()
		if r.State == RouteBlackhole {
			text += "!"
		}
		list = append(list, strings.ReplaceAll(text, "transitGatewayAttachment", "to"))
	}
	return strings.Join(list, "; ")
}

// TestTransitGatewayVPNRoutes: what VPN connections bring to a transit gateway (T5,
// T6, T15), and static routes to them.
func TestTransitGatewayVPNRoutes(t *testing.T) {
	const app = "10.0.0.0/16 → to app (propagated); "
	const app6 = "; 2001:db8:a::/56 → to app (propagated)"
	noECMP := strings.Replace(vpnTransitLab, "asn: 64600", "asn: 64600, vpnEcmp: false", 1)
	static := func(more string) string {
		return strings.Replace(vpnTransitLab, "customerGateway: branch, transitGateway: hub", "customerGateway: branch, transitGateway: hub, staticRoutes: []", 1) +
			"transitGatewayRouteTables: {hub/default: {routes: {10.61.0.0/16: branch}}}\n" + more
	}
	for name, tc := range map[string]struct {
		src     string
		tunnels map[string]TunnelState
		want    string
	}{
		"T15 all tunnels of one path share": {src: vpnTransitLab,
			want: app + "10.50.0.0/16 → tos office, second by office/1, office/2, second/1, second/2 (propagated); 10.60.0.0/16 → to branch by branch/1, branch/2 (propagated)" + app6},
		"T15 switched off": {src: noECMP,
			want: app + "10.50.0.0/16 → to office by office/1 (propagated); 10.60.0.0/16 → to branch by branch/1 (propagated)" + app6},
		"T15 health": {src: vpnTransitLab, tunnels: map[string]TunnelState{
			"office/1": dead, "office/2": learns("10.50.0.0/16 65001"), "second/2": learns("10.50.0.0/16 65001"),
		}, want: app + "10.50.0.0/16 → tos office, second by office/2, second/2 (propagated)" + app6},
		"T6 AS_PATH, then MED": {src: vpnTransitLab, tunnels: map[string]TunnelState{
			"office/1": learns("10.50.0.0/16 65001 65001 med 1", "10.51.0.0/16 65001 med 5"), "office/2": learns("10.50.0.0/16 65001", "10.51.0.0/16 65001 med 5"),
			"second/1": learns("10.50.0.0/16 65001 med 101", "10.51.0.0/16 65001 med 6"),
		}, want: app + "10.50.0.0/16 → to office by office/2 (propagated); 10.51.0.0/16 → to office by office/1, office/2 (propagated)" + app6},
		"T15 not with another path of the same length": {src: vpnTransitLab, tunnels: map[string]TunnelState{
			"branch/1": learns("10.50.0.0/16 65002"), "office/1": learns("10.50.0.0/16 65001"), "office/2": learns("10.50.0.0/16 65001"),
		}, want: app + "10.50.0.0/16 → to branch by branch/1 (propagated)" + app6},
		"T6 a VPC before a VPN, the VPN's longer prefix, IPv6 not": {src: vpnTransitLab, tunnels: map[string]TunnelState{
			"office/1": learns("10.0.0.0/16 65001", "10.0.1.0/24 65001", "2001:db8:5000::/48 65001"),
		}, want: app + "10.0.1.0/24 → to office by office/1 (propagated)" + app6},
		"T5 static": {src: static(""),
			want: app + "10.50.0.0/16 → tos office, second by office/1, office/2, second/1, second/2 (propagated); 10.61.0.0/16 → to branch by branch/1 (static)" + app6},
		"static by the other tunnel": {src: static("faults: [tunnel branch/1, vpnConnection office, tunnel second/1]"),
			want: app + "10.50.0.0/16 → to second by second/2 (propagated); 10.61.0.0/16 → to branch by branch/2 (static)" + app6},
		"static and nothing left": {src: static("faults: [site office, site branch]"),
			want: app + "10.61.0.0/16 → to branch (static)!" + app6},
		"the attachment's fault": {src: static("faults: [transitGatewayAttachment branch, site office]"),
			want: app + "10.61.0.0/16 → to branch (static)!" + app6},
		"TG-2 no propagation": {src: vpnTransitLab + "transitGatewayRouteTables: {hub/default: {propagations: [app, branch]}}",
			want: app + "10.60.0.0/16 → to branch by branch/1, branch/2 (propagated)" + app6},
		"V3 IPv6": {src: strings.Replace(vpnTransitLab, "second: {", "second: {tunnelInsideIpVersion: ipv6, ", 1),
			want: app + "10.50.0.0/16 → to office by office/1, office/2 (propagated); 10.60.0.0/16 → to branch by branch/1, branch/2 (propagated); 2001:db8:5000::/48 → to second by second/1, second/2 (propagated)" + app6},
	} {
		t.Run(name, func(t *testing.T) {
			got := transitTable(withRIB(t, tc.src, tc.tunnels), "hub/default")
			want := strings.Split(strings.Replace(tc.want, "2001:db8:5000::/48 → to second by second/1, second/2 (propagated)"+app6, strings.TrimPrefix(app6, "; ")+"; 2001:db8:5000::/48 → to second by second/1, second/2 (propagated)", 1), "; ")
			if diff := cmp.Diff(want, strings.Split(got, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// V5, V14, TG-1: a transit gateway announces the table that the connection is
// associated with, but blackholes and what came from there.
func TestTransitGatewayAnnouncements(t *testing.T) {
	src := vpnTransitLab + `transitGatewayRouteTables:
  hub/default: {routes: {10.99.0.0/16: blackhole, 10.98.0.0/16: app}}
  bare: {transitGateway: hub, associations: [branch]}
`
	texts := func(w *World, tunnel string) (list []string) {
		for _, r := range w.Announcements()[tunnel] {
			list = append(list, fmt.Sprintf("%s %v %d", r.Prefix, r.ASPath, r.MED))
		}
		return list
	}
	w := withRIB(t, src, nil)
	if diff := cmp.Diff([]string{"10.0.0.0/16 [] 200", "10.60.0.0/16 [65002] 200", "10.98.0.0/16 [] 200"}, texts(w, "office/2")); diff != "" {
		t.Error(diff)
	}
	if got := texts(w, "branch/1"); got != nil {
		t.Errorf("of an empty table: %v", got)
	}
	w = withRIB(t, strings.Replace(src, "office: {customerGateway: office,", "office: {tunnelInsideIpVersion: ipv6, customerGateway: office,", 1), nil)
	if diff := cmp.Diff([]string{"2001:db8:a::/56 [] 100"}, texts(w, "office/1")); diff != "" {
		t.Error(diff)
	}
	if tunnel, _ := w.VPNTunnel("office/1"); !insideIPv6Pool.Contains(tunnel.AmazonIPv6) || tunnel.CustomerIPv6 != tunnel.AmazonIPv6.Next() {
		t.Errorf("inside %s, %s", tunnel.AmazonIPv6, tunnel.CustomerIPv6)
	}
	if got := SiteTunnel(w.SiteRoutes("office"), netip.MustParseAddr("2001:db8:a:1::5")); got != "office/1" {
		t.Errorf("IPv6 by %q", got)
	}
	if got := SiteTunnel(w.SiteRoutes("office"), netip.MustParseAddr("10.0.1.5")); got != "second/1" {
		t.Errorf("IPv4 by %q", got)
	}
}

// A connection to a transit gateway has an attachment of its own, which comes and
// goes with it.
func TestVPNAttachments(t *testing.T) {
	w, s := applied(t, vpnTransitLab)
	a := w.TransitGatewayAttachments["office"]
	if a == nil || a.Status.ResourceType != AttachmentVPN || a.Status.Association != "hub/default" || a.Status.ID[:10] != "tgw-attach" || w.TransitGateways["hub"].Status.SpeakerHandle == 0 {
		t.Fatalf("attachment %+v", a)
	}
	text, err := w.Marshal()
	if err != nil || strings.Count(string(text), "  office:\n") != 3 { // site, customer gateway, connection
		t.Errorf("written:\n%s%v", text, err)
	}
	for _, verb := range []string{"delete", "accept", "reject"} {
		if _, err := s.Operate(t.Context(), Operation{Kind: "transitGatewayAttachments", Name: "office", Action: verb}); err == nil {
			t.Errorf("%s is allowed", verb)
		}
	}
	changes, err := s.Apply(t.Context(), open(t, strings.Replace(vpnTransitLab, "  second: {customerGateway: office, transitGateway: hub}\n", "", 1)))
	if err != nil || len(changes) != 2 || changes[0].Kind != "vpnConnections" || changes[1].Kind != "transitGatewayRouteTables" {
		t.Errorf("%+v, %v", changes, err)
	}
	if w, _ = s.World(); w.TransitGatewayAttachments["second"] != nil {
		t.Error("the attachment is still there")
	}
	moved := strings.Replace(strings.Replace(vpnTransitLab, "office: {customerGateway: office, transitGateway: hub}", "office: {customerGateway: office, transitGateway: other}", 1), "{hub: {asn: 64600}}", "{hub: {asn: 64600}, other: {}}", 1)
	if _, err := s.Apply(t.Context(), open(t, moved)); err != nil {
		t.Fatal(err)
	}
	if w, _ = s.World(); w.TransitGatewayAttachments["office"].Status.Association != "other/default" || strings.Contains(transitTable(w, "hub/default"), "office/1") {
		t.Errorf("moved: %s", transitTable(w, "hub/default"))
	}
}

// TestVPNCompiles: what the data plane gets.
func TestVPNCompiles(t *testing.T) {
	src := strings.Replace(twoVPNs, "routeTables: {", "routeTables: {edge: {vpc: app, vpnGateway: vgw, routes: {10.0.2.0/24: fw}}, ", 1) + `
  transit: {customerGateway: office, transitGateway: hub}
transitGateways: {hub: {}}
instances: {fw: {subnet: s2}}
siteHosts: {desk: {site: office}}
links: {office: {delay: 20ms}}
`
	w, _ := applied(t, src)
	b := build(w, 1)
	if _, err := b.Seal(); err != nil {
		t.Fatal(err)
	}
	gateway := w.VPNGateways["vgw"].Status
	g := b.VPNGateways[0]
	if uint32(g.VPC) != w.VPCs["app"].Status.Handle || uint32(g.EdgeRouteTable) != w.RouteTables["edge"].Status.Handle || len(g.Routes) != 2 || !g.Routes[0].Learned || g.Routes[0].Text != "10.50.0.0/16 → vpnTunnel office/1 (BGP)" {
		t.Errorf("gateway %+v", g)
	}
	if len(b.BGPSpeakers) != 2 || len(b.VPNTunnels) != 6 || len(b.TransitGatewayTunnelAttachments) != 1 || len(b.Wires) != 1 {
		t.Errorf("%d speakers, %d tunnels, %d attachments, %d wires", len(b.BGPSpeakers), len(b.VPNTunnels), len(b.TransitGatewayTunnelAttachments), len(b.Wires))
	}
	for _, tunnel := range b.VPNTunnels {
		in, _ := w.VPNTunnel(tunnel.Name)
		if uint32(tunnel.Handle) != in.Handle || tunnel.Addresses[0] != in.AmazonIP || tunnel.Speaker == 0 || (tunnel.Gateway == 0) == (tunnel.Attachment == 0) {
			t.Errorf("tunnel %+v", tunnel)
		}
		if tunnel.Gateway != 0 && (uint32(tunnel.Gateway) != gateway.Handle || uint32(tunnel.Speaker) != gateway.SpeakerHandle) {
			t.Errorf("tunnel %+v", tunnel)
		}
	}
	hosts := map[string]int{}
	for _, h := range b.InternetHosts {
		hosts[h.Kind.String()+" "+h.Name]++
	}
	if hosts["internetHost office"] != 1 || hosts["vpnTunnel office/1"] != 1 || hosts["vpnTunnel transit/2"] != 1 || len(hosts) != 8 {
		t.Errorf("hosts %v", hosts)
	}
	for _, l := range b.Links {
		if l.Name == "office" && uint32(l.Interface) != w.Sites["office"].Status.Handle {
			t.Errorf("link %+v", l)
		}
	}
	// AWS's end that is gone is no host of the Internet either.
	w, _ = applied(t, src+"faults: [tunnel office/1, vpnConnection transit, site branch]")
	b = build(w, 1)
	if _, err := b.Seal(); err != nil {
		t.Fatal(err)
	}
	if len(b.VPNTunnels) != 3 || len(b.InternetHosts) != 5 || len(b.TransitGatewayTunnelAttachments) != 0 {
		t.Errorf("with faults: %d tunnels, %d hosts, %d attachments", len(b.VPNTunnels), len(b.InternetHosts), len(b.TransitGatewayTunnelAttachments))
	}
}

func TestSiteHostAt(t *testing.T) {
	w := open(t, twoVPNs+"siteHosts: {desk: {site: office, ip: 10.50.1.10}}\n")
	at := func(tunnel, to string) string { return w.SiteHostAt(tunnel, netip.MustParseAddr(to)) }
	if at("office/1", "10.50.1.10") != "desk" || at("office/2", w.SiteHosts["desk"].Status.IPv6.String()) != "desk" || at("branch/1", "10.50.1.10") != "" || at("none/1", "10.50.1.10") != "" {
		t.Error("the wrong host")
	}
}

// learnedRIB is a RIB with n routes on each tunnel of a connection.
func learnedRIB(n int, tunnels ...string) *RIB {
	rib := &RIB{Tunnels: map[string]TunnelState{}}
	for _, tunnel := range tunnels {
		s := TunnelState{Up: true, BGPUp: true}
		for i := range n {
			s.Learned = append(s.Learned, BGPRoute{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>8), byte(i), 0}), 24), ASPath: []ASN{65001, 65010}})
		}
		rib.Tunnels[tunnel] = s
	}
	return rib
}

// BenchmarkSetRIB is held to 50 ms: 1,000 routes by both tunnels of a connection, in
// a lab of 1,000 instances.
func BenchmarkSetRIB(b *testing.B) {
	src := largeLab() + "\ntransitGateways: {hub: {}}\nsites: {office: {asn: 65001}}\ncustomerGateways: {office: {site: office}}\nvpnConnections: {office: {customerGateway: office, transitGateway: hub}}\n"
	w, err := Open("large.yaml", []byte(src))
	if err != nil {
		b.Fatal(err)
	}
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := s.Apply(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	rib := learnedRIB(1000, "office/1", "office/2")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SetRIB(rib); err != nil {
			b.Fatal(err)
		}
	}
	if w, _ := s.World(); len(w.TransitGatewayRouteTables["hub/default"].Status.Routes) != 1000 {
		b.Error("the routes are not in force")
	}
}

// A world goes through JSON, YAML and another Complete unharmed: static routing
// without routes stays static, and derived attachments are not written.
func TestVPNWorldIsStable(t *testing.T) {
	src := strings.Replace(vpnTransitLab, "customerGateway: branch, transitGateway: hub", "customerGateway: branch, transitGateway: hub, staticRoutes: []", 1) +
		"siteHosts: {desk: {site: office}}\nfaults: [tunnel office/2]\n"
	w, _ := applied(t, src)
	before, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back World
	if err := json.Unmarshal(before, &back); err != nil {
		t.Fatal(err)
	}
	if !back.VPNConnections["branch"].static() || back.VPNConnections["office"].static() {
		t.Error("routing is another after JSON")
	}
	if diff := cmp.Diff(w.Announcements(), back.Announcements(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("announcements after JSON:\n%s", diff)
	}
	w.Complete()
	after, _ := json.Marshal(w)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("another Complete:\n%s", diff)
	}
	text, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open("again.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if changes := Plan(w, again); len(changes) > 0 {
		t.Errorf("changes after YAML: %+v", changes)
	}
}

// TestRandomRIBs: whatever tunnels do, the snapshot compiles, and no route leads
// into a tunnel that is down.
func TestRandomRIBs(t *testing.T) {
	src := vpnTransitLab + `vpnGateways: {vgw: {vpc: app}}
routeTables: {app/main: {propagate: [vgw]}}
` + "  "
	src = strings.Replace(strings.TrimSuffix(src, "  "), "vpnConnections:\n", "vpnConnections:\n  direct: {customerGateway: branch, vpnGateway: vgw}\n  fixed: {customerGateway: office, vpnGateway: vgw, staticRoutes: [10.50.0.0/16, 172.16.0.0/16]}\n", 1)
	_, s := applied(t, src)
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		rib := &RIB{Tunnels: map[string]TunnelState{}}
		w, _ := s.World()
		for _, name := range w.vpnTunnelNames() {
			state := TunnelState{Up: r.IntN(4) > 0, BGPUp: r.IntN(4) > 0}
			for range r.IntN(6) {
				route := BGPRoute{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(r.IntN(3)), 0}), 16+8*r.IntN(2)), MED: r.Uint32N(3)} // host bits, too
				for range r.IntN(3) {
					route.ASPath = append(route.ASPath, ASN(64600+r.IntN(2)*401))
				}
				state.Learned = append(state.Learned, route)
			}
			rib.Tunnels[name] = state
		}
		if err := s.SetRIB(rib); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if _, err := s.Operate(t.Context(), Operation{
			Kind: "faults", Name: w.vpnTunnelNames()[r.IntN(len(w.vpnTunnelNames()))], Action: []string{"inject", "clear"}[r.IntN(2)],
			Parameters: map[string]string{"kind": []string{FaultTunnel, TunnelMaintenance}[r.IntN(2)]},
		}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		w, _ = s.World()
		check := func(tunnel string, bgp bool) {
			if x, _ := w.VPNTunnel(tunnel); x.Fault != "" {
				t.Fatalf("seed %d: a route leads into %s, which has the fault %s", seed, tunnel, x.Fault)
			}
			if state := rib.Tunnels[tunnel]; !state.Up || bgp && !state.BGPUp {
				t.Fatalf("seed %d: a route leads into %s, which is down", seed, tunnel)
			}
		}
		for _, route := range w.VPNGateways["vgw"].Status.Routes {
			check(route.Tunnel, route.Type == RouteBGP)
		}
		for _, route := range w.TransitGatewayRouteTables["hub/default"].Status.Routes {
			for _, tunnel := range route.Tunnels {
				check(tunnel, route.Type == RoutePropagated)
			}
		}
	}
}
