package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// clientVPNBase has two VPCs that are peered; cases add endpoints.
const clientVPNBase = `
name: lab
vpcs: {app: {cidr: 10.0.0.0/16, secondaryCidrs: [100.64.0.0/16], ipv6: true}, other: {cidr: 10.1.0.0/16}}
internetGateways: {igw: {vpc: app}}
vpcPeerings: {peer: {vpc: app, peerVpc: other}}
routeTables:
  app: {vpc: app, main: true, routes: {10.1.0.0/16: peer, 0.0.0.0/0: igw}}
  other: {vpc: other, main: true, routes: {10.0.0.0/16: peer}}
subnets:
  a: {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a}
  a2: {vpc: app, cidr: 10.0.2.0/24, az: us-east-1a}
  b: {vpc: app, cidr: 10.0.3.0/24, az: us-east-1b}
  small: {vpc: app, cidr: 10.0.4.0/28, az: us-east-1c}
  six: {vpc: app, ipv6Native: true, az: us-east-1d}
  far: {vpc: other, cidr: 10.1.1.0/24, az: us-east-1b}
securityGroups:
  vpn: {vpc: app}
  web: {vpc: app, ingress: [{protocol: tcp, ports: 80, from: vpn}]}
  cidr: {vpc: app, ingress: [{protocol: tcp, ports: 80, from: 172.20.0.0/22}]}
  far: {vpc: other, ingress: [{protocol: all, from: 0.0.0.0/0}]}
instances:
  web: {subnet: b, ip: 10.0.3.30, securityGroups: [web]}
  cidr: {subnet: b, ip: 10.0.3.31, securityGroups: [cidr]}
  far: {subnet: far, ip: 10.1.1.5, securityGroups: [far]}
internetHosts: {laptop: {ip: 203.0.113.10}}
`

const clientVPNLab = clientVPNBase + `
clientVpnEndpoints:
  corp:
    clientCidr: 172.20.0.0/22
    securityGroups: [vpn]
    dnsServers: [10.0.0.2]
    associations: [a, b]
    routes: {10.1.0.0/16: [a, b], 172.20.0.0/22: local, 0.0.0.0/0: a}
    authorizationRules:
      - {cidr: 10.0.0.0/16, groups: [eng, ops]}
      - {cidr: 10.0.3.31/32, groups: ops}
      - {cidr: 10.1.0.0/16, groups: ops}
      - {cidr: 172.20.0.0/22, groups: all}
      - {cidr: 203.0.113.0/24, groups: eng}
vpnClients:
  anna: {endpoint: corp, groups: [eng], internetIp: 203.0.113.77}
  ben: {endpoint: corp, groups: [ops]}
  carl: {endpoint: corp, groups: [ops], inLab: false}
`

func TestValidateClientVPN(t *testing.T) {
	endpoint := func(text string) string {
		return clientVPNBase + "clientVpnEndpoints: {corp: {" + text + "}}\n"
	}
	const block = "clientCidr: 172.20.0.0/22, "
	client := func(text string) string {
		return endpoint(block) + "vpnClients: {anna: {" + text + "}}"
	}
	at := "clientVpnEndpoints.corp."
	many := func(n int, each string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(each, i/256, i%256)
		}
		return strings.Join(list, ", ")
	}
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"all is well":              {clientVPNLab, nil},
		"C2 without associations":  {endpoint(block), nil},
		"K-C21 C1 /23":             {endpoint("clientCidr: 172.20.0.0/23"), []string{at + `clientCidr [InvalidParameterValue] The client CIDR block 172.20.0.0/23 is smaller than /22.`}},
		"K-C21 C1 /11":             {endpoint("clientCidr: 172.0.0.0/11"), []string{at + `clientCidr [InvalidParameterValue] The client CIDR block 172.0.0.0/11 is larger than /12.`}},
		"C1 /12 and /22":           {clientVPNBase + "clientVpnEndpoints: {x: {clientCidr: 172.16.0.0/12}, y: {clientCidr: 172.20.0.0/22}}", nil},
		"C1 IPv6":                  {endpoint("clientCidr: 2001:db8::/48"), []string{at + `clientCidr [InvalidParameterValue] Value (2001:db8::/48) for parameter clientCidrBlock is invalid.`}},
		"C1 none":                  {endpoint(""), []string{at + `clientCidr [MissingParameter] The request must contain the parameter clientCidr`}},
		"QC7 C1 the VPC's":         {endpoint("clientCidr: 10.0.0.0/20, associations: [a]"), []string{at + `clientCidr [InvalidClientVpnSubnetId.OverlappingCidr] The client CIDR block 10.0.0.0/20 overlaps 10.0.0.0/16 of VPC app.`}},
		"QC7 C1 its second block":  {endpoint("clientCidr: 100.64.0.0/20, associations: [a]"), []string{at + `clientCidr [InvalidClientVpnSubnetId.OverlappingCidr] The client CIDR block 100.64.0.0/20 overlaps 100.64.0.0/16 of VPC app.`}},
		"C1 no VPC yet":            {endpoint("clientCidr: 10.0.0.0/20"), nil},
		"C1 C9 a route to clients": {endpoint(block + "associations: [a], routes: {172.16.0.0/12: a}"), []string{at + `routes["172.16.0.0/12"] [InvalidClientVpnSubnetId.OverlappingCidr] 172.16.0.0/12 overlaps the client CIDR block 172.20.0.0/22`}},
		"C9 local elsewhere":       {endpoint(block + "routes: {172.16.0.0/12: local}"), []string{at + `routes["172.16.0.0/12"] [InvalidParameterValue] 172.16.0.0/12 is not in the client CIDR block 172.20.0.0/22`}},
		"C9 local and a subnet":    {endpoint(block + "associations: [a], routes: {172.20.0.0/22: [local, a]}"), []string{at + `routes["172.20.0.0/22"] [InvalidParameterCombination] a route leads to local, or to subnets`}},
		"QC7 C2 one zone twice":    {endpoint(block + "associations: [a, a2]"), []string{at + `associations[1] [InvalidClientVpnSubnetId.DuplicateAz] The Client VPN endpoint already has a subnet association in the Availability Zone of subnet a2.`}},
		"C2 two VPCs":              {endpoint(block + "associations: [a, far]"), []string{at + `associations[1] [InvalidParameterValue] subnet far is not in the VPC of Client VPN endpoint corp`}},
		"C2 too small":             {endpoint(block + "associations: [small]"), []string{at + `associations[0] [InvalidParameterValue] The subnet small has 10.0.4.0/28, which is smaller than /27.`}},
		"C2 20 free addresses": {strings.Replace(endpoint(block+"associations: [full]"), "  six:", "  full: {vpc: app, cidr: 10.0.5.0/27, az: us-east-1d}\n  six:", 1) +
			"natGateways: {n: {subnet: full, connectivity: private, secondaryIps: [" + strings.Repeat("true, ", 6) + "true" + "]}}", []string{
			at + `associations[0] [InsufficientFreeAddressesInSubnet] The subnet full does not have the 20 free addresses that an association needs at all times.`}},
		"C2 /27 alone is enough": {strings.Replace(endpoint(block+"associations: [full]"), "  six:", "  full: {vpc: app, cidr: 10.0.5.0/27, az: us-east-1d}\n  six:", 1), nil},
		"a group of another VPC": {endpoint(block + "associations: [a], securityGroups: [far]"), []string{at + `securityGroups[0] [InvalidParameterValue] security group far is not in the VPC of Client VPN endpoint corp`}},
		"C3 not associated":      {endpoint(block + "associations: [a], routes: {10.1.0.0/16: b}"), []string{at + `routes["10.1.0.0/16"] [InvalidClientVpnSubnetId.NotFound] The subnet b is not associated with the Client VPN endpoint.`}},
		"C3 beside a mistake":    {endpoint(block + "associations: [a, none], routes: {11.1.0.0/16: a}"), []string{at + `associations[1] [InvalidSubnetID.NotFound] no subnet named "none"`}},
		"QC7 the VPC's own":      {endpoint(block + "associations: [a], routes: {10.0.0.0/16: a}"), []string{at + `routes["10.0.0.0/16"] [InvalidClientVpnDuplicateRoute] The route for 10.0.0.0/16 by subnet a already exists.`}},
		"QC7 a subnet twice":     {endpoint(block + "associations: [a], routes: {10.1.0.0/16: [a, a]}"), []string{at + `routes["10.1.0.0/16"][1] [InvalidClientVpnDuplicateRoute] The route for 10.1.0.0/16 by subnet a already exists.`}},
		"QC7 a key twice":        {endpoint(block + "associations: [a, b], routes: {10.1.0.0/16: a, 10.1.2.3/16: b}"), []string{at + `routes["10.1.0.0/16"] [InvalidClientVpnDuplicateRoute] The route for 10.1.0.0/16 already exists.`}},
		"C6 an IPv6 route":       {endpoint(block + `associations: [a], routes: {"::/0": a}`), []string{at + `routes["::/0"] [InvalidParameterValue] Value (::/0) for parameter destinationCidrBlock is invalid. This is not a valid IPv4 CIDR block.`}},
		"QC7 a rule twice":       {endpoint(block + "authorizationRules: [{cidr: 10.0.0.0/16, groups: [eng, ops]}, {cidr: 10.0.0.0/16, groups: ops}]"), []string{at + `authorizationRules[1] [InvalidClientVpnDuplicateAuthorizationRule] There is an authorization rule for 10.0.0.0/16 and ops already.`}},
		"C4 rules": {endpoint(block + `authorizationRules: [{groups: all}, {cidr: 10.0.0.0/16}, {cidr: "::/0", groups: all}, {cidr: 10.0.0.0/8, groups: [all, eng]}, {cidr: 10.0.0.0/9, groups: [eng, eng]}]`), []string{
			at + `authorizationRules[0].cidr [MissingParameter] The request must contain the parameter cidr`,
			at + `authorizationRules[1].groups [MissingParameter] The request must contain the parameter groups`,
			at + `authorizationRules[2].cidr [InvalidParameterValue] Value (::/0) for parameter targetNetworkCidr is invalid. This is not a valid IPv4 CIDR block.`,
			at + `authorizationRules[3].groups [InvalidParameterCombination] a rule is for all, or for groups`,
			at + `authorizationRules[4].groups[1] [] group "eng" is in the list twice`}},
		"C10 200 rules": {endpoint(block + "authorizationRules: [" + many(201, "{cidr: 10.%d.%d.0/24, groups: all}") + "]"), []string{
			at + `authorizationRules [ClientVpnAuthorizationRuleLimitExceeded] The maximum number of authorization rules has been reached.`}},
		"C10 100 routes": {endpoint(block + "associations: [a], routes: {" + many(99, "11.%d.%d.0/24: a") + "}"), []string{
			at + `routes [ClientVpnRouteLimitExceeded] The maximum number of routes has been reached.`}},
		"C10 5 endpoints": {clientVPNBase + "clientVpnEndpoints: {e1: {C}, e2: {C}, e3: {C}, e4: {C}, e5: {C}, e6: {C}}", nil},
		"further words": {endpoint(block + "dnsServers: [10.0.0.2, '2001:db8::1', 10.0.0.3], sessionTimeoutHours: 9, banner: " + strings.Repeat("x", 1401)), []string{
			at + `dnsServers[1] [InvalidParameterValue] Value (2001:db8::1) for parameter dnsServers is invalid.`,
			at + `dnsServers[2] [InvalidParameterValue] a Client VPN endpoint has at most 2 DNS servers`,
			at + `sessionTimeoutHours [InvalidParameterValue] Value (9) for parameter sessionTimeoutHours is invalid.`,
			at + `banner [InvalidParameterValue] the banner has 1401 bytes, and may have 1400, of UTF-8`}},
		"what is not there": {clientVPNBase + "clientVpnEndpoints: {corp: {clientCidr: 172.20.0.0/22, associations: [none], securityGroups: [none], routes: {10.1.0.0/16: none}}}\nvpnClients: {anna: {endpoint: none}, ben: {}}", []string{
			at + `associations[0] [InvalidSubnetID.NotFound] no subnet named "none"`,
			at + `securityGroups[0] [InvalidGroup.NotFound] no security group named "none"`,
			at + `routes["10.1.0.0/16"] [InvalidSubnetID.NotFound] no subnet named "none"`,
			`vpnClients.anna.endpoint [InvalidClientVpnEndpointId.NotFound] no Client VPN endpoint named "none"`,
			`vpnClients.ben.endpoint [MissingParameter] The request must contain the parameter endpoint`}},
		"clients": {client("endpoint: corp, groups: [all, eng, eng], internetIp: 10.0.0.9"), []string{
			`vpnClients.anna.internetIp [] 10.0.0.9 is not an address on the Internet`,
			`vpnClients.anna.groups[0] [] "all" is everybody, and not a group`,
			`vpnClients.anna.groups[2] [] group "eng" is in the list twice`}},
		"a check from elsewhere": {client("endpoint: corp, inLab: false") + "\nchecks: [{from: anna, to: web, ping: true}]", []string{
			`checks[0].from [] the machine of VPN client anna is not in the lab`}},
		"a client elsewhere": {client("endpoint: corp, inLab: false, serve: [http/80]"), []string{`vpnClients.anna.serve [] the client's machine is not in the lab`}},
		"an address in use":  {client("endpoint: corp, internetIp: 203.0.113.10"), []string{`vpnClients.anna.internetIp [InvalidIPAddress.InUse] Address 203.0.113.10 is in use.`}},
		"a name in use":      {endpoint(block) + "vpnClients: {laptop: {endpoint: corp}}", []string{`vpnClients.laptop [] "laptop" is also the name of an Internet host`}},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(tc.src, "{C}") {
				tc.want = []string{`clientVpnEndpoints.e6 [ClientVpnEndpointLimitExceeded] The maximum number of Client VPN endpoints has been reached.`}
			}
			wantProblems(t, strings.ReplaceAll(tc.src, "{C}", "{clientCidr: 172.20.0.0/22}"), tc.want...)
		})
	}
}

// C1, C2, C3, C6: addresses, routes and states of an endpoint and its clients.
func TestClientVPNStatus(t *testing.T) {
	w, _ := applied(t, clientVPNLab)
	s := &w.ClientVPNEndpoints["corp"].Status
	if s.State != ClientVPNAvailable || s.VPC != "app" || !strings.HasPrefix(s.ID, "cvpn-endpoint-") || s.SessionTimeoutHours != 24 ||
		s.DNSName != s.ID+".prod.clientvpn.us-east-1.amazonaws.com" {
		t.Errorf("status = %+v", s)
	}
	var associations, routes, clients []string
	for _, a := range s.Associations {
		associations = append(associations, fmt.Sprint(a.Subnet, " ", a.AvailabilityZone, " ", a.PrivateIP))
		if !a.PublicIP.IsValid() || !a.OutsideIP.IsValid() || a.PublicIP == a.OutsideIP || a.Handle == 0 || a.OutsideHandle == 0 ||
			!strings.HasPrefix(a.ID, "eni-") || !strings.HasPrefix(a.AssociationID, "cvpn-assoc-") {
			t.Errorf("association %+v", a)
		}
	}
	for _, r := range s.Routes {
		routes = append(routes, fmt.Sprint(r.Destination, " ", r.Subnet, " ", r.Origin))
	}
	for _, name := range s.Clients {
		c := &w.VPNClients[name].Status
		clients = append(clients, fmt.Sprint(name, " ", c.Address, " ", c.Subnet, " ", c.SourceIP, " ", c.InternetHandle != 0))
	}
	if diff := cmp.Diff([]string{"a us-east-1a 10.0.1.4", "b us-east-1b 10.0.3.4"}, associations); diff != "" {
		t.Errorf("associations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"0.0.0.0/0 a add-route", "10.0.0.0/16 a associate", "10.0.0.0/16 b associate", "10.1.0.0/16 a add-route", "10.1.0.0/16 b add-route",
		"100.64.0.0/16 a associate", "100.64.0.0/16 b associate", "172.20.0.0/22 local add-route",
	}, routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"anna 172.20.0.2 a 10.0.1.4 true", "ben 172.20.0.3 b 10.0.3.4 true", "carl 172.20.0.4 a 10.0.1.4 false"}, clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"corp/a", "corp/b"}, w.SecurityGroups["vpn"].Status.NetworkInterfaces); diff != "" {
		t.Errorf("interfaces with group vpn (-want +got):\n%s", diff)
	}
	if got := w.VPNClients["anna"].Status.InternetIP; got != netip.MustParseAddr("203.0.113.77") {
		t.Errorf("anna's machine has %s", got)
	}
	if got := w.VPNClients["carl"].Status.InternetIP; got.IsValid() {
		t.Errorf("carl's machine is not in the lab, and has %s", got)
	}
	if w, _ = applied(t, clientVPNBase+"clientVpnEndpoints: {corp: {clientCidr: 172.20.0.0/22}}\nvpnClients: {anna: {endpoint: corp}}"); w.ClientVPNEndpoints["corp"].Status.State != ClientVPNPending {
		t.Errorf("without an association the endpoint is %s", w.ClientVPNEndpoints["corp"].Status.State)
	}
	if _, err := w.ClientConfig("anna"); err == nil || !strings.Contains(err.Error(), "no target network that works") {
		t.Errorf("configuration of a client that cannot connect: %v", err)
	}
}

// Clients keep their addresses and places as others come and go; a zone that is gone
// sends its clients elsewhere, where they stay.
func TestClientVPNClientsStay(t *testing.T) {
	w, store := applied(t, clientVPNLab)
	places := func(w *World) string {
		var list []string
		for _, name := range sorted(w.VPNClients) {
			c := &w.VPNClients[name].Status
			list = append(list, fmt.Sprintf("%s %s %s", name, c.Address, c.Subnet))
		}
		return strings.Join(list, ", ")
	}
	next := open(t, clientVPNLab+"  aaron: {endpoint: corp}\n")
	if _, err := store.Apply(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	after, _ := store.World()
	if got, want := places(after), "aaron 172.20.0.5 b, anna 172.20.0.2 a, ben 172.20.0.3 b, carl 172.20.0.4 a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if was, is := w.ClientVPNEndpoints["corp"].Status.Associations, after.ClientVPNEndpoints["corp"].Status.Associations; was[0].Handle != is[0].Handle || was[1].OutsideHandle != is[1].OutsideHandle || was[0].OutsideIP != is[0].OutsideIP {
		t.Errorf("associations changed: %+v, %+v", was, is)
	}
	fail := func(action string) *World {
		if _, err := store.Operate(t.Context(), Operation{Kind: "faults", Name: "us-east-1a", Action: action, Parameters: map[string]string{"kind": "az"}}); err != nil {
			t.Fatal(err)
		}
		w, _ := store.World()
		return w
	}
	if got, want := places(fail("inject")), "aaron 172.20.0.5 b, anna 172.20.0.2 b, ben 172.20.0.3 b, carl 172.20.0.4 b"; got != want {
		t.Errorf("without zone a: got %s, want %s", got, want)
	}
	if got, want := places(fail("clear")), "aaron 172.20.0.5 b, anna 172.20.0.2 b, ben 172.20.0.3 b, carl 172.20.0.4 b"; got != want {
		t.Errorf("with zone a again: got %s, want %s", got, want)
	}
	changes, err := store.Apply(t.Context(), open(t, strings.ReplaceAll(clientVPNLab, "172.20.0.0/22", "172.24.0.0/22")))
	if err != nil {
		t.Fatal(err)
	}
	plan := FormatPlan(changes)
	for _, line := range []string{"± clientVpnEndpoint corp", "± vpnClient anna", "it goes with Client VPN endpoint corp, which is replaced"} {
		if !strings.Contains(plan, line) {
			t.Errorf("the plan does not say %q:\n%s", line, plan)
		}
	}
}

// TestClientVPNPackets walks packets by what control has compiled.
func TestClientVPNPackets(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, want string }{
		"K-C18 by the endpoint's group":      {"ben", "10.0.3.30", "networkInterface web/eth0 from 10.0.3.4"},
		"K-C18 not by the client CIDR":       {"ben", "10.0.3.31", "securityGroup cidr no-rule"},
		"K-C19 the rule of the /32":          {"anna", "10.0.3.31", "clientVpnEndpoint corp not-authorized"},
		"K-C20 CV-2 a peer":                  {"ben", "10.1.1.5", "networkInterface far/eth0 from 10.0.3.4"},
		"C4 a peer, without a rule for eng":  {"anna", "10.1.1.5", "clientVpnEndpoint corp not-authorized"},
		"C8 CV-4 the Internet":               {"anna", "203.0.113.10", "internetHost laptop from PUBLIC"},
		"C3 the Internet, without the route": {"ben", "203.0.113.10", "clientVpnEndpoint corp no-route"},
		"C9 another client":                  {"anna", "172.20.0.3", "vpnClient ben from 172.20.0.2"},
		"C4 no rule":                         {"anna", "100.64.0.9", "clientVpnEndpoint corp no-rule"},
	} {
		t.Run(name, func(t *testing.T) {
			e := dataplane.NewEngine(dataplane.Config{})
			s := NewStore(slog.New(slog.DiscardHandler), nil, e.Publish)
			if _, err := s.Apply(t.Context(), open(t, clientVPNLab)); err != nil {
				t.Fatal(err)
			}
			w, _ := s.World()
			trace := e.Trace(dataplane.TraceRequest{
				From:  dataplane.Handle(w.VPNClients[tc.from].Status.Handle),
				Tuple: packet.Tuple{Dst: packet.AddrFrom(netip.MustParseAddr(tc.to)), Proto: packet.ProtoTCP, SrcPort: 40000, DstPort: 80},
				Reply: true,
			})
			leg := &trace.Request[0]
			got := fmt.Sprintf("%s from %s", leg.To, leg.Decisive().After.Src)
			if leg.Verdict == dataplane.VerdictDrop {
				got = fmt.Sprintf("%s %s", leg.Decisive().Objects[0], leg.Reason)
			} else if trace.Last().Verdict != dataplane.VerdictPass {
				t.Errorf("the answer does not come back: %v", trace.Last().Reason)
			}
			want := strings.Replace(tc.want, "PUBLIC", w.ClientVPNEndpoints["corp"].Status.Associations[0].PublicIP.String(), 1)
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// C5: the configuration of a client, with a full and with a split tunnel.
func TestClientConfig(t *testing.T) {
	src := strings.Replace(clientVPNLab, "dnsServers: [10.0.0.2]", "banner: \"Welcome\\r\\nPostUp = rm\"\n    dnsServers: [10.0.0.2, 10.0.0.3]", 1)
	w, _ := applied(t, src)
	keys := w.ClientVPNKeys("anna")
	want := fmt.Sprintf(`# Client anna of Client VPN endpoint corp (%s) in the lab lab
# Welcome
# PostUp = rm
[Interface]
PrivateKey = %s
Address = 172.20.0.2/32
DNS = 10.0.0.2, 10.0.0.3
MTU = 1420

[Peer]
PublicKey = %s
PresharedKey = %s
AllowedIPs = 0.0.0.0/0
Endpoint = %s:443
PersistentKeepalive = 25
`, w.ClientVPNEndpoints["corp"].Status.ID, base64Key(keys.Client.Private), base64Key(keys.Endpoint.Public), base64Key(keys.Preshared),
		w.ClientVPNEndpoints["corp"].Status.Associations[0].OutsideIP)
	got, err := w.ClientConfig("anna")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if other := w.ClientVPNKeys("ben"); other.Endpoint != keys.Endpoint || other.Client == keys.Client || other.Preshared == keys.Preshared {
		t.Error("clients share the endpoint's key, and no other")
	}
	if _, err := w.ClientConfig("ana"); err == nil || !strings.Contains(err.Error(), `did you mean "anna"?`) {
		t.Errorf("an unknown client: %v", err)
	}
	w, _ = applied(t, strings.Replace(strings.Replace(clientVPNLab, "securityGroups: [vpn]\n    dns", "splitTunnel: true\n    dns", 1), "dnsServers: [10.0.0.2]", "securityGroups: [vpn]", 1))
	got, err = w.ClientConfig("ben")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"AllowedIPs = 0.0.0.0/0, 10.0.0.0/16, 10.1.0.0/16, 100.64.0.0/16, 172.20.0.0/22\n"} {
		if !strings.Contains(got, line) || strings.Contains(got, "DNS") {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

// A client's machine has a link, as any on the Internet; one that is elsewhere has not.
func TestVPNClientHasALink(t *testing.T) {
	const world = `
vpcs: {v: {cidr: 10.0.0.0/16}}
subnets: {a: {vpc: v, cidr: 10.0.1.0/24}}
clientVpnEndpoints: {corp: {clientCidr: 172.20.0.0/22, associations: [a]}}
vpnClients: {anna: {endpoint: corp}, phone: {endpoint: corp, inLab: false}}
`
	w, err := Open("lab.yaml", []byte("name: lab"+world+"links: {anna: {delay: 20ms}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.Links["anna"].Status.LinkEnds, (LinkEnds{VPNClient: "anna"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, err = Open("lab.yaml", []byte("name: lab"+world+"links: {phone: {delay: 20ms}}\n"))
	if want := "links.phone: the machine of VPN client phone is not in the lab"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
