package main

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/dataplane"
)

// liveOnly are the flags of trace that say which packets --live shows, and how.
var liveOnly = []string{"from", "to", "protocol", "port", "dropped", "reason", "count", "rate", "brief"}

func (a *app) liveFlags(c *cobra.Command, live, brief *bool, q *lab.LiveTraceQuery) {
	f := c.Flags()
	f.BoolVar(live, "live", false, "show packets as they are forwarded, until Ctrl-C or the end of the lab")
	f.BoolVar(brief, "brief", false, "with --live: a line per packet, with the step that decided")
	f.StringVar(&q.From, "from", "", "with --live: only packets from this instance, interface, host or address")
	f.StringVar(&q.To, "to", "", "with --live: only packets for this instance, interface, host or address")
	f.StringVar(&q.Protocol, "protocol", "", "with --live: only this protocol: tcp, udp, icmp or a number")
	f.Uint16Var(&q.Port, "port", 0, "with --live: only packets with this port at either end")
	f.BoolVar(&q.Dropped, "dropped", false, "with --live: only packets that are dropped")
	f.StringVar(&q.Reason, "reason", "", "with --live: only packets whose way ends for this `reason`, such as no-rule")
	f.IntVarP(&q.Count, "count", "c", 0, "with --live: end after so many packets")
	f.IntVar(&q.Rate, "rate", 50, "with --live: show so many packets a second at most")
	ends := a.completeWorld(func(w *control.World, _ []string) []string { return lab.EndNames(w) })
	_ = c.RegisterFlagCompletionFunc("from", ends)
	_ = c.RegisterFlagCompletionFunc("to", ends)
	_ = c.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"tcp", "udp", "icmp"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(dataplane.Reasons(), cobra.ShellCompDirectiveNoFileComp))
}

// liveFlag is a flag that was given and needs --live, or "".
func liveFlag(c *cobra.Command) string {
	for _, name := range liveOnly {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// traceLive shows packets until ctx ends, there are enough, or the lab has ended.
func (a *app) traceLive(ctx context.Context, query lab.LiveTraceQuery, asJSON, brief bool) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	show := a.showLive
	switch {
	case asJSON:
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		show = func(l *lab.LiveTrace) error { return encoder.Encode(l) }
	case brief:
		show = a.showBrief
	}
	shown := 0
	var failed error
	err = client.TraceLive(ctx, query, func(l *lab.LiveTrace) bool {
		if failed = show(l); l.TraceLeg != nil {
			shown++
		}
		return failed == nil
	})
	switch {
	case err == nil && failed != nil:
		return failed
	case err == nil && ctx.Err() == nil && (query.Count == 0 || shown < query.Count):
		fmt.Fprintf(a.stderr, "Lab %s has ended.\n", client.Name())
	}
	return err
}

// liveTime is a packet's time as tcpdump writes it.
const liveTime = "15:04:05.000000"

// showLive is a packet in the form of a trace, and a line to set it apart.
func (a *app) showLive(l *lab.LiveTrace) error {
	if l.TraceLeg == nil {
		return a.showNotShown(l)
	}
	width := 0
	for _, step := range l.Steps {
		width = max(width, utf8.RuneCountInString(step.Object()))
	}
	writeLeg(a.stdout, *l.TraceLeg, l.Time.Local().Format(liveTime), width)
	end := "DROP at " + l.Decision
	switch {
	case l.Verdict == "answer":
		end = "ANSWERED"
	case l.Decision == "":
		end = "PASS to " + l.To
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n\n", end)
	return err
}

// showBrief is a packet in a line.
func (a *app) showBrief(l *lab.LiveTrace) error {
	if l.TraceLeg == nil {
		return a.showNotShown(l)
	}
	end := "DROP at " + l.Decision
	switch {
	case l.Verdict == "answer":
		end = "answered: " + l.Steps[len(l.Steps)-1].Text
	case l.Decision == "":
		end = "pass to " + l.To
		if after := l.Steps[len(l.Steps)-1].After; after != l.Sent {
			end += fmt.Sprintf(" [now %s]", after)
		}
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s  %s  %s\n", l.Time.Local().Format(liveTime), l.From, l.Sent, end)
	return err
}

func (a *app) showNotShown(l *lab.LiveTrace) error {
	_, err := fmt.Fprintf(a.stderr, "%s  %d more not shown; --rate shows more, other flags ask for fewer\n", l.Time.Local().Format(liveTime), l.NotShown)
	return err
}
