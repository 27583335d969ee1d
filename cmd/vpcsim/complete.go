package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/scenarios"
)

// Functions for shell completion. They must answer at once, and say nothing when
// something is wrong: the command itself will.

type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

func completeLabs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := lab.Names()
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeScenarios offers embedded scenarios and the shell's own files.
func completeScenarios(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return scenarios.Names(), cobra.ShellCompDirectiveDefault
}

// completeWorld offers what pick finds in the world of the lab that is meant.
func (a *app) completeWorld(pick func(w *control.World, args []string) []string) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, w, err := a.connectWorld(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pick(w, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst offers the names of a kind for the first argument, and nothing for
// others.
func (a *app) completeFirst(plural string) completion {
	return a.completeWorld(func(w *control.World, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		k, _ := kindNamed(plural)
		return k.Names(w)
	})
}

// completeNodes offers, for the first argument, the names that programs can run
// under; the rest is the program's, which the shell knows better.
func (a *app) completeNodes() completion {
	inner := a.completeWorld(func(w *control.World, _ []string) []string { return lab.NodeNames(w) })
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return inner(cmd, args, toComplete)
	}
}
