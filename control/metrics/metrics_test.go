package metrics

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(f Format) string {
	w := Writer{Format: f}
	w.Counter("lab_packets_total", "Packets\nof \\ all.", "name", "kind")
	w.Sample(12345678, `a "b" \`, "eni")
	w.Sample(1, "", "")
	w.Gauge("lab_absent", "Nothing.")
	w.Gauge("lab_load_ratio", "Load.")
	w.Sample(0.25)
	h := NewHistogram(0.1, 1)
	h.Observe(0.1)
	h.Observe(0.5)
	h.Observe(7)
	w.Histogram("lab_wait_seconds", "Wait.", h)
	return string(w.Bytes())
}

func TestTextIsWhatPrometheusReads(t *testing.T) {
	want := `# HELP lab_packets_total Packets\nof \\ all.
# TYPE lab_packets_total counter
lab_packets_total{name="a \"b\" \\",kind="eni"} 12345678
lab_packets_total 1
# HELP lab_load_ratio Load.
# TYPE lab_load_ratio gauge
lab_load_ratio 0.25
# HELP lab_wait_seconds Wait.
# TYPE lab_wait_seconds histogram
lab_wait_seconds_bucket{le="0.1"} 1
lab_wait_seconds_bucket{le="1"} 2
lab_wait_seconds_bucket{le="+Inf"} 3
lab_wait_seconds_sum 7.6
lab_wait_seconds_count 3
`
	if diff := cmp.Diff(want, write(Text)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestOpenMetricsNamesCountersWithoutTotalAndEnds(t *testing.T) {
	got := write(OpenMetrics)
	for _, want := range []string{"# TYPE lab_packets counter\n", "\nlab_packets_total 1\n", "\n# EOF\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
}
