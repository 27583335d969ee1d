package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

// vpcPeerings is the kind that all of these commands are about.
const vpcPeerings = "vpcPeerings"

func (a *app) peeringCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "peering",
		Short: "Request, accept, reject and delete VPC peerings",
		Long: `Live through a VPC peering connection as on AWS: one side requests it, the other
accepts or rejects it, either deletes it. Each command changes the running lab at
once, while traffic goes on, and says what it changed; AWS's errors come with AWS's
codes. The scenario file stays as it is: applying it again undoes what it does not
say. See the peerings of a lab with "vpcsim get vpcPeerings".`,
		Example: `  vpcsim peering request ab --vpc a --peer-vpc b
  vpcsim peering accept ab
  vpcsim peering delete ab`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.peeringRequestCommand(), a.peeringAnswerCommand("accept"), a.peeringAnswerCommand("reject"),
		a.peeringDeleteCommand(), a.peeringExpireCommand(), a.peeringDNSCommand())
	return c
}

func (a *app) peeringRequestCommand() *cobra.Command {
	var vpc, peer, account string
	c := &cobra.Command{
		Use:   "request NAME --vpc VPC --peer-vpc VPC",
		Short: "Ask for a peering between two VPCs",
		Long: `Ask for a VPC peering connection from one VPC to another. It waits for acceptance,
or has failed at once if the blocks of the two VPCs overlap. Between VPCs that have
a peering, waiting or active, nothing is created: AWS gives that one back.`,
		Example: `  vpcsim peering request ab --vpc a --peer-vpc b`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := peeringOperation("request", args[0], map[string]string{"vpc": vpc, "peerVpc": peer, "account": account})
			return a.operate(cmd.Context(), op, output(cmd), func(w *control.World, changed bool) string {
				if p := w.VPCPeerings[args[0]]; changed && p != nil {
					return fmt.Sprintf("%s is %s: %s", args[0], p.Status.State, p.Status.Message) // it may have failed (QP1)
				}
				return existingPeering(w, vpc, peer)
			})
		},
	}
	c.Flags().StringVar(&vpc, "vpc", "", "the `VPC` that asks")
	c.Flags().StringVar(&peer, "peer-vpc", "", "the `VPC` that is asked")
	c.Flags().StringVar(&account, "account", "", "the `account` that asks; that of the VPC unless given")
	outputFlag(c, formatText, formatJSON)
	for _, flag := range []string{"vpc", "peer-vpc"} {
		_ = c.RegisterFlagCompletionFunc(flag, a.completeWorld(func(w *control.World, _ []string) []string {
			k, _ := kindNamed("vpcs")
			return k.Names(w)
		}))
	}
	return c
}

// existingPeering words QP2: which peering of the two VPCs there is. They may
// have been given by ID.
func existingPeering(w *control.World, vpc, peer string) string {
	k, _ := kindNamed("vpcs")
	a, errA := findResource(w, k, vpc)
	b, errB := findResource(w, k, peer)
	if errA != nil || errB != nil {
		return ""
	}
	for name, p := range w.VPCPeerings {
		state := p.Status.State
		if (state == control.PeeringActive || state == control.PeeringPending) && (p.VPC == a && p.PeerVPC == b || p.VPC == b && p.PeerVPC == a) {
			return fmt.Sprintf("%s and %s have the VPC peering connection %s (%s, %s).", vpc, peer, name, p.Status.ID, state)
		}
	}
	return ""
}

// peeringAnswerCommand is accept or reject.
func (a *app) peeringAnswerCommand(verb string) *cobra.Command {
	var region, account string
	c := &cobra.Command{
		Use:   verb + " NAME",
		Short: map[string]string{"accept": "Accept a peering that waits", "reject": "Reject a peering that waits"}[verb],
		Long: fmt.Sprintf(`As the side that was asked, %s a VPC peering connection that waits for
acceptance. AWS takes this in the accepter's Region and from the accepter's account
only; --region and --account say where and as whom, to see what AWS says to others.`, verb),
		Example: fmt.Sprintf(`  vpcsim peering %s ab
  vpcsim peering %s ab --region eu-west-1`, verb, verb),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completePeerings(),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := peeringOperation(verb, args[0], map[string]string{"region": region, "account": account})
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&region, "region", "", "the `Region` of the request; the accepter's unless given")
	c.Flags().StringVar(&account, "account", "", "the `account` of the request; the accepter's unless given")
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) peeringDeleteCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a peering",
		Long: `Delete a VPC peering connection: an active one as either side, one that waits for
acceptance as the side that asked. Routes to it become blackholes, rules that name
security groups behind it become stale, and it stays listed as deleted.`,
		Example: `  vpcsim peering delete ab
  vpcsim peering delete ab --account 210987654321`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completePeerings(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd.Context(), peeringOperation("delete", args[0], map[string]string{"account": account}), output(cmd), nil)
		},
	}
	c.Flags().StringVar(&account, "account", "", "the `account` of the request; the requester's unless given")
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) peeringExpireCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "expire NAME",
		Short: "Let the seven days of a request pass",
		Long: `Do to a VPC peering connection that waits for acceptance what AWS, and a lab that
runs for so long, does after seven days: it expires. When that is, "vpcsim get
vpcPeerings" says.`,
		Example:           `  vpcsim peering expire ab`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completePeerings(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd.Context(), peeringOperation("expire", args[0], nil), output(cmd), nil)
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) peeringDNSCommand() *cobra.Command {
	var requester, accepter bool
	c := &cobra.Command{
		Use:   "dns-resolution NAME [--requester] [--accepter]",
		Short: "Allow or forbid DNS resolution across a peering",
		Long: `Say whether public DNS names of one side's instances resolve to their private
addresses when the other side asks. Each side allows it for its own instances; it
is off unless allowed, and both VPCs need DNS support and DNS hostnames.`,
		Example: `  vpcsim peering dns-resolution ab --requester --accepter
  vpcsim peering dns-resolution ab --accepter=false`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completePeerings(),
		RunE: func(cmd *cobra.Command, args []string) error {
			parameters := map[string]string{}
			for name, value := range map[string]bool{"requester": requester, "accepter": accepter} {
				if cmd.Flags().Changed(name) {
					parameters[name] = strconv.FormatBool(value)
				}
			}
			if len(parameters) == 0 {
				return usage("neither side given", "write --requester, --accepter or both, each with =false to forbid")
			}
			return a.operate(cmd.Context(), peeringOperation("dns-resolution", args[0], parameters), output(cmd), nil)
		},
	}
	c.Flags().BoolVar(&requester, "requester", false, "the side that asked allows it")
	c.Flags().BoolVar(&accepter, "accepter", false, "the side that was asked allows it")
	outputFlag(c, formatText, formatJSON)
	return c
}

func peeringOperation(action, name string, parameters map[string]string) control.Operation {
	return control.Operation{Kind: vpcPeerings, Name: name, Action: action, Parameters: parameters}
}

// completePeerings offers the lab's peerings for the first argument.
func (a *app) completePeerings() completion {
	return a.completeWorld(func(w *control.World, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		k, _ := kindNamed(vpcPeerings)
		return k.Names(w)
	})
}
