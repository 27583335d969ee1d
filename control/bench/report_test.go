package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/dataplane/port"
)

// measuredRunner is a benchmark that has ended: two repetitions of two
// measurements, one row missing, one run failed.
func measuredRunner() *runner {
	all := measurements()
	r := &runner{
		config:       Config{Repetitions: 2, Duration: time.Second}.withDefaults(),
		start:        time.Now(),
		measurements: []measurement{all[0], all[slices.IndexFunc(all, func(m measurement) bool { return m.id == "tcp-request" })]},
	}
	x := func(cpu, p99 float64) extras {
		e := noExtras()
		e.cpuPerGB, e.p99 = cpu, p99
		return e
	}
	nan := math.NaN()
	bulk := func(a, b float64) cell {
		return cell{values: []float64{a, b}, extras: []extras{x(10/a, nan), x(10/b, nan)}}
	}
	request := func(a, b float64) cell {
		return cell{values: []float64{a, b}, extras: []extras{x(nan, 2*a), x(nan, 2*b)}}
	}
	failed := request(30, nan)
	failed.reason = `the network is "down" & <out>`
	r.rows = []*runningRow{
		{row: row{name: rowNft, about: "kernel, rules", rules: true}, cells: []cell{bulk(40, 20), request(10, 20)}},
		{row: row{name: "ovs", about: "a switch", rules: true}, missing: "not installed <here>", cells: make([]cell, 2)},
		{row: row{name: rowVPCSim, about: "a lab", rules: true, lab: &labNetwork{}}, cells: []cell{bulk(20, 15), failed}},
	}
	return r
}

func testReport() *Report {
	r := measuredRunner().report(context.Background(), Machine{Kernel: "Linux 6", CPU: "A <CPU>", CPUs: 2, Load: 1.5, Go: "go1", Time: time.Unix(0, 0).UTC()})
	r.Seconds = 7
	r.Rows[2].Status = &lab.Status{
		Packets: lab.Packets{Dropped: 5, Drops: map[string]uint64{"no rule": 4, "loop": 1}},
		Port:    port.AFPacketStats{KernelDropped: 7, SendErrors: map[string]uint64{"ENOBUFS": 2}},
	}
	return r
}

func TestTableShowsFiguresRatiosAndReasons(t *testing.T) {
	var b bytes.Buffer
	testReport().WriteTable(&b)
	const want = `Linux 6, 2 × A <CPU>, load 1.50 at the start, go1, 1970-01-01 00:00 UTC
IPv4, TCP with cubic, as root; 2 repetitions of 1 s each, rows in turns; took 7 s
WARNING: the machine was busy when this began (load 1.50 on 2 CPUs): ratios say something, absolute figures little
WARNING: vpcsim: TCP request and response, 1 byte each, one at a time: p50: 1 of 2 runs failed: the network is "down" & <out>

  kernel+nft  kernel, rules
  ovs         a switch
              not measured: not installed <here>
  vpcsim      a lab
              dropped: 4 no rule, 1 loop; lost by the packet socket: 7 on receiving, 2 ENOBUFS

TCP, 1 stream, MTU 1500 (Gbit/s, more is better)
              median    min – max  ÷ kernel+nft  CPU s/GB  ÷ kernel+nft
  kernel+nft    30.0  20.0 – 40.0         1.00×      0.38         1.00×
  ovs         not measured, see above
  vpcsim        17.5  15.0 – 20.0         0.62×      0.58         1.67×

TCP request and response, 1 byte each, one at a time: p50 (µs, less is better)
              median    min – max   p99  ÷ kernel+nft  − kernel+nft
  kernel+nft    15.0  10.0 – 20.0  30.0         1.00×          +0.0
  ovs         not measured, see above
  vpcsim        30.0  30.0 – 30.0  60.0         3.00×         +20.0

vpcsim, with groups, ACLs and routes enforced:
  TCP, 1 stream, MTU 1500                                    17.5 Gbit/s  0.62× of kernel+nft
  TCP request and response, 1 byte each, one at a time: p50      30.0 µs  3.00× of kernel+nft
`
	if diff := cmp.Diff(want, b.String()[:min(len(want), b.Len())]); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestJSONHasAReasonWhereItHasNoFigure(t *testing.T) {
	text, err := json.Marshal(testReport())
	if err != nil {
		t.Fatal(err) // a NaN, for instance
	}
	var got struct {
		Machine, Settings map[string]any
		Rows              []map[string]any
		Measurements      []struct {
			ID, Unit string
			Results  []struct {
				Row, Reason         string
				Value, P99          *Summary
				Ratios, Differences map[string]Summary
				CPUSecondsPerGB     *Summary
				Lost, Retransmitted *Summary
				CPURatios           map[string]Summary
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Machine["kernel"] != "Linux 6" || got.Settings["congestionControl"] != "cubic" || got.Rows[1]["missing"] == nil {
		t.Errorf("JSON lacks the conditions: %s", text)
	}
	for _, m := range got.Measurements {
		for _, r := range m.Results {
			if (r.Value == nil) == (r.Reason == "") {
				t.Errorf("%s, %s: value %v and reason %q", m.ID, r.Row, r.Value, r.Reason)
			}
		}
	}
	bulk, request := got.Measurements[0].Results[2], got.Measurements[1].Results[2]
	if diff := cmp.Diff(Summary{0.625, 0.5, 0.75, []float64{0.5, 0.75}}, bulk.Ratios[rowNft]); diff != "" {
		t.Errorf("ratio (-want +got):\n%s", diff)
	}
	if d := request.Differences[rowNft]; len(d.Samples) != 1 || d.Median != 20 {
		t.Errorf("difference %+v", d)
	}
	if bulk.Lost != nil || bulk.P99 != nil || request.CPUSecondsPerGB != nil {
		t.Error("figures that do not apply are there")
	}
}

func TestChartIsXMLWithABarForEachFigure(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	bars, text := map[string]int{}, ""
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			for _, a := range x.Attr {
				if x.Name.Local == "rect" && a.Name.Local == "class" {
					bars[a.Value]++
				}
			}
		case xml.CharData:
			text += string(x)
		}
	}
	if diff := cmp.Diff(map[string]int{"page": 1, "bar": 2, "ours": 2}, bars); diff != "" {
		t.Errorf("rectangles (-want +got):\n%s", diff)
	}
	for _, want := range []string{"prefers-color-scheme: dark", "not installed <here>", "17.5 (0.62× kernel+nft)", "A <CPU>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the chart does not say %q", want)
		}
	}
}

func TestUnknownRowIsRefusedWithTheKnown(t *testing.T) {
	_, err := Run(t.Context(), Config{Rows: []string{"vpcsim", "nonesuch"}})
	if err == nil || !strings.Contains(err.Error(), "kernel+nft") {
		t.Errorf("error %v", err)
	}
}
