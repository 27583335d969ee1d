package main

import (
	"github.com/spf13/cobra"
)

func (a *app) metricsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "metrics",
		Short: "Print the lab's metrics as Prometheus scrapes them",
		Long: `Print what a Prometheus server would scrape of the running lab: packets and bytes of
every interface and gateway, drops by reason and object, connections, tunnels, BGP
sessions, links, and the forwarding core's own tables and queues. The lab's socket
serves the same text at /metrics.`,
		Example: `  vpcsim metrics
  vpcsim metrics | grep dropped_packets
  watch -d "vpcsim metrics | grep _packets_total"`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			text, err := client.Metrics(cmd.Context())
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
