package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

func (a *app) faultCommand() *cobra.Command {
	direction := ""
	c := &cobra.Command{
		Use:   "fault [KIND NAME]",
		Short: "Break something in a running lab, and see what AWS would do",
		Long: `Break something in the running lab, or list what is broken. A fault is a state of
the lab: routes become blackholes or move, a transit gateway uses other zones,
instances are gone with their programs, until the fault is cleared or a file is
applied that does not have it. KIND is one of:

` + faultKindList() + `
Faults can stand in a scenario file too: under faults:, or for one check with fault:.`,
		Example: `  vpcsim fault
  vpcsim fault az us-east-1a
  vpcsim fault natGateway nat
  vpcsim fault link us-east-1/eu-west-1 --direction forward
  vpcsim fault clear --all`,
		Args:              cobra.MatchAll(cobra.MaximumNArgs(2), noneOrTwo),
		ValidArgsFunction: a.completeFaults(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listFaults(cmd.Context(), output(cmd))
			}
			return a.operate(cmd.Context(), faultOperation("inject", args, direction), output(cmd), nil)
		},
	}
	c.Flags().StringVar(&direction, "direction", "", "cut a link only `forward` or reverse; both unless given")
	_ = c.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON)
	c.AddCommand(a.faultClearCommand())
	return c
}

// faultKindList is the table of help: what can break, and what follows.
func faultKindList() string {
	var b strings.Builder
	words, does := control.FaultKinds()
	for _, word := range words {
		fmt.Fprintf(&b, "  %-25s %s\n", word, does[word])
	}
	return b.String()
}

func noneOrTwo(_ *cobra.Command, args []string) error {
	if len(args) == 1 {
		return usage(fmt.Sprintf("%s of which name?", args[0]), "write a kind and a name, such as: vpcsim fault az us-east-1a")
	}
	return nil
}

func (a *app) listFaults(ctx context.Context, format string) error {
	_, w, err := a.connectWorld(ctx)
	if err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(a.stdout, append(control.Faults{}, w.Faults...))
	}
	if len(w.Faults) == 0 {
		fmt.Fprintln(a.stdout, "Nothing is broken.")
		return nil
	}
	_, does := control.FaultKinds()
	var rows [][]string
	for _, f := range w.Faults {
		rows = append(rows, []string{f.Kind, f.Name, f.Direction, does[f.Kind]})
	}
	writeTable(a.stdout, []string{"KIND", "NAME", "DIRECTION", "WHAT FOLLOWS"}, rows)
	return nil
}

func (a *app) faultClearCommand() *cobra.Command {
	direction, everything := "", false
	c := &cobra.Command{
		Use:   "clear KIND NAME | --all",
		Short: "Repair something that a fault broke",
		Long: `Take away one fault, or all. What had failed over comes back at once; instances
start their programs anew.`,
		Example: `  vpcsim fault clear az us-east-1a
  vpcsim fault clear --all`,
		Args:              cobra.MatchAll(cobra.MaximumNArgs(2), noneOrTwo),
		ValidArgsFunction: a.completeFaults(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if everything == (len(args) > 0) {
				return usage("no fault to clear", "write its kind and name, as vpcsim fault lists them, or --all")
			}
			op := control.Operation{Kind: "faults", Action: "clear"}
			if len(args) > 0 {
				op = faultOperation("clear", args, direction)
			}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&direction, "direction", "", "repair a link only `forward` or reverse; both unless given")
	c.Flags().BoolVar(&everything, "all", false, "all faults")
	_ = c.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(c, formatText, formatJSON)
	return c
}

func faultOperation(action string, args []string, direction string) control.Operation {
	return control.Operation{Kind: "faults", Name: args[1], Action: action, Parameters: map[string]string{"kind": args[0], "direction": direction}}
}

// completeFaults offers kinds, then what there is of one.
func (a *app) completeFaults() completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			words, _ := control.FaultKinds()
			return words, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeWorld(func(w *control.World, args []string) []string {
			if len(args) > 1 {
				return nil
			}
			return control.FaultNames(w, args[0])
		})(cmd, args, toComplete)
	}
}
