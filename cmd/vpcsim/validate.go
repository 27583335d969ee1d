package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) validateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Report everything that is wrong with a scenario file",
		Long: `Report everything that is wrong with scenario files, each problem with its line
and column, AWS's error code where there is one, and what to do. Nothing is
started, and no lab is needed. Exit code 0: all files are valid; 1: one is not.`,
		Example: `  vpcsim validate my-lab.yaml
  vpcsim validate -o json labs/*.yaml`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.validate(args, output(cmd) == formatJSON)
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

// validate reads every file before it ends, whatever the first has: CI wants all
// problems of all files in one run. They go to the standard output, being what was
// asked for.
func (a *app) validate(arguments []string, asJSON bool) error {
	all := []lab.Problem{}
	for _, argument := range arguments {
		file, err := a.openScenario(argument)
		if err != nil {
			return err
		}
		w, err := lab.OpenFile(file)
		var problems control.Problems
		switch {
		case errors.As(err, &problems):
			all = append(all, lab.ProblemList(problems)...)
			if !asJSON {
				fmt.Fprintln(a.stdout, problems.Error())
			}
		case err != nil:
			return err
		case !asJSON:
			fmt.Fprintf(a.stdout, "%s: valid (%s)\n", file.Name, contents(w))
		}
	}
	if asJSON {
		if err := writeJSON(a.stdout, all); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		return exitWith(exitFailed)
	}
	return nil
}

// contents counts what a file has.
func contents(w *control.World) string {
	list := []string{
		counted(len(w.VPCs), "VPC"), counted(len(w.Subnets), "subnet"), counted(len(w.Instances), "instance"),
		counted(len(w.InternetHosts), "Internet host"), counted(len(w.Checks), "check"),
	}
	return strings.Join(list, ", ")
}
