package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

// sessionsUp waits until both BGP sessions of Connect peers are up and have brought
// routes.
func (u *user) sessionsUp(peers ...string) {
	u.t.Helper()
	u.within(30*time.Second, "the sessions of "+strings.Join(peers, " and ")+" up", func() bool {
		for _, peer := range peers {
			var p struct {
				Status control.TransitGatewayConnectPeerStatus `json:"status"`
			}
			text := u.ok("get", "transitGatewayConnectPeer", peer, "-o", "json").stdout
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				u.t.Fatalf("%v in %s", err, text)
			}
			for _, s := range p.Status.Sessions {
				if s.State != control.TunnelUp || s.AcceptedRouteCount == 0 || s.AnnouncedRouteCount == 0 {
					return false
				}
			}
		}
		return len(peers) > 0
	})
}

// TestTransitGatewayConnect is the way through GRE and BGP, with each kind of router
// that an appliance can have, until the appliance is gone (T17, TG-10). As an ordinary
// user, /dev/net/tun may be closed: then the tunnels' devices are veth pairs.
func TestTransitGatewayConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		router, program string
		users           func(*testing.T, func(*testing.T, *user))
		sessions        string // the command by which the router tells of its sessions
		established     string
	}{
		{"builtin", "ip", asEveryUser, "true", `^$`},
		{"bird", "bird", asOneUser, "birdc show protocols", `(?s)sdwan1_1 .* Established.*sdwan1_2 .* Established`},
		{"frr", "vtysh", asOneUser, "vtysh -c 'show bgp ipv4 summary'", `(?m)^169\.254\.101\.2 +4 +64512 .* sdwan1-1\n169\.254\.101\.3 .* sdwan1-2$`},
	} {
		t.Run(test.router, func(t *testing.T) {
			t.Parallel()
			requirePrograms(t, test.program, "curl", "ip", "ping")
			test.users(t, func(t *testing.T, u *user) {
				t.Parallel()
				u.ok("up", "-d", u.example("tgw-connect", "serve: [tcp/443]", "serve: [http/443]",
					"10.82.0.0/16, \"2001:db8:8000::/40\"]", "10.82.0.0/16, \"2001:db8:8000::/40\"], router: "+test.router))
				u.sessionsUp("sdwan1", "sdwan2")
				u.within(10*time.Second, "the way there and back", func() bool { return u.passes("sdwan1", "10.65.1.10:443", "10.80.0.1") })
				u.within(10*time.Second, "IPv6", func() bool {
					return u.run("exec", "shop", "--", "ping", "-c", "1", "-W", "1", "2001:db8:8000::1").code == exitOK
				})
				u.expectOutput("shop", "ping -c 1 -W 5 10.80.0.1", `1 received`)
				u.expectOutput("sdwan1", test.sessions, test.established)
				// What fits into the tunnel passes whole, and what does not is answered.
				u.expectOutput("shop", "ping -c 1 -W 5 -M do -s 8448 10.80.0.1", `1 received`)
				if r := u.run("exec", "shop", "--", "ping", "-c", "1", "-W", "2", "-M", "do", "-s", "8449", "10.80.0.1"); !strings.Contains(r.stdout, "mtu = 8476") {
					t.Errorf("a byte more: %s", r.stdout)
				}
				if s := u.status(); s.Packets.Drops["bug"] > 0 {
					t.Errorf("drops %v", s.Packets.Drops)
				}
				// AWS knows of its own end's fault at once; the appliance is told by nobody.
				u.ok("fault", "transitGatewayConnectPeer", "sdwan2")
				if routes := u.ok("get", "transitGatewayRouteTable", "hub/default").stdout; strings.Contains(routes, "10.81.0.0/16") {
					t.Errorf("the route of a peer that is down: %s", routes)
				}
				u.expectOutput("sdwan2", "ip route show 10.65.0.0/16", `dev sdwan2 `)
				u.ok("fault", "clear", "transitGatewayConnectPeer", "sdwan2")
				if test.router != "builtin" {
					return
				}
				u.ok("fault", "instance", "sdwan1")
				u.within(40*time.Second, "its route gone", func() bool {
					return !strings.Contains(u.ok("get", "transitGatewayRouteTable", "hub/default").stdout, "10.80.0.0/16")
				})
				u.expectOutput("shop", "ping -c 1 -W 5 10.82.0.1", `1 received`)
				// A peer that goes takes its device along, of whichever sort.
				u.ok("apply", u.example("tgw-connect", "  sdwan2: {attachment", "  # {attachment", "fault: transitGatewayConnectPeer sdwan2", "fault: transitGatewayConnectPeer sdwan1", "serve: [tcp/443]", "serve: [http/443]"))
				u.expectOutput("sdwan2", "ip -brief link | cut -d' ' -f1 | cut -d@ -f1 | grep -v '^lo$' | sort | tr '\\n' ' '", `^eth0 $`)
			})
		})
	}
}

// asOneUser runs a test as whoever runs the tests.
func asOneUser(t *testing.T, test func(t *testing.T, u *user)) {
	build(t)
	t.Run("user", func(t *testing.T) { test(t, newUser(t, nil)) })
}
