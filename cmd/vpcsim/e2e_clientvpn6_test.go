package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestClientVPNOverIPv6: machines with both families, and with IPv6 alone, in the
// tunnel. Whoever they talk to sees their own addresses (C6).
func TestClientVPNOverIPv6(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "ping", "dig", "wg", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		// A full tunnel must not swallow what carries it, over IPv6 either.
		const family = "    trafficIpAddressType: dual-stack\n"
		u.ok("up", "-d", u.example("client-vpn-ipv6", family, family+"    endpointIpAddressType: dual-stack\n"))
		u.within(15*time.Second, "anna is connected", func() bool {
			return strings.Contains(u.shell("anna", "curl -sS -m 1 http://web.ipv6/").stdout, "answers [2001:db8:82:1:ffff::2]:")
		})
		u.expectOutput("anna", "curl -sS -m 5 http://web/", `answers 10\.82\.1\.4:`)
		u.expectOutput("anna", "ip -6 addr show wg0", `2001:db8:82:1:ffff::2/128`)
		u.expectOutput("anna", "ip -6 route get 2001:db8:ff00::99", ` dev wg0 .*src 2001:db8:82:1:ffff::2`)
		u.expectOutput("anna", "curl -sS -m 5 http://shop.ipv6/", `answers \[2001:db8:82:1:ffff::2\]:`)
		u.expectOutput("anna", "wg show wg0", `endpoint: \[2001:db8:ff[0-9a-f:]+\]:443\n`)
		u.expectOutput("anna", "wg show wg0", `allowed ips: (0\.0\.0\.0/0, ::/0|::/0, 0\.0\.0\.0/0)\n`)
		u.expectOutput("web", "ping -6 -q -c 2 -i 0.05 -W 1 2001:db8:82:1:ffff::2", ` 100% packet loss`) // C9
		// What the tunnel cannot take whole its sender cuts, once it was told so.
		u.shell("anna", "ping -6 -q -c 1 -W 1 -s 2000 2001:db8:82:3::10")
		u.expectOutput("anna", "ping -6 -q -c 3 -i 0.05 -s 2000 2001:db8:82:3::10", ` 0% packet loss`)
		u.expectOutput("anna", "dig +short +time=2 @fd00:ec2::253 web.vpcsim.internal AAAA", `^2001:db8:82:3::10\n$`)
		// C5: a split tunnel of IPv6 alone takes the VPC's block, and nothing else.
		u.within(15*time.Second, "carol is connected", func() bool {
			return strings.Contains(u.shell("carol", "curl -sS -m 1 http://web.ipv6/").stdout, "answers [2001:db8:82:4:ffff::2]:")
		})
		u.expectOutput("carol", "ip -4 addr show wg0; ip -6 route show dev wg0", `2001:db8:82::/56 `)
		u.expectOutput("carol", "curl -sS -m 5 http://shop/", `answers 203\.0\.113\.30:`)

		// Nobody gets out with an address that is not his own.
		u.expectOutput("anna", "ip addr add 2001:db8:82:2:ffff::2/128 dev wg0 nodad && ping -6 -q -c 2 -i 0.05 -W 1 -I 2001:db8:82:2:ffff::2 2001:db8:82:3::10", ` 100% packet loss`)

		var described struct {
			Connections []struct{ Username, ClientIp, ClientIpv6Address string }
		}
		if err := json.Unmarshal([]byte(u.ok("get", "clientVpnConnections", "2001:db8:82:1:ffff::2", "-o", "json").stdout), &described); err != nil {
			t.Fatal(err)
		}
		if got := described.Connections; len(got) != 1 || got[0].Username != "anna" || got[0].ClientIp != "172.22.0.2" || got[0].ClientIpv6Address != "2001:db8:82:1:ffff::2" {
			t.Errorf("connections %+v", got)
		}
		if s := u.status(); s.Packets.Drops["bug"] > 0 {
			t.Errorf("drops %v", s.Packets.Drops)
		}

		// Its zone goes: the client has an address of the other association's subnet.
		u.ok("fault", "az", "us-east-1a")
		u.within(15*time.Second, "anna is connected by the other zone", func() bool {
			return strings.Contains(u.shell("anna", "curl -sS -m 1 http://web.ipv6/").stdout, "answers [2001:db8:82:2:ffff::3]:")
		})
	})
}
