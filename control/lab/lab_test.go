package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/scenarios"
)

// testFile is a lab of two VPCs with everything that has a rule of its own here:
// a second interface, secondary addresses, a stopped instance, equal addresses.
const testFile = `
name: test
vpcs:
  a: {cidr: 10.0.0.0/16, ipv6: "2001:db8:a::/56"}
  b: {cidr: 10.0.0.0/16}
internetGateways:
  igw-a: {vpc: a}
routeTables:
  a/main: {vpc: a, routes: {0.0.0.0/0: igw-a, "::/0": igw-a}}
subnets:
  a1: {vpc: a, cidr: 10.0.1.0/24, ipv6: "2001:db8:a:1::/64"}
  a2: {vpc: a, cidr: 10.0.2.0/25}
  b1: {vpc: b, cidr: 10.0.1.0/24}
securityGroups:
  open: {vpc: a, ingress: [{protocol: tcp, ports: 80, from: [0.0.0.0/0, "::/0"]}]}
instances:
  web: {subnet: a1, ip: 10.0.1.10, ipv6: "2001:db8:a:1::10", publicIp: 198.51.100.10, securityGroups: [open], secondaryIps: [10.0.1.11]}
  fw:
    subnet: a1
    ip: 10.0.1.20
    ipv6: false
    sourceDestCheck: false
    forward: true
    interfaces: [{subnet: a2, ip: 10.0.2.20}]
  off: {subnet: a1, ip: 10.0.1.30, stopped: true}
  other: {subnet: b1, ip: 10.0.1.10}
internetHosts:
  laptop: {ip: 203.0.113.10, ipv6: "2001:db8:ff00::10"}
checks:
  - {from: laptop, to: web, tcp: 80}
`

// memoryLab is a daemon's state without a kernel behind it.
func memoryLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{
		name: "test", started: time.Now(), log: quiet, listens: &listenSockets{}, down: make(chan struct{}),
		engine:   dataplane.NewEngine(dataplane.Config{}),
		platform: newPlatform(func(string, func() error) error { return nil }, quiet), // no sockets
		servers:  newServers(func(_ string, f func() error) error { return f() }, quiet),
		programs: newPrograms(nil, "", "", quiet),
	}
	l.cloudWatch = newCloudWatch(nil, quiet)
	t.Cleanup(l.cloudWatch.close)
	l.flowLogs = newFlowLogs(l.engine, func() int64 { return int64(time.Since(l.started)) }, l.started, delivery.New("", quiet), l.cloudWatch.put, quiet)
	t.Cleanup(l.flowLogs.close)
	l.store = control.NewStore(quiet, nil, l.engine.Publish)
	l.observePublishing()
	if _, err := l.apply(t.Context(), File{Name: "test.yaml", Source: testFile}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.servers.close)
	t.Cleanup(l.platform.close)
	return l
}

func TestNodesFollowTheWorld(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	handle := func(eni string) uint32 { return w.NetworkInterfaces[eni].Status.Handle }
	router := func(subnet string) netip.Addr {
		return dataplane.RouterLinkLocal(dataplane.Handle(w.Subnets[subnet].Status.Handle))
	}
	mac := func(h uint32) packet.MAC { return dataplane.InterfaceMAC(dataplane.Handle(h)) }
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	laptop := w.InternetHosts["laptop"].Status.Handle
	want := []host.Node{platformHost(), {
		Name: nodeName(w, "fw"), Hostname: "fw", Forward: true,
		Interfaces: []host.Interface{
			{Link: handle("fw/eth0"), Name: "eth0", MAC: mac(handle("fw/eth0")), MTU: 9001, Addresses: []netip.Prefix{p("10.0.1.20/24")}, Gateways: []netip.Addr{a("10.0.1.1")}},
			{Link: handle("fw/eth1"), Name: "eth1", MAC: mac(handle("fw/eth1")), MTU: 9001, Addresses: []netip.Prefix{p("10.0.2.20/25")}, Gateways: []netip.Addr{a("10.0.2.1")}},
		},
	}, {
		Name: nodeName(w, "other"), Hostname: "other",
		Interfaces: []host.Interface{{Link: handle("other/eth0"), Name: "eth0", MAC: mac(handle("other/eth0")), MTU: 9001, Addresses: []netip.Prefix{p("10.0.1.10/24")}, Gateways: []netip.Addr{a("10.0.1.1")}}},
	}, {
		Name: nodeName(w, "web"), Hostname: "web",
		Interfaces: []host.Interface{{
			Link: handle("web/eth0"), Name: "eth0", MAC: mac(handle("web/eth0")), MTU: 9001,
			Addresses: []netip.Prefix{p("10.0.1.10/24"), p("10.0.1.11/24"), p("2001:db8:a:1::10/128")},
			Gateways:  []netip.Addr{a("10.0.1.1"), router("a1")},
			OnLink:    []netip.Prefix{p("2001:db8:a:1::/64")},
		}},
	}, {
		Name: nodeName(w, "laptop"), Hostname: "laptop",
		Interfaces: []host.Interface{{
			Link: laptop, Name: "eth0", MAC: mac(laptop), MTU: 1500,
			Addresses: []netip.Prefix{p("203.0.113.10/32"), p("2001:db8:ff00::10/128")},
			Gateways:  []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
		}},
	}}
	compare := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addresses := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, nodes(w), compare, addresses); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

func TestReplacedInstanceIsANewNode(t *testing.T) {
	l := memoryLab(t)
	before, _ := l.store.World()
	if _, err := l.apply(t.Context(), File{Name: "test.yaml", Source: strings.ReplaceAll(testFile, "ip: 10.0.1.20", "ip: 10.0.1.21")}); err != nil {
		t.Fatal(err)
	}
	after, _ := l.store.World()
	if nodeName(before, "fw") == nodeName(after, "fw") {
		t.Errorf("fw was replaced and is still node %s", nodeName(after, "fw"))
	}
	if nodeName(before, "web") != nodeName(after, "web") {
		t.Errorf("web was not touched and became node %s", nodeName(after, "web"))
	}
}

func TestHostsFileIsWhatTheNodeReaches(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	for _, test := range []struct{ node, want string }{
		{"web", `10.0.1.20 fw
10.0.1.30 off
2001:db8:a:1::4 off.ipv6
10.0.1.10 web
2001:db8:a:1::10 web.ipv6
203.0.113.10 laptop
2001:db8:ff00::10 laptop.ipv6
`},
		{"laptop", `2001:db8:a:1::4 off.ipv6 off
198.51.100.10 web
2001:db8:a:1::10 web.ipv6
203.0.113.10 laptop
2001:db8:ff00::10 laptop.ipv6
`},
	} {
		_, got, _ := strings.Cut(hostsFile(w, test.node), "::1 localhost\n")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.node, diff)
		}
	}
}

func TestEndsAreUnderstood(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	for _, test := range []struct {
		name, from, to string
		family         control.Family
		node, address  string // or
		err            string
	}{
		{name: "within the VPC: private", from: "fw", to: "web", node: "fw", address: "10.0.1.10"},
		{name: "from the Internet: public", from: "laptop", to: "web", node: "laptop", address: "198.51.100.10"},
		{name: "from another VPC: public", from: "other", to: "web", node: "other", address: "198.51.100.10"},
		{name: "no public address: private all the same", from: "laptop", to: "fw", node: "laptop", address: "10.0.1.20"},
		{name: "an interface", from: "fw/eth1", to: "fw/eth0", node: "fw", address: "10.0.1.20"},
		{name: "IPv6", from: "laptop", to: "web", family: control.IPv6, node: "laptop", address: "2001:db8:a:1::10"},
		{name: "an address is itself", from: "web", to: "192.0.2.1", node: "web", address: "192.0.2.1"},
		{name: "the sender by its address", from: "10.0.1.20", to: "web", node: "fw", address: "10.0.1.10"},
		{name: "an ambiguous address", from: "10.0.1.10", to: "web", err: "10.0.1.10 is the address of other/eth0 and of web/eth0; write the one that you mean"},
		{name: "nobody's address", from: "192.0.2.1", to: "web", err: "nobody in the lab has the address 192.0.2.1; write an instance, an interface such as web/eth0, an Internet host or a VPN client"},
		{name: "a slip", from: "wbe", to: "web", err: `no instance, interface, Internet host, VPN client or host of a site named "wbe"; did you mean web?`},
		{name: "the wrong family", from: "web", to: "192.0.2.1", family: control.IPv6, err: "192.0.2.1 is not an ipv6 address; leave --family out: the address says it"},
		{name: "no such family", from: "web", to: "fw", family: control.IPv6, err: "fw has no ipv6 address; give it one in the file, or use the other family"},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, err := findSender(w, test.from)
			var to netip.Addr
			if err == nil {
				to, err = findDestination(w, &from, test.to, test.family)
			}
			if err != nil {
				var usage *UsageError
				if err.Error() != test.err || !errors.As(err, &usage) {
					t.Fatalf("got error %q, want %q", err, test.err)
				}
				return
			}
			if from.Node != test.node || to.String() != test.address || test.err != "" {
				t.Errorf("got %s to %s, want %s to %s, error %q", from.Node, to, test.node, test.address, test.err)
			}
		})
	}
}

func TestTrafficIsUnderstood(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "icmp"}, {"icmp", "icmp"}, {"ping", "icmp"}, {"tcp/443", "tcp/443"}, {"UDP/53", "udp/53"},
		{"tcp", ""}, {"tcp/0", ""}, {"tcp/65536", ""}, {"icmp/8", ""}, {"sctp/9", ""}, {"tcp/80/81", ""},
	} {
		got, err := parseTraffic(test.text)
		if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
			t.Errorf("%q: got %s, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestClosestFindsWhatWasMeant(t *testing.T) {
	for _, test := range []struct {
		word       string
		candidates []string
		want       string
	}{
		{"quikstart", []string{"middlebox", "quickstart"}, "quickstart"},
		{"wbe", []string{"db", "laptop", "web"}, "web"},
		{"wb", []string{"db", "web"}, "web"},
		{"instnaces", []string{"instances", "internetHosts"}, "instances"},
		{"nothing", []string{"db", "web"}, ""},
	} {
		if got := Closest(test.word, test.candidates); got != test.want {
			t.Errorf("%s: got %q, want %q", test.word, got, test.want)
		}
	}
}

func TestTraceFileNamesWhatDecided(t *testing.T) {
	file := File{Name: "test.yaml", Source: testFile}
	for _, test := range []struct {
		query    TraceQuery
		decision string // "" passes
	}{
		{TraceQuery{From: "laptop", To: "web", Traffic: "tcp/80"}, ""},
		{TraceQuery{From: "laptop", To: "web", Traffic: "tcp/80", Family: control.IPv6}, ""},
		{TraceQuery{From: "laptop", To: "web", Traffic: "tcp/22"}, "securityGroup open: no ingress rule allows tcp/22 from 203.0.113.10"},
		{TraceQuery{From: "laptop", To: "web", Family: control.IPv6}, "securityGroup open: no ingress rule allows icmpv6 type 128 code 0 from 2001:db8:ff00::10"},
		{TraceQuery{From: "web", To: "10.0.1.99"}, "subnet a1: nobody in the subnet has 10.0.1.99: its ARP or neighbour discovery gets no answer"},
		{TraceQuery{From: "other", To: "laptop"}, "routeTable b/main: no route matches 203.0.113.10"},
	} {
		t.Run(fmt.Sprintf("%s to %s %s %s", test.query.From, test.query.To, test.query.Traffic, test.query.Family), func(t *testing.T) {
			trace, err := TraceFile(t.Context(), file, test.query)
			if err != nil {
				t.Fatal(err)
			}
			if trace.Passed != (test.decision == "") || trace.Decision != test.decision {
				t.Errorf("got passed %v, %q; want %q", trace.Passed, trace.Decision, test.decision)
			}
			if trace.Passed && len(trace.Reply) == 0 {
				t.Error("the reply was not traced")
			}
			text, err := json.Marshal(trace)
			if err != nil {
				t.Fatal(err)
			}
			var back Trace
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(trace, &back, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changed by JSON (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServersSayWhoAsked(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp := serveTCP(listener, "db", quiet)
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "select 1\n")
	want := fmt.Sprintf("db (127.0.0.1) answers %s\nselect 1\n", conn.LocalAddr())
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Errorf("tcp: got %q, %v, want %q", got, err, want)
	}
	tcp.stop()
	if _, err := conn.Read(got); err == nil {
		t.Error("tcp: the connection outlived its server")
	}

	listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := serveHTTP(listener, "web", quiet)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if !strings.HasPrefix(string(body), "web (127.0.0.1) answers 127.0.0.1:") {
		t.Errorf("http: got %q", body)
	}
	web.stop()

	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	udp := serveUDP(server, "dns", quiet)
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fmt.Fprint(client, "hello")
	_ = client.SetDeadline(time.Now().Add(5 * time.Second))
	buffer := make([]byte, 512)
	n, err := client.Read(buffer)
	if want := fmt.Sprintf("dns (127.0.0.1) answers %s\nhello", client.LocalAddr()); err != nil || string(buffer[:n]) != want {
		t.Errorf("udp: got %q, %v, want %q", buffer[:n], err, want)
	}
	udp.stop()
}

func TestServersStayWhileTheWorldChanges(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	service := control.Service{Protocol: "tcp", Port: freePort(t)}
	w.Instances["web"].Serve = []control.Service{service}
	s := newServers(func(_ string, f func() error) error { return f() }, quiet)
	defer s.close()
	if err := s.converge(w); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", service.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.Instances["web"].Serve = []control.Service{{Protocol: "tcp", Port: freePort(t)}, service}
	if err := s.converge(w); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "still there?\n")
	text := make([]byte, 256)
	all := ""
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	for !strings.HasSuffix(all, "still there?\n") {
		n, err := conn.Read(text)
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all += string(text[:n])
	}
	w.Instances["web"].Serve = []control.Service{service, service}
	w.Instances["web"].Stopped = true
	if err := s.converge(w); err != nil {
		t.Fatal(err)
	}
	if len(s.running) != 0 {
		t.Errorf("%d servers of a stopped instance run", len(s.running))
	}
}

func freePort(t *testing.T) control.Port {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return control.Port(addrPort(listener.Addr()).Port())
}

func TestProbePacketsAreRecognized(t *testing.T) {
	echo := echoMessage(icmpEchoRequest, 7)
	if sum := internetChecksum(echo); sum != 0 {
		t.Errorf("checksum over a whole message is %#04x, want 0", sum)
	}
	syn := make([]byte, 20)
	syn[0], syn[1], syn[2], syn[3], syn[13] = 0x4e, 0x20, 0, 80, packet.TCPFlagSYN
	answer := append([]byte(nil), syn...)
	answer[13] |= packet.TCPFlagACK
	datagram := append([]byte{0x4e, 0x20, 0, 53, 0, 0, 0, 0}, token(7)...)
	for _, test := range []struct {
		name     string
		bytes    []byte
		protocol uint8
		port     uint16
		want     bool
	}{
		{"a SYN to the port", syn, packet.ProtoTCP, 80, true},
		{"a SYN to another port", syn, packet.ProtoTCP, 81, false},
		{"the answer to one", answer, packet.ProtoTCP, 80, false},
		{"a datagram with a token", datagram, packet.ProtoUDP, 53, true},
		{"a datagram without", datagram[:8], packet.ProtoUDP, 53, false},
		{"an echo with a token", echo, packet.ProtoICMP, 0, true},
		{"its reply", append([]byte{0}, echo[1:]...), packet.ProtoICMP, 0, false},
		{"an ICMPv6 echo", echoMessage(icmpv6Echo, 7), packet.ProtoICMPv6, 0, true},
		{"too short", echo[:4], packet.ProtoICMP, 0, false},
	} {
		if _, ok := isProbe(test.bytes, test.protocol, test.port); ok != test.want {
			t.Errorf("%s: got %v", test.name, ok)
		}
	}
}

func TestCheckFileHoldsInMemory(t *testing.T) {
	name, text, err := scenarios.Read("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	err = CheckFile(context.Background(), File{Name: name, Source: string(text)}, func(r CheckResult) {
		count++
		if !r.OK {
			t.Errorf("%s: %s", r.Check.String(), r.Got)
		}
	})
	if err != nil || count == 0 {
		t.Errorf("%d checks, %v", count, err)
	}
}
