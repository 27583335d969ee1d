package port

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestAFPacketCarriesUDP(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	l.forward(t, p)
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			server, client := l.udpPair(t, network)
			for size := range 64 {
				want := bytes.Repeat([]byte{byte(size)}, size*20+1)
				if _, err := client.Write(want); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 2000)
				n, from, err := server.ReadFrom(got)
				if err != nil {
					t.Fatalf("datagram of %d bytes: %v; %+v", len(want), err, p.Stats())
				}
				if _, err := server.WriteTo(got[:n], from); err != nil {
					t.Fatal(err)
				}
				if n, err = client.Read(got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got[:n], want) {
					t.Fatalf("a datagram of %d bytes came back changed", len(want))
				}
			}
		})
	}
}

// udpPair is a socket in each instance, the first's connected to the second's.
func (l *lab) udpPair(t testing.TB, network string) (server net.PacketConn, client net.Conn) {
	t.Helper()
	a, b := l.instances[0], l.instances[1]
	b.must(t, func() (err error) {
		server, err = net.ListenPacket(network, b.address(network, 5001))
		return err
	})
	a.must(t, func() (err error) {
		client, err = net.Dial(network, b.address(network, 5001))
		return err
	})
	t.Cleanup(func() { server.Close(); client.Close() })
	end := time.Now().Add(deadline)
	if err := errors.Join(server.SetDeadline(end), client.SetDeadline(end)); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// tcpPair is an established connection between the instances.
func (l *lab) tcpPair(t testing.TB, network string) (server, client net.Conn) {
	t.Helper()
	a, b := l.instances[0], l.instances[1]
	var listener net.Listener
	b.must(t, func() (err error) {
		listener, err = net.Listen(network, b.address(network, 5001))
		return err
	})
	defer listener.Close()
	a.must(t, func() (err error) {
		client, err = net.DialTimeout(network, b.address(network, 5001), deadline)
		return err
	})
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	end := time.Now().Add(deadline)
	if err := errors.Join(server.SetDeadline(end), client.SetDeadline(end)); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// transfer sends size random bytes and fails unless the same bytes arrive.
func transfer(t *testing.T, to io.Reader, from io.WriteCloser, size int64) {
	t.Helper()
	sent := sha256.New()
	result := make(chan error, 1)
	go func() {
		source := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
		_, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(from, sent)}, source, make([]byte, 1<<20))
		result <- errors.Join(err, from.Close())
	}()
	received := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{received}, struct{ io.Reader }{to}, make([]byte, 1<<20))
	if err := errors.Join(<-result, err); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, size, err)
	}
	if n != size || !bytes.Equal(received.Sum(nil), sent.Sum(nil)) {
		t.Fatalf("received %d bytes of %d, or others than were sent", n, size)
	}
}

func TestAFPacketCarriesTCPSuperframesIntact(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	l.forward(t, p)
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			before := p.Stats()
			server, client := l.tcpPair(t, network)
			transfer(t, server, client, 100<<20)
			after := p.Stats()
			if after.Superframes-before.Superframes < 100 {
				t.Errorf("100 MB came in %d frames of which %d were superframes: segmentation offload is lost",
					after.Received-before.Received, after.Superframes-before.Superframes)
			}
			if after.PartialChecksums == before.PartialChecksums {
				t.Error("no partial checksum was seen: checksum offload is lost")
			}
			if after.Malformed != 0 || after.Truncated != 0 || after.Refused != 0 {
				t.Errorf("frames were not understood: %+v", after)
			}
		})
	}
}

func TestAFPacketCarriesUDPSuperframes(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	l.forward(t, p)
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			server, client := l.udpPair(t, network)
			raw, err := client.(*net.UDPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			err = raw.Control(func(fd uintptr) {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000))
			})
			if err != nil {
				t.Fatal(err)
			}
			before := p.Stats()
			payload := make([]byte, 20_500)
			_, _ = rand.NewChaCha8([32]byte{}).Read(payload)
			if _, err := client.Write(payload); err != nil {
				t.Fatal(err)
			}
			var got []byte
			for datagram := make([]byte, 2000); len(got) < len(payload); {
				n, _, err := server.ReadFrom(datagram)
				if err != nil {
					t.Fatal(err)
				}
				if want := min(1000, len(payload)-len(got)); n != want {
					t.Fatalf("a datagram of %d bytes, want %d", n, want)
				}
				got = append(got, datagram[:n]...)
			}
			if !bytes.Equal(got, payload) {
				t.Error("the bytes changed on the way")
			}
			if after := p.Stats(); after.Superframes == before.Superframes {
				t.Error("no superframe was seen")
			}
		})
	}
}

func TestAFPacketDetachWhileTrafficRuns(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	l.forward(t, p)
	server, client := l.tcpPair(t, "tcp4")
	var attaching sync.WaitGroup
	stop := make(chan struct{})
	attaching.Go(func() {
		// An interface that nothing comes from, and the one in use.
		for i := uint32(100); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := p.Attach(i, int(i)); err != nil {
				t.Error(err)
				return
			}
			p.Detach(i)
			if i%1024 == 0 { // seldom, or TCP gives up
				p.Detach(2)
				if err := p.Attach(2, l.instances[1].ifindex); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	transfer(t, server, client, 32<<20)
	close(stop)
	attaching.Wait()
}

// The kernel describes the superframe of a tunnel by its inner protocol alone.
// Taken at its word, it would be cut behind the wrong header.
func TestAFPacketDropsSuperframesInsideTunnels(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	l.forward(t, p)
	for i, x := range l.instances {
		x.must(t, func() error {
			eth0, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			vxlan := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan0"}, VxlanId: 7, Port: 4789,
				VtepDevIndex: eth0.Attrs().Index, SrcAddr: x.v4, Group: l.instances[1-i].v4}
			if err := netlink.LinkAdd(vxlan); err != nil {
				return fmt.Errorf("vxlan: %w", err)
			}
			address := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, byte(i)), Mask: net.CIDRMask(24, 32)}}
			if i == 0 {
				address.IP = net.IPv4(192, 0, 2, 10)
			}
			return errors.Join(netlink.AddrAdd(vxlan, address), netlink.LinkSetUp(vxlan))
		})
	}
	var listener net.Listener
	l.instances[1].must(t, func() (err error) {
		listener, err = net.Listen("tcp4", "192.0.2.1:5001")
		return err
	})
	defer listener.Close()
	var client net.Conn
	l.instances[0].must(t, func() (err error) {
		client, err = net.DialTimeout("tcp4", "192.0.2.1:5001", deadline)
		return err
	})
	defer client.Close()
	// It fits the send buffer or not: all that matters is that TCP tries.
	if err := client.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Write(make([]byte, 1<<20))
	eventually(t, "a superframe inside the tunnel is dropped", func() bool { return p.Stats().Malformed > 0 })
}
