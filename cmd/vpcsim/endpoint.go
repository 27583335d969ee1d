package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

func (a *app) endpointCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "endpoint",
		Short: "Accept and reject VPC endpoints in a running lab",
		Long: `Decide, as the owner of an endpoint service, about the VPC endpoints that connect to
it. The running lab changes at once, while traffic goes on; the scenario file stays
as it is: applying it again undoes what it does not say. See the endpoints of a lab
with "vpcsim get vpcEndpoints", the services with "vpcsim get vpcEndpointServices".`,
		Example: `  vpcsim endpoint accept kv
  vpcsim endpoint reject kv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(
		a.endpointAnswerCommand("accept", "Accept an endpoint that waits", "Let a VPC endpoint that is pendingAcceptance connect to the service."),
		a.endpointAnswerCommand("reject", "Reject an endpoint, or cut it off", "Refuse a VPC endpoint that is pendingAcceptance, or cut off one that is available:\nits interfaces drop what comes to them, open connections included."))
	return c
}

// endpointAnswerCommand is accept or reject.
func (a *app) endpointAnswerCommand(verb, short, long string) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " NAME", Short: short, Long: long,
		Example: fmt.Sprintf("  vpcsim endpoint %s kv", verb),
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: a.completeWorld(func(w *control.World, _ []string) []string {
			k, _ := kindNamed("vpcEndpoints")
			return k.Names(w)
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd.Context(), control.Operation{Kind: "vpcEndpoints", Name: args[0], Action: verb}, output(cmd), nil)
		},
	}
	outputFlag(c, formatText, formatJSON)
	return c
}
