package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

// explainArguments makes every command say in words what is wrong with its arguments
// and how it is written. Cobra's own answer, "accepts between 2 and 3 arg(s)", counts
// them and leaves the rest to the reader.
func explainArguments(c *cobra.Command) {
	if takes := c.Args; takes != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := takes(cmd, args)
			var ours *lab.UsageError
			if err == nil || errors.As(err, &ours) {
				return err
			}
			return wrongArguments(cmd, takes, args)
		}
	}
	for _, sub := range c.Commands() {
		explainArguments(sub)
	}
}

func wrongArguments(cmd *cobra.Command, takes cobra.PositionalArgs, args []string) error {
	if cmd.HasSubCommands() && len(args) > 0 { // a word that should have been one of them
		hint := "see " + cmd.CommandPath() + " --help"
		cmd.SuggestionsMinimumDistance = 2 // two letters off, as for the names of a lab
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), near[0])
		}
		return usage(fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath()), hint)
	}
	write := "write " + strings.TrimSuffix(cmd.UseLine(), " [flags]") + ", or see " + cmd.CommandPath() + " --help"
	if missing(cmd, takes, args) {
		return usage("an argument is missing", write)
	}
	// The longest beginning that would do tells the first that is too many.
	for n := len(args) - 1; n >= 0; n-- {
		if takes(cmd, args[:n]) == nil {
			return usage(fmt.Sprintf("%q is one argument too many", args[n]), write)
		}
	}
	return usage(fmt.Sprintf("%s takes other arguments", cmd.CommandPath()), write)
}

// missing reports whether further arguments would mend it.
func missing(cmd *cobra.Command, takes cobra.PositionalArgs, args []string) bool {
	const most = 3 // no command needs more
	more := slices.Clone(args)
	for range most {
		more = append(more, "x")
		if takes(cmd, more) == nil {
			return true
		}
	}
	return false
}
