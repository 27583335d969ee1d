package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

// alarmPoll is how long one question waits for news; the lab answers after 25 seconds
// in any case.
const alarmPoll = 20 * time.Second

func (a *app) alarmsCommand() *cobra.Command {
	follow, history := false, false
	c := &cobra.Command{
		Use:   "alarms",
		Short: "Show where the alarms of a lab stand, and why",
		Long: `Show where the alarms of the running lab stand, since when, and why, in AWS's words.
With -f the history goes on as it happens: states and what actions came to. Alarms
and the metric filters that they look at stand in the scenario file:

  metricFilters:
    ssh: {filterPattern: '[..., destport=22, protocol=6, packets, bytes, start,
           end, action=REJECT, status]', metricName: RejectedSSH,
           metricNamespace: VPC, metricValue: "1"}
  alarms:
    ssh: {metricName: RejectedSSH, namespace: VPC, statistic: Sum, period: 60s,
           evaluationPeriods: 1, threshold: 10,
           comparisonOperator: GreaterThanOrEqualToThreshold}`,
		Example: `  vpcsim alarms
  vpcsim alarms -f
  vpcsim aws cloudwatch describe-alarm-history`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON := output(cmd) == formatJSON
			if follow || history {
				return a.alarmHistory(cmd.Context(), follow, asJSON)
			}
			return a.alarms(cmd.Context(), asJSON)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "show the history, and go on as it happens, until Ctrl-C or the end of the lab")
	c.Flags().BoolVar(&history, "history", false, "show the history")
	outputFlag(c, formatTable, formatJSON)
	return c
}

func (a *app) alarms(ctx context.Context, asJSON bool) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	answer, err := client.Alarms(ctx, 0, 0)
	switch {
	case err != nil:
		return err
	case asJSON:
		return writeJSON(a.stdout, answer.Alarms)
	case len(answer.Alarms) == 0:
		return &exitError{exitNothing, "the lab has no alarms; vpcsim alarms --help shows how to write one"}
	}
	var rows [][]string
	for _, alarm := range answer.Alarms {
		rows = append(rows, []string{alarm.Name, alarm.State, alarm.Since.Local().Format(time.DateTime), alarm.Reason})
	}
	writeTable(a.stdout, []string{"ALARM", "STATE", "SINCE", "REASON"}, rows)
	return nil
}

// alarmHistory tells the end of a lab from an error: a lab that goes down while it is
// watched is what its user did, and the history up to then was shown.
func (a *app) alarmHistory(ctx context.Context, follow, asJSON bool) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	last, wait := uint64(0), time.Duration(0)
	for first := true; ; first, wait = false, alarmPoll {
		answer, err := client.Alarms(ctx, last, wait)
		var remote *lab.RemoteError
		switch {
		case err == nil:
		case ctx.Err() != nil && !first: // Ctrl-C is how following ends
			return nil
		case first || errors.As(err, &remote): // the lab is there, and says no
			return err
		default:
			fmt.Fprintf(a.stderr, "Lab %s has ended.\n", client.Name())
			return nil
		}
		for _, h := range answer.History {
			if err := a.writeAlarmHistory(h, asJSON); err != nil {
				return err
			}
		}
		if last = answer.Last; !follow {
			return nil
		}
	}
}

// writeAlarmHistory writes an entry a line, in JSON too, so that a program can read what
// is followed.
func (a *app) writeAlarmHistory(h lab.AlarmHistory, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(h)
	}
	reason := ""
	if h.Reason != "" {
		reason = ": " + h.Reason
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s  %s%s\n", h.Time.Local().Format(time.DateTime), h.Alarm, h.Summary, reason)
	return err
}
