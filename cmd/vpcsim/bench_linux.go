package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/bench"
)

// The benchmark's own programs in its namespaces; see main.
const benchArgument = bench.Argument

func benchMain() { bench.Main() }

func (a *app) benchCommand() *cobra.Command {
	var config bench.Config
	quick, chart := false, ""
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure forwarding beside the kernel's, on this machine",
		Long: `Measure how fast vpcsim forwards, beside what else can: a bare veth pair, the
kernel, the kernel with the same rules in nftables, Open vSwitch in user space, and
vpcsim's own packet socket without the rules. Everything is built in namespaces of
its own, with a load generator of its own; nothing needs to be installed, nor root.
Where iperf3 is installed, it makes a TCP stream as well (not with --quick, unless
--measurements names it).
What this machine does not have is a row that says so.

The rows take turns, all with the same MTU and congestion control; a figure is the
median of the repetitions, with the least and the most. Absolute figures are the
machine's; ratios of one run are what to compare. A full benchmark takes a few
minutes, --quick less than one. Let the machine be idle.`,
		Example: `  vpcsim bench --quick
  vpcsim bench --svg bench.svg
  vpcsim bench -o json > bench.json
  vpcsim bench --rows kernel+nft,vpcsim --measurements tcp-1-9001`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config.Repetitions < 1 || config.Duration < time.Millisecond {
				return usage("--repetitions or --duration is too small", "leave them out for the defaults")
			}
			if quick { // has defaults of its own
				if !cmd.Flags().Changed("repetitions") {
					config.Repetitions = 0
				}
				if !cmd.Flags().Changed("duration") {
					config.Duration = 0
				}
				config = config.Quick()
			}
			return a.bench(cmd.Context(), config, output(cmd), chart)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&quick, "quick", false, "less than a minute: short runs, 3 repetitions")
	flags.IntVar(&config.Repetitions, "repetitions", 5, "the `number` of times that each run is repeated; with --quick 3")
	flags.DurationVar(&config.Duration, "duration", time.Second, "the `time` that each run takes; with --quick 200ms")
	flags.BoolVarP(&config.IPv6, "ipv6", "6", false, "measure over IPv6")
	flags.StringSliceVar(&config.Rows, "rows", nil, "only these `rows`: "+strings.Join(bench.RowNames(), ", "))
	flags.StringSliceVar(&config.Measurements, "measurements", nil, "only these `measurements`: "+strings.Join(bench.MeasurementNames(), ", "))
	flags.StringVar(&chart, "svg", "", "also draw a chart to this `file`")
	for name, words := range map[string][]string{"rows": bench.RowNames(), "measurements": bench.MeasurementNames()} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	outputFlag(c, formatTable, formatJSON)
	c.AddCommand(a.benchScaleCommand())
	return c
}

func (a *app) bench(ctx context.Context, config bench.Config, format, chart string) error {
	var drawing *os.File
	if chart != "" { // before minutes are spent
		var err error
		if drawing, err = os.Create(chart); err != nil {
			return err
		}
		defer drawing.Close()
	}
	config.Progress = a.benchProgress()
	report, err := bench.Run(ctx, config)
	config.Progress("")
	if err != nil {
		return err
	}
	if format == formatJSON {
		err = writeJSON(a.stdout, report)
	} else {
		report.WriteTable(a.stdout)
	}
	if err == nil && drawing != nil {
		err = errors.Join(report.WriteSVG(drawing), drawing.Close())
	}
	if err == nil && report.Incomplete {
		err = exitWith(exitFailed) // the report says what
	}
	return err
}

func (a *app) benchScaleCommand() *cobra.Command {
	var config bench.ScaleConfig
	c := &cobra.Command{
		Use:   "scale",
		Short: "Measure labs of many instances",
		Long: `Bring up labs of different sizes, as vpcsim up does, and measure each: the time to
up and to down, the memory of an instance, what an idle lab costs, the throughput of
two instances while the rest is idle beside that of a lab of two, and the time from
applying a changed rule until its first packet passes.`,
		Example: `  vpcsim bench scale
  vpcsim bench scale --instances 200 -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.benchScale(cmd.Context(), config, output(cmd))
		},
	}
	c.Flags().IntSliceVar(&config.Instances, "instances", []int{10, 100, 1000}, "the `numbers` of instances of the labs")
	c.Flags().IntVar(&config.Repetitions, "repetitions", 5, "the `number` of times that throughput and change are measured")
	outputFlag(c, formatTable, formatJSON)
	return c
}

func (a *app) benchScale(ctx context.Context, config bench.ScaleConfig, format string) error {
	for _, n := range config.Instances {
		if n < 2 || n > bench.MaxInstances {
			return usage(fmt.Sprintf("--instances %d cannot be", n), fmt.Sprintf("write numbers from 2 to %d", bench.MaxInstances))
		}
	}
	if config.Repetitions < 1 {
		return usage("--repetitions is too small", "leave it out for the default")
	}
	config.Progress = a.benchProgress()
	report, err := bench.RunScale(ctx, config)
	config.Progress("")
	if err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(a.stdout, report)
	}
	report.WriteTable(a.stdout)
	return nil
}

// benchProgress keeps one line of the standard error up to date, for somebody
// who watches; the empty text clears it.
func (a *app) benchProgress() func(string) {
	if !isTerminal(a.stderr) {
		return func(string) {}
	}
	return func(text string) {
		if text != "" {
			text = "· " + text
		}
		fmt.Fprintf(a.stderr, "\r\033[K%s", text)
	}
}
