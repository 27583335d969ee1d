package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) traceCommand() *cobra.Command {
	var path, family string
	live, brief := false, false
	var watch lab.LiveTraceQuery
	c := &cobra.Command{
		Use:   "trace {FROM TO [tcp/PORT | udp/PORT | icmp] | --live}",
		Short: "Show every hop of a packet, and what decided",
		Long: `Show what would become of a packet and of its reply: every object that has a say,
the rule that matched, the addresses after each translation, and for a drop the one
thing that decided. The answer comes from the code that forwards, with the state
that it has now; no packet is sent. FROM and TO are instances, interfaces such as
web/eth0, Internet hosts, VPN clients, hosts of a site or addresses; with --file no
lab is needed. Exit code 0: it passes; 1: it is dropped.

With --live nothing is asked: the packets that programs send are shown as they are
forwarded, each with every step of its way. Flags say which; replies are packets of
their own. What comes faster than --rate is counted, not shown.`,
		Example: `  vpcsim trace laptop web tcp/80
  vpcsim trace web 203.0.113.10 udp/53
  vpcsim trace laptop web --family ipv6
  vpcsim trace --file quickstart laptop db tcp/5432
  vpcsim trace --live --to web --port 80
  vpcsim trace --live --dropped --brief`,
		Args: func(cmd *cobra.Command, args []string) error {
			if live && len(args) > 0 {
				return usage("--live takes no FROM and TO", "write --from and --to")
			}
			if live {
				return nil
			}
			return cobra.RangeArgs(2, 3)(cmd, args)
		},
		ValidArgsFunction: a.completeWorld(func(w *control.World, args []string) []string {
			if len(args) < 2 {
				return lab.EndNames(w)
			}
			return []string{"icmp", "tcp/80", "tcp/443", "udp/53"}
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if live {
				if path != "" || family != "" || output(cmd) == formatYAML {
					return usage("--live is of the lab that runs, and its packets as they are", "leave --file, --family and -o yaml out")
				}
				return a.traceLive(cmd.Context(), watch, output(cmd) == formatJSON, brief)
			}
			if only := liveFlag(cmd); only != "" {
				return usage("--"+only+" is for --live", "write vpcsim trace --live, or leave it out")
			}
			query := lab.TraceQuery{From: args[0], To: args[1]}
			if len(args) > 2 {
				query.Traffic = args[2]
			}
			switch family {
			case "ipv4":
				query.Family = control.IPv4
			case "ipv6":
				query.Family = control.IPv6
			case "":
			default:
				return usage(fmt.Sprintf("--family %q is none", family), "write ipv4 or ipv6")
			}
			t, err := a.trace(cmd, path, query)
			if err != nil {
				return err
			}
			switch output(cmd) {
			case formatJSON:
				err = writeJSON(a.stdout, t)
			case formatYAML:
				err = writeYAML(a.stdout, t)
			default:
				writeTrace(a.stdout, t)
			}
			if err == nil && !t.Passed { // scripts ask by the exit code
				return exitWith(exitFailed)
			}
			return err
		},
	}
	c.Flags().StringVarP(&path, "file", "f", "", "trace in a scenario `FILE` (or embedded scenario) instead of a lab")
	c.Flags().StringVar(&family, "family", "", "ipv4 or ipv6; that of the address, else ipv4")
	a.liveFlags(c, &live, &brief, &watch)
	_ = c.RegisterFlagCompletionFunc("file", completeScenarios)
	_ = c.RegisterFlagCompletionFunc("family", cobra.FixedCompletions([]string{"ipv4", "ipv6"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON, formatYAML)
	return c
}

// trace asks the lab that runs, whose state counts: a tracked connection passes where a
// new one would not. A file has no state, so its answer is that of a lab just started.
func (a *app) trace(cmd *cobra.Command, path string, query lab.TraceQuery) (*lab.Trace, error) {
	if path != "" {
		file, err := a.openScenario(path)
		if err != nil {
			return nil, err
		}
		return lab.TraceFile(cmd.Context(), file, query)
	}
	client, err := a.connect()
	if err != nil {
		return nil, err
	}
	return client.Trace(cmd.Context(), query)
}

// writeTrace is a trace for people: a line per step, aligned, and the verdict
// last.
func writeTrace(w io.Writer, t *lab.Trace) {
	width := 0
	for _, legs := range [][]lab.TraceLeg{t.Request, t.Reply} {
		for _, leg := range legs {
			for _, step := range leg.Steps {
				width = max(width, utf8.RuneCountInString(step.Object()))
			}
		}
	}
	for _, leg := range t.Request {
		writeLeg(w, leg, "request", width)
	}
	for _, leg := range t.Reply {
		writeLeg(w, leg, "reply", width)
	}
	if t.Passed {
		fmt.Fprintln(w, "PASS")
		return
	}
	fmt.Fprintln(w, "DROP at", t.Decision)
}

func writeLeg(w io.Writer, leg lab.TraceLeg, word string, width int) {
	fmt.Fprintf(w, "%s from %s: %s\n", word, leg.From, leg.Sent)
	now := leg.Sent
	for _, step := range leg.Steps {
		verdict := "ok  "
		switch step.Verdict {
		case "drop":
			verdict = "DROP"
		case "answer":
			verdict = "ans "
		}
		object := step.Object()
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(object))
		fmt.Fprintf(w, "  %s  %s%s  %s", verdict, object, pad, step.Text)
		if step.After != now { // addresses only where they change: else every line would have them
			fmt.Fprintf(w, "  [now %s]", step.After)
			now = step.After
		}
		fmt.Fprintln(w)
	}
}
