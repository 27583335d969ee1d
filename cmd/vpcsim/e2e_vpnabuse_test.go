package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What a customer's end may do wrong, and what strangers on the Internet may do to a
// tunnel.

// eavesdropTool prints the payload of each UDP datagram that leaves by an interface
// for port 4500, in hex, a line each.
func eavesdropTool(name string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	every := int(uint16(unix.ETH_P_ALL)<<8 | unix.ETH_P_ALL>>8)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, every)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(every), Ifindex: link.Index}); err != nil {
		return err
	}
	fmt.Println("listening")
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return err
		}
		var p packet.Packet
		f := packet.Frame{Data: buffer[:n]}
		if l := from.(*unix.SockaddrLinklayer); l.Pkttype != unix.PACKET_OUTGOING || packet.Parse(&p, &f) != packet.ProblemNone {
			continue
		}
		if p.Tuple.Proto == packet.ProtoUDP && p.Tuple.DstPort == 4500 {
			fmt.Println(hex.EncodeToString(f.Data[p.Payload:p.End]))
		}
	}
}

// datagramsTool sends the payloads that it reads, in hex, a line each.
func datagramsTool(address string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		payload, err := hex.DecodeString(in.Text())
		if err != nil {
			return err
		}
		if _, err := conn.Write(payload); err != nil {
			continue // a refusal that has come back
		}
		if sent++; sent%64 == 0 {
			time.Sleep(time.Millisecond) // no queue is to overflow
		}
	}
	fmt.Printf("sent %d\n", sent)
	return nil
}

// sendDatagrams sends payloads from a node.
func (u *user) sendDatagrams(from, address string, payloads [][]byte) {
	u.t.Helper()
	var lines strings.Builder
	for _, p := range payloads {
		lines.WriteString(hex.EncodeToString(p) + "\n")
	}
	cmd := u.command("exec", from, "--", shared.tool)
	cmd.Env = append(cmd.Env, toolVariable+"=datagrams "+address)
	cmd.Stdin = strings.NewReader(lines.String())
	if r := u.finish(cmd); r.code != exitOK || r.stdout != fmt.Sprintf("sent %d\n", len(payloads)) {
		u.t.Fatal(r)
	}
}

// forgedMessages have the form of the tunnel's protocol, and random content.
func forgedMessages(random *rand.Rand, count int) (list [][]byte) {
	for range count {
		for kind, length := range []int{random.IntN(1400), 148, 92, 64, 32 + 16*random.IntN(80)} {
			message := make([]byte, length)
			for i := range message {
				message[i] = byte(random.Uint32())
			}
			if kind > 0 {
				copy(message, []byte{byte(kind), 0, 0, 0})
			}
			list = append(list, message)
		}
	}
	return list
}

// TestVPNBearsForgeryAndReplay sends AWS's end of a tunnel what it must not believe,
// from the Internet and from the very address of the customer.
func TestVPNBearsForgeryAndReplay(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "ping", "wg")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-bgp"))
		u.tunnelsUp("office/1", "office/2")
		outside := netip.AddrPortFrom(u.tunnel("office/1").OutsideIP, 4500).String()
		u.within(10*time.Second, "the way there and back", func() bool {
			return u.run("exec", "desk", "--", "ping", "-c", "1", "-W", "1", "10.0.1.10").code == exitOK
		})

		eavesdropper := u.tool("office", "eavesdrop", "eth0")
		eavesdropper.expect("listening")
		u.ok("exec", "desk", "--", "ping", "-q", "-c", "40", "-i", "0.02", "10.0.1.10")
		var heard [][]byte
		for range 40 {
			payload, err := hex.DecodeString(eavesdropper.expect(""))
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, payload)
		}
		eavesdropper.end(os.Kill)

		before := u.status().Tunnels["office/1"]
		bystander := u.start(u.command("exec", "desk", "--", "ping", "-q", "-c", "100", "-i", "0.02", "10.0.1.10"))
		random := rand.New(rand.NewPCG(6, 4500))
		rejected := 0
		for _, from := range []string{"stranger", "office"} {
			for _, payloads := range [][][]byte{forgedMessages(random, 300), slices.Repeat(heard, 5)} {
				u.sendDatagrams(from, outside, payloads)
				for _, p := range payloads {
					rejected += len(p)
				}
			}
		}
		for _, port := range []string{":500", ":1", ":65535"} { // IKE, and nothing at all
			u.sendDatagrams("stranger", strings.TrimSuffix(outside, ":4500")+port, forgedMessages(random, 10))
		}
		if text := bystander.rest(); !strings.Contains(text, " 0% packet loss") {
			t.Errorf("the tunnel's own traffic suffered: %s", text)
		}
		after := u.status().Tunnels["office/1"]
		if got := after.RejectedBytes - before.RejectedBytes; got < uint64(rejected) || got > uint64(rejected)+1500 {
			t.Errorf("%d bytes were rejected, of %d that are not authentic", got, rejected)
		}
		if after.Peer != before.Peer || after.LastHandshake != before.LastHandshake {
			t.Errorf("AWS's end believed it: before %+v, after %+v", before, after)
		}
		if s := u.status(); s.Packets.Drops["bug"] > 0 || u.tunnel("office/1").State != control.TunnelUp {
			t.Errorf("drops %v, tunnel %+v", s.Packets.Drops, u.tunnel("office/1"))
		}
	})
}

// rest is all that a program prints until it ends.
func (p *program) rest() string {
	timer := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	var text strings.Builder
	_, _ = p.stdout.WriteTo(&text)
	return text.String()
}

// TestVPNWithAnotherPresharedKey sets it at the customer's end, with wg(8) as the
// router's owner would. It counts when keys are agreed on anew: both forget what they
// had.
func TestVPNWithAnotherPresharedKey(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "wg")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.example("site-to-site-bgp"))
		u.tunnelsUp("office/1", "office/2")
		// What wg(8) says with "dump": public key, pre-shared key, endpoint, …
		peer := strings.Fields(strings.Split(u.ok("exec", "office", "--", "wg", "show", "office-1", "dump").stdout, "\n")[1])
		set := func(presharedKey string) {
			t.Helper()
			u.ok("exec", "office", "--", "sh", "-c", fmt.Sprintf(`
				umask 077; echo '%s' >psk
				wg set office-1 peer '%s' remove
				wg set office-1 peer '%[2]s' preshared-key psk endpoint %s allowed-ips 0.0.0.0/0,::/0 persistent-keepalive 5`, presharedKey, peer[0], peer[2]))
		}
		u.ok("fault", "tunnel", "office/1")
		set("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
		u.ok("fault", "clear", "tunnel", "office/1")
		u.within(15*time.Second, "AWS says what is wrong", func() bool {
			tunnel := u.tunnel("office/1")
			return tunnel.State == control.TunnelDown && tunnel.StatusMessage == "IPSEC IS DOWN" && strings.Contains(tunnel.Reason, "the pre-shared keys may differ")
		})
		u.expectOutput("office", "wg show office-1 latest-handshakes", `\t0\n$`)
		if tunnel := u.tunnel("office/2"); tunnel.State != control.TunnelUp {
			t.Errorf("the other tunnel: %+v", tunnel)
		}
		set(peer[1])
		t.Logf("up with the right key after %s", u.tunnelsUp("office/1"))
	})
}

// manyRoutes has a site with BIRD on a virtual private gateway, and another on a
// transit gateway, which takes more routes (V12).
const manyRoutes = `name: many
vpcs:
  app: {cidr: 10.0.0.0/16}
vpnGateways: {vgw: {vpc: app}}
transitGateways: {tgw: {asn: 64513}}
transitGatewayAttachments: {app: {transitGateway: tgw, vpc: app, subnets: [app]}}
sites:
  small: {publicIp: 203.0.113.50, networks: [10.50.0.0/16], asn: 65001, router: bird}
  large: {publicIp: 203.0.113.60, networks: [10.60.0.0/16], asn: 65002, router: bird}
siteHosts:
  desk: {site: small, ip: 10.50.1.10}
  hall: {site: large, ip: 10.60.1.10}
customerGateways: {small: {site: small}, large: {site: large}}
vpnConnections:
  small: {customerGateway: small, vpnGateway: vgw}
  large: {customerGateway: large, transitGateway: tgw}
routeTables:
  app: {vpc: app, main: true, propagate: [vgw], routes: {10.60.0.0/16: tgw, 172.16.0.0/12: tgw}}
subnets: {app: {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a}}
securityGroups: {app: {vpc: app, ingress: [{protocol: all, from: 0.0.0.0/0}]}}
instances:
  web:  {subnet: app, ip: 10.0.1.10, securityGroups: [app], serve: [http/80]}
  near: {subnet: app, ip: 10.0.1.20, securityGroups: [app], serve: [http/80]}
`

// blocksOf172 are count blocks of sixteen addresses within 172.16.0.0/12.
func blocksOf172(count int) (list []string) {
	for i := range count {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>12), byte(i >> 4), byte(i << 4)}), 28).String())
	}
	return list
}

// TestVPNPeerThatAnnouncesTooMuch: what a customer announces harms himself at most.
func TestVPNPeerThatAnnouncesTooMuch(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "bird", "curl")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.scenario("many.yaml", manyRoutes))
		u.tunnelsUp("small/1", "small/2", "large/1", "large/2")
		u.within(10*time.Second, "the way there and back", func() bool { return u.passes("desk", "10.0.1.10", "10.50.1.10") })

		// A default route, and the VPC's own block, whole and in parts (R16).
		u.birdAnnounces("many", "small", "0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "10.0.1.20/32")
		u.within(5*time.Second, "five routes", func() bool {
			return u.tunnel("small/1").AcceptedRouteCount == 5 && u.tunnel("small/2").AcceptedRouteCount == 5
		})
		if out := u.traced("web", "203.0.113.99", "icmp"); !strings.Contains(out, "0.0.0.0/0 → vpnGateway vgw (propagated)") {
			t.Errorf("the default route:\n%s", out)
		}
		if out := u.traced("web", "near", "tcp/80"); strings.Contains(out, "vpnGateway") || !strings.HasSuffix(out, "PASS\n") {
			t.Errorf("the VPC's inside:\n%s", out)
		}
		// The site itself has lost its way to the VPC by what it believes of itself.
		if !u.passes("web", "10.0.1.20", "10.0.1.10") || !u.passes("hall", "10.0.1.10", "10.60.1.10") {
			t.Error("the VPC's own block was taken over")
		}

		// Ten thousand: the session goes down, and says why.
		start := u.birdAnnounces("many", "small", blocksOf172(10_000)...)
		u.within(10*time.Second, "both sessions closed", func() bool {
			return u.tunnel("small/1").State == control.TunnelDown && u.tunnel("small/2").State == control.TunnelDown
		})
		t.Logf("closed after %s", time.Since(start))
		for _, name := range []string{"small/1", "small/2"} {
			if tunnel := u.tunnel(name); !tunnel.IPsecUp || tunnel.BGPUp || len(tunnel.Learned) > 0 ||
				!regexp.MustCompile(`announced more than 100 .*prefixes; the session stays Idle`).MatchString(tunnel.Reason) {
				t.Errorf("V12: %+v", tunnel.TunnelTelemetry)
			}
		}
		if out := u.traced("web", "desk", "icmp"); !strings.Contains(out, "DROP at routeTable app") {
			t.Errorf("what was learned earlier goes, too:\n%s", out)
		}
		if tunnel := u.tunnel("large/1"); tunnel.State != control.TunnelUp {
			t.Errorf("another customer: %+v", tunnel)
		}
		if s := u.status(); s.Packets.Drops["bug"] > 0 {
			t.Errorf("drops %v", s.Packets.Drops)
		}
	})
}

// TestVPNLearnsAThousandRoutes measures from BIRD's configuration to the first trace
// that uses the last of them.
func TestVPNLearnsAThousandRoutes(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "bird", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel()
		u.ok("up", "-d", u.scenario("many.yaml", manyRoutes))
		u.tunnelsUp("large/1", "large/2")
		blocks := blocksOf172(999) // and the site's own: the limit
		last := netip.MustParsePrefix(blocks[len(blocks)-1])
		start := u.birdAnnounces("many", "large", blocks...)
		trace := ""
		u.within(10*time.Second, "a trace by the last route", func() bool {
			trace = u.traced("web", last.Addr().Next().String(), "icmp")
			return strings.Contains(trace, last.String()+" → ") && strings.Contains(trace, "vpnTunnel large/")
		})
		t.Logf("1,000 routes were learned and enforced after %s", time.Since(start))
		u.within(5*time.Second, "both tunnels have all", func() bool {
			return u.tunnel("large/1").AcceptedRouteCount == 1000 && u.tunnel("large/2").AcceptedRouteCount == 1000
		})
		t.Logf("by both tunnels after %s", time.Since(start))
		if n := strings.Count(u.ok("get", "transitGatewayRouteTables", "-o", "json").stdout, `"172.`); n != len(blocks) {
			t.Errorf("the transit gateway's route table has %d of the routes", n)
		}
		// One that goes is gone as fast.
		start = u.birdAnnounces("many", "large", blocks[:1]...)
		u.within(5*time.Second, "the routes withdrawn", func() bool {
			return strings.Contains(u.traced("web", last.Addr().Next().String(), "icmp"), "DROP at transitGatewayRouteTable")
		})
		t.Logf("and withdrawn after %s", time.Since(start))
	})
}
