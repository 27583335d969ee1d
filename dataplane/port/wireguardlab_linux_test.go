package port

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// site is a crossing whose second side is a customer's: in a namespace of his own
// he runs wireguard-go on a TUN, and his end of the tunnel crosses a veth. His
// addresses inside are those of instance 2. The first side's instance is a
// namespace, too. Everything else of the crossing is as it is.
type site struct {
	*crossing
	core     *namespace
	packets  *AFPacket
	customer *instance // on the Internet, with the tunnel
	instance *instance // in VPC 1
}

// outsideMTU is room for a full packet of a tunnel over IPv6 (A57).
const outsideMTU = 1600

func newSite(t testing.TB, sixOutside bool) *site {
	t.Helper()
	needNamespaces(t)
	s := &site{core: newNamespace(t, "core")}
	s.packets = openAt(t, s.core, AFPacketConfig{})
	s.crossing = newCrossingOn(t, s.packets, sixOutside)
	s.instance = s.attach(t, "instance", handle(1, sideInstance), dataplane.RouterMAC(handle(1, sideSubnet)), 9001,
		instanceAddress(1, false).Netip(), instanceAddress(1, true).Netip())
	s.customer = s.attach(t, "customer", handle(2, sideOutside), dataplane.RouterMAC(handle(2, sideOutside)), outsideMTU, s.outside[2])
	return s
}

// attach makes a namespace with one interface to the core, and everything routed
// to it.
func (s *site) attach(t testing.TB, name string, h dataplane.Handle, router packet.MAC, mtu int, addresses ...netip.Addr) *instance {
	t.Helper()
	x := &instance{namespace: newNamespace(t, name), link: uint32(h), core: fmt.Sprint("link", h), mac: dataplane.InterfaceMAC(h)}
	x.ifindex = makeVeth(t, s.core, x.core, net.HardwareAddr{2, 0, 0, 0, 2, byte(h)}, x.namespace, x.mac[:], mtu)
	for _, a := range addresses {
		gateway := net.IPv4(169, 254, 0, 1)
		if a.Is6() {
			gateway = net.ParseIP("fe80::1")
			x.v6 = a.AsSlice()
		} else {
			x.v4 = a.AsSlice()
		}
		x.must(t, func() error { return addAddress("eth0", a, gateway, router) })
	}
	x.awaitUp(t, s.core)
	if err := s.packets.Attach(x.link, x.ifindex); err != nil {
		t.Fatal(err)
	}
	return x
}

// makeVeth joins two namespaces: name in the first, eth0 in the second.
func makeVeth(t testing.TB, core *namespace, name string, mac net.HardwareAddr, x *namespace, peer []byte, mtu int) (ifindex int) {
	t.Helper()
	core.must(t, func() error {
		veth := netlink.NewVeth(netlink.NewLinkAttrs())
		veth.Name, veth.PeerName, veth.MTU, veth.PeerMTU = name, "eth0", 9001, uint32(mtu)
		veth.HardwareAddr, veth.PeerHardwareAddr = mac, peer
		veth.PeerNamespace = netlink.NsFd(x.fd)
		veth.NumTxQueues, veth.NumRxQueues = 1, 1
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("veth: %w", err)
		}
		made, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		ifindex = made.Attrs().Index
		err = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		return errors.Join(err, netlink.LinkSetARPOff(made), netlink.LinkSetUp(made))
	})
	x.must(t, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_dad", []byte("0"), 0),
			netlink.LinkSetMTU(link, mtu), netlink.LinkSetUp(link))
	})
	return ifindex
}

// addAddress gives an interface an address, and, if there is a gateway, routes
// everything of the family there.
func addAddress(name string, a netip.Addr, gateway net.IP, router packet.MAC) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	index, bits := link.Attrs().Index, a.BitLen()
	flags := 0
	if a.Is6() {
		flags = unix.IFA_F_NODAD
	}
	errs := []error{netlink.AddrAdd(link, &netlink.Addr{Flags: flags, IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, bits)}})}
	if gateway != nil {
		errs = append(errs,
			netlink.NeighSet(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: gateway, HardwareAddr: router[:]}),
			netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: gateway, Flags: int(netlink.FLAG_ONLINK),
				Dst: &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}}))
	}
	return errors.Join(errs...)
}

func (x *instance) awaitUp(t testing.TB, core *namespace) {
	t.Helper()
	up := func(n *namespace, name string) (is bool) {
		n.must(t, func() error {
			link, err := netlink.LinkByName(name)
			is = err == nil && link.Attrs().OperState == netlink.OperUp
			return nil
		})
		return is
	}
	eventually(t, x.name+" is up", func() bool { return up(core, x.core) && up(x.namespace, "eth0") })
}

// wireGuardVariable makes the test binary a customer's tunnel: what it reads to
// the end of a line is wireguard-go's settings, and it runs until its input ends.
const wireGuardVariable = "VPCSIM_PORT_WIREGUARD"

func runWireGuard(name string) int {
	err := func() error {
		settings := make([]byte, 4096)
		n, err := os.Stdin.Read(settings)
		if err != nil {
			return err
		}
		inside, err := tun.CreateTUN(name, wireGuardMTU)
		if err != nil {
			return err
		}
		d := device.NewDevice(inside, conn.NewDefaultBind(), device.NewLogger(device.LogLevelSilent, ""))
		defer d.Close()
		if err := errors.Join(d.IpcSet(string(settings[:n])), d.Up()); err != nil {
			return err
		}
		fmt.Println("up")
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wireguard:", err)
		return 1
	}
	return 0
}

// runTunnel starts wireguard-go in a namespace, gives its TUN addresses, and routes
// to it what is listed.
func runTunnel(t testing.TB, n *namespace, settings string, addresses []netip.Addr, routes []string) {
	t.Helper()
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI is set and there is no TUN: %v", err)
		}
		t.Skip(err)
	}
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), wireGuardVariable+"=tun0")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.must(t, command.Start)
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("wireguard-go in %s: %v", n.name, err)
		}
	})
	if _, err := io.WriteString(in, settings); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("wireguard-go in %s: %v", n.name, err)
	}
	n.must(t, func() error {
		link, err := netlink.LinkByName("tun0")
		if err != nil {
			return err
		}
		errs := []error{netlink.LinkSetUp(link)}
		for _, a := range addresses {
			errs = append(errs, addAddress("tun0", a, nil, packet.MAC{}))
		}
		for _, r := range routes {
			_, to, err := net.ParseCIDR(r)
			if err == nil {
				err = netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to})
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// settings are a customer's: what he would write into his configuration.
func settings(private, peer WireGuardKey, endpoint string, port int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "private_key=%s\n", hex.EncodeToString(private[:]))
	if port != 0 {
		fmt.Fprintf(&b, "listen_port=%d\n", port)
	}
	fmt.Fprintf(&b, "public_key=%s\n", hex.EncodeToString(peer[:]))
	if endpoint != "" {
		fmt.Fprintf(&b, "endpoint=%s\n", endpoint)
	}
	b.WriteString("allowed_ip=0.0.0.0/0\nallowed_ip=::/0\n")
	return b.String()
}

// openTunnel opens both ends: AWS's here and the customer's there.
func (s *site) openTunnel() {
	s.t.Helper()
	s.open(1, s.config(1))
	runTunnel(s.t, s.customer.namespace,
		settings(s.keys[2], s.keys[1].Public(), netip.AddrPortFrom(s.outside[1], WireGuardPort).String(), 0),
		[]netip.Addr{instanceAddress(2, false).Netip(), instanceAddress(2, true).Netip()},
		[]string{"10.1.0.0/16", "2001:db8:1::/48"})
	s.customer.v4, s.customer.v6 = instanceAddress(2, false).Netip().AsSlice(), instanceAddress(2, true).Netip().AsSlice()
}

// BenchmarkTunnelTCP moves one TCP stream through a tunnel whose one end is ours
// and whose other end is wireguard-go's on a TUN, and through one that is
// wireguard-go's at both ends, without anything in between; in turns, a second
// each. It reports the medians in Gbit/s and their ratio.
//
//	go test -run '^$' -bench TunnelTCP -benchtime 7x ./dataplane/port
func BenchmarkTunnelTCP(b *testing.B) {
	needsTUN(b)
	ours := newSite(b, false)
	ours.openTunnel()
	plain := newPlainTunnel(b)
	for _, direction := range []string{"out", "in"} {
		for _, network := range []string{"tcp4", "tcp6"} {
			b.Run(direction+"/"+network, func(b *testing.B) {
				us := &lab{instances: [2]*instance{ours.instance, ours.customer}}
				if direction == "in" {
					us.instances[0], us.instances[1] = us.instances[1], us.instances[0]
				}
				var ourRates, plainRates []float64
				for b.Loop() {
					ourRates = append(ourRates, us.rate(b, network))
					plainRates = append(plainRates, plain.rate(b, network))
				}
				o, p := median(ourRates), median(plainRates)
				b.ReportMetric(o, "port-Gbit/s")
				b.ReportMetric(p, "plain-Gbit/s")
				b.ReportMetric(o/p, "port/plain")
				b.ReportMetric(us.retransmits(b), "retransmits")
				b.ReportMetric(plain.retransmits(b), "plain-retransmits")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
	b.Logf("%+v", ours.ends[1].Stats())
	b.Logf("%+v", ours.packets.Stats())
}

// BenchmarkTunnelRoundTrip sends one datagram at a time through the same two tunnels
// and back.
//
//	go test -run '^$' -bench TunnelRoundTrip ./dataplane/port
func BenchmarkTunnelRoundTrip(b *testing.B) {
	needsTUN(b)
	ours := newSite(b, false)
	ours.openTunnel()
	plain := newPlainTunnel(b)
	for _, c := range []struct {
		name     string
		from, to *instance
	}{{"port", ours.customer, ours.instance}, {"plain", plain.instances[0], plain.instances[1]}} {
		b.Run(c.name, func(b *testing.B) {
			server := c.to.listenUDP(b)
			client := c.from.listenUDP(b)
			go func() {
				buffer := make([]byte, 100)
				for {
					n, from, err := server.ReadFromUDPAddrPort(buffer)
					if err != nil {
						return
					}
					_, _ = server.WriteToUDPAddrPort(buffer[:n], from)
				}
			}()
			to := server.LocalAddr().(*net.UDPAddr).AddrPort()
			buffer := make([]byte, 100)
			for b.Loop() {
				for answered := false; !answered; { // the first may find no handshake
					_, _ = client.WriteToUDPAddrPort(buffer[:64], to)
					_ = client.SetReadDeadline(time.Now().Add(time.Second))
					_, _, err := client.ReadFromUDPAddrPort(buffer)
					answered = err == nil
				}
			}
		})
	}
}

// listenUDP opens a socket in the instance that ends with the test.
func (x *instance) listenUDP(t testing.TB) (conn *net.UDPConn) {
	t.Helper()
	x.must(t, func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: x.v4})
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// newPlainTunnel is wireguard-go in two namespaces that a veth joins.
func newPlainTunnel(t testing.TB) *lab {
	t.Helper()
	l := &lab{}
	keys := [2]WireGuardKey{NewWireGuardKey(), NewWireGuardKey()}
	for i := range l.instances {
		l.instances[i] = &instance{namespace: newNamespace(t, fmt.Sprint("plain", i)),
			v4: net.IPv4(10, byte(3+i), 0, 10).To4(), v6: net.ParseIP(fmt.Sprintf("2001:db8:%d::10", 3+i))}
	}
	a, b := l.instances[0], l.instances[1]
	makeVeth(t, a.namespace, "eth0", net.HardwareAddr{2, 0, 0, 0, 3, 1}, b.namespace, []byte{2, 0, 0, 0, 3, 2}, outsideMTU)
	outside := [2]netip.Addr{netip.MustParseAddr("203.0.113.3"), netip.MustParseAddr("203.0.113.4")}
	macs := [2]packet.MAC{{2, 0, 0, 0, 3, 1}, {2, 0, 0, 0, 3, 2}}
	for i, x := range l.instances {
		x.must(t, func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return errors.Join(netlink.LinkSetMTU(link, outsideMTU), addAddress("eth0", outside[i], outside[1-i].AsSlice(), macs[1-i]))
		})
	}
	for i, x := range l.instances {
		runTunnel(t, x.namespace, settings(keys[i], keys[1-i].Public(), netip.AddrPortFrom(outside[1-i], 51820).String(), 51820),
			[]netip.Addr{netip.MustParseAddr(x.v4.String()), netip.MustParseAddr(x.v6.String())},
			[]string{fmt.Sprintf("10.%d.0.0/16", 4-i), fmt.Sprintf("2001:db8:%d::/48", 4-i)})
	}
	return l
}

func TestTunnelToCustomerInNamespace(t *testing.T) {
	needsTUN(t)
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4 outside", true: "IPv6 outside"}[six], func(t *testing.T) {
			s := newSite(t, six)
			s.openTunnel()
			for _, network := range []string{"tcp4", "tcp6"} {
				for _, pair := range [][2]*instance{{s.customer, s.instance}, {s.instance, s.customer}} {
					l := &lab{instances: pair}
					if rate := l.rate(t, network); rate <= 0 {
						t.Errorf("%s from %s: %v Gbit/s", network, pair[0].name, rate)
					}
				}
			}
			// The streams are over for who measured them; their last segments may
			// still be on the way, or waiting to be decrypted.
			eventually(t, "all that came is authentic", func() bool { return s.ends[1].Stats().Rejected == 0 })
			stats := s.ends[1].Stats()
			if stats.Sent == 0 || stats.Received == 0 || stats.Peer.Addr() != s.outside[2] || time.Since(stats.LastHandshake) > time.Minute {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// needsTUN skips what a user cannot do to whom this machine gives no TUN devices: it
// is proved as root.
func needsTUN(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if errors.Is(err, os.ErrPermission) {
		t.Skip("/dev/net/tun is closed to this user")
	}
	if err == nil {
		file.Close()
	}
}
