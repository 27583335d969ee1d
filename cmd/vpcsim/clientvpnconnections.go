package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control/awsapi"
	"github.com/vpcsim/vpcsim/control/lab"
)

// clientConnectionWords are what get calls connections of Client VPN clients: they
// are no resources of a file, and come and go while the lab runs.
var clientConnectionWords = []string{"clientVpnConnections", "clientVpnConnection"}

func isClientConnections(word string) bool {
	return slices.ContainsFunc(clientConnectionWords, func(w string) bool { return strings.EqualFold(w, word) })
}

// getClientConnections shows connections: all, or those of a client, an endpoint, or
// the one with an ID.
func (a *app) getClientConnections(ctx context.Context, name, format string) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	list, err := client.ClientConnections(ctx)
	if err != nil {
		return err
	}
	if name != "" {
		list = slices.DeleteFunc(list, func(c lab.ClientVPNConnection) bool {
			return !c.Has(name) && !slices.Contains([]string{c.Client, c.ConnectionID, c.Endpoint, c.EndpointID}, name)
		})
	}
	now := time.Now()
	switch format {
	case formatJSON:
		return writeJSON(a.stdout, awsConnections(list, now))
	case formatYAML:
		return writeYAML(a.stdout, awsConnections(list, now))
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "No client is connected, nor was one in the last hour.")
		return nil
	}
	header, rows := clientConnectionTable(list, now, format == formatWide)
	writeTable(a.stdout, header, rows)
	return nil
}

func clientConnectionTable(list []lab.ClientVPNConnection, now time.Time, wide bool) (header []string, rows [][]string) {
	for _, c := range list {
		header = header[:0]
		var row []string
		add := func(title, cell string) { header, row = append(header, title), append(row, cell) }
		add("CLIENT", c.Client)
		add("ENDPOINT", c.Endpoint)
		add("STATUS", c.Status)
		add("GROUPS", strings.Join(c.Groups, ","))
		add("ADDRESS", addresses([]netip.Addr{c.Address, c.IPv6}))
		add("ASSOCIATION", c.Association)
		add("CALLS FROM", c.Peer.String())
		add("SINCE", c.Established.Local().Format(time.TimeOnly))
		add("HANDSHAKE", now.Sub(c.LastHandshake).Round(time.Second).String()+" ago")
		add("BYTES IN", strconv.FormatUint(c.IngressBytes, 10))
		add("BYTES OUT", strconv.FormatUint(c.EgressBytes, 10))
		add("WHY", c.Message)
		if wide {
			add("ID", c.ConnectionID)
			add("PACKETS IN", strconv.FormatUint(c.IngressPackets, 10))
			add("PACKETS OUT", strconv.FormatUint(c.EgressPackets, 10))
			ended := ""
			if !c.Ended.IsZero() {
				ended = c.Ended.Local().Format(time.TimeOnly)
			}
			add("ENDED", ended)
		}
		rows = append(rows, row)
	}
	return header, rows
}

// awsConnection is ClientVpnConnection as DescribeClientVpnConnections answers it,
// numbers as text included, and behind it what only the lab knows.
type awsConnection struct {
	awsapi.ClientVPNConnection

	Groups        []string
	Association   string
	CallsFrom     string
	LastHandshake string
}

func awsConnections(list []lab.ClientVPNConnection, now time.Time) any {
	answer := struct{ Connections []awsConnection }{[]awsConnection{}}
	for i := range list {
		c := &list[i]
		answer.Connections = append(answer.Connections, awsConnection{
			ClientVPNConnection: c.Described(now), Groups: c.Groups, Association: c.Association, CallsFrom: c.Peer.String(),
			LastHandshake: c.LastHandshake.UTC().Format(time.DateTime),
		})
	}
	return answer
}

func (a *app) clientVPNCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "client-vpn",
		Short: "End clients' connections, and read their connection logs",
		Long: `End connections of Client VPN clients in the running lab, and read the connection
logs of its endpoints. Who is connected: vpcsim get clientVpnConnections.`,
		Example: `  vpcsim get clientVpnConnections
  vpcsim client-vpn terminate anna
  vpcsim client-vpn log corp -f`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.clientTerminateCommand(), a.clientReconnectCommand(), a.clientLogCommand())
	return c
}

func (a *app) clientTerminateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "terminate CLIENT",
		Short: "End a client's connection, as TerminateClientVpnConnections does",
		Long: `End a client's connection at once: what it sends is not taken any more, until both
ends have agreed on new keys. CLIENT is its name, its address in the tunnel, or the
connection's ID. The client may connect again, as on AWS. A WireGuard client does so
by itself: 15 seconds after it has sent something that nobody answered, or when it
renews its keys, after two minutes at most. To keep a client out, remove it from the
file.`,
		Example:           `  vpcsim client-vpn terminate anna`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst("vpnClients"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			c, err := client.Terminate(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Connection %s of %s to %s has ended after %s.\n",
				c.ConnectionID, c.Client, c.Endpoint, c.Ended.Sub(c.Established).Round(time.Second))
			return nil
		},
	}
}

func (a *app) clientReconnectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reconnect CLIENT",
		Short: "Let a client connect again whose session timeout was reached",
		Long: `Do what a client's user does when the client program says that the session is over:
connect again. Only an endpoint with disconnectOnSessionTimeout, which AWS has unless
told otherwise, asks for it.`,
		Example:           `  vpcsim client-vpn reconnect anna`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFirst("vpnClients"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			held, err := client.Reconnect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if !held {
				fmt.Fprintf(a.stdout, "%s may connect: no session timeout keeps it out.\n", args[0])
				return nil
			}
			fmt.Fprintf(a.stdout, "%s may connect again.\n", args[0])
			return nil
		},
	}
}

// connectionLogPause is how often a log that is followed is looked at.
const connectionLogPause = 500 * time.Millisecond

func (a *app) clientLogCommand() *cobra.Command {
	follow := false
	c := &cobra.Command{
		Use:   "log [ENDPOINT]",
		Short: "Show connection logs as AWS writes them",
		Long: `Show what the connection logs of Client VPN endpoints say, or that of one: a line of
JSON, in AWS's fields, for each connection that begins or ends and each attempt that
fails. Of many failed attempts at once some only are logged. The same lines are in
files that outlive the lab, one per endpoint. An endpoint logs if the file says so:
  clientVpnEndpoints:
    corp: {connectionLog: true, …}`,
		Example: `  vpcsim client-vpn log
  vpcsim client-vpn log corp -f`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeFirst("clientVpnEndpoints"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.connectionLog(cmd.Context(), append(args, "")[0], follow)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with lines as they are written, until Ctrl-C")
	return c
}

func (a *app) connectionLog(ctx context.Context, endpoint string, follow bool) error {
	client, w, err := a.connectWorld(ctx)
	if err != nil {
		return err
	}
	k, _ := kindNamed("clientVpnEndpoints")
	names := k.Names(w)
	if endpoint != "" {
		if endpoint, err = findResource(w, k, endpoint); err != nil {
			return err
		}
		names = []string{endpoint}
	}
	if !slices.ContainsFunc(names, func(name string) bool { return w.ClientVPNEndpoints[name].ConnectionLog }) {
		return &exitError{exitFailed, "no Client VPN endpoint has a connection log; write connectionLog: true in one, and vpcsim apply the file"}
	}
	for last := uint64(0); ; {
		entries, err := client.ConnectionLog(ctx, last, endpoint)
		if err != nil {
			if follow && ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, e := range entries {
			fmt.Fprintln(a.stdout, string(e.Entry))
			last = e.Sequence
		}
		if !follow {
			if len(entries) == 0 {
				fmt.Fprintln(a.stderr, "Nothing logged yet: no client has called.")
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(connectionLogPause):
		}
	}
}
