package port

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestAFPacketRecvWaitsNoLongerThanAsked(t *testing.T) {
	p := newLab(t).openPort(t, AFPacketConfig{})
	frames := make([]packet.Frame, 8)
	for _, wait := range []time.Duration{-1, 0, 10 * time.Microsecond, 300 * time.Microsecond, 50 * time.Millisecond} {
		t.Run(wait.String(), func(t *testing.T) {
			eventually(t, "nothing comes from the instances, and Recv is in time", func() bool {
				start := time.Now()
				n, err := p.Recv(frames, wait)
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				if n == 0 && took < wait {
					t.Fatalf("Recv returned after %v already", took)
				}
				// A busy machine is late now and then, but not always.
				return n == 0 && took < wait+200*time.Microsecond
			})
		})
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
		n, err := p.Recv(frames, time.Second)
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
				n, err := p.Recv(frames, time.Second)
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
				n, err := p.Recv(frames, time.Second)
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
