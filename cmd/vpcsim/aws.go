package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func (a *app) awsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "aws [--] ARGUMENT...",
		Short: "Run the AWS CLI against a lab",
		Long: `Run the AWS CLI of this machine with everything set so that it asks the running
lab, on an address that exists for as long as it runs. What a lab answers:

  aws logs        describe-log-groups, describe-log-streams, get-log-events,
                  filter-log-events, tail (version 2 of the CLI),
                  describe-metric-filters, test-metric-filter
  aws cloudwatch  describe-alarms, describe-alarms-for-metric,
                  describe-alarm-history, set-alarm-state, list-metrics,
                  get-metric-statistics, get-metric-data
  aws ec2         describe-flow-logs, describe-client-vpn-connections
  aws sts         get-caller-identity`,
		Example: `  vpcsim aws logs tail /aws/vpc/flowlogs --follow
  vpcsim aws logs filter-log-events --log-group-name /aws/vpc/flowlogs \
      --filter-pattern '[..., action=REJECT, status]'
  vpcsim aws cloudwatch describe-alarms`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && args[0] == "--" {
				return usage("no command of the AWS CLI given", "write: vpcsim aws logs tail /aws/vpc/flowlogs")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "--" {
				args = args[1:]
			}
			return a.aws(cmd.Context(), args)
		},
	}
	// Flags behind the first word are the AWS CLI's.
	c.Flags().SetInterspersed(false)
	return c
}

func (a *app) aws(ctx context.Context, args []string) error {
	program, err := exec.LookPath("aws")
	if err != nil {
		return &exitError{exitNotFound, "the AWS CLI is not installed: Debian's package is awscli; any client of AWS can ask after: eval \"$(vpcsim serve)\""}
	}
	client, world, err := a.connectWorld(ctx)
	if err != nil {
		return err
	}
	listener, err := listenFor("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	stop, err := client.Serve(ctx, listener, false)
	if err != nil {
		return err
	}
	defer stop()
	// Not with ctx: the CLI gets Ctrl-C from the terminal, too, and ends by itself.
	address := listener.Addr().(*net.TCPAddr)
	// Said on the command line, too: version 2 before 2.13 does not know the variable.
	command := exec.Command(program, append([]string{"--endpoint-url", "http://" + address.String()}, args...)...)
	command.Env = awsEnvironment(os.Environ(), awsVariables(address, world.Region))
	command.Stdin, command.Stdout, command.Stderr = a.stdin, a.stdout, a.stderr
	if err := command.Start(); err != nil {
		return &exitError{exitNotFound, fmt.Sprintf("the AWS CLI cannot be run: %v", err)}
	}
	stopPassing := passOn(command.Process, syscall.SIGTERM, syscall.SIGHUP)
	err = command.Wait()
	stopPassing()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ended) && ended.ExitCode() >= 0:
		return exitWith(ended.ExitCode())
	case ctx.Err() != nil:
		return exitWith(exitInterrupted)
	}
	return err
}

// exitNotFound is what a shell says of a program that is not there.
const exitNotFound = 127

// passOn passes signals on to a program until the returned function is called.
func passOn(process *os.Process, signals ...os.Signal) (stop func()) {
	seen := make(chan os.Signal, 1)
	signal.Notify(seen, signals...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range seen {
			_ = process.Signal(s) // fails once it has ended
		}
	}()
	return func() {
		signal.Stop(seen)
		close(seen)
		<-done
	}
}

// awsEnvironment is an environment without what could lead the CLI elsewhere: other
// endpoints, profiles, sessions, and a proxy for an address of this machine.
func awsEnvironment(environment, variables []string) []string {
	elsewhere := []string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_REGION",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
	}
	var kept []string
	proxies := ""
	for _, v := range environment {
		name, value, _ := strings.Cut(v, "=")
		dropped := slices.Contains(elsewhere, name) || strings.HasPrefix(name, "AWS_ENDPOINT_URL")
		if strings.EqualFold(name, "NO_PROXY") {
			proxies, dropped = value+",", true
		}
		if !dropped {
			kept = append(kept, v)
		}
	}
	kept = append(kept, variables...)
	return append(kept, "NO_PROXY="+proxies+"127.0.0.1", "no_proxy="+proxies+"127.0.0.1")
}
