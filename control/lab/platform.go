package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
	"github.com/vpcsim/vpcsim/control/services"
	"github.com/vpcsim/vpcsim/dataplane"
)

// platformNode is the namespace in which the platform's own services listen:
// name resolution, metadata, time and DHCP. The nodes of instances and hosts
// have a handle in their names, so none can have this one.
const platformNode = "platform"

// platform runs those services for the whole lab. They are ordinary servers on
// ordinary sockets; the core tells them by the client's address which interface
// asks.
type platform struct {
	in        func(node string, do func() error) error
	log       *slog.Logger
	directory atomic.Pointer[services.Directory]

	stop context.CancelFunc // nil before the first converge
	done chan struct{}
}

func newPlatform(in func(string, func() error) error, log *slog.Logger) *platform {
	return &platform{in: in, log: log}
}

// converge makes w what the services know. The first call opens their sockets;
// the node must exist by then.
func (p *platform) converge(w *control.World) error {
	p.directory.Store(services.NewDirectory(w))
	if p.stop != nil {
		return nil
	}
	listeners, err := p.open()
	if err != nil {
		return fmt.Errorf("the platform's services: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.done = stop, make(chan struct{})
	go func() {
		defer close(p.done)
		err := services.Serve(ctx, listeners, services.Config{Directory: &p.directory, Log: p.log, SetTTL: setTTL})
		if err != nil {
			p.log.Error("the platform's services ended", "error", err)
		}
	}()
	return nil
}

// open opens every socket, or none.
func (p *platform) open() (l services.Listeners, err error) {
	var opened []interface{ Close() error }
	packets := func(a netip.Addr, port int, into *[]net.PacketConn) {
		var conn net.PacketConn
		if err == nil {
			conn, err = net.ListenPacket("udp", address(a, port))
		}
		if err == nil {
			*into, opened = append(*into, conn), append(opened, conn)
		}
	}
	streams := func(a netip.Addr, port int, into *[]net.Listener) {
		var listener net.Listener
		if err == nil {
			listener, err = net.Listen("tcp", address(a, port))
		}
		if err == nil {
			*into, opened = append(*into, listener), append(opened, listener)
		}
	}
	entered := p.in(platformNode, func() error {
		for _, a := range []netip.Addr{dataplane.ResolverAddress4, dataplane.ResolverAddress6} {
			packets(a, services.DNSPort, &l.DNSPackets)
			streams(a, services.DNSPort, &l.DNSStreams)
		}
		for _, a := range []netip.Addr{dataplane.MetadataAddress4, dataplane.MetadataAddress6} {
			streams(a, services.IMDSPort, &l.IMDS)
		}
		for _, a := range []netip.Addr{dataplane.TimeAddress4, dataplane.TimeAddress6} {
			packets(a, services.TimePort, &l.Time)
		}
		packets(dataplane.DHCPAddress4, services.DHCPv4Port, &l.DHCPv4)
		packets(dataplane.DHCPAddress6, services.DHCPv6Port, &l.DHCPv6)
		return nil
	})
	if err = errors.Join(entered, err); err != nil {
		for _, o := range opened {
			_ = o.Close()
		}
	}
	return l, err
}

func address(a netip.Addr, port int) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(port))
}

// close ends the services and waits for them.
func (p *platform) close() {
	if p.stop != nil {
		p.stop()
		<-p.done
	}
}

// setTTL limits how far what conn sends may go: the hop limit of a metadata
// token (A53).
func setTTL(conn net.Conn, hops int) error {
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok && a.IP.To4() == nil {
		return ipv6.NewConn(conn).SetHopLimit(hops)
	}
	return ipv4.NewConn(conn).SetTTL(hops)
}

// platformHost is the node of the services, with all their addresses on one
// interface whose router is the core.
func platformHost() host.Node {
	i := host.Interface{
		Link: control.ServicesHandle, Name: "eth0", MTU: instanceMTU,
		MAC:      dataplane.InterfaceMAC(control.ServicesHandle),
		Gateways: []netip.Addr{dataplane.InternetRouter4, dataplane.InternetRouter6},
	}
	for _, a := range []netip.Addr{
		dataplane.ResolverAddress4, dataplane.MetadataAddress4, dataplane.TimeAddress4, dataplane.DHCPAddress4,
		dataplane.ResolverAddress6, dataplane.MetadataAddress6, dataplane.TimeAddress6, dataplane.DHCPAddress6,
	} {
		i.Addresses = append(i.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	return host.Node{Name: platformNode, Hostname: platformNode, Interfaces: []host.Interface{i}}
}
