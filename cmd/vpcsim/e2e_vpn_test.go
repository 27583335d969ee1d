package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/scenarios"
)

// These tests hold Site-to-Site VPN against the programs that people have at the
// customer's end: real routing daemons, wg(8), tcpdump. Most of their time is
// waiting for timers, so they run beside each other, each in a lab of its own. Names
// carry the ids of AWS's semantics (V).

// example writes a scenario that comes with the program, with replacements.
func (u *user) example(scenario string, replacements ...string) string {
	u.t.Helper()
	_, text, err := scenarios.Read(scenario)
	if err != nil {
		u.t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(replacements); i += 2 {
		if strings.Count(changed, replacements[i]) != 1 {
			u.t.Fatalf("%s has no single %q any more", scenario, replacements[i])
		}
		changed = strings.Replace(changed, replacements[i], replacements[i+1], 1)
	}
	return u.scenario(scenario+".yaml", changed)
}

// scenario writes a scenario.
func (u *user) scenario(name, text string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// within polls until something holds, and returns how long that took.
func (u *user) within(limit time.Duration, what string, holds func() bool) time.Duration {
	u.t.Helper()
	start := time.Now()
	for !holds() {
		if time.Since(start) > limit {
			u.t.Fatalf("not within %s: %s\n%s", limit, what, u.run("get", "vpnConnections", "-o", "json").stdout)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

// tunnel is what AWS says of a tunnel, such as office/1.
func (u *user) tunnel(name string) control.VPNTunnel {
	u.t.Helper()
	var list []struct {
		Status control.VPNConnectionStatus `json:"status"`
	}
	if err := json.Unmarshal([]byte(u.ok("get", "vpnConnections", "-o", "json").stdout), &list); err != nil {
		u.t.Fatal(err)
	}
	for _, c := range list {
		for _, t := range c.Status.Tunnels {
			if t.Name == name {
				return t
			}
		}
	}
	u.t.Fatalf("there is no tunnel %s", name)
	return control.VPNTunnel{}
}

// tunnelsUp waits until tunnels are up and routes have come by them. A router that has lost its
// tunnel begins anew when it has heard nothing for 15 seconds.
func (u *user) tunnelsUp(names ...string) time.Duration {
	u.t.Helper()
	return u.within(30*time.Second, strings.Join(names, " and ")+" up", func() bool {
		for _, name := range names {
			if tunnel := u.tunnel(name); tunnel.State != control.TunnelUp || tunnel.AcceptedRouteCount == 0 {
				return false
			}
		}
		return true
	})
}

// traced runs a trace and returns what it says.
func (u *user) traced(from, to, protocol string) string {
	u.t.Helper()
	return u.run("trace", from, to, protocol).stdout
}

// passes reports whether an HTTP request gets its answer, and from whom it came.
func (u *user) passes(from, to, source string) bool {
	u.t.Helper()
	return strings.Contains(u.run("exec", from, "--", "curl", "-sS", "-m", "1", "http://"+to+"/").stdout, " answers "+source+":")
}

// TestVPNWithEveryRouter is the office's way to the VPC, with each kind of router
// that a site can have. As an ordinary user, /dev/net/tun may be closed: then the
// tunnels' devices are veth pairs, and nobody should notice.
func TestVPNWithEveryRouter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		router, program string
		protocol        string // of the routes that it gives the kernel
		sessions        string // the command by which it tells of its sessions
		established     string
	}{
		{"builtin", "wg", "bgp", "true", `^$`},
		{"bird", "bird", "bird", "birdc show protocols", `(?s)office_1 .* Established.*office_2 .* Established`},
		{"frr", "vtysh", "bgp", "vtysh -c 'show bgp summary'", `(?m)^169\.254\.\S+ +4 +64512 .* 1 +1 office-[12]\n.* 1 +1 office-[12]$`},
	} {
		t.Run(test.router, func(t *testing.T) {
			t.Parallel()
			requirePrograms(t, test.program, "wg", "curl", "ip", "iperf3")
			asEveryUser(t, func(t *testing.T, u *user) {
				t.Parallel()
				u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, router: "+test.router+"}\nsiteHosts"))
				t.Logf("both tunnels are up after %s", u.tunnelsUp("office/1", "office/2"))
				u.within(10*time.Second, "the way there and back", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
				u.expectOutput("web", "ip -brief address show eth0", `10\.0\.1\.10`)
				u.expectOutput("office", "ip route show 10.0.0.0/16", `dev office-1 proto `+test.protocol+` `)
				u.expectOutput("office", "wg show office-1", `endpoint: 198\.51\.100\.\d+:4500\n(?s).*latest handshake: `)
				u.expectOutput("office", test.sessions, test.established)
				// Names are those of the lab, in the site, too; IPv6 does not cross (V1).
				u.expectOutput("desk", "curl -sS -m 5 http://web/", `answers 10\.50\.1\.10:`)
				// Nobody tells an instance that its packets are too large for a tunnel (V11): it
				// is the router's part that connections do not try.
				u.ok("exec", "desk", "--", "iperf3", "-s", "-D")
				if bulk := u.iperf("web", "-c", "10.50.1.10", "-t", "1"); bulk.received < 100_000 {
					t.Errorf("for a second from an instance to the site: %+v", bulk)
				}
				if s := u.status(); s.Packets.Drops["bug"] > 0 {
					t.Errorf("drops %v", s.Packets.Drops)
				}
			})
		})
	}
}

// speakingSite is a site of a scenario whose router speaks BGP.
var speakingSite = regexp.MustCompile(`(publicIp: [^\n]*asn: \d+)\}`)

// TestScenariosHoldWithEveryRoutingDaemon runs the checks of each scenario in which
// BGP is spoken with real daemons in the place of the built-in speaker.
func TestScenariosHoldWithEveryRoutingDaemon(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "bird", "vtysh")
	speaking := 0
	for _, name := range scenarios.Names() {
		_, text, err := scenarios.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if !speakingSite.Match(text) {
			continue
		}
		speaking++
		for _, router := range []string{"bird", "frr"} {
			t.Run(name+"/"+router, func(t *testing.T) {
				t.Parallel()
				build(t)
				u := newUser(t, nil)
				path := u.scenario(name+"-"+router+".yaml", speakingSite.ReplaceAllString(string(text), "$1, router: "+router+"}"))
				if r := u.run("check", path); r.code != exitOK {
					t.Error(r)
				}
			})
		}
	}
	if speaking < 5 {
		t.Errorf("only %d scenarios have a site that speaks BGP", speaking)
	}
}

// TestVPNRouterIsConfiguredByItsOwner: what vtysh writes is the site's own file, not
// the machine's.
func TestVPNRouterIsConfiguredByItsOwner(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "vtysh")
	if _, err := os.Stat("/etc/frr"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("FRRouting is not where distributions have it")
	}
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, router: frr}\nsiteHosts"))
		u.tunnelsUp("office/1", "office/2")
		// If the machine's own are seen, nothing is written.
		u.expectOutput("office", `test -w /etc/frr/vtysh.conf && grep -q 'router bgp 65001' /etc/frr/frr.conf || exit 1
			vtysh -c 'configure terminal' -c 'ip prefix-list mine permit 10.50.0.0/16' -c 'end' -c 'write'`, `Integrated configuration saved`)
		// A change of the lab that does not concern the router leaves it alone.
		u.ok("fault", "tunnel", "office/2")
		text, err := os.ReadFile(filepath.Join(u.state, "site-to-site-bgp", "sites", "office", "etc-frr", "frr.conf"))
		if err != nil || !strings.Contains(string(text), "ip prefix-list mine") {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

// TestVPNShowsOnlyItsEndsOutside looks at the wire between the router and its
// provider (V10).
func TestVPNShowsOnlyItsEndsOutside(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "tcpdump", "curl")
	if os.Geteuid() != 0 {
		t.Skip("tcpdump needs a lab that root brought up; see docs/programs.md")
	}
	u := newUser(t, nil)
	u.ok("up", "-d", u.example("site-to-site-bgp"))
	u.tunnelsUp("office/1", "office/2")
	sniffer := u.start(u.command("exec", "office", "--", "sh", "-c", "exec tcpdump -nlA -i eth0 -c 60 ip 2>&1"))
	sniffer.expect("listening on eth0")
	for range 8 {
		u.within(5*time.Second, "an answer", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
	}
	u.expectOutput("desk", "ping -q -c 20 -i 0.05 10.0.1.10", ` 0% packet loss`)
	outer := regexp.MustCompile(`^\d\d:\S+ IP (203\.0\.113\.50\.450[01] > 198\.51\.100\.[12]\.4500|198\.51\.100\.[12]\.4500 > 203\.0\.113\.50\.450[01]): UDP`)
	packets := 0
	for {
		line, err := sniffer.stdout.ReadString('\n')
		if err != nil {
			break
		}
		switch {
		case strings.Contains(line, " IP ") && outer.MatchString(line):
			packets++
		case strings.Contains(line, " IP "), strings.Contains(line, "10.0.1.10"), strings.Contains(line, "10.50.1.10"), strings.Contains(line, "HTTP"):
			t.Errorf("outside, anybody sees: %s", line)
		}
	}
	if packets < 60 {
		t.Errorf("%d packets were seen", packets)
	}
}

// TestVPNFromBehindNAT: the router has a private address, and AWS sees the NAT
// device's, with a port that is the device's choice (V10).
func TestVPNFromBehindNAT(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "ip", "wg")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, behindNat: true}\nsiteHosts"))
		u.tunnelsUp("office/1", "office/2")
		u.expectOutput("office", "ip -4 -brief address show eth0", `192\.168\.0\.2/32`)
		u.expectOutput("office", "wg show office-1 listen-port", `^4500\n$`)
		u.within(10*time.Second, "the way there and back", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
		ports := map[uint16]bool{}
		for _, name := range []string{"office/1", "office/2"} {
			peer := u.status().Tunnels[name].Peer
			if peer.Addr().String() != "203.0.113.50" || peer.Port() == 4500 || peer.Port() == 4501 {
				t.Errorf("AWS sees %s at %s", name, peer)
			}
			ports[peer.Port()] = true
		}
		if len(ports) != 2 {
			t.Errorf("both tunnels come from ports %v", ports)
		}
	})
}

// TestVPNFailsOver measures how long traffic is away when AWS's end of a tunnel
// goes: not at all from the VPC, and from the site until BGP's hold time is over
// (V14), since nothing tells its router earlier.
func TestVPNFailsOver(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "bird", "ip")
	u := newUser(t, nil)
	u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, router: bird}\nsiteHosts"))
	u.tunnelsUp("office/1", "office/2")
	u.within(10*time.Second, "the way there and back", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })

	u.ok("fault", "tunnel", "office/1")
	cut := time.Now()
	if out := u.traced("web", "desk", "icmp"); !strings.Contains(out, "vpnTunnel office/2 (BGP)") {
		t.Errorf("V6: AWS still uses the tunnel that is gone:\n%s", out)
	}
	if tunnel := u.tunnel("office/1"); tunnel.State != control.TunnelDown || tunnel.Reason != "tunnel office/1" {
		t.Errorf("the tunnel that is gone: %+v", tunnel)
	}
	u.within(40*time.Second, "the site's router goes by the other tunnel", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
	t.Logf("traffic from the site moved after %s", time.Since(cut))
	u.expectOutput("office", "ip route show 10.0.0.0/16", `dev office-2 proto bird `)

	u.ok("fault", "clear", "tunnel", "office/1")
	t.Logf("the tunnel is up again %s after its repair", u.tunnelsUp("office/1", "office/2"))
	if out := u.traced("web", "desk", "icmp"); !strings.Contains(out, "vpnTunnel office/1 (BGP)") {
		t.Errorf("after the repair:\n%s", out)
	}
	u.within(5*time.Second, "the way there and back, after the repair", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
}

// TestVPNOutlivesItsRoutingDaemon: a daemon that dies takes its sessions along, and
// AWS says so; nobody starts it again.
func TestVPNOutlivesItsRoutingDaemon(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "bird")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, router: bird}\nsiteHosts"))
		u.tunnelsUp("office/1", "office/2")
		u.ok("exec", "office", "--", "sh", "-c", "kill -9 $(cat /run/bird/bird.pid)")
		// Its kernel closes the connections for it, long before the hold time.
		t.Logf("AWS has noticed after %s", u.within(10*time.Second, "both tunnels down", func() bool {
			return u.tunnel("office/1").State == control.TunnelDown && u.tunnel("office/2").State == control.TunnelDown
		}))
		for _, name := range []string{"office/1", "office/2"} {
			if tunnel := u.tunnel(name); !tunnel.IPsecUp || tunnel.StatusMessage != "IPSEC IS UP" || tunnel.Reason == "" {
				t.Errorf("%+v", tunnel)
			}
		}
		if out := u.traced("web", "desk", "icmp"); !strings.Contains(out, "DROP at routeTable app") {
			t.Errorf("without sessions there are no routes:\n%s", out)
		}
		u.eventually("the log says that the daemon ended", func() bool {
			log, _ := os.ReadFile(filepath.Join(u.state, "site-to-site-bgp", "log"))
			return strings.Contains(string(log), `msg="the routing daemon ended"`)
		})
	})
}

// TestTunnelsOutliveTheirProcess: WireGuard at a site, or on a client's machine, is a
// process that may be killed, as by a machine without memory. Another one takes over,
// and nobody has to know.
func TestTunnelsOutliveTheirProcess(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "ping", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", "client-vpn")
		pings := func(to string) func() bool {
			return func() bool { return u.run("exec", "anna", "--", "ping", "-c", "1", "-W", "1", to).code == exitOK }
		}
		// Of those with such a command line, which this script's is not, those in this
		// network namespace.
		const kill = `for p in /proc/[0-9]*; do
	[ "$(readlink $p/ns/net)" = "$(readlink /proc/self/ns/net)" ] || continue
	tr '\0' ' ' <$p/cmdline | grep -q '__lab [w]ireguard' && kill -9 ${p#/proc/} && echo killed
done`
		u.within(20*time.Second, "a client's way into the VPC, and to the site", func() bool { return pings("10.80.3.10")() && pings("10.50.1.10")() })
		for _, machine := range []string{"anna", "office"} {
			if r := u.shell(machine, kill); !strings.Contains(r.stdout, "killed") {
				t.Fatalf("%s: %s", machine, r)
			}
		}
		took := u.within(30*time.Second, "a client's way into the VPC, by another process", pings("10.80.3.10"))
		t.Logf("the client is back after %s", took)
		u.within(30*time.Second, "the site's static routes", func() bool {
			return strings.Contains(u.shell("office", "ip route show 10.80.0.0/16").stdout, "dev office-1")
		})
		u.within(30*time.Second, "a client's way to the site, by other processes", pings("10.50.1.10"))
	})
}

// TestVPNCloudHub: two offices reach each other through a virtual private gateway,
// which tells the one what the other announces (H1, H2).
func TestVPNCloudHub(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "bird", "vtysh", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("cloudhub",
			`"2001:db8:9100::/48"], asn: 65001}`, `"2001:db8:9100::/48"], asn: 65001, router: bird}`,
			`"2001:db8:9200::/48"], asn: 65002}`, `"2001:db8:9200::/48"], asn: 65002, router: frr}`))
		u.tunnelsUp("amsterdam/1", "amsterdam/2", "berlin/1", "berlin/2")
		u.within(10*time.Second, "from Amsterdam to Berlin", func() bool { return u.passes("anna", "10.92.1.10", "10.91.1.10") })
		u.within(10*time.Second, "from Berlin to Amsterdam", func() bool { return u.passes("bernd", "10.91.1.10", "10.92.1.10") })
		u.expectOutput("amsterdam", "birdc show route 10.92.0.0/16 all", `BGP\.as_path: 64512 65002\n`)
		u.expectOutput("berlin", "vtysh -c 'show bgp ipv4 10.91.0.0/16'", `(?m)^  64512 65001$`)
	})
}

// birdConfiguration is the file that a site's BIRD was started with, for tests that
// configure it anew, as its owner could.
func (u *user) birdConfiguration(lab, site string) string {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(u.state, lab, "sites", site, "bird.conf"))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(text)
}

// birdAnnounces makes a site's BIRD announce these blocks beside its own, and
// returns when it began to.
func (u *user) birdAnnounces(lab, site string, blocks ...string) time.Time {
	u.t.Helper()
	var more strings.Builder
	more.WriteString("protocol static more {\n\tipv4;\n")
	for _, block := range blocks {
		fmt.Fprintf(&more, "\troute %s unreachable;\n", block)
	}
	more.WriteString("}\n")
	text := u.birdConfiguration(lab, site) + more.String()
	text = strings.ReplaceAll(text, "\treject;\n", "\tif source = RTS_STATIC then accept;\n\treject;\n")
	path := u.scenario("more.conf", text)
	start := time.Now()
	if r := u.run("exec", site, "--", "birdc", fmt.Sprintf("configure %q", path)); r.code != exitOK || !strings.Contains(r.stdout, "Reconfigur") {
		u.t.Fatal(r)
	}
	return start
}
