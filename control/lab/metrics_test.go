package lab

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/cloudwatch"
	"github.com/vpcsim/vpcsim/control/metrics"
	"github.com/vpcsim/vpcsim/dataplane"
	"github.com/vpcsim/vpcsim/dataplane/packet"
	"github.com/vpcsim/vpcsim/scenarios"
)

// TestMetricsAreWhatPrometheusReads holds the text against Prometheus's own parser
// and, as promtool would, against its conventions.
func TestMetricsAreWhatPrometheusReads(t *testing.T) {
	l, client := serveMemoryLab(t)
	forwardSome(t, l)
	text, err := client.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(families) < 25 {
		t.Errorf("%d families", len(families))
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		checkFamily(t, families[name])
	}
	for _, want := range []string{
		`vpcsim_interface_transmit_packets_total{kind="networkInterface",interface="web/eth0"`,
		`vpcsim_dropped_packets_total{reason="no-rule",stage="security-group-in",kind="networkInterface",object="web/eth0"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in:\n%s", want, text)
		}
	}
	if names := strings.Count(string(text), "# TYPE "); names != strings.Count(string(text), "# HELP ") {
		t.Error("not every family has help")
	}
}

// checkFamily holds a family against what promtool check metrics complains about.
func checkFamily(t *testing.T, f *dto.MetricFamily) {
	t.Helper()
	name := f.GetName()
	switch counter := f.GetType() == dto.MetricType_COUNTER; {
	case !strings.HasPrefix(name, "vpcsim_"):
		t.Errorf("%s is in nobody's namespace", name)
	case counter != strings.HasSuffix(name, "_total"):
		t.Errorf("%s is a %s: counters and nothing else end in _total", name, f.GetType())
	case f.GetHelp() == "" || !strings.HasSuffix(f.GetHelp(), "."):
		t.Errorf("%s has the help %q", name, f.GetHelp())
	}
	for _, word := range []string{"milliseconds", "kilobytes", "_ms", "_count_", "percent"} {
		if strings.Contains(name, word) {
			t.Errorf("%s is in no base unit", name)
		}
	}
	seen := map[string]bool{}
	for _, m := range f.GetMetric() {
		key := ""
		for _, l := range m.GetLabel() {
			key += l.GetName() + "=" + l.GetValue() + ","
			if l.GetValue() == "none" {
				t.Errorf("%s: label %s is of nothing", name, l.GetName())
			}
		}
		if seen[key] {
			t.Errorf("%s{%s} is there twice", name, key)
		}
		seen[key] = true
	}
}

func TestMetricsAreOpenMetricsForWhoAsks(t *testing.T) {
	_, client := serveMemoryLab(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://lab/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	response, err := client.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(text.String(), "\n# EOF\n") {
		t.Errorf("%s:\n%s", kind, text.String())
	}
}

// forwardSome sends a packet that arrives, from web to laptop, and one back that
// web's security group drops.
func forwardSome(t *testing.T, l *lab) {
	t.Helper()
	w, _ := l.store.World()
	web, laptop := w.NetworkInterfaces["web/eth0"], w.InternetHosts["laptop"]
	if web == nil {
		t.Fatalf("the interfaces are %v", slices.Sorted(maps.Keys(w.NetworkInterfaces)))
	}
	out := packet.Spec{SrcMAC: packet.MAC(web.Status.MAC), DstMAC: dataplane.RouterMAC(dataplane.Handle(w.Subnets["a1"].Status.Handle)), TTL: 64}
	out.Tuple = packet.Tuple{Src: packet.AddrFrom(web.Status.PrivateIPs[0]), Dst: packet.AddrFrom(laptop.IP), Proto: packet.ProtoUDP, SrcPort: 4000, DstPort: 4000}
	in := packet.Spec{SrcMAC: dataplane.InterfaceMAC(dataplane.Handle(laptop.Status.Handle)), DstMAC: dataplane.RouterMAC(dataplane.Handle(laptop.Status.Handle)), TTL: 64}
	in.Tuple = packet.Tuple{Src: packet.AddrFrom(laptop.IP), Dst: packet.AddrFrom(web.Status.PublicIP), Proto: packet.ProtoUDP, SrcPort: 4001, DstPort: 4001}
	frames := []packet.Frame{
		{Link: web.Status.Handle, Data: packet.Append(nil, out)},
		{Link: laptop.Status.Handle, Data: packet.Append(nil, in)},
	}
	if got := l.engine.Forward(frames, nil); len(got) != 1 {
		t.Fatalf("%d frames went out; drops %+v", len(got), l.engine.Drops(0))
	}
}

// TestMetricsOfEveryScenarioHaveNoSeriesTwice: Prometheus would refuse all of them.
func TestMetricsOfEveryScenarioHaveNoSeriesTwice(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			file, source, err := scenarios.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			world, err := control.Load(file, source)
			if err != nil {
				t.Fatal(err)
			}
			engine := dataplane.NewEngine(dataplane.Config{MaxFlows: 1000})
			store := control.NewStore(quiet, nil, engine.Publish)
			if _, err := store.Apply(t.Context(), world); err != nil {
				t.Fatal(err)
			}
			world, _ = store.World()
			service := cloudwatch.New()
			service.Configure(time.Unix(0, 0), world.CloudWatchConfig())
			var w metrics.Writer
			statistics := engine.Statistics()
			measureInterfaces(&w, statistics)
			measureTracking(&w, statistics)
			measureGateways(&w, statistics)
			measureNATGateways(&w, statistics, nil)
			measureLinks(&w, engine.Links())
			measureMirrors(&w, world, engine.TrafficMirrors())
			measureDeliveries(&w, world)
			measureCloudWatch(&w, service.Counts())
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err := parser.TextToMetricFamilies(bytes.NewReader(w.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				checkFamily(t, f)
			}
		})
	}
}
