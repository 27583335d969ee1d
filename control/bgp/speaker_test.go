package bgp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a Speaker whose other end runs in a process of its own: this
// binary, which TestMain makes Main.
type process struct {
	*Speaker
	View
	cmd    *exec.Cmd
	errors bytes.Buffer

	mu     sync.Mutex
	events []Event
}

func startProcess(t testing.TB) *process {
	t.Helper()
	p := &process{cmd: exec.Command("/proc/self/exe", Argument)}
	p.cmd.Stderr = &p.errors
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	p.Speaker = NewSpeaker(stdin, stdout, func(e Event) {
		p.Apply(e)
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
	})
	t.Cleanup(func() {
		_ = p.Close()
		stdout.Close()
		_ = p.cmd.Wait()
	})
	return p
}

func TestSpeakerInAProcessOfItsOwn(t *testing.T) {
	aws, customer := link(t, false)
	aws.Announce, customer.Announce = routes("10.0.0.0/16"), routes("10.50.0.0/16")
	start := time.Now()
	p := startProcess(t)
	if err := p.Set(peers(aws)); err != nil {
		t.Fatal(err)
	}
	c := speak(t, peers(customer))
	c.learns("aws", "10.0.0.0/16")
	t.Logf("learned from a new process after %s", time.Since(start))
	eventually(t, "the customer's route", func() bool {
		s, ok := p.Peer("tunnel")
		return ok && s.State == Established && len(s.Learned) == 1
	})
	if err := p.Set(peers(Peer{Name: "broken"})); err == nil || !strings.Contains(err.Error(), "is not a host's") {
		t.Errorf("a broken state: %v", err)
	}
	c.reaches("aws", Established, "")

	if err := p.Close(); err != nil {
		t.Error(err)
	}
	c.said("Cease: Administrative Shutdown")
	<-p.Done()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the process: %v: %s", err, p.errors.String())
	}
	p.mu.Lock()
	last := p.events[len(p.events)-1]
	p.mu.Unlock()
	if last.Session == nil || last.Session.State != Removed || len(last.Withdrawn) != 1 {
		t.Errorf("the last event is %+v", last)
	}
	if err := p.Set(State{}); err == nil {
		t.Error("a closed speaker takes states")
	}
}

func TestSpeakerThatDiesIsNoticed(t *testing.T) {
	aws, customer := link(t, false)
	p := startProcess(t)
	if err := p.Set(peers(aws)); err != nil {
		t.Fatal(err)
	}
	c := speak(t, peers(customer))
	c.reaches("aws", Established, "")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	c.said("without a NOTIFICATION")
}

func TestMainEndsForEveryReason(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Run("the end of its input", func(t *testing.T) {
		if err := Main(t.Context(), strings.NewReader(""), io.Discard, log); err != nil {
			t.Error(err)
		}
	})
	t.Run("bytes that are no state", func(t *testing.T) {
		if err := Main(t.Context(), strings.NewReader("{}\n{peers"), io.Discard, log); err == nil || !strings.Contains(err.Error(), "reading a state") {
			t.Error(err)
		}
	})
	t.Run("a state that cannot be, is answered", func(t *testing.T) {
		var out bytes.Buffer
		if err := Main(t.Context(), strings.NewReader(`{"peers":[{"name":"x","localAddress":"10.0.0.1","remoteAddress":"10.0.0.1","remoteASN":1}]}`), &out, log); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), `"error":"bgp: peer \"x\"`) {
			t.Error(out.String())
		}
	})
	t.Run("its context", func(t *testing.T) {
		in, open := io.Pipe()
		defer open.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if err := Main(ctx, in, io.Discard, log); err != nil {
			t.Error(err)
		}
	})
	t.Run("its input, though nobody reads its output", func(t *testing.T) {
		_, write := io.Pipe()
		if err := Main(t.Context(), strings.NewReader(`{"peers":[{"name":""}]}`), write, log); err != nil {
			t.Error(err)
		}
		write.Close()
	})
	t.Run("an output that is gone", func(t *testing.T) {
		in, open := io.Pipe()
		defer open.Close()
		out, write := io.Pipe()
		out.CloseWithError(errors.New("gone"))
		go func() { _, _ = open.Write([]byte(`{"peers":[{"name":""}]}`)) }()
		if err := Main(t.Context(), in, write, log); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Error(err)
		}
	})
}

// TestServerOpensItsSocketsThroughConfig: Config.Open decides on the namespace.
func TestServerOpensItsSocketsThroughConfig(t *testing.T) {
	aws, customer := link(t, false)
	var mu sync.Mutex
	opened := 0
	server := NewServer(Config{Event: func(Event) {}, Open: func(f func() error) error {
		mu.Lock()
		opened++
		mu.Unlock()
		return f()
	}})
	defer server.Close()
	if err := server.Set(peers(aws)); err != nil {
		t.Fatal(err)
	}
	speak(t, peers(customer)).reaches("aws", Established, "")
	mu.Lock()
	defer mu.Unlock()
	if opened < 2 {
		t.Errorf("%d of its sockets went through Open", opened)
	}
}

// TestListenerWaitsForItsAddress: a tunnel's interface may come later.
func TestListenerWaitsForItsAddress(t *testing.T) {
	aws, customer := link(t, false)
	aws.Passive = true
	run(t, "ip", "address", "delete", aws.LocalAddress.String()+"/32", "dev", "lo")
	a := speak(t, peers(aws))
	a.reaches("tunnel", Active, "cannot listen: the local address "+aws.LocalAddress.String()+" is on no interface")
	c := speak(t, peers(customer))
	run(t, "ip", "address", "add", netip.PrefixFrom(aws.LocalAddress, 32).String(), "dev", "lo")
	a.reaches("tunnel", Established, "")
	c.reaches("aws", Established, "")
}
