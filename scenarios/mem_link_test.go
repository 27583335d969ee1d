package scenarios

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/dataplane"
)

// Checks over links hold in the memory driver as they do in namespaces, in no
// time: its clock jumps to when the next packet arrives.
func TestChecksHoldOverLinks(t *testing.T) {
	for _, c := range []struct{ name, link string }{
		{"delay", "{delay: 40ms, jitter: 5ms}"},
		{"loss", "{loss: 10%}"},
		{"everything", "{delay: 20ms, jitter: 10ms, loss: 5%, duplicate: 20%, reorder: 20%, bandwidth: 1Mbit}"},
	} {
		m, err := NewMemory(t.Context(), linked(t, "{laptop: "+c.link+"}"))
		if err != nil {
			t.Fatal(err)
		}
		start, began := m.now.Load(), time.Now()
		for range 10 {
			for _, r := range Run(t.Context(), m.World(), m, nil) {
				if !r.OK {
					t.Errorf("%s: %s: %s", c.name, r.Check.String(), r.Got)
				}
			}
		}
		passed := time.Duration(m.now.Load() - start)
		t.Logf("%s: %s on the lab's clock in %s", c.name, passed, time.Since(began))
		if c.name != "loss" && passed < time.Second {
			t.Errorf("%s: nothing was delayed: %s passed", c.name, passed)
		}
		if _, waiting := m.engine.NextDue(); waiting {
			t.Errorf("%s: frames are still under way", c.name)
		}
	}
}

func TestLinkThatLosesAllIsNamed(t *testing.T) {
	m, err := NewMemory(t.Context(), linked(t, "{laptop: {loss: 100%}}"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := m.Probe(t.Context(), Probe{From: "laptop", To: m.World().Instances["web"].Status.PublicIP, Protocol: control.ProtocolTCP, Port: 80})
	if err != nil || o.Dropped == nil || o.Dropped.Reason != dataplane.ReasonLinkLoss || !strings.Contains(o.Dropped.Text, "loses 100 %") {
		t.Errorf("%+v, %v", o, err)
	}
}

// linked is the quickstart with links.
func linked(t *testing.T, links string) *control.World {
	t.Helper()
	_, src, err := Read("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	_, src, _ = bytes.Cut(src, []byte("\nname:"))
	return loadText(t, "name:"+string(src)+"\nlinks: "+links+"\n")
}
