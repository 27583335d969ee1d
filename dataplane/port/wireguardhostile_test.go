package port

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// What crosses the Internet is between the two outside addresses, and nothing of
// what is inside can be read there.
func TestTunnelShowsCiphertextOnly(t *testing.T) {
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4 outside", true: "IPv6 outside"}[six], func(t *testing.T) {
			x := newCrossing(t, six)
			secret := bytes.Repeat([]byte("in the clear"), 50)
			var inside [][]byte
			for side := 1; side <= 2; side++ {
				four, sixteen := instanceAddress(side, false).Netip().As4(), instanceAddress(side, true).Netip().As16()
				inside = append(inside, four[:], sixteen[:])
			}
			frames := 0
			x.wire.watch(func(f packet.Frame) {
				frames++
				var p packet.Packet
				if problem := packet.Parse(&p, &f); problem != packet.ProblemNone {
					t.Errorf("a frame that is %v", problem)
					return
				}
				from, to := x.outside[1], x.outside[2]
				if f.Link == uint32(handle(2, sideOutside)) {
					from, to = to, from
				}
				if p.Src.Netip() != from || p.Dst.Netip() != to || p.Proto != packet.ProtoUDP || p.SrcPort != WireGuardPort || p.DstPort != WireGuardPort {
					t.Errorf("a packet %+v", p.Tuple)
				}
				for _, a := range append(inside, secret[:12]) {
					if bytes.Contains(f.Data, a) {
						t.Errorf("%x can be read in\n%x", a, f.Data)
					}
				}
			}, handle(1, sideOutside), handle(2, sideOutside))
			x.openBoth()
			for i := range uint16(20) {
				for _, from := range []int{2, 1} {
					x.instances[from].Inject(datagram(from, i%2 == 0, i, secret))
					if _, got := x.receive(3 - from); !bytes.Equal(got, secret) {
						t.Fatal("not what was sent")
					}
				}
			}
			x.wire.watch(nil)
			if frames < 42 { // two of the handshake
				t.Errorf("%d frames crossed the Internet", frames)
			}
		})
	}
}

func TestTunnelNeedsTheRightKeys(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*WireGuardConfig)
	}{
		{"another private key", func(c *WireGuardConfig) { c.PrivateKey = NewWireGuardKey() }},
		{"another peer", func(c *WireGuardConfig) { c.PeerPublicKey = NewWireGuardKey().Public() }},
		{"another preshared key", func(c *WireGuardConfig) { c.PresharedKey = NewWireGuardKey() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newCrossing(t, false)
			aws := x.open(1, x.config(1))
			config := x.config(2)
			c.change(&config)
			x.open(2, config)
			x.instances[2].Inject(datagram(2, false, 1, nil))
			eventually(t, "AWS's end has heard of it", func() bool { return aws.Stats().OutsideReceived > 0 })
			eventually(t, "and is done with it", func() bool {
				s := aws.Stats()
				return s.Rejected == s.OutsideReceivedBytes || s.OutsideSent > 0
			})
			if s := aws.Stats(); s.Received != 0 || !s.LastHandshake.IsZero() {
				t.Errorf("%+v", s)
			}
			if f, ok := x.instances[1].Next(); ok {
				t.Errorf("something passed: %x", f.Data)
			}
		})
	}
}

// What somebody on the Internet sends again, forges or makes up is counted and goes
// nowhere; the tunnel goes on, with the peer where he was.
func TestTunnelIgnoresReplayedAndForgedDatagrams(t *testing.T) {
	x := newCrossing(t, false)
	var mu sync.Mutex
	var captured [][]byte // UDP payloads from the customer
	x.wire.watch(func(f packet.Frame) {
		var p packet.Packet
		if packet.Parse(&p, &f) == packet.ProblemNone {
			mu.Lock()
			captured = append(captured, bytes.Clone(f.Data[p.Payload:p.End]))
			mu.Unlock()
		}
	}, handle(2, sideOutside))
	x.openBoth()
	for i := range uint16(10) {
		x.instances[2].Inject(datagram(2, false, i, []byte("once")))
		x.receive(1)
	}
	x.wire.watch(nil)
	aws := x.ends[1]
	eventually(t, "everything is decrypted", func() bool { return aws.Stats().Rejected == 0 })
	before := aws.Stats()

	var rejected, malformed uint64
	attack := func(payload []byte) {
		rejected += uint64(len(payload))
		x.internet.Inject(packet.Frame{Data: packet.Append(nil, packet.Spec{
			SrcMAC: dataplane.InterfaceMAC(hostHandle), DstMAC: dataplane.RouterMAC(hostHandle),
			Tuple:   packet.Tuple{Src: packet.AddrFrom(crossingHost), Dst: packet.AddrFrom(x.outside[1]), SrcPort: 6666, DstPort: WireGuardPort, Proto: packet.ProtoUDP},
			Payload: payload,
		})})
	}
	mu.Lock()
	for _, p := range captured { // replayed, the handshake too
		attack(p)
		forged := bytes.Clone(p)
		forged[len(forged)-1] ^= 1
		attack(forged)
	}
	mu.Unlock()
	for _, garbage := range [][]byte{[]byte("x"), bytes.Repeat([]byte{0xff}, 1400), make([]byte, 148), binary.LittleEndian.AppendUint32(nil, 1)} {
		malformed++
		attack(garbage)
	}
	eventually(t, "all of it is rejected", func() bool {
		s := aws.Stats()
		return s.Rejected == rejected && s.Malformed == malformed
	})
	after := aws.Stats()
	if after.Received != before.Received || after.Peer != before.Peer || after.LastHandshake != before.LastHandshake {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if f, ok := x.instances[1].Next(); ok {
		t.Errorf("something passed: %x", f.Data)
	}
	x.instances[2].Inject(datagram(2, false, 99, nil))
	x.receive(1)
	x.instances[1].Inject(datagram(1, false, 99, nil))
	x.receive(2)
}

// A customer behind a NAT (V10): AWS's end learns where he is from what comes, and
// again when the NAT gives him another port.
func TestTunnelFollowsACustomerBehindNAT(t *testing.T) {
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4 outside", true: "IPv6 outside"}[six], func(t *testing.T) {
			x := newCrossing(t, six)
			var port atomic.Uint32
			port.Store(30001)
			x.wire.translate(handle(2, sideOutside), &port)
			x.openBoth()
			for _, p := range []uint32{30001, 30002, 1025} {
				port.Store(p)
				x.instances[2].Inject(datagram(2, false, uint16(p), nil))
				x.receive(1)
				x.instances[1].Inject(datagram(1, false, uint16(p), nil))
				x.receive(2)
				if got, want := x.ends[1].Stats().Peer, netip.AddrPortFrom(x.outside[2], uint16(p)); got != want {
					t.Errorf("the peer is at %s, want %s", got, want)
				}
			}
		})
	}
}

// Tunnels come and go while others carry packets.
func TestTunnelsOpenAndCloseInTraffic(t *testing.T) {
	x := newCrossing(t, false).openBoth()
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for i := uint16(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				x.instances[2].Inject(datagram(2, false, i, make([]byte, 500)))
				x.instances[1].Inject(datagram(1, false, i, make([]byte, 500)))
			}
		}
	})
	for i := range 20 {
		config := x.config(1)
		config.PrivateKey = NewWireGuardKey()
		config.Inside.Link, config.Outside.Link = uint32(1000+2*i), uint32(1001+2*i)
		w, err := x.port.OpenWireGuard(config)
		if err != nil {
			t.Fatal(err)
		}
		w.Stats()
		if i%2 == 0 {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := x.ends[2].Close(); err != nil {
		t.Fatal(err)
	}
	x.open(2, x.config(2))
	close(stop)
	traffic.Wait()
	x.instances[1].Drain()
	eventually(t, "the tunnel carries packets again", func() bool {
		x.instances[2].Inject(datagram(2, false, 7, nil))
		_, ok := x.instances[1].Next()
		return ok
	})
}

func TestTunnelThatCannotBe(t *testing.T) {
	x := newCrossing(t, false)
	for _, c := range []struct {
		name   string
		change func(*WireGuardConfig)
		want   string
	}{
		{"no private key", func(c *WireGuardConfig) { c.PrivateKey = WireGuardKey{} }, "private key"},
		{"no peer", func(c *WireGuardConfig) { c.PeerPublicKey = WireGuardKey{} }, "public key"},
		{"no address", func(c *WireGuardConfig) { c.Address = netip.Addr{} }, "outside address"},
		{"families", func(c *WireGuardConfig) { c.Peer = netip.MustParseAddrPort("[2001:db8::1]:1") }, "different families"},
		{"one link", func(c *WireGuardConfig) { c.Inside = c.Outside }, "both inside and outside"},
		{"MTU", func(c *WireGuardConfig) { c.MTU = 100 }, "MTU 100"},
		{"keepalive", func(c *WireGuardConfig) { c.PersistentKeepalive = time.Millisecond }, "whole seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := x.config(1)
			c.change(&config)
			if _, err := x.port.OpenWireGuard(config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
	x.open(1, x.config(1))
	if _, err := x.port.OpenWireGuard(x.config(1)); err == nil || !strings.Contains(err.Error(), "ends in another tunnel") {
		t.Errorf("two tunnels on one link: %v", err)
	}
	x.port.Close()
	if _, err := x.port.OpenWireGuard(x.config(2)); err == nil {
		t.Error("a tunnel was opened behind a closed switch")
	}
}

func TestWireGuardKeyAsText(t *testing.T) {
	k := NewWireGuardKey()
	if got, err := ParseWireGuardKey(k.String()); err != nil || got != k {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "secret", k.String()[1:], fmt.Sprintf("%x", k[:])} {
		if _, err := ParseWireGuardKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// The pair of RFC 7748, section 6.1.
	private := WireGuardKey{0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
		0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a}
	public := WireGuardKey{0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
		0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a}
	if got := private.Public(); got != public {
		t.Errorf("public key %x", got[:])
	}
}

func TestDatagramsThatGoTogether(t *testing.T) {
	for _, c := range []struct {
		name        string
		lengths     []int
		limit, most int
		n, total    int
	}{
		{"one", []int{100}, 64, 65507, 1, 100},
		{"all of one length", []int{100, 100, 100}, 64, 65507, 3, 300},
		{"a shorter one ends it", []int{100, 60, 60}, 64, 65507, 2, 160},
		{"a longer one is another's", []int{60, 100}, 64, 65507, 1, 60},
		{"an old kernel's", []int{100, 100}, 1, 65507, 1, 100},
		{"as many as fit", []int{1000, 1000, 1000}, 64, 2500, 2, 2000},
		{"a short one that does not fit", []int{1000, 1000, 600}, 64, 2500, 2, 2000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var buffers [][]byte
			for _, n := range c.lengths {
				buffers = append(buffers, make([]byte, n))
			}
			if n, total := together(buffers, c.limit, c.most); n != c.n || total != c.total {
				t.Errorf("%d of %d bytes, want %d of %d", n, total, c.n, c.total)
			}
		})
	}
}
