package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) applyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Change a running lab into what a file says",
		Long: `Change the running lab into what FILE says, all or nothing: if anything in the
file does not hold, the lab goes on as it was. What the file does not change is
not touched, and tracked connections go on, as on AWS. The lab is the one that is
called as the file says, or as --lab says.`,
		Example: `  vpcsim apply my-lab.yaml
  vpcsim plan my-lab.yaml && vpcsim apply my-lab.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.planOrApply(cmd.Context(), args[0], (*lab.Client).Apply)
			if err != nil {
				return err
			}
			return a.writeApplied(plan, output(cmd))
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

// writeApplied says what has changed in a running lab.
func (a *app) writeApplied(plan *lab.Plan, format string) (err error) {
	if format == formatJSON {
		err = writeJSON(a.stdout, plan)
	} else {
		fmt.Fprint(a.stdout, plan.Text)
		if len(plan.Changes) > 0 {
			fmt.Fprintf(a.stdout, "Applied: revision %d.\n", plan.Revision)
		}
	}
	for _, warning := range plan.Warnings {
		fmt.Fprintln(a.stderr, "vpcsim: applied, but:", warning)
	}
	if err == nil && len(plan.Warnings) > 0 {
		return exitWith(exitFailed)
	}
	return err
}

func (a *app) planCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Show what apply would change, and why it matters",
		Long: `Show what "vpcsim apply FILE" would change in the running lab, resource by
resource, and what each change means for packets. Nothing is changed. What stands in
brackets, such as (S23), is AWS's behaviour by its row in docs/fidelity.md.`,
		Example: `  vpcsim plan my-lab.yaml
  vpcsim plan my-lab.yaml -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.planOrApply(cmd.Context(), args[0], (*lab.Client).Plan)
			if err != nil {
				return err
			}
			if output(cmd) == formatJSON {
				return writeJSON(a.stdout, plan)
			}
			fmt.Fprint(a.stdout, plan.Text)
			return nil
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

// planOrApply sends a file to the lab that it is about.
func (a *app) planOrApply(ctx context.Context, argument string, send func(*lab.Client, context.Context, lab.File) (*lab.Plan, error)) (*lab.Plan, error) {
	file, err := a.openScenario(argument)
	if err != nil {
		return nil, err
	}
	name := a.lab
	if name == "" {
		// All problems of the file are found here, on the way to its name.
		w, err := lab.OpenFile(file)
		if err != nil {
			return nil, err
		}
		name = w.Name
	}
	client, err := lab.Connect(name)
	if err != nil {
		return nil, err
	}
	return send(client, ctx, file)
}
