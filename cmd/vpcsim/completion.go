package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for your shell",
		Long: `Print a script that teaches your shell to complete commands, flags, and the names
of labs, scenarios, instances and kinds. SHELL is bash, zsh or fish.`,
		Example: `  source <(vpcsim completion bash)
  vpcsim completion zsh > "${fpath[1]}/_vpcsim"
  vpcsim completion fish > ~/.config/fish/completions/vpcsim.fish`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usage(fmt.Sprintf("no completion for %q", args[0]), "write bash, zsh or fish")
		},
	}
}
