package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// defaultListen is where tools look for an emulated AWS.
const defaultListen = "127.0.0.1:4566"

func (a *app) serveCommand() *cobra.Command {
	listen, stop := defaultListen, false
	c := &cobra.Command{
		Use:   "serve",
		Short: "Let AWS's own clients ask a lab: logs, metrics, alarms",
		Long: `Answer AWS's clients (aws, boto3, Terraform's data sources) on an address of this
machine, until the lab ends: CloudWatch Logs with the records of flow logs,
CloudWatch with metrics and alarms, and EC2's DescribeFlowLogs and
DescribeClientVpnConnections. The same address has /metrics for Prometheus. What is
printed on the standard output is for the shell; clients may have any credentials,
which nobody looks at. AWS_ENDPOINT_URL is known to the AWS CLI from 2.13 and 1.29
on; vpcsim aws works with older ones, too.

A lab's network is not this machine's: nothing else of the lab can be reached here.`,
		Example: `  eval "$(vpcsim serve)"
  aws logs tail /aws/vpc/flowlogs --follow
  aws cloudwatch describe-alarms
  vpcsim serve --stop`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stop {
				return a.serveStop(cmd.Context())
			}
			return a.serve(cmd.Context(), listen)
		},
	}
	c.Flags().StringVar(&listen, "listen", defaultListen, "`address` and port; port 0 is any that is free")
	c.Flags().BoolVar(&stop, "stop", false, "end what was started before")
	return c
}

// serve writes for people to the standard error, and for eval to the standard output.
func (a *app) serve(ctx context.Context, listen string) error {
	client, world, err := a.connectWorld(ctx)
	if err != nil {
		return err
	}
	served, err := client.Served(ctx)
	if err != nil {
		return err
	}
	address := addressOf(listen)
	if address == nil || !slices.Contains(served, address.String()) { // a second terminal wants the variables, not an error
		listener, err := listenFor(listen)
		if err != nil {
			return err
		}
		defer listener.Close() // the lab has its own
		if _, err := client.Serve(ctx, listener, true); err != nil {
			return err
		}
		address = listener.Addr().(*net.TCPAddr)
	}
	fmt.Fprintf(a.stderr, "Lab %s answers AWS's clients on http://%s until it ends, or: vpcsim serve --stop\n", client.Name(), address)
	if !address.IP.IsLoopback() {
		fmt.Fprintln(a.stderr, "Whoever reaches that address can read the lab's flow logs: there is no password.")
	}
	fmt.Fprintln(a.stdout, "export "+strings.Join(awsVariables(address, world.Region), " "))
	return nil
}

func (a *app) serveStop(ctx context.Context) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	addresses, err := client.ServeStop(ctx)
	if err != nil {
		return err
	}
	if len(addresses) == 0 {
		return &exitError{exitNothing, fmt.Sprintf("lab %s does not answer AWS's clients; vpcsim serve makes it", client.Name())}
	}
	for _, address := range addresses {
		fmt.Fprintf(a.stdout, "Lab %s no longer answers on %s.\n", client.Name(), address)
	}
	return nil
}

// addressOf is what --listen says, if it says it in full: an address and a port that is
// not 0; nil otherwise.
func addressOf(listen string) *net.TCPAddr {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || at.Port() == 0 {
		return nil
	}
	return net.TCPAddrFromAddrPort(at)
}

// listenFor opens an address of the machine that the user sits at: a lab's own network
// has no way to it, which is why the lab is lent the socket.
func listenFor(address string) (*net.TCPListener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usage(fmt.Sprintf("--listen %q is no address with a port", address), "write "+defaultListen)
	}
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener.(*net.TCPListener), nil
	// Each says what to write instead: whoever starts a server for the first time meets
	// one of these.
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &exitError{exitFailed, fmt.Sprintf("port %s of %s is taken by another program, or another lab; take another: vpcsim serve --listen %s", port, host, net.JoinHostPort(host, "0"))}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, usage(fmt.Sprintf("this machine has no address %s", host), "write "+defaultListen)
	case errors.Is(err, syscall.EACCES):
		return nil, usage(fmt.Sprintf("port %s is not this user's to have", port), "write one above 1023, such as "+defaultListen)
	}
	return nil, usage(fmt.Sprintf("--listen %s: %v", address, err), "write "+defaultListen)
}

// awsVariables lead AWS's clients to an address. An unspecified one is reached by the
// machine's own.
func awsVariables(address *net.TCPAddr, region string) []string {
	to := *address
	if to.IP.IsUnspecified() {
		to.IP = net.IPv4(127, 0, 0, 1)
	}
	return []string{
		"AWS_ENDPOINT_URL=http://" + to.String(), "AWS_ACCESS_KEY_ID=vpcsim", "AWS_SECRET_ACCESS_KEY=vpcsim", "AWS_DEFAULT_REGION=" + region,
	}
}
