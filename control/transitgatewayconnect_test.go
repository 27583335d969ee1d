package control

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane"
)

// connectLab has a Connect attachment over a VPC's, with two appliances there that
// announce one network together and one each.
const connectLab = `
name: lab
vpcs: {edge: {cidr: 10.70.0.0/16, ipv6: 2001:db8:70::/56}, app: {cidr: 10.65.0.0/16}}
subnets: {edge: {vpc: edge, cidr: 10.70.1.0/24, ipv6: 2001:db8:70:1::/64}, app: {vpc: app, cidr: 10.65.1.0/24}}
transitGateways: {hub: {asn: 64600, cidrs: [192.0.2.0/24]}}
transitGatewayAttachments:
  edge:  {transitGateway: hub, vpc: edge, subnets: [edge]}
  app:   {transitGateway: hub, vpc: app, subnets: [app]}
  sdwan: {transitGateway: hub, transport: edge}
transitGatewayConnectPeers:
  one: {attachment: sdwan, peerAddress: 10.70.1.11, insideCidrs: [169.254.101.0/29, "fd00:101::/125"], peerAsn: 65010}
  two: {attachment: sdwan, peerAddress: 10.70.1.12, insideCidrs: [169.254.102.0/29], peerAsn: 65010}
instances:
  one: {subnet: edge, ip: 10.70.1.11, appliance: {networks: [10.80.0.0/16, 10.82.0.0/16, 2001:db8:8000::/40]}}
  two: {subnet: edge, ip: 10.70.1.12, appliance: {networks: [10.81.0.0/16, 10.82.0.0/16]}}
`

// T5, T6, T15, T17: what Connect peers bring to a table, and in which order.
func TestTransitGatewayConnectRoutes_TG10(t *testing.T) {
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(connectLab) }
	const vpcs4, vpcs6 = "10.65.0.0/16 → to app (propagated); 10.70.0.0/16 → to edge (propagated)", "2001:db8:70::/56 → to edge (propagated)"
	for name, c := range map[string]struct{ src, want string }{
		"equal paths share the flows (T15), IPv6 by a peer that carries it": {connectLab,
			vpcs4 + "; 10.80.0.0/16 → to sdwan by one (propagated); 10.81.0.0/16 → to sdwan by two (propagated); 10.82.0.0/16 → to sdwan by one, two (propagated); " +
				vpcs6 + "; 2001:db8:8000::/40 → to sdwan by one (propagated)"},
		"other AS_PATHs do not": {edit("fd00:101::/125\"], peerAsn: 65010", "fd00:101::/125\"], peerAsn: 65020"),
			vpcs4 + "; 10.80.0.0/16 → to sdwan by one (propagated); 10.81.0.0/16 → to sdwan by two (propagated); 10.82.0.0/16 → to sdwan by one (propagated); " +
				vpcs6 + "; 2001:db8:8000::/40 → to sdwan by one (propagated)"},
		"iBGP has the shorter path": {edit("[169.254.102.0/29], peerAsn: 65010", "[169.254.102.0/29]"),
			vpcs4 + "; 10.80.0.0/16 → to sdwan by one (propagated); 10.81.0.0/16 → to sdwan by two (propagated); 10.82.0.0/16 → to sdwan by two (propagated); " +
				vpcs6 + "; 2001:db8:8000::/40 → to sdwan by one (propagated)"},
		"static before it (T6), and a VPC's own block": {edit("10.81.0.0/16, 10.82", "10.65.0.0/16, 10.82") + "transitGatewayRouteTables: {hub/default: {routes: {10.82.0.0/16: blackhole}}}\n",
			vpcs4 + "; 10.80.0.0/16 → to sdwan by one (propagated); 10.82.0.0/16 → blackhole (static)!; " + vpcs6 + "; 2001:db8:8000::/40 → to sdwan by one (propagated)"},
		"an appliance of another AS, and one that is down": {edit("appliance: {networks: [10.80", "appliance: {asn: 65099, networks: [10.80") + "faults: [instance two]\n",
			vpcs4 + "; " + vpcs6},
		"a fault of a peer": {connectLab + "faults: [transitGatewayConnectPeer one]\n",
			vpcs4 + "; 10.81.0.0/16 → to sdwan by two (propagated); 10.82.0.0/16 → to sdwan by two (propagated); " + vpcs6},
		"a fault of the transport": {connectLab + "faults: [transitGatewayAttachment edge]\n", "10.65.0.0/16 → to app (propagated)"},
	} {
		w := open(t, c.src)
		if got := transitTable(w, "hub/default"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// T6: before the routes of a VPN connection.
func TestConnectComesBeforeVPN(t *testing.T) {
	w := open(t, connectLab+`
sites: {office: {networks: [10.80.0.0/16], asn: 65001}}
customerGateways: {office: {site: office}}
vpnConnections: {office: {customerGateway: office, transitGateway: hub}}
`)
	if got := transitTable(w, "hub/default"); !strings.Contains(got, "10.80.0.0/16 → to sdwan by one (propagated)") {
		t.Errorf("routes %s", got)
	}
	w = open(t, strings.Replace(connectLab, "appliance: {networks: [10.80.0.0/16, 10.82.0.0/16, 2001:db8:8000::/40]}", "appliance: {}", 1)+`
sites: {office: {networks: [10.80.0.0/16], asn: 65001}}
customerGateways: {office: {site: office}}
vpnConnections: {office: {customerGateway: office, transitGateway: hub}}
`)
	if got := transitTable(w, "hub/default"); !strings.Contains(got, "10.80.0.0/16 → to office by office/1, office/2 (propagated)") {
		t.Errorf("routes %s", got)
	}
}

// TG-10: a peer with one session up keeps its routes; a missing MED counts as 100.
func TestConnectPeerKeepsItsRoutesWithOneSession_TG10(t *testing.T) {
	w := open(t, connectLab)
	route := func(prefix string, med uint32) BGPRoute {
		return BGPRoute{Prefix: netip.MustParsePrefix(prefix), ASPath: []ASN{65010}, MED: med}
	}
	w.RIB = &RIB{Sessions: map[string]SessionState{
		"one/2": {Up: true, Learned: []BGPRoute{route("10.80.0.0/16", 0), route("10.99.0.0/16", 0)}},
		"two/1": {Up: true, Learned: []BGPRoute{route("10.80.0.0/16", 100), route("10.99.0.0/16", 50)}},
	}}
	w.Complete()
	if got := transitTable(w, "hub/default"); !strings.Contains(got, "10.80.0.0/16 → to sdwan by one, two (propagated); 10.99.0.0/16 → to sdwan by two (propagated)") {
		t.Errorf("routes %s", got)
	}
	s := w.TransitGatewayConnectPeers["one"].Status.Sessions
	if s[0].State != TunnelDown || s[0].Reason == "" || s[1].State != TunnelUp || s[1].AcceptedRouteCount != 2 || s[1].AnnouncedRouteCount == 0 {
		t.Errorf("sessions %+v", s)
	}
}

// T17: who has which address, and what the appliance learns.
func TestConnectPeerAddresses(t *testing.T) {
	w := open(t, connectLab)
	p := w.TransitGatewayConnectPeers["one"].Status
	if p.PeerIP.String() != "169.254.101.1" || p.Sessions[0].AmazonIP.String() != "169.254.101.2" || p.Sessions[1].AmazonIP.String() != "169.254.101.3" ||
		p.PeerIPv6.String() != "fd00:101::1" || p.Sessions[1].AmazonIPv6.String() != "fd00:101::3" {
		t.Errorf("inside addresses %+v", p)
	}
	if a, b := p.TransitGatewayAddress.String(), w.TransitGatewayConnectPeers["two"].Status.TransitGatewayAddress.String(); a != "192.0.2.1" || b != "192.0.2.2" {
		t.Errorf("the gateway's ends are %s and %s", a, b)
	}
	if p.Instance != "one" || w.Instances["one"].Status.Appliance.ASN != 65010 {
		t.Errorf("instance %q, appliance %+v", p.Instance, w.Instances["one"].Status.Appliance)
	}
	var learned []string
	for _, r := range w.ApplianceRoutes("two") {
		learned = append(learned, r.Destination.String())
	}
	// Not 10.80.0.0/16: the path has its own number in it (H4).
	if got := strings.Join(learned, " "); got != "10.65.0.0/16 10.70.0.0/16" {
		t.Errorf("two learns %s", got)
	}
	if tunnel := w.ApplianceTunnel("two", netip.MustParseAddr("10.70.1.11")); tunnel != "" {
		t.Errorf("its own subnet is behind tunnel %s", tunnel)
	}
	if tunnel := w.ApplianceTunnel("two", netip.MustParseAddr("10.65.1.4")); tunnel != "two" {
		t.Errorf("VPC app is behind %q", tunnel)
	}
}

// T1, T17: what AWS refuses.
func TestValidateConnect(t *testing.T) {
	for name, c := range map[string]struct{ old, new, code, message string }{
		"a reserved block":          {"169.254.101.0/29", "169.254.5.0/29", "InvalidParameterValue", "Value (169.254.5.0/29)"},
		"AWS's services":            {"169.254.101.0/29", "169.254.169.248/29", "InvalidParameterValue", "Value (169.254.169.248/29)"},
		"a /30":                     {"169.254.101.0/29", "169.254.101.0/30", "InvalidParameterValue", "Value (169.254.101.0/30)"},
		"not of the range":          {"169.254.101.0/29", "192.168.0.0/29", "InvalidParameterValue", "Value (192.168.0.0/29)"},
		"an IPv6 /126":              {"fd00:101::/125", "fd00:101::/126", "InvalidParameterValue", "Value (fd00:101::/126)"},
		"no IPv4 block":             {"169.254.101.0/29, ", "", "InvalidParameterValue", "must contain an IPv4 block"},
		"another peer's block":      {"169.254.102.0/29", "169.254.101.0/29", "InvalidCidr.InUse", "169.254.101.0/29 is in use"},
		"no address of the gateway": {", cidrs: [192.0.2.0/24]", "", "InvalidParameterValue", "no free address"},
		"one that is not its own":   {"peerAddress: 10.70.1.11,", "peerAddress: 10.70.1.11, transitGatewayAddress: 192.0.3.1,", "InvalidParameterValue", "Value (192.0.3.1)"},
		"two families":              {"peerAddress: 10.70.1.11,", "peerAddress: 10.70.1.11, transitGatewayAddress: \"2001:db8::1\",", "InvalidParameterCombination", "same IP address family"},
		"outside of the VPC":        {"peerAddress: 10.70.1.11,", "peerAddress: 10.65.1.11,", "", "is no address of the VPC"},
		"no Connect attachment":     {"one: {attachment: sdwan", "one: {attachment: app", "InvalidTransitGatewayAttachmentID.NotFound", "not a Connect attachment"},
		"over a Connect attachment": {"transport: edge", "transport: sdwan", "InvalidParameterValue", "carries no Connect attachment"},
		"with subnets":              {"transport: edge", "transport: edge, subnets: [edge]", "InvalidParameterCombination", "no subnets"},
	} {
		if !strings.Contains(connectLab, c.old) {
			t.Fatalf("%s: nothing to replace", name)
		}
		wantProblem(t, name, strings.Replace(connectLab, c.old, c.new, 1), c.code, c.message)
	}
	wantProblem(t, "a static route", connectLab+"transitGatewayRouteTables: {hub/default: {routes: {10.99.0.0/16: sdwan}}}\n",
		"InvalidParameterValue", "does not support static routes")
	var more strings.Builder
	for i := range 3 {
		n := string(rune('3' + i))
		more.WriteString("\n  p" + n + ": {attachment: sdwan, peerAddress: 10.70.1." + n + "0, insideCidrs: [169.254.20" + n + ".0/29]}")
	}
	wantProblem(t, "a fifth peer", strings.Replace(connectLab, "\ninstances:", more.String()+"\ninstances:", 1), "TransitGatewayConnectPeerLimitExceeded", "more than 4")
}

// wantProblem opens a file that AWS would refuse.
func wantProblem(t *testing.T, name, src, code, message string) {
	t.Helper()
	_, err := Open("lab.yaml", []byte(src))
	if err == nil {
		t.Errorf("%s: taken", name)
		return
	}
	if text := err.Error(); !strings.Contains(text, message) || !strings.Contains(text, code) {
		t.Errorf("%s: %s", name, text)
	}
}

// A transport that carries a Connect attachment is not deleted; a Connect attachment
// is, and its peers' sessions end.
func TestDeleteConnectAttachment(t *testing.T) {
	store := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := store.Apply(t.Context(), open(t, connectLab)); err != nil {
		t.Fatal(err)
	}
	op := Operation{Kind: "transitGatewayAttachments", Name: "edge", Action: "delete"}
	if _, err := store.Operate(t.Context(), op); err == nil || !strings.Contains(err.Error(), "IncorrectState") {
		t.Errorf("the transport is deleted: %v", err)
	}
	op.Name = "sdwan"
	if _, err := store.Operate(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	w, _ := store.World()
	if s := w.TransitGatewayConnectPeers["one"].Status.Sessions[0]; s.State != TunnelDown || !strings.Contains(s.Reason, "deleted") {
		t.Errorf("session %+v", s)
	}
	if got := transitTable(w, "hub/default"); strings.Contains(got, "sdwan") {
		t.Errorf("routes %s", got)
	}
}
