package bench

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control/host"
)

// The real thing, with runs too short to mean anything: every row has figures or
// says why not, and only what may be missing is.
func TestEveryRowHasFiguresOrAReason(t *testing.T) {
	asRootAndUser(t, func(t *testing.T) {
		for _, ipv6 := range []bool{false, true} {
			report, err := Run(t.Context(), Config{Repetitions: 1, Duration: 20 * time.Millisecond, IPv6: ipv6})
			if err != nil {
				t.Fatal(err)
			}
			optional := map[string]bool{rowNft: true, "ovs": true}
			for _, row := range report.Rows {
				if ipv6 && (row.Name == "vpcsim+vpn" || row.Name == "vpcsim+client-vpn") && strings.Contains(row.Missing, "its way carries") {
					optional[row.Name] = true // both tunnels carry IPv4 only
				}
				if row.Name == "vpcsim+offload" && strings.Contains(row.Missing, "the machine's root only") {
					optional[row.Name] = os.Geteuid() != 0
				}
				if row.Missing != "" && !optional[row.Name] {
					t.Errorf("row %s is missing: %s", row.Name, row.Missing)
				}
			}
			if report.Incomplete {
				t.Error("incomplete:", report.Warnings)
			}
			if len(report.Measurements) != len(measurements()) {
				t.Errorf("%d measurements", len(report.Measurements))
			}
			for _, m := range report.Measurements {
				if len(m.Results) != len(rows()) {
					t.Errorf("%s has %d results", m.ID, len(m.Results))
				}
				for _, r := range m.Results {
					switch {
					case r.Value == nil && r.Reason == "":
						t.Errorf("%s: %s: neither figure nor reason", m.ID, r.Row)
					case r.Value == nil && !optional[r.Row] && !strings.Contains(r.Reason, "its way carries") && !strings.Contains(r.Reason, "not installed"):
						t.Errorf("%s: %s: %s", m.ID, r.Row, r.Reason)
					case r.Value != nil && r.Value.Median <= 0:
						t.Errorf("%s: %s: %v", m.ID, r.Row, r.Value)
					}
				}
			}
		}
	})
}

func TestInterruptedBenchmarkLeavesNothing(t *testing.T) {
	requireNamespaces(t)
	ownState(t)
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	_, err := Run(ctx, Config{Duration: time.Minute, Rows: []string{"kernel", "vpcsim"}, Measurements: []string{"tcp-1-1500"}, Progress: func(text string) {
		if strings.Contains(text, "TCP") {
			if runs++; runs == 1 { // in the middle of a run of a minute
				time.AfterFunc(50*time.Millisecond, cancel)
			}
		}
	}})
	if !errors.Is(err, context.Canceled) || runs != 1 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if labs, err := host.RunningLabs(); len(labs) > 0 || err != nil {
		t.Errorf("labs are left: %v, %v", labs, err)
	}
}

func TestScaleMeasuresEachSize(t *testing.T) {
	asRootAndUser(t, func(t *testing.T) {
		report, err := RunScale(t.Context(), ScaleConfig{Instances: []int{3}, Repetitions: 1, Duration: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		r := report.Results[0]
		if r.Instances != 3 || r.Up <= 0 || r.Down <= 0 || r.DaemonMemory == 0 || r.Throughput.Median <= 0 ||
			r.ThroughputRatio.Median <= 0 || r.Enforced.Median <= 0 {
			t.Errorf("result %+v", r)
		}
		if report.Reference.Instances != 2 || report.Reference.Throughput.Median <= 0 {
			t.Errorf("reference %+v", report.Reference)
		}
	})
}
