package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

// flowLogPoll is how long one question waits for records; the lab answers after 25
// seconds in any case.
const flowLogPoll = 20 * time.Second

func (a *app) flowLogsCommand() *cobra.Command {
	follow, files := false, false
	c := &cobra.Command{
		Use:   "flowlogs [NAME]",
		Short: "Show flow log records as AWS writes them",
		Long: `Show what the flow logs of the running lab have published, or one of them: a line
per record, in the flow log's own format. A record is published when its interval
of aggregation ends; a lab that ends publishes what it has. The same lines are in
files that outlive the lab, which --files lists, also when it is down: one of
text for a log that goes to CloudWatch Logs, and for one that goes to S3 those of
its bucket, every five minutes and when the lab ends. Without NAME the records of
all logs are mixed, as they come; -o json tells flow log, group and stream.

Flow logs stand in the scenario file:
  flowLogs:
    all: {vpc: app, aggregationInterval: 10s}
    refused: {networkInterface: web, trafficType: REJECT}
    kept: {vpc: app, logDestinationType: s3,
           logDestination: "arn:aws:s3:::kept"}`,
		Example: `  vpcsim flowlogs
  vpcsim flowlogs refused -f
  vpcsim flowlogs --files
  vpcsim flowlogs -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeFirst("flowLogs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if files && follow {
				return usage("--files and --follow", "write one of the two: tail -F follows a file")
			}
			if files {
				return a.flowLogFiles(cmd.Context(), append(args, "")[0])
			}
			return a.flowLogs(cmd.Context(), append(args, "")[0], follow, output(cmd) == formatJSON)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with records as they are published, until Ctrl-C or the end of the lab")
	c.Flags().BoolVar(&files, "files", false, "list the files that the records are in, a path a line")
	outputFlag(c, formatText, formatJSON)
	return c
}

// flowLogs shows what is in the lab's memory, page by page, and waits for more only if
// told to follow. That the oldest are gone is worth a word only to a follower: whoever
// begins asks for what there is.
func (a *app) flowLogs(ctx context.Context, name string, follow, asJSON bool) error {
	client, w, err := a.connectWorld(ctx)
	if err != nil {
		return err
	}
	if err := flowLogNamed(w, name); err != nil {
		return err
	}
	last, problem := uint64(0), ""
	for first := true; ; first = false {
		wait := time.Duration(0)
		if follow && !first {
			wait = flowLogPoll
		}
		answer, err := client.FlowLogs(ctx, last, name, wait)
		if err != nil {
			return a.endOfFlowLogs(ctx, client, first, err)
		}
		if answer.Missed > 0 && !first {
			fmt.Fprintf(a.stderr, "%d records are no longer in the lab's memory; all are in %s\n", answer.Missed, answer.Dir)
		}
		if answer.Problem != problem {
			problem = answer.Problem
			a.tellFlowLogProblem(answer)
		}
		if err := a.writeFlowLogs(answer, asJSON); err != nil {
			return err
		}
		last = answer.Last
		if len(answer.Entries) > 0 || follow {
			continue
		}
		if first {
			a.explainNoFlowLogs(w, name)
		}
		return nil
	}
}

// tellFlowLogProblem says what keeps records from their files, or that nothing does
// any more.
func (a *app) tellFlowLogProblem(answer *lab.FlowLogs) {
	if answer.Problem == "" {
		fmt.Fprintln(a.stderr, "Flow log records are delivered again.")
		return
	}
	fmt.Fprintf(a.stderr, "Flow log records cannot be delivered: %d wait in memory, %d were skipped: %s\n", answer.Unwritten, answer.Skipped, answer.Problem)
}

// flowLogNamed is an error unless the lab has the flow log, or, without a name, any.
func flowLogNamed(w *control.World, name string) error {
	k, _ := kindNamed("flowLogs")
	names := k.Names(w)
	switch {
	case len(names) == 0:
		return &exitError{exitFailed, "the lab has no flow logs; add some to the file, such as: flowLogs: {all: {vpc: NAME}}, and vpcsim apply it"}
	case name == "" || slices.Contains(names, name) || slices.ContainsFunc(names, func(n string) bool { return k.Identity(w, n).ID == name }):
		return nil
	}
	hint := "there is " + strings.Join(names, ", ")
	if near := lab.Closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &exitError{exitFailed, fmt.Sprintf("no flow log %q; %s", name, hint)}
}

// writeFlowLogs writes lines as they are in the files, byte by byte: what reads one
// reads the other.
func (a *app) writeFlowLogs(answer *lab.FlowLogs, asJSON bool) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	for _, e := range answer.Entries {
		var err error
		if asJSON {
			err = encoder.Encode(e)
		} else {
			_, err = fmt.Fprintln(a.stdout, e.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// explainNoFlowLogs says why there is nothing to be seen.
func (a *app) explainNoFlowLogs(w *control.World, name string) {
	shortest := time.Duration(math.MaxInt64)
	for n, l := range w.FlowLogs {
		if name == "" || n == name || l.Status.ID == name {
			shortest = min(shortest, l.Status.MaxAggregationInterval.Duration())
		}
	}
	fmt.Fprintf(a.stderr, "Nothing published yet: records come at the end of an interval, here after %s at least.\n", shortest)
}

// endOfFlowLogs tells the end of what was followed from a failure: of the caller's
// patience, or of the lab.
func (a *app) endOfFlowLogs(ctx context.Context, client *lab.Client, first bool, err error) error {
	var remote *lab.RemoteError
	var usage *lab.UsageError
	switch {
	case ctx.Err() != nil && !first:
		return nil
	case first || errors.As(err, &remote) || errors.As(err, &usage):
		return err
	}
	fmt.Fprintf(a.stderr, "Lab %s has ended.\n", client.Name())
	return nil
}
