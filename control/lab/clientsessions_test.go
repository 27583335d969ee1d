package lab

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

func nowhereElse([]flowlogs.Entry) {}

const clientsFile = `
name: test
vpcs: {app: {cidr: 10.0.0.0/16}}
subnets: {a: {vpc: app, cidr: 10.0.1.0/24}}
clientVpnEndpoints:
  corp: {clientCidr: 172.20.0.0/22, associations: [a], connectionLog: true, sessionTimeoutHours: 8, authorizationRules: [{cidr: 10.0.0.0/16, groups: all}]}
  empty: {clientCidr: 172.24.0.0/22, connectionLog: true}
vpnClients: {anna: {endpoint: corp, groups: [eng]}, ben: {endpoint: corp}, carl: {endpoint: empty}}
`

// applied is a world that a store has put in force.
func applied(t *testing.T, file string) (*control.Store, *control.World) {
	t.Helper()
	w, err := control.Load("test.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	store := control.NewStore(quiet, nil, dataplane.NewEngine(dataplane.Config{}).Publish)
	if _, err := store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	return store, w
}

// logged are the connection log's, as AWS's fields and values.
func logged(t *testing.T, l *connectionLogs) (list []map[string]string) {
	t.Helper()
	for _, e := range l.since(0, "") {
		var fields map[string]string
		if err := json.Unmarshal(e.Entry, &fields); err != nil {
			t.Fatal(err)
		}
		list = append(list, fields)
	}
	return list
}

// A connection begins when both ends have agreed on keys, ends after three minutes
// without, and another begins with the next agreement; the log says so as AWS's does.
func TestClientConnectionBeginsAndEnds(t *testing.T) {
	_, w := applied(t, clientsFile)
	dir := t.TempDir()
	logs := newConnectionLogs(dir, nowhereElse, quiet)
	s := newClientSessions(logs)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	stats := port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("anna").Client.Public, Since: start, At: netip.MustParseAddrPort("198.51.100.3:1234")}
	look := func(after time.Duration) string {
		t.Helper()
		return s.observe(w, "anna", stats, start.Add(after))
	}
	look(0)
	if got := s.connections(); len(got) != 0 {
		t.Fatalf("before the first call: %+v", got)
	}
	stats.Called, stats.LastHandshake = true, start.Add(time.Second)
	look(2 * time.Second)
	stats.Received, stats.ReceivedBytes, stats.Sent, stats.SentBytes = 3, 300, 2, 200
	look(time.Minute)
	first := s.connections()[0]
	want := ClientVPNConnection{
		Client: "anna", Groups: []string{"eng"}, Endpoint: "corp", EndpointID: w.ClientVPNEndpoints["corp"].Status.ID, ConnectionID: first.ConnectionID,
		Address: netip.MustParseAddr("172.20.0.2"), Association: "a", Peer: stats.At, Status: "active", Established: start.Add(time.Second),
		LastHandshake: start.Add(time.Second), IngressBytes: 300, IngressPackets: 3, EgressBytes: 200, EgressPackets: 2, logged: true,
	}
	if d := cmp.Diff(want, first, cmp.AllowUnexported(ClientVPNConnection{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Error(d)
	}
	look(ClientSilence)
	if look(ClientSilence + time.Second); s.connections()[0].Status != "terminated" {
		t.Errorf("silence: %+v", s.connections())
	}
	look(time.Hour) // the old agreement begins nothing
	stats.LastHandshake, stats.Received, stats.ReceivedBytes = start.Add(time.Hour), 4, 444
	look(time.Hour + time.Second)
	got := s.connections()
	if len(got) != 2 || got[0].Status != "active" || got[0].IngressBytes != 144 || got[0].ConnectionID == first.ConnectionID {
		t.Errorf("the second connection: %+v", got)
	}
	s.forget(nil, start.Add(2*time.Hour))
	if got := s.connections(); len(got) != 1 || got[0].Message != noLonger {
		t.Errorf("after an hour AWS forgets a connection: %+v", got)
	}
	list := logged(t, logs)
	var kinds []string
	for _, r := range list {
		kinds = append(kinds, r["connection-log-type"]+" "+r["connection-attempt-status"]+" "+r["connection-reset-status"])
	}
	begin, end := "connection-attempt successful NA", "connection-reset NA successful"
	if d := cmp.Diff([]string{begin, end, begin, end}, kinds); d != "" {
		t.Fatal(d)
	}
	for field, want := range map[string]string{
		"connection-id": first.ConnectionID, "client-vpn-endpoint-id": first.EndpointID, "transport-protocol": "udp",
		"connection-start-time": "2026-01-02 03:04:06", "connection-end-time": "2026-01-02 03:07:06", "connection-duration-seconds": "180",
		"client-ip": "172.20.0.2", "common-name": "anna", "username": "anna", "device-ip": "198.51.100.3", "port": "1234",
		"ingress-bytes": "300", "egress-bytes": "200", "ingress-packets": "3", "egress-packets": "2", "connection-attempt-failure-reason": "NA",
	} {
		if list[1][field] != want {
			t.Errorf("%s is %q, want %q", field, list[1][field], want)
		}
	}
	logs.close()
	if text, err := os.ReadFile(dir + "/corp.log"); err != nil || strings.Count(string(text), "\n") != 4 {
		t.Errorf("the file: %q, %v", text, err)
	}
}

// What AWS ends is told: by the time that a session may last, or by the quota of
// connections (C10).
func TestClientConnectionIsEndedByLimits(t *testing.T) {
	_, w := applied(t, clientsFile)
	s := newClientSessions(newConnectionLogs("", nowhereElse, quiet))
	start := time.Now()
	stats := port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("anna").Client.Public, Since: start, Called: true, LastHandshake: start}
	if why := s.observe(w, "anna", stats, start); why != "" {
		t.Errorf("at the beginning: %s", why)
	}
	stats.LastHandshake = start.Add(8*time.Hour - time.Minute)
	if why := s.observe(w, "anna", stats, start.Add(8*time.Hour-time.Second)); why != "" {
		t.Errorf("a second before the session timeout: %s", why)
	}
	if why := s.observe(w, "anna", stats, start.Add(8*time.Hour)); why != sessionOver {
		t.Errorf("at the session timeout: %q", why)
	}
	for n, want := range map[int]int{1: 7_000, 2: 36_500, 3: 66_500, 4: 96_500, 5: 126_000, 6: 126_000} {
		if got := mostClientConnections(n); got != want {
			t.Errorf("%d associations: %d connections, want %d", n, got, want)
		}
	}
	for i := range 7_000 {
		s.states[port.WireGuardKey{1, byte(i), byte(i >> 8)}] = &clientSession{current: &ClientVPNConnection{Endpoint: "corp"}}
	}
	other := port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("ben").Client.Public, Since: start, Called: true, LastHandshake: start}
	if why := s.observe(w, "ben", other, start); why != quotaReached {
		t.Errorf("the connection after the last: %q", why)
	}
}

// A client whose pre-shared key is another calls, and never uses the answer: that is
// logged once.
func TestClientWithAnotherPresharedKeyIsLogged(t *testing.T) {
	_, w := applied(t, clientsFile)
	logs := newConnectionLogs("", nowhereElse, quiet)
	s := newClientSessions(logs)
	start := time.Now()
	stats := port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("ben").Client.Public, Since: start, Called: true}
	for i := range 40 {
		s.observe(w, "ben", stats, start.Add(time.Duration(i)*time.Second))
	}
	list := logged(t, logs)
	if len(list) != 1 || list[0]["connection-attempt-status"] != "failed" || !strings.Contains(list[0]["connection-attempt-failure-reason"], "pre-shared key") {
		t.Errorf("%v", list)
	}
}

// Each available association of an endpoint has its address, each client that landed
// its peer; who is down or has nowhere to land has none.
func TestClientEndsWantWhoLanded(t *testing.T) {
	store, w := applied(t, clientsFile)
	c := newClientEnds(nil, newConnectionLogs("", nowhereElse, quiet), &listenSockets{}, quiet)
	named := func(w *control.World) map[string]wantedClientEnd {
		ends := map[string]wantedClientEnd{}
		for _, e := range c.wanted(w) {
			ends[e.name] = e
		}
		return ends
	}
	ends := named(w)
	if corp, empty := ends["corp"], ends["empty"]; len(corp.outside) != 1 || len(corp.peers) != 2 || len(empty.outside)+len(empty.peers) != 0 || len(empty.clients) != 1 {
		t.Errorf("%+v", ends)
	}
	c.held[w.VPNClients["ben"].Status.Handle] = true
	if corp := named(w)["corp"]; len(corp.peers) != 1 || corp.landed["ben"] != "" {
		t.Errorf("a client that is held off: %+v", corp)
	}
	for _, kind := range []string{"clientVpnEndpoint", "clientVpnAssociation"} {
		name := map[string]string{"clientVpnEndpoint": "corp", "clientVpnAssociation": "corp/a"}[kind]
		if _, err := store.Operate(t.Context(), control.Operation{Kind: "faults", Name: name, Action: "inject", Parameters: map[string]string{"kind": kind}}); err != nil {
			t.Fatal(err)
		}
		w, _ = store.World()
		if corp := named(w)["corp"]; len(corp.outside)+len(corp.peers) != 0 || len(corp.clients) != 2 {
			t.Errorf("%s is down: %+v", kind, corp)
		}
		if _, err := store.Operate(t.Context(), control.Operation{Kind: "faults", Action: "clear"}); err != nil {
			t.Fatal(err)
		}
	}
}

// A client with IPv6 in the tunnel is found by that address, too, and described by it as
// EC2 does; the connection log has one field for an address.
func TestClientConnectionHasIPv6(t *testing.T) {
	const both = "trafficIpAddressType: dual-stack, clientCidr: 172.20.0.0/22, associations: [a]"
	for name, c := range map[string]struct{ endpoint, address, ipv6, logged string }{
		"dual-stack": {both, "172.20.0.2", "2001:db8:80:1:ffff::2", "172.20.0.2"},
		"ipv6":       {"trafficIpAddressType: ipv6, associations: [a]", "", "2001:db8:80:1:ffff::2", "2001:db8:80:1:ffff::2"},
		"ipv4":       {"clientCidr: 172.20.0.0/22, associations: [a]", "172.20.0.2", "", "172.20.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, w := applied(t, `
name: lab
vpcs: {app: {cidr: 10.0.0.0/16, ipv6: "2001:db8:80::/56"}}
subnets: {a: {vpc: app, cidr: 10.0.1.0/24, ipv6: "2001:db8:80:1::/64"}}
clientVpnEndpoints: {corp: {`+c.endpoint+`}}
vpnClients: {anna: {endpoint: corp}}
`)
			now := time.Now()
			s := newClientSessions(newConnectionLogs("", nowhereElse, quiet))
			s.observe(w, "anna", port.WireGuardPeerStats{PublicKey: w.ClientVPNKeys("anna").Client.Public, Since: now, LastHandshake: now}, now)
			got := s.connections()[0]
			if d := got.Described(now); d.ClientIP != c.address || d.ClientIPv6 != c.ipv6 {
				t.Errorf("described as %q and %q", d.ClientIP, d.ClientIPv6)
			}
			for _, a := range []string{c.address, c.ipv6} {
				if got.Has(a) != (a != "") {
					t.Errorf("has %q: %t", a, got.Has(a))
				}
			}
			if r := recordOf(got); r.ClientIP != c.logged {
				t.Errorf("logged as %q", r.ClientIP)
			}
		})
	}
}
