package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

// app is what every command shares: the standard files and the global flags.
type app struct {
	stdin          *os.File
	stdout, stderr io.Writer

	lab       string
	logFormat string
	verbose   bool
}

// labVariable names the environment variable that stands in for --lab.
const labVariable = "VPCSIM_LAB"

// main runs a command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(a.stderr, "vpcsim: internal error: %v; please report it with what follows\n%s", p, debug.Stack())
			code = exitInternal
		}
	}()
	root := a.command()
	root.SetArgs(args)
	ran := false
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		ran = true
		if a.logFormat != "text" && a.logFormat != "json" {
			return usage(fmt.Sprintf("--log-format %q is none", a.logFormat), "write text or json")
		}
		return nil
	}
	ended, err := root.ExecuteContextC(ctx)
	var ours *lab.UsageError
	if err != nil && !ran && !errors.As(err, &ours) { // cobra's own, about a flag
		err = usage(parserWords.ReplaceAllString(strings.TrimSpace(err.Error()), ""), "see "+ended.CommandPath()+" --help")
	}
	return report(a.stderr, err)
}

// parserWords are what Go's parser of numbers says of itself, before what is wrong.
var parserWords = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": `)

// command is the whole tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "vpcsim",
		Short: "AWS networks on one Linux machine, packet by packet",
		Long: `vpcsim puts an AWS network on one Linux machine and moves real packets through
it. Instances are network namespaces in which ordinary programs run; a forwarding
core applies route tables, security groups, network ACLs and gateways to every
packet, and can say why it dropped one. No root is needed, and nothing of the
machine's own network is touched.`,
		Example: `  vpcsim demo                          see it work, in a few seconds
  vpcsim up quickstart                 bring up an embedded scenario, or a file
  vpcsim exec laptop -- ping -c 3 web  run any program inside an instance
  vpcsim trace laptop web tcp/22       every hop of a packet, and what decided`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		// Without a function of its own, cobra takes a wrong word for help.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.DisableDefaultCmd = true // ours is in a group, and says how to use it
	flags := root.PersistentFlags()
	flags.StringVarP(&a.lab, "lab", "l", os.Getenv(labVariable), "which lab, by `name`, if several run (or $"+labVariable+")")
	flags.Lookup("lab").DefValue = "" // help must not depend on the environment
	flags.StringVar(&a.logFormat, "log-format", "text", "how logs are written: text or json")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more")
	_ = root.RegisterFlagCompletionFunc("lab", completeLabs) // fails only for a flag that is not there

	root.AddGroup(
		&cobra.Group{ID: groupLab, Title: "Labs:"},
		&cobra.Group{ID: groupLook, Title: "Inside a lab:"},
		&cobra.Group{ID: groupFile, Title: "Scenario files:"},
		&cobra.Group{ID: groupTool, Title: "This machine and this program:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupLab, a.demoCommand(), a.upCommand(), a.applyCommand(), a.planCommand(), a.downCommand(), a.lsCommand())
	add(groupLook, a.execCommand(), a.shellCommand(), a.traceCommand(), a.captureCommand(), a.checkCommand(), a.getCommand(), a.peeringCommand(), a.transitGatewayCommand(), a.linkCommand(), a.vpnCommand(), a.clientVPNCommand(), a.faultCommand(), a.flowLogsCommand(), a.alarmsCommand(), a.topCommand(), a.metricsCommand(), a.serveCommand(), a.awsCommand(),
		a.clientConfigCommand(), a.endpointCommand())
	add(groupFile, a.scenariosCommand(), a.validateCommand(), a.schemaCommand())
	add(groupTool, a.doctorCommand(), a.benchCommand(), a.versionCommand(), a.completionCommand())
	root.SetHelpCommandGroupID(groupTool)
	root.AddCommand(a.docsCommand())
	explainArguments(root)
	a.fitHelp(root)
	return root
}

// The groups of the root's help.
const (
	groupLab  = "lab"
	groupLook = "look"
	groupFile = "file"
	groupTool = "tool"
)

// connect returns a client of the lab that is meant.
func (a *app) connect() (*lab.Client, error) { return lab.Connect(a.lab) }

// connectWorld is connect, and the lab's world as it is now.
func (a *app) connectWorld(ctx context.Context) (*lab.Client, *control.World, error) {
	client, err := a.connect()
	if err != nil {
		return nil, nil, err
	}
	w, err := client.World(ctx)
	return client, w, err
}

// logConfig is what a daemon is to log from level on.
func (a *app) logConfig(level slog.Level) lab.LogConfig {
	if a.verbose {
		level = slog.LevelDebug
	}
	return lab.LogConfig{Format: a.logFormat, Level: level}
}

// isTerminal reports whether somebody watches w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
