package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// These tests hold Client VPN against the programs that people have: wg(8), wg-quick,
// wireguard-go, curl. Names carry the ids of AWS's semantics (C).

// clientConnected waits until a client's HTTP request comes from one of these
// interfaces' addresses, and returns how long that took.
func (u *user) clientConnected(client, to string, sources ...string) time.Duration {
	u.t.Helper()
	return u.within(15*time.Second, client+" reaches "+to, func() bool {
		for _, source := range sources {
			if u.passes(client, to, source) {
				return true
			}
		}
		return false
	})
}

// TestClientVPNMachinesOfTheLab: what people do at a machine that is connected.
func TestClientVPNMachinesOfTheLab(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "ping", "dig", "wg", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", "client-vpn")
		t.Logf("anna is connected after %s", u.clientConnected("anna", "10.80.3.10", "10.80.1.5"))
		u.clientConnected("carol", "10.80.3.10", "10.80.1.4")
		u.expectOutput("anna", "ping -q -c 3 -i 0.05 10.80.3.10", ` 0% packet loss`)
		u.expectOutput("anna", "wg show wg0", `(?s)endpoint: 198\.51\.100\.\d+:443\n.*allowed ips: 0\.0\.0\.0/0\n.*latest handshake: `)
		u.expectOutput("anna", "cat /sys/class/net/wg0/mtu 2>/dev/null || ip link show wg0", `1420`)
		// Names: of the lab, and, by the endpoint's DNS server, of the VPC.
		u.expectOutput("anna", "curl -sS -m 5 http://web/", `web \(10\.80\.3\.10\) answers 10\.80\.1\.5:`)
		u.expectOutput("anna", "dig +short +time=2 web.vpcsim.internal", `^10\.80\.3\.10\n$`)
		// C5: what a split tunnel leaves out goes as ever, and sees the outside.
		u.expectOutput("carol", "curl -sS -m 5 http://shop/", `answers 203\.0\.113\.30:`)
		u.expectOutput("carol", "ip route get 10.80.3.10", ` dev wg0 src 172\.21\.0\.2`)
		u.expectOutput("carol", "ip route get 10.81.1.10", ` dev eth0 `)
		// Far away, at the end of its machine's link to the Internet.
		u.ok("link", "set", "ben", "delay=20ms")
		u.within(15*time.Second, "ben is far away", func() bool {
			return regexp.MustCompile(`time=4\d(\.\d+)? ms`).MatchString(u.shell("ben", "ping -c 1 -W 5 10.80.3.10").stdout)
		})
		if s := u.status(); s.Packets.Drops["bug"] > 0 {
			t.Errorf("drops %v", s.Packets.Drops)
		}

		// Its zone goes: the client calls the other association.
		u.ok("fault", "az", "us-east-1a")
		t.Logf("anna is connected by the other zone after %s", u.clientConnected("anna", "10.80.3.10", "10.80.2.5", "10.80.2.6", "10.80.2.4"))
		u.expectOutput("carol", "ip -o link show wg0 2>&1", `does not exist`)
		u.ok("fault", "clear", "--all")
		t.Logf("carol is connected again after %s", u.clientConnected("carol", "10.80.3.10", "10.80.1.4"))
	})
}

// TestClientVPNPushesRoutes: a route and a rule, and the client gets there (K-C20); AWS
// has it connect again first.
func TestClientVPNPushesRoutes(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", "client-vpn")
		u.clientConnected("carol", "10.80.3.10", "10.80.1.4")
		handshake := u.shell("carol", "wg show wg0 latest-handshakes").stdout
		const rule = "      - {cidr: 10.80.0.0/16, groups: contractors}\n"
		u.ok("apply", u.example("client-vpn", rule, rule+"      - {cidr: 10.81.0.0/16, groups: contractors}\n    routes: {10.81.0.0/16: doorA}\n"))
		u.expectOutput("carol", "ip route get 10.81.1.10", ` dev wg0 `)
		u.expectOutput("carol", "curl -sS -m 5 http://10.81.1.10/", `answers 10\.80\.1\.4:`)
		if got := u.shell("carol", "wg show wg0 latest-handshakes").stdout; got != handshake {
			t.Errorf("the client had to connect again: %q, before %q", got, handshake)
		}
		u.ok("apply", u.example("client-vpn"))
		u.expectOutput("carol", "ip route get 10.81.1.10", ` dev eth0 `)
	})
}

// wireGuardGo builds the reference implementation in user space, for wg-quick where
// the kernel has none.
func wireGuardGo(t *testing.T) string {
	t.Helper()
	build(t)
	path := filepath.Join(t.TempDir(), "wireguard-go")
	if out, err := exec.Command("go", "build", "-o", path, "golang.zx2c4.com/wireguard").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestClientVPNWithTheUsersOwnTools: a machine at a café that has nothing but the
// configuration and Debian's tools.
func TestClientVPNWithTheUsersOwnTools(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "curl", "wg", "wg-quick", "ip")
	if os.Geteuid() != 0 {
		t.Skip("wireguard-go needs /dev/net/tun, which is closed to this user")
	}
	implementation := wireGuardGo(t)
	u := newUser(t, nil)
	u.ok("up", "-d", u.example("client-vpn",
		"  carol: {", "  phone: {endpoint: contractors, groups: [contractors], inLab: false}\n  carol: {",
		"sites:\n", "sites:\n  cafe: {publicIp: 203.0.113.40, networks: [192.168.7.0/24]}\n",
		"- {cidr: 10.80.0.0/16, groups: contractors}", "- {cidr: 10.80.0.0/16, groups: contractors}\n      - {cidr: 10.80.3.20/32, groups: staff}"))

	config := filepath.Join(u.dir, "phone.conf")
	u.ok("client-config", "phone", "-o", config)
	if info, err := os.Stat(config); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	quick := func(verb string) {
		t.Helper()
		u.expectOutput("cafe", fmt.Sprintf("export WG_QUICK_USERSPACE_IMPLEMENTATION=%s; wg-quick %s %s 2>&1; echo code $?", implementation, verb, config), `\ncode 0\n$`)
	}
	quick("up")
	u.clientConnected("cafe", "10.80.3.10", "10.80.1.4", "10.80.1.5")
	u.expectOutput("cafe", "ip -brief address show phone", ` 172\.21\.0\.\d/32`)
	u.expectOutput("cafe", "ip link show phone", ` mtu 1420 `)

	// A rule is missing: nothing comes back, and the trace says which.
	if r := u.shell("cafe", "curl -sS -m 1 telnet://10.80.3.20:5432"); r.code == 0 {
		t.Errorf("it reaches what no rule lets it: %s", r)
	}
	if out := u.traced("phone", "ledger", "tcp/5432"); !strings.Contains(out, "DROP at clientVpnEndpoint contractors: for 10.80.3.20 only the rules of its longest CIDR count, 10.80.3.20/32 for staff") {
		t.Errorf("%s", out)
	}
	quick("down")
	if u.passes("cafe", "10.80.3.10", "10.80.1.4") {
		t.Error("it still is connected")
	}
}
