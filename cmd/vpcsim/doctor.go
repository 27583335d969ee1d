package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/host"
)

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks, and how to get it",
		Long: `Try everything that a lab needs of this machine, as the user that you are, and say
for each what was found: OK, WARN (labs run, something may be missed) or FAIL (no
lab can run), with the way out. Nothing is changed. Exit code 69: something failed.`,
		Example: `  vpcsim doctor
  vpcsim doctor -o json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := host.Probe()
			if output(cmd) == formatJSON {
				if err := writeJSON(a.stdout, findings); err != nil {
					return err
				}
			} else {
				a.writeFindings(findings)
			}
			for _, f := range findings {
				if f.State == host.Fail {
					return exitWith(exitEnvironment)
				}
			}
			return nil
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) writeFindings(findings []host.Finding) {
	width, worst := 0, host.OK
	for _, f := range findings {
		width = max(width, len(f.Name))
		worst = max(worst, f.State)
	}
	for _, f := range findings {
		fmt.Fprintf(a.stdout, "%-4s  %-*s  %s\n", f.State, width, f.Name, f.Detail)
		if f.Fix != "" && f.State != host.OK {
			fmt.Fprintf(a.stdout, "%-4s  %-*s  fix: %s\n", "", width, "", f.Fix)
		}
	}
	switch worst {
	case host.OK:
		fmt.Fprintln(a.stdout, "This machine has everything; try: vpcsim demo")
	case host.Warn:
		fmt.Fprintln(a.stdout, "Labs run on this machine; try: vpcsim demo")
	default:
		fmt.Fprintln(a.stdout, "No lab can run on this machine as it is.")
	}
}
