package port

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// BenchmarkForwardTCP moves one TCP stream between two instances through the
// port, with a forwarder that only rewrites Ethernet headers, and through the
// kernel's own forwarding between namespaces of the same making; in turns, a
// second each. It reports the medians in Gbit/s and their ratio. Sender,
// receiver and forwarder share the CPUs, so the absolute figures say as much
// about the machine; the ratio is the result.
//
//	go test -run '^$' -bench ForwardTCP -benchtime 7x ./dataplane/port
func BenchmarkForwardTCP(b *testing.B) {
	for _, network := range []string{"tcp4", "tcp6"} {
		b.Run(network, func(b *testing.B) { benchmarkForward(b, network) })
	}
}

func benchmarkForward(b *testing.B, network string) {
	user := newLab(b)
	p := user.openPort(b, AFPacketConfig{})
	user.forward(b, p)
	kernel := newLab(b)
	kernel.forwardInKernel(b)
	var userRates, kernelRates []float64
	for b.Loop() {
		userRates = append(userRates, user.rate(b, network))
		kernelRates = append(kernelRates, kernel.rate(b, network))
	}
	u, k := median(userRates), median(kernelRates)
	b.ReportMetric(u, "port-Gbit/s")
	b.ReportMetric(k, "kernel-Gbit/s")
	b.ReportMetric(u/k, "port/kernel")
	b.ReportMetric(user.retransmits(b), "retransmits")
	b.ReportMetric(0, "ns/op") // says nothing here
}

// retransmits is how many TCP segments the first instance sent again. With
// nothing lost, they tell that frames were put out of order.
func (l *lab) retransmits(t testing.TB) (n float64) {
	t.Helper()
	l.instances[0].must(t, func() error {
		counters, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(counters)) {
			fields := strings.Fields(line)
			if fields[0] != "Tcp:" {
				continue
			}
			if i := slices.Index(names, "RetransSegs"); i > 0 {
				_, err = fmt.Sscan(fields[i], &n)
				return err
			}
			names = fields
		}
		return errors.New("no TCP counters")
	})
	return n
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// forwardInKernel makes the core namespace an ordinary router.
func (l *lab) forwardInKernel(t testing.TB) {
	t.Helper()
	l.core.must(t, func() error {
		var errs []error
		for _, x := range l.instances {
			link, err := netlink.LinkByName(x.core)
			if err != nil {
				return err
			}
			errs = append(errs,
				os.WriteFile("/proc/sys/net/ipv6/conf/"+x.core+"/disable_ipv6", []byte("0"), 0),
				netlink.LinkSetHardwareAddr(link, gatewayMAC[:]),
				netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, byte(x.link), 1), Mask: net.CIDRMask(24, 32)}}),
				netlink.AddrAdd(link, &netlink.Addr{Flags: unix.IFA_F_NODAD,
					IPNet: &net.IPNet{IP: net.ParseIP(fmt.Sprintf("fd00:%d::1", x.link)), Mask: net.CIDRMask(64, 128)}}))
			for _, ip := range []net.IP{x.v4, x.v6} {
				errs = append(errs, netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index,
					State: netlink.NUD_PERMANENT, IP: ip, HardwareAddr: x.mac[:]}))
			}
		}
		return errors.Join(append(errs,
			os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0))...)
	})
}

// The load generator is two processes of this test binary, one in each
// instance: what an instance runs is another program, and must not share the
// forwarder's Go scheduler.
const loadVariable = "VPCSIM_PORT_LOAD"

const loadTime = time.Second

// rate measures one TCP stream from the first instance to the second.
func (l *lab) rate(t testing.TB, network string) (gigabits float64) {
	t.Helper()
	a, b := l.instances[0], l.instances[1]
	address := b.address(network, 5001)
	receiver, out := b.load(t, "receive "+address)
	if line, err := out.ReadString('\n'); err != nil || line != "listening\n" {
		t.Fatalf("receiver said %q, %v", line, err)
	}
	sender, _ := a.load(t, "send "+address)
	var bytes, nanoseconds int64
	if _, err := fmt.Fscan(out, &bytes, &nanoseconds); err != nil {
		t.Fatalf("receiver: %v", err)
	}
	if err := errors.Join(sender.Wait(), receiver.Wait()); err != nil {
		t.Fatal(err)
	}
	return float64(bytes) * 8 / float64(nanoseconds)
}

// load starts this binary in the instance as one end of the stream.
func (x *instance) load(t testing.TB, role string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), loadVariable+"="+role)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	x.must(t, command.Start)
	t.Cleanup(func() { _ = command.Process.Kill() }) // fails once it has been waited for
	return command, bufio.NewReader(out)
}

// runLoad is main for such a process.
func runLoad(role string) (code int) {
	kind, address, _ := strings.Cut(role, " ")
	var err error
	if kind == "send" {
		err = sendLoad(address)
	} else {
		err = receiveLoad(address)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", kind, err)
		return 1
	}
	return 0
}

func sendLoad(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	file, err := blocking(conn)
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := make([]byte, 256<<10)
	for end := time.Now().Add(loadTime); time.Now().Before(end); {
		if _, err := file.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}

// receiveLoad prints the bytes received and the nanoseconds from the first to
// the last.
func receiveLoad(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	file, err := blocking(conn)
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := make([]byte, 256<<10)
	var total int
	start := time.Now()
	for {
		n, err := file.Read(buffer)
		if total += n; n == 0 || err != nil {
			break
		}
	}
	fmt.Println(total, time.Since(start).Nanoseconds())
	return nil
}

// blocking takes conn away from the Go poller, to be used as iperf3 does, and
// sets its congestion control to cubic: BBR, the default of some machines,
// paces by timers, and that would measure the timers. (The sysctl of a namespace
// takes only what the machine allows to everybody; the option asks who we are.)
func blocking(conn net.Conn) (*os.File, error) {
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	fd := int(file.Fd()) // sets it to blocking mode
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic"); err != nil {
		return nil, fmt.Errorf("congestion control cubic: %w", err)
	}
	return file, nil
}
