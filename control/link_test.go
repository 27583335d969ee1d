package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vpcsim/vpcsim/dataplane"
)

func TestLinkValuesReadBackAsWritten(t *testing.T) {
	check := func(text, want string, v textValue) {
		t.Helper()
		err := v.parse(text)
		if got := v.String(); err != nil || got != want {
			t.Errorf("%T %q = %q, %v; want %q", v, text, got, err, want)
			return
		}
		written := v.String()
		if err := v.parse(written); err != nil || v.String() != written {
			t.Errorf("%T %q reads back as %q, %v", v, written, v, err)
		}
	}
	for text, want := range map[string]string{
		"5%": "5%", "0.05": "5%", "0%": "0%", "100%": "100%", "1.0": "100%", "0.1 %": "0.1%", "7%": "7%",
		"0.07": "7%", "0.0000001%": "0.0000001%", "33.3333333%": "33.3333333%", "0": "0%", "0.000000001": "0.0000001%",
	} {
		check(text, want, new(Fraction))
	}
	for text, want := range map[string]string{
		"10Mbit": "10Mbit", "1.5Gbit": "1.5Gbit", "500kbit": "500kbit", "500000bit": "500kbit", "10mbit": "10Mbit", "10 Mbit/s": "10Mbit",
		"1234567bit": "1234567bit", "1Tbit": "1Tbit", "1000Gbit": "1Tbit", "unlimited": "unlimited", "0.001Gbit": "1Mbit",
	} {
		check(text, want, new(Bandwidth))
	}
	for text, want := range map[string]string{
		"64KiB": "64KiB", "1500B": "1500B", "2MiB": "2MiB", "64kB": "64kB", "50ms": "50ms", "1024B": "1KiB", "1GiB": "1GiB", "1m0s": "1m0s",
	} {
		check(text, want, new(Queue))
	}
	check("typical", "typical", new(RoundTrip))
	check("600us", "600µs", new(RoundTrip))
}

func TestLinkValuesRefuseWhatCouldMeanAnything(t *testing.T) {
	for _, tc := range []struct {
		v     textValue
		texts []string
	}{
		{new(Fraction), []string{"1", "2", "101%", "1.1", "-1%", "five", "%", ".5", "5.", "1e-3", "0.00000001%", "+5%", "", "NaN"}},
		{new(Bandwidth), []string{"10", "10MB", "10M", "0", "0Mbit", "999bit", "1.1Tbit", "-1Mbit", "1.5bit", "1e3kbit", "Mbit", "99999999999999999999Gbit"}},
		{new(Queue), []string{"64", "0B", "0s", "1.5KiB", "2GiB", "61s", "-1B", "B", "64 K", "18446744073709551616B", "18014398509481985KiB"}},
		{new(RoundTrip), []string{"600", "fast", "-1ms"}},
	} {
		for _, text := range tc.texts {
			if err := tc.v.parse(text); err == nil {
				t.Errorf("%T takes %q, as %s", tc.v, text, tc.v)
			} else if bad, ok := err.(badValue); !ok || bad.hint == "" || bad.message == "" {
				t.Errorf("%T %q: the error says nothing to do: %v", tc.v, text, err)
			}
		}
	}
}

// FuzzLinkValues holds that what parses reads back to the same value.
func FuzzLinkValues(f *testing.F) {
	for _, text := range []string{"5%", "0.05", "1.5Gbit", "unlimited", "64KiB", "50ms", "typical", "1234567bit", "az us-east-1a", "link a/b forward"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, pair := range [][2]textValue{
			{new(Fraction), new(Fraction)}, {new(Bandwidth), new(Bandwidth)}, {new(Queue), new(Queue)},
			{new(RoundTrip), new(RoundTrip)}, {new(Fault), new(Fault)},
		} {
			if pair[0].parse(text) != nil {
				continue
			}
			if err := pair[1].parse(pair[0].String()); err != nil {
				t.Fatalf("%T: %q was read as %q, which cannot be read: %v", pair[0], text, pair[0], err)
			}
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				t.Fatalf("%q reads back differently: %s", text, diff)
			}
			encoded, err := json.Marshal(pair[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(encoded, pair[1]); err != nil {
				t.Fatalf("%s: %v", encoded, err)
			}
		}
	})
}

// twoRegions are two VPCs far apart, one of them in two zones.
const twoRegions = `
name: far
vpcs:
  a: {cidr: 10.0.0.0/16}
  b: {cidr: 10.1.0.0/16, region: eu-west-1}
vpcPeerings: {ab: {vpc: a, peerVpc: b}}
routeTables:
  a: {vpc: a, main: true, routes: {10.1.0.0/16: ab}}
  b: {vpc: b, main: true, routes: {10.0.0.0/16: ab, 192.0.2.0/24: b1}}
subnets:
  a1: {vpc: a, cidr: 10.0.1.0/24, az: us-east-1a}
  a2: {vpc: a, cidr: 10.0.2.0/24, az: us-east-1b}
  b1: {vpc: b, cidr: 10.1.1.0/24}
instances:
  a1: {subnet: a1}
  a2: {subnet: a2, interfaces: [{subnet: a2}]}
  b1: {subnet: b1}
internetHosts: {laptop: {ip: 203.0.113.10}}
`

// linkTexts are the links of w and what each direction does.
func linkTexts(w *World) map[string]string {
	texts := map[string]string{}
	for name, l := range w.Links {
		f, r := l.Status.Forward.compile(), l.Status.Reverse.compile()
		texts[name] = f.String() + " | " + r.String()
	}
	return texts
}

func TestLinksInForce(t *testing.T) {
	for name, tc := range map[string]struct {
		src  string
		want map[string]string
	}{
		"Regions are apart by themselves, zones are not": {"", map[string]string{
			"eu-west-1/us-east-1": "adds 34 ms | adds 34 ms"}},
		"a written round trip": {"regions: {eu-west-1: {roundTrip: {us-east-1: 76ms}}}\n", map[string]string{
			"eu-west-1/us-east-1": "adds 38 ms | adds 38 ms"}},
		"no round trip at all": {"regions: {us-east-1: {roundTrip: {eu-west-1: 0s}}}\n", map[string]string{
			"eu-west-1/us-east-1": "adds nothing | adds nothing"}},
		"typical zones": {"regions: {us-east-1: {zoneRoundTrip: typical}}\n", map[string]string{
			"eu-west-1/us-east-1": "adds 34 ms | adds 34 ms", "us-east-1a/us-east-1b": "adds 300 µs | adds 300 µs"}},
		"a link takes the place of the one by itself, and keeps its delay": {"links: {us-east-1/eu-west-1: {loss: 1%, reverse: {loss: 2%, bandwidth: 10Mbit}}}\n", map[string]string{
			"us-east-1/eu-west-1": "adds 34 ms, loses 1 % | adds 34 ms, loses 2 %, carries 10 Mbit/s"}},
		"a delay in one direction": {"links: {us-east-1/eu-west-1: {forward: {delay: 100ms}}}\n", map[string]string{
			"us-east-1/eu-west-1": "adds 100 ms | adds 34 ms"}},
		"a direction lifts what both have": {"links: {us-east-1/eu-west-1: {delay: 0s, bandwidth: 1Mbit, forward: {bandwidth: unlimited}}}\n", map[string]string{
			"us-east-1/eu-west-1": "adds nothing | carries 1 Mbit/s"}},
		"zones of one Region, of two, and the Regions": {"regions: {us-east-1: {zoneRoundTrip: 1ms}}\nlinks: {us-east-1b/us-east-1a: {loss: 5%}, us-east-1a/eu-west-1a: {jitter: 1ms}}\n", map[string]string{
			"us-east-1b/us-east-1a": "adds 500 µs, loses 5 % | adds 500 µs, loses 5 %",
			"us-east-1a/eu-west-1a": "adds 34 ms ± 1 ms | adds 34 ms ± 1 ms",
			"eu-west-1/us-east-1":   "adds 34 ms | adds 34 ms"}},
		"machines": {"regions: {us-east-1: {roundTrip: {eu-west-1: 0s}}}\nlinks: {a1: {delay: 5ms}, a2/eth1: {forward: {loss: 0.5}}, laptop: {duplicate: 1%}}\n", map[string]string{
			"eu-west-1/us-east-1": "adds nothing | adds nothing", "a1": "adds 5 ms | adds 5 ms",
			"a2/eth1": "loses 50 % | adds nothing", "laptop": "doubles 1 % | doubles 1 %"}},
		"a cut": {"faults: [link us-east-1/eu-west-1 forward]\n", map[string]string{
			"eu-west-1/us-east-1": "adds 34 ms | adds 34 ms, loses 100 %"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, twoRegions+tc.src)
			if diff := cmp.Diff(tc.want, linkTexts(w)); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			text, err := w.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if again := open(t, string(text)); cmp.Diff(tc.want, linkTexts(again)) != "" || strings.Contains(string(text), "derived") {
				t.Errorf("written and read again: %v\n%s", linkTexts(again), text)
			}
			if !strings.Contains(tc.src, "links:") && strings.Contains(string(text), "links:") {
				t.Errorf("links that exist by themselves were written:\n%s", text)
			}
		})
	}
}

func TestLinkQueueHasADefault(t *testing.T) {
	w := open(t, twoRegions+`links:
  a1: {bandwidth: 100Mbit, forward: {queue: 10ms}, reverse: {queue: 64KiB}}
  b1: {bandwidth: 1Mbit, reverse: {bandwidth: 100Mbit}}
`)
	a, b := w.Links["a1"].Status, w.Links["b1"].Status
	got := []uint64{a.Forward.QueueBytes, a.Reverse.QueueBytes, b.Forward.QueueBytes, b.Reverse.QueueBytes}
	if diff := cmp.Diff([]uint64{125_000, 65_536, 65_536, 1_250_000}, got); diff != "" {
		t.Errorf("bytes of the queues (-want +got):\n%s", diff)
	}
}

func TestLinkProblemsHavePlaces(t *testing.T) {
	lines := strings.Count(twoRegions, "\n") + 1
	for name, tc := range map[string]struct{ src, want string }{
		"unknown Region":         {"links: {us-east-1/eu-west-2: {}}", `9: links.us-east-1/eu-west-2: nothing of the lab is in "eu-west-2" (did you mean "eu-west-1"?)`},
		"a Region and a zone":    {"links: {us-east-1/eu-west-1a: {}}", `9: links.us-east-1/eu-west-1a: us-east-1 and eu-west-1a are not of the same sort (write two Regions, or two Availability Zones)`},
		"both ends":              {"links: {us-east-1a/us-east-1a: {}}", `9: links.us-east-1a/us-east-1a: both ends are us-east-1a (for all Availability Zones of a Region write zoneRoundTrip under regions)`},
		"several interfaces":     {"links: {a2: {}}", `9: links.a2: instance a2 has 2 network interfaces (write one of them: a2/eth0)`},
		"no such interface":      {"links: {a1/eth1: {}}", `9: links.a1/eth1: instance a1 has no network interface eth1 (it has a1/eth0)`},
		"no such machine":        {"links: {a3: {}}", `9: links.a3: "a3" is no machine and no pair of places (did you mean "a1"?)`},
		"twice, once reversed":   {"links: {us-east-1/eu-west-1: {}, eu-west-1/us-east-1: {}}", `9: links.us-east-1/eu-west-1: link eu-west-1/us-east-1 is the same (write one of the two)`},
		"twice, by interface":    {"links: {a1: {}, a1/eth0: {}}", `17: links.a1/eth0: link a1 is the same (write one of the two)`},
		"jitter alone":           {"links: {a1: {jitter: 1ms}}", `22: links.a1.jitter: 1ms is more than the delay, 0s (write a longer delay, or less jitter: nothing arrives before it was sent)`},
		"queue alone":            {"links: {a1: {reverse: {queue: 1KiB}}}", `31: links.a1.reverse.queue: nothing waits on a link without a bandwidth (add bandwidth, or remove queue)`},
		"reorder alone":          {"links: {a1: {reorder: 1%}}", `23: links.a1.reorder: nothing can be overtaken on a link without a delay (add delay, or remove reorder)`},
		"delay":                  {"links: {a1: {delay: 11s}}", `21: links.a1.delay: 11s is too long (at most 10s)`},
		"value":                  {"links: {a1: {loss: 5}}", `20: links.a1.loss: "5" is not a share of the packets (write 5%, or a number below 1 such as 0.05)`},
		"key":                    {"links: {a1: {latency: 5ms}}", `14: links.a1.latency: unknown key "latency"`},
		"Region's form":          {"regions: {useast: {}}", `11: regions.useast: "useast" is not an AWS Region [InvalidParameterValue] (write a Region such as us-east-1)`},
		"two round trips":        {"regions: {us-east-1: {roundTrip: {eu-west-1: 1ms}}, eu-west-1: {roundTrip: {us-east-1: 2ms}}}", `46: regions.us-east-1.roundTrip.eu-west-1: Region eu-west-1 says 2ms (write the round trip at one of the two)`},
		"Region to itself":       {"regions: {us-east-1: {roundTrip: {us-east-1: 1ms}}}", `35: regions.us-east-1.roundTrip.us-east-1: a Region is at no distance from itself (for its Availability Zones write zoneRoundTrip)`},
		"nobody knows how far":   {"transitGateways: {g: {region: xx-moon-1}}", `31: transitGateways.g.region: how far Region xx-moon-1 is from `},
		"fault of nothing":       {"faults: [az us-east-1c]", `10: faults[0]: nothing of the lab is in "us-east-1c" (did you mean "us-east-1a"?)`},
		"one fault":              {"faults: azz us-east-1a", `9: faults: "azz" is not a kind that can break (did you mean "az"?)`},
		"fault with a direction": {"faults: [instance a1 forward]", `10: faults[0]: instance a1 has no directions (only a link has: remove forward)`},
		"fault's direction":      {"faults: [link us-east-1/eu-west-1 up]", `10: faults[0]: "up" is not a direction (write forward or reverse, or nothing for both)`},
		"check's fault":          {"checks: [{from: a1, to: b1, ping: true, fault: instance b2}]", `48: checks[0].fault: no instance named "b2" (did you mean "a2"?)`},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, twoRegions+tc.src+"\n")
			if len(got) == 0 || got[0].Line != lines || !strings.HasPrefix(strings.TrimPrefix(got[0].String(), "lab.yaml:"), strings.Join([]string{itoa(lines), tc.want}, ":")) {
				t.Errorf("problems:\n%s\nwant lab.yaml:%d:%s", got.Error(), lines, tc.want)
			}
		})
	}
}

func itoa(n int) string { return formatDecimal(uint64(n), 0) }

func TestUnknownDistanceCanBeALinksOwn(t *testing.T) {
	const far = "name: x\nvpcs: {a: {cidr: 10.0.0.0/16}, b: {cidr: 10.1.0.0/16, region: xx-moon-1}}\n"
	for _, more := range []string{
		"regions: {us-east-1: {roundTrip: {xx-moon-1: 2.6s}}}",
		"links: {us-east-1/xx-moon-1: {delay: 1.3s}}",
		"links: {xx-moon-1/us-east-1: {forward: {delay: 1.3s}, reverse: {delay: 0s}}}",
	} {
		open(t, far+more)
	}
	if got := problems(t, far); len(got) != 1 || got[0].Line != 2 || got[0].Column != 63 {
		t.Errorf("without any: %v", got)
	}
}

// TestTypicalRoundTrips holds the table to geography: nothing is faster than light
// in glass, and the estimate is close to what is known.
func TestTypicalRoundTrips(t *testing.T) {
	for a, from := range regionPlaces {
		for b, to := range regionPlaces {
			if a == b {
				continue
			}
			ab, ok := typicalRoundTrip(a, b)
			ba, _ := typicalRoundTrip(b, a)
			least := milliseconds(2 * from.distance(to) / glassSpeed)
			if !ok || ab != ba || ab < least || ab > 500*Duration(time.Millisecond) {
				t.Errorf("%s/%s: %s and %s, %v; light needs %s", a, b, ab, ba, ok, least)
			}
		}
	}
	for pair, ms := range wellKnownRoundTrips {
		if pair[0] >= pair[1] {
			t.Errorf("%v is not in the order of the alphabet", pair)
		}
		estimate := 2*regionPlaces[pair[0]].distance(regionPlaces[pair[1]])*cableDetour/glassSpeed + metroLatency
		if estimate < ms/2 || estimate > ms*2 {
			t.Errorf("%v: known %v ms, estimated %.0f", pair, ms, estimate)
		}
	}
	if _, ok := typicalRoundTrip("us-east-1", "xx-moon-1"); ok {
		t.Error("the Moon is in the table")
	}
}

// linkStore is a store in which src is in force.
func linkStore(t *testing.T, src string) *Store {
	t.Helper()
	s := NewStore(slog.New(slog.DiscardHandler), nil, func(*dataplane.Snapshot) {})
	w, err := Load("lab.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return s
}

func operateOn(t *testing.T, s *Store, kind, action, name string, parameters ...string) error {
	t.Helper()
	op := Operation{Kind: kind, Action: action, Name: name, Parameters: map[string]string{}}
	for i := 0; i+1 < len(parameters); i += 2 {
		op.Parameters[parameters[i]] = parameters[i+1]
	}
	_, err := s.Operate(context.Background(), op)
	return err
}

func TestLinkOperations(t *testing.T) {
	s := linkStore(t, twoRegions+"links: {a1: {loss: 1%, forward: {bandwidth: 1Mbit}}}\n")
	before, _ := s.World()
	for _, step := range []struct {
		name       string
		action     string
		link       string
		parameters []string
		want       map[string]string
	}{
		{"a link by itself", "set", "eu-west-1/us-east-1", []string{"delay", "40ms"}, map[string]string{
			"eu-west-1/us-east-1": "adds 40 ms | adds 40 ms", "a1": "loses 1 %, carries 1 Mbit/s | loses 1 %"}},
		{"one direction, by the other name", "set", "us-east-1/eu-west-1", []string{"loss", "5%", "direction", "forward"}, map[string]string{
			"eu-west-1/us-east-1": "adds 40 ms | adds 40 ms, loses 5 %", "a1": "loses 1 %, carries 1 Mbit/s | loses 1 %"}},
		{"both directions again", "set", "eu-west-1/us-east-1", []string{"loss", "2%"}, map[string]string{
			"eu-west-1/us-east-1": "adds 40 ms, loses 2 % | adds 40 ms, loses 2 %", "a1": "loses 1 %, carries 1 Mbit/s | loses 1 %"}},
		{"by the interface", "set", "a1/eth0", []string{"bandwidth", "unlimited"}, map[string]string{
			"eu-west-1/us-east-1": "adds 40 ms, loses 2 % | adds 40 ms, loses 2 %", "a1": "loses 1 % | loses 1 %"}},
		{"a new one", "set", "laptop", []string{"delay", "10ms", "jitter", "1ms"}, map[string]string{
			"eu-west-1/us-east-1": "adds 40 ms, loses 2 % | adds 40 ms, loses 2 %", "a1": "loses 1 % | loses 1 %", "laptop": "adds 10 ms ± 1 ms | adds 10 ms ± 1 ms"}},
		{"reset one", "reset", "us-east-1/eu-west-1", nil, map[string]string{
			"eu-west-1/us-east-1": "adds 34 ms | adds 34 ms", "a1": "loses 1 % | loses 1 %", "laptop": "adds 10 ms ± 1 ms | adds 10 ms ± 1 ms"}},
		{"reset all", "reset", "", nil, linkTexts(before)},
	} {
		if err := operateOn(t, s, "links", step.action, step.link, step.parameters...); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		w, _ := s.World()
		if diff := cmp.Diff(step.want, linkTexts(w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		for name, l := range before.Links {
			if w.Links[name].Status.Identity != l.Status.Identity {
				t.Errorf("%s: link %s has another handle: its statistics and what is under way are lost", step.name, name)
			}
		}
	}
	_, revision := s.World()
	for name, tc := range map[string]struct {
		link       string
		parameters []string
		want       string
	}{
		"nothing":       {"a1", nil, "links.a1: nothing to set"},
		"a value":       {"a1", []string{"loss", "5"}, `links.a1: loss: "5" is not a share`},
		"a parameter":   {"a1", []string{"latency", "5ms"}, `links.a1: set has no parameter "latency"`},
		"a direction":   {"a1", []string{"loss", "5%", "direction", "up"}, `links.a1: "up" is not a direction`},
		"a machine":     {"a9", []string{"loss", "5%"}, `links.a9: "a9" is no machine`},
		"makes no link": {"a1", []string{"jitter", "5ms"}, `links.a1.jitter: 5ms is more than the delay, 0s`},
	} {
		if err := operateOn(t, s, "links", "set", tc.link, tc.parameters...); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s …", name, err, tc.want)
		}
	}
	if _, after := s.World(); after != revision {
		t.Error("a refused operation changed the world")
	}
}
