package port

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

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
	stuck := ethernet(gatewayMAC, strings.Repeat("x", 1000))
	stuck.Link = 1
	start := time.Now()
	if err := p.Send(slicesRepeat(stuck, 100)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > deadline/2 {
		t.Errorf("Send took %v", took)
	}
	if p.Stats().SendErrors["EAGAIN"] == 0 {
		t.Errorf("nothing dropped for want of room: %+v", p.Stats())
	}
}
