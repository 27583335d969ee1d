package port

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink"
	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func BenchmarkZZ(b *testing.B) {
	ded := func() { DedicateThread(0) }
	type v struct {
		name  string
		first int
		cfg   AFPacketConfig
		setup func()
		mod   func(l *lab)
	}
	samemac := func(l *lab) {
		l.core.must(b, func() error {
			for _, x := range l.instances {
				k, _ := netlink.LinkByName(x.core)
				if err := netlink.LinkSetHardwareAddr(k, gatewayMAC[:]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	vs := []v{{"shared", 0, AFPacketConfig{}, func() {}, nil}, {"shared-nospin", 0, AFPacketConfig{Spin: -1}, func() {}, nil},
		{"ded", 1, AFPacketConfig{}, ded, nil}, {"ded-nospin", 1, AFPacketConfig{Spin: -1}, ded, nil}, {"ded-spin200", 1, AFPacketConfig{Spin: 200 * time.Microsecond}, ded, nil},
		{"ded-samemac", 1, AFPacketConfig{}, ded, samemac}}
	var ls []*lab
	rates := map[string][]float64{}
	rtts := map[string][]float64{}
	for _, x := range vs {
		l := newSteeredLab(b, x.first)
		if x.mod != nil {
			x.mod(l)
		}
		l.forward(b, l.openPort(b, x.cfg), x.setup)
		ls = append(ls, l)
	}
	k := newLab(b)
	k.forwardInKernel(b)
	ls = append(ls, k)
	vs = append(vs, v{name: "kernel"})
	for b.Loop() {
		for i, l := range ls {
			rates[vs[i].name] = append(rates[vs[i].name], l.rate(b, "tcp4"))
			s, c := l.udpPair(b, "udp4")
			buf := make([]byte, 64)
			go func() {
				b := make([]byte, 64)
				for {
					n, a, err := s.ReadFrom(b)
					if err != nil {
						return
					}
					s.WriteTo(b[:n], a)
				}
			}()
			t0 := time.Now()
			for range 5000 {
				c.Write(buf)
				c.Read(buf)
			}
			rtts[vs[i].name] = append(rtts[vs[i].name], float64(time.Since(t0).Nanoseconds())/5000/1000)
			s.Close()
			c.Close()
		}
	}
	for i, x := range vs {
		b.Logf("%-14s %5.1f Gbit/s  rtt %5.1f us  retrans %v  rates %.0f", x.name, median(rates[x.name]), median(rtts[x.name]), ls[i].retransmits(b), rates[x.name])
	}
}

func BenchmarkZZFrames(b *testing.B) {
	for _, aux := range []int{1, 0, 1, 0, 1, 0} {
		b.Run(map[int]string{1: "aux", 0: "noaux"}[aux], func(b *testing.B) {
			l := newLab(b)
			p := l.openPort(b, AFPacketConfig{})
			unix.SetsockoptInt(p.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, aux)
			near := l.instances[0].station(b)
			out := slicesRepeat(ethernet(gatewayMAC, "0123456789012345678901234567890123456789012345"), 64)
			in := make([]packet.Frame, 64)
			var rx, tx time.Duration
			n := 0
			for b.Loop() {
				near.Send(out)
				t0 := time.Now()
				got := 0
				for got < 64 {
					k, _ := p.Recv(in[got:])
					got += k
				}
				rx += time.Since(t0)
				for i := range in {
					in[i].Link = 2
				}
				t0 = time.Now()
				p.Send(in)
				tx += time.Since(t0)
				n += 64
			}
			b.ReportMetric(float64(rx)/float64(n), "rx-ns/frame")
			b.ReportMetric(float64(tx)/float64(n), "tx-ns/frame")
		})
	}
	_ = os.Args
}
