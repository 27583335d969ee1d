package lab

import (
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control"
)

func TestAPILinksFollowOperations(t *testing.T) {
	_, client := serveMemoryLab(t)
	links := func() []Link {
		t.Helper()
		list, err := client.Links(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := links(); len(got) != 0 {
		t.Errorf("links of one Region: %+v", got)
	}
	set := control.Operation{Kind: "links", Name: "laptop", Action: "set", Parameters: map[string]string{"delay": "5ms", "loss": "1%", "direction": "forward"}}
	plan, err := client.Operate(t.Context(), set)
	if err != nil || len(plan.Changes) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	got := links()
	if len(got) != 1 || got[0].Name != "laptop" || got[0].InternetHost != "laptop" || got[0].Derived ||
		got[0].Forward.Delay != control.Duration(5*time.Millisecond) || got[0].Forward.Loss.String() != "1%" || got[0].Reverse.Delay != 0 {
		t.Errorf("links after set: %+v", got)
	}
	if _, err := client.Operate(t.Context(), control.Operation{Kind: "links", Action: "reset"}); err != nil {
		t.Fatal(err)
	}
	if got := links(); len(got) != 0 {
		t.Errorf("links after reset: %+v", got)
	}
}

func TestBreakRepairsOnlyWhatItBroke(t *testing.T) {
	l, _ := serveMemoryLab(t)
	broken, repair, err := l.breakWorld(t.Context(), control.Faults{{Kind: "instance", Name: "web"}})
	if err != nil || broken.Instances["web"].Status.State != control.InstanceImpaired {
		t.Fatalf("%v", err)
	}
	_, again, err := l.breakWorld(t.Context(), control.Faults{{Kind: "instance", Name: "web"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if w, _ := l.store.World(); w.Faults.String() != "instance web" {
		t.Errorf("the second repaired what the first broke: %v", w.Faults)
	}
	if err := repair(); err != nil {
		t.Fatal(err)
	}
	if w, _ := l.store.World(); len(w.Faults) > 0 || w.Instances["web"].Status.State != control.InstanceRunning {
		t.Errorf("left: %v", w.Faults)
	}
}
