package port

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func testRing(size int) *ring { return &ring{size: size, wake: func(int) {}} }

// Every frame that found room comes out, in order and intact, whatever the sizes;
// and what is lent stays intact until it is given back.
func TestRingKeepsOrderAndBytes(t *testing.T) {
	r := testRing(4096)
	random := rand.New(rand.NewPCG(1, 2))
	var put, taken uint32
	var lent []packet.Frame
	check := func() {
		for _, f := range lent {
			want := binary.BigEndian.Uint32(f.Data)
			if !bytes.Equal(f.Data[4:], bytes.Repeat([]byte{byte(want)}, len(f.Data)-4)) || f.Link != want {
				t.Fatalf("frame %d, link %d: %x", want, f.Link, f.Data)
			}
		}
	}
	for range 100_000 {
		if random.IntN(2) == 0 {
			data := binary.BigEndian.AppendUint32(nil, put)
			data = append(data, bytes.Repeat([]byte{byte(put)}, random.IntN(1400))...)
			if r.put(&packet.Frame{Data: data, Link: put}) {
				put++
			}
			check()
			continue
		}
		check()
		r.release()
		frames := make([]packet.Frame, 1+random.IntN(4))
		lent = frames[:r.take(frames)]
		for _, f := range lent {
			if f.Link != taken {
				t.Fatalf("frame %d came, want %d", f.Link, taken)
			}
			taken++
		}
		check()
	}
	if put < 10_000 || r.dropped.Load() == 0 {
		t.Errorf("%d frames passed, %d dropped", put, r.dropped.Load())
	}
}

func TestRingBoundsFramesAndBytes(t *testing.T) {
	r := testRing(1 << 20)
	for range ringSlots + 5 {
		r.put(&packet.Frame{Data: make([]byte, 14)})
	}
	if got := r.dropped.Load(); got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	r = testRing(4096)
	for range 5 {
		r.put(&packet.Frame{Data: make([]byte, 1000)})
	}
	if got := r.dropped.Load(); got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	r.close()
	r.take(make([]packet.Frame, 10))
	r.release()
	if r.put(&packet.Frame{Data: make([]byte, 14)}) {
		t.Error("a closed ring took a frame")
	}
}

func TestRingBetweenGoroutines(t *testing.T) {
	const each, producers = 20_000, 3
	s := newSleeper()
	r := &ring{size: 64 << 10, wake: s.wake}
	var running sync.WaitGroup
	for p := range producers {
		running.Go(func() {
			for i := range uint32(each) {
				data := binary.BigEndian.AppendUint32(make([]byte, 20, 24), i)
				for f := (packet.Frame{Data: data, Link: uint32(p)}); !r.put(&f); {
					time.Sleep(time.Microsecond) // full
				}
				r.announce(1)
			}
		})
	}
	var next [producers]uint32
	frames := make([]packet.Frame, 7)
	for total := 0; total < each*producers; {
		if !s.wait(r, nil) {
			t.Fatal("woken for nothing")
		}
		n := r.take(frames)
		for _, f := range frames[:n] {
			if got := binary.BigEndian.Uint32(f.Data[20:]); got != next[f.Link] {
				t.Fatalf("producer %d: frame %d, want %d", f.Link, got, next[f.Link])
			}
			next[f.Link]++
		}
		total += n
		r.release()
	}
	running.Wait()
}

func TestSleeperEndsWithDone(t *testing.T) {
	done := make(chan struct{})
	close(done)
	if newSleeper().wait(testRing(4096), done) {
		t.Error("there was nothing to wait for")
	}
}

// A frame of a tunnel's wakes an engine that waits for the base port; one that is
// awake needs no waking.
func TestSwitchIsWokenByItsRings(t *testing.T) {
	memory := NewMemory(MemoryConfig{})
	s := NewSwitch(memory)
	out := &ring{size: 4096, wake: s.wake}
	if err := s.attach(end{links: []uint32{7}, in: testRing(4096), out: out}); err != nil {
		t.Fatal(err)
	}
	got := make(chan packet.Frame)
	go func() {
		frames := make([]packet.Frame, 8)
		for {
			n, err := s.Recv(frames, time.Minute)
			if err != nil {
				close(got)
				return
			}
			for _, f := range frames[:n] {
				got <- f
			}
		}
	}()
	base := memory.Link(1, EndpointConfig{})
	for range 1000 {
		out.put(&packet.Frame{Data: make([]byte, 14), Link: 7})
		out.announce(1)
		if f := <-got; f.Link != 7 {
			t.Fatalf("link %d", f.Link)
		}
		base.Inject(packet.Frame{Data: make([]byte, 14)})
		if f := <-got; f.Link != 1 {
			t.Fatalf("link %d", f.Link)
		}
	}
	s.Close()
	if _, open := <-got; open {
		t.Error("Recv goes on after Close")
	}
}

func TestSwitchSendsEachFrameWhereItBelongs(t *testing.T) {
	memory := NewMemory(MemoryConfig{})
	base := memory.Link(1, EndpointConfig{})
	s := NewSwitch(memory)
	in := testRing(4096)
	if err := s.attach(end{links: []uint32{7}, in: in, out: testRing(4096)}); err != nil {
		t.Fatal(err)
	}
	var frames []packet.Frame
	for i := range byte(12) {
		frames = append(frames, packet.Frame{Data: append(make([]byte, 14), i), Link: []uint32{1, 7, 99}[i%3]})
	}
	if err := s.Send(frames); err != nil {
		t.Fatal(err)
	}
	var toBase, toTunnel []byte
	for _, f := range base.Drain() {
		toBase = append(toBase, f.Data[14])
	}
	taken := make([]packet.Frame, 12)
	for _, f := range taken[:in.take(taken)] {
		toTunnel = append(toTunnel, f.Data[14])
	}
	if !bytes.Equal(toBase, []byte{0, 3, 6, 9}) || !bytes.Equal(toTunnel, []byte{1, 4, 7, 10}) || memory.Stats().UnknownLink != 4 {
		t.Errorf("base %v, tunnel %v, unknown %d", toBase, toTunnel, memory.Stats().UnknownLink)
	}
	s.opening.Lock()
	s.detach(in)
	s.opening.Unlock()
	if err := s.Send(frames); err != nil || memory.Stats().UnknownLink != 4+8 {
		t.Errorf("after detach: %v, unknown %d", err, memory.Stats().UnknownLink)
	}
}

// What a tunnel that is gone has left behind does not keep the engine busy.
func TestSwitchForgetsEndsThatAreGone(t *testing.T) {
	s := NewSwitch(NewMemory(MemoryConfig{}))
	in, out := testRing(4096), &ring{size: 4096, wake: s.wake}
	if err := s.attach(end{links: []uint32{7}, in: in, out: out}); err != nil {
		t.Fatal(err)
	}
	out.put(&packet.Frame{Data: make([]byte, 14), Link: 7})
	out.announce(1)
	s.opening.Lock()
	s.detach(in)
	s.opening.Unlock()
	if n, err := s.Recv(make([]packet.Frame, 4), 0); n != 0 || err != nil {
		t.Errorf("%d frames, %v", n, err)
	}
	if got := s.pending.Load(); got != 0 {
		t.Errorf("%d frames pending", got)
	}
}

// Neither end of a tunnel allocates for a packet.
func TestTunnelAllocatesNothingPerPacket(t *testing.T) {
	config := (WireGuardConfig{Address: crossingHost, Inside: TunnelLink{Link: 1}, Outside: TunnelLink{Link: 2}}).withDefaults()
	outside := newOutsideEnd(config.Port, config.Queue, testRing(1<<20), &outsideWay{config.Outside, packet.AddrFrom(config.Address)})
	outside.meet()
	inside := newInsideEnd(config.MTU, config.Queue, testRing(1<<20), &insidePaths{only: newInsidePath(config.Inside, PeerAddresses{}, outside.met)})
	buffers, sizes, endpoints := make([][]byte, wireGuardBatch), make([]int, wireGuardBatch), make([]conn.Endpoint, wireGuardBatch)
	for i := range buffers {
		buffers[i] = make([]byte, 2048)
	}
	frames := make([]packet.Frame, 8)
	drain := func(r *ring) {
		if r.take(frames) == 0 {
			t.Fatal("nothing came out")
		}
		r.release()
	}
	segments := make([][]byte, 20)
	super := superframe(20_000, 1000)
	peer, err := outside.ParseEndpoint("203.0.113.9:4500")
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = outside.Open(WireGuardPort)
	arriving, offload := packet.AppendUDPHeaders(nil, packet.Spec{Tuple: packet.Tuple{
		Src: packet.AddrFrom(peer.DstIP()), Dst: packet.AddrFrom(crossingHost), SrcPort: 4500, DstPort: WireGuardPort, Proto: packet.ProtoUDP}}, 10_000, 1000)
	message := append([]byte{4, 0, 0, 0}, make([]byte, 996)...)
	datagrams := packet.Frame{Link: config.Outside.Link, Data: append(arriving, bytes.Repeat(message, 10)...), Offload: offload}
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"Read", func() {
			inside.in.put(&super)
			if n, err := inside.Read(buffers, sizes, 16); n != 20 || err != nil {
				t.Fatal(n, err)
			}
		}},
		{"Write", func() {
			for i := range segments {
				segments[i] = buffers[i][:16+sizes[i]]
			}
			if _, err := inside.Write(segments, 16); err != nil {
				t.Fatal(err)
			}
			drain(inside.out)
			if f := &frames[0]; len(f.Data) != len(super.Data) || f.Offload != super.Offload {
				t.Fatalf("%d bytes, %+v", len(f.Data), f.Offload)
			}
		}},
		{"Send", func() {
			if err := outside.Send(buffers[:20], peer); err != nil {
				t.Fatal(err)
			}
			drain(outside.out)
		}},
		{"receive", func() {
			outside.in.put(&datagrams)
			if n, err := outside.receive(buffers, sizes, endpoints, WireGuardPort, nil); n != 10 || err != nil {
				t.Fatal(n, err)
			}
		}},
	} {
		if n := testing.AllocsPerRun(100, c.run); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// superframe is a TCP segment of many, as a kernel hands it over.
func superframe(payload, size int) packet.Frame {
	f := packet.Frame{Data: packet.Append(nil, packet.Spec{
		Tuple:    packet.Tuple{Src: instanceAddress(1, false), Dst: instanceAddress(2, false), SrcPort: 4000, DstPort: 80, Proto: packet.ProtoTCP},
		TCPFlags: packet.TCPFlagACK, Sequence: 1, Acknowledgment: 1, Payload: make([]byte, payload),
	})}
	for i := range payload {
		f.Data[54+i] = byte(i * i >> 8)
	}
	f.Offload.ChecksumStart, f.Offload.ChecksumOffset = 34, 16
	packet.DeferChecksum(&f)
	f.Offload.GSO, f.Offload.HeaderLen, f.Offload.SegmentSize = packet.GSOTCP4, 54, uint16(size)
	return f
}

// nothing is a base port that always has a frame.
type nothing struct{}

func (nothing) Recv(f []packet.Frame, _ time.Duration) (int, error) { return 1, nil }
func (nothing) Send([]packet.Frame) error                           { return nil }
func (nothing) Interrupt()                                          {}
func (nothing) Close() error                                        { return nil }

// BenchmarkSwitch is what a Switch costs a batch of frames that are not for it.
func BenchmarkSwitch(b *testing.B) {
	for _, tunnels := range []uint32{0, 1, 100} {
		b.Run(fmt.Sprint(tunnels, " tunnels"), func(b *testing.B) {
			s := NewSwitch(nothing{})
			for i := range 2 * tunnels {
				if err := s.attach(end{links: []uint32{1000 + i}, in: testRing(4096), out: testRing(4096)}); err != nil {
					b.Fatal(err)
				}
			}
			frames := make([]packet.Frame, 1)
			for b.Loop() {
				_, _ = s.Recv(frames, time.Second)
				_ = s.Send(frames)
			}
		})
	}
}
