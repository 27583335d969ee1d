package port

import (
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

// An interrupt ends the Recv that waits, or the next one, and is then over: Recv
// waits again, and neither returns at once for ever nor burns the processor.
func TestAFPacketInterruptEndsOneRecv(t *testing.T) {
	p := openAt(t, newNamespace(t, "core"), AFPacketConfig{Spin: -1})
	frames := make([]packet.Frame, 1)
	recv := func(wait time.Duration) time.Duration {
		start := time.Now()
		if n, err := p.Recv(frames, wait); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		return time.Since(start)
	}
	for range 100 {
		p.Interrupt()
		p.Interrupt()
		if waited := recv(time.Minute); waited > deadline {
			t.Fatalf("an interrupt before was not heard for %v", waited)
		}
		returned := make(chan time.Duration)
		go func() { returned <- recv(time.Minute) }()
		p.Interrupt()
		<-returned
	}
	const wait = 30 * time.Millisecond
	if waited := recv(wait); waited < wait {
		t.Errorf("after the interrupts it waited for %v only", waited)
	}
	p.Close()
	p.Interrupt() // harmless
}
