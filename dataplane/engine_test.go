package dataplane

import (
	"sync"
	"testing"

	"github.com/vpcsim/vpcsim/dataplane/packet"
)

func TestEveryReasonAndStageHasAName(t *testing.T) {
	for r := range numReasons {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	for s := range numStages {
		if s.String() == "" {
			t.Errorf("stage %d has no name", s)
		}
	}
}

func TestMalformedFramesDropWithAReason(t *testing.T) {
	n := newNetwork(t).publish()
	for _, c := range []struct {
		name   string
		data   []byte
		reason Reason
	}{
		{"empty", nil, ReasonMalformed},
		{"short", make([]byte, 13), ReasonMalformed},
		{"A36 ethertype", append(make([]byte, 12), 0x88, 0xb5, 0, 0), ReasonEtherType},
		{"truncated IPv4", append(make([]byte, 12), 0x08, 0, 0x45), ReasonMalformed},
	} {
		if v, r := n.sendFrame(hI1, c.data); v != VerdictDrop || r != c.reason {
			t.Errorf("%s: %v %v", c.name, v, r)
		}
	}
	if _, r := n.sendFrame(4711, packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 1)))); r != ReasonUnknownLink {
		t.Errorf("unknown link: %v", r)
	}
	if n.e.Counters().Reasons[ReasonBug] != 0 {
		t.Error("a walk ended without a reason")
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	n := newNetwork(t)
	n.b.SecurityGroups[0].Ingress = nil
	n.publish()
	for _, c := range []struct {
		name string
		from Handle
		spec packet.Spec
	}{
		{"tracked, through the router", hI1, syn("10.0.2.30", 80)},
		{"same subnet", hI1, syn("10.0.1.20", 80)},
		{"Internet gateway out", hI1, syn("203.0.113.10", 80)},
		{"Internet gateway in", hHost, syn("198.51.100.30", 80)},
		{"IPv6", hI1, syn("2001:db8:1:2::30", 80)},
		{"dropped by a group", hI3, syn("10.0.1.10", 80)},
		{"dropped by routing", hI1, syn("10.0.2.99", 80)},
		{"router's ping", hI1, echo("10.0.1.1", 80)},
	} {
		frame := packet.Append(nil, n.spec(c.from, c.spec))
		buffer := make([]byte, len(frame))
		in, out := make([]packet.Frame, 1), make([]packet.Frame, 0, 4)
		if allocations := testing.AllocsPerRun(100, func() {
			copy(buffer, frame)
			in[0] = packet.Frame{Data: buffer, Link: uint32(c.from)}
			out = n.e.Forward(in, out[:0])
		}); allocations != 0 {
			t.Errorf("%s: %v allocations per packet", c.name, allocations)
		}
	}
}

func TestJournalKeepsTheLastDrops(t *testing.T) {
	n := newNetwork(t)
	n.e = NewEngine(Config{Clock: func() int64 { return n.clock }, Journal: 4})
	n.publish()
	for port := range uint16(10) {
		n.send(hI1, syn("10.0.2.99", port+1))
	}
	drops := n.e.Drops(0)
	if len(drops) != 4 || drops[0].Sequence != 7 || drops[3].Sequence != 10 || drops[3].Original.DstPort != 10 {
		t.Fatalf("kept %+v", drops)
	}
	if got := n.e.Drops(9); len(got) != 1 || got[0].Sequence != 10 {
		t.Errorf("after 9: %+v", got)
	}
	step := n.e.Snapshot().Explain(drops[0])
	if step.Objects[0].String() != "vpc app" || step.Text != "no interface in the VPC has 10.0.2.99" {
		t.Errorf("explained as %v: %s", step.Objects, step.Text)
	}
}

func TestPublishWhileTrafficRuns(t *testing.T) {
	n := newNetwork(t).publish()
	frame := packet.Append(nil, n.spec(hI1, syn("10.0.2.30", 80)))
	var wait sync.WaitGroup
	stop := make(chan struct{})
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				snap, err := n.b.Seal()
				if err != nil {
					t.Error(err)
					return
				}
				n.e.Publish(snap)
				n.e.Trace(TraceRequest{From: hI1, Tuple: syn("10.0.2.30", 80).Tuple, Reply: true})
				n.e.Drops(0)
			}
		}
	})
	buffer := make([]byte, len(frame))
	var out []packet.Frame
	for range 5000 {
		copy(buffer, frame)
		if out = n.e.Forward([]packet.Frame{{Data: buffer, Link: hI1}}, out[:0]); len(out) != 1 {
			t.Fatal("a packet was lost while a snapshot was published")
		}
	}
	close(stop)
	wait.Wait()
}
