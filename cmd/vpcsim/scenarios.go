package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
	"github.com/vpcsim/vpcsim/scenarios"
)

func (a *app) scenariosCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "scenarios",
		Short: "List the embedded scenarios, or print one",
		Long: `List the scenarios that are embedded in this program. Their names can stand
wherever a FILE is asked for; to change one, print it to a file first.`,
		Example: `  vpcsim scenarios
  vpcsim scenarios show quickstart > my-lab.yaml`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			var rows [][]string
			for _, name := range scenarios.Names() {
				file, text, err := scenarios.Read(name)
				if err != nil {
					return err
				}
				w, err := lab.OpenFile(lab.File{Name: file, Source: string(text)})
				if err != nil {
					return err
				}
				rows = append(rows, []string{name, strconv.Itoa(len(w.Instances)), strconv.Itoa(len(w.Checks)), w.Description})
			}
			writeTable(a.stdout, []string{"NAME", "INSTANCES", "CHECKS", "WHAT IT SHOWS"}, rows)
			return nil
		},
	}
	c.AddCommand(&cobra.Command{
		Use:     "show NAME",
		Short:   "Print an embedded scenario",
		Long:    `Print the file of an embedded scenario, as it is, comments and all.`,
		Example: `  vpcsim scenarios show quickstart`,
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			words, _ := completeScenarios(cmd, args, toComplete)
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			_, text, err := scenarios.Read(args[0])
			if err != nil {
				what := fmt.Sprintf("there is no embedded scenario %q", args[0])
				if near := lab.Closest(args[0], scenarios.Names()); near != "" {
					return &exitError{exitFailed, fmt.Sprintf("%s; did you mean %s?", what, near)}
				}
				return &exitError{exitFailed, fmt.Sprintf("%s; there is %s", what, strings.Join(scenarios.Names(), ", "))}
			}
			_, err = a.stdout.Write(text)
			return err
		},
	})
	return c
}
