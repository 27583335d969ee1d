package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What a lab never does, and a benchmark needs to compare a lab with: networks
// of the same nodes in which Linux itself forwards, or nothing does.

// CoreInterface gives addresses to the core's end of a pair, so that the core's
// kernel is the router of the node at the other end.
type CoreInterface struct {
	Link      uint32
	Addresses []netip.Prefix
}

// RouteInCore turns the core's namespace into an ordinary Linux router between
// the given links. It is to be called in the daemon, after [Host.Ensure] has
// made the links, and not together with a packet socket of ours: both would
// forward.
func (h *Host) RouteInCore(interfaces []CoreInterface) error {
	s, err := openRouteSocket()
	if err != nil {
		return err
	}
	defer s.close()
	for index, i := range interfaces {
		name := coreName(i.Link)
		if err := routeInCore(s, index, name, i.Addresses); err != nil {
			return fmt.Errorf("core interface %s: %w", name, err)
		}
	}
	return setForwarding(true)
}

func routeInCore(s *routeSocket, metric int, name string, addresses []netip.Prefix) error {
	err := writeSysctls([]sysctl{
		{"ipv6/conf/" + name + "/disable_ipv6", "0"},
		{"ipv6/conf/" + name + "/accept_dad", "0"},
	})
	if err != nil {
		return err
	}
	ifindex, err := s.index(name)
	if err != nil {
		return err
	}
	// The core's ends are made without ARP, which a router needs.
	arp := nl.NewNetlinkRequest(unix.RTM_NEWLINK, 0)
	header := linkHeader(ifindex, 0)
	header.Change = unix.IFF_NOARP
	arp.AddData(header)
	batch := []request{{what: "ARP on", msg: arp}}
	for _, a := range addresses {
		batch = append(batch, addAddress(ifindex, a),
			addRoute(ifindex, route{dst: a.Masked(), src: a.Addr(), metric: connectedMetric + metricStep*metric}))
	}
	return s.run(batch...)
}

// CoreName is what the core's end of a link is called, for programs that are
// told about it: a packet filter, a switch.
func CoreName(link uint32) string { return coreName(link) }

// ConnectNodes joins two nodes by a veth pair with no core in between. The pair
// goes with its nodes; [Host.Ensure] and [Host.Node] do not know about it. Links
// of the interfaces are not used.
func (h *Host) ConnectNodes(a string, ai Interface, b string, bi Interface) error {
	for _, i := range []*Interface{&ai, &bi} {
		if err := i.validate(); err != nil {
			return fmt.Errorf("interface %s: %w", i.Name, err)
		}
	}
	ans, err := h.Namespace(a)
	if err != nil {
		return err
	}
	defer ans.Close()
	bns, err := h.Namespace(b)
	if err != nil {
		return err
	}
	defer bns.Close()
	s, err := openRouteSocket()
	if err != nil {
		return err
	}
	defer s.close()
	pair := newVeth(&bi, int(bns.Fd()))
	// The same request as a lab's, but for the end that would be the core's.
	end := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	end.AddData(linkHeader(0, 0))
	end.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(ai.Name)))
	end.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, ai.MAC[:]))
	end.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(ai.mtu()))))
	end.AddData(nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1)))
	end.AddData(nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1)))
	end.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ans.Fd()))))
	end.AddData(pair.msg.Data[len(pair.msg.Data)-1]) // IFLA_LINKINFO, the peer
	if err := s.run(request{what: "veth pair " + a + " - " + b, msg: end}); err != nil {
		return Explain(err)
	}
	for _, x := range []struct {
		node string
		i    *Interface
	}{{a, &ai}, {b, &bi}} {
		if err := h.In(x.node, func() error { return configureEnd(x.i) }); err != nil {
			return fmt.Errorf("node %s: interface %s: %w", x.node, x.i.Name, err)
		}
	}
	return nil
}

// configureEnd runs in the node.
func configureEnd(i *Interface) error {
	s, err := openRouteSocket()
	if err != nil {
		return err
	}
	defer s.close()
	index, err := s.index(i.Name)
	if err != nil {
		return err
	}
	want := i.facts(0)
	have := facts{mtu: want.mtu, mac: want.mac} // those came with the pair
	return s.run(append([]request{linkUp(index)}, difference(index, want, have, facts{})...)...)
}

// SetNeighbor tells a node for good which MAC an address on its link has, where
// nobody would answer if it asked.
func (h *Host) SetNeighbor(node, name string, address netip.Addr, mac packet.MAC) error {
	err := h.In(node, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: address.AsSlice(), HardwareAddr: net.HardwareAddr(mac[:]),
		})
	})
	if err != nil {
		return fmt.Errorf("node %s: neighbor %s: %w", node, address, err)
	}
	return nil
}

// SetMTU changes the MTU of an interface in the caller's own network namespace.
func SetMTU(name string, mtu int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	ifr.SetUint32(uint32(mtu))
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFMTU, ifr); err != nil {
		return fmt.Errorf("interface %s: MTU %d: %w", name, mtu, err)
	}
	return nil
}

// SteerReceived makes each flow be received on one CPU at the veths that are made
// in the core from now on (receive packet steering, Linux 6.3), or wherever its
// frames come in. A lab does without: it costs more than it is worth there, see
// port.AFPacket.
func SteerReceived(on bool) error {
	mask := uint64(0)
	if on {
		mask = 1<<min(runtime.NumCPU(), 32) - 1
	}
	err := writeExisting("/proc/sys/net/core/rps_default_mask", fmt.Sprintf("%x", mask))
	if !on && errors.Is(err, unix.ENOENT) { // before Linux 6.3: it never was on
		return nil
	}
	return err
}

// PrivateDirectory gives a daemon a small directory in memory that nobody else
// sees and that goes with its namespaces, however they end. It covers one of the
// machine's directories for this process and its children; it is to be called
// after [InitCore].
func PrivateDirectory() (string, error) {
	dir, err := coverableDir("")
	if err != nil {
		return "", err
	}
	return dir, mountTmpfs(dir)
}

// FinishChecksums has the kernel finish checksums and cut superframes before
// frames leave by an interface of a node (ethtool's tx offloads off), for
// forwarders that cannot: without, what they forward is dropped as damaged.
func (h *Host) FinishChecksums(node, name string) error {
	err := h.In(node, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		// struct ethtool_value, and a struct ifreq that points to it.
		value := struct{ command, data uint32 }{command: unix.ETHTOOL_STXCSUM}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data *struct{ command, data uint32 }
			_    [16]byte
		}{data: &value}
		copy(request.name[:unix.IFNAMSIZ-1], name)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("node %s: interface %s: offloads off: %w", node, name, err)
	}
	return nil
}
