package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestNATAndEgressOnlyGatewaysWithRealPrograms(t *testing.T) {
	requirePrograms(t, "curl", "ping", "traceroute", "tracepath")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		u.expectAll([]networkCase{
			{"R41 curl is seen with the Elastic IP", "private", "curl -sS -m 5 http://203.0.113.10/", `^outside \(203\.0\.113\.10\) answers 198\.51\.100\.50:\d+`},
			{"R41 ports are 1024 to 65535", "private", "curl -sS -m 5 --local-port 900-1000 http://203.0.113.10/", `answers 198\.51\.100\.50:(10[2-9]|1[1-9]|[2-9]\d)\d+`},
			{"R40 ping", "private", "ping -c 1 -W 5 203.0.113.10", ` 0% packet loss`},
			{"R40 traceroute reaches its end", "private", "traceroute -n -q 1 -w 5 -m 6 203.0.113.10", `(?m)^ [12]  203\.0\.113\.10  \d`},
			{"R44 path MTU of the NAT gateway, then of the Internet", "private", "tracepath -n -m 6 203.0.113.10", `(?s)pmtu 8500.*pmtu 1500.*203\.0\.113\.10 .*reached`},
			{"R30 R33 IPv6 goes out by the egress-only gateway as it is", "private", "curl -sS -m 5 'http://[2001:db8:ff00::10]/'", `answers \[2001:db8:a:2::10\]:`},
			{"R33 ping over IPv6", "private", "ping -c 1 -W 5 2001:db8:ff00::10", ` 0% packet loss`},
			{"R54 NAT64", "six", "curl -sS -m 5 'http://[64:ff9b::203.0.113.10]/'", `answers 198\.51\.100\.50:`},
			{"R54 ping through NAT64", "six", "ping -c 1 -W 5 64:ff9b::203.0.113.10", ` 0% packet loss`},
			{"R54 DNS64 and NAT64 by name", "six", "curl -sS -m 5 http://outside.vpcsim.internal/", `answers (198\.51\.100\.50|\[2001:db8:a:6::10\]):`},
			{"R33 nobody starts a connection to the inside", "outside", "curl -sS -m 1 'http://[2001:db8:a:2::10]/'", `timed out`},
			{"R45 nor to the NAT gateway", "outside", "curl -sS -m 1 http://198.51.100.50/", `timed out`},
		})
		if got := u.ask("private", "203.0.113.10:53"); !strings.Contains(got, "answers 198.51.100.50:") {
			t.Errorf("R40: UDP: %s", got)
		}
		if got := u.ask("six", "[64:ff9b::203.0.113.10]:53"); !strings.Contains(got, "answers 198.51.100.50:") {
			t.Errorf("R54: UDP through NAT64: %s", got)
		}
		for _, reason := range []string{"egress-only", "nat-no-mapping"} {
			if u.drops(reason) == 0 {
				t.Errorf("no drop has the reason %s: %v", reason, u.status().Packets.Drops)
			}
		}
		if n := u.drops("bug"); n > 0 {
			t.Errorf("%d packets met a bug", n)
		}
	})
}

// TestNATBulkTransferIsIntact moves 50 MB out and back through the NAT gateway:
// the instance sends superframes of 64 KB, the Internet host has an MTU of 1500.
func TestNATBulkTransferIsIntact(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		u.vpcLab()
		for _, test := range []struct{ name, instance, address string }{
			{"R41 IPv4", "private", "203.0.113.10:7"},
			{"R54 NAT64", "six", "[64:ff9b::203.0.113.10]:7"},
			{"R33 IPv6 through the egress-only gateway", "private", "[2001:db8:ff00::10]:7"},
		} {
			const size = 50_000_000
			conn := u.tool(test.instance, "dial", test.address)
			conn.expect("outside (") // the greeting
			sent, received := sha256.New(), sha256.New()
			written := make(chan error, 1)
			go func() { // waited for below
				random := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
				_, err := io.Copy(io.MultiWriter(conn.stdin, sent), random)
				_ = conn.stdin.Close()
				written <- err
			}()
			timer := time.AfterFunc(20*time.Second, func() { _ = conn.cmd.Process.Kill() })
			n, err := io.Copy(received, conn.stdout)
			timer.Stop()
			if werr := <-written; err != nil || werr != nil || n != size || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
				t.Errorf("%s: %d of %d bytes came back, the same: %v; errors %v, %v; %s", test.name,
					n, size, bytes.Equal(sent.Sum(nil), received.Sum(nil)), err, werr, conn.stderr)
			}
		}
		if s := u.status(); s.Port.Superframes == 0 || s.Packets.Drops["bug"] > 0 || s.Packets.Drops["malformed"] > 0 {
			t.Errorf("%d superframes, drops %v", s.Port.Superframes, s.Packets.Drops)
		}
	})
}

func TestMTUWithRealPrograms(t *testing.T) {
	requirePrograms(t, "ping", "tracepath", "traceroute")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		u.expectAll([]networkCase{
			{"A-C20 9001 bytes pass inside", "web", "ping -c 1 -W 5 -M do -s 8973 10.0.2.10", `8981 bytes from 10\.0\.2\.10`},
			{"A-C20 9002 do not leave the interface", "web", "ping -c 1 -W 0.2 -M do -s 8974 10.0.2.10", `message too long, mtu=9001`},
			{"A-C20 R31 to the Internet the gateway says 1500, and the kernel remembers", "web", "ping -c 2 -i 0.2 -W 5 -M do -s 8973 203.0.113.20", `(?s)Frag needed and DF set \(mtu = 1500\).*message too long, mtu=1500`},
			{"A-C20 1500 bytes pass", "web", "ping -c 1 -W 5 -M do -s 1472 203.0.113.10", `1480 bytes from`},
			{"R31 without DF they are fragmented", "web", "ping -c 1 -W 5 -M dont -s 8000 203.0.113.10", `8008 bytes from`},
			{"A-C20 IPv6 inside", "web", "ping -c 1 -W 5 -M do -s 8953 2001:db8:a:2::10", `8961 bytes from 2001:db8:a:2::10`},
			{"A-C20 IPv6 to the Internet", "web", "ping -c 1 -W 5 -M do -s 8953 2001:db8:ff00::20", `Packet too big: mtu=1500`},
			{"A-C20 IPv6 1500 bytes pass", "web", "ping -c 1 -W 5 -M do -s 1452 2001:db8:ff00::10", `1460 bytes from`},
			{"A-C20 tracepath", "web", "tracepath -n -m 5 203.0.113.10", `(?s)pmtu 1500.*reached.*Resume: pmtu 1500 hops 1 `},
			{"A-C20 tracepath over IPv6", "web", "tracepath -6 -n -m 5 2001:db8:ff00::10", `(?s)pmtu 1500.*reached.*Resume: pmtu 1500 hops 1 `},
			{"A-C21 A32 one hop inside", "web", "traceroute -n -q 1 -w 5 -m 5 10.0.2.10", `(?m)^ 1  10\.0\.2\.10  \d`},
			{"A-C21 A32 one hop inside, IPv6", "web", "traceroute -n -q 1 -w 5 -m 5 2001:db8:a:2::10", `(?m)^ 1  2001:db8:a:2::10  \d`},
			{"A32 one hop to the Internet", "web", "traceroute -n -q 1 -w 5 -m 5 203.0.113.10", `(?m)^ 1  203\.0\.113\.10  \d`},
			{"A-C10 the router answers its own subnet", "web", "ping -c 1 -W 5 10.0.1.1", ` 0% packet loss`},
			{"A-C10 and no other", "web", "ping -c 1 -W 0.3 10.0.2.1", ` 100% packet loss`},
		})
	})
}

func TestElasticIPMovesWhileTrafficRuns(t *testing.T) {
	requirePrograms(t, "curl")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		const owner, spare = "publicIp: 198.51.100.10, ", "ip: 10.0.1.20, "
		u.vpcLab()
		inside := u.tool("private", "dial", "10.0.1.10:7")
		inside.expect("web (10.0.1.10) answers 10.0.2.10:")
		requests := u.start(u.command("exec", "outside", "--", "/bin/sh", "-c", "while :; do curl -s -m 0.5 http://198.51.100.10/; done"))
		requests.expect("web (10.0.1.10) answers")

		u.ok("apply", u.vpcFile("moved.yaml", owner, "", spare, spare+owner))
		requests.expect("spare (10.0.1.20) answers")
		for range 5 { // A21: from now on it is the other's, each time
			if line := requests.expect(" answers "); !strings.HasPrefix(line, "spare") {
				t.Errorf("after the move: %s", line)
			}
		}
		inside.send("still here\n") // the instance's own connections do not notice
		inside.expect("still here")
		u.expectOutput("spare", "curl -sS -m 5 http://203.0.113.10/", `answers 198\.51\.100\.10:`)
		u.expectOutput("web", "curl -sS -m 0.5 http://203.0.113.10/", `timed out`) // R26: no public address any more
		if u.drops("no-public-address") == 0 {
			t.Errorf("drops: %v", u.status().Packets.Drops)
		}
	})
}

func TestSecondaryAddressesAndInterfaces(t *testing.T) {
	requirePrograms(t, "curl", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		u.expectAll([]networkCase{
			{"A21 each private address has its Elastic IP", "web", "curl -sS -m 5 --interface 10.0.1.10 http://203.0.113.10/; curl -sS -m 5 --interface 10.0.1.11 http://203.0.113.10/",
				`(?s)answers 198\.51\.100\.10:.*answers 198\.51\.100\.11:`},
			{"A21 and is reached by it", "outside", "curl -sS -m 5 http://198.51.100.11/", `web \(10\.0\.1\.11\) answers 203`},
			{"A18 a secondary address is reached inside", "private", "curl -sS -m 5 http://10.0.1.11/", `web \(10\.0\.1\.11\) answers 10\.0\.2\.10:`},
			{"A18 two interfaces, each in its subnet", "multi", "ip -br -4 address show", `(?s)eth0@.*10\.0\.1\.40/24.*eth1@.*10\.0\.2\.40/24`},
			{"A18 the second is reached from its own subnet", "private", "ping -c 1 -W 5 10.0.2.40", ` 0% packet loss`},
			{"A18 and leaves by it", "multi", "ping -c 1 -W 5 -I eth1 10.0.2.10", ` 0% packet loss`},
			{"A24 an answer that leaves by the wrong interface is dropped", "web", "ping -c 1 -W 0.3 10.0.2.40", ` 100% packet loss`},
		})
		if u.drops("source-address") == 0 {
			t.Errorf("A24: drops: %v", u.status().Packets.Drops)
		}
	})
}

func TestGetShowsGatewaysAndDHCPOptions(t *testing.T) {
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		for _, test := range []struct{ kind, want string }{
			{"natGateways", `(?m)^NAME +ID +STATE +SUBNET +CONNECTIVITY +PRIVATE IP +PUBLIC IP +VPC +ZONE +INTERFACE +FAULT\s*\n` +
				`nat +nat-\w+ +available +public +public +10\.0\.1\.5 +198\.51\.100\.50 +app +us-east-1a +eni-`},
			{"egressOnlyInternetGateways", `(?m)^NAME +ID +VPC +STATE\s*\neigw +eigw-\w+ +app +attached`},
			{"dhcpOptions", `(?m)^NAME +ID +DOMAIN NAME +DNS SERVERS +VPCS +NTP SERVERS\s*\n` +
				`corp +dopt-\w+ +corp\.example +10\.7\.1\.53,AmazonProvidedDNS +corp +169\.254\.169\.123`},
		} {
			if r := u.ok("get", test.kind, "-o", "wide"); !regexp.MustCompile(test.want).MatchString(r.stdout) {
				t.Errorf("%s, want %s", r, test.want)
			}
		}
	})
}
