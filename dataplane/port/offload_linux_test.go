package port

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// offloadLab is a lab whose port may take shortcuts, and the packets that came to the
// port nevertheless.
type offloadLab struct {
	*lab
	p *AFPacket

	mu   sync.Mutex
	came []packet.Packet // TCP's; without their bytes
}

func newOffloadLab(t testing.TB) *offloadLab {
	t.Helper()
	needOffload(t)
	l := &offloadLab{lab: newLab(t)}
	l.p = l.openPort(t, AFPacketConfig{Offload: true})
	ended := make(chan error, 1)
	go func() { ended <- l.forwardAndNote() }()
	t.Cleanup(func() {
		l.p.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("forwarder: %v", err)
		}
	})
	return l
}

func (l *offloadLab) forwardAndNote() error {
	frames := make([]packet.Frame, 64)
	for {
		n, err := l.p.Recv(frames, time.Second)
		if err != nil {
			return err
		}
		for i := range frames[:n] {
			f := &frames[i]
			var pkt packet.Packet
			if packet.Parse(&pkt, f) == packet.ProblemNone && pkt.Proto == packet.ProtoTCP {
				l.mu.Lock()
				l.came = append(l.came, pkt)
				l.mu.Unlock()
			}
			to := l.instances[2-f.Link]
			packet.SetEthernet(f.Data, to.mac, gatewayMAC)
			f.Link = to.link
		}
		if err := l.p.Send(frames[:n]); err != nil {
			return err
		}
	}
}

// since returns the TCP packets that came to the port and meet a condition.
func (l *offloadLab) count(condition func(*packet.Packet) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.came {
		if condition(&l.came[i]) {
			n++
		}
	}
	return n
}

func plain(p *packet.Packet) bool { return p.TCPFlags&^packet.TCPFlagPSH == packet.TCPFlagACK }

// shortcut is that of a connection's direction, from an instance to the other.
func (l *offloadLab) shortcut(c net.Conn, from *instance, hops uint8) *packet.Shortcut {
	to := l.instances[2-from.link]
	ends := [2]netip.AddrPort{netip.MustParseAddrPort(c.LocalAddr().String()), netip.MustParseAddrPort(c.RemoteAddr().String())}
	return &packet.Shortcut{
		From: from.link, To: to.link, SrcMAC: from.mac, DstMAC: gatewayMAC, NewDstMAC: to.mac, NewSrcMAC: gatewayMAC, Hops: hops, MaxLength: 1500,
		Tuple: packet.Tuple{
			Src: packet.AddrFrom(ends[0].Addr().Unmap()), Dst: packet.AddrFrom(ends[1].Addr().Unmap()),
			SrcPort: ends[0].Port(), DstPort: ends[1].Port(), Proto: packet.ProtoTCP,
		},
	}
}

func (l *offloadLab) offload(t *testing.T, place int, s *packet.Shortcut) {
	t.Helper()
	if !l.p.Offload(place, s) {
		t.Fatalf("the port takes no shortcut: %+v", s)
	}
}

// exchange sends n bytes and has them answered with as many, one write each.
func exchange(t *testing.T, client, server net.Conn, n int) {
	t.Helper()
	request := make([]byte, n)
	for i, way := range []struct{ from, to net.Conn }{{client, server}, {server, client}} {
		if _, err := way.from.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(way.to, request); err != nil {
			t.Fatalf("way %d: %v", i, err)
		}
	}
}

func TestOffloadTakesPlainSegmentsFromThePortAndNothingElse(t *testing.T) {
	l := newOffloadLab(t)
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			server, client := l.tcpPair(t, network)
			if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
				t.Errorf("the server sees %s, the client is %s", got, want)
			}
			l.offload(t, 0, l.shortcut(client, l.instances[0], 0))
			l.offload(t, 1, l.shortcut(server, l.instances[1], 0))
			before, counted := l.count(plain), l.p.Shortcut(0)
			const size = 32 << 20
			transfer(t, server, client, size)
			if after := l.count(plain); after > before+8 { // what was under way, and one behind the FIN
				t.Errorf("%d plain segments came to the port all the same", after-before)
			}
			if l.count(func(p *packet.Packet) bool { return p.TCPFlags&packet.TCPFlagFIN != 0 }) == 0 {
				t.Error("the FIN did not come to the port")
			}
			took := l.p.Shortcut(0)
			headers := uint64(52)
			if network == "tcp6" {
				headers = 72
			}
			frames, packets, bytes := took.Frames-counted.Frames, took.Packets-counted.Packets, took.Bytes-counted.Bytes
			if bytes != size+packets*headers && bytes+2*1500 < size {
				t.Errorf("%d packets of %d bytes are not %d bytes of payload", packets, bytes, size)
			}
			if frames == 0 || packets < size/1500 || packets < frames {
				t.Errorf("%d frames, %d packets, %d bytes took the shortcut", frames, packets, bytes)
			}
			if took.Pushed == 0 {
				t.Error("no PSH was seen")
			}
			l.p.Withdraw(0)
			l.p.Withdraw(1)
		})
	}
}

func TestOffloadEndsAtOnce(t *testing.T) {
	l := newOffloadLab(t)
	server, client := l.tcpPair(t, "tcp4")
	there, back := l.shortcut(client, l.instances[0], 0), l.shortcut(server, l.instances[1], 0)
	for _, c := range []struct {
		name     string
		withdraw func()
	}{
		{"one by one", func() { l.p.Withdraw(0); l.p.Withdraw(1) }},
		{"all", l.p.WithdrawAll},
		{"by replacing it", func() {
			other := *there
			other.SrcPort++
			l.offload(t, 0, &other)
			l.p.Withdraw(1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.offload(t, 0, there)
			l.offload(t, 1, back)
			exchange(t, client, server, 100)
			before := l.p.Shortcut(0).Frames
			if before == 0 {
				t.Fatal("nothing took the shortcut")
			}
			c.withdraw()
			came := l.count(plain)
			exchange(t, client, server, 100)
			if after := l.p.Shortcut(0).Frames; after != before {
				t.Errorf("%d frames took the shortcut afterwards", after-before)
			}
			if l.count(plain) == came {
				t.Error("nothing came to the port")
			}
		})
	}
}

// TestOffloadLeavesToThePort: what differs from the packet that was walked.
func TestOffloadLeavesToThePort(t *testing.T) {
	l := newOffloadLab(t)
	server, client := l.tcpPair(t, "tcp4")
	for _, c := range []struct {
		name   string
		change func(*packet.Shortcut)
	}{
		{"another sender's MAC", func(s *packet.Shortcut) { s.SrcMAC[5]++ }},
		{"for another MAC", func(s *packet.Shortcut) { s.DstMAC[5]++ }},
		{"another interface", func(s *packet.Shortcut) { s.From = 2 }},
		{"larger packets", func(s *packet.Shortcut) { s.MaxLength = 51 }},
		{"a TTL that is too low", func(s *packet.Shortcut) { s.Hops = 64 }},
		{"another port", func(s *packet.Shortcut) { s.SrcPort++ }},
		{"another address", func(s *packet.Shortcut) { s.Src.Lo++ }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := l.shortcut(client, l.instances[0], 0)
			c.change(s)
			l.offload(t, 0, s)
			before := l.p.Shortcut(0).Frames
			exchange(t, client, server, 100)
			if after := l.p.Shortcut(0).Frames; after != before {
				t.Errorf("%d frames took the shortcut", after-before)
			}
		})
	}
}

func TestOffloadTakesHopsOffTheTTL(t *testing.T) {
	l := newOffloadLab(t)
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			server, client := l.tcpPair(t, network)
			// A socket of the server's instance, to see what arrives there.
			station := l.instances[1].station(t)
			l.offload(t, 0, l.shortcut(client, l.instances[0], 3))
			if _, err := client.Write(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(server, make([]byte, 100)); err != nil {
				t.Fatal(err) // the server's kernel has checked the header's checksum
			}
			frames := make([]packet.Frame, 64)
			for end := time.Now().Add(deadline); time.Now().Before(end); {
				n, err := station.Recv(frames, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				for i := range frames[:n] {
					var p packet.Packet
					if packet.Parse(&p, &frames[i]) != packet.ProblemNone || p.Proto != packet.ProtoTCP || p.End-p.Payload != 100 {
						continue
					}
					if p.TTL != 61 || p.DstMAC != l.instances[1].mac || p.SrcMAC != gatewayMAC {
						t.Errorf("arrived with TTL %d, from %v to %v", p.TTL, p.SrcMAC, p.DstMAC)
					}
					return
				}
			}
			t.Error("a capture in the instance does not see what took the shortcut")
		})
	}
}

func TestOffloadSurvivesDetachAndClose(t *testing.T) {
	l := newOffloadLab(t)
	server, client := l.tcpPair(t, "tcp4")
	l.offload(t, 0, l.shortcut(client, l.instances[0], 0))
	exchange(t, client, server, 100)
	took := l.p.Shortcut(0)
	l.p.Detach(2)
	if l.p.Offload(0, l.shortcut(client, l.instances[0], 0)) {
		t.Error("it took a shortcut to a link that is gone")
	}
	if err := l.p.Attach(2, l.instances[1].ifindex); err != nil {
		t.Fatal(err)
	}
	if err := l.p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := l.p.Shortcut(0); got.Frames != took.Frames || got.Bytes != took.Bytes {
		t.Errorf("after Close it has counted %+v, before %+v", got, took)
	}
	l.p.Withdraw(0)
	l.p.WithdrawAll()
	if l.p.Offload(0, l.shortcut(client, l.instances[0], 0)) {
		t.Error("a closed port took a shortcut")
	}
}

func TestOffloadIsRefusedWithoutRoot(t *testing.T) {
	needNamespaces(t)
	if isRoot() {
		t.Skip("we are root") // the tests run as both
	}
	_, err := OpenAFPacket(AFPacketConfig{Offload: true})
	if !errors.Is(err, ErrNoOffload) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "root") {
		t.Errorf("error %v does not say what to do", err)
	}
}
