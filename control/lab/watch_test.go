package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTopSaysWhatMovedInAnInterval(t *testing.T) {
	l, client := serveMemoryLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := client.Top(ctx, ShortestTopInterval, func(top *Top) bool {
		forwardSome(t, l) // counts for the next interval
		if len(top.Flows) == 0 {
			return true
		}
		lost := top.Flows[0]
		if lost.Drop == nil {
			lost = top.Flows[len(top.Flows)-1]
		}
		if lost.Drop == nil || lost.From != "laptop" || lost.To != "web" || lost.Drop.Object() != "securityGroup open" {
			t.Errorf("flows: %+v", top.Flows)
		}
		if len(top.Drops) != 1 || top.Drops[0].Reason != "no-rule" || top.Drops[0].PacketsPerSecond == 0 {
			t.Errorf("drops: %+v", top.Drops)
		}
		if busiest := top.Interfaces[0]; busiest.ReceivePacketsPerSecond+busiest.TransmitPacketsPerSecond == 0 {
			t.Errorf("interfaces: %+v", top.Interfaces)
		}
		return false
	})
	if err != nil || ctx.Err() != nil {
		t.Fatalf("%v, %v", err, ctx.Err())
	}
}

func TestLiveTraceQueriesSayWhatIsWrong(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	for want, q := range map[string]LiveTraceQuery{
		`"sctp" is no protocol`:            {Protocol: "sctp"},
		`"256" is no protocol`:             {Protocol: "256"},
		`did you mean no-rule?`:            {Reason: "no-rul"},
		`named "wep"`:                      {From: "wep"},
		`write how many packets to show`:   {Rate: 5000},
		`write how many packets, or leave`: {Count: -1},
	} {
		_, err := q.capture(w)
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
}

func TestLiveTraceEndsAreEverythingThatHasTheName(t *testing.T) {
	w, _ := memoryLab(t).store.World()
	for text, want := range map[string][2]int{ // interfaces, addresses
		"web": {1, 4}, "web/eth0": {1, 4}, "fw": {2, 2}, "laptop": {1, 2}, "10.0.1.10": {0, 1}, "": {0, 0},
	} {
		end, err := wayEnd(w, text)
		if got := [2]int{len(end.Interfaces), len(end.Addresses)}; err != nil || got != want {
			t.Errorf("%s: %v, want %v: %v", text, got, want, err)
		}
	}
}

func TestLiveTraceCountsWhatItDoesNotShow(t *testing.T) {
	l, client := serveMemoryLab(t)
	shown, notShown := 0, uint64(0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			forwardSome(t, l)
			<-ticker.C
		}
	}()
	err := client.TraceLive(ctx, LiveTraceQuery{Dropped: true, Rate: 3, Protocol: "udp"}, func(p *LiveTrace) bool {
		if p.TraceLeg == nil {
			notShown += p.NotShown
			return false
		}
		shown++
		if p.Verdict != "drop" || !strings.HasPrefix(p.Decision, "securityGroup open: no ingress rule allows udp/4001") {
			t.Errorf("%+v", p)
		}
		return true
	})
	cancel()
	<-sending
	if err != nil || shown != 3 || notShown == 0 {
		t.Errorf("%d shown and %d not, want 3 and some: %v", shown, notShown, err)
	}
}
