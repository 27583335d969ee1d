package main

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) execCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "exec INSTANCE [--] COMMAND [ARGUMENT...]",
		Short: "Run a program inside an instance",
		Long: `Run any program of this machine inside an instance, or at a machine outside of AWS:
an Internet host, a site's router or host, a VPN client. It has the network, the
host name and the /etc/hosts of that one, and your files and terminal. The program's
exit code is passed on; 127 means that there is no such program, 125 that the
instance could not be entered.`,
		Example: `  vpcsim exec laptop -- curl http://web
  vpcsim exec web -- ip -brief address
  vpcsim exec db -- tcpdump -ni eth0
  vpcsim exec web -- python3 -m http.server 8080 &`,
		Args: func(_ *cobra.Command, args []string) error {
			switch len(commandLine(args)) {
			case 0:
				return usage("no instance given", "write: vpcsim exec INSTANCE -- COMMAND")
			case 1:
				return usage("no command given", "write: vpcsim exec "+args[0]+" -- COMMAND, or: vpcsim shell "+args[0])
			}
			return nil
		},
		ValidArgsFunction: a.completeNodes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			args = commandLine(args)
			return a.exec(cmd, args[0], args[1:])
		},
	}
	// Flags behind the instance are the program's, with or without "--".
	c.Flags().SetInterspersed(false)
	return c
}

// commandLine takes out the "--" that may stand behind the instance.
func commandLine(args []string) []string {
	if len(args) > 1 && args[1] == "--" {
		return slices.Delete(slices.Clone(args), 1, 2)
	}
	return args
}

func (a *app) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shell INSTANCE",
		Short: "Open a shell inside an instance",
		Long: `Open a shell inside an instance, or at a machine outside of AWS: $SHELL, or /bin/sh.
It is "vpcsim exec" with a shell; several can be open at once.`,
		Example:           `  vpcsim shell web`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNodes(),
		RunE: func(cmd *cobra.Command, args []string) error {
			shell := os.Getenv("SHELL")
			if shell == "" {
				shell = "/bin/sh"
			}
			return a.exec(cmd, args[0], []string{shell})
		},
	}
}

func (a *app) exec(cmd *cobra.Command, node string, command []string) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	stdout, _ := a.stdout.(*os.File)
	stderr, _ := a.stderr.(*os.File)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	request := lab.ExecRequest{
		Node: node, Args: command, Env: os.Environ(), Dir: dir,
		Terminal: isTerminal(a.stdin) && isTerminal(a.stdout),
	}
	// Not the command's context: Ctrl-C is for the program.
	code, err := client.Exec(context.WithoutCancel(cmd.Context()), request, a.stdin, stdout, stderr)
	if err == nil && code != 0 {
		return exitWith(code)
	}
	return err
}
