package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) topCommand() *cobra.Command {
	once := false
	interval := time.Second
	view := topView{sort: "bits"}
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch the busiest flows, drops and interfaces",
		Long: `Watch what moves in the running lab: the busiest flows by the names of their ends,
each direction by itself, with what becomes of them; what drops packets, by which
rule; and every interface's rates as its own machine sees them. Rates are of the last
interval, packets as they are on the wire and bits of IP. Without a terminal, with
--once or with -o json, one interval is printed.

Keys: b, p and d sort by bits, packets and drops; space pauses; q ends.`,
		Example: `  vpcsim top
  vpcsim top --sort drops -i 5s
  vpcsim top --once
  vpcsim top -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(topSorts, view.sort) {
				return usage(fmt.Sprintf("--sort %q is none", view.sort), "use "+strings.Join(topSorts, ", "))
			}
			if interval < lab.ShortestTopInterval || interval > lab.LongestTopInterval {
				return usage(fmt.Sprintf("--interval %s is none", interval), fmt.Sprintf("write one from %s to %s", lab.ShortestTopInterval, lab.LongestTopInterval))
			}
			client, err := a.connect()
			if err != nil {
				return err
			}
			view.lab = client.Name()
			out, isFile := a.stdout.(*os.File)
			if once || output(cmd) == formatJSON || !isFile || !isTerminal(a.stdout) || !isTerminal(a.stdin) {
				return a.topOnce(cmd.Context(), client, interval, &view, output(cmd))
			}
			return a.topLive(cmd.Context(), client, interval, &view, out)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "print one interval and end")
	c.Flags().DurationVarP(&interval, "interval", "i", interval, "how long rates are measured before they are shown anew")
	c.Flags().StringVar(&view.sort, "sort", view.sort, "what the flows are sorted by: "+strings.Join(topSorts, ", "))
	_ = c.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(topSorts, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("interval", cobra.FixedCompletions([]string{"1s", "5s", "10s"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON)
	return c
}

// topOnce prints one interval.
func (a *app) topOnce(ctx context.Context, client *lab.Client, interval time.Duration, view *topView, format string) error {
	var top *lab.Top
	if err := client.Top(ctx, interval, func(t *lab.Top) bool { top = t; return false }); err != nil {
		return err
	}
	if top == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &exitError{exitFailed, fmt.Sprintf("lab %s has ended", client.Name())}
	}
	if format == formatJSON {
		return writeJSON(a.stdout, top)
	}
	view.top = top
	for _, line := range view.lines(unlimited, unlimited) {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}

// topLive draws interval after interval until q, a signal, or the end of the lab.
func (a *app) topLive(ctx context.Context, client *lab.Client, interval time.Duration, view *topView, out *os.File) (err error) {
	s, err := openScreen(a.stdin, out)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	tops, ended := make(chan *lab.Top), make(chan error, 1)
	defer func() { cancel(); <-ended }() // before the screen closes
	go func() {
		defer close(ended)
		defer s.rescue()
		ended <- client.Top(ctx, interval, func(t *lab.Top) bool {
			select {
			case tops <- t:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for {
		width, height := s.size()
		s.draw(view.lines(width, height), width, height)
		select {
		case <-ctx.Done():
			return nil
		case t := <-tops:
			view.show(t)
		case <-s.resized:
		case key, ok := <-s.keys:
			if !ok || view.press(key) {
				return nil
			}
		case err, ok := <-ended:
			if !ok || err == nil {
				s.giveBack()
				fmt.Fprintf(a.stderr, "Lab %s has ended.\n", client.Name())
				return nil
			}
			return err
		}
	}
}

// topView is what of a lab.Top is shown, and how.
type topView struct {
	lab    string
	sort   string
	paused bool
	top    *lab.Top // nil until the first interval ends
	latest *lab.Top // while paused
}

var topSorts = []string{"bits", "packets", "drops"}

func (v *topView) show(t *lab.Top) {
	if v.latest = t; !v.paused {
		v.top = t
	}
}

// press does what a key means, and reports whether it is to end.
func (v *topView) press(key byte) (end bool) {
	const ctrlC, ctrlD, escape = 3, 4, 27
	switch key {
	case 'q', 'Q', ctrlC, ctrlD, escape:
		return true
	case ' ':
		if v.paused = !v.paused; !v.paused && v.latest != nil {
			v.top = v.latest
		}
	case 'b':
		v.sort = "bits"
	case 'p':
		v.sort = "packets"
	case 'd':
		v.sort = "drops"
	}
	return false
}

// flows in the order that is asked for; the lab sends them by bits.
func (v *topView) flows() []lab.TopFlow {
	flows := slices.Clone(v.top.Flows)
	slices.SortStableFunc(flows, func(a, b lab.TopFlow) int {
		switch v.sort {
		case "packets":
			return cmp.Compare(b.PacketsPerSecond, a.PacketsPerSecond)
		case "drops":
			return cmp.Compare(b.DropsPerSecond, a.DropsPerSecond)
		}
		return cmp.Compare(b.BitsPerSecond, a.BitsPerSecond)
	})
	return flows
}
