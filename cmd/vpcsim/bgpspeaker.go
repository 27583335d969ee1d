package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/vpcsim/vpcsim/control/bgp"
)

// bgpSpeakerMain is the program behind bgp.Argument, which a lab's daemon starts
// inside a network namespace. It does not return. A signal ends the sessions as
// the end of the standard input does.
func bgpSpeakerMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := bgp.Main(ctx, os.Stdin, os.Stdout, log)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vpcsim:", err)
		os.Exit(exitInternal)
	}
	os.Exit(0)
}
