package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What follows is hostile, and the lab must bear it: other connections go on,
// every drop has a reason, nothing reaches another VPC, memory stays bounded.

// bystander is a connection that must not notice, and what it watches.
type bystander struct {
	u         *user
	conn      *program
	memory    int    // KiB that the daemon had before
	twinSaw   uint64 // packets that the instance with the victim's address has received
	exchanged int
}

// watch opens the connection through the security group of guarded, so that it
// is tracked.
func (u *user) watch() *bystander {
	b := &bystander{u: u, conn: u.tool("web", "dial", "10.0.2.20:7"), memory: u.memory(), twinSaw: u.received("twin")}
	b.conn.expect("guarded (10.0.2.20) answers 10.0.1.10:")
	return b
}

// mostMemory is how much a daemon's memory may grow under any of this, in KiB:
// the tracking table alone is allowed 128 MiB. The race detector takes several
// times as much.
func mostMemory() int {
	if raceDetector() {
		return 2 << 20
	}
	return 320 << 10
}

// check holds the claims above.
func (b *bystander) check() {
	b.u.t.Helper()
	b.exchanged++
	line := fmt.Sprintf("message %d\n", b.exchanged)
	b.conn.send(line)
	b.conn.expect(strings.TrimSpace(line))
	s := b.u.status()
	if n := s.Packets.Drops["bug"]; n > 0 {
		b.u.t.Errorf("%d packets met a bug", n)
	}
	if p := s.Packets; p.Received > p.Forwarded+p.Answered+p.Dropped {
		b.u.t.Errorf("of %d packets %d were forwarded, %d answered, %d dropped for a reason", p.Received, p.Forwarded, p.Answered, p.Dropped)
	}
	if saw := b.u.received("twin"); saw != b.twinSaw {
		b.u.t.Errorf("%d packets reached an instance of another VPC", saw-b.twinSaw)
	}
	if now := b.u.memory(); now-b.memory > mostMemory() {
		b.u.t.Errorf("the daemon's memory grew from %d to %d KiB", b.memory, now)
	}
}

// memory is the daemon's resident memory in KiB.
func (u *user) memory() (kib int) {
	u.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.status().PID))
	if err != nil {
		u.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib
		}
	}
	u.t.Fatal("the daemon has no memory")
	return 0
}

// received is how many packets have reached an instance's eth0.
func (u *user) received(instance string) uint64 {
	u.t.Helper()
	r := u.ok("exec", instance, "--", "ip", "-j", "-s", "link", "show", "dev", "eth0")
	var links []struct {
		Stats struct {
			RX struct {
				Packets uint64 `json:"packets"`
			} `json:"rx"`
		} `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &links); err != nil || len(links) != 1 {
		u.t.Fatalf("%v: %s", err, r)
	}
	return links[0].Stats.RX.Packets
}

func TestAbusePortScan(t *testing.T) {
	requirePrograms(t, "nmap", "ip")
	asEveryUser(t, func(t *testing.T, u *user) {
		u.vpcLab()
		b := u.watch()
		// At this rate, and on a busy machine, nmap gives up on some ports; which ones,
		// nobody knows. Asked with patience, the instance has the same to say as ever.
		u.expectOutput("web", "timeout 60 nmap -n -Pn -sS -p- -T5 --min-rate 30000 --max-retries 2 10.0.2.20",
			`Not shown: \d{4,} closed tcp ports`)
		u.expectOutput("web", "timeout 60 nmap -n -Pn -sS -p 7,80,81 --max-retries 10 10.0.2.20",
			`(?s)\n7/tcp +open.*\n80/tcp +open.*\n81/tcp +closed`)
		b.check()
	})
}

func TestAbuseSpoofingWithRealPrograms(t *testing.T) {
	requirePrograms(t, "hping3", "arping", "ping", "ip", "curl")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		b := u.watch()
		u.expectOutput("spare", "hping3 -q -c 1000 -i u100 -S --rand-source -p 80 10.0.2.20 2>&1", `1000 packets transmitted, 0 packets received`)
		u.expectOutput("spare", "hping3 -q -c 20 -i u1000 -S -a 10.0.2.20 -s 80 -k -p 80 10.0.2.20 2>&1", `20 packets transmitted`) // it takes its own for answers
		// Every sixteenth random source is a multicast address.
		if drops := u.status().Packets.Drops; drops["source-address"] < 900 || drops["source-address"]+drops["group-address"] < 1020 {
			t.Errorf("A-C15: drops %v", drops)
		}
		// A30: who takes an address and says so to everybody gets nothing.
		u.shell("spare", "ip address add 10.0.1.10/32 dev eth0; arping -q -U -c 2 -w 2 -i 0.1 -I eth0 10.0.1.10; arping -q -A -c 2 -w 2 -I eth0 10.0.1.10")
		web := packet.MAC(u.networkInterface("web").Status.MAC)
		if got := u.neighbor("router", "10.0.1.10"); got != web {
			t.Errorf("A-C12 A-C14: 10.0.1.10 is at %s, want %s", got, web)
		}
		u.expectOutput("private", "curl -sS -m 5 http://10.0.1.10/", `^web `)
		u.expectOutput("spare", "arping -f -c 1 -w 1 -I eth0 10.0.1.99", `Received 0 response`) // A-C13
		b.check()
	})
}

func TestAbuseFrames(t *testing.T) {
	requirePrograms(t, "ip", "ping")
	asEveryUser(t, func(t *testing.T, u *user) {
		t.Parallel() // with the other user: it mostly waits
		u.vpcLab()
		b := u.watch()
		a := u.attacker("spare")
		for _, test := range abuses(a, packet.MAC(u.networkInterface("web").Status.MAC)) {
			t.Run(test.name, func(t *testing.T) {
				u := u.with(t)
				list, before := &frameList{}, u.status().Packets
				for _, frame := range test.frames {
					list.add(frame)
				}
				sent := uint64(u.sendFrames(a.name, list))
				if sent != uint64(len(test.frames)) {
					t.Fatalf("the kernel sent %d of %d frames", sent, len(test.frames))
				}
				u.eventually("all are judged", func() bool { return u.status().Packets.Received >= before.Received+sent })
				after := u.status().Packets
				if dropped := after.Drops[test.reason] - before.Drops[test.reason]; test.reason != "" && dropped < sent-test.pass {
					t.Errorf("%d of %d frames dropped for %s; drops before %v, after %v", dropped, sent, test.reason, before.Drops, after.Drops)
				}
			})
		}
		web := packet.MAC(u.networkInterface("web").Status.MAC)
		if got := u.neighbor("router", "10.0.1.10"); got != web {
			t.Errorf("A30: after spoofing 10.0.1.10 is at %s, want %s", got, web)
		}
		b.check()
	})
}

// abuse is one kind of bad frames, and why they are dropped; without a reason,
// the lab may do with them what it likes.
type abuse struct {
	name   string
	frames [][]byte
	reason string
	pass   uint64 // so many of them may be dropped for another reason, or pass
}

func abuses(a attacker, victim packet.MAC) []abuse {
	frame := func(s packet.Spec) []byte { return packet.Append(nil, s) }
	changed := func(s packet.Spec, change func(*packet.Spec)) []byte {
		change(&s)
		return frame(s)
	}
	at := func(frame []byte, offset int, bytes ...byte) []byte {
		copy(frame[offset:], bytes)
		return frame
	}
	tcp, udp := a.spec("10.0.2.10", packet.ProtoTCP, 4000, 80), a.spec("10.0.2.10", packet.ProtoUDP, 4000, 9)
	udp.Payload = make([]byte, 1024)
	tcp6, udp6 := a.spec("2001:db8:a:2::10", packet.ProtoTCP, 4000, 80), a.spec("2001:db8:a:2::10", packet.ProtoUDP, 4000, 9)
	broadcast := packet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	const ip = ethernetLen
	routing := withExtensions(frame(udp6), 43, 1, 24)
	fragment := packet.Append(nil, udp)
	return []abuse{
		{"A24 A-C15 spoofed sources", [][]byte{
			changed(tcp, func(s *packet.Spec) { s.Src = addr("10.0.1.77") }),
			changed(tcp, func(s *packet.Spec) { s.Src = addr("10.0.1.10") }),
			changed(tcp, func(s *packet.Spec) { s.Src = addr("203.0.113.10") }),
			changed(tcp, func(s *packet.Spec) { s.Src = addr("169.254.169.254") }),
			changed(tcp6, func(s *packet.Spec) { s.Src = addr("2001:db8:a:1::10") }),
		}, "source-address", 0},
		{"A26 spoofed MAC address", [][]byte{changed(tcp, func(s *packet.Spec) { s.SrcMAC = victim })}, "source-mac", 0},
		{"land, the victim's address", [][]byte{
			changed(tcp, func(s *packet.Spec) { s.Src, s.SrcPort = s.Dst, s.DstPort }),
			changed(tcp6, func(s *packet.Spec) { s.Src, s.SrcPort = s.Dst, s.DstPort }),
		}, "source-address", 0},
		{"land, one's own address", [][]byte{
			changed(tcp, func(s *packet.Spec) { s.Dst, s.DstPort = s.Src, s.SrcPort }),
			changed(tcp6, func(s *packet.Spec) { s.Dst, s.DstPort = s.Src, s.SrcPort }),
		}, "", 0},
		{"A34 broadcast and multicast", [][]byte{
			changed(udp, func(s *packet.Spec) { s.DstMAC, s.Dst = broadcast, addr("10.0.1.255") }),
			changed(udp, func(s *packet.Spec) { s.DstMAC, s.Dst = broadcast, addr("255.255.255.255") }),
			changed(udp, func(s *packet.Spec) {
				s.DstMAC, s.Dst = packet.MAC{0x01, 0x00, 0x5e, 0, 0, 1}, addr("224.0.0.1")
			}),
			changed(udp6, func(s *packet.Spec) { s.DstMAC, s.Dst = packet.MAC{0x33, 0x33, 0, 0, 0, 1}, addr("ff02::1") }),
		}, "group-address", 0},
		{"A36 other protocols than IP and ARP", [][]byte{at(frame(udp), 12, 0x88, 0xcc), at(frame(udp), 12, 0x08, 0x35)}, "ethertype", 0},
		{"A30 ARP spoofing", [][]byte{
			packet.AppendARP(nil, 2, broadcast, a.mac, a.mac, addr("10.0.1.10"), a.mac, addr("10.0.1.10")),
			packet.AppendARP(nil, 2, victim, a.mac, a.mac, addr("10.0.1.1"), victim, addr("10.0.1.10")),
			packet.AppendARP(nil, 1, broadcast, a.mac, a.mac, addr("10.0.1.10"), packet.MAC{}, addr("10.0.1.10")),
		}, "announcement", 0},
		{"A30 A35 neighbour spoofing", [][]byte{
			packet.AppendNeighborAdvertisement(nil, packet.MAC{0x33, 0x33, 0, 0, 0, 1}, a.mac, a.ip6, addr("ff02::1"), addr("2001:db8:a:1::10"), a.mac, false, false, true),
			packet.AppendNeighborAdvertisement(nil, victim, a.mac, a.ip6, addr("2001:db8:a:1::10"), addr("fe80::1"), a.mac, true, true, true),
		}, "", 0},
		{"S33 a later fragment without its first", [][]byte{
			fragment4(frame(changedID(udp, 7)), 512, 512, 512, false), fragment4(frame(changedID(udp, 8)), 8, 8, 65528, false),
		}, "fragment-without-head", 1}, // the second reaches beyond the largest packet
		{"fragments too small for their header", [][]byte{
			fragment4(frame(changedID(tcp, 9)), 0, 8, 0, true), fragment4(frame(changedID(tcp, 9)), 8, 12, 8, false),
			fragment4(frame(changedID(udp, 10)), 0, 0, 0, true),
		}, "malformed", 0},
		{"fragments that overlap", [][]byte{
			fragment4(frame(changedID(udp, 11)), 0, 512, 0, true), fragment4(frame(changedID(udp, 11)), 0, 512, 8, true),
			fragment4(frame(changedID(udp, 11)), 0, 512, 504, true), fragment4(frame(changedID(udp, 11)), 512, 512, 512, false),
		}, "", 0},
		{"IPv6 extension chains", [][]byte{
			withExtensions(frame(udp6), 60, 1, 8), withExtensions(frame(udp6), 60, 8, 8), withExtensions(frame(udp6), 60, 150, 8),
			withExtensions(frame(udp6), 0, 2, 8), withExtensions(frame(udp6), 43, 20, 24), withExtensions(frame(udp6), 44, 12, 8),
			withExtensions(frame(udp6), 51, 3, 16), routing, withExtensions(frame(tcp6), 60, 4, 256), withExtensions(frame(tcp6), 59, 1, 8),
		}, "", 0},
		{"headers that lie about lengths", [][]byte{
			at(frame(tcp), ip, 0x4f), at(frame(tcp), ip, 0x41), at(frame(tcp), ip, 0x65), at(frame(tcp), ip+2, 0xff, 0xff),
			at(frame(tcp), ip+2, 0, 10), at(frame(tcp6), ip+4, 0xff, 0xff), frame(tcp)[:ip+12], frame(tcp6)[:ip+30], fragment[:ip+24],
			at(frame(tcp), ip+ipv4Len+12, 0x10), at(frame(udp), ip+ipv4Len+4, 0, 3),
		}, "malformed", 2}, // an L4 header's own length is for its receiver to judge
	}
}

func changedID(s packet.Spec, id uint16) packet.Spec {
	s.IPv4ID = id
	return s
}

// TestAbuseRandomFrames mutates good packets; the seed is fixed, so that a
// failure comes again.
func TestAbuseRandomFrames(t *testing.T) {
	requirePrograms(t, "ip", "ping", "curl", "dig")
	asEveryUser(t, func(t *testing.T, u *user) {
		u.vpcLab()
		b := u.watch()
		a := u.attacker("spare")
		var frames [][]byte
		for _, address := range []string{"10.0.2.10", "10.0.2.20", "10.0.1.10", "203.0.113.10", "169.254.169.254", "169.254.169.253", "255.255.255.255",
			"2001:db8:a:2::10", "2001:db8:ff00::10", "64:ff9b::203.0.113.10", "fd00:ec2::253", "ff02::1:2", "ff02::2"} {
			for _, port := range []uint16{53, 67, 80, 123, 547} {
				tcp, udp := a.spec(address, packet.ProtoTCP, 546, port), a.spec(address, packet.ProtoUDP, 68, port)
				tcp.Payload, udp.Payload = make([]byte, 300), make([]byte, 300)
				frames = append(frames, packet.Append(nil, tcp), packet.Append(nil, udp))
			}
			icmp := a.spec(address, packet.ProtoICMP, 1, 1)
			if icmp.ICMPType = 8; !icmp.Dst.Is4() {
				icmp.Proto, icmp.ICMPType = packet.ProtoICMPv6, 128
			}
			frames = append(frames, packet.Append(nil, icmp))
		}
		list, before := &frameList{}, u.status().Packets.Received
		list.mutated(rand.New(rand.NewPCG(1, 2)), frames, 50_000)
		sent := uint64(u.sendFrames(a.name, list))
		if sent < 30_000 {
			t.Errorf("the kernel sent only %d frames", sent)
		}
		u.eventually("all are judged", func() bool {
			s := u.status()
			return s.Packets.Received+s.Port.KernelDropped+s.Port.Malformed+s.Port.Truncated >= before+sent
		})
		b.check()
		u.expectOutput("web", "dig +short +time=2 ip-10-0-2-10.ec2.internal", `^10\.0\.2\.10\n$`) // the services live, too
		u.expectOutput("web", takeToken+withToken+"local-ipv4", `\n200\n$`)
	})
}

// TestAbuseSYNFloodFillsTheTable starts more connections than the tracking table
// has room for (S30), and more than a NAT gateway has ports for (R42). The lab is
// the tester's own only: this takes seconds.
func TestAbuseSYNFloodFillsTheTable(t *testing.T) {
	requirePrograms(t, "ip", "ping", "curl")
	build(t)
	u := newUser(t, nil)
	u.vpcLab()
	b := u.watch()

	// R42. The host does not answer: a reset would end the connections.
	nat := u.attacker("private")
	u.shell("farther", "ip route add blackhole 198.51.100.50")
	// An ordinary user's socket buffer is the system's default, which a long
	// burst overruns.
	const connections = 60_000
	burst := connections
	if os.Geteuid() != 0 {
		burst = 3_000
	}
	for first := 0; first < connections; first += burst {
		list := &frameList{}
		for port := range burst {
			list.add(packet.Append(nil, nat.spec("203.0.113.20", packet.ProtoTCP, uint16(1024+first+port), 9)))
		}
		u.sendFrames("private", list)
	}
	u.eventually("the NAT gateway has no port left", func() bool { return u.drops("nat-port-allocation") >= 4000 })
	u.expectOutput("private", "curl -sS -m 5 http://203.0.113.10/", `answers 198\.51\.100\.50:`) // another destination has its own
	b.check()

	// S30. Each connection takes two places: the sender's group tracks it, and
	// the receiver's.
	flood := u.attacker("client")
	flood.router = packet.MAC(u.networkInterface("guarded").Status.MAC) // of the same subnet
	u.shell("guarded", "ip route add blackhole 10.0.2.30")
	full := func() bool { return u.drops("tracking-table-full") > 0 }
	for sent := 0; sent < 30*connections && !full(); sent += burst {
		list := &frameList{data: make([]byte, 0, burst*(2+offloadHeaderLen+54))}
		for n := sent; n < sent+burst; n++ {
			source, port := uint16(1024+n%connections), uint16(1000+n/connections)
			list.add(packet.Append(nil, flood.spec("10.0.2.20", packet.ProtoTCP, source, port)))
		}
		u.sendFrames("client", list)
	}
	u.eventually("the table is full", full)
	t.Logf("%d connections tracked, memory %d KiB before, %d after", u.status().Packets.Tracked, b.memory, u.memory())
	b.check()
	if r := u.shell("client", "curl -sS -m 0.5 http://10.0.2.20/"); !strings.Contains(r.stdout, "timed out") {
		t.Errorf("S30: a new tracked connection: %s", r)
	}
	u.expectOutput("web", "curl -sS -m 5 http://10.0.2.10/", `^private `) // S21: what needs no tracking goes on
	b.check()
}
