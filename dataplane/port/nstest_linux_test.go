package port

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// The tests of this package run in a network namespace of their own, so that
// nothing they do can touch the machine's network: TestMain starts the test
// binary again inside one. A user namespace comes along where root is missing.
const insideVariable = "VPCSIM_PORT_TEST"

// withoutNamespaces is why the tests run outside after all, if they do.
var withoutNamespaces error

func TestMain(m *testing.M) {
	flag.Parse()
	if role := os.Getenv(loadVariable); role != "" {
		os.Exit(runLoad(role)) // benchmark_linux_test.go
	}
	if name := os.Getenv(wireGuardVariable); name != "" {
		os.Exit(runWireGuard(name)) // wireguardlab_linux_test.go
	}
	if os.Getenv(insideVariable) == "" {
		code, err := runInside()
		if err == nil {
			os.Exit(code)
		}
		withoutNamespaces = err
	}
	os.Exit(m.Run())
}

// runInside runs this test binary with the same arguments in new namespaces
// and returns its exit code.
func runInside() (int, error) {
	runtime.LockOSThread() // Pdeathsig follows the thread
	defer runtime.UnlockOSThread()
	attempts := []*syscall.SysProcAttr{{Cloneflags: syscall.CLONE_NEWNET}}
	user := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if os.Getuid() == 0 {
		attempts = append(attempts, user) // root without CAP_SYS_ADMIN, as in a container
	} else {
		attempts = []*syscall.SysProcAttr{user}
	}
	var failures []error
	for _, attributes := range attempts {
		child := exec.Command("/proc/self/exe", os.Args[1:]...)
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		child.Env = append(os.Environ(), insideVariable+"=inside")
		attributes.Pdeathsig = syscall.SIGKILL
		child.SysProcAttr = attributes
		if err := child.Start(); err != nil {
			failures = append(failures, err)
			continue
		}
		var exit *exec.ExitError
		if err := child.Wait(); err == nil {
			return 0, nil
		} else if errors.As(err, &exit) {
			return max(exit.ExitCode(), 1), nil
		} else {
			return 1, nil
		}
	}
	return 0, errors.Join(failures...)
}

// needNamespaces ends a test that cannot run here: it skips on a developer's
// machine and fails where CI is set, since a test that CI skips tests nothing.
func needNamespaces(t testing.TB) {
	t.Helper()
	if withoutNamespaces == nil {
		return
	}
	const wayOut = "run as root, or allow unprivileged user namespaces " +
		"(sysctl user.max_user_namespaces > 0, kernel.apparmor_restrict_unprivileged_userns=0; " +
		"in a container: --cap-add SYS_ADMIN, NET_ADMIN and a seccomp profile that lets clone through)"
	if os.Getenv("CI") != "" {
		t.Fatalf("CI is set and no network namespace can be made: %v; %s", withoutNamespaces, wayOut)
	}
	t.Skipf("no network namespace can be made: %v; %s", withoutNamespaces, wayOut)
}

// namespace is a network namespace and a thread that lives in it.
type namespace struct {
	name  string
	calls chan func()
	fd    netns.NsHandle
}

// newNamespace makes a namespace that ends with the test.
func newNamespace(t testing.TB, name string) *namespace {
	t.Helper()
	needNamespaces(t)
	n := &namespace{name: name, calls: make(chan func())}
	ready, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		n.fd, err = netns.New()
		ready <- err
		for call := range n.calls {
			call()
		}
	}()
	t.Cleanup(func() {
		close(n.calls)
		<-ended
		n.fd.Close()
	})
	if err := <-ready; err != nil {
		t.Fatalf("namespace %s: %v", name, err)
	}
	if err := n.do(func() error { return setUp("lo") }); err != nil {
		t.Fatalf("namespace %s: lo: %v", name, err)
	}
	return n
}

// do calls f on the namespace's thread. Sockets that f opens, and processes
// that it starts, stay in the namespace.
func (n *namespace) do(f func() error) error {
	result := make(chan error, 1)
	n.calls <- func() { result <- f() }
	return <-result
}

// must is do for what has no reason to fail.
func (n *namespace) must(t testing.TB, f func() error) {
	t.Helper()
	if err := n.do(f); err != nil {
		t.Fatalf("in namespace %s: %v", n.name, err)
	}
}

// instance is one end of a veth pair with a namespace of its own; its gateway
// for everything is gatewayMAC.
type instance struct {
	*namespace
	link    uint32
	v4, v6  net.IP
	mac     packet.MAC // of eth0
	ifindex int        // of the core's end
	core    string     // name of the core's end
}

// gatewayMAC is what instances send to. It is not the core-side veth's own, so
// the core's network stack takes each frame for somebody else's.
var gatewayMAC = packet.MAC{0x02, 0, 0, 0, 0, 0xfe}

// lab is a core namespace with two instances, each on its own subnet: link 1 is
// 10.0.1.10 and fd00:1::10, link 2 is 10.0.2.10 and fd00:2::10.
type lab struct {
	core      *namespace
	instances [2]*instance
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{core: newNamespace(t, "core")}
	l.addInstances(t)
	return l
}

// newSteeredLab keeps the softirqs of the core's veths off the CPUs below first:
// each flow is received on one of the others (receive packet steering).
func newSteeredLab(t testing.TB, first int) *lab {
	t.Helper()
	l := &lab{core: newNamespace(t, "core")}
	mask := (1<<min(runtime.NumCPU(), 32) - 1) &^ (1<<first - 1)
	err := l.core.do(func() error {
		return os.WriteFile("/proc/sys/net/core/rps_default_mask", fmt.Appendf(nil, "%x", mask), 0)
	})
	if err != nil {
		t.Logf("receive packet steering: %v (Linux 6.3 has it)", err)
	}
	l.addInstances(t)
	return l
}

func (l *lab) addInstances(t testing.TB) {
	t.Helper()
	for i := range l.instances {
		l.instances[i] = l.addInstance(t, uint32(i+1))
	}
}

// addInstance makes the pair with one message that puts the far end into its
// namespace at once.
func (l *lab) addInstance(t testing.TB, link uint32) *instance {
	t.Helper()
	x := &instance{
		namespace: newNamespace(t, fmt.Sprint("instance", link)),
		link:      link,
		core:      fmt.Sprint("link", link),
		mac:       packet.MAC{0x02, 0, 0, 0, 1, byte(link)},
		v4:        net.IPv4(10, 0, byte(link), 10).To4(),
		v6:        net.ParseIP(fmt.Sprintf("fd00:%d::10", link)),
	}
	l.core.must(t, func() error {
		veth := netlink.NewVeth(netlink.NewLinkAttrs())
		veth.Name, veth.PeerName = x.core, "eth0"
		veth.HardwareAddr = net.HardwareAddr{0x02, 0, 0, 0, 2, byte(link)}
		veth.PeerHardwareAddr = x.mac[:]
		veth.PeerNamespace = netlink.NsFd(x.fd)
		veth.NumTxQueues, veth.NumRxQueues = 1, 1
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("veth: %w", err)
		}
		made, err := netlink.LinkByName(x.core)
		if err != nil {
			return err
		}
		x.ifindex = made.Attrs().Index
		// No IPv6 before the interface is up, or it would announce itself.
		err = os.WriteFile("/proc/sys/net/ipv6/conf/"+x.core+"/disable_ipv6", []byte("1"), 0)
		return errors.Join(err, netlink.LinkSetARPOff(made), netlink.LinkSetUp(made))
	})
	x.must(t, x.configure)
	x.await(t, l.core)
	return x
}

// await waits for what the kernel leaves to workers of its own. Until they have
// run, the end of the veth that came up first discards what is sent by it,
// without an error, and the IPv6 address has no route of its own.
func (x *instance) await(t testing.TB, core *namespace) {
	t.Helper()
	up := func(name string) bool {
		link, err := netlink.LinkByName(name)
		return err == nil && link.Attrs().OperState == netlink.OperUp
	}
	eventually(t, x.name+" is up", func() (ready bool) {
		core.must(t, func() error { ready = up(x.core); return nil })
		x.must(t, func() error {
			routes, err := netlink.RouteGet(x.v6)
			ready = ready && up("eth0") && err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
			return nil
		})
		return ready
	})
}

// configure runs in the instance.
func (x *instance) configure() error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_dad", []byte("0"), 0)
	if err := errors.Join(err, setUp("eth0")); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range []struct {
		address net.IP
		bits    int
		gateway net.IP
		flags   int // no duplicate address detection: usable at once
	}{
		{x.v4, 32, net.IPv4(10, 0, x.v4[2], 1).To4(), 0},
		{x.v6, 128, net.ParseIP(fmt.Sprintf("fd00:%d::1", x.link)), unix.IFA_F_NODAD},
	} {
		size := f.bits * 3 / 4
		if f.bits == 128 {
			size = 64
		}
		errs = append(errs,
			netlink.AddrAdd(eth0, &netlink.Addr{Flags: f.flags, IPNet: &net.IPNet{IP: f.address, Mask: net.CIDRMask(size, f.bits)}}),
			netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0.Attrs().Index, State: netlink.NUD_PERMANENT,
				IP: f.gateway, HardwareAddr: gatewayMAC[:]}),
			netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: f.gateway,
				Dst: &net.IPNet{IP: make(net.IP, f.bits/8), Mask: net.CIDRMask(0, f.bits)}}))
	}
	return errors.Join(errs...)
}

func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// address joins an instance's address of the network's family with a port.
func (x *instance) address(network string, port int) string {
	ip := x.v4
	if strings.HasSuffix(network, "6") {
		ip = x.v6
	}
	return net.JoinHostPort(ip.String(), fmt.Sprint(port))
}

// openPort opens a port in the core and attaches both instances.
func (l *lab) openPort(t testing.TB, config AFPacketConfig) *AFPacket {
	t.Helper()
	p := openAt(t, l.core, config)
	for _, x := range l.instances {
		if err := p.Attach(x.link, x.ifindex); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func openAt(t testing.TB, n *namespace, config AFPacketConfig) (p *AFPacket) {
	t.Helper()
	n.must(t, func() (err error) {
		p, err = OpenAFPacket(config)
		return err
	})
	t.Cleanup(func() { p.Close() })
	return p
}

// forward swaps frames between the two instances until the port is closed. It
// does what a router does to the Ethernet header, and nothing else. Setup, if
// any, runs first in the forwarder's goroutine.
func (l *lab) forward(t testing.TB, p *AFPacket, setup ...func()) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		for _, f := range setup {
			f()
		}
		frames := make([]packet.Frame, 64)
		for {
			n, err := p.Recv(frames, time.Second)
			if err != nil {
				ended <- err
				return
			}
			for i := range frames[:n] {
				f := &frames[i]
				to := l.instances[2-f.Link] // link 1 to instances[1], 2 to 0
				copy(f.Data, to.mac[:])
				copy(f.Data[6:], gatewayMAC[:])
				f.Link = to.link
			}
			if err := p.Send(frames[:n]); err != nil {
				ended <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("forwarder: %v", err)
		}
	})
}
