package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) lsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the labs that run",
		Long: `List your labs that are up: what each was brought up from, how often it was
changed since, and what its forwarding core has done. With -o json there is more:
drops by reason, and the counters of the packet socket. The lab that a running
check has for itself is there, too; other commands mean it only by its name.`,
		Example: `  vpcsim ls
  vpcsim ls -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := labStatuses(cmd.Context())
			if err != nil {
				return err
			}
			switch output(cmd) {
			case formatJSON:
				return writeJSON(a.stdout, list)
			case formatYAML:
				return writeYAML(a.stdout, list)
			}
			if len(list) == 0 {
				fmt.Fprintln(a.stdout, "No lab is running; start one with: vpcsim up quickstart")
				return nil
			}
			a.writeStatuses(list)
			return nil
		},
	}
	outputFlag(c, formatTable, formatJSON, formatYAML)
	return c
}

// labStatuses asks every lab, and waits for none for long: a list that hangs because one
// lab does would hide the others.
func labStatuses(ctx context.Context) ([]*lab.Status, error) {
	names, err := lab.Names()
	list := []*lab.Status{}
	for _, name := range names {
		client, err := lab.Connect(name)
		if err != nil {
			continue // it has ended since
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		status, err := client.Status(ctx)
		cancel()
		if err != nil {
			status = &lab.Status{Name: name} // starting, ending or stuck: it is there
		}
		list = append(list, status)
	}
	return list, err
}

func (a *app) writeStatuses(list []*lab.Status) {
	header := []string{"LAB", "FROM", "INSTANCES", "INTERNET HOSTS", "VPN CLIENTS", "REVISION", "FORWARDED", "DROPPED", "UP", "PID"}
	offload := slices.ContainsFunc(list, func(s *lab.Status) bool { return s.Offload != nil })
	if offload {
		header = append(header, "OFFLOADED")
	}
	var rows [][]string
	for _, s := range list {
		if s.Started.IsZero() {
			rows = append(rows, []string{s.Name, "", "", "", "", "", "", "", "does not answer"})
			continue
		}
		from := s.File
		if s.Borrower != "" {
			from += " (" + s.Borrower + ")"
		}
		rows = append(rows, []string{
			s.Name, from, strconv.Itoa(s.Instances), strconv.Itoa(s.InternetHosts), strconv.Itoa(s.VPNClients), strconv.FormatUint(s.Revision, 10),
			strconv.FormatUint(s.Packets.Forwarded, 10), strconv.FormatUint(s.Packets.Dropped, 10),
			time.Since(s.Started).Round(time.Second).String(), strconv.Itoa(s.PID),
		})
		if o := s.Offload; o != nil { // of what is forwarded
			rows[len(rows)-1] = append(rows[len(rows)-1], fmt.Sprintf("%d, %d flows now", o.Frames, o.Flows))
		}
	}
	writeTable(a.stdout, header, rows)
}
