package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

// The kinds that these commands are about.
const (
	transitGateways           = "transitGateways"
	transitGatewayAttachments = "transitGatewayAttachments"
)

func (a *app) transitGatewayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "transit-gateway",
		Aliases: []string{"tgw"},
		Short:   "Share transit gateways, attach to them, accept and reject",
		Long: `Live through a transit gateway that other accounts use, as on AWS: its owner shares
it, the account accepts the invitation and attaches a VPC, and the owner accepts the
attachment, unless the gateway does so by itself. Each command changes the running
lab at once, while traffic goes on; AWS's errors come with AWS's codes. The scenario
file stays as it is: applying it again undoes what it does not say. See what there
is with "vpcsim get transitGatewayAttachments".`,
		Example: `  vpcsim transit-gateway share hub --with 210987654321
  vpcsim transit-gateway accept-share hub
  vpcsim tgw attach hub-app --transit-gateway hub --vpc app --subnets a,b
  vpcsim transit-gateway accept hub-app`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.transitShareCommand("share"), a.transitShareAnswerCommand("accept-share"), a.transitShareAnswerCommand("reject-share"), a.transitShareCommand("unshare"),
		a.transitAttachCommand(), a.transitAttachmentCommand("accept"), a.transitAttachmentCommand("reject"), a.transitAttachmentCommand("delete"))
	return c
}

// transitShareCommand is share or unshare, the owner's part.
func (a *app) transitShareCommand(verb string) *cobra.Command {
	var with string
	c := &cobra.Command{
		Use:   verb + " NAME --with ACCOUNT",
		Short: map[string]string{"share": "Invite an account to use a transit gateway", "unshare": "Take a transit gateway back from an account"}[verb],
		Long: map[string]string{
			"share": `As the owner, share a transit gateway with another account (AWS: a resource share).
The account is invited, and cannot attach anything before it has accepted.`,
			"unshare": `As the owner, end the sharing of a transit gateway with an account, or take an
invitation back. An account that has an attachment there is refused.`,
		}[verb],
		Example:           fmt.Sprintf("  vpcsim transit-gateway %s hub --with 210987654321", verb),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKind(transitGateways),
		RunE: func(cmd *cobra.Command, args []string) error {
			if with == "" {
				return usage("no account given", fmt.Sprintf("write one, twelve digits, such as: vpcsim transit-gateway %s %s --with 210987654321", verb, args[0]))
			}
			op := control.Operation{Kind: transitGateways, Name: args[0], Action: verb, Parameters: map[string]string{"with": with}}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&with, "with", "", "the `account`")
	outputFlag(c, formatText, formatJSON)
	return c
}

// transitShareAnswerCommand is accept-share or reject-share, the invited account's part.
func (a *app) transitShareAnswerCommand(verb string) *cobra.Command {
	var account string
	word, _, _ := strings.Cut(verb, "-")
	c := &cobra.Command{
		Use:   verb + " NAME",
		Short: strings.ToUpper(word[:1]) + word[1:] + " the invitation to a transit gateway",
		Long: fmt.Sprintf(`As the account that was invited, %s the invitation to use a transit gateway.
--account says which, where several were invited.`, word),
		Example:           fmt.Sprintf("  vpcsim transit-gateway %s hub", verb),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKind(transitGateways),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := control.Operation{Kind: transitGateways, Name: args[0], Action: verb, Parameters: map[string]string{"account": account}}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&account, "account", "", "the `account` that answers; the only invited one unless given")
	outputFlag(c, formatText, formatJSON)
	return c
}

func (a *app) transitAttachCommand() *cobra.Command {
	var gateway, vpc, peer string
	var subnets []string
	c := &cobra.Command{
		Use:   "attach NAME --transit-gateway GATEWAY",
		Short: "Attach a VPC to a transit gateway, or ask for a peering of two",
		Long: `Attach a VPC to a transit gateway. If the VPC is of another account than the gateway,
that has to be shared with it, and the attachment waits for the owner's acceptance
unless the gateway has autoAcceptSharedAttachments. A peering of two gateways waits
in any case.`,
		Example: `  vpcsim tgw attach hub-app --transit-gateway hub --vpc app --subnets a,b
  vpcsim transit-gateway attach east-west --transit-gateway east --peer west`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := control.Operation{Kind: transitGatewayAttachments, Name: args[0], Action: "request", Parameters: map[string]string{
				"transitGateway": gateway, "vpc": vpc, "peer": peer, "subnets": strings.Join(subnets, ","),
			}}
			return a.operate(cmd.Context(), op, output(cmd), func(w *control.World, changed bool) string {
				if r := w.TransitGatewayAttachments[args[0]]; changed && r != nil {
					return fmt.Sprintf("%s is %s", args[0], r.Status.State)
				}
				return ""
			})
		},
	}
	c.Flags().StringVar(&gateway, "transit-gateway", "", "the transit `gateway`")
	c.Flags().StringVar(&vpc, "vpc", "", "the `VPC` that is attached")
	c.Flags().StringSliceVar(&subnets, "subnets", nil, "its `subnets` for the gateway, one per zone")
	c.Flags().StringVar(&peer, "peer", "", "the other `gateway` of a peering, instead of a VPC")
	outputFlag(c, formatText, formatJSON)
	return c
}

// transitAttachmentCommand is accept, reject or delete.
func (a *app) transitAttachmentCommand(verb string) *cobra.Command {
	var account string
	c := &cobra.Command{
		Use:   verb + " NAME",
		Short: map[string]string{"accept": "Accept an attachment that waits", "reject": "Reject an attachment that waits", "delete": "Delete an attachment"}[verb],
		Long: map[string]string{
			"accept": `As the owner of the gateway that was asked, accept an attachment that waits for
acceptance: routes to it come into force at once.`,
			"reject": `As the owner of the gateway that was asked, reject an attachment that waits for
acceptance.`,
			"delete": `Delete an attachment, as the owner of either side. Routes to it become blackholes,
and it stays listed as deleted.`,
		}[verb],
		Example:           fmt.Sprintf("  vpcsim transit-gateway %s hub-app", verb),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeKind(transitGatewayAttachments),
		RunE: func(cmd *cobra.Command, args []string) error {
			op := control.Operation{Kind: transitGatewayAttachments, Name: args[0], Action: verb, Parameters: map[string]string{"account": account}}
			return a.operate(cmd.Context(), op, output(cmd), nil)
		},
	}
	c.Flags().StringVar(&account, "account", "", "the `account` of the request; the right one unless given")
	outputFlag(c, formatText, formatJSON)
	return c
}

// completeKind offers the lab's resources of a kind for the first argument.
func (a *app) completeKind(plural string) completion {
	return a.completeWorld(func(w *control.World, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		k, _ := kindNamed(plural)
		return k.Names(w)
	})
}
