package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control/flowlogs"
	"github.com/vpcsim/vpcsim/control/flowlogs/delivery"
	"github.com/vpcsim/vpcsim/dataplane"
)

// noFlows is an engine that sees nothing.
type noFlows struct{}

func (noFlows) FlowRecords(out []dataplane.FlowRecord) ([]dataplane.FlowRecord, []dataplane.Handle) {
	return out, nil
}

func newTestFlowLogs(t *testing.T, dir string) *flowLogs {
	t.Helper()
	l := newFlowLogs(noFlows{}, func() int64 { return 0 }, time.Unix(0, 0), delivery.New(dir, quiet), nil, quiet)
	t.Cleanup(l.close)
	return l
}

func records(log string, from, to int) (entries []flowlogs.Entry) {
	for i := from; i <= to; i++ {
		entries = append(entries, flowlogs.Entry{Log: log, LogID: "fl-" + log, Message: fmt.Sprintf("%s %d", log, i), Destination: &flowlogs.Destination{}})
	}
	return entries
}

func lines(answer FlowLogs) (list []string) {
	for _, e := range answer.Entries {
		list = append(list, fmt.Sprintf("%d %s", e.Sequence, e.Message))
	}
	return list
}

func TestFlowLogsAreReadFromASequenceNumber(t *testing.T) {
	l := newTestFlowLogs(t, "")
	l.publish(append(records("a", 1, 2), records("b", 3, 3)...))
	for _, c := range []struct {
		after uint64
		name  string
		want  []string
	}{
		{0, "", []string{"1 a 1", "2 a 2", "3 b 3"}},
		{1, "", []string{"2 a 2", "3 b 3"}},
		{0, "b", []string{"3 b 3"}},
		{0, "fl-b", []string{"3 b 3"}},
		{3, "", nil},
	} {
		got := l.since(t.Context(), c.after, c.name, 0)
		if diff := cmp.Diff(c.want, lines(got)); diff != "" || got.Last != 3 {
			t.Errorf("after %d %q: last %d (-want +got):\n%s", c.after, c.name, got.Last, diff)
		}
	}
	waiting := make(chan FlowLogs)
	go func() { waiting <- l.since(t.Context(), 3, "a", time.Minute) }()
	l.publish(records("b", 4, 4)) // of no interest
	l.publish(records("a", 5, 5))
	if diff := cmp.Diff([]string{"5 a 5"}, lines(<-waiting)); diff != "" {
		t.Errorf("who waited (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := l.since(ctx, 5, "", time.Minute); len(got.Entries) != 0 || got.Last != 5 {
		t.Errorf("who gave up got %+v", got)
	}
}

func TestFlowLogsInMemoryAreBounded(t *testing.T) {
	l := newTestFlowLogs(t, "")
	l.publish(records("a", 1, keptFlowLogs))
	l.publish(records("a", keptFlowLogs+1, keptFlowLogs+10))
	if n := len(l.ring); n != keptFlowLogs {
		t.Errorf("%d are kept", n)
	}
	got := l.since(t.Context(), 4, "", 0)
	if got.Missed != 6 || len(got.Entries) != answerFlowLogs || got.Entries[0].Sequence != 11 || got.Last != 10+answerFlowLogs {
		t.Errorf("missed %d, %d entries, last %d", got.Missed, len(got.Entries), got.Last)
	}
	seen := 0
	for after := uint64(0); ; {
		answer := l.since(t.Context(), after, "", 0)
		if len(answer.Entries) == 0 {
			break
		}
		seen, after = seen+len(answer.Entries), answer.Last
	}
	if seen != keptFlowLogs {
		t.Errorf("%d of %d were read, answer by answer", seen, keptFlowLogs)
	}
}

func TestFlowLogsThatFindNoDiskAreCountedAndKept(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full")
	}
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "a.log")); err != nil {
		t.Fatal(err)
	}
	l := newTestFlowLogs(t, dir)
	l.publish(append(records("a", 1, 2), records("b", 3, 3)...))
	got := l.since(t.Context(), 0, "", 0)
	if len(got.Entries) != 3 || got.Unwritten != 2 || !strings.Contains(got.Problem, "no space left on device") || !strings.Contains(got.Problem, "free space") {
		t.Errorf("%d entries, %d unwritten: %s", len(got.Entries), got.Unwritten, got.Problem)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "b.log")); err != nil || string(text) != "b 3\n" {
		t.Errorf("the other file: %q, %v", text, err)
	}
}

func TestAPIGivesFlowLogRecords(t *testing.T) {
	l, client := serveMemoryLab(t)
	l.flowLogs.publish(records("a", 1, 2))
	got, err := client.FlowLogs(t.Context(), 1, "a", time.Second)
	if err != nil || len(got.Entries) != 1 || got.Entries[0].Message != "a 2" || got.Last != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = client.FlowLogs(t.Context(), 0, "none", 0); err != nil || len(got.Entries) != 0 {
		t.Errorf("of an unknown log: %+v, %v", got, err)
	}
}
