package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

// downLimit is how long a lab may take to end. Most of it is for flow logs and
// connection logs that have to be in their files; without them it takes milliseconds.
const downLimit = 15 * time.Second

func (a *app) downCommand() *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:   "down [NAME]",
		Short: "Take a lab down",
		Long: `Take a lab down: its programs end, and its namespaces and interfaces go with it.
Without NAME the only lab that runs is meant. Nothing else of the machine is
touched.`,
		Example: `  vpcsim down
  vpcsim down quickstart
  vpcsim down --all`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeLabs(cmd, args, toComplete)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := a.labsToTakeDown(args, all)
			if err != nil {
				return err
			}
			var errs []error // one lab that does not end must not keep the others up
			for _, name := range names {
				errs = append(errs, a.takeDown(cmd.Context(), name))
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "take down every lab of yours that runs")
	return c
}

// labsToTakeDown are named by an argument or --lab. None running is no mistake with
// --all, which scripts call to be sure.
func (a *app) labsToTakeDown(args []string, all bool) ([]string, error) {
	if all {
		if len(args) > 0 {
			return nil, usage("--all and a name", "write one of the two")
		}
		names, err := lab.Lasting() // a check ends its own
		if err == nil && len(names) == 0 {
			fmt.Fprintln(a.stdout, "No lab is running.")
		}
		return names, err
	}
	name := a.lab
	if len(args) > 0 {
		name = args[0]
	}
	name, err := lab.Select(name)
	return []string{name}, err
}

func (a *app) takeDown(ctx context.Context, name string) error {
	client, err := lab.Connect(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	if err := client.Down(ctx); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "Lab %s is down.\n", name)
	return nil
}
