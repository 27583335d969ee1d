package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

// linkValues are what link set takes, each with an example.
var linkValues = []string{"delay=40ms", "jitter=2ms", "loss=1%", "duplicate=0.1%", "reorder=1%", "bandwidth=10Mbit", "queue=64KiB"}

func (a *app) linkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Show and change distances and impairments of a running lab",
		Long: `Show what the ways between Regions, Availability Zones and machines do to packets,
and change it while traffic runs: delay, jitter, loss, bandwidth. Between two
Regions there is a link by itself, with a typical round trip. A link of an instance,
an interface or a machine on the Internet is known by its name; its direction
forward is what it sends. The scenario file stays as it is: applying it again, or
link reset, goes back to it.`,
		Example: `  vpcsim link show
  vpcsim link set us-east-1/eu-west-1 delay=40ms loss=1%
  vpcsim link reset --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.linkShowCommand(), a.linkSetCommand(), a.linkResetCommand())
	return c
}

func (a *app) linkShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Show links, what they do and what they have done",
		Long: `Show all links of the lab or one of them, a line per direction: what it does to
packets, and how many it has carried and lost since the link was made. QUEUED are
those under way now; FULL are those that found no room to wait. A direction that
does nothing counts nothing. Packets are those on the wire, not superframes.`,
		Example: `  vpcsim link show
  vpcsim link show us-east-1/eu-west-1 -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeLinks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			links, err := client.Links(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if links, err = linksNamed(links, args[0]); err != nil {
					return err
				}
			}
			switch output(cmd) {
			case formatJSON:
				return writeJSON(a.stdout, links)
			case formatYAML:
				return writeYAML(a.stdout, links)
			}
			a.writeLinks(links, output(cmd) == formatWide)
			return nil
		},
	}
	outputFlag(c, formatTable, formatWide, formatJSON, formatYAML)
	return c
}

// linksNamed is the link of that name, or of the same two places.
func linksNamed(links []lab.Link, name string) ([]lab.Link, error) {
	var names []string
	for _, l := range links {
		if l.Name == name || l.From != "" && name == l.To+"/"+l.From || l.NetworkInterface == name {
			return []lab.Link{l}, nil
		}
		names = append(names, l.Name)
	}
	hint := "there is none; make one with: vpcsim link set"
	if near := lab.Closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if len(names) > 0 {
		hint = "there is " + strings.Join(names, ", ")
	}
	return nil, &exitError{exitFailed, fmt.Sprintf("no link %q; %s", name, hint)}
}

func (a *app) writeLinks(links []lab.Link, wide bool) {
	if len(links) == 0 {
		fmt.Fprintln(a.stdout, "The lab has no links: nothing in it is far from anything else.")
		return
	}
	header := []string{"LINK", "DIRECTION", "DELAY", "JITTER", "LOSS", "BANDWIDTH", "PACKETS", "LOST", "FULL", "QUEUED"}
	if wide {
		header = append(header, "DUPLICATE", "REORDER", "QUEUE", "BYTES", "DUPLICATED", "REORDERED", "FAULT")
	}
	var rows [][]string
	for _, l := range links {
		for _, d := range []struct {
			word string
			*lab.LinkDirection
		}{{"forward", &l.Forward}, {"reverse", &l.Reverse}} {
			row := []string{
				l.Name, d.word, quiet(d.Delay, d.Delay == 0), quiet(d.Jitter, d.Jitter == 0), quiet(d.Loss, d.Loss == 0), quiet(d.Bandwidth, d.Bandwidth == 0),
				number(d.Statistics.Packets), number(d.Statistics.Lost), number(d.Statistics.QueueDrops), number(d.Statistics.Queued),
			}
			if wide {
				row = append(row, quiet(d.Duplicate, d.Duplicate == 0), quiet(d.Reorder, d.Reorder == 0), quiet(control.Queue{Bytes: d.QueueBytes}, d.QueueBytes == 0),
					number(d.Statistics.Bytes), number(d.Statistics.Duplicated), number(d.Statistics.Reordered), l.Fault)
			}
			rows = append(rows, row)
		}
	}
	writeTable(a.stdout, header, rows)
}

// quiet is a value in a table, nothing for one that has no effect.
func quiet(v fmt.Stringer, none bool) string {
	if none {
		return ""
	}
	return v.String()
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func (a *app) linkSetCommand() *cobra.Command {
	direction := ""
	c := &cobra.Command{
		Use:   "set NAME VALUE...",
		Short: "Change what a link does to packets",
		Long: `Change a link of the running lab at once, in both directions or in one. NAME is two
Regions or two Availability Zones such as us-east-1/eu-west-1, an instance, an
interface such as web/eth1, an Internet host, a site or a VPN client; one that has no
link yet gets one.
VALUE is one of
  ` + strings.Join(linkValues[:5], ", ") + `,
  ` + strings.Join(linkValues[5:], ", ") + `;
what is not given stays. Packets of other links notice nothing, and what is
under way on this one arrives as it was to.`,
		Example: `  vpcsim link set us-east-1/eu-west-1 delay=40ms loss=1%
  vpcsim link set web --direction forward bandwidth=10Mbit queue=64KiB
  vpcsim link set web bandwidth=unlimited`,
		Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return linkValues, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeLinks()(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			parameters := map[string]string{"direction": direction}
			for _, word := range args[1:] {
				key, value, ok := strings.Cut(word, "=")
				if !ok || value == "" || !isLinkValue(key) {
					return usage(fmt.Sprintf("%q is no value of a link", word), "write one or more of "+strings.Join(linkValues, ", "))
				}
				if _, twice := parameters[key]; twice {
					return usage(key+" is there twice", "remove one")
				}
				parameters[key] = value
			}
			op := control.Operation{Kind: "links", Name: args[0], Action: "set", Parameters: parameters}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&direction, "direction", "", "only `forward` or reverse; both unless given")
	_ = c.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON)
	return c
}

func isLinkValue(key string) bool {
	return slices.ContainsFunc(linkValues, func(v string) bool { return strings.HasPrefix(v, key+"=") })
}

func (a *app) linkResetCommand() *cobra.Command {
	everything := false
	c := &cobra.Command{
		Use:   "reset NAME | --all",
		Short: "Take links back to what the file says",
		Long: `Take a link, or all, back to what the scenario file says that was applied last.
What exists by itself does again what it did by itself. Faults stay.`,
		Example: `  vpcsim link reset us-east-1/eu-west-1
  vpcsim link reset --all`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeLinks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if everything == (len(args) > 0) {
				return usage("which link?", "write its name, or --all")
			}
			op := control.Operation{Kind: "links", Action: "reset"}
			if len(args) > 0 {
				op.Name = args[0]
			}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().BoolVar(&everything, "all", false, "all links")
	outputFlag(c, formatText, formatJSON)
	return c
}

// completeLinks offers the lab's links for the first argument, and the machines
// that could have one.
func (a *app) completeLinks() completion {
	return a.completeWorld(func(w *control.World, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		var names []string
		for _, plural := range []string{"links", "instances", "internetHosts"} {
			k, _ := kindNamed(plural)
			names = append(names, k.Names(w)...)
		}
		slices.Sort(names)
		return slices.Compact(names)
	})
}
