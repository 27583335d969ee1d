package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// deadline bounds whatever a test waits for.
const deadline = 20 * time.Second

// eventually polls a condition that the kernel brings about in its own time.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("still not after %v: %s", deadline, what)
		}
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
			if _, err := p.Recv(make([]packet.Frame, 1), 2*deadline); err != nil {
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
	if took := time.Since(start); took > deadline {
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
		k, err := p.Recv(frames, time.Second)
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
			n, err := p.Recv(in, time.Second)
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
	if allocations := testing.AllocsPerRun(1, func() { _, _ = p.Recv(in, 10*time.Millisecond) }); allocations != 0 {
		t.Errorf("%v allocations in a Recv that blocks", allocations)
	}
}
