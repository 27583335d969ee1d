package port

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// An empty socket is asked again while the spin lasts, then dozed at once, and
// then blocked on for what is left of the time.
func TestWaitingSpinsThenDozesThenBlocks(t *testing.T) {
	r := &receiver{traffic: traffic{flows: true}}
	w := r.waiting(time.Minute, time.Millisecond)
	start, asked := time.Now(), 0
	for w.flags() == unix.MSG_DONTWAIT {
		if again, _ := w.next(); !again {
			t.Fatal("blocks without having dozed")
		}
		asked++
	}
	if took := time.Since(start); asked < 2 || took < time.Millisecond {
		t.Errorf("asked %d times in %v before it dozed", asked, took)
	}
	again, left := w.next()
	if again || left <= 0 || left > time.Minute-time.Millisecond {
		t.Errorf("after dozing: again %v, %v left", again, left)
	}
}

func TestWaitingDoesNotSpinInBulkTraffic(t *testing.T) {
	r := &receiver{traffic: traffic{flows: true, bulk: true}}
	if w := r.waiting(time.Second, time.Minute); w.flags() != unix.MSG_WAITFORONE {
		t.Error("it spins")
	}
}

func TestWaitingDozesOnlyWhereItMay(t *testing.T) {
	for _, c := range []struct {
		name  string
		flows bool
		alone bool // the process has nothing else to do
		wait  time.Duration
		want  bool
	}{
		{"traffic flows", true, true, time.Second, true},
		{"nothing came lately", false, true, time.Second, false},
		{"a wait as short as a tick must be exact", true, true, dozeFrom - 1, false},
		{"no wait", true, true, 0, false},
		{"others want the processor", true, false, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &receiver{traffic: traffic{flows: c.flows}, noDoze: !c.alone}
			w := r.waiting(c.wait, 0)
			if got := w.flags() == unix.MSG_WAITFORONE; got != c.want {
				t.Errorf("dozes: %v, want %v", got, c.want)
			}
			if again, left := w.next(); again || left > c.wait {
				t.Errorf("then: again %v, %v left of %v", again, left, c.wait)
			}
		})
	}
}

func TestAFPacketRecvThatDozesTakesFramesAndEndsInTime(t *testing.T) {
	l := newLab(t)
	p := l.openPort(t, AFPacketConfig{Spin: -1})
	near := l.instances[0].station(t)
	frames := make([]packet.Frame, 8)
	receive := func(wait time.Duration) int {
		t.Helper()
		n, err := p.Recv(frames, wait)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "nothing comes", func() bool { return receive(2*dozeFrom) == 0 })
	if p.receive.traffic.flows {
		t.Error("traffic flows, although nothing came")
	}
	if err := near.Send([]packet.Frame{ethernet(gatewayMAC, "first")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first frame is there", func() bool { return receive(time.Second) > 0 })
	if !p.receive.traffic.flows {
		t.Error("traffic does not flow, although a frame came")
	}
	sent := make(chan error, 1)
	go func() { sent <- near.Send([]packet.Frame{ethernet(gatewayMAC, "second")}) }()
	eventually(t, "the second frame is there", func() bool { return receive(time.Second) > 0 })
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if n, took := receive(2*dozeFrom), time.Since(start); n == 0 && took < 2*dozeFrom {
		t.Errorf("Recv gave up after %v", took)
	}
}
