package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
	"github.com/vpcsim/vpcsim/control/lab"
)

func (a *app) vpnCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "vpn",
		Short: "Let AWS replace the end of a Site-to-Site VPN tunnel",
		Long: `What happens to Site-to-Site VPN connections beside their configuration. See them
with "vpcsim get vpnConnections"; Client VPN has commands of its own.`,
		Example: `  vpcsim vpn replace-tunnel office/1`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.replaceTunnelCommand())
	return c
}

func (a *app) replaceTunnelCommand() *cobra.Command {
	r := replacement{a: a}
	c := &cobra.Command{
		Use:   "replace-tunnel TUNNEL",
		Short: "Replace AWS's end of a tunnel, as its maintenance does",
		Long: `Do to a running lab what AWS does for tunnel maintenance, and what its
ReplaceVpnTunnel does at once: AWS lowers the MED that it announces on the other
tunnel of the connection, waits, takes this tunnel down, brings it up with the same
addresses and keys, and announces as before. A router that goes by the MED loses
nothing; see with a ping from the site while it happens. On a connection with static
routing there is no MED.

TUNNEL is a name such as office/1, or AWS's address of the tunnel outside. AWS takes
minutes where the lab takes seconds. Its parts are faults: "vpcsim fault
tunnelMaintenance office/1" is the first, "vpcsim fault tunnel office/1" the second.`,
		Example: `  vpcsim vpn replace-tunnel office/1
  vpcsim vpn replace-tunnel 198.51.100.1 --down 1m`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeWorld(func(w *control.World, args []string) []string {
			if len(args) > 0 {
				return nil
			}
			return control.FaultNames(w, control.FaultTunnel)
		}),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args[0]) },
	}
	c.Flags().DurationVar(&r.drain, "drain", 5*time.Second, "the `time` between the MED and the tunnel's going down")
	c.Flags().DurationVar(&r.down, "down", 10*time.Second, "the `time` that the tunnel is down")
	return c
}

// replacement is one replacement of a tunnel's end. It is made of faults, so that what
// is going on can be seen and, should this program be killed, be cleared.
type replacement struct {
	a           *app
	drain, down time.Duration

	client *lab.Client
	tunnel string
}

// mostReplacement is how long a tunnel that was up may take to come back: a router
// waits as long as that, at most, to call again.
const mostReplacement = 2 * time.Minute

func (r *replacement) run(ctx context.Context, tunnel string) (err error) {
	if r.client, err = r.a.connect(); err != nil {
		return err
	}
	w, err := r.client.World(ctx)
	if err != nil {
		return err
	}
	own, other, err := tunnelToReplace(w, tunnel)
	if err != nil {
		return err
	}
	r.tunnel = own.Name
	if err := r.fault(ctx, "inject", control.TunnelMaintenance); err != nil {
		return err
	}
	// Whatever happens, a lab is not left in maintenance.
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, r.fault(after, "clear", control.TunnelMaintenance))
	}()
	// What AWS announces is in force at once; the time is for the router to follow.
	r.sayPreference(ctx, other)
	if err := sleep(ctx, r.drain); err != nil {
		return err
	}
	if err := r.replace(ctx); err != nil {
		return err
	}
	// One that was down before, for want of a router, will not come up by this.
	if own.State == control.TunnelUp {
		if err := r.awaitUp(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.a.stdout, "%s is replaced; AWS announces as before.\n", r.tunnel)
	return nil
}

// tunnelToReplace finds a tunnel by its name or its outside address, and the other of
// the connection. One that is down already, or in maintenance, is refused.
func tunnelToReplace(w *control.World, text string) (own, other *control.VPNTunnel, err error) {
	outside, _ := netip.ParseAddr(text)
	names := control.FaultNames(w, control.FaultTunnel)
	for _, name := range names {
		t, c := w.VPNTunnel(name)
		if t == nil || name != text && (!outside.IsValid() || t.OutsideIP != outside) {
			continue
		}
		for i := range c.Status.Tunnels {
			if c.Status.Tunnels[i].Name != name {
				other = &c.Status.Tunnels[i]
			}
		}
		if broken := cmp.Or(t.Fault, t.Maintenance); broken != "" {
			return nil, nil, usage(fmt.Sprintf("tunnel %s has a fault: %s", name, broken), "clear it first: vpcsim fault clear "+broken)
		}
		return t, other, nil
	}
	hint := "the lab has no VPN connection"
	if len(names) > 0 {
		hint = "there is " + strings.Join(names, ", ")
	}
	return nil, nil, usage(fmt.Sprintf("no VPN tunnel %q", text), hint)
}

// sayPreference tells what AWS now announces on the other tunnel.
func (r *replacement) sayPreference(ctx context.Context, before *control.VPNTunnel) {
	other := before
	if w, err := r.client.World(ctx); err == nil {
		if now, _ := w.VPNTunnel(before.Name); now != nil {
			other = now
		}
	}
	switch {
	case other.State != control.TunnelUp:
		fmt.Fprintf(r.a.stdout, "%s is %s: while %s is down, too, the connection carries nothing.\n", other.Name, other.State, r.tunnel)
	case other.AnnouncedMED == before.AnnouncedMED: // static routing
		fmt.Fprintf(r.a.stdout, "Nothing tells the router to prefer %s: the connection has static routing.\n", other.Name)
	default:
		fmt.Fprintf(r.a.stdout, "AWS prefers %s: its MED is %d, before %d.\n", other.Name, other.AnnouncedMED, before.AnnouncedMED)
	}
}

// replace has the tunnel down for a while.
func (r *replacement) replace(ctx context.Context) (err error) {
	if err := r.fault(ctx, "inject", control.FaultTunnel); err != nil {
		return err
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, r.fault(after, "clear", control.FaultTunnel))
	}()
	fmt.Fprintf(r.a.stdout, "%s is down.\n", r.tunnel)
	return sleep(ctx, r.down)
}

// awaitUp waits until routes come by the tunnel again: only then may the MED go back.
func (r *replacement) awaitUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mostReplacement)
	defer cancel()
	for start := time.Now(); ; {
		w, err := r.client.World(ctx)
		if err != nil {
			return err
		}
		if t, _ := w.VPNTunnel(r.tunnel); t != nil && t.State == control.TunnelUp {
			fmt.Fprintf(r.a.stdout, "%s is up again after %s.\n", r.tunnel, time.Since(start).Round(100*time.Millisecond))
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("tunnel %s has not come up again within %s: see vpcsim get vpnConnections", r.tunnel, mostReplacement)
		} else if err != nil {
			return err
		}
	}
}

func (r *replacement) fault(ctx context.Context, action, kind string) error {
	_, err := r.client.Operate(ctx, faultOperation(action, []string{kind, r.tunnel}, ""))
	return err
}

// sleep waits unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
