//go:build linux

package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// testNode is a node of a lab without a forwarding core.
func testNode(k int) Node {
	a := netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)})
	return Node{
		Name: "n" + a.String(), Hostname: "host",
		Interfaces: []Interface{{
			Link: uint32(k), Name: "eth0", MAC: testMAC(k), MTU: 9001,
			Addresses: prefixes(a.String()+"/8", "2001:db8::"+a.String()+"/128"),
			Gateways:  []netip.Addr{netip.MustParseAddr("10.255.255.254"), netip.MustParseAddr("fe80::1")},
			OnLink:    prefixes("2001:db8::/64"),
		}},
	}
}

func testMAC(k int) packet.MAC {
	return packet.MAC{0x02, 0xaa, 0, byte(k >> 16), byte(k >> 8), byte(k)}
}

func prefixes(texts ...string) []netip.Prefix { return list(netip.MustParsePrefix, texts...) }
func addrs(texts ...string) []netip.Addr      { return list(netip.MustParseAddr, texts...) }

// run runs a program in a node and returns its output and exit code.
func run(t *testing.T, h *Host, node string, args ...string) (string, int) {
	t.Helper()
	return runSpec(t, h, node, ProcessSpec{Args: args})
}

func runSpec(t *testing.T, h *Host, node string, spec ProcessSpec) (string, int) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	spec.Stdout, spec.Stderr = write, write
	p, err := h.Command(node, spec)
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	buf := make([]byte, 4096)
	for {
		n, err := read.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil {
			break
		}
	}
	code, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return string(out), code
}

func ensure(t *testing.T, h *Host, nodes ...Node) {
	t.Helper()
	if err := h.Ensure(context.Background(), nodes); err != nil {
		t.Fatal(err)
	}
}

// interfacesOf lists the names of a namespace's interfaces; "" is the core.
func interfacesOf(t *testing.T, h *Host, node string) []string {
	t.Helper()
	var names []string
	err := h.In(node, func() error {
		list, err := net.Interfaces()
		for _, i := range list {
			names = append(names, i.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEnsureMakesWhatIsAsked(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		n := testNode(1)
		n.Interfaces = append(n.Interfaces, Interface{
			Link: 0xbeef, Name: "eth1", MAC: testMAC(2),
			Addresses: prefixes("10.9.0.5/24"), Gateways: addrs("10.200.0.1"),
		})
		n.Interfaces[1].Gateways = addrs("192.168.7.1") // outside: on-link
		ensure(t, h, n)
		if diff := cmp.Diff([]string{"lo", "eth0", "eth1"}, interfacesOf(t, h, n.Name)); diff != "" {
			t.Errorf("interfaces of the node (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"lo", "v1", "vbeef"}, interfacesOf(t, h, "")); diff != "" {
			t.Errorf("interfaces of the core (-want +got):\n%s", diff)
		}
		routes, _ := run(t, h, n.Name, "ip", "route")
		want := strings.Join([]string{
			"default via 10.255.255.254 dev eth0 proto static src 10.0.0.1 metric 512 ",
			"default via 192.168.7.1 dev eth1 proto static src 10.9.0.5 metric 522 onlink ",
			"10.0.0.0/8 dev eth0 proto static scope link src 10.0.0.1 metric 256 ",
			"10.9.0.0/24 dev eth1 proto static scope link src 10.9.0.5 metric 266 ", "",
		}, "\n")
		if diff := cmp.Diff(want, routes); diff != "" {
			t.Errorf("IPv4 routes (-want +got):\n%s", diff)
		}
		routes, _ = run(t, h, n.Name, "ip", "-6", "route", "show", "dev", "eth0")
		want = strings.Join([]string{
			"2001:db8::/64 proto static src 2001:db8::a00:1 metric 256 pref medium",
			"fe80::/64 proto kernel metric 256 pref medium",
			"default via fe80::1 proto static src 2001:db8::a00:1 metric 512 pref medium", "",
		}, "\n")
		if diff := cmp.Diff(want, routes); diff != "" {
			t.Errorf("IPv6 routes (-want +got):\n%s", diff)
		}
		link, _ := run(t, h, n.Name, "ip", "-br", "link", "show", "eth0")
		if !strings.Contains(link, "UP") || !strings.Contains(link, testMAC(1).String()) {
			t.Errorf("eth0: %s", link)
		}
		addresses, _ := run(t, h, n.Name, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "global")
		if strings.Contains(addresses, "tentative") || !strings.Contains(addresses, "mtu 9001") {
			t.Errorf("eth0: not usable at once, or another MTU:\n%s", addresses)
		}
		err := h.In("", func() error {
			i, err := net.InterfaceByName("v1")
			if err != nil {
				return err
			}
			list, err := i.Addrs()
			if len(list) > 0 || i.HardwareAddr.String() != CoreMAC.String() || i.MTU != 65535 {
				t.Errorf("core end: addresses %v, MAC %s, MTU %d", list, i.HardwareAddr, i.MTU)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestEnsureIsIdempotentAndPruneRemovesTheRest(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		attached := map[uint32]int{}
		h.attach = func(link uint32, ifindex int) error { attached[link] = ifindex; return nil }
		h.detach = func(link uint32) { delete(attached, link) }
		a, b := testNode(1), testNode(2)
		ensure(t, h, a, b)
		before, _ := run(t, h, a.Name, "ip", "-o", "addr", "show", "scope", "global")
		first := attached[1]
		ensure(t, h, a) // b is not named, and stays
		ensure(t, h, b, a)
		after, _ := run(t, h, a.Name, "ip", "-o", "addr", "show", "scope", "global")
		if before != after || attached[1] != first || len(attached) != 2 {
			t.Errorf("a second Ensure changed something: %v\n%s\n%s", attached, before, after)
		}
		extra := a.clone()
		extra.Interfaces = append(extra.Interfaces, Interface{Link: 9, Name: "eth1", MAC: testMAC(9)})
		ensure(t, h, extra)
		h.Prune([]Node{a})
		if diff := cmp.Diff(map[uint32]int{1: first}, attached); diff != "" {
			t.Errorf("attached links (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"lo", "eth0"}, interfacesOf(t, h, a.Name)); diff != "" {
			t.Errorf("interfaces of the node (-want +got):\n%s", diff)
		}
		eventually(t, "removal of node b's interface", func() bool {
			return len(interfacesOf(t, h, "")) == 2
		})
		if _, err := h.Namespace(b.Name); err == nil {
			t.Error("node b is still there")
		}
		ensure(t, h, a, b) // again, perhaps while the kernel still removes v2
		if len(attached) != 2 {
			t.Errorf("attached: %v", attached)
		}
	})
}

func TestEnsureSetsBackAfterAnError(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(nodes []Node)
		attach error
		want   string
	}{
		{name: "duplicate MAC", want: "MAC 02:aa:00:00:00:01 is node n10.0.0.1: interface eth0 already",
			spoil: func(n []Node) { n[1].Interfaces[0].MAC = n[0].Interfaces[0].MAC }},
		{name: "invalid MTU", want: "MTU 1000: must be 1280 to 65535",
			spoil: func(n []Node) { n[1].Interfaces[0].MTU = 1000 }},
		// The kernel's own refusal, after addresses were changed already.
		{name: "the kernel refuses", want: "node n10.0.0.3: interface eth0: route 0.0.0.0/0 via 255.255.255.255: invalid argument (Nexthop has invalid gateway)",
			spoil: func(n []Node) { n[2].Interfaces[0].Gateways = addrs("255.255.255.255") }},
		{name: "the core refuses", want: "node n10.0.0.3: link 3: no room", attach: errors.New("no room")},
	}
	inLab(t, func(t *testing.T, h *Host) {
		attached := map[uint32]bool{}
		var refuse error
		h.attach = func(link uint32, ifindex int) error {
			if link == 3 && refuse != nil {
				return refuse
			}
			attached[link] = true
			return nil
		}
		h.detach = func(link uint32) { delete(attached, link) }
		old := testNode(1)
		ensure(t, h, old)
		before, _ := run(t, h, old.Name, "ip", "-o", "addr", "show", "scope", "global")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				changed := testNode(1)
				changed.Interfaces[0].Addresses = prefixes("10.77.0.1/16", "2001:db8::77/128")
				changed.Interfaces[0].Gateways = addrs("10.77.0.254")
				changed.Interfaces[0].MTU = 1400
				changed.Interfaces = append(changed.Interfaces, Interface{Link: 5, Name: "eth1", MAC: testMAC(5)})
				nodes := []Node{changed, testNode(2), testNode(3)}
				if tt.spoil != nil {
					tt.spoil(nodes)
				}
				refuse = tt.attach
				err := h.Ensure(context.Background(), nodes)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error: %v\nwant one with %q", err, tt.want)
				}
				after, _ := run(t, h, old.Name, "ip", "-o", "addr", "show", "scope", "global")
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("addresses (-before +after):\n%s", diff)
				}
				eventually(t, "removal of what was created", func() bool {
					return len(interfacesOf(t, h, "")) == 2
				})
				if diff := cmp.Diff(map[uint32]bool{1: true}, attached); diff != "" {
					t.Errorf("attached (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{old.Name}, sortedNames(h.nodes)); diff != "" {
					t.Errorf("nodes (-want +got):\n%s", diff)
				}
			})
		}
	})
}

// A pair of nodes joined by a bridge stands for the forwarding core.
func TestChangeOfAddressKeepsConnectionsOfTheOther(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		a, b := testNode(1), testNode(2)
		a.Interfaces[0].Addresses = prefixes("10.0.0.1/24", "10.0.0.11/24", "2001:db8::1/128")
		a.Interfaces[0].Gateways = addrs("10.0.0.254", "fe80::1")
		ensure(t, h, a, b)
		bridge(t, h, "v1", "v2")

		for _, listen := range []string{"10.0.0.11", "2001:db8::1"} {
			conn, served := connection(t, h, a.Name, b.Name, listen)
			echo(t, conn, served)
			// The first address goes, with it Linux's idea of the subnet's
			// main one; others come; an interface comes; forwarding goes on.
			changed := a.clone()
			changed.Forward = true
			changed.Interfaces[0].MTU = 1500
			changed.Interfaces[0].Addresses = prefixes("10.0.0.11/24", "10.0.0.12/24", "2001:db8::1/128", "2001:db8::2/128")
			changed.Interfaces = append(changed.Interfaces, Interface{Link: 7, Name: "eth1", MAC: testMAC(7), Addresses: prefixes("10.7.0.1/24")})
			ensure(t, h, changed)
			echo(t, conn, served)
			ensure(t, h, a)
			h.Prune([]Node{a, b})
			echo(t, conn, served)
			conn.Close()
			served.Close()
		}
		out, _ := run(t, h, a.Name, "ip", "-4", "route")
		if !strings.Contains(out, "default via 10.0.0.254 dev eth0 proto static src 10.0.0.1 ") {
			t.Errorf("routes after the way there and back:\n%s", out)
		}
	})
}

func TestLinkMovesBetweenNodes(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		a, b := testNode(1), testNode(2)
		moving := Interface{Link: 3, Name: "eth1", MAC: testMAC(3), Addresses: prefixes("10.3.0.1/24")}
		a.Interfaces = append(a.Interfaces, moving)
		ensure(t, h, a, b)
		b.Interfaces = append(b.Interfaces, moving)
		ensure(t, h, b)
		if diff := cmp.Diff([]string{"lo", "eth0"}, interfacesOf(t, h, a.Name)); diff != "" {
			t.Errorf("node a (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"lo", "eth0", "eth1"}, interfacesOf(t, h, b.Name)); diff != "" {
			t.Errorf("node b (-want +got):\n%s", diff)
		}
	})
}

func TestInListensAndDialsInsideTheNode(t *testing.T) {
	inLab(t, func(t *testing.T, h *Host) {
		ensure(t, h, testNode(1), testNode(2))
		bridge(t, h, "v1", "v2")
		conn, served := connection(t, h, "n10.0.0.1", "n10.0.0.2", "10.0.0.1")
		defer conn.Close()
		defer served.Close()
		echo(t, conn, served)
		if names := interfacesOf(t, h, ""); len(names) < 3 {
			t.Errorf("the core sees %v", names)
		}
		err := h.In("n10.0.0.9", func() error { return nil })
		if err == nil || !strings.Contains(err.Error(), "node n10.0.0.9: there is none of that name") {
			t.Errorf("unknown node: %v", err)
		}
	})
}

// bridge joins core ends; the tests of this package have no forwarding core.
func bridge(t *testing.T, h *Host, ends ...string) {
	t.Helper()
	script := "ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up"
	for _, e := range ends {
		script += " && ip link set " + e + " master br0"
	}
	if out, code := runSpecInCore(t, script); code != 0 {
		t.Fatalf("bridge: %s", out)
	}
}

// connection dials from one node to an address of another.
func connection(t *testing.T, h *Host, server, client, address string) (out, in net.Conn) {
	t.Helper()
	var l net.Listener
	err := h.In(server, func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(address, "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = h.In(client, func() (err error) {
		out, err = net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if in, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return out, in
}

func echo(t *testing.T, a, b net.Conn) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	_ = a.SetDeadline(deadline)
	_ = b.SetDeadline(deadline)
	buf := make([]byte, 4)
	if _, err := a.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(buf); err != nil || string(buf) != "ping" {
		t.Fatalf("connection: read %q, %v", buf, err)
	}
}
