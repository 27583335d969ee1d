package port

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// deadline bounds whatever a test waits for.
const deadline = 20 * time.Second

// eventually polls a condition that the kernel brings about in its own time.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("still not after %v: %s", deadline, what)
		}
	}
}

func TestAFPacketCarriesUDP(t *testing.T) {
	l := newLab(t)
	l.forward(t, l.openPort(t, AFPacketConfig{}))
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
					t.Fatal(err)
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

func TestAFPacketCloseWakesRecv(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{Spin: -1})
	thread, result := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		for {
			if _, err := p.Recv(make([]packet.Frame, 1)); err != nil {
				result <- err
				return
			}
		}
	}()
	status := fmt.Sprintf("/proc/self/task/%d/stat", <-thread)
	eventually(t, "Recv blocks in the kernel", func() bool {
		stat, err := os.ReadFile(status)
		if err != nil {
			t.Fatal(err)
		}
		_, state, _ := strings.Cut(string(stat), ") ")
		return state[0] == 'S'
	})
	start := time.Now()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > idle/2 {
		t.Errorf("Close waited %v, as if for the idle time to pass", took)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Recv returned %v, want net.ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("the second Close returned %v", err)
	}
	if err := p.Send(make([]packet.Frame, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close returned %v, want net.ErrClosed", err)
	}
	if p.Stats().Sent != 0 {
		t.Error("Stats after Close made something up")
	}
}

func TestAFPacketRecvReturnsNothingWhenIdle(t *testing.T) {
	p := newLab(t).openPort(t, AFPacketConfig{})
	frames := make([]packet.Frame, 8)
	eventually(t, "the instances have joined their multicast groups", func() bool {
		start := time.Now()
		n, err := p.Recv(frames)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*idle {
			t.Fatalf("Recv took %v", took)
		}
		return n == 0
	})
}

// station is a port in an instance: it sends and receives bare frames there.
func (x *instance) station(t testing.TB) *AFPacket {
	t.Helper()
	p := openAt(t, x.namespace, AFPacketConfig{ReceiveBuffer: 1 << 20})
	var index int
	x.must(t, func() error {
		eth0, err := netlink.LinkByName("eth0")
		if err == nil {
			index = eth0.Attrs().Index
		}
		return err
	})
	if err := p.Attach(0, index); err != nil {
		t.Fatal(err)
	}
	return p
}

// ethernet builds a frame of an EtherType that no stack knows.
func ethernet(destination packet.MAC, payload string) packet.Frame {
	data := make([]byte, 0, 60)
	data = append(data, destination[:]...)
	data = append(data, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5) // "local experimental" (IEEE 802)
	return packet.Frame{Data: append(data, payload...)}
}

// payloads receives until n frames made by ethernet have come.
func payloads(t *testing.T, p *AFPacket, n int) (got []string) {
	t.Helper()
	frames := make([]packet.Frame, 64)
	for end := time.Now().Add(deadline); len(got) < n; {
		k, err := p.Recv(frames)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:k] {
			if binary.BigEndian.Uint16(f.Data[12:]) == 0x88b5 {
				got = append(got, string(f.Data[14:]))
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d frames came: %q", len(got), n, got)
		}
	}
	return got
}

func TestAFPacketDropsFramesForUnknownLinks(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	far := l.instances[0].station(t)
	var batch []packet.Frame
	for i, link := range []uint32{1, 77, 1, 0} {
		f := ethernet(gatewayMAC, fmt.Sprint("frame ", i))
		f.Link = link
		batch = append(batch, f)
	}
	batch = append(batch, packet.Frame{Link: 1, Data: []byte("short")})
	if err := p.Send(batch); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"frame 0", "frame 2"}, payloads(t, far, 2)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if s := p.Stats(); s.Sent != 2 || s.SendUnknownLink != 2 || s.SendMalformed != 1 {
		t.Errorf("sent %d, unknown %d, malformed %d; want 2, 2, 1", s.Sent, s.SendUnknownLink, s.SendMalformed)
	}
}

func TestAFPacketSkipsInterfacesThatFail(t *testing.T) {
	l := newLab(t)
	down, gone := l.addInstance(t, 3), l.addInstance(t, 4)
	p := l.openPort(t, AFPacketConfig{})
	for _, x := range []*instance{down, gone} {
		if err := p.Attach(x.link, x.ifindex); err != nil {
			t.Fatal(err)
		}
	}
	l.core.must(t, func() error {
		a, err := netlink.LinkByName(down.core)
		if err != nil {
			return err
		}
		b, err := netlink.LinkByName(gone.core)
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetDown(a), netlink.LinkDel(b))
	})
	far := l.instances[1].station(t)
	var batch []packet.Frame
	for i, link := range []uint32{3, 2, 4, 4, 2, 2, 3} {
		f := ethernet(gatewayMAC, fmt.Sprint("frame ", i))
		f.Link = link
		batch = append(batch, f)
	}
	long := ethernet(gatewayMAC, strings.Repeat("x", 1600)) // MTU 1500
	long.Link = 2
	last := ethernet(gatewayMAC, "last")
	last.Link = 2
	if err := p.Send(append(batch, long, last)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"frame 1", "frame 4", "frame 5", "last"}, payloads(t, far, 4)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	want := map[string]uint64{"ENETDOWN": 2, "ENXIO": 2, "EMSGSIZE": 1}
	if diff := cmp.Diff(want, p.Stats().SendErrors); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func TestAFPacketIgnoresUnattachedInterfaces(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	p.Detach(2)
	p.Detach(2) // harmless
	for i, x := range l.instances {
		if err := x.station(t).Send([]packet.Frame{ethernet(gatewayMAC, fmt.Sprint("from ", 2-i))}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the frame of link 2 is ignored", func() bool {
		frames := make([]packet.Frame, 4)
		n, err := p.Recv(frames)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			if f.Link != 1 {
				t.Fatalf("a frame of link %d", f.Link)
			}
		}
		return p.Stats().Unattached > 0
	})
}

func TestAFPacketAttachRefusesWhatIsTaken(t *testing.T) {
	p := newLab(t).openPort(t, AFPacketConfig{}) // links 1 and 2
	taken, _ := p.attachments.Load().interfaces.get(1)
	for _, c := range []struct {
		name    string
		link    uint32
		ifindex int
	}{
		{"the link", 1, 1000},
		{"the interface", 9, int(taken)},
		{"not an interface", 9, 0},
		{"negative", 9, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := p.Attach(c.link, c.ifindex); err == nil {
				t.Error("no error")
			}
		})
	}
	p.Detach(1)
	if err := p.Attach(9, int(taken)); err != nil {
		t.Errorf("after Detach the interface is still taken: %v", err)
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

func TestAFPacketRecvAndSendDoNotAllocate(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	near := l.instances[0].station(t)
	out, in := make([]packet.Frame, 8), make([]packet.Frame, 64)
	for i := range out {
		out[i] = ethernet(gatewayMAC, "payload")
	}
	allocations := testing.AllocsPerRun(200, func() {
		if err := near.Send(out); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < len(out); {
			n, err := p.Recv(in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range in[:n] {
				in[i].Link = 2
			}
			if err := p.Send(in[:n]); err != nil {
				t.Fatal(err)
			}
			got += n
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations per batch", allocations)
	}
	// Blocking must not allocate either.
	if allocations := testing.AllocsPerRun(1, func() { _, _ = p.Recv(in) }); allocations != 0 {
		t.Errorf("%v allocations in a Recv that blocks", allocations)
	}
}

func TestAFPacketKeepsVLANTags(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	near := l.instances[0].station(t)
	untagged := ethernet(gatewayMAC, "payload").Data
	for _, c := range []struct {
		name string
		tag  []byte
	}{
		{"802.1Q", []byte{0x81, 0x00, 0xa0, 0x65}}, // priority 5, VLAN 101
		{"priority tag, VLAN 0", []byte{0x81, 0x00, 0, 0}},
		{"802.1ad", []byte{0x88, 0xa8, 0x00, 0x07}},
		{"two tags", []byte{0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x65}},
		{"no tag after tags", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := bytes.Join([][]byte{untagged[:12], c.tag, untagged[12:]}, nil)
			if err := near.Send([]packet.Frame{{Data: want}}); err != nil {
				t.Fatal(err)
			}
			frames := make([]packet.Frame, 8)
			var got []byte
			eventually(t, "the frame arrives", func() bool {
				n, err := p.Recv(frames)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range frames[:n] {
					if f.Link == 1 && bytes.HasPrefix(f.Data, gatewayMAC[:]) {
						got = bytes.Clone(f.Data)
					}
				}
				return got != nil
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the frame changed (-want +got):\n%s", diff)
			}
		})
	}
}

// A tag must also survive on a superframe and one with a partial checksum,
// whose offsets it shifts, on the way in and on the way out.
func TestAFPacketKeepsVLANTagsOfSuperframes(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	near := l.instances[0].station(t)
	for _, c := range superframes() {
		t.Run(c.name, func(t *testing.T) {
			want := c.frame.Offload
			want.ChecksumStart += vlanTagLen
			want.HeaderLen += vlanTagLen
			data := bytes.Join([][]byte{c.frame.Data[:12], {0x81, 0, 0, 7}, c.frame.Data[12:]}, nil)
			if err := near.Send([]packet.Frame{{Data: data, Offload: want}}); err != nil {
				t.Fatal(err)
			}
			frames := make([]packet.Frame, 8)
			var got *packet.Frame
			eventually(t, "the frame arrives", func() bool {
				n, err := p.Recv(frames)
				if err != nil {
					t.Fatal(err)
				}
				for i, f := range frames[:n] {
					if f.Link == 1 && bytes.Equal(f.Data[:12], data[:12]) {
						got = &frames[i]
					}
				}
				if s := near.Stats(); len(s.SendErrors) > 0 || p.Stats().Malformed > 0 {
					t.Fatalf("send errors %v, malformed %d", s.SendErrors, p.Stats().Malformed)
				}
				return got != nil
			})
			if diff := cmp.Diff(want, got.Offload); diff != "" {
				t.Errorf("the offload changed (-want +got):\n%s", diff)
			}
			if !bytes.Equal(data, got.Data) {
				t.Error("the bytes changed")
			}
		})
	}
}

func TestAFPacketDropsTruncatedFrames(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{})
	p.receive.init(4, 256) // as if frames could be longer than a slot
	near := l.instances[0].station(t)
	batch := []packet.Frame{
		ethernet(gatewayMAC, "one"),
		ethernet(gatewayMAC, strings.Repeat("x", 400)),
		ethernet(gatewayMAC, "two"),
	}
	if err := near.Send(batch); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, payloads(t, p, 2)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if n := p.Stats().Truncated; n != 1 {
		t.Errorf("counted %d truncated frames, want 1", n)
	}
}

func TestAFPacketCountsWhatTheKernelDrops(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{ReceiveBuffer: 4096})
	near := l.instances[0].station(t)
	if err := near.Send(slicesRepeat(ethernet(gatewayMAC, "payload"), 200)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "drops are counted", func() bool { return p.Stats().KernelDropped > 0 })
	if n := p.Stats().KernelDropped; n > 200 {
		t.Errorf("%d frames dropped of 200", n)
	}
	if p.Stats().ReceiveBuffer < 4096 {
		t.Errorf("a receive buffer of %d bytes was obtained", p.Stats().ReceiveBuffer)
	}
}

func slicesRepeat(f packet.Frame, n int) (frames []packet.Frame) {
	for range n {
		frames = append(frames, f)
	}
	return frames
}

// A sender without room waits its 5 ms once per Send, drops the rest, and does
// not block for ever. A queue that lets nothing out holds the buffer full.
func TestAFPacketDropsWhatFindsNoRoom(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{SendBuffer: 8192})
	l.core.must(t, func() error {
		return netlink.QdiscAdd(&netlink.Tbf{
			QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.instances[0].ifindex, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			// 1 kB/s, and a bucket of about 2 kB; the kernel wants it as time, in 64 ns.
			Rate: 1000, Limit: 1 << 20, Buffer: 2e9 / 64,
		})
	})
	far := l.instances[1].station(t)
	stuck, free := ethernet(gatewayMAC, strings.Repeat("x", 1000)), ethernet(gatewayMAC, "free")
	stuck.Link, free.Link = 1, 2
	start := time.Now()
	if err := p.Send(append(slicesRepeat(stuck, 100), free)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("Send took %v", took)
	}
	if p.Stats().SendErrors["EAGAIN"] == 0 {
		t.Errorf("nothing dropped for want of room: %+v", p.Stats())
	}
	_ = far
}
