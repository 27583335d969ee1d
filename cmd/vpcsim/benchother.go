//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// benchArgument is what nobody calls the program with here.
const benchArgument = "__bench"

func benchMain() {}

// benchCommand says that there is nothing to measure.
func (a *app) benchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "bench",
		Short: "Measure forwarding beside the kernel's; needs Linux",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("bench needs Linux: it measures packets through network namespaces")
		},
	}
}
