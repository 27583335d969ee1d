package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// These tests hold the outside of Site-to-Site VPN tunnels against real routers: the
// addresses of their ends, what comes in pieces, and what AWS does to its own end.

// TestVPNHasIPv6Outside: both ends of all tunnels have IPv6 addresses on the Internet,
// where nothing else is to be seen (V2).
func TestVPNHasIPv6Outside(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "wg")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-ipv6"))
		u.tunnelsUp("office/1", "office/2", "office6/1", "office6/2")
		u.expectOutput("office", "wg show office6-1 endpoints", `\[2001:db8:ffc0:\d::1\]:4500\n$`)
		for _, name := range []string{"office/1", "office6/2"} {
			if peer := u.status().Tunnels[name].Peer; peer.Addr().String() != "2001:db8:ff00:120::1" {
				t.Errorf("AWS sees the router of %s at %s", name, peer)
			}
		}
		capture := u.start(u.command("capture", "internet", "--filter", "udp or tcp or icmp", "-c", "40"))
		for range 8 {
			u.within(10*time.Second, "IPv4", func() bool { return u.passes("desk", "10.68.1.10", "10.120.1.10") })
			u.within(10*time.Second, "IPv6", func() bool { return u.passes("desk", "[2001:db8:68:1::4]", "[2001:db8:c100::10]") })
		}
		outer := regexp.MustCompile(` internet +(2001:db8:ff00:120::1\.450[0-3] → 2001:db8:ffc0:[1-4]::1\.4500|2001:db8:ffc0:[1-4]::1\.4500 → 2001:db8:ff00:120::1\.450[0-3]) udp `)
		packets := 0
		for ; ; packets++ {
			line, err := capture.stdout.ReadString('\n')
			if err != nil {
				break
			}
			if !outer.MatchString(line) {
				t.Errorf("outside, anybody sees: %s", line)
			}
		}
		if packets != 40 {
			t.Errorf("%d packets were seen", packets)
		}
	})
}

// TestVPNTakesFragments: the way from the router to the Internet is narrower than what it
// encrypts, so that its kernel cuts the packets, and AWS's end joins them.
func TestVPNTakesFragments(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "bash", "ip")
	for _, test := range []struct{ scenario, to string }{{"site-to-site-bgp", "10.0.1.10"}, {"site-to-site-ipv6", "10.68.1.10"}} {
		t.Run(test.scenario, func(t *testing.T) {
			t.Parallel()
			asEveryUser(t, func(t *testing.T, u *user) {
				t.Parallel()
				u.ok("up", "-d", u.example(test.scenario))
				u.tunnelsUp("office/1", "office/2")
				u.ok("exec", "office", "--", "ip", "link", "set", "eth0", "mtu", "1280")
				before := u.status().Tunnels["office/1"]
				for range 10 { // the discard service, which is not there
					u.ok("exec", "desk", "--", "bash", "-c", "head -c 1390 /dev/zero > /dev/udp/"+test.to+"/9")
				}
				u.within(10*time.Second, "ten datagrams in fragments", func() bool {
					after := u.status().Tunnels["office/1"]
					return after.Reassembled >= 10 && after.Received >= before.Received+10
				})
				if s := u.status(); s.Packets.Drops["bug"] > 0 {
					t.Errorf("drops %v", s.Packets.Drops)
				}
			})
		})
	}
}

// TestVPNTunnelIsReplaced: a router that goes by the MED loses nothing while AWS replaces
// its end of the tunnel that was preferred (V7), not even where its own BGP has not
// noticed yet that the tunnel is down.
func TestVPNTunnelIsReplaced(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "bird", "vtysh", "ping")
	for _, router := range []string{"builtin", "bird", "frr"} {
		t.Run(router, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, nil)
			u.ok("up", "-d", u.example("site-to-site-bgp", "asn: 65001}\nsiteHosts", "asn: 65001, router: "+router+"}\nsiteHosts"))
			u.tunnelsUp("office/1", "office/2")
			u.within(10*time.Second, "the way there and back", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })
			ping := u.start(u.command("exec", "desk", "--", "sh", "-c", "ping -i 0.05 10.0.1.10 & read end; kill -INT $!; wait"))
			ping.expect("bytes from")
			first := u.tunnel("office/1")
			r := u.ok("vpn", "replace-tunnel", first.OutsideIP.String(), "--down", "3s")
			if want := regexp.MustCompile(`^AWS prefers office/2: its MED is 50, before 200\.\noffice/1 is down\.\noffice/1 is up again after \S+\.\noffice/1 is replaced; AWS announces as before\.\n$`); !want.MatchString(r.stdout) {
				t.Error(r)
			}
			time.Sleep(time.Second) // for what the router does when it goes back
			ping.send("end\n")
			rest := ping.rest()
			lost := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindStringSubmatch(rest)
			if lost == nil {
				t.Fatal(rest)
			}
			t.Logf("%s", lost[0])
			if sent, _ := strconv.Atoi(lost[1]); sent < 60 {
				t.Errorf("only %s", lost[0])
			} else if received, _ := strconv.Atoi(lost[2]); sent-received > 20 {
				// None to two are lost on a quiet machine, what AWS's end had in its
				// hands; 60 would be if nothing moved before the tunnel went down.
				t.Error(lost[0])
			}
			if after := u.tunnel("office/2"); after.AnnouncedMED != 200 || after.Maintenance != "" {
				t.Errorf("%+v", after)
			}
			if r := u.run("vpn", "replace-tunnel", "office/3"); r.code != exitUsage || !strings.Contains(r.stderr, "there is office/1, office/2") {
				t.Error(r)
			}
		})
	}
}
