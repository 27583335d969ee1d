package port

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// checksummed fills in what a sender's kernel would: the IPv4 header checksum
// and the sum of the pseudo-header, as the partial checksum.
func checksummed(f packet.Frame) packet.Frame {
	f.Data = bytes.Clone(f.Data)
	ip := f.Data[ethernetHeaderLen:]
	start := int(f.Offload.ChecksumStart)
	if ip[0]>>4 == 4 {
		binary.BigEndian.PutUint16(ip[10:], ^onesSum(0, ip[:20]))
	}
	sum := pseudoHeader(f.Data, start, f.Offload.GSO == packet.GSOUDP)
	binary.BigEndian.PutUint16(f.Data[start+int(f.Offload.ChecksumOffset):], onesSum(sum, nil))
	return f
}

// verify says whether the transport checksum of an ordinary frame is right. It
// shares no code with the package under test.
func verify(data []byte, start int, udp bool) bool {
	return onesSum(pseudoHeader(data, start, udp), data[start:]) == 0xffff
}

func pseudoHeader(data []byte, start int, udp bool) uint32 {
	ip, proto := data[ethernetHeaderLen:], uint32(packet.ProtoTCP)
	if udp {
		proto = packet.ProtoUDP
	}
	addresses := ip[8:40]
	if ip[0]>>4 == 4 {
		addresses = ip[12:20]
	}
	return uint32(onesSum(proto+uint32(len(data)-start), addresses))
}

func onesSum(sum uint32, b []byte) uint16 {
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
		sum = sum&0xffff + sum>>16
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func send(t *testing.T, m *Memory, link uint32, frames ...packet.Frame) {
	t.Helper()
	for i := range frames {
		frames[i].Link = link
	}
	if err := m.Send(frames); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryCutsSuperframes(t *testing.T) {
	for _, c := range superframes() {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory(MemoryConfig{})
			e := m.Link(7, EndpointConfig{})
			f := checksummed(c.frame)
			before := bytes.Clone(f.Data)
			send(t, m, 7, f)
			got := e.Drain()
			if len(got) != 3 {
				t.Fatalf("3,000 bytes in segments of 1,000 became %d frames", len(got))
			}
			for i, segment := range got {
				if diff := cmp.Diff(packet.Offload{}, segment.Offload); diff != "" {
					t.Errorf("segment %d is not an ordinary frame (-want +got):\n%s", i, diff)
				}
				if want := int(f.Offload.HeaderLen) + 1000; len(segment.Data) != want {
					t.Fatalf("segment %d has %d bytes, want %d", i, len(segment.Data), want)
				}
				if !verify(segment.Data, int(f.Offload.ChecksumStart), f.Offload.GSO == packet.GSOUDP) {
					t.Errorf("segment %d has a wrong checksum", i)
				}
			}
			if !bytes.Equal(before, f.Data) {
				t.Error("Send changed the sender's bytes")
			}
		})
	}
}

// The reason for cutting: a rewrite that takes the partial checksum for a
// complete one, as this test does, must not go unnoticed.
func TestMemoryExposesWrongPartialChecksumRewrite(t *testing.T) {
	for _, c := range superframes() {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory(MemoryConfig{})
			e := m.Link(7, EndpointConfig{})
			f := checksummed(c.frame)
			field := f.Data[f.Offload.ChecksumStart+f.Offload.ChecksumOffset:]
			binary.BigEndian.PutUint16(field, ^binary.BigEndian.Uint16(field))
			send(t, m, 7, f)
			for i, segment := range e.Drain() {
				if verify(segment.Data, int(f.Offload.ChecksumStart), f.Offload.GSO == packet.GSOUDP) {
					t.Errorf("segment %d: the wrong sum was repaired", i)
				}
			}
		})
	}
}

func TestMemoryCompletesPartialChecksums(t *testing.T) {
	m := NewMemory(MemoryConfig{})
	e := m.Link(7, EndpointConfig{})
	f := superframes()[0].frame
	f.Data = bytes.Clone(f.Data[:66+500])
	binary.BigEndian.PutUint16(f.Data[16:], 52+500)
	f.Offload.GSO, f.Offload.SegmentSize, f.Offload.HeaderLen = packet.GSONone, 0, 0
	send(t, m, 7, checksummed(f))
	got, ok := e.Next()
	if !ok || got.Offload.PartialChecksum || !verify(got.Data, 34, false) {
		t.Errorf("delivered %v: partial %v, or the sum is wrong", ok, got.Offload.PartialChecksum)
	}
}

func TestMemoryPassesSuperframesToWhoAsks(t *testing.T) {
	m := NewMemory(MemoryConfig{})
	e := m.Link(7, EndpointConfig{Superframes: true})
	f := checksummed(superframes()[0].frame)
	f.Link = 7
	send(t, m, 7, f)
	if diff := cmp.Diff([]packet.Frame{f}, e.Drain()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMemoryDropsAndCounts(t *testing.T) {
	big := superframes()[0].frame // 1,052 bytes a packet once cut
	bare := func(n int) packet.Frame {
		f := ordinary("")
		f.Data = append(f.Data, make([]byte, n)...)
		return f
	}
	tagged := bare(600 + vlanTagLen)
	copy(tagged.Data[12:], []byte{0x81, 0, 0, 7})
	lie := checksummed(big)
	lie.Offload.GSO = packet.GSOTCP6
	for _, c := range []struct {
		name   string
		config EndpointConfig
		frame  packet.Frame
		want   MemoryStats
	}{
		{"packet of the MTU", EndpointConfig{MTU: 600}, bare(600), MemoryStats{Delivered: 1}},
		{"a tag is not part of the packet", EndpointConfig{MTU: 600}, tagged, MemoryStats{Delivered: 1}},
		{"packet over the MTU", EndpointConfig{MTU: 600}, bare(601), MemoryStats{OverMTU: 1}},
		{"packet of the usual MTU", EndpointConfig{}, bare(1500), MemoryStats{Delivered: 1}},
		{"segments over the MTU", EndpointConfig{MTU: 1051}, checksummed(big), MemoryStats{OverMTU: 3}},
		{"segments of the MTU", EndpointConfig{MTU: 1052}, checksummed(big), MemoryStats{Delivered: 3}},
		{"superframe over the MTU", EndpointConfig{MTU: 1051, Superframes: true}, checksummed(big), MemoryStats{OverMTU: 1}},
		{"superframe of the MTU", EndpointConfig{MTU: 1052, Superframes: true}, checksummed(big), MemoryStats{Delivered: 1}},
		{"superframe that lies", EndpointConfig{}, lie, MemoryStats{Malformed: 1}},
		{"no Ethernet header", EndpointConfig{}, packet.Frame{Data: make([]byte, 13)}, MemoryStats{Malformed: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMemory(MemoryConfig{})
			m.Link(7, c.config)
			send(t, m, 7, c.frame)
			if diff := cmp.Diff(c.want, m.Stats()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// ordinary is a frame of an EtherType that nobody parses.
func ordinary(payload string) packet.Frame {
	return packet.Frame{Data: append([]byte{2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, payload...)}
}

func TestMemoryKeepsOrderAcrossLinks(t *testing.T) {
	m := NewMemory(MemoryConfig{})
	a, b := m.Link(1, EndpointConfig{}), m.Link(2, EndpointConfig{})
	for i, e := range []*Endpoint{a, b, b, a, b} {
		e.Inject(ordinary(string(rune('0' + i))))
	}
	var got string
	frames := make([]packet.Frame, 2)
	for n := m.Poll(frames); n > 0; n = m.Poll(frames) {
		for _, f := range frames[:n] {
			got += string(rune('a'+f.Link-1)) + string(f.Data[14:]) + " "
		}
	}
	if want := "a0 b1 b2 a3 b4 "; got != want {
		t.Errorf("received %q, want %q", got, want)
	}
}

func TestMemoryBoundsItsQueues(t *testing.T) {
	m := NewMemory(MemoryConfig{Queue: 2})
	e := m.Link(1, EndpointConfig{})
	if ok := []bool{e.Inject(ordinary("")), e.Inject(ordinary("")), e.Inject(ordinary(""))}; !cmp.Equal(ok, []bool{true, true, false}) {
		t.Errorf("Inject into a queue of 2 returned %v", ok)
	}
	send(t, m, 1, ordinary("1"), ordinary("2"), ordinary("3"))
	if n := len(e.Drain()); n != 2 {
		t.Errorf("an endpoint's queue of 2 held %d", n)
	}
	m.Unlink(1)
	send(t, m, 1, ordinary("4"))
	if diff := cmp.Diff(MemoryStats{Delivered: 2, QueueFull: 2, UnknownLink: 1}, m.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMemorySpoilsWhatItLent(t *testing.T) {
	m := NewMemory(MemoryConfig{})
	e := m.Link(1, EndpointConfig{})
	mine := ordinary("borrowed")
	e.Inject(mine)
	frames := make([]packet.Frame, 4)
	m.Poll(frames)
	kept := frames[0].Data
	if string(kept[14:]) != "borrowed" {
		t.Fatalf("received %q", kept[14:])
	}
	m.Poll(frames)
	if bytes.Contains(kept, []byte("borrowed")) {
		t.Error("a frame is still whole after the next Recv")
	}
	if string(mine.Data[14:]) != "borrowed" {
		t.Error("the injector's own bytes were spoiled")
	}
}

func TestMemoryRecvWaitsForFrameIdleAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{})
		e := m.Link(1, EndpointConfig{})
		frames := make([]packet.Frame, 4)
		start := time.Now()
		if n, err := m.Recv(frames, 0); n != 0 || err != nil || time.Since(start) != 0 {
			t.Errorf("no wait: Recv = %d, %v after %v", n, err, time.Since(start))
		}
		if n, err := m.Recv(frames, time.Second); n != 0 || err != nil || time.Since(start) != time.Second {
			t.Errorf("idle: Recv = %d, %v after %v", n, err, time.Since(start))
		}
		go func() {
			time.Sleep(time.Millisecond) // of the bubble's clock
			e.Inject(ordinary("x"))
			time.Sleep(time.Millisecond)
			m.Close()
		}()
		if n, err := m.Recv(frames, time.Second); n != 1 || err != nil {
			t.Errorf("frame: Recv = %d, %v", n, err)
		}
		if n, err := m.Recv(frames, time.Second); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: Recv = %d, %v", n, err)
		}
		if err := m.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: Send = %v", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("the second Close returned %v", err)
		}
		if e.Inject(ordinary("x")) {
			t.Error("a closed port took a frame")
		}
	})
}

func TestMemoryEndpointWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryConfig{})
		e := m.Link(1, EndpointConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing came: Wait = %v", err)
		}
		go func() {
			time.Sleep(time.Millisecond)
			send(t, m, 1, ordinary("x"))
			time.Sleep(time.Millisecond)
			m.Close()
		}()
		if f, err := e.Wait(t.Context()); err != nil || string(f.Data[14:]) != "x" {
			t.Errorf("Wait = %v, %v", f, err)
		}
		if _, err := e.Wait(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: Wait = %v", err)
		}
	})
}

// Engine and endpoints in goroutines of their own, for the race detector.
func TestMemoryServesAnEngineGoroutine(t *testing.T) {
	m := NewMemory(MemoryConfig{})
	a, b := m.Link(1, EndpointConfig{}), m.Link(2, EndpointConfig{})
	ended := make(chan error, 1)
	go func() {
		frames := make([]packet.Frame, 8)
		for {
			n, err := m.Recv(frames, time.Second)
			if err != nil {
				ended <- err
				return
			}
			for i := range frames[:n] {
				frames[i].Link = 3 - frames[i].Link
			}
			if err := m.Send(frames[:n]); err != nil {
				ended <- err
				return
			}
		}
	}()
	go func() {
		for i := range 1000 {
			a.Inject(ordinary(string(rune(i))))
		}
	}()
	for i := range 1000 {
		f, err := b.Wait(t.Context())
		if err != nil || string(f.Data[14:]) != string(rune(i)) {
			t.Fatalf("frame %d: %v, %v", i, f, err)
		}
	}
	m.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
