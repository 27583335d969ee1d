package services

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/miekg/dns"
)

// fakeConn is a UDP socket whose packets come from anywhere, as those of the
// services' namespace do.
type fakeConn struct {
	net.PacketConn // nil: everything else fails
	requests       chan datagram
	answers        chan datagram
	closed         chan struct{}
	once           sync.Once
}

type datagram struct {
	peer netip.AddrPort
	data []byte
}

func newFakeConn() *fakeConn {
	return &fakeConn{requests: make(chan datagram), answers: make(chan datagram, 1), closed: make(chan struct{})}
}

func (c *fakeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-c.requests:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.peer), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *fakeConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.answers <- datagram{to.(*net.UDPAddr).AddrPort(), append([]byte(nil), b...)}
	return len(b), nil
}

func (c *fakeConn) LocalAddr() net.Addr { return &net.UDPAddr{} }

func (c *fakeConn) Close() error { c.once.Do(func() { close(c.closed) }); return nil }

// ask sends a request from a client address and returns the next answer.
func (c *fakeConn) ask(t *testing.T, client netip.AddrPort, request []byte) datagram {
	t.Helper()
	c.requests <- datagram{client, request}
	select {
	case answer := <-c.answers:
		return answer
	case <-time.After(5 * time.Second):
		t.Fatal("no answer")
	}
	return datagram{}
}

func quietConfig(d *Directory) Config {
	c := Config{Directory: new(atomic.Pointer[Directory]), Log: slog.New(slog.DiscardHandler)}
	c.Directory.Store(d)
	return c
}

// serve runs Serve in the background; the function ends it and returns its error.
func serve(l Listeners, c Config) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, c) }()
	return func() error { cancel(); return <-ended }
}

func TestInterfacesAreKnownByTheirClientAddress(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	dhcp4, dhcp6, resolver := newFakeConn(), newFakeConn(), newFakeConn()
	end := serve(Listeners{
		DHCPv4: []net.PacketConn{dhcp4}, DHCPv6: []net.PacketConn{dhcp6}, DNSPackets: []net.PacketConn{resolver},
	}, quietConfig(d))
	for _, name := range []string{"i1/eth0", "o1/eth0"} { // the same address in two VPCs
		eni := d.eni(t, name)
		handle := eni.Status.Handle
		answer := dhcp4.ask(t, netip.AddrPortFrom(LinkLocalClient(handle), 12345), must(dhcpv4.NewDiscovery(eni.Status.MAC[:])).ToBytes())
		if want := netip.AddrPortFrom(LinkLocalClient(handle), 68); answer.peer != want {
			t.Errorf("%s: DHCPv4 answer to %s, want %s", name, answer.peer, want)
		}
		if offer := must(dhcpv4.FromBytes(answer.data)); offer.YourIPAddr.String() != "10.0.1.10" {
			t.Errorf("%s: %s", name, offer.Summary())
		}
		question := must(new(dns.Msg).SetQuestion("ec2-198-51-100-10.compute-1.amazonaws.com.", dns.TypeA).Pack())
		for _, client := range []netip.Addr{LinkLocalClient(handle), BaseTwoClient(handle), IPv6Client(handle)} {
			answer := resolver.ask(t, netip.AddrPortFrom(client, 12345), question)
			message := new(dns.Msg)
			if err := message.Unpack(answer.data); err != nil || answer.peer != netip.AddrPortFrom(client, 12345) {
				t.Errorf("%s: DNS answer to %s, %v", name, answer.peer, err)
			}
			want := map[string]string{"i1/eth0": "NOERROR 10.0.1.10", "o1/eth0": "NOERROR 198.51.100.10"}[name]
			if got := answerText(message); got != want {
				t.Errorf("%s over %s: %s, want %s", name, client, got, want)
			}
		}
	}
	eni := d.eni(t, "i1/eth0")
	client := netip.AddrPortFrom(IPv6Client(eni.Status.Handle), 40000)
	answer := dhcp6.ask(t, client, must(dhcpv6.NewSolicit(eni.Status.MAC[:])).ToBytes())
	if want := netip.AddrPortFrom(client.Addr(), 546); answer.peer != want {
		t.Errorf("DHCPv6 answer to %s, want %s", answer.peer, want)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestStrangersOversizedPacketsAndNoDirectoryGetNoAnswer(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	resolver := newFakeConn()
	c := quietConfig(d)
	end := serve(Listeners{DNSPackets: []net.PacketConn{resolver}}, c)
	question := must(new(dns.Msg).SetQuestion("i1.vpcsim.internal.", dns.TypeA).Pack())
	i1 := netip.AddrPortFrom(LinkLocalClient(d.eni(t, "i1/eth0").Status.Handle), 5353)
	silent := func(what string, peer netip.AddrPort, request []byte) {
		resolver.requests <- datagram{peer, request}
		resolver.requests <- datagram{peer, nil} // read only once the first is done with
		select {
		case <-resolver.answers:
			t.Errorf("%s is answered", what)
		default:
		}
	}
	silent("a stranger", netip.MustParseAddrPort("10.0.1.10:5353"), question)
	silent("an interface that is gone", netip.AddrPortFrom(LinkLocalClient(MaxHandle), 5353), question)
	silent("an oversized packet", i1, append(question, make([]byte, maxDNSRequest)...))
	c.Directory.Store(nil)
	silent("a request before the first apply", i1, question)
	c.Directory.Store(d)
	resolver.ask(t, i1, question)
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestServeEndsWithEverythingItStarted(t *testing.T) {
	l := startLab(t, fixture, nil) // for its configuration only
	l.ask("i1/eth0")
	streams, packets := listen(t, "127.0.0.1:0"), listenPacket(t, "127.0.0.1:0")
	metadata := listen(t, "127.0.0.1:0")
	end := serve(Listeners{DNSStreams: []net.Listener{streams}, IMDS: []net.Listener{metadata}, Time: []net.PacketConn{packets}}, l.config())
	var open []net.Conn
	for _, listener := range []net.Listener{streams, metadata} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "G") // neither a whole DNS length nor a whole HTTP request
		open = append(open, conn)
	}
	askTime(t, packets.LocalAddr(), timeRequest(4, 3))
	begin := time.Now()
	if err := end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > streamTime/2 {
		t.Errorf("ended after %v: it waited for idle clients", took)
	}
	for _, conn := range open {
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) {
			t.Error("a connection is still open")
		}
	}
	if conn, err := net.Dial("tcp", streams.Addr().String()); err == nil {
		conn.Close()
		t.Error("a listener is still open")
	}
}

func TestServeReportsABrokenSocket(t *testing.T) {
	broken, healthy := newFakeConn(), newFakeConn()
	broken.Close()
	err := Serve(context.Background(), Listeners{Time: []net.PacketConn{broken}, DHCPv4: []net.PacketConn{healthy}}, quietConfig(nil))
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	select {
	case <-healthy.closed:
	default:
		t.Error("the other socket is still open")
	}
}

func TestServeSurvivesAFailureOfItsOwn(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	eni := d.eni(t, "i3/eth0")
	vpc := eni.vpc
	eni.vpc = nil // makes every answer about it panic
	resolver := newFakeConn()
	end := serve(Listeners{DNSPackets: []net.PacketConn{resolver}}, quietConfig(d))
	question := must(new(dns.Msg).SetQuestion("i1.vpcsim.internal.", dns.TypeA).Pack())
	resolver.requests <- datagram{netip.AddrPortFrom(LinkLocalClient(eni.Status.Handle), 5353), question}
	resolver.ask(t, netip.AddrPortFrom(LinkLocalClient(d.eni(t, "i1/eth0").Status.Handle), 5353), question)
	if err := end(); err != nil {
		t.Error(err)
	}
	eni.vpc = vpc
}

func TestRequestsWhileTheDirectoryChanges(t *testing.T) {
	d := NewDirectory(newWorld(t, fixture))
	resolver := newFakeConn()
	c := quietConfig(d)
	end := serve(Listeners{DNSPackets: []net.PacketConn{resolver}}, c)
	question := must(new(dns.Msg).SetQuestion("i1.vpcsim.internal.", dns.TypeA).Pack())
	client := netip.AddrPortFrom(LinkLocalClient(d.eni(t, "i1/eth0").Status.Handle), 5353)
	var group sync.WaitGroup
	group.Go(func() {
		for range 20 {
			c.Directory.Store(NewDirectory(newWorld(t, fixture)))
		}
	})
	for range 200 {
		resolver.ask(t, client, question)
	}
	group.Wait()
	if err := end(); err != nil {
		t.Error(err)
	}
}
