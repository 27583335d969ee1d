package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const countedFile = `
name: counted
vpcs: {v: {cidr: 10.0.0.0/16, ipv6: 2001:db8:1::/56}}
subnets:
  s: {vpc: v, cidr: 10.0.1.0/24, ipv6: "2001:db8:1:1::/64"}
  r: {vpc: v, cidr: 10.0.2.0/24, ipv6: "2001:db8:1:2::/64"}
securityGroups: {open: {vpc: v, ingress: [{protocol: all, from: [10.0.0.0/16, "::/0"]}]}}
instances:
  a: {subnet: s, ip: 10.0.1.10, ipv6: "2001:db8:1:1::10", securityGroups: [open]}
  b: {subnet: r, ip: 10.0.2.20, ipv6: "2001:db8:1:2::20", securityGroups: [open], run: [iperf3 -s]}
flowLogs:
  a: {networkInterface: a, aggregationInterval: 1s, format: "${protocol} ${srcport} ${dstport} ${packets} ${bytes} ${flow-direction}"}
  b: {networkInterface: b, aggregationInterval: 1s, format: "${protocol} ${srcport} ${dstport} ${packets} ${bytes} ${flow-direction}"}
`

// traffic is packets and bytes of IP.
type traffic struct{ Packets, Bytes int }

// TestFlowLogsCountWhatProgramsCounted: the records of both interfaces add up to
// what ping and iperf3 say they sent, and to the segments that the kernels of the
// instances counted, although the forwarding core sees superframes of up to 64 KB, and
// with --offload next to none of a connection.
func TestFlowLogsCountWhatProgramsCounted(t *testing.T) {
	requirePrograms(t, "ping", "iperf3")
	t.Run("walked", func(t *testing.T) { countFlows(t) })
	t.Run("offloaded", func(t *testing.T) {
		requireOffload(t)
		countFlows(t, "--offload")
	})
}

func countFlows(t *testing.T, options ...string) {
	u := newUser(t, nil)
	path := filepath.Join(u.dir, "counted.yaml")
	if err := os.WriteFile(path, []byte(countedFile), 0o644); err != nil {
		t.Fatal(err)
	}
	u.ok(append([]string{"up", "-d", path}, options...)...)
	const pings, pingSize = 7, 1000
	for _, to := range []string{"10.0.2.20", "2001:db8:1:2::20"} {
		u.ok("exec", "a", "--", "ping", "-q", "-i", "0.01", "-c", strconv.Itoa(pings), "-s", strconv.Itoa(pingSize), to)
	}
	// What was sent again passed twice; what the server no longer waited for never
	// passed. Only a run without either says what the records must say.
	tcp := u.iperf("a", "-c", "10.0.2.20", "-n", "5M")
	for tries := 1; tcp.retransmits > 0 || tcp.received != tcp.bytes; tries++ {
		if tries == 20 {
			t.Fatalf("of %d runs of iperf3 none went without retransmission to its end; the last: %+v", tries, tcp)
		}
		tcp = u.iperf("a", "-c", "10.0.2.20", "-n", "5M")
	}
	udp := u.iperf("a", "-c", "2001:db8:1:2::20", "-u", "-n", "2M", "-b", "200M", "-l", "1200")
	segments := map[string]int{"a": u.segmentsSent("a"), "b": u.segmentsSent("b")}
	if o := u.labs()[0].Offload; len(options) > 0 && (o == nil || o.Bytes < uint64(tcp.bytes)/2) {
		t.Errorf("of %d bytes hardly any were offloaded: %+v", tcp.bytes, o)
	}
	u.ok("down")

	// A connection's segments have 20 bytes of IP, 20 of TCP and 12 of its options;
	// the first of each side has 20 of these. Iperf3 sends a cookie of 37 bytes first.
	// Acknowledgements have more options when segments overtook each other: of them
	// only the number is foreseen, and that by the kernel.
	const cookie = 37
	count := func(total, payload int) traffic { return traffic{total, payload + 52*total + 8} }
	for _, who := range []string{"a", "b"} {
		there, back := "egress", "ingress"
		if who == "b" {
			there, back = back, there
		}
		got := u.flowTraffic("counted", who)
		key := func(direction string, words ...any) string { return fmt.Sprint(append(words, direction)...) }
		toServer := key(there, "tcp ", tcp.port, " 5201 ")
		want := map[string]traffic{
			key(there, "icmp "):                    {pings, pings * (20 + 8 + pingSize)},
			key(back, "icmp "):                     {pings, pings * (20 + 8 + pingSize)},
			key(there, "icmpv6 "):                  {pings, pings * (40 + 8 + pingSize)},
			key(back, "icmpv6 "):                   {pings, pings * (40 + 8 + pingSize)},
			key(there, "udp ", udp.port, " 5201 "): {udp.packets + 1, udp.bytes + 4 + (udp.packets+1)*48}, // it says hello first
			key(back, "udp 5201 ", udp.port, " "):  {1, 4 + 48},
		}
		want[toServer] = count(got[toServer].Packets, tcp.bytes+cookie)
		for key, w := range want {
			if diff := cmp.Diff(w, got[key]); diff != "" {
				t.Errorf("%s of the records of %s (-iperf3 and ping +records):\n%s", key, who, diff)
			}
		}
		for direction, sender := range map[string]string{there: "a", back: "b"} {
			if n := got[key(direction, "tcp ")].Packets; n != segments[sender] {
				t.Errorf("%d TCP segments %s in the records of %s, and %s sent %d", n, direction, who, sender, segments[sender])
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(u.state, ".flowlogs")); err != nil {
		t.Error(err)
	}
}

// iperfRun is what iperf3 says of a test: the port of the connection that had the
// data, what was sent and received, and for UDP in how many datagrams.
type iperfRun struct{ port, packets, bytes, received, retransmits int }

// iperf runs a client in an instance.
func (u *user) iperf(instance string, args ...string) iperfRun {
	u.t.Helper()
	var answer struct {
		Start struct {
			Connected []struct {
				LocalPort int `json:"local_port"`
			}
		}
		End struct {
			Sent     struct{ Bytes, Packets, Retransmits int } `json:"sum_sent"`
			Received struct{ Bytes int }                       `json:"sum_received"`
			Sum      struct{ Bytes, Packets int }
		}
		Error string
	}
	command := "for try in 1 2 3 4 5 6 7 8 9; do out=$(iperf3 --json " + strings.Join(args, " ") + ") && break; sleep 0.2; done; echo \"$out\""
	r := u.ok("exec", instance, "--", "/bin/sh", "-c", command) // the server may still be on its way
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || len(answer.Start.Connected) != 1 || answer.Error != "" {
		u.t.Fatalf("iperf3: %v\n%s", err, r)
	}
	end := answer.End
	return iperfRun{answer.Start.Connected[0].LocalPort, end.Sum.Packets, max(end.Sent.Bytes, end.Sum.Bytes), end.Received.Bytes, end.Sent.Retransmits}
}

// segmentsSent is what an instance's kernel says of TCP, all of it.
func (u *user) segmentsSent(instance string) int {
	u.t.Helper()
	lines := strings.Split(strings.TrimSpace(u.ok("exec", instance, "--", "grep", "^Tcp:", "/proc/net/snmp").stdout), "\n")
	names, values := strings.Fields(lines[0]), strings.Fields(lines[len(lines)-1])
	sent := 0
	for i, name := range names {
		if n, _ := strconv.Atoi(values[i]); name == "OutSegs" || name == "RetransSegs" {
			sent += n
		}
	}
	return sent
}

// flowTraffic adds up the file of a flow log: by protocol, ports and direction, and by
// protocol and direction alone.
func (u *user) flowTraffic(lab, log string) map[string]traffic {
	u.t.Helper()
	text, err := os.ReadFile(filepath.Join(u.state, ".flowlogs", lab, log+".log"))
	if err != nil {
		u.t.Fatal(err)
	}
	protocols := map[int]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
	sum := map[string]traffic{}
	for line := range strings.Lines(string(text)) {
		var protocol, from, to, packets, bytes int
		var direction string
		if n, _ := fmt.Sscan(line, &protocol, &from, &to, &packets, &bytes, &direction); n != 6 {
			continue // NODATA
		}
		for _, key := range []string{fmt.Sprintf("%s %d %d %s", protocols[protocol], from, to, direction), protocols[protocol] + " " + direction} {
			known := sum[key]
			sum[key] = traffic{known.Packets + packets, known.Bytes + bytes}
		}
	}
	return sum
}
