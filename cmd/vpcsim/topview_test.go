package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/dataplane"
)

func someTop() *lab.Top {
	t := &lab.Top{Time: time.Unix(0, 0), Seconds: 1, PacketsPerSecond: 1234, BitsPerSecond: 5.6e6}
	for i := range 30 {
		t.Flows = append(t.Flows, lab.TopFlow{
			From: fmt.Sprintf("web%d", i), To: "db", Verdict: "pass", BitsPerSecond: float64(1000 - i), PacketsPerSecond: float64(i),
			Addresses: dataplane.Addresses{Protocol: "tcp", Src: "2001:db8::1", Dst: "2001:db8::2", SrcPort: 40000, DstPort: 5432},
		})
		t.Drops = append(t.Drops, lab.TopDrop{Reason: "no-rule", Object: "securityGroup db", Text: "no ingress rule allows tcp/22 from 10.0.1.10", Packets: 7})
		t.Interfaces = append(t.Interfaces, lab.TopInterface{Name: fmt.Sprintf("web%d/eth0", i), ReceivePacketsPerSecond: 1})
	}
	return t
}

func TestTopFillsTheScreenAndNoMore(t *testing.T) {
	v := topView{lab: "l", sort: "bits", top: someTop()}
	for height := 1; height < 60; height++ {
		lines := v.lines(100, height)
		if len(lines) != height && height > 1 {
			t.Errorf("%d lines for a screen of %d", len(lines), height)
		}
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "b bits") {
			t.Errorf("height %d: the last line is %q", height, last)
		}
	}
	if lines := v.lines(unlimited, unlimited); len(lines) != 1+31+1+31+1+31 {
		t.Errorf("%d lines without a limit", len(lines))
	}
}

func TestTopSortsAndPausesByKeys(t *testing.T) {
	v := topView{lab: "l", sort: "bits"}
	if got := v.lines(80, 24); len(got) != 1 {
		t.Errorf("before the first interval: %q", got)
	}
	v.show(someTop())
	if first := v.flows()[0]; first.From != "web0" {
		t.Errorf("by bits: %+v", first)
	}
	if v.press('p') || v.flows()[0].From != "web29" {
		t.Errorf("by packets: %+v", v.flows()[0])
	}
	v.press(' ')
	next := someTop()
	next.Flows = nil
	if v.show(next); len(v.top.Flows) == 0 || !strings.Contains(v.lines(200, 24)[0], "PAUSED") {
		t.Error("a pause goes on")
	}
	if v.press(' '); len(v.top.Flows) != 0 {
		t.Error("after the pause the latest is not shown")
	}
	if !v.press('q') || !v.press(3) {
		t.Error("q and Ctrl-C do not end it")
	}
}

func TestRatesAreReadable(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 12.4: "12", 999.4: "999", 999.6: "1.00 k", 12345: "12.3 k", 1.234e9: "1.23 G"} {
		if got := strings.TrimSpace(rate(v)); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
