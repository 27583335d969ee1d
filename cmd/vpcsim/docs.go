package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// docsCommand writes the references that are committed as docs/commands.md and
// docs/scenario-file.md. A test holds them together.
func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs DIR",
		Short:  "Write commands.md and scenario-file.md, the references",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var commands, file bytes.Buffer
			writeReference(&commands, cmd.Root())
			if err := writeScenarioFile(&file); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(args[0], "commands.md"), commands.Bytes(), 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(args[0], "scenario-file.md"), file.Bytes(), 0o644)
		},
	}
}

// writeReference is every command's help in one page, in the order of help.
func writeReference(w io.Writer, root *cobra.Command) {
	fmt.Fprint(w, "# Commands\n\n<!-- Written by `vpcsim docs docs`; change the command's own help instead. -->\n\n")
	fmt.Fprintf(w, "%s\n\n```text\n%s\n```\n\n", root.Long, strings.TrimRight(root.Example, "\n"))
	fmt.Fprint(w, "## Flags of every command\n\n")
	writeFlags(w, root.PersistentFlags())
	fmt.Fprint(w, `## Exit codes

| code | meaning |
|---|---|
| 0 | done; all checks hold; the packet passes |
| 1 | what was asked for failed, a check does not hold, the packet is dropped |
| 2 | there was nothing to check |
| 64 | the command line is wrong |
| 69 | the machine does not allow what a lab needs: see `+"`vpcsim doctor`"+` |
| 70 | a bug in vpcsim |

`+"`vpcsim exec` and `vpcsim shell`"+` pass on the exit code of the program.

`)
	for _, group := range root.Groups() {
		fmt.Fprintf(w, "## %s\n\n", strings.TrimSuffix(group.Title, ":"))
		for _, c := range root.Commands() {
			if c.GroupID == group.ID && c.IsAvailableCommand() && c.Name() != "help" {
				writeCommand(w, c)
			}
		}
	}
}

func writeCommand(w io.Writer, c *cobra.Command) {
	fmt.Fprintf(w, "### %s\n\n%s.\n\n```text\n%s\n```\n\n", c.CommandPath(), c.Short, c.UseLine())
	if c.Long != "" {
		fmt.Fprintf(w, "%s\n\n", c.Long)
	}
	if c.Example != "" {
		fmt.Fprintf(w, "```text\n%s\n```\n\n", strings.TrimRight(c.Example, "\n"))
	}
	writeFlags(w, c.LocalNonPersistentFlags())
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			writeCommand(w, sub)
		}
	}
}

func writeFlags(w io.Writer, flags *pflag.FlagSet) {
	any := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		any = true
		name, text := pflag.UnquoteUsage(f)
		flag := "`--" + f.Name
		if name != "" {
			flag += " " + name
		}
		flag += "`"
		if f.Shorthand != "" {
			flag += ", `-" + f.Shorthand + "`"
		}
		if f.DefValue != "" && f.DefValue != "false" {
			text += fmt.Sprintf(" (default `%s`)", f.DefValue)
		}
		fmt.Fprintf(w, "- %s: %s\n", flag, text)
	})
	if any {
		fmt.Fprintln(w)
	}
}
