package services

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// The fixture of addressing.md's cases, with a VPC of the same block beside it
// and one in which Amazon's names do not exist.
const fixture = `
name: services
vpcs:
  app:   {cidr: 10.0.0.0/16, ipv6: 2001:db8:1:100::/56, enableDnsHostnames: true, secondaryCidrs: [100.64.0.0/24]}
  other: {cidr: 10.0.0.0/16, enableDnsHostnames: true}
  plain: {cidr: 10.3.0.0/16}
  mute:  {cidr: 10.4.0.0/16, enableDnsSupport: false}
internetGateways:
  igw:   {vpc: app}
  igw2:  {vpc: other}
  igw3:  {vpc: plain}
subnets:
  s1: {vpc: app, cidr: 10.0.1.0/24, az: us-east-1a, ipv6: 2001:db8:1:101::/64, enableResourceNameDnsARecord: true, enableResourceNameDnsAAAARecord: true}
  s2: {vpc: app, cidr: 10.0.2.0/24, az: us-east-1b, enableResourceNameDnsAAAARecord: true}
  s6: {vpc: app, ipv6Native: true, ipv6: 2001:db8:1:106::/64}
  o1: {vpc: other, cidr: 10.0.1.0/24}
  p1: {vpc: plain, cidr: 10.3.1.0/24}
  m1: {vpc: mute, cidr: 10.4.1.0/24}
natGateways:
  nat: {subnet: s2, privateIp: 10.0.2.50, eip: 198.51.100.50}
securityGroups:
  web: {vpc: app}
instances:
  i1: {subnet: s1, ip: 10.0.1.10, ipv6: "2001:db8:1:101::10", publicIp: 198.51.100.10, securityGroups: [web, default], metadataOptions: {httpTokens: optional}}
  i2:
    {subnet: s1, ip: 10.0.1.20, ipv6: false, metadataOptions: {httpTokens: optional, httpProtocolIpv6: enabled},
     interfaces: [{subnet: s1, ip: 10.0.1.21, secondaryIps: [{ip: 10.0.1.22, publicIp: 198.51.100.22}], ipv6: false}]}
  i3: {subnet: s2, ip: 10.0.2.30, metadataOptions: {httpTokens: optional}}
  i6: {subnet: s6, ipv6: "2001:db8:1:106::66"}
  o1: {subnet: o1, ip: 10.0.1.10, publicIp: 198.51.100.20}
  p1: {subnet: p1, ip: 10.3.1.10, publicIp: 198.51.100.30, metadataOptions: {httpTokens: optional}}
  m1: {subnet: m1, ip: 10.4.1.10}
internetHosts:
  laptop: {ip: 203.0.113.10, ipv6: "2001:db8:ff00::10"}
  old:    {ip: 203.0.113.11, ipv6: false}
`

// newWorld is the fixture as a store has it, handles and MACs included.
func newWorld(t testing.TB, scenario string) *control.World {
	t.Helper()
	w, err := control.Open("fixture.yaml", []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	store := control.NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	if _, err := store.Apply(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	w, _ = store.World()
	return w
}

// eni is an interface of the directory by its name, such as "i1/eth0".
func (d *Directory) eni(t testing.TB, name string) *networkInterface {
	t.Helper()
	for _, eni := range d.interfaces {
		if control.NetworkInterfaceName(eni.Instance, eni.DeviceIndex) == name {
			return eni
		}
	}
	t.Fatalf("the fixture has no interface %s", name)
	return nil
}

// lab is the servers on loopback sockets. Every client of a lab counts as the
// interface that ask has named last.
type lab struct {
	t         testing.TB
	directory atomic.Pointer[Directory]
	asker     atomic.Uint32
	listeners Listeners
	now       atomic.Pointer[time.Time] // nil: the real clock
	mu        sync.Mutex
	hops      []int // every call of SetTTL
}

// startLab runs the servers for the time of the test. Edit changes the view before
// they start; nil for nothing.
func startLab(t testing.TB, scenario string, edit func(*Directory)) *lab {
	t.Helper()
	l := &lab{t: t}
	d := NewDirectory(newWorld(t, scenario))
	if edit != nil {
		edit(d)
	}
	l.directory.Store(d)
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l.listeners.DNSPackets = append(l.listeners.DNSPackets, listenPacket(t, host))
		l.listeners.DNSStreams = append(l.listeners.DNSStreams, listen(t, host))
		l.listeners.IMDS = append(l.listeners.IMDS, listen(t, host))
		l.listeners.Time = append(l.listeners.Time, listenPacket(t, host))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l.listeners, l.config()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) config() Config {
	return Config{
		Directory: &l.directory,
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
		SetTTL: func(_ net.Conn, hops int) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.hops = append(l.hops, hops)
			return nil
		},
		handleOf: func(netip.Addr) (uint32, bool) { h := l.asker.Load(); return h, h != 0 },
		now: func() time.Time {
			if now := l.now.Load(); now != nil {
				return *now
			}
			return time.Now()
		},
	}
}

// ask makes an interface the one that all further requests come from.
func (l *lab) ask(name string) { l.asker.Store(l.directory.Load().eni(l.t, name).Status.Handle) }

func listenPacket(t testing.TB, address string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
