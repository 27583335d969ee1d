package lab

import (
	"errors"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/host"
)

// serveMemoryLab puts a lab without a kernel behind its API, on a socket like a
// real one's.
func serveMemoryLab(t *testing.T) (*lab, *Client) {
	t.Helper()
	l := memoryLab(t)
	dir, err := os.MkdirTemp("", "vpcsim") // t.TempDir's paths can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	place := &host.Lab{Name: "test", Dir: dir}
	listener, err := listen(place)
	if err != nil {
		t.Fatal(err)
	}
	api := newServer(l)
	api.start(listener)
	t.Cleanup(api.stop)
	return l, newClient(place)
}

func TestAPISocketIsTheOwnersAlone(t *testing.T) {
	_, client := serveMemoryLab(t)
	info, err := os.Stat(client.lab.Socket())
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the socket has mode %o", mode)
	}
}

func TestAPIPassesTheWorldUnchanged(t *testing.T) {
	l, client := serveMemoryLab(t)
	got, err := client.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := l.store.World()
	// What does not travel: positions in the file, and handles.
	want.Source = nil
	for _, k := range control.Kinds() {
		for _, name := range k.Names(want) {
			k.Identity(want, name).Handle = 0
		}
	}
	for _, group := range want.SecurityGroups {
		for _, list := range [][]control.SecurityGroupPermission{group.Status.Ingress, group.Status.Egress} {
			for i := range list {
				list[i].Rule = 0
			}
		}
	}
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addresses := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, got, prefixes, addresses, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("world (-want +got):\n%s", diff)
	}
}

func TestAPIAppliesAllOrNothing(t *testing.T) {
	_, client := serveMemoryLab(t)
	changed := File{Name: "test.yaml", Source: strings.Replace(testFile, "ports: 80", "ports: 8080", 1)}
	plan, err := client.Plan(t.Context(), changed)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 1 || plan.Changes[0].Name != "open" || plan.Revision != 1 || !strings.Contains(plan.Text, "securityGroup open") {
		t.Errorf("plan: %+v", plan)
	}
	status, err := client.Status(t.Context())
	if err != nil || status.Revision != 1 {
		t.Errorf("after plan: revision %d, %v", status.Revision, err)
	}

	// All problems at once, each with its place, and nothing applied.
	broken := strings.Replace(testFile, "subnet: b1,", "subnet: b9,", 1)
	broken = strings.Replace(broken, "ports: 80", "ports: 80-79", 1)
	_, err = client.Apply(t.Context(), File{Name: "broken.yaml", Source: broken})
	var problems control.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("got %v, want two problems", err)
	}
	for _, p := range problems {
		if p.File != "broken.yaml" || p.Line == 0 || p.Column == 0 {
			t.Errorf("no place: %+v", p)
		}
	}

	plan, err = client.Apply(t.Context(), changed)
	if err != nil || plan.Revision != 2 || len(plan.Warnings) > 0 {
		t.Errorf("apply: %+v, %v", plan, err)
	}
	plan, err = client.Apply(t.Context(), changed)
	if err != nil || len(plan.Changes) != 0 {
		t.Errorf("applied again: %+v, %v", plan, err)
	}
}

func TestAPIErrorsComeBackAsWhatTheyWere(t *testing.T) {
	_, client := serveMemoryLab(t)
	var usage *UsageError
	if _, err := client.Trace(t.Context(), TraceQuery{From: "wbe", To: "web"}); !errors.As(err, &usage) || usage.Hint != "did you mean web?" {
		t.Errorf("trace: got %v", err)
	}
	if _, err := client.Exec(t.Context(), ExecRequest{Node: "off", Args: []string{"true"}}, nil, nil, nil); !errors.As(err, &usage) || usage.What != "instance off is stopped" {
		t.Errorf("exec in a stopped instance: got %v", err)
	}
	if _, err := client.Exec(t.Context(), ExecRequest{Node: "web"}, nil, nil, nil); !errors.As(err, &usage) || usage.What != "no program given" {
		t.Errorf("exec of nothing: got %v", err)
	}
	if _, err := client.Fetch(t.Context(), FetchQuery{From: "nobody"}); !errors.As(err, &usage) {
		t.Errorf("fetch from nobody: got %v", err)
	}
	client.lab.Dir += "-gone"
	if _, err := client.World(t.Context()); err == nil || err.Error() != "lab test: it is just starting or ending; try again in a moment" {
		t.Errorf("no socket: got %v", err)
	}
}

func TestAPIRefusesWhatIsTooLarge(t *testing.T) {
	_, client := serveMemoryLab(t)
	query := TraceQuery{From: strings.Repeat("x", maxRequest+1)}
	var usage *UsageError
	if _, err := client.Trace(t.Context(), query); !errors.As(err, &usage) {
		t.Errorf("got %v", err)
	}
	response, err := client.send(t.Context(), http.MethodGet, "/v1/nothing", nil)
	if err == nil {
		response.Body.Close()
		t.Error("an unknown path was answered")
	}
}

func TestAPITracesTheLiveWorld(t *testing.T) {
	_, client := serveMemoryLab(t)
	trace, err := client.Trace(t.Context(), TraceQuery{From: "laptop", To: "web", Traffic: "tcp/22"})
	if err != nil || trace.Passed || trace.Decision != "securityGroup open: no ingress rule allows tcp/22 from 203.0.113.10" {
		t.Errorf("got %+v, %v", trace, err)
	}
	drops, err := client.Drops(t.Context(), 0)
	if err != nil || len(drops) != 0 {
		t.Errorf("a trace left %d drops, %v", len(drops), err)
	}
}

func TestAPIDownEndsTheLab(t *testing.T) {
	l, client := serveMemoryLab(t)
	if err := client.call(t.Context(), http.MethodPost, "/v1/down", struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.down:
	default:
		t.Error("the lab was not told")
	}
	l.end() // a second time is harmless
}
